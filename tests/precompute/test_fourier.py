"""The transforms of a frame in columns are those of the frame in one."""

import numpy as np
import pytest
import scipy.fft

from precompute import fourier


@pytest.fixture(params=[(16, 500), (48, 63), (32, 4), (16, 7)], ids=str)
def frame(request):
    return np.random.default_rng(0).standard_normal(request.param).astype(np.float32)


def test_the_spectrum_is_that_of_the_whole_frame(frame):
    columns, samples = frame.shape
    k1, k2 = np.arange(columns // 2 + 1)[:, None], np.arange(samples)
    expected = scipy.fft.fft(frame.reshape(-1).astype(np.float64))[k1 + columns * k2]
    np.testing.assert_allclose(fourier.spectrum(frame), expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("divisor", [1, 2, 3])
def test_a_lower_rate_has_the_spectrum_up_to_half_of_it(frame, divisor):
    columns, samples = frame.shape
    per_column = -(-samples // divisor)
    found = fourier.resampled(fourier.spectrum(frame), per_column)
    assert found.shape == (columns, per_column)
    # Of the definition, sample by sample; the bin at half the rate itself is nobody's.
    spectrum, bins = scipy.fft.rfft(frame.reshape(-1).astype(np.float64)), np.arange(columns * per_column // 2)
    times = (np.arange(columns * per_column) + 0.5) * samples / per_column - 0.5
    waves = np.exp(2j * np.pi * np.outer(times, bins) / frame.size)
    expected = (2 * (waves @ spectrum[: len(bins)]).real - spectrum[0].real) / (columns * per_column)
    passed = scipy.fft.rfft(found.reshape(-1))[: len(bins)]
    np.testing.assert_allclose(passed, scipy.fft.rfft(expected)[: len(bins)], atol=1e-5 * np.abs(spectrum).max())


def test_the_analytic_waveform_has_the_positive_frequencies(frame):
    columns, samples = frame.shape
    bins = np.arange(columns)[:, None] + columns * np.arange(samples // 2 + 1)
    passband = np.where(bins < frame.size // 2, bins / frame.size, 0).astype(np.float32)
    spectrum = scipy.fft.fft(frame.reshape(-1).astype(np.float64))
    spectrum *= np.where(np.arange(frame.size) < frame.size // 2, np.arange(frame.size) / frame.size, 0)
    expected = scipy.fft.ifft(spectrum).reshape(frame.shape)
    found = fourier.analytic(fourier.spectrum(frame), passband)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
