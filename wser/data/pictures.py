"""Utterances as a dataset of PyTorch."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from wser.data.dataset import Dataset, Example


@dataclass(frozen=True, eq=False)
class PictureDataset(TorchDataset[tuple[Tensor, int]]):
    """Pictures and classes of the utterances of one or more caches; pictures are read once, when the first is asked for.

    Item `i` is the picture of `examples[i]`, uint8 (3, height, width) as PyTorch's convolutions take it, RGB, the highest
    frequency in row 0, and the index of its class.  Whole pictures: the utterance's own columns are `start` to `stop` of its
    example.

    Attributes:
        dataset: The utterances under their label map.
    """

    dataset: Dataset

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
        picture = torch.tensor(self.dataset.images[index]).permute(2, 0, 1).contiguous()
        return picture, self.examples[index].label
