"""Utterances as a dataset of PyTorch."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from wser.data.dataset import Dataset, Example, channels_first


@dataclass(frozen=True, eq=False, repr=False)
class UtteranceDataset(TorchDataset[tuple[Tensor, int]]):
    """What caches hold of their utterances, and their classes; all is read once, when the first is asked for.

    Item `i` is that of `examples[i]`, as PyTorch's convolutions take it, channels first and time last, and the index of its
    class: a picture as uint8 (3, height, width), RGB, the highest frequency in row 0; decibels as float16 (1, rows, columns); a
    waveform as (1, samples).  The utterance's own part of the axis of time is `start` to `stop` of its example.

    Attributes:
        dataset: The utterances under their label map.
    """

    dataset: Dataset

    def __repr__(self) -> str:
        caches = ", ".join(f"{cache.corpus} {cache.id}" for cache in self.dataset.caches)
        return f"UtteranceDataset({caches}: {len(self.examples)} items, {len(self.classes)} classes)"

    @property
    def examples(self) -> tuple[Example, ...]:
        """The utterances, in the order of the items."""
        return self.dataset.examples

    @property
    def classes(self) -> list[str]:
        """Names of the classes, by index."""
        return self.dataset.classes

    @property
    def speakers(self) -> list[str]:
        """Speaker of each item: what folds must not share, as the `groups` of scikit-learn's splitters."""
        return [example.speaker for example in self.examples]

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        values = channels_first(self.dataset.utterance(index)[None], self.dataset.item)[0]
        return torch.from_numpy(values.copy()), self.examples[index].label
