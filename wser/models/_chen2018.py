"""What the network of Chen et al. 2018 has besides common layers: deltas, pieces, and attention."""

import torch
from torch import Tensor, nn

from wser.models._steps import length_mask, masked


class Deltas(nn.Module):
    """Levels, their deltas, and the deltas of these, as channels.

    A delta is the slope of a line through the frames around, sum n (c[t + n] - c[t - n]) / (2 sum n^2) for n from 1 to `reach`
    (Young et al., The HTK Book, 5.16); the first and the last frame of an utterance stand for those before and after it.

    Args:
        reach: Frames to either side.
    """

    title = "deltas"

    def __init__(self, reach: int) -> None:
        super().__init__()
        self.reach = reach

    def forward(self, levels: Tensor, lengths: Tensor) -> Tensor:
        """Levels (batch, channels, rows, steps) to (batch, 3 * channels, rows, steps), zero past the end of each utterance."""
        first = self.delta(levels, lengths)
        return masked(torch.cat([levels, first, self.delta(first, lengths)], dim=1), lengths)

    def delta(self, maps: Tensor, lengths: Tensor) -> Tensor:
        """Deltas of maps (batch, channels, rows, steps), of the same shape; values past an utterance have no meaning."""
        at = torch.arange(maps.shape[-1], device=maps.device)
        last = lengths[:, None] - 1
        total = torch.zeros_like(maps)
        for apart in range(1, self.reach + 1):
            later, earlier = (at + apart).minimum(last), (at - apart).clamp(min=0).expand(len(maps), -1)
            total = total + apart * (_at(maps, later) - _at(maps, earlier))
        return total / (2 * sum(apart * apart for apart in range(1, self.reach + 1)))


class Attention(nn.Module):
    """The mean of an utterance's steps, weighted by the softmax of one linear score of each.

    Args:
        values: Of each step.
    """

    def __init__(self, values: int) -> None:
        super().__init__()
        # A softmax is the same with a bias, which would never be trained.
        self.score = nn.Linear(values, 1, bias=False)

    def forward(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """A sequence (batch, steps, values) to (batch, values)."""
        inside = length_mask(sequence.shape[1], lengths)
        scores: Tensor = self.score(sequence)[..., 0].float()
        # Not minus infinity: a piece without any step would give no number.
        weights = scores.masked_fill(~inside, torch.finfo(scores.dtype).min).softmax(dim=1)
        return (weights[..., None].to(sequence.dtype) * sequence).sum(dim=1)


def spread(maps: Tensor, lengths: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """As few pieces as cover each utterance, evenly spaced, so that the first begins and the last ends with it.

    Args:
        maps: (batch, channels, rows, steps).
        lengths: Steps of each utterance, int64 (batch,).
        size: Most steps of a piece.

    Returns:
        Pieces (batch * n, channels, rows, steps), where n are those of the longest utterance, zero past the end of theirs; and
        steps of each that are its utterance's, int64 (batch * n,).  Each utterance has at least one piece, and those after its
        last have 0 steps.
    """
    most = max(1, -(-maps.shape[-1] // size))
    if most == 1:
        return maps, lengths
    count = ((lengths + size - 1) // size).clamp(min=1)[:, None]
    place = torch.arange(most, device=maps.device)
    begin = (lengths[:, None] - size).clamp(min=0) * place // (count - 1).clamp(min=1)
    own = (lengths.clamp(max=size)[:, None] * (place < count)).flatten()
    at = (begin[..., None] + torch.arange(size, device=maps.device)).clamp(max=maps.shape[-1] - 1)
    cut = _at(maps, at.flatten(1)).reshape(*maps.shape[:-1], most, size).movedim(-2, 1).flatten(0, 1)
    return masked(cut, own), own


def _at(maps: Tensor, steps: Tensor) -> Tensor:
    """Steps int64 (batch, n) of maps (batch, channels, rows, steps), (batch, channels, rows, n)."""
    return maps.gather(-1, steps[:, None, None].expand(-1, maps.shape[1], maps.shape[2], -1))
