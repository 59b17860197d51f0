"""The contract between `precompute` and `wser`: names, types and ids of the cache. `cache_layout.md` is its text.

This module does not read or write recordings, and no other module spells the names of files in a cache.
"""

import json
import operator
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NotRequired, TypedDict
from urllib.parse import quote

import rfc8785

from precompute.common import canonical
from precompute.common.arrays import MOST_AXES, Array
from precompute.common.errors import CacheError
from precompute.common.reading import Count, Digest, Number, Whole
from precompute.recipe import ID_LENGTH

VERSION = (2, 0)
"""Layout version, (major, minor): readers refuse a newer major and read a newer minor, ignoring keys they do not know."""

VERSION_OF_PICTURES = (1, 5)
"""Layout version of caches of pictures, and of roots, which software reads that knows no other arrays."""

NEWEST = dict((VERSION_OF_PICTURES, VERSION))
"""The latest known minor version of each major one."""

LONGEST_NAME = 200
"""Longest encoded name of a speaker or emotion in bytes; file systems allow 255, and staging adds to it."""

ROOT_RECORD = "wser-cache.json"
ROOT_TAG = "CACHEDIR.TAG"
ROOT_TAG_CONTENT = b"Signature: 8a477f597d28d172789f06886806bc55\n# Wavelet-scaled spectrograms; precompute makes them anew.\n"
"""The Cache Directory Tagging Specification, https://bford.info/cachedir/: backup programs skip such a directory."""

STAGING = ".staging"
TRASH = ".trash"
GROUP = "zarr.json"
RECIPE = "recipe.json"
INDEX = "index.jsonl"
SKIPPED = "skipped.jsonl"
MANIFEST = "manifest.json"
PROVENANCE = "provenance"
RESERVED = {GROUP, RECIPE, INDEX, SKIPPED, MANIFEST, PROVENANCE}

SAME_SPEAKERS_AS = "same_speakers_as"
CONTENT = "content"
"""Key of a manifest, and of an utterance's `more`: the corpus whose speakers are the same people under the same names."""

SAME_SPEAKERS = {"ravdess_song": "ravdess"}
"""Corpora that share speakers, which manifests before layout 1.4 do not record."""

ZSTD_LEVEL = 3
"""The library's default."""

LARGEST_MANIFEST = 16 << 20
"""Largest manifest in bytes; 30 000 units take half of it.  It is read before anything else can be checked."""

LARGEST_NOTE = 64 << 10
"""Largest record of provenance (usually 1 kB), recipe (usually 3 kB) or root in bytes."""

LARGEST_INDEX = 256 << 20
"""Largest index in bytes; it has about 500 for each utterance, and is read line by line."""

LARGEST_LINE = 1 << 20
"""Longest line of the index in bytes."""

LARGEST_METADATA = 32 << 20
"""Largest metadata of an array, and largest record of skipped inputs, in bytes; in memory they take up to 25 times as much."""

SMALLEST_ITEM = 9 + 4 + 16
"""Smallest size of an item in a shard in bytes: a zstd frame with its size, a checksum, and its entry in the index."""

_ID = rf"[0-9a-f]{{{ID_LENGTH}}}"
_NAME = r"(?!\.)[A-Za-z0-9_.~%-]+"
_SHARD = rf"c(\.0){{2,{MOST_AXES + 1}}}"
_FILE = re.compile(
    rf"{re.escape(GROUP)}|{re.escape(RECIPE)}|{re.escape(INDEX)}|{re.escape(SKIPPED)}"
    rf"|{_NAME}/{re.escape(GROUP)}|{_NAME}/{_NAME}/({re.escape(GROUP)}|{_SHARD})"
)


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """What a corpus says of one utterance.

    Attributes:
        key: Unique within the corpus, and independent of the file's folder.
        path: Of the recording, POSIX, relative to the corpus's directory.
        speaker: As the corpus names the speaker.
        emotion: Word of the common vocabulary.
        label: The corpus's own label, unchanged.
        sex: Of the speaker, None where unknown.
        sentence: What was said, as the corpus codes it; None where it does not.
        intensity: Of the emotion; None where the corpus has none.
        session: Of the recordings; None where the corpus has none.
        begin: Of the utterance in the recording, in seconds; None where the recording is of this utterance alone.
        end: Likewise.
        more: Other information of the corpus, by name: strings and numbers.
    """

    key: str
    path: str
    speaker: str
    emotion: str
    label: str
    sex: Literal["female", "male"] | None = None
    sentence: str | None = None
    intensity: str | None = None
    session: str | None = None
    begin: Number | None = None
    end: Number | None = None
    more: dict[str, str | Number] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True)
class Record(Utterance):
    """One line of the index: an utterance and where its item is.

    Attributes:
        duration: In seconds, before padding or cropping.
        channels: Of the recording, before mixing down.
        start: First step of time (column of a picture) that holds part of the utterance; 0 where the item has no time.
        stop: Step after the last one that holds part of it; 1 where the item has no time.
        sha256: Of the recording's file.
        array: Path of the Zarr array that holds the item, relative to the cache; named by speaker and emotion.
        row: Index of the item in the array.
        image_sha256: Of the item's bytes in C order, little-endian.
        samples_sha256: Of the utterance as decoded (`audio.digest`), the same in every lossless container; None
            before layout 1.5.
        recording_sha256: Of the whole recording as decoded, likewise.
        acoustic_fingerprint: Similar for recordings that sound nearly alike (`near_doubles.fingerprint`); empty where there is
            none, None before layout 1.5.
    """

    duration: Number
    channels: Whole
    start: Whole
    stop: Whole
    sha256: str
    array: str
    row: Whole
    image_sha256: str
    samples_sha256: str | None = None
    recording_sha256: str | None = None
    acoustic_fingerprint: str | None = None


@dataclass(frozen=True)
class Skipped:
    """An input that was not used: its path relative to the corpus's directory, and why."""

    path: str
    reason: str


class FileEntry(TypedDict):
    """Entry of a file in a manifest."""

    size: Count
    sha256: Digest


class Manifest(TypedDict):
    """Keys of every manifest, and additional keys of later layout versions."""

    layout: str
    corpus: str
    synthetic: bool
    recipe_id: str
    input_id: str
    fingerprint: Digest
    utterances: Count
    skipped: Count
    files: dict[str, Any]
    content: NotRequired[Digest]
    same_speakers_as: NotRequired[str]


def printable(path: str) -> str:
    """A path as the cache records it: bytes that are not UTF-8 are written as hexadecimal escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def encode_name(name: str) -> str:
    """Directory name of a speaker or emotion: NFC, then percent-encoded UTF-8 except ASCII letters, digits and `_.-~`.

    A leading dot, and the first letter of a name that the cache uses itself, are encoded too, so that any name is safe and
    `urllib.parse.unquote` gives it back.

    Raises:
        CacheError: The name is empty, or its encoding longer than `LONGEST_NAME` bytes.
    """
    encoded = quote(unicodedata.normalize("NFC", name), safe="")
    if encoded.startswith(".") or encoded.lower() in RESERVED:
        encoded = f"%{ord(encoded[0]):02X}{encoded[1:]}"
    if not 0 < len(encoded) <= LONGEST_NAME:
        raise CacheError(
            f"the name '{name[:40]}' takes {len(encoded)} bytes as a directory, not 1 to {LONGEST_NAME}: rename it"
        )
    return encoded


def array_path(speaker: str, emotion: str) -> str:
    """Path, relative to the cache, of the array of one speaker and emotion."""
    return f"{encode_name(speaker)}/{encode_name(emotion)}"


def legal_file(name: str) -> bool:
    """Whether a manifest may list a file of this name: only files of the layout, inside the cache."""
    return _FILE.fullmatch(name) is not None


def legal_corpus(name: str) -> bool:
    """Whether a directory under a root may be that of a corpus."""
    return re.fullmatch(_NAME, name) is not None and name not in (ROOT_RECORD, ROOT_TAG)


def legal_cache(name: str) -> bool:
    """Whether a directory under a corpus may be a cache: a recipe id and an input id."""
    return re.fullmatch(cache_name(_ID, _ID), name) is not None


def legal_provenance(name: str) -> bool:
    """Whether a file of a cache, by its relative path, is a record of provenance; manifests do not list these."""
    return re.fullmatch(rf"{PROVENANCE}/[0-9a-f]{{32}}\.json", name) is not None


def legal_job(name: str) -> bool:
    """Whether a directory in staging belongs to a job: its name is a random number."""
    return re.fullmatch("[0-9a-f]{32}", name) is not None


def shard_name(item: Array) -> str:
    """Name of the file of an array's only shard."""
    return "c" + ".0" * (1 + len(item.shape))


def largest_file(name: str) -> int | None:
    """Largest size in bytes of a file of a cache, by its relative path; None for a shard, whose size depends on its items."""
    if name in (RECIPE, MANIFEST, INDEX):
        return {RECIPE: LARGEST_NOTE, MANIFEST: LARGEST_MANIFEST, INDEX: LARGEST_INDEX}[name]
    if legal_provenance(name):
        return LARGEST_NOTE
    return LARGEST_METADATA if name.endswith((".json", ".jsonl")) else None


def most_utterances(sizes: Mapping[str, int]) -> int:
    """Number of utterances that a cache's shards have room for.

    Args:
        sizes: Bytes of each of its files, by its path relative to it.
    """
    return sum(size for name, size in sizes.items() if re.fullmatch(_SHARD, name.rpartition("/")[2])) // SMALLEST_ITEM


def array_metadata(count: int, item: Array, attributes: dict[str, Any]) -> dict[str, Any]:
    """Content of an array's `zarr.json`: one shard, whose chunks are single items.

    Args:
        count: Of items.
        item: Shape and type of each.
        attributes: Of the array.
    """
    shape, crc = [count, *item.shape], {"name": "crc32c"}
    little: dict[str, Any] = {"name": "bytes", "configuration": {"endian": "little"}}
    numbers = {"name": "bytes"} if item.dtype in ("uint8", "int8") else little
    code = [numbers, {"name": "zstd", "configuration": {"level": ZSTD_LEVEL, "checksum": False}}, crc]
    sharding = {
        "chunk_shape": [1, *item.shape],
        "codecs": code,
        "index_codecs": [little, crc],
        "index_location": "end",
    }
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": item.dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shape}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": 0.0 if item.dtype.startswith("float") else 0,
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "storage_transformers": [],
        "attributes": attributes,
    }


def check_array(metadata: dict[str, Any], count: int, item: Array, where: str) -> None:
    """Refuse an array that differs from layout and index, before memory of its size is allocated.

    Args:
        metadata: Content of its `zarr.json`.
        count: Of items, as the index has it.
        item: Shape and type of each, as the recipe has it.
        where: Path of the file, for the message.

    Raises:
        CacheError: Shape, type, codecs or another key differ; zstd's parameters may.
    """
    expected = array_metadata(count, item, {})
    for key in [key for key in expected if key != "attributes"]:
        stored = _without_zstd_parameters(metadata.get(key, [] if key == "storage_transformers" else None))
        if stored != _without_zstd_parameters(expected[key]):
            shown = rfc8785.dumps(stored).decode()
            raise CacheError(
                f"{where} is not an array of {count} items of this cache: its {key} is {shown[:200]}, and the layout and the "
                f"index require {rfc8785.dumps(expected[key]).decode()[:300]}: remove the cache and run precompute again"
            )


def _without_zstd_parameters(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if not (value.get("name") == "zstd" and k == "configuration")}
        return {k: _without_zstd_parameters(v) for k, v in kept.items()}
    return [_without_zstd_parameters(v) for v in value] if isinstance(value, list) else value


def check_names(pairs: Iterable[tuple[str, str]]) -> None:
    """Refuse speakers and emotions whose directories would be the same on a case-insensitive file system.

    Raises:
        CacheError: Two names collide, or one cannot be encoded.
    """
    seen: dict[str, str] = {}
    for speaker, emotion in sorted(set(pairs)):
        path = array_path(speaker, emotion)
        for directory, name in ((path.partition("/")[0], speaker), (path, f"{speaker}/{emotion}")):
            other = seen.setdefault(directory.casefold(), name)
            if other != name:
                raise CacheError(f"'{other}' and '{name}' differ only by case or Unicode composition: rename one in the corpus")


def input_id(inputs: Iterable[tuple[Utterance, str]]) -> str:
    """Id of the input: of the corpus's information about each utterance, except its path, and its recording's SHA-256."""
    ordered = sorted(inputs, key=lambda pair: pair[0].key)
    return canonical.digest([*_facts(utterance), sha256] for utterance, sha256 in ordered)[:ID_LENGTH]


def _facts(utterance: Utterance) -> list[Any]:
    """Fields of an utterance but its path, in their order."""
    return [_canonical(value) for value in _FACTS(utterance)]


def _canonical(value: str | float | dict[str, Any] | None) -> Any:
    if isinstance(value, dict):
        return canonical.mapping(value)
    return value if value is None or isinstance(value, str) else canonical.number(value)


_FACTS = operator.attrgetter(*(item.name for item in fields(Utterance) if item.name != "path"))


def fingerprint(records: Iterable[Record]) -> str:
    """Id of the items: SHA-256 over each (key, speaker, emotion, label, image SHA-256), sorted by key."""
    return canonical.digest(sorted((r.key, r.speaker, r.emotion, r.label, r.image_sha256) for r in records))


def content(records: Iterable[Record]) -> str:
    """Id of the content: the same with duration, start and stop, which a network gets too."""
    rows = sorted((r.key, r.speaker, r.emotion, r.label, r.duration, r.start, r.stop, r.image_sha256) for r in records)
    return canonical.digest((*row[:4], canonical.number(row[4]), *row[5:]) for row in rows)


def copy_id(manifest: dict[str, Any]) -> str:
    """Identifies a copy of a cache: the id of its content; before layout 1.4, of its pictures."""
    return str(manifest.get(CONTENT, manifest["fingerprint"]))


def cache_name(recipe_id: str, input_id: str) -> str:
    """Directory of a cache under its corpus."""
    return f"{recipe_id}-{input_id}"


def root_record() -> bytes:
    """Content of the record at the root of all caches."""
    return (json.dumps({"layout": _written(VERSION_OF_PICTURES)}) + "\n").encode()


def group(attributes: dict[str, Any]) -> dict[str, Any]:
    """Content of a Zarr v3 group's `zarr.json`."""
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes}


def version(recipe: Mapping[str, Any]) -> str:
    """The layout version of a cache as stored, `major.minor`.

    Args:
        recipe: Record of its recipe.
    """
    return _written(VERSION if "array" in recipe else VERSION_OF_PICTURES)


def _written(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def is_newer(stored: str) -> bool:
    """Whether a layout has a known major version and a newer minor one, whose additions we do not know.

    Args:
        stored: As accepted by `check_version`.
    """
    major, minor = map(int, stored.split("."))
    return minor > NEWEST[major]


def is_since(stored: str, since: tuple[int, int]) -> bool:
    """Whether a layout is of a version or of a later one.

    Args:
        stored: As accepted by `check_version`.
        since: (major, minor).
    """
    major, minor = map(int, stored.split("."))
    return (major, minor) >= since


def check_version(stored: Any, where: str) -> None:
    """Refuse a layout whose major version we do not know.

    Args:
        stored: As read, of any type.
        where: What has it, for the message.

    Raises:
        CacheError: The stored version is newer, older or unreadable.
    """
    if not isinstance(stored, str) or not re.fullmatch(rf"[1-{VERSION[0]}]\.[0-9]{{1,6}}", stored):
        shown = ascii(stored)[1:-1][:20] if isinstance(stored, str) else None
        raise CacheError(
            f"{where} has cache layout {shown}, and this version reads 1.x and {VERSION[0]}.x: upgrade or recompute"
        )
