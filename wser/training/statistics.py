"""Mean and deviation by which what caches hold is standardised: of the training set, of an utterance, or of a speaker.

In NumPy alone: what is fitted at once needs no PyTorch.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precompute.common.arrays import Array
from wser.data.dataset import Dataset, by_speaker
from wser.training.run import Run

LEAST_DEVIATION = 1e-6
"""Of numbers that have no tolerance, so that a constant is no division by zero; of vectors as a share of the mean, since the
values of one have units of their own."""

FLOOR = 0.1
"""Share of the training set's deviation added to an utterance's own, so that a row without speech is not amplified."""


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation over time, float32, of an item's shape with 1 step: of pictures (height, 1, 3)."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]


@dataclass(frozen=True)
class _Moments:
    """Steps of time (of what has no time, utterances), and mean and variance over them, float64."""

    steps: int
    mean: Any
    variance: Any


def measure(dataset: Dataset, indices: Sequence[int]) -> Statistics:
    """Statistics over the columns of some utterances, those of the training set."""
    return over(_parts(dataset, indices), dataset.item)


def over(parts: Iterable[NDArray[Any]], item: Array) -> Statistics:
    """Statistics over the columns of some utterances, without the padding before and after each.

    Args:
        parts: What caches hold of each, of its own steps alone.
        item: What each is.
    """
    moments = _moments(parts, item)
    return _statistics(moments.mean, moments.variance, item)


def of_speakers(run: Run, dataset: Dataset, indices: Sequence[int]) -> dict[str, Statistics]:
    """Statistics of the speakers of some utterances, over all recordings of each, whose labels are not looked at.

    With `data.enrol` the mean of a speaker who is not in training is that of the recordings that are enrolled, and the
    deviation of every speaker that of the training speakers, each about their own mean.

    Args:
        run: Whose fold and settings are meant.
        dataset: That of the run, or the one that is tested.
        indices: Of the utterances.
    """
    recordings = by_speaker(dataset.examples, range(len(dataset.examples)))
    speakers = dict.fromkeys(dataset.examples[index].speaker for index in indices)
    if not run.config.data.enrol:
        return {speaker: measure(dataset, recordings[speaker]) for speaker in speakers}
    within = _within(run)
    trained = {run.dataset.examples[index].speaker for index in run.fold.train}
    found = {}
    for speaker in speakers:
        own = recordings[speaker] if speaker in trained else sorted(run.enrolled.intersection(recordings[speaker]))
        found[speaker] = _statistics(_moments(_parts(dataset, own), dataset.item).mean, within, dataset.item)
    return found


def _within(run: Run) -> Any:
    """Variance of the training set about the mean of each speaker."""
    speakers = by_speaker(run.dataset.examples, run.fold.train).values()
    parts = [_moments(_parts(run.dataset, indices), run.dataset.item) for indices in speakers]
    return sum(part.steps * part.variance for part in parts) / sum(part.steps for part in parts)


def _parts(dataset: Dataset, indices: Sequence[int]) -> Iterator[NDArray[Any]]:
    for i in indices:
        yield dataset.utterance(i)[dataset.item.part(dataset.examples[i].start, dataset.examples[i].stop)]


def _moments(parts: Iterable[NDArray[Any]], item: Array) -> _Moments:
    axis = item.time
    total: Any = 0.0
    squares: Any = 0.0
    steps = 0
    for values in parts:
        part = values.astype(np.float64)
        total = total + (part if axis is None else part.sum(axis=axis, keepdims=True))
        squares = squares + (np.square(part) if axis is None else np.square(part).sum(axis=axis, keepdims=True))
        steps += 1 if axis is None else part.shape[axis]
    mean = total / steps
    return _Moments(steps, mean, squares / steps - mean**2)


def _statistics(mean: Any, variance: Any, item: Array) -> Statistics:
    if item.kind == "vector" and not item.tolerance:
        deviation = np.sqrt(np.maximum(variance, 0))
        # What is constant stays 0, and what it is elsewhere is not amplified.
        constant = deviation <= LEAST_DEVIATION * np.maximum(np.abs(mean), LEAST_DEVIATION)
        deviation = np.where(constant, 1.0, deviation)
    else:
        # A row that hardly varies carries no speech; a floor, of pictures one level, keeps its noise from being amplified.
        deviation = np.sqrt(np.maximum(variance, max(item.tolerance, LEAST_DEVIATION) ** 2))
    return Statistics(mean.astype(np.float32), deviation.astype(np.float32))


def unstandardised(item: Array) -> Statistics:
    """Statistics that map whole numbers of a type to at most 1, of pictures levels 0 to 255, and leave floats."""
    shape, dtype = statistics_shape(item), np.dtype(item.dtype)
    most = 1 if dtype.kind == "f" else np.iinfo(dtype).max
    return Statistics(np.zeros(shape, np.float32), np.full(shape, most, np.float32))


def statistics_shape(item: Array) -> tuple[int, ...]:
    """Shape of mean and deviation: that of an item with one step of time."""
    return tuple(1 if axis == item.time else length for axis, length in enumerate(item.shape))


def stacked(statistics: Mapping[str, Statistics]) -> Statistics:
    """Those of several speakers as one, each row those of one, in their order."""
    return Statistics(*(np.stack([getattr(one, name) for one in statistics.values()]) for name in ("mean", "deviation")))
