"""Whoever changes a number in finished results is named by every reader, and no reader prints the number."""

import json
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from forging import rewrite_predictions

import wser
from wser import compare, report, results, run
from wser.results import ResultError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmade")]

FORGED = 0.987

Rows = list[list[str]]


def metrics(path: Path) -> Path:
    return path / "fold_0" / results.METRICS


def change_predictions(change: Callable[[Rows], None], sealed: bool) -> Callable[[Path], None]:
    """Change the rows of predictions, header first; `sealed` replaces their SHA-256 in the metrics, and nothing else there."""

    def changed(path: Path) -> None:
        before = json.loads(metrics(path).read_bytes())
        rewrite_predictions(path / "fold_0", change)
        entry = json.loads(metrics(path).read_bytes())["files"][results.PREDICTIONS]
        before["files"][results.PREDICTIONS] = entry if sealed else before["files"][results.PREDICTIONS]
        metrics(path).write_text(json.dumps(before))

    return changed


def change_all(change: Callable[[Rows], None]) -> Callable[[Path], None]:
    """Change the rows, and make all of the metrics anew."""
    return lambda path: rewrite_predictions(path / "fold_0", change)


def flip_class(rows: Rows) -> None:
    for row in rows[1:]:
        row[3] = row[2]


def remove_row(rows: Rows) -> None:
    del rows[1]


def repeat_row(rows: Rows) -> None:
    rows[2] = rows[1]


def rename_key(rows: Rows) -> None:
    rows[1][0] = "nobody"


def raise_probability(rows: Rows) -> None:
    highest = max(range(4, len(rows[1])), key=lambda at: float(rows[1][at]))
    rows[1][highest] = f"{float(rows[1][highest]) + 0.001:.6f}"


def erase_probabilities(rows: Rows) -> None:
    rows[1][4:] = ["nan"] * len(rows[1][4:])


def remove_column(rows: Rows) -> None:
    for row in rows:
        del row[-1]


def change_metrics(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def changed(path: Path) -> None:
        record = json.loads(metrics(path).read_bytes())
        change(record)
        metrics(path).write_text(json.dumps(record))

    return changed


def move_one_to_the_diagonal(record: dict) -> None:
    at, row = next((at, row) for at, row in enumerate(record["confusion"]) if sum(row) > row[at])
    row[next(other for other, count in enumerate(row) if count and other != at)] -= 1
    row[at] += 1


def copy_other_fold(path: Path) -> None:
    shutil.rmtree(path / "fold_0")
    shutil.copytree(path / "fold_1", path / "fold_0")


CHECKSUM = f"{results.PREDICTIONS} is damaged (its SHA-256 is not the one in {results.METRICS})"

TAMPERINGS = {
    "class": (change_predictions(flip_class, sealed=False), CHECKSUM),
    "class, sealed": (change_predictions(flip_class, sealed=True), "which is not its most probable class"),
    "class, all metrics anew": (change_all(flip_class), "which is not its most probable class"),
    "row removed": (change_predictions(remove_row, sealed=False), CHECKSUM),
    "row removed, sealed": (change_predictions(remove_row, sealed=True), "11 utterances, where metrics.json has 12"),
    "row removed, all metrics anew": (change_all(remove_row), "has other utterances than the run's split"),
    "row twice, all metrics anew": (change_all(repeat_row), "is there twice"),
    "other utterance, all metrics anew": (change_all(rename_key), "has other utterances than the run's split"),
    "probability": (change_predictions(raise_probability, sealed=False), CHECKSUM),
    "probability, sealed": (change_predictions(raise_probability, sealed=True), "add up to 1.001, not 1"),
    "no probability, sealed": (change_predictions(erase_probabilities, sealed=True), "that is not a number from 0 to 1"),
    "column removed, sealed": (change_predictions(remove_column, sealed=True), "is damaged (no 'p_"),
    "uar": (change_metrics(lambda record: record.update(uar=FORGED)), "its uar is 0.987, and its confusion matrix gives"),
    "validation": (
        change_metrics(lambda record: record["validation"].update(uar=FORGED)),
        "its validation uar is 0.987, and its confusion matrix gives",
    ),
    "confusion": (change_metrics(move_one_to_the_diagonal), "they do not give the confusion matrix in metrics.json"),
    "utterances": (change_metrics(lambda record: record.update(utterances=13)), "12 utterances, where metrics.json has 13"),
    "accuracy": (change_metrics(lambda record: record.update(accuracy=FORGED)), "its accuracy is 0.987, and its"),
    "no checksums": (change_metrics(lambda record: record.pop("files")), "it lacks the SHA-256 of predictions.csv"),
    "identity": (change_metrics(lambda record: record.update(identity="0" * 64)), "of another run, by"),
    "another fold": (copy_other_fold, "has other utterances than the run's split"),
}


def load(path: Path, *_: object) -> int:
    """`wser.load_run` as a command: its figure on stdout, its warnings and its refusal on stderr."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            print(wser.load_run(path).metrics.uar)
        except ResultError as error:
            print(error, file=sys.stderr)
            return 1
    for warning in caught:
        print(warning.message, file=sys.stderr)
    return 0


READERS: dict[str, Callable[[Path, Path, list[str]], int]] = {
    "page": lambda path, *_: report.main([str(path)]),
    "markdown": lambda path, *_: report.main(["--markdown", str(path)]),
    "page of several": lambda path, other, _: report.main([str(other), str(path), "--out", str(path.parent / "both")]),
    "index": lambda path, *_: report.main(["--index", str(path.parent)]),
    "compare": lambda path, other, _: compare.main([str(other), str(path)]),
    "repeat": lambda path, *_: run.main(["--repeat", str(path), "--dry-run"]),
    "load_run": load,
    "resumed": lambda path, _, settings: run.main([*settings, f"results={path.parent}", "--dry-run"]),
}

OF_THE_SPLIT = [name for name, (_, says) in TAMPERINGS.items() if "the run's split" in says]
"""What the plan of a resumed run does not look at: it is refused when the finished folds are summarised."""


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_tampering_is_named_by_every_reader(copied, trained, tiny, capsys, tampering, reader):
    change, says = TAMPERINGS[tampering]
    change(copied)
    if late := reader == "resumed" and tampering in OF_THE_SPLIT:
        code = run.main([*tiny, f"results={copied.parent}"])
    else:
        code = READERS[reader](copied, trained[0], tiny)
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert says in line
    assert str(copied / "fold_0") in line
    assert code == (0 if reader == "index" or (reader == "resumed" and not late and tampering != "identity") else 1)
    if reader == "index":
        assert "<td" not in (copied.parent / "index.html").read_text(encoding="utf-8"), "no row for it"
    if reader not in ("index", "resumed"):
        assert printed.out == ""


@pytest.mark.parametrize("reader", [name for name in READERS if name != "repeat"])
def test_forged_summary_is_believed_by_nobody(copied, trained, tiny, capsys, reader):
    """But for the repeat, which neither reads one nor prints a figure of one."""
    summary = json.loads((copied / results.SUMMARY).read_bytes())
    summary["pooled"]["uar"] = summary["mean"]["uar"] = FORGED
    (copied / results.SUMMARY).write_text(json.dumps(summary))
    read = READERS[reader] if reader != "resumed" else lambda *_: run.main([*tiny, f"results={copied.parent}"])
    assert read(copied, trained[0], tiny) == 0
    printed = capsys.readouterr()
    (line,) = (line for line in printed.err.splitlines() if str(copied / results.SUMMARY) in line)
    assert "summary.json says pooled.uar = 0.987, and the predictions give 0." in line
    assert line.endswith(("it is rewritten", "run the command in run.json again to rewrite summary.json"))
    pages = [page.read_text(encoding="utf-8") for page in copied.parent.rglob("*.html")]
    assert not any("98.7" in text for text in (printed.out, *pages))
    if reader == "resumed":
        assert (copied / results.SUMMARY).read_bytes() == (trained[0] / results.SUMMARY).read_bytes()
    if reader in ("page", "index", "page of several"):
        assert any("summary.json says pooled.uar = 0.987" in text for text in pages)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("interval", "uar", [FORGED, FORGED]),
        ("deviation", "uar", FORGED),
        ("majority", "class", "joy"),
        ("folds", 0, {"uar": FORGED}),
    ],
)
def test_each_figure_of_a_summary_is_compared(copied, capsys, section, key, value, messages):
    summary = json.loads((copied / results.SUMMARY).read_bytes())
    summary[section][key] = value
    (copied / results.SUMMARY).write_text(json.dumps(summary))
    assert report.main(["--markdown", str(copied)]) == 0
    messages.check(capsys.readouterr().err)


def test_a_changed_split_is_named(copied, capsys, messages):
    split = json.loads((copied / results.SPLIT).read_bytes())
    split["folds"][0]["train"].pop()
    (copied / results.SPLIT).write_text(json.dumps(split))
    assert report.main([str(copied)]) == 1
    messages.check(capsys.readouterr().err, copied / results.SPLIT)


def test_changed_curves_and_test_speakers_are_named_by_the_page(copied, capsys, messages):
    file = copied / "fold_0" / results.CURVES
    content = file.read_text()
    file.write_text(content.replace("0", "1", 1))
    assert report.main([str(copied)]) == 1
    messages.check(capsys.readouterr().err, file)
    file.write_text(content)
    change_metrics(lambda record: record["speakers"].update(test=["somebody"]))(copied)
    assert report.main([str(copied)]) == 1
    messages.check(capsys.readouterr().err, metrics(copied))
