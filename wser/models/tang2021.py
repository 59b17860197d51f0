"""Dilated causal convolutions with context stacking, Tang et al. 2021, on log-mel levels (doi 10.1186/s13636-021-00208-5).

    log-mel levels                                        40 x 800
    context: conv 8, stride 8                             64 x 100
      7 gated blocks of dilations 1, 2, 4 ... 64          64 x 100
      each step repeated 8 times                          64 x 800
    frames: conv 1                                        64 x 800
      10 gated blocks of dilations 1, 2, 4 ... 512,
      which are given the context too                     64 x 800
    ReLU, mean over time                                  64
    fully connected, softmax in the loss             classes

    gated block:  h = tanh(filter) * sigmoid(gate), both causal convolutions of 2 steps, plus the context by a convolution of 1
                  x + conv 1 of h

From the paper: causal convolutions whose dilations grow until they see all of the input, a second, slower stack whose outputs
are given to the first, no recurrent layer, and log-mel levels as one of the inputs that are compared.  Our reading: gates and
their number as in WaveNet (van den Oord et al. 2016, arXiv 1609.03499), 64 channels, a context 8 times as slow, the mean over
time, and that what follows an utterance is masked.  The context lets a frame see up to 4 later ones.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wser.config.schema import ModelConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

CHANNELS = 64
SLOWER = 8
"""Frames of a step of the context."""

FRAME_BLOCKS, CONTEXT_BLOCKS = 10, 7
"""The last of them sees 1024 frames, and 128 steps of the context, back: more than the 800 and 100 of the recipe."""


@dataclass
class Config(ModelConfig):
    """The network has no parameters of its own."""

    takes: ClassVar[tuple[str, ...]] = ("levels",)
    default_recipe: ClassVar[str] = "logmel40"


def build(config: Config, shape: tuple[int, ...], classes: int) -> "nn.Module":  # noqa: ARG001 - it has none
    """The network; arguments as of `wser.models.build`."""
    from torch import nn

    from wser.models import _layers
    from wser.models._steps import masked, mean_over_steps

    class Gated(nn.Module):
        """One block; its steps of maps and context are the same."""

        def __init__(self, dilation: int, with_context: bool) -> None:
            super().__init__()
            self.gates = _layers.Convolution(CHANNELS, 2 * CHANNELS, 2, dilation=dilation, causal=True)
            self.context = _layers.Convolution(CHANNELS, 2 * CHANNELS, 1, bias=False) if with_context else None
            self.out = _layers.Convolution(CHANNELS, CHANNELS, 1)

        def forward(self, maps: "Tensor", lengths: "Tensor", context: "Tensor | None" = None) -> "Tensor":
            both, _ = self.gates(maps, lengths)
            if self.context is not None and context is not None:
                both = both + self.context(context, lengths)[0]
            values, gates = both.chunk(2, dim=1)
            found: Tensor = maps + self.out(values.tanh() * gates.sigmoid(), lengths)[0]
            return found

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            rows = shape[0] * shape[1]
            self.slower = _layers.Convolution(rows, CHANNELS, SLOWER, SLOWER)
            self.context = nn.ModuleList(Gated(2**at, False) for at in range(CONTEXT_BLOCKS))
            self.first = _layers.Convolution(rows, CHANNELS, 1)
            self.frames = nn.ModuleList(Gated(2**at, True) for at in range(FRAME_BLOCKS))
            self.activation = nn.ReLU()
            self.classifier = nn.Linear(CHANNELS, classes)

        def forward(self, levels: "Tensor", lengths: "Tensor") -> "Tensor":
            flat = levels.flatten(1, 2)
            slow, steps = self.slower(flat, lengths)
            for block in self.context:
                slow = block(slow, steps)
            context = masked(slow.repeat_interleave(SLOWER, dim=2)[..., : flat.shape[2]], lengths)
            maps, _ = self.first(flat, lengths)
            for block in self.frames:
                maps = block(maps, lengths, context)
            logits: Tensor = self.classifier(mean_over_steps(self.activation(maps), lengths))
            return logits

    return Network()
