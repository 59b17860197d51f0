"""The local feature learning blocks (LFLBs) of Zhao et al. 2018 and 2019: convolution, batch norm, ELU, max pooling."""

from collections.abc import Sequence

from torch import nn

from wser.models import _layers

FILTERS = (64, 64, 128, 128)


def blocks(channels: int, kernel: _layers.Pair, pools: Sequence[_layers.Pair]) -> _layers.Layers:
    """Four of them, on maps (batch, channels, rows, steps).

    Waveforms are given as maps of a single row, since PyTorch computes those faster than maps without rows.

    Args:
        channels: Of the first one's maps.
        kernel: Of all convolutions.
        pools: Window of each one's pooling.
    """
    layers: list[nn.Module] = []
    for filters, window in zip(FILTERS, pools, strict=True):
        layers += [_layers.Convolution(channels, filters, kernel, bias=False), _layers.Norm(filters)]
        # ELU keeps the order of values, so that the largest may be taken before it, which is faster.
        layers += [_layers.Pool(window), nn.ELU()]
        channels = filters
    return _layers.Layers(*layers)
