"""From what caches hold of some utterances to the logits of a network: one way for training, scoring and prediction."""

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from precompute.common.arrays import Array

COLUMN_MULTIPLE = 8
"""Widths of batches are multiples of this, the product of the usual pooling strides in time."""


def cut(
    frames: NDArray[Any], spoken: NDArray[np.int64], item: Array, pad: Literal["trim", "paper"]
) -> tuple[Tensor, Tensor, Tensor]:
    """Utterances as a batch holds them.

    Args:
        frames: What caches hold of each, or levels, (batch, ...); may be overwritten.
        spoken: First step of time of each utterance and the step after its last, int64 (batch, 2).
        item: What each is.
        pad: As `data.pad`: `trim` cuts to the longest utterance, `paper` takes whole frames.

    Returns:
        `values`, `lengths` and `spoken` of a `Batch`.
    """
    if pad == "paper" or item.time is None:
        starts, lengths = np.zeros(len(spoken), np.int64), np.full(len(spoken), item.steps)
    else:
        starts, lengths = spoken[:, 0], spoken[:, 1] - spoken[:, 0]
    steps = -(-int(lengths.max()) // COLUMN_MULTIPLE) * COLUMN_MULTIPLE
    if item.time is not None:
        frames = _cut(frames, 1 + item.time, starts, steps)
    return torch.from_numpy(frames), torch.from_numpy(lengths), torch.from_numpy(spoken - starts[:, None])


def logits(model: nn.Module, images: Tensor, lengths: Tensor) -> Tensor:
    """What a network says of standardised input.

    Args:
        model: The network.
        images: As `Standardise` gives them.
        lengths: Steps of time of each, int64 (batch,).

    Returns:
        Logits, float32 (batch, classes).
    """
    found: Tensor = model(channels_last(images), lengths)
    return found.float()


def channels_last(images: Tensor) -> Tensor:
    """Pictures as convolutions read them fastest, with the channels last."""
    return images.contiguous(memory_format=torch.channels_last) if images.ndim == 4 else images


def _cut(frames: NDArray[Any], axis: int, starts: NDArray[np.int64], steps: int) -> NDArray[Any]:
    """So many steps of each frame along an axis, from its own start on; zeros where the frames end before."""
    if short := max(0, int(starts.max()) + steps - frames.shape[axis]):
        frames = np.pad(frames, [(0, short if place == axis else 0) for place in range(frames.ndim)])
    if starts.any():
        steps_first = np.moveaxis(frames, axis, 1)
        for frame, start in zip(steps_first, starts.tolist(), strict=True):
            frame[:steps] = frame[start : start + steps].copy()
    return frames[(*[slice(None)] * axis, slice(steps))]
