"""Whether a cache is in every byte and picture what it says of itself."""

import hashlib
from pathlib import Path

import rfc8785

from precompute import layout
from precompute.errors import CacheError
from precompute.store.cache import Cache


def problems(path: Path) -> list[str]:
    """Everything that is wrong with a sealed cache, in sentences; none if it is sound.

    Args:
        path: Its directory.
    """
    try:
        cache = Cache(path)
        cache.fetch(cache.manifest["files"])
        found = _problems(cache)
    except CacheError as error:
        return [str(error)]
    return [f"{path} {problem}" for problem in found]


def _problems(cache: Cache) -> list[str]:
    found = []
    if hashlib.sha256(rfc8785.dumps(cache.recipe)).hexdigest()[: layout.ID_LENGTH] != cache.manifest["recipe_id"]:
        found.append("has a recipe of another id")
    if layout.fingerprint(cache.records) != cache.fingerprint:
        found.append("has an index of another fingerprint")
    inputs = [(r.key, r.sha256, r.speaker, r.emotion, r.label) for r in cache.records]
    if not cache.skipped and layout.input_id(inputs) != cache.manifest["input_id"]:
        found.append("has an index of another input")
    for array, records in cache.arrays.items():
        if any(layout.array_path(r.speaker, r.emotion) != array for r in records):
            found.append(f"has records of other speakers or emotions in '{array}'")
        digests = [hashlib.sha256(image.tobytes()).hexdigest() for image in cache.read(array)]
        found += [f"has another picture of '{r.key}'" for r, d in zip(records, digests, strict=True) if d != r.image_sha256]
    return found
