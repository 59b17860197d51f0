"""The 1-D CNN of Issa et al. 2020 on 193 means over time (doi 10.1016/j.bspc.2020.101894).

    means of features of librosa                         1 x 193
    conv 5, BN, ReLU                                   256 x 193
    conv 5, ReLU, dropout 0.1, BN, max pooling 8       128 x  24
    2 x (conv 5, ReLU)                                 128 x  24
    conv 5, BN, ReLU, dropout 0.2                      128 x  24
    conv 5, ReLU                                       128 x  24
    flattened, dropout 0.2                                  3072
    fully connected, BN, softmax in the loss             classes

The convolutions run along the vector, as if its values were steps of time.  Layers, kernels, order and dropout are those of a
public implementation, which gives the values as they are, of tens and hundreds of decibels.  Our reading: batch norm is Keras's
(momentum 0.99, epsilon 0.001), since the implementation has its defaults.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wser.config.schema import ModelConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

KERNEL, POOL = 5, 8
WIDEST, FILTERS = 256, 128
MOMENTUM, EPSILON = 0.01, 1e-3
"""Of batch norm, as Keras has it by default; this momentum is the share of the new batch."""


@dataclass
class Config(ModelConfig):
    """The network has no settings."""

    takes: ClassVar[tuple[str, ...]] = ("vector",)
    default_recipe: ClassVar[str] = "issa193"


def build(config: Config, shape: tuple[int, ...], classes: int) -> "nn.Module":  # noqa: ARG001
    """The network; arguments as of `wser.models.build`."""
    from torch import nn

    def convolution(channels: int, filters: int = FILTERS) -> nn.Conv1d:
        return nn.Conv1d(channels, filters, KERNEL, padding="same")

    def norm(channels: int) -> nn.BatchNorm1d:
        return nn.BatchNorm1d(channels, EPSILON, MOMENTUM)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            (values,) = shape
            self.wide = nn.Sequential(convolution(1, WIDEST), norm(WIDEST), nn.ReLU())
            self.pooled = nn.Sequential(convolution(WIDEST), nn.ReLU(), nn.Dropout(0.1), norm(FILTERS), nn.MaxPool1d(POOL))
            self.deep = nn.Sequential(
                *(convolution(FILTERS), nn.ReLU()),
                *(convolution(FILTERS), nn.ReLU()),
                *(convolution(FILTERS), norm(FILTERS), nn.ReLU(), nn.Dropout(0.2)),
                *(convolution(FILTERS), nn.ReLU()),
            )
            self.classifier = nn.Sequential(
                nn.Flatten(), nn.Dropout(0.2), nn.Linear(FILTERS * (values // POOL), classes), norm(classes)
            )

        def forward(self, vectors: "Tensor", lengths: "Tensor") -> "Tensor":  # noqa: ARG002
            logits: Tensor = self.classifier(self.deep(self.pooled(self.wide(vectors[:, None]))))
            return logits

    return Network()
