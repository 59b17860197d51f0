"""Layers and sizes of Zhao et al. 2019 on waveforms."""

from precompute.recipe import named
from wser.config.compose import load
from wser.execution import describe


def test_sizes_are_those_of_the_drawing():
    (config,) = load(["model=zhao2019_1d"])
    rows = describe.layers(config, named(config.recipe).array, 7)
    pooled = [row.shape for row in rows if "pooling" in row.name]
    assert pooled == [(64, 1, 32000), (64, 1, 8000), (128, 1, 2000), (128, 1, 500)]
    assert [row.shape for row in rows if "LSTM" in row.name] == [(500, 64)]
    convolutions = 3 * (64 + 64 * 64 + 64 * 128 + 128 * 128) + 2 * (64 + 64 + 128 + 128)
    assert sum(row.parameters for row in rows) == convolutions + 4 * 64 * (128 + 64 + 2) + 65 * 7
