"""The transforms of a frame in columns are those of the frame in one."""

import numpy as np
import pytest
import scipy.fft

from precompute.wavelet import fourier


@pytest.fixture(params=[(8, 100), (48, 21), (32, 4), (16, 7)], ids=str)
def frame(request):
    return np.random.default_rng(0).standard_normal(request.param).astype(np.float32)


def test_the_spectrum_is_that_of_the_whole_frame(frame):
    columns, samples = frame.shape
    k1, k2 = np.arange(columns // 2 + 1)[:, None], np.arange(samples)
    expected = scipy.fft.fft(frame.reshape(-1).astype(np.float64))[k1 + columns * k2]
    np.testing.assert_allclose(fourier.spectrum(frame), expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [1, 1 / 2, 1 / 3, 3 / 2, 2])
def test_another_rate_has_the_spectrum_up_to_half_of_the_lower(frame, ratio):
    columns, samples = frame.shape
    per_column = int(np.ceil(samples * ratio))
    amplitudes = scipy.fft.rfft(frame.reshape(-1).astype(np.float64))
    amplitudes[-1] = 0
    frame = scipy.fft.irfft(amplitudes).reshape(frame.shape).astype(np.float32)
    found = fourier.resampled(fourier.spectrum(frame), per_column)
    assert found.shape == (columns, per_column)
    # By the definition, sample by sample, up to the bin before that of half the lower rate.
    bins = np.arange(columns * min(samples, per_column) // 2)
    times = (np.arange(columns * per_column) + 0.5) * samples / per_column - 0.5
    waves = np.exp(2j * np.pi * np.outer(times, bins) / frame.size)
    expected = (2 * (waves @ amplitudes[bins]).real - amplitudes[0].real) / (columns * per_column)
    passed, right = (scipy.fft.rfft(x.reshape(-1))[bins] for x in (found, expected))
    np.testing.assert_allclose(passed, right, atol=1e-5 * np.abs(right).max())
