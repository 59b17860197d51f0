"""Box filters over a mel spectrogram, aggregated over time and chosen by boosting, Ruvolo et al. 2010.

The source is doi 10.1016/j.patrec.2009.12.036.  A candidate feature is a box filter, whose output is taken at each frame of an
utterance, and a statistic of these outputs over time.  A round of boosting chooses, among all candidates and thresholds, the
stump which fits best what the rounds before have left, for each class against the others: GentleBoost (Friedman et al. 2000,
doi 10.1214/aos/1016218223, algorithm 4).

    mel spectrogram in decibels                             20 x 800
    box filters of 1 to 40 frames, statistic over time      2000 candidates
    GentleBoost, 200 stumps for each class                 classes

A filter is the mean level in a box of bands and frames, or the difference between two such boxes that lie side by side, in
frequency or in time.  Box filters, learned aggregation and GentleBoost are published.  Our reading, as the full text was not at
hand: 20 bands, the shapes of filters and the statistics, the number of candidates, which are drawn once and not again in each
round, and of rounds; an utterance is continued by its first and last frame where a box reaches beyond it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from precompute.common.settings import setting
from wser.config.schema import FittedModelConfig
from wser.models import _machine

WIDTHS = (1, 2, 3, 5, 8, 12, 18, 27, 40)
"""Frames of a box."""

QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
"""Over the frames of an utterance; besides these there is the mean.  The first and the last are minimum and maximum."""

THRESHOLDS = 31
"""Of each candidate: the quantiles of the training set that divide it into equal parts."""


@dataclass
class Config(FittedModelConfig):
    """The parameters of the machine.

    Attributes:
        candidates: Features that are drawn, among which each round chooses.
        rounds: Stumps for each class.
        balanced: Give each class the same weight as all others together, rather than its share of the training set.
    """

    takes: ClassVar[tuple[str, ...]] = ("levels",)
    default_recipe: ClassVar[str] = "logmel20"

    candidates: int = setting(2000, low=1, high=100_000)
    rounds: int = setting(200, low=1, high=10_000)
    balanced: bool = True


class Model:
    """Filters and stumps.

    Args:
        config: Its parameters.
        classes: Number of classes.
        seed: Of the candidates.
    """

    def __init__(self, config: Config, classes: int, seed: int) -> None:
        self.config, self.classes, self.seed = config, classes, seed

    def fit(self, levels: Sequence[NDArray[Any]], labels: NDArray[np.int64]) -> "Model":
        """Fit it to levels (rows, frames) and their classes, int64 (n,)."""
        self.filters = draw(self.config.candidates, len(levels[0]), np.random.default_rng(self.seed))
        self.boosting = Boosting(self.filters.features(levels), labels, self.config.rounds, self.config.balanced)
        return self

    def predict_proba(self, levels: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        """Softmax of the scores, float64 (n, classes); 0 for a class that was not in the training set."""
        return _machine.softmax(self.boosting.scores(self.filters.features(levels)), self.boosting.labels, self.classes)


@dataclass(frozen=True)
class Filters:
    """Candidates.

    Attributes:
        widths: Frames of a box of each, int64 (candidates,).
        weights: Of the bands in its box, and in the box that follows in time, float32 (candidates, 2 * bands).
        statistics: Index in `QUANTILES`, or their number for the mean, int64 (candidates,).
    """

    widths: NDArray[np.int64]
    weights: NDArray[np.float32]
    statistics: NDArray[np.int64]

    def features(self, levels: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """All candidates of utterances (rows, frames), float32 (n, candidates)."""
        features = np.empty((len(levels), len(self.widths)), np.float32)
        for row, one in zip(features, levels, strict=True):
            for own, outputs in self._outputs(one):
                row[own] = _aggregated(outputs, self.statistics[own])
        return features

    def _outputs(self, levels: NDArray[Any]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Candidates of each width, and their outputs at each frame, float32 (n, frames)."""
        frames, reach = levels.shape[1], max(WIDTHS)
        # Means of boxes are differences of sums from the beginning, as those of integral images are.
        padded = np.pad(levels.astype(np.float64), ((0, 0), (reach, reach)), "edge")
        sums = np.pad(padded.cumsum(axis=1), ((0, 0), (1, 0)))
        for width in np.unique(self.widths):
            boxes = ((sums[:, width:] - sums[:, :-width]) / width).astype(np.float32)
            # The output at a frame is that of two boxes which meet there.
            both = np.concatenate([boxes[:, reach - width :][:, :frames], boxes[:, reach:][:, :frames]])
            own = np.flatnonzero(self.widths == width)
            yield own, self.weights[own] @ both


def draw(count: int, bands: int, rng: np.random.Generator) -> Filters:
    """Some candidates of each kind, drawn.

    Args:
        count: How many.
        bands: Of the spectrogram.
        rng: Draws them.
    """
    weights = np.zeros((count, 2, bands), np.float32)
    for own, kind in zip(weights, rng.integers(3, size=count), strict=True):
        low, high = np.sort(rng.choice(bands + 1, 2, replace=False))
        own[0, low:high] = 1 / (high - low)
        if kind == 1:
            own[1] = -own[0]
        elif kind == 2 and high - low > 1:
            middle = (low + high) // 2
            own[0, low:middle], own[0, middle:high] = -1 / (middle - low), 1 / (high - middle)
    return Filters(rng.choice(WIDTHS, count), weights.reshape(count, 2 * bands), rng.integers(len(QUANTILES) + 1, size=count))


def _aggregated(outputs: NDArray[np.float32], statistics: NDArray[np.int64]) -> NDArray[np.float32]:
    """The statistic over time of each row, float32 (n,)."""
    place = np.append(QUANTILES, 0)[statistics] * (outputs.shape[1] - 1)
    # Quantiles are the value at the nearest rank, which is one of the outputs.
    ranked = np.sort(outputs, axis=1)[np.arange(len(outputs)), np.rint(place).astype(np.int64)]
    values: NDArray[np.float32] = np.where(statistics == len(QUANTILES), outputs.mean(axis=1), ranked)
    return values


class Boosting:
    """Stumps of each class against the others.

    Args:
        features: float32 (n, candidates).
        labels: Classes, int64 (n,).
        rounds: Stumps of each class.
        balanced: Whether each class has the same weight as all others together.

    Attributes:
        labels: Classes that it knows, ascending.
        chosen: Candidate of each stump, int64 (rounds, labels).
        thresholds: Above which a stump gives `above`, and else `below`, each float64 (rounds, labels).
    """

    def __init__(self, features: NDArray[np.float32], labels: NDArray[np.int64], rounds: int, balanced: bool) -> None:
        self.labels: NDArray[np.int64] = np.unique(labels)
        truth = np.where(labels[:, None] == self.labels, 1.0, -1.0)
        positive = (truth > 0).mean(axis=0)
        weights = (
            np.where(truth > 0, 0.5 / positive, 0.5 / np.maximum(1 - positive, 1e-9)) if balanced else np.ones(truth.shape)
        )
        thresholds = np.quantile(features, np.arange(1, THRESHOLDS + 1) / (THRESHOLDS + 1), axis=0).astype(np.float32)
        # Whether each utterance lies above each threshold of each candidate, so that a round is one product of matrices.
        above = (features.T[:, None] > thresholds.T[:, :, None]).reshape(-1, len(features)).astype(np.float32)
        stumps = []
        for _ in range(rounds):
            weights /= weights.sum(axis=0)
            candidate, values = _best(above, weights, truth)
            found = np.where(above[candidate].T > 0, values[1], values[0])
            weights *= np.exp(-truth * found)
            places = np.divmod(candidate, THRESHOLDS)
            stumps.append((places[0], thresholds[places[1], places[0]], *values))
        self.chosen, self.thresholds, self.below, self.above = (np.stack(part) for part in zip(*stumps, strict=True))

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Sums of the stumps of each class, float64 (n, labels)."""
        found = np.where(features[:, self.chosen] > self.thresholds, self.above, self.below)
        scores: NDArray[np.float64] = found.sum(axis=1)
        return scores


def _best(
    above: NDArray[np.float32], weights: NDArray[np.float64], truth: NDArray[np.float64]
) -> tuple[NDArray[np.int64], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """The stump of each class of the least squared error, and the values it gives below its threshold and above.

    A stump gives the weighted mean of the truth (1 or -1) on either side; with weights that add up to 1 its error is 1 less the
    sum of squared means, times the weight on their side.
    """
    classes = truth.shape[1]
    sums = above @ np.concatenate([weights, weights * truth], axis=1).astype(np.float32)
    weight, moment = sums[:, :classes].astype(np.float64), sums[:, classes:].astype(np.float64)
    other, rest = 1 - weight, (weights * truth).sum(axis=0) - moment
    gain = moment**2 / np.maximum(weight, 1e-9) + rest**2 / np.maximum(other, 1e-9)
    best = gain.argmax(axis=0)
    at = (best, np.arange(classes))
    values = [np.clip(m[at] / np.maximum(w[at], 1e-9), -1, 1) for m, w in ((rest, other), (moment, weight))]
    return best, (values[0], values[1])


def build(config: Config, classes: int, seed: int) -> Model:
    """The machine; arguments as of `Model`."""
    return Model(config, classes, seed)
