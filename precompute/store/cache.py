"""Sealed caches, opened for reading: nothing is believed that the manifest does not vouch for."""

import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from precompute import layout
from precompute.errors import CacheError, CacheMissingError
from precompute.layout import Record, Skipped
from precompute.store import places
from precompute.store.files import sha256

T = TypeVar("T", Record, Skipped)

_TYPES: dict[Any, Any] = {
    str: str, int: int, float: (int, float), float | None: (int, float, NoneType), dict[str, str | float]: dict,
}  # fmt: skip
"""Of a record's fields, as JSON has them; all others are strings or null."""

_MANIFEST = {
    "layout": str, "corpus": str, "synthetic": bool, "recipe_id": str, "input_id": str, "fingerprint": str, "utterances": int,
    "skipped": int, "files": dict,
}  # fmt: skip
"""Keys that every manifest has."""


@dataclass(frozen=True)
class Unit:
    """The pictures of one speaker and emotion, without the pictures.

    Attributes:
        records: In the order of the array's rows.
        skipped: Inputs of this speaker and emotion that were not used.
        sha256: Of the shard.
    """

    records: tuple[Record, ...]
    skipped: tuple[Skipped, ...]
    sha256: str

    def attributes(self) -> dict[str, Any]:
        """Attributes of the array."""
        rows = {"utterances": [vars(record) for record in self.records], "skipped": [vars(one) for one in self.skipped]}
        return rows | {"shard_sha256": self.sha256}


def parse_unit(metadata: bytes) -> Unit:
    """A unit from the `zarr.json` of its array.

    Raises:
        ValueError, KeyError, TypeError: It is torn, or that of an older layout.
    """
    attributes = json.loads(metadata)["attributes"]
    return Unit(
        tuple(_parse(Record, line) for line in attributes["utterances"]),
        tuple(_parse(Skipped, line) for line in attributes["skipped"]),
        attributes["shard_sha256"],
    )


def read_manifest(path: Path) -> tuple[bytes, dict[str, Any]]:
    """The manifest of a cache, as stored and parsed; each key that we know is there, and of its type.

    Raises:
        CacheMissingError: There is none.
        CacheError: It is damaged, of another major version of the layout, or behind a symbolic link.
    """
    manifest = path / layout.MANIFEST
    for place in (path.parent, path, manifest):
        if place.is_symlink():
            raise CacheError(
                f"{place} is a symbolic link: put there what it leads to, or name the root that has it in WSER_CACHE"
            )
    if not manifest.is_file():
        raise CacheMissingError(unfinished(path))
    with _readable(manifest, path):
        content = manifest.read_bytes()
        parsed: dict[str, Any] = json.loads(content)
        layout.check_version(str(parsed.get("layout")), str(path))
        for key, kind in _MANIFEST.items():
            if type(parsed[key]) is not kind:
                raise TypeError(f"'{key}' is {parsed[key]!r:.50}")
        others = parsed.get(layout.SAME_SPEAKERS_AS, "")
        if others != "" and not (isinstance(others, str) and layout.legal_corpus(others)):
            raise ValueError(f"'{layout.SAME_SPEAKERS_AS}' is {others!r:.50}")
        for name, entry in parsed["files"].items():
            if type(entry["size"]) is not int or not re.fullmatch("[0-9a-f]{64}", entry["sha256"]):
                raise ValueError(f"the entry of {name:.100} is {entry!r:.150}")
        return content, parsed


def mismatches(path: Path, manifest: dict[str, Any]) -> Iterator[str]:
    """What differs at first sight, without reading a file, between a cache's directory and its manifest; one phrase each."""
    file, vouched = path / layout.MANIFEST, manifest["files"]
    name = f"{manifest['corpus']}/{layout.cache_name(manifest['recipe_id'], manifest['input_id'])}"
    if f"{path.parent.name}/{path.name}" != name:
        yield f"{file} belongs to another cache ({name:.200})"
    yield from (
        f"{file} does not vouch for {one}" for one in (layout.RECIPE, layout.INDEX, layout.SKIPPED) if one not in vouched
    )
    with _readable(path, path):
        found = places.sizes(path)
    for name, entry in vouched.items():
        # A newer minor version may have other files besides; we check them, and read none.
        if not layout.legal_file(name) and not layout.is_newer(manifest["layout"]):
            yield f"{file} vouches for '{name[:100]}', which the layout does not know"
        elif found.get(name) != entry["size"]:
            there = {None: "missing, or behind a symbolic link", places.LINK: "a symbolic link or no file"}.get(
                found.get(name), f"{found.get(name)} bytes"
            )
            yield f"{path / name} is {there}, the manifest says {entry['size']} bytes"


def unfinished(path: Path) -> str:
    """What to say of a directory that holds no sealed cache."""
    again = "copy it again with python -m precompute cache copy" if places.is_remote(path) else "run precompute again"
    return f"{path / layout.MANIFEST} is missing, so that this is no sealed cache: {again} to finish it"


def remedy(path: Path) -> str:
    """What to do about a damaged cache."""
    if places.is_remote(path):
        return "copy it again with python -m precompute cache copy"
    return f"take it away with python -m precompute cache rm {path.name}, and run precompute again"


class Cache:
    """A sealed cache.

    Args:
        path: Its directory; a `Path`, or a `UPath` of an object store.

    Raises:
        CacheMissingError: There is no manifest: the cache is not there, or was never finished.
        CacheError: The layout is another major version, a file differs in size from what the manifest says or is a link, or
            one of the records differs in content.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest_bytes, self.manifest = read_manifest(path)
        for problem in mismatches(path, self.manifest):
            raise CacheError(f"{problem}: {remedy(path)}")
        self._records = self.fetch([layout.RECIPE, layout.INDEX, layout.SKIPPED])
        with _readable(path / layout.RECIPE, path):
            shape = (self.recipe["height"], self.recipe["width"])
        if not layout.legal_picture(*shape):
            raise CacheError(
                f"{path / layout.RECIPE} asks for pictures of {shape[0]} x {shape[1]}, more than the layout allows: "
                f"{remedy(path)}"
            )

    @property
    def id(self) -> str:
        """Name of the cache's directory: recipe id and input id."""
        return self.path.name

    @property
    def corpus(self) -> str:
        """Name of the corpus."""
        return str(self.manifest["corpus"])

    @property
    def synthetic(self) -> bool:
        """Whether no human spoke: results say so."""
        return bool(self.manifest["synthetic"])

    @property
    def same_speakers_as(self) -> str:
        """The corpus whose speakers are the same people under the same names; empty where there is none."""
        return str(self.manifest.get(layout.SAME_SPEAKERS_AS, layout.SAME_SPEAKERS.get(self.corpus, "")))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what the cache holds: keys, speakers, labels and pixels."""
        return str(self.manifest["fingerprint"])

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """The recipe's record."""
        with _readable(self.path / layout.RECIPE, self.path):
            recipe: dict[str, Any] = json.loads(self._records[layout.RECIPE])
            return recipe

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """One record for each utterance, by speaker, emotion and row.

        Raises:
            CacheError: They are damaged, or not those of the manifest.
        """
        index, records = self.path / layout.INDEX, self._lines(layout.INDEX, Record)
        for record in records:
            if not 0 <= record.start < record.stop <= self.recipe["width"]:
                raise CacheError(
                    f"{index} gives {record.key} the columns {record.start} to {record.stop} of {self.recipe['width']}: "
                    f"{remedy(self.path)}"
                )
        if len(records) != self.manifest["utterances"]:
            raise CacheError(
                f"{self.path / layout.MANIFEST} counts {self.manifest['utterances']} utterances, {len(records)} are recorded: "
                f"{remedy(self.path)}"
            )
        with _readable(index, self.path):
            if layout.fingerprint(records) != self.fingerprint:
                raise ValueError("it does not give the fingerprint of the manifest")
        return records

    @cached_property
    def skipped(self) -> tuple[Skipped, ...]:
        """Inputs that were not used, with the reason."""
        return self._lines(layout.SKIPPED, Skipped)

    @cached_property
    def arrays(self) -> dict[str, tuple[Record, ...]]:
        """Records of each array, in the order of its rows.

        Raises:
            CacheError: The rows of an array are not 0 to n - 1, or the manifest vouches for no such array.
        """
        arrays: dict[str, list[Record]] = {}
        for record in self.records:
            arrays.setdefault(record.array, []).append(record)
        for array, records in arrays.items():
            if f"{array}/{layout.SHARD}" not in self.manifest["files"] or [r.row for r in records] != list(range(len(records))):
                raise CacheError(f"{self.path / layout.INDEX} does not fit the arrays, as '{array}' shows: {remedy(self.path)}")
        return {array: tuple(records) for array, records in arrays.items()}

    @property
    def size(self) -> int:
        """Bytes on disk of what the manifest vouches for."""
        return sum(vouched["size"] for vouched in self.manifest["files"].values())

    def fetch(self, names: Iterable[str]) -> dict[str, bytes]:
        """Content of some of the cache's files; from an object store all at once.

        Args:
            names: Keys of the manifest's `files`.

        Raises:
            CacheError: A file is not any more, byte for byte, what the manifest vouches for.
        """
        names = list(names)
        with _readable(self.path, self.path):
            contents = places.read(self.path, names)
        for name, content in contents.items():
            if sha256(content) != self.manifest["files"][name]["sha256"]:
                raise CacheError(f"{self.path / name} is not what the manifest vouches for: {remedy(self.path)}")
        return contents

    def read(self, array: str) -> NDArray[np.uint8]:
        """The pictures of one speaker and emotion, uint8 (n, height, width, 3), in the order of the records' rows.

        Args:
            array: A record's `array`.

        Raises:
            CacheError: The array is damaged, or not what the index says.
        """
        return next(self._read([array]))

    def read_all(self) -> NDArray[np.uint8]:
        """All pictures, uint8 (utterances, height, width, 3), in the order of `records`."""
        images = np.empty((len(self.records), self.recipe["height"], self.recipe["width"], 3), np.uint8)
        at = 0
        for unit in self._read(list(self.arrays)):
            images[at : at + len(unit)] = unit
            at += len(unit)
        return images

    def shape(self, array: str) -> tuple[int, int, int, int]:
        """(n, height, width, 3) of an array, as index and recipe have it."""
        if array not in self.arrays:
            raise CacheError(f"{self.path} vouches for no array '{array}': choose one that its index names")
        return (len(self.arrays[array]), self.recipe["height"], self.recipe["width"], 3)

    def _read(self, arrays: list[str]) -> Iterator[NDArray[np.uint8]]:
        from precompute.store import shard

        shapes = {array: self.shape(array) for array in arrays}
        contents = self.fetch(f"{array}/{name}" for array in arrays for name in (layout.GROUP, layout.SHARD))
        for array, shape in shapes.items():
            metadata = f"{array}/{layout.GROUP}"
            with _readable(self.path / metadata, self.path):
                layout.check_array(json.loads(contents[metadata]), shape, str(self.path / metadata))
            with _readable(self.path / array / layout.SHARD, self.path):
                yield shard.decode(contents[f"{array}/{layout.SHARD}"], shape)

    def _lines(self, name: str, kind: type[T]) -> tuple[T, ...]:
        with _readable(self.path / name, self.path):
            return tuple(_parse(kind, json.loads(line)) for line in self._records[name].splitlines())


def _parse(kind: type[T], line: dict[str, Any]) -> T:
    """A record from the keys that we know, each of its type; an older minor version may lack some, and a newer have more."""
    optional = {field.name for field in fields(kind) if field.default is None or field.default_factory is dict}
    found = {field: line[field.name] for field in fields(kind) if field.name in line or field.name not in optional}
    for field, value in found.items():
        if not isinstance(value, _TYPES.get(field.type, (str, NoneType))):
            raise TypeError(f"'{field.name}' is {value!r:.50}")
    return kind(**{field.name: value for field, value in found.items()})


@contextlib.contextmanager
def _readable(file: Path, cache: Path) -> Iterator[None]:
    """Turn what goes wrong in reading a file of a cache into one sentence."""
    try:
        yield
    except FileNotFoundError as error:
        if isinstance(error, CacheError):
            raise
        raise CacheError(
            f"{error.filename or file} is gone: somebody moved or removed the cache while it was read; run again, or "
            f"{remedy(cache)}"
        ) from None
    except PermissionError as error:
        raise CacheError(
            f"{error.filename or file} may not be read by you ({error.strerror}): ask its owner to let your group read"
        ) from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        if isinstance(error, CacheError):
            raise
        raise CacheError(f"{file} is damaged ({type(error).__name__}: {error}): {remedy(cache)}") from error
