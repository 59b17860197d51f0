"""What networks do with the steps of time past the end of an utterance, which a batch has because another is longer."""

import torch
from torch import Tensor


def length_mask(steps: int, lengths: Tensor) -> Tensor:
    """Which of some steps belong to each utterance, bool (batch, steps)."""
    return torch.arange(steps, device=lengths.device) < lengths[:, None]


def masked(maps: Tensor, lengths: Tensor) -> Tensor:
    """Maps (batch, ..., steps), zero past the end of each utterance."""
    inside = length_mask(maps.shape[-1], lengths).to(maps.dtype)
    return maps * inside.reshape(len(inside), *[1] * (maps.ndim - 2), -1)


def mean_over_steps(maps: Tensor, lengths: Tensor) -> Tensor:
    """Mean of maps (batch, ..., steps) over the steps of each utterance, (batch, ...); 0 where it has none."""
    count = lengths.clamp(min=1).reshape(-1, *[1] * (maps.ndim - 2)).to(maps.dtype)
    return masked(maps, lengths).sum(dim=-1) / count


def last_step(sequence: Tensor, lengths: Tensor) -> Tensor:
    """The last step of each utterance of a sequence (batch, steps, values), (batch, values)."""
    return sequence[torch.arange(len(sequence), device=sequence.device), lengths - 1]


def reverse_steps(sequence: Tensor, lengths: Tensor) -> Tensor:
    """Each utterance's own steps in reverse order, (batch, steps, values); steps past them stay in their place."""
    at = torch.arange(sequence.shape[1], device=sequence.device)
    source = torch.where(at < lengths[:, None], lengths[:, None] - 1 - at, at)
    return sequence.gather(1, source[..., None].expand_as(sequence))
