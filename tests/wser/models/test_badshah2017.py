"""Layers and sizes of Badshah et al. 2017 on pictures of spectrograms."""

import pytest

from precompute.recipe import named
from wser.config.compose import load
from wser.config.schema import ConfigError
from wser.execution import describe


def layers(*settings):
    (config,) = load(["model=badshah2017", *settings])
    return describe.layers(config, named(config.recipe).array, 7)


def test_sizes_are_those_of_the_drawing():
    rows = layers()
    assert [row.shape for row in rows if "conv" in row.name] == [(120, 64, 64), (256, 31, 31), (384, 15, 15)]
    assert [row.shape for row in rows if "pooling" in row.name] == [(120, 31, 31), (256, 15, 15), (384, 7, 7)]
    convolutions = 120 * (3 * 121 + 1) + 256 * (120 * 25 + 1) + 384 * (256 * 9 + 1)
    dense = (384 * 49 + 1) * 2048 + 2049 * 2048 + 2049 * 7
    assert sum(row.parameters for row in rows) == convolutions + dense


def test_the_public_implementation_has_31104_inputs_to_its_first_fully_connected_layer():
    rows = layers("model.stride=3", "model.pool=4", "model.fc=[8192,2048]")
    assert [row.parameters for row in rows if row.name == "fully connected, 8192"] == [(31104 + 1) * 8192]


@pytest.mark.parametrize("wrong", ["[2048]", "[2048,0]"])
def test_fully_connected_layers_are_two(wrong):
    with pytest.raises(ConfigError):
        load(["model=badshah2017", f"model.fc={wrong}"])
