"""Corpora: one file each, named as `--corpus` names it, with the same few names inside.

A corpus module defines

- `CORPUS`, a `Corpus`: origin, licence and published counts;
- `scan(directory)`, which lists the utterances under `directory` and the files it could not understand;
- `find(corpora)`, which gives the corpus's own directory under the directory of all corpora, or None;
- optionally `make(directory)`, for a corpus that is made on the spot.

Where a corpus can be downloaded, `CORPUS.downloads` says from where; `precompute.fetch` does it.
"""

import importlib
import pkgutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import ModuleType
from urllib.parse import urlsplit

from precompute.errors import CorpusError, unknown
from precompute.layout import Skipped, Utterance, printable

EMOTIONS = (
    "angry", "bored", "calm", "contempt", "disgusted", "excited", "fearful", "frustrated", "happy", "neutral",
    "other", "sad", "surprised", "unknown",
)  # fmt: skip
"""The vocabulary of emotions: Ekman's six, and what the corpora add to them. Each corpus's own label is kept beside."""


@dataclass(frozen=True)
class Scan:
    """What a corpus found: its utterances sorted by key, and the files it could not understand."""

    utterances: tuple[Utterance, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class Download:
    """A zip archive that the publisher of a corpus offers; it unpacks into the corpus's directory.

    Attributes:
        url: Where it is.
        size: In bytes; None where it is not known.
        checksum: Algorithm and value, as in `md5:0123...`; None where none is published.
        source: Where size and checksum are published, or what is known instead.
    """

    url: str
    size: int | None
    checksum: str | None
    source: str

    @property
    def file(self) -> str:
        """Name of the archive."""
        return PurePosixPath(urlsplit(self.url).path).name


@dataclass(frozen=True)
class Corpus:
    """What is published about a corpus.

    Attributes:
        name: Name on the command line; the module's file name.
        title: Name in full.
        licence: Licence or terms of use.
        source: Where to get it.
        doi: Of the publication that describes it.
        speakers: Published number of speakers.
        emotions: Published number of utterances of each emotion.
        usual_place: Where the recordings lie under the directory of corpora.
        synthetic: True where no human spoke; results say so.
        downloads: Archives that together hold the corpus; empty where it has to be applied for, or is made on the spot.
        content: SHA-256 of the lines `<SHA-256 of the recording>  <key>` of all recordings in the order of their keys, by
            which a download is compared with the copy that was examined; empty where it is not known.
    """

    name: str
    title: str
    licence: str
    source: str
    doi: str
    speakers: int
    emotions: dict[str, int] = field(hash=False)
    usual_place: str
    synthetic: bool = False
    downloads: tuple[Download, ...] = ()
    content: str = ""

    @property
    def files(self) -> int:
        """Published number of utterances."""
        return sum(self.emotions.values())


def names() -> list[str]:
    """Names of all corpora, sorted: the files of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> ModuleType:
    """The module of one corpus.

    Raises:
        CorpusError: There is no such corpus; the message names the choices and the nearest.
    """
    if name not in names():
        raise CorpusError(unknown("corpus", name, [*names(), "all"]))
    return importlib.import_module(f"{__name__}.{name}")


def scan_names(directory: Path, files: Iterable[Path], parse: Callable[[str], dict[str, str | None]]) -> Scan:
    """List the utterances of a corpus whose file names say everything.

    Files that share a stem are one recording laid out twice (as in Kaggle's RAVDESS); the largest counts, since a copy that
    broke off is smaller, and of equals the one with the shortest path.

    Args:
        directory: The corpus's directory.
        files: Recordings under it.
        parse: From a file's stem to the fields of `Utterance` except key and path; raises ValueError with the reason
            where the name means nothing.
    """
    found: dict[str, Utterance] = {}
    skipped = []
    for file in sorted(files, key=lambda file: (-_size(file), len(file.parts), file)):
        path = file.relative_to(directory).as_posix()
        try:
            fields = parse(file.stem)
        except ValueError as error:
            skipped.append(Skipped(printable(path), f"the name does not parse: {printable(str(error))}"))
            continue
        found.setdefault(file.stem, Utterance(key=file.stem, path=path, **fields))  # type: ignore[arg-type]
    return Scan(tuple(found[key] for key in sorted(found)), tuple(skipped))


def child(corpora: Path, *names: str) -> Path | None:
    """The folder of `corpora` that has one of the given names, whatever its case; None where there is none."""
    if not corpora.is_dir():
        return None
    return next((folder for folder in sorted(corpora.iterdir()) if folder.name.lower() in names and folder.is_dir()), None)


def recordings(directory: Path, pattern: str) -> list[Path]:
    """Files under `directory` that match a glob on `.wav`, in either case, without macOS's `._` companions."""
    pattern = pattern.replace(".wav", ".[wW][aA][vV]")
    files = (file for file in directory.glob(pattern) if not file.name.startswith("."))
    # A link to nowhere is a recording that cannot be read, and is reported as such.
    return [file for file in files if file.is_file() or file.is_symlink()]


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else -1


def compare_with_published(corpus: Corpus, utterances: Iterable[Utterance]) -> list[str]:
    """Differences between what was found and what is published, one phrase each; empty where there are none."""
    utterances = list(utterances)
    speakers = len({utterance.speaker for utterance in utterances})
    counts = Counter(utterance.emotion for utterance in utterances)
    pairs = [("utterances", len(utterances), corpus.files), ("speakers", speakers, corpus.speakers)]
    pairs += [
        (f"'{emotion}'", counts[emotion], corpus.emotions.get(emotion, 0)) for emotion in sorted({*counts, *corpus.emotions})
    ]
    return [
        f"{what}: {found} found, {published} published ({abs(found - published)} {'missing' if found < published else 'extra'})"
        for what, found, published in pairs
        if found != published
    ]
