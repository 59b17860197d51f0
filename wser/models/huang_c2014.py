"""A deep belief network on stacked frames and a nonlinear SVM, after Huang et al. 2014 (doi 10.1155/2014/749604).

    MFCC (`mfcc`) and their differences, standardised                      2 x 13 x frames
    10 consecutive frames, standardised                                                260
    5 restricted Boltzmann machines, each on what the last one hides                   512
    mean over the utterance, standardised                                              512
    kernel exp(-g |x - y|^2), g = 1 / (values * variance); a machine for each pair     classes * (classes - 1) / 2
    softmax of the votes                                                               classes

That five layers of a deep belief network find features and a nonlinear SVM classifies them is published.  Our reading: 512
units in each layer, 10 frames of MFCC with energy and their differences, no frame in two pieces, means over the utterance, no
fine-tuning by labels, and all values of training, which are those of `_boltzmann`.  The network sees no labels; the strength
of regularisation is chosen on training speakers, whose frames the network has seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from precompute.common.settings import setting
from wser.config.schema import FittedModelConfig
from wser.models import _boltzmann, _machine

FRAMES = 10
"""Consecutive frames in a piece."""

LEAST_DEVIATION = 1e-6


@dataclass
class Config(FittedModelConfig):
    """The parameters of network and machine.

    Attributes:
        layers: Number of restricted Boltzmann machines.
        units: Hidden units in each.
        passes: Passes of each over the training set.
        c: Inverse of the strength of regularisation; 0 chooses among 0.1, 1, 10 and 100 by a cross-validation over the training
            speakers.
    """

    takes: ClassVar[tuple[str, ...]] = ("levels",)
    default_recipe: ClassVar[str] = "mfcc"
    default_standardise: ClassVar[str | None] = "training"
    by_speaker: ClassVar[bool] = True

    layers: int = setting(5, low=1, high=20)
    units: int = setting(512, low=1, high=8192)
    passes: int = setting(5, low=1, high=1000)
    c: float = setting(0.0, low=0, high=1e6)


@dataclass
class Model:
    """The network and the machine.

    Attributes:
        config: Their parameters.
        classes: Number of classes.
        seed: Of weights and of what is sampled.
        chosen: The value of `c` that was chosen, where it was.
    """

    config: Config
    classes: int
    seed: int
    chosen: dict[str, float] = field(default_factory=dict)

    def fit(self, levels: Sequence[NDArray[Any]], labels: NDArray[np.int64], speakers: Sequence[str]) -> "Model":
        """Fit it to coefficients (coefficients, steps), their classes, int64 (n,), and speakers."""
        joined = np.concatenate([pieces(one) for one in levels])
        self.mean, self.deviation = joined.mean(axis=0), np.maximum(joined.std(axis=0), LEAST_DEVIATION)
        rng = np.random.default_rng(self.seed)
        self.network: list[_boltzmann.Layer] = []
        values = self._standardised(joined)
        for layer in range(self.config.layers):
            self.network.append(_boltzmann.fitted(values, self.config.units, self.config.passes, layer == 0, rng))
            values = self.network[-1].hidden(values)
        hidden = np.stack([self._hidden(one) for one in levels])
        self.centre, self.spread = hidden.mean(axis=0), np.maximum(hidden.std(axis=0), LEAST_DEVIATION)
        deviations = _machine.cut_off((hidden - self.centre) / self.spread)
        c = self.config.c or _machine.choose(_radial, deviations, labels, speakers, self.chosen)
        self.machine = _radial(deviations, labels, c)
        return self

    def predict_proba(self, levels: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        """Softmax of the votes, float64 (n, classes); 0 for a class that was not in the training set."""
        hidden = np.stack([self._hidden(one) for one in levels])
        values = _machine.cut_off((hidden - self.centre) / self.spread)
        return _machine.probabilities(self.machine, values, self.classes)

    def _standardised(self, joined: NDArray[np.float32]) -> NDArray[np.float32]:
        """Pieces, each value without its mean and over its deviation, cut off where the machine cuts off."""
        deviations: NDArray[np.float32] = (joined - self.mean) / self.deviation
        return np.clip(deviations, -_machine.MOST_DEVIATIONS, _machine.MOST_DEVIATIONS)

    def _hidden(self, levels: NDArray[Any]) -> NDArray[np.float64]:
        """Probabilities of the last hidden units, mean over an utterance, float64 (units,)."""
        values = self._standardised(pieces(levels))
        for layer in self.network:
            values = layer.hidden(values)
        return np.asarray(values.mean(axis=0, dtype=np.float64))


def pieces(levels: NDArray[Any]) -> NDArray[np.float32]:
    """Consecutive frames and their differences, in one row each, float32 (pieces, 2 * coefficients * FRAMES).

    Differences are half of those of the frames before and after (`numpy.gradient`).  The last frame is repeated to the end of
    the last piece.

    Args:
        levels: Coefficients (coefficients, steps).
    """
    levels = np.asarray(levels, np.float32)
    differences = np.gradient(levels, axis=1) if levels.shape[1] > 1 else np.zeros_like(levels)
    both = np.concatenate([levels, differences])
    both = np.pad(both, ((0, 0), (0, -both.shape[1] % FRAMES)), mode="edge")
    return both.T.reshape(-1, FRAMES * len(both))


def _radial(values: NDArray[Any], labels: NDArray[np.int64], c: float) -> _machine.Machine:
    return _machine.Machine(values, labels, c, kernel="rbf")


def build(config: Config, classes: int, seed: int) -> Model:
    """The model; arguments as of `Model`."""
    return Model(config, classes, seed)
