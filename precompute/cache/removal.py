"""Removing caches: first to the trash of their corpus by one rename; they are deleted after a grace period.

A job that is reading at that moment ends with an error message, or has all in memory already; it never reads other data.
"""

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from precompute.cache import layout, places, writing
from precompute.cache.roots import corpora, everything, refuse_links
from precompute.common import files
from precompute.common.clearing import Garbage
from precompute.common.errors import CacheError
from precompute.common.files import GRACE_DAYS, STALE_SECONDS


def move_to_trash(path: Path, root: Path) -> Path:
    """Move a cache, sealed or not, to the trash of its corpus, where readers do not find it.

    Returns:
        Its path in the trash; `restore` undoes this.

    Raises:
        CacheError: It does not exist any more, or may not be moved.
        UnsafePathError: Its corpus's directory or the trash is a symbolic link.
    """
    with writing.writing(root):
        return writing.to_trash(path, root)


def trashed(root: Path) -> Iterator[tuple[Path, Path]]:
    """Every cache in the trash of a root: where it was, and its place there, which begins with when it was moved.

    Args:
        root: Local directory of caches.

    Raises:
        UnsafePathError: A corpus's directory is a symbolic link.
    """
    refuse_links(root)
    for entry in _entries(root, layout.TRASH):
        name = files.name_before_trash(entry.name)
        if name and layout.legal_cache(name):
            yield entry.parent.parent / name, entry


def restore(place: Path, path: Path, root: Path) -> None:
    """Move a cache back from the trash.

    Args:
        place: Of it in the trash.
        path: Where it was; nothing is there now.
        root: Of both.

    Raises:
        CacheError: It does not exist any more, or may not be moved, or a cache was made there meanwhile.
    """
    with writing.writing(root):
        files.rename(place, path, root)


def garbage(root: Path, grace_days: float = GRACE_DAYS) -> Iterator[Garbage]:
    """What is no longer needed in a root: leftovers of killed jobs, old trash, and abandoned unfinished caches.

    Args:
        root: Local directory of caches.
        grace_days: Age in days after which trash is deleted, and an unfinished cache counts as abandoned.

    Raises:
        UnsafePathError: A corpus's directory, a cache, or the parent of what is deleted is a symbolic link.
    """
    refuse_links(root)
    now = time.time()
    for entry in _entries(root, layout.STAGING):
        if layout.legal_job(entry.name) and now - files.newest(entry, root) > STALE_SECONDS:
            yield Garbage(entry, "left by a job that was killed", places.total(entry, root), for_good=True)
    for entry in _entries(root, layout.TRASH):
        since = files.trashed(entry.name)
        if since is not None and now - since > grace_days * 86400:
            why = f"in the trash since {datetime.fromtimestamp(since, UTC):%Y-%m-%d}"
            yield Garbage(entry, why, places.total(entry, root), for_good=True)
    for path in everything(root):
        idle = (now - files.newest(path, root)) / 86400
        if not files.exists(path / layout.MANIFEST, root) and idle > grace_days:
            yield Garbage(path, f"unfinished, and not changed for {idle:.0f} days", places.total(path, root), for_good=False)


def clear(garbage: Garbage, root: Path) -> Path | None:
    """Delete garbage, or move it to the trash; returns its path there, None where it is deleted.

    Raises:
        CacheError: It may not be deleted or moved.
    """
    if not garbage.for_good:
        return move_to_trash(garbage.path, root)
    with writing.writing(root):
        if garbage.path.parent.name == layout.STAGING and _is_in_use(garbage.path, root):
            raise CacheError(
                f"{garbage.path} was changed less than a day ago by the clock of its disk: set the clock of this machine"
            )
        files.remove(garbage.path, root)
        if files.exists(garbage.path, root):
            raise CacheError(
                f"{garbage.path} could not be deleted: ask its owner to do it, or to give the group write permission"
            )
    return None


def _is_in_use(job: Path, root: Path) -> bool:
    """Whether something in staging is younger than a day by the clock of the disk, which a new directory shows."""
    probe = job.with_name(uuid.uuid4().hex)
    writing.make_directory(probe, root, lasting=False)
    try:
        return files.changed(probe, root) - files.newest(job, root) <= STALE_SECONDS
    finally:
        files.remove(probe, root)


def _entries(root: Path, kind: str) -> list[Path]:
    return [corpus / kind / name for corpus in corpora(root) for name in files.names(corpus / kind, root)]
