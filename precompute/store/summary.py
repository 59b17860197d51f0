"""What a root holds, in a few words each: sealed caches, and those that were never finished."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from precompute import layout
from precompute.recipe import in_words
from precompute.store import places
from precompute.store.roots import everything


@dataclass(frozen=True)
class Summary:
    """A cache as `list` shows it; nothing of it is checked.

    Attributes:
        path: Its directory.
        corpus: Name of the corpus.
        recipe: In words.
        sealed: Whether a manifest is there.
        utterances: Number of them, 0 where it is not sealed.
        speakers: Number of them, 0 where it is not sealed.
        size: Bytes on disk.
        made: When, to the minute, in UTC; empty where unknown.
        by: By whom; empty where unknown.
    """

    path: Path
    corpus: str
    recipe: str
    sealed: bool
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
    manifest, recipe = _json(path / layout.MANIFEST), _json(path / layout.RECIPE)
    files = manifest.get("files", {})
    made = next(iter(provenance(path)), {})
    return Summary(
        path=path,
        corpus=path.parent.name,
        recipe=in_words(recipe) if recipe else "unreadable",
        sealed=bool(manifest),
        utterances=int(manifest.get("utterances", 0)),
        speakers=sum(name.count("/") == 1 for name in files),
        size=places.total(path),
        made=str(made.get("created", ""))[:16].replace("T", " "),
        by=str(made.get("by", "")),
    )


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
