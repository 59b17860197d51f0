"""Long recordings: windows that cover all of them, each predicted as a recording of its own, and their page."""

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wser import predict
from wser.inference import seen, timeline
from wser.inference import trained as loading
from wser.inference.predict import Predictor, Recording, Unusable
from wser.reports.html import timeline as page

pytestmark = pytest.mark.slow

RATE = 16000


@pytest.fixture(scope="module")
def predictor(trained) -> Predictor:
    run = loading.load(trained[0])
    return Predictor(run, seen.of(run))


@pytest.fixture(scope="module")
def speech(small_ravdess) -> np.ndarray:
    """Fifteen seconds of recordings, one after the other."""
    return np.concatenate([soundfile.read(file, dtype="float32")[0] for file in sorted(small_ravdess.rglob("*.wav"))])[
        : 15 * RATE
    ]


@pytest.fixture
def written(speech, tmp_path) -> Path:
    """A recording with four seconds of near silence in the middle."""
    quiet = 1e-4 * np.random.default_rng(0).standard_normal(4 * RATE).astype(np.float32)
    path = tmp_path / "long.wav"
    soundfile.write(path, np.concatenate([speech[: 6 * RATE], quiet, speech[6 * RATE :]]), RATE, subtype="FLOAT")
    return path


@pytest.mark.parametrize("blocks", [1, 7, 400, 10_000])
@pytest.mark.parametrize(("length", "hop", "total"), [(100, 50, 1000), (100, 100, 1000), (100, 30, 1001), (100, 50, 60)])
def test_windows_cover_every_sample_whatever_the_blocks(blocks, length, hop, total):
    samples = np.arange(total, dtype=np.float32)
    windows = list(timeline._cut(iter(np.split(samples, range(blocks, total, blocks))), length, hop))
    assert [start for start, _ in windows] == [hop * at for at in range(len(windows))]
    assert all(len(window) == length for _, window in windows[:-1])
    assert windows[-1][0] + len(windows[-1][1]) == total
    assert len(windows) == 1 + max(0, -(-(total - length) // hop))
    for start, window in windows:
        np.testing.assert_array_equal(window, samples[start : start + length])


def test_a_window_is_predicted_as_a_recording_of_its_own(predictor, written):
    found = timeline.follow(predictor, Recording("long", written), hop=1.0)
    samples = soundfile.read(written, dtype="float32")[0]
    for window in found.windows[::5]:
        cut = samples[round(window.start * RATE) : round(window.end * RATE)]
        (alone,) = predictor([Recording("cut", cut, RATE)])
        np.testing.assert_allclose(window.probabilities, alone.probabilities, atol=1e-6)


def test_quiet_windows_are_left_out_and_counted(predictor, written):
    found = timeline.follow(predictor, Recording("long", written), hop=1.0)
    left_out = [window for window in found.windows if window.probabilities is None]
    assert [(window.start, window.end) for window in left_out] == [(6, 8), (7, 9), (8, 10)]
    assert all(window.level < -60 for window in left_out)
    assert any(str(len(left_out)) in note for note in found.mean.notes)
    assert not found.drawn[: len(found.drawn)].all()
    everything = timeline.follow(predictor, Recording("long", written), hop=1.0, quiet=200)
    assert all(window.probabilities is not None for window in everything.windows)


def test_its_mean_is_that_of_its_windows(predictor, written):
    found = timeline.follow(predictor, Recording("long", written), hop=1.0)
    heard = [window.probabilities for window in found.windows if window.probabilities is not None]
    np.testing.assert_allclose(found.mean.probabilities, np.mean(heard, axis=0))


def test_the_runs_own_recordings_are_known_in_a_timeline_too(predictor, small_ravdess):
    own = next(small_ravdess.rglob("*.wav"))
    (whole,) = predictor([Recording("own", own)])
    found = timeline.follow(predictor, Recording("own", own), hop=1.0)
    assert (found.training, found.folds) == ("held out", whole.folds)
    np.testing.assert_allclose(found.mean.probabilities, whole.probabilities, atol=1e-6)


def test_the_picture_is_that_of_the_windows(predictor, small_ravdess):
    own = next(small_ravdess.rglob("*.wav"))
    from precompute import extract

    extracted = extract(own, predictor.run.recipe)
    found = timeline.follow(predictor, Recording("own", own), hop=1.0)
    np.testing.assert_array_equal(found.picture[:, found.drawn], extracted.values[:, : found.picture.shape[1]][:, found.drawn])


def test_memory_does_not_grow_with_the_recording(predictor, speech, tmp_path):
    import tracemalloc

    peaks = []
    for times in (2, 20):
        path = tmp_path / f"{times}.flac"
        soundfile.write(path, np.tile(speech, times), RATE)
        tracemalloc.start()
        timeline.follow(predictor, Recording("long", path), hop=2.0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # A block of a minute, and the file itself is not read whole.
    assert peaks[1] < peaks[0] + 20e6


@pytest.mark.parametrize("what", ["silent", "nan", "cut", "empty"])
def test_a_recording_that_cannot_be_followed_says_why(predictor, speech, encode, tmp_path, what):
    content = {
        "silent": lambda: encode(0 * speech),
        "nan": lambda: encode(np.where(np.arange(len(speech)) == 9 * RATE, np.nan, speech), subtype="FLOAT"),
        "cut": lambda: encode(speech)[:200_000],
        "empty": lambda: b"",
    }[what]()
    (tmp_path / "x.wav").write_bytes(content)
    for audio in (tmp_path / "x.wav", content):
        assert isinstance(timeline.follow(predictor, Recording("x", audio), hop=1.0), Unusable)


class Page(HTMLParser):
    """The tags of a page, and what is fetched from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.fetched += [value for name, value in attrs if name in ("src", "href") and not value.startswith("data:")]


def test_the_command_writes_a_csv_and_a_page_that_needs_only_the_recording(trained, predictor, written, tmp_path, capsys):
    out = tmp_path / "out"
    given = [str(trained[0]), str(written), "--timeline", str(out), "--hop", "1"]
    assert predict.main(given) == 0
    with (out / "long.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 18
    assert [row["start"] for row in rows if not row["predicted"]] == ["6.000", "7.000", "8.000"]
    assert all(
        sum(float(row[f"p_{name}"]) for name in predictor.run.classes) == pytest.approx(1, abs=1e-5)
        for row in rows
        if row["predicted"]
    )
    text = (out / "long.html").read_text()
    found = Page(text)
    assert found.fetched == ["../long.wav"]
    assert found.tags.count("svg") == len(predictor.run.classes)
    data = json.loads(re.search(r'<script type="application/json" id="windows">(.*?)</script>', text, re.DOTALL)[1])
    assert len(data["middles"]) == len(data["probabilities"]) == 18
    assert data["classes"] == predictor.run.classes
    capsys.readouterr()
    assert predict.main(given) == 1, "nothing is written over"


def test_a_page_escapes_what_files_are_called(predictor, written):
    found = timeline.follow(predictor, Recording("</script><b>x", written), hop=1.0)
    text = page.render(found, predictor.run, None, "today").decode()
    assert "<b>x" not in text
    assert "b" not in Page(text).tags


@pytest.mark.parametrize(
    "given",
    [
        ["--hop", "1"],
        ["--quiet", "9"],
        ["--timeline", "x", "--hop", "0"],
        ["--timeline", "x", "--hop", "3"],
        ["--timeline", "x", "--one-speaker"],
    ],
)
def test_options_that_have_no_effect_are_refused(trained, written, given, capsys):
    assert predict.main([str(trained[0]), str(written), *given]) == 2
    assert capsys.readouterr().err.count("\n") == 1
