"""Where caches lie: directories of this machine, and of object stores by any URL that fsspec knows, such as s3://bucket/lab.

A directory is a `Path`, or a `UPath` (universal-pathlib), which has the same methods; only what is worth doing all at once over
a network is asked of it here.
"""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from precompute.errors import CacheError

LINK = -1
"""What `sizes` gives for a symbolic link, or anything else that is no plain file."""


def parse(text: str) -> tuple[Path, ...]:
    """Directories from a list as in WSER_CACHE: separated as in PATH, by `:` (`;` on Windows), which a URL may hold.

    Raises:
        CacheError: None is named, or a URL's file system is unknown or not installed.
    """
    parts = [part for part in re.split(rf"{re.escape(os.pathsep)}(?!//)", text) if part]
    if not parts:
        raise CacheError("no cache directory is named: give one, or leave WSER_CACHE unset for ./cache")
    return tuple(_place(part) for part in parts)


def is_remote(place: Path) -> bool:
    """Whether a directory lies in an object store: it is read as any other, and written by copying sealed caches only."""
    return hasattr(place, "fs")


def sizes(directory: Path) -> dict[str, int]:
    """Bytes of every file below a directory, by its path relative to it; symbolic links are not followed."""
    if is_remote(directory):
        fs, path = _remote(directory)
        with _reaching(directory):
            fs.invalidate_cache()
            return {name[len(path) :].lstrip("/"): int(entry["size"]) for name, entry in fs.find(path, detail=True).items()}
    result: dict[str, int] = {}

    def look(path: str, prefix: str) -> None:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    look(entry.path, f"{prefix}{entry.name}/")
                else:
                    plain = entry.is_file(follow_symlinks=False)
                    result[prefix + entry.name] = entry.stat(follow_symlinks=False).st_size if plain else LINK

    look(str(directory), "")
    return result


def total(directory: Path) -> int:
    """Bytes of all files below a directory."""
    return sum(size for size in sizes(directory).values() if size > 0)


def read(directory: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Content of files below a directory, by their paths relative to it; from an object store many at once."""
    names = list(names)
    if not is_remote(directory):
        return {name: (directory / name).read_bytes() for name in names}
    fs, path = _remote(directory)
    with _reaching(directory):
        found = fs.cat([f"{path}/{name}" for name in names]) if names else {}
    return {name: found[f"{path}/{name}"] for name in names}


def write(directory: Path, contents: dict[str, bytes]) -> None:
    """Write files below a directory of an object store, many at once; each appears whole, in the place of any before it.

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
        raise CacheError(f"{directory} cannot be written ({error}): create its bucket, or name another") from None


def _remote(directory: Path) -> tuple[Any, str]:
    place = cast(Any, directory)
    return place.fs, place.path.rstrip("/")


def _place(text: str) -> Path:
    if "://" not in text:
        try:
            return Path(text).expanduser()
        except RuntimeError:
            raise CacheError(f"{text} begins with the home of a user who is not known: give the directory in full") from None
    try:
        from upath import UPath

        place = cast(Path, UPath(text))
        fs, path = _remote(place)
    except (ImportError, ValueError) as error:
        raise CacheError(f"{text} cannot be opened ({error}): install wser[s3], or what fsspec asks for") from None
    with _reaching(place):
        # Wrong credentials and addresses are found here, and not in the middle of the work.
        fs.exists(path)
    return place


@contextlib.contextmanager
def _reaching(place: Path) -> Iterator[None]:
    """Turn what goes wrong on the way to an object store into one sentence."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:  # every file system has its own kinds, and not all are OSErrors
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CacheError(
            f"{place} cannot be reached ({reason}): check its address, your credentials and the network, and run the same "
            "command again"
        ) from None
