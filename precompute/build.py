"""Plan the work on a corpus, run it in parallel, publish and seal."""

import contextlib
import hashlib
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
from numpy.typing import NDArray

from precompute import layout
from precompute.corpora import Corpus, Scan, Utterance
from precompute.errors import CacheError, UnusableAudioError
from precompute.layout import Record, Skipped
from precompute.progress import progress
from precompute.provenance import provenance
from precompute.recipe import Recipe
from precompute.store import Draft, Unit, write_array
from precompute.transform import Picture, picture

PACKAGES = ("wser", "numpy", "scipy", "soundfile", "soxr", "zarr")

SAMPLED = 8
"""Utterances on which a dry run measures time and size."""


@dataclass(frozen=True)
class Source:
    """An utterance and the SHA-256 of its recording."""

    utterance: Utterance
    sha256: str


@dataclass(frozen=True)
class Plan:
    """What there is to do for one corpus and recipe.

    Attributes:
        directory: Of the corpus.
        recipe: What to compute.
        draft: The cache, sealed or not.
        units: Utterances of each speaker and emotion that are not published yet.
        done: Units that are published.
        skipped: Files that the corpus could not understand or nobody could read.
    """

    directory: Path
    recipe: Recipe
    draft: Draft
    units: dict[tuple[str, str], list[Source]]
    done: list[Unit]
    skipped: list[Skipped]

    @property
    def todo(self) -> int:
        """Number of utterances that are not published yet."""
        return sum(map(len, self.units.values()))


def plan(corpus: Corpus, directory: Path, scan: Scan, recipe: Recipe, root: Path) -> Plan:
    """Hash the recordings and find out which units are missing; nothing is written.

    Raises:
        CacheError: Names of speakers or emotions cannot be stored.
    """
    sources, unreadable = _hash(directory, scan.utterances)
    layout.check_names((s.utterance.speaker, s.utterance.emotion) for s in sources)
    inputs = layout.input_id(
        (s.utterance.key, s.sha256, s.utterance.speaker, s.utterance.emotion, s.utterance.label) for s in sources
    )
    draft = Draft(root, corpus.name, recipe.record(), recipe.id, inputs, corpus.synthetic)
    units = defaultdict(list)
    if not draft.sealed:
        for source in sources:
            units[source.utterance.speaker, source.utterance.emotion].append(source)
    done = []
    for pair in list(units):
        if unit := draft.published(*pair):
            done.append(unit)
            del units[pair]
    return Plan(directory, recipe, draft, units, done, [*scan.skipped, *unreadable])


def execute(plan: Plan, jobs: int) -> list[Skipped]:
    """Compute what a plan lacks, publish it, seal the cache; without a single usable recording, there is no cache.

    Args:
        plan: Of an unsealed cache.
        jobs: Processes to use; -1 for all cores.

    Returns:
        Every input that was not used.

    Raises:
        CacheError: A recording changed, or could not be read any more, after it was hashed; what was published stays.
    """
    draft = plan.draft
    draft.prepare()
    try:
        published, lost = list(plan.done), list(plan.skipped)
        work = list(plan.units.values())
        # Several jobs on one cache share the work by taking it in different orders.
        random.SystemRandom().shuffle(work)
        run = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", pre_dispatch="3*n_jobs")
        with progress(f"precompute {draft.corpus}", plan.todo, "utterances") as advance:
            for unit, total in run(joblib.delayed(_make)(draft, plan.directory, plan.recipe, sources) for sources in work):
                if unit.records:
                    published.append(unit)
                else:
                    lost.extend(unit.skipped)
                advance(total)
        if published:
            draft.seal(published, lost, provenance(PACKAGES))
    except BrokenProcessPool:
        raise CacheError("a worker process was killed, most likely for lack of memory: run again with --jobs 1") from None
    finally:
        draft.discard_staging()
    return [*lost, *(skipped for unit in published for skipped in unit.skipped)]


@dataclass(frozen=True)
class Estimate:
    """What a dry run expects, from a few utterances: seconds of one process and bytes on disk."""

    seconds: float
    size: float


def estimate(plan: Plan) -> Estimate:
    """Measure some of the missing utterances, and scale up."""
    sources = [source for unit in plan.units.values() for source in unit]
    sample = random.Random(0).sample(sources, min(SAMPLED, len(sources)))
    seconds, pictures = [], []
    for source in sample:
        started = time.perf_counter()
        with contextlib.suppress(UnusableAudioError):
            pictures.append(_picture(plan.directory, plan.recipe, source).pixels)
            seconds.append(time.perf_counter() - started)
    if not pictures:
        return Estimate(0, 0)
    with tempfile.TemporaryDirectory() as directory:
        write_array(Path(directory) / "sample", np.stack(pictures), {})
        size = sum(file.stat().st_size for file in Path(directory).rglob("*"))
    # The median: the first picture also pays for what later ones find in memory.
    return Estimate(statistics.median(seconds) * len(sources), size * len(sources) / len(pictures))


def _hash(directory: Path, utterances: Sequence[Utterance]) -> tuple[list[Source], list[Skipped]]:
    def digest(utterance: Utterance) -> str | OSError:
        try:
            return hashlib.sha256((directory / utterance.path).read_bytes()).hexdigest()
        except OSError as error:
            return error

    with ThreadPoolExecutor() as pool:
        digests = list(pool.map(digest, utterances))
    pairs = list(zip(utterances, digests, strict=True))
    sources = [Source(utterance, found) for utterance, found in pairs if isinstance(found, str)]
    unreadable = [
        Skipped(layout.printable(utterance.path), f"the file cannot be read: {found.strerror}")
        for utterance, found in pairs
        if isinstance(found, OSError)
    ]
    return sources, unreadable


def _make(draft: Draft, directory: Path, recipe: Recipe, sources: list[Source]) -> tuple[Unit, int]:
    """Compute and publish one unit, or take it from the job that was first; the number of utterances comes with it."""
    one = sources[0].utterance
    if unit := draft.published(one.speaker, one.emotion):
        return unit, len(sources)
    array = layout.array_path(one.speaker, one.emotion)
    images: list[NDArray[np.uint8]] = []
    records: list[Record] = []
    skipped: list[Skipped] = []
    for source in sources:
        utterance = source.utterance
        try:
            made = _picture(directory, recipe, source)
        except UnusableAudioError as error:
            skipped.append(Skipped(layout.printable(utterance.path), str(error)))
            continue
        records.append(
            Record(
                key=utterance.key,
                speaker=utterance.speaker,
                emotion=utterance.emotion,
                label=utterance.label,
                sex=utterance.sex,
                sentence=utterance.sentence,
                intensity=utterance.intensity,
                session=utterance.session,
                duration=round(made.duration, 6),
                channels=made.channels,
                start=made.start,
                stop=made.stop,
                path=layout.printable(utterance.path),
                sha256=source.sha256,
                array=array,
                row=len(records),
                image_sha256=hashlib.sha256(made.pixels.tobytes()).hexdigest(),
            )
        )
        images.append(made.pixels)
    unit = Unit(tuple(records), tuple(skipped))
    if records:
        draft.publish(np.stack(images), unit)
        unit = draft.published(one.speaker, one.emotion) or unit
    return unit, len(sources)


def _picture(directory: Path, recipe: Recipe, source: Source) -> Picture:
    file = directory / source.utterance.path
    try:
        data = file.read_bytes()
    except OSError as error:
        raise CacheError(
            f"{file} could be read a moment ago and now cannot ({error.strerror}): run the same command again"
        ) from None
    if hashlib.sha256(data).hexdigest() != source.sha256:
        raise CacheError(f"{file} changed while it was being used: run the same command again when it is complete")
    return picture(data, source.utterance.key, recipe)
