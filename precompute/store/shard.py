"""The bytes of an array of pictures: a Zarr v3 shard, as cache_layout.md specifies it.

Written here rather than through zarr, whose event loop takes twice as long for a unit of eight pictures as the compression
does, and read here into memory of known size, whatever a damaged or hostile file claims of itself.

A shard is its chunks one after another, then an index of (offset, bytes) for each, little-endian uint64, and the index's
CRC-32C (zarr-specs.readthedocs.io, sharding codec version 1.0).
"""

import io
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precompute.layout import ZSTD_LEVEL

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
    size = shape[0] * 2 * _ENTRY.itemsize + _CHECKSUM_BYTES
    if len(shard) < size:
        raise ValueError(f"{len(shard)} bytes hold no index of {shape[0]} pictures")
    index = np.frombuffer(_without_checksum(shard[-size:], "the index"), _ENTRY).reshape(-1, 2)
    from numcodecs import Zstd

    images = np.empty(shape, np.uint8)
    zstd = Zstd()
    for row, (offset, length) in enumerate(index.tolist()):
        if offset + length > len(shard) - size:
            raise ValueError(f"picture {row} lies outside the shard")
        frame = _without_checksum(shard[offset : offset + length], f"picture {row}")
        if (found := _content_size(frame)) != images[row].nbytes:
            raise ValueError(f"picture {row} has {found} bytes, not {images[row].nbytes}")
        try:
            zstd.decode(frame, out=images[row])
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"picture {row} does not decompress: {error}") from None
    return images


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
