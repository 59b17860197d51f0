"""The 2-D CNN-LSTM of Zhao et al. 2019 on log-mel spectrograms (doi 10.1016/j.bspc.2018.08.035).

    log-mel spectrogram, 8 s                            1 x 128 x 250
    LFLB 1: conv 3x3, BN, ELU, max pooling 2x2         64 x  64 x 125
    LFLB 2: conv 3x3, BN, ELU, max pooling 4x4         64 x  16 x  31
    LFLB 3: conv 3x3, BN, ELU, max pooling 4x4        128 x   4 x   7
    LFLB 4: conv 3x3, BN, ELU, max pooling 4x4        128 x   1 x   1
    LSTM, its last output                                          32
    fully connected, softmax in the loss                      classes

Layers, filters, kernels and pooling are those of public implementations, which agree.  After these poolings a single step is
left of 8 s, so that the LSTM has nothing to remember; `model.time_pool` pools less.  Our reading: cells of the LSTM (32 or 256
by others), epochs (not published), and that the zeros which fill a frame after an utterance are masked.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from precompute.common.settings import setting
from wser.config.schema import ConfigError, ModelConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

FILTERS = (64, 64, 128, 128)
POOLS = (2, 4, 4, 4)
"""Rows in a window of each pooling."""


@dataclass
class Config(ModelConfig):
    """The parameters of the network.

    Attributes:
        time_pool: Steps of time in a window of each of the four poolings; [2,4,4,4] leaves the LSTM one step of 8 s.
        lstm: Cells of the LSTM.
    """

    takes: ClassVar[tuple[str, ...]] = ("levels",)
    default_recipe: ClassVar[str] = "logmel128"

    time_pool: list[int] = field(default_factory=lambda: list(POOLS))
    lstm: int = setting(32, low=1, high=4096)

    def check(self) -> None:
        """Refuse poolings that are not four; errors as of the base class."""
        if len(self.time_pool) != len(POOLS) or not all(1 <= steps <= 16 for steps in self.time_pool):
            raise ConfigError(f"model.time_pool={self.time_pool} must hold four numbers from 1 to 16: write it as in [2,2,1,1]")


def build(config: Config, shape: tuple[int, ...], classes: int) -> "nn.Module":
    """The network; arguments as of `wser.models.build`."""
    from torch import nn

    from wser.models import _layers
    from wser.models._steps import last_step

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers: list[nn.Module] = []
            channels, rows = shape
            for filters, pool, steps in zip(FILTERS, POOLS, config.time_pool, strict=True):
                layers += [_layers.Convolution(channels, filters, (3, 3), bias=False), _layers.Norm(filters), nn.ELU()]
                layers.append(_layers.Pool((pool, steps)))
                channels, rows = filters, rows // pool
            self.blocks = _layers.Layers(*layers)
            self.lstm = _layers.Recurrent(channels * rows, config.lstm)
            self.classifier = nn.Linear(config.lstm, classes)

        def forward(self, levels: "Tensor", lengths: "Tensor") -> "Tensor":
            maps, steps = self.blocks(levels, lengths)
            logits: Tensor = self.classifier(last_step(self.lstm(_layers.as_sequence(maps), steps), steps))
            return logits

    return Network()
