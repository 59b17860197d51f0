"""Compiled loops give what the layers give, one after another."""

import shutil

import pytest
import torch

from wser import models
from wser.models import _fused, _three_pipe, three_pipe

SMALL = {"pipe_filters": 2, "filters": [3, 4], "strides": [[4, 2], [2, 1], [1, 1]], "lstm": 5, "fc": 6}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("g++") and not shutil.which("clang++"), reason="there is no C++ compiler"),
]


def pair(**changes) -> tuple[torch.nn.Module, torch.nn.Module]:
    """The same network twice; the second one fused."""
    networks = []
    for _ in range(2):
        torch.manual_seed(0)
        networks.append(models.build(three_pipe.Config(**SMALL | changes), (3, 16), 3))
    networks[1].fuse(torch.float32)
    return networks[0], networks[1]


@pytest.mark.parametrize(
    "changes", [{}, {"overlap": 0}, {"pooling": "max"}, {"batch_norm": False}, {"pipes": 1}, {"pipes": 5}], ids=str
)
def test_logits_and_gradients_are_those_of_the_layers(changes):
    plain, fused = pair(**changes)
    images = torch.randn(4, 3, 16, 40, generator=torch.Generator().manual_seed(1))
    lengths, labels = torch.tensor([40, 33, 17, 8]), torch.tensor([0, 1, 2, 0])
    logits = [network(images, lengths) for network in (plain, fused)]
    torch.testing.assert_close(*logits)
    for given in logits:
        torch.nn.functional.cross_entropy(given, labels).backward()
    for (name, one), other in zip(plain.named_parameters(), fused.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}")
    for (name, one), other in zip(plain.named_buffers(), fused.buffers(), strict=True):
        torch.testing.assert_close(one, other, msg=lambda text, name=name: f"{name}: {text}")
    with torch.no_grad():
        torch.testing.assert_close(plain.eval()(images, lengths), fused.eval()(images, lengths), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("activation", _fused.ACTIVATIONS_AND_DERIVATIVES)
def test_derivatives_are_those_of_the_activations(activation):
    active, derivative = _fused.ACTIVATIONS_AND_DERIVATIVES[activation]
    z = torch.linspace(-4, 4, 101, requires_grad=True)
    active(z).sum().backward()
    away = z.detach().abs() > 1e-6
    torch.testing.assert_close(derivative(z.detach())[away], z.grad[away])


def test_statistics_are_those_of_the_columns_inside_however_far_from_zero():
    x = 1000 + torch.randn(3, 4, 5, 24, generator=torch.Generator().manual_seed(1))
    inside = torch.arange(24) < torch.tensor([24, 7, 13])[:, None]
    mean, variance, count = _fused.statistics(x.contiguous(memory_format=torch.channels_last), inside, torch.full((4,), 998.0))
    own = torch.cat([each[..., : int(length)] for each, length in zip(x, inside.sum(1), strict=True)], dim=2).double()
    assert count == own[0].numel()
    torch.testing.assert_close(mean.double(), own.mean((1, 2)))
    torch.testing.assert_close(variance.double(), own.var((1, 2), correction=0), rtol=1e-4, atol=0)


def test_one_kernel_stands_for_those_of_pipes_of_odd_sizes_unless_most_of_it_would_be_zeros():
    shapes = [((3, 3), (1, 1)), ((1, 3), (1, 2)), ((5, 1), (1, 4)), ((5, 3), (1, 1))]
    block = _three_pipe.Block(2, 3, shapes, (1, 1), three_pipe.Config())
    images = torch.randn(2, 2, 8, 14, generator=torch.Generator().manual_seed(1))
    kernel = _three_pipe._one_kernel(list(block.pipes))
    torch.testing.assert_close(
        torch.nn.functional.conv2d(images, kernel, padding="same"), torch.cat([pipe(images) for pipe in block.pipes], dim=1)
    )
    assert _three_pipe._one_kernel(list(block.pipes)[:1]) is None
    wide = _three_pipe.Block(2, 3, [((3, 3), (1, 1)), ((31, 31), (1, 16))], (1, 1), three_pipe.Config())
    assert _three_pipe._one_kernel(list(wide.pipes)) is None


def test_a_gradient_of_what_is_scored_does_not_go_by_batch_statistics():
    """In evaluation the norm is a constant: who asks for a gradient there gets that of the layers."""
    plain, fused = (network.eval() for network in pair())
    gradients = []
    for network in (plain, fused):
        images = torch.randn(2, 3, 16, 24, generator=torch.Generator().manual_seed(1)).requires_grad_()
        network(images, torch.tensor([24, 9])).square().sum().backward()
        gradients.append(images.grad)
    torch.testing.assert_close(*gradients)


def test_a_machine_without_a_compiler_is_told_why(monkeypatch):
    monkeypatch.setattr(_fused, "run", lambda *_: (_ for _ in ()).throw(OSError("no compiler")))
    network = models.build(three_pipe.Config(**SMALL), (3, 16), 3)
    with pytest.raises(RuntimeError, match="no compiler"):
        network.fuse(torch.float32)
    assert not any(block.fused for block in network.blocks)
