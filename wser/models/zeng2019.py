"""The gated residual network of Zeng et al. 2019 on spectrograms (doi 10.1007/s11042-017-5539-3).

    log spectrogram, 8 s                      1 x 128 x 128
    conv 3x3, BN, ReLU                       32 x 128 x 128
    gated block                              32 x 128 x 128
    gated block, stride 2                    64 x  64 x  64
    gated block, stride 2                   128 x  32 x  32
    gated block, stride 2                   256 x  16 x  16
    mean over rows and steps                            256
    fully connected, softmax in the loss            classes

    gated block: ReLU(x + BN(conv 3x3 of x) * BN(conv 3x3 of x)); with a stride, a conv 1x1 and BN stand in x's place

Published is that the two convolutions of a residual block are multiplied instead of following one another, and that tasks
are learned together.  Our reading: sizes of the spectrogram and of all layers, one block for each width, the place of batch
norm, and how the network is trained.  Its second task, telling the speaker, is left out: the network learns emotions alone.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wser.config.schema import ModelConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

FILTERS = (32, 64, 128, 256)
KERNEL = 3


@dataclass
class Config(ModelConfig):
    """The network has no settings."""

    takes: ClassVar[tuple[str, ...]] = ("levels",)
    default_recipe: ClassVar[str] = "stft128"


def build(config: Config, shape: tuple[int, ...], classes: int) -> "nn.Module":  # noqa: ARG001
    """The network; arguments as of `wser.models.build`."""
    from torch import nn

    from wser.models import _layers
    from wser.models._steps import mean_over_steps

    def convolution(channels: int, filters: int, kernel: int = KERNEL, stride: int = 1) -> _layers.Layers:
        layer = _layers.Convolution(channels, filters, (kernel, kernel), (stride, stride), bias=False)
        return _layers.Layers(layer, _layers.Norm(filters))

    class Gated(nn.Module):
        def __init__(self, channels: int, filters: int) -> None:
            super().__init__()
            stride = 1 if channels == filters else 2
            self.one, self.other = (convolution(channels, filters, stride=stride) for _ in range(2))
            self.shortcut = None if stride == 1 else convolution(channels, filters, 1, stride)
            self.activation = nn.ReLU()

        def forward(self, maps: "Tensor", lengths: "Tensor") -> "tuple[Tensor, Tensor]":
            one, steps = self.one(maps, lengths)
            other, _ = self.other(maps, lengths)
            past = maps if self.shortcut is None else self.shortcut(maps, lengths)[0]
            return self.activation(past + one * other), steps

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = _layers.Layers(convolution(shape[0], FILTERS[0]), nn.ReLU())
            self.blocks = nn.ModuleList(
                Gated(channels, filters) for channels, filters in zip((FILTERS[0], *FILTERS), FILTERS, strict=False)
            )
            self.classifier = nn.Linear(FILTERS[-1], classes)

        def forward(self, levels: "Tensor", lengths: "Tensor") -> "Tensor":
            maps, steps = self.stem(levels, lengths)
            for block in self.blocks:
                maps, steps = block(maps, steps)
            logits: Tensor = self.classifier(mean_over_steps(maps.mean(dim=2), steps))
            return logits

    return Network()
