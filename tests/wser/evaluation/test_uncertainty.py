import tracemalloc

import numpy as np
import pytest
from counting import calls
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import permutation_test
from sklearn.metrics import accuracy_score, f1_score, recall_score

from wser.evaluation import uncertainty
from wser.evaluation.metrics import measure
from wser.evaluation.uncertainty import HEADLINES, by_speaker, counts, differences, intervals, scores, smallest_p

EXACT = {"rel": 0, "abs": 1e-12}


@st.composite
def spoken(draw, guesses: int = 1) -> tuple:
    """Truth, speaker and one or more guesses of 2 to 60 utterances; number of classes."""
    classes, count, speakers = draw(st.integers(2, 5)), draw(st.integers(2, 60)), draw(st.integers(2, 6))
    labels = st.lists(st.integers(0, classes - 1), min_size=count, max_size=count)
    names = draw(st.lists(st.integers(0, speakers - 1), min_size=count, max_size=count))
    return np.array(draw(labels)), np.array(names), [np.array(draw(labels)) for _ in range(guesses)], classes


def run(*rights: list[int], of: int = 4) -> np.ndarray:
    """Counts of speakers of two classes; a list says of each class how many utterances are right."""
    return counts([[[a, of - a], [of - b, b]] for a, b in rights])


# Figures of many matrices at once.


@pytest.mark.slow
@given(spoken())
def test_scores_are_those_of_measure_and_of_sklearn(drawn):
    true, names, (guess,), classes = drawn
    matrices = by_speaker(true, guess, names, classes)
    assert matrices.shape == (len(set(names)), 3, classes)
    found = scores(np.concatenate([matrices.sum(0, keepdims=True), matrices]))
    for at, chosen in enumerate([np.ones(len(true), bool), *(names == name for name in sorted(set(names)))]):
        t, g = true[chosen], guess[chosen]
        one = measure(t, g, [str(i) for i in range(classes)])
        averaged = {"labels": np.unique(t), "average": "macro", "zero_division": 0.0}
        assert found["uar"][at] == pytest.approx(recall_score(t, g, **averaged), **EXACT) == one.uar
        assert found["macro_f1"][at] == pytest.approx(f1_score(t, g, **averaged), **EXACT) == one.macro_f1
        assert found["accuracy"][at] == pytest.approx(accuracy_score(t, g), **EXACT) == one.accuracy


def test_scores_by_hand():
    """Class b lacks in the second matrix: its UAR averages a and c."""
    found = scores(counts([[[3, 1, 0], [1, 1, 0], [0, 0, 2]], [[3, 1, 0], [0, 0, 0], [1, 0, 1]]]))
    assert found["uar"] == pytest.approx([(3 / 4 + 1 / 2 + 1) / 3, (3 / 4 + 1 / 2) / 2], **EXACT)
    assert found["accuracy"] == pytest.approx([6 / 8, 4 / 6], **EXACT)
    assert found["macro_f1"] == pytest.approx([(6 / 8 + 2 / 4 + 1) / 3, (6 / 8 + 2 / 3) / 2], **EXACT)


# The bootstrap.


def test_interval_of_two_speakers_by_hand():
    """One all right, one all wrong: half of the draws have both, a quarter each has one of them twice."""
    both = intervals(run([4, 4], [0, 0]))
    assert both == dict.fromkeys(HEADLINES, (0.0, 1.0))
    assert intervals(run([3, 1], [3, 1]))["uar"] == pytest.approx((0.5, 0.5), **EXACT), "speakers alike leave no doubt"


def test_interval_is_that_of_drawing_whole_speakers_with_their_utterances(monkeypatch):
    """Against the slow way: join the drawn speakers' utterances, let scikit-learn score them, take percentiles."""
    monkeypatch.setattr(uncertainty, "RESAMPLES", 200)
    rng = np.random.default_rng(1)
    names, true = rng.integers(0, 5, 80), rng.integers(0, 3, 80)
    guess = np.where(rng.random(80) < 0.5 + 0.1 * names, true, rng.integers(0, 3, 80))
    true[names == 4] = 0  # a speaker without two of the classes
    found = intervals(by_speaker(true, guess, names, 3), seed=3)
    drawn = np.random.default_rng(3).multinomial(5, np.full(5, 1 / 5), size=uncertainty.RESAMPLES)
    values = []
    for often in drawn:
        rows = np.concatenate([np.tile(np.flatnonzero(names == s), often[s]) for s in range(5)])
        t, g = true[rows], guess[rows]
        values.append(recall_score(t, g, labels=np.unique(t), average="macro", zero_division=0.0))
    assert found["uar"] == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), **EXACT)


def test_interval_of_accuracy_is_near_the_textbooks_standard_error():
    """Speakers of equal size: the pooled accuracy is the mean of theirs, whose bootstrap deviation is that of n divisors."""
    rights = np.random.default_rng(0).integers(0, 5, (400, 2)).tolist()
    low, high = intervals(run(*rights))["accuracy"]
    each = np.array(rights).sum(1) / 8
    assert (low + high) / 2 == pytest.approx(each.mean(), abs=0.002)
    assert (high - low) / 2 == pytest.approx(1.96 * each.std() / 20, rel=0.06)


def test_same_seed_same_interval_another_seed_nearly():
    matrices = run(*np.random.default_rng(0).integers(0, 5, (24, 2)).tolist())
    assert intervals(matrices) == intervals(matrices)
    assert intervals(matrices) != intervals(matrices, seed=1)
    assert np.ravel([*intervals(matrices).values()]) == pytest.approx(
        np.ravel([*intervals(matrices, seed=1).values()]), abs=0.02
    )


def test_one_speaker_has_no_interval():
    assert intervals(run([4, 1])) is None
    found = differences(run([4, 1]), run([4, 2]))["uar"]
    assert (found.value, found.interval, found.p) == (0.125, None, 1)


def test_order_of_the_speakers_names_them():
    matrices = by_speaker([0, 1, 0], [0, 1, 1], ["b", "a", "b"], 2)
    assert matrices.tolist() == counts([[[0, 0], [0, 1]], [[1, 1], [0, 0]]]).tolist()


# The paired test.


@pytest.mark.parametrize(
    ("first", "second", "value", "p"),
    [
        # Sums of n signs: all alike in 2 of 2^n cases.
        ([[1, 1]] * 3, [[3, 3]] * 3, 0.5, 2 / 8),
        ([[1, 1]] * 6, [[3, 3]] * 6, 0.5, 2 / 64),
        # Of 4 signs, 2 x 1 sums are 4 in size, 2 x 4 are 2, and 6 are 0; here the size is 2.
        ([[1, 1]] * 3 + [[3, 3]], [[3, 3]] * 3 + [[1, 1]], 0.25, 10 / 16),
        ([[1, 1], [3, 3]], [[3, 3], [1, 1]], 0, 1),
        # Speakers that agree change no sum: of the 4 sums of +-1 and +-3 eighths, +-4 are as large as 4.
        ([[2, 2], [2, 2], [0, 1]], [[2, 2], [2, 3], [2, 2]], 4 / 24, 2 / 4),
    ],
)
def test_p_by_hand(first, second, value, p):
    found = differences(run(*first), run(*second))["uar"]
    assert found.value == pytest.approx(value, **EXACT)
    assert found.p == p
    assert smallest_p(len(first)) <= found.p


@given(spoken(guesses=2))
def test_p_is_that_of_scipy(drawn):
    """Row sums are the same in both runs, so a swap of a speaker changes the sign of what it adds to the difference."""
    true, names, (one, other), classes = drawn
    first, second = (by_speaker(true, guess, names, classes) for guess in (one, other))
    found = differences(first, second)
    gain = (second - first)[:, 0]
    support = first[:, 1].sum(0)
    there = support > 0
    for name, added in (
        ("uar", (gain[:, there] / support[there]).mean(1)),
        ("accuracy", gain.sum(1) / len(true)),
    ):
        assert found[name].value == pytest.approx(added.sum(), abs=1e-12)
        if len(added) > 1:
            theirs = permutation_test((added,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="two-sided")
            sums = np.abs(theirs.null_distribution)
            assert found[name].p == np.mean(sums >= abs(theirs.statistic) - 1e-9)


@pytest.mark.slow
@given(spoken(guesses=2))
def test_order_of_the_runs_changes_signs_alone(drawn):
    true, names, (one, other), classes = drawn
    first, second = (by_speaker(true, guess, names, classes) for guess in (one, other))
    there, back = differences(first, second), differences(second, first)
    for name in HEADLINES:
        assert there[name].value == pytest.approx(-back[name].value, **EXACT)
        assert there[name].p == back[name].p
        if there[name].interval:
            assert there[name].interval == pytest.approx([-end for end in reversed(back[name].interval)], abs=1e-12)


def test_a_run_does_not_differ_from_itself():
    matrices = run([4, 1], [2, 2], [0, 3])
    for found in differences(matrices, matrices).values():
        assert (found.value, found.interval, found.p) == (0, (0, 0), 1)


def test_interval_of_a_difference_draws_the_same_speakers_for_both():
    """Every speaker gains the same, so the difference is certain, however much the speakers differ."""
    found = differences(run([0, 0], [3, 3], [1, 2]), run([1, 1], [4, 4], [2, 3]))["accuracy"]
    assert found.interval == pytest.approx((0.25, 0.25), **EXACT)


def test_swaps_of_many_speakers_are_drawn():
    found = differences(run(*[[1, 1]] * 15), run(*[[2, 2]] * 15))["uar"]
    assert found.p <= 5 / 10_001, "2 in 32768 by enumeration"
    assert found.p >= smallest_p(15) == 1 / 10_001
    rng = np.random.default_rng(5)
    first, second = (run(*rng.integers(0, 5, (14, 2)).tolist()) for _ in range(2))
    enumerated = differences(first, second)
    still = counts([[[4, 0], [0, 4]]])
    drawn = differences(np.concatenate([first, still]), np.concatenate([second, still]))
    assert drawn["uar"].p == pytest.approx(enumerated["uar"].p, abs=0.02), "a speaker that agrees tells nothing"


def test_p_is_small_as_often_as_it_says_when_nothing_differs(monkeypatch):
    monkeypatch.setattr(uncertainty, "RESAMPLES", 2)
    rng = np.random.default_rng(0)
    pairs = [[run(*rng.integers(0, 1001, (8, 2)).tolist(), of=1000) for _ in range(2)] for _ in range(500)]
    found = [differences(*pair)["uar"].p for pair in pairs]
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.025)
    assert np.mean(np.array(found) <= 0.5) == pytest.approx(0.5, abs=0.08)


def test_large_corpora_take_no_time():
    """Thousands of resamples and swaps are taken together: fewer functions are called than there are of them."""
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 9, (2, 100, 8, 8)).astype(float)
    second += (first.sum(2, keepdims=True) - second.sum(2, keepdims=True)) * np.eye(8)
    done = calls(lambda: (intervals(counts(first)), differences(counts(first), counts(np.abs(second)))))
    assert done["wser.evaluation.uncertainty.differences"] == 1
    assert done.total() < uncertainty.RESAMPLES


@pytest.mark.parametrize("speakers", [3, 14, 15, 40])
def test_parts_give_the_same_as_all_at_once(monkeypatch, speakers):
    rng = np.random.default_rng(2)
    first, second = (run(*rng.integers(0, 5, (speakers, 2)).tolist()) for _ in range(2))
    whole = intervals(first), differences(first, second)
    monkeypatch.setattr(uncertainty, "MOST_AT_ONCE", 1000)
    assert (intervals(first), differences(first, second)) == whole


@pytest.mark.slow
def test_thousands_of_speakers_and_a_thousand_classes_are_bounded():
    """By a confusion matrix for each speaker these would be 32 GB, and the resamples of one such matrix 16 GB."""
    rng = np.random.default_rng(0)
    true, guess = rng.integers(0, 1000, (2, 8000))
    found = by_speaker(true, guess, np.arange(8000) % 4000, 1000)
    tracemalloc.start()
    assert differences(found[:50], found[:50])["uar"].p == 1
    assert intervals(found[:, :, :20])["uar"][0] >= 0
    assert tracemalloc.get_traced_memory()[1] < 1e9
    tracemalloc.stop()
    assert smallest_p(4000) == 1 / 10_001
