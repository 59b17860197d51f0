"""The merged 1-D and 2-D CNN of Zhao et al. 2018 on waveforms and log-mel spectrograms (doi 10.1049/iet-spr.2017.0320).

    waveform, 8 s at 16 kHz              1 x 128000     log-mel, hop 32 ms, BN             1 x 128 x 250
    LFLB: conv 3, BN, ELU, max pool 4   64 x  32000     LFLB: conv 3x3, max pool 2x2      64 x  64 x 125
    LFLB: conv 3, BN, ELU, max pool 4   64 x   8000     LFLB: conv 3x3, max pool 4x4      64 x  16 x  31
    LFLB: conv 3, BN, ELU, max pool 4  128 x   2000     LFLB: conv 3x3, max pool 4x4     128 x   4 x   7
    LFLB: conv 3, BN, ELU, max pool 4  128 x    500     LFLB: conv 3x3, max pool 4x4     128 x   1 x   1
    mean over time                             128      mean over time                               128
    fully connected, ELU                       128      fully connected, ELU                         128
    concatenated                                                                                     256
    fully connected, softmax in the loss                                                         classes

The two stages of training are NOT reproduced: there, each branch is trained with a softmax layer of its own, which is then
removed, and the merged network is trained on; here the merged network is trained once, from the beginning.  Our reading:
filters, kernels and pooling, which are those of Zhao et al. 2019 (`zhao2019_1d`, `zhao2019_2d`); the mean over time, since
utterances are of different lengths; and the log-mel spectrogram, computed in the network from the same waveform by fixed
filters: 128 bands equally spaced in mel, of 0.128 s by Hann's window.  Zeros after an utterance are masked.
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


def build(_config: Config, shape: tuple[int, ...], classes: int) -> "nn.Module":
    """The network; arguments as of `wser.models.build`."""
    from wser.models._zhao2018 import Network

    (channels,) = shape
    return Network(channels, classes)
