"""Metrics of one set of predictions: arrays in, numbers out.

They are those of scikit-learn, with which the tests compare them; to import it would take most of the time of a report.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class ClassMetrics:
    """Of one class, each in [0, 1]; recall and F1 are None where the class has no utterance, precision where none is predicted.

    The paper's Table 5 has a column of accuracies by class and does not define it: its values lie within a point of the
    recalls, where one against the rest would give about 98 % for a recall of 92 % among seven equal classes.

    Attributes:
        accuracy: One against the rest, (TP + TN) / n over all n utterances, those of other classes that are rightly given
            another label included; high for every rare class, even one that is never found.
        precision: Share of the predictions of this class that are right.
        recall: Share of its utterances that are found.
        f1: Harmonic mean of both.
        support: Number of its utterances.
    """

    accuracy: float
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True)
class Metrics:
    """Of one set of predictions.

    Attributes:
        uar: Unweighted average recall: the mean of the recalls of the classes that occur.
        accuracy: Share of utterances classified rightly (weighted accuracy, WA).
        macro_f1: Mean of the F1 of the classes that occur.
        utterances: How many there are.
        per_class: Of each class by name.
        confusion: Utterances of each true class (rows) by predicted class (columns).
    """

    uar: float
    accuracy: float
    macro_f1: float
    utterances: int
    per_class: dict[str, ClassMetrics]
    confusion: list[list[int]]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure(true: ArrayLike, predicted: ArrayLike, classes: list[str]) -> Metrics:
    """All metrics of a set of predictions.

    Args:
        true: Class indices (n,), n at least 1.
        predicted: Class indices (n,).
        classes: Names of the classes, by index.

    Raises:
        ValueError: An index is that of no class.
    """
    true, predicted = np.asarray(true), np.asarray(predicted)
    shape = len(classes), len(classes)
    confusion = np.bincount(np.ravel_multi_index((true, predicted), shape), minlength=len(classes) ** 2).reshape(shape)
    support, guesses, right = confusion.sum(axis=1), confusion.sum(axis=0), np.diagonal(confusion)
    # Nothing is divided by zero: what is undefined is 0 here, and None below.
    recall, precision = right / np.maximum(support, 1), right / np.maximum(guesses, 1)
    f1 = 2 * right / np.maximum(support + guesses, 1)
    wrong = support + guesses - 2 * right
    occurs, guessed = support > 0, guesses > 0
    return Metrics(
        uar=float(recall[occurs].mean()),
        accuracy=float(np.mean(true == predicted)),
        macro_f1=float(f1[occurs].mean()),
        utterances=len(true),
        per_class={
            name: ClassMetrics(
                accuracy=float(1 - wrong[i] / len(true)),
                precision=float(precision[i]) if guessed[i] else None,
                recall=float(recall[i]) if occurs[i] else None,
                f1=float(f1[i]) if occurs[i] else None,
                support=int(support[i]),
            )
            for i, name in enumerate(classes)
        },
        confusion=confusion.tolist(),
    )


@dataclass(frozen=True)
class Guessing:
    """What needs no recording: the metrics of predictions that are the same for every utterance.

    Attributes:
        uar: 1 / K, K the number of classes that occur: of any constant prediction among them, and of a random one (chance).
        majority: Name of the most frequent class, the first of several.
        accuracy: Of always predicting that one: its share.
    """

    uar: float
    majority: str
    accuracy: float


def guessing(found: Metrics) -> Guessing:
    """What guessing would reach on the same utterances.

    Args:
        found: Metrics of predictions on them.
    """
    supports = {name: record.support for name, record in found.per_class.items()}
    majority = max(supports, key=lambda name: supports[name])
    occurring = sum(support > 0 for support in supports.values())
    return Guessing(uar=1 / occurring, majority=majority, accuracy=supports[majority] / found.utterances)
