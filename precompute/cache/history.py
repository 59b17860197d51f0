"""Records beside a cache's manifest: who made it, and when it was last confirmed to match the recordings."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from precompute.cache import layout, places
from precompute.cache.reader import parse_object
from precompute.common.errors import UnsafePathError
from precompute.common.reading import UnreadableError
from precompute.recipe import is_deep

CONFIRMED = "confirmed"
"""Key of the time at which a sealed cache was confirmed to match the recordings; that of its making is `created`."""


TABLE = "table"
"""Key of the table that lists the corpus, as its path was given to the command that made the cache."""


def provenance(path: Path) -> list[dict[str, Any]]:
    """Who made a cache, when and with which versions, the earliest first; unreadable records are left out."""
    return sorted(
        (record for record in _records(path) if CONFIRMED not in record), key=lambda record: str(record.get("created"))
    )


def current(path: Path) -> datetime | None:
    """When `precompute` last made or confirmed a cache; None where no record says so."""
    times = [_time(record.get(CONFIRMED, record.get("created"))) for record in _records(path)]
    return max(filter(None, times), default=None)


def small_record(path: Path, name: str) -> dict[str, Any]:
    """A small record of a cache that the manifest does not list; empty where it cannot be read."""
    try:
        return parse_object(places.read_small(path / name, places.root_of(path), layout.LARGEST_NOTE))
    except (OSError, UnreadableError, UnsafePathError):
        return {}


def _records(path: Path) -> list[dict[str, Any]]:
    try:
        names = places.sizes(path)
    except (OSError, UnsafePathError):
        return []
    records = (small_record(path, name) for name in names if layout.legal_provenance(name))
    return [record for record in records if record and not is_deep(record)]


def _time(text: Any) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
