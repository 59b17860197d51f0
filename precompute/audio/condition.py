"""Waveforms at the rate, the level and the length that a feature is computed of."""

import math

import numpy as np
import scipy.fft
import soxr
from numpy.typing import NDArray

from precompute.audio import Pad, seeding
from precompute.audio.decode import FOREIGN
from precompute.common.errors import UnusableAudioError


def resample(samples: NDArray[np.float32], rate: int, to: int) -> NDArray[np.float32]:
    """Band-limited resampling by soxr's HQ setting (flat to 0.91 of the lower Nyquist frequency, 120 dB rejection).

    Args:
        samples: float32 (n,).
        rate: Its sample rate in Hz.
        to: Sample rate wanted, in Hz.

    Returns:
        float32 (about n * to / rate,).

    Raises:
        UnusableAudioError: soxr refuses, or there is not enough memory.
    """
    if rate == to:
        return samples
    try:
        resampled: NDArray[np.float32] = soxr.resample(samples, rate, to, quality="HQ")
    except MemoryError:
        raise UnusableAudioError("there is not enough memory to resample it") from None
    except FOREIGN as error:
        raise UnusableAudioError(f"it cannot be resampled from {rate} to {to} Hz ({error})") from None
    return resampled


def level(samples: NDArray[np.floating], sample_rate: int, f_min: float, f_max: float) -> float:
    """Root mean square of the band between two frequencies, by Parseval's theorem; the mean never counts.

    Where the band is all that a recording has, this is sqrt(mean(x^2)), by which the paper divides (3.4).  A DC offset, rumble
    and hum outside of the band take no part in it, as they take none in the picture.

    Args:
        samples: (n,), outside of which the waveform counts as zero.
        sample_rate: In Hz.
        f_min: Lower end of the band in Hz.
        f_max: Upper end in Hz.

    Returns:
        In units of the samples.
    """
    n = scipy.fft.next_fast_len(len(samples), real=True)
    low, high = math.ceil(f_min * n / sample_rate), math.floor(f_max * n / sample_rate)
    band = scipy.fft.rfft(samples - samples.mean(), n)[max(low, 1) : high + 1]
    power = 2 * float(np.vdot(band, band).real)
    if high == n / 2:
        # Nyquist's bin has no twin among the negative frequencies.
        power -= float(abs(band[-1]) ** 2)
    return math.sqrt(max(power, 0.0) / (n * len(samples)))


def fit(samples: NDArray[np.float32], length: int, pad: Pad, key: str) -> tuple[NDArray[np.float32], int]:
    """Crop an utterance to the frame, and say where in the frame it is (paper 3.4).

    Args:
        samples: float32 (n,).
        length: Of the frame, in samples.
        pad: `end`, `centre` or `random`.
        key: The utterance's key, from which `random` draws, so that the same utterance is always at the same place.

    Returns:
        The samples kept, float32 (min(n, length),), and the index of the first of them in the frame.
    """
    spare = length - len(samples)
    if pad == "end":
        shift = 0
    elif pad == "centre":
        shift = abs(spare) // 2
    else:
        shift = int(seeding.generator(key).integers(abs(spare) + 1))
    return (samples, shift) if spare >= 0 else (samples[shift : shift + length], 0)
