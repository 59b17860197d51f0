"""How two recipes, or two caches, differ."""

from collections.abc import Sequence
from typing import Any

from precompute.cache.layout import Record


def parameters(a: dict[str, Any], b: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Parameters in which the records of two recipes differ, with both values; None where a record lacks it."""
    return [(key, a.get(key), b.get(key)) for key in dict.fromkeys([*a, *b]) if a.get(key) != b.get(key)]


def inputs(a: Sequence[Record], b: Sequence[Record], pictures: bool) -> list[tuple[str, str]]:
    """Utterances in which two caches of a corpus differ, and how, sorted by key.

    Args:
        a: Records of the first.
        b: Records of the second.
        pictures: Whether another picture of the same recording counts as a difference; it does not where the recipes differ.
    """
    ours, theirs = ({record.key: record for record in records} for records in (a, b))
    differences = []
    for key in sorted({*ours, *theirs}):
        if key not in theirs:
            differences.append((key, "only in the first"))
        elif key not in ours:
            differences.append((key, "only in the second"))
        else:
            old, new = ours[key], theirs[key]
            changed = [name for name in ("speaker", "emotion", "label") if getattr(old, name) != getattr(new, name)]
            how = [f"{name} {getattr(old, name)} and {getattr(new, name)}" for name in changed]
            how += ["another recording"] if old.sha256 != new.sha256 else []
            how += ["another picture"] if pictures and not how and old.image_sha256 != new.image_sha256 else []
            if how:
                differences.append((key, ", ".join(how)))
    return differences
