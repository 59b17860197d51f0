"""The level of a recording within the frequencies of the picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from precompute.audio.condition import level

RATE = 16000
NOISE = np.random.default_rng(0).standard_normal(8000).astype(np.float32)


def tone(frequency, seconds=1.0, amplitude=1.0):
    return (amplitude * np.sin(2 * np.pi * frequency * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


@given(st.floats(1e-5, 1e4), st.integers(2, 500), st.floats(-100, 100))
def test_of_all_frequencies_it_is_the_standard_deviation(gain, n, offset):
    samples = gain * NOISE[:n].astype(np.float64) + offset
    assert level(samples, RATE, 0, RATE / 2) == pytest.approx(samples.std(), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("frequency", [61, 100, 1000, 7599])
def test_a_tone_within_the_band_counts_whole(frequency):
    assert level(tone(frequency, 2.0, 0.3), RATE, 60, 7600) == pytest.approx(0.3 / np.sqrt(2), rel=2e-3)


@pytest.mark.parametrize("frequency", [1, 7.3, 20, 45.6, 7700, 7999])
def test_a_tone_outside_of_the_band_hardly_counts(frequency):
    assert level(tone(frequency, 2.0), RATE, 60, 7600) < 0.05 * np.sqrt(0.5)


@pytest.mark.parametrize("offset", [0.05, -0.5, 100.0])
def test_the_mean_does_not_count(offset):
    samples = NOISE.astype(np.float64)
    assert level(samples + offset, RATE, 60, 7600) == pytest.approx(level(samples, RATE, 60, 7600), rel=1e-6)


def test_bands_add_up():
    parts = [level(NOISE, RATE, low, high) for low, high in ((0, 999.99), (1000, 3999.99), (4000, 8000))]
    assert np.sqrt(np.sum(np.square(parts))) == pytest.approx(NOISE.std(), rel=1e-5)


def test_silence_has_none():
    assert level(np.zeros(100, np.float32), RATE, 60, 7600) == 0
    assert level(np.ones(1, np.float32), RATE, 60, 7600) == 0
