"""Discrete wavelets are held against the tables of PyWavelets, by their transform and by convolution in time."""

from itertools import pairwise

import numpy as np
import pytest
import pywt
import scipy.fft
import scipy.signal

from precompute.common.errors import RecipeError
from precompute.features import _picture
from precompute.wavelet import families
from precompute.wavelet._base import CUTOFF
from precompute.wavelet.cwt import cwt, power, scale_to_frequency
from precompute.wavelet.discrete import EXAMPLES, PATTERNS, REFUSED, SAME, Discrete

LISTED = pywt.wavelist(kind="discrete")
NAMES = [name for name in LISTED if name not in {"haar", *SAME, *REFUSED}]
SOME = ["db2", "db4", "db20", "sym8", "coif3", "dmey", "bior2.2", "bior3.3", "rbio3.1"]
"""One of each family, and the roughest."""

RATE = 16000
FINE = 32
"""Points at which the waveform is taken for each of its samples, in the convolution."""


def tabulated(name, level):
    """PyWavelets' psi, the one it decomposes with, and its times from its centre of gravity."""
    _, psi, *_, t = pywt.Wavelet(name).wavefun(level)
    return psi, t - np.sum(t * psi**2) / np.sum(psi**2)


OTHERS = [name for name in NAMES if name not in SOME][::3]


@pytest.fixture(scope="module", params=[*SOME, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def name(request):
    """A discrete wavelet, through all tests of it: what is computed of it is kept meanwhile."""
    return request.param


def test_every_discrete_wavelet_of_pywavelets_has_its_name():
    refused = []
    for name in LISTED:
        try:
            wavelet = families.wavelet(name)
        except RecipeError:
            refused.append(name)
        else:
            assert wavelet.name == SAME.get(name, name)
            assert families.wavelet(wavelet.name) == wavelet
    assert refused == list(REFUSED) == ["bior3.1"]
    assert {name.rstrip("0123456789.") for name in LISTED} - {"haar"} == set(PATTERNS) == set(EXAMPLES)
    assert all(families.wavelet(example).name == example for example in EXAMPLES.values())


def test_the_product_is_the_transform_of_pywavelets_table(name):
    wavelet = families.wavelet(name)
    psi, t = tabulated(name, 11)
    f = np.fft.rfftfreq(len(psi), 2**-11)
    f = f[f < 8]
    integral = np.fft.rfft(psi)[: len(f)] * np.exp(-2j * np.pi * f * t[0]) / 2**11
    # psi is real.
    f, integral = np.concatenate([f, -f]), np.concatenate([integral, integral.conj()])
    # The table is of the first 11 factors only, and so less exact at higher frequencies.
    assert np.abs(integral - wavelet.peak * wavelet.phase * wavelet.response(f)).max() < 3e-5 * wavelet.peak


@pytest.mark.parametrize("name", ["bior2.4", "bior3.5", "bior6.8"])
def test_the_other_wavelet_of_a_pair_is_that_of_the_reverse_pair(name):
    _, _, _, other, _t = pywt.Wavelet(name).wavefun(10)
    reverse, _ = tabulated(name.replace("bior", "rbio"), 10)
    psi = np.trim_zeros(other), np.trim_zeros(reverse)
    length = min(len(one) for one in psi)
    assert length > 500
    np.testing.assert_allclose(psi[0][:length], psi[1][:length], atol=1e-9)


def test_the_mean_is_0(name):
    # The filters of dmey, an approximation, do not cancel at 0 Hz.
    at_zero = abs(families.wavelet(name).response(np.zeros(1))[0])
    assert at_zero < (1e-3 if name == "dmey" else 1e-11)


def test_the_response_is_1_at_the_centre_and_nowhere_more(name):
    wavelet = families.wavelet(name)
    assert wavelet.response(np.array([wavelet.centre]))[0] == pytest.approx(1, abs=1e-9)
    f = np.linspace(-8 * wavelet.centre, 8 * wavelet.centre, 20_001)
    response = wavelet.response(f)
    assert np.abs(response).max() <= 1 + 1e-9
    assert abs(wavelet.phase) == pytest.approx(1, abs=1e-12)
    # psi is real.
    np.testing.assert_allclose(wavelet.phase * response, np.conj(wavelet.phase * response[::-1]), atol=1e-9)
    # PyWavelets' own estimate is a bin of the spectrum of a table.
    _psi, t = tabulated(name, 12)
    assert wavelet.centre == pytest.approx(pywt.central_frequency(name, precision=12), abs=1.01 / (t[-1] - t[0]))


def test_the_energy_is_that_of_pywavelets_table(name):
    wavelet = families.wavelet(name)
    f = np.linspace(0, 120, 120 * 128)
    energy = 2 * np.trapezoid(np.abs(wavelet.peak * wavelet.response(f)) ** 2, f)
    if name in ("bior2.2", "bior3.3"):
        # So rough that more than a trace of it lies beyond 120 cycles.
        expected = np.sum(tabulated(name, 13)[0] ** 2) / 2**13
        assert 0.8 * expected < energy < 0.999 * expected
    elif pywt.Wavelet(name).orthogonal and name != "dmey":
        assert energy == pytest.approx(1, rel=1e-4)
    else:
        assert energy == pytest.approx(np.sum(tabulated(name, 13)[0] ** 2) / 2**13, rel=3e-3)


@pytest.mark.parametrize("name", SOME)
def test_between_the_points_of_its_grid_the_response_is_the_product(name):
    wavelet = families.wavelet(name)
    rng = np.random.default_rng(0)
    # Within the grid, around its end, and far beyond it.
    f = np.concatenate(
        [rng.uniform(0, 1, 100), rng.uniform(0, wavelet._kept, 100), wavelet._kept * np.array([0.999, 1.001, 3])]
    )
    np.testing.assert_allclose(wavelet.response(f), wavelet._exact(f), rtol=0, atol=1e-11)
    assert wavelet.response(f[:4].reshape(2, 2)).shape == (2, 2)


def test_beyond_the_band_is_under_the_cut(name):
    wavelet = families.wavelet(name)
    low, high = wavelet.band
    assert low == -high
    if high == np.inf:
        # Whatever falls is still over the cut within two octaves of where it was no longer looked for.
        f = np.linspace(32, 64, 4001)
        assert np.abs(wavelet.response(f)).max() > CUTOFF
        return
    assert np.abs(wavelet.response(np.linspace(high, 10 * high, 4001))).max() <= CUTOFF
    assert np.abs(wavelet.response(np.linspace(0.5 * high, high, 4001))).max() > CUTOFF


def test_beyond_the_support_is_under_the_cut(name):
    wavelet = families.wavelet(name)
    psi, t = tabulated(name, 9)
    beyond = np.abs(t) > wavelet.support + 2**-8
    assert np.abs(psi[beyond]).max(initial=0) <= 1.01 * CUTOFF * np.abs(psi).max()
    # And no longer than psi itself.
    assert wavelet.support <= (t[-1] - t[0]) / 2 + 2**-8


def test_only_the_wavelet_of_approximate_filters_has_a_floor():
    assert [name for name in NAMES if families.wavelet(name).floor] == ["dmey"]


def test_the_refused_wavelet_grows_without_end():
    wavelet = Discrete("bior3.1")
    loudest = [np.abs(wavelet._product(np.linspace(low, high, 5000))).max() for low, high in pairwise(2.0 ** np.arange(1, 9))]
    assert all(later > 1.15 * before for before, later in pairwise(loudest))


class TestHaar:
    """The cascade of db1's filters makes what Haar's closed form says."""

    def test_its_response_is_the_closed_form(self):
        cascade, haar = Discrete("db1"), families.wavelet("haar")
        assert cascade.centre == pytest.approx(haar.centre, abs=1e-7)
        assert cascade.peak == pytest.approx(haar.peak, abs=1e-9)
        assert cascade.phase == haar.phase
        assert cascade.support == haar.support
        assert cascade.band == haar.band
        f = np.linspace(-150, 150, 5001)
        np.testing.assert_allclose(cascade.response(f), haar.response(f), atol=1e-9)

    def test_its_pixels_are_the_same(self, monkeypatch):
        x = np.random.default_rng(0).standard_normal(16000).astype(np.float32)
        frequencies = np.geomspace(7600, 60, 24)
        expected = power(x, "haar", frequencies, RATE, 32)
        monkeypatch.setattr(families, "wavelet", Discrete)
        found = power(x, "db1", frequencies, RATE, 32)
        shown, right = (_picture.levels(_picture.decibels(p), 10.0, 80.0) for p in (found, expected))
        np.testing.assert_array_equal(shown, right)

    def test_it_is_the_closed_form_that_db1_names(self):
        assert families.wavelet("db1") == families.wavelet("haar")
        assert type(families.wavelet("db1")) is families.Haar


def convolved(x, name, octave):
    """c at the scale of 2^octave samples, (n,): the integral of x(b + a t) psi(t) dt over PyWavelets' table, in time.

    The waveform, tapered, is taken at `FINE` points for each of its samples, which are then those of the table.
    """
    level = octave + FINE.bit_length() - 1
    psi, _ = tabulated(name, level)
    k = np.arange(len(psi))
    middle = np.sum(k * psi**2) / np.sum(psi**2)
    before = int(np.ceil(len(psi) / FINE)) + 200
    total = scipy.fft.next_fast_len(len(x) + 2 * before, real=True)
    spectrum = scipy.fft.rfft(np.pad(x, (before, total - before - len(x))))
    f = scipy.fft.rfftfreq(total)
    spectrum = spectrum * (0.5 + 0.5 * np.cos(np.pi * np.clip((2 * f - 0.9) / 0.1, 0, 1)))
    # The middle of the table may lie between two of its points: the waveform is moved by as much.
    spectrum *= np.exp(-2j * np.pi * f * (middle % 1) / FINE)
    waveform = FINE * scipy.fft.irfft(spectrum, total * FINE)
    integral = scipy.signal.correlate(waveform, psi, "valid", "fft") / 2**level
    return integral[before * FINE - int(middle) :: FINE][: len(x)] / families.wavelet(name).peak


def waveforms():
    rng = np.random.default_rng(0)
    x = np.zeros((2, 4000))
    x[0] = rng.standard_normal(4000)
    x[1, [500, 1124, 1625, 2388, 3001]] = 1, -0.3, 0.7, 1, 0.1
    return x.astype(np.float32)


def test_power_and_coefficients_are_those_of_a_convolution_in_time(name):
    octaves = [1, 3, 6]
    scales = 2.0 ** np.array(octaves)
    frequencies = scale_to_frequency(scales, name, RATE)
    for x in waveforms():
        expected = np.array([convolved(x.astype(np.float64), name, octave) for octave in octaves])
        found = cwt(x.astype(np.float64), scales, name)
        # The table is of a dozen factors, and so less exact the higher the frequency.
        assert np.abs(found - expected).max() < 2e-3 * np.abs(expected).max()
        mean = (expected**2).reshape(len(octaves), 8, -1).mean(axis=2)
        shown = mean > mean.max() * 1e-6
        pooled = power(x, name, frequencies, RATE, 8)
        assert np.abs(10 * np.log10(np.maximum(pooled[shown], 1e-30) / mean[shown])).max() < 0.1
