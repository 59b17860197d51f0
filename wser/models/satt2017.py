"""The CNN and LSTM of Satt et al. 2017 on spectrograms (doi 10.21437/Interspeech.2017-200).

    log spectrogram up to 4 kHz, a piece of 3 s        1 x 128 x 300
    conv 12x16, ReLU, max pooling 2x2                 16 x  64 x 150
    conv 8x12, ReLU, max pooling 2x2                  24 x  32 x  75
    conv 5x7, ReLU, max pooling 2x2                   32 x  16 x  37
    LSTM, both ways, its last outputs                            256
    fully connected, ReLU, dropout 0.2                            64
    fully connected, softmax in the loss                     classes

Filters, kernels, cells and dropout are those of a public implementation.  Utterances are cut into pieces of at most 3 s, as
published.  Sources disagree on whether the LSTM reads both ways (`model.directions`).  Our reading: kernels are rows by steps,
poolings (2x2), windows of 40 ms every 10 ms, that pieces lie side by side, and that the decision on an utterance is the mean of
its pieces' log probabilities.  The silence and noise reduction of the paper are left out.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from precompute.common.settings import setting
from wser.config.schema import ModelConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

FILTERS, KERNELS = (16, 24, 32), ((12, 16), (8, 12), (5, 7))
POOL = 2
CELLS, DENSE, DROPOUT = 128, 64, 0.2
PIECE = 300
"""Columns of a piece."""


@dataclass
class Config(ModelConfig):
    """The parameters of the network.

    Attributes:
        directions: 1, and the LSTM reads forwards; or 2, and it reads both ways.
    """

    takes: ClassVar[tuple[str, ...]] = ("levels",)
    default_recipe: ClassVar[str] = "stft4k"

    directions: int = setting(2, low=1, high=2)


def build(config: Config, shape: tuple[int, ...], classes: int) -> "nn.Module":
    """The network; arguments as of `wser.models.build`."""
    from torch import nn

    from wser.models import _layers

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers: list[nn.Module] = []
            channels, rows = shape
            for filters, kernel in zip(FILTERS, KERNELS, strict=True):
                layers += [_layers.Convolution(channels, filters, kernel), nn.ReLU(), _layers.Pool((POOL, POOL))]
                channels, rows = filters, rows // POOL
            self.blocks = _layers.Layers(*layers)
            self.lstm = _layers.Recurrent(channels * rows, CELLS, 2 if config.directions == 2 else 1)
            self.dense = nn.Sequential(nn.Linear(CELLS * config.directions, DENSE), nn.ReLU(), nn.Dropout(DROPOUT))
            self.classifier = nn.Linear(DENSE, classes)

        def forward(self, levels: "Tensor", lengths: "Tensor") -> "Tensor":
            # Where all utterances are shorter, so are the pieces.
            size = min(PIECE, levels.shape[-1])
            parts, own = _layers.pieces(levels, lengths, size, size)
            maps, steps = self.blocks(parts, own)
            ends = self.lstm.ends(_layers.as_sequence(maps), steps)
            return _layers.joined(self.classifier(self.dense(ends)), own, len(levels))

    return Network()
