"""The 3-D attention-based convolutional recurrent network of Chen et al. 2018 (doi 10.1109/LSP.2018.2860246).

    log-mel levels, pieces of 3 s at most                  1 x 40 x 300
    static, delta and delta-delta, batch norm              3 x 40 x 300
    conv 3x5, leaky ReLU                                 128 x 40 x 300
    max pooling 4x2                                      128 x 10 x 150
    conv 3x5, leaky ReLU, five times                     256 x 10 x 150
    linear, batch norm, leaky ReLU                       768 x 150
    LSTM in both directions                              256 x 150
    attention over time                                  256
    fully connected, leaky ReLU                           64
    fully connected, softmax in the loss                 classes

Kernels and windows are written as rows x steps, here and below; the paper has them the other way round, 5x3 and 2x4.

From the paper: frames of 25 ms every 10 ms, 40 bands, three channels, pieces of 3 s, the filters, kernels and pooling, 768, 128
cells in each direction, 64, and an attention whose weights are the softmax of one linear score of each step.  From the authors'
code (xuanjihe/speech-emotion-recognition), where the paper is silent: padding, a slope of 0.01, batch norm after the linear
layer, deltas over two frames to either side, taken before the cut, and of an utterance of more than 3 s the first and the last
3 s.  That code differs from the paper: it passes the score through a sigmoid, takes the softmax twice, and has batches of 60.

Our reading: as many pieces as cover an utterance, evenly spaced from its beginning to its end, which up to 6 s are those of the
authors; an utterance's probabilities are the geometric mean of its pieces' (the code takes the largest of each class); batch
norm of each band of each channel instead of the mean and deviation over the training set; what follows an utterance is
masked; PyTorch's initial weights, where theirs have a deviation of 0.1.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from wser.config.schema import ConfigError, ModelConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

FILTERS = (128, 256, 256, 256, 256, 256)
KERNEL = (3, 5)
POOL = (4, 2)
LINEAR, LSTM, FC = 768, 128, 64
SLOPE = 0.01
"""Of the leaky ReLU below zero."""

PIECE = 300
"""Frames of a piece."""

REACH = 2
"""Frames to either side by which a delta is found."""


@dataclass
class Config(ModelConfig):
    """The parameters of the network.

    Attributes:
        filters: Filters of each convolution; the pooling follows the first.  A fourth of them each is a sixteenth of the work.
    """

    takes: ClassVar[tuple[str, ...]] = ("levels",)
    default_recipe: ClassVar[str] = "logmel40"

    filters: list[int] = field(default_factory=lambda: list(FILTERS))

    def check(self) -> None:
        """Refuse a network without convolutions, or with too many filters; errors as of the base class."""
        if not self.filters or not all(1 <= filters <= 4096 for filters in self.filters):
            raise ConfigError(f"model.filters={self.filters} must hold a number from 1 to 4096 for each convolution: add them")


def build(config: Config, shape: tuple[int, ...], classes: int) -> "nn.Module":
    """The network; arguments as of `wser.models.build`."""
    from torch import nn

    from wser.models import _chen2018, _layers

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            channels, rows = 3 * shape[0], shape[1]
            self.channels = _chen2018.Deltas(REACH)
            self.standardise = _layers.Norm(channels * rows)
            layers: list[nn.Module] = []
            for at, filters in enumerate(config.filters):
                layers += [_layers.Convolution(channels, filters, KERNEL), nn.LeakyReLU(SLOPE)]
                if at == 0:
                    layers.append(_layers.Pool(POOL))
                channels = filters
            self.convolutions = _layers.Layers(*layers)
            # A convolution of one step is a linear layer of each step.
            linear = _layers.Convolution(channels * (rows // POOL[0]), LINEAR, 1, bias=False)
            self.linear = _layers.Layers(linear, _layers.Norm(LINEAR), nn.LeakyReLU(SLOPE))
            self.lstm = _layers.Recurrent(LINEAR, LSTM, 2)
            self.attention = _chen2018.Attention(2 * LSTM)
            self.classifier = nn.Sequential(nn.Linear(2 * LSTM, FC), nn.LeakyReLU(SLOPE), nn.Linear(FC, classes))

        def forward(self, levels: "Tensor", lengths: "Tensor") -> "Tensor":
            maps = self.channels(levels, lengths)
            flat, _ = self.standardise(maps.flatten(1, 2), lengths)
            cut, own = _chen2018.spread(flat.reshape(maps.shape), lengths, PIECE)
            maps, steps = self.convolutions(cut, own)
            rows, _ = self.linear(maps.flatten(1, 2), steps)
            logits = self.classifier(self.attention(self.lstm(_layers.as_sequence(rows), steps), steps))
            return _layers.joined(logits, own, len(levels))

    return Network()
