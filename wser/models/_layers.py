"""Layers of networks for utterances of different lengths: each takes maps and lengths, and gives both.

Maps are float (batch, channels, rows, steps) or, without rows, (batch, channels, steps).  What a batch holds past the end of an
utterance is zero before and after each layer, and reaches neither what the layer gives of the utterance nor batch statistics.
So an utterance is given the same logits alone and beside longer ones.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from wser.models._norm import MaskedBatchNorm
from wser.models._steps import last_step, length_mask, masked, reverse_steps

Pair = tuple[int, int]
"""Of rows and steps."""


class Layers(nn.Module):
    """Layers one after the other.

    Args:
        layers: Those of this module, and modules that act on each step and channel by itself and leave zero at zero, such as
            activations and dropout.
    """

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, maps: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """What the last layer gives."""
        for layer in self.layers:
            if isinstance(layer, Layers | Convolution | Norm | Pool):
                maps, lengths = layer(maps, lengths)
            else:
                maps = layer(maps)
        return maps, lengths


class Convolution(nn.Module):
    """A convolution padded by zeros, so that step i of what it gives is centred on step i times the stride.

    Args:
        channels: Of the input.
        filters: Of the output.
        kernel: Of rows and steps; a number alone for maps without rows.
        stride: Likewise.
        dilation: Likewise.
        bias: Whether it has one; before a norm it would be subtracted again.
        causal: Whether no step sees a later one.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel: Pair | int,
        stride: Pair | int = 1,
        dilation: Pair | int = 1,
        bias: bool = True,
        causal: bool = False,
    ) -> None:
        super().__init__()
        kind = nn.Conv1d if isinstance(kernel, int) else nn.Conv2d
        self.convolution = kind(channels, filters, kernel, stride, dilation=dilation, bias=bias)  # type: ignore[arg-type]
        axes = zip(self.convolution.kernel_size, self.convolution.dilation, strict=True)
        reaches = [(size - 1) * apart for size, apart in axes]
        before = [reach // 2 for reach in reaches]
        if causal:
            before[-1] = reaches[-1]
        sides = [(first, reach - first) for reach, first in zip(reaches, before, strict=True)]
        # PyTorch wants the last axis first.
        self.padding = [side for axis in reversed(sides) for side in axis]

    def forward(self, maps: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """One output step for each stride that an utterance has begun, (batch, filters, ...)."""
        stride = self.convolution.stride[-1]
        lengths = (lengths + stride - 1) // stride
        return masked(self.convolution(functional.pad(maps, self.padding)), lengths), lengths


class Norm(nn.Module):
    """Batch norm over the steps within each utterance (Ioffe & Szegedy 2015, arXiv 1502.03167).

    Args:
        channels: Of the maps.
        momentum: Share of a batch in the running statistics.
        eps: Added to the variance.
    """

    def __init__(self, channels: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.norm = MaskedBatchNorm(channels, eps, momentum)

    def forward(self, maps: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Of the same shape."""
        inside = length_mask(maps.shape[-1], lengths)
        if maps.ndim == 4:
            return self.norm(maps, inside), lengths
        return self.norm(maps[:, :, None], inside)[:, :, 0], lengths


class Pool(nn.Module):
    """Pooling by windows that lie side by side, or overlap; a window that is not full is left out, except a first one.

    Args:
        window: Of rows and steps; a number alone for maps without rows.
        stride: Likewise; by default as long as the window.
        kind: `max` or `average`.
    """

    def __init__(self, window: Pair | int, stride: Pair | int | None = None, kind: Literal["max", "average"] = "max") -> None:
        super().__init__()
        flat = isinstance(window, int)
        layers: dict[str, Callable[..., nn.Module]] = {
            "max": nn.MaxPool1d if flat else nn.MaxPool2d,
            "average": nn.AvgPool1d if flat else nn.AvgPool2d,
        }
        self.pool = layers[kind](window, stride)
        steps = stride or window
        self.window, self.stride = (size if isinstance(size, int) else size[-1] for size in (window, steps))

    def forward(self, maps: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """At least one step of each utterance that has any."""
        lengths = ((lengths - self.window) // self.stride + 1).clamp(min=1) * (lengths > 0)
        missing = max(0, self.window - maps.shape[-1])
        return masked(self.pool(functional.pad(maps, (0, missing))), lengths), lengths


class Recurrent(nn.Module):
    """An LSTM or GRU over the steps of each utterance.

    Args:
        inputs: Values of each step.
        cells: In each direction.
        directions: 1 reads forwards, 2 both ways.
        kind: `lstm` or `gru`.
    """

    def __init__(self, inputs: int, cells: int, directions: Literal[1, 2] = 1, kind: Literal["lstm", "gru"] = "lstm") -> None:
        super().__init__()
        layer = nn.LSTM if kind == "lstm" else nn.GRU
        self.forwards = layer(inputs, cells, batch_first=True)
        # Two of one direction rather than one of two, which would begin its way back past the end.
        self.backwards = layer(inputs, cells, batch_first=True) if directions == 2 else None

    def forward(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """Outputs of each step, (batch, steps, cells * directions), of a sequence (batch, steps, inputs)."""
        outputs: Tensor = self.forwards(sequence)[0]
        if self.backwards is None:
            return outputs
        back = self.backwards(reverse_steps(sequence, lengths))[0]
        return torch.cat([outputs, reverse_steps(back, lengths)], dim=2)

    def ends(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """The last output of each direction, (batch, cells * directions)."""
        outputs, cells = self.forward(sequence, lengths), self.forwards.hidden_size
        return torch.cat([last_step(outputs[..., :cells], lengths), outputs[:, 0, cells:]], dim=1)


def as_sequence(maps: Tensor) -> Tensor:
    """One vector for each step: maps (batch, channels, rows, steps) to (batch, steps, channels * rows); rows may be missing."""
    return maps.flatten(1, -2).transpose(1, 2)


def pieces(maps: Tensor, lengths: Tensor, size: int, hop: int) -> tuple[Tensor, Tensor]:
    """Pieces of equal size into which utterances are cut.

    Args:
        maps: (batch, ..., steps).
        lengths: Steps of each utterance, int64 (batch,).
        size: Steps of a piece.
        hop: Steps from one piece to the next.

    Returns:
        Pieces (batch * n, ..., size), where n are those of the longest utterance, zero past the end of theirs; and steps of
        each that are its utterance's, int64 (batch * n,).  The last piece of an utterance is the first one that reaches its
        end; it has at least one, and those after its last have 0 steps.
    """
    most = 1 + (max(maps.shape[-1] - size, 0) + hop - 1) // hop
    windows = functional.pad(maps, (0, (most - 1) * hop + size - maps.shape[-1])).unfold(-1, size, hop).movedim(-2, 1)
    count = 1 + ((lengths - size).clamp(min=0) + hop - 1) // hop
    own = (lengths[:, None] - torch.arange(most, device=lengths.device) * hop).clamp(min=0, max=size)
    own = (own * length_mask(most, count)).flatten()
    return masked(windows.flatten(0, 1), own), own


def joined(logits: Tensor, own: Tensor, utterances: int) -> Tensor:
    """Logits of utterances by those of their pieces: the mean of the pieces' log probabilities.

    So each piece learns the utterance's class, and the utterance's probabilities are the geometric mean of its pieces'.

    Args:
        logits: Of the pieces, (utterances * n, classes).
        own: Steps of each piece, as `pieces` gives them.
        utterances: How many there are.

    Returns:
        float32 (utterances, classes).
    """
    there = (own > 0).float().reshape(utterances, -1, 1)
    logs = logits.float().log_softmax(dim=1).reshape(utterances, -1, logits.shape[1])
    return (logs * there).sum(dim=1) / there.sum(dim=1)
