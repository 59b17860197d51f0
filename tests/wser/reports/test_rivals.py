"""Models side by side: a table for each task, the paper's network against the best other, published figures beside."""

from dataclasses import replace
from pathlib import Path

from precompute.recipe import Recipe
from wser.evaluation.published import LiteratureResult
from wser.reports.html import rivals
from wser.reports.html.opened import SummarisedRun
from wser.results import StoredRun

CLASSES = ["angry", "sad"]
SPEAKERS = 6


def run(model: str, wrong: int = 0, protocol: str = "loso", missing: tuple[int, ...] = (), **record) -> SummarisedRun:
    """A run on two utterances of each of six speakers, of whom the first `wrong` are called angry only."""
    rows = [
        {"key": f"{speaker}{true}", "speaker": str(speaker), "true": true, "predicted": "angry" if speaker < wrong else true}
        for speaker in range(SPEAKERS)
        for true in CLASSES
    ]
    uar = 1 - wrong / SPEAKERS / 2
    pooled = {"uar": uar, "accuracy": uar, "macro_f1": uar}
    made = {
        "corpora": [{"corpus": "emodb", "synthetic": False}], "classes": CLASSES, "split_hash": "s", "protocol": protocol,
        "folds": 2, "selection": "last", "recipe": Recipe().record(), "seed": 0, "label_map": "l", "recipe_id": "r", **record,
    }  # fmt: skip
    summary = {
        "pooled": pooled, "interval": {"uar": [uar - 0.1, uar + 0.1]}, "missing": missing, "seconds": 5.0,
        "folds": [{"fold": 0, "epochs": 0, "parameters": 0}],
    }  # fmt: skip
    return SummarisedRun(StoredRun(Path(model), made, {"model.name": model}, {0: rows, 1: []}, {}), summary)


def result(model: str, value: float, speakers: str = "known", corpus: str = "emodb") -> LiteratureResult:
    return LiteratureResult(
        corpus=corpus, speakers=speakers, metric="accuracy", value=value, work="Someone", doi="10.1/x", model=model
    )


def cells(table, heading: str) -> list:
    at = [column.heading for column in table.columns].index(heading)
    return [None if row[at] is None else row[at] if isinstance(row[at], float) else str(row[at]) for row in table.rows]


def test_models_of_one_task_stand_in_the_order_of_their_uar_and_unfinished_ones_last():
    runs = [run("svm", 2), run("unfinished", 0, missing=(1,)), run("three_pipe", 3), run("issa2020", 1)]
    (table,) = rivals.tables([], runs)
    assert cells(table, "model") == ["issa2020", "svm", "three_pipe", "unfinished"]
    assert cells(table, "UAR %")[-1] is None
    assert table.strong == {2}


def test_tasks_have_tables_of_their_own_and_one_model_alone_has_none():
    runs = [run("svm"), run("issa2020"), run("svm", protocol="speaker_dependent"), run("svm", track="speaker-calibrated")]
    assert [cells(table, "model") for table in rivals.tables([], runs)] == [["svm", "issa2020"]]


def test_published_results_of_a_model_stand_beside_it_once():
    entries = [result("issa2020", 0.9), result("issa2020", 0.8, "unknown"), result("issa2020", 0.7, corpus="ravdess")]
    (table,) = rivals.tables(entries, [run("issa2020"), run("issa2020", 1), run("svm", 2)])
    assert cells(table, "model") == ["issa2020"] * 3 + ["svm"]
    assert cells(table, "published %") == [0.9, 0.8, None, None]
    assert cells(table, "test speakers there") == ["in training", "held out", None, None]
    assert cells(table, "UAR %")[1] is None


def test_a_published_result_stands_in_its_own_track_alone():
    entries = [replace(result("svm", 0.8), calibrated=True), result("issa2020", 0.9)]
    calibrated = [run(model, track="speaker-calibrated") for model in ("svm", "issa2020")]
    inductive, other = rivals.tables(entries, [run("svm"), run("issa2020"), *calibrated])
    assert cells(inductive, "published %") == [None, 0.9]
    assert cells(other, "published %") == [0.8, None]


def test_the_papers_network_is_tested_against_the_best_of_the_others_alone():
    fused = run("fused", 0, fused=[])
    (table,) = rivals.tables([], [run("svm", 2), run("three_pipe", 6), run("issa2020", 4), fused])
    assert "svm is 33.3 points above three_pipe" in table.notes[-1]
    (table,) = rivals.tables([], [run("svm", 2), run("issa2020", 4)])
    assert not any("three_pipe" in note for note in table.notes)
