"""What is said of a cache beside its manifest: who made it, and when recordings were last found to be those that it holds."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from precompute.cache import layout, places
from precompute.cache.reader import parse_object
from precompute.common.errors import UnsafePathError
from precompute.common.reading import UnreadableError
from precompute.recipe import is_deep

CONFIRMED = "confirmed"
"""Key of a record that says when recordings were found to be a sealed cache's; that of one who made it is `created`."""


def provenance(path: Path) -> list[dict[str, Any]]:
    """Who made a cache, when and with which versions, the earliest first; what cannot be read is left out."""
    return sorted((one for one in _records(path) if CONFIRMED not in one), key=lambda one: str(one.get("created")))


def current(path: Path) -> datetime | None:
    """When a cache was last what `precompute` made of a corpus, or found to be that; None where nothing says so."""
    times = [_time(one.get(CONFIRMED, one.get("created"))) for one in _records(path)]
    return max(filter(None, times), default=None)


def small_record(path: Path, name: str) -> dict[str, Any]:
    """A small record of a cache, that nothing vouches for; empty where it cannot be read."""
    try:
        return parse_object(places.read_small(path / name, places.root_of(path), layout.LARGEST_NOTE))
    except (OSError, UnreadableError, UnsafePathError):
        return {}


def _records(path: Path) -> list[dict[str, Any]]:
    try:
        names = places.sizes(path)
    except (OSError, UnsafePathError):
        return []
    found = (small_record(path, name) for name in names if layout.legal_provenance(name))
    return [one for one in found if one and not is_deep(one)]


def _time(text: Any) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
