"""Utterances to batches: standardise, trim to the longest utterance, group by length; and the Lightning data module."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from precompute.common.arrays import Array
from wser.config.schema import DataConfig
from wser.data.dataset import Dataset, channels_first
from wser.protocols import Fold
from wser.training.lightning import pl

SORTED_TOGETHER = 8
"""Batches whose utterances are sorted by length among themselves: more would save little padding, and shuffle less."""

COLUMN_MULTIPLE = 8
"""Widths of batches are multiples of this, the product of the usual pooling strides in time."""

LEAST_DEVIATION = 1e-6
"""Of numbers that have no tolerance, so that a constant is no division by zero."""

FLOOR = 0.1
"""Share of the training part's deviation added to an utterance's own, so that a row without speech is not blown up."""


@dataclass(frozen=True)
class Batch:
    """Utterances of similar length.

    Attributes:
        inputs: float32, `channels_first`: of pictures (batch, 3, height, columns); zero outside each utterance.
        lengths: Steps of time of each utterance (columns of a picture), int64 (batch,).
        labels: Classes, int64 (batch,).
    """

    inputs: Tensor
    lengths: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation over time, float32, of an item's shape with 1 step: of pictures (height, 1, 3)."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]


def measure(dataset: Dataset, indices: Sequence[int]) -> Statistics:
    """Statistics over the columns of some utterances, those of the training part."""
    values, item, examples = dataset.values, dataset.item, dataset.examples
    axis = item.time
    total: Any = 0.0
    squares: Any = 0.0
    steps = 0
    for i in indices:
        part = values[i][item.part(examples[i].start, examples[i].stop)].astype(np.float64)
        total = total + (part if axis is None else part.sum(axis=axis, keepdims=True))
        squares = squares + (np.square(part) if axis is None else np.square(part).sum(axis=axis, keepdims=True))
        steps += 1 if axis is None else part.shape[axis]
    mean = total / steps
    # A row that hardly varies carries no speech; a floor, of pictures one level, keeps its noise from being blown up.
    deviation = np.sqrt(np.maximum(squares / steps - mean**2, max(item.tolerance, LEAST_DEVIATION) ** 2))
    return Statistics(mean.astype(np.float32), deviation.astype(np.float32))


def standardised(
    values: NDArray[Any], own: NDArray[Any] | None, statistics: Statistics, axis: int | None
) -> NDArray[np.float32]:
    """An utterance as the network sees it.

    Args:
        values: Part of an item along the axis of time, such as (height, columns, 3).
        own: The utterance's own part of it, by whose mean and deviation it is standardised; None takes the statistics'.
        statistics: Of the training part.
        axis: Of time; None where there is none, and `own` says nothing.

    Returns:
        float32, of the shape of `values`.
    """
    mean, deviation = statistics.mean, statistics.deviation
    if own is not None and axis is not None:
        mean = own.mean(axis=axis, keepdims=True, dtype=np.float32)
        deviation = np.sqrt(np.square(own - mean).mean(axis=axis, keepdims=True)) + FLOOR * deviation
    seen: NDArray[np.float32] = (values - mean) / deviation
    return seen


def unstandardised(item: Array) -> Statistics:
    """Statistics that map whole numbers of a type to at most 1, of pictures levels 0 to 255, and leave floats."""
    shape, dtype = statistics_shape(item), np.dtype(item.dtype)
    most = 1 if dtype.kind == "f" else np.iinfo(dtype).max
    return Statistics(np.zeros(shape, np.float32), np.full(shape, most, np.float32))


def statistics_shape(item: Array) -> tuple[int, ...]:
    """Shape of mean and deviation: that of an item with one step of time."""
    return tuple(1 if axis == item.time else length for axis, length in enumerate(item.shape))


class ByLength(Sampler[list[int]]):
    """Batches of utterances of similar length, in an order that is new in each epoch and follows from the seed."""

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        self.lengths, self.batch = lengths, batch
        self.rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return max(1, len(self.lengths) // self.batch)

    def __iter__(self) -> Iterator[list[int]]:
        order = self.rng.permutation(len(self.lengths)).tolist()
        together = SORTED_TOGETHER * self.batch
        for at in range(0, len(order), together):
            order[at : at + together] = sorted(order[at : at + together], key=self.lengths.__getitem__)
        # Equal parts rather than a rest: a batch of one utterance has no batch statistics.
        batches = [part.tolist() for part in np.array_split(np.array(order), len(self))]
        for place in self.rng.permutation(len(batches)):
            yield batches[place]


class Batches(pl.LightningDataModule):
    """Batches of one fold.

    Args:
        dataset: All utterances.
        fold: Its parts.
        config: How utterances reach the network.
        batch: Utterances in a batch.
        statistics: Of the training part.
        seed: Of the order of training batches.
    """

    def __init__(self, dataset: Dataset, fold: Fold, config: DataConfig, batch: int, statistics: Statistics, seed: int) -> None:
        super().__init__()
        self.dataset, self.fold, self.config, self.batch = dataset, fold, config, batch
        self.statistics, self.seed = statistics, seed

    def train_dataloader(self) -> DataLoader[Batch]:
        """Training part, shuffled."""
        lengths = [self._length(i) for i in self.fold.train]
        sampler = ByLength(lengths, self.batch, self.seed)
        return DataLoader(self.fold.train, batch_sampler=sampler, collate_fn=self._collate)  # type: ignore[arg-type]

    def val_dataloader(self) -> DataLoader[Batch]:
        """Validation part in the fold's order; the test part where there is none, for `selection=test`."""
        return self._in_order(self.fold.validation or self.fold.test)

    def predict_dataloader(self) -> DataLoader[Batch]:
        """Test part in the fold's order."""
        return self._in_order(self.fold.test)

    def _in_order(self, indices: Sequence[int]) -> DataLoader[Batch]:
        return DataLoader(indices, batch_size=2 * self.batch, collate_fn=self._collate)  # type: ignore[arg-type]

    def _length(self, index: int) -> int:
        return self.dataset.examples[index].stop - self.dataset.examples[index].start

    def _collate(self, indices: Sequence[int]) -> Batch:
        values, item, examples = self.dataset.values, self.dataset.item, [self.dataset.examples[i] for i in indices]
        whole = self.config.pad == "paper"
        lengths = [item.steps if whole else self._length(i) for i in indices]
        steps = -(-max(lengths) // COLUMN_MULTIPLE) * COLUMN_MULTIPLE
        shape = [steps if axis == item.time else length for axis, length in enumerate(item.shape)]
        batch = np.zeros((len(indices), *shape), np.float32)
        for row, i, example, length in zip(batch, indices, examples, lengths, strict=True):
            spoken = values[i][item.part(example.start, example.stop)]
            own = spoken if self.config.standardise == "utterance" else None
            row[item.part(0, length)] = standardised(values[i] if whole else spoken, own, self.statistics, item.time)
        return Batch(
            torch.from_numpy(channels_first(batch, item)),
            torch.tensor(lengths),
            torch.tensor([example.label for example in examples]),
        )
