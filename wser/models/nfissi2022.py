"""The CNN-n-GRU of Nfissi et al. 2022 on raw waveforms (doi 10.1109/ICMLA55696.2022.00116).

    waveform, 8 s at 16 kHz                                    1 x 128000
    conv 160, stride 4, BN, leaky ReLU, max pooling 4         18 x   8000
    4 times conv 3, BN, leaky ReLU; max pooling 4             18 x   2000
    4 times conv 3, BN, leaky ReLU; max pooling 4             36 x    500
    4 times conv 3, BN, leaky ReLU; max pooling 4             72 x    125
    4 times conv 3, BN, leaky ReLU                           144 x    125
    mean over time, leaky ReLU                                        144
    fully connected                                                    72
    GRU, its last output, leaky ReLU                                   64
    fully connected, softmax in the loss                          classes

Shapes are those of 18 layers; the convolutions are those of Dai et al. 2016 (arXiv 1610.00087).  All is as the authors'
code has it, where the mean over time comes before the GRU, so that the GRU sees a single step and has nothing to remember;
`model.gru_before_pool` gives it every step, and takes the mean of its outputs.  Our reading: in the 11-layer network each
convolution has a batch norm of its own (in that code one stands in two places, and another is not used); there, a convolution
has a bias that batch norm subtracts again, and here none; the zeros after an utterance are masked.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from precompute.common.settings import setting
from wser.config.schema import ConfigError, ModelConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

GROUPS = {
    3: ((6, 1),),
    5: ((5, 1), (10, 1), (20, 1)),
    11: ((11, 2), (22, 2), (44, 3), (88, 2)),
    18: ((18, 4), (36, 4), (72, 4), (144, 4)),
}
"""Filters and convolutions of each group after the first convolution, which has the filters of the first group, by layers."""
KERNEL, STRIDE, POOL = 160, 4, 4
GRU = 64


@dataclass
class Config(ModelConfig):
    """The parameters of the network.

    Attributes:
        layers: Of the network without its GRU: 3, 5, 11 or 18.
        gru_before_pool: Whether the GRU reads every step and the mean is that of its outputs; published is the mean first.
    """

    takes: ClassVar[tuple[str, ...]] = ("waveform",)
    default_recipe: ClassVar[str] = "waveform16k"

    layers: int = setting(18, low=3, high=18)
    gru_before_pool: bool = False

    def check(self) -> None:
        """Refuse other numbers of layers; errors as of the base class."""
        if self.layers not in GROUPS:
            raise ConfigError(f"model.layers={self.layers} is none of {', '.join(map(str, GROUPS))}: give one of them")


def build(config: Config, shape: tuple[int, ...], classes: int) -> "nn.Module":
    """The network; arguments as of `wser.models.build`."""
    from torch import nn

    from wser.models import _layers
    from wser.models._steps import mean_over_steps

    groups = GROUPS[config.layers]

    def block(channels: int, filters: int, kernel: int, stride: int = 1) -> "list[nn.Module]":
        # On maps of a single row, since PyTorch computes those faster than maps without rows.
        convolution = _layers.Convolution(channels, filters, (1, kernel), (1, stride), bias=False)
        return [convolution, _layers.Norm(filters), nn.LeakyReLU()]

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            (channels,), (filters, _) = shape, groups[0]
            layers = [*block(channels, filters, KERNEL, STRIDE), _layers.Pool((1, POOL))]
            channels = filters
            for filters, convolutions in groups:
                for _ in range(convolutions):
                    layers += block(channels, filters, 3)
                    channels = filters
                # The deep networks do not pool after their last group.
                if convolutions == 1 or filters != groups[-1][0]:
                    layers.append(_layers.Pool((1, POOL)))
            self.blocks = _layers.Layers(*layers)
            self.activation = nn.LeakyReLU()
            self.projection = nn.Linear(channels, channels // 2)
            self.gru = _layers.Recurrent(channels // 2, GRU, kind="gru")
            self.classifier = nn.Linear(GRU, classes)

        def forward(self, waveforms: "Tensor", lengths: "Tensor") -> "Tensor":
            maps, steps = self.blocks(waveforms[:, :, None], lengths)
            if not config.gru_before_pool:
                maps, steps = mean_over_steps(maps, steps)[..., None], steps.clamp(max=1)
            outputs = self.gru(self.projection(self.activation(_layers.as_sequence(maps))), steps)
            logits: Tensor = self.classifier(self.activation(mean_over_steps(outputs.transpose(1, 2), steps)))
            return logits

    return Network()
