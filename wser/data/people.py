"""Who speaks in the caches of a run: corpora, and lines of tables, may say that they share speakers with another corpus.

What they say leads from corpus to corpus, and the people of all of these go by the name of the last.  Where it leads in a
circle, that is the first of the circle by name.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from precompute.cache import layout
from precompute.cache.reader import Cache
from precompute.common.errors import WserError


class SpeakerError(WserError, ValueError):
    """What corpora say of their speakers does not fit together."""


@dataclass(frozen=True)
class People:
    """The speakers of some caches.

    Attributes:
        names: Of the speaker of each record, cache by cache.  One name is one person, and one person has one name: that of
            the speaker, with `<corpus>/` before it where the caches are of more than one group of people.
        sexes: Of each of them by name, None where no record says.
    """

    names: tuple[tuple[str, ...], ...]
    sexes: dict[str, str | None]


def identify(caches: Sequence[Cache]) -> People:
    """Find out which speakers of the caches of a run are the same people.

    Args:
        caches: One of each corpus.

    Raises:
        SpeakerError: A person has two sexes or two spellings, or it cannot be told which of two people is meant.
    """
    groups = _groups(caches)
    several = len(caches) > 1 or len({group for of_cache in groups for group in of_cache}) > 1
    names = tuple(
        tuple(
            f"{group}/{record.speaker}" if several else record.speaker for group, record in zip(of, cache.records, strict=True)
        )
        for of, cache in zip(groups, caches, strict=True)
    )
    _check_spelling(caches, groups)
    return People(names, _sexes(caches, names))


def _groups(caches: Sequence[Cache]) -> list[list[str]]:
    """The corpus by whose name each record's speaker goes."""
    owners = [_said(cache) for cache in caches]
    links = _Links(caches, owners)
    return [
        [links.end(corpus, own, record.speaker) for own, record in zip(of_cache, cache.records, strict=True)]
        for corpus, of_cache, cache in zip([cache.corpus for cache in caches], owners, caches, strict=True)
    ]


def _said(cache: Cache) -> list[str]:
    """The corpus with which each record says that it shares speakers, its own where it says nothing."""
    usual, checked = cache.same_speakers_as or cache.corpus, set()
    owners = []
    for record in cache.records:
        own = str(record.more.get(layout.SAME_SPEAKERS_AS) or usual)
        if own not in checked and not layout.legal_corpus(own):
            raise SpeakerError(
                f"{record.key} of {cache.corpus} has {layout.SAME_SPEAKERS_AS} '{own}', which is not the name of a corpus: "
                "correct the table"
            )
        checked.add(own)
        owners.append(own)
    return owners


class _Links:
    """What each corpus says of each of its speakers."""

    def __init__(self, caches: Sequence[Cache], owners: Sequence[Sequence[str]]) -> None:
        self.known: dict[tuple[str, str, str], str] = {}
        self.of_speaker: dict[tuple[str, str], set[str]] = defaultdict(set)
        of_corpus: dict[str, set[str]] = defaultdict(set)
        for cache, of_cache in zip(caches, owners, strict=True):
            corpus = cache.corpus
            of_corpus[corpus] |= {*of_cache}
            for own, record in zip(of_cache, cache.records, strict=True):
                self.of_speaker[corpus, record.speaker].add(own)
        self.of_corpus = layout.SAME_SPEAKERS | {corpus: min(own) for corpus, own in of_corpus.items() if len(own) == 1}

    def end(self, corpus: str, owner: str, speaker: str) -> str:
        """The corpus to which it leads that `corpus` says to share `speaker` with `said`."""
        if owner == corpus:
            return corpus
        if (corpus, owner, speaker) not in self.known:
            self.known[corpus, owner, speaker] = self._end(corpus, owner, speaker)
        return self.known[corpus, owner, speaker]

    def _end(self, corpus: str, owner: str, speaker: str) -> str:
        passed = [owner]
        while True:
            current = passed[-1]
            further = self.of_speaker.get((current, speaker)) or {self.of_corpus.get(current, current)}
            if len(further) > 1:
                raise SpeakerError(
                    f"{corpus} says that its speaker {speaker} is that of {owner}, and in {current} speaker {speaker} is of "
                    f"{' and of '.join(sorted(further))}: name one of these in the column {layout.SAME_SPEAKERS_AS} of {corpus}"
                )
            (following,) = further
            if following in passed:
                return min(passed[passed.index(following) :])
            passed.append(following)


def _check_spelling(caches: Sequence[Cache], groups: Sequence[Sequence[str]]) -> None:
    """Refuse names by which corpora that share people may mean one, such as 1 and 01."""
    first: dict[tuple[str, str], tuple[str, str]] = {}
    for cache, of_cache in zip(caches, groups, strict=True):
        for group, speaker in sorted({(group, record.speaker) for group, record in zip(of_cache, cache.records, strict=True)}):
            plain = re.sub(r"\b0+(?=\d)", "", unicodedata.normalize("NFKC", speaker).casefold())
            corpus, other = first.setdefault((group, plain), (cache.corpus, speaker))
            if other != speaker and corpus != cache.corpus:
                raise SpeakerError(
                    f"{corpus} and {cache.corpus} share the speakers of {group}, and have {other} and {speaker}, which differ "
                    "by zeros, capitals or the coding of accents only: spell the name alike in both"
                )


def _sexes(caches: Sequence[Cache], names: Sequence[Sequence[str]]) -> dict[str, str | None]:
    by_speaker: dict[str, dict[str, str]] = {}
    for cache, of_cache in zip(caches, names, strict=True):
        for record, name in zip(cache.records, of_cache, strict=True):
            sexes = by_speaker.setdefault(name, {})
            if record.sex:
                sexes.setdefault(record.sex, f"{record.key} of {cache.corpus}")
    for name, sexes in by_speaker.items():
        if len(sexes) > 1:
            both = " and ".join(f"{sex} in {where}" for sex, where in sorted(sexes.items()))
            raise SpeakerError(
                f"speaker {name} is {both}: correct the sex, or {layout.SAME_SPEAKERS_AS} where these are two people"
            )
    return {name: next(iter(sexes), None) for name, sexes in by_speaker.items()}
