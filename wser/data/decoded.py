"""What caches hold, decoded once for all processes of a machine: memory maps beside the results.

Where pictures are levels in the colours of a table, only the levels are kept: a third of the bytes.
"""

import hashlib
import io
import itertools
import math
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precompute.cache.reader import Cache, remedy
from precompute.common import files
from precompute.common.errors import CacheError

DIRECTORY = ".decoded"
"""In a directory of results; everything in it can be made again."""

WORTH_KEEPING = 2**24
"""Bytes of what is kept; less is decoded in a moment by each process."""

Table = NDArray[np.uint8]
"""Colours of levels, (256, 3)."""


def table(cache: Cache) -> Table | None:
    """The colours in which a cache shows levels; None where it holds no pictures of one plane of levels."""
    colours = cache.recipe.get("colour_table")
    if cache.item.kind != "picture" or not isinstance(colours, str) or cache.recipe.get("rgb", "colormap") != "colormap":
        return None
    return np.frombuffer(bytes.fromhex(colours), np.uint8).reshape(256, 3)


def make(cache: Cache, root: Path) -> None:
    """Decode a cache into a file of a directory of results, unless it is there and sound, or too small to be worth it.

    Args:
        cache: Sealed.
        root: Directory of results.

    Raises:
        CacheError: The cache is damaged.
        OSError: The file cannot be written.
    """
    path = _path(cache, root)
    if math.prod(_shape(cache)) * np.dtype(cache.item.dtype).itemsize < WORTH_KEEPING or _is_sound(path):
        return
    files.make_directory(path.parent, root)
    aside = path.with_name(files.part_name(path.name))
    try:
        with files.create(aside, root) as file:
            digest = hashlib.sha256()
            for part in itertools.chain([_header(cache)], (unit.tobytes() for unit in _units(cache))):
                file.write(part)
                digest.update(part)
            file.write(digest.digest())
            file.flush()
            os.fsync(file.fileno())
        files.rename(aside, path, root)
    except BaseException:
        files.remove(aside, root)
        raise


def load(cache: Cache, root: Path | None = None) -> NDArray[Any]:
    """What a cache holds, in the order of its records.

    Args:
        cache: Sealed.
        root: Directory of results in which `make` has decoded it; without, or where its file is not there or damaged, it is
            decoded in memory.

    Returns:
        (utterances, *item.shape); where there is a `table`, levels, uint8 (utterances, rows, columns).

    Raises:
        CacheError: The cache is damaged.
    """
    path = _path(cache, root) if root else None
    if path and _is_sound(path):
        # A view as a plain array: to index a memory map takes ten times as long.
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    return cache.read_all() if table(cache) is None else np.concatenate(list(_units(cache)))


def _path(cache: Cache, root: Path) -> Path:
    return root / DIRECTORY / f"{cache.corpus}-{cache.id}-{cache.fingerprint[:16]}.npy"


def _shape(cache: Cache) -> tuple[int, ...]:
    shape = cache.item.shape if table(cache) is None else cache.item.shape[:2]
    return (len(cache.records), *shape)


def _header(cache: Cache) -> bytes:
    """That of a .npy file."""
    file = io.BytesIO()
    described = {"descr": np.dtype(cache.item.dtype).str, "fortran_order": False, "shape": _shape(cache)}
    np.lib.format.write_array_header_1_0(file, described)
    return file.getvalue()


def _units(cache: Cache) -> Iterable[NDArray[Any]]:
    units, colours = cache.units(list(cache.arrays)), table(cache)
    return units if colours is None else _levels(units, colours, cache)


def _levels(units: Iterable[NDArray[np.uint8]], colours: Table, cache: Cache) -> Iterator[NDArray[np.uint8]]:
    """Levels of pictures in the colours of a table; of two levels of one colour, either."""
    unknown = len(colours)
    level = np.full(2**24, unknown, np.uint16)
    level[_packed(colours)] = np.arange(len(colours))

    def of_unit(unit: NDArray[np.uint8]) -> NDArray[np.uint8]:
        levels = level[_packed(unit)]
        if (levels == unknown).any():
            raise CacheError(f"a picture of {cache.path} has a colour that its colour map lacks: {remedy(cache.path)}")
        return levels.astype(np.uint8)

    remaining = iter(units)
    with ThreadPoolExecutor(1) as other:
        # The other thread decodes the next unit while this one looks up levels.
        following = other.submit(next, remaining, None)
        while (unit := following.result()) is not None:
            following = other.submit(next, remaining, None)
            yield of_unit(unit)


def _packed(pictures: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Three colours in one number."""
    red, green, blue = (pictures[..., plane].astype(np.uint32) for plane in range(3))
    return red << np.uint32(16) | green << np.uint32(8) | blue


def _is_sound(path: Path) -> bool:
    """Whether a file ends with the digest of what is before it."""
    if not path.is_file():
        return False
    size = hashlib.sha256().digest_size
    if path.stat().st_size <= size:
        return False
    content = np.memmap(path, np.uint8, mode="r").data
    return hashlib.sha256(content[:-size]).digest() == bytes(content[-size:])
