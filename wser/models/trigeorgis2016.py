"""The convolutions and bidirectional LSTMs of Trigeorgis et al. 2016 on raw waveforms (doi 10.1109/ICASSP.2016.7472669).

    waveform, 8 s at 16 kHz                              1 x 128000
    conv 20, ReLU, max pooling 2                        40 x  64000
    conv 40, ReLU                                       40 x  64000
    maximum over groups of 10 channels                   4 x  64000
    frames of 40 ms                              200 steps x   1280
    LSTM, both ways                              200 steps x    256
    LSTM, both ways                              200 steps x    256
    mean over time                                              256
    fully connected, softmax in the loss                    classes

The source follows arousal and valence over sequences of 6 s; this is a reading of it for classification.  Sources disagree on
the filters: 5 ms and 500 ms in the paper, at second hand, 20 and 40 samples in public implementations, which are built here.
Our reading: cells of the LSTMs, the mean over time and whole utterances instead of 6 s; convolutions run through the whole
utterance, not each frame by itself; the zeros after an utterance are masked.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from precompute.common.settings import setting
from wser.config.schema import ModelConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

FILTERS, KERNELS, POOL = 40, (20, 40), 2
GROUP = 10
"""Channels of which the largest is taken."""
FRAME = 320
"""Steps of a frame of 40 ms, after the pooling."""


@dataclass
class Config(ModelConfig):
    """The parameters of the network.

    Attributes:
        lstm: Cells of each LSTM in each direction.
    """

    takes: ClassVar[tuple[str, ...]] = ("waveform",)
    default_recipe: ClassVar[str] = "waveform16k"

    lstm: int = setting(128, low=1, high=4096)


def build(config: Config, shape: tuple[int, ...], classes: int) -> "nn.Module":
    """The network; arguments as of `wser.models.build`."""
    from torch import nn
    from torch.nn import functional

    from wser.models import _layers
    from wser.models._steps import mean_over_steps

    def in_frames(maps: "Tensor", lengths: "Tensor") -> "tuple[Tensor, Tensor]":
        maps = functional.pad(maps, (0, -maps.shape[-1] % FRAME))
        batch, channels, steps = maps.shape
        frames = maps.reshape(batch, channels // GROUP, GROUP, steps // FRAME, FRAME).amax(dim=2)
        return frames.transpose(1, 2).flatten(2), (lengths + FRAME - 1) // FRAME

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            (channels,), (short, long) = shape, KERNELS
            # On maps of a single row, since PyTorch computes those faster than maps without rows.
            self.blocks = _layers.Layers(
                _layers.Convolution(channels, FILTERS, (1, short)),
                _layers.Pool((1, POOL)),
                nn.ReLU(),
                _layers.Convolution(FILTERS, FILTERS, (1, long)),
                nn.ReLU(),
            )
            self.first = _layers.Recurrent(FILTERS // GROUP * FRAME, config.lstm, 2)
            self.second = _layers.Recurrent(2 * config.lstm, config.lstm, 2)
            self.classifier = nn.Linear(2 * config.lstm, classes)

        def forward(self, waveforms: "Tensor", lengths: "Tensor") -> "Tensor":
            maps, steps = self.blocks(waveforms[:, :, None], lengths)
            frames, steps = in_frames(maps[:, :, 0], steps)
            outputs = self.second(self.first(frames, steps), steps)
            logits: Tensor = self.classifier(mean_over_steps(outputs.transpose(1, 2), steps))
            return logits

    return Network()
