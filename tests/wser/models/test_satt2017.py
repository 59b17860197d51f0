"""Layers and sizes of Satt et al. 2017 on spectrograms."""

from precompute.recipe import named
from wser.config.compose import load
from wser.execution import describe


def layers(*settings):
    (config,) = load(["model=satt2017", *settings])
    return describe.layers(config, named(config.recipe).array, 7)


def test_sizes_are_those_of_the_drawing():
    rows = layers()
    assert [row.shape for row in rows if "pooling" in row.name] == [(16, 64, 150), (24, 32, 75), (32, 16, 37)]
    convolutions = 16 * (12 * 16 + 1) + 24 * (16 * 8 * 12 + 1) + 32 * (24 * 5 * 7 + 1)
    recurrent = 2 * 4 * 128 * (32 * 16 + 128 + 2)
    assert sum(row.parameters for row in rows) == convolutions + recurrent + 257 * 64 + 65 * 7


def test_the_lstm_reads_one_way_or_both():
    assert [row.shape for row in layers() if "LSTM" in row.name] == [(37, 128)] * 2
    assert [row.shape for row in layers("model.directions=1") if "LSTM" in row.name] == [(37, 128)]
