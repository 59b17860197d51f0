"""The work for a corpus and a recipe: nothing if a root has the sealed cache, else what is missing."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from precompute.audio import recording
from precompute.cache import layout
from precompute.cache.draft import Draft
from precompute.cache.layout import Record, Skipped, Utterance
from precompute.cache.reader import Cache, Unit
from precompute.cache.roots import Roots, check_root, sealed, writable
from precompute.common.errors import CacheError, UnusableAudioError
from precompute.corpora import Corpus, Scan, compare_with_known, compare_with_published
from precompute.recipe import Recipe

HASHED_TOGETHER = 16
"""Recordings that one task hashes."""

Pair = tuple[str, str]
"""A speaker and an emotion, which name a unit."""


@dataclass(frozen=True)
class Source:
    """An utterance and the SHA-256 of its recording."""

    utterance: Utterance
    sha256: str


@dataclass(frozen=True)
class EarlierUnit:
    """A unit of a sealed cache of the same recipe, made from the same recordings.

    Attributes:
        cache: Directory of that cache.
        array: Path of its array in it.
        sha256: Of its shard.
        records: In the order of its rows.
    """

    cache: Path
    array: str
    sha256: str
    records: tuple[Record, ...]


@dataclass(frozen=True)
class Plan:
    """The work to do for one corpus and recipe.

    Attributes:
        directory: Of the corpus.
        recipe: What to compute.
        draft: The cache to write, or the sealed one, in any root.
        units: Utterances of each speaker and emotion that are not published yet.
        earlier: Of these, the ones that an earlier cache has.
        done: Units that are published.
        skipped: Files that the corpus could not understand or that cannot be read.
        warnings: What is worth knowing in advance: recordings that are not the known ones, and earlier caches that could not
            be read, and why.
        table: The table that lists the corpus, as its path was given; empty where a module does.
    """

    directory: Path
    recipe: Recipe
    draft: Draft
    units: dict[Pair, list[Source]]
    earlier: dict[Pair, EarlierUnit]
    done: list[Unit]
    skipped: list[Skipped]
    warnings: list[str]
    table: str = ""

    @property
    def todo(self) -> int:
        """Number of utterances that are not published yet."""
        return sum(map(len, self.units.values()))

    @property
    def reusable(self) -> int:
        """Number of those that an earlier cache has."""
        return sum(len(self.units[pair]) for pair in self.earlier)


def plan(corpus: Corpus, directory: Path, scan: Scan, recipe: Recipe, roots: Roots) -> Plan:
    """Hash the recordings and find out which units are missing; nothing is written.

    Args:
        corpus: The corpus.
        directory: Where it is.
        scan: What is there.
        recipe: What to compute.
        roots: Of caches, searched in order; the first that can be written takes what is new.

    Raises:
        CacheError: Names of speakers or emotions cannot be stored, a root is of another layout, or none can be written.
    """
    sources, unreadable = _hash(directory, scan.utterances)
    layout.check_names((s.utterance.speaker, s.utterance.emotion) for s in sources)
    inputs = layout.input_id((source.utterance, source.sha256) for source in sources)
    skipped = [*scan.skipped, *unreadable]
    warnings = [] if unreadable else list(_changed(corpus, sources))
    drafts = [
        Draft(root, corpus.name, recipe.record(), recipe.id, inputs, corpus.synthetic, corpus.same_speakers_as)
        for root in roots
    ]
    for draft in drafts:
        check_root(draft.root)
        if draft.sealed:
            return Plan(directory, recipe, draft, {}, {}, [], skipped, warnings, corpus.table)
    draft = drafts[list(roots).index(writable(roots))]
    units: dict[Pair, list[Source]] = defaultdict(list)
    for source in sources:
        units[source.utterance.speaker, source.utterance.emotion].append(source)
    done = []
    for pair in list(units):
        if unit := draft.published(*pair):
            done.append(unit)
            del units[pair]
    earlier, unusable = _earlier(corpus, recipe, roots, units)
    return Plan(directory, recipe, draft, units, earlier, done, skipped, [*warnings, *unusable], corpus.table)


def _changed(corpus: Corpus, sources: Sequence[Source]) -> Iterator[str]:
    """That the recordings are not the known ones, where all of them are there; missing ones are reported elsewhere."""
    if not compare_with_published(corpus, [source.utterance for source in sources]):
        for difference in compare_with_known(corpus, ((source.utterance.key, source.sha256) for source in sources)):
            yield f"the recordings are not as published ({difference}), and results may not be comparable with published ones"


def _hash(directory: Path, utterances: Sequence[Utterance]) -> tuple[list[Source], list[Skipped]]:
    paths = list(dict.fromkeys(utterance.path for utterance in utterances))
    # A task for each recording would take longer than to hash a short one.
    parts = [paths[at : at + HASHED_TOGETHER] for at in range(0, len(paths), HASHED_TOGETHER)]
    with ThreadPoolExecutor() as pool:
        each = pool.map(lambda part: [_digest(directory, path) for path in part], parts)
        digests = dict(zip(paths, itertools.chain.from_iterable(each), strict=True))
    sources = [Source(utterance, digest) for utterance in utterances if isinstance(digest := digests[utterance.path], str)]
    return sources, [digest for digest in digests.values() if isinstance(digest, Skipped)]


def _digest(directory: Path, path: str) -> str | Skipped:
    try:
        return recording.digest(directory / path)
    except OSError as error:
        return Skipped(layout.printable(path), f"the file cannot be read: {error.strerror}")
    except UnusableAudioError as error:
        return Skipped(layout.printable(path), str(error))


def _earlier(
    corpus: Corpus, recipe: Recipe, roots: Roots, units: dict[Pair, list[Source]]
) -> tuple[dict[Pair, EarlierUnit], list[str]]:
    """Units that sealed caches of the same recipe have, made from the same recordings; and which caches could not be read."""
    earlier: dict[Pair, EarlierUnit] = {}
    warnings = []
    for path in (path for root in roots for path in sealed(root, corpus.name, recipe.id)):
        try:
            cache = Cache(path)
            for array, records in cache.arrays.items():
                pair = (records[0].speaker, records[0].emotion)
                wanted = [(s.utterance.key, s.sha256, s.utterance.begin, s.utterance.end) for s in units.get(pair, ())]
                if pair not in earlier and [(r.key, r.sha256, r.begin, r.end) for r in records] == wanted:
                    digest = cache.manifest["files"][f"{array}/{cache.shard_name}"]["sha256"]
                    earlier[pair] = EarlierUnit(path, array, digest, records)
        except CacheError as error:
            warnings.append(f"an earlier cache is not reused: {error}")
    return earlier, warnings
