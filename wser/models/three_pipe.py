"""The paper's CNN-LSTM: parallel convolutional pipes, local feature learning blocks, an LSTM (3.2, Table 3).

    picture                                                    3 x 128 x 256    3.1
      |-- conv 3x3 ----------------.                          64 x 128 x 256    3.2, Table 3: three resolutions in time,
      |-- conv 5x5 -----------------+                         64 x 128 x 256    filters of 3x3 and 5x5
      '-- conv 5x5, dilated in time '                         64 x 128 x 256
    concatenated, BN, activation                             192 x 128 x 256    3.2, 3.5
    pooled                                                   192 x  64 x 128    "simultaneous pools" (Table 3), 3.2.1
    LFLB 1: conv 3x3, BN, activation, pooled                  64 x  32 x  64    3.2.1, Figure 4; pooling: 3.2.1, 4.4
    LFLB 2: conv 3x3, BN, activation, pooled                  64 x  16 x  32
    LFLB 3: conv 3x3, BN, activation, pooled in frequency     64 x   8 x  32
    LFLB 4: conv 3x3, BN, activation, pooled in frequency     64 x   4 x  32
    LFLB 5: conv 3x3, BN, activation                          64 x   4 x  32
    LFLB 6: conv 3x3, BN, activation                          64 x   4 x  32
    one vector for each remaining column: channels x rows     32 steps x 256    3.2
    LSTM, one direction                                       32 steps x 100    3.2.2, Table 3
    its last output, the mean, or a learnt weighting                     100
    fully connected, activation                                         1024    3.2.2
    fully connected, softmax in the loss                             classes    3.2.2

Shapes are those of the defaults and a picture of 128 x 256; `python -m wser.run --describe` prints those of any
configuration.  Dropout stands before the LSTM and before the last layer.

What a batch holds past the end of an utterance, and how far it is padded, reaches neither its logits nor the batch
statistics: it is set to zero before the pipes, before and after each pooling, and left out by batch norm and the LSTM.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from precompute.common.settings import setting
from wser.config.schema import ConfigError, ModelConfig, Unread

if TYPE_CHECKING:
    from torch import nn

Activation = Literal["relu", "elu", "leaky_relu", "gelu"]

MOST_PIPES, MOST_BLOCKS = 5, 16
"""Pipes and LFLBs that a network may have; the paper has 3 and, as we read it, 6."""


@dataclass
class Config(ModelConfig):
    """The parameters of the network.

    Attributes:
        pipes: Parallel convolutional pipes, 1 to 5; the paper compares one with three (3.5).
        pipe_kernels: Kernel (frequency, time) of each pipe, odd numbers of rows and columns from 1 to 31; the first `pipes`
            are used.
        pipe_dilations: Dilation in time of each pipe's kernel, 1 to 16: its resolution in time.  A kernel of 5 columns spans
            9 where it is dilated by 2.
        pipe_filters: Filters of each pipe; the paper tries 64, 128 and 256 (4.4).
        filters: Filters of each local feature learning block (LFLB), and so their number, at most 16.
        strides: Pooling strides (frequency, time), each 1, 2 or 4, after the merged pipes and after each LFLB; [1, 1] does
            not pool.
        pooling: How blocks pool.
        overlap: Share R of a pooling window that it has in common with the next: 0.5, a window of twice the stride, or 0.
        batch_norm: Batch norm after each convolution; without it the convolutions have a bias.
        activation: After each convolution and after the fully connected layer.
        lstm: Cells of the LSTM in each direction; the paper tries 64, 100, 128 and 256 (3.2.2, Table 3).
        directions: Of the LSTM: 1 reads forwards (3.2.2), 2 both ways.
        summary: Pooling over time, what of the LSTM's outputs the fully connected layer sees: the last of each direction,
            their mean, or a learnt weighting (attention).
        fc: Units of the fully connected layer; 1024 in the paper (3.2.2).
        dropout: Before the LSTM and before the softmax layer.
    """

    takes: ClassVar[tuple[str, ...]] = ("picture", "levels")

    pipes: int = setting(3, low=1, high=MOST_PIPES)
    pipe_kernels: list[list[int]] = field(default_factory=lambda: [[3, 3], [5, 5], [5, 5], [5, 5], [5, 5]])
    pipe_dilations: list[int] = field(default_factory=lambda: [1, 1, 2, 4, 8])
    pipe_filters: int = setting(64, low=1, high=1024)
    filters: list[int] = field(default_factory=lambda: [64] * 6)
    strides: list[list[int]] = field(
        default_factory=lambda: [[2, 2], [2, 2], [2, 2], [2, 1], [2, 1], [1, 1], [1, 1]],
    )
    pooling: Literal["average", "max"] = "average"
    overlap: float = 0.5
    batch_norm: bool = True
    activation: Activation = "relu"
    lstm: int = setting(100, low=1, high=4096)
    directions: int = setting(1, low=1, high=2)
    summary: Literal["last", "mean", "attention"] = "last"
    fc: int = setting(1024, low=1, high=16384)
    dropout: float = setting(0.0, low=0, high=0.95)

    def check(self) -> None:
        """Refuse lists that do not fit together; errors as of the base class."""
        _check_pipes(self)
        _check_blocks(self)

    def unread(self, key: str) -> Unread | None:
        """Entries beyond the number of pipes, and how to pool where no stride does."""
        if key in ("pipe_kernels", "pipe_dilations") and (entries := len(getattr(self, key))) > self.pipes:
            why = f"model.{key} has {entries} entries, and model.pipes={self.pipes} reads no more than that: "
            return Unread(f"{why}give model.pipes={entries}", frozenset({"model.pipes"}))
        if key in ("pooling", "overlap") and all(stride == [1, 1] for stride in self.strides):
            why = f"model.{key}={getattr(self, key)} is not read where no stride pools: give model.strides with 2 or 4, or "
            return Unread(f"{why}leave it out", frozenset({"model.strides"}))
        return None


def build(config: Config, shape: tuple[int, ...], classes: int) -> "nn.Module":
    """The network.

    Args:
        config: Its parameters.
        shape: Channels and rows of the pictures.
        classes: Number of logits.
    """
    # Not at the top: what a command line needs to know of its settings takes no PyTorch.
    from wser.models._three_pipe import Model

    return Model(config, shape, classes)


def _check_pipes(model: Config) -> None:
    for key, values in (("model.pipe_kernels", model.pipe_kernels), ("model.pipe_dilations", model.pipe_dilations)):
        if not model.pipes <= len(values) <= MOST_PIPES:
            raise ConfigError(
                f"{key} has {len(values)} entries: give one for each of model.pipes={model.pipes}, at most {MOST_PIPES}"
            )
    if any(len(kernel) != 2 or not all(0 < k <= 31 and k % 2 for k in kernel) for kernel in model.pipe_kernels):
        raise ConfigError(
            f"model.pipe_kernels={model.pipe_kernels} must hold pairs [frequency, time] of odd numbers from 1 to 31: "
            "write it as in [[3,3],[5,5],[5,5]]"
        )
    if any(not 1 <= dilation <= 16 for dilation in model.pipe_dilations):
        raise ConfigError(f"model.pipe_dilations={model.pipe_dilations} must hold numbers from 1 to 16: write it as in [1,1,2]")


def _check_blocks(model: Config) -> None:
    if model.overlap not in (0, 0.5):
        raise ConfigError(f"model.overlap={model.overlap} is neither 0 nor 0.5, the paper's R: give one of them")
    if len(model.strides) != len(model.filters) + 1:
        raise ConfigError(
            f"model.strides has {len(model.strides)} entries and model.filters {len(model.filters)}: "
            "give one stride for the merged pipes and one for each block of filters"
        )
    if len(model.filters) > MOST_BLOCKS:
        raise ConfigError(f"model.filters has {len(model.filters)} entries: give at most {MOST_BLOCKS}, one for each LFLB")
    if any(filters < 1 or filters > 4096 for filters in model.filters):
        raise ConfigError(f"model.filters={model.filters} must hold numbers from 1 to 4096: write it as in [64,64]")
    if any(len(stride) != 2 or not {*stride} <= {1, 2, 4} for stride in model.strides):
        raise ConfigError(
            f"model.strides={model.strides} must hold pairs [frequency, time] of 1, 2 or 4: write it as in [[2,2],...]"
        )
