"""Utterances to batches: group by length, trim to the longest; and the Lightning data module."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from wser.config.schema import DataConfig
from wser.data.dataset import Dataset
from wser.protocols import Fold
from wser.training import forward
from wser.training.augmentation import Draws, draw
from wser.training.lightning import pl

SORTED_TOGETHER = 8
"""Batches whose utterances are sorted by length among themselves: more would save little padding, and shuffle less."""


@dataclass(frozen=True)
class Batch:
    """Utterances of similar length.

    Attributes:
        values: Of the dataset, cut along the axis of time, (batch, ...): of pictures levels, uint8 (batch, rows, columns), or
            colours, (batch, rows, columns, 3).  What lies past `lengths` has no meaning.
        lengths: Steps of time of each utterance (columns of a picture) that are not padding, int64 (batch,).
        spoken: First step of its own and the step after the last, int64 (batch, 2).
        labels: Classes, int64 (batch,).
        speakers: Row of each speaker in the statistics, int64 (batch,); 0 where these are not of speakers.
        draws: How it is augmented; None where it is not.
    """

    values: Tensor
    lengths: Tensor
    spoken: Tensor
    labels: Tensor
    speakers: Tensor
    draws: Draws | None = None

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device."""
        tensors = (self.values, self.lengths, self.spoken, self.labels, self.speakers)
        values, lengths, spoken, labels, speakers = (tensor.to(device, non_blocking=True) for tensor in tensors)
        return Batch(values, lengths, spoken, labels, speakers, self.draws.to(device) if self.draws else None)


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
        seed: Of the order of training batches and of their augmentation.
        speakers: Names, in the order of the statistics of speakers; none where there are no such.
    """

    def __init__(
        self, dataset: Dataset, fold: Fold, config: DataConfig, batch: int, seed: int, speakers: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.dataset, self.fold, self.config, self.batch = dataset, fold, config, batch
        self.places = np.array([(example.start, example.stop) for example in dataset.examples])
        self.labels = np.array([example.label for example in dataset.examples])
        self.speakers = np.zeros(len(dataset.examples), np.int64)
        if speakers:
            rows = {name: row for row, name in enumerate(speakers)}
            self.speakers[:] = [rows.get(example.speaker, 0) for example in dataset.examples]
        self.sampler = ByLength(np.diff(self.places)[list(fold.train), 0].tolist(), batch, seed)
        self.rng = np.random.default_rng(seed)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Training set, shuffled."""
        return DataLoader(self.fold.train, batch_sampler=self.sampler, collate_fn=self._augmented)  # type: ignore[arg-type]

    def val_dataloader(self) -> DataLoader[Batch]:
        """Validation set in the fold's order; the test set where there is none, for `selection=test`."""
        return self._in_order(self.fold.validation or self.fold.test)

    def predict_dataloader(self) -> DataLoader[Batch]:
        """Test set in the fold's order."""
        return self._in_order(self.fold.test)

    def state_dict(self) -> dict[str, Any]:
        """State of the generators, for Lightning's checkpoints."""
        return {"order": self.sampler.rng.bit_generator.state, "draws": self.rng.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Set the generators to a state."""
        self.sampler.rng.bit_generator.state, self.rng.bit_generator.state = state["order"], state["draws"]

    def _in_order(self, indices: Sequence[int]) -> DataLoader[Batch]:
        return DataLoader(indices, batch_size=self.batch, collate_fn=self._collate)  # type: ignore[arg-type]

    def _augmented(self, indices: Sequence[int]) -> Batch:
        batch, config, item = self._collate(indices), self.config, self.dataset.item
        if not (config.shift_rows or config.mask_rows or config.mask_columns or config.mixup):
            return batch
        rows = item.shape[item.axes.index("frequency")] if "frequency" in item.axes else 0
        return replace(batch, draws=draw(batch.lengths.tolist(), rows, config, self.rng))

    def _collate(self, indices: Sequence[int]) -> Batch:
        values, item, at = self.dataset.values, self.dataset.item, np.array(indices)
        spoken, labels = self.places[at], self.labels[at]
        # Whole frames, since a few long copies take less time than many short ones.
        frames = values[at] if isinstance(values, np.ndarray) else np.stack([values[i] for i in indices])
        cut = forward.cut(frames, spoken, item, self.config.pad)
        return Batch(*cut, torch.from_numpy(labels), torch.from_numpy(self.speakers[at]))
