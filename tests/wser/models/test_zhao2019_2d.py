"""Layers and sizes of Zhao et al. 2019 on log-mel spectrograms."""

import pytest

from precompute.recipe import named
from wser.config.compose import load
from wser.config.schema import ConfigError
from wser.execution import describe


def layers(*settings):
    (config,) = load(["model=zhao2019_2d", *settings])
    return describe.layers(config, named(config.recipe).array, 7)


def test_sizes_are_those_of_the_drawing():
    rows = layers()
    pooled = [row.shape for row in rows if "pooling" in row.name]
    assert pooled == [(64, 64, 125), (64, 16, 31), (128, 4, 7), (128, 1, 1)]
    convolutions = 9 * (64 + 64 * 64 + 64 * 128 + 128 * 128) + 2 * (64 + 64 + 128 + 128)
    assert sum(row.parameters for row in rows) == convolutions + 4 * 32 * (128 + 32 + 2) + 33 * 7


def test_as_published_the_lstm_sees_one_step_and_less_pooling_gives_it_more():
    assert [row.shape for row in layers() if "LSTM" in row.name] == [(1, 32)]
    assert [row.shape for row in layers("model.time_pool=[2,2,1,1]") if "LSTM" in row.name] == [(62, 32)]


@pytest.mark.parametrize("wrong", ["[2,4,4]", "[2,4,4,0]"])
def test_poolings_are_four(wrong):
    with pytest.raises(ConfigError):
        load(["model=zhao2019_2d", f"model.time_pool={wrong}"])
