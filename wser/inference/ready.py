"""One fold of a run, ready to predict: its model, and the standardisation that it had in training."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wser.inference.trained import Trained, TrainedFold
from wser.training import fitted
from wser.training.statistics import Statistics

if TYPE_CHECKING:
    from precompute.library import Extracted
    from wser.inference.network import NetworkFold


class FittedFold:
    """A model that was fitted at once.

    Args:
        run: What it has learned.
        fold: One of its folds.
        speaker: Statistics of the one speaker of all recordings, for a run of `data.standardise=speaker`.
    """

    def __init__(self, run: Trained, fold: TrainedFold, speaker: Statistics | None) -> None:
        self.run, self.model, self.statistics = run, fold.fitted, speaker or fold.statistics

    def __call__(self, items: "Sequence[Extracted]") -> NDArray[np.float64]:
        """Probabilities of each class, float64 (n, classes), by what a cache would hold of each recording."""
        item, how = self.run.item, self.run.config.data.standardise
        parts = [extracted.values[item.part(extracted.start, extracted.stop)] for extracted in items]
        return np.asarray(
            self.model.predict_proba([fitted.standardised(part, how, item, self.statistics) for part in parts]), np.float64
        )


def ready(run: Trained, fold: TrainedFold, speaker: Statistics | None) -> "NetworkFold | FittedFold":
    """A fold of a run; arguments as of `FittedFold`."""
    if not run.config.model.is_network:
        return FittedFold(run, fold, speaker)
    # What is fitted at once needs no PyTorch.
    from wser.inference.network import NetworkFold

    return NetworkFold(run, fold, speaker)
