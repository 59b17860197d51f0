"""Durable files and directories: whole or absent after any crash, with the root's own permissions whatever the umask."""

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from precompute.errors import CacheError

NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK)
FULL = (errno.ENOSPC, errno.EDQUOT)
_UMASK = threading.Lock()

STALE_SECONDS = 24 * 3600
"""Age after which what a killed job left in staging is removed."""

GRACE_DAYS = 7.0
"""Days for which what was taken away can be brought back, and after which an unfinished cache counts as given up."""

_STAMP = "%Y%m%dT%H%M%SZ"


def sha256(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def make_directory(path: Path, root: Path, lasting: bool = True) -> None:
    """Create a directory under a root, and those above it, with the root's permissions: group-writable and setgid where it is.

    The root itself, where it is not there yet, is created with what the umask leaves.

    Args:
        path: Of the directory.
        root: Of all caches.
        lasting: Whether to wait until it is on the disk, as for all that does not lie in staging.
    """
    root.mkdir(parents=True, exist_ok=True)
    mode = stat.S_IMODE(root.stat().st_mode) & ~stat.S_ISVTX
    missing = [directory for directory in (path, *path.parents) if directory.is_relative_to(root) and not directory.exists()]
    for directory in reversed(missing):
        with contextlib.suppress(FileExistsError):
            _mkdir(directory, mode & 0o777)
            if (found := stat.S_IMODE(directory.stat().st_mode)) != mode:
                # Where an access list or a parent without setgid made it another; a needless change of mode by one who is
                # not of the directory's group would drop setgid.
                directory.chmod(mode | (found & stat.S_ISGID))
            if lasting:
                sync(directory.parent)


def _mkdir(directory: Path, mode: int) -> None:
    """Create a directory whose mode is right from the first moment.

    Under a umask of 077, a job that is killed before it could change the mode would lock out every other user for good, and
    one that is slow would for a while.
    """
    with _UMASK:
        # What another thread creates meanwhile is no more open than the root is.
        before = os.umask(0o777 & ~mode)
        try:
            directory.mkdir(mode)
        finally:
            os.umask(before)


def write_new(path: Path, content: bytes, root: Path) -> None:
    """Write a file that nobody else knows of yet: durable, read-only, readable for whom the root is."""
    with path.open("xb") as file:
        file.write(content)
        os.fchmod(file.fileno(), stat.S_IMODE(root.stat().st_mode) & 0o444)
        file.flush()
        os.fsync(file.fileno())


def link(source: Path, target: Path) -> bool:
    """Give a file a second name, unless that exists; False where it does.

    Raises:
        CacheError: The file system has no hard links.
    """
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        raise CacheError(
            f"the file system of {target.parent} has no hard links ({error.strerror}): choose a cache directory on another"
        ) from None
    return True


def sync(path: Path) -> None:
    """Wait until a file's content, or a directory's entries, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems sync files and know nothing of it for directories.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or not path.is_dir():
            raise
    finally:
        os.close(handle)


def sync_tree(directory: Path) -> None:
    """The same for every directory at and below a path, whose files are written already."""
    for path, _, _ in os.walk(directory, topdown=False):
        sync(Path(path))


def to_trash(path: Path, trash: Path, root: Path) -> Path:
    """Move a file or directory aside by one rename, under a name that says when; it is there afterwards or here, never half.

    Args:
        path: What to move.
        trash: Directory for it, on the same file system.
        root: Of all caches.

    Returns:
        Its new place.
    """
    make_directory(trash, root)
    target = trash / f"{datetime.now(UTC).strftime(_STAMP)}-{path.name}-{uuid.uuid4().hex[:8]}"
    path.rename(target)
    sync(path.parent)
    return target


def trashed(path: Path) -> float | None:
    """When something was moved into the trash, in seconds since the epoch; None where its name does not say.

    The name and not the file system says so: a rename leaves the times of what it moves.
    """
    try:
        return datetime.strptime(path.name.partition("-")[0], _STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def remove(path: Path) -> None:
    """Remove a directory tree or file; what another job removes at the same time is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """A path beside `target`, not there yet, for a file that is given the name `target` at the end, whole and durable.

    Where what writes it fails, or is interrupted, nothing is left.

    Raises:
        CacheError: `target` is there already, and is not overwritten; or it cannot be written.
    """
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        if os.path.lexists(target):
            raise FileExistsError
        yield aside
        sync(aside)
        _name_new(aside, target)
        sync(target.parent)
    except FileExistsError:
        raise CacheError(f"{target} is there already: remove it, or give another name") from None
    except OSError as error:
        if isinstance(error, CacheError):
            raise
        free = (
            f"{shutil.disk_usage(target.parent).free / 1e6:.0f} MB are free" if target.parent.is_dir() else "no such directory"
        )
        raise CacheError(f"{target} cannot be written ({error.strerror or error}; {free}): give another place for it") from None
    finally:
        # Where it could not even be created, there is nothing to remove, whatever the reason.
        with contextlib.suppress(OSError):
            aside.unlink()


def _name_new(aside: Path, target: Path) -> None:
    try:
        os.link(aside, target)
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        # A memory stick's file system, say: reserve the name, then take it.
        target.touch(exist_ok=False)
        try:
            aside.replace(target)
        except OSError:
            target.unlink()
            raise


@contextlib.contextmanager
def writing(root: Path) -> Iterator[None]:
    """Turn what goes wrong in writing under a root into one sentence."""
    try:
        yield
    except OSError as error:
        if isinstance(error, CacheError):
            raise
        what = error.filename or root
        if error.errno in FULL:
            raise CacheError(
                f"{_full(root, error.errno)}: free some, or give another cache directory, and run the same command again; what "
                "was published stays"
            ) from None
        if isinstance(error, PermissionError) or error.errno == errno.EROFS:
            raise CacheError(
                f"{what} cannot be written ({error.strerror}): ask its owner for a group-writable root (chmod g+ws), or put a "
                "directory of your own first in WSER_CACHE"
            ) from None
        if isinstance(error, FileNotFoundError):
            raise CacheError(f"{what} was removed while this job was writing there: run the same command again") from None
        raise CacheError(f"{what}: {error.strerror}; what was published stays, run the same command again") from None


def _full(root: Path, code: int) -> str:
    if code == errno.EDQUOT:
        return f"your quota on the disk of {root} is used up"
    disk = os.statvfs(next(there for there in (root, *root.absolute().parents) if there.exists()))
    # Some file systems make room for files as they need it, and count none.
    what = "inode is left" if disk.f_files and not disk.f_favail else "space is left"
    return f"no {what} on the disk of {root} ({disk.f_bavail * disk.f_frsize / 1e6:.0f} MB are free)"
