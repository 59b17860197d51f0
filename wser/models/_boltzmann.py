"""Restricted Boltzmann machines, of which a deep belief network is made (Hinton et al. 2006, doi 10.1162/neco.2006.18.7.1527).

Visible units are Gaussian of variance 1 where values are standardised, and binary where they are probabilities; hidden units
are binary.  Learning is one step of contrastive divergence with momentum, by the rates and the first weights of Hinton 2012
(doi 10.1007/978-3-642-35289-8_32).  scikit-learn's machine has binary visible units alone, and biases that begin at 0: of
frames that are mapped to 0 to 1 its hidden units learn little but to be off.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

FIRST_DEVIATION = 0.01
"""Of the weights, before learning."""

RATE, GAUSSIAN_RATE = 0.05, 0.001
"""Learning rates, of machines with binary and with Gaussian visible units."""

MOMENTUM, FIRST_MOMENTUM = 0.9, 0.5
"""Of steps; the latter in the first pass."""

DECAY = 2e-4
"""Of the weights, in each step, times the rate."""

BATCH = 100
"""Rows in a step."""

LEAST_SHARE = 1e-3
"""Keeps the log-odds of a unit that is always off or on finite."""


@dataclass(frozen=True)
class Layer:
    """A machine that is fitted.

    Attributes:
        weights: float32 (visible, hidden).
        biases: Of the hidden units, float32 (hidden,).
    """

    weights: Array
    biases: Array

    def hidden(self, values: Array) -> Array:
        """Probabilities of the hidden units, float32 (n, hidden), by values (n, visible)."""
        return _logistic(values @ self.weights + self.biases)


def fitted(values: Array, units: int, epochs: int, gaussian: bool, rng: np.random.Generator) -> Layer:
    """A machine fitted to rows of values.

    Args:
        values: Standardised, or probabilities, float32 (n, visible).
        units: Number of hidden units.
        epochs: Passes over the rows.
        gaussian: Whether the visible units are Gaussian, else binary.
        rng: Draws the weights, the order of rows and the states of hidden units.
    """
    rate = GAUSSIAN_RATE if gaussian else RATE
    weights = FIRST_DEVIATION * rng.standard_normal((values.shape[1], units), dtype=np.float32)
    mean = values.mean(axis=0)
    visible = mean.copy() if gaussian else np.log((mean + LEAST_SHARE) / (1 - mean + LEAST_SHARE))
    biases = np.zeros(units, np.float32)
    parameters = (weights, visible, biases)
    steps = [np.zeros_like(parameter) for parameter in parameters]
    for epoch in range(epochs):
        momentum = MOMENTUM if epoch else FIRST_MOMENTUM
        order = rng.permutation(len(values))
        for at in range(0, len(order), BATCH):
            v = values[order[at : at + BATCH]]
            h = _logistic(v @ weights + biases)
            drawn = (rng.random(h.shape, dtype=np.float32) < h).astype(np.float32)
            again = drawn @ weights.T + visible
            if not gaussian:
                again = _logistic(again)
            h_again = _logistic(again @ weights + biases)
            uphill = (
                (v.T @ h - again.T @ h_again) / len(v) - DECAY * weights,
                (v - again).mean(axis=0),
                (h - h_again).mean(axis=0),
            )
            for parameter, step, towards in zip(parameters, steps, uphill, strict=True):
                step *= momentum
                step += rate * towards
                parameter += step
    return Layer(weights, biases)


def _logistic(x: Any) -> Array:
    from scipy.special import expit

    probabilities: Array = expit(x)
    return probabilities
