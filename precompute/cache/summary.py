"""The caches of a root in a few words each, sealed and unfinished."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from precompute.cache import layout, places
from precompute.cache.history import provenance, small_record
from precompute.cache.reader import read_manifest
from precompute.cache.roots import everything
from precompute.common.errors import CacheError, CacheMissingError, RecipeError
from precompute.recipe import check_record, in_words


@dataclass(frozen=True)
class Summary:
    """A cache as `list` shows it, without any check.

    Attributes:
        path: Its directory.
        corpus: Name of the corpus.
        recipe: In words.
        state: `sealed`, `unfinished` where it has no manifest, or `damaged` where that cannot be read.
        utterances: Number of them, 0 where it is not sealed.
        speakers: Number of them, 0 where it is not sealed.
        size: Bytes on disk.
        made: When, to the minute, in UTC; empty where unknown.
        by: Who made it; empty where unknown.
    """

    path: Path
    corpus: str
    recipe: str
    state: str
    utterances: int
    speakers: int
    size: int
    made: str
    by: str


def summaries(root: Path) -> Iterator[Summary]:
    """A summary of every cache in a root, by corpus and name."""
    yield from map(_summary, everything(root))


def _summary(path: Path) -> Summary:
    state = "sealed"
    manifest: dict[str, Any] = {}
    try:
        _, manifest = read_manifest(path)
    except CacheMissingError:
        state = "unfinished"
    except CacheError:
        state = "damaged"
    source = next(iter(provenance(path)), {})
    return Summary(
        path=path,
        corpus=path.parent.name,
        recipe=_recipe(path),
        state=state,
        utterances=manifest.get("utterances", 0),
        speakers=sum(name.count("/") == 1 for name in manifest.get("files", {})),
        size=places.total(path, places.root_of(path)),
        made=str(source.get("created", ""))[:16].replace("T", " "),
        by=str(source.get("by", "")),
    )


def _recipe(path: Path) -> str:
    try:
        return in_words(check_record(small_record(path, layout.RECIPE) or None))
    except RecipeError:
        return "unreadable"
