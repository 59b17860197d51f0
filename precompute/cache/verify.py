"""Is a cache still what it was: against its manifest, file by file and picture by picture, and against the recordings."""

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
"""Bytes of pictures that zarr reads at once: few calls, since each costs as much as several pictures."""


def problems(path: Path) -> list[str]:
    """Everything that is wrong with a cache, one sentence each with what to do about it; none where it is whole.

    Args:
        path: As of `faults`.
    """
    return [in_a_line(str(fault)) for fault in faults(path)]


def faults(path: Path) -> list[CacheError]:
    """Everything that is wrong with a cache; none where it is whole.

    Every file is read and held against the manifest; then every picture, index, ids and fingerprint are held against each
    other, so that a manifest that was made to fit is found out too.

    Args:
        path: Of the cache's directory; need not be sealed.
    """
    try:
        _, manifest = read_manifest(path)
        with readable(path, path):
            found = [*mismatches(path, manifest), *_strangers(path, manifest), *_altered(path, manifest)]
            every = [CacheError(what, remedy(path)) for what in found]
            return every or list(_contradictions(Cache(path)))
    except CacheError as error:
        return [error]


def _strangers(path: Path, manifest: dict[str, Any]) -> Iterator[str]:
    ours = {*manifest["files"], layout.MANIFEST}
    for name in places.sizes(path):
        if name not in ours and not layout.legal_provenance(name):
            yield f"{path / name} is not the cache's: {layout.MANIFEST} does not vouch for it"


def _altered(path: Path, manifest: dict[str, Any]) -> Iterator[str]:
    found = places.sizes(path)
    for name, entry in manifest["files"].items():
        if found.get(name) == entry["size"]:
            digest = sha256(places.read(path, [name], {name: entry["size"]})[name])
            if digest != entry["sha256"]:
                yield f"{path / name} has SHA-256 {digest[:12]}..., the manifest says {str(entry['sha256'])[:12]}..."


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
        yield f"{cache.path / layout.RECIPE} has id {id_of(cache.recipe)}, and not {manifest['recipe_id']}"
    inputs = layout.input_id((record, record.sha256) for record in cache.records)
    if _input_is_known(cache) and inputs != manifest["input_id"]:
        yield f"{index} lists the input {inputs}, and not {manifest['input_id']}"
    for array, records in cache.arrays.items():
        metadata = f"{array}/{layout.GROUP}"
        unit = parse_unit(cache.fetch([metadata])[metadata])
        if unit.sha256 != manifest["files"][f"{array}/{cache.shard_name}"]["sha256"] and (unit.sha256 or _since(cache, 2)):
            yield f"{cache.path / metadata} names the SHA-256 of another shard than {layout.MANIFEST}"
        if unit.records != records:
            yield f"{cache.path / metadata} lists other utterances than the index"


def _of_items(cache: Cache, array: str, records: Sequence[Record]) -> Iterator[str]:
    for record, item in zip(records, cache.each(array), strict=True):
        if digest(item) != record.image_sha256:
            shard = cache.path / array / cache.shard_name
            yield f"{shard} has another {_word(cache)} of {record.key} than the index vouches for"
    # Only what our own reader takes: zarr believes whatever a file says of its size.
    yield from _read_otherwise(cache, array)


def _read_otherwise(cache: Cache, array: str) -> Iterator[str]:
    """What zarr, a reader that shares no code with ours, finds of an array; by rows, in memory of known size."""
    shard, records = cache.path / array / cache.shard_name, cache.arrays[array]
    step = max(1, MOST_AT_ONCE // cache.item.bytes)
    try:
        read_by_zarr: Any = cache.zarr[array]
        for at in range(0, len(records), step):
            for record, item in zip(records[at : at + step], np.asarray(read_by_zarr[at : at + step]), strict=True):
                if digest(item) != record.image_sha256:
                    yield f"{shard} has, as zarr reads it, another {_word(cache)} of {record.key} than the index vouches for"
    except MemoryError:
        raise
    except Exception as error:  # zarr and its codecs raise whatever they meet
        yield f"{shard} cannot be read by zarr ({type(error).__name__}: {error!s:.200})"


def _word(cache: Cache) -> str:
    """What an item is called in a message."""
    return cache.item.kind if cache.item.kind.isalpha() else "array"


def unchecked(cache: Cache) -> list[str]:
    """What `problems` cannot hold against what a sound cache records, since its layout, or any, does not record it."""
    found = []
    if not _since(cache, 2):
        found.append(f"the SHA-256 of each shard beside it (since layout 1.2; that in {layout.MANIFEST} was checked)")
    if not _since(cache, 3):
        found.append("the id of the input (made in another way before layout 1.3)")
    elif not _input_is_known(cache):
        found.append("the id of the input (recordings that were skipped are part of it, and their SHA-256 is not recorded)")
    return found


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
        found = parse_object(cache.fetch([name])[name])
        if not attributes.items() <= found["attributes"].items() or found["node_type"] != "group":
            yield f"{cache.path / name} is not the group of {', '.join(map(str, attributes.values()))}"


def unlike(ours: Cache, theirs: Cache) -> int | None:
    """Number of items in which two copies of a cache differ, as they do where another processor made them.

    Args:
        ours: A cache.
        theirs: One of the same name.

    Returns:
        None where they are no copies: their utterances differ, or an item by more than its tolerance.

    Raises:
        CacheError: One of them is damaged.
    """
    if ours.recipe != theirs.recipe or list(map(_said, ours.records)) != list(map(_said, theirs.records)):
        return None
    differing = 0
    for array, records in ours.arrays.items():
        if [r.image_sha256 for r in records] == [r.image_sha256 for r in theirs.arrays[array]]:
            continue
        for one, other in zip(ours.each(array), theirs.each(array), strict=True):
            with readable(ours.path / layout.RECIPE, ours.path):
                far = apart(one, other, ours.recipe, ours.item)
            if far > ours.item.tolerance:
                return None
            differing += not np.array_equal(one, other)
    return differing


def _said(record: Record) -> dict[str, Any]:
    """All that a record says but for the bits of its picture, what is made of these, and where the recording lay."""
    return {**vars(record), "image_sha256": None, "acoustic_fingerprint": None, "path": None}


def _table(recipe: dict[str, Any]) -> NDArray[np.uint8] | None:
    """The colours of a recipe's levels, uint8 (256, 3); None where each channel is a level."""
    if recipe.get("rgb") == "wavelets":
        return None
    return np.frombuffer(bytes.fromhex(recipe["colour_table"]), np.uint8).reshape(256, 3)


def apart(a: NDArray[Any], b: NDArray[Any], recipe: dict[str, Any], item: Array) -> float:
    """How far two items are apart: the largest difference; of pictures that of levels, 256 where a colour is none of theirs.

    Args:
        a: As `item` says.
        b: The same.
        recipe: Record of the recipe of both.
        item: What they are.
    """
    if item.kind == "picture" and "colour_table" in recipe and (table := _table(recipe)) is not None:
        return _levels_apart(a, b, table)
    difference = np.abs(a.astype(np.float64) - b.astype(np.float64))
    # What is no number in both is the same.
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
    # A colour may stand for several neighbouring levels; what counts is the least difference that it allows.
    return int(np.maximum(np.maximum(low[0] - high[1], low[1] - high[0]), 0).max())


def _packed(pixels: NDArray[np.uint8]) -> NDArray[np.int32]:
    return pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
