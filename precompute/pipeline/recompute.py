"""Make pictures of a cache anew from the recordings, and say in what they differ."""

import random
from collections.abc import Iterator
from pathlib import Path, PurePath

from precompute.audio import recording
from precompute.cache.layout import Record
from precompute.cache.reader import Cache, remedy
from precompute.cache.verify import largest_difference
from precompute.common.errors import CacheError, RecipeError, UnusableAudioError
from precompute.common.files import sha256
from precompute.common.progress import progress
from precompute.common.terminal import in_a_line
from precompute.pipeline.extract import extract
from precompute.recipe import Recipe, from_record


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


def _recipe(cache: Cache) -> Recipe:
    try:
        return from_record(cache.recipe)
    except RecipeError as error:
        raise CacheError(f"{cache.path} cannot be reproduced: {error}") from None


def _remade(cache: Cache, record: Record, directory: Path, recipe: Recipe) -> Iterator[str]:
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
            made = extract(data, record.key, recipe, record.begin, record.end)
    except UnusableAudioError as error:
        yield f"{file}, of which the cache has a picture, cannot be used any more: {error}"
        return
    yield from _described(cache, record, (round(made.duration, 6), made.channels, made.start, made.stop))
    stored = cache.read(record.array)[record.row]
    distance = largest_difference(stored, made.values, cache.recipe, cache.item)
    if distance > cache.item.tolerance:
        picture = cache.item.kind == "picture"
        what, unit = ("picture", " levels") if picture else (recipe.name, "")
        yield (
            f"the {what} of {record.key} in {cache.path} is up to {distance:g}{unit} from what the recording gives, more than "
            f"{cache.item.tolerance:g}: {remedy(cache.path)}"
        )


def _described(cache: Cache, record: Record, made: tuple[float, int, int, int]) -> Iterator[str]:
    """What the index says of an utterance that is not what was found in making it anew."""
    for name, new in zip(("duration", "channels", "start", "stop"), made, strict=True):
        if (old := getattr(record, name)) != new:
            yield (f"the {name} of {record.key} in {cache.path} is {old}, and {new} when computed again: {remedy(cache.path)}")
