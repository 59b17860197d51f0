"""A cache as one HDF5 file, for MATLAB, R and whatever else reads no Zarr; `cache_layout.md` describes it."""

import io
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precompute.cache.layout import Record
from precompute.cache.reader import Cache
from precompute.common import files
from precompute.common.errors import CacheError
from precompute.common.progress import progress
from precompute.common.terminal import in_a_line

GZIP_LEVEL = 4
"""The library's default; gzip is what MATLAB and R read without plugins."""

TYPES: dict[Any, Any] = {int: np.int64, float: np.float64, float | None: np.float64}
"""Of the datasets of records' fields; all others are strings."""


def export_hdf5(cache: Path, target: Path) -> None:
    """Write a sealed cache into one HDF5 file: pictures, everything the index says, the recipe.

    The same cache gives the same bytes, by the same version of the HDF5 library.  Each file of the cache is checked against the
    manifest on the way.

    Args:
        cache: Its directory.
        target: The HDF5 file; it appears whole or not at all.

    Raises:
        CacheError: The cache is not sealed, empty or damaged, or it holds text that HDF5 cannot.
        WserError: `target` is there already, or cannot be written.
    """
    import h5py

    opened = Cache(cache)
    if not opened.records:
        raise CacheError(f"{cache} holds no pictures: choose another cache for {target}")
    with files.new_file(target) as aside, _Sink(aside, "x+") as sink:
        try:
            # The earliest version of the format is what every program reads.
            with h5py.File(sink, "w", libver="earliest") as file:
                _write(file, opened, sink, f"export {target.name}")
            sink.check()
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise CacheError(f"{cache} holds what HDF5 cannot ({in_a_line(str(error)[:300])}): export it as zip") from None


def frequencies(recipe: dict[str, Any]) -> NDArray[np.float64]:
    """Centre frequency of each row of a picture in Hz, float64 (height,), descending, whether it was resized or not.

    Args:
        recipe: A cache's.

    Raises:
        KeyError, ValueError: It does not say them.
    """
    rows, f_min, f_max = recipe["scales"], recipe["f_min"], recipe["f_max"]
    if rows < 2 or not 0 < f_min < f_max:
        raise ValueError(f"no frequencies of {rows} rows from {f_min} to {f_max} Hz")
    s = (np.arange(recipe["height"]) + 0.5) * rows / recipe["height"] - 0.5
    transform = recipe.get("transform", "wavelet")
    if transform == "wavelet":
        return np.asarray(f_max * (f_min / f_max) ** (s / (rows - 1)))
    if transform == "stft":
        return np.asarray(f_max + (f_min - f_max) * s / (rows - 1))
    if transform != "mel":
        raise ValueError(f"the frequencies of a transform that this version does not know, '{transform:.50}'")
    high, low = np.log1p(f_max / 700), np.log1p(f_min / 700)
    return np.asarray(700 * np.expm1(high + (low - high) * (s + 1) / (rows + 1)))


class _Sink(io.FileIO):
    """A file for the HDF5 library, which crashes where a write fails: the error is kept, and all that follows is dropped."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest and not self.error:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = error
        return size

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0

    def check(self) -> None:
        """Raise the error that a write met, if one did."""
        if self.error:
            raise self.error


def _write(file: Any, cache: Cache, sink: _Sink, what: str) -> None:
    recipe, manifest = cache.recipe, cache.manifest
    for key in ("layout", "corpus", "recipe_id", "input_id", "fingerprint"):
        file.attrs[key] = _text(manifest[key], key)
    file.attrs["same_speakers_as"] = _text(cache.same_speakers_as, "same_speakers_as")
    file.attrs["synthetic"] = np.int8(cache.synthetic)
    file.attrs["recipe"] = _text(json.dumps(recipe, ensure_ascii=False), "recipe")
    for key, value in recipe.items():
        if isinstance(value, int | float | str) and key != "colour_table":
            file.attrs[key] = _text(value, key) if isinstance(value, str) else value
    file["colour_table"] = np.frombuffer(bytes.fromhex(recipe["colour_table"]), np.uint8).reshape(-1, 3)
    file["frequencies"] = frequencies(recipe)
    for field in fields(Record):
        _write_field(file, cache.records, field.name, TYPES.get(field.type))
        sink.check()
    shape = (len(cache.records), recipe["height"], recipe["width"], 3)
    images = file.create_dataset(
        "images", shape, np.uint8, chunks=(1, *shape[1:]), compression="gzip", compression_opts=GZIP_LEVEL, fletcher32=True
    )
    for axis, label in enumerate(("utterance", "row", "column", "colour")):
        images.dims[axis].label = label
    at = 0
    with progress(what, len(cache.records), "pictures") as advance:
        for array in cache.arrays:
            unit = cache.read(array)
            images[at : at + len(unit)] = unit
            at += len(unit)
            sink.check()
            advance(len(unit))


def _write_field(file: Any, records: tuple[Record, ...], name: str, numbers: Any) -> None:
    import h5py

    values = [getattr(record, name) for record in records]
    if numbers is None:
        texts = [_text(_as_text(value), f"{name} of '{r.key}'") for value, r in zip(values, records, strict=True)]
        file.create_dataset(name, data=np.array(texts, object), dtype=h5py.string_dtype("utf-8"))
    else:
        file.create_dataset(name, data=np.array([np.nan if value is None else value for value in values], numbers))


def _as_text(value: str | dict[str, str | float] | None) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) if value else ""


def _text(value: str, where: str) -> str:
    """A string as HDF5 can hold it.

    Raises:
        ValueError: It holds a NUL or half a surrogate pair.
    """
    if "\0" in value:
        raise ValueError(f"a NUL character in {where!a}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"half a surrogate pair in {where!a}") from None
    return value
