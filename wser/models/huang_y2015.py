"""Wavelet packets of a tree pruned to tell emotions apart, and an SVM (Huang et al. 2015, doi 10.1007/978-3-642-38466-0_40).

    levels of the bands of five levels of wavelet packets (`wavelet_packets`), standardised      2 x 62
    tree pruned from its leaves up: the halves of a band stay where they tell classes
    apart better than it does                                                                    2 x (2 to 32)
    kernel exp(-g |x - y|^2), g = 1 / (values * variance); a machine for each pair               classes * (classes - 1) / 2
    softmax of the votes                                                                         classes

That a tree of wavelet packets is pruned by an additive Fisher ratio is published (doi 10.1007/978-3-642-38466-0_40).  Our
reading: what the energies are (`precompute.features.wavelet_packets`), the ratio (`fisher`) and how bands are compared by it
(`pruned`; as it is defined here the additive ratio leaves all 32 bands of EmoDB), and the classifier.  Tree and machine see the
training set alone, and the strength of regularisation is chosen on speakers held out of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from precompute.common.settings import setting
from wser.config.schema import FittedModelConfig
from wser.models import ModelError, _machine

LEAST_VARIANCE = 1e-12
"""In the classes, so that a constant is no division by zero."""


@dataclass
class Config(FittedModelConfig):
    """The parameters of the machine.

    Attributes:
        c: Inverse of the strength of regularisation; 0 chooses among 0.1, 1, 10 and 100 by a cross-validation over the training
            speakers.
        criterion: Of the tree, by Fisher's ratio of its bands: `sum`, the additive one that is published, keeps halves whose
            ratios add up to more than that of their band, which nearly all do; `mean` those whose mean is larger, and leaves a
            third of the bands.
    """

    takes: ClassVar[tuple[str, ...]] = ("vector",)
    default_recipe: ClassVar[str] = "wavelet_packets"
    default_standardise: ClassVar[str | None] = "training"
    by_speaker: ClassVar[bool] = True

    c: float = setting(0.0, low=0, high=1e6)
    criterion: Literal["sum", "mean"] = "sum"


@dataclass
class Model:
    """The tree and the machine.

    Attributes:
        config: Its parameters.
        classes: Number of classes.
        chosen: The value of `c` that was chosen, where it was, and the number of bands.
    """

    config: Config
    classes: int
    chosen: dict[str, float] = field(default_factory=dict)

    def fit(self, vectors: Sequence[NDArray[Any]], labels: NDArray[np.int64], speakers: Sequence[str]) -> "Model":
        """Fit it to vectors (values,), their classes, int64 (n,), and speakers.

        Raises:
            ModelError: The values are not those of a tree.
        """
        values = np.stack(vectors)
        c = self.config.c or _machine.choose(self._pruned, values, labels, speakers, self.chosen)
        self.machine = self._pruned(values, labels, c)
        self.chosen["bands"] = len(self.machine.bands)
        return self

    def predict_proba(self, vectors: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        """Softmax of the votes, float64 (n, classes); 0 for a class that was not in the training set."""
        return _machine.probabilities(self.machine, np.stack(vectors), self.classes)

    def _pruned(self, values: NDArray[Any], labels: NDArray[np.int64], c: float) -> "_Pruned":
        return _Pruned(values, labels, c, self.config.criterion)


class _Pruned:
    """A tree and a machine of one training set.

    Attributes:
        labels: Classes that it knows, ascending.
        bands: That are left of the tree, numbered as in `wavelet_packets`.
    """

    def __init__(self, values: NDArray[Any], labels: NDArray[np.int64], c: float, criterion: str) -> None:
        self.count = values.shape[1] // 2
        depth = (self.count + 2).bit_length() - 2
        if depth < 1 or values.shape[1] != 2 * (2 ** (depth + 1) - 2):
            raise ModelError(
                f"model=huang_y2015 takes a tree of wavelet packets, and the recipe gives {values.shape[1]} values: give "
                "recipe=wavelet_packets or another model"
            )
        self.bands = pruned(fisher(values, labels).reshape(2, -1).sum(axis=0), criterion)
        self.machine = _machine.Machine(self._kept(values), labels, c, kernel="rbf")
        self.labels = self.machine.labels

    def votes(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """As of `_machine.Machine`."""
        return self.machine.votes(self._kept(values))

    def _kept(self, values: NDArray[Any]) -> NDArray[Any]:
        return _machine.cut_off(np.concatenate([values[:, self.bands], values[:, self.count + self.bands]], axis=1))


def fisher(values: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Fisher's ratio of each value: variance of the means of the classes over the mean of the variances in the classes.

    Fisher 1936 (doi 10.1111/j.1469-1809.1936.tb02137.x), each class of the same weight.

    Args:
        values: (n, values).
        labels: Class of each, int64 (n,).

    Returns:
        float64 (values,); 0 of a value that is constant.
    """
    parts = [values[labels == label].astype(np.float64) for label in np.unique(labels)]
    between = np.var([part.mean(axis=0) for part in parts], axis=0)
    within = np.mean([part.var(axis=0) for part in parts], axis=0)
    ratios: NDArray[np.float64] = between / np.maximum(within, LEAST_VARIANCE)
    return ratios


def pruned(ratios: NDArray[np.float64], criterion: str) -> NDArray[np.int64]:
    """The bands that are left of a tree; together they cover the spectrum once.

    From the leaves up, as a best basis is found (Coifman & Wickerhauser 1992, doi 10.1109/18.119732): the bands that are left
    of the two halves of a band stay where their ratio, by `criterion`, is larger than its own; else it takes their place.

    Args:
        ratios: Of each band, level by level from 2 bands on, from low to high in each.
        criterion: As of `Config`.

    Returns:
        Numbers of the bands that are left, int64, ascending.
    """
    of_halves = np.sum if criterion == "sum" else np.mean

    def left(level: int, at: int) -> list[int]:
        band = 2**level - 2 + at
        if band + 2**level >= len(ratios):
            return [band]
        halves = left(level + 1, 2 * at) + left(level + 1, 2 * at + 1)
        return halves if of_halves(ratios[halves]) > ratios[band] else [band]

    return np.sort(left(1, 0) + left(1, 1))


def build(config: Config, classes: int, seed: int) -> Model:  # noqa: ARG001 - nothing is drawn
    """The machine; arguments as of `Model`."""
    return Model(config, classes)
