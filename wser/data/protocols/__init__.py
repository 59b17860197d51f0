"""Protocols: how utterances are held out.  One file each, named as `protocol=` names it, with a class `Protocol`.

A protocol yields the held-out part of each fold; the base class takes the complement and cuts the validation part from it,
so that an overlap cannot be written.
"""

import hashlib
import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import rfc8785

from precompute.errors import WserError, unknown
from wser.config import ProtocolConfig
from wser.data.dataset import Example


class ProtocolError(WserError, ValueError):
    """A protocol is unknown, cannot be applied to a corpus, or a split breaks its promise."""


@dataclass(frozen=True)
class Fold:
    """One split; each part is a sorted tuple of indices into the examples.

    Attributes:
        number: From 0.
        train: On which weights are fitted.
        validation: Cut from training, for the choice of the epoch; empty with `selection=test`.
        test: Held out.
    """

    number: int
    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]


class BaseProtocol(ABC):
    """Makes folds of examples.

    Attributes:
        speaker_independent: Whether no speaker may stand on both sides of a split.
    """

    speaker_independent: bool

    def __init__(self, config: ProtocolConfig) -> None:
        self.config = config

    @abstractmethod
    def held_out(self, examples: Sequence[Example], rng: np.random.Generator) -> Iterator[set[int]]:
        """Indices of the test part of each fold, in order."""

    def folds(self, examples: Sequence[Example], validation: bool = True) -> list[Fold]:
        """All folds.

        Args:
            examples: In an order that does not change between runs.
            validation: Whether to cut a validation part from training.

        Raises:
            ProtocolError: The protocol cannot be applied, or a split shares speakers or recordings.
        """
        folds = []
        for number, test in enumerate(self.held_out(examples, np.random.default_rng([self.config.seed, 0]))):
            rest = sorted(set(range(len(examples))) - test)
            rng = np.random.default_rng([self.config.seed, 1, number])
            cut = self._validation(examples, rest, rng) if validation else set()
            train = tuple(index for index in rest if index not in cut)
            folds.append(Fold(number, train, tuple(sorted(cut)), tuple(sorted(test))))
        for fold in folds:
            check(fold, examples, self.speaker_independent)
        return folds

    def _validation(self, examples: Sequence[Example], rest: list[int], rng: np.random.Generator) -> set[int]:
        fraction = self.config.validation_fraction
        if not self.speaker_independent:
            return stratified_part([(i, examples[i].label) for i in rest], fraction, rng)
        speakers = sorted({examples[i].speaker for i in rest})
        wanted = max(1, round(fraction * len(speakers)))
        if len(speakers) - wanted < 1:
            raise ProtocolError(
                f"{len(speakers)} training speakers leave none after {wanted} for validation: "
                "hold out fewer, or give protocol=speaker_dependent"
            )
        chosen = set(balanced_by_sex(speakers, examples, rng)[:wanted])
        return {i for i in rest if examples[i].speaker in chosen}


def balanced_by_sex(speakers: Sequence[str], examples: Sequence[Example], rng: np.random.Generator) -> list[str]:
    """Speakers in random order, women and men in turn as far as they go."""
    sex = {example.speaker: example.sex or "" for example in examples}
    groups = defaultdict(list)
    for speaker in rng.permutation(sorted(speakers)).tolist():
        groups[sex[speaker]].append(speaker)
    ranked = [(rank, rng.random(), speaker) for group in groups.values() for rank, speaker in enumerate(group)]
    return [speaker for _, _, speaker in sorted(ranked)]


def stratified_part(items: Sequence[tuple[int, int]], fraction: float, rng: np.random.Generator) -> set[int]:
    """A random part of (index, class) pairs with about the same share of each class."""
    by_class = defaultdict(list)
    for index, label in items:
        by_class[label].append(index)
    part: set[int] = set()
    for label in sorted(by_class):
        members = rng.permutation(sorted(by_class[label])).tolist()
        part.update(members[: max(1, round(fraction * len(members)))])
    return part


def check(fold: Fold, examples: Sequence[Example], speaker_independent: bool) -> None:
    """Refuse a fold whose parts share an utterance, a recording or, where promised not to, a speaker.

    Raises:
        ProtocolError: They share one; the message names it.
    """
    parts = {"training": fold.train, "validation": fold.validation, "test": fold.test}
    names = list(parts)
    for at, one in enumerate(names):
        if not parts[one] and one != "validation":
            raise ProtocolError(f"fold {fold.number} has no {one} part: use more speakers or utterances, or another protocol")
        for other in names[at + 1 :]:
            kinds = ["key", "audio", *(["speaker"] if speaker_independent else [])]
            for kind in kinds:
                shared = {getattr(examples[i], kind) for i in parts[one]} & {getattr(examples[i], kind) for i in parts[other]}
                if shared:
                    name = {"key": "utterance", "audio": "recording with SHA-256", "speaker": "speaker"}[kind]
                    raise ProtocolError(
                        f"{name} {min(shared)} stands in the {one} and the {other} part of fold {fold.number}: "
                        "remove it from the corpus, or give another split"
                    )


def split_hash(folds: Sequence[Fold], examples: Sequence[Example]) -> str:
    """SHA-256 of a split: of each fold's parts as sorted keys."""
    return hashlib.sha256(rfc8785.dumps(as_keys(folds, examples))).hexdigest()


def as_keys(folds: Sequence[Fold], examples: Sequence[Example]) -> list[dict[str, list[str]]]:
    """The folds as lists of utterance keys, as results store them."""
    return [
        {part: sorted(examples[i].key for i in getattr(fold, part)) for part in ("train", "validation", "test")}
        for fold in folds
    ]


def names() -> list[str]:
    """Names of all protocols, sorted: the files of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(config: ProtocolConfig) -> BaseProtocol:
    """The protocol that the configuration names.

    Raises:
        ProtocolError: There is none of that name.
    """
    if config.name not in names():
        raise ProtocolError(unknown("protocol", config.name, names()))
    protocol: BaseProtocol = importlib.import_module(f"{__name__}.{config.name}").Protocol(config)
    return protocol
