"""Layers and sizes of Latif et al. 2019 and Rintala 2020 on waveforms."""

from precompute.recipe import named
from wser.config.compose import load
from wser.execution import describe

PIPES = 40 * (240 + 400 + 1600) + 3 * 2 * 40
HEAD = 1024 * 129 + 7 * 1025


def layers(name):
    (config,) = load([f"model={name}"])
    return describe.layers(config, named(config.recipe).array, 7)


def lstm(inputs):
    return 4 * 128 * (inputs + 128 + 2)


def test_latif_has_the_layers_of_the_drawing():
    rows = layers("latif2019")
    assert [row.shape for row in rows if "pooling" in row.name] == [(40, 400)] * 3 + [(32, 60, 200)]
    assert [row.shape for row in rows if "LSTM" in row.name] == [(200, 128)]
    assert sum(row.parameters for row in rows) == PIPES + 32 * 4 + 2 * 32 + lstm(1920) + HEAD


def test_rintala_has_the_layers_of_the_drawing():
    rows = layers("rintala2020")
    assert [row.shape for row in rows if "pooling" in row.name] == [(40, 400)] * 3 + [(32, 60, 200), (32, 30, 100)]
    assert [row.shape for row in rows if "LSTM" in row.name] == [(100, 128)]
    assert sum(row.parameters for row in rows) == PIPES + 9 * (32 + 32 * 32) + 2 * 64 + lstm(960) + HEAD
