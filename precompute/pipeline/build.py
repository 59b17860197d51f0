"""Carry out a plan in parallel: compute, or take from an earlier cache, publish and seal."""

import contextlib
import random
import statistics
import time
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from precompute.audio import recording
from precompute.cache import layout, places, shard
from precompute.cache.draft import Draft
from precompute.cache.history import TABLE
from precompute.cache.layout import Record, Skipped
from precompute.cache.reader import Unit
from precompute.common.errors import CacheError, UnusableAudioError
from precompute.common.executor import Work, effective, workers
from precompute.common.executor_settings import THIS_MACHINE, ExecutorConfig
from precompute.common.files import sha256
from precompute.common.progress import progress
from precompute.common.provenance import provenance
from precompute.pipeline.plan import EarlierUnit, Plan, Source
from precompute.recipe import Recipe

if TYPE_CHECKING:
    from precompute.pipeline.extract import Extracted

PACKAGES = ("wser", "numpy", "scipy", "soundfile", "soxr", "numcodecs", "opensmile", "librosa")

SAMPLED = 8
"""Utterances on which a dry run measures time and size."""

OF_PICTURE = (
    "duration", "channels", "start", "stop", "image_sha256", "samples_sha256", "recording_sha256", "acoustic_fingerprint",
)  # fmt: skip
"""Fields of a record that follow from the recording and the recipe alone."""

Way = Literal["computed", "reused", "found"]
"""Origin of a unit: computed here, reused from an earlier cache, or found, since another job had published it."""


@dataclass(frozen=True)
class Outcome:
    """What a job did.

    Attributes:
        skipped: Every input that was not used.
        utterances: Number of utterances that came in each way.
    """

    skipped: list[Skipped]
    utterances: Counter[Way]


class Workers:
    """The workers that compute: a context, at whose end they are stopped.

    Args:
        recipe: What they get ready for.
        jobs: Number of processes; -1 for all cores; 1 works in this process, when asked.
        where: They work; on a cluster, `jobs` says nothing.
    """

    def __init__(self, recipe: Recipe, jobs: int, where: ExecutorConfig = THIS_MACHINE) -> None:
        self._recipe, self._jobs, self._where = recipe, jobs, where
        self._stack = contextlib.ExitStack()
        self._run: Work | None = None

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def prepare(self) -> Work:
        """Have them start, and load what they need, while the work to do is still being planned.

        Raises:
            WserError: A cluster cannot be reached.
        """
        import joblib

        if self._run is None:
            self._run = self._stack.enter_context(workers(self._where, self._jobs))
            processes = 0 if self._where.is_cluster else effective(self._jobs)
            self._ready: Generator[None, None, None] = self._run(
                joblib.delayed(_warm_up)(self._recipe) for _ in range(processes if processes > 1 else 0)
            )
            self._stack.callback(self._leave)
        return self._run

    def _leave(self) -> None:
        with warnings.catch_warnings():
            # That they had not done yet is no news.
            warnings.simplefilter("ignore", UserWarning)
            self._ready.close()

    @property
    def count(self) -> Callable[[], int] | None:
        """Says how many workers a cluster has; None on this machine."""
        return getattr(self._run, "count", None)

    def __call__(self, tasks: Iterable[Any]) -> Generator[Any, None, None]:
        """Results of joblib's delayed calls, in the order in which they are finished; errors as of `prepare`."""
        run = self.prepare()
        for _ in self._ready:
            pass
        yield from run(tasks)


def _warm_up(recipe: Recipe) -> None:
    from precompute.pipeline.extract import warm_up

    warm_up(recipe)


def execute(plan: Plan, workers: Workers, show: bool = True) -> Outcome:
    """Make what a plan lacks, publish it, seal the cache; without a single usable recording, there is no cache.

    Args:
        plan: Of an unsealed cache.
        workers: They do it.
        show: Whether progress is shown on stderr.

    Raises:
        CacheError: A recording changed, or could not be read any more, after it was hashed, or the cache cannot be written;
            what was published stays.
    """
    import joblib

    draft = plan.draft
    published, lost = list(plan.done), list(plan.skipped)
    ways: Counter[Way] = Counter()
    work = list(plan.units.items())
    # Several jobs on one cache share the work by taking it in different orders.
    random.SystemRandom().shuffle(work)
    try:
        what = f"precompute {draft.corpus}"
        shown = progress(what, plan.todo, "utterances", workers.count) if show else contextlib.nullcontext(_unseen)
        with draft.open(), shown as advance:
            tasks = (
                joblib.delayed(_make)(draft, plan.directory, plan.recipe, sources, plan.earlier.get(pair))
                for pair, sources in work
            )
            with contextlib.closing(workers(tasks)) as finished:
                for unit, way, total in finished:
                    if unit.records:
                        published.append(unit)
                    else:
                        lost.extend(unit.skipped)
                    ways[way] += total
                    advance(total)
            if published:
                # Small caches follow one another within a second, and the last of them counts.
                source = provenance(PACKAGES, "milliseconds") | ({TABLE: layout.printable(plan.table)} if plan.table else {})
                draft.seal(published, lost, source)
    except BrokenProcessPool:
        raise CacheError("a worker process was killed, most likely for lack of memory: run again with --jobs 1") from None
    return Outcome([*lost, *(skipped for unit in published for skipped in unit.skipped)], ways)


def _unseen(amount: int) -> None:
    """Progress that is not shown."""


@dataclass(frozen=True)
class Estimate:
    """What a dry run expects, from a few utterances: seconds of one process and bytes on disk."""

    seconds: float
    size: float


def estimate(plan: Plan) -> Estimate:
    """Measure some of the utterances that are to be computed, and scale up."""
    sources = [source for pair, unit in plan.units.items() if pair not in plan.earlier for source in unit]
    sample = random.Random(0).sample(sources, min(SAMPLED, len(sources)))
    seconds, items = [], []
    for source in sample:
        started = time.perf_counter()
        with contextlib.suppress(UnusableAudioError), recording.one_alone():
            items.append(_extract(plan.directory, plan.recipe, source).values)
            seconds.append(time.perf_counter() - started)
    if not items:
        return Estimate(0, 0)
    size = len(shard.encode(items))
    # The median: the first one also pays for what later ones find in memory.
    return Estimate(statistics.median(seconds) * len(sources), size * len(sources) / len(items))


def _make(
    draft: Draft, directory: Path, recipe: Recipe, sources: list[Source], earlier: EarlierUnit | None
) -> tuple[Unit, Way, int]:
    """Make and publish one unit, or take it from the job that was first; the number of utterances comes with it."""
    first = sources[0].utterance
    if unit := draft.published(first.speaker, first.emotion):
        return unit, "found", len(sources)
    if earlier and (unit := _reuse(draft, sources, earlier)):
        return unit, "reused", len(sources)
    content = shard.Writer()
    records: list[Record] = []
    skipped: list[Skipped] = []
    for source in sources:
        try:
            with recording.one_alone():
                extracted = _extract(directory, recipe, source)
        except UnusableAudioError as error:
            skipped.append(Skipped(layout.printable(source.utterance.path), str(error)))
            continue
        heard = _heard(directory / source.utterance.path, source, extracted)
        records.append(_record(source, len(records), _said_of(extracted) | {"recording_sha256": heard}))
        # Encoded at once: a unit may have more utterances than memory has room for all that is stored of them.
        content.add(extracted.values)
    if not records:
        return Unit((), tuple(skipped), ""), "computed", len(sources)
    return draft.publish_shard(records, skipped, content.finish()), "computed", len(sources)


def _reuse(draft: Draft, sources: list[Source], earlier: EarlierUnit) -> Unit | None:
    """Publish a unit of an earlier cache under today's metadata; None where it is not any more what its manifest said."""
    file = f"{earlier.array}/{draft.shard_name}"
    try:
        content = places.read(earlier.cache, [file])[file]
    except OSError:
        return None
    if sha256(content) != earlier.sha256:
        return None
    records = [
        _record(source, record.row, {name: getattr(record, name) for name in OF_PICTURE})
        for source, record in zip(sources, earlier.records, strict=True)
    ]
    twin = None if places.is_remote(earlier.cache) else earlier.cache / file
    return draft.publish_shard(records, [], content, twin)


def _said_of(extracted: "Extracted") -> dict[str, Any]:
    """What the index says of a feature, and of what was heard for it."""
    return {
        "duration": round(extracted.duration, 6),
        "channels": extracted.channels,
        "start": extracted.start,
        "stop": extracted.stop,
        "image_sha256": shard.digest(extracted.values),
        "samples_sha256": extracted.samples_sha256,
        "acoustic_fingerprint": extracted.acoustic_fingerprint,
    }


def _heard(file: Path, source: Source, extracted: "Extracted") -> str | None:
    """Digest of the decoded samples of the whole recording, None where it is damaged outside of the utterance."""
    if source.utterance.begin is None and source.utterance.end is None:
        return extracted.samples_sha256
    return _recording_digest(file, source.sha256)


@lru_cache(maxsize=2**14)
def _recording_digest(file: Path, sha256: str) -> str | None:
    """The same, once for all utterances of the recording that this process sees."""
    from precompute.audio import decode

    return decode.recording_digest(_content(file, sha256))


def _record(source: Source, row: int, of_picture: dict[str, Any]) -> Record:
    utterance = source.utterance
    return Record(
        **vars(utterance) | {"path": layout.printable(utterance.path)},
        **of_picture,
        sha256=source.sha256,
        array=layout.array_path(utterance.speaker, utterance.emotion),
        row=row,
    )


def _extract(directory: Path, recipe: Recipe, source: Source) -> "Extracted":
    # Not at the top, since the process that only shares out the work does not need it.
    from precompute.pipeline.extract import extract

    utterance = source.utterance
    return extract(_content(directory / utterance.path, source.sha256), utterance.key, recipe, utterance.begin, utterance.end)


def _content(file: Path, sha256: str) -> bytes:
    """Content of a recording, which must be what it was when it was hashed."""
    try:
        data, digest = _read(file)
    except OSError as error:
        raise CacheError(
            f"{file} could be read a moment ago and now cannot ({error.strerror}): run the same command again"
        ) from None
    except UnusableAudioError as error:
        raise CacheError(f"{file} changed while it was being used ({error}): run the same command again") from None
    if digest != sha256:
        raise CacheError(f"{file} changed while it was being used: run the same command again when it is complete")
    return data


@lru_cache(maxsize=1)
def _read(file: Path) -> tuple[bytes, str]:
    """Content of a recording and its SHA-256; the last one is kept, since several utterances may be in it."""
    data = recording.read(file)
    return data, sha256(data)
