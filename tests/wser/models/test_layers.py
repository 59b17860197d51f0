"""Layers for utterances of different lengths: of each they give what they would give of it alone."""

import pytest
import torch
from torch import nn

from wser.models import _layers
from wser.models._steps import last_step, mean_over_steps

LENGTHS = torch.tensor([40, 23, 1])
LAYERS = {
    "conv 1d": (lambda: _layers.Convolution(3, 4, 5), ()),
    "conv 1d, even, stride": (lambda: _layers.Convolution(3, 4, 6, 4), ()),
    "conv 1d, causal": (lambda: _layers.Convolution(3, 4, 2, dilation=4, causal=True), ()),
    "conv 2d": (lambda: _layers.Convolution(3, 4, (3, 3)), (8,)),
    "conv 2d, stride": (lambda: _layers.Convolution(3, 4, (3, 4), (2, 2)), (8,)),
    "max 1d": (lambda: _layers.Pool(4), ()),
    "average 1d, overlapping": (lambda: _layers.Pool(6, 3, "average"), ()),
    "max 2d": (lambda: _layers.Pool((2, 3)), (8,)),
    "norm 1d": (lambda: _layers.Norm(3), ()),
    "norm 2d": (lambda: _layers.Norm(3), (8,)),
}


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def padded(maps):
    return maps * (torch.arange(maps.shape[-1]) < LENGTHS.reshape(-1, *[1] * (maps.ndim - 1)))


@pytest.mark.parametrize("name", LAYERS)
def test_an_utterance_alone_gives_the_same(name):
    make, rows = LAYERS[name]
    layer, maps = make().eval(), padded(drawn(3, 3, *rows, 40))
    together, lengths = layer(maps, LENGTHS)
    for place, length in enumerate(LENGTHS.tolist()):
        alone, own = layer(maps[place : place + 1, ..., :length], LENGTHS[place : place + 1])
        assert own[0] == lengths[place] >= 1
        torch.testing.assert_close(alone[0], together[place, ..., : alone.shape[-1]])
        assert not together[place, ..., int(own[0]) :].any()


def test_a_causal_convolution_sees_nothing_that_follows():
    layer, maps = _layers.Convolution(1, 1, 3, dilation=2, causal=True), drawn(1, 1, 20)
    changed = maps.clone()
    changed[..., 12:] += 1
    before, after = (layer(given, torch.tensor([20]))[0] for given in (maps, changed))
    torch.testing.assert_close(before[..., :12], after[..., :12])
    assert (before[..., 12] != after[..., 12]).all()


def test_norm_without_padding_is_that_of_pytorch():
    maps, lengths = drawn(4, 3, 20), torch.full((4,), 20)
    ours, theirs = _layers.Norm(3), nn.BatchNorm1d(3)
    torch.testing.assert_close(ours(maps, lengths)[0], theirs(maps))


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_two_directions_are_those_of_pytorch_on_each_utterance(kind):
    ours = _layers.Recurrent(5, 4, 2, kind)
    theirs = (nn.LSTM if kind == "lstm" else nn.GRU)(5, 4, batch_first=True, bidirectional=True)
    names = [name for name, _ in ours.forwards.named_parameters()]
    theirs.load_state_dict(
        {name: getattr(ours.forwards, name) for name in names}
        | {f"{name}_reverse": getattr(ours.backwards, name) for name in names}
    )
    sequence = drawn(3, 40, 5)
    found, ends = ours(sequence, LENGTHS), ours.ends(sequence, LENGTHS)
    for place, length in enumerate(LENGTHS.tolist()):
        expected = theirs(sequence[place : place + 1, :length])[0][0]
        torch.testing.assert_close(found[place, :length], expected)
        torch.testing.assert_close(ends[place], torch.cat([expected[-1, :4], expected[0, 4:]]))


def test_means_and_last_steps_are_of_the_utterance_alone():
    maps = drawn(3, 5, 40)
    for place, length in enumerate(LENGTHS.tolist()):
        torch.testing.assert_close(mean_over_steps(maps, LENGTHS)[place], maps[place, :, :length].mean(dim=-1))
        torch.testing.assert_close(last_step(maps.transpose(1, 2), LENGTHS)[place], maps[place, :, length - 1])


def test_pieces_cover_each_utterance_and_no_more():
    steps = torch.arange(1, 41).expand(3, 1, 40) * (torch.arange(40) < LENGTHS[:, None, None])
    found, own = _layers.pieces(steps, LENGTHS, 16, 8)
    assert found.shape == (12, 1, 16)
    # 40 steps begin a piece at 0, 8, 16 and 24; 23 at 0 and 8; 1 at 0.
    assert own.tolist() == [16, 16, 16, 16, 16, 15, 0, 0, 1, 0, 0, 0]
    assert [piece[0, : int(n)].tolist() for piece, n in zip(found, own, strict=True)][4:6] == [[*range(1, 17)], [*range(9, 24)]]
    for place, length in enumerate(LENGTHS.tolist()):
        seen = {int(value) for value in found[4 * place : 4 * place + 4].flatten()} - {0}
        assert seen == set(range(1, length + 1))


def test_pieces_decide_together_and_those_that_are_none_do_not():
    logits, own = drawn(6, 3), torch.tensor([8, 8, 3, 5, 0, 0])
    found = _layers.joined(logits, own, 2)
    logs = logits.log_softmax(1)
    torch.testing.assert_close(found, torch.stack([logs[:3].mean(0), logs[3]]))
