"""Corpora: one file each, named as `--corpus` names it, with the same few names inside.

A corpus module defines

- `CORPUS`, a `Corpus`: origin, licence and published counts;
- `scan(directory)`, which lists the utterances under `directory` and the files it could not understand;
- `NAMES`, names of its folder in lower case, the best first;
- `copies(directory, own=False)`, which gives the folders that each hold a copy of it, `directory` or folders below it;
  `own` says that `directory` is the corpus's, so that what cannot be understood there is reported, and not ignored;
- `find(corpora)`, which gives the corpus's own directory under the directory of all corpora, or None;
- `parse(stem)`, which gives what the name of a recording says;
- optionally `make(directory)`, for a corpus that is made on the spot.

Where a corpus can be downloaded, `CORPUS.downloads` says from where; `precompute.corpora._download` does it.

The docstring has a paragraph each that begins with "Origin:", "Layout:" and, where there are any, "Quirks:";
`docs/corpora.md` is made from it and from `CORPUS` (`python -m precompute --markdown`).
"""

import hashlib
import os
import shlex
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from precompute.cache.layout import Skipped, Utterance, printable
from precompute.common import plugins
from precompute.common.errors import CorpusError, UnknownCorpusError, counted, did_you_mean, few
from precompute.common.errors import unknown as unknown

EMOTIONS = (
    "angry", "bored", "calm", "contempt", "disgusted", "excited", "fearful", "frustrated", "happy", "neutral",
    "other", "sad", "surprised", "unknown",
)  # fmt: skip
"""The vocabulary of emotions: Ekman's six, and what the corpora add to them. Each corpus's own label is kept beside."""

ALIKE = 0.75
"""Likeness of a word to one of them from which on it may be misspelt."""


def meant(word: str) -> str:
    """The emotion of the vocabulary that a word which is none may be meant for, as the end of a message; or nothing."""
    return did_you_mean(word, EMOTIONS, ALIKE)


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
        most: Bytes that are taken from a server at most where the size is not known.
    """

    url: str
    size: int | None
    checksum: str | None
    source: str
    most: int = 10**9

    @property
    def file(self) -> str:
        """Name of the archive."""
        return PurePosixPath(urlsplit(self.url).path).name

    @property
    def limit(self) -> int:
        """Bytes that it may have."""
        return self.most if self.size is None else self.size


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
        women: Published number of women among the speakers; the others are men.
        keys: Published keys of the utterances, where their names follow a rule; empty where they do not.
        by_speaker: Published number of utterances of each speaker; empty where none is published.
        downloads: Archives that together hold the corpus; empty where it has to be applied for, or is made on the spot.
        same_speakers_as: Name of the corpus whose speakers are the same people under the same names; empty where there is none.
        content: SHA-256 of the lines `<SHA-256 of the recording>  <key>` of all recordings in the order of their keys, by
            which a download is compared with the copy that was examined; empty where it is not known.
        faults: What the publisher or users report of single recordings, by key: a recording that cannot be used is then not
            a fault of your copy.
        table: The table that lists it, as its path was given; empty where a module does.
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
    women: int | None = None
    keys: frozenset[str] = field(default=frozenset(), hash=False, repr=False)
    by_speaker: dict[str, int] = field(default_factory=dict, hash=False, repr=False)
    downloads: tuple[Download, ...] = ()
    same_speakers_as: str = ""
    content: str = ""
    faults: dict[str, str] = field(default_factory=dict, hash=False, repr=False)
    table: str = ""

    @property
    def is_published(self) -> bool:
        """Whether anything is published about it: not of a corpus that a table lists."""
        return not self.table

    @property
    def files(self) -> int:
        """Published number of utterances."""
        return sum(self.emotions.values())


def names() -> list[str]:
    """Names of all corpora, sorted: the files of this folder, and those that are installed."""
    return plugins.names(__name__)


def load(name: str) -> ModuleType:
    """The module of one corpus, by its name or by the path of its file.

    Raises:
        CorpusError: There is no such corpus; the message names the choices and the nearest.
    """
    if os.path.lexists(name) and not plugins.is_path(name) and name not in plugins.names(__name__):
        table = f"table --table {shlex.quote(name)} --name NAME"
        raise UnknownCorpusError(f"{name} is not a corpus, but a path: for a table of recordings, give {table}")
    return plugins.load(__name__, name, "corpus", UnknownCorpusError)


def stem(file: Path) -> str:
    """The name of a file without its suffix, which is the key of most utterances."""
    return file.stem


def scan_names(
    directory: Path, files: Iterable[Path], parse: Callable[[str], dict[str, Any]], key: Callable[[Path], str] = stem
) -> Scan:
    """List the utterances of a corpus whose file names say everything.

    Files that share a key are one recording that is there twice (as in Kaggle's RAVDESS); the largest counts, since an
    incomplete copy is smaller, and of several as large the one with the shortest path.

    Args:
        directory: The corpus's directory.
        files: Recordings under it.
        parse: From a key to the other fields of `Utterance`, except path; raises ValueError with the reason where the
            name means nothing.
        key: From a recording's path to its key.
    """
    utterances: dict[str, Utterance] = {}
    skipped = []
    for file in sorted(files, key=lambda file: (-_size(file), len(file.parts), file.parts)):
        path = file.relative_to(directory).as_posix()
        # macOS writes accents apart from their letters.
        name = unicodedata.normalize("NFC", key(file))
        try:
            fields = parse(name)
        except ValueError as error:
            skipped.append(Skipped(printable(path), f"the name does not parse: {printable(str(error))}"))
            continue
        utterances.setdefault(name, Utterance(key=name, path=path, **fields))
    return Scan(tuple(utterances[name] for name in sorted(utterances)), tuple(sorted(skipped, key=lambda file: file.path)))


def child(corpora: Path, name: str) -> Path | None:
    """The folder of `corpora` that has a name, whatever its case; None where there is none."""
    if not corpora.is_dir():
        return None
    return next((folder for folder in sorted(corpora.iterdir()) if folder.name.lower() == name and folder.is_dir()), None)


def names_in(folder: Path) -> list[str]:
    """Names in a folder, sorted, without those that begin with a dot (macOS's `._` companions); none where it is missing."""
    try:
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []


def recordings(directory: Path, pattern: str) -> list[Path]:
    """What matches a glob on `.wav` under `directory`, in either case, without macOS's `._` companions."""
    pattern = pattern.replace(".wav", ".[wW][aA][vV]")
    # A link to nowhere, a folder or a pipe of such a name is a recording that cannot be read, and is reported as such.
    return [file for file in directory.glob(pattern) if not file.name.startswith(".")]


def recordings_below(directory: Path, levels: int = 3) -> list[Path]:
    """Recordings in `directory` and its folders, down to a number of levels; the same ones as of `recordings`."""
    return [file for level in range(levels + 1) for file in recordings(directory, "*/" * level + "*.wav")]


def _size(file: Path) -> int:
    try:
        status = file.stat()
    except OSError:
        return -1
    return status.st_size if stat.S_ISREG(status.st_mode) else -1


def require_utterances(corpus: Corpus, directory: Path, scan: Scan) -> None:
    """Refuse a corpus of which nothing was found that can be used.

    Raises:
        CorpusError: There is no utterance; the message gives the first file that was skipped, and why.
    """
    if not scan.utterances:
        example = "".join(f", such as {file.path}: {file.reason}" for file in scan.skipped[:1])
        raise CorpusError(
            f"{directory} holds no recording of {corpus.name} that can be used "
            f"({counted(len(scan.skipped), 'file')} skipped{example}): place them as {corpus.usual_place}"
        )


def compare_with_published(corpus: Corpus, utterances: Iterable[Utterance]) -> list[str]:
    """Differences between what was found and what is published, one phrase each; empty where there are none."""
    utterances = list(utterances)
    return [*_counts(corpus, utterances), *_speakers(corpus, utterances), *_names(corpus, utterances), *_cut(utterances)]


def compare_with_known(corpus: Corpus, recordings: Iterable[tuple[str, str]]) -> list[str]:
    """The difference between the content found and the known one (`Corpus.content`), one phrase; empty where there is none.

    Args:
        corpus: Nothing is compared where its content is not known.
        recordings: Key of each utterance and SHA-256 of its recording, in the order of the keys.
    """
    if not corpus.content or (actual := content(recordings)) == corpus.content:
        return []
    return [f"the content of the recordings: {actual} found, {corpus.content} known"]


def content(recordings: Iterable[tuple[str, str]]) -> str:
    """What identifies the content of recordings, see `Corpus.content`; arguments as of `compare_with_known`."""
    lines = hashlib.sha256()
    for key, digest in recordings:
        lines.update(f"{digest}  {key}\n".encode())
    return lines.hexdigest()


def why_unusable(corpus: Corpus, path: str, reason: str) -> str:
    """Why a recording is not used, with what is known of it in every copy.

    Args:
        corpus: Whose it is.
        path: Of the recording; its file name without ending is its key.
        reason: Why it is not used.
    """
    known = corpus.faults.get(PurePosixPath(path).stem)
    return f"{reason} (known of the release: {known})" if known else reason


def _counts(corpus: Corpus, utterances: list[Utterance]) -> list[str]:
    speakers = len({utterance.speaker for utterance in utterances})
    counts = Counter(utterance.emotion for utterance in utterances)
    pairs = [("utterances", len(utterances), corpus.files), ("speakers", speakers, corpus.speakers)]
    pairs += [
        (f"'{emotion}'", counts[emotion], corpus.emotions.get(emotion, 0)) for emotion in sorted({*counts, *corpus.emotions})
    ]
    return [
        f"{what}: {count} found, {published} published ({abs(count - published)} {'missing' if count < published else 'extra'})"
        for what, count, published in pairs
        if count != published
    ]


def _speakers(corpus: Corpus, utterances: list[Utterance]) -> list[str]:
    if not corpus.by_speaker:
        return []
    counts = Counter(utterance.speaker for utterance in utterances)
    wrong = [
        f"{speaker} has {counts[speaker]} instead of {corpus.by_speaker.get(speaker, 0)}"
        for speaker in sorted({*counts, *corpus.by_speaker})
        if counts[speaker] != corpus.by_speaker.get(speaker, 0)
    ]
    return [f"utterances of single speakers: {few(wrong)}"] if wrong else []


def _names(corpus: Corpus, utterances: list[Utterance]) -> list[str]:
    if not corpus.keys:
        return []
    keys = {utterance.key for utterance in utterances}
    missing, extra = sorted(corpus.keys - keys), sorted(keys - corpus.keys)
    kinds = (("published but not found", missing), ("found but not published", extra))
    return [f"{kind}: {few(names)}" for kind, names in kinds if names]


def _cut(utterances: list[Utterance]) -> list[str]:
    # A corpus that is all cut from longer recordings is so on purpose; single ones are a surprise.
    cut = [utterance.key for utterance in utterances if utterance.begin is not None]
    if not cut or len(cut) == len(utterances):
        return []
    return [f"cut from a longer recording, since their own is missing: {few(cut)}"]
