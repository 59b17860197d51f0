"""The layers and the forward pass of `three_pipe`, which draws them."""

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from wser.models import _fused
from wser.models._norm import Masked, MaskedBatchNorm
from wser.models._steps import length_mask, masked, reverse_steps

if TYPE_CHECKING:
    from wser.models.three_pipe import Config

Shape = tuple[tuple[int, int], tuple[int, int]]
"""Kernel and dilation of a convolution, (frequency, time) each."""

LFLB: Shape = ((3, 3), (1, 1))

MOST_ZEROS = 5
"""Multiply-adds of one convolution in place of several, many of them by zero, for each of theirs; above, several are faster."""

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": partial(nn.ReLU, inplace=True),
    "elu": partial(nn.ELU, inplace=True),
    "leaky_relu": partial(nn.LeakyReLU, inplace=True),
    "gelu": nn.GELU,
}


class Norm(MaskedBatchNorm):
    """Batch norm whose statistics a compiled loop finds, where the block is fused."""

    def statistics(self, x: Tensor, inside: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As of the base class, by a compiled loop."""
        if not self.training:
            return super().statistics(x, inside)
        # A copy of the running mean, which is about to change.
        measured = _fused.statistics(x, inside, self.running_mean.clone())
        self._keep(*measured)
        return measured


class Block(nn.Module):
    """Convolutions side by side, concatenated, then batch norm, activation and pooling.

    With one convolution it is the modified local feature learning block: conv, BN, activation, pooling.  Batch norm and
    activation act on each channel by itself, so that to concatenate first changes nothing and saves passes over memory.

    Args:
        channels: Of the input.
        filters: Of each convolution.
        shapes: Kernel and dilation of each convolution.
        stride: Of the pooling, (frequency, time); (1, 1) does not pool.
        config: Batch norm, activation, kind of pooling and overlap.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        shapes: list[Shape],
        stride: tuple[int, int],
        config: "Config",
    ) -> None:
        super().__init__()
        # A bias before batch norm would be subtracted again with the mean.
        bias = not config.batch_norm
        self.pipes = nn.ModuleList(
            nn.Conv2d(channels, filters, kernel, padding="same", dilation=dilation, bias=bias) for kernel, dilation in shapes
        )
        self.norm = Norm(filters * len(shapes)) if config.batch_norm else Masked()
        self.activation = ACTIVATIONS[config.activation]()
        self.pool = pooling(stride, config)
        self.activation_name: str = config.activation
        self.fused = False

    def forward(self, x: Tensor, inside: Tensor) -> Tensor:
        """One stage.

        Args:
            x: float (batch, channels, rows, columns); rows and columns are multiples of the stride.
            inside: Which columns belong to each utterance, bool (batch, columns).

        Returns:
            float (batch, filters * convolutions, rows / stride, columns / stride).
        """
        if self.fused and isinstance(self.norm, Norm) and (self.training or not torch.is_grad_enabled()):
            return self._fused_layers(x, inside, self.norm)
        maps = self._convolved(x)
        # All activations leave zero at zero, so that what is pooled is zero past an utterance's end.
        pooled: Tensor = self.pool(self.activation(self.norm(maps, inside)))
        return pooled

    def _convolved(self, x: Tensor) -> Tensor:
        maps = [pipe(x) for pipe in self.pipes]
        return torch.cat(maps, dim=1) if len(maps) > 1 else maps[0]

    def _fused_layers(self, x: Tensor, inside: Tensor, norm: Norm) -> Tensor:
        """The same by one convolution, where its kernel is not much larger than those of the pipes, and compiled loops."""
        kernel = _one_kernel([pipe for pipe in self.pipes if isinstance(pipe, nn.Conv2d)])
        maps = self._convolved(x) if kernel is None else functional.conv2d(x, kernel, padding="same")
        maps = maps.contiguous(memory_format=torch.channels_last)
        statistics = norm.statistics(maps, inside)
        pooled: Tensor = _fused.NormActivatePool.apply(  # type: ignore[no-untyped-call]
            maps, inside, norm.weight, norm.bias, statistics, norm.eps, self.activation_name, self.average
        )
        return pooled if self.average else self.pool(pooled)

    @property
    def average(self) -> nn.AvgPool2d | None:
        """Its average pooling, if it has one."""
        return self.pool if isinstance(self.pool, nn.AvgPool2d) else None


def _one_kernel(pipes: list[nn.Conv2d]) -> Tensor | None:
    """Kernels of some convolutions of one input as that of one, with zeros around and between their values.

    A convolution of many filters takes less time than several of few, whose maps are then concatenated.

    Args:
        pipes: The convolutions, of odd rows and columns.

    Returns:
        float (filters of all, channels, rows, columns); None where there is one, or where zeros would be too many.
    """
    sizes = [[1 + (size - 1) * step for size, step in zip(pipe.kernel_size, pipe.dilation, strict=True)] for pipe in pipes]
    rows, columns = (max(each) for each in zip(*sizes, strict=True))
    if len(pipes) == 1 or rows * columns * len(pipes) > MOST_ZEROS * sum(math.prod(pipe.kernel_size) for pipe in pipes):
        return None
    kernels = []
    for pipe, (high, wide) in zip(pipes, sizes, strict=True):
        kernel = pipe.weight.new_zeros(*pipe.weight.shape[:2], rows, columns)
        above, left = (rows - high) // 2, (columns - wide) // 2
        kernel[:, :, above : above + high : pipe.dilation[0], left : left + wide : pipe.dilation[1]] = pipe.weight
        kernels.append(kernel)
    return torch.cat(kernels)


def pooling(stride: tuple[int, int], config: "Config") -> nn.Module:
    """Pooling whose windows overlap by R = `config.overlap` (3.2.1): R = 0.5 is a window of twice the stride.

    An axis with stride 1 is not pooled.  Windows are centred, and what they reach beyond the border counts as zero.
    """
    if stride == (1, 1):
        return nn.Identity()
    rows, columns = (1 if s == 1 else round(s / (1 - config.overlap)) for s in stride)
    window, padding = (rows, columns), ((rows - stride[0]) // 2, (columns - stride[1]) // 2)
    if config.pooling == "average":
        return nn.AvgPool2d(window, stride, padding)
    return nn.Sequential(nn.ZeroPad2d((padding[1], padding[1], padding[0], padding[0])), nn.MaxPool2d(window, stride))


class Summary(nn.Module):
    """Pooling over time: one vector for each utterance, from its own steps alone.

    Args:
        config: Kind of summary, cells and directions of the LSTM.
    """

    def __init__(self, config: "Config") -> None:
        super().__init__()
        self.last, self.cells = config.summary == "last", config.lstm
        self.title = {"last": "last output", "mean": "mean", "attention": "weighted mean"}[config.summary]

    def forward(self, outputs: Tensor, steps: Tensor, scores: Tensor) -> Tensor:
        """Summaries.

        Args:
            outputs: Of the LSTM, float (batch, steps, cells * directions).
            steps: Of each utterance, int64 (batch,).
            scores: Of each step, float (batch, steps); equal ones give the mean.

        Returns:
            float (batch, cells * directions).
        """
        if self.last:
            forward = outputs[torch.arange(len(outputs), device=outputs.device), steps - 1, : self.cells]
            # What reads backwards ends at the first step.
            return torch.cat([forward, outputs[:, 0, self.cells :]], dim=1)
        weights = scores.float().masked_fill(~length_mask(outputs.shape[1], steps), -torch.inf).softmax(dim=1)
        return (weights.to(outputs.dtype)[..., None] * outputs).sum(dim=1)


class Model(nn.Module):
    """The network of the module's drawing.

    Args:
        config: Its parameters.
        shape: Channels and rows of the pictures.
        classes: Number of logits.
    """

    def __init__(self, config: "Config", shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        colours, height = shape
        strides = [(f, t) for f, t in config.strides]
        dilated = zip(config.pipe_kernels, config.pipe_dilations, strict=False)
        pipes = [((rows, columns), (1, dilation)) for (rows, columns), dilation in dilated][: config.pipes]
        blocks = [Block(colours, config.pipe_filters, pipes, strides[0], config)]
        channels = config.pipe_filters * config.pipes
        for filters, stride in zip(config.filters, strides[1:], strict=True):
            blocks.append(Block(channels, filters, [LFLB], stride, config))
            channels = filters
        self.blocks = nn.ModuleList(blocks)
        self.strides = strides
        self.multiple = tuple(math.prod(stride[axis] for stride in strides) for axis in (0, 1))
        rows = -(-height // self.multiple[0])
        cells = config.lstm * config.directions
        self.drop = nn.Dropout(config.dropout)
        self.lstm = nn.LSTM(channels * rows, config.lstm, batch_first=True)
        # Two LSTMs rather than one of two directions, which would begin its way back in the padding.
        self.backward_lstm = nn.LSTM(channels * rows, config.lstm, batch_first=True) if config.directions == 2 else None
        self.weight = nn.Linear(cells, 1) if config.summary == "attention" else None
        self.summary = Summary(config)
        self.classifier = nn.Sequential(
            nn.Linear(cells, config.fc),
            ACTIVATIONS[config.activation](),
            nn.Dropout(config.dropout),
            nn.Linear(config.fc, classes),
        )

    @property
    def stages(self) -> list[tuple[str, nn.Module]]:
        """Parts of the network by the names of the drawing."""
        blocks = [(f"LFLB {number}" if number else "pipes", block) for number, block in enumerate(self.blocks)]
        rest: list[tuple[str, nn.Module | None]] = [
            ("LSTM", self.drop),
            ("LSTM", self.lstm),
            ("LSTM backwards", self.backward_lstm),
            ("over time", self.weight),
            ("over time", self.summary),
            ("classifier", self.classifier),
        ]
        return [*blocks, *((stage, part) for stage, part in rest if part is not None)]

    def fuse(self, dtype: torch.dtype) -> None:
        """Have batch norm, activation and pooling done by compiled loops from now on.

        Args:
            dtype: Of the maps: float32, or what autocast makes of it.

        Raises:
            RuntimeError: They cannot be compiled here; the network is then as it was.
        """
        blocks = [block for block in self.blocks if isinstance(block, Block)]
        for block in blocks:
            _fused.compile_loops(block.activation_name, block.average, dtype)
        for block in blocks:
            block.fused = True

    def forward(self, images: Tensor, lengths: Tensor) -> Tensor:
        """Logits.

        Args:
            images: float (batch, channels, height, columns); what it holds past the end of an utterance counts as zero.
            lengths: Columns of each utterance, int64 (batch,); steps past it reach neither summary nor loss.

        Returns:
            float (batch, classes).
        """
        rows, columns = (-size % multiple for size, multiple in zip(images.shape[2:], self.multiple, strict=True))
        features = functional.pad(masked(images, lengths), (0, columns, 0, rows))
        steps = lengths
        for block, (_, stride) in zip(self.blocks, self.strides, strict=True):
            features = block(features, length_mask(features.shape[3], steps))
            steps = -(-steps // stride)
            if stride > 1:
                # A pooling window carries an utterance's last columns over its end.
                features = masked(features, steps)
        sequence = self.drop(features.permute(0, 3, 1, 2).flatten(2))
        outputs = self._read(sequence, steps)
        scores = self.weight(outputs).squeeze(-1) if self.weight is not None else torch.zeros_like(outputs[..., 0])
        logits: Tensor = self.classifier(self.summary(outputs, steps, scores))
        return logits

    def _read(self, sequence: Tensor, steps: Tensor) -> Tensor:
        """Outputs of the LSTM, (batch, steps, values) to (batch, steps, cells * directions)."""
        outputs: Tensor = self.lstm(sequence)[0]
        if self.backward_lstm is None:
            return outputs
        back, _ = self.backward_lstm(reverse_steps(sequence, steps))
        return torch.cat([outputs, reverse_steps(back, steps)], dim=2)
