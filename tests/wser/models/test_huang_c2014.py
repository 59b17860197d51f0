"""The deep belief network: pieces of frames, sizes of its layers, and learning without labels."""

import numpy as np

from wser import models
from wser.config.compose import load
from wser.models.huang_c2014 import FRAMES, pieces

CLASSES = 3
SMALL = ("model.layers=2", "model.units=16")


def fitted(levels, labels, seed=0):
    (config,) = load(["model=huang_c2014", *SMALL])
    return models.build_fitted(config.model, CLASSES, seed).fit(levels, labels, [str(i % 5) for i in range(len(labels))])


def corpus(seed=0, n=60):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % CLASSES
    return [rng.standard_normal((4, 30 + i % 7)).astype(np.float32) + label for i, label in enumerate(labels)], labels


def test_pieces_are_consecutive_frames_with_their_differences():
    ramp = np.stack([np.arange(25), np.arange(0, 50, 2)]).astype(np.float32)
    rows = pieces(ramp)
    assert rows.shape == (3, FRAMES * 4)
    assert rows[1].reshape(FRAMES, 4)[3].tolist() == [13, 26, 1, 2]
    assert rows[2].reshape(FRAMES, 4)[5:, 0].tolist() == [24] * 5, "the last frame is repeated"
    assert pieces(ramp[:, :1]).shape == (1, FRAMES * 4)


def test_its_layers_are_those_of_the_drawing():
    (config,) = load(["corpus=emodb", "model=huang_c2014"])
    assert (config.model.layers, config.model.units) == (5, 512)
    assert (config.recipe, config.data.standardise) == ("mfcc", "training")
    model = fitted(*corpus())
    assert [layer.weights.shape for layer in model.network] == [(FRAMES * 8, 16), (16, 16)]


def test_it_learns():
    model = fitted(*corpus())
    levels, labels = corpus(1)
    assert np.mean(model.predict_proba(levels).argmax(axis=1) == labels) > 0.8


def test_the_network_sees_no_labels():
    levels, labels = corpus()
    one, other = fitted(levels, labels), fitted(levels, labels[::-1].copy())
    np.testing.assert_array_equal(one.network[-1].weights, other.network[-1].weights)
    assert not np.array_equal(one.network[0].weights, fitted(levels, labels, seed=7).network[0].weights)
