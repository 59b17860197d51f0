"""Filters of the transform on the bins of an FFT, and their impulse responses."""

from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from precompute.wavelet._base import Wavelet

TAPER = 0.9
"""Spectra are tapered from this share of the Nyquist frequency, by half a cosine: a filter cut off sharply there would ring."""

TAIL = 1e-11
"""Share of an impulse response's energy that may be cut off its ends."""

RING = 250
"""Samples of the waveform over which the taper's own impulse response reaches to either side."""

LONGEST = 50_000
"""Reach in samples that counts as infinite: so far reach steps in the frequency response only."""

STEP = 13
"""Bins to either side over which a step in the frequency response is spread."""

Amplitudes = NDArray[np.float64] | NDArray[np.complex128]


def tapered(wavelet: Wavelet, frequency: float, n: int, sample_rate: float) -> tuple[NDArray[np.int64], Amplitudes]:
    """The filter of a scale: Psi*, scaled to a peak of 1, times the taper common to all scales.

    Args:
        wavelet: The mother wavelet.
        frequency: Centre frequency of the scale in Hz.
        n: Length of the FFT.
        sample_rate: In Hz.

    Returns:
        Bins of the wavelet's band, those of negative frequencies negative, and the amplitude at each; (bins,) both.
    """
    stretch = frequency / wavelet.centre * n / sample_rate
    margin = STEP if wavelet.steps else 0
    low = max(wavelet.band[0] * stretch - margin, -(n // 2))
    high = min(wavelet.band[1] * stretch + margin, n - n // 2 - 1)
    first = int(np.ceil(low))
    bins = np.arange(first, max(int(np.floor(high)), first) + 1)
    if wavelet.steps:
        begin, end = (edge * stretch for edge in wavelet.band)
        return bins, (_step(bins - begin) - _step(bins - end)) * taper(bins, n)
    return bins, wavelet.response(bins / stretch).conj() * taper(bins, n)


def taper(bins: NDArray[np.int64] | NDArray[np.float64], n: float) -> NDArray[np.float64]:
    """1 up to `TAPER` of the Nyquist frequency, then half a cosine down to 0 there; for bins of an FFT of length n."""
    amplitude: NDArray[np.float64] = 0.5 + 0.5 * np.cos(np.pi * np.clip((np.abs(bins) * 2 / n - TAPER) / (1 - TAPER), 0, 1))
    return amplitude


def untapered(wavelet: Wavelet, frequency: float, n: int, sample_rate: float) -> tuple[NDArray[np.int64], Amplitudes]:
    """The same without the taper, and up to the sample rate: for a waveform that is tapered.

    The taper then does not lengthen the impulse response.  The wavelet's band must be of positive frequencies.
    """
    stretch = frequency / wavelet.centre * n / sample_rate
    bins = np.arange(int(np.ceil(wavelet.band[0] * stretch)), min(int(wavelet.band[1] * stretch), n - 1) + 1)
    return bins, wavelet.response(bins / stretch).conj()


@lru_cache(maxsize=1024)
def extent(wavelet: Wavelet, frequency: float, sample_rate: float, tapered_before: bool) -> tuple[float, float]:
    """Samples over which the impulse response of a scale reaches to either side, its negligible ends left out, and its energy.

    Args:
        wavelet: The mother wavelet.
        frequency: Centre frequency of the scale in Hz.
        sample_rate: In Hz.
        tapered_before: Whether the waveform is tapered, and the filter `untapered`.
    """
    reach = wavelet.reach(frequency, sample_rate) + RING
    if reach > LONGEST:
        return np.inf, 0.0
    n = scipy.fft.next_fast_len(int(6 * reach))
    bins, response = (untapered if tapered_before else tapered)(wavelet, frequency, n, sample_rate)
    spectrum = np.zeros(n, response.dtype)
    spectrum[bins % n] = response
    impulse = scipy.fft.ifft(spectrum)
    later = np.abs(impulse[: n // 2]) ** 2
    # A real response's impulse response is as strong before 0 as after.
    earlier = np.abs(impulse[: -(n // 2) : -1]) ** 2 if np.iscomplexobj(response) else later[1:]
    energy = np.concatenate([later[:1], later[1:] + earlier])
    missing = energy.sum() - np.cumsum(energy)
    return float(np.argmax(missing <= TAIL * energy.sum())), float(energy.sum())


def both_sides(spectrum: NDArray[np.complexfloating]) -> NDArray[np.complexfloating]:
    """Spectrum of a real signal at the bins from -n/2 to n/2 - 1 from that at 0 to n/2 (last axis); n is even."""
    return np.concatenate([spectrum[..., :0:-1].conj(), spectrum[..., :-1]], axis=-1)


def _step(u: NDArray[np.floating]) -> NDArray[np.float64]:
    """A unit step at u = 0, in bins, seen through a finite transform, whose impulse response is exact to 0.4 of its length.

    A step sampled at the bins would give the impulse response, which falls by 1/t only, with all its repetitions.
    """
    v = np.linspace(-STEP, STEP, 128 * STEP + 1)
    kernel = np.sinc(v) * np.i0(8 * np.sqrt(1 - (v / STEP) ** 2))
    risen = np.cumsum(kernel) - kernel / 2
    step: NDArray[np.float64] = np.interp(u, v, risen / kernel.sum())
    return step
