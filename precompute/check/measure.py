"""Measurements of one recording, or of a part of it."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precompute.audio import decode
from precompute.check import disturbances
from precompute.check.disturbances import Disturbances

LEAST_RUN = 3
"""Successive samples at full scale that count as clipped: one or two are the peak of a recording scaled to fit."""

EIGHT_BITS = ("PCM_S8", "PCM_U8", "DPCM_8")

FRAME = 0.01
"""Of the search for silence, in seconds: about a period of a low voice."""

SILENCE_DB = -40.0
"""Level, re the loudest frame, under which the beginning and the end of a recording count as silence."""


@dataclass(frozen=True)
class Measurements:
    """What was measured of a recording.

    Attributes:
        duration: In seconds.
        rate: Sample rate, in Hz.
        channels: Number of channels.
        equal_channels: Whether all channels hold the same; True for one channel.
        encoding: Container and samples as libsndfile names them, such as `WAV PCM_16`.
        peak: Largest sample, in dB re full scale.
        level: Root mean square of all samples, in dB re full scale: a sine at full scale has -3.01.
        clipped: Samples in runs of at least `LEAST_RUN` at or beyond full scale on one side.  A recording that was clipped
            and then turned down, or compressed with loss, does not show it.
        leading: Silence before the first frame of `FRAME` within `SILENCE_DB` of the loudest, in seconds.
        trailing: Likewise, after the last.
        offset: Mean of all samples, re full scale.
        disturbances: Hum and rumble.
        file_sha256: Of the file.
        samples_sha256: Of the sample rate, the number of channels that differ and the samples as float32, so that a copy in
            another lossless container, or in as many equal channels, has the same.
    """

    duration: float
    rate: int
    channels: int
    equal_channels: bool
    encoding: str
    peak: float
    level: float
    clipped: int
    leading: float
    trailing: float
    offset: float
    disturbances: Disturbances
    file_sha256: str
    samples_sha256: str


def measure_recording(data: bytes, begin: float | None = None, end: float | None = None) -> Measurements:
    """Measure a recording, or a part of it.

    Args:
        data: The file's content, in any format that libsndfile reads.
        begin: Of the part, in seconds; by default the recording's.
        end: Likewise.

    Raises:
        UnusableAudioError: As `precompute.audio.decode.decode`.
    """
    wave = decode.decode(data, begin, end)
    samples = wave.samples[:, None] if wave.channels == 1 else decode.channels(data, begin, end)
    equal = bool((samples == samples[:, :1]).all())
    distinct = np.ascontiguousarray(samples[:, :1] if equal else samples, dtype="<f4")
    leading, trailing = _silence(samples, wave.sample_rate)
    return Measurements(
        duration=len(samples) / wave.sample_rate,
        rate=wave.sample_rate,
        channels=wave.channels,
        equal_channels=equal,
        encoding=f"{wave.container} {wave.subtype}",
        peak=_decibels(float(max(samples.max(), -samples.min())) ** 2),
        level=_decibels(float(np.mean(np.square(samples), dtype=np.float64))),
        clipped=_clipped(samples, 1 - 2.0 ** (-7 if wave.subtype in EIGHT_BITS else -15)),
        leading=leading,
        trailing=trailing,
        offset=float(samples.mean(dtype=np.float64)),
        disturbances=disturbances.find(wave.samples, wave.sample_rate),
        file_sha256=hashlib.sha256(data).hexdigest(),
        samples_sha256=hashlib.sha256(b"%d %d " % (wave.sample_rate, distinct.shape[1]) + distinct.data).hexdigest(),
    )


def _decibels(power: float) -> float:
    return float(10 * np.log10(max(power, 1e-30)))


def _clipped(samples: NDArray[np.float32], limit: float) -> int:
    """Samples in runs of at least `LEAST_RUN` that reach the limit, in (n, channels); a run has one sign."""
    count = 0
    for signed in (samples, -samples):
        if signed.max() >= limit:
            for channel in (signed >= limit).T:
                edges = np.flatnonzero(np.diff(channel, prepend=False, append=False))
                runs = edges[1::2] - edges[::2]
                count += int(runs[runs >= LEAST_RUN].sum())
    return count


def _silence(samples: NDArray[np.float32], rate: int) -> tuple[float, float]:
    """Seconds before the first and after the last frame that is not silent, of (n, channels)."""
    hop = max(1, min(round(FRAME * rate), len(samples)))
    frames = len(samples) // hop
    # A constant is no sound, and would hide silence.
    power = np.square(samples[: frames * hop] - samples.mean(axis=0)).mean(axis=1).reshape(frames, hop).mean(axis=1)
    heard = np.flatnonzero(power >= power.max() * 10 ** (SILENCE_DB / 10))
    return float(heard[0] * hop / rate), float((frames - 1 - heard[-1]) * hop / rate)
