"""Where corpora are: in a given directory, or below a directory of corpora, recognised by the names of their recordings."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from precompute.common import paths
from precompute.common.errors import CorpusError, UnknownCorpusError, UsageError, unknown

DEEPEST = 6
"""Levels of folders that a search looks into."""

MOST_FOLDERS = 5000
"""Most folders that one search looks into, so that a search in an unrelated directory ends soon."""


@dataclass(frozen=True)
class Corpora:
    """Where corpora are.

    Attributes:
        roots: Directories that hold corpora, searched in order; at least one.
        own: Directory of each corpus for which one was given.
    """

    roots: tuple[Path, ...]
    own: dict[str, Path] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """Where new corpora are placed."""
        return self.roots[0]

    def places(self, module: ModuleType) -> list[Path]:
        """Directories of the copies of a corpus, the one that is used first; empty where there is none.

        Args:
            module: The corpus.

        Raises:
            CorpusError: A directory was given for it, and the corpus is not there.
        """
        name = module.CORPUS.name
        if name not in self.own:
            return [place for root in self.roots for place in copies_below(root, module.NAMES, module.copies)]
        directory = self.own[name]
        copies: list[Path] = module.copies(directory, own=True)
        if not copies:
            usual = module.CORPUS.usual_place.partition("/")[2]
            raise CorpusError(f"{directory} does not contain {name}: give the directory in which its recordings are {usual}")
        return copies

    def find(self, module: ModuleType) -> Path | None:
        """The directory of a corpus, None where it is not found; errors as in `places`."""
        return next(iter(self.places(module)), None)

    def recording(self, name: str, path: str) -> Path | None:
        """A recording of a corpus by its path in it, None where it is not found.

        Args:
            name: Of the corpus, which may be one that a table lists.
            path: Relative to the corpus's directory.
        """
        usual = [place for root in self.roots for place in (root / name, root, *_children(root))]
        places = [self.own[name], *_children(self.own[name])] if name in self.own else usual
        return next((place / path for place in places if (place / path).is_file()), None)

    def __str__(self) -> str:
        """As written on a command line."""
        return ",".join([*(f"{name}={directory}" for name, directory in self.own.items()), *map(str, self.roots)])


def parse(texts: Iterable[str] | None, default: str, known: Iterable[str] | None = None) -> Corpora:
    """Where corpora are, from the text of a command line or the environment: `/data/corpora`, or `ravdess=/a,emodb=/b,/rest`.

    A directory of corpora replaces that of the default; directories of single corpora are added to those of the default, or
    replace them.

    Args:
        texts: Lists with commas; None where nothing was given.
        default: The list in the environment; `corpora` where that is empty.
        known: Names of corpora; None where any name is allowed before `=`.

    Raises:
        CorpusError: A name is unknown or given twice, or the directory of a single corpus does not exist.
    """
    own: dict[str, Path] = {}
    roots: list[Path] = []
    for source in ([default or "corpora"], list(texts or ())):
        named, others = _split(source, known)
        own |= named
        roots = others or roots
    for name, directory in own.items():
        if not directory.is_dir():
            raise CorpusError(f"{name}={directory} is not a directory: give the one that contains {name}")
    return Corpora(tuple(dict.fromkeys(roots)) or (Path("corpora"),), own)


def _split(texts: Iterable[str], known: Iterable[str] | None) -> tuple[dict[str, Path], list[Path]]:
    own: dict[str, Path] = {}
    roots: list[Path] = []
    for text in (part for option in texts for part in _parts(option)):
        name, equals, directory = text.partition("=")
        if not equals or "/" in name or _is_directory(text):
            roots.append(paths.path(text))
            continue
        if known is not None and name not in known:
            raise UnknownCorpusError(unknown("corpus", name, known))
        if not directory or name in own:
            wrong = f"names {name} twice" if directory else "names no directory"
            raise UsageError(f"{text} {wrong}: give {name}=DIR once, with the directory that contains {name}")
        own[name] = paths.path(directory)
    return own, roots


def _is_directory(text: str) -> bool:
    try:
        return paths.path(text).is_dir()
    except PermissionError:
        # The error is raised where the directory is used.
        return False


def _parts(text: str) -> list[str]:
    # An existing directory may have a comma in its name.
    return [text] if _is_directory(text) else [part for part in text.split(",") if part]


def copies_below(root: Path, names: Sequence[str], copies: Callable[..., list[Path]]) -> list[Path]:
    """Directories of the copies of a corpus in a directory of corpora, which may be a copy itself.

    If folders have one of the corpus's names, only these are searched; otherwise all folders are.

    Args:
        root: Of corpora.
        names: Of the corpus's own folder, in lower case, the best first.
        copies: Of the corpus's module.
    """
    named = [folder for name in names for folder in _children(root) if folder.name.lower() == name]
    places = [place for folder in named for place in copies(folder, own=True)]
    return list(dict.fromkeys(places)) or copies(root)


def first(root: Path, names: Sequence[str], copies: Callable[..., list[Path]]) -> Path | None:
    """The copy that is used, None where there is none; arguments as of `copies_below`."""
    return next(iter(copies_below(root, names, copies)), None)


def _children(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        # A directory that is missing or may not be read counts as empty.
        return []


def by_structure(directory: Path, holds: Callable[[Path], bool]) -> list[Path]:
    """The topmost folders, `directory` or below it, that contain a corpus.

    Args:
        directory: Where the search begins.
        holds: Whether a folder contains the corpus.
    """
    level, seen = [directory], 0
    for _ in range(DEEPEST):
        if matching := [folder for folder in level if holds(folder)]:
            return matching
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
    unknown: int = 0
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
    def is_other(self) -> bool:
        """Whether most recordings are not of the corpus."""
        return sum(folder.unknown for folder in self.below) > sum(len(folder.keys) for folder in self.below)


def by_names(
    directory: Path,
    parse: Callable[[str], Mapping[str, object]],
    key: Callable[[Path], str],
    passed_over: Callable[[str], bool] = lambda _: False,
) -> list[Path]:
    """The folders, `directory` or below it, that each contain a copy of a corpus whose file names say everything.

    For each copy this is the deepest folder with all of its recordings.  Folders side by side are two copies if each has
    several speakers and both have a recording of the same name; otherwise they are parts of one copy.

    Args:
        directory: Where the search begins.
        parse: Of the corpus: from a key to its fields; raises ValueError for a key of another corpus.
        key: Of the corpus: from a recording's path to its key.
        passed_over: Whether a recording of this name is ignored.
    """
    top = _walk(directory, parse, key, passed_over)
    return [folder.path for folder in _copies(top) if not folder.is_other]


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
    """The folders in a directory and below it: breadth first, following links, within the limits."""
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
        folder.unknown += 1


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
