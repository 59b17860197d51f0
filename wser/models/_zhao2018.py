"""The network of Zhao et al. 2018, and log-mel spectrograms computed in it."""

import math

import torch
from torch import Tensor, nn

from wser.models import _layers, _lflb
from wser.models._steps import masked, mean_over_steps

SAMPLE_RATE = 16000
WINDOW, HOP, BANDS = 2048, 512, 128
FLOOR = 1e-6
"""Least power, where that of the waveforms is about 1 on average; it keeps the logarithm finite."""
UNITS = 128


class Network(nn.Module):
    """The network.

    Args:
        channels: Of waveforms.
        classes: Number of logits.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.waves = Branch(_lflb.blocks(channels, (1, 3), [(1, 4)] * 4))
        self.log_mel, self.norm = LogMel(), _layers.Norm(channels)
        self.bands = Branch(_lflb.blocks(channels, (3, 3), [(2, 2), (4, 4), (4, 4), (4, 4)]))
        self.classifier = nn.Linear(2 * UNITS, classes)

    def forward(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Logits (batch, classes) of waveforms (batch, 1, samples)."""
        spectrograms = self.norm(*self.log_mel(waveforms, lengths))
        both = [self.waves(waveforms[:, :, None], lengths), self.bands(*spectrograms)]
        logits: Tensor = self.classifier(torch.cat(both, dim=1))
        return logits


class Branch(nn.Module):
    """LFLBs, which leave one row, the mean over time, and a fully connected layer.

    Args:
        blocks: The LFLBs.
    """

    def __init__(self, blocks: _layers.Layers) -> None:
        super().__init__()
        self.blocks = blocks
        self.units = nn.Sequential(nn.Linear(_lflb.FILTERS[-1], UNITS), nn.ELU())

    def forward(self, maps: Tensor, lengths: Tensor) -> Tensor:
        """Values (batch, units) of maps (batch, channels, rows, steps)."""
        values: Tensor = self.units(mean_over_steps(*self.blocks(maps, lengths)).flatten(1))
        return values


class LogMel(nn.Module):
    """Logarithm of the power in triangular bands, equally spaced on the mel scale 1127 ln(1 + f / 700); nothing is trained."""

    title = "log-mel"
    window: Tensor
    bank: Tensor

    def __init__(self) -> None:
        super().__init__()
        window = torch.hann_window(WINDOW)
        self.register_buffer("window", window / window.square().sum().sqrt(), persistent=False)
        self.register_buffer("bank", _bank(), persistent=False)

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Spectrograms (batch, 1, bands, steps), whose step i is centred on sample i times the hop, and their steps."""
        steps = -(-waveforms.shape[-1] // HOP)
        spectra = torch.stft(waveforms[:, 0].float(), WINDOW, HOP, window=self.window, pad_mode="constant", return_complex=True)
        power = self.bank @ spectra[..., :steps].abs().square()
        lengths = (lengths + HOP - 1) // HOP
        return masked((power.float() + FLOOR).log()[:, None], lengths), lengths


def _bank() -> Tensor:
    """Weight of each bin of the spectrum in each band, float32 (bands, bins)."""
    edges = 700 * torch.expm1(torch.linspace(0, math.log1p(SAMPLE_RATE / 2 / 700), BANDS + 2))[:, None]
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    bins = torch.linspace(0, SAMPLE_RATE / 2, WINDOW // 2 + 1)
    return torch.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)).clamp(min=0)
