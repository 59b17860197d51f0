"""Caches on disk: create, publish, seal; find, open, read.

A cache is written once.  A unit, the pictures of one speaker and emotion, is computed under `.staging` on the same file
system and published by renaming its directory; the manifest, written last by an exclusive link, seals the whole.  No lock
is needed for correctness, and readers trust only what a manifest vouches for.
"""

import contextlib
import difflib
import errno
import glob
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from precompute import layout
from precompute.errors import CacheError, CacheMissingError, unknown
from precompute.layout import Record, Skipped
from precompute.recipe import RECIPES, named

T = TypeVar("T", Record, Skipped)

STALE_SECONDS = 24 * 3600
"""Age after which what a killed job left in staging is removed."""


@dataclass(frozen=True)
class Unit:
    """A published unit: its records in the order of the array's rows, and what was skipped on the way."""

    records: tuple[Record, ...]
    skipped: tuple[Skipped, ...]


class Draft:
    """A cache that is being written.

    Args:
        root: Of all caches.
        corpus: Name of the corpus.
        recipe: Its record, as hashed.
        recipe_id: Id of the recipe.
        input_id: Id of the input.
        synthetic: Whether the corpus is synthetic speech.
    """

    def __init__(self, root: Path, corpus: str, recipe: dict[str, Any], recipe_id: str, input_id: str, synthetic: bool) -> None:
        self.corpus, self.recipe_id, self.input_id, self.synthetic = corpus, recipe_id, input_id, synthetic
        self.path = root / corpus / layout.cache_name(recipe_id, input_id)
        self.staging = root / corpus / layout.STAGING / uuid.uuid4().hex
        self.root, self.recipe = root, recipe

    @property
    def sealed(self) -> bool:
        """Whether a manifest is there."""
        return (self.path / layout.MANIFEST).exists()

    def prepare(self) -> None:
        """Create the directories and the records that do not depend on the recordings.

        Raises:
            CacheError: The root holds another major version of the layout.
        """
        check_root(self.root)
        ours = not self.root.exists() or not any(self.root.iterdir())
        self.path.mkdir(parents=True, exist_ok=True)
        self.staging.mkdir(parents=True)
        _remove_stale(self.staging.parent)
        if ours:
            # In a directory with other things, the tag would keep those out of backups too.
            self._put(self.root / layout.ROOT_TAG, layout.ROOT_TAG_CONTENT)
        self._put(self.root / layout.ROOT_RECORD, _json(layout.root_record()))
        self._put(self.path / layout.RECIPE, _json(self.recipe))
        ids = {"corpus": self.corpus, "recipe_id": self.recipe_id, "input_id": self.input_id}
        self._put(self.path / layout.GROUP, _json(layout.group({"layout": layout.version(), **ids})))

    def published(self, speaker: str, emotion: str) -> Unit | None:
        """The unit of a speaker and emotion, None where it is not there yet."""
        metadata = self.path / layout.array_path(speaker, emotion) / layout.GROUP
        if not metadata.exists():
            return None
        with _readable(metadata):
            attributes = json.loads(metadata.read_bytes())["attributes"]
            return Unit(
                tuple(_parse(Record, line) for line in attributes["utterances"]),
                tuple(_parse(Skipped, line) for line in attributes["skipped"]),
            )

    def publish(self, images: NDArray[np.uint8], unit: Unit) -> None:
        """Write a unit aside and rename it into place; where another job was first, its unit stays and ours is dropped.

        Args:
            images: uint8 (n, height, width, 3).
            unit: A record for each image, all of one speaker and emotion.
        """
        first = unit.records[0]
        aside = self.staging / uuid.uuid4().hex
        attributes = {"utterances": [asdict(r) for r in unit.records], "skipped": [asdict(s) for s in unit.skipped]}
        write_array(aside, images, attributes)
        _sync_tree(aside)
        target = self.path / layout.array_path(first.speaker, first.emotion)
        if not target.parent.exists():
            target.parent.mkdir(exist_ok=True)
            _sync(self.path)
        self._put(target.parent / layout.GROUP, _json(layout.group({"speaker": first.speaker})))
        try:
            aside.rename(target)
        except OSError:
            if not target.exists():
                raise
            shutil.rmtree(aside)
        _sync(target.parent)

    def seal(self, units: Iterable[Unit], skipped: Sequence[Skipped], provenance: dict[str, Any]) -> None:
        """Write index, record of skipped inputs, provenance and, last, the manifest.

        Args:
            units: All published units.
            skipped: Inputs that belong to no published unit.
            provenance: Who made the cache, when and with what.
        """
        units = list(units)
        records = sorted((r for unit in units for r in unit.records), key=lambda r: (r.array, r.row))
        left_out = sorted({*skipped, *(s for unit in units for s in unit.skipped)}, key=lambda s: s.path)
        self._put(self.path / layout.INDEX, _lines(records))
        self._put(self.path / layout.SKIPPED, _lines(left_out))
        (self.path / layout.PROVENANCE).mkdir(exist_ok=True)
        self._put(self.path / layout.PROVENANCE / f"{uuid.uuid4().hex}.json", _json(provenance))
        files = [layout.GROUP, layout.RECIPE, layout.INDEX, layout.SKIPPED]
        arrays = sorted({record.array for record in records})
        files += sorted({f"{array.partition('/')[0]}/{layout.GROUP}" for array in arrays})
        files += [f"{array}/{name}" for array in arrays for name in (layout.GROUP, layout.SHARD)]
        manifest = {
            "layout": layout.version(),
            "corpus": self.corpus,
            "synthetic": self.synthetic,
            "recipe_id": self.recipe_id,
            "input_id": self.input_id,
            "fingerprint": layout.fingerprint(records),
            "utterances": len(records),
            "skipped": len((self.path / layout.SKIPPED).read_bytes().splitlines()),
            "files": {name: _vouch(self.path / name) for name in files},
        }
        self._put(self.path / layout.MANIFEST, _json(manifest))

    def discard_staging(self) -> None:
        """Remove what this job has in staging."""
        shutil.rmtree(self.staging, ignore_errors=True)

    def _put(self, path: Path, content: bytes) -> None:
        """Create a file with all of its content at once, unless it exists."""
        if path.exists():
            return
        aside = self.staging / uuid.uuid4().hex
        aside.write_bytes(content)
        _sync(aside)
        try:
            os.link(aside, path)
        except FileExistsError:
            # Another job was first, with the same content.
            pass
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK):
                raise
            raise CacheError(
                f"the file system of {self.root} has no hard links ({error.strerror}): choose a cache directory on another"
            ) from None
        aside.unlink()
        _sync(path.parent)


class Cache:
    """A sealed cache, opened for reading.

    Args:
        path: Its directory.

    Raises:
        CacheMissingError: There is no manifest: the cache is not there, or was never finished.
        CacheError: The layout is another major version, a file differs in size from what the manifest says, or one of the
            records in content.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        manifest = path / layout.MANIFEST
        if not manifest.is_file():
            raise CacheMissingError(f"{path} holds no sealed cache: run precompute again to finish it")
        self.manifest: dict[str, Any] = _load(manifest)
        layout.check_version(str(self.manifest.get("layout")), str(path))
        with _readable(manifest):
            self._check(manifest)

    def _check(self, manifest: Path) -> None:
        path = self.path
        if path.name != layout.cache_name(self.manifest["recipe_id"], self.manifest["input_id"]):
            raise CacheError(
                f"{manifest} belongs to another cache: restore its own, or remove the directory and run precompute"
            )
        for name, vouched in self.manifest["files"].items():
            file = path / name
            size = file.lstat().st_size if file.is_file() and not file.is_symlink() else None
            if size != vouched["size"]:
                found = "missing" if size is None else f"{size} bytes"
                raise CacheError(
                    f"{file} is {found}, the manifest says {vouched['size']} bytes: remove {path} and run precompute again"
                )

        for name in (layout.RECIPE, layout.INDEX, layout.SKIPPED):
            if _vouch(path / name) != self.manifest["files"][name]:
                raise CacheError(f"{path / name} is not what the manifest vouches for: remove {path} and run precompute again")

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
    def fingerprint(self) -> str:
        """SHA-256 of what the cache holds: keys, speakers, labels and pixels."""
        return str(self.manifest["fingerprint"])

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """The recipe's record."""
        return _load(self.path / layout.RECIPE)

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """One record for each utterance, by speaker, emotion and row."""
        return _load_lines(self.path / layout.INDEX, Record)

    @cached_property
    def skipped(self) -> tuple[Skipped, ...]:
        """Inputs that were not used, with the reason."""
        return _load_lines(self.path / layout.SKIPPED, Skipped)

    @property
    def size(self) -> int:
        """Bytes on disk of what the manifest vouches for."""
        return sum(vouched["size"] for vouched in self.manifest["files"].values())

    def read(self, array: str) -> NDArray[np.uint8]:
        """The pictures of one speaker and emotion, uint8 (n, height, width, 3), in the order of the records' rows.

        Args:
            array: A record's `array`.

        Raises:
            CacheError: The array is damaged, or not what the index says.
        """
        import zarr
        from zarr.storage import LocalStore

        expected = sum(record.array == array for record in self.records)
        shape = (expected, self.recipe["height"], self.recipe["width"], 3)
        if f"{array}/{layout.SHARD}" not in self.manifest["files"]:
            raise CacheError(f"{self.path} vouches for no array '{array}': choose one that its index names")
        try:
            stored = zarr.open_array(LocalStore(self.path / array, read_only=True), mode="r")
            if stored.shape != shape or stored.dtype != np.uint8:
                raise ValueError(f"it is {stored.dtype} {stored.shape}, the index says uint8 {shape}")
            return np.asarray(stored[:])
        except Exception as error:
            raise CacheError(
                f"{self.path / array} is damaged ({error}): remove {self.path} and run precompute again"
            ) from error

    def read_all(self) -> NDArray[np.uint8]:
        """All pictures, uint8 (utterances, height, width, 3), in the order of `records`."""
        images = np.empty((len(self.records), self.recipe["height"], self.recipe["width"], 3), np.uint8)
        at = 0
        for array in dict.fromkeys(record.array for record in self.records):
            unit = self.read(array)
            images[at : at + len(unit)] = unit
            at += len(unit)
        return images


def check_root(root: Path) -> None:
    """Refuse a root of another major layout version; one without a record is new or foreign, and is taken as new.

    Raises:
        CacheError: The version is another.
    """
    record = root / layout.ROOT_RECORD
    if record.exists():
        layout.check_version(str(_load(record).get("layout")), str(root))


def sealed(root: Path, corpus: str, recipe_id: str) -> list[Path]:
    """Directories of the sealed caches of a corpus and recipe, the latest sealed first."""
    manifests = (root / corpus).glob(f"{recipe_id}-*/{layout.MANIFEST}")
    return [file.parent for file in sorted(manifests, key=lambda file: file.stat().st_mtime, reverse=True)]


def candidates(root: Path, corpus: str, recipe: str) -> list[Path]:
    """Directories of the sealed caches of a corpus and the name or id of a recipe."""
    return sealed(root, corpus, named(recipe).id if recipe in RECIPES else glob.escape(recipe))


def find(root: Path, corpus: str, recipe: str, cache: str | None = None) -> Cache:
    """Open the cache of a corpus and recipe.

    Args:
        root: Of all caches.
        corpus: Name of the corpus.
        recipe: Name of a recipe, or the id of one that has no name.
        cache: Id of the cache, or its beginning or its part after the dash, where several inputs are sealed.

    Raises:
        CacheMissingError: None is sealed; the message names the command that builds it.
        CacheError: Several are, and none is chosen; the message lists them.
    """
    check_root(root)
    paths = candidates(root, corpus, recipe)
    if not paths:
        here = [folder.name for folder in root.glob("*") if next(folder.glob(f"*/{layout.MANIFEST}"), None)]
        if corpus not in here and difflib.get_close_matches(corpus, here):
            raise CacheMissingError(f"in {root}, {unknown('cache of the corpus', corpus, here)}")
        others = sorted({path.name.partition("-")[0] for path in sealed(root, corpus, "*")})
        if recipe not in RECIPES:
            raise CacheMissingError(f"in {root}, {unknown(f'recipe of {corpus}', recipe, [*RECIPES, *others])}")
        option = "" if recipe == "default" else f" --recipe {recipe}"
        there = f" (there are recipes {', '.join(others)}: take one with recipe=ID)" if others else ""
        raise CacheMissingError(
            f"there is no cache of '{corpus}' with recipe '{recipe}' ({named(recipe).id}) in {root}: "
            f"run python -m precompute --corpus {corpus}{option} --cache {root}{there}"
        )
    chosen = [path for path in paths if cache is None or path.name.startswith(cache) or path.name.endswith(f"-{cache}")]
    if len(chosen) == 1:
        return Cache(chosen[0])
    listed = "; ".join(f"{path.name} ({_load(path / layout.MANIFEST)['utterances']} utterances)" for path in paths)
    answer = f"none answers cache={cache}" if cache and not chosen else f"{len(chosen)} answer"
    raise CacheError(
        f"of {len(paths)} sealed caches of '{corpus}' with recipe '{recipe}' {answer}: choose one with cache=ID from {listed}"
    )


def write_array(path: Path, images: NDArray[np.uint8], attributes: dict[str, Any]) -> None:
    """Write pictures as one Zarr array of one shard, coded as the layout says.

    Args:
        path: Directory to create.
        images: uint8 (n, height, width, 3).
        attributes: Of the array.
    """
    import zarr
    from zarr.codecs import Crc32cCodec, ZstdCodec
    from zarr.storage import LocalStore

    array = zarr.create_array(
        LocalStore(path),
        shape=images.shape,
        chunks=(1, *images.shape[1:]),
        shards=images.shape,
        dtype=images.dtype,
        compressors=(ZstdCodec(level=layout.ZSTD_LEVEL), Crc32cCodec()),
        fill_value=0,
        chunk_key_encoding={"name": "default", "separator": "."},
        attributes=attributes,
        config={"write_empty_chunks": True},
    )
    array[:] = images


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_tree(directory: Path) -> None:
    for path in directory.rglob("*"):
        _sync(path)
    _sync(directory)


def _remove_stale(staging: Path) -> None:
    for job in staging.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if time.time() - job.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(job, ignore_errors=True)


def _vouch(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def _lines(items: Iterable[Record | Skipped]) -> bytes:
    return "".join(json.dumps(asdict(item), ensure_ascii=False) + "\n" for item in items).encode()


def _load(path: Path) -> dict[str, Any]:
    with _readable(path):
        value = json.loads(path.read_bytes())
        if not isinstance(value, dict):
            raise TypeError("no JSON object")
        return value


def _load_lines(path: Path, kind: type[T]) -> tuple[T, ...]:
    with _readable(path):
        return tuple(_parse(kind, json.loads(line)) for line in path.read_bytes().splitlines())


def _parse(kind: type[T], line: dict[str, Any]) -> T:
    """A record from the keys that we know; a newer minor version may have more."""
    return kind(**{field.name: line[field.name] for field in fields(kind)})


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what goes wrong in reading a file of the cache into one sentence."""
    try:
        yield
    except (OSError, ValueError, TypeError, KeyError) as error:
        if isinstance(error, CacheError):
            raise
        raise CacheError(
            f"{path} is damaged ({type(error).__name__}: {error}): remove {path.parent} and run precompute again"
        ) from error
