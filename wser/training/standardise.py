"""From what caches hold to what a network sees: colours, standardisation, zero past the end of each utterance."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from precompute.common.arrays import Array
from wser.data.dataset import channels_first
from wser.training.statistics import FLOOR, Statistics


class Standardise(nn.Module):
    """What a network sees of the values in a batch, computed on the device that holds them.

    Args:
        item: What the caches hold of each utterance.
        statistics: Of the training set; or stacked, of each speaker.
        table: Colours of levels, uint8 (256, 3); None where the batch holds the items themselves.
        own: Whether each utterance is standardised by its own mean and deviation over time.
        by_speaker: Whether the statistics are stacked.
    """

    mean: Tensor
    deviation: Tensor
    table: Tensor | None

    def __init__(
        self, item: Array, statistics: Statistics, table: NDArray[np.uint8] | None, own: bool, by_speaker: bool = False
    ) -> None:
        super().__init__()
        self.item, self.own, self.by_speaker = item, own and item.time is not None, by_speaker
        for name, values in (("mean", statistics.mean), ("deviation", statistics.deviation)):
            rows = torch.from_numpy(values if by_speaker else values[None])
            self.register_buffer(name, channels_first(rows, item), persistent=False)
        planes = None if table is None else torch.from_numpy(table.T.astype(np.float32).copy())
        self.register_buffer("table", planes, persistent=False)

    def forward(self, values: Tensor, lengths: Tensor, spoken: Tensor, speakers: Tensor | None = None) -> Tensor:
        """Standardised input.

        Args:
            values: Items (batch, *item.shape), or levels (batch, rows, columns), with fewer or more steps of time.
            lengths: Steps of each utterance that are not padding, int64 (batch,).
            spoken: First step of its own and the step after the last, int64 (batch, 2).
            speakers: Row of each speaker in stacked statistics, int64 (batch,).

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
        mean, deviation = self.mean, self.deviation
        if self.by_speaker:
            mean, deviation = mean[speakers], deviation[speakers]
        if self.item.time is None:
            return (seen - mean) / deviation
        step = torch.arange(seen.shape[-1], device=seen.device)
        if self.own:
            of_utterance = _over(seen, (step >= spoken[:, :1]) & (step < spoken[:, 1:]))
            count = _over(seen, spoken[:, 1:] - spoken[:, :1])
            mean = (seen * of_utterance).sum(-1, keepdim=True) / count
            variance = ((seen - mean) * of_utterance).square().sum(-1, keepdim=True) / count
            deviation = variance.sqrt() + FLOOR * deviation
        return (seen - mean) / deviation * _over(seen, step < lengths[:, None])


def _over(seen: Tensor, columns: Tensor) -> Tensor:
    """Values of each utterance and step (batch, steps), shaped so that they are those of each row and channel."""
    return columns.reshape(columns.shape[0], *[1] * (seen.ndim - 2), -1).to(seen.dtype)
