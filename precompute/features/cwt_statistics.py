"""Statistics of wavelet coefficients over an utterance, and of its loudness, zero crossings and spectral entropy: one vector.

After Shegokar & Sircar 2016 (doi 10.1109/ICSPCS.2016.7843306), who join the continuous wavelet transform and prosody.  Their
statistics are not published; our reading:

- of the magnitude of the coefficients, for each of 32 scales of a complex Morlet wavelet, spaced equally on a logarithmic axis
  from `f_max` down to `f_min`: mean, deviation, entropy, kurtosis, skewness;
- of frames of 25 ms every 10 ms the same five of the root mean square, of the rate of zero crossings, and of the entropy of
  the power spectrum.

Means and deviations of what is a level are in decibels, since loudness is heard by ratios; the rest has no unit.  The recipe
`cwt_statistics` takes the recordings at their own level, which is one of the things measured.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from precompute.audio.chain import Audio, Frame
from precompute.common.arrays import Array
from precompute.common.settings import setting
from precompute.features import _base, scalogram
from precompute.features._frames import framed

WAVELET = "cmor1.5-1.0"
"""That of the scalogram."""

STATISTICS = 5
"""Mean, deviation, entropy, kurtosis, skewness."""

SERIES = 3
"""Of frames: root mean square, rate of zero crossings, spectral entropy."""

WINDOW, HOP = 0.025, 0.010
"""Length of a frame, and the distance from one to the next, in seconds."""

FAINTEST = 1e-6
"""Least magnitude, 120 dB under full scale: what is fainter is the rounding of a computer."""


@dataclass(frozen=True)
class Feature(_base.Feature):
    """Statistics of one utterance.

    Attributes:
        scales: Number of scales of the transform.
    """

    title: ClassVar[str] = "statistics of wavelet coefficients"

    scales: int = setting(32, low=2, high=1024)

    def array(self, audio: Audio) -> Array:  # noqa: ARG002
        """A vector: five statistics of each scale, the highest frequency first, and of each series of frames."""
        return Array("float32", (STATISTICS * (self.scales + SERIES),), ("value",), 1e-3)

    def compute(self, frame: Frame) -> _base.Computed:
        """The statistics of the utterance."""
        from precompute.wavelet.cwt import cwt, frequency_to_scale

        audio, samples = frame.audio, frame.samples.astype(np.float64)
        frequencies = scalogram.centres(np.arange(self.scales), audio.f_min, audio.f_max, self.scales)
        # One scale at a time: together the coefficients of a minute would take half a gigabyte.
        values = [
            level_statistics(np.abs(cwt(samples, scale, WAVELET)[0]))
            for scale in frequency_to_scale(frequencies, WAVELET, audio.sample_rate)
        ]
        frames = framed(samples, round(WINDOW * audio.sample_rate), round(HOP * audio.sample_rate))
        values.append(level_statistics(np.sqrt(np.mean(frames**2, axis=1))))
        values += [statistics(zero_crossings(frames)), statistics(spectral_entropy(frames))]
        return _base.Computed(np.concatenate(values).astype(np.float32))


def statistics(series: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean, deviation, entropy, kurtosis and skewness of a series over time.

    The entropy is that of the shares of energy, -sum p ln p / ln n with p = x^2 / sum x^2 (Shannon 1948, doi
    10.1002/j.1538-7305.1948.tb01338.x): 1 where energy is spread evenly, 0 where it is in one place.  Kurtosis is 3 for a
    normal distribution; of a constant series it is 0, as skewness is.

    Args:
        series: (n,), not negative.

    Returns:
        float64 (5,).
    """
    mean, deviation = series.mean(), series.std()
    # The mean of equal numbers may differ from them in the last bit.
    centred = (series - mean) / deviation if deviation > 1e-12 * mean else np.zeros_like(series)
    # Products, not powers, which NumPy computes twenty times as slowly.
    squared = np.square(centred)
    return np.array([mean, deviation, entropy(np.square(series)), np.mean(squared * squared), np.mean(squared * centred)])


def level_statistics(level: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same of a level of 1 or less, whose mean and deviation are in decibels, no less than `FAINTEST`; float64 (5,)."""
    values = statistics(np.maximum(level, FAINTEST))
    values[:2] = 20 * np.log10(np.maximum(values[:2], FAINTEST))
    return values


def entropy(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy of the shares of power along the last axis, over its largest, from 0 to 1; 1 where there is no power."""
    from scipy.special import entr

    total, n = power.sum(axis=-1, keepdims=True), power.shape[-1]
    shares = np.divide(power, total, out=np.full(power.shape, 1 / n), where=total > 0)
    entropies: NDArray[np.float64] = entr(shares).sum(axis=-1) / np.log(max(n, 2))
    return entropies


def zero_crossings(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the pairs of neighbouring samples that differ in sign, float64 (frames,)."""
    crossings: NDArray[np.float64] = np.diff(np.signbit(frames), axis=1).mean(axis=1)
    return crossings


def spectral_entropy(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy of the power spectrum of each frame through Hann's window, from 0 (a tone) to 1, float64 (frames,)."""
    import scipy.fft
    import scipy.signal

    window = scipy.signal.windows.hann(frames.shape[1], sym=False)
    return entropy(np.abs(scipy.fft.rfft(frames * window, axis=1)) ** 2)
