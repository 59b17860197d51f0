"""The heads of uncompressed recordings: how much audio they announce, and sizes that writers leave wrong.

libsndfile reads a recording that was cut short as a shorter one without a word, and some heads that other programs read not at
all.  Where the audio ends follows from these rules, which the usual programs have too:

- The size that the header announces is taken, if the file has as much.
- A size of 0, one near 2^31 or 2^32, or one of more than any file here, was left by a writer that could not go back (a pipe, a
  recorder that was killed) or says that the size is elsewhere: the audio continues to the end of the file, unless known chunks
  fill the rest.
- A size that lacks no more than `SLACK` bytes was counted wrongly: here too.
- Else the recording is cut short.

Sources: Multimedia Programming Interface and Data Specifications 1.0 (IBM and Microsoft 1991) for RIFF, EBU Tech 3306 for RF64,
ITU-R BS.2088 for BW64, Audio Interchange File Format 1.3 (Apple 1989).
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

SLACK = 64
"""Bytes: heads have been counted into the audio, which is 44, or a rest of a frame."""

LEAST = 8
"""Bytes of audio: less are no frame of any usual format, and count as 0."""

NEAR = 2**16
"""Bytes by which a size that means "unknown" may be less than 2^31 or 2^32, or more than 2^31: those of chunks before it."""

MOST_CHUNKS = 10_000
"""Chunks before the audio; real files have a few."""

AFTER = {b"LIST", b"id3 ", b"ID3 ", b"fact", b"JUNK", b"PAD ", b"cue ", b"smpl", b"bext", b"iXML", b"axml", b"afsp", b"PEAK"}
"""Chunks that stand behind the audio."""

KNOWN = AFTER | {b"data", b"fmt ", b"ds64"}
"""Chunks by which a chunk is recognised that begins where the one before it is not filled up."""

Read = Callable[[int, int], bytes]
"""Reads a number of bytes from a position, fewer at the end."""


@dataclass(frozen=True)
class Head:
    """Where the audio of a recording is.

    Attributes:
        begin: Place of its first byte.
        announced: Bytes of it as the head has it; None where that is left open.
        format: Place and size of what says how it is coded, (0, 0) where it is not wanted.
        usual: Whether libsndfile finds the audio by itself.
    """

    begin: int
    announced: int | None
    format: tuple[int, int] = (0, 0)
    usual: bool = True


def find(read: Read, size: int) -> Head | None:
    """The head of a WAVE (RIFF, RIFX, RF64, BW64), AIFF or AU file; None for others, and where no audio is found in it.

    Args:
        read: Of the file.
        size: Of the file, in bytes.
    """
    kind = read(0, 12)
    if kind[:4] == b".snd" and len(kind) == 12:
        begin, announced = struct.unpack(">II", kind[4:])
        return _head(read, size, begin, announced)
    if kind[8:] == b"WAVE" and kind[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64"):
        return _wave(read, size, kind[:4])
    if kind[:4] == b"FORM" and kind[8:] in (b"AIFF", b"AIFC"):
        return _chunks(read, size, ">", b"SSND", b"COMM")
    return None


def share(head: Head | None, size: int) -> float:
    """Share of the audio that a head announces which the file has, 1 where it has all of it or nothing is announced."""
    if head is None or head.announced is None or head.announced <= size - head.begin + SLACK:
        return 1.0
    return max(0, size - head.begin) / head.announced


def repaired(data: bytes, head: Head | None) -> bytes:
    """A recording under a head that libsndfile reads; the very same where it reads the one that it has."""
    if head is None or head.usual:
        return data
    begin, length = head.format
    if length == 0:
        # Of an AU file only the size is wrong.
        return data[:8] + b"\xff" * 4 + data[12:]
    end = len(data) if head.announced is None else min(len(data), head.begin + head.announced)
    size = end - head.begin
    chunks = b"fmt " + struct.pack("<I", length) + data[begin : begin + length] + bytes(length % 2)
    return b"".join([
        b"RIFF", struct.pack("<I", min(20 + len(chunks) + size, 2**32 - 1)), b"WAVE", chunks, b"data", struct.pack("<I", size),
        memoryview(data)[head.begin : end],
    ])  # fmt: skip


def _wave(read: Read, size: int, kind: bytes) -> Head | None:
    if kind == b"RIFX":
        return _chunks(read, size, ">", b"data", b"fmt ")
    head = _chunks(read, size, "<", b"data", b"fmt ")
    if head and kind == b"BW64":
        return Head(head.begin, head.announced, head.format, usual=False)
    return head


def _chunks(read: Read, size: int, order: str, audio: bytes, coding: bytes) -> Head | None:
    """The head of a file of chunks, which are even in length; some writers do not fill up a chunk of odd length."""
    at, usual, large = 12, True, None
    format_chunk: tuple[int, int] | None = None
    data: tuple[int, int] | None = None
    for _ in range(MOST_CHUNKS):
        name, length = read(at, 4), read(at + 4, 4)
        if len(length) < 4:
            break
        (chunk,) = struct.unpack(f"{order}I", length)
        if name == b"ds64" and len(read(at + 16, 8)) == 8:
            (large,) = struct.unpack("<Q", read(at + 16, 8))
        if name == coding:
            format_chunk = (at + 8, chunk)
        if name == audio:
            data = (at + 8, chunk)
            if format_chunk:
                break
        at += 8 + chunk
        if chunk % 2 and read(at, 4) in KNOWN and read(at + 1, 4) not in KNOWN:
            usual = False
        else:
            at += chunk % 2
    if data is None or format_chunk is None or format_chunk[0] + format_chunk[1] > size:
        return None
    begin, announced = data
    if large is not None and announced != 2**32 - 1:
        usual = usual and large == announced
    elif large is not None:
        # Half of the numbers of 64 bits are no sizes.
        usual = usual and 0 < large < 2**63
        announced = large if large < 2**63 else 0
    usual = usual and format_chunk[0] < begin
    return _head(read, size, begin, announced, format_chunk, usual)


def _head(read: Read, size: int, begin: int, announced: int, coding: tuple[int, int] = (0, 0), usual: bool = True) -> Head:
    """A head, its size left open where the writer did."""
    if announced < LEAST:
        name, length = read(begin, 4), read(begin + 4, 4)
        followed = name in AFTER and len(length) == 4 and begin + 8 + struct.unpack("<I", length)[0] <= size
        return Head(begin, announced, coding) if followed else Head(begin, None, coding, usual=False)
    placeholder = abs(announced - 2**31) <= NEAR or announced >= 2**32 - NEAR
    return Head(begin, None if placeholder and announced > size - begin else announced, coding, usual)
