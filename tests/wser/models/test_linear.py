"""The weights of a linear machine vote as the machine does."""

import numpy as np
import pytest

from wser.models import _linear, _machine


@pytest.mark.parametrize("classes", [1, 2, 3, 7])
def test_its_votes_are_those_of_the_machine(classes):
    rng = np.random.default_rng(classes)
    labels = np.arange(60) % classes + 2
    values = rng.standard_normal((60, 40)) + 0.5 * labels[:, None] * rng.standard_normal(40)
    others = rng.standard_normal((30, 40)) + 0.5 * rng.integers(2, 2 + classes, 30)[:, None]
    machine = _machine.Machine(values @ values.T / 40, labels, 0.3, kernel="precomputed")
    expected = machine.votes(others @ values.T / 40)
    linear = _linear.of(machine, values)
    np.testing.assert_array_equal(linear.labels, np.arange(classes) + 2)
    np.testing.assert_allclose(linear.votes(others), expected, atol=1e-9)
    assert classes == 1 or np.ptp(expected) > 0
