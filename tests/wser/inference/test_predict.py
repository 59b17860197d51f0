"""Prediction: the same numbers as in a run's test set, and what is said of every recording that cannot be used."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from precompute.__main__ import main as build
from wser import predict, results
from wser.inference import seen
from wser.inference import trained as loading
from wser.inference.predict import Predicted, Predictor, Recording, of_speaker
from wser.inference.seen import Seen
from wser.run import main as train

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmade")]


def recordings(corpora: Path) -> dict[str, Recording]:
    """Every recording of a directory of corpora, by its key."""
    return {file.stem: Recording(str(file), file) for file in sorted(corpora.rglob("*.wav"))}


def stored(directory: Path) -> dict[str, tuple[int, str, list[float]]]:
    """Fold, predicted class and probabilities of each utterance of a run's test sets."""
    run = results.open_finished(directory)
    return {
        row["key"]: (fold, row["predicted"], [float(row[f"p_{name}"]) for name in run.classes])
        for fold, rows in run.parts.items()
        for row in rows
    }


@pytest.fixture(scope="module")
def run(trained):
    return loading.load(trained[0])


@pytest.fixture(scope="module")
def found(run, small_ravdess) -> dict[str, Predicted]:
    every = recordings(small_ravdess)
    return dict(zip(every, Predictor(run, seen.of(run))(every.values()), strict=True))


def test_the_runs_own_recordings_get_the_probabilities_of_the_fold_that_held_them_out(trained, run, found):
    for key, (fold, predicted, probabilities) in stored(trained[0]).items():
        assert (found[key].training, found[key].folds) == ("held out", (fold,))
        assert run.classes[int(found[key].probabilities.argmax())] == predicted
        np.testing.assert_allclose(found[key].probabilities, probabilities, atol=1e-6)


def test_what_a_recording_gets_does_not_depend_on_the_others(run, found, small_ravdess):
    every = recordings(small_ravdess)
    for key in list(every)[::5]:
        (alone,) = Predictor(run, seen.of(run))([every[key]])
        np.testing.assert_allclose(alone.probabilities, found[key].probabilities, atol=1e-6)


def test_new_recordings_get_the_mean_over_the_folds(run, small_ravdess):
    path = next(small_ravdess.rglob("*.wav"))
    samples, rate = soundfile.read(path, dtype="float32")
    new = Recording("new", 0.5 * samples, rate)
    (mean,) = Predictor(run, seen.of(run))([new])
    assert (mean.training, mean.folds) == ("no", (0, 1))
    each = [next(Predictor(loading.load(run.path, fold), None)([new])) for fold in (0, 1)]
    assert [one.training for one in each] == ["unknown", "unknown"]
    np.testing.assert_allclose(mean.probabilities, np.mean([one.probabilities for one in each], axis=0), atol=1e-9)


def test_a_recording_is_known_by_what_is_heard_in_it(run, small_ravdess, tmp_path):
    path = next(small_ravdess.rglob("*.wav"))
    samples, rate = soundfile.read(path, dtype="int16")
    soundfile.write(tmp_path / "another name.flac", samples, rate)
    copies = [Recording("samples", samples, rate), Recording("flac", tmp_path / "another name.flac")]
    assert [one.training for one in Predictor(run, seen.of(run))(copies)] == ["held out", "held out"]


def test_one_fold_says_that_it_was_trained_on_a_recording(run, small_ravdess):
    one = loading.load(run.path / "fold_1")
    assert [fold.number for fold in one.folds] == [1]
    marks = {
        key: p.training
        for key, p in zip(
            recordings(small_ravdess), Predictor(one, seen.of(one))(recordings(small_ravdess).values()), strict=True
        )
    }
    held_out = {key for key, (fold, *_) in stored(run.path).items() if fold == 1}
    assert {key for key, mark in marks.items() if mark == "held out"} == held_out
    assert {*marks.values()} == {"held out", "trained on"}


def test_a_run_of_today_asks_its_cache_and_says_where_it_is_gone(copied, small_ravdess, monkeypatch):
    (copied / results.RECORDINGS).unlink()
    asked = seen.of(loading.load(copied))
    assert isinstance(asked, Seen)
    own = next(iter(recordings(small_ravdess).values()))
    (one,) = Predictor(loading.load(copied), asked)([own])
    assert one.training == "held out"
    monkeypatch.setenv("WSER_CACHE", str(copied))
    assert seen.of(loading.load(copied)) is None


def test_older_caches_know_their_files(run, small_ravdess):
    heard = results.read_recordings(run.path)
    known = {key: entry | {"samples": None, "recording": None} for key, entry in heard.items()}
    by_file = Seen(known, {0: frozenset(known), 1: frozenset()})
    (one,) = Predictor(run, by_file)([next(iter(recordings(small_ravdess).values()))])
    assert (one.training, one.folds) == ("held out", (1,))


def test_the_file_of_the_weights_holds_what_is_needed_to_use_it(run):
    record = json.loads((run.path / results.RUN).read_text())
    content = torch.load(run.path / "fold_0" / results.WEIGHTS, weights_only=True)
    assert content["recipe"] == record["recipe"] == run.recipe.record()
    assert content["network"]["name"] == "three_pipe"
    assert content["network"]["filters"] == run.config.model.filters
    assert content["data"] == {"pad": "trim", "standardise": run.config.data.standardise, "enrol": 0}
    assert content["precision"] == run.precision == "32-true"


def test_weights_of_older_versions_are_used_as_well(copied, found, small_ravdess):
    file = copied / "fold_0" / results.WEIGHTS
    content = torch.load(file, weights_only=True)
    torch.save({name: content[name] for name in ("model", "mean", "deviation", "classes")}, file)
    metrics = json.loads((copied / "fold_0" / results.METRICS).read_text())
    del metrics["identity"], metrics["files"]
    (copied / "fold_0" / results.METRICS).write_text(json.dumps(metrics))
    key = next(key for key, one in found.items() if one.folds == (0,))
    older = loading.load(copied)
    (one,) = Predictor(older, seen.of(older))([recordings(small_ravdess)[key]])
    np.testing.assert_array_equal(one.probabilities, found[key].probabilities)


def harmed(copied: Path, how: str) -> Path:
    """A run, harmed in some way, and what is then given as a run."""
    weights = copied / "fold_0" / results.WEIGHTS
    match how:
        case "gone":
            weights.unlink()
        case "damaged":
            weights.write_bytes(weights.read_bytes()[:1000])
        case "another version":
            content = {"state": {}}
            torch.save(content, weights)
            _vouch(copied)
        case "another network":
            content = torch.load(weights, weights_only=True)
            content["model"] = {}
            torch.save(content, weights)
            _vouch(copied)
        case "other code":
            file = copied / results.IDENTITY
            file.write_text(json.dumps(json.loads(file.read_text()) | {"network": "0" * 64}))
        case "another recipe":
            record = json.loads((copied / results.RUN).read_text())
            record["recipe"]["algorithm"] = 1
            (copied / results.RUN).write_text(json.dumps(record))
        case "no fold":
            shutil.rmtree(copied / "fold_0")
            shutil.rmtree(copied / "fold_1")
        case "onnx":
            (copied / "out.onnx").write_bytes(b"\x08\x07")
            return copied / "out.onnx"
        case "a folder of runs":
            return copied.parent
    return copied


def _vouch(run: Path) -> None:
    """Have the metrics of fold 0 vouch for its weights as they are."""
    from precompute.common import files

    content = (run / "fold_0" / results.WEIGHTS).read_bytes()
    metrics = json.loads((run / "fold_0" / results.METRICS).read_text())
    metrics["files"][results.WEIGHTS] = {"size": len(content), "sha256": files.sha256(content)}
    (run / "fold_0" / results.METRICS).write_text(json.dumps(metrics))


@pytest.mark.parametrize(
    "how",
    [
        "gone",
        "damaged",
        "another version",
        "another network",
        "other code",
        "another recipe",
        "no fold",
        "onnx",
        "a folder of runs",
    ],
)
def test_what_is_no_run_with_weights_is_refused_in_a_sentence(copied, small_ravdess, capsys, how):
    file = next(small_ravdess.rglob("*.wav"))
    assert predict.main([str(harmed(copied, how)), str(file)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("wser.predict: ")
    assert captured.err.count("\n") == 1
    assert "unexpected" not in captured.err
    assert ":" in captured.err.removeprefix("wser.predict: "), "a remedy"


def test_a_model_that_is_fitted_at_once_has_no_weights(at_once, small_ravdess, tmp_path, capsys, messages):
    from wser import run

    assert run.main([*at_once, f"results={tmp_path}"]) == 0
    capsys.readouterr()
    (directory,) = tmp_path.iterdir()
    assert predict.main([str(directory), str(small_ravdess)]) == 1
    messages.check(capsys.readouterr().err)


def test_speakers_are_standardised_by_their_recordings_or_not_at_all(tiny, small_ravdess, tmp_path, capsys, messages):
    from wser import run

    assert run.main([*tiny, "data.standardise=speaker", f"results={tmp_path}"]) == 0
    capsys.readouterr()
    (directory,) = tmp_path.iterdir()
    actor = small_ravdess / "ravdess" / "Actor_01"
    assert predict.main([str(directory), str(actor)]) == 2
    messages.check(capsys.readouterr().err)
    assert predict.main([str(directory), str(actor), "--one-speaker"]) == 0
    calibrated, own = loading.load(directory), list(recordings(actor).values())
    (statistics,) = of_speaker([calibrated], lambda: own)
    for key, one in zip(recordings(actor), Predictor(calibrated, seen.of(calibrated), statistics)(own), strict=True):
        np.testing.assert_allclose(one.probabilities, stored(directory)[key][2], atol=1e-6)


def test_one_speaker_is_refused_where_nothing_asks_for_it(trained, small_ravdess, capsys, messages):
    assert predict.main([str(trained[0]), str(small_ravdess), "--one-speaker"]) == 2
    messages.check(capsys.readouterr().err)


BROKEN = {
    "empty": lambda *_: b"",
    "silent": lambda encode, tone: encode(0 * tone),
    "not a number": lambda encode, tone: encode(np.where(np.arange(len(tone)) == 9, np.nan, tone), subtype="FLOAT"),
    "cut short": lambda encode, tone: encode(tone)[:5000],
    "no audio": lambda *_: b"hello\n" * 100,
    "shorter than a column": lambda encode, tone: encode(tone[:50]),
}
"""Content of files that cannot be used."""


@pytest.fixture
def tone() -> np.ndarray:
    return 0.1 * np.sin(np.arange(16000) * 0.05) * np.hanning(16000)


def test_the_others_are_predicted_where_some_cannot_be_used(trained, encode, tone, tmp_path, capsys):
    for name, content in BROKEN.items():
        (tmp_path / f"{name}.wav").write_bytes(content(encode, tone))
    (tmp_path / "good.wav").write_bytes(encode(tone))
    (tmp_path / "folder").mkdir()
    out = tmp_path / "out.csv"
    given = [str(tmp_path), str(tmp_path / "folder"), str(tmp_path / "gone.wav"), str(tmp_path / "*.mp3"), "--csv", str(out)]
    assert predict.main([str(trained[0]), *given]) == 3
    captured = capsys.readouterr()
    for name in (*(f"{name}.wav" for name in BROKEN), "folder", "gone.wav", "*.mp3"):
        assert sum(line.startswith(f"warning: {tmp_path / name} is left out: ") for line in captured.err.splitlines()) == 1
    assert "--timeline" not in captured.err
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [str(tmp_path / "good.wav")]


def test_of_a_recording_that_is_too_long_the_timeline_is_named(trained, encode, tmp_path, capsys, messages):
    (tmp_path / "long.wav").write_bytes(encode(np.ones(4000 * 3700, np.int16), rate=4000))
    assert predict.main([str(trained[0]), str(tmp_path / "long.wav")]) == 3
    messages.check(capsys.readouterr().err)


def test_nothing_is_written_over(trained, encode, tone, tmp_path, capsys):
    (tmp_path / "good.wav").write_bytes(encode(tone))
    (tmp_path / "out.csv").write_text("mine")
    assert predict.main([str(trained[0]), str(tmp_path / "good.wav"), "--csv", str(tmp_path / "out.csv")]) == 1
    assert (tmp_path / "out.csv").read_text() == "mine"


def test_what_was_not_heard_as_in_training_is_said(run, encode, tone):
    slow = Recording("8 kHz", encode(tone, rate=8000))
    many = Recording("7 channels", encode(np.stack([tone] * 7, axis=1)))
    long = Recording("long", encode(np.tile(tone, 4)))
    usual = Recording("usual", encode(tone))
    noted = {one.name: one.notes for one in Predictor(run, None)([slow, many, long, usual])}
    assert [len(noted[name]) for name in ("8 kHz", "7 channels", "long", "usual")] == [1, 1, 1, 0]
    assert "4000 Hz" in noted["8 kHz"][0]


def test_files_are_rows_of_csv_and_of_json(trained, run, small_ravdess, tmp_path, capsys):
    written = {kind: tmp_path / f"out.{kind}" for kind in ("csv", "jsonl")}
    actor = small_ravdess / "ravdess" / "Actor_02"
    options = [part for kind, path in written.items() for part in (f"--{kind}", str(path))]
    assert predict.main([str(trained[0]), str(actor), str(actor / "*.wav"), *options]) == 0
    with written["csv"].open() as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in written["jsonl"].read_text().splitlines()]
    assert len(rows) == len(lines) == 6, "each file once"
    assert list(rows[0]) == ["file", "predicted", *(f"p_{name}" for name in run.classes), "training", "folds"]
    for row, line in zip(rows, lines, strict=True):
        assert (row["file"], row["predicted"], row["training"]) == (line["file"], line["predicted"], line["training"])
        assert [float(row[f"p_{name}"]) for name in run.classes] == list(line["probabilities"].values())
    table = capsys.readouterr().out
    assert all(Path(row["file"]).name in table for row in rows)


def test_a_recording_comes_on_standard_input(trained, encode, tone, monkeypatch, capsys):
    import io

    class Input:
        buffer = io.BytesIO(encode(tone))

    monkeypatch.setattr("sys.stdin", Input())
    assert predict.main([str(trained[0]), "-", "fold=1"]) == 0
    assert "standard input" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "code"), [(["fold=7", "x.wav"], 1), (["fold=x", "x.wav"], 2), (["fold=0"], 2), (["fold=0", "fold=1", "x.wav"], 2)]
)
def test_a_fold_that_is_none_is_refused(trained, given, code, capsys):
    assert predict.main([str(trained[0]), *given]) == code
    assert capsys.readouterr().err.count("\n") == 1


def test_a_narrow_table_has_the_two_most_probable_classes_alone():
    from wser.inference import tables

    classes = ["angry", "happy", "sad", "neutral", "disgusted", "fearful", "bored"]
    row = Predicted("folder/a.wav", np.array([0.1, 0.5, 0.3, 0.05, 0.02, 0.02, 0.01]), (0, 1, 2), "held out")
    wide, narrow = (tables.table("title", classes, [row], width).lines(width) for width in (200, 80))
    assert sum("p fearful" in line.text for line in wide) == 1
    assert not any("p fearful" in line.text or "left out" in line.text for line in narrow)
    assert all(len(line.text) <= 80 for line in narrow)
    assert any(line.text.split()[:5] == ["a.wav", "happy", "0.50", "sad", "0.30"] for line in narrow)


@pytest.mark.parametrize("kind", ["pad=random", "values=decibels"])
def test_other_recipes_are_heard_as_in_training_whatever_files_are_called(network, small_ravdess, tmp_path, kind):
    from precompute.__main__ import main as precompute
    from precompute.recipe import named
    from wser import run
    from wser.inference import timeline
    from wser.reports.html import timeline as page

    recipe, cache = ["scales=16", "columns=64", "duration=2.0", kind], tmp_path / "cache"
    where = ["--corpus", "ravdess", "--corpora", str(small_ravdess), "--cache", str(cache), "--jobs", "1"]
    assert precompute([*where, "--set", *recipe]) == 0
    settings = ["protocol.folds=2", "train.epochs=1", "train.device=cpu", "train.precision=bf16", "data.pad=paper", "jobs=1"]
    given = [f"cache_root={cache}", f"recipe={named('default', recipe).id}", f"results={tmp_path / 'runs'}", "logger=[]"]
    assert run.main([*settings, *given, *network, "fold=all"]) == 0
    (directory,) = (tmp_path / "runs").glob("ravdess-*")
    other = loading.load(directory)
    own = {key: Recording("renamed", one.audio.read_bytes()) for key, one in recordings(small_ravdess).items()}
    expected = stored(directory)
    for key, one in zip(own, Predictor(other, seen.of(other))(own.values()), strict=True):
        np.testing.assert_allclose(one.probabilities, expected[key][2], atol=1e-6)
    followed = timeline.follow(Predictor(other, None), next(iter(own.values())), hop=1.0)
    assert (followed.picture is None) == (kind == "values=decibels")
    assert (b"data:image" in page.render(followed, other, None, "today")) == (kind != "values=decibels")


def test_weights_of_a_training_that_diverged_are_refused(copied, small_ravdess, capsys, messages):
    file = copied / "fold_0" / results.WEIGHTS
    content = torch.load(file, weights_only=True)
    next(iter(content["model"].values())).fill_(torch.nan)
    torch.save(content, file)
    _vouch(copied)
    assert predict.main([str(copied), str(small_ravdess)]) == 1
    messages.check(capsys.readouterr().err)


OWN_FEATURE = """
from dataclasses import dataclass

from precompute.common.settings import setting
from precompute.features import scalogram

@dataclass(frozen=True)
class Feature(scalogram.Feature):
    scales: int = setting(16, low=1, high=64)
    height: int = setting(16, low=1, high=64)
    columns: int = setting(64, low=1, high=64)
    width: int = setting(64, low=1, high=64)
"""


def test_a_feature_of_ones_own_is_read_from_its_file(tiny, small_ravdess, tmp_path, monkeypatch, capsys, messages):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(OWN_FEATURE, "utf-8")
    caches = ["--corpora", str(small_ravdess), "--cache", "cache", "--jobs", "1"]
    assert build(["build", "ravdess", "--recipe", "./mine.py", *caches]) == 0
    assert train([*tiny, "cache_root=cache", "recipe=./mine.py", "fold=0", "results=runs"]) == 0
    (run,) = Path("runs").iterdir()
    recording = str(next(small_ravdess.rglob("*.wav")))
    assert predict.main([str(run), recording, "--csv", "first.csv"]) == 0
    Path("moved").mkdir()
    Path("mine.py").rename("moved/mine.py")
    capsys.readouterr()
    assert predict.main([str(run), recording]) == 1
    messages.check(capsys.readouterr().err)
    assert predict.main([str(run), recording, "--feature", "moved/mine.py", "--csv", "second.csv"]) == 0
    assert Path("first.csv").read_text("utf-8") == Path("second.csv").read_text("utf-8")
    Path("moved/mine.py").write_text(OWN_FEATURE.replace("high=64", "high=65"), "utf-8")
    capsys.readouterr()
    assert predict.main([str(run), recording, "--feature", "moved/mine.py"]) == 1
    messages.check(capsys.readouterr().err)
