"""Statistics of wavelet coefficients: each says what it should of signals for which it is known."""

import numpy as np
import pytest

import precompute
from precompute.audio.chain import Frame
from precompute.features import cwt_statistics, scalogram
from precompute.recipe import described, from_record, in_words, named

RATE = 16000
TIME = np.arange(RATE) / RATE


def split(values):
    """Statistics of the scales, (scales, 5), and of the series of frames, (3, 5)."""
    table = values.reshape(-1, cwt_statistics.STATISTICS)
    return table[: -cwt_statistics.SERIES], table[-cwt_statistics.SERIES :]


def test_its_recipe_has_a_name_and_says_what_it_holds():
    recipe = named("cwt_statistics")
    assert (recipe.array.shape, recipe.array.kind, recipe.audio.normalise) == ((175,), "vector", "none")
    assert in_words(recipe.record()) == "cwt_statistics"
    assert described(recipe.record()) == "statistics of wavelet coefficients"
    assert from_record(recipe.record()) == recipe


def test_a_tone_is_loudest_at_its_scale_and_has_half_its_amplitude_there():
    tone = (0.1 * np.sin(2 * np.pi * 1000 * TIME)).astype(np.float32)
    scales, frames = split(precompute.extract(tone, "cwt_statistics", RATE).values)
    frequencies = scalogram.centres(np.arange(32), 60, 7600, 32)
    loudest = int(scales[:, 0].argmax())
    assert frequencies[loudest] == pytest.approx(1000, rel=0.08)
    assert scales[loudest, 0] == pytest.approx(20 * np.log10(0.05), abs=1)
    assert frames[0, 0] == pytest.approx(20 * np.log10(0.1 / np.sqrt(2)), abs=0.1)
    assert frames[1, 0] == pytest.approx(2 * 1000 / RATE, rel=0.05)
    assert frames[2, 0] < 0.3


def test_gain_moves_levels_alone():
    rng = np.random.default_rng(0)
    noise = (0.05 * rng.standard_normal(RATE)).astype(np.float32)
    louder = [split(precompute.extract(gain * noise, "cwt_statistics", RATE).values) for gain in (np.float32(1), np.float32(2))]
    (scales, frames), (scales_2, frames_2) = louder
    np.testing.assert_allclose(scales_2[:, :2] - scales[:, :2], 20 * np.log10(2), atol=1e-3)
    np.testing.assert_allclose(scales_2[:, 2:], scales[:, 2:], atol=1e-3)
    np.testing.assert_allclose(frames_2[1:], frames[1:], atol=1e-3)
    assert frames[2, 0] > 0.8, "the spectrum of noise is even"


def test_statistics_are_those_of_scipy():
    from scipy import stats

    series = np.random.default_rng(0).gamma(2, size=500)
    spread = stats.entropy(series**2 / np.sum(series**2)) / np.log(500)
    expected = [series.mean(), series.std(), spread, stats.kurtosis(series, fisher=False), stats.skew(series)]
    np.testing.assert_allclose(cwt_statistics.statistics(series), expected)


def test_what_is_constant_or_silent_gives_finite_numbers():
    np.testing.assert_allclose(cwt_statistics.statistics(np.full(7, 0.1)), [0.1, 0, 1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(cwt_statistics.statistics(np.zeros(7)), [0, 0, 1, 0, 0])
    np.testing.assert_allclose(cwt_statistics.level_statistics(np.zeros(7)), [-120, -120, 1, 0, 0])
    recipe = named("cwt_statistics")
    for samples in (3, 100, RATE):
        frame = Frame(np.zeros(samples, np.float32), 0, recipe.audio)
        assert np.isfinite(recipe.feature.compute(frame).values).all()
