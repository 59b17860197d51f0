"""The context stacking of Tang et al. 2021: layers, sizes, and what its steps see."""

import torch

from precompute.recipe import named
from wser import models
from wser.config.compose import load
from wser.execution import describe


def config():
    return load(["model=tang2021"])[0]


def test_sizes_are_those_of_the_drawing():
    rows = describe.layers(config(), named(config().recipe).array, 7)
    shapes = [row.shape for row in rows if row.name.startswith("conv")]
    frames = [(64, 800), *[(128, 800), (128, 800), (64, 800)] * 10]
    assert shapes == [(64, 100), *[(128, 100), (64, 100)] * 7, *frames]
    assert [row.name for row in rows if "dilated" in row.name] == [
        f"conv 2, dilated {2**at}" for count in (7, 10) for at in range(1, count)
    ]
    gated = 2 * 64 * 128 + 128 + 65 * 64
    assert sum(row.parameters for row in rows) == 321 * 64 + 7 * gated + 41 * 64 + 10 * (gated + 64 * 128) + 65 * 7


def test_frames_see_all_that_came_before_and_the_context_four_frames_more_at_most():
    torch.manual_seed(0)
    network = models.build(config().model, (1, 40), 3).eval()
    maps = []
    network.activation.register_forward_hook(lambda _module, given, _output: maps.append(given[0][0]))
    levels = torch.randn(1, 1, 40, 800)
    with torch.inference_mode():
        for level in (0, 1):
            levels[..., 404] += level
            network(levels, torch.tensor([800]))
    changed = (maps[0] - maps[1]).abs().amax(0) > 0
    assert not changed[:400].any()
    assert changed[400:].all()
