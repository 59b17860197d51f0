"""Pooled power and coefficients are held against the transform computed directly, PyWavelets, and what theory says."""

from functools import lru_cache

import numpy as np
import pytest
import pywt
import scipy.fft
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from precompute import corpora
from precompute.audio import condition, synthesis
from precompute.common.errors import RecipeError
from precompute.features import _picture
from precompute.wavelet import families
from precompute.wavelet.cwt import cwt, frequency_to_scale, power, scale_to_frequency

RATE = 16000
TAPER = 0.9
"""Share of the Nyquist frequency from which spectra fall, by half a cosine, to 0 there."""

WAVELET = "cmor1.5-1.0"
FREQUENCIES = np.geomspace(7600, 60, 128)
SOME = np.geomspace(7600, 60, 24)
SAMPLES = 500
"""Samples in a column, as in the default recipe: 31.25 ms."""

SMOOTH = [
    "cmor1.5-1.0", "cmor0.5-1.0", "cmor5.0-0.5", "cmor10.0-1.5", "cmor30.0-0.7", "fbsp2-1.5-1.0", "fbsp3-1.0-1.0", "cgau1",
    "cgau4", "gaus1", "gaus8", "mexh", "morl", "haar", "gmw3.0-20.0", "gmw3.0-1.0",
]  # fmt: skip
STEPS = ["shan1.5-1.0", "shan0.5-1.0", "shan2.0-1.0", "fbsp1-1.0-1.0"]
"""Flat in a band and zero outside."""

DISCRETE = ["db2", "db20", "dmey", "bior3.3"]
"""From filters, smooth and rough."""


def filtered(x, wavelet, frequencies):
    """The definition in float64 at the full rate: for each scale, one filter and one inverse FFT of all signals, (signals, n).

    The padding leaves the slowest wavelets room to decay: three seconds, or where they fall by 1/t only, or the signal is
    shorter, three times its length.
    """
    w = families.wavelet(wavelet)
    n = x.shape[-1]
    total = scipy.fft.next_fast_len(4 * n if w.steps else n + min(3 * n, 3 * RATE))
    f = scipy.fft.fftfreq(total, 1 / RATE)
    nyquist = RATE / 2
    taper = 0.5 + 0.5 * np.cos(np.pi * np.clip((np.abs(f) / nyquist - TAPER) / (1 - TAPER), 0, 1))
    spectrum = scipy.fft.fft(x.astype(np.float64), total) * taper
    for centre in frequencies:
        if w.steps:
            # The impulse response falls by 1/t only: sampling its transform would fold it over itself many times, so
            # that it is sampled in time instead, as long as the signal and more to either side.
            low, high = (np.clip(edge * centre / w.centre, -nyquist, nyquist) for edge in w.band)
            t = scipy.fft.fftfreq(total, 1 / total) / RATE
            sinc = (high - low) / RATE * np.sinc((high - low) * t)
            response = scipy.fft.fft(sinc * np.exp(1j * np.pi * (high + low) * t))
        else:
            response = w.response(f * w.centre / centre).conj()
        yield scipy.fft.ifft(spectrum * response)[..., :n]


def direct(x, wavelet, frequencies, columns):
    """Mean power of each column of the definition, (..., scales, columns)."""
    rows = [(np.abs(c) ** 2).reshape(*x.shape[:-1], columns, -1).mean(axis=-1) for c in filtered(x, wavelet, frequencies)]
    return np.stack(rows, axis=-2)


def worst_decibels(found, expected, range_db=60):
    """Largest error in dB among the cells within `range_db` of the peak."""
    shown = expected > expected.max() * 10 ** (-range_db / 10)
    return np.abs(10 * np.log10(np.maximum(found[shown], 1e-30) / expected[shown])).max()


def peak_signal_to_noise(found, expected):
    """Of the 8-bit images of power in the default range, in dB; 138 where no pixel differs."""
    shown, right = (_picture.levels(_picture.decibels(p), 10.0, 80.0).astype(float) for p in (found, expected))
    return 10 * np.log10(255**2 / max(np.mean((shown - right) ** 2), 1e-9))


def impulses(positions):
    """One impulse at each position in a column, 3 columns apart."""
    x = np.zeros((3 * len(positions) + 3) * SAMPLES)
    for i, position in enumerate(positions):
        x[(2 + 3 * i) * SAMPLES + position] = 1
    return x


EDGES = (*range(6), 7, 9, 12, 60, 250, 400, *range(488, 500))
"""Positions in a column from which an impulse's flanks reach over its end, and a few others."""


@lru_cache
def signal(kind, seconds=2.0):
    x = _signal(kind, seconds)
    x.flags.writeable = False
    return x


def _signal(kind, seconds):
    n = int(seconds * RATE)
    t = np.arange(n) / RATE
    if kind == "noise":
        return np.random.default_rng(0).standard_normal(n)
    if kind == "chirp":
        return np.sin(2 * np.pi * (60 * t + (7900 - 60) / (2 * seconds) * t * t))
    if kind == "tones":
        return sum(a * np.sin(2 * np.pi * f * t + f) for a, f in ((1, 97), (0.3, 440), (0.1, 1000), (0.03, 5300)))
    if kind == "speech":
        x = synthesis.synthesize(synthesis.SPEAKERS[0], 0, "neutral", RATE)[:n]
        return np.pad(x, (0, n - len(x)))
    if kind == "impulses":
        return impulses(EDGES)
    raise ValueError(kind)


@pytest.fixture(scope="module", params=[*SMOOTH, *STEPS, *DISCRETE])
def wavelet(request):
    """A wavelet, through the tests of every one: what is computed of it is kept meanwhile."""
    return request.param


@pytest.fixture(scope="module")
def signals():
    """Signals of the same length: their names, and float32 (signals, n)."""
    columns = len(signal("impulses")) // SAMPLES
    kinds = ("tones", "chirp", "noise", "speech", "impulses")
    return kinds, np.stack([signal(kind, columns * SAMPLES / RATE) for kind in kinds]).astype(np.float32), columns


@pytest.mark.slow
def test_power_is_that_of_the_direct_computation(wavelet, signals):
    kinds, x, columns = signals
    # They lie in every octave, and are found both from the waveform and from samples.
    frequencies = np.geomspace(7600, 60, 9)
    expected = direct(x, wavelet, frequencies, columns)
    errors = {}
    for kind, one, reference in zip(kinds, x, expected, strict=True):
        found = power(one, wavelet, frequencies, RATE, columns)
        assert found.dtype == np.float32
        assert found.shape == (len(frequencies), columns)
        errors[kind] = worst_decibels(found, reference)
    assert max(errors.values()) < 0.1, errors


@pytest.mark.slow
def test_impulses_anywhere_in_a_column():
    # The flanks of an impulse change by 60 dB within a column, which is where sampling |c|^2 too thinly would show.
    x = impulses([*range(0, SAMPLES, 7), SAMPLES - 1]).astype(np.float32)
    columns = len(x) // SAMPLES
    frequencies = np.geomspace(7600, 60, 32)
    assert worst_decibels(power(x, WAVELET, frequencies, RATE, columns), direct(x, WAVELET, frequencies, columns)) < 0.1


def test_every_scale_of_the_default_picture():
    x = signal("speech").astype(np.float32)
    found, expected = power(x, WAVELET, FREQUENCIES, RATE, 64), direct(x, WAVELET, FREQUENCIES, 64)
    assert worst_decibels(found, expected) < 0.1
    # A level more or less in every pixel would be 48 dB.
    assert peak_signal_to_noise(found, expected) > 60


@pytest.mark.slow
@pytest.mark.parametrize("name", ["emodb", "ravdess"])
def test_power_of_real_speech_is_that_of_the_direct_computation(name, corpora_dir):
    module = corpora.load(name)
    directory = module.find(corpora_dir)
    x, rate = soundfile.read(directory / module.scan(directory).utterances[0].path, dtype="float32")
    x = condition.resample(x, rate, RATE)
    x /= condition.level(x, RATE, 60.0, 7600.0)
    x = x[: len(x) // SAMPLES * SAMPLES]
    columns = len(x) // SAMPLES
    for wavelet in (WAVELET, "gmw3.0-20.0", "mexh"):
        found, expected = power(x, wavelet, SOME, RATE, columns), direct(x, wavelet, SOME, columns)
        assert worst_decibels(found, expected) < 0.1
        assert peak_signal_to_noise(found, expected) > 60


@pytest.mark.slow
@pytest.mark.parametrize("wavelet", ["cmor1.5-1.0", "cmor30.0-0.7", "mexh", "haar", "db4"])
def test_scales_all_found_from_the_waveform_or_all_from_samples(wavelet):
    # One octave and a half high up, then one far down: short filters only, then long ones only.
    x = signal("noise").astype(np.float32)
    for frequencies in (np.geomspace(4000, 1500, 24), np.geomspace(140, 60, 24)):
        assert worst_decibels(power(x, wavelet, frequencies, RATE, 64), direct(x, wavelet, frequencies, 64)) < 0.1


@pytest.mark.parametrize("wavelet", ["cmor1.5-1.0", "morl", "shan1.5-1.0"])
def test_two_scales_up_to_the_nyquist_frequency(wavelet):
    x = signal("noise", 1.0).astype(np.float32)
    frequencies = np.array([8000.0, 70.0])
    assert worst_decibels(power(x, wavelet, frequencies, RATE, 32), direct(x, wavelet, frequencies, 32)) < 0.1


@pytest.mark.parametrize("wavelet", ["cmor1.5-1.0", "gaus1", "haar", "db4"])
@pytest.mark.parametrize(("samples", "columns"), [(4, 1000), (7, 600), (160, 200), (4000, 8)])
def test_any_width_of_column(wavelet, samples, columns):
    x = np.random.default_rng(1).standard_normal(samples * columns).astype(np.float32)
    frequencies = np.geomspace(7600, 100, 8)
    assert worst_decibels(power(x, wavelet, frequencies, RATE, columns), direct(x, wavelet, frequencies, columns)) < 0.1


def test_frequencies_may_ascend():
    x = signal("noise", 0.5).astype(np.float32)
    down = power(x, WAVELET, FREQUENCIES, RATE, 16)
    np.testing.assert_allclose(power(x, WAVELET, FREQUENCIES[::-1], RATE, 16)[::-1], down, rtol=1e-3)


@pytest.mark.slow
def test_coefficients_are_those_of_the_direct_computation(wavelet):
    x = signal("speech", 1.0) + 0.01 * signal("noise", 1.0)
    frequencies = np.geomspace(7600, 60, 6)
    # `filtered` leaves out the constant phase of Psi.
    expected = np.array(list(filtered(x, wavelet, frequencies))) * np.conj(families.wavelet(wavelet).phase)
    found = cwt(x, frequency_to_scale(frequencies, wavelet, RATE), wavelet)
    assert found.dtype == np.complex128
    # The response is cut where it is 100 dB down, the steps' impulse response where it is longer than the transform.
    error, loudest = np.abs(found - expected).max(), np.abs(expected).max()
    assert error < (1e-3 if families.wavelet(wavelet).steps else 3e-5) * loudest
    single = cwt(x.astype(np.float32), frequency_to_scale(frequencies, wavelet, RATE), wavelet)
    assert single.dtype == np.complex64
    np.testing.assert_allclose(single, found, rtol=0, atol=1e-5 * np.abs(found).max())


@pytest.mark.slow
@pytest.mark.parametrize("wavelet", ["cmor1.5-1.0", "cgau4", "mexh", "haar", "gmw3.0-20.0", "shan1.5-1.0"])
def test_power_is_the_mean_of_squared_coefficients(wavelet):
    x = signal("speech")
    coefficients = cwt(x, frequency_to_scale(SOME, wavelet, RATE), wavelet)
    expected = (np.abs(coefficients) ** 2).reshape(len(SOME), 64, -1).mean(axis=2)
    assert worst_decibels(power(x.astype(np.float32), wavelet, SOME, RATE, 64), expected) < 0.1


def test_real_wavelets_have_real_coefficients():
    x = signal("noise", 0.25)
    for wavelet in ("gaus1", "gaus2", "mexh", "morl", "haar", *DISCRETE):
        coefficients = cwt(x, [5.0, 50.0], wavelet)
        assert np.abs(coefficients.imag).max() < 1e-9 * np.abs(coefficients.real).max()


def test_coefficients_of_a_few_scales_or_of_one():
    x = signal("noise", 0.1)
    both = cwt(x, [7.0, 30.0], WAVELET)
    assert both.shape == (2, len(x))
    np.testing.assert_allclose(cwt(x, 7.0, WAVELET), both[:1], atol=1e-6)
    np.testing.assert_allclose(cwt(x.tolist(), (30.0,), WAVELET), both[1:], atol=1e-6)
    assert cwt((1000 * x).astype(np.int16), 7.0, WAVELET).dtype == np.complex128


PYWAVELETS = [
    *(name for name in pywt.wavelist(kind="continuous") if name not in ("cmor", "shan", "fbsp")),
    "cmor1.5-1.0", "shan1.5-1.0", "fbsp2-1.5-1.0",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("wavelet", PYWAVELETS)
def test_coefficients_in_the_norm_of_pywavelets_agree_with_it(wavelet):
    # PyWavelets takes the mean of psi over each sample instead of its value, by differences of a tabulated integral, which
    # multiplies the coefficients by sinc(f / rate), and is late by up to half a sample.  Its table has to be finer and
    # longer for spectra with edges, whose wavelets last.
    x = np.pad(signal("speech", 1.0), 2000)
    frequencies = np.array([900, 400, 200, 100.0])
    theirs, edged = pywt.ContinuousWavelet(wavelet), wavelet[:4] in ("shan", "fbsp")
    if edged:
        theirs.lower_bound, theirs.upper_bound = -100, 100
    scales = frequency_to_scale(frequencies, wavelet, RATE)
    expected, _ = pywt.cwt(x, scales, theirs, method="fft", precision=19 if edged else 16)
    expected = expected / np.sinc(frequencies / RATE)[:, None]
    found = cwt(x, scales, wavelet, norm="l2")
    within = slice(1500, -1500)
    for ours, other in zip(found[:, within], expected[:, within], strict=True):
        sizes = np.linalg.norm(ours), np.linalg.norm(other)
        assert sizes[0] == pytest.approx(sizes[1], rel=0.01)
        assert np.vdot(other, ours).real > 0.98 * sizes[0] * sizes[1]


def test_the_two_norms_differ_by_a_factor_of_each_scale():
    x = signal("noise", 0.25)
    scales = np.array([3.0, 20.0, 100.0])
    for wavelet in ("cmor1.5-1.0", "gaus2", "gmw3.0-20.0"):
        factor = np.sqrt(scales)[:, None] * families.wavelet(wavelet).peak
        np.testing.assert_allclose(cwt(x, scales, wavelet, norm="l2"), factor * cwt(x, scales, wavelet), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["noise", "speech"])
def test_power_agrees_with_pywavelets(kind):
    # PyWavelets normalises by 1 / sqrt(a), a in samples: W(a, b) = a^(-1/2) sum x(t) psi*((t - b) / a).  Ours has 1 / a, so
    # that c = W / sqrt(a) and |c|^2 = |W|^2 / a.  It also takes the mean of psi over each sample instead of its value, by
    # differences of a tabulated integral, which multiplies the coefficients by sinc(f / rate): 0.13 dB at 1500 Hz.
    x = signal(kind)
    frequencies = np.array([1500, 1100, 700, 400, 220, 120, 75.0])
    scales = frequency_to_scale(frequencies, WAVELET, RATE)
    coefficients, theirs = pywt.cwt(x, scales, WAVELET, sampling_period=1 / RATE, method="fft", precision=18)
    np.testing.assert_allclose(theirs, frequencies, rtol=1e-9)
    plain = (np.abs(coefficients / np.sqrt(scales)[:, None]) ** 2).reshape(len(scales), 64, -1).mean(axis=2)
    expected = plain / np.sinc(frequencies / RATE)[:, None] ** 2
    found = power(x.astype(np.float32), WAVELET, frequencies, RATE, 64)
    assert worst_decibels(found, expected) < 0.1
    # As documented: without any correction, they agree to 0.25 dB up to 1.1 kHz.
    assert worst_decibels(found[1:], plain[1:]) < 0.25


@pytest.mark.slow
@pytest.mark.parametrize("wavelet", [*SMOOTH, *STEPS])
def test_sinusoid_gives_a_quarter_of_its_squared_amplitude(wavelet):
    # A sinusoid is two exponentials; what the wavelet lets through of the other one, all of it where it is real, adds.
    w = families.wavelet(wavelet)
    other = float(w.response(np.array([-w.sign * w.centre]))[0] ** 2)
    assert other == pytest.approx(1, abs=1e-6) if wavelet in ("gaus1", "gaus8", "mexh", "morl", "haar") else other < 0.02
    rows = [3, 9, 16, 22]
    t = np.arange(2 * RATE) / RATE
    for row in rows:
        assert SOME[row] < TAPER * RATE / 2
        x = (0.7 * np.sin(2 * np.pi * SOME[row] * t)).astype(np.float32)
        middle = power(x, wavelet, SOME, RATE, 64)[row, 24:40]
        # A real wavelet's power beats at twice the frequency, less the more periods a column holds.
        assert middle.mean() == pytest.approx(0.7**2 / 4 * (1 + other), rel=0.01)


TONES = np.geomspace(60, 7600, 6)


def tone_profile(wavelet, frequency):
    """Power of a tone in each of the default rows."""
    x = np.cos(2 * np.pi * frequency * np.arange(32 * SAMPLES) / RATE).astype(np.float32)
    return power(x, wavelet, FREQUENCIES, RATE, 32)[:, 12:20].mean(axis=1)


def row_of(frequency):
    """Where the scale of a frequency lies among the default rows, as a fraction."""
    return np.log(FREQUENCIES[0] / frequency) / np.log(FREQUENCIES[0] / FREQUENCIES[1])


@pytest.mark.slow
@pytest.mark.parametrize("wavelet", SMOOTH)
def test_the_ridge_of_a_tone_lies_within_half_a_scale(wavelet):
    # Even for the widest wavelets and at the highest tone: the taper takes the same from a tone in every row.
    w = families.wavelet(wavelet)
    ratio = np.linspace(0.5, 2, 150_001)
    both = w.response(ratio * w.centre) ** 2 + w.response(-ratio * w.centre) ** 2
    # A tone's power at a scale is that of both its exponentials.  cgau1 alone, which hears the other one 18 dB weaker on
    # a flat top, has its maximum beside the centre, by a third of a row.
    beside = row_of(1 / ratio[both.argmax()]) - row_of(1)
    assert abs(beside) < (0.5 if wavelet == "cgau1" else 0.02)
    for frequency in TONES:
        expected = np.clip(row_of(frequency) + beside, 0, len(FREQUENCIES) - 1)
        assert abs(tone_profile(wavelet, frequency).argmax() - expected) <= 0.52, frequency


@pytest.mark.slow
@pytest.mark.parametrize("wavelet", STEPS)
def test_a_tone_lies_within_the_plateau_of_a_flat_wavelet(wavelet):
    # The ridge is as wide as the wavelet's band, and any of its rows may be the maximum: the scales that pass f are those
    # with f / scale's centre frequency from 1 - B / 2C to 1 + B / 2C.
    w = families.wavelet(wavelet)
    half = w.bandwidth / 2 / w.centre
    for frequency in TONES:
        profile = tone_profile(wavelet, frequency)
        ratio = frequency / FREQUENCIES
        deep, far = np.abs(ratio - 1) < half - 0.1 * half, np.abs(ratio - 1) > half + 0.1 * half
        plateau = profile[int(np.clip(round(row_of(frequency)), 0, 127))]
        np.testing.assert_allclose(profile[deep], plateau, rtol=0.02)
        assert (profile[far] < 0.02 * plateau).all()


@pytest.mark.parametrize("wavelet", [*SMOOTH, *STEPS])
def test_scales_and_frequencies(wavelet):
    frequencies = np.geomspace(60, 7600, 9)
    scales = frequency_to_scale(frequencies, wavelet, RATE)
    np.testing.assert_allclose(scales * frequencies, families.wavelet(wavelet).centre * RATE, rtol=1e-12)
    np.testing.assert_allclose(scale_to_frequency(scales, wavelet, RATE), frequencies, rtol=1e-12)
    assert scale_to_frequency(2.0, wavelet) == pytest.approx(families.wavelet(wavelet).centre / 2)


def test_the_centre_is_exact():
    # PyWavelets rounds it to the grid of its table.
    assert scale_to_frequency(1.0, "mexh") == pytest.approx(np.sqrt(2) / (2 * np.pi), rel=1e-12)
    assert pywt.scale2frequency("mexh", 1.0) == 0.25
    assert scale_to_frequency(1.0, WAVELET) == pywt.scale2frequency(WAVELET, 1.0) == 1.0


def test_the_taper_removes_the_nyquist_frequency():
    x = np.cos(np.pi * np.arange(RATE)).astype(np.float32)
    assert power(x, WAVELET, np.array([8000.0, 7600.0]), RATE, 32)[:, 4:-4].max() < 1e-6


def near(found, expected):
    """Equal but for float32's rounding, which is relative to the strongest cell."""
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6 * expected.max())


FEW = np.geomspace(7000, 100, 12)
KINDS = st.sampled_from([WAVELET, "mexh", "haar", "cgau4", "fbsp3-1.0-1.0", "db4"])


@pytest.mark.slow
@given(gain=st.floats(1e-3, 1e3), seed=st.integers(0, 3), wavelet=KINDS)
def test_power_grows_with_the_square_of_the_waveform(gain, seed, wavelet):
    x = np.random.default_rng(seed).standard_normal(16 * SAMPLES).astype(np.float32)
    near(power((gain * x).astype(np.float32), wavelet, FEW, RATE, 16), gain**2 * power(x, wavelet, FEW, RATE, 16))


@pytest.mark.slow
@given(shift=st.integers(0, 40), length=st.integers(1, 10 * SAMPLES), start=st.integers(0, SAMPLES - 1), wavelet=KINDS)
def test_shift_by_columns_shifts_the_picture(shift, length, start, wavelet):
    x = np.random.default_rng(length).standard_normal(length).astype(np.float32)
    still = power(x, wavelet, FEW, RATE, 64, 4 * SAMPLES + start, 64 * SAMPLES)
    moved = power(x, wavelet, FEW, RATE, 64, (4 + shift) * SAMPLES + start, 64 * SAMPLES)
    near(moved[:, shift:], still[:, : 64 - shift])


@given(offset=st.integers(0, 20 * SAMPLES), length=st.integers(1, 12 * SAMPLES), wavelet=KINDS)
def test_offset_and_length_are_padding_with_zeros(offset, length, wavelet):
    x = np.random.default_rng(offset).standard_normal(length).astype(np.float32)
    frame = np.zeros(32 * SAMPLES, np.float32)
    frame[offset : offset + length] = x
    near(power(x, wavelet, FEW, RATE, 32, offset, len(frame)), power(frame, wavelet, FEW, RATE, 32))


@pytest.mark.slow
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), low=st.floats(200, 500), octaves=st.floats(0.3, 1.5), wavelet=KINDS)
def test_scales_share_out_the_energy_of_a_signal(seed, low, octaves, wavelet):
    # Over a tight geometric grid the sum of |Psi(f / scale)|^2 is the integral of |Psi|^2 d(log f) over the grid's step,
    # whatever f: half the signal's energy is at positive frequencies, half at negative ones.
    w = families.wavelet(wavelet)
    frequencies = np.geomspace(8000, 20, 50)
    spectrum = scipy.fft.rfft(np.random.default_rng(seed).standard_normal(16 * SAMPLES))
    f = scipy.fft.rfftfreq(16 * SAMPLES, 1 / RATE)
    spectrum[(f < low) | (f > low * 2**octaves)] = 0
    # A smooth window keeps the ends from spreading energy beyond the grid.
    x = (scipy.fft.irfft(spectrum) * np.hanning(16 * SAMPLES)).astype(np.float32)
    found = power(x, wavelet, frequencies, RATE, 48, 16 * SAMPLES, 48 * SAMPLES).sum(dtype=np.float64) * SAMPLES
    ratio = np.geomspace(0.01, 100, 20_001) * w.centre
    constant = np.trapezoid(np.abs(w.response(ratio)) ** 2 + np.abs(w.response(-ratio)) ** 2, np.log(ratio))
    expected = np.sum(x.astype(np.float64) ** 2) / 2 * constant / np.log(frequencies[0] / frequencies[1])
    assert found == pytest.approx(expected, rel=0.03)


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
def test_samples_that_are_not_finite_are_refused(bad, messages):
    x = np.ones(1000, np.float32)
    x[3] = bad
    with messages.raises(RecipeError):
        power(x, WAVELET, FEW, RATE, 10)


@pytest.mark.parametrize("frequencies", [[8001.0, 100], [100.0, 0], [100.0, -5], [100.0, np.nan]])
def test_frequencies_beyond_their_limits_are_refused(frequencies, messages):
    with messages.raises(RecipeError):
        power(np.ones(1000, np.float32), WAVELET, np.array(frequencies), RATE, 10)


@pytest.mark.parametrize(
    ("columns", "offset", "length"), [(3, 0, None), (10, 1, None), (10, -1, 2000), (10, 0, 900), (7, 0, 2000)]
)
def test_frames_that_do_not_fit_are_refused(columns, offset, length, messages):
    with messages.raises(RecipeError):
        power(np.ones(1000, np.float32), WAVELET, FEW, RATE, columns, offset, length)


def test_scales_beyond_their_limits_are_refused(messages):
    # The least scale is that of the Nyquist frequency: 2 samples for a centre frequency of 1.
    assert cwt(np.ones(100), 2.0, WAVELET).shape == (1, 100)
    for scales in (1.99, [4.0, 1.0], [4.0, 0.0], -3.0, np.nan, np.inf):
        with messages.raises(RecipeError):
            cwt(np.ones(100), scales, WAVELET)


def test_coefficients_of_samples_that_are_not_finite_are_refused(messages):
    with messages.raises(RecipeError):
        cwt(np.array([1.0, np.nan, 2.0]), 4.0, WAVELET)


def test_unknown_wavelets_are_refused(messages):
    for call in (
        lambda: power(np.ones(1000, np.float32), "nosuch", FEW, RATE, 10),
        lambda: cwt(np.ones(100), 4.0, "nosuch"),
        lambda: scale_to_frequency(4.0, "nosuch"),
        lambda: frequency_to_scale(4.0, "nosuch"),
    ):
        with messages.raises(RecipeError):
            call()


def test_low_scales_of_short_columns_are_not_lost():
    # The wavelets are hundreds of columns long.
    x = np.random.default_rng(4).standard_normal(8192).astype(np.float32)
    frequencies = np.geomspace(200, 20, 16)
    assert worst_decibels(power(x, WAVELET, frequencies, RATE, 512), direct(x, WAVELET, frequencies, 512)) < 0.1


@pytest.mark.parametrize(("wavelet", "frequency"), [("haar", 1000.0), ("cmor0.5-1.0", 7600.0), ("cmor1.5-1.0", 7600.0)])
def test_the_end_does_not_echo_the_beginning(wavelet, frequency):
    x = np.zeros(1000)
    x[3] = 1
    c = np.abs(cwt(x, frequency_to_scale(frequency, wavelet, RATE), wavelet)[0])
    assert c[-50:].max() < 1e-4 * c.max()
