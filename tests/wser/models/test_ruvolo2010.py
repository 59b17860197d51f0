"""Box filters and boosting: outputs against a slow sum over boxes, and stumps against a search over all of them."""

import numpy as np
import pytest

from wser import models
from wser.config.schema import choice
from wser.models import ruvolo2010
from wser.testing.models import labels

BANDS, FRAMES = 6, 50


def levels(seed, frames=FRAMES):
    return np.random.default_rng(seed).standard_normal((BANDS, frames)).astype(np.float32)


def filters(count=80):
    return ruvolo2010.draw(count, BANDS, np.random.default_rng(3))


def test_features_are_statistics_of_sums_over_boxes():
    drawn, utterance = filters(), levels(0)
    reach = max(ruvolo2010.WIDTHS)
    padded = np.pad(utterance, ((0, 0), (reach, reach)), "edge")
    for at, found in enumerate(drawn.features([utterance])[0]):
        width, (before, after) = drawn.widths[at], drawn.weights[at].reshape(2, BANDS)
        outputs = [
            before @ padded[:, reach + t - width : reach + t].mean(1) + after @ padded[:, reach + t : reach + t + width].mean(1)
            for t in range(FRAMES)
        ]
        statistic = drawn.statistics[at]
        if statistic == len(ruvolo2010.QUANTILES):
            expected = np.mean(outputs)
        else:
            expected = np.sort(outputs)[round(ruvolo2010.QUANTILES[statistic] * (FRAMES - 1))]
        assert found == pytest.approx(expected, abs=1e-5)


def test_filters_are_means_or_differences():
    sums = filters(300).weights.sum(axis=1)
    assert set(np.round(sums, 5) + 0.0) == {0.0, 1.0}
    assert {*filters(300).widths} == {*ruvolo2010.WIDTHS}


def test_a_round_takes_the_stump_of_the_least_error():
    rng = np.random.default_rng(0)
    features, truth = rng.standard_normal((40, 5)).astype(np.float32), rng.integers(2, size=40)
    boosting = ruvolo2010.Boosting(features, truth, 1, balanced=False)
    signs = np.where(truth == 1, 1.0, -1.0)
    errors = {}
    for candidate in range(5):
        for threshold in np.quantile(features[:, candidate], np.arange(1, 32) / 32).astype(np.float32):
            above = features[:, candidate] > threshold
            fit = np.where(above, signs[above].mean(), signs[~above].mean())
            errors[candidate, float(threshold)] = np.mean((signs - fit) ** 2)
    found = np.mean((signs - boosting.scores(features)[:, 1]) ** 2)
    assert found == pytest.approx(min(errors.values()))


def test_more_rounds_fit_the_training_set_better():
    rng = np.random.default_rng(1)
    features, truth = rng.standard_normal((90, 20)).astype(np.float32), rng.integers(3, size=90)
    right = [
        np.mean(ruvolo2010.Boosting(features, truth, rounds, balanced=True).scores(features).argmax(1) == truth)
        for rounds in (1, 10, 100)
    ]
    assert right[0] < right[1] < right[2] or right[2] == 1


def test_it_learns_and_knows_no_class_that_training_lacks():
    truth = np.tile(labels(), 4)
    given, other = ([levels(first + at) + label * np.eye(BANDS, 1) for at, label in enumerate(truth)] for first in (0, 99))
    config = choice("model", "ruvolo2010")(name="ruvolo2010", candidates=200, rounds=20)
    found = models.build_fitted(config, 4, 0).fit(given, truth).predict_proba(other)
    assert np.mean(found.argmax(1) == truth) > 0.9
    assert not found[:, 3].any()


def test_an_utterance_of_one_frame_is_scored():
    assert np.isfinite(filters().features([levels(0, frames=1)])).all()
