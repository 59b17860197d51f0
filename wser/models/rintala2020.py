"""Parallel convolutions, local feature learning blocks (LFLBs) and LSTM of Rintala 2020 on raw waveforms (diva2:1456228).

    waveform, 8 s at 16 kHz                                      1 x 128000
      |-- conv 240, stride 160, BN, ReLU, max pooling 2 --.     40 x 400
      |-- conv 400, stride 160, BN, ReLU, max pooling 2 --+     40 x 400
      '-- conv 1600, stride 160, BN, ReLU, max pooling 2 -'     40 x 400
    their filters as rows of one map                        1 x 120 x 400
    LFLB 1: conv 3x3, BN, ReLU, average pooling 2x2        32 x  60 x 200
    LFLB 2: conv 3x3, BN, ReLU, average pooling 2x2        32 x  30 x 100
    LSTM on 960 values of each step, its last output              128
    dropout 0.3, fully connected, ReLU                           1024
    fully connected, softmax in the loss                      classes

Only the abstract was at hand: three parallel pipes of different filter lengths, LFLBs with ReLU and average pooling, an LSTM.
Our reading: all else.  Pipes, LSTM and the layers after it are those of Latif et al. 2019 (`latif2019`), from which the work
departs; the LFLBs are two, after the pipes, with kernels of 3x3 as in Zhao et al. 2019 and as many filters as Latif's block.
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

    return Network(classes, [32, 32], (3, 3), "average")
