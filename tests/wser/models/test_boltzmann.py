"""Restricted Boltzmann machines: they learn what goes together, from standardised values and from probabilities."""

import numpy as np
import pytest

from wser.models import _boltzmann


def patterns(gaussian, n=400):
    """Rows of 12 values in two halves, each of which is on or off as a whole, with noise; and which halves are on."""
    rng = np.random.default_rng(0)
    halves = rng.integers(0, 2, (n, 2))
    values = np.repeat(halves, 6, axis=1).astype(np.float32)
    if gaussian:
        return (2 * values - 1 + 0.3 * rng.standard_normal(values.shape)).astype(np.float32), halves
    return np.abs(values - 0.05), halves


@pytest.mark.parametrize(("gaussian", "epochs"), [(True, 200), (False, 60)])
def test_hidden_units_tell_patterns_apart(gaussian, epochs):
    values, halves = patterns(gaussian)
    layer = _boltzmann.fitted(values, 8, epochs, gaussian, np.random.default_rng(1))
    hidden = layer.hidden(values)
    assert (hidden.shape, hidden.dtype) == ((400, 8), np.float32)
    means = np.stack([hidden[np.all(halves == which, axis=1)].mean(axis=0) for which in ([0, 0], [0, 1], [1, 0], [1, 1])])
    apart = np.linalg.norm(means[:, None] - means, axis=2)[np.triu_indices(4, 1)]
    assert apart.min() > 0.3


def test_the_same_draws_give_the_same_machine_and_values_are_left_alone():
    values, _ = patterns(True)
    before = values.copy()
    one, other = (_boltzmann.fitted(values, 4, 2, True, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one.weights, other.weights)
    np.testing.assert_array_equal(values, before)


def test_units_that_are_always_on_or_off_stay_finite():
    values = np.tile(np.float32([0, 1]), (50, 3))
    layer = _boltzmann.fitted(values, 4, 3, False, np.random.default_rng(0))
    assert np.isfinite(layer.hidden(values)).all()
