"""Layers and sizes of Nfissi et al. 2022 on waveforms."""

import pytest

from precompute.recipe import named
from wser.config.compose import load
from wser.config.schema import ConfigError
from wser.execution import describe


def layers(*settings):
    (config,) = load(["model=nfissi2022", *settings])
    return describe.layers(config, named(config.recipe).array, 7)


def test_sizes_are_those_of_the_drawing():
    rows = layers()
    assert [row.shape for row in rows if "pooling" in row.name] == [(18, 1, 8000), (18, 1, 2000), (36, 1, 500), (72, 1, 125)]
    sizes = [(1, 18, 160)] + [(18, 18, 3)] * 4 + [(18, 36, 3)] + [(36, 36, 3)] * 3
    sizes += [(36, 72, 3)] + [(72, 72, 3)] * 3 + [(72, 144, 3)] + [(144, 144, 3)] * 3
    convolutions = sum(channels * filters * kernel + 2 * filters for channels, filters, kernel in sizes)
    assert sum(row.parameters for row in rows) == convolutions + 145 * 72 + 3 * 64 * (72 + 64 + 2) + 65 * 7


@pytest.mark.parametrize(("number", "convolutions", "pools", "channels"), [(3, 2, 2, 6), (5, 4, 4, 20), (11, 10, 4, 88)])
def test_the_other_networks_have_their_layers(number, convolutions, pools, channels):
    rows = layers(f"model.layers={number}")
    assert sum("conv" in row.name for row in rows) == convolutions
    assert sum("pooling" in row.name for row in rows) == pools
    assert [row.shape[0] for row in rows if "conv" in row.name][-1] == channels


def test_as_published_the_gru_sees_one_step():
    assert [row.shape for row in layers() if "GRU" in row.name] == [(1, 64)]
    assert [row.shape for row in layers("model.gru_before_pool=true") if "GRU" in row.name] == [(125, 64)]


def test_other_numbers_of_layers_are_refused():
    with pytest.raises(ConfigError):
        load(["model=nfissi2022", "model.layers=4"])
