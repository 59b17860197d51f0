"""Protocols: how utterances are held out.  One file each, named as `protocol=` names it, with a class `Protocol`.

A protocol yields the test set of each fold; the base class takes the complement and holds out the validation set from it, so
that sets cannot overlap.  A published split may name its validation set too, and leave utterances out: the training set is
still the rest.
"""

import itertools
import json
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from precompute.common import canonical, plugins
from precompute.common.errors import WserError
from precompute.common.errors import unknown as unknown
from precompute.common.reading import LARGEST_JSON
from wser.config.schema import ProtocolConfig, Selection, choice
from wser.data.dataset import Example
from wser.data.recordings import double, relation

Settings = TypeVar("Settings", bound=ProtocolConfig)

INDENTED = 6
"""Bytes of a key's line in split.json besides the key: four spaces, a comma and the end of the line."""


class ProtocolError(WserError, ValueError):
    """A protocol is unknown, cannot be applied to a corpus, or a split breaks its promise."""


@dataclass(frozen=True)
class Fold:
    """One split; each set is a sorted tuple of indices into the examples.

    Attributes:
        number: From 0.
        train: Training set.
        validation: Validation set, which is held out from training to choose the epoch; empty with `selection=test`, and with
            `last` unless the split names it.
        test: Test set.
    """

    number: int
    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]


@dataclass(frozen=True)
class HeldOut:
    """What a protocol keeps from training in one fold, as indices into the examples.

    Attributes:
        test: The test set.
        validation: The validation set if the split names one; None lets the base class hold one out from training.
        left_out: In none of the sets.
    """

    test: Set[int]
    validation: Set[int] | None = None
    left_out: Set[int] = frozenset()


class BaseProtocol(ABC, Generic[Settings]):
    """Makes folds of examples.

    Attributes:
        title: How utterances are held out, in a line without a full stop, as reports say it; without one they have the name.
        speaker_independent: Whether no speaker may stand on both sides of a split.
        own_keys: Keys of its settings that the protocol reads, besides those of the validation set.
        dropped: Keys of the utterances that the label map leaves out, which are no examples.
    """

    title: str = ""
    speaker_independent: bool
    own_keys: Set[str] = frozenset()
    dropped: Set[str] = frozenset()

    def __init__(self, config: Settings) -> None:
        self.config = config

    @classmethod
    def reads(cls, corpora: Sequence[str]) -> Set[str]:  # noqa: ARG003
        """Keys of its settings that the protocol reads where these are the corpora of the run."""
        return cls.own_keys

    @abstractmethod
    def held_out(self, examples: Sequence[Example], rng: np.random.Generator) -> Iterator[HeldOut]:
        """What is kept from training in each fold, in order."""

    def folds(
        self, examples: Sequence[Example], selection: Selection = "validation", dropped: Set[str] = frozenset()
    ) -> list[Fold]:
        """All folds.

        Args:
            examples: In an order that does not change between runs.
            selection: With `validation` there is a validation set; with `last`, only where the split names one; with `test`
                there is none, and one that the split names stays in training.
            dropped: Keys of the utterances that the label map leaves out.

        Raises:
            ProtocolError: The protocol cannot be applied, a split shares speakers or recordings, or the record of the split
                would be larger than is read.
        """
        self.dropped = dropped
        folds, everything = [], list(range(len(examples)))
        listed, most = 0, _most_listed(examples)
        for number, held in enumerate(self.held_out(examples, np.random.default_rng([self.config.seed, 0]))):
            listed += len(examples) - len(held.left_out)
            if listed > most:
                raise ProtocolError(
                    f"{number + 1} folds of {len(examples)} utterances take more than {LARGEST_JSON} bytes in split.json, and "
                    "there may be more: hold out groups, as with protocol=speaker_folds protocol.folds=10"
                )
            out = {*held.test, *held.left_out}
            # The same objects in every fold, of which there may be thousands.
            rest = [index for index in everything if index not in out]
            cut = frozenset() if selection == "test" or held.validation is None else held.validation
            if selection == "validation" and held.validation is None:
                cut = self._validation(examples, rest, np.random.default_rng([self.config.seed, 1, number]))
            train = tuple(index for index in rest if index not in cut)
            folds.append(Fold(number, train, tuple(sorted(cut)), tuple(sorted(held.test))))
        check(folds, examples, self.speaker_independent)
        return folds

    def _validation(self, examples: Sequence[Example], rest: list[int], rng: np.random.Generator) -> set[int]:
        fraction = self.config.validation_fraction
        if not self.speaker_independent:
            return stratified_part(rest, examples, fraction, rng)
        speakers = sorted({examples[i].speaker for i in rest})
        wanted = max(1, round(fraction * len(speakers)))
        if len(speakers) - wanted < 1:
            raise ProtocolError(
                f"{len(speakers)} training speakers leave none for training after {wanted} for validation: "
                "hold out fewer, or give protocol=speaker_dependent"
            )
        chosen = set(balanced_by_sex(speakers, examples, rng)[:wanted])
        return {i for i in rest if examples[i].speaker in chosen}


def _most_listed(examples: Sequence[Example]) -> float:
    """Number of keys that all folds may list together in a file that is read again."""
    mean = sum(len(json.dumps(example.key)) + INDENTED for example in examples) / max(1, len(examples))
    return LARGEST_JSON / max(1, mean)


def balanced_by_sex(speakers: Sequence[str], examples: Sequence[Example], rng: np.random.Generator) -> list[str]:
    """Speakers in random order, women and men in turn as far as they go."""
    sex = {example.speaker: example.sex or "" for example in examples}
    groups = defaultdict(list)
    for speaker in rng.permutation(sorted(speakers)).tolist():
        groups[sex[speaker]].append(speaker)
    ranked = [(rank, rng.random(), speaker) for group in groups.values() for rank, speaker in enumerate(group)]
    return [speaker for _, _, speaker in sorted(ranked)]


def stratified_part(indices: Sequence[int], examples: Sequence[Example], fraction: float, rng: np.random.Generator) -> set[int]:
    """A random part of some examples with about the same share of each class; doubles of a recording stay together.

    What has doubles brings them along, so that the share of a class can be larger.
    """
    by_class, doubles = defaultdict(list), defaultdict(list)
    for index in indices:
        by_class[examples[index].label].append(index)
        doubles[examples[index].recording].append(index)
    part: set[int] = set()
    held: Counter[int] = Counter()
    for label in sorted(by_class):
        members = rng.permutation(sorted(by_class[label])).tolist()
        wanted = max(1, round(fraction * len(members)))
        for index in members[:wanted]:
            if held[label] > wanted:
                break
            new = set(doubles[examples[index].recording]) - part
            part |= new
            held.update(examples[i].label for i in new)
    return part


REMEDIES = {
    "utterance": "leave it in one set",
    "recording": "remove its doubles from the corpus, or give a split with all of them in one set",
    "speaker": "give a split of disjoint speakers, or one that may share them: protocol=speaker_dependent, or protocol=file "
    "with protocol.speakers=shared",
}
"""Remedies for what two sets must not share."""


def check(folds: Sequence[Fold], examples: Sequence[Example], speaker_independent: bool) -> None:
    """Refuse a fold whose sets share an utterance, a recording or, if the protocol promises not to, a speaker.

    Raises:
        ProtocolError: They share one, which the message names, or the training or test set is empty.
    """
    kinds = [kind for kind in REMEDIES if kind != "speaker" or speaker_independent]
    numbers = {kind: numbered(_name(example, kind) for example in examples)[0] for kind in kinds}
    for fold in folds:
        parts = {"training": fold.train, "validation": fold.validation, "test": fold.test}
        for part in ("training", "test"):
            if not parts[part]:
                raise ProtocolError(
                    f"fold {fold.number} has no {part} set: use more speakers or utterances, or another protocol"
                )
        members = [np.array(part, np.int64) for part in parts.values()]
        for kind in kinds:
            held = np.zeros(len(examples), np.uint8)
            for bit, indices in enumerate(members):
                held[numbers[kind][indices]] |= 1 << bit
            if np.any(held & (held - 1)):
                _refuse(fold, parts, kind, examples)


def numbered(names: Iterable[str | None]) -> tuple[NDArray[np.int64], list[str]]:
    """A number for each of some names, the same for equal ones, -1 for None; and the names by number."""
    number_by_name: dict[str, int] = {}
    numbers = [-1 if name is None else number_by_name.setdefault(name, len(number_by_name)) for name in names]
    return np.array(numbers, np.int64), list(number_by_name)


def _refuse(fold: Fold, parts: dict[str, tuple[int, ...]], kind: str, examples: Sequence[Example]) -> None:
    """Name what two parts share, of which both may hold some that are not doubles of each other."""
    held = {part: {_name(examples[i], kind) for i in members} for part, members in parts.items()}
    for first, second in itertools.combinations(parts, 2):
        shared = [(f"{kind} {name}", "") for name in sorted(held[first] & held[second])]
        if kind == "recording" and shared:
            shared = _doubles(held[first] & held[second], examples, parts[first], parts[second])
        if shared:
            what, how = shared[0]
            others = f", and so are {len(shared) - 1} more" if len(shared) > 1 else ""
            raise ProtocolError(
                f"{what} is in the {first} and the {second} set of fold {fold.number}{how}{others}: {REMEDIES[kind]}"
            )


def _name(example: Example, kind: str) -> str:
    return {"utterance": example.key, "recording": example.recording, "speaker": example.speaker}[kind]


def _doubles(shared: Set[str], examples: Sequence[Example], *parts: Sequence[int]) -> list[tuple[str, str]]:
    """Of each recording in two sets, what a double in the first and a double in the second have in common, and how.

    Parts that touch count where one speaker speaks in both.  A recording is left out whose utterances are all doubles of one in
    neither set, and of none in the other.
    """
    members: list[dict[str, list[Example]]] = [defaultdict(list), defaultdict(list)]
    for side, part in zip(members, parts, strict=True):
        for example in (examples[i] for i in part):
            if example.recording in shared:
                side[example.recording].append(example)
    doubles = []
    for ours, theirs in ([side[name] for side in members] for name in sorted(shared)):
        if pair := _double(ours, theirs):
            what, how = relation(pair[0].origin, pair[1].origin)
            doubles.append((what, f", as {pair[0].key} and {pair[1].key} ({how})"))
    return doubles


def _double(ours: Sequence[Example], theirs: Sequence[Example]) -> tuple[Example, Example] | None:
    """An example of each set that are doubles, or parts of one recording that touch and have one speaker."""
    if places := double([example.origin for example in ours], [example.origin for example in theirs]):
        return ours[places[0]], theirs[places[1]]
    for speaker in sorted({example.speaker for example in ours} & {example.speaker for example in theirs}):
        here, there = ([example for example in side if example.speaker == speaker] for side in (ours, theirs))
        if places := double([example.origin for example in here], [example.origin for example in there], touching=True):
            return here[places[0]], there[places[1]]
    return None


def split_hash(folds: Sequence[Fold], examples: Sequence[Example]) -> str:
    """SHA-256 of a split: of each fold's sets as sorted keys."""
    return hash_of_keys(_each_as_keys(folds, examples))


def hash_of_keys(folds: Iterable[Any]) -> str:
    """The same of what `as_keys` gives, as results store it."""
    return canonical.digest({part: fold[part] for part in sorted(fold)} for fold in folds)


def as_keys(folds: Sequence[Fold], examples: Sequence[Example]) -> list[dict[str, list[str]]]:
    """The folds as lists of utterance keys, as results store them."""
    return list(_each_as_keys(folds, examples))


def _each_as_keys(folds: Sequence[Fold], examples: Sequence[Example]) -> Iterator[dict[str, list[str]]]:
    """The same one by one: all of them may be more than memory has room for."""
    order = sorted(range(len(examples)), key=lambda i: examples[i].key)
    rank, keys = np.empty(len(order), np.int64), np.empty(len(order), object)
    rank[order] = np.arange(len(order))
    keys[:] = [examples[i].key for i in order]
    for fold in folds:
        parts = {"train": fold.train, "validation": fold.validation, "test": fold.test}
        yield {part: keys[np.sort(rank[np.array(members, np.int64)])].tolist() for part, members in parts.items()}


def as_file(protocol: str, speaker_independent: bool, folds: Sequence[Fold], examples: Sequence[Example]) -> dict[str, Any]:
    """Content of a split file, which `protocol=file` reads again.

    Args:
        protocol: Name, for the record.
        speaker_independent: Whether the protocol promises disjoint speakers.
        folds: Of the split.
        examples: Of the folds.
    """
    speakers = "disjoint" if speaker_independent else "shared"
    return {"protocol": protocol, "speakers": speakers, "folds": as_keys(folds, examples)}


def names() -> list[str]:
    """Names of all protocols, sorted: the files of this folder, and those that are installed."""
    return plugins.names(__name__)


def protocol(name: str) -> type[BaseProtocol[Any]]:
    """The protocol of a name.

    Raises:
        ProtocolError: There is none of that name.
    """
    kind: type[BaseProtocol[Any]] = plugins.load(__name__, name, "protocol", ProtocolError).Protocol
    return kind


def config(name: str, **keys: Any) -> Any:
    """The settings of a protocol: its defaults, with some keys set.

    Raises:
        ConfigError: There is none of that name.
    """
    return choice("protocol", name)(name=name, **keys)


def load(config: ProtocolConfig) -> BaseProtocol[Any]:
    """The protocol that the configuration names.

    Raises:
        ProtocolError: There is none of that name, or it lacks a key that it needs.
    """
    return protocol(config.name)(config)
