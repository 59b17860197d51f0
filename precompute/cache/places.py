"""Where caches are: directories of this machine, and of object stores by any URL that fsspec knows, such as s3://bucket/lab.

A directory is a `Path`, or a `UPath` (universal-pathlib), which has the same methods; this module has the operations that are
worth doing in bulk over a network.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from precompute.common import files, paths
from precompute.common.errors import CacheError, UnsafePathError, WserError


def parse(text: str) -> tuple[Path, ...]:
    """Directories from a list as in WSER_CACHE.

    Raises:
        WserError: No directory is given, a home is unknown, or a URL's file system is unknown or not installed.
    """
    parts = paths.split(text)
    if not parts:
        raise CacheError("no cache directory is given: give one, or leave WSER_CACHE unset for ./cache")
    return tuple(_place(part) for part in parts)


def is_remote(place: Path) -> bool:
    """Whether a directory is in an object store, which is read like any other, and written only by copying sealed caches."""
    return hasattr(place, "fs")


def root_of(cache: Path) -> Path:
    """The root of a cache: the directory above that of its corpus."""
    return cache.parent.parent


def exists(path: Path, root: Path) -> bool:
    """Whether there is anything of this name; a link counts, and none is followed below the root."""
    return path.exists() if is_remote(path) else files.exists(path, root)


def sizes(directory: Path, root: Path | None = None) -> dict[str, int]:
    """Bytes of every file below a directory, by its path relative to it, and `files.LINK` for what is not a regular file.

    Args:
        directory: Of a cache, or any other.
        root: Above it; by default that of a cache.
    """
    if not is_remote(directory):
        return files.sizes(directory, root or root_of(directory))
    fs, path = _remote(directory)
    with _reaching(directory):
        fs.invalidate_cache()
        return {name[len(path) :].lstrip("/"): int(entry["size"]) for name, entry in fs.find(path, detail=True).items()}


def total(path: Path, root: Path) -> int:
    """Bytes of a file, or of all plain files below a directory; 0 where it is gone."""
    try:
        return sum(size for size in sizes(path, root).values() if size > 0)
    except (NotADirectoryError, UnsafePathError):
        return files.size(path, root)
    except FileNotFoundError:
        return 0


def read(directory: Path, names: Iterable[str], most: Mapping[str, int] | None = None) -> dict[str, bytes]:
    """Content of files of a cache, by their paths relative to it; from an object store many at once.

    Args:
        directory: Of the cache.
        names: Of the files.
        most: Bytes that a file of this machine may have; by default as many as it has when it is opened.

    Raises:
        UnsafePathError: A file is a link, is behind one, is not a regular file, or is larger than that.
        OSError: A file does not exist, or cannot be read.
    """
    names = list(names)
    if not is_remote(directory):
        root = root_of(directory)
        return {name: files.read(directory / name, root, most.get(name) if most else None) for name in names}
    fs, path = _remote(directory)
    with _reaching(directory):
        contents = fs.cat([f"{path}/{name}" for name in names]) if names else {}
    return {name: contents[f"{path}/{name}"] for name in names}


def read_small(path: Path, root: Path, most: int) -> bytes:
    """Content of one file that no manifest lists.

    Args:
        path: Of the file; on this machine or in an object store.
        root: Above it.
        most: Bytes that it may have.

    Raises:
        UnsafePathError: It is larger, is a link, is behind one, or is not a regular file.
        OSError: It does not exist, or cannot be read.
    """
    if not is_remote(path):
        return files.read(path, root, most)
    fs, place = _remote(path)
    with _reaching(path):
        size = int(fs.size(place) or 0)
        if size <= most:
            return bytes(fs.cat_file(place))
    raise UnsafePathError(f"{path} has {size} bytes, more than the limit of {most}: replace it by the right file")


def write(directory: Path, contents: dict[str, bytes]) -> None:
    """Write files below a directory of an object store, many at once; each appears complete, and replaces an existing one.

    Args:
        directory: One for which `is_remote` holds.
        contents: Of each file, by its path relative to the directory.

    Raises:
        CacheError: The store cannot be written.
    """
    fs, path = _remote(directory)
    try:
        with _reaching(directory):
            if contents:
                fs.pipe({f"{path}/{name}": content for name, content in contents.items()})
    except FileNotFoundError as error:
        raise CacheError(f"{directory} cannot be written ({error}): create its bucket, or give another") from None


def _remote(directory: Path) -> tuple[Any, str]:
    place = cast(Any, directory)
    return place.fs, place.path.rstrip("/")


def _place(text: str) -> Path:
    text = paths.in_full(text)
    if "://" not in text:
        return Path(text)
    with _reaching(text):
        try:
            from upath import UPath

            place = cast(Path, UPath(text))
            fs, path = _remote(place)
        except (ImportError, ValueError) as error:
            raise CacheError(
                f"{text} cannot be opened ({error}): run python -m pip install universal-pathlib, with "
                "s3fs for s3://, or with the package that fsspec needs for another store"
            ) from None
        # Wrong credentials and addresses are reported now, not in the middle of the work.
        fs.exists(path)
    return place


@contextlib.contextmanager
def _reaching(place: Path | str) -> Iterator[None]:
    """Turn errors of the access to an object store into one sentence."""
    try:
        yield
    except (FileNotFoundError, WserError):
        raise
    except Exception as error:  # every file system has its own kinds, and not all are OSErrors
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CacheError(
            f"{place} cannot be reached ({reason}): check its address, your credentials and the network, and run the same "
            "command again"
        ) from None
