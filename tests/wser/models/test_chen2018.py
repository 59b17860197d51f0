"""The network of Chen et al. 2018: layers, sizes, deltas, and pieces."""

import numpy as np
import pytest
import torch

from precompute.recipe import named
from wser import models
from wser.config.compose import load
from wser.config.schema import ConfigError
from wser.execution import describe
from wser.models._chen2018 import Attention, Deltas, spread


def test_sizes_are_those_of_the_drawing():
    (config,) = load(["model=chen2018"])
    rows = describe.layers(config, named(config.recipe).array, 7)
    shapes = [row.shape for row in rows if row.name.startswith(("conv", "max", "LSTM"))]
    six = [(128, 40, 300), (128, 10, 150), *[(256, 10, 150)] * 5]
    assert shapes == [*six, (768, 150), (150, 128), (150, 128)]
    convolutions = 15 * (3 * 128 + 128 * 256 + 4 * 256 * 256) + 128 + 5 * 256
    linear, lstm = 2560 * 768 + 2 * 768, 2 * 4 * 128 * (768 + 128 + 2)
    assert sum(row.parameters for row in rows) == 240 + convolutions + linear + lstm + 256 + 257 * 64 + 65 * 7


def test_the_delta_of_a_line_is_its_slope_and_that_of_another_curve_is_the_usual_formula():
    curve = torch.stack([3.0 * torch.arange(9), torch.arange(9.0) ** 3, torch.randn(9)])[None, None]
    found = Deltas(2).delta(curve, torch.tensor([9]))
    padded = np.pad(curve[0, 0].numpy(), [(0, 0), (2, 2)], "edge")
    expected = [[(row[t + 3] - row[t + 1] + 2 * (row[t + 4] - row[t])) / 10 for t in range(9)] for row in padded]
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found[0, 0, 0, 2:-2], torch.full((5,), 3.0))


def test_deltas_of_a_short_utterance_do_not_see_what_follows_it():
    levels = torch.randn(1, 1, 4, 20)
    alone = Deltas(2)(levels[..., :7], torch.tensor([7]))
    beside = Deltas(2)(levels, torch.tensor([7]))
    torch.testing.assert_close(beside[..., :7], alone)
    assert not beside[..., 7:].any()


@pytest.mark.parametrize(
    ("steps", "begins"),
    [(1, [0]), (300, [0]), (301, [0, 1]), (600, [0, 300]), (601, [0, 150, 301]), (800, [0, 250, 500])],
)
def test_pieces_are_as_few_as_cover_an_utterance_from_its_beginning_to_its_end(steps, begins):
    maps = torch.arange(1.0, 801)[None, None, None]
    cut, own = spread(maps, torch.tensor([steps]), 300)
    assert [int(piece[0, 0, 0]) - 1 for piece, there in zip(cut, own, strict=True) if there] == begins
    assert own.tolist() == [min(steps, 300)] * len(begins) + [0] * (3 - len(begins))
    assert cut.amax() == steps


def test_an_utterance_of_several_pieces_has_the_same_score_beside_a_longer_one():
    (config,) = load(["model=chen2018", "model.filters=[4,4]"])
    torch.manual_seed(0)
    network = models.build(config.model, (1, 40), 3).eval()
    long, short = torch.randn(1, 1, 40, 700), torch.randn(1, 1, 40, 400)
    both = torch.cat([long, torch.nn.functional.pad(short, (0, 300))])
    with torch.inference_mode():
        together, alone = network(both, torch.tensor([700, 400])), network(short, torch.tensor([400]))
    torch.testing.assert_close(together[1:], alone, atol=1e-4, rtol=0)


def test_attention_is_a_mean_of_the_steps_of_an_utterance():
    sequence = torch.full((2, 5, 3), 2.0)
    sequence[0, 2:] = 100
    torch.testing.assert_close(Attention(3)(sequence, torch.tensor([2, 5])), torch.full((2, 3), 2.0))


@pytest.mark.parametrize("wrong", ["[]", "[8,0]"])
def test_each_convolution_has_filters(wrong):
    with pytest.raises(ConfigError):
        load(["model=chen2018", f"model.filters={wrong}"])
