"""The page: sound HTML that needs nothing else, with the measured numbers, and every name shown as text."""

import re
from collections import Counter

import numpy as np
import pytest
from markup import Page, words
from matplotlib import pyplot as plt

from precompute.cache.layout import Skipped, Utterance
from precompute.check import gallery, page, plots
from precompute.check.facts import facts
from precompute.check.findings import findings, verdict
from precompute.check.survey import survey
from precompute.corpora import Corpus, Scan
from precompute.recipe import named

RECIPE = named("default", ["scales=16", "columns=64", "duration=2.0"])
STRANGE = "<script>alert('ü')</script> & \"$x_1$\""


@pytest.fixture(scope="module")
def made(tmp_path_factory, encode):
    """A page of a corpus whose names are as strange as can be, its survey and its findings."""
    directory = tmp_path_factory.mktemp("strange")
    utterances = []
    for index, (speaker, emotion) in enumerate([(STRANGE, "angry"), (STRANGE, "sad"), ("Jürgen", "angry"), ("Jürgen", "sad")]):
        samples = 0.1 * np.random.default_rng(index).uniform(-1, 1, (16000 + 1000 * index, 2 if index == 3 else 1))
        path = f"<b>ö{index}.wav"
        (directory / path).write_bytes(encode(samples))
        utterances.append(
            Utterance(
                key=f"<i>{index}", path=path, speaker=speaker, emotion=emotion, label=f"<{emotion}>", sex="male", sentence="<u>"
            )
        )
    corpus = Corpus(
        name="strange", title="Strange <corpus>", licence="<free>", source="<nowhere>", doi="10.1/1", speakers=3,
        emotions={"angry": 2, "sad": 2}, usual_place="strange/*.wav",
    )  # fmt: skip
    scan = Scan(tuple(utterances), (Skipped("<img src=x>.wav", "the name does not parse"),))
    measured = survey(corpus, directory, scan, RECIPE, 1)
    found = findings(measured)
    pictures = gallery.thumbnails(gallery.choose(measured), directory, RECIPE, 1)
    about = "A corpus of <names>.\n\nLayout: `<b>*.wav`, all\nin one folder.\n"

    def render(when="now"):
        return page.render(measured, found, pictures, RECIPE, about, when)

    return render, measured, found


@pytest.fixture(scope="module")
def text(made):
    return made[0]()


@pytest.fixture(scope="module")
def parsed(text):
    return Page(text)


def test_the_page_is_sound_html(parsed):
    assert parsed.counts["main"] == parsed.counts["h1"] == parsed.counts["title"] == 1
    assert max(Counter(parsed.ids).values()) == 1
    # No level of heading is left out on the way down.
    assert all(after - before <= 1 for before, after in zip([0, *parsed.headings], parsed.headings, strict=False))
    labels = {value for _, fields in parsed.attributes for name, value in fields.items() if name == "aria-labelledby"}
    assert labels <= set(parsed.ids)


def test_nothing_is_fetched_and_nothing_runs(parsed, text):
    assert all(re.match(r"data:|#", one) for one in parsed.fetched)
    assert parsed.counts["script"] == parsed.counts["iframe"] == 0
    assert not [name for _, fields in parsed.attributes for name in fields if name.startswith("on")]
    style = "".join(re.findall(r"<style>.*?</style>", text, re.DOTALL))
    assert "url(" not in style
    assert "@import" not in style


def test_references_within_the_plots_lead_somewhere(parsed, text):
    wanted = set(re.findall(r'(?:url\(|href=")#([^")]+)', text))
    assert wanted
    assert wanted <= set(parsed.ids)


def test_pictures_and_plots_have_words(parsed):
    images = [fields for tag, fields in parsed.attributes if tag == "img"]
    assert len(images) == 4
    assert all(fields["alt"] and fields["src"].startswith("data:image/webp;base64,") for fields in images)
    plots = [fields for _, fields in parsed.attributes if fields.get("role") == "img"]
    assert len(plots) == parsed.counts["svg"] == 3
    assert all(fields["aria-label"] for fields in plots)


def test_the_page_says_what_was_measured(made, parsed):
    _, measured, found = made
    shown = words(parsed.text)
    assert verdict(measured, found) in shown
    for fact in facts(measured):
        assert words(f"{fact.what}") in shown
        assert words(fact.found) in shown
    for finding in found:
        assert finding.meaning in shown
        assert [item for item in finding.items if words(item) not in shown] == []


def test_cells_of_the_table_of_labels_hold_the_counts(made, text):
    _, measured, _ = made
    table = re.search(r'<table class="labels">.*?</table>', text, re.DOTALL)[0]
    body = re.search(r"<tbody>(.*?)</tbody>", table, re.DOTALL)[1]
    rows = [[int(cell) for cell in re.findall(r"<td[^>]*>(\d+)</td>", row)] for row in body.split("</tr>")[:-1]]
    expected = [[measured.counts[s, e] for e in measured.emotions] for s in measured.speakers]
    assert rows == [[*row, sum(row)] for row in expected]


def test_names_are_shown_as_text(parsed, text):
    assert "<script" not in text
    assert "<img src=x>" not in text
    shown = words(parsed.text)
    for name in (
        STRANGE,
        "Jürgen",
        "<b>ö3.wav",
        "<img src=x>.wav",
        "<angry>",
        "Strange <corpus>",
        "<free>",
        "<nowhere>",
        "<names>",
    ):
        assert name in shown, name
    assert "<code>&lt;b&gt;*.wav</code>" in text
    # Once in the table of labels, once in that of pictures, once in the plot of levels.
    assert parsed.text.count(STRANGE) == 3
    assert parsed.counts["b"] == parsed.counts["i"] == parsed.counts["u"] == 0


def test_two_pages_of_one_corpus_differ_by_their_last_line_only(made):
    render, _, _ = made
    first, second = render("2026-01-01").splitlines(), render("2026-01-02").splitlines()
    assert [pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]] == [
        ("<footer>Made 2026-01-01</footer>", "<footer>Made 2026-01-02</footer>")
    ]


def test_without_a_usable_recording_there_is_a_page_without_plots_and_pictures(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"")
    corpus = Corpus("none", "None", "free", "nowhere", "10.1/1", 1, {"sad": 1}, "none/*.wav")
    scan = Scan((Utterance(key="a", path="a.wav", speaker="a", emotion="sad", label="sad"),), ())
    measured = survey(corpus, tmp_path, scan, RECIPE, 1)
    shown = Page(page.render(measured, findings(measured), [], RECIPE, "", "now"))
    assert shown.counts["svg"] == shown.counts["img"] == 0
    assert "a.wav: the file is empty" in shown.text


def test_the_level_of_a_speaker_with_one_utterance_is_seen():
    _, axes = plt.subplots()
    plots._boxes(axes, [[-20.0], [-25.0, -15.0]])
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [(*line.get_xdata(), *line.get_ydata()) for line in dots] == [(-20.0, 0)]
    plt.close()
