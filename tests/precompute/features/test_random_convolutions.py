"""Random convolutions: shares of time, of kernels that are the same everywhere, and of what their set is to see."""

import numpy as np
import pytest

import precompute
from precompute.audio.chain import Frame
from precompute.common.errors import RecipeError
from precompute.features import random_convolutions as rc
from precompute.recipe import Recipe, described, from_record, in_words, named

RATE = 16000


@pytest.fixture(scope="module")
def sound():
    """Two seconds of noise whose level rises and falls."""
    noise = np.random.default_rng(0).standard_normal(2 * RATE)
    return (0.05 * noise * (1.2 + np.sin(np.arange(2 * RATE) / 500))).astype(np.float32)


def sets(values):
    """Above thresholds of levels and of standardised levels, extremes of levels and of differences."""
    return np.split(values, [4000, 8000, 10000])


def test_its_recipe_has_a_name_and_says_what_it_holds():
    recipe = named("random_convolutions")
    assert (recipe.array.shape, recipe.array.kind, recipe.audio.normalise) == ((12000,), "vector", "none")
    assert in_words(recipe.record()) == "random_convolutions"
    assert described(recipe.record()) == "random convolutions of scalograms (cmor1.5-1.0,mexh)"
    assert from_record(recipe.record()) == recipe


def test_kernels_add_up_few_rows_and_see_changes_alone_where_they_are_to():
    for number in (0, 1):
        for mixture, taps in rc.drawn(80, 128, 3, number):
            rows = np.count_nonzero(mixture, axis=1)
            assert (rows.min(), rows.max()) == (1, rc.MOST_ROWS)
            np.testing.assert_allclose(np.linalg.norm(taps, axis=1), 1, rtol=1e-5)
            centred = np.abs(taps.sum(axis=1)) < 1e-5
            assert centred[40:].all()
            assert centred[:40].all() == bool(number)


def test_kernels_are_those_of_today():
    """Caches hold what these kernels gave: where another version of NumPy draws others, `algorithm` has to be raised."""
    mixture, taps = rc.drawn(200, 128, 0, 0)[0]
    np.testing.assert_allclose([mixture.sum(), mixture[17].sum(), taps.sum(), taps[17, 2]], GOLDEN, rtol=1e-5)


GOLDEN = (-19.593472, 0.327962, 7.320609, 0.581317)


@pytest.mark.parametrize("dilation", [1, 4])
def test_convolved_is_the_sum_of_its_taps(dilation):
    rng = np.random.default_rng(0)
    series, taps = rng.standard_normal((3, 30)).astype(np.float32), rng.standard_normal((3, 5)).astype(np.float32)
    spread = np.zeros((3, 4 * dilation + 1))
    spread[:, ::dilation] = taps
    direct = [np.convolve(one, own[::-1])[2 * dilation : -2 * dilation] for one, own in zip(series, spread, strict=True)]
    np.testing.assert_allclose(rc.convolved(series, taps, dilation), direct, atol=1e-5)


def test_values_are_shares_of_time(sound):
    values = precompute.extract(sound, "random_convolutions", RATE).values
    assert values.min() >= 0
    assert values.max() <= 1
    for extremes in np.split(np.concatenate(sets(values)[2:]) ** 2, 500):
        assert extremes.sum() == pytest.approx(1, abs=1e-5)
    above = sets(values)[0].reshape(5, 4, 200)
    assert np.all(np.diff(above, axis=1) <= 0), "more time is above a lower threshold"


def test_gain_moves_what_sees_levels_alone(sound):
    quiet, loud = (sets(precompute.extract(np.float32(gain) * sound, "random_convolutions", RATE).values) for gain in (1, 4))
    assert np.abs(quiet[0] - loud[0]).mean() > 0.03
    assert np.abs(quiet[1] - loud[1]).mean() < 1e-3
    assert np.abs(quiet[3] - loud[3]).mean() < 1e-3


def test_silence_before_and_after_counts_for_nothing(sound):
    silent = np.zeros(RATE, np.float32)
    alone, within = (
        precompute.extract(samples, "random_convolutions", RATE).values
        for samples in (sound, np.concatenate([silent, sound, silent]))
    )
    assert np.abs(alone - within).mean() < 0.02
    assert np.abs(alone - precompute.extract(sound[: RATE // 2], "random_convolutions", RATE).values).mean() > 0.03


def test_what_is_short_or_silent_gives_finite_numbers():
    recipe = named("random_convolutions")
    for samples in (3, 100, RATE):
        for level in (0, 0.1):
            frame = Frame(np.full(samples, level, np.float32), 0, recipe.audio)
            assert np.isfinite(recipe.feature.compute(frame).values).all()


@pytest.mark.parametrize(
    "settings", [{"kernels": 201}, {"sample_rate": 22050}, {"wavelet": "cmor1.5-1.0,nothing"}, {"wavelet": ""}]
)
def test_what_does_not_fit_is_refused(settings, messages):
    with messages.raises(RecipeError):
        Recipe("random_convolutions", **settings)
