"""What a root holds, in a few words each: sealed caches, and those that were never finished."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from precompute import layout
from precompute.errors import CacheError, CacheMissingError
from precompute.recipe import in_words
from precompute.store import places
from precompute.store.cache import read_manifest
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
    found = [_json(file) for file in (path / layout.PROVENANCE).glob("*.json")]
    return sorted((one for one in found if one), key=lambda one: str(one.get("created")))


def _summary(path: Path) -> Summary:
    recipe, state = _json(path / layout.RECIPE), "sealed"
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
        recipe=in_words(recipe) if recipe else "unreadable",
        state=state,
        utterances=manifest.get("utterances", 0),
        speakers=sum(name.count("/") == 1 for name in manifest.get("files", {})),
        size=places.total(path) if path.is_dir() else 0,
        made=str(made.get("created", ""))[:16].replace("T", " "),
        by=str(made.get("by", "")),
    )


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes()) if file.is_file() else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
