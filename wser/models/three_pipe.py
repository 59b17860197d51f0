"""The paper's CNN-LSTM: parallel convolutional pipes, local feature learning blocks, an LSTM (3.2, Table 3).

    picture (3, height, columns)
      |-- conv 3x3 ----------------.
      |-- conv 5x5 -----------------+-- concatenated, BN, activation, pooled         "simultaneous pools", 3.2.1
      '-- conv 5x5, dilated in time '
    LFLB 1 to 6: conv 3x3, BN, activation, pooled where its stride is not [1, 1]     3.2.1, Figure 4
    one vector for each remaining column: channels x rows
    LSTM, one direction                                                             3.2.2
    its last output, the mean of its outputs, or their learnt weighting
    fully connected, activation, classes

With the defaults, a picture of 128 x 256 is 64 x 128 after the pipes, then 32 x 64, 16 x 32, 8 x 32, 4 x 32, 4 x 32 and
4 x 32: the LSTM sees 32 steps of 256 values.  Dropout stands before the LSTM and before the last layer.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from wser.config import ModelConfig

PIPES = (((3, 3), (1, 1)), ((5, 5), (1, 1)), ((5, 5), (1, 2)))
"""Kernel and dilation of each pipe, (frequency, time): three resolutions in time of 3, 5 and 9 columns."""

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": partial(nn.ReLU, inplace=True),
    "elu": partial(nn.ELU, inplace=True),
    "leaky_relu": partial(nn.LeakyReLU, inplace=True),
    "gelu": nn.GELU,
}


class Block(nn.Module):
    """Convolutions side by side, concatenated, then batch norm, activation and pooling.

    With one convolution it is the modified local feature learning block: conv, BN, activation, pooling.  Batch norm and
    activation act on each channel by itself, so that to concatenate first changes nothing and saves passes over memory.

    Args:
        channels: Of the input.
        filters: Of each convolution.
        shapes: Kernel and dilation of each convolution.
        stride: Of the pooling, (frequency, time); (1, 1) does not pool.
        config: Activation, kind of pooling and overlap.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        shapes: tuple[tuple[tuple[int, int], tuple[int, int]], ...],
        stride: tuple[int, int],
        config: ModelConfig,
    ) -> None:
        super().__init__()
        self.pipes = nn.ModuleList(
            nn.Conv2d(channels, filters, kernel, padding="same", dilation=dilation, bias=False) for kernel, dilation in shapes
        )
        self.norm = nn.BatchNorm2d(filters * len(shapes))
        self.activation = ACTIVATIONS[config.activation]()
        self.pool = pooling(stride, config)

    def forward(self, x: Tensor, inside: Tensor) -> Tensor:
        """One stage.

        Args:
            x: float (batch, channels, rows, columns); rows and columns are multiples of the stride.
            inside: Which columns belong to each utterance, bool (batch, columns).

        Returns:
            float (batch, filters * convolutions, rows / stride, columns / stride).
        """
        maps = [pipe(x) for pipe in self.pipes]
        merged = torch.cat(maps, dim=1) if len(maps) > 1 else maps[0]
        # Past its end an utterance is zero at every stage, so that its score does not depend on what it is batched with.
        # All activations leave zero at zero, so the mask can come first; in place, it costs no second copy.
        normal = self.norm(merged).mul_(inside[:, None, None].to(merged.dtype))
        pooled: Tensor = self.pool(self.activation(normal))
        return pooled


def pooling(stride: tuple[int, int], config: ModelConfig) -> nn.Module:
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


class Model(nn.Module):
    """The network of the module's drawing.

    Args:
        config: Its parameters.
        height: Rows of the pictures.
        classes: Number of logits.
    """

    def __init__(self, config: ModelConfig, height: int, classes: int) -> None:
        super().__init__()
        strides = [(f, t) for f, t in config.strides]
        blocks = [Block(3, config.pipe_filters, PIPES[: config.pipes], strides[0], config)]
        channels = config.pipe_filters * config.pipes
        for filters, stride in zip(config.filters, strides[1:], strict=True):
            blocks.append(Block(channels, filters, PIPES[:1], stride, config))
            channels = filters
        self.blocks = nn.ModuleList(blocks)
        self.strides = strides
        self.multiple = tuple(math.prod(stride[axis] for stride in strides) for axis in (0, 1))
        rows = -(-height // self.multiple[0])
        self.drop = nn.Dropout(config.dropout)
        self.lstm = nn.LSTM(channels * rows, config.lstm, batch_first=True)
        self.summary = config.summary
        self.weight = nn.Linear(config.lstm, 1) if config.summary == "attention" else None
        self.classifier = nn.Sequential(
            nn.Linear(config.lstm, config.fc),
            ACTIVATIONS[config.activation](),
            nn.Dropout(config.dropout),
            nn.Linear(config.fc, classes),
        )

    def forward(self, images: Tensor, lengths: Tensor) -> Tensor:
        """Logits.

        Args:
            images: float (batch, 3, height, columns).
            lengths: Columns of each utterance, int64 (batch,); steps past it reach neither summary nor loss.

        Returns:
            float (batch, classes).
        """
        rows, columns = (-size % multiple for size, multiple in zip(images.shape[2:], self.multiple, strict=True))
        features = functional.pad(images, (0, columns, 0, rows))
        steps = lengths
        for block, (_, stride) in zip(self.blocks, self.strides, strict=True):
            features = block(features, torch.arange(features.shape[3], device=steps.device) < steps[:, None])
            steps = -(-steps // stride)
        sequence = self.drop(features.permute(0, 3, 1, 2).flatten(2))
        outputs, _ = self.lstm(sequence)
        logits: Tensor = self.classifier(self._summarise(outputs, steps))
        return logits

    def _summarise(self, outputs: Tensor, steps: Tensor) -> Tensor:
        """One vector for each utterance, (batch, steps, cells) to (batch, cells), from its own steps alone."""
        if self.summary == "last":
            return outputs[torch.arange(len(outputs), device=outputs.device), steps - 1]
        inside = torch.arange(outputs.shape[1], device=outputs.device) < steps[:, None]
        scores = self.weight(outputs).squeeze(-1) if self.weight is not None else torch.zeros_like(outputs[..., 0])
        weights = scores.float().masked_fill(~inside, -torch.inf).softmax(dim=1)
        return (weights.to(outputs.dtype)[..., None] * outputs).sum(dim=1)
