"""What a run learns from: the records of one or more caches under a label map, and what they hold of each utterance."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precompute.cache.near_doubles import near_doubles
from precompute.cache.reader import Cache
from precompute.cache.roots import Roots, answers, candidates, find
from precompute.common.arrays import Array
from precompute.common.errors import CacheError
from wser.data import decoded, labels
from wser.data.people import identify
from wser.data.recordings import Origin, recordings


@dataclass(frozen=True)
class Example:
    """An utterance as a run sees it.

    Attributes:
        key: Unique among all corpora of the run.
        corpus: Where it comes from.
        speaker: One person, in whichever corpora of the run; `wser.data.people` says by what name.
        sex: Of the speaker, None where no corpus of the run says.
        label: Index of its class.
        start: First step of time (column of a picture) that holds part of it.
        stop: Step after the last one that holds part of it.
        recording: The same for doubles of one recording, and unique to them: `wser.data.recordings` says what is a double.
        origin: File, part of it, samples, and what is stored of it.
        row: Its place among all utterances of its caches.
        session: Of the recordings, unique among all corpora of the run, also of those that share speakers; None where the
            corpus has none.
        sentence: What was said, as the corpus codes it; None where it does not.
        fingerprint: Acoustic fingerprint, None where the cache does not say it.
    """

    key: str
    corpus: str
    speaker: str
    sex: str | None
    label: int
    start: int
    stop: int
    recording: str
    origin: Origin
    row: int
    session: str | None = None
    sentence: str | None = None
    fingerprint: str | None = None


def by_speaker(examples: Sequence[Example], indices: Iterable[int]) -> dict[str, list[int]]:
    """Indices of utterances by their speakers, each in the order given."""
    grouped: dict[str, list[int]] = {}
    for index in indices:
        grouped.setdefault(examples[index].speaker, []).append(index)
    return grouped


@dataclass(frozen=True)
class Dataset:
    """Utterances of one or more caches of one recipe, under one label map.

    Attributes:
        caches: Where everything comes from.
        label_map: From emotions to classes.
        examples: Utterances that the map keeps, in the order of the caches.
        dropped: Number of utterances of each emotion that the map leaves out.
        dropped_keys: Keys of these utterances.
        results: Directory of results beside which the caches are decoded; None decodes them in memory.
    """

    caches: tuple[Cache, ...]
    label_map: labels.LabelMap
    examples: tuple[Example, ...]
    dropped: dict[str, int]
    dropped_keys: frozenset[str] = frozenset()
    results: Path | None = None

    @property
    def classes(self) -> list[str]:
        """Names of the classes, by index."""
        return list(self.label_map.classes)

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe's record, the same for all caches."""
        return self.caches[0].recipe

    @property
    def recipe_id(self) -> str:
        """The recipe's id."""
        return str(self.caches[0].manifest["recipe_id"])

    @cached_property
    def near_doubles(self) -> tuple[tuple[int, int], ...] | None:
        """Places of two examples that sound nearly alike and are not of one recording; None where a cache does not say.

        Raises:
            CacheError: A cache has an acoustic fingerprint that is not valid.
        """
        fingerprints = [example.fingerprint for example in self.examples]
        if None in fingerprints:
            return None
        try:
            speakers = [example.speaker for example in self.examples]
            pairs = near_doubles([fingerprint or "" for fingerprint in fingerprints], speakers)
        except ValueError as error:
            raise CacheError(
                f"in {', '.join(str(cache.path) for cache in self.caches)}, {error}: run precompute again"
            ) from None
        found = ((pair.first, pair.second) for pair in pairs)
        return tuple((one, other) for one, other in found if self.examples[one].recording != self.examples[other].recording)

    @property
    def item(self) -> Array:
        """What the caches hold of each utterance: type, shape, axes."""
        return self.caches[0].item

    @cached_property
    def values(self) -> NDArray[Any] | list[NDArray[Any]]:
        """What they hold of each example, `item.shape`; where there is a `table`, levels, uint8 (rows, columns)."""
        arrays = [decoded.load(cache, self.results) for cache in self.caches]
        rows = [example.row for example in self.examples]
        if len(arrays) == 1 and rows == list(range(len(arrays[0]))):
            return arrays[0]
        every = [row for array in arrays for row in array]
        return [every[row] for row in rows]

    @property
    def table(self) -> NDArray[np.uint8] | None:
        """Colours of the levels in `values`, uint8 (256, 3); None where these are what the caches hold."""
        return decoded.table(self.caches[0])

    def utterance(self, index: int) -> NDArray[Any]:
        """What the caches hold of an example, `item.shape`."""
        values, table = self.values[index], self.table
        return values if table is None else table[values]

    def decode(self) -> None:
        """Decode the caches into memory maps beside the results, for all processes of the machine.

        Raises:
            CacheError: A cache is damaged.
            OSError: A file cannot be written.
        """
        if self.results:
            for cache in self.caches:
                decoded.make(cache, self.results)


def channels_first(values: Any, item: Array) -> Any:
    """Utterances as networks take them: channels, then whatever else, time last.

    Args:
        values: Array or tensor (n, *item.shape), or of another length along the axis of time.
        item: What each is.

    Returns:
        A view: of pictures (n, 3, height, columns), of levels (n, 1, rows, columns), of waveforms (n, 1, samples); what has no
        axis of time, unchanged.
    """
    if item.time is None:
        return values
    order = [axis for axis in item.axes if axis not in ("colour", "time")]
    places = [1 + item.axes.index(axis) for axis in ("colour", *order, "time") if axis in item.axes]
    turned = values.transpose(0, *places) if isinstance(values, np.ndarray) else values.permute(0, *places)
    return turned if "colour" in item.axes else turned[:, None]


def input_shape(item: Array) -> tuple[int, ...]:
    """Shape of `channels_first` without utterances and time: (3, height), (1, rows), (1,)."""
    shape: tuple[int, ...] = channels_first(np.empty((0, *item.shape)), item).shape[1:]
    return shape if item.time is None else shape[:-1]


def open_dataset(
    roots: Roots,
    corpora: Sequence[str],
    recipe: str,
    cache: str | Sequence[str] | None = None,
    label_map: str | None = None,
    results: Path | None = None,
) -> Dataset:
    """Open the sealed caches of some corpora and map their emotions to classes; no array is read yet.

    Args:
        roots: Directories of caches, searched in order.
        corpora: Names; with several, sessions and keys get the corpus's name in front, and speakers that of the corpus
            with which it shares them, if there is one, or else its own.
        recipe: Name of the recipe, or its id where it has none.
        cache: Id of the cache where there are several for one corpus and recipe; of joined corpora, of the one that has it.
            Or one id for each corpus.
        label_map: Name of the label map; by default the corpus's own.
        results: Directory of results beside which the caches may be decoded.

    Raises:
        CacheError: A cache is missing, ambiguous or damaged.
        LabelError: The map is unknown, does not cover an emotion, or is missing where corpora are joined.
        SpeakerError: What the corpora say of a person does not fit together.
    """
    if cache is None or isinstance(cache, str):
        meant = [cache if _chooses(cache, candidates(roots, corpus, recipe, earlier=True)) else None for corpus in corpora]
        ids = meant if any(meant) else [cache for _ in corpora]
    else:
        ids = list(cache)
    caches = tuple(find(roots, corpus, recipe, one) for corpus, one in zip(corpora, ids, strict=True))
    _check_alike(caches)
    emotions = [record.emotion for one in caches for record in one.records]
    chosen = labels.load(label_map) if label_map else labels.default(corpora, emotions)
    places = chosen.index(emotions)
    joined = len(caches) > 1
    people = identify(caches)
    records = [(one.corpus, record) for one in caches for record in one.records]
    speakers = [name for names in people.names for name in names]
    kept = [row for row, label in enumerate(places) if label is not None]
    origins = [
        Origin(r.sha256, r.begin, r.end, r.image_sha256, r.samples_sha256, r.recording_sha256)
        for _, r in (records[row] for row in kept)
    ]
    doubles = dict(zip(kept, zip(recordings(origins), origins, strict=True), strict=True))
    examples, dropped_keys = [], set()
    for row, ((corpus, record), label) in enumerate(zip(records, places, strict=True)):
        prefix = f"{corpus}/" if joined else ""
        if label is None:
            dropped_keys.add(prefix + record.key)
        else:
            recording, origin = doubles[row]
            examples.append(
                Example(
                    key=prefix + record.key,
                    corpus=corpus,
                    speaker=speakers[row],
                    sex=people.sexes[speakers[row]],
                    label=label,
                    start=record.start,
                    stop=record.stop,
                    recording=recording,
                    origin=origin,
                    row=row,
                    fingerprint=record.acoustic_fingerprint,
                    session=None if record.session is None else prefix + record.session,
                    sentence=record.sentence,
                )
            )
    dropped = Counter(emotion for emotion, label in zip(emotions, places, strict=True) if label is None)
    return Dataset(caches, chosen, tuple(examples), dict(dropped), frozenset(dropped_keys), results)


def _check_alike(caches: Sequence[Cache]) -> None:
    """Refuse pictures of several algorithms in one dataset."""
    for other in caches[1:]:
        if other.manifest["recipe_id"] != caches[0].manifest["recipe_id"]:
            raise CacheError(
                f"the caches {caches[0].id} of {caches[0].corpus} and {other.id} of {other.corpus} are of different "
                "algorithms, by which a network could tell the corpora apart: run precompute for both"
            )


def _chooses(cache: str | None, paths: Sequence[Path]) -> bool:
    """Whether one of a corpus's caches is meant."""
    return cache is not None and any(answers(path, cache) for path in paths)
