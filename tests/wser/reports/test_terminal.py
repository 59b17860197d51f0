"""What results print at 60, 80 and 120 columns and into a file: no number is broken, no row loses its name."""

import itertools
import re

import pytest

from precompute.common import tables
from wser.evaluation.sweeps import Point, Sweep
from wser.evaluation.uncertainty import Difference
from wser.reports.tables import comparison_table, fold_table, sweep_table

WIDTHS = (60, 80, 120, None)


def figures(uar: float) -> dict:
    return {"uar": uar, "accuracy": uar + 0.01, "macro_f1": uar - 0.01}


def summary(uar: float) -> dict:
    """Of a run of three folds."""
    folds = [
        {
            "fold": fold, "epoch": 30 + fold, "seconds": 1234.0, "utterances": 200, **figures(uar),
            "speakers": {"test": [f"speaker_{fold}_{one}" for one in range(3)]},
        }
        for fold in range(3)
    ]  # fmt: skip
    return {
        "folds": folds, "missing": [], "pooled": figures(uar) | {"utterances": 600}, "speakers": 9, "validation": figures(0.7),
        "interval": {name: [uar - 0.05, uar + 0.05] for name in figures(uar)}, "mean": figures(uar), "deviation": figures(0.02),
        "majority": {"class": "angry", "uar": 0.1, "accuracy": 0.2}, "chance": 0.1429, "seconds": 3702.0,
        "human": [{"corpus": "ravdess", "accuracy": 0.62, "classes": 8, "source": "Somebody 2018, their third table"}],
        "epoch": 31.0, "seconds_to_epoch": 3000.0,
    }  # fmt: skip


def result() -> tables.Table:
    return fold_table("ravdess, 8 classes, speaker_independent, three_pipe", summary(0.581))


def comparison() -> tables.Table:
    difference = {name: Difference(0.023, (-0.011, 0.057), 0.18) for name in figures(0)}
    interval = dict.fromkeys(figures(0), (0.5, 0.6))
    runs = [(name, figures(0.581), interval) for name in ("A (epoch chosen on the test set)", "B")]
    return comparison_table("600 test utterances of 9 speakers", runs, [("B - A", difference)])


POINTS = [*itertools.product(([64, 64, 128], [64, 64, 128, 128, 256]), ("adam", "rmsprop", "sgd"))]


def swept() -> tables.Table:
    axes = ["model.filters", "train.optimiser"]
    points = [
        Point(dict(zip(axes, point, strict=True)), f"runs/ravdess-three_pipe-loso-{at:012x}", summary(0.4 + at / 100))
        for at, point in enumerate(POINTS)
    ]
    return sweep_table("ravdess", Sweep(axes, points))


def lines(table: tables.Table, width: int | None) -> list[str]:
    return [line.text for line in table.lines(width)]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("table", [result, comparison, swept])
def test_no_line_is_too_wide_and_no_number_is_broken(table, width):
    whole, shown = lines(table(), None), lines(table(), width)
    assert width is None or max(map(len, shown)) <= width
    known = {word for line in whole for word in line.split() if "---" not in word}
    names = {word for column in table().columns for word in f"{column.name}, {column.name}".split()}
    note = {*["left", "out", "for", "lack", "of", "width:"]}
    assert {word for line in shown for word in line.split() if "---" not in word} <= known | names | note


@pytest.mark.parametrize("width", WIDTHS)
def test_result_has_every_fold_with_its_figures(width):
    shown = lines(result(), width)
    for start in ("0", "1", "2", "pooled"):
        (row,) = (line for line in shown if re.match(rf"{start} ", line))
        assert "58.1" in row
    assert any(line.startswith("95 % interval") and "53.1 to 63.1" in line for line in shown)
    told = " ".join(shown)
    assert ("1234" in told) != ("seconds" in told.partition("left out for lack of width:")[2])


@pytest.mark.parametrize("width", WIDTHS)
def test_comparison_has_every_figure_of_every_run(width):
    rows = [line for line in lines(comparison(), width) if re.match("UAR|accuracy|macro F1", line)]
    assert len(rows) == 9
    assert sum("+2.3" in row and "0.18" in row for row in rows) == 3


@pytest.mark.parametrize("width", WIDTHS)
def test_sweep_keeps_what_names_its_points(width):
    shown = lines(swept(), width)
    for at, (filters, optimiser) in enumerate(POINTS):
        (row,) = (line for line in shown if f" {optimiser} " in line and re.search(rf"\b{40 + at}\.0\b", line))
        assert row.split()[row.startswith("*")] == ("…,128", "…,128,128,256")[len(filters) == 5]
        assert (f"ravdess-three_pipe-loso-{at:012x}" in row) == (width is None)
    told = " ".join(shown).partition("left out for lack of width:")[2]
    assert (width is None) or " run" in told
    assert any(line.startswith("*") for line in shown), "the best is marked"


def test_what_is_fitted_at_once_has_no_epochs_in_a_sweep():
    at_once = summary(0.4) | {"epoch": 0.0}
    told = " ".join(lines(sweep_table("demo", Sweep(["seed"], [Point({"seed": 0}, "runs/a", at_once)])), None))
    assert "up to the chosen epochs" not in told
    assert "up to the chosen epochs" in " ".join(lines(swept(), None))
