"""The 1-D CNN-LSTM of Zhao et al. 2019 on raw waveforms (doi 10.1016/j.bspc.2018.08.035).

    waveform, 8 s at 16 kHz                         1 x 128000
    LFLB 1: conv 3, BN, ELU, max pooling 4         64 x  32000
    LFLB 2: conv 3, BN, ELU, max pooling 4         64 x   8000
    LFLB 3: conv 3, BN, ELU, max pooling 4        128 x   2000
    LFLB 4: conv 3, BN, ELU, max pooling 4        128 x    500
    LSTM, its last output                                   64
    fully connected, softmax in the loss               classes

Layers, filters, kernels, pooling and cells are those of a public implementation.  Others cut utterances into pieces of 1 s
that overlap by half; here the LSTM reads the whole utterance.  Our reading: a convolution has no bias, since batch norm
follows, and the zeros that fill a frame after an utterance are masked.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wser.config.schema import ModelConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

LSTM = 64


@dataclass
class Config(ModelConfig):
    """The parameters of the network: none of its own."""

    takes: ClassVar[tuple[str, ...]] = ("waveform",)
    default_recipe: ClassVar[str] = "waveform16k"


def build(_config: Config, shape: tuple[int, ...], classes: int) -> "nn.Module":
    """The network; arguments as of `wser.models.build`."""
    from torch import nn

    from wser.models import _layers, _lflb
    from wser.models._steps import last_step

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            (channels,) = shape
            self.blocks = _lflb.blocks(channels, (1, 3), [(1, 4)] * 4)
            self.lstm = _layers.Recurrent(_lflb.FILTERS[-1], LSTM)
            self.classifier = nn.Linear(LSTM, classes)

        def forward(self, waveforms: "Tensor", lengths: "Tensor") -> "Tensor":
            maps, steps = self.blocks(waveforms[:, :, None], lengths)
            logits: Tensor = self.classifier(last_step(self.lstm(_layers.as_sequence(maps), steps), steps))
            return logits

    return Network()
