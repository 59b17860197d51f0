"""Writing files of caches: with the root's permissions regardless of the umask, and with errors in one sentence."""

import contextlib
import errno
import os
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

from precompute.cache import layout
from precompute.common import files
from precompute.common.errors import CacheError, WserError

FULL = (errno.ENOSPC, errno.EDQUOT)


def make_directory(path: Path, root: Path, lasting: bool = True, parents: bool = True) -> None:
    """Create a directory under a root, and its parents, with the root's permissions, such as group-writable and setgid.

    The root itself, if it does not exist yet, gets the permissions that the umask leaves.

    Args:
        path: Of the directory.
        root: Of all caches.
        lasting: Whether to wait until it is on the disk, as for everything outside staging.
        parents: Whether to create its parents too; otherwise they must exist.

    Raises:
        UnsafePathError: It, or what is above it below the root, is a symbolic link.
    """
    if parents:
        files.make_directory(root, root)
    files.make_directory(path, root, _mode(root) & ~stat.S_ISVTX, lasting, parents)


def write_new(path: Path, content: bytes, root: Path) -> None:
    """Write a file that no other process uses yet: on the disk, read-only, readable for those who may read the root."""
    files.write_new(path, content, root, _mode(root) & 0o444)


def put(path: Path, content: bytes, staging: Path, root: Path) -> None:
    """Write a file and give it its name by an exclusive link; an existing file stays unchanged.

    Args:
        path: Of the file.
        content: Of the file.
        staging: Directory in which it is written first.
        root: Of all caches.
    """
    if not files.exists(path, root):
        aside = staging / uuid.uuid4().hex
        write_new(aside, content, root)
        # If this fails, the temporary file is removed with the rest of staging.
        files.link(aside, path, root)
        files.unlink(aside, root)


def replace(path: Path, content: bytes, staging: Path, root: Path) -> None:
    """The same by one rename, which replaces an existing file: if two jobs do so, neither finds it missing."""
    aside = staging / uuid.uuid4().hex
    write_new(aside, content, root)
    files.rename(aside, path, root)


def to_trash(path: Path, root: Path) -> Path:
    """Move a cache, or a damaged part of one, to the trash of its corpus; returns its path there."""
    corpus = root / path.relative_to(root).parts[0]
    return files.to_trash(path, corpus / layout.TRASH, root, _mode(root) & ~stat.S_ISVTX)


def _mode(root: Path) -> int:
    return stat.S_IMODE(root.stat().st_mode)


@contextlib.contextmanager
def writing(root: Path) -> Iterator[None]:
    """Turn errors of writing under a root into one sentence."""
    try:
        yield
    except OSError as error:
        if isinstance(error, WserError):
            raise
        what = error.filename or root
        if error.errno in FULL:
            raise CacheError(
                f"{_full(root, error.errno)}: free some, or give another cache directory, and run the same command again; "
                "published units are kept"
            ) from None
        if isinstance(error, PermissionError) or error.errno == errno.EROFS:
            raise CacheError(
                f"{what} cannot be written ({error.strerror}): ask its owner for a group-writable root (chmod g+ws), or put a "
                "directory of your own first in WSER_CACHE"
            ) from None
        if isinstance(error, FileNotFoundError):
            raise CacheError(f"{what} was removed while this job was writing there: run the same command again") from None
        raise CacheError(
            f"{what} cannot be written ({error.strerror}): run the same command again; published units are kept"
        ) from None


def _full(root: Path, code: int) -> str:
    if code == errno.EDQUOT:
        return f"your quota on the disk of {root} is used up"
    disk = os.statvfs(next(path for path in (root, *root.absolute().parents) if path.exists()))
    # Some file systems create inodes as needed, and count none.
    what = "inodes are left" if disk.f_files and not disk.f_favail else "space is left"
    return f"no {what} on the disk of {root} ({disk.f_bavail * disk.f_frsize / 1e6:.0f} MB are free)"
