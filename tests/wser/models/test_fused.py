"""Compiled loops give what the layers give, one after another."""

import shutil

import pytest
import torch

from wser import models
from wser.models import _fused, three_pipe

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


@pytest.mark.parametrize("changes", [{}, {"overlap": 0}, {"pooling": "max"}, {"batch_norm": False}], ids=str)
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
    monkeypatch.setattr(_fused, "_loops", lambda _: (_ for _ in ()).throw(OSError("no compiler")))
    network = models.build(three_pipe.Config(**SMALL), (3, 16), 3)
    with pytest.raises(RuntimeError, match="no compiler"):
        network.fuse(torch.float32)
    assert not any(block.fused for block in network.blocks)
