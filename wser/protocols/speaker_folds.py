"""Groups of speakers held out in turn, each speaker once.

RAVDESS has five fixed groups of actors, those of Luna-Jimenez et al. 2021 (doi 10.3390/s21227665), so that results can be
compared.  For other corpora the speakers are divided at random into `folds` groups, balanced by sex as far as possible.
"""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

import numpy as np

from precompute.common.errors import few
from precompute.common.settings import setting
from wser.config.schema import ProtocolConfig
from wser.data.dataset import Example
from wser.protocols import BaseProtocol, HeldOut, ProtocolError

RAVDESS = (
    ("02", "05", "14", "15", "16"),
    ("03", "06", "07", "13", "18"),
    ("10", "11", "12", "19", "20"),
    ("08", "17", "21", "23", "24"),
    ("01", "04", "09", "22"),
)


@dataclass
class Config(ProtocolConfig):
    """What the protocol reads.

    Attributes:
        folds: Number of folds: groups of speakers.  RAVDESS has five fixed ones, and does not read it.
    """

    folds: int = setting(3, low=2, high=1000)


class Protocol(BaseProtocol[Config]):
    """Fixed groups of actors for RAVDESS, balanced random groups of speakers elsewhere."""

    title = "Groups of speakers held out in turn, each speaker once"
    speaker_independent = True
    own_keys = frozenset({"folds", "seed"})

    @classmethod
    def reads(cls, corpora: Sequence[str]) -> Set[str]:
        """Nothing for RAVDESS alone, whose groups are fixed."""
        return frozenset() if list(corpora) == ["ravdess"] else cls.own_keys

    def held_out(self, examples: Sequence[Example], rng: np.random.Generator) -> Iterator[HeldOut]:
        """The utterances of one group of speakers for each fold."""
        if {example.corpus for example in examples} == {"ravdess"}:
            return of_actors(RAVDESS, examples)
        return _groups(balanced(examples, self.config.folds, rng), examples)


def of_actors(groups: Sequence[Sequence[str]], examples: Sequence[Example]) -> Iterator[HeldOut]:
    """What is held out by fixed groups of RAVDESS's actors.

    Args:
        groups: Of all actors, each in one.
        examples: Of RAVDESS.

    Raises:
        ProtocolError: An actor is missing, or is not among them.
    """
    actors = {actor for group in groups for actor in group}
    if differing := sorted(actors ^ {example.speaker for example in examples}):
        raise ProtocolError(
            f"the {len(groups)} folds of RAVDESS are of its actors 01 to 24, and {len(differing)} are missing or not among "
            f"them ({few(differing)}): complete the corpus, or give protocol=loso"
        )
    return _groups(groups, examples)


def _groups(groups: Sequence[Sequence[str]], examples: Sequence[Example]) -> Iterator[HeldOut]:
    for group in groups:
        yield HeldOut({i for i, example in enumerate(examples) if example.speaker in group})


def balanced(examples: Sequence[Example], count: int, rng: np.random.Generator) -> list[list[str]]:
    """Random groups of speakers, whose numbers of women, of men and of all differ by one at most.

    Args:
        examples: Of all speakers.
        count: Number of groups.
        rng: For the order in which speakers are dealt.

    Raises:
        ProtocolError: There are fewer speakers than groups.
    """
    sex = {example.speaker: example.sex or "" for example in examples}
    if len(sex) < count:
        raise ProtocolError(
            f"protocol.folds={count} needs as many speakers, and there are {len(sex)}: "
            f"give protocol.folds={max(len(sex), 2)} or fewer, or protocol=loso"
        )
    # Cards dealt in turn: all women, then all men, so that each group gets every count-th of both.
    dealt = sorted(rng.permutation(sorted(sex)).tolist(), key=lambda speaker: sex[speaker])
    return [dealt[first::count] for first in range(count)]
