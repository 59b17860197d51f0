"""A linear machine as the weights of its pairs of classes: all that predictions of new utterances need."""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wser.models import _machine


class Linear:
    """Weighted sums of values, one for each pair of classes; the pairs vote, as in scikit-learn's `SVC`.

    Attributes:
        labels: Classes that it knows, int64, ascending.
        weights: Of each value for each pair of these classes, float64 (values, pairs).
        intercepts: Of each pair, float64 (pairs,).
    """

    def __init__(self, labels: NDArray[np.int64], weights: NDArray[np.float64], intercepts: NDArray[np.float64]) -> None:
        self.labels, self.weights, self.intercepts = labels, weights, intercepts

    def votes(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Pairs of classes that each class wins, with part of one by the distances, (n, labels), by values (n, values)."""
        count = len(self.labels)
        if count == 1:
            return np.zeros((len(values), 1))
        scores = values @ self.weights + self.intercepts
        if count == 2:
            return _machine.of_each_class(scores[:, 0])
        won, distances = np.zeros((len(values), count)), np.zeros((len(values), count))
        for score, (first, second) in zip(scores.T, itertools.combinations(range(count), 2), strict=True):
            won[:, first] += score >= 0
            won[:, second] += score < 0
            distances[:, first] += score
            distances[:, second] -= score
        # Less than a third of a pair, so that distances decide among equals alone.
        votes: NDArray[np.float64] = won + distances / (3 * (np.abs(distances) + 1))
        return votes


def of(machine: _machine.Machine, values: NDArray[np.float64]) -> Linear:
    """The weights of a machine that was fitted to the means of products of a training set's values.

    Args:
        machine: Of kernel="precomputed".
        values: Of the training set, (n, values).
    """
    if machine.machine is None:
        return Linear(machine.labels, np.zeros((values.shape[1], 0)), np.zeros(0))
    pairs = machine.machine.set_params(decision_function_shape="ovo").decision_function
    # Its output is a weighted sum of the products with each utterance: one at a time shows the weight.
    intercepts = np.atleast_1d(pairs(np.zeros((1, len(values))))[0])
    of_utterances = pairs(np.eye(len(values))).reshape(len(values), -1) - intercepts
    return Linear(machine.labels, values.T @ of_utterances / values.shape[1], intercepts)
