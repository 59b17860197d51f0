"""The bytes of an array: a Zarr v3 shard of single items, as cache_layout.md specifies it.

It is not written through zarr, whose event loop takes twice as long for a unit of eight pictures as the compression does: ours
is 3 times as fast (RAVDESS's 192 arrays on two cores: 0.30 and 0.90 ms a picture, zarr 3.1.6; `benchmarks/shards.py` measures
both).  It is read into memory of known size, whatever a damaged or malicious file claims; `verify` also reads every
item by zarr.

A shard is its chunks one after another, then an index of (offset, bytes) for each, little-endian uint64, and the index's
CRC-32C (zarr-specs.readthedocs.io, sharding codec version 1.0).
"""

import hashlib
import io
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precompute.cache.layout import ZSTD_LEVEL
from precompute.common.arrays import Array

_CHECKSUM_BYTES = 4
_ENTRY = np.dtype("<u8")
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_LONGEST_HEADER = 9
"""Smallest size of a frame in bytes, which includes its header with the size of the item."""


class Writer:
    """A shard that is encoded item by item, so that only one item has to be in memory."""

    def __init__(self) -> None:
        from numcodecs import Zstd

        self._zstd, self._content = Zstd(level=ZSTD_LEVEL), io.BytesIO()
        self._sizes: list[int] = []

    def add(self, item: NDArray[Any]) -> None:
        """Encode the next item."""
        self._sizes.append(self._content.write(_checksum().encode(self._zstd.encode(as_stored(item)))))

    def finish(self) -> bytes:
        """The shard of all items, at least one."""
        sizes = np.array(self._sizes, _ENTRY)
        index = np.stack([np.cumsum(sizes) - sizes, sizes], axis=1).astype(_ENTRY)
        self._content.write(_checksum().encode(index))
        return self._content.getvalue()


def encode(items: Iterable[NDArray[Any]]) -> bytes:
    """The shard of some items, at least one."""
    writer = Writer()
    for item in items:
        writer.add(item)
    return writer.finish()


def as_stored(item: NDArray[Any]) -> NDArray[Any]:
    """An item as its bytes are stored and hashed: little-endian, in C order."""
    return np.ascontiguousarray(item, item.dtype.newbyteorder("<"))


def digest(item: NDArray[Any]) -> str:
    """SHA-256 of an item, as the index has it."""
    return hashlib.sha256(as_stored(item).data).hexdigest()


def decode(shard: bytes, count: int, item: Array) -> NDArray[Any]:
    """The items of a shard, (count, *shape).

    Args:
        shard: Its bytes.
        count: Of items, from a trusted source, since it determines how much memory is allocated.
        item: Shape and type of each, also from a trusted source.

    Raises:
        ValueError: A checksum, an offset or an item's size is wrong.
    """
    items = np.empty((count, *item.shape), _stored_type(item))
    for row, frame in enumerate(_frames(shard, count, item)):
        _decompress(frame, items[row], row)
    return items.astype(item.dtype, copy=False)


def each(shard: bytes, count: int, item: Array) -> Iterator[NDArray[Any]]:
    """The items one by one, with memory for one of them."""
    for row, frame in enumerate(_frames(shard, count, item)):
        decoded = np.empty(item.shape, _stored_type(item))
        _decompress(frame, decoded, row)
        yield decoded.astype(item.dtype, copy=False)


def largest(count: int, item: Array) -> int:
    """Largest size in bytes of the shard of some items: without any compression."""
    # ZSTD_COMPRESSBOUND of zstd.h.
    return count * (item.bytes + (item.bytes >> 8) + 64 + _CHECKSUM_BYTES + 2 * _ENTRY.itemsize) + _CHECKSUM_BYTES


def _stored_type(item: Array) -> np.dtype[Any]:
    return np.dtype(item.dtype).newbyteorder("<")


def _frames(shard: bytes, count: int, item: Array) -> Iterator[bytes]:
    """The compressed items of a shard, whose headers give the right size."""
    size = count * 2 * _ENTRY.itemsize + _CHECKSUM_BYTES
    if len(shard) < size:
        raise ValueError(f"{len(shard)} bytes are too few for an index of {count} items")
    index = np.frombuffer(_without_checksum(shard[-size:], "the index"), _ENTRY).reshape(-1, 2).tolist()
    if any(offset + length > len(shard) - size for offset, length in index):
        raise ValueError("an item is outside the shard")
    if sum(length for _, length in index) > len(shard) - size:
        raise ValueError("items share their bytes")
    for row, (offset, length) in enumerate(index):
        frame = _without_checksum(shard[offset : offset + length], f"item {row}")
        if (decoded := _content_size(frame)) != item.bytes:
            raise ValueError(f"item {row} has {decoded} bytes, not {item.bytes}")
        yield frame


def _decompress(frame: bytes, into: NDArray[Any], row: int) -> None:
    from numcodecs import Zstd

    try:
        Zstd().decode(frame, out=into)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"item {row} does not decompress: {error}") from None


@cache
def _checksum() -> Any:
    # Imported here, as Zstd: numcodecs takes long to import, and a complete cache does not need it.
    from numcodecs.checksum32 import CRC32C

    return CRC32C(location="end")


def _content_size(frame: bytes) -> int | None:
    """Content size in a zstd frame's header (RFC 8878, 3.1.1.1), None where it has none; decoding accepts less silently."""
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
        raise ValueError(f"the checksum of {what} does not match") from None
