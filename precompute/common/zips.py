"""Zip files: the same content gives the same bytes, and an archive of unknown origin is fully checked."""

import contextlib
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

FREE_BYTES, LARGEST_FACTOR = 1 << 20, 15
"""Limit of compression, in bytes and as a factor: our JSON shrinks to a fifth, since half of an index is checksums, and a shard
not at all; zip bombs shrink to a thousandth."""

Refuse = Callable[[str, str], Exception]
"""Gives the error to raise, from the name of a member and what is wrong with it."""

_EARLIEST = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_ENCRYPTED = 0x41
_BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, NotImplementedError, OverflowError, RuntimeError,
    ValueError, MemoryError,
)  # fmt: skip
"""Errors of `zipfile` on damaged or malicious files."""


def member(name: str) -> zipfile.ZipInfo:
    """A regular file of an archive that is written: stored as it is, without owner and time."""
    info = zipfile.ZipInfo(name, _EARLIEST)
    info.create_system = _UNIX
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    return info


@contextlib.contextmanager
def opened(path: Path, refuse: Callable[[str], Exception]) -> Iterator[zipfile.ZipFile]:
    """An archive to be read.

    Args:
        path: Of the file.
        refuse: Gives the error to raise where it is no valid archive, from what is wrong with it.
    """
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise refuse("does not exist") from None
    except _BROKEN as error:
        raise refuse(f"cannot be read as a zip file ({error})") from None
    with archive:
        yield archive


def members(archive: zipfile.ZipFile, known: Callable[[str], bool], unknown: str, refuse: Refuse) -> dict[str, zipfile.ZipInfo]:
    """Members of an archive by name, each a regular file, of which no more is read than its size.

    Args:
        archive: As `opened` gives it.
        known: Whether a name may be there; it must refuse what leads out of a directory.
        unknown: What is wrong with a name that may not.
        refuse: Gives the error to raise.
    """
    known_members = {info.orig_filename: info for info in archive.infolist() if known(info.orig_filename)}
    above = {name[: at + 1] for name in known_members for at, letter in enumerate(name) if letter == "/"}
    seen: set[str] = set()
    for info in archive.infolist():
        name, mode = info.orig_filename, stat.S_IFMT(info.external_attr >> 16)
        folder = name in above and info.file_size == 0
        if not folder and name not in known_members:
            raise refuse(name, unknown)
        if name.casefold() in seen or f"{name}/" in above:
            raise refuse(name, "occurs twice, if case is ignored, or as a file and a directory")
        seen.add(name.casefold())
        if mode not in (0, stat.S_IFDIR if folder else stat.S_IFREG):
            raise refuse(name, f"is not a regular file (mode {mode:o}), but perhaps a link or a device")
        if info.flag_bits & _ENCRYPTED:
            raise refuse(name, "is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise refuse(name, f"is compressed by method {info.compress_type}, not stored or deflated")
        if info.file_size > FREE_BYTES + LARGEST_FACTOR * info.compress_size:
            raise refuse(name, f"would grow from {info.compress_size} to {info.file_size} bytes")
    return known_members


def overlap(archive: zipfile.ZipFile) -> str | None:
    """What is wrong with an archive whose members say that they are larger than it is; None where they do not."""
    total, size = sum(info.compress_size for info in archive.infolist()), Path(str(archive.filename)).stat().st_size
    return f"has {size} bytes, and its members add up to {total}" if total > size else None


def content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, refuse: Refuse) -> bytes:
    """Content of a member, which must have the size that it declares."""
    try:
        with archive.open(info) as reader:
            bytes_read = reader.read(info.file_size)
    except _BROKEN as error:
        raise refuse(info.orig_filename, f"cannot be read ({error or type(error).__name__})") from None
    if len(bytes_read) != info.file_size:
        raise refuse(info.orig_filename, f"declares {info.file_size} bytes, and has {len(bytes_read)}")
    return bytes_read
