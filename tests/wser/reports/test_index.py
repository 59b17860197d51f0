"""The page of all runs: what tells its rows apart, and which setting is the best, by the mean of its seeds on validation."""

from dataclasses import replace
from pathlib import Path

import pytest

from precompute.recipe import named
from wser.evaluation.caveats import CHOSEN_ON_TEST
from wser.reports.html import index
from wser.reports.html.index import Entry
from wser.reports.html.opened import CHOSEN


def entry(name: str, *, uar: float = 0.5, validation: float | None = 0.5, **changed) -> Entry:
    """A whole run of one epoch; what is changed is by key of run.json, or by dotted key of the configuration."""
    record = {
        "corpora": [{"corpus": "emodb", "synthetic": False, "cache": "recipe-inputs", "fingerprint": "f"}],
        "protocol": "loso", "classes": ["angry", "sad"], "split_hash": "0123456789", "seed": 0, "selection": "validation",
        "recipe": {}, "recipe_id": "recipe", "label_map": "emodb7", "folds": 2, "revision": "abcdefabcdef", "created": "2026",
        "by": "me",
    }  # fmt: skip
    config = {"preset": "unknown", "model.name": "row_svm", "model.c": 0.01}
    record |= {key: value for key, value in changed.items() if key in record}
    config |= {key: value for key, value in changed.items() if key not in record}
    summary = {
        "pooled": {"uar": uar, "accuracy": uar, "macro_f1": uar}, "interval": {"uar": [uar - 0.1, uar + 0.1]},
        "validation": None if validation is None else {"uar": validation}, "folds": [{"epochs": 1}],
    }  # fmt: skip
    return Entry(Path(name), record, config, 2, summary)


def best(entries: list[Entry]) -> list[dict]:
    table, _ = index._best(entries, index._differences(entries), Path())
    headings = [column.heading for column in table.columns] if table else []
    return [dict(zip(headings, row, strict=True)) for row in table.rows] if table else []


def test_the_best_is_the_mean_over_seeds_on_validation_and_not_on_test():
    lucky = [entry("a", validation=0.9, uar=0.9), entry("b", seed=1, validation=0.3, uar=0.9)]
    steady = [
        entry("c", validation=0.7, uar=0.4, **{"model.c": 1.0}),
        entry("d", seed=1, validation=0.7, uar=0.6, **{"model.c": 1.0}),
    ]
    (row,) = best([*lucky, *steady])
    assert row["settings"] == "model.c=1.0"
    assert row["runs"] == ["seed 0", "seed 1"]
    assert row["settings compared"] == 2
    assert [row["validation UAR %"], row["test UAR %"]] == pytest.approx([0.7, 0.5])
    assert row["SD over seeds"] == pytest.approx(0.02**0.5)


def test_corpora_and_tracks_have_a_best_each():
    ravdess = [{"corpus": "ravdess", "synthetic": False, "cache": "recipe-inputs", "fingerprint": "f"}]
    entries = [
        entry("a", validation=0.4), entry("b", validation=0.3, **{"model.c": 1.0}),
        entry("c", validation=0.9), entry("d", corpora=ravdess, validation=0.2),
    ]  # fmt: skip
    entries[2] = replace(entries[2], record=entries[2].record | {"track": "speaker-calibrated"})
    assert [(row["corpus"], row["validation UAR %"], row["settings compared"]) for row in best(entries)] == [
        ("emodb", 0.4, 2), ("emodb, speaker-calibrated", 0.9, 1), ("ravdess", 0.2, 1),
    ]  # fmt: skip


def test_the_best_names_what_tells_it_from_others_in_the_table_of_all_runs():
    at_once = entry("a", validation=0.9, recipe=named("compare").record())
    assert at_once.summary is not None
    at_once = replace(at_once, summary=at_once.summary | {"folds": [{"epochs": 0}]})
    (row,) = best([at_once, entry("b", recipe_id="other")])
    assert (row["recipe"], row["preset"]) == ("compare", None)


@pytest.mark.parametrize(
    "changed", [{"model.c": 1.0}, {"selection": "last"}, {"recipe_id": "other"}, {"revision": "0"}, {"label_map": "other"}]
)
def test_runs_that_differ_in_more_than_their_seed_are_not_averaged(changed):
    (row,) = best([entry("a", validation=0.6), entry("b", seed=1, validation=0.5, **changed)])
    assert row["runs"] == ["seed 0"]
    assert row["validation UAR %"] == 0.6


def test_a_copy_of_a_run_is_no_second_seed():
    (row,) = best([entry("a"), entry("copy")])
    assert row["runs"] == ["seed 0"]
    assert row["choice"] == "nothing to compare"


def test_a_choice_on_the_test_set_is_no_candidate_and_without_validation_nothing_is_chosen():
    flattered = entry("a", uar=0.9, validation=0.9, selection="test")
    without = [flattered, entry("b", validation=None), entry("c", validation=None, **{"model.c": 1.0})]
    table, (unchosen,) = index._best(without, index._differences(without), Path())
    assert table is None
    assert unchosen.endswith(", 2 settings")
    (row,) = best([flattered, entry("b", validation=None), entry("c", uar=0.2, validation=0.1, **{"model.c": 1.0})])
    assert row["test UAR %"] == 0.2
    assert row["choice"] == "the only one with validation; 1 without validation cannot be ranked"
    assert row["settings compared"] == 1
    third = entry("d", uar=0.1, validation=0.2, **{"model.c": 2.0})
    (row,) = best([entry("b", validation=None), entry("c", uar=0.2, validation=0.1, **{"model.c": 1.0}), third])
    assert row["choice"] == "highest on validation; 1 without validation cannot be ranked"
    assert (row["settings compared"], row["test UAR %"]) == (2, 0.1)
    assert best([flattered]) == []


def test_rows_name_what_differs_from_other_runs_of_their_kind():
    entries = [
        entry("a"), entry("b", **{"model.c": 1.0}), entry("c", seed=1), entry("d", revision="0123456789-dirty"),
        entry("e", **{"model.name": "other"}),
    ]  # fmt: skip
    assert index._differences(entries) == [
        "model.c=0.01, revision abcdefab", "model.c=1.0", "model.c=0.01", "model.c=0.01, revision 01234567-dirty", "",
    ]  # fmt: skip


def test_rows_name_what_differs_from_the_preset():
    config = {"preset": "tuned", "train.epochs": 3, "model.name": "three_pipe"}
    assert index._differences([entry("a", **config)]) == ["train.epochs=3"]


def test_settings_that_a_model_does_not_read_tell_nothing_apart():
    assert index._differences([entry("a", **{"train.epochs": 20}), entry("b", **{"train.epochs": 50})]) == ["", ""]
    assert index._differences([entry("a", preset="tuned", **{"train.epochs": 3, "data.mixup": 0.3})]) == [""]
    patience = [{"model.name": "three_pipe", "train.patience": 10, "selection": selection} for selection in CHOSEN]
    assert index._differences([entry(str(at), **changed) for at, changed in enumerate(patience)]) == ["", "", ""]


def test_what_all_runs_share_is_told_once_above_the_table():
    entries = [entry("a"), entry("b", seed=1)]
    table, common = index._in_common(index._table(entries, ["", ""], Path()))
    assert ("model", "row_svm") in common
    headings = [column.heading for column in table.columns]
    assert headings[:2] == ["run", "UAR %"]
    assert "seed" in headings
    assert "model" not in headings


def test_a_run_without_epochs_shows_no_preset():
    at_once = entry("a")
    assert at_once.summary is not None
    at_once = replace(at_once, summary=at_once.summary | {"folds": [{"epochs": 0}]})
    headings = [column.heading for column in index._table([], [], Path()).columns]
    shown = [dict(zip(headings, index._row(one, Path(), ""), strict=True))["preset"] for one in (at_once, entry("b"))]
    assert shown == [None, "unknown"]


def test_splits_of_one_protocol_are_told_apart_and_have_a_best_each():
    rows = best([entry("a"), entry("b", split_hash="fedcba9876")])
    assert sorted(row["protocol"] for row in rows) == ["loso, split 01234567", "loso, split fedcba98"]


def test_caveats_of_some_runs_alone_lead_to_the_column():
    flattered = replace(entry("a"), caveats=[CHOSEN_ON_TEST])
    assert index._told_apart([flattered]) == [str(CHOSEN_ON_TEST)]
    assert index._told_apart([flattered, entry("b")]) == [f"{CHOSEN_ON_TEST} The column caveats says of which runs."]
