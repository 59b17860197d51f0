"""The CNN of Badshah et al. 2017 on pictures of spectrograms (doi 10.1109/PlatCon.2017.7883728).

    picture of a spectrogram, a piece of 2.56 s       3 x 256 x 256
    conv 11x11, stride 4, ReLU                      120 x  64 x  64
    max pooling 3x3, stride 2                       120 x  31 x  31
    conv 5x5, ReLU                                  256 x  31 x  31
    max pooling 3x3, stride 2                       256 x  15 x  15
    conv 3x3, ReLU                                  384 x  15 x  15
    max pooling 3x3, stride 2                       384 x   7 x   7
    2 x (fully connected, ReLU, dropout 0.5)                   2048
    fully connected, softmax in the loss                    classes

Kernels, filters and dropout are published.  Stride, pooling and width are our reading: those of the network's model, AlexNet.
A public implementation has a stride of 3, poolings of 4 and 8192 in the first fully connected layer: `model.stride=3`,
`model.pool=4` and `model.fc=[8192,2048]`.  Our reading is also that pieces lie side by side, that the last one is filled with
zeros, and that the decision on an utterance is the mean of its pieces' log probabilities.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from precompute.common.settings import setting
from wser.config.schema import ConfigError, ModelConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

FILTERS, KERNELS = (120, 256, 384), (11, 5, 3)
PIECE = 256
"""Columns of a piece."""

POOLING_STRIDE = 2


@dataclass
class Config(ModelConfig):
    """The parameters of the network.

    Attributes:
        stride: Of the first convolution, in rows and columns.
        pool: Rows and columns in a window of each pooling.
        fc: Values of the two fully connected layers.
        dropout: After each of them.
    """

    default_recipe: ClassVar[str] = "stft256"

    stride: int = setting(4, low=2, high=8)
    pool: int = setting(3, low=2, high=4)
    fc: list[int] = field(default_factory=lambda: [2048, 2048])
    dropout: float = setting(0.5, low=0, high=0.95)

    def check(self) -> None:
        """Refuse other than two fully connected layers; errors as of the base class."""
        if len(self.fc) != 2 or not all(1 <= width <= 16384 for width in self.fc):
            raise ConfigError(f"model.fc={self.fc} must hold two numbers from 1 to 16384: write it as in [2048,2048]")


def build(config: Config, shape: tuple[int, ...], classes: int) -> "nn.Module":
    """The network; arguments as of `wser.models.build`."""
    from torch import nn

    from wser.models import _layers

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers: list[nn.Module] = []
            channels, rows = shape
            columns = PIECE
            for filters, kernel, stride in zip(FILTERS, KERNELS, (config.stride, 1, 1), strict=True):
                layers += [_layers.Convolution(channels, filters, (kernel, kernel), (stride, stride)), nn.ReLU()]
                layers.append(_layers.Pool((config.pool, config.pool), (POOLING_STRIDE, POOLING_STRIDE)))
                channels, rows, columns = filters, pooled(rows, stride), pooled(columns, stride)
            self.blocks = _layers.Layers(*layers)
            first, second = config.fc
            self.fully_connected = nn.Sequential(
                *(nn.Linear(channels * rows * columns, first), nn.ReLU(), nn.Dropout(config.dropout)),
                *(nn.Linear(first, second), nn.ReLU(), nn.Dropout(config.dropout)),
            )
            self.classifier = nn.Linear(second, classes)

        def forward(self, pictures: "Tensor", lengths: "Tensor") -> "Tensor":
            parts, own = _layers.pieces(pictures, lengths, PIECE, PIECE)
            maps, _ = self.blocks(parts, own)
            logits = self.classifier(self.fully_connected(maps.flatten(1)))
            return _layers.joined(logits, own, len(pictures))

    def pooled(length: int, stride: int) -> int:
        """Rows or columns after a convolution and its pooling."""
        return (-(-length // stride) - config.pool) // POOLING_STRIDE + 1

    return Network()
