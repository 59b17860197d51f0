"""Pooled wavelet power: the continuous wavelet transform of the paper's section 3.1, averaged over time columns.

The transform with 1/a normalisation (paper 3.1, doi 10.18280/ts.420205)

    c(a, b) = (1/a) * integral x(t) psi*((t - b) / a) dt

is a multiplication in the frequency domain, C(a, f) = X(f) * conj(Psi(a f)), with no factor left of the scale.  What
the image needs is not c but the mean of |c|^2 over each time column, so nothing is computed at the full rate:

1. One real FFT of the utterance, extended by the time support of the widest wavelet.
2. For each scale, the products X * Psi inside the wavelet's band are inverse-transformed at a length just long enough
   for |c|^2; shifting the band to zero frequency changes the phase of c only.  These are exact samples of |c|.
3. The mean over a column is that of its samples, with the Euler-Maclaurin terms at its two ends.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pywt
import scipy.fft
from numpy.typing import NDArray

from precompute.errors import RecipeError

CUTOFF = 1e-5
"""A filter is cut where its amplitude falls under this share of its peak: -100 dB, under any dynamic range shown."""

SAMPLES_PER_BANDWIDTH = 20.0
"""Samples of |c|^2 in one second, in standard deviations (Hz) of the filter: dense enough that the steep flanks of a single
impulse, 60 dB under its peak, are pooled to within 0.1 dB; 12 suffice for speech."""

LEAST_SAMPLES = 8
"""Samples of |c|^2 in a column, at least: the end terms reach three samples into either neighbour."""

FEWEST_SAMPLES = 4
"""Samples of the waveform in a column, at least, for the same reason."""

TAPER = 0.9
"""The spectrum is tapered from this share of the Nyquist frequency: a filter cut off sharply there would ring."""

SCALES_AT_ONCE = 4
"""Neighbouring scales transformed together at one length: pocketfft is faster a point on several rows than on one."""

COLUMNS_AT_ONCE = 16
"""The transform's length is a multiple of this many columns, so that few filter banks serve utterances of any length."""


@dataclass(frozen=True)
class Morlet:
    """Complex Morlet wavelet psi(t) = (pi B)^(-1/2) exp(-t^2 / B) exp(2 pi i C t), as PyWavelets' `cmorB-C`.

    Attributes:
        bandwidth: B, more than 0.
        centre: C, in cycles per unit of time; more than 0.
    """

    bandwidth: float
    centre: float

    @classmethod
    def named(cls, name: str) -> "Morlet":
        """The wavelet of a PyWavelets name such as `cmor1.5-1.0`."""
        wavelet = pywt.ContinuousWavelet(name)
        return cls(wavelet.bandwidth_frequency, wavelet.center_frequency)

    def response(self, ratio: NDArray[np.floating]) -> NDArray[np.floating]:
        """Psi(f) = exp(-pi^2 B (f - C)^2), the Fourier transform of psi, at f = C * ratio; its peak is 1 at ratio 1."""
        amplitude: NDArray[np.floating] = np.exp(-(np.pi**2) * self.bandwidth * self.centre**2 * (ratio - 1) ** 2)
        return amplitude

    @property
    def sigma(self) -> float:
        """Standard deviation of Psi as a share of its centre frequency."""
        return float(1 / (np.pi * self.centre * np.sqrt(2 * self.bandwidth)))

    @property
    def support(self) -> float:
        """Half the duration, in cycles of the centre frequency, outside which |psi| is under `CUTOFF` of its peak."""
        return float(np.sqrt(-np.log(CUTOFF) * self.bandwidth) * self.centre)


def power(
    x: NDArray[np.float32],
    wavelet: str,
    frequencies: NDArray[np.float64],
    sample_rate: float,
    columns: int,
    offset: int = 0,
    length: int | None = None,
) -> NDArray[np.float32]:
    """Mean power of the wavelet coefficients over each time column.

    Args:
        x: Utterance, (n,), finite.
        wavelet: PyWavelets name of a complex Morlet wavelet, `cmorB-C`.
        frequencies: Centre frequency of each scale in Hz, (scales,), monotonic, within (0, sample_rate / 2].
        sample_rate: Of x, in Hz.
        columns: Number of columns of the frame.
        offset: Index in the frame of the utterance's first sample, at least 0.
        length: Length of the frame in samples, a multiple of `columns`; by default that of x.  Outside the utterance
            the frame is zero.

    Returns:
        float32 (scales, columns): the mean of |c(a, b)|^2 over the samples b of each column, in squared units of x.  A
        sinusoid of amplitude A at a scale's centre frequency gives A^2 / 4 in that row.

    Raises:
        RecipeError: x is not finite or does not fit, the length is no multiple of the columns, or a frequency is outside
            its limits.
    """
    length = len(x) if length is None else length
    if length % columns or length < FEWEST_SAMPLES * columns or offset < 0 or offset + len(x) > length:
        raise RecipeError(
            f"{len(x)} samples at {offset} do not fit a frame of {length} samples in {columns} columns: "
            f"give a length that is a multiple of the columns, at least {FEWEST_SAMPLES} each, and holds the utterance"
        )
    if not (frequencies.min() > 0 and frequencies.max() <= sample_rate / 2):
        raise RecipeError(
            f"scales from {frequencies.min():g} to {frequencies.max():g} Hz leave (0, {sample_rate / 2:g}] Hz: "
            "choose frequencies up to half the sample rate"
        )
    if not np.isfinite(x).all():
        raise RecipeError("the waveform holds NaN or infinite samples: remove them before the transform")

    samples = length // columns
    margin = -int(-Morlet.named(wavelet).support / frequencies.min() * sample_rate // samples)
    first = offset // samples - margin
    last = -(-(offset + len(x)) // samples) + margin
    active = -(-(last - first) // COLUMNS_AT_ONCE) * COLUMNS_AT_ONCE
    bank = filter_bank(wavelet, tuple(frequencies), float(sample_rate), samples, active)

    frame = np.zeros(active * samples, np.float32)
    start = offset - first * samples
    frame[start : start + len(x)] = x
    pooled = _pooled_power(scipy.fft.rfft(frame), bank, active, samples)

    result = np.zeros((len(frequencies), columns), np.float32)
    begin, end = max(first, 0), min(first + active, columns)
    result[:, begin:end] = pooled[:, begin - first : end - first]
    return result


@dataclass(frozen=True)
class Group:
    """Filters of neighbouring scales that share one inverse FFT.

    Attributes:
        samples: Samples of |c|^2 in each column.
        starts: First frequency bin of each filter's band.
        responses: Filter amplitudes inside each band, float32, with the factor that makes the inverse FFT give c.
    """

    samples: int
    starts: tuple[int, ...]
    responses: tuple[NDArray[np.float32], ...]


@lru_cache(maxsize=18)
def filter_bank(
    wavelet: str, frequencies: tuple[float, ...], sample_rate: float, samples: int, columns: int
) -> tuple[Group, ...]:
    """Filters for one length of transform: Psi(a f) on the bins of an FFT of `columns * samples` samples.

    Args:
        wavelet: PyWavelets name of the wavelet.
        frequencies: Centre frequencies in Hz.
        sample_rate: In Hz.
        samples: Samples of the waveform in a column.
        columns: Columns of the transform.

    Returns:
        The filters, by groups of `SCALES_AT_ONCE` scales in the order of the frequencies.
    """
    morlet = Morlet.named(wavelet)
    n = columns * samples
    nyquist = sample_rate / 2
    reach = np.sqrt(-2 * np.log(CUTOFF)) * morlet.sigma
    groups = []
    for at in range(0, len(frequencies), SCALES_AT_ONCE):
        centres = frequencies[at : at + SCALES_AT_ONCE]
        wanted = SAMPLES_PER_BANDWIDTH * morlet.sigma * max(centres) * samples / sample_rate
        rate = min(scipy.fft.next_fast_len(max(LEAST_SAMPLES, int(np.ceil(wanted)))), samples)
        starts, responses = [], []
        for centre in centres:
            low = max(0, int(np.ceil(centre * (1 - reach) * n / sample_rate)))
            high = min(n // 2, int(centre * (1 + reach) * n / sample_rate))
            f = np.arange(low, high + 1) * (sample_rate / n)
            taper = 0.5 + 0.5 * np.cos(np.pi * np.clip((f / nyquist - TAPER) / (1 - TAPER), 0, 1))
            starts.append(low)
            responses.append((morlet.response(f / centre) * taper * (rate / samples)).astype(np.float32))
        groups.append(Group(rate, tuple(starts), tuple(responses)))
    return tuple(groups)


def _pooled_power(spectrum: NDArray[np.complex64], bank: tuple[Group, ...], columns: int, samples: int) -> NDArray[np.float32]:
    """Column means of |c|^2, (scales, columns), from the spectrum of a frame that repeats after columns * samples."""
    # One workspace for all groups: fresh arrays of this size cost as much in page faults as the arithmetic.
    most = max(len(group.starts) * columns * group.samples for group in bank)
    workspace, squares = np.empty(most, np.complex64), np.empty(most, np.float32)
    pooled = []
    for group in bank:
        shape = (len(group.starts), columns * group.samples)
        size = shape[0] * shape[1]
        band = workspace[:size].reshape(shape)
        band[:] = 0
        for row, start, response in zip(band, group.starts, group.responses, strict=True):
            product = spectrum[start : start + len(response)] * response
            for part in range(0, len(product), shape[1]):
                piece = product[part : part + shape[1]]
                row[: len(piece)] += piece
        parts = scipy.fft.ifft(band, axis=-1, overwrite_x=True).view(np.float32)
        np.square(parts, out=parts)
        power = np.add(parts[:, ::2], parts[:, 1::2], out=squares[:size].reshape(shape))
        pooled.append(_column_means(power, columns, samples / group.samples))
    return np.concatenate(pooled)


def _column_means(samples: NDArray[np.float32], columns: int, step: float) -> NDArray[np.float32]:
    """Means over columns of a periodic function, (rows, columns * q) -> (rows, columns), as if sampled at step 1.

    The sum over a column of a function sampled at step 1 and that of every step-th sample both follow from its integral by
    the Euler-Maclaurin formula (DLMF 2.10.1), so that one follows from the other with end terms in (1 - step^-2k), here
    up to the fifth derivative, the derivatives replaced by averaged central differences.

    Args:
        samples: Function values, non-negative, every `step` samples of the waveform.
        columns: Number of columns in a period.
        step: Distance of the values in samples of the waveform, at least 1; at 1 the result is the plain mean.
    """
    q = samples.shape[-1] // columns
    at = samples.reshape(len(samples), columns, q)
    before = np.roll(at[:, :, -3:], 1, axis=1)
    d1 = at[:, :, 1] - before[:, :, 2]
    d2 = at[:, :, 2] - before[:, :, 1]
    d3 = at[:, :, 3] - before[:, :, 0]
    e2, e4, e6 = (1 - step**-power for power in (2, 4, 6))
    third, fifth = d2 - 2 * d1, d3 - 4 * d2 + 5 * d1
    ends = (
        (1 - 1 / step) * at[:, :, 0] - e2 / 12 * d1 + (e2 / 72 + e4 / 720) * third - (e2 / 360 + e4 / 2880 + e6 / 30240) * fifth
    ) / 2
    total = at.sum(axis=-1) + np.roll(ends, -1, axis=1) - ends
    means: NDArray[np.float32] = np.maximum(total / q, 0).astype(np.float32)
    return means
