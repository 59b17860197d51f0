"""Layers and sizes of Trigeorgis et al. 2016 on waveforms."""

from precompute.recipe import named
from wser.config.compose import load
from wser.execution import describe


def test_sizes_are_those_of_the_drawing():
    (config,) = load(["model=trigeorgis2016"])
    rows = describe.layers(config, named(config.recipe).array, 7)
    assert [row.shape for row in rows if "conv" in row.name] == [(40, 1, 128000), (40, 1, 64000)]
    assert [row.shape for row in rows if "LSTM" in row.name] == [(200, 128)] * 4
    convolutions = 40 * 21 + 40 * (40 * 40 + 1)
    assert sum(row.parameters for row in rows) == convolutions + 8 * 128 * (1280 + 130 + 256 + 130) + 257 * 7
