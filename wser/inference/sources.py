"""What to predict, as people name it: files, folders, patterns, and a recording on standard input."""

import glob
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from precompute.common import paths
from precompute.common.terminal import natural
from wser.inference.predict import Recording, Unusable

ENDINGS = (
    ".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".rf64", ".snd", ".w64", ".wav",
)  # fmt: skip
"""Of the files that are taken from a folder; a file that is named may have any."""

INPUT = "-"
"""Means standard input."""

LARGEST_INPUT = 2**30
"""Bytes of a recording on standard input, which is held in memory: nine hours of 16 kHz."""


def named(texts: Iterable[str]) -> Iterator[Recording | Unusable]:
    """The recordings that some texts name, each file once; in a folder, by name.

    Args:
        texts: Paths of files and folders, patterns, or `-`.

    Yields:
        Recordings, and what names none.
    """
    seen: set[Path] = set()
    for text in texts:
        for source in _of(text):
            if isinstance(source, Path):
                place = source.resolve()
                if place not in seen:
                    yield Recording(str(source), source)
                seen.add(place)
            else:
                yield source


def _of(text: str) -> Iterator[Path | Recording | Unusable]:
    if text == INPUT:
        yield _input()
        return
    path = paths.path(text)
    if path.is_dir():
        yield from _in_folder(path)
    elif glob.has_magic(text) and not path.exists():
        matches = sorted(glob.glob(str(path), recursive=True), key=natural)  # noqa: PTH207, it may be absolute
        if not matches:
            yield Unusable(text, "no file matches this pattern: give another, in quotes")
        for match in map(Path, matches):
            yield from _in_folder(match) if match.is_dir() else [match]
    elif not path.exists():
        yield Unusable(text, "there is no such file: give the path of an audio file, or of a folder")
    else:
        yield path


def _in_folder(folder: Path) -> Iterator[Path | Unusable]:
    inside = [file for file in folder.rglob("*") if _is_audio(file)]
    if not inside:
        yield Unusable(str(folder), f"it holds no audio file ({', '.join(ENDINGS)}): give another folder, or name the files")
    yield from sorted(inside, key=lambda file: natural(str(file)))


def _is_audio(file: Path) -> bool:
    # What is hidden is a leftover, as the ._name.wav that macOS puts beside files on foreign disks.
    return file.suffix.lower() in ENDINGS and not file.name.startswith(".") and file.is_file()


def _input() -> Recording | Unusable:
    content = sys.stdin.buffer.read(LARGEST_INPUT + 1)
    if len(content) > LARGEST_INPUT:
        return Unusable("standard input", f"it has more than {LARGEST_INPUT / 1e9:.1f} GB: write it to a file, and give this")
    return Recording("standard input", content)
