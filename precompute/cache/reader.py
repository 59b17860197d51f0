"""Sealed caches, opened for reading: every file is checked against the manifest."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from precompute.cache import layout, places
from precompute.cache.layout import Record, Skipped
from precompute.common import files
from precompute.common.arrays import Array
from precompute.common.errors import CacheError, CacheMissingError, UnsafePathError
from precompute.common.files import sha256
from precompute.common.reading import UnreadableError, parse_json, typed
from precompute.common.terminal import in_a_line
from precompute.recipe import array_of, check_record

if TYPE_CHECKING:
    import pandas
    import zarr

T = TypeVar("T", Record, Skipped)


class _Attributes(TypedDict):
    """Attributes of an array, as `Unit.attributes` gives them; before layout 1.2 without the last."""

    utterances: list[Record]
    skipped: list[Skipped]
    shard_sha256: NotRequired[str]


class _Metadata(TypedDict):
    attributes: _Attributes


@dataclass(frozen=True)
class Unit:
    """The utterances of one speaker and emotion, without their items.

    Attributes:
        records: In the order of the array's rows.
        skipped: Inputs of this speaker and emotion that were not used.
        sha256: Of the shard; empty where it is not recorded, as before layout 1.2.
    """

    records: tuple[Record, ...]
    skipped: tuple[Skipped, ...]
    sha256: str

    def attributes(self) -> dict[str, Any]:
        """Attributes of the array."""
        rows = {
            "utterances": [vars(record) for record in self.records],
            "skipped": [vars(recording) for recording in self.skipped],
        }
        return rows | {"shard_sha256": self.sha256}


def parse_unit(metadata: bytes) -> Unit:
    """A unit from the `zarr.json` of its array.

    Raises:
        UnreadableError: It is damaged.
    """
    attributes = typed(parse_json(metadata), _Metadata)["attributes"]
    return Unit(tuple(attributes["utterances"]), tuple(attributes["skipped"]), attributes.get("shard_sha256", ""))


def parse_object(content: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        UnreadableError: The content is not one.
    """
    return typed(parse_json(content), dict[str, Any])


def parse_manifest(content: bytes, where: str) -> dict[str, Any]:
    """Parse a manifest: known keys must have the right type, and no file may exceed its limit.

    Args:
        content: As read.
        where: Name of the cache, for the message.

    Raises:
        CacheError: It is of another major version of the layout.
        UnreadableError: It is damaged.
    """
    parsed = parse_object(content)
    layout.check_version(parsed.get("layout"), where)
    manifest = typed(parsed, layout.Manifest)
    others = manifest.get("same_speakers_as")
    if others and not layout.legal_corpus(others):
        raise UnreadableError(f"'{layout.SAME_SPEAKERS_AS}' is {others!r:.50}, which is not the name of a corpus")
    sizes: dict[str, int] = {}
    for name, entry in manifest["files"].items():
        size = sizes[name] = typed(entry, layout.FileEntry, f"'{name:.100}'")["size"]
        most = layout.largest_file(name) if layout.legal_file(name) else None
        if most is not None and size > most:
            raise UnreadableError(f"'{name:.100}' has {size} bytes, more than {most}")
    if manifest["utterances"] > (most := layout.most_utterances(sizes)):
        raise UnreadableError(f"it counts {manifest['utterances']} utterances, and the shards can have {most} at most")
    return parsed


def read_manifest(path: Path) -> tuple[bytes, dict[str, Any]]:
    """The manifest of a cache, as stored and parsed.

    Raises:
        CacheMissingError: It does not exist.
        CacheError: It is damaged, of another major version of the layout, or behind a symbolic link.
    """
    manifest = path / layout.MANIFEST
    with readable(manifest, path):
        try:
            content = places.read_small(manifest, places.root_of(path), layout.LARGEST_MANIFEST)
        except (FileNotFoundError, NotADirectoryError):
            raise CacheMissingError(unfinished(path)) from None
        return content, parse_manifest(content, str(path))


def mismatches(path: Path, manifest: dict[str, Any]) -> Iterator[str]:
    """Differences between a cache's directory and its manifest that show without reading files; one phrase each."""
    file, entries = path / layout.MANIFEST, manifest["files"]
    name = f"{manifest['corpus']}/{layout.cache_name(manifest['recipe_id'], manifest['input_id'])}"
    if f"{path.parent.name}/{path.name}" != name:
        yield f"{file} belongs to another cache ({name:.200})"
    yield from (f"{file} does not list {name}" for name in (layout.RECIPE, layout.INDEX, layout.SKIPPED) if name not in entries)
    with readable(path, path):
        sizes = places.sizes(path)
    for name, entry in entries.items():
        # A newer minor version may have additional files, which are checked and not read.
        if not layout.legal_file(name) and not layout.is_newer(manifest["layout"]):
            yield f"{file} lists '{name[:100]}', which is not a file of the layout"
        elif sizes.get(name) != entry["size"]:
            state = {None: "missing, or behind a symbolic link", files.LINK: "a symbolic link or not a file"}.get(
                sizes.get(name), f"{sizes.get(name)} bytes"
            )
            yield f"{path / name} is {state}, and the manifest says {entry['size']} bytes"


def unfinished(path: Path) -> str:
    """The message for a directory without a sealed cache."""
    again = "copy it again with python -m precompute cache copy" if places.is_remote(path) else "run precompute again"
    return f"{path / layout.MANIFEST} is missing, so that this cache is unfinished: {again} to finish it"


def remedy(path: Path) -> str:
    """What to do about a damaged cache."""
    if places.is_remote(path):
        return "copy it again with python -m precompute cache copy"
    return f"move it to trash with python -m precompute cache rm {path.name}, and run precompute again"


class Cache:
    """A sealed cache.

    Args:
        path: Its directory; a `Path`, or a `UPath` of an object store.

    Raises:
        CacheMissingError: There is no manifest: the cache does not exist, or was never finished.
        CacheError: The layout has another major version, a file is a link or differs in size from the manifest, or one of the
            records differs in content.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest_bytes, self.manifest = read_manifest(path)
        for problem in mismatches(path, self.manifest):
            raise CacheError(in_a_line(problem), remedy(path))
        self._records = self.fetch([layout.RECIPE, layout.INDEX, layout.SKIPPED])
        with readable(path / layout.RECIPE, path):
            self.item: Array = array_of(self.recipe)
            """The item of each utterance: type, shape, axes."""

    def __repr__(self) -> str:
        return f"Cache({str(self.path)!r}: {len(self.records)} utterances)"

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
        """Whether the speech is synthetic, which results mention."""
        return bool(self.manifest["synthetic"])

    @property
    def same_speakers_as(self) -> str:
        """The corpus whose speakers are the same people with the same names; empty where there is none."""
        return str(self.manifest.get(layout.SAME_SPEAKERS_AS, layout.SAME_SPEAKERS.get(self.corpus, "")))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the cache's keys, speakers, labels and items."""
        return layout.copy_id(self.manifest)

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """The recipe's record."""
        with readable(self.path / layout.RECIPE, self.path):
            return check_record(parse_object(self._records[layout.RECIPE]))

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """One record for each utterance, by speaker, emotion and row.

        Raises:
            CacheError: They are damaged, or do not match the manifest.
        """
        index, steps = self.path / layout.INDEX, self.item.steps
        records = []
        for record in self._lines(layout.INDEX, Record, self.manifest["utterances"], "utterances"):
            if not 0 <= record.start < record.stop <= steps:
                raise CacheError(
                    f"{index} gives {in_a_line(record.key[:100])} the columns {record.start} to {record.stop} of {steps}",
                    remedy(self.path),
                )
            records.append(record)
        with readable(index, self.path):
            if layout.fingerprint(records) != self.manifest["fingerprint"]:
                raise ValueError("its fingerprint is not that of the manifest")
            if self.manifest.get(layout.CONTENT, content := layout.content(records)) != content:
                raise ValueError(f"its {layout.CONTENT} is not that of the manifest")
            return tuple(records)

    @cached_property
    def skipped(self) -> tuple[Skipped, ...]:
        """Inputs that were not used, with the reason."""
        return tuple(self._lines(layout.SKIPPED, Skipped, self.manifest["skipped"], "skipped"))

    @cached_property
    def arrays(self) -> dict[str, tuple[Record, ...]]:
        """Records of each array, in the order of its rows.

        Raises:
            CacheError: The rows of an array are not 0 to n - 1, or the manifest does not list the array.
        """
        arrays: dict[str, list[Record]] = {}
        for record in self.records:
            arrays.setdefault(record.array, []).append(record)
        for array, records in arrays.items():
            if f"{array}/{self.shard_name}" not in self.manifest["files"] or [r.row for r in records] != list(
                range(len(records))
            ):
                shown = in_a_line(array[:100])
                raise CacheError(
                    f"{self.path / layout.INDEX} does not match the arrays, for example '{shown}'", remedy(self.path)
                )
        return {array: tuple(records) for array, records in arrays.items()}

    @cached_property
    def zarr(self) -> "zarr.Group":
        """The cache as zarr itself opens it, read-only: a group for each speaker, with an array for each emotion.

        Zarr checks each item's CRC-32C; `read` and `cache verify` compare the files with the manifest.
        """
        import zarr

        options = getattr(self.path, "storage_options", None)
        return zarr.open_group(str(self.path), mode="r", zarr_format=3, storage_options=dict(options) if options else None)

    def to_pandas(self) -> "pandas.DataFrame":
        """The index: a row for each utterance in the order of `records`, columns as in index.jsonl.

        Raises:
            PandasMissingError: pandas is not installed.
            CacheError: The index is damaged.
        """
        from precompute.common.frames import data_frame

        return data_frame(map(vars, self.records), [field.name for field in fields(Record)])

    @property
    def size(self) -> int:
        """Bytes on disk of the files that the manifest lists."""
        return sum(entry["size"] for entry in self.manifest["files"].values())

    def fetch(self, names: Iterable[str]) -> dict[str, bytes]:
        """Content of some of the cache's files; from an object store in one request.

        Args:
            names: Keys of the manifest's `files`.

        Raises:
            CacheError: A file does not match its checksum in the manifest.
        """
        names = list(names)
        with readable(self.path, self.path):
            contents = places.read(self.path, names, {name: self.manifest["files"][name]["size"] for name in names})
        for name, content in contents.items():
            if sha256(content) != self.manifest["files"][name]["sha256"]:
                raise CacheError(f"{self.path / name} does not match its checksum in the manifest", remedy(self.path))
        return contents

    @property
    def shard_name(self) -> str:
        """Name of the file of an array's only shard."""
        return layout.shard_name(self.item)

    def read(self, array: str) -> NDArray[Any]:
        """The items of one speaker and emotion, (n, *item.shape), in the order of the records' rows; pictures are uint8 RGB.

        Args:
            array: A record's `array`.

        Raises:
            CacheError: The array is damaged, or does not match the index.
        """
        return next(self.units([array]))

    def each(self, array: str) -> Iterator[NDArray[Any]]:
        """The items one by one, with memory for one of them and for the compressed shard."""
        from precompute.cache import shard

        file = f"{array}/{self.shard_name}"
        content, count = self._shards([array])[file], self.count(array)
        with readable(self.path / file, self.path):
            yield from shard.each(content, count, self.item)

    def read_all(self) -> NDArray[Any]:
        """All items, (utterances, *item.shape), in the order of `records`."""
        items = np.empty((len(self.records), *self.item.shape), self.item.dtype)
        at = 0
        for unit in self.units(list(self.arrays)):
            items[at : at + len(unit)] = unit
            at += len(unit)
        return items

    def count(self, array: str) -> int:
        """Number of items in an array, as the index has it."""
        if array not in self.arrays:
            raise CacheError(f"{self.path} has no array '{array}': choose one that its index names")
        return len(self.arrays[array])

    def units(self, arrays: Sequence[str]) -> Iterator[NDArray[Any]]:
        """The items of some arrays, one array after another; errors as of `read`."""
        from precompute.cache import shard

        contents = self._shards(arrays)
        for array in arrays:
            file = f"{array}/{self.shard_name}"
            with readable(self.path / file, self.path):
                yield shard.decode(contents[file], self.count(array), self.item)

    def _shards(self, arrays: Sequence[str]) -> dict[str, bytes]:
        """The shards of some arrays, after a check of their metadata against layout and index."""
        counts = {array: self.count(array) for array in arrays}
        contents = self.fetch(f"{array}/{name}" for array in arrays for name in (layout.GROUP, self.shard_name))
        for array, count in counts.items():
            metadata = f"{array}/{layout.GROUP}"
            with readable(self.path / metadata, self.path):
                layout.check_array(parse_object(contents.pop(metadata)), count, self.item, str(self.path / metadata))
        return contents

    def _lines(self, name: str, kind: type[T], count: int, what: str) -> Iterator[T]:
        """The records of a file, one by one, up to the first damaged one; they must be as many as the manifest counts."""
        content = self._records[name]
        lines = content.count(b"\n") + (content[-1:] not in (b"", b"\n"))
        if lines != count:
            raise CacheError(
                f"{self.path / layout.MANIFEST} counts {count} {what}, and {lines} are recorded", remedy(self.path)
            )
        with readable(self.path / name, self.path):
            start = 0
            for at in range(lines):
                end = content.find(b"\n", start, start + layout.LARGEST_LINE)
                if end < 0:
                    end = len(content)
                    if end - start > layout.LARGEST_LINE:
                        raise ValueError(f"line {at + 1} has more than {layout.LARGEST_LINE} bytes")
                yield _parsed(content[start:end], kind, f"line {at + 1}")
                start = end + 1


def _parsed(line: bytes, kind: type[T], where: str) -> T:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        # Not at once, since it takes three times as long: it says what is wrong in our words.
        return typed(parse_json(line), kind, where)


@contextlib.contextmanager
def readable(file: Path, cache: Path) -> Iterator[None]:
    """Turn errors of reading a file of a cache into one sentence."""
    try:
        yield
    except FileNotFoundError as error:
        if isinstance(error, CacheError):
            raise
        raise CacheError(
            f"{error.filename or file} is gone, since the cache was moved or removed while it was read: run again, or "
            f"{remedy(cache)}"
        ) from None
    except PermissionError as error:
        raise CacheError(
            f"{error.filename or file} may not be read by you ({error.strerror}): ask its owner to let your group read"
        ) from None
    except UnsafePathError as error:
        raise CacheError(str(error)) from None
    except MemoryError:
        raise CacheError(
            f"{file} needs more memory than this machine has: use a machine with more, or {remedy(cache)}"
        ) from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        if isinstance(error, CacheError):
            raise
        kind = "" if isinstance(error, UnreadableError) else f"{type(error).__name__}: "
        raise CacheError(f"{file} is damaged ({kind}{in_a_line(str(error)[:300])})", remedy(cache)) from error
