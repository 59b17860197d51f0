"""A linear support vector machine on vectors, such as functionals of openSMILE: the baseline that every system has to beat.

As in Schuller et al. 2009 (doi 10.1109/ASRU.2009.5372886) and the challenges of Interspeech since.  Values are standardised by
the training set (`data.standardise=training`) and cut off at 6 deviations.  One machine for each pair of classes votes.  The
strength of regularisation is the one of the highest UAR on speakers held out of training, never of the test set; all of these
machines share one matrix of products between training utterances, so that the choice takes little time.  Probabilities are the
softmax of the votes, which rank as these do and are not calibrated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from precompute.common.settings import setting
from wser.config.schema import FittedModelConfig
from wser.models import _linear, _machine

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)
"""Values of `c` among which is chosen, the strongest regularisation first."""

UNCHOSEN = 0.1
"""`c` where training has a single speaker, and nobody to choose by."""


@dataclass
class Config(FittedModelConfig):
    """The parameters of the machine.

    Attributes:
        c: Inverse of the strength of regularisation, for products that are means over the values; 0 chooses among 0.001, 0.01,
            0.1, 1 and 10 by a cross-validation over the training speakers.
        balanced: Weight each utterance by the inverse of its class's share of the training set.
    """

    takes: ClassVar[tuple[str, ...]] = ("vector",)
    default_recipe: ClassVar[str] = "compare"
    default_standardise: ClassVar[str | None] = "training"
    by_speaker: ClassVar[bool] = True

    c: float = setting(0.0, low=0, high=1e6)
    balanced: bool = True


@dataclass
class Model:
    """The machine.

    Attributes:
        config: Its parameters.
        classes: Number of classes.
        chosen: The value of `c` that was chosen, where it was.
    """

    config: Config
    classes: int
    chosen: dict[str, float] = field(default_factory=dict)

    def fit(self, vectors: Sequence[NDArray[Any]], labels: NDArray[np.int64], speakers: Sequence[str]) -> "Model":
        """Fit it to vectors (values,), their classes, int64 (n,), and speakers."""
        values = _machine.cut_off(np.stack(vectors))
        products, places = _products(values), np.arange(len(vectors))

        def fitted(own: NDArray[Any], classes: NDArray[np.int64], c: float) -> _Known:
            return _Known(products, own, classes, c, self.config.balanced)

        c = self.config.c or _machine.choose(fitted, places, labels, speakers, self.chosen, STRENGTHS, UNCHOSEN)
        self.machine = _linear.of(fitted(places, labels, c).machine, values)
        return self

    def predict_proba(self, vectors: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        """Softmax of the votes, float64 (n, classes); 0 for a class that was not in the training set."""
        return _machine.probabilities(self.machine, _machine.cut_off(np.stack(vectors)), self.classes)

    def weights(self) -> dict[str, NDArray[Any]]:
        """All that `restore` needs to predict as it does."""
        return {"labels": self.machine.labels, "weights": self.machine.weights, "intercepts": self.machine.intercepts}

    def restore(self, weights: Mapping[str, NDArray[Any]]) -> "Model":
        """Take over the weights of a machine that was fitted earlier."""
        self.machine = _linear.Linear(weights["labels"], weights["weights"], weights["intercepts"])
        return self


class _Known:
    """A machine fitted to some of the training utterances, whose products are known.

    Args:
        products: Of each training utterance with each, (n, n).
        places: Of those that it is fitted to, int64 (m,).
        labels: Classes of these, int64 (m,).
        c: Inverse of the strength of regularisation.
        balanced: As of `Machine`.
    """

    def __init__(
        self, products: NDArray[np.float64], places: NDArray[Any], labels: NDArray[np.int64], c: float, balanced: bool
    ) -> None:
        self.products, self.places = products, places
        own = products[np.ix_(places, places)]
        self.machine = _machine.Machine(own, labels, c, balanced=balanced, kernel="precomputed")
        self.labels = self.machine.labels

    def votes(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Votes for the utterances at some places, (n, labels)."""
        return self.machine.votes(self.products[np.ix_(values, self.places)])


def _products(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the values of the products of each with each, so that `c` means the same for 88 values and for 6373."""
    products: NDArray[np.float64] = values @ values.T / values.shape[1]
    return products


def build(config: Config, classes: int, seed: int) -> Model:  # noqa: ARG001 - nothing is drawn
    """The machine; arguments as of `Model`."""
    return Model(config, classes)
