"""A linear support vector machine on vectors, such as functionals of openSMILE: the baseline that every system has to beat.

As in Schuller et al. 2009 (doi 10.1109/ASRU.2009.5372886) and the challenges of Interspeech since.  Values are standardised by
the training set (`data.standardise=training`) and cut off at 6 deviations.  One machine for each pair of classes votes.  The
strength of regularisation is the one of the highest UAR on speakers held out of training, never of the test set; all of these
machines share one matrix of products between training utterances, so that the choice takes little time.  Probabilities are the
softmax of the votes, which rank as these do and are not calibrated.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from precompute.common.settings import setting
from wser.config.schema import FittedModelConfig

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)
"""Values of `c` among which is chosen, the strongest regularisation first."""

INNER_FOLDS = 4
"""Groups of training speakers, each held out in turn to choose by."""

UNCHOSEN = 0.1
"""`c` where training has a single speaker, and nobody to choose by."""

MOST_DEVIATIONS = 6.0
"""Beyond which a value is cut off: a few functionals of a few utterances are a thousand deviations away."""


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
        self.given = _cut_off(vectors)
        products = _products(self.given, self.given)
        c = self.config.c or self._choice(products, labels, np.unique(speakers, return_inverse=True)[1])
        self.machine = _Machine(products, labels, c, self.config.balanced)
        return self

    def predict_proba(self, vectors: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        """Softmax of the votes, float64 (n, classes); 0 for a class that was not in the training set."""
        votes = self.machine.votes(_products(_cut_off(vectors), self.given))
        powers = np.exp(votes - votes.max(axis=1, keepdims=True))
        result = np.zeros((len(vectors), self.classes))
        result[:, self.machine.labels] = powers / powers.sum(axis=1, keepdims=True)
        return result

    def _choice(self, products: NDArray[np.float64], labels: NDArray[np.int64], speakers: NDArray[np.int64]) -> float:
        """The value of `c` by which training speakers who are held out are recognised best; of equals the smallest."""
        from sklearn.metrics import recall_score
        from sklearn.model_selection import GroupKFold

        groups = len(np.unique(speakers))
        if groups < 2:
            return UNCHOSEN
        parts = list(GroupKFold(min(INNER_FOLDS, groups)).split(products, labels, speakers))
        scores = []
        for c in STRENGTHS:
            predicted = np.empty_like(labels)
            for rest, out in parts:
                machine = _Machine(products[np.ix_(rest, rest)], labels[rest], c, self.config.balanced)
                predicted[out] = machine.labels[machine.votes(products[np.ix_(out, rest)]).argmax(axis=1)]
            scores.append(recall_score(labels, predicted, labels=np.unique(labels), average="macro", zero_division=0))
        best = STRENGTHS[int(np.argmax(scores))]
        self.chosen["c"] = best
        return best


class _Machine:
    """One value of `c`, fitted to the products (n, n) of training utterances.

    Attributes:
        labels: Classes that it knows, ascending.
    """

    def __init__(self, products: NDArray[np.float64], labels: NDArray[np.int64], c: float, balanced: bool) -> None:
        from sklearn.svm import SVC

        self.labels: NDArray[np.int64] = np.unique(labels)
        self.machine = None
        if len(self.labels) > 1:
            weights = "balanced" if balanced else None
            self.machine = SVC(C=c, kernel="precomputed", class_weight=weights, decision_function_shape="ovr")
            self.machine.fit(products, labels)

    def votes(self, products: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pairs of classes that each class wins, with part of one by the distances, (n, labels), by products (n, training)."""
        if self.machine is None:
            return np.zeros((len(products), 1))
        votes: NDArray[np.float64] = self.machine.decision_function(products)
        return votes if votes.ndim == 2 else np.stack([-votes, votes], axis=1)


def _cut_off(vectors: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    return np.clip(np.stack(vectors).astype(np.float64), -MOST_DEVIATIONS, MOST_DEVIATIONS)


def _products(some: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the values of the products of each with each, so that `c` means the same for 88 values and for 6373."""
    products: NDArray[np.float64] = some @ others.T / some.shape[1]
    return products


def build(config: Config, classes: int, seed: int) -> Model:  # noqa: ARG001 - nothing is drawn
    """The machine; arguments as of `Model`."""
    return Model(config, classes)
