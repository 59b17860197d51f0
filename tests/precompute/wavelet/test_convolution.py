"""Power by convolutions is held against the pooled power of caches."""

import numpy as np
import pytest

from precompute import Recipe
from precompute.common.errors import RecipeError
from precompute.features import _picture
from precompute.wavelet import families
from precompute.wavelet.convolution import convolutions
from precompute.wavelet.cwt import power

RATE, SAMPLES, COLUMNS = 16000, 500, 40


def by_convolutions(x, made, scales):
    """The power of columns, (scales, columns), of a waveform of whole columns, in NumPy."""
    found = np.zeros((scales, len(x) // SAMPLES))
    for one in made:
        around = np.pad(x, one.reach + one.margin * one.stride)
        windows = np.lib.stride_tricks.sliding_window_view(around, 2 * one.reach + 1)[:: one.stride]
        squares = np.square(windows @ one.taps.transpose(0, 2, 1)).sum(axis=0)
        columns = np.lib.stride_tricks.sliding_window_view(squares, len(one.weights), axis=0)[:: SAMPLES // one.stride]
        found[one.rows] = (columns[: found.shape[1]] @ one.weights).T
    return found


@pytest.fixture
def speech():
    """A voice-like waveform: harmonics that glide, a pause, clicks and noise."""
    rng, t = np.random.default_rng(0), np.arange(COLUMNS * SAMPLES) / RATE
    voice = sum(np.sin(2 * np.pi * k * np.cumsum(120 + 40 * np.sin(5 * t)) / RATE) / k for k in range(1, 30))
    voice[6000:9000] *= 1e-3
    voice[12_000] += 5
    return (voice + 1e-3 * rng.standard_normal(len(t))).astype(np.float32)


@pytest.mark.parametrize("name", ["cmor1.5-1.0", "cmor6.0-1.0", "mexh", "gmw3.0-20.0", "haar", "cgau4"])
def test_levels_are_those_of_the_cache(speech, name):
    frequencies = np.geomspace(7600, 60, 24)
    made = convolutions(families.wavelet(name), frequencies, RATE, SAMPLES)
    found, expected = (
        _picture.levels(_picture.decibels(power_.astype(np.float32)), 10, 80).astype(int)
        for power_ in (by_convolutions(speech, made, 24), power(speech, name, frequencies, RATE, COLUMNS))
    )
    assert np.abs(found - expected).max() <= 1
    assert (found == expected).mean() > 0.99


@pytest.mark.parametrize("name", ["cmor1.5-1.0", "mexh"])
def test_every_scale_is_there_once_and_weights_make_a_mean(name):
    frequencies = np.geomspace(4000, 100, 12)
    made = convolutions(families.wavelet(name), frequencies, RATE, SAMPLES)
    assert sorted(np.concatenate([one.rows for one in made]).tolist()) == list(range(12))
    for one in made:
        assert SAMPLES % one.stride == 0
        assert one.taps.shape == (2 if name.startswith("cmor") else 1, len(one.rows), 2 * one.reach + 1)
        assert len(one.weights) == SAMPLES // one.stride + 2 * one.margin
        assert one.weights.sum() == pytest.approx(1, abs=1e-5)


def test_wavelets_and_features_without_short_filters_are_refused(messages):
    with messages.raises(RecipeError):
        convolutions(families.wavelet("shan1.5-1.0"), np.array([100.0]), RATE, SAMPLES)
    for recipe in (Recipe("logmel"), Recipe(rgb="wavelets", wavelet="mexh,cmor1.5-1.0,haar")):
        with pytest.raises(RecipeError):
            recipe.feature.convolutions(recipe.audio)
