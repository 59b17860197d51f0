"""Parallel convolutions of a waveform, blocks of a 2-D convolution on what they give together, and an LSTM."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from wser.models import _layers
from wser.models._steps import last_step

KERNELS = (240, 400, 1600)
"""Samples that a filter of each pipe spans: 15, 25 and 100 ms at 16 kHz."""
HOP, PIPE_FILTERS = 160, 40
LSTM, UNITS, DROPOUT = 128, 1024, 0.3


class Network(nn.Module):
    """The network.

    Args:
        classes: Number of logits.
        filters: Of each block's convolution.
        kernel: Of rows and steps, in each block.
        pooling: How blocks pool by 2x2; pipes pool by maxima.
    """

    def __init__(self, classes: int, filters: Sequence[int], kernel: _layers.Pair, pooling: Literal["max", "average"]) -> None:
        super().__init__()
        self.pipes = nn.ModuleList(
            _layers.Layers(
                _layers.Convolution(1, PIPE_FILTERS, samples, stride=HOP, bias=False),
                _layers.Norm(PIPE_FILTERS),
                nn.ReLU(),
                _layers.Pool(2),
            )
            for samples in KERNELS
        )
        blocks: list[nn.Module] = []
        channels, rows = 1, len(KERNELS) * PIPE_FILTERS
        for number in filters:
            blocks += [_layers.Convolution(channels, number, kernel, bias=False), _layers.Norm(number), nn.ReLU()]
            blocks.append(_layers.Pool((2, 2), kind=pooling))
            channels, rows = number, rows // 2
        self.blocks = _layers.Layers(*blocks)
        self.lstm = _layers.Recurrent(channels * rows, LSTM)
        self.head = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(LSTM, UNITS), nn.ReLU(), nn.Linear(UNITS, classes))

    def forward(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Logits (batch, classes) of waveforms (batch, 1, samples)."""
        given = [pipe(waveforms, lengths) for pipe in self.pipes]
        # Filters become rows, and the pipes lie one above the other.
        rows = torch.cat([maps for maps, _ in given], dim=1)[:, None]
        maps, steps = self.blocks(rows, given[0][1])
        logits: Tensor = self.head(last_step(self.lstm(_layers.as_sequence(maps), steps), steps))
        return logits
