"""Check whether a cache is unchanged: file by file and item by item against its manifest, and against the recordings."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precompute.cache import layout, places
from precompute.cache.layout import Record
from precompute.cache.reader import Cache, mismatches, parse_object, parse_unit, read_manifest, readable, remedy
from precompute.cache.shard import digest
from precompute.common.arrays import Array
from precompute.common.errors import CacheError
from precompute.common.files import sha256
from precompute.common.terminal import in_a_line
from precompute.recipe import id_of

MOST_AT_ONCE = 64 << 20
"""Bytes of items that zarr reads at once: each call takes as long as several pictures."""


def problems(path: Path) -> list[str]:
    """All problems of a cache, one sentence each with its remedy; empty where it is intact.

    Args:
        path: As of `faults`.
    """
    return [in_a_line(str(fault)) for fault in faults(path)]


def faults(path: Path) -> list[CacheError]:
    """All problems of a cache; empty where it is intact.

    Every file is read and compared with the manifest; then items, index, ids and fingerprint are compared with each other, so
    that a manipulated manifest is detected too.

    Args:
        path: Of the cache's directory, sealed or not.
    """
    try:
        _, manifest = read_manifest(path)
        with readable(path, path):
            problems = [*mismatches(path, manifest), *_unlisted(path, manifest), *_altered(path, manifest)]
            return [CacheError(what, remedy(path)) for what in problems] or list(_contradictions(Cache(path)))
    except CacheError as error:
        return [error]


def _unlisted(path: Path, manifest: dict[str, Any]) -> Iterator[str]:
    ours = {*manifest["files"], layout.MANIFEST}
    for name in places.sizes(path):
        if name not in ours and not layout.legal_provenance(name):
            yield f"{path / name} does not belong to the cache: {layout.MANIFEST} does not list it"


def _altered(path: Path, manifest: dict[str, Any]) -> Iterator[str]:
    sizes = places.sizes(path)
    for name, entry in manifest["files"].items():
        if sizes.get(name) == entry["size"]:
            digest = sha256(places.read(path, [name], {name: entry["size"]})[name])
            if digest != entry["sha256"]:
                yield f"{path / name} has SHA-256 {digest[:12]}..., and the manifest says {str(entry['sha256'])[:12]}..."


def _contradictions(cache: Cache) -> Iterator[CacheError]:
    yield from (CacheError(what, remedy(cache.path)) for what in _of_records(cache))
    for array, records in cache.arrays.items():
        try:
            yield from (CacheError(what, remedy(cache.path)) for what in _of_items(cache, array, records))
        except CacheError as error:
            yield error


def _of_records(cache: Cache) -> Iterator[str]:
    manifest, index = cache.manifest, cache.path / layout.INDEX
    yield from _groups(cache)
    if id_of(cache.recipe) != manifest["recipe_id"]:
        yield f"{cache.path / layout.RECIPE} has the id {id_of(cache.recipe)}, not {manifest['recipe_id']}"
    inputs = layout.input_id((record, record.sha256) for record in cache.records)
    if _input_is_known(cache) and inputs != manifest["input_id"]:
        yield f"{index} has the input id {inputs}, not {manifest['input_id']}"
    for array, records in cache.arrays.items():
        metadata = f"{array}/{layout.GROUP}"
        unit = parse_unit(cache.fetch([metadata])[metadata])
        if unit.sha256 != manifest["files"][f"{array}/{cache.shard_name}"]["sha256"] and (unit.sha256 or _since(cache, 2)):
            yield f"{cache.path / metadata} has another SHA-256 of the shard than {layout.MANIFEST}"
        if unit.records != records:
            yield f"{cache.path / metadata} lists other utterances than the index"


def _of_items(cache: Cache, array: str, records: Sequence[Record]) -> Iterator[str]:
    for record, item in zip(records, cache.each(array), strict=True):
        if digest(item) != record.image_sha256:
            shard = cache.path / array / cache.shard_name
            yield f"{shard} has another {_word(cache)} of {record.key} than the index"
    # Only files that our own reader accepts: zarr trusts the sizes in a file.
    yield from _read_otherwise(cache, array)


def _read_otherwise(cache: Cache, array: str) -> Iterator[str]:
    """Problems of an array that zarr finds, a reader that shares no code with ours; read by rows, in memory of known size."""
    shard, records = cache.path / array / cache.shard_name, cache.arrays[array]
    step = max(1, MOST_AT_ONCE // cache.item.bytes)
    try:
        read_by_zarr: Any = cache.zarr[array]
        for at in range(0, len(records), step):
            for record, item in zip(records[at : at + step], np.asarray(read_by_zarr[at : at + step]), strict=True):
                if digest(item) != record.image_sha256:
                    yield f"{shard} has, read by zarr, another {_word(cache)} of {record.key} than the index"
    except MemoryError:
        raise
    except Exception as error:  # zarr and its codecs can raise anything
        yield f"{shard} cannot be read by zarr ({type(error).__name__}: {error!s:.200})"


def _word(cache: Cache) -> str:
    """Word for an item in a message."""
    return cache.item.kind if cache.item.kind.isalpha() else "array"


def unchecked(cache: Cache) -> list[str]:
    """What `problems` cannot check, since the cache's layout, or any layout, does not record it."""
    missing = []
    if not _since(cache, 2):
        missing.append(f"the SHA-256 beside each shard (since layout 1.2; that in {layout.MANIFEST} was checked)")
    if not _since(cache, 3):
        missing.append("the id of the input (computed differently before layout 1.3)")
    elif not _input_is_known(cache):
        missing.append("the id of the input (it includes skipped recordings, whose SHA-256 is not recorded)")
    return missing


def _input_is_known(cache: Cache) -> bool:
    return _since(cache, 3) and not cache.skipped


def _since(cache: Cache, minor: int) -> bool:
    """Whether its layout is 1.`minor` or later."""
    return layout.is_since(cache.manifest["layout"], (1, minor))


def _groups(cache: Cache) -> Iterator[str]:
    ids = {key: cache.manifest[key] for key in ("corpus", "recipe_id", "input_id")}
    speakers = {layout.encode_name(record.speaker): {"speaker": record.speaker} for record in cache.records}
    expected = {layout.GROUP: ids} | {f"{name}/{layout.GROUP}": attributes for name, attributes in speakers.items()}
    for name, attributes in expected.items():
        group = parse_object(cache.fetch([name])[name])
        if not attributes.items() <= group["attributes"].items() or group["node_type"] != "group":
            yield f"{cache.path / name} is not the group of {', '.join(map(str, attributes.values()))}"


def differing_items(ours: Cache, theirs: Cache) -> int | None:
    """Number of items in which two copies of a cache differ, as copies from different processors do.

    Args:
        ours: A cache.
        theirs: One of the same name.

    Returns:
        None where they are not copies: their utterances differ, or an item by more than its tolerance.

    Raises:
        CacheError: One of them is damaged.
    """
    if ours.recipe != theirs.recipe or list(map(_said, ours.records)) != list(map(_said, theirs.records)):
        return None
    differing = 0
    for array, records in ours.arrays.items():
        if [r.image_sha256 for r in records] == [r.image_sha256 for r in theirs.arrays[array]]:
            continue
        for our_item, their_item in zip(ours.each(array), theirs.each(array), strict=True):
            with readable(ours.path / layout.RECIPE, ours.path):
                distance = largest_difference(our_item, their_item, ours.recipe, ours.item)
            if distance > ours.item.tolerance:
                return None
            differing += not np.array_equal(our_item, their_item)
    return differing


def _said(record: Record) -> dict[str, Any]:
    """The fields of a record, except those that depend on the bits of its item, and the path of its recording."""
    return {**vars(record), "image_sha256": None, "acoustic_fingerprint": None, "path": None}


def _table(recipe: dict[str, Any]) -> NDArray[np.uint8] | None:
    """The colours of a recipe's levels, uint8 (256, 3); None where each channel is a level."""
    if recipe.get("rgb") == "wavelets":
        return None
    return np.frombuffer(bytes.fromhex(recipe["colour_table"]), np.uint8).reshape(256, 3)


def largest_difference(a: NDArray[Any], b: NDArray[Any], recipe: dict[str, Any], item: Array) -> float:
    """Largest difference of two items; for pictures in levels, 256 where a colour is not in the colour table.

    Args:
        a: As `item` says.
        b: The same.
        recipe: Record of the recipe of both.
        item: What they are.
    """
    if item.kind == "picture" and "colour_table" in recipe and (table := _table(recipe)) is not None:
        return _levels_apart(a, b, table)
    difference = np.abs(a.astype(np.float64) - b.astype(np.float64))
    # NaN in both counts as equal.
    return float(np.where(np.isnan(a) & np.isnan(b), 0, difference).max())


def _levels_apart(a: NDArray[np.uint8], b: NDArray[np.uint8], colour_table: NDArray[np.uint8]) -> int:
    table = _packed(colour_table)
    colours, first = np.unique(table, return_index=True)
    last = 255 - np.unique(table[::-1], return_index=True)[1]
    low, high = [], []
    for packed in (_packed(a), _packed(b)):
        place = np.minimum(np.searchsorted(colours, packed), len(colours) - 1)
        if not np.array_equal(colours[place], packed):
            return 256
        low.append(first[place])
        high.append(last[place])
    # A colour may belong to several neighbouring levels; the smallest possible difference counts.
    return int(np.maximum(np.maximum(low[0] - high[1], low[1] - high[0]), 0).max())


def _packed(pixels: NDArray[np.uint8]) -> NDArray[np.int32]:
    return pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
