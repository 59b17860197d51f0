"""Recordings to waveforms: decode, mix down, resample, normalise, and place in the frame."""

import hashlib
import io
import struct
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from precompute.errors import UnusableAudioError
from precompute.recipe import Normalise, Pad

SILENCE = 1e-5
"""Standard deviation, re full scale, under which a recording counts as silent: -100 dB, below half a step of 16 bits."""


LOUDEST = 1e10
"""Largest sample, re full scale: more than any integers labelled as floats by mistake, less than what overflows later."""


@dataclass(frozen=True)
class Waveform:
    """A decoded recording.

    Attributes:
        samples: float32 (n,), full scale 1, mixed down to one channel.
        sample_rate: In Hz.
        channels: Of the recording, before mixing down.
    """

    samples: NDArray[np.float32]
    sample_rate: int
    channels: int


def decode(data: bytes, begin: float | None = None, end: float | None = None) -> Waveform:
    """Decode a recording, or a part of it, and mix its channels down to their mean.

    Args:
        data: The file's content, in any format that libsndfile reads.
        begin: Of the part, in seconds; by default the recording's.
        end: Likewise.

    Raises:
        UnusableAudioError: The content is empty, no audio, silent, cut short as far as its format tells, or holds samples
            that are NaN, infinite or absurdly large; or the part is empty, or reaches past the end.
    """
    if not data:
        raise UnusableAudioError("the file is empty")
    missing = _missing_wav_bytes(data)
    if missing:
        raise UnusableAudioError(f"the file is truncated: {missing} bytes of its audio are missing")
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate, channels = file.samplerate, file.channels
            first, last = _part(file.frames, rate, begin, end)
            expected = last - first
            # Seeking is exact in samples that are stored one by one; in MP3 it loses what the decoder carries on.
            skip = first if file.subtype.startswith("MPEG") else 0
            file.seek(first - skip)
            # libsndfile takes seven times as long to convert 16-bit samples as to read them.
            whole = file.subtype == "PCM_16"
            samples = file.read(skip + expected, dtype="int16" if whole else "float32", always_2d=True)[skip:]
    except soundfile.LibsndfileError as error:
        raise UnusableAudioError(f"not a readable audio file ({error.error_string.rstrip('.')})") from None
    if len(samples) == 0:
        raise UnusableAudioError("the file holds no audio samples")
    if len(samples) < expected:
        raise UnusableAudioError(f"the file is truncated: {len(samples)} of {expected} samples decode")
    if whole:
        samples = samples.astype(np.float32) * np.float32(2**-15)
    else:
        _check_range(samples)
    # Several times as fast as the mean over an axis of two.
    mono = sum(samples.T[1:], samples[:, 0]) / np.float32(channels) if channels > 1 else samples[:, 0]
    swing = mono - mono.mean()
    if np.vdot(swing, swing) < SILENCE**2 * len(swing):
        raise UnusableAudioError(f"the recording is silent (standard deviation under {SILENCE:g} of full scale)")
    return Waveform(mono, rate, channels)


def _check_range(samples: NDArray[np.float32]) -> None:
    """Refuse samples that no recording has; integers cannot be so."""
    peak = float(max(samples.max(), -samples.min()))
    if not np.isfinite(peak):
        raise UnusableAudioError(f"{np.count_nonzero(~np.isfinite(samples))} samples are NaN or infinite")
    if peak > LOUDEST:
        raise UnusableAudioError(f"the largest sample is {peak:g} times full scale, over {LOUDEST:g}: the data are damaged")


def _part(frames: int, rate: int, begin: float | None, end: float | None) -> tuple[int, int]:
    first = round((begin or 0) * rate)
    # Times that were rounded for print may lie a hundredth of a second past the end.
    last = frames if end is None or frames < round(end * rate) <= frames + rate // 100 else round(end * rate)
    if not 0 <= first <= last <= frames:
        length = frames / rate
        raise UnusableAudioError(f"the part from {begin or 0:g} s to {last / rate:g} s is none of a recording of {length:g} s")
    return first, last


def _missing_wav_bytes(data: bytes) -> int:
    """Bytes that the chunks of a WAVE file announce and the file lacks; 0 for other formats.

    libsndfile reads a truncated WAV as a shorter one without a word, hence the look at the chunks themselves.  A size of
    2^32 - 1 stands for "unknown" in streams, and in RF64 for the size in the chunk `ds64` (EBU Tech 3306).
    """
    if data[:4] not in (b"RIFF", b"RF64") or data[8:12] != b"WAVE":
        return 0
    at, large = 12, None
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        if name == b"ds64" and at + 24 <= len(data):
            (large,) = struct.unpack_from("<Q", data, at + 16)
        if name == b"data":
            size = large if size == 0xFFFFFFFF else size
            return 0 if size is None else max(0, at + 8 + size - len(data))
        at += 8 + size + size % 2
    return max(0, at - len(data))


def resample(samples: NDArray[np.float32], rate: int, to: int) -> NDArray[np.float32]:
    """Band-limited resampling by soxr's HQ setting (flat to 0.91 of the lower Nyquist frequency, 120 dB rejection).

    Args:
        samples: float32 (n,).
        rate: Its sample rate in Hz.
        to: Sample rate wanted, in Hz.

    Returns:
        float32 (about n * to / rate,).
    """
    if rate == to:
        return samples
    resampled: NDArray[np.float32] = soxr.resample(samples, rate, to, quality="HQ")
    return resampled


def normalise(samples: NDArray[np.float32], how: Normalise) -> NDArray[np.float32]:
    """Divide an utterance by its root mean square, sqrt(mean(x^2)) (paper 3.4), or leave it as it is.

    Args:
        samples: float32 (n,), not all zero.
        how: `rms` or `none`.
    """
    if how == "none":
        return samples
    rms = np.sqrt(np.mean(np.square(samples)))
    scaled: NDArray[np.float32] = samples / rms
    return scaled


def generator(key: str) -> np.random.Generator:
    """The random numbers that belong to an utterance's key, on every machine."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big"))


def fit(samples: NDArray[np.float32], length: int, pad: Pad, key: str) -> tuple[NDArray[np.float32], int]:
    """Crop an utterance to the frame, and say where in the frame it lies (paper 3.4).

    Args:
        samples: float32 (n,).
        length: Of the frame, in samples.
        pad: `end`, `centre` or `random`.
        key: The utterance's key, from which `random` draws, so that the same utterance always lies at the same place.

    Returns:
        The samples kept, float32 (min(n, length),), and the index of the first of them in the frame.
    """
    spare = length - len(samples)
    if pad == "end":
        shift = 0
    elif pad == "centre":
        shift = abs(spare) // 2
    else:
        shift = int(generator(key).integers(abs(spare) + 1))
    return (samples, shift) if spare >= 0 else (samples[shift : shift + length], 0)
