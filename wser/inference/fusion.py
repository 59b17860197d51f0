"""Several runs that predict together: the mean of their probabilities, as `wser.fuse` gives it for a test set."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from wser.inference.predict import Predicted, Predictor, Recording, Unusable


class Fusion:
    """The runs of a fusion, ready to predict.

    Args:
        predictors: Of the runs, which have the same split and classes.
    """

    def __init__(self, predictors: Sequence[Predictor]) -> None:
        self.predictors = predictors
        first = predictors[0].run.classes
        # Runs may have their classes in other orders.
        self.orders = [[predictor.run.classes.index(name) for name in first] for predictor in predictors]

    def __call__(self, recordings: Iterable[Recording]) -> Iterator[Predicted | Unusable]:
        """Predict recordings, in their order; one that any of the runs cannot use is not predicted."""
        recordings = list(recordings)
        for row in zip(*(predictor(recordings) for predictor in self.predictors), strict=True):
            predicted = [result for result in row if isinstance(result, Predicted)]
            if len(predicted) < len(row):
                yield next(result for result in row if isinstance(result, Unusable))
                continue
            means = np.mean([result.probabilities[order] for result, order in zip(predicted, self.orders, strict=True)], axis=0)
            notes = tuple(dict.fromkeys(note for result in predicted for note in result.notes))
            yield Predicted(predicted[0].name, means, predicted[0].folds, predicted[0].training, notes)
