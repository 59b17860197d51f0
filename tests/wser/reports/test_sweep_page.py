"""Pages of sweeps and their tables: what is said is of what they show."""

from pathlib import Path

import pytest

from wser.evaluation.sweeps import Point, Sweep
from wser.reports.html import sweep
from wser.reports.html.opened import SummarisedRun
from wser.reports.html.table import Column, Table
from wser.results import StoredRun


def test_a_column_that_is_left_out_is_not_explained():
    columns = [Column("run"), Column("from", "percent"), Column("epoch", "count")]
    said = ("from", "From: the lower end."), ("epoch", "Epoch: the last."), ("gone", "Gone.")
    assert Table("t", "T", columns, [["a", None, 3]], notes=["More."]).explained(*said).notes == ["Epoch: the last.", "More."]
    assert Table("t", "T", columns, [["a", None, None]]).explained(*said).notes == []


def points_table(interval: dict | None, epochs: int, missing: list[int], validation: dict | None = None) -> Table:
    """Of the page of a sweep of one run."""
    summary = {
        "pooled": {"uar": 0.5, "accuracy": 0.5, "macro_f1": 0.5}, "interval": interval, "validation": validation, "chance": 0.1,
        "folds": [{"fold": 0, "epochs": epochs}], "missing": missing, "epoch": 3.0, "seconds": 2.0, "seconds_to_epoch": 1.0,
    }  # fmt: skip
    run = SummarisedRun(StoredRun(Path("a"), {"folds": 2}, {}, {0: []}, {}), summary)
    return sweep._points(Sweep(["seed"], [Point({"seed": 0}, "a", summary)]), [run], Path())


def test_the_table_of_a_sweep_explains_the_columns_that_it_has():
    interval = {"uar": [0.4, 0.6]}
    assert points_table(None, 0, []).notes == []
    assert points_table(interval, 0, []).notes == ["From, to: 95 % interval of the test UAR over speakers."]
    assert points_table(interval, 5, [1]).notes == [], "an unfinished run has neither"
    (note,) = points_table(None, 5, []).notes
    assert note.startswith("Epoch: the one that was tested")
    (note,) = points_table(None, 5, [], {"uar": 0.5}).notes
    assert note.startswith("Epoch: the one that was chosen")


def swept(axes: list[str], *points: tuple, selection: str = "last", task: str = "") -> Sweep:
    """A sweep of points (values, test UAR) without validation."""
    made = []
    for at, (values, uar) in enumerate(points):
        figures = {"uar": uar, "accuracy": uar, "macro_f1": uar}
        summary = {"pooled": figures, "validation": None, "chance": 0.1, "selection": selection}
        made.append(Point(dict(zip(axes, values, strict=True)), str(at), summary, (f"{task}{at if task else ''}",)))
    return Sweep(axes, made)


def test_a_sweep_without_a_best_setting_begins_with_the_range_of_its_settings():
    held = sweep._unchosen(swept(["train.lr", "seed"], ((1, 0), 0.2), ((1, 1), 0.4), ((2, 0), 0.6), ((2, 1), 0.8)))
    assert held is not None
    assert held["range"] == pytest.approx((0.3, 0.7))
    assert (held["settings"], held["runs"], held["averaged"], held["over_seeds"]) == (2, 4, True, None)
    assert sweep._unchosen(swept(["protocol.name"], (("a",), 0.2), (("b",), 0.4), task="other")) is None


def test_a_sweep_of_seeds_begins_with_their_mean():
    held = sweep._unchosen(swept(["seed"], ((0,), 0.2), ((1,), 0.4)))
    assert held is not None
    assert held["over_seeds"] == pytest.approx([0.3, 0.02**0.5])


def test_the_command_with_validation_is_offered_where_that_is_what_a_sweep_lacks():
    points = ((1,), 0.2), ((2,), 0.4)
    command = "python -m wser.run selection=last train.lr=1,2"
    assert sweep._with_validation(swept(["train.lr"], *points), command) == (
        "python -m wser.run train.lr=1,2 selection=validation"
    )
    assert sweep._with_validation(swept(["train.lr"], *points, selection="validation"), command) == ""
    assert sweep._with_validation(swept(["selection"], *points), command) == ""
    assert sweep._with_validation(swept(["corpus"], *points, task="other"), command) == "", "they are not to be ranked at all"
    assert sweep._with_validation(swept(["train.lr"], *points), "it's no command") == ""
