"""Recompute pictures of a cache from the recordings, and report differences."""

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
    """Recompute some items from the recordings: differences above the tolerance are problems, one sentence each.

    So are differences in duration, channels, and the columns of the utterance.

    Args:
        cache: Sealed.
        directory: Of its corpus.
        count: Of utterances, drawn at random; all where there are fewer.

    Raises:
        CacheError: This version computes other items from the same parameters.
    """
    recipe = _recipe(cache)
    sample = random.SystemRandom().sample(cache.records, min(count, len(cache.records)))
    differences: list[str] = []
    with progress(f"recompute {cache.corpus}", len(sample), "utterances") as advance:
        for record in sorted(sample, key=lambda record: (record.array, record.row)):
            differences.extend(map(in_a_line, _remade(cache, record, directory, recipe)))
            advance(1)
    return differences


def _recipe(cache: Cache) -> Recipe:
    try:
        return from_record(cache.recipe)
    except RecipeError as error:
        raise CacheError(f"{cache.path} cannot be reproduced: {error}") from None


def _remade(cache: Cache, record: Record, directory: Path, recipe: Recipe) -> Iterator[str]:
    # A cache may come from others: only recordings of the corpus are read, and no other files.
    if PurePath(record.path).is_absolute() or ".." in PurePath(record.path).parts:
        yield (
            f"{cache.path} says that the recording of {record.key} is {record.path}, which is outside {directory} and "
            "is not read: verify without --recompute, or make the cache from a table in a directory above its recordings"
        )
        return
    file = directory / record.path
    try:
        with recording.one_alone():
            data = recording.read(file)
    except OSError as error:
        yield f"{file} cannot be read to recompute {record.key} ({error.strerror}): give its directory with --corpora"
        return
    except UnusableAudioError as error:
        yield f"{file} cannot be read to recompute {record.key}: {error}"
        return
    if sha256(data) != record.sha256:
        yield f"{file} differs from the recording of {record.key} in the cache: run precompute to make a new cache"
        return
    try:
        with recording.one_alone():
            extracted = extract(data, record.key, recipe, record.begin, record.end)
    except UnusableAudioError as error:
        yield f"{file} is in the cache and cannot be used any more: {error}"
        return
    yield from _described(cache, record, (round(extracted.duration, 6), extracted.channels, extracted.start, extracted.stop))
    stored = cache.read(record.array)[record.row]
    distance = largest_difference(stored, extracted.values, cache.recipe, cache.item)
    if distance > cache.item.tolerance:
        picture = cache.item.kind == "picture"
        what, unit = ("picture", " levels") if picture else (recipe.name, "")
        yield (
            f"the {what} of {record.key} in {cache.path} is up to {distance:g}{unit} from the recomputed one, more than "
            f"{cache.item.tolerance:g}: {remedy(cache.path)}"
        )


def _described(cache: Cache, record: Record, described: tuple[float, int, int, int]) -> Iterator[str]:
    """What the index says of an utterance that differs from what was computed again."""
    for name, new in zip(("duration", "channels", "start", "stop"), described, strict=True):
        if (old := getattr(record, name)) != new:
            yield (f"the {name} of {record.key} in {cache.path} is {old}, and {new} when computed again: {remedy(cache.path)}")
