"""Filters without labels and a linear SVM: what it learns from, and what its features are."""

import numpy as np
import pytest

from wser import models
from wser.config.schema import choice
from wser.models import huang_z2014
from wser.testing.models import labels

pytestmark = pytest.mark.slow

TRUTH = np.tile(labels(), 4)


def spectrograms(seed, columns=30):
    """Noise of bands that move together, slower for some classes, float16 (128, columns), and classes."""
    rng = np.random.default_rng(seed)
    drawn = [np.repeat(rng.standard_normal((32, columns)), 1 + 2 * label, axis=1)[:, :columns] for label in TRUTH]
    return [(np.repeat(one, 4, axis=0) + 0.1 * rng.standard_normal((128, columns))).astype(np.float16) for one in drawn], TRUTH


def fitted(utterances, truth, seed=0, **settings):
    return models.build_fitted(choice("model", "huang_z2014")(name="huang_z2014", **settings), 3, seed).fit(utterances, truth)


@pytest.fixture(scope="module")
def model():
    """Fitted to the spectrograms of seed 0; no test changes it."""
    return fitted(*spectrograms(0))


def test_it_learns_what_changes_over_time(model):
    test, truth = spectrograms(1)
    assert np.mean(model.predict_proba(test).argmax(1) == truth) > 0.9


def test_filters_are_learned_without_labels(model):
    utterances, truth = spectrograms(0)
    other = fitted(utterances, truth[::-1])
    np.testing.assert_array_equal(model.centroids.cluster_centers_, other.centroids.cluster_centers_)


def test_features_are_as_the_drawing_says_and_means_over_time():
    utterances, truth = spectrograms(0, columns=60)
    model = fitted(utterances, truth)
    assert model.machine.n_features_in_ == huang_z2014.FILTERS * 11
    # Of a period of four columns, those that are whole periods longer have the same means.
    wave = np.tile(utterances[0][:, :4], 20)
    twice = model.predict_proba([wave[:, : 4 * 10 + 5], wave[:, : 4 * 15 + 5]])
    np.testing.assert_allclose(twice[0], twice[1], atol=1e-5)


@pytest.mark.parametrize("columns", [1, 5, 6])
def test_utterances_shorter_than_a_patch_are_scored(model, columns):
    assert np.isfinite(model.predict_proba([np.ones((128, columns), np.float16)])).all()
