"""Predictions as text: a table for a terminal, and rows of CSV and JSON Lines."""

import csv
import io
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from precompute.common.errors import counted, few
from precompute.common.sheet import sheet_safe
from precompute.common.tables import Column, Table, length
from wser.inference.predict import Predicted, Unusable
from wser.inference.timeline import Timeline

SURE = "by the SHA-256 of their audio"

MARKS = {
    "held out": f"held out: in the run's own data, {SURE}, and predicted only by the folds that have not learned from it",
    "trained on": f"trained on: in the run's own data, {SURE}, and learned from, so that this says nothing of new ones",
    "unknown": "unknown: neither the run nor its cache says which recordings were in training, so that this was not checked",
}
"""What the marks of training mean."""


def table(title: str, classes: Sequence[str], rows: Sequence[Predicted], width: int | None = None) -> Table:
    """A table of predictions: the two most probable classes, and all of them where there is room.

    Args:
        title: Above it.
        classes: Names of the classes.
        rows: One for each recording.
        width: Of the terminal; None has room for all.
    """
    every = _rows(classes, rows, classes)
    too_wide = width is not None and any(length(line.text) > width for line in every.lines())
    table_of_all = _rows(classes, rows, ()) if too_wide else every
    marks = [MARKS[mark] for mark in MARKS if any(row.training == mark for row in rows)]
    return replace(table_of_all, title=title, caption=marks)


def _rows(classes: Sequence[str], rows: Sequence[Predicted], shown: Sequence[str]) -> Table:
    columns = [
        Column("recording", wraps=True), Column("predicted"), Column("p", right=True), Column("next"), Column("p", right=True),
        Column("training"), Column("folds", spare=1), *(Column(f"p {name}", right=True) for name in shown),
    ]  # fmt: skip
    table = Table("", columns)
    # `no` in every row would say nothing.
    marked = any(row.training != "no" for row in rows)
    for name, row in zip(_short([row.name for row in rows]), rows, strict=True):
        first, second = row.probabilities.argsort(kind="stable")[::-1][[0, min(1, len(classes) - 1)]].tolist()
        probabilities = [f"{p:.2f}" for p in row.probabilities]
        top = (classes[first], probabilities[first], classes[second], probabilities[second])
        training = row.training if marked else ""
        of_all = probabilities if shown else []
        table.add(name, *top, training, _folds(row.folds), *of_all)
    return table


def folder(names: Sequence[str]) -> str:
    """The folder that files have in common; empty where they have none, or there is one file alone."""
    if len(names) < 2 or not all(Path(name).exists() for name in names):
        return ""
    common = os.path.commonpath([os.path.dirname(os.path.abspath(name)) for name in names])  # noqa: PTH100, PTH120
    return "" if common == os.sep else common


def notes(rows: Iterable[Predicted]) -> list[str]:
    """What should be known of the recordings, each note once with those that it is about."""
    about: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        for note in row.notes:
            about[note].append(row.name)
    return [f"{few(names, 3)}: {note}" for note, names in about.items()]


def in_words(rows: Sequence[Predicted], unusable: Sequence[Unusable], classes: Sequence[str]) -> str:
    """How many recordings were given each class, in a line."""
    counts = Counter(classes[int(row.probabilities.argmax())] for row in rows)
    predicted = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    left_out = f"; {counted(len(unusable), 'recording')} left out" if unusable else ""
    return f"{counted(len(rows), 'recording')}: {predicted}{left_out}"


def as_csv(classes: Sequence[str], rows: Iterable[Predicted]) -> bytes:
    """A line for each recording: `file,predicted,p_<class>...,training,folds`."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["file", "predicted", *(f"p_{name}" for name in classes), "training", "folds"])
    for row in rows:
        names = map(sheet_safe, (row.name, classes[int(row.probabilities.argmax())]))
        writer.writerow([*names, *(f"{p:.6f}" for p in row.probabilities), row.training, _folds(row.folds)])
    return file.getvalue().encode("utf-8", "backslashreplace")


def timeline_csv(classes: Sequence[str], timeline: Timeline) -> bytes:
    """A line for each window: `start,end,level_db,predicted,p_<class>...`, the latter empty where it was left out."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["start", "end", "level_db", "predicted", *(f"p_{name}" for name in classes)])
    for window in timeline.windows:
        measured = [f"{window.start:.3f}", f"{window.end:.3f}", f"{window.level:.1f}"]
        if (probabilities := window.probabilities) is None:
            writer.writerow([*measured, *[""] * (1 + len(classes))])
        else:
            predicted = sheet_safe(classes[int(probabilities.argmax())])
            writer.writerow([*measured, predicted, *(f"{p:.6f}" for p in probabilities)])
    return file.getvalue().encode("utf-8", "backslashreplace")


def as_jsonl(classes: Sequence[str], rows: Iterable[Predicted]) -> bytes:
    """The same, an object of JSON in each line."""
    return b"".join(json.dumps(_record(classes, row)).encode() + b"\n" for row in rows)


def _record(classes: Sequence[str], row: Predicted) -> Mapping[str, object]:
    return {
        "file": row.name.encode("utf-8", "backslashreplace").decode(),
        "predicted": classes[int(row.probabilities.argmax())],
        "probabilities": {name: round(float(p), 6) for name, p in zip(classes, row.probabilities, strict=True)},
        "training": row.training,
        "folds": list(row.folds),
        "notes": list(row.notes),
    }


def _folds(numbers: Sequence[int]) -> str:
    """Numbers in a few characters: `0-9`, or `0 2 5`."""
    if len(numbers) > 2 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}-{numbers[-1]}"
    return " ".join(map(str, numbers))


def _short(names: Sequence[str]) -> list[str]:
    """Names of files without their folders; where two would be one, with what differs of these."""
    short = [Path(name).name or name for name in names]
    if len({*short}) == len(short) or not (common := folder(names)):
        return short
    return [os.path.relpath(name, common) for name in names]
