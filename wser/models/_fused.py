"""Masked batch norm, activation and average pooling as one differentiable function of compiled loops.

Layer by layer these are some fifteen passes over the largest maps of a network, and most of the time of training on a CPU.
Fused, the maps are read once to measure them, once forwards, and once backwards; all else is done on what is pooled.
`torch.compile` makes the loops, for which it needs a C++ compiler.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

Pair = tuple[int, int]
"""Of rows and columns."""

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

ONE_LOOP: dict[str, str | int | bool | Callable[..., Any]] = {"realize_reads_threshold": 200, "realize_opcount_threshold": 2000}
"""Options of `torch.compile`, which else stores what a long loop computes, and reads it again in another."""

MOST_LOOPS = 64
"""That PyTorch may compile of one function, in place of 8: one for each activation, size of cells and type of maps."""


@functools.cache
def _forward(activation: str, cell: Pair) -> Callable[..., Any]:
    """The loop of the forward pass for an activation and cells of so many rows and columns."""
    active, derivative = ACTIVATIONS_AND_DERIVATIVES[activation]

    def forward(
        x: Tensor, counted: Tensor, rows: Tensor, columns: Tensor, mean: Tensor, inverse: Tensor, scale: Tensor, shift: Tensor
    ) -> tuple[Tensor, ...]:
        """Means over each cell: of the activations, of their slopes, and of the slopes times the normalised values."""
        # One value after the other: a sum over the axes of a cell is not vectorised.
        sums = [torch.zeros((), device=x.device)] * 3
        for i in range(cell[0]):
            for j in range(cell[1]):
                values, inside = x[:, rows[:, i]][:, :, columns[:, j]].float(), counted[:, :, i, :, j, None]
                z = values * scale + shift
                slopes = derivative(z) * inside
                added = active(z) * inside, slopes, slopes * ((values - mean) * inverse)
                sums = [total + more for total, more in zip(sums, added, strict=True)]
        return tuple((total / (cell[0] * cell[1])).to(x.dtype) for total in sums)

    return torch.compile(forward, dynamic=True, options=ONE_LOOP)


@functools.cache
def _backward(activation: str) -> Callable[..., Any]:
    """The loop of the backward pass over the maps."""
    derivative = ACTIVATIONS_AND_DERIVATIVES[activation][1]

    def backward(
        x: Tensor, inside: Tensor, rows: Tensor, columns: Tensor, of_means: Tensor, scale: Tensor, shift: Tensor,
        share: Tensor, factor: Tensor, constant: Tensor,
    ) -> Tensor:  # fmt: skip
        """Gradient of the maps, from that of the means over cells, whose numbers each row and column has."""
        gradient = derivative(x.float() * scale + shift) * of_means[:, rows][:, :, columns].float() * share
        return ((gradient + x.float() * factor + constant) * inside[:, None, :, None]).to(x.dtype)

    return torch.compile(backward, dynamic=True)


@functools.cache
def _deviations() -> Callable[..., Any]:
    """The loop that sums over the maps, for each channel, values less a number near their mean, and their squares."""

    def deviations(x: Tensor, inside: Tensor, near: Tensor) -> tuple[Tensor, Tensor]:
        apart = (x.float() - near) * inside[:, None, :, None]
        # By columns first: compiled, a sum over everything at once is slower.
        return apart.sum(2).sum((0, 1)), apart.square().sum(2).sum((0, 1))

    return torch.compile(deviations, dynamic=True)


@functools.cache
def _products() -> Callable[..., Any]:
    """The loop that sums, for each channel, the products of some pooled maps with two others."""

    def products(x: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        return (x.float() * first).sum(2).sum((0, 1)), (x.float() * second).sum(2).sum((0, 1))

    return torch.compile(products, dynamic=True)


def statistics(x: Tensor, inside: Tensor, near: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and variance of each channel over the columns inside, float32 (channels,), and the number of their values.

    One pass over values less a number near their mean, whose squares do not cancel as those of the values themselves would
    (Chan, Golub & LeVeque 1983, doi 10.1080/00031305.1983.10483115, "shifted data").

    Args:
        x: float (batch, channels, rows, columns), channels last in memory.
        inside: Which columns belong to each utterance, bool (batch, columns).
        near: A number near the mean of each channel, float32 (channels,), such as the running mean.
    """
    count = inside.sum() * x.shape[2]
    total, squares = run(_deviations(), x.detach().permute(0, 2, 3, 1), inside, near)
    return near + total / count, ((squares - total.square() / count) / count).clamp(min=0), count


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
        windows, cell, before = _geometry(pool)
        maps = x.permute(0, 2, 3, 1)
        # Cells at the borders reach beyond the maps, where any value will do, since it is not counted.
        rows, columns = (
            (torch.arange(size + 2 * more, device=x.device) - more).clamp(0, size - 1).reshape(-1, stride)
            for size, more, stride in zip(maps.shape[1:3], before, cell, strict=True)
        )
        counted = inside.float()[:, None].expand(-1, maps.shape[1], -1)
        counted = functional.pad(counted, (before[1], before[1], before[0], before[0]))
        counted = counted.reshape(len(x), len(rows), cell[0], len(columns), cell[1])
        loop = _forward(activation, cell)
        means, *slopes = run(loop, maps, counted, rows, columns, mean, inverse, scale, shift)
        ctx.save_for_backward(x, inside, *slopes, mean, inverse, scale, shift, count)
        ctx.activation, ctx.pool = activation, pool
        means = means.permute(0, 3, 1, 2)
        return functional.avg_pool2d(means, windows, 1) if windows != (1, 1) else means

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of maps, weight and bias: Ioffe & Szegedy 2015 (arXiv 1502.03167, 3.1), each sum over what is inside."""
        x, inside, slopes, normal_slopes, mean, inverse, scale, shift, count = ctx.saved_tensors
        windows, cell, before = _geometry(ctx.pool)
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        if windows != (1, 1):
            # Each cell is a part of so many windows, and of each it has the same share.
            gradient = functional.avg_pool2d(gradient, windows, 1, [window - 1 for window in windows])
        of_means = gradient.permute(0, 2, 3, 1)
        of_bias, of_weight = run(_products(), of_means, slopes, normal_slopes)
        factor = -scale * inverse * of_weight / count
        constant = -scale * of_bias / count - factor * mean
        maps = x.permute(0, 2, 3, 1)
        rows, columns = (
            (torch.arange(size, device=x.device) + more) // stride
            for size, more, stride in zip(maps.shape[1:3], before, cell, strict=True)
        )
        rest = scale, shift, scale / (cell[0] * cell[1]), factor, constant
        of_maps = run(_backward(ctx.activation), maps, inside, rows, columns, of_means, *rest).permute(0, 3, 1, 2)
        return of_maps, None, of_weight, of_bias, None, None, None, None


def run(loop: Callable[..., Any], x: Tensor, *rest: Tensor) -> Any:
    """A loop in the one state for which it is compiled."""
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        return loop(x, *rest)


def compile_loops(activation: str, pool: torch.nn.AvgPool2d | None, dtype: torch.dtype) -> None:
    """Compile the loops of an activation and a pooling for maps of a type.

    Raises:
        RuntimeError: They cannot be compiled here.
    """
    # Sizes that are all different, so that none is taken to be that of another axis, and none of 1.
    batch, channels, rows, columns = 16, 48, 128, 96
    maps = torch.linspace(-1, 1, batch * channels * rows * columns, dtype=dtype).reshape(batch, channels, rows, columns)
    maps = maps.contiguous(memory_format=torch.channels_last).requires_grad_()
    ones = torch.ones(channels)
    inside = torch.ones(batch, columns, dtype=torch.bool)
    try:
        with torch._dynamo.config.patch(recompile_limit=MOST_LOOPS):
            measured = statistics(maps, inside, 0 * ones)
            pooled = NormActivatePool.apply(maps, inside, ones.requires_grad_(), 0 * ones, measured, 1e-5, activation, pool)  # type: ignore[no-untyped-call]
            pooled.backward(torch.ones_like(pooled))
    except Exception as error:  # whatever the compiler, its files, or what it makes are in the way of
        raise RuntimeError(" ".join(str(error).split())[:200] or type(error).__name__) from error


def _geometry(pool: torch.nn.AvgPool2d | None) -> tuple[Pair, Pair, Pair]:
    """How windows, whose stride is their size or half of it, consist of cells that do not overlap, each as large as the stride.

    Returns:
        Cells of a window, values of a cell, and values of the first and of the last cells that are beyond the maps.
    """
    if pool is None:
        return (1, 1), (1, 1), (0, 0)
    window, stride, padding = (cast(Pair, each) for each in (pool.kernel_size, pool.stride, pool.padding))
    return (window[0] // stride[0], window[1] // stride[1]), stride, padding
