"""The quadratic SVM of Shegokar & Sircar 2016 on statistics of wavelet coefficients (doi 10.1109/ICSPCS.2016.7843306).

    statistics of 32 scales and of prosody (`cwt_statistics`), standardised          175
    kernel (g x.y + 1)^2, g = 1 / (values * variance); a machine for each pair       classes * (classes - 1) / 2
    softmax of the votes                                                            classes

The work joins the continuous wavelet transform and prosody, and found a quadratic SVM best.  Our reading: which statistics
(`precompute.features.cwt_statistics`), that classes are balanced as they are in `svm`, and that the strength of
regularisation, which is not published, is the one of the highest UAR on speakers held out of training.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from precompute.common.settings import setting
from wser.config.schema import FittedModelConfig
from wser.models import _machine

DEGREE = 2


@dataclass
class Config(FittedModelConfig):
    """The parameters of the machine.

    Attributes:
        c: Inverse of the strength of regularisation; 0 chooses among 0.1, 1, 10 and 100 by a cross-validation over the training
            speakers.
    """

    takes: ClassVar[tuple[str, ...]] = ("vector",)
    default_recipe: ClassVar[str] = "cwt_statistics"
    default_standardise: ClassVar[str | None] = "training"
    by_speaker: ClassVar[bool] = True

    c: float = setting(0.0, low=0, high=1e6)


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
        c = self.config.c or _machine.choose(_quadratic, values, labels, speakers, self.chosen)
        self.machine = _quadratic(values, labels, c)
        return self

    def predict_proba(self, vectors: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        """Softmax of the votes, float64 (n, classes); 0 for a class that was not in the training set."""
        return _machine.probabilities(self.machine, _machine.cut_off(np.stack(vectors)), self.classes)


def _quadratic(values: NDArray[Any], labels: NDArray[np.int64], c: float) -> _machine.Machine:
    return _machine.Machine(values, labels, c, kernel="poly", degree=DEGREE, coef0=1.0)


def build(config: Config, classes: int, seed: int) -> Model:  # noqa: ARG001 - nothing is drawn
    """The machine; arguments as of `Model`."""
    return Model(config, classes)
