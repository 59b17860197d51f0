"""Layers and sizes of Zeng et al. 2019 on spectrograms."""

from precompute.recipe import named
from wser.config.compose import load
from wser.execution import describe


def test_sizes_are_those_of_the_drawing():
    (config,) = load(["model=zeng2019"])
    rows = describe.layers(config, named(config.recipe).array, 8)
    blocks = [row.shape for row in rows if row.stage == "blocks" and row.name == "ReLU"]
    assert blocks == [(32, 128, 128), (64, 64, 64), (128, 32, 32), (256, 16, 16)]
    stem, first = 9 * 32 + 2 * 32, 2 * (9 * 32 * 32 + 2 * 32)
    others = sum(2 * (9 * c * 2 * c + 4 * c) + c * 2 * c + 4 * c for c in (32, 64, 128))
    assert sum(row.parameters for row in rows) == stem + first + others + 257 * 8
