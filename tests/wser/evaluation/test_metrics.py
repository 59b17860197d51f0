import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    multilabel_confusion_matrix,
    precision_score,
    recall_score,
)

from wser import results
from wser.evaluation import caveats
from wser.evaluation.metrics import guessing, measure
from wser.evaluation.uncertainty import HEADLINES, by_speaker, intervals
from wser.reports.summary import human, summarise
from wser.reports.tables import fold_table

EXACT = {"rel": 0, "abs": 1e-12}


@st.composite
def predictions(draw) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Truth and guess of 1 to 60 utterances in 2 to 8 classes; some classes occur in neither, or in one only."""
    classes, count = draw(st.integers(2, 8)), draw(st.integers(1, 60))
    one = st.lists(st.integers(0, classes - 1), min_size=count, max_size=count)
    return np.array(draw(one)), np.array(draw(one)), [f"class {i}" for i in range(classes)]


@given(predictions())
def test_headlines_are_those_of_sklearn(drawn):
    true, guess, classes = drawn
    occurring = np.unique(true)
    found = measure(true, guess, classes)
    averaged = {"labels": occurring, "average": "macro", "zero_division": 0.0}
    assert found.uar == pytest.approx(recall_score(true, guess, **averaged), **EXACT)
    assert found.macro_f1 == pytest.approx(f1_score(true, guess, **averaged), **EXACT)
    assert found.accuracy == pytest.approx(accuracy_score(true, guess), **EXACT)
    assert found.utterances == len(true)


@pytest.mark.filterwarnings("ignore:y_pred contains classes:UserWarning", "ignore:A single label was found:UserWarning")
@given(predictions())
def test_uar_is_the_balanced_accuracy(drawn):
    true, guess, classes = drawn
    assert measure(true, guess, classes).uar == pytest.approx(balanced_accuracy_score(true, guess), **EXACT)


@pytest.mark.slow
@given(predictions())
def test_classes_are_those_of_sklearn_and_none_where_undefined(drawn):
    true, guess, classes = drawn
    labels = list(range(len(classes)))
    scores = [
        score(true, guess, labels=labels, average=None, zero_division=0.0)
        for score in (precision_score, recall_score, f1_score)
    ]
    for i, name in enumerate(classes):
        found, precision, recall, f1 = measure(true, guess, classes).per_class[name], *(score[i] for score in scores)
        assert found.support == (true == i).sum()
        assert found.recall == (pytest.approx(recall, **EXACT) if i in true else None)
        assert found.f1 == (pytest.approx(f1, **EXACT) if i in true else None)
        assert found.precision == (pytest.approx(precision, **EXACT) if i in guess else None)


@pytest.mark.slow
@given(predictions())
def test_accuracy_of_a_class_is_one_against_the_rest_as_by_sklearn(drawn):
    true, guess, classes = drawn
    for name, table in zip(classes, multilabel_confusion_matrix(true, guess, labels=range(len(classes))), strict=True):
        expected = (table[0, 0] + table[1, 1]) / len(true)
        assert measure(true, guess, classes).per_class[name].accuracy == pytest.approx(expected, **EXACT)


@pytest.mark.slow
@given(predictions())
def test_guessing_is_what_constant_answers_reach(drawn):
    true, _, classes = drawn
    found = guessing(measure(true, true, classes))
    constant = np.full(len(true), classes.index(found.majority))
    best = measure(true, constant, classes)
    assert (found.uar, found.accuracy) == pytest.approx((best.uar, best.accuracy), **EXACT)
    others = [measure(true, np.full(len(true), label), classes) for label in np.unique(true)]
    assert found.accuracy == pytest.approx(max(other.accuracy for other in others), **EXACT)


@given(predictions())
def test_confusion_has_true_classes_as_rows_and_counts_everything(drawn):
    true, guess, classes = drawn
    expected = np.zeros((len(classes), len(classes)), int)
    np.add.at(expected, (true, guess), 1)
    assert measure(true, guess, classes).confusion == expected.tolist()


@given(predictions())
def test_everything_goes_into_json(drawn):
    found = measure(*drawn).as_dict()
    assert json.loads(json.dumps(found)) == found


def test_perfect_worst_and_one_by_hand():
    classes = ["a", "b", "c"]
    perfect, worst = measure([0, 1, 2, 2], [0, 1, 2, 2], classes), measure([0, 1, 2, 2], [1, 2, 0, 0], classes)
    assert [(m.uar, m.accuracy, m.macro_f1) for m in (perfect, worst)] == [(1, 1, 1), (0, 0, 0)]
    found = measure([0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0], classes)
    assert found.uar == pytest.approx((3 / 4 + 1 / 2) / 2, **EXACT)
    assert found.accuracy == pytest.approx(4 / 6, **EXACT)
    assert found.macro_f1 == pytest.approx((6 / 8 + 2 / 4) / 2, **EXACT)
    assert found.per_class["c"].recall is None
    # Of class a, 3 are found, 1 is missed, 1 is taken for it and 1 rightly is not; of c, all 6 rightly are not.
    assert [found.per_class[name].accuracy for name in classes] == pytest.approx([4 / 6, 4 / 6, 1], **EXACT)
    assert found.per_class["a"].precision == pytest.approx(3 / 4, **EXACT)


def test_four_classes_by_hand():
    """A recall of 3/4 in each of 4 equal classes: one error each, taken for the next class."""
    true = np.repeat(np.arange(4), 4)
    guess = np.where(np.arange(16) % 4 == 3, (true + 1) % 4, true)
    found = measure(true, guess, list("abcd"))
    assert (found.uar, found.accuracy, found.macro_f1) == pytest.approx((0.75, 0.75, 0.75), **EXACT)
    one = found.per_class["b"]
    assert (one.precision, one.recall, one.f1) == pytest.approx((0.75, 0.75, 0.75), **EXACT)
    assert one.accuracy == pytest.approx(14 / 16, **EXACT), "3 found, 11 rightly rejected"
    assert one.support == 4


def test_guessing_by_hand():
    found = guessing(measure([1, 1, 1, 0, 3], [0, 0, 0, 0, 0], list("abcd")))
    assert (found.uar, found.majority, found.accuracy) == (1 / 3, "b", 3 / 5)


def test_guess_of_a_class_that_never_occurs_costs_recall_but_adds_no_class():
    found = measure([0, 0, 1, 1], [0, 2, 1, 1], ["a", "b", "c"])
    assert found.uar == pytest.approx(0.75, **EXACT)
    assert found.per_class["c"].precision == 0


# The summary over folds.


def write_fold(path, number: int, true: list[int], guess: list[int], classes: list[str]) -> None:
    folder = path / results.fold_name(number)
    folder.mkdir(parents=True)
    record = {
        "fold": number,
        **measure(true, guess, classes).as_dict(),
        "speakers": {"test": [f"s{number}"]},
        "epoch": 1,
        "seconds": 2.0,
        "diverged": False,
    }
    rows = [f"k{number}-{i},s{number},{classes[t]},{classes[g]}" for i, (t, g) in enumerate(zip(true, guess, strict=True))]
    (folder / results.PREDICTIONS).write_text("\n".join(["key,speaker,true,predicted", *rows]) + "\n")
    (folder / results.METRICS).write_text(json.dumps(record))


FOLDS = {0: ([0, 0, 1, 2], [0, 1, 1, 2]), 2: ([0, 1, 1, 1, 1, 0], [0, 1, 1, 1, 0, 0]), 10: ([2, 2, 2, 0], [1, 1, 1, 0])}
CLASSES = ["a", "b", "c"]


@pytest.fixture
def folder(tmp_path):
    for number, (true, guess) in FOLDS.items():
        write_fold(tmp_path, number, true, guess, CLASSES)
    return tmp_path


def test_summary_pools_predictions_and_averages_folds(folder):
    summary = summarise(folder, CLASSES, folds=12)
    true, guess = ([label for fold in FOLDS.values() for label in fold[side]] for side in (0, 1))
    assert summary["pooled"] == measure(true, guess, CLASSES).as_dict()
    for name in HEADLINES:
        values = [getattr(measure(t, g, CLASSES), name) for t, g in FOLDS.values()]
        assert summary["mean"][name] == pytest.approx(np.mean(values), **EXACT)
        assert summary["deviation"][name] == pytest.approx(np.std(values, ddof=1), **EXACT)
    assert abs(summary["pooled"]["uar"] - summary["mean"]["uar"]) > 0.01, "the two are not the same thing"


def test_summary_lists_missing_folds_and_orders_the_others_by_number(folder):
    summary = summarise(folder, CLASSES, folds=12)
    assert [record["fold"] for record in summary["folds"]] == [0, 2, 10]
    assert summary["missing"] == [1, 3, 4, 5, 6, 7, 8, 9, 11]
    table = fold_table("t", summary)
    assert "UNFINISHED: folds 1, 3, 4" in str(table.caption)
    names = {cells[0] for section in table._sections for cells, _ in section}
    assert {"0", "2", "10"} <= names
    assert not {"mean ± SD", "pooled", "95 % interval"} & names


def test_a_single_fold_has_no_deviation(tmp_path):
    write_fold(tmp_path, 0, [0, 1], [0, 1], CLASSES)
    summary = summarise(tmp_path, CLASSES, folds=1)
    assert summary["deviation"] is None
    assert summary["missing"] == []
    fold_table("t", summary)


def test_fold_without_metrics_is_not_finished(folder):
    (folder / "fold_1").mkdir()
    (folder / ".fold_3-abc").mkdir()
    (folder / ".fold_3-abc" / results.METRICS).write_text("{}")
    assert results.finished(folder) == [0, 2, 10]


@pytest.mark.parametrize(("selection", "marked"), [("test", True), ("validation", False)])
def test_figures_chosen_on_the_test_part_are_marked(folder, selection, marked):
    table = fold_table("t", summarise(folder, CLASSES, folds=12), caveats.of_selection(selection))
    assert ("The epoch was chosen on the test set: " in str(table.caption)) == marked


def test_summary_has_an_interval_over_speakers_and_references(folder):
    summary = summarise(folder, CLASSES, folds=12, corpora=["ravdess", "emodb"])
    true, guess = ([label for fold in FOLDS.values() for label in fold[side]] for side in (0, 1))
    speakers = [f"s{number}" for number, (one, _) in FOLDS.items() for _ in one]
    assert summary["speakers"] == 3
    assert summary["interval"] == {name: list(ends) for name, ends in intervals(by_speaker(true, guess, speakers, 3)).items()}
    low, high = summary["interval"]["uar"]
    assert low < summary["pooled"]["uar"] < high
    assert summary["chance"] == 1 / 3
    assert summary["majority"] == {"class": "a", "uar": 1 / 3, "accuracy": 5 / 14}, "as frequent as b"
    assert [one["corpus"] for one in summary["human"]] == ["ravdess"]
    assert json.loads(json.dumps(summary)) == summary


def with_validation(folder, number: int, true: list[int], guess: list[int], epoch: int) -> None:
    file = folder / results.fold_name(number) / results.METRICS
    added = {"validation": measure(true, guess, CLASSES).as_dict(), "seconds_to_epoch": 1.25, "epoch": epoch}
    file.write_text(json.dumps(json.loads(file.read_text()) | added))


def test_summary_pools_the_validation_parts(folder):
    """Recalls of the parts taken together, and not a mean of the parts' own: class b occurs in one of them alone."""
    for number, epoch in zip(FOLDS, (1, 2, 6), strict=True):
        true, guess = ([0, 0, 1], [0, 2, 1]) if number == 2 else ([0, 0, 0, 2], [0, 0, 0, 0])
        with_validation(folder, number, true, guess, epoch)
    summary = summarise(folder, CLASSES, folds=12)
    found = summary["validation"]
    assert found["confusion"] == [[7, 0, 1], [0, 1, 0], [2, 0, 0]]
    assert found["uar"] == pytest.approx((7 / 8 + 1 + 0) / 3, **EXACT)
    assert (found["accuracy"], found["utterances"]) == (pytest.approx(8 / 11, **EXACT), 11)
    assert (summary["epoch"], summary["seconds_to_epoch"]) == (3, 3.8)
    assert json.loads(json.dumps(summary)) == summary


def test_a_single_fold_without_validation_leaves_the_summary_without(folder):
    with_validation(folder, 0, [0], [0], 1)
    summary = summarise(folder, CLASSES, folds=12)
    assert (summary["validation"], summary["seconds_to_epoch"]) == (None, None)


def test_human_accuracies_name_their_source():
    (found,) = human(["ravdess", "nobody's"])
    assert found["accuracy"] == 0.62
    assert found["doi"].startswith("10.")
    assert "Livingstone" in found["source"]
    assert human([]) == []


def printed(table) -> list[str]:
    return [line.text for line in table.lines()]


def line(lines: list[str], start: str) -> str:
    (found,) = (one for one in lines if one.startswith(f"{start}  "))
    return found


def test_table_prints_interval_and_references(folder):
    summary = summarise(folder, CLASSES, folds=12, corpora=["ravdess"])
    lines = printed(fold_table("t", summary | {"missing": []}))
    low, high = summary["interval"]["uar"]
    assert f"{100 * low:.1f} to {100 * high:.1f}" in line(lines, "95 % interval")
    assert line(lines, "chance").count("33.3") == 2
    assert "35.7" in line(lines, "always a")
    assert "62" in line(lines, "listeners, ravdess")
    caption = " ".join(" ".join(lines).split())
    assert "Livingstone & Russo 2018" in caption
    assert "3 speakers of the test sets; with so few" in caption


def test_a_single_speaker_has_no_interval(tmp_path):
    write_fold(tmp_path, 0, [0, 1], [0, 1], CLASSES)
    summary = summarise(tmp_path, CLASSES, folds=1)
    assert (summary["speakers"], summary["interval"]) == (1, None)
    assert "95 %" not in " ".join(printed(fold_table("t", summary)))
