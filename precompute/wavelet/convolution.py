"""The pooled power of the wavelet transform as strided convolutions: for software that has convolutions, and not this package.

`pooling` computes the same several times as fast by other means; this form has two steps that every neural network library
offers.  Each scale is one filter in time, found at the lowest rate that keeps |c|^2 apart from its own repetitions; the mean
of |c|^2 over the samples of a column is then a weighted sum of the samples of |c|^2 in it and near it, since |c|^2 between
its samples is a sum of them under a windowed sinc (Crochiere & Rabiner 1983, Multirate Digital Signal Processing, chapter 2).
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from precompute.common.errors import RecipeError
from precompute.wavelet._base import Wavelet
from precompute.wavelet.filters import RING, extent, tapered

OVERSAMPLING = 1.6
"""Rate of the samples of c over the width of the wavelet's band, at least.  By theory |c|^2 needs 2; of what lies beyond 1.6
of a band that ends 100 dB down, nothing is left that an 8-bit level shows."""

KERNEL = 10
"""Samples of |c|^2 on either side from which it is interpolated."""

KAISER = 14.0
"""Shape of the Kaiser window over them: 140 dB of attenuation."""

ALIKE = 1.5
"""Ratio of the longest filter of a convolution to its shortest, at most, since all are as long as the longest."""


@dataclass(frozen=True)
class Convolution:
    """Some scales of the transform.

    Attributes:
        rows: Which scales, int64 (scales,).
        stride: Samples of the waveform from one sample of c to the next.
        reach: Samples of the waveform before and after a sample of c that enter it.
        taps: What they are multiplied by, in the order of time, float32 (parts, scales, 2 * reach + 1); the parts are real and
            imaginary part of c, or the real part alone where c is real.
        margin: Samples of c before and after a column that enter its power.
        weights: What |c|^2 is multiplied by, float32 (samples of a column / stride + 2 * margin,); they add up to 1.
    """

    rows: NDArray[np.int64]
    stride: int
    reach: int
    taps: NDArray[np.float32]
    margin: int
    weights: NDArray[np.float32]


def convolutions(
    wavelet: Wavelet, frequencies: NDArray[np.float64], sample_rate: float, samples: int
) -> tuple[Convolution, ...]:
    """The convolutions that give the power of all scales in columns.

    Args:
        wavelet: The mother wavelet.
        frequencies: Centre frequency of each scale in Hz, (scales,).
        sample_rate: In Hz.
        samples: Of the waveform in a column.

    Raises:
        RecipeError: The wavelet reaches too far for a filter in time.
    """
    by_stride: dict[int, list[tuple[int, int]]] = {}
    for row, frequency in enumerate(frequencies.tolist()):
        reach, _ = extent(wavelet, frequency, sample_rate, False)
        if not np.isfinite(reach):
            raise RecipeError(
                f"wavelet={wavelet.name} at {frequency:g} Hz reaches further than a filter in time can: choose a smooth wavelet"
            )
        by_stride.setdefault(_stride(wavelet, frequency, sample_rate, samples), []).append((int(reach), row))
    groups = []
    for stride, scales in sorted(by_stride.items()):
        left = sorted(scales)
        while left:
            together = [(reach, row) for reach, row in left if reach * ALIKE >= left[-1][0]]
            left = left[: -len(together)]
            groups.append(_convolution(wavelet, frequencies, sorted(row for _, row in together), sample_rate, samples, stride))
    return tuple(groups)


def _stride(wavelet: Wavelet, frequency: float, sample_rate: float, samples: int) -> int:
    """Samples of the waveform from one of c to the next: the largest number that divides a column and keeps the rate."""
    low, high = (np.clip(edge / wavelet.centre * frequency, -sample_rate / 2, sample_rate / 2) for edge in wavelet.band)
    most = sample_rate / (OVERSAMPLING * (high - low))
    return max(stride for stride in range(1, samples + 1) if samples % stride == 0 and stride <= max(most, 1))


def _convolution(
    wavelet: Wavelet, frequencies: NDArray[np.float64], rows: list[int], sample_rate: float, samples: int, stride: int
) -> Convolution:
    reach = max(int(extent(wavelet, frequencies[row], sample_rate, False)[0]) for row in rows)
    responses = np.stack([_impulse_response(wavelet, frequencies[row], sample_rate, reach) for row in rows])
    is_real = np.abs(responses.imag).max() < 1e-6 * np.abs(responses.real).max()
    # A filter sees the waveform backwards.
    parts = np.stack([responses.real] if is_real else [responses.real, responses.imag])[..., ::-1]
    margin, weights = _pooling(samples, stride)
    return Convolution(np.array(rows), stride, reach, parts.astype(np.float32), margin, weights)


def _impulse_response(wavelet: Wavelet, frequency: float, sample_rate: float, reach: int) -> NDArray[np.complex128]:
    """Coefficients of an impulse at time 0, from -reach to reach, (2 * reach + 1,)."""
    n = scipy.fft.next_fast_len(6 * (reach + RING))
    bins, response = tapered(wavelet, frequency, n, sample_rate)
    spectrum = np.zeros(n, np.complex128)
    spectrum[bins % n] = response
    impulse = scipy.fft.ifft(spectrum)
    return np.concatenate([impulse[-reach:], impulse[: reach + 1]])


def _pooling(samples: int, stride: int) -> tuple[int, NDArray[np.float32]]:
    """Margin and weights that make the mean over a column's samples of what is sampled at each `stride`."""
    if stride == 1:
        return 0, np.full(samples, 1 / samples, np.float32)
    k = np.arange(-KERNEL, samples // stride + KERNEL)
    t = np.arange(samples)[:, None] / stride - k
    window = np.i0(KAISER * np.sqrt(np.clip(1 - (t / KERNEL) ** 2, 0, None))) / np.i0(KAISER)
    interpolation = np.where(np.abs(t) < KERNEL, np.sinc(t) * window, 0)
    weights = interpolation.sum(axis=0)
    return KERNEL, (weights / weights.sum()).astype(np.float32)
