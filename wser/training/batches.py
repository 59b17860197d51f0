"""Pictures to batches: standardise, trim to the longest utterance, group by length; and the Lightning data module."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from wser.config.schema import DataConfig
from wser.data.dataset import Dataset
from wser.protocols import Fold
from wser.training.lightning import pl

SORTED_TOGETHER = 8
"""Batches whose utterances are sorted by length among themselves: more would save little padding, and shuffle less."""

COLUMN_MULTIPLE = 8
"""Widths of batches are multiples of this, the product of the usual pooling strides in time."""

FLOOR = 0.1
"""Share of the training part's deviation added to an utterance's own, so that a row without speech is not blown up."""


@dataclass(frozen=True)
class Batch:
    """Utterances of similar length.

    Attributes:
        images: float32 (batch, 3, height, columns), zero outside each utterance.
        lengths: Columns of each utterance, int64 (batch,).
        labels: Classes, int64 (batch,).
    """

    images: Tensor
    lengths: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of the levels of each image row and colour, float32 (height, 1, 3) each."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]


def measure(dataset: Dataset, indices: Sequence[int]) -> Statistics:
    """Statistics over the columns of some utterances, those of the training part."""
    images, examples = dataset.images, dataset.examples
    total = squares = np.zeros((images.shape[1], 3))
    columns = 0
    for i in indices:
        levels = images[i, :, examples[i].start : examples[i].stop].astype(np.float64)
        total = total + levels.sum(axis=1)
        squares = squares + np.square(levels).sum(axis=1)
        columns += levels.shape[1]
    mean = total / columns
    # A row that hardly varies carries no speech; a floor of one level keeps its noise from being blown up.
    deviation = np.sqrt(np.maximum(squares / columns - mean**2, 1.0))
    return Statistics(mean[:, None].astype(np.float32), deviation[:, None].astype(np.float32))


def standardised(levels: NDArray[np.uint8], own: NDArray[np.uint8] | None, statistics: Statistics) -> NDArray[np.float32]:
    """Levels as the network sees them.

    Args:
        levels: Part of a picture, (height, columns, 3).
        own: The utterance's own columns of it, by whose mean and deviation it is standardised; None takes the statistics'.
        statistics: Of the training part.

    Returns:
        float32 (height, columns, 3).
    """
    mean, deviation = statistics.mean, statistics.deviation
    if own is not None:
        mean = own.mean(axis=1, keepdims=True, dtype=np.float32)
        deviation = np.sqrt(np.square(own - mean).mean(axis=1, keepdims=True)) + FLOOR * deviation
    seen: NDArray[np.float32] = (levels - mean) / deviation
    return seen


def unstandardised(height: int) -> Statistics:
    """Statistics that map levels 0 to 255 to 0 to 1."""
    shape = (height, 1, 3)
    return Statistics(np.zeros(shape, np.float32), np.full(shape, 255, np.float32))


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
        config: How pictures reach the network.
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
        images, examples = self.dataset.images, [self.dataset.examples[i] for i in indices]
        height, width = images.shape[1:3]
        whole = self.config.pad == "paper"
        lengths = [width if whole else self._length(i) for i in indices]
        columns = -(-max(lengths) // COLUMN_MULTIPLE) * COLUMN_MULTIPLE
        batch = np.zeros((len(indices), height, columns, 3), np.float32)
        for row, i, example, length in zip(batch, indices, examples, lengths, strict=True):
            spoken = images[i, :, example.start : example.stop]
            own = spoken if self.config.standardise == "utterance" else None
            row[:, :length] = standardised(images[i] if whole else spoken, own, self.statistics)
        return Batch(
            torch.from_numpy(batch).permute(0, 3, 1, 2),
            torch.tensor(lengths),
            torch.tensor([example.label for example in examples]),
        )
