"""From what caches hold to what a network sees: colours, standardisation, zero past the end of each utterance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from precompute.common.arrays import Array
from wser.data.dataset import Dataset, channels_first

LEAST_DEVIATION = 1e-6
"""Of numbers that have no tolerance, so that a constant is no division by zero."""

FLOOR = 0.1
"""Share of the training set's deviation added to an utterance's own, so that a row without speech is not amplified."""


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation over time, float32, of an item's shape with 1 step: of pictures (height, 1, 3)."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]


def measure(dataset: Dataset, indices: Sequence[int]) -> Statistics:
    """Statistics over the columns of some utterances, those of the training set."""
    item, examples = dataset.item, dataset.examples
    axis = item.time
    total: Any = 0.0
    squares: Any = 0.0
    steps = 0
    for i in indices:
        part = dataset.utterance(i)[item.part(examples[i].start, examples[i].stop)].astype(np.float64)
        total = total + (part if axis is None else part.sum(axis=axis, keepdims=True))
        squares = squares + (np.square(part) if axis is None else np.square(part).sum(axis=axis, keepdims=True))
        steps += 1 if axis is None else part.shape[axis]
    mean = total / steps
    # A row that hardly varies carries no speech; a floor, of pictures one level, keeps its noise from being amplified.
    deviation = np.sqrt(np.maximum(squares / steps - mean**2, max(item.tolerance, LEAST_DEVIATION) ** 2))
    return Statistics(mean.astype(np.float32), deviation.astype(np.float32))


def unstandardised(item: Array) -> Statistics:
    """Statistics that map whole numbers of a type to at most 1, of pictures levels 0 to 255, and leave floats."""
    shape, dtype = statistics_shape(item), np.dtype(item.dtype)
    most = 1 if dtype.kind == "f" else np.iinfo(dtype).max
    return Statistics(np.zeros(shape, np.float32), np.full(shape, most, np.float32))


def statistics_shape(item: Array) -> tuple[int, ...]:
    """Shape of mean and deviation: that of an item with one step of time."""
    return tuple(1 if axis == item.time else length for axis, length in enumerate(item.shape))


class Standardise(nn.Module):
    """What a network sees of the values in a batch, computed on the device that holds them.

    Args:
        item: What the caches hold of each utterance.
        statistics: Of the training set.
        table: Colours of levels, uint8 (256, 3); None where the batch holds the items themselves.
        own: Whether each utterance is standardised by its own mean and deviation over time.
    """

    mean: Tensor
    deviation: Tensor
    table: Tensor | None

    def __init__(self, item: Array, statistics: Statistics, table: NDArray[np.uint8] | None, own: bool) -> None:
        super().__init__()
        self.item, self.own = item, own and item.time is not None
        for name, values in (("mean", statistics.mean), ("deviation", statistics.deviation)):
            self.register_buffer(name, channels_first(torch.from_numpy(values)[None], item), persistent=False)
        planes = None if table is None else torch.from_numpy(table.T.astype(np.float32).copy())
        self.register_buffer("table", planes, persistent=False)

    def forward(self, values: Tensor, lengths: Tensor, spoken: Tensor) -> Tensor:
        """Standardised input.

        Args:
            values: Items (batch, *item.shape), or levels (batch, rows, columns), with fewer or more steps of time.
            lengths: Steps of each utterance that are not padding, int64 (batch,).
            spoken: First step of its own and the step after the last, int64 (batch, 2).

        Returns:
            float32, `channels_first`: of pictures (batch, 3, rows, columns); zero from `lengths` on.
        """
        seen: Tensor
        if self.table is None:
            # In one order in memory, so that sums over time are the same to the last bit.
            seen = channels_first(values, self.item).float().contiguous()
        else:
            coloured = self.table.index_select(1, values.flatten().int())
            seen = coloured.reshape(len(self.table), *values.shape).transpose(0, 1)
        if self.item.time is None:
            return (seen - self.mean) / self.deviation
        step = torch.arange(seen.shape[-1], device=seen.device)
        mean, deviation = self.mean, self.deviation
        if self.own:
            of_utterance = _over(seen, (step >= spoken[:, :1]) & (step < spoken[:, 1:]))
            count = _over(seen, spoken[:, 1:] - spoken[:, :1])
            mean = (seen * of_utterance).sum(-1, keepdim=True) / count
            variance = ((seen - mean) * of_utterance).square().sum(-1, keepdim=True) / count
            deviation = variance.sqrt() + FLOOR * deviation
        return (seen - mean) / deviation * _over(seen, step < lengths[:, None])


def _over(seen: Tensor, columns: Tensor) -> Tensor:
    """Values of each utterance and step (batch, steps), shaped so that they are those of each row and channel."""
    return columns.reshape(len(columns), *[1] * (seen.ndim - 2), -1).to(seen.dtype)
