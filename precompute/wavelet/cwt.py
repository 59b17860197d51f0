"""The continuous wavelet transform: coefficients, and their power averaged over time columns.

The transform with 1/a normalisation (paper 3.1, doi 10.18280/ts.420205)

    c(a, b) = (1/a) * integral x(t) psi*((t - b) / a) dt

is a multiplication in the frequency domain, C(a, f) = X(f) Psi*(a f); `families` has Psi, `filters` scales it to
a peak of 1 at the centre frequency of each scale, so that no factor of a is left.  `cwt` is this line of mathematics; an image
needs not c but the mean of |c|^2 over each time column, and `power` computes no more than that, as `pooling` explains.
"""

from typing import Literal, get_args

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from precompute.common.errors import RecipeError
from precompute.wavelet import FEWEST_SAMPLES, families
from precompute.wavelet.filters import RING, both_sides, tapered
from precompute.wavelet.pooling import COLUMNS_AT_ONCE, filter_bank

FURTHEST = 1.5
"""Reach of a wavelet, at most, in lengths of the frame; further than the frame itself for the sake of steps in Psi."""

Norm = Literal["l1", "l2"]


def scale_to_frequency(scales: ArrayLike, wavelet: str, sample_rate: float = 1.0) -> NDArray[np.float64]:
    """Centre frequencies in Hz of scales in samples: f = centre * sample_rate / a, with the wavelet's exact centre.

    (`pywt.scale2frequency` rounds the centre to the grid of a tabulated wavelet, for `mexh` from 0.2251 to 0.25.)
    """
    return families.wavelet(wavelet).centre * sample_rate / np.asarray(scales, np.float64)


def frequency_to_scale(frequencies: ArrayLike, wavelet: str, sample_rate: float = 1.0) -> NDArray[np.float64]:
    """Scales in samples of centre frequencies in Hz: a = centre * sample_rate / f, with the wavelet's exact centre."""
    return families.wavelet(wavelet).centre * sample_rate / np.asarray(frequencies, np.float64)


def cwt(x: NDArray[np.floating], scales: ArrayLike, wavelet: str, norm: Norm = "l1") -> NDArray[np.complexfloating]:
    """Continuous wavelet transform at the full rate; outside its samples the waveform counts as zero.

    Args:
        x: Waveform, (n,), finite.
        scales: a of each row, in samples, (scales,); those whose centre frequency lies within (0, 1/2] of the sample rate.
        wavelet: Name, as in `families.wavelet`.
        norm: `l1`: 1/a times the integral, Psi scaled to peak 1, so that A cos(2 pi f t) gives |c| = A / 2 at f's scale (A for
            the real wavelets, at the crests).  `l2`: 1/sqrt(a) times the integral, psi as PyWavelets scales it, which is
            sqrt(a) * peak times `l1`.

    Returns:
        (scales, n), complex64 for float32 x, else complex128; in units of x, times sqrt(samples) for `l2`.

    Raises:
        RecipeError: x is not finite, or a scale is outside its limits.

    Frequencies from 0.9 of Nyquist's are tapered (`TAPER`).  To come from

    - `pywt.cwt(x, scales, wavelet)`: the same scales and names, `norm="l2"`; theirs carries the errors of a table of psi and
      the factor sinc(f / sample_rate) of a mean over each sample, 0.13 dB at a tenth of the sample rate;
    - `ssqueezepy.cwt(x, ("gmw", {"gamma": 3, "beta": 60}))`: `gmw3-60`, `norm="l1"`, times 2, the peak of its Psi; its Morlet
      wavelet of `mu` is `cmorB-1.0` with B = 2 (mu / 2 pi)^2, times sqrt(2) pi^(1/4); its scales are 2 pi `centre` / ours;
    - `fcwt.cwt(x, fs, f0, f1, fn)`: `cmor8.0-1.0`, `norm="l1"`, times sqrt(2) pi^(1/4); `fcwt.Morlet(s)` is B = 2 s^2.
    """
    w = families.wavelet(wavelet)
    scales = np.atleast_1d(np.asarray(scales, np.float64))
    if norm not in get_args(Norm):
        raise RecipeError(f"norm={norm} is unknown: choose from {', '.join(get_args(Norm))}")
    if np.ndim(x) != 1 or not np.size(x) or scales.ndim != 1 or not scales.size:
        raise RecipeError(
            f"x of shape {np.shape(x)} and scales of shape {scales.shape} are not both one row: "
            "give one waveform and its scales, none of them empty"
        )
    x = np.asarray(x, None if np.asarray(x).dtype == np.float32 else np.float64)
    if not (scales.min() >= 2 * w.centre * (1 - 1e-9) and scales.max() < np.inf):
        raise RecipeError(
            f"scales from {scales.min():g} to {scales.max():g} samples are not all finite and at least {2 * w.centre:g}, where "
            f"{w.name} is centred on half the sample rate: choose larger scales"
        )
    frequencies = _checked(x, np.minimum(w.centre / scales, 0.5), 1.0)
    reach = int(np.ceil(min(w.support * float(scales.max()) + RING, FURTHEST * len(x) + RING)))
    n = 2 * scipy.fft.next_fast_len(-(-(len(x) + reach) // 2))
    spectrum = both_sides(scipy.fft.rfft(x, n))
    result = np.empty((len(scales), len(x)), spectrum.dtype)
    for row, scale, frequency in zip(result, scales, frequencies, strict=True):
        bins, response = tapered(w, frequency, n, 1.0)
        factor = np.conj(w.phase) * (np.sqrt(scale) * w.peak if norm == "l2" else 1.0)
        band = np.zeros(n, spectrum.dtype)
        band[bins % n] = spectrum[bins + n // 2] * (factor * response)
        row[:] = scipy.fft.ifft(band, overwrite_x=True)[: len(x)]
    return result


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
        wavelet: Name, as in `families.wavelet`.
        frequencies: Centre frequency of each scale in Hz, (scales,), monotonic, within (0, sample_rate / 2].
        sample_rate: Of x, in Hz.
        columns: Number of columns of the frame.
        offset: Index in the frame of the utterance's first sample, at least 0.
        length: Length of the frame in samples, a multiple of `columns`; by default that of x.  Outside the utterance
            the frame is zero.

    Returns:
        float32 (scales, columns): the mean of |c(a, b)|^2 over the samples b of each column, in squared units of x, c with norm
        `l1`.  A sinusoid of amplitude A at a scale's centre frequency gives A^2 / 4 in that row, A^2 / 2 with a
        real wavelet, and 1.8 % more than A^2 / 4 with cgau1, which has a second lobe.

    Raises:
        RecipeError: x is not finite or does not fit, the length is no multiple of the columns, or a frequency is outside
            its limits.
    """
    length = len(x) if length is None else length
    if columns < 1 or length % columns or length < FEWEST_SAMPLES * columns or offset < 0 or offset + len(x) > length:
        raise RecipeError(
            f"{len(x)} samples at {offset} do not fit a frame of {length} samples in {columns} columns: "
            f"give a length that is a multiple of the columns, at least {FEWEST_SAMPLES} each, and holds the utterance"
        )
    w = families.wavelet(wavelet)
    frequencies = _checked(x, frequencies, sample_rate)
    samples = length // columns
    support = w.reach(float(frequencies.min()), sample_rate)
    reach = int(np.ceil(min(support + RING, FURTHEST * length + RING) / samples))
    begin, end = max(offset // samples - reach, 0), min(-(-(offset + len(x)) // samples) + reach, columns)
    # A column more on either side, whose outer end is not looked after, and room for what wraps around.
    first = begin - 1
    last = max(end + 1, -(-(offset + len(x)) // samples) + reach, end + reach - offset // samples)
    active = -(-(last - first) // COLUMNS_AT_ONCE) * COLUMNS_AT_ONCE
    frame = np.zeros((active, samples), np.float32)
    start = offset - first * samples
    frame.reshape(-1)[start : start + len(x)] = x

    energy = filter_bank(w, tuple(frequencies), float(sample_rate), samples, active).energy(frame)
    result = np.zeros((len(frequencies), columns), np.float32)
    np.maximum(energy[:, begin - first : end - first] / samples, 0, out=result[:, begin:end])
    return result


def _checked(x: NDArray[np.floating], frequencies: NDArray[np.float64], sample_rate: float) -> NDArray[np.float64]:
    if not (frequencies.min() > 0 and frequencies.max() <= sample_rate / 2):
        raise RecipeError(
            f"scales from {frequencies.min():g} to {frequencies.max():g} Hz leave (0, {sample_rate / 2:g}] Hz: "
            "choose frequencies up to half the sample rate"
        )
    if not np.isfinite(x).all():
        raise RecipeError("the waveform holds NaN or infinite samples: remove them before the transform")
    return frequencies
