"""Support vector machines behind probabilities, and the choice of their strength on training speakers.

Values are those of standardised vectors and are cut off at 6 deviations.  One machine for each pair of classes votes, and each
utterance is weighted by the inverse of its class's share of the training set.  Probabilities are the softmax of the votes,
which rank as these do and are not calibrated.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

STRENGTHS = (0.1, 1.0, 10.0, 100.0)
"""Values of `c` among which is chosen, unless a model has others; the strongest regularisation first."""

INNER_FOLDS = 4
"""Groups of training speakers, each held out in turn to choose by."""

UNCHOSEN = 1.0
"""`c` where training has a single speaker, and nobody to choose by."""

MOST_DEVIATIONS = 6.0
"""Beyond which a value is cut off: a few values of a few utterances are a thousand deviations away."""


class Votes(Protocol):
    """What gives votes, fitted to a training set.

    Attributes:
        labels: Classes that it knows, ascending.
    """

    labels: NDArray[np.int64]

    def votes(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Votes for each of the classes that it knows, (n, labels), by values (n, ...)."""


class Machine:
    """A machine fitted to vectors, or to their products with each other (kernel="precomputed").

    Args:
        values: Of the training set, (n, values), standardised; or products, (n, n).
        classes: Of each, int64 (n,).
        c: Inverse of the strength of regularisation.
        balanced: Whether classes are weighted alike, and not by their share of the training set.
        kernel: Settings of scikit-learn's `SVC`, such as the kernel's name.

    Attributes:
        labels: Classes that it knows, ascending.
    """

    def __init__(
        self, values: NDArray[Any], classes: NDArray[np.int64], c: float, *, balanced: bool = True, **kernel: Any
    ) -> None:
        from sklearn.svm import SVC

        self.labels: NDArray[np.int64] = np.unique(classes)
        self.machine = None
        if len(self.labels) > 1:
            weights = "balanced" if balanced else None
            self.machine = SVC(C=c, class_weight=weights, decision_function_shape="ovr", **kernel)
            self.machine.fit(values, classes)

    def votes(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Pairs of classes that each class wins, with part of one by the distances, (n, labels)."""
        if self.machine is None:
            return np.zeros((len(values), 1))
        return of_each_class(self.machine.decision_function(values))


def of_each_class(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """What scikit-learn's `decision_function` gives, (n, labels); of two classes it gives one number, (n,)."""
    return scores if scores.ndim == 2 else np.stack([-scores, scores], axis=1)


def probabilities(machine: Votes, values: NDArray[Any], classes: int) -> NDArray[np.float64]:
    """Softmax of the votes, float64 (n, classes); 0 for a class that was not in the training set."""
    return softmax(machine.votes(values), machine.labels, classes)


def softmax(scores: NDArray[np.float64], labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Softmax of scores, float64 (n, classes); 0 for a class that was not in the training set.

    Args:
        scores: Of the classes that were, (n, labels).
        labels: These, ascending.
        classes: Number of all.
    """
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    result = np.zeros((len(scores), classes))
    result[:, labels] = powers / powers.sum(axis=1, keepdims=True)
    return result


def choose(
    fit: Callable[[NDArray[Any], NDArray[np.int64], float], Votes],
    values: NDArray[Any],
    labels: NDArray[np.int64],
    speakers: Sequence[str],
    chosen: dict[str, float],
    strengths: Sequence[float] = STRENGTHS,
    unchosen: float = UNCHOSEN,
) -> float:
    """The value of `c` of the highest UAR on training speakers who are held out in turn; of equals the smallest.

    Args:
        fit: Makes what votes of values, their classes, and `c`.
        values: Of the training set, (n, ...).
        labels: Of each, int64 (n,).
        speakers: Of each.
        chosen: Is given what is chosen, under `c`.
        strengths: Values among which is chosen, the strongest regularisation first.
        unchosen: The value where there is a single speaker, and nobody to choose by.
    """
    from sklearn.metrics import recall_score
    from sklearn.model_selection import GroupKFold

    groups = len(set(speakers))
    if groups < 2:
        return unchosen
    parts = list(GroupKFold(min(INNER_FOLDS, groups)).split(values, labels, speakers))
    scores = []
    for c in strengths:
        predicted = np.empty_like(labels)
        for rest, out in parts:
            machine = fit(values[rest], labels[rest], c)
            predicted[out] = machine.labels[machine.votes(values[out]).argmax(axis=1)]
        scores.append(recall_score(labels, predicted, labels=np.unique(labels), average="macro", zero_division=0))
    chosen["c"] = strengths[int(np.argmax(scores))]
    return chosen["c"]


def cut_off(values: Any) -> NDArray[np.float64]:
    """Standardised values, none further than `MOST_DEVIATIONS` from 0."""
    return np.clip(np.asarray(values, np.float64), -MOST_DEVIATIONS, MOST_DEVIATIONS)
