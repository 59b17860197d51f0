"""What the mains and the room add to a recording: hum, and rumble below the voice."""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

MAINS = (50, 60)
"""Frequencies of the mains in Hz, anywhere."""

HARMONICS = 6
"""Multiples of the mains that are looked at: rectifiers hum at two and more."""

NEAR, BESIDE = 1, 8
"""Hz to either side of a line that count as it, and up to which its surroundings reach."""

HIGHEST = 400
"""Hz up to which hum is looked for."""

LEAST_SECONDS = 1.2
"""Of a recording in which hum is looked for: in less a voice may stay on one pitch."""

HIGHEST_RUMBLE, VOICE = 50.0, (60.0, 7600.0)
"""Upper end of rumble, and the frequencies of a voice, in Hz."""

LEAST_POWER = 1e-20
"""Power that replaces zero."""


@dataclass(frozen=True)
class Disturbances:
    """What disturbs a recording.

    Attributes:
        line: Frequency of that line of the mains which stands out most, in Hz.
        hum: How far it does, in the second in which it does least, in dB re the median beside it: voices move, and hum stays;
            0 for recordings of less than `LEAST_SECONDS`.
        rumble: Level below 50 Hz re that of the voice, from 60 Hz to 7.6 kHz, in dB; the mean does not count.
    """

    line: int
    hum: float
    rumble: float


def find(samples: NDArray[np.float32], rate: int) -> Disturbances:
    """Measure what disturbs a recording.

    Args:
        samples: float32 (n,).
        rate: In Hz.
    """
    n = scipy.fft.next_fast_len(len(samples), real=True)
    spectrum = scipy.fft.rfft(samples - samples.mean(), n)
    power = np.square(np.abs(spectrum))
    below, voice = (
        float(power[int(low * n / rate) + 1 : int(high * n / rate) + 1].sum()) for low, high in ((0, HIGHEST_RUMBLE), VOICE)
    )
    rumble = 10 * np.log10(max(below, LEAST_POWER) / max(voice, LEAST_POWER))
    line, hum = _hum(spectrum, n, len(samples), rate) if len(samples) >= LEAST_SECONDS * rate else (MAINS[0], 0.0)
    return Disturbances(line, hum, float(rumble))


def _hum(spectrum: NDArray[np.complex64], n: int, length: int, rate: int) -> tuple[int, float]:
    bins = int(HIGHEST * n / rate)
    low = scipy.fft.irfft(spectrum[: bins + 1], 2 * bins)[: length * 2 * bins // n]
    second = round(2 * bins * rate / n)
    starts = range(0, len(low) - second + 1, second // 2)
    # Of 1 Hz each.
    power = (
        np.square(np.abs(scipy.fft.rfft([low[start : start + second] * np.hanning(second) for start in starts]))) + LEAST_POWER
    )
    strongest = (MAINS[0], 0.0)
    for line in sorted({mains * multiple for mains in MAINS for multiple in range(1, HARMONICS + 1)}):
        peak = power[:, line - NEAR : line + NEAR + 1].max(axis=1)
        around = (power[:, line - BESIDE : line - NEAR - 1], power[:, line + NEAR + 2 : line + BESIDE + 1])
        beside = np.median(np.concatenate(around, axis=1), axis=1)
        strongest = max(strongest, (line, float((10 * np.log10(peak / beside)).min())), key=lambda hum: hum[1])
    return strongest
