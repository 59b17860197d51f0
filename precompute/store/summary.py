"""What a root holds, in a few words each: sealed caches, and those that were never finished."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from precompute import layout
from precompute.common.reading import UnreadableError
from precompute.errors import CacheError, CacheMissingError, RecipeError, UnsafePathError
from precompute.recipe import check_record, in_words, is_deep
from precompute.store import places
from precompute.store.cache import parse_object, read_manifest
from precompute.store.roots import everything


@dataclass(frozen=True)
class Summary:
    """A cache as `list` shows it; nothing of it is checked.

    Attributes:
        path: Its directory.
        corpus: Name of the corpus.
        recipe: In words.
        state: `sealed`, `unfinished` where it has no manifest, or `damaged` where that cannot be read.
        utterances: Number of them, 0 where it is not sealed.
        speakers: Number of them, 0 where it is not sealed.
        size: Bytes on disk.
        made: When, to the minute, in UTC; empty where unknown.
        by: By whom; empty where unknown.
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


def provenance(path: Path) -> list[dict[str, Any]]:
    """Who made a cache, when and with which versions, the earliest first; what cannot be read is left out."""
    try:
        names = places.sizes(path)
    except (OSError, UnsafePathError):
        return []
    found = [_object(path, name) for name in names if layout.legal_provenance(name)]
    return sorted((one for one in found if one and not is_deep(one)), key=lambda one: str(one.get("created")))


def _summary(path: Path) -> Summary:
    state = "sealed"
    manifest: dict[str, Any] = {}
    try:
        _, manifest = read_manifest(path)
    except CacheMissingError:
        state = "unfinished"
    except CacheError:
        state = "damaged"
    made = next(iter(provenance(path)), {})
    return Summary(
        path=path,
        corpus=path.parent.name,
        recipe=_recipe(path),
        state=state,
        utterances=manifest.get("utterances", 0),
        speakers=sum(name.count("/") == 1 for name in manifest.get("files", {})),
        size=places.total(path, places.root_of(path)),
        made=str(made.get("created", ""))[:16].replace("T", " "),
        by=str(made.get("by", "")),
    )


def _recipe(path: Path) -> str:
    try:
        return in_words(check_record(_object(path, layout.RECIPE) or None))
    except RecipeError:
        return "unreadable"


def _object(path: Path, name: str) -> dict[str, Any]:
    """A small record of a cache, that nothing vouches for; empty where it cannot be read."""
    try:
        return parse_object(places.read_small(path / name, places.root_of(path), layout.LARGEST_NOTE))
    except (OSError, UnreadableError, UnsafePathError):
        return {}
