"""How sure the metrics of a run are: bootstrap over speakers, and paired test of two runs; arrays in, numbers out.

Utterances of one speaker are alike, so speakers, and not utterances, are what is drawn and what is swapped.  Both
procedures work on counts of each speaker's utterances by class, whose sums give every metric, and take the predictions as
they are: what another seed or other training speakers would change is not in them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

HEADLINES = ("uar", "accuracy", "macro_f1")

LEVEL = 0.95
RESAMPLES = 2000
"""Of the bootstrap: the ends of an interval need a thousand or more (Efron & Tibshirani 1993), where a deviation needs 200."""

MOST_EXACT = 2**14
"""Swaps that are enumerated: those of 14 speakers; of more speakers, `RANDOM_SWAPS` are drawn."""

RANDOM_SWAPS = 10_000

FEW_SPEAKERS = 20
"""Below, percentile intervals are noticeably too narrow: of normal scores, a nominal 95 % covers 87 % with 6 speakers, 90 %
with 10, 93 % with 20."""

MOST_AT_ONCE = 4_000_000
"""Numbers of an array of resamples or swaps: more are taken in parts, so that memory does not grow with speakers or classes."""

SAME = 1e-9
"""Differences this close are equal, and apart only by the order of their sums; one utterance moves a figure by far more."""


@dataclass(frozen=True)
class Difference:
    """Of one figure between two runs on the same utterances, second minus first.

    Attributes:
        value: In [-1, 1].
        interval: Percentile bootstrap interval, None for a single speaker.
        p: Two-sided p-value of the paired permutation test.
    """

    value: float
    interval: tuple[float, float] | None
    p: float


def counts(confusions: ArrayLike) -> NDArray[np.float64]:
    """What the headline metrics need of confusion matrices: of each class how many are right, there, and predicted.

    Args:
        confusions: Utterances (..., K, K), true classes as rows.

    Returns:
        Utterances, float64 (..., 3, K).
    """
    matrices = np.asarray(confusions, dtype=np.float64)
    return np.stack([np.diagonal(matrices, axis1=-2, axis2=-1), matrices.sum(-1), matrices.sum(-2)], axis=-2)


def by_speaker(true: ArrayLike, predicted: ArrayLike, speakers: ArrayLike, classes: int) -> NDArray[np.float64]:
    """Counts of each speaker, as `counts` gives them of the speaker's confusion matrix.

    Args:
        true: Class indices (n,).
        predicted: Class indices (n,).
        speakers: Names (n,).
        classes: Number of classes K.

    Returns:
        Utterances, float64 (speakers, 3, K), speakers sorted by name.
    """
    true, predicted = np.asarray(true), np.asarray(predicted)
    names, place = np.unique(np.asarray(speakers), return_inverse=True)
    counted = np.zeros((len(names), 3, classes))
    right = true == predicted
    np.add.at(counted, (place[right], 0, true[right]), 1)
    np.add.at(counted, (place, np.ones_like(place), true), 1)
    np.add.at(counted, (place, np.full_like(place, 2), predicted), 1)
    return counted


def scores(counted: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Headline metrics of many confusion matrices at once, as `wser.evaluation.metrics.measure` defines them.

    UAR and macro F1 average the classes that occur in each matrix: where a resample of speakers lacks a class (with EmoDB's
    speaker 08 alone: disgust), that resample averages the others.

    Args:
        counted: Of each matrix its `counts` (..., 3, K), at least one utterance in each.

    Returns:
        An array (...,) for each of `HEADLINES`.
    """
    right, true, guessed = (counted[..., part, :] for part in range(3))
    occurs = true > 0
    classes = occurs.sum(-1)
    recall = np.divide(right, true, out=np.zeros_like(true), where=occurs)
    f1 = np.divide(2 * right, true + guessed, out=np.zeros_like(true), where=occurs)
    return {"uar": recall.sum(-1) / classes, "accuracy": right.sum(-1) / true.sum(-1), "macro_f1": f1.sum(-1) / classes}


def intervals(speakers: NDArray[np.float64], seed: int = 0) -> dict[str, tuple[float, float]] | None:
    """Percentile bootstrap intervals of the pooled headline metrics.

    Speakers are drawn with replacement, as many as there are, each with all of its utterances (Efron & Tibshirani 1993, An
    Introduction to the Bootstrap, chapters 8 and 13).

    Args:
        speakers: Counts of each (speakers, 3, K).
        seed: Of the drawing.

    Returns:
        Low and high end for each of `HEADLINES`; None for a single speaker, which says nothing about others.
    """
    if len(speakers) < 2:
        return None
    drawn = _in_parts(
        RESAMPLES,
        speakers,
        _resamples(len(speakers), seed),
        lambda weights: scores(_sums(weights, speakers)),
    )
    return {name: _percentiles(drawn[name]) for name in HEADLINES}


def spread(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation of the headline metrics, over folds or over seeds.

    Args:
        records: At least one, each with the headline metrics.

    Returns:
        `mean`, and `deviation` with divisor n - 1, None for a single record.
    """
    values = {name: [record[name] for record in records] for name in HEADLINES}
    several = len(records) > 1
    return {
        "mean": {name: float(np.mean(values[name])) for name in HEADLINES},
        "deviation": {name: float(np.std(values[name], ddof=1)) for name in HEADLINES} if several else None,
    }


def differences(first: NDArray[np.float64], second: NDArray[np.float64], seed: int = 0) -> dict[str, Difference]:
    """Compare two runs on the same utterances: bootstrap interval and p-value of each headline figure's difference.

    The interval draws speakers as `intervals` does, the same ones for both runs.  The test asks how often a difference as
    large arises when the two runs' predictions are swapped for whole speakers at random, which changes nothing if the runs
    are equally good (approximate randomization: Noreen 1989, Computer-Intensive Methods for Testing Hypotheses).  All 2^S
    swaps of S speakers are enumerated up to `MOST_EXACT`, so that no p is below 2 / 2^S; otherwise `RANDOM_SWAPS` are
    drawn and p = (b + 1) / (m + 1), b of m at least as large (Phipson & Smyth 2010, doi 10.2202/1544-6115.1585).

    Args:
        first: Counts of the speakers (speakers, 3, K).
        second: Those of the other run, the same speakers in the same order.
        seed: Of bootstrap and drawn swaps.
    """
    observed = _gaps(first.sum(0), second.sum(0))
    interval = dict.fromkeys(HEADLINES, None) if len(first) < 2 else _paired_intervals(first, second, seed)
    number, draw = _swaps(len(first), seed)
    gap, ours, theirs = second - first, first.sum(0), second.sum(0)

    def swap(swaps: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        moved = _sums(swaps, gap)
        return _gaps(ours + moved, theirs - moved)

    swapped = _in_parts(number, first, draw, swap)
    exact = _is_exact(len(first))
    differing = {}
    for name in HEADLINES:
        as_large = int((np.abs(swapped[name]) >= np.abs(observed[name]) - SAME).sum())
        p = as_large / number if exact else (as_large + 1) / (number + 1)
        differing[name] = Difference(float(observed[name]), interval[name], p)
    return differing


def smallest_p(speakers: int) -> float:
    """The lowest p-value that the paired test can give for this number of speakers."""
    return 2 / 2**speakers if _is_exact(speakers) else 1 / (RANDOM_SWAPS + 1)


def _is_exact(speakers: int) -> bool:
    """Whether all swaps of so many speakers are enumerated."""
    # Of thousands of speakers, 2 to that power is a number of thousands of bits.
    return speakers < MOST_EXACT.bit_length()


def _paired_intervals(
    first: NDArray[np.float64], second: NDArray[np.float64], seed: int
) -> dict[str, tuple[float, float] | None]:
    draw = _resamples(len(first), seed)
    drawn = _in_parts(RESAMPLES, first, draw, lambda weights: _gaps(_sums(weights, first), _sums(weights, second)))
    return {name: _percentiles(drawn[name]) for name in HEADLINES}


def _gaps(first: NDArray[np.float64], second: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    ours, theirs = scores(first), scores(second)
    return {name: theirs[name] - ours[name] for name in HEADLINES}


Draw = Callable[[int, int], NDArray[np.float64]]
"""Gives rows of weights (rows, speakers), from the number of the first on; asked for in order."""


def _resamples(speakers: int, seed: int) -> Draw:
    """How often each speaker is drawn."""
    rng = np.random.default_rng(seed)
    even = np.full(speakers, 1 / speakers)
    return lambda start, stop: rng.multinomial(speakers, even, size=stop - start).astype(np.float64)


def _swaps(speakers: int, seed: int) -> tuple[int, Draw]:
    """How many swaps there are, and which speakers change sides in each, 0 or 1."""
    if _is_exact(speakers):
        return 2**speakers, lambda start, stop: (np.arange(start, stop)[:, None] >> np.arange(speakers) & 1).astype(np.float64)
    rng = np.random.default_rng(seed)
    return RANDOM_SWAPS, lambda start, stop: rng.integers(0, 2, (stop - start, speakers)).astype(np.float64)


def _in_parts(
    number: int,
    counted: NDArray[np.float64],
    draw: Draw,
    work: Callable[[NDArray[np.float64]], dict[str, NDArray[np.float64]]],
) -> dict[str, NDArray[np.float64]]:
    """Metrics of many rows of weights for the speakers of `counted`, a block of them at a time."""
    rows = max(1, MOST_AT_ONCE // max(len(counted), counted[0].size))
    parts = [work(draw(start, min(start + rows, number))) for start in range(0, number, rows)]
    return {name: np.concatenate([part[name] for part in parts]) for name in HEADLINES}


def _sums(weights: NDArray[np.float64], counted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted sums over speakers: (n, speakers) times (speakers, 3, K) is (n, 3, K)."""
    return np.tensordot(weights, counted, axes=1)


def _percentiles(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
