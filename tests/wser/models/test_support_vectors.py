"""Machines with a kernel: probabilities, cut-off values, small training sets, and a choice among training speakers."""

import numpy as np
import pytest

from wser.models import _machine

CLASSES = 3
LINEAR = {"kernel": "linear"}


def corpus(seed=0, speakers=6, noise=1.0):
    """Values (n, 8), classes, and names of some speakers, each of whom shows every class four times."""
    rng = np.random.default_rng(seed)
    labels = np.tile(np.repeat(np.arange(CLASSES), 4), speakers)
    centres = np.random.default_rng(99).standard_normal((CLASSES, 8))
    names = [f"s{i // (CLASSES * 4)}" for i in range(len(labels))]
    return centres[labels] + noise * rng.standard_normal((len(labels), 8)), labels, names


def fitted(values, labels, c):
    return _machine.Machine(values, labels, c, **LINEAR)


@pytest.mark.parametrize("kept", [(0, 1, 2), (0, 2), (1,)])
def test_probabilities_of_classes_that_were_not_in_training_are_zero(kept):
    values, labels, _ = corpus()
    there = np.isin(labels, kept)
    found = _machine.probabilities(fitted(values[there], labels[there], 1.0), values, CLASSES)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert sorted(set(np.flatnonzero(found.any(axis=0)))) == list(kept)
    assert np.mean(found[there].argmax(axis=1) == labels[there]) > 0.8


def test_what_lies_far_away_is_cut_off():
    far = np.array([[1e12, -1e12, 1.5]])
    assert _machine.cut_off(far).tolist() == [[_machine.MOST_DEVIATIONS, -_machine.MOST_DEVIATIONS, 1.5]]


def test_the_strength_is_chosen_among_training_speakers():
    values, labels, names = corpus(noise=3)
    held_out = []

    def fit(some, of_them, c):
        held_out.append(len(some))
        return fitted(some, of_them, c)

    chosen = {}
    assert _machine.choose(fit, values, labels, names, chosen) == chosen["c"]
    assert chosen["c"] in _machine.STRENGTHS
    assert max(held_out) < len(values)
    assert len(held_out) == _machine.INNER_FOLDS * len(_machine.STRENGTHS)


def test_nothing_is_chosen_by_a_single_speaker():
    values, labels, _ = corpus()
    chosen = {}
    assert _machine.choose(fitted, values, labels, ["a"] * len(labels), chosen) == _machine.UNCHOSEN
    assert chosen == {}
