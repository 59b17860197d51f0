"""Augmentation of training batches: drawn on the CPU, so that a seed gives the same everywhere, and applied on the device."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wser.config.schema import DataConfig


@dataclass(frozen=True)
class Draws:
    """What is drawn for a batch.

    Attributes:
        shifts: Rows by which each picture is shifted downwards, int64 (batch,).
        rows: First row of the masked band of each, and the row after its last, int64 (batch, 2).
        columns: The same of the masked columns (or samples).
        partners: Index of the picture with which each is mixed, int64 (batch,).
        share: Of the picture itself in its mixture; 1 does not mix.
    """

    shifts: Tensor
    rows: Tensor
    columns: Tensor
    partners: Tensor
    share: float

    def to(self, device: torch.device) -> "Draws":
        """The same on a device."""
        shifts, rows, columns, partners = (
            tensor.to(device, non_blocking=True) for tensor in (self.shifts, self.rows, self.columns, self.partners)
        )
        return Draws(shifts, rows, columns, partners, self.share)


def draw(lengths: Sequence[int], rows: int, config: DataConfig, rng: np.random.Generator) -> Draws:
    """Draw for a batch.

    Args:
        lengths: Columns (or samples) of each utterance.
        rows: Of the pictures; 0 where there are none, which are then not shifted or masked.
        config: Sizes of shifts and masks, parameter of mixup.
        rng: Source of randomness.
    """
    shifts, bands, gaps = [], [], []
    masked = bool(config.shift_rows or config.mask_rows or config.mask_columns)
    for length in lengths:
        shifts.append(int(rng.integers(-config.shift_rows, config.shift_rows + 1)) if config.shift_rows and rows else 0)
        bands.append(_band(rows, config.mask_rows, rng) if masked and rows else (0, 0))
        gaps.append(_band(length, config.mask_columns, rng) if masked else (0, 0))
    partners, share = np.arange(len(lengths)), 1.0
    if config.mixup:
        share = float(rng.beta(config.mixup, config.mixup))
        share = max(share, 1 - share)
        partners = rng.permutation(len(lengths))
    return Draws(torch.tensor(shifts), torch.tensor(bands), torch.tensor(gaps), torch.from_numpy(partners), share)


def _band(extent: int, most: int, rng: np.random.Generator) -> tuple[int, int]:
    width = int(rng.integers(0, min(most, extent // 2) + 1))
    start = int(rng.integers(0, extent - width + 1))
    return start, start + width


def augment(images: Tensor, draws: Draws) -> Tensor:
    """Shift pictures along the frequency axis, and mask a band of rows and one of columns; of waveforms, of samples.

    Masking with zero, the mean of standardised pictures, is SpecAugment's (Park et al. 2019, doi
    10.21437/Interspeech.2019-2680), one mask of each kind.

    Args:
        images: float (batch, channels, rows, columns), or (batch, channels, samples); left unchanged.
        draws: For this batch.
    """
    kept = ~_in_bands(images.shape[-1], draws.columns)[:, None]
    if images.ndim == 4:
        row = torch.arange(images.shape[2], device=images.device)
        source = row - draws.shifts[:, None]
        there = (source >= 0) & (source < len(row)) & ~_in_bands(len(row), draws.rows)
        # Rows of all channels at once, which then lie between batch and channels.
        batch = torch.arange(len(images), device=images.device)[:, None]
        images = images[batch, :, source.clamp(0, len(row) - 1)].transpose(1, 2)
        kept = (there[:, :, None] & kept)[:, None]
    return images * kept.to(images.dtype)


def _in_bands(extent: int, bands: Tensor) -> Tensor:
    at = torch.arange(extent, device=bands.device)
    return (at >= bands[:, :1]) & (at < bands[:, 1:])


def mix(images: Tensor, draws: Draws) -> Tensor:
    """Mixup (Zhang et al. 2018, arXiv 1710.09412): each picture with another of the batch."""
    return images if draws.share == 1 else draws.share * images + (1 - draws.share) * images[draws.partners]
