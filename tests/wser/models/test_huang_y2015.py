"""Wavelet packets of a pruned tree: which bands stay, by training alone, and a refusal of what is no tree."""

import numpy as np
import pytest

from wser import models
from wser.config.compose import load
from wser.models.huang_y2015 import fisher, pruned

CLASSES = 3


def fitted(vectors, labels, *settings):
    (config,) = load(["model=huang_y2015", *settings])
    names = [str(i % 5) for i in range(len(labels))]
    return models.build_fitted(config.model, CLASSES, 0).fit(vectors, labels, names)


def corpus(telling, n=150, bands=14, seed=0):
    """Means and deviations of the bands of a tree of three levels, of which some tell the classes apart."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % CLASSES
    values = rng.standard_normal((n, 2 * bands))
    values[:, telling] += 3 * labels[:, None]
    return list(values.astype(np.float32)), labels


@pytest.mark.parametrize(
    ("largest", "by_sum", "by_mean"),
    [
        ({}, [0, 1], [0, 1]),
        ({2: 1.0}, [1, 2, 3], [1, 2, 3]),
        ({2: 1.0, 0: 0.7}, [1, 2, 3], [0, 1]),
        ({10: 1.0, 11: 1.0, 5: 0.5}, [0, 5, 10, 11], [0, 5, 10, 11]),
    ],
)
def test_halves_of_a_band_stay_where_they_tell_more_than_it_does(largest, by_sum, by_mean):
    ratios = np.zeros(14)
    for band, ratio in largest.items():
        ratios[band] = ratio
    assert pruned(ratios, "sum").tolist() == by_sum
    assert pruned(ratios, "mean").tolist() == by_mean


@pytest.mark.parametrize("criterion", ["sum", "mean"])
def test_bands_that_are_left_cover_the_spectrum_once(criterion):
    for seed in range(20):
        left = pruned(np.random.default_rng(seed).random(62), criterion)
        levels = np.floor(np.log2(left + 2))
        assert np.sum(2.0**-levels) == 1


def test_ratios_are_those_of_means_and_variances_and_no_scale_matters():
    values = np.array([[0.0, 5.0], [2.0, 5.0], [10.0, 5.0], [12.0, 5.0]])
    labels = np.array([0, 0, 1, 1])
    np.testing.assert_allclose(fisher(values, labels), [25, 0])
    np.testing.assert_allclose(fisher(values * 7 - 3, labels), [25, 0], atol=1e-9)


def test_it_learns_by_the_bands_that_tell_classes_apart():
    model = fitted(*corpus([2]))
    assert model.chosen["bands"] == len(model.machine.bands)
    assert 2 in model.machine.bands
    vectors, labels = corpus([2], seed=1)
    assert np.mean(model.predict_proba(vectors).argmax(axis=1) == labels) > 0.8


def test_what_is_no_tree_is_refused(messages):
    with messages.raises(models.ModelError):
        fitted([np.zeros(88, np.float32)] * 6, np.arange(6) % CLASSES, "model.c=1")


def test_it_names_its_recipe_and_its_standardisation():
    (config,) = load(["corpus=emodb", "model=huang_y2015"])
    assert (config.recipe, config.data.standardise) == ("wavelet_packets", "training")
