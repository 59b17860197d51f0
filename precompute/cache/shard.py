"""The bytes of an array of pictures: a Zarr v3 shard, as cache_layout.md specifies it.

Written here rather than through zarr, whose event loop takes twice as long for a unit of eight pictures as the compression
does: ours is 3 times as fast (RAVDESS's 192 arrays on two cores: 0.30 and 0.90 ms a picture, zarr 3.1.6; `benchmarks/shards.py`
measures both).  Read here into memory of known size, whatever a damaged or hostile file claims of itself; `verify` reads every
picture by zarr as well.

A shard is its chunks one after another, then an index of (offset, bytes) for each, little-endian uint64, and the index's
CRC-32C (zarr-specs.readthedocs.io, sharding codec version 1.0).
"""

import io
import math
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precompute.cache.layout import ZSTD_LEVEL

_CHECKSUM_BYTES = 4
_ENTRY = np.dtype("<u8")
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_LONGEST_HEADER = 9
"""Bytes that any frame has at least; the sizes of pictures fit into them."""


class Writer:
    """A shard that is encoded picture by picture, so that only one of them need be in memory."""

    def __init__(self) -> None:
        from numcodecs import Zstd

        self._zstd, self._content = Zstd(level=ZSTD_LEVEL), io.BytesIO()
        self._sizes: list[int] = []

    def add(self, image: NDArray[np.uint8]) -> None:
        """Encode the next picture, uint8 (height, width, 3)."""
        self._sizes.append(self._content.write(_checksum().encode(self._zstd.encode(np.ascontiguousarray(image)))))

    def finish(self) -> bytes:
        """The shard of all pictures, at least one."""
        sizes = np.array(self._sizes, _ENTRY)
        index = np.stack([np.cumsum(sizes) - sizes, sizes], axis=1).astype(_ENTRY)
        self._content.write(_checksum().encode(index))
        return self._content.getvalue()


def encode(images: Iterable[NDArray[np.uint8]]) -> bytes:
    """The shard of some pictures, uint8 (height, width, 3) each, at least one."""
    writer = Writer()
    for image in images:
        writer.add(image)
    return writer.finish()


def decode(shard: bytes, shape: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """The pictures of a shard.

    Args:
        shard: Its bytes.
        shape: (n, height, width, 3), from a source to be trusted: this much memory is taken, and no more.

    Raises:
        ValueError: A checksum, an offset or a picture's size is not as it must be.
    """
    images = np.empty(shape, np.uint8)
    for row, frame in enumerate(_frames(shard, shape)):
        _decompress(frame, images[row], row)
    return images


def pictures(shard: bytes, shape: tuple[int, int, int, int]) -> Iterator[NDArray[np.uint8]]:
    """The same one by one, uint8 (height, width, 3), in the memory of one."""
    for row, frame in enumerate(_frames(shard, shape)):
        image = np.empty(shape[1:], np.uint8)
        _decompress(frame, image, row)
        yield image


def largest(shape: tuple[int, ...]) -> int:
    """Bytes that the shard of pictures of a shape, (n, height, width, 3), may have: where nothing can be compressed."""
    picture = math.prod(shape[1:])
    # ZSTD_COMPRESSBOUND of zstd.h.
    return shape[0] * (picture + (picture >> 8) + 64 + _CHECKSUM_BYTES + 2 * _ENTRY.itemsize) + _CHECKSUM_BYTES


def _frames(shard: bytes, shape: tuple[int, int, int, int]) -> Iterator[bytes]:
    """The compressed pictures of a shard, each of which says that it has the right size."""
    size = shape[0] * 2 * _ENTRY.itemsize + _CHECKSUM_BYTES
    if len(shard) < size:
        raise ValueError(f"{len(shard)} bytes hold no index of {shape[0]} pictures")
    index = np.frombuffer(_without_checksum(shard[-size:], "the index"), _ENTRY).reshape(-1, 2).tolist()
    if any(offset + length > len(shard) - size for offset, length in index):
        raise ValueError("a picture lies outside the shard")
    if sum(length for _, length in index) > len(shard) - size:
        raise ValueError("pictures share their bytes")
    expected = math.prod(shape[1:])
    for row, (offset, length) in enumerate(index):
        frame = _without_checksum(shard[offset : offset + length], f"picture {row}")
        if (found := _content_size(frame)) != expected:
            raise ValueError(f"picture {row} has {found} bytes, not {expected}")
        yield frame


def _decompress(frame: bytes, image: NDArray[np.uint8], row: int) -> None:
    from numcodecs import Zstd

    try:
        Zstd().decode(frame, out=image)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"picture {row} does not decompress: {error}") from None


@cache
def _checksum() -> Any:
    # Not at the top, as of Zstd: whoever finds a cache complete needs none, and numcodecs takes long to import.
    from numcodecs.checksum32 import CRC32C

    return CRC32C(location="end")


def _content_size(frame: bytes) -> int | None:
    """Size that a zstd frame claims to hold (RFC 8878, 3.1.1.1), None where it says none; decoding takes less in silence."""
    if len(frame) < _LONGEST_HEADER or frame[:4] != _ZSTD_MAGIC:
        return None
    flag, single, dictionary = frame[4] >> 6, frame[4] >> 5 & 1, (0, 1, 2, 4)[frame[4] & 3]
    width = (single, 2, 4, 8)[flag]
    at = 5 + (1 - single) + dictionary
    return int.from_bytes(frame[at : at + width], "little") + (256 if flag == 1 else 0) if width else None


def _without_checksum(content: bytes, what: str) -> bytes:
    try:
        return bytes(_checksum().decode(content))
    except (RuntimeError, ValueError, IndexError):
        raise ValueError(f"the checksum of {what} does not fit") from None
