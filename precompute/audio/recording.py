"""Recordings as files: a pipe or device instead of one is never waited for, and never read without end."""

import contextlib
import errno
import hashlib
import io
import os
import stat
import traceback
from collections.abc import Iterator
from pathlib import Path

from precompute.common.errors import UnusableAudioError, WserError
from precompute.common.terminal import TRACEBACK, in_a_line

LARGEST = 2**32
"""Bytes of a recording: what the sizes in a WAVE file can say.  Recordings are decoded in memory."""

PIECE = 2**20
"""Bytes hashed at once."""

KINDS = {
    stat.S_IFDIR: "a directory", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}  # fmt: skip


@contextlib.contextmanager
def opened(file: Path) -> Iterator[io.FileIO]:
    """Open a recording, unbuffered.

    Raises:
        UnusableAudioError: It is no regular file, or larger than `LARGEST`.
        OSError: It cannot be opened.
    """
    # To open a pipe without a writer, and some devices, blocks unless this flag is set.
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except ValueError:
        raise OSError(errno.EINVAL, "not a valid file name") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UnusableAudioError(f"it is {KINDS.get(stat.S_IFMT(status.st_mode), 'something else')}, not a file")
        _check_size(status.st_size)
        with open(descriptor, "rb", buffering=0, closefd=False) as handle:
            yield handle
    finally:
        os.close(descriptor)


def read(file: Path) -> bytes:
    """The content of a recording; errors as of `opened`."""
    with opened(file) as handle:
        # One piece where the file does not grow meanwhile, of which joining makes no copy.
        return b"".join(_pieces(handle, os.fstat(handle.fileno()).st_size + 1))


def digest(file: Path) -> str:
    """SHA-256 of a recording in hexadecimal digits; errors as of `opened`."""
    hasher = hashlib.sha256()
    with opened(file) as handle:
        for piece in _pieces(handle, PIECE):
            hasher.update(piece)
    return hasher.hexdigest()


@contextlib.contextmanager
def one_alone() -> Iterator[None]:
    """Take any error inside for a fault of the one recording that is used there, so that the others continue.

    Errors of this project and of the operating system stay what they are.  With the variable `WSER_TRACEBACK` anything but a
    lack of memory is also shown in full on stderr: it may be a fault of this software, not of the recording.

    Raises:
        UnusableAudioError: Instead; it names the exception.
    """
    try:
        yield
    except (WserError, OSError):
        raise
    except MemoryError:
        raise UnusableAudioError("there is not enough memory to use it") from None
    except Exception as error:
        if os.environ.get(TRACEBACK):
            traceback.print_exc()
        raise UnusableAudioError(f"it cannot be used ({in_a_line(f'{type(error).__name__}: {error}')})") from error


def _pieces(handle: io.FileIO, size: int) -> Iterator[bytes]:
    total = 0
    while piece := handle.read(size):
        total += len(piece)
        _check_size(total)
        yield piece
    if piece is None:
        raise BlockingIOError(None, "nothing to read at the moment")


def _check_size(size: int) -> None:
    if size > LARGEST:
        raise UnusableAudioError(f"the file has {size} bytes, more than the limit of {LARGEST}")
