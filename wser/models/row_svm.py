"""A linear support vector machine on the mean and the standard deviation of each picture row: what a picture says without time.

A baseline of the kind that every study of emotion in speech gives (Schuller et al. 2009, Interspeech, the emotion challenge).
Features are standardised by the training set.  Probabilities are the softmax of the distances to the planes, which rank as
the distances do and are not calibrated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from precompute.common.settings import setting
from wser.config.schema import FittedModelConfig
from wser.models import _machine


@dataclass
class Config(FittedModelConfig):
    """The parameters of the machine.

    Attributes:
        c: Inverse of the strength of regularisation.
        balanced: Weight each utterance by the inverse of its class's share of the training set.
    """

    takes: ClassVar[tuple[str, ...]] = ("picture", "levels")

    c: float = setting(0.01, low=1e-6, high=1e6)
    balanced: bool = True


class Model:
    """The machine.

    Args:
        config: Its parameters.
        classes: Number of classes.
        seed: Of the solver's order of utterances.
    """

    def __init__(self, config: Config, classes: int, seed: int) -> None:
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import LinearSVC

        weights = "balanced" if config.balanced else None
        self.classes = classes
        self.machine = make_pipeline(
            StandardScaler(), LinearSVC(C=config.c, class_weight=weights, random_state=seed, dual="auto", max_iter=10_000)
        )

    def fit(self, pictures: Sequence[NDArray[Any]], labels: NDArray[np.int64]) -> "Model":
        """Fit the planes to pictures (height, columns, 3) or levels (rows, columns), and their classes, int64 (n,)."""
        self.machine.fit(features(pictures), labels)
        return self

    def predict_proba(self, pictures: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        """Softmax of the distances, float64 (n, classes); 0 for a class that was not in the training set."""
        distances = _machine.of_each_class(self.machine.decision_function(features(pictures)))
        return _machine.softmax(distances, self.machine.classes_, self.classes)


def features(pictures: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """Mean and standard deviation over the columns of each row and colour, float64 (n, 2 * rows * colours)."""
    means = [[p.mean(axis=1, dtype=np.float64).ravel(), p.std(axis=1, dtype=np.float64).ravel()] for p in pictures]
    return np.stack([np.concatenate(one) for one in means])


def build(config: Config, classes: int, seed: int) -> Model:
    """The machine; arguments as of `Model`."""
    return Model(config, classes, seed)
