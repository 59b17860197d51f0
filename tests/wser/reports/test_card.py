"""The model card has the figures of the run's own files, and says what they do not show."""

import shutil

import numpy as np
import pytest

from precompute import corpora
from wser import export, results
from wser.reports import card
from wser.reports.html import opened

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmade")]


@pytest.fixture(scope="module")
def run(trained):
    return opened.summarised(trained[0])


@pytest.fixture(scope="module")
def text(run):
    return card.card(run)


def rows(text, first):
    """Cells of the table whose first heading is `first`."""
    lines = text.splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith(f"| {first} |"))
    table = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return table
        table.append([cell.strip() for cell in line.strip("|").split("|")])
    return table


def test_it_has_the_parts_of_a_card(text):
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert len(headings) == len({*headings}) == 7
    assert text.count("\n# ") == 0
    assert text.startswith("# ")
    assert text.endswith("\n")


def test_its_figures_are_those_of_the_predictions(run, text):
    predictions = run.stored.rows
    names = run.stored.classes
    recall = {
        name: np.mean([row["predicted"] == name for row in predictions if row["true"] == name])
        for name in names
        if any(row["true"] == name for row in predictions)
    }
    assert f"{100 * np.mean([*recall.values()]):.1f} %" in text
    low, high = run.summary["interval"]["uar"]
    assert f"{100 * low:.1f} to {100 * high:.1f}" in text
    found = {cells[0]: cells[1] for cells in rows(text, "class")}
    assert found == {name: f"{100 * recall[name]:.1f}" if name in recall else "" for name in names}
    confusion = {cells[0]: list(map(int, cells[1:])) for cells in rows(text, "true")}
    for true in names:
        expected = [sum(row["true"] == true and row["predicted"] == name for row in predictions) for name in names]
        assert confusion[true] == expected


def test_corpora_are_named_with_their_licence(text):
    corpus = corpora.load("ravdess").CORPUS
    for said in (corpus.licence, corpus.source, corpus.doi):
        assert said.replace("-", "") in text.replace("\\", "").replace("-", "")


def test_the_ensemble_is_not_said_to_be_as_good_as_its_folds(text):
    assert "no honest metric" in " ".join(text.split())


def test_what_must_be_known_is_said(run, text):
    for caveat in run.caveats:
        assert str(caveat.says).split()[0] in text


def test_a_corpus_of_somebody_has_no_licence_here(run, monkeypatch):
    monkeypatch.setitem(run.stored.record["corpora"][0], "corpus", "mine")
    assert "mine" in card.card(run)


def test_an_unfinished_run_has_no_card(copied, tmp_path, capsys, messages):
    shutil.rmtree(copied / "fold_1")
    with messages.raises(results.ResultError):
        card.card(opened.summarised(copied))


def test_the_command_writes_it_once(trained, run, text, tmp_path, capsys):
    out = tmp_path / "card.md"
    assert export.main([str(trained[0]), str(out), "--card"]) == 0
    assert out.read_text("utf-8") == text
    assert export.main([str(trained[0]), str(out), "--card"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert out.read_text("utf-8") == text


def test_a_model_that_is_fitted_at_once_has_a_card_too(at_once, tmp_path, capsys):
    from wser import run as running

    assert running.main([*at_once, f"results={tmp_path}"]) == 0
    (directory,) = tmp_path.iterdir()
    assert card.card(opened.summarised(directory)).startswith("# ")
