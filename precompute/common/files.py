"""Writing, moving and deleting in caches and results, and reading files that others may have put there.

A lab shares these directories, and everybody who may write there may also put a symbolic link, a pipe or a huge file there.
Each function takes a path and its root.  The root is given by the user, and links in its path are followed; below the root,
each directory is opened by its name in its parent, and links are not followed.  A file is written under a temporary name,
flushed to the disk and then renamed or linked: an existing file is never opened for writing, so that a link's target stays
unchanged.  No other module of the packages opens for writing, renames or deletes; `tests/test_files_only.py` checks this.
"""

import contextlib
import errno
import hashlib
import os
import re
import shutil
import stat
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from precompute.common.errors import UnsafePathError, WserError
from precompute.common.process import signature

NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EXDEV)
"""How file systems say that they have no hard links (FUSE says ENOSYS or EXDEV)."""

STALE_SECONDS = 24 * 3600
"""Age after which files of a killed job are removed, where it cannot be known otherwise that the job has ended."""

GRACE_DAYS = 7.0
"""Days for which trash can be restored, and after which unfinished work counts as abandoned."""

TRASH = ".trash"
PART = re.compile(r"\..+-([^-]+)-[0-9a-f]{8}\.part")
"""Name of a file that is being written, with the signature of the process that does it."""
LINK = -1
"""Value that `sizes` gives for a symbolic link, a pipe or a device, and for a directory that is nested too deep."""

DEEPEST = 16
"""Deepest level of nested directories that `sizes` looks into; a cache in staging needs 6."""

_STAMP = "%Y%m%dT%H%M%SZ"
_TRASHED = re.compile(r"(\d{8}T\d{6}Z)-(.+)-[0-9a-f]{8}", re.DOTALL)
_UMASK = threading.Lock()
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def sha256(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


@contextlib.contextmanager
def folder(path: Path, root: Path) -> Iterator[int]:
    """Open a directory; no link below the root is followed.

    Args:
        path: Of the directory: the root, or below it.
        root: As given by the user.

    Yields:
        Its file descriptor, closed at the end.

    Raises:
        UnsafePathError: The path or what is above it, below the root, is a symbolic link.
        OSError: There is no such directory.
    """
    handle = os.open(root, _FOLDER)
    try:
        place = root
        for part in _parts(path, root):
            place = place / part
            try:
                below = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=handle)
            except OSError as error:
                _refuse_link(place, part, handle)
                raise _of(error, place) from None
            os.close(handle)
            handle = below
        yield handle
    finally:
        os.close(handle)


def exists(path: Path, root: Path) -> bool:
    """Whether there is anything of this name; a link counts too.

    Raises:
        UnsafePathError: A directory above it is a symbolic link.
    """
    try:
        with folder(path.parent, root) as above:
            os.stat(path.name, dir_fd=above, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def read(path: Path, root: Path, most: int | None = None) -> bytes:
    """Content of a regular file.

    Args:
        path: Of the file.
        root: Above it.
        most: Bytes that it may have; by default as many as it has when it is opened, and no more.

    Raises:
        UnsafePathError: It is a link, a pipe, a device or a directory, or larger than `most`; or what is above it is a link.
        OSError: It is not there, or cannot be read.
    """
    with folder(path.parent, root) as above:
        try:
            # Opening a pipe must not wait for a writer.
            handle = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=above)
        except OSError as error:
            _refuse_link(path, path.name, above)
            raise _of(error, path) from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise UnsafePathError(f"{path} is not a regular file: remove it, or replace it by a file")
        if most is not None and status.st_size > most:
            raise UnsafePathError(
                f"{path} has {status.st_size} bytes, more than the limit of {most}: replace it by the right file"
            )
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(status.st_size)
    finally:
        os.close(handle)


def names(path: Path, root: Path) -> list[str]:
    """Names in a directory, sorted; empty where it does not exist.

    Raises:
        UnsafePathError: It, or what is above it, is a symbolic link.
    """
    try:
        with folder(path, root) as opened:
            return sorted(os.listdir(opened))  # noqa: PTH208, pathlib takes no descriptor
    except (FileNotFoundError, NotADirectoryError):
        return []


def plain_size(path: Path, root: Path) -> int | None:
    """Bytes of a regular file; None where there is none.

    Raises:
        UnsafePathError: A directory above it is a symbolic link.
    """
    try:
        with folder(path.parent, root) as above:
            status = os.stat(path.name, dir_fd=above, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def is_directory(path: Path, root: Path) -> bool:
    """Whether there is a directory of this name; a link to one does not count.

    Raises:
        UnsafePathError: A directory above it is a symbolic link.
    """
    try:
        with folder(path.parent, root) as above:
            return stat.S_ISDIR(os.stat(path.name, dir_fd=above, follow_symlinks=False).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def total(path: Path, root: Path) -> int:
    """Bytes of a file, or of all files below a directory."""
    if not is_directory(path, root):
        return size(path, root)
    return sum(bytes_ for bytes_ in sizes(path, root).values() if bytes_ > 0)


def is_stale(path: Path, root: Path) -> bool:
    """Whether nothing in a file or directory was touched for `STALE_SECONDS`."""
    return time.time() - newest(path, root) > STALE_SECONDS


def directories(path: Path, root: Path) -> list[str]:
    """Names of the directories in a directory, sorted, without links; empty where it does not exist.

    Raises:
        UnsafePathError: It, or what is above it, is a symbolic link.
    """
    try:
        with folder(path, root) as opened, os.scandir(opened) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return []


def sizes(path: Path, root: Path) -> dict[str, int]:
    """Bytes of every regular file below a directory, by its relative path; `LINK` for anything else.

    Files that another job removes meanwhile are left out.

    Raises:
        UnsafePathError: The directory, or what is above it, is a symbolic link.
        OSError: There is no such directory.
    """
    sizes: dict[str, int] = {}

    def look(handle: int, prefix: str, deep: int) -> None:
        with os.scandir(handle) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    if entry.is_dir(follow_symlinks=False) and deep < DEEPEST:
                        below = os.open(entry.name, _FOLDER | os.O_NOFOLLOW, dir_fd=handle)
                        try:
                            look(below, f"{prefix}{entry.name}/", deep + 1)
                        finally:
                            os.close(below)
                    else:
                        plain = entry.is_file(follow_symlinks=False)
                        sizes[prefix + entry.name] = entry.stat(follow_symlinks=False).st_size if plain else LINK

    with folder(path, root) as top:
        look(top, "", 1)
    return sizes


def size(path: Path, root: Path) -> int:
    """Bytes of a file, or of a link itself; 0 where it is gone."""
    with contextlib.suppress(FileNotFoundError), folder(path.parent, root) as above:
        return os.stat(path.name, dir_fd=above, follow_symlinks=False).st_size
    return 0


def newest(path: Path, root: Path) -> float:
    """The latest time of change of a file or directory and all below it, in seconds since the epoch; 0 where it is gone."""
    latest = 0.0
    try:
        with folder(path.parent, root) as above:
            status = os.stat(path.name, dir_fd=above, follow_symlinks=False)
            latest = status.st_mtime
            if stat.S_ISDIR(status.st_mode):
                for _, folders, files, handle in os.fwalk(path.name, dir_fd=above):
                    for name in (*folders, *files):
                        # Another job removed it meanwhile.
                        with contextlib.suppress(FileNotFoundError):
                            latest = max(latest, os.stat(name, dir_fd=handle, follow_symlinks=False).st_mtime)
    except FileNotFoundError:
        return latest
    return latest


def changed(path: Path, root: Path) -> float:
    """When a file or directory itself changed, in seconds since the epoch by the clock of the disk; 0 where it is gone."""
    with contextlib.suppress(FileNotFoundError), folder(path.parent, root) as above:
        return os.stat(path.name, dir_fd=above, follow_symlinks=False).st_mtime
    return 0.0


def make_directory(path: Path, root: Path, mode: int | None = None, lasting: bool = True, parents: bool = True) -> None:
    """Create a directory below a root, and its parents; an existing one stays unchanged.

    The root itself, if it does not exist yet, gets the permissions that the umask leaves.

    Args:
        path: Of the directory.
        root: Above it.
        mode: Permissions, independent of the umask; by default those that the umask leaves.
        lasting: Whether to wait until it is on the disk.
        parents: Whether to create its parents too; otherwise they must exist.

    Raises:
        UnsafePathError: What is above it, or it itself, is a symbolic link.
    """
    if parents:
        root.mkdir(parents=True, exist_ok=True)
    place = root if parents else path.parent
    for part in _parts(path, place):
        with folder(place, root) as above:
            place = place / part
            try:
                _mkdir(part, above, mode)
            except FileExistsError:
                pass
            except OSError as error:
                raise _of(error, place) from None
            else:
                if mode is not None:
                    _set_mode(part, above, mode)
                if lasting:
                    _sync(above)
    with folder(path, root):
        # A link, or a file, in its place is refused here.
        pass


def _mkdir(name: str, above: int, mode: int | None) -> None:
    """Create a directory whose mode is right from the first moment.

    Under a umask of 077, a job that is killed before it could change the mode would lock out every other user for good, and
    one that is slow would for a while.
    """
    if mode is None:
        os.mkdir(name, dir_fd=above)
        return
    with _UMASK:
        # What another thread creates meanwhile is not more open than the root.
        before = os.umask(0o777 & ~mode)
        try:
            os.mkdir(name, mode & 0o777, dir_fd=above)
        finally:
            os.umask(before)


def _set_mode(name: str, above: int, mode: int) -> None:
    handle = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=above)
    try:
        # Only where an access list, or a parent without setgid, changed it: a needless change of mode by a user outside the
        # directory's group would drop setgid.
        if (current := stat.S_IMODE(os.fstat(handle).st_mode)) != mode:
            os.fchmod(handle, mode | (current & stat.S_ISGID))
    finally:
        os.close(handle)


def create(path: Path, root: Path, mode: int | None = None) -> BinaryIO:
    """Create a file that must not exist yet, to be written in several steps.

    Args:
        path: Of the file.
        root: Above it.
        mode: Permissions, independent of the umask; by default those that the umask leaves.
    """
    with folder(path.parent, root) as above:
        try:
            handle = os.open(path.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=above)
        except OSError as error:
            raise _of(error, path) from None
    if mode is not None:
        os.fchmod(handle, mode)
    return os.fdopen(handle, "wb")


def write_new(path: Path, content: bytes, root: Path, mode: int | None = None) -> None:
    """Write a file that must not exist yet, and wait until it is on the disk.

    Others could see it half-written: only for a directory that no other process uses yet.
    """
    try:
        with create(path, root, mode) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _of(error, path) from None


def replace(path: Path, content: bytes, root: Path) -> None:
    """Replace the content of a file by one rename: readers see the old content or the new, also after a power cut.

    If the name is a link, the link is replaced, and its target stays unchanged.
    """
    aside = path.with_name(part_name(path.name))
    try:
        write_new(aside, content, root)
        rename(aside, path, root)
    except BaseException:
        with contextlib.suppress(OSError, WserError):
            unlink(aside, root)
        raise


def put(path: Path, content: bytes, root: Path, aside: Path, mode: int | None = None) -> bool:
    """The same, unless the name exists already, which then stays unchanged; returns whether it was new.

    Args:
        path: Of the file.
        content: Of the file.
        root: Above it.
        aside: Temporary path where it is written first: on the same file system, not existing yet.
        mode: Permissions, independent of the umask; by default those that the umask leaves.
    """
    write_new(aside, content, root, mode)
    try:
        return link(aside, path, root)
    finally:
        unlink(aside, root)


def part_name(name: str) -> str:
    """Name of a file that this process writes and that will be called `name`."""
    return f".{name}-{signature()}-{uuid.uuid4().hex[:8]}.part"


def link(source: Path, target: Path, root: Path, source_root: Path | None = None) -> bool:
    """Give a file a second name; False where that name exists already.

    Args:
        source: Of the file; of a link, the link itself gets the name.
        target: The second name.
        root: Above `target`.
        source_root: Above `source`; by default the same.

    Raises:
        WserError: The file system has no hard links.
    """
    with folder(source.parent, source_root or root) as source_folder, folder(target.parent, root) as target_folder:
        try:
            os.link(source.name, target.name, src_dir_fd=source_folder, dst_dir_fd=target_folder, follow_symlinks=False)
            _sync(target_folder)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in NO_HARD_LINKS:
                raise _of(error, target) from None
            raise WserError(
                f"the file system of {target.parent} has no hard links ({error.strerror}): choose a directory on another"
            ) from None
    return True


def rename(source: Path, target: Path, root: Path) -> None:
    """Move a file or directory to another name below the same root, replacing a file of that name."""
    with folder(source.parent, root) as source_folder, folder(target.parent, root) as target_folder:
        try:
            os.rename(source.name, target.name, src_dir_fd=source_folder, dst_dir_fd=target_folder)
            _sync(target_folder)
            if source.parent != target.parent:
                _sync(source_folder)
        except OSError as error:
            raise _of(error, target) from None


def unlink(path: Path, root: Path) -> None:
    """Remove a file or link; no error where it is gone already."""
    with contextlib.suppress(FileNotFoundError), folder(path.parent, root) as above:
        os.unlink(path.name, dir_fd=above)


def remove(path: Path, root: Path) -> None:
    """Remove a directory with all below it, or a file; no error where another job removes it at the same time.

    Of a link, only the link is removed.  What may not be removed stays: check with `exists` afterwards.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), folder(path.parent, root) as above:
        if stat.S_ISDIR(os.stat(path.name, dir_fd=above, follow_symlinks=False).st_mode):
            shutil.rmtree(path.name, ignore_errors=True, dir_fd=above)
        else:
            os.unlink(path.name, dir_fd=above)


def to_trash(path: Path, trash: Path, root: Path, mode: int | None = None) -> Path:
    """Move a file or directory to the trash by one rename, under a name with the time; it is never moved in part.

    Args:
        path: What to move.
        trash: Directory for it, on the same file system.
        root: Above both.
        mode: Of the directory, if it is made.

    Returns:
        Its new place.
    """
    make_directory(trash, root, mode)
    target = trash / f"{datetime.now(UTC).strftime(_STAMP)}-{path.name}-{uuid.uuid4().hex[:8]}"
    rename(path, target, root)
    return target


def trashed(name: str) -> float | None:
    """When something was moved to the trash, in seconds since the epoch; None where its name does not say.

    The name says so, not the file system: a rename keeps the times of what it moves.
    """
    try:
        match = _TRASHED.fullmatch(name)
        return datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC).timestamp() if match else None
    except ValueError:
        return None


def name_before_trash(name: str) -> str | None:
    """What something in the trash was called; None where it was not moved there by `to_trash`."""
    match = _TRASHED.fullmatch(name)
    return match[2] if match else None


def sync_tree(path: Path, root: Path) -> None:
    """Wait until every file and directory at and below a path is on the disk."""
    with folder(path, root) as top:
        for _, _, below, handle in os.fwalk(".", topdown=False, dir_fd=top):
            for name in below:
                if stat.S_ISREG(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode):
                    opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
                    try:
                        os.fsync(opened)
                    finally:
                        os.close(opened)
            _sync(handle)


def sync(path: Path, root: Path) -> None:
    """Wait until a directory's entries are on the disk."""
    with folder(path, root) as opened:
        _sync(opened)


def _sync(handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems can sync files and not directories.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


@contextlib.contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """A temporary path beside `target` for a file that gets the name `target` at the end, complete and on the disk.

    If writing fails or is interrupted, nothing is left.

    Args:
        target: As given by the user.

    Raises:
        WserError: `target` exists already, and is not overwritten; or it cannot be written.
    """
    root = target.parent
    aside = target.with_name(part_name(target.name))
    try:
        if os.path.lexists(target):
            raise FileExistsError
        yield aside
        with aside.open("rb") as written:
            os.fsync(written.fileno())
        _name_new(aside, target, root)
    except FileExistsError:
        raise WserError(f"{target} exists already: remove it, or give another name") from None
    except OSError as error:
        if isinstance(error, WserError):
            raise
        free = f"{shutil.disk_usage(root).free / 1e6:.0f} MB are free" if root.is_dir() else "no such directory"
        raise WserError(f"{target} cannot be written ({error.strerror or error}; {free}): give another path") from None
    finally:
        # If it could not be created, there is nothing to remove.
        with contextlib.suppress(OSError):
            unlink(aside, root)


def _name_new(aside: Path, target: Path, root: Path) -> None:
    with folder(root, root) as directory:
        try:
            os.link(aside.name, target.name, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
        except OSError as error:
            if error.errno not in NO_HARD_LINKS:
                raise
            # For example on a USB stick: reserve the name, then replace it.
            create(target, root).close()
            try:
                os.replace(aside.name, target.name, src_dir_fd=directory, dst_dir_fd=directory)
            except OSError:
                os.unlink(target.name, dir_fd=directory)
                raise
        _sync(directory)


def _parts(path: Path, root: Path) -> tuple[str, ...]:
    parts = path.relative_to(root).parts
    if ".." in parts:
        raise UnsafePathError(f"{path} leaves {root}: give a path without '..'")
    return parts


def _refuse_link(place: Path, name: str, above: int) -> None:
    """Raise an error that says so where a link could not be opened."""
    with contextlib.suppress(OSError):
        if stat.S_ISLNK(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode):
            raise UnsafePathError(
                f"{place} is a symbolic link, and links inside caches and results are not followed: replace it by its "
                "target, or remove it"
            )


def _of(error: OSError, path: Path) -> OSError:
    """The same error with the whole path, since the system only knew the last name."""
    return type(error)(error.errno, error.strerror, str(path)) if error.errno else error
