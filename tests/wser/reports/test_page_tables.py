"""Tables of pages: what is written beneath them is of what they show."""

from pathlib import Path

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
