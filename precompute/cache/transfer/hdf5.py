"""A cache as one HDF5 file, for MATLAB, R and other software without Zarr; `cache_layout.md` describes it."""

import io
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from precompute.cache.layout import Record
from precompute.cache.reader import Cache
from precompute.common import files
from precompute.common.errors import CacheError
from precompute.common.progress import progress
from precompute.common.reading import Number, Whole
from precompute.common.terminal import in_a_line
from precompute.recipe import row_frequencies

GZIP_LEVEL = 4
"""The library's default; MATLAB and R read gzip without plugins."""

TYPES: dict[Any, Any] = {Whole: np.int64, Number: np.float64, Number | None: np.float64}
"""Types of the datasets of record fields; all others are strings."""


def export_hdf5(cache: Path, target: Path) -> None:
    """Write a sealed cache into one HDF5 file: its arrays, the index, the recipe.

    The same cache gives the same bytes, with the same version of the HDF5 library.  Each file of the cache is checked against
    the manifest.

    Args:
        cache: Its directory.
        target: The HDF5 file; it appears complete or not at all.

    Raises:
        CacheError: The cache is not sealed, empty or damaged, or it has text that HDF5 cannot store.
        WserError: `target` exists already, or cannot be written.
    """
    import h5py

    opened = Cache(cache)
    if not opened.records:
        raise CacheError(f"{cache} has no utterances: choose another cache for {target}")
    with files.new_file(target) as aside, _Sink(aside, "x+") as sink:
        try:
            # Every program reads the earliest version of the format.
            with h5py.File(sink, "w", libver="earliest") as file:
                _write(file, opened, sink, f"export {target.name}")
            sink.check()
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise CacheError(
                f"{cache} has content that HDF5 cannot store ({in_a_line(str(error)[:300])}): export it as zip"
            ) from None


class _Sink(io.FileIO):
    """A file for the HDF5 library, which crashes if a write fails: the error is kept, and later writes are ignored."""

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
        """Raise the error of a failed write, if there was one."""
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
    if "colour_table" in recipe:
        file["colour_table"] = np.frombuffer(bytes.fromhex(recipe["colour_table"]), np.uint8).reshape(-1, 3)
    if "scales" in recipe and "frequency" in cache.item.axes:
        file["frequencies"] = row_frequencies(recipe, cache.item.shape[cache.item.axes.index("frequency")])
    for field in fields(Record):
        _write_field(file, cache.records, field.name, TYPES.get(field.type))
        sink.check()
    item, picture = cache.item, cache.item.kind == "picture"
    values = file.create_dataset(
        "images" if picture else "values",
        (len(cache.records), *item.shape),
        np.dtype(item.dtype).newbyteorder("<"),
        chunks=(1, *item.shape),
        compression="gzip",
        compression_opts=GZIP_LEVEL,
        fletcher32=True,
    )
    for axis, label in enumerate(("utterance", *(("row", "column", "colour") if picture else item.axes))):
        values.dims[axis].label = label
    at = 0
    with progress(what, len(cache.records), "utterances") as advance:
        for array in cache.arrays:
            unit = cache.read(array)
            values[at : at + len(unit)] = unit
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
        ValueError: It has a NUL character or half a surrogate pair.
    """
    if "\0" in value:
        raise ValueError(f"a NUL character in {where!a}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"half a surrogate pair in {where!a}") from None
    return value
