"""Layers and sizes of Issa et al. 2020 on 193 means."""

from precompute.recipe import named
from wser.config.compose import load
from wser.execution import describe


def test_sizes_are_those_of_the_drawing():
    (config,) = load(["model=issa2020"])
    rows = describe.layers(config, named(config.recipe).array, 8)
    convolutions = [row.shape for row in rows if row.name.startswith("conv")]
    assert convolutions == [(256, 193), (128, 193), *[(128, 24)] * 4]
    assert [row.shape for row in rows if row.name == "fully connected, 8"] == [(8,)]
    of_convolutions = 6 * 256 + (5 * 256 + 1) * 128 + 4 * (5 * 128 + 1) * 128
    norms = 2 * (256 + 128 + 128 + 8)
    assert sum(row.parameters for row in rows) == of_convolutions + norms + (3072 + 1) * 8


def test_training_is_as_published():
    (config,) = load(["model=issa2020"])
    assert (config.preset, config.recipe, config.data.standardise) == ("issa2020", "issa193", "none")
    assert (config.train.optimiser, config.train.lr, config.train.epochs) == ("rmsprop", 1e-5, 700)
