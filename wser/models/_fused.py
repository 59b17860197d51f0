"""Masked batch norm, activation and average pooling as one differentiable function of three compiled loops.

Layer by layer these are some fifteen passes over the largest maps of a network, and most of the time of training on a CPU.
Fused, the forward pass reads the maps once and the backward pass twice.  `torch.compile` makes the loops, for which it needs
a C++ compiler.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

ACTIVATIONS_AND_DERIVATIVES: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "relu": (torch.relu, lambda z: (z > 0).float()),
    "elu": (functional.elu, lambda z: torch.where(z > 0, 1.0, z.exp())),
    "leaky_relu": (functional.leaky_relu, lambda z: torch.where(z > 0, 1.0, 0.01)),
    "gelu": (
        functional.gelu,
        lambda z: 0.5 * (1 + torch.erf(z / math.sqrt(2))) + z * torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi),
    ),
}
"""Activations and their derivatives, of float32."""


@functools.cache
def _loops(activation: str) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """The compiled loops over maps (batch, rows, columns, channels); vectors are of the channels, float32."""
    active, derivative = ACTIVATIONS_AND_DERIVATIVES[activation]

    def forward(x: Tensor, inside: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        return (active(x.float() * scale + shift) * inside[:, None, :, None]).to(x.dtype)

    def pre_activation(x: Tensor, scale: Tensor, shift: Tensor, pooled: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Gradient before the activation, from that of cells of pooled maps."""
        return derivative(x.float() * scale + shift) * pooled[:, rows][:, :, columns].float()

    def sums(x: Tensor, inside: Tensor, mean: Tensor, inverse: Tensor, *more: Tensor) -> tuple[Tensor, Tensor]:
        gradient = pre_activation(x, *more) * inside[:, None, :, None]
        normal = (x.float() - mean) * inverse
        # By columns first: compiled, a sum over everything at once is slower.
        return gradient.sum(2).sum((0, 1)), (gradient * normal).sum(2).sum((0, 1))

    def backward(x: Tensor, inside: Tensor, factor: Tensor, constant: Tensor, scale: Tensor, *more: Tensor) -> Tensor:
        gradient = pre_activation(x, scale, *more) * scale + x.float() * factor + constant
        return (gradient * inside[:, None, :, None]).to(x.dtype)

    return torch.compile(forward, dynamic=True), torch.compile(sums, dynamic=True), torch.compile(backward, dynamic=True)


class NormActivatePool(torch.autograd.Function):
    """Batch norm with given statistics over the columns within each utterance, activation, zero outside, average pooling."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        inside: Tensor,
        weight: Tensor,
        bias: Tensor,
        statistics: tuple[Tensor, Tensor, Tensor],
        eps: float,
        activation: str,
        pool: torch.nn.AvgPool2d | None,
    ) -> Tensor:
        """The pooled maps.

        Args:
            ctx: Of autograd.
            x: float (batch, channels, rows, columns), channels last in memory.
            inside: Which columns belong to each utterance, bool (batch, columns).
            weight: Of the norm, float32 (channels,).
            bias: Of the norm, float32 (channels,).
            statistics: Mean and variance of each channel over what is inside, float32 (channels,), and the number of values
                that they were measured on.
            eps: Added to the variance.
            activation: One of `ACTIVATIONS_AND_DERIVATIVES`.
            pool: Average pooling whose window is its stride, or twice that and centred; None does not pool.
        """
        mean, variance, count = statistics
        inverse = (variance + eps).rsqrt()
        scale = weight * inverse
        shift = bias - mean * scale
        active: Tensor = run(_loops(activation)[0], x.permute(0, 2, 3, 1), inside, scale, shift).permute(0, 3, 1, 2)
        ctx.save_for_backward(x, inside, mean, inverse, scale, shift, count)
        ctx.activation, ctx.pool = activation, pool
        return pool(active) if pool else active

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of maps, weight and bias: Ioffe & Szegedy 2015 (arXiv 1502.03167, 3.1), each sum over what is inside."""
        x, inside, mean, inverse, scale, shift, count = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        maps = x.permute(0, 2, 3, 1)
        _, sums, backward = _loops(ctx.activation)
        rest = (scale, shift, *_unpooled(gradient, ctx.pool, maps.shape[1:3]))
        of_bias, of_weight = run(sums, maps, inside, mean, inverse, *rest)
        factor = -scale * inverse * of_weight / count
        constant = -scale * of_bias / count - factor * mean
        of_maps = run(backward, maps, inside, factor, constant, *rest).permute(0, 3, 1, 2)
        return of_maps, None, of_weight, of_bias, None, None, None, None


def run(loop: Callable[..., Any], x: Tensor, *rest: Tensor) -> Any:
    """A loop in the one state for which it is compiled."""
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        return loop(x, *rest)


def compile_loops(activation: str, dtype: torch.dtype) -> None:
    """Compile the loops of an activation for maps of a type.

    Raises:
        RuntimeError: They cannot be compiled here.
    """
    # Sizes that are all different, so that none is taken to be that of another axis, and none of 1.
    batch, channels, rows, columns = 16, 48, 128, 100
    maps = torch.linspace(-1, 1, batch * channels * rows * columns, dtype=dtype).reshape(batch, channels, rows, columns)
    maps = maps.contiguous(memory_format=torch.channels_last).requires_grad_()
    ones = torch.ones(channels)
    statistics = (0 * ones, ones, torch.tensor(batch * rows * columns))
    inside = torch.ones(batch, columns, dtype=torch.bool)
    pool = torch.nn.AvgPool2d((8, 4), (4, 2), (2, 1))
    try:
        pooled = NormActivatePool.apply(maps, inside, ones.requires_grad_(), 0 * ones, statistics, 0.0, activation, pool)  # type: ignore[no-untyped-call]
        pooled.backward(torch.ones_like(pooled))
    except Exception as error:  # whatever the compiler, its files, or what it makes are in the way of
        raise RuntimeError(" ".join(str(error).split())[:200] or type(error).__name__) from error


def _unpooled(gradient: Tensor, pool: torch.nn.AvgPool2d | None, size: torch.Size) -> tuple[Tensor, Tensor, Tensor]:
    """Gradient of what was pooled, (batch, rows, columns, channels) of cells, and the cell of each row and column of `size`.

    Windows of twice the stride overlap by half, so that each value is in two of them along each axis: their gradients are
    added once for each cell of the size of the stride, rather than for each value.
    """
    if pool is None:
        cells, strides, padding = gradient, (1, 1), (0, 0)
    else:
        (high, wide), strides, padding = pool.kernel_size, pool.stride, pool.padding  # type: ignore[misc, assignment]
        windows = (high // strides[0], wide // strides[1])
        # The mean over the windows, of which each gives its values 1 / (high * wide) of its own gradient.
        cells = functional.avg_pool2d(gradient, windows, 1, [window - 1 for window in windows])
        cells = cells * (windows[0] * windows[1] / (high * wide))
    rows, columns = (
        (torch.arange(length, device=gradient.device) + before) // stride
        for length, before, stride in zip(size, padding, strides, strict=True)
    )
    return cells.permute(0, 2, 3, 1), rows, columns
