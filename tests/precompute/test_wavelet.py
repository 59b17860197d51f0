"""The pooled power is held against the transform computed directly, against PyWavelets, and against what theory says."""

import numpy as np
import pytest
import pywt
from hypothesis import given
from hypothesis import strategies as st

from precompute import voice
from precompute.errors import RecipeError
from precompute.wavelet import TAPER, Morlet, power

RATE = 16000
WAVELET = "cmor1.5-1.0"
FREQUENCIES = np.geomspace(7600, 60, 128)
SAMPLES = 500
"""Samples in a column, as in the default recipe: 31.25 ms."""


def direct(x, wavelet, frequencies, columns):
    """The definition in float64 at the full rate: one filter, one inverse FFT and one mean for each scale and column."""
    morlet = Morlet.named(wavelet)
    padded = np.concatenate([x.astype(np.float64), np.zeros(RATE)])
    f = np.fft.fftfreq(len(padded), 1 / RATE)
    nyquist = RATE / 2
    taper = 0.5 + 0.5 * np.cos(np.pi * np.clip((np.abs(f) / nyquist - TAPER) / (1 - TAPER), 0, 1))
    spectrum = np.fft.fft(padded) * taper
    rows = []
    for centre in frequencies:
        response = np.exp(-(np.pi**2) * morlet.bandwidth * morlet.centre**2 * (f / centre - 1) ** 2)
        coefficients = np.fft.ifft(spectrum * response)[: len(x)]
        rows.append((np.abs(coefficients) ** 2).reshape(columns, -1).mean(axis=1))
    return np.array(rows)


def worst_decibels(found, expected, range_db=60):
    """Largest error in dB among the cells within `range_db` of the peak."""
    shown = expected > expected.max() * 10 ** (-range_db / 10)
    return np.abs(10 * np.log10(np.maximum(found[shown], 1e-30) / expected[shown])).max()


def signal(kind, seconds=2.0):
    n = int(seconds * RATE)
    t = np.arange(n) / RATE
    if kind == "noise":
        return np.random.default_rng(0).standard_normal(n)
    if kind == "chirp":
        return np.sin(2 * np.pi * (60 * t + (7900 - 60) / (2 * seconds) * t * t))
    if kind == "tones":
        return sum(a * np.sin(2 * np.pi * f * t + f) for a, f in ((1, 97), (0.3, 440), (0.1, 1000), (0.03, 5300)))
    if kind == "speech":
        x = voice.synthesize(voice.SPEAKERS[0], 0, "neutral", RATE)[:n]
        return np.pad(x, (0, n - len(x)))
    raise ValueError(kind)


@pytest.mark.parametrize("kind", ["tones", "chirp", "noise", "speech"])
def test_power_is_that_of_the_direct_computation(kind):
    x = signal(kind).astype(np.float32)
    found = power(x, WAVELET, FREQUENCIES, RATE, 64)
    assert found.dtype == np.float32
    assert found.shape == (128, 64)
    assert worst_decibels(found, direct(x, WAVELET, FREQUENCIES, 64)) < 0.1


def test_impulses_anywhere_in_a_column():
    # The flanks of an impulse change by 60 dB within a column, which is where sampling |c|^2 too thinly would show.
    # The impulses are 4 columns apart, twice as far as the widest wavelet reaches.
    x = np.zeros(72 * SAMPLES, np.float32)
    for i, position in enumerate((0, 1, 2, 3, 5, 17, 60, 125, 187, 250, 311, 400, 440, 480, 497, 498, 499)):
        x[(2 + 4 * i) * SAMPLES + position] = 1
    assert worst_decibels(power(x, WAVELET, FREQUENCIES, RATE, 72), direct(x, WAVELET, FREQUENCIES, 72)) < 0.1


@pytest.mark.parametrize("wavelet", ["cmor1.2-1.0", "cmor5.0-0.5", "cmor3.0-2.0", "cmor10.0-1.5"])
@pytest.mark.parametrize("kind", ["noise", "chirp"])
def test_other_bandwidths_and_centres(wavelet, kind):
    # All with B C^2 > 1.17, so that the response at 0 Hz is under the cut at 1e-5 and negative frequencies play no part.
    x = signal(kind).astype(np.float32)
    frequencies = np.geomspace(7600, 60, 32)
    assert worst_decibels(power(x, wavelet, frequencies, RATE, 64), direct(x, wavelet, frequencies, 64)) < 0.1


@pytest.mark.parametrize(("samples", "columns"), [(4, 1000), (7, 600), (160, 200), (4000, 8)])
def test_any_width_of_column(samples, columns):
    x = np.random.default_rng(1).standard_normal(samples * columns).astype(np.float32)
    frequencies = np.geomspace(7600, 100, 16)
    assert worst_decibels(power(x, WAVELET, frequencies, RATE, columns), direct(x, WAVELET, frequencies, columns)) < 0.1


def test_frequencies_may_ascend():
    x = signal("noise", 0.5).astype(np.float32)
    down = power(x, WAVELET, FREQUENCIES, RATE, 16)
    np.testing.assert_allclose(power(x, WAVELET, FREQUENCIES[::-1], RATE, 16)[::-1], down, rtol=1e-3)


@pytest.mark.parametrize("kind", ["noise", "speech"])
def test_power_agrees_with_pywavelets(kind):
    # PyWavelets normalises by 1 / sqrt(a), a in samples: W(a, b) = a^(-1/2) sum x(t) psi*((t - b) / a).  Ours has 1 / a, so
    # that c = W / sqrt(a) and |c|^2 = |W|^2 / a.  It also takes the mean of psi over each sample instead of its value, by
    # differences of a tabulated integral, which multiplies the coefficients by sinc(f / rate): 0.13 dB at 1500 Hz.
    x = signal(kind)
    frequencies = np.array([1500, 1100, 700, 400, 220, 120, 75.0])
    scales = Morlet.named(WAVELET).centre * RATE / frequencies
    coefficients, theirs = pywt.cwt(x, scales, WAVELET, sampling_period=1 / RATE, method="fft", precision=18)
    np.testing.assert_allclose(theirs, frequencies, rtol=1e-9)
    coefficients /= (np.sqrt(scales) * np.sinc(frequencies / RATE))[:, None]
    expected = (np.abs(coefficients) ** 2).reshape(len(scales), 64, -1).mean(axis=2)
    assert worst_decibels(power(x.astype(np.float32), WAVELET, frequencies, RATE, 64), expected) < 0.1


@pytest.mark.parametrize("row", [2, 13, 30, 64, 100, 127])
def test_sinusoid_gives_a_quarter_of_its_squared_amplitude(row):
    centre, amplitude = FREQUENCIES[row], 0.7
    assert centre < TAPER * RATE / 2
    x = amplitude * np.sin(2 * np.pi * centre * np.arange(2 * RATE) / RATE)
    middle = power(x.astype(np.float32), WAVELET, FREQUENCIES, RATE, 64)[row, 8:-8]
    np.testing.assert_allclose(middle, amplitude**2 / 4, rtol=0.01)


@pytest.mark.parametrize("frequency", [70, 110, 200, 333, 440, 800, 1000, 1500, 2500, 4000, 6500])
def test_the_ridge_of_a_tone_lies_at_its_frequency(frequency):
    x = np.sin(2 * np.pi * frequency * np.arange(2 * RATE) / RATE).astype(np.float32)
    ridge = power(x, WAVELET, FREQUENCIES, RATE, 64)[:, 8:-8].argmax(axis=0)
    nearest = np.abs(np.log(FREQUENCIES / frequency)).argmin()
    assert np.abs(ridge - nearest).max() <= 1


def test_the_taper_removes_the_nyquist_frequency():
    x = np.cos(np.pi * np.arange(RATE)).astype(np.float32)
    assert power(x, WAVELET, np.array([8000.0, 7600.0]), RATE, 32)[:, 4:-4].max() < 1e-6


def near(found, expected):
    """Equal but for float32's rounding, which is relative to the strongest cell."""
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6 * expected.max())


FEW = np.geomspace(7000, 100, 12)


@given(gain=st.floats(1e-3, 1e3), seed=st.integers(0, 3))
def test_power_grows_with_the_square_of_the_waveform(gain, seed):
    x = np.random.default_rng(seed).standard_normal(16 * SAMPLES).astype(np.float32)
    near(power((gain * x).astype(np.float32), WAVELET, FEW, RATE, 16), gain**2 * power(x, WAVELET, FEW, RATE, 16))


@given(shift=st.integers(0, 40), length=st.integers(1, 10 * SAMPLES), start=st.integers(0, SAMPLES - 1))
def test_shift_by_columns_shifts_the_picture(shift, length, start):
    x = np.random.default_rng(length).standard_normal(length).astype(np.float32)
    still = power(x, WAVELET, FEW, RATE, 64, 4 * SAMPLES + start, 64 * SAMPLES)
    moved = power(x, WAVELET, FEW, RATE, 64, (4 + shift) * SAMPLES + start, 64 * SAMPLES)
    near(moved[:, shift:], still[:, : 64 - shift])


@given(offset=st.integers(0, 20 * SAMPLES), length=st.integers(1, 12 * SAMPLES))
def test_offset_and_length_are_padding_with_zeros(offset, length):
    x = np.random.default_rng(offset).standard_normal(length).astype(np.float32)
    frame = np.zeros(32 * SAMPLES, np.float32)
    frame[offset : offset + length] = x
    near(power(x, WAVELET, FEW, RATE, 32, offset, len(frame)), power(frame, WAVELET, FEW, RATE, 32))


def test_the_far_side_of_the_frame_is_exactly_zero():
    # Beyond the reach of the widest wavelet: nothing wraps around, and padding costs nothing and shows nothing.
    x = np.ones(1000, np.float32)
    for offset, silent in ((0, slice(30, None)), (128000 - 1000, slice(None, -30)), (64000, slice(None, 100))):
        found = power(x, WAVELET, FREQUENCIES, RATE, 256, offset, 128000)
        assert found.any()
        assert not found[:, silent].any()


def test_an_utterance_of_one_sample_is_an_impulse():
    frame = np.zeros(32 * SAMPLES, np.float32)
    frame[5000] = 1
    near(power(frame[5000:5001], WAVELET, FEW, RATE, 32, 5000, len(frame)), power(frame, WAVELET, FEW, RATE, 32))


def test_power_is_never_negative_and_always_finite():
    x = np.zeros(64 * SAMPLES, np.float32)
    x[[0, 777, 10249, -1]] = 1e3, -1e-3, 1, -1e3
    found = power(x, WAVELET, FREQUENCIES, RATE, 64)
    assert np.isfinite(found).all()
    assert (found >= 0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_refused(bad):
    x = np.ones(1000, np.float32)
    x[3] = bad
    with pytest.raises(RecipeError, match="NaN or infinite"):
        power(x, WAVELET, FEW, RATE, 10)


@pytest.mark.parametrize("frequencies", [[8001.0, 100], [100.0, 0], [100.0, -5], [100.0, np.nan]])
def test_frequencies_beyond_their_limits_are_refused(frequencies):
    with pytest.raises(RecipeError, match=r"\(0, 8000\] Hz"):
        power(np.ones(1000, np.float32), WAVELET, np.array(frequencies), RATE, 10)


@pytest.mark.parametrize(
    ("columns", "offset", "length"), [(3, 0, None), (10, 1, None), (10, -1, 2000), (10, 0, 900), (7, 0, 2000)]
)
def test_frames_that_do_not_fit_are_refused(columns, offset, length):
    with pytest.raises(RecipeError, match=r"1000 samples at .* multiple of the columns"):
        power(np.ones(1000, np.float32), WAVELET, FEW, RATE, columns, offset, length)


@given(b=st.floats(0.5, 20), c=st.floats(0.3, 5))
def test_the_response_is_the_transform_of_the_wavelet(b, c):
    morlet = Morlet(b, c)
    step = 1 / (16 * (c + 1))
    t = np.arange(-8 * np.sqrt(b), 8 * np.sqrt(b), step)
    psi = (np.pi * b) ** -0.5 * np.exp(-(t**2) / b) * np.exp(2j * np.pi * c * t)
    for ratio in (0.0, 0.5, 1.0, 1.0 + morlet.sigma):
        integral = (psi * np.exp(-2j * np.pi * ratio * c * t)).sum() * step
        assert abs(integral - morlet.response(np.array(ratio))) < 1e-6
    assert morlet.response(np.array(1 + morlet.sigma)) == pytest.approx(np.exp(-0.5))
    envelope = np.exp(-((morlet.support / c) ** 2) / b)
    assert envelope == pytest.approx(1e-5, rel=1e-6)


def test_wavelets_have_the_names_of_pywavelets():
    morlet = Morlet.named("cmor1.5-0.75")
    assert (morlet.bandwidth, morlet.centre) == (1.5, 0.75)
