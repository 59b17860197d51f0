"""Recordings to waveforms: decode, mix down, resample, find the level, and place in the frame."""

import contextlib
import hashlib
import io
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from precompute.audio import heads, kinds
from precompute.common.errors import TooLongError, UnusableAudioError

SILENCE = 1e-5
"""Standard deviation, re full scale, under which a recording counts as silent: -100 dB, below half a step of 16 bits."""

CANCELLED = 1e-4
"""Power of the channels' mean, re their own, under which they cancel each other: -40 dB."""

LOUDEST = 1e10
"""Largest sample, re full scale: more than any integers labelled as floats by mistake, less than what overflows later."""

LEAST_RATE, HIGHEST_RATE = 1_000, 768_000
"""Sample rates in Hz.  Under the lowest there is no speech, and resampling would multiply the samples without end; the highest
is that of the fastest converters of sound."""

LONGEST = 3600.0
"""Seconds of one utterance.  An utterance is a sentence or a turn; what is longer is a session that was not cut."""

MOST_SAMPLES = 2**29
"""Samples of one utterance, of all channels together: 2 GiB as float32, an hour of three channels at 48 kHz."""

UNKNOWN = 2**63 - 1
"""Length that libsndfile gives where a header leaves it open, as FLAC does that was written into a pipe."""

MOST_KEPT = 2**26
"""Samples of a recording that is kept for its next part, mixed down: 256 MiB, 25 minutes at 44.1 kHz."""

BLOCK = 2**20
"""Samples read at once, of all channels together: usual recordings are one block, and long ones take little memory."""

FOREIGN = (AssertionError, OverflowError, RuntimeError, SystemError, TypeError, ValueError)
"""What soundfile and soxr raise, beside their own errors, where a file is damaged."""


@dataclass(frozen=True)
class Waveform:
    """A decoded recording.

    Attributes:
        samples: float32 (n,), full scale 1, mixed down to one channel.
        sample_rate: In Hz.
        channels: Of the recording, before mixing down.
        container: As libsndfile names it, such as `WAV`.
        subtype: How samples are stored, also in libsndfile's words, such as `PCM_16`.
    """

    samples: NDArray[np.float32]
    sample_rate: int
    channels: int
    container: str
    subtype: str


def decode(data: bytes, begin: float | None = None, end: float | None = None) -> Waveform:
    """Decode a recording, or a part of it, and mix its channels down to their mean.

    Memory is bounded by what is kept: channels are mixed down block by block, and blocks before a part are dropped.

    Args:
        data: The file's content, in any format that libsndfile reads.
        begin: Of the part, in seconds; by default the recording's.
        end: Likewise.

    Raises:
        UnusableAudioError: The content is empty, no audio, silent, cut short as far as its format shows, longer or of another
            sample rate than the limits of this module, or holds samples that are NaN, infinite or absurdly large; or the
            part is empty, or reaches past the end; or there is not enough memory.
    """
    whole = None if begin is None and end is None else _whole(data)
    wave = _part_of(whole, begin, end) if whole else _mixed(data, begin, end)
    swing = wave.samples - wave.samples.mean()
    if np.vdot(swing, swing) < SILENCE**2 * len(swing):
        raise UnusableAudioError(f"the recording is silent (standard deviation under {SILENCE:g} of full scale)")
    return wave


def _mixed(data: bytes, begin: float | None, end: float | None) -> Waveform:
    """A recording, or a part of it, mixed down.

    Raises:
        UnusableAudioError: As `decode`, except for silence; or its channels cancel each other.
    """
    energy = 0.0

    def mixed_down(block: NDArray[np.float32]) -> NDArray[np.float32]:
        nonlocal energy
        if block.shape[1] > 1:
            energy += float(np.vdot(block, block)) / block.shape[1]
        return _mixed_down(block)

    wave = _read(data, begin, end, mixed_down)
    power = float(np.vdot(wave.samples, wave.samples))
    if power < CANCELLED * energy and energy >= SILENCE**2 * len(wave.samples):
        raise UnusableAudioError(
            f"its {wave.channels} channels cancel each other when they are averaged: change the sign of one, or keep only one"
        )
    return wave


@lru_cache(maxsize=1)
def _whole(data: bytes) -> Waveform | None:
    """A recording that can only be decoded from its beginning, kept for its next part; None for others, and for long ones."""
    with _opened(data) as file:
        if _can_enter(file) or file.frames > MOST_KEPT:
            return None
    return _mixed(data, None, None)


def _part_of(whole: Waveform, begin: float | None, end: float | None) -> Waveform:
    first, last = _part(len(whole.samples), whole.sample_rate, begin, end)
    if first == last:
        raise UnusableAudioError("the file holds no audio samples")
    return replace(whole, samples=whole.samples[first:last])


def digest(samples: NDArray[np.float32], sample_rate: int) -> str:
    """What a recording is known by, whatever its file: SHA-256 of what was decoded, in hexadecimal digits.

    Args:
        samples: As `decode` gives them, float32 (n,).
        sample_rate: In Hz.

    Returns:
        Of the rate in decimal digits, a space, and the samples as little-endian float32, no zero of them negative.
    """
    hasher = _started(sample_rate)
    hasher.update(_plain(samples))
    return hasher.hexdigest()


def recording_digest(data: bytes) -> str | None:
    """The digest of a whole recording, of any length, decoded block by block; None where it cannot be decoded to its end.

    Args:
        data: The file's content.
    """
    try:
        with _opened(data) as file:
            hasher = _started(file.samplerate)
            whole = file.subtype == "PCM_16"
            for block in _blocks(file, UNKNOWN, "int16" if whole else "float32"):
                hasher.update(_plain(_mixed_down(_scaled(block) if whole else block)))
            return hasher.hexdigest()
    except UnusableAudioError:
        return None


def _started(sample_rate: int) -> "hashlib._Hash":
    return hashlib.sha256(b"%d " % sample_rate)


def _plain(samples: NDArray[np.float32]) -> memoryview:
    """Samples as they are hashed; adding zero makes the negative zero of a float a positive one."""
    return np.ascontiguousarray(samples + np.float32(0), "<f4").data


def _scaled(block: NDArray[Any]) -> NDArray[np.float32]:
    # libsndfile takes seven times as long to convert 16-bit samples as to read them.
    return block.astype(np.float32) * np.float32(2**-15)


def channels(data: bytes, begin: float | None = None, end: float | None = None) -> NDArray[np.float32]:
    """The samples of each channel, float32 (n, channels), full scale 1; arguments and errors are those of `decode`."""
    return _read(data, begin, end, lambda block: block).samples


class Stream:
    """A recording of any length, decoded block by block: channels mixed down, and nothing kept.

    Attributes:
        sample_rate: In Hz.
        channels: Of the recording.
        seconds: Its length by its header, infinite where that leaves it open.
        sha256: The `digest` of what was decoded so far.
    """

    def __init__(self, file: "_Sequential") -> None:
        _most(file)
        self._file, self._digest = file, _started(file.samplerate)
        self.sample_rate, self.channels = int(file.samplerate), int(file.channels)
        self.seconds = math.inf if file.frames == UNKNOWN else file.frames / file.samplerate

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Blocks, float32 (n,), full scale 1.

        Raises:
            UnusableAudioError: The recording is cut short, or holds samples that are NaN, infinite or absurdly large.
        """
        count, whole = 0, self._file.subtype == "PCM_16"
        for block in _blocks(self._file, UNKNOWN, "int16" if whole else "float32"):
            if whole:
                block = _scaled(block)
            else:
                _check_range(block)
            mixed = _mixed_down(block)
            self._digest.update(_plain(mixed))
            count += len(mixed)
            yield mixed
        if self._file.frames not in (count, UNKNOWN):
            raise UnusableAudioError(_cut_short(count / self.sample_rate, self._file.frames / self.sample_rate))

    @property
    def sha256(self) -> str:
        """In hexadecimal digits."""
        return self._digest.hexdigest()


@contextlib.contextmanager
def streamed(file: io.FileIO | bytes) -> Iterator[Stream]:
    """A recording of any length, in little memory.

    Args:
        file: Opened at its beginning, or its content.

    Raises:
        UnusableAudioError: It is empty, no audio or cut short, or its sample rate is outside the limits; or whatever goes wrong
            while its blocks are read.
    """
    if isinstance(file, bytes):
        with _opened(file) as opened:
            yield Stream(opened)
        return
    descriptor = file.fileno()
    size = os.fstat(descriptor).st_size
    head = heads.find(lambda at, count: os.pread(descriptor, count, at), size)
    if size == 0 or (head and not head.usual):
        with _opened(file.read()) as opened:
            yield Stream(opened)
        return
    with _understood(os.pread(descriptor, kinds.LONGEST, 0)), _Sequential(descriptor, closefd=False) as opened:
        _check_whole(opened, heads.share(head, size))
        yield Stream(opened)


def lengths(file: io.FileIO) -> tuple[float, float]:
    """Seconds of a recording by its header, infinite where that leaves them open, and how many an utterance may have.

    Args:
        file: Opened at its beginning.

    Raises:
        UnusableAudioError: It is no audio, or its sample rate is outside the limits.
    """
    descriptor = file.fileno()
    size = os.fstat(descriptor).st_size
    head = heads.find(lambda at, count: os.pread(descriptor, count, at), size)
    if head and not head.usual:
        with _opened(file.read()) as opened:
            return _lengths(opened)
    with _understood(os.pread(descriptor, kinds.LONGEST, 0)), _Sequential(descriptor, closefd=False) as opened:
        _check_whole(opened, heads.share(head, size))
        return _lengths(opened)


def _lengths(file: "_Sequential") -> tuple[float, float]:
    most = _most(file)
    frames = math.inf if file.frames == UNKNOWN else file.frames
    return frames / file.samplerate, most / file.samplerate


class _Memory(io.BytesIO):
    """A file in memory that stays where it is when a damaged header sends it before its beginning, and soundfile complains."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return super().seek(offset, whence)
        except (ValueError, OverflowError):
            return self.tell()


class _Sequential(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read on from where it is; the base class seeks there after each block, by which MP3 loses its state."""

    can_seek = property(soundfile.SoundFile.seekable)

    def seekable(self) -> bool:
        return False


def _read(
    data: bytes, begin: float | None, end: float | None, keep: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> Waveform:
    """Decode, and keep of each block of (n, channels) what `keep` gives."""
    with _opened(data) as file:
        samples = _kept(file, begin, end, keep)
        return Waveform(samples, file.samplerate, file.channels, file.format, file.subtype)


@contextlib.contextmanager
def _opened(data: bytes) -> Iterator["_Sequential"]:
    """A recording in memory, its head put right where libsndfile would not read it.

    Raises:
        UnusableAudioError: It is empty, no audio, or cut short; or soundfile raises an error meanwhile.
    """
    if not data:
        raise UnusableAudioError("the file is empty")
    head = heads.find(lambda at, count: data[at : at + count], len(data))
    with _understood(data[: kinds.LONGEST]), _Sequential(_Memory(heads.repaired(data, head))) as file:
        _check_whole(file, heads.share(head, len(data)))
        yield file


def _check_whole(file: "_Sequential", share: float) -> None:
    """Refuse a recording of which only a share is there."""
    if share < 1:
        seconds = file.frames / file.samplerate
        raise UnusableAudioError(_cut_short(seconds, seconds / share) if seconds else "it is cut short before its audio")


def _cut_short(seconds: float, announced: float) -> str:
    digits = 2 if announced - seconds >= 0.01 else 5
    return f"it is cut short: {seconds:.{digits}f} s of {announced:.{digits}f} s are there"


@contextlib.contextmanager
def _understood(first: bytes) -> Iterator[None]:
    """Any error of soundfile about a file that begins like this becomes the one error of this module."""
    try:
        yield
    except UnusableAudioError:
        raise
    except soundfile.LibsndfileError as error:
        what = kinds.name(first)
        why = f"it is {what}" if what else f"not a readable audio file ({error.error_string.rstrip('.')})"
        raise UnusableAudioError(why) from None
    except MemoryError:
        raise UnusableAudioError("there is not enough memory to decode it") from None
    except FOREIGN as error:
        raise UnusableAudioError(f"not a readable audio file ({type(error).__name__}: {error})") from None


def _kept(
    file: _Sequential,
    begin: float | None,
    end: float | None,
    keep: Callable[[NDArray[np.float32]], NDArray[np.float32]],
) -> NDArray[np.float32]:
    rate, most = file.samplerate, _most(file)
    first, last = _part(file.frames, rate, begin, end)
    open_end = last == UNKNOWN
    # One sample more shows that a recording of unknown length is longer.
    expected = most + 1 if open_end else last - first
    if not open_end and expected > most:
        raise TooLongError(f"{expected / rate:g} s are longer than the limit of {most / rate:g} s for an utterance")
    passed = 0
    if first and file.frames != UNKNOWN and _can_enter(file):
        passed = file.seek(first)
    for block in _blocks(file, first - passed, "float32"):
        passed += len(block)
    whole, count = file.subtype == "PCM_16", 0
    blocks: list[NDArray[np.float32]] = []
    joined: NDArray[np.float32] | None = None
    for block in _blocks(file, expected, "int16" if whole else "float32"):
        if whole:
            block = _scaled(block)
        else:
            _check_range(block)
        kept = keep(block)
        if joined is None and not open_end and _block(file) == len(block) < expected:
            # A header that is wrong has no whole block; else the memory is taken once, and not again to join the blocks.
            joined = np.empty((expected, *kept.shape[1:]), np.float32)
        if joined is None:
            blocks.append(kept)
        else:
            joined[count : count + len(kept)] = kept
        count += len(block)
    if open_end and count > most:
        raise TooLongError(f"it is longer than the limit of {most / rate:g} s for an utterance")
    if file.frames == UNKNOWN:
        # Only now the length is known, and with it whether it has that part.
        last = _part(passed + count, rate, begin, end)[1]
        expected = last - first
    if count == 0:
        raise UnusableAudioError("the file holds no audio samples")
    if count < expected:
        raise UnusableAudioError(_cut_short(count / rate, expected / rate))
    if joined is not None:
        return joined[:count]
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def _blocks(file: _Sequential, count: int, dtype: str) -> Iterator[NDArray[np.float32]]:
    """The next `count` samples in blocks of (n, channels); fewer where the file ends."""
    most = _block(file)
    while count > 0 and len(block := file.read(min(count, most), dtype=dtype, always_2d=True)):
        count -= len(block)
        yield block


def _can_enter(file: _Sequential) -> bool:
    """Whether one can begin in the middle: in MP3 that loses what the decoder carries on, and DWVW only claims that one can."""
    return bool(file.can_seek) and not file.subtype.startswith(("MPEG", "DWVW"))


def _block(file: _Sequential) -> int:
    """Samples of each channel in a block."""
    return max(1, BLOCK // int(file.channels))


def _most(file: _Sequential) -> int:
    """Samples of each channel that one utterance may have."""
    rate = file.samplerate
    if not LEAST_RATE <= rate <= HIGHEST_RATE:
        raise UnusableAudioError(f"its sample rate of {rate} Hz is not between {LEAST_RATE} and {HIGHEST_RATE} Hz")
    return int(min(LONGEST * rate, MOST_SAMPLES // file.channels))


def _mixed_down(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of the channels of (n, channels)."""
    count = block.shape[1]
    if count == 1:
        return block[:, 0]
    # Several times as fast as the mean over an axis of two.
    mean: NDArray[np.float32] = sum(block.T[1:], block[:, 0]) / np.float32(count)
    return mean


def _check_range(samples: NDArray[np.float32]) -> None:
    """Refuse samples that no recording has; integers cannot be so."""
    peak = float(max(samples.max(), -samples.min()))
    if not np.isfinite(peak):
        raise UnusableAudioError(f"{np.count_nonzero(~np.isfinite(samples))} samples are NaN or infinite")
    if peak > LOUDEST:
        raise UnusableAudioError(f"the largest sample is {peak:g} times full scale, over {LOUDEST:g}: the data are damaged")


def _part(frames: int, rate: int, begin: float | None, end: float | None) -> tuple[int, int]:
    """The first sample of a part and the one after its last; the latter is `UNKNOWN` where the recording's is and counts."""
    if not (math.isfinite(begin or 0) and math.isfinite(end or 0)):
        raise UnusableAudioError(f"the segment from {begin or 0:g} s to {end or 0:g} s is empty or begins before 0 s")
    first = round((begin or 0) * rate)
    # Times that were rounded for print may lie a hundredth of a second past the end.
    last = frames if end is None or frames < round(end * rate) <= frames + rate // 100 else round(end * rate)
    if not 0 <= first <= last <= frames:
        length = frames / rate
        raise UnusableAudioError(f"the segment from {begin or 0:g} s to {last / rate:g} s exceeds the recording's {length:g} s")
    return first, last
