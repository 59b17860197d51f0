"""Where corpora lie: in a directory of their own, or below a directory of corpora, told by the names of their recordings."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from precompute.common import paths
from precompute.common.errors import CorpusError, unknown

DEEPEST = 6
"""Folders are looked into so many levels below where a search begins."""

MOST_FOLDERS = 5000
"""Folders that one search looks into, so that a directory of something else is given up and not read for minutes."""


@dataclass(frozen=True)
class Corpora:
    """Where corpora lie.

    Attributes:
        roots: Directories that hold corpora, searched in order; at least one.
        own: The own directory of each corpus that was named with one.
    """

    roots: tuple[Path, ...]
    own: dict[str, Path] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """Where new corpora are laid."""
        return self.roots[0]

    def places(self, module: ModuleType) -> list[Path]:
        """Directories of the copies of a corpus, the one that counts first; none where it is not there.

        Args:
            module: The corpus.

        Raises:
            CorpusError: It was named with a directory of its own, and that does not hold it.
        """
        name = module.CORPUS.name
        if name not in self.own:
            return [place for root in self.roots for place in copies_below(root, module.NAMES, module.copies)]
        directory = self.own[name]
        found: list[Path] = module.copies(directory, own=True)
        if not found:
            usual = module.CORPUS.usual_place.partition("/")[2]
            raise CorpusError(f"{directory} holds no {name}: give the directory in which its recordings lie as {usual}")
        return found

    def find(self, module: ModuleType) -> Path | None:
        """The directory of a corpus, None where it is not there; errors as of `places`."""
        return next(iter(self.places(module)), None)

    def recording(self, name: str, path: str) -> Path | None:
        """A recording of a corpus by its path in it, None where it is in none of the usual places.

        Args:
            name: Of the corpus, which may be one that a table lists.
            path: Relative to the corpus's directory.
        """
        usual = [place for root in self.roots for place in (root / name, root, *_children(root))]
        places = [self.own[name], *_children(self.own[name])] if name in self.own else usual
        return next((place / path for place in places if (place / path).is_file()), None)

    def __str__(self) -> str:
        """As it is written on a command line."""
        return ",".join([*(f"{name}={directory}" for name, directory in self.own.items()), *map(str, self.roots)])


def parse(texts: Iterable[str] | None, default: str, known: Iterable[str] | None = None) -> Corpora:
    """Where corpora lie, as a command line or the environment says it: `/data/corpora`, or `ravdess=/a,emodb=/b,/rest`.

    A directory of corpora takes the place of the default's; corpora that are named with a directory of their own are added to
    the default's, or take their place.

    Args:
        texts: What was given, each a list with commas; None where nothing was.
        default: The same of the environment; where that is empty, `corpora`.
        known: Names that corpora have; None where any name may stand before `=`.

    Raises:
        CorpusError: A name is unknown or given twice, or a directory of a corpus's own is none.
    """
    own: dict[str, Path] = {}
    roots: list[Path] = []
    for given in ([default or "corpora"], list(texts or ())):
        named, others = _split(given, known)
        own |= named
        roots = others or roots
    for name, directory in own.items():
        if not directory.is_dir():
            raise CorpusError(f"{name}={directory} is no directory: give the one that holds {name}")
    return Corpora(tuple(dict.fromkeys(roots)) or (Path("corpora"),), own)


def _split(texts: Iterable[str], known: Iterable[str] | None) -> tuple[dict[str, Path], list[Path]]:
    own: dict[str, Path] = {}
    roots: list[Path] = []
    for text in (part for given in texts for part in _parts(given)):
        name, equals, directory = text.partition("=")
        if not equals or "/" in name or _is_directory(text):
            roots.append(paths.path(text))
            continue
        if known is not None and name not in known:
            raise CorpusError(unknown("corpus", name, known))
        if not directory or name in own:
            wrong = f"names {name} twice" if directory else "names no directory"
            raise CorpusError(f"{text} {wrong}: give {name}=DIR once, with the directory that holds {name}")
        own[name] = paths.path(directory)
    return own, roots


def _is_directory(text: str) -> bool:
    try:
        return paths.path(text).is_dir()
    except PermissionError:
        # Whoever uses it will be told; others have named directories of their own.
        return False


def _parts(text: str) -> list[str]:
    # A directory whose name has a comma is one.
    return [text] if _is_directory(text) else [part for part in text.split(",") if part]


def copies_below(root: Path, names: Sequence[str], copies: Callable[..., list[Path]]) -> list[Path]:
    """Directories of the copies of a corpus in a directory of corpora; that may be a copy itself.

    Where a folder bears one of the corpus's names, such folders count alone; otherwise all folders are looked into.

    Args:
        root: Of corpora.
        names: Of the corpus's own folder, in lower case, the best first.
        copies: Of the corpus's module.
    """
    named = [folder for name in names for folder in _children(root) if folder.name.lower() == name]
    found = [place for folder in named for place in copies(folder, own=True)]
    return list(dict.fromkeys(found)) or copies(root)


def first(root: Path, names: Sequence[str], copies: Callable[..., list[Path]]) -> Path | None:
    """The copy that counts, None where there is none; arguments as of `copies_below`."""
    return next(iter(copies_below(root, names, copies)), None)


def _children(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        # What is missing, is no directory, or may not be looked into holds nothing here.
        return []


def by_structure(directory: Path, holds: Callable[[Path], bool]) -> list[Path]:
    """The topmost folders, `directory` or such as are below it, that are a corpus's.

    Args:
        directory: Where the search begins.
        holds: Whether a folder is the corpus's, by what lies in it.
    """
    level, seen = [directory], 0
    for _ in range(DEEPEST):
        if found := [folder for folder in level if holds(folder)]:
            return found
        level = [folder for parent in level for folder in _children(parent)]
        seen += len(level)
        if seen > MOST_FOLDERS:
            break
    return []


@dataclass
class _Folder:
    path: Path
    keys: set[str] = field(default_factory=set)
    speakers: set[str] = field(default_factory=set)
    foreign: int = 0
    inner: list["_Folder"] = field(default_factory=list)

    @property
    def below(self) -> Iterator["_Folder"]:
        yield self
        for folder in self.inner:
            yield from folder.below

    @property
    def all_keys(self) -> set[str]:
        return set().union(*(folder.keys for folder in self.below))

    @property
    def all_speakers(self) -> set[str]:
        return set().union(*(folder.speakers for folder in self.below))

    @property
    def is_foreign(self) -> bool:
        """Whether most recordings are of something else."""
        return sum(folder.foreign for folder in self.below) > sum(len(folder.keys) for folder in self.below)


def by_names(
    directory: Path,
    parse: Callable[[str], Mapping[str, object]],
    key: Callable[[Path], str],
    passed_over: Callable[[str], bool] = lambda _: False,
) -> list[Path]:
    """The folders, `directory` or such as are below it, that each hold a copy of a corpus whose file names say everything.

    Of each copy it is the deepest folder that holds all of its recordings.  Folders side by side are two copies where each
    holds several speakers, and both hold a recording of one name; otherwise they are parts of one.

    Args:
        directory: Where the search begins.
        parse: Of the corpus: from a key to its fields; raises ValueError where it means nothing.
        key: Of the corpus: from a recording's path to its key.
        passed_over: Whether a recording of this name counts for nothing.
    """
    top = _walk(directory, parse, key, passed_over)
    return [folder.path for folder in _copies(top) if not folder.is_foreign]


def _copies(folder: _Folder) -> list[_Folder]:
    holding = [inner for inner in folder.inner if inner.all_keys]
    if folder.keys or not holding:
        return [folder] if folder.keys else []
    if len(holding) == 1:
        return _copies(holding[0])
    whole = all(len(inner.all_speakers) > 1 for inner in holding)
    alike = sum(len(inner.all_keys) for inner in holding) > len(folder.all_keys)
    return [copy for inner in holding for copy in _copies(inner)] if whole and alike else [folder]


def _walk(
    directory: Path,
    parse: Callable[[str], Mapping[str, object]],
    key: Callable[[Path], str],
    passed_over: Callable[[str], bool],
) -> _Folder:
    """What lies in a directory and below it: breadth first, with links followed, within the limits."""
    top = _Folder(directory)
    level, seen = [top], 0
    for _ in range(DEEPEST + 1):
        for folder in level:
            for entry in _entries(folder.path):
                if entry.name.lower().endswith(".wav"):
                    if not passed_over(entry.name):
                        _count(folder, Path(entry.path), parse, key)
                elif seen < MOST_FOLDERS and _is_folder(entry):
                    folder.inner.append(_Folder(Path(entry.path)))
                    seen += 1
        level = [inner for folder in level for inner in folder.inner]
    return top


def _count(folder: _Folder, file: Path, parse: Callable[[str], Mapping[str, object]], key: Callable[[Path], str]) -> None:
    name = key(file)
    try:
        folder.speakers.add(str(parse(name)["speaker"]))
        folder.keys.add(name)
    except ValueError:
        folder.foreign += 1


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError:
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
