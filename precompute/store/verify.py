"""Is a cache still what it was: against its manifest, file by file and picture by picture, and against the recordings."""

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import rfc8785
from numpy.typing import NDArray

from precompute import layout, recording
from precompute.common.files import sha256
from precompute.common.terminal import in_a_line
from precompute.errors import CacheError, RecipeError, UnusableAudioError
from precompute.layout import Record
from precompute.progress import progress
from precompute.recipe import Recipe, from_record
from precompute.store import places
from precompute.store.cache import Cache, mismatches, parse_object, parse_unit, read_manifest, readable, remedy


def problems(path: Path) -> list[str]:
    """Everything that is wrong with a cache, one sentence each; none where it is whole.

    Every file is read and held against the manifest; then every picture, index, ids and fingerprint are held against each
    other, so that a manifest that was made to fit is found out too.

    Args:
        path: Of the cache's directory; need not be sealed.
    """
    try:
        _, manifest = read_manifest(path)
        with readable(path, path):
            found = [*mismatches(path, manifest), *_strangers(path, manifest), *_altered(path, manifest)]
            if not found:
                found = list(_contradictions(Cache(path)))
    except CacheError as error:
        found = [str(error)]
    # What reading says tells the remedy already.
    return [in_a_line(problem if "again" in problem else f"{problem}: {remedy(path)}") for problem in found]


def recompute(cache: Cache, directory: Path, count: int) -> list[str]:
    """Make some pictures anew from the recordings: levels that differ by more than one are problems, one sentence each.

    So are another duration, other channels, and other columns that hold the utterance.

    Args:
        cache: Sealed.
        directory: Of its corpus.
        count: Of utterances, drawn at random; all where there are fewer.

    Raises:
        CacheError: This version makes other pictures by the same parameters.
    """
    recipe = _recipe(cache)
    sample = random.SystemRandom().sample(cache.records, min(count, len(cache.records)))
    found: list[str] = []
    with progress(f"recompute {cache.corpus}", len(sample), "utterances") as advance:
        for record in sorted(sample, key=lambda record: (record.array, record.row)):
            found.extend(map(in_a_line, _remade(cache, record, directory, recipe)))
            advance(1)
    return found


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


def _contradictions(cache: Cache) -> Iterator[str]:
    manifest, index = cache.manifest, cache.path / layout.INDEX
    yield from _groups(cache)
    if _id(cache.recipe) != manifest["recipe_id"]:
        yield f"{cache.path / layout.RECIPE} has id {_id(cache.recipe)}, and not {manifest['recipe_id']}"
    inputs = layout.input_id((record, record.sha256) for record in cache.records)
    if _input_is_known(cache) and inputs != manifest["input_id"]:
        yield f"{index} lists the input {inputs}, and not {manifest['input_id']}"
    for array, records in cache.arrays.items():
        metadata = f"{array}/{layout.GROUP}"
        unit = parse_unit(cache.fetch([metadata])[metadata])
        if unit.sha256 != manifest["files"][f"{array}/{layout.SHARD}"]["sha256"] and (unit.sha256 or _minor(cache) >= 2):
            yield f"{cache.path / metadata} names the SHA-256 of another shard than {layout.MANIFEST}"
        if unit.records != records:
            yield f"{cache.path / metadata} lists other utterances than the index"
        try:
            for record, image in zip(records, cache.pictures(array), strict=True):
                if hashlib.sha256(image.data).hexdigest() != record.image_sha256:
                    yield f"{cache.path / array / layout.SHARD} has another picture of {record.key} than the index vouches for"
        except CacheError as error:
            yield str(error)


def unchecked(cache: Cache) -> list[str]:
    """What `problems` cannot hold against what a sound cache records, since its layout, or any, does not record it."""
    minor, found = _minor(cache), []
    if minor < 2:
        found.append(f"the SHA-256 of each shard beside it (since layout 1.2; that in {layout.MANIFEST} was checked)")
    if minor < 3:
        found.append("the id of the input (made in another way before layout 1.3)")
    elif not _input_is_known(cache):
        found.append("the id of the input (recordings that were skipped are part of it, and their SHA-256 is not recorded)")
    return found


def _input_is_known(cache: Cache) -> bool:
    return _minor(cache) >= 3 and not cache.skipped


def _minor(cache: Cache) -> int:
    return int(cache.manifest["layout"].partition(".")[2])


def _groups(cache: Cache) -> Iterator[str]:
    ids = {key: cache.manifest[key] for key in ("corpus", "recipe_id", "input_id")}
    speakers = {layout.encode_name(record.speaker): {"speaker": record.speaker} for record in cache.records}
    expected = {layout.GROUP: ids} | {f"{name}/{layout.GROUP}": attributes for name, attributes in speakers.items()}
    for name, attributes in expected.items():
        found = parse_object(cache.fetch([name])[name])
        if not attributes.items() <= found["attributes"].items() or found["node_type"] != "group":
            yield f"{cache.path / name} is not the group of {', '.join(map(str, attributes.values()))}"


def _id(recipe: dict[str, Any]) -> str:
    return hashlib.sha256(rfc8785.dumps(recipe)).hexdigest()[: layout.ID_LENGTH]


def _recipe(cache: Cache) -> Recipe:
    try:
        return from_record(cache.recipe)
    except RecipeError as error:
        raise CacheError(f"{cache.path} cannot be made anew: {error}") from None


def _remade(cache: Cache, record: Record, directory: Path, recipe: Recipe) -> Iterator[str]:
    # Not at the top: most who verify make nothing anew.
    from precompute.transform import picture

    # A cache may be a stranger's: it says which recordings of the corpus, and no other file, are read.
    if PurePath(record.path).is_absolute() or ".." in PurePath(record.path).parts:
        yield (
            f"{cache.path} says that the recording of {record.key} is {record.path}, outside of {directory}, where nothing is "
            "read: verify without --recompute, or make the cache of a table that lies above its recordings"
        )
        return
    file = directory / record.path
    try:
        with recording.one_alone():
            data = recording.read(file)
    except OSError as error:
        yield f"{file} cannot be read to make {record.key} anew ({error.strerror}): say by --corpora where it is"
        return
    except UnusableAudioError as error:
        yield f"{file} cannot be read to make {record.key} anew: {error}"
        return
    if sha256(data) != record.sha256:
        yield f"{file} is another recording than the cache's {record.key}: run precompute, which makes another cache of it"
        return
    try:
        with recording.one_alone():
            made = picture(data, record.key, recipe, record.begin, record.end)
    except UnusableAudioError as error:
        yield f"{file}, of which the cache has a picture, cannot be used any more: {error}"
        return
    yield from _described(cache, record, (round(made.duration, 6), made.channels, made.start, made.stop))
    stored = cache.read(record.array)[record.row]
    apart = levels_apart(stored, made.pixels, recipe)
    if apart > 1:
        yield (
            f"the picture of {record.key} in {cache.path} is up to {apart} levels from the one made anew, more than 1: "
            f"{remedy(cache.path)}"
        )


def _described(cache: Cache, record: Record, made: tuple[float, int, int, int]) -> Iterator[str]:
    """What the index says of an utterance that is not what was found in making it anew."""
    for name, new in zip(("duration", "channels", "start", "stop"), made, strict=True):
        if (old := getattr(record, name)) != new:
            yield (f"the {name} of {record.key} in {cache.path} is {old}, and {new} when it is made anew: {remedy(cache.path)}")


def unlike(ours: Cache, theirs: Cache) -> int | None:
    """Number of pictures in which two copies of a cache differ, as they do where another processor made them.

    Args:
        ours: A cache.
        theirs: One of the same name.

    Returns:
        None where they are no copies: their utterances differ, or a picture by more than one level.

    Raises:
        CacheError: One of them is damaged.
    """
    if ours.recipe != theirs.recipe or list(map(_said, ours.records)) != list(map(_said, theirs.records)):
        return None
    with readable(ours.path / layout.RECIPE, ours.path):
        table = _table(ours.recipe)
    differing = 0
    for array, records in ours.arrays.items():
        if [r.image_sha256 for r in records] == [r.image_sha256 for r in theirs.arrays[array]]:
            continue
        for one, other in zip(ours.pictures(array), theirs.pictures(array), strict=True):
            apart = _apart(one, other, table)
            if apart > 1:
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


def levels_apart(a: NDArray[np.uint8], b: NDArray[np.uint8], recipe: Recipe) -> int:
    """How far two pictures are apart: the largest difference of levels, 256 where a colour is none of the recipe's.

    Args:
        a: uint8 (height, width, 3).
        b: The same.
        recipe: Of both.
    """
    return _apart(a, b, None if recipe.rgb == "wavelets" else recipe.table)


def _apart(a: NDArray[np.uint8], b: NDArray[np.uint8], colour_table: NDArray[np.uint8] | None) -> int:
    if colour_table is None:
        return int(np.abs(a.astype(np.int16) - b).max())
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
