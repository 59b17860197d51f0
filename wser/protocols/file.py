"""A split from a file: of an earlier run, or published by somebody else.

`protocol.file=runs/demo-row_svm-loso-1a2b3c4d5e6f/split.json`, the directory of that run, or any JSON of the form

    {"speakers": "disjoint", "folds": [{"train": ["03a01Fa", ...], "validation": [...], "test": [...]}, ...]}

gives the same folds again.  `speakers` promises `disjoint` sets (also where it is missing), or says that they may be `shared`;
the list of folds may stand alone.  A fold without validation set has one cut from its training set.

`protocol.file=EmoBox/data/ravdess`, a folder of EmoBox (Ma et al. 2024, arXiv 2406.07162), has the folders `fold_1`, `fold_2`
and so on, each with files such as `ravdess_train_fold_1.jsonl` and `ravdess_test_fold_1.jsonl`, and sometimes `..._valid_...`.
Each line is an object, of which `wav` (`audio` in older files) counts: its file name without ending is the utterance's key.
`emodb/fold_1` and so on hold each set twice, as `emodb_test_fold_1.jsonl` and, older, as `emodb_test_fold1.jsonl`, with the
same utterances; where two files of a set disagree they are refused.  EmoBox does not say whether its speakers are disjoint:
those of IEMOCAP, RAVDESS and SAVEE are; EmoDB, CREMA-D and TESS are drawn at random: give protocol.speakers=shared there.

Utterances that the file does not name are left out; those that it names and the label map drops are ignored.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NotRequired, TypedDict

import numpy as np

from precompute.common.errors import counted, few
from precompute.common.reading import LARGEST_JSON, UnreadableError, given, parse_json, typed
from precompute.common.settings import setting
from wser.config.schema import ProtocolConfig
from wser.data.dataset import Example
from wser.protocols import BaseProtocol, HeldOut, ProtocolError

PARTS = ("train", "validation", "test")
REMEDY = 'write it as in {"speakers": "disjoint", "folds": [{"train": [keys], "test": [keys]}]}'


@dataclass(frozen=True)
class SplitFile:
    """Content of a split file.

    Attributes:
        speakers: `disjoint`, or `shared` where sets may have speakers in common.
        folds: Keys of each set of each fold.
    """

    speakers: str
    folds: list[dict[str, frozenset[str]]]


@dataclass
class Config(ProtocolConfig):
    """What the protocol reads.

    Attributes:
        file: Split to read: a split.json, or EmoBox's folder of a corpus.
        speakers: Whether training and test sets may share speakers: `disjoint` refuses this, `shared` allows it, `auto` follows
            the file, and refuses it if the file does not say.
    """

    file: str | None = setting(None, text=True, hashed=False, path=True)
    speakers: Literal["auto", "disjoint", "shared"] = setting("auto", hashed=False)


class Protocol(BaseProtocol[Config]):
    """The folds of `protocol.file`; whether speakers are disjoint is for the file, or `protocol.speakers`, to say."""

    title = "A split from a file: of an earlier run, or published by somebody else"
    own_keys = frozenset({"file", "speakers"})

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        if config.file is None:
            raise ProtocolError("protocol=file needs the file of a split: give protocol.file=PATH, as of a run's split.json")
        self.path = Path(config.file)
        self.published = read(self.path)
        speakers = self.published.speakers if config.speakers == "auto" else config.speakers
        self.speaker_independent = speakers == "disjoint"

    def held_out(self, examples: Sequence[Example], rng: np.random.Generator) -> Iterator[HeldOut]:  # noqa: ARG002
        """Test, validation and unnamed utterances of each fold of the file."""
        places = {_composed(example.key): i for i, example in enumerate(examples)}
        self._check_keys(places)
        for fold in self.published.folds:
            train, validation, test = ({places[key] for key in map(_composed, fold[part]) if key in places} for part in PARTS)
            left_out = set(range(len(examples))) - train - validation - test
            yield HeldOut(test, validation or None, left_out)

    def _check_keys(self, places: Mapping[str, int]) -> None:
        named = {_composed(key) for fold in self.published.folds for keys in fold.values() for key in keys}
        if foreign := sorted(named - places.keys() - {*map(_composed, self.dropped)}):
            raise ProtocolError(
                f"{self.path} names {_listed(foreign, 'utterance')} that the corpus lacks, whose keys are like "
                f"{min(places, default='none')}: give the corpus that the split was made for"
            )


def _composed(key: str) -> str:
    """A key in the composed form of its accents, since files of names come from machines of either form."""
    return unicodedata.normalize("NFC", key)


def read(path: Path) -> SplitFile:
    """Read a split file, or EmoBox's folder of a corpus, and check all that can be said without the corpus.

    Raises:
        ProtocolError: It is missing or malformed, a fold has no training or test set, or an utterance is in two sets.
    """
    if not path.exists():
        raise ProtocolError(
            f"protocol.file={path} does not exist: give the path of a split.json, or EmoBox's folder of a corpus"
        )
    if (path / "split.json").is_file():
        path = path / "split.json"
    speakers, folds = ("disjoint", _read_emobox(path)) if path.is_dir() else _read_json(path)
    if not folds:
        raise ProtocolError(f"{path} has no folds: {REMEDY}")
    for part in ("train", "test"):
        if empty := [str(number) for number, fold in enumerate(folds) if not fold.get(part)]:
            raise ProtocolError(
                f"{path} has no {part} set in {_listed(empty, 'fold')}: name its utterances, or remove the fold"
            )
    filled = [{part: frozenset(fold.get(part, ())) for part in PARTS} for fold in folds]
    for number, fold in enumerate(filled):
        for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
            if twice := sorted(fold[first] & fold[second]):
                raise ProtocolError(
                    f"{path} has {_listed(twice, 'utterance')} in {first} and {second} of fold {number}: leave each in one set"
                )
    return SplitFile(speakers, filled)


class _Split(TypedDict):
    folds: list[dict[str, list[str]]]
    speakers: NotRequired[Literal["disjoint", "shared"]]


def _read_json(path: Path) -> tuple[str, list[dict[str, list[str]]]]:
    content = _parse(path, _read(path))
    record = content if isinstance(content, dict) else {"folds": content}
    try:
        split = typed(record, _Split)
    except UnreadableError as error:
        raise ProtocolError(f"{path} is not a split ({error}): {REMEDY}") from None
    folds = split["folds"]
    if foreign := sorted({part for fold in folds for part in fold} - set(PARTS)):
        raise ProtocolError(f"{path} has {_listed(foreign, 'set')} of another name: call the sets {', '.join(PARTS)}")
    return split.get("speakers", "disjoint"), folds


EMOBOX_PARTS = {"train": "train", "valid": "validation", "test": "test"}
MISNAMED = {"OA_bite_neutral": "OAF_bite_neutral"}
"""Files that a release misnames, as TESS's does one, and the keys of their utterances."""


def _read_emobox(path: Path) -> list[dict[str, list[str]]]:
    folders = [(int(match[1]), folder) for folder in path.iterdir() if (match := re.fullmatch(r"fold_(\d+)", folder.name))]
    if not folders:
        raise ProtocolError(
            f"{path} has no folders fold_1, fold_2, ...: give EmoBox's folder of one corpus, as in EmoBox/data/emodb"
        )
    return [_read_emobox_fold(folder) for _, folder in sorted(folders)]


def _read_emobox_fold(folder: Path) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = {}
    for file in sorted(folder.glob("*.jsonl")):
        if match := re.fullmatch(r".+_(train|valid|test)(_fold_?\d+)?", file.stem):
            part = EMOBOX_PARTS[match[1]]
            keys = [_emobox_key(file, number, line) for number, line in enumerate(_read(file).splitlines(), 1) if line.strip()]
            if other := sorted({*keys} ^ {*parts.get(part, keys)}):
                raise ProtocolError(
                    f"{folder} has two files of its {match[1]} set, of which {file.name} is one, and they differ in "
                    f"{_listed(other, 'utterance')}: remove one of them"
                )
            parts[part] = keys
    return parts


class _Line(TypedDict, total=False):
    wav: str | None
    audio: str | None


def _emobox_key(file: Path, number: int, line: bytes) -> str:
    where = f"{file}, line {number},"
    try:
        record = typed(_parse(where, line), _Line)
    except UnreadableError:
        record = {}
    if not (audio := record.get("wav") or record.get("audio")):
        raise ProtocolError(f'{where} names no recording: write it as in {{"wav": "downloads/emodb/wav/03a01Fa.wav"}}')
    name = PurePosixPath(audio).stem
    return MISNAMED.get(name, name)


def _read(path: Path) -> bytes:
    try:
        return given(path, LARGEST_JSON)
    except (OSError, UnreadableError) as error:
        raise ProtocolError(f"{path} cannot be read ({error}): give the path of a split.json") from None


def _parse(where: Path | str, text: bytes) -> Any:
    try:
        return parse_json(text)
    except UnreadableError as error:
        raise ProtocolError(f"{where} is not JSON ({error}): {REMEDY}, or give EmoBox's folder of a corpus") from None


def _listed(names: Sequence[str], what: str) -> str:
    """Number and first few of some names, as in `7 utterances (a, b, c and 4 more)`."""
    return f"{counted(len(names), what)} ({few(names, 3)})"
