"""The frame-based network of Fayek et al. 2017: layers, sizes, and the mean of the windows' probabilities."""

import numpy as np
import torch

from precompute.recipe import named
from wser import models
from wser.config.compose import load
from wser.execution import describe


def config():
    return load(["model=fayek2017"])[0]


def test_sizes_are_those_of_the_drawing():
    rows = describe.layers(config(), named(config().recipe).array, 7)
    assert [row.shape for row in rows if row.name.startswith("conv")] == [(32, 20, 400), (64, 10, 200), (256, 200)]
    convolutions = 25 * (32 + 32 * 64) + 2 * (32 + 64)
    assert sum(row.parameters for row in rows) == convolutions + 64 * 10 * 31 * 256 + 2 * 256 + 257 * 7


def test_a_window_reaches_sixty_frames_to_either_side_and_what_the_convolutions_see():
    torch.manual_seed(0)
    network = models.build(config().model, (1, 40), 3).eval()
    levels = torch.randn(1, 1, 40, 400)
    windows = []
    network.classifier.register_forward_hook(lambda _module, _given, output: windows.append(output[0]))
    with torch.inference_mode():
        for level in (0, 1):
            levels[..., 200] += level
            network(levels, torch.tensor([400]))
    changed = np.flatnonzero((windows[0] - windows[1]).abs().amax(1) > 0) * 4
    assert 200 - 68 <= changed.min() <= 200 - 60
    assert 200 + 60 <= changed.max() <= 200 + 68


def test_an_utterance_is_given_the_mean_of_the_windows_probabilities():
    torch.manual_seed(0)
    network = models.build(config().model, (1, 40), 3).eval()
    windows = []
    network.classifier.register_forward_hook(lambda _module, _given, output: windows.append(output.softmax(2)))
    with torch.inference_mode():
        logits = network(torch.randn(1, 1, 40, 100), torch.tensor([100]))
    torch.testing.assert_close(logits.exp(), windows[0].mean(dim=1))
