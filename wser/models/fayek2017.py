"""The frame-based convolutional network of Fayek et al. 2017 on log-mel levels (doi 10.1016/j.neunet.2017.02.013).

    log-mel levels                                        1 x 40 x 800
    conv 5x5, stride 2x2, batch norm, ReLU, dropout      32 x 20 x 400
    conv 5x5, stride 2x2, batch norm, ReLU, dropout      64 x 10 x 200
    fully connected over a window, batch norm, ReLU,
      dropout                                           256 x 200
    fully connected, softmax                        classes x 200
    mean over the windows                           classes

A frame is classified with those around it, 60 to either side, and an utterance by the mean of its frames' probabilities.  A
layer that is fully connected over a window which moves along an utterance is a convolution, and is computed as one: 31 steps
after the strides are the 121 frames of a window.

From second hand: 40 bands, 25 ms every 10 ms, the context, two convolutions and two fully connected layers, batch norm and
dropout.  Our reading, as we had no full text: filters, kernels, strides, width and dropout; one window for each four
frames; frames outside of the utterance are zero; training lowers the loss of the mean probabilities, not that of each frame.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from precompute.common.settings import setting
from wser.config.schema import ModelConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

FILTERS = (32, 64)
KERNEL, STRIDE = (5, 5), (2, 2)
WINDOW = 31
"""Steps of a window after both strides: 121 frames, 60 to either side of the one that is classified."""

FC = 256


@dataclass
class Config(ModelConfig):
    """The parameters of the network.

    Attributes:
        dropout: Share of activations that dropout sets to 0.
    """

    takes: ClassVar[tuple[str, ...]] = ("levels",)
    default_recipe: ClassVar[str] = "logmel40"

    dropout: float = setting(0.3, low=0, high=0.95)


def build(config: Config, shape: tuple[int, ...], classes: int) -> "nn.Module":
    """The network; arguments as of `wser.models.build`."""
    import torch
    from torch import nn

    from wser.models import _layers
    from wser.models._steps import length_mask

    def block(convolution: _layers.Convolution, filters: int) -> list[nn.Module]:
        return [convolution, _layers.Norm(filters), nn.ReLU(), nn.Dropout(config.dropout)]

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers: list[nn.Module] = []
            channels, rows = shape
            for filters in FILTERS:
                layers += block(_layers.Convolution(channels, filters, KERNEL, STRIDE, bias=False), filters)
                channels, rows = filters, (rows - 1) // STRIDE[0] + 1
            self.convolutions = _layers.Layers(*layers)
            self.windows = _layers.Layers(*block(_layers.Convolution(channels * rows, FC, WINDOW, bias=False), FC))
            self.classifier = nn.Linear(FC, classes)

        def forward(self, levels: "Tensor", lengths: "Tensor") -> "Tensor":
            maps, steps = self.convolutions(levels, lengths)
            windows, steps = self.windows(maps.flatten(1, 2), steps)
            logs = self.classifier(windows.transpose(1, 2)).float().log_softmax(dim=2)
            outside = ~length_mask(logs.shape[1], steps)[..., None]
            # The logarithm of the mean probability of each class.
            logits: Tensor = torch.logsumexp(logs.masked_fill(outside, -1e9), dim=1) - steps[:, None].log()
            return logits

    return Network()
