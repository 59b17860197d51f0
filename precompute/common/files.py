"""All that is written, moved and deleted in caches and results, and the reading of what others may have put there.

A lab shares these trees, so whoever may write in one may also put a symbolic link, a pipe or a huge file there.  Each function
takes a path and the root that it lies below.  The root is the user's word, and links on the way to it are followed; below it
every directory is opened by its name in the one above, and no link is.  What is written is a new file that takes its name by
one rename or link, whole and on the disk: an existing file is never opened for writing, so that what it is linked to stays as
it is.  No other module of the packages opens for writing, renames or deletes; `tests/test_files_only.py` says so.
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
"""Age after which what a killed job left behind is removed, where nothing better says that the job is gone."""

GRACE_DAYS = 7.0
"""Days for which what is in the trash can be brought back, and after which something unfinished counts as given up."""

TRASH = ".trash"
PART = re.compile(r"\..+-([^-]+)-[0-9a-f]{8}\.part")
"""Name of a file that is being written, with the signature of the process that does it."""
LINK = -1
"""What `sizes` gives for a symbolic link, a pipe or a device, and for a directory that is too deep."""

DEEPEST = 16
"""Directories, one in another, of which `sizes` still looks into the last; a cache in staging takes 6."""

_STAMP = "%Y%m%dT%H%M%SZ"
_TRASHED = re.compile(r"(\d{8}T\d{6}Z)-.+-[0-9a-f]{8}", re.DOTALL)
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
        root: The user's word.

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
    """Whether there is anything of this name, a link among them.

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
    """Content of a plain file.

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
            # Opening a pipe must not wait for whoever might write into it.
            handle = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=above)
        except OSError as error:
            _refuse_link(path, path.name, above)
            raise _of(error, path) from None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise UnsafePathError(f"{path} is no plain file: remove it, or replace it by a file")
        if most is not None and found.st_size > most:
            raise UnsafePathError(
                f"{path} has {found.st_size} bytes, and {most} at most are read: replace it by the right file"
            )
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(found.st_size)
    finally:
        os.close(handle)


def names(path: Path, root: Path) -> list[str]:
    """Names in a directory, sorted; none where it is not there.

    Raises:
        UnsafePathError: It, or what is above it, is a symbolic link.
    """
    try:
        with folder(path, root) as opened:
            return sorted(os.listdir(opened))  # noqa: PTH208, pathlib takes no descriptor
    except (FileNotFoundError, NotADirectoryError):
        return []


def plain_size(path: Path, root: Path) -> int | None:
    """Bytes of a plain file; None where there is none, or something else.

    Raises:
        UnsafePathError: A directory above it is a symbolic link.
    """
    try:
        with folder(path.parent, root) as above:
            found = os.stat(path.name, dir_fd=above, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def is_directory(path: Path, root: Path) -> bool:
    """Whether there is a directory of this name, and no link to one.

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
    """Names of the directories in a directory, sorted, links to others left out; none where it is not there.

    Raises:
        UnsafePathError: It, or what is above it, is a symbolic link.
    """
    try:
        with folder(path, root) as opened, os.scandir(opened) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return []


def sizes(path: Path, root: Path) -> dict[str, int]:
    """Bytes of every plain file below a directory, by its path relative to it, and `LINK` for what is none.

    What another job removes meanwhile is left out.

    Raises:
        UnsafePathError: The directory, or what is above it, is a symbolic link.
        OSError: There is no such directory.
    """
    found: dict[str, int] = {}

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
                        found[prefix + entry.name] = entry.stat(follow_symlinks=False).st_size if plain else LINK

    with folder(path, root) as top:
        look(top, "", 1)
    return found


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
            found = os.stat(path.name, dir_fd=above, follow_symlinks=False)
            latest = found.st_mtime
            if stat.S_ISDIR(found.st_mode):
                for _, folders, files, handle in os.fwalk(path.name, dir_fd=above):
                    for name in (*folders, *files):
                        # What another job removes meanwhile is not there any more.
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
    """Create a directory below a root, and those above it; one that is there is left as it is.

    The root itself, where it is not there yet, is created with what the umask leaves.

    Args:
        path: Of the directory.
        root: Above it.
        mode: Permissions, whatever the umask; by default what the umask leaves.
        lasting: Whether to wait until it is on the disk.
        parents: Whether to create those above it too; otherwise they must be there.

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
        # What another thread creates meanwhile is no more open than the root is.
        before = os.umask(0o777 & ~mode)
        try:
            os.mkdir(name, mode & 0o777, dir_fd=above)
        finally:
            os.umask(before)


def _set_mode(name: str, above: int, mode: int) -> None:
    handle = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=above)
    try:
        # Where an access list or a parent without setgid made it another; a needless change of mode by one who is not of the
        # directory's group would drop setgid.
        if (found := stat.S_IMODE(os.fstat(handle).st_mode)) != mode:
            os.fchmod(handle, mode | (found & stat.S_ISGID))
    finally:
        os.close(handle)


def create(path: Path, root: Path, mode: int | None = None) -> BinaryIO:
    """Create a file that must not be there yet, to be written bit by bit.

    Args:
        path: Of the file.
        root: Above it.
        mode: Permissions, whatever the umask; by default what the umask leaves.
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
    """Write a file of a name that must not be there yet, and wait until it is on the disk.

    Others can see it half-written: for a file in a directory that nobody else knows of yet.
    """
    try:
        with create(path, root, mode) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _of(error, path) from None


def replace(path: Path, content: bytes, root: Path) -> None:
    """Give a file its content by one rename: whoever reads it sees the old content or the new, also after a power cut.

    Where something of this name is there, it gives way, and what it may be a link to is left as it is.
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
    """The same for a name that may be there already, and then stays as it is; returns whether it was new.

    Args:
        path: Of the file.
        content: Of the file.
        root: Above it.
        aside: Where it is written first; on the same file system, of a name that is not there.
        mode: Permissions, whatever the umask; by default what the umask leaves.
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
    """Give a file a second name, unless that is there; False where it is.

    Args:
        source: Of the file; of a link, the link itself gets the name.
        target: The second name.
        root: Above `target`.
        source_root: Above `source`; by default the same.

    Raises:
        WserError: The file system has no hard links.
    """
    with folder(source.parent, source_root or root) as here, folder(target.parent, root) as there:
        try:
            os.link(source.name, target.name, src_dir_fd=here, dst_dir_fd=there, follow_symlinks=False)
            _sync(there)
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
    """Move a file or directory to another name below the same root, in the place of a file that is there."""
    with folder(source.parent, root) as here, folder(target.parent, root) as there:
        try:
            os.rename(source.name, target.name, src_dir_fd=here, dst_dir_fd=there)
            _sync(there)
            if source.parent != target.parent:
                _sync(here)
        except OSError as error:
            raise _of(error, target) from None


def unlink(path: Path, root: Path) -> None:
    """Remove a file or link; one that is gone already is no error."""
    with contextlib.suppress(FileNotFoundError), folder(path.parent, root) as above:
        os.unlink(path.name, dir_fd=above)


def remove(path: Path, root: Path) -> None:
    """Remove a directory with all below it, or a file; what another job removes at the same time is no error.

    Of a link the link alone goes.  What may not be removed stays: ask `exists` afterwards.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), folder(path.parent, root) as above:
        if stat.S_ISDIR(os.stat(path.name, dir_fd=above, follow_symlinks=False).st_mode):
            shutil.rmtree(path.name, ignore_errors=True, dir_fd=above)
        else:
            os.unlink(path.name, dir_fd=above)


def to_trash(path: Path, trash: Path, root: Path, mode: int | None = None) -> Path:
    """Move a file or directory aside by one rename, under a name that says when; it is there afterwards or here, never half.

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
    """When something was moved into the trash, in seconds since the epoch; None where its name does not say.

    The name and not the file system says so: a rename leaves the times of what it moves.
    """
    try:
        match = _TRASHED.fullmatch(name)
        return datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC).timestamp() if match else None
    except ValueError:
        return None


def sync_tree(path: Path, root: Path) -> None:
    """Wait until every file and directory at and below a path is on the disk."""
    with folder(path, root) as top:
        for _, _, found, handle in os.fwalk(".", topdown=False, dir_fd=top):
            for name in found:
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
        # Some network file systems sync files and know nothing of it for directories.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


@contextlib.contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """A path beside `target`, not there yet, for a file that is given the name `target` at the end, whole and durable.

    Where what writes it fails, or is interrupted, nothing is left.

    Args:
        target: The user's word.

    Raises:
        WserError: `target` is there already, and is not overwritten; or it cannot be written.
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
        raise WserError(f"{target} is there already: remove it, or give another name") from None
    except OSError as error:
        if isinstance(error, WserError):
            raise
        free = f"{shutil.disk_usage(root).free / 1e6:.0f} MB are free" if root.is_dir() else "no such directory"
        raise WserError(f"{target} cannot be written ({error.strerror or error}; {free}): give another place for it") from None
    finally:
        # Where it could not even be created, there is nothing to remove, whatever the reason.
        with contextlib.suppress(OSError):
            unlink(aside, root)


def _name_new(aside: Path, target: Path, root: Path) -> None:
    with folder(root, root) as here:
        try:
            os.link(aside.name, target.name, src_dir_fd=here, dst_dir_fd=here, follow_symlinks=False)
        except OSError as error:
            if error.errno not in NO_HARD_LINKS:
                raise
            # A memory stick's file system, say: reserve the name, then take it.
            create(target, root).close()
            try:
                os.replace(aside.name, target.name, src_dir_fd=here, dst_dir_fd=here)
            except OSError:
                os.unlink(target.name, dir_fd=here)
                raise
        _sync(here)


def _parts(path: Path, root: Path) -> tuple[str, ...]:
    parts = path.relative_to(root).parts
    if ".." in parts:
        raise UnsafePathError(f"{path} leaves {root}: give a path without '..'")
    return parts


def _refuse_link(place: Path, name: str, above: int) -> None:
    """Say so where it is a link that could not be opened."""
    with contextlib.suppress(OSError):
        if stat.S_ISLNK(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode):
            raise UnsafePathError(
                f"{place} is a symbolic link, and links inside of caches and results are not followed: replace it by its "
                "target, or remove it"
            )


def _of(error: OSError, path: Path) -> OSError:
    """The same error with the whole path, of which the system was told the last name only."""
    return type(error)(error.errno, error.strerror, str(path)) if error.errno else error
