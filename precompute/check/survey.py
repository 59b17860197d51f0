"""All recordings of a corpus, measured in parallel, and the summary of what was found."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import joblib

from precompute.audio import recording
from precompute.cache import layout
from precompute.cache.layout import Skipped, Utterance
from precompute.cache.near_doubles import near_doubles
from precompute.check.measure import Measurements, measure_recording
from precompute.common.errors import CorpusError, UnusableAudioError
from precompute.common.executor import parallel
from precompute.common.progress import progress
from precompute.corpora import Corpus, Scan, compare_with_known, compare_with_published
from precompute.pipeline.extract import extract
from precompute.recipe import Recipe


@dataclass(frozen=True)
class Checked:
    """An utterance, what was measured of it or why it cannot be used, and the acoustic fingerprint of its picture."""

    utterance: Utterance
    measured: Measurements | None
    reason: str = ""
    fingerprint: str = ""

    @property
    def path(self) -> str:
        """Of the recording, as text; of a part of it, with the part."""
        utterance = self.utterance
        whole = utterance.begin is None and utterance.end is None
        part = "" if whole else f" ({utterance.begin or 0:g} s to {_until(utterance.end)})"
        return layout.printable(utterance.path) + part


@dataclass(frozen=True)
class Survey:
    """What a corpus holds.

    Attributes:
        corpus: What is published about it.
        checked: Every utterance, sorted by key.
        foreign: Files whose names the corpus does not understand.
        limit: Duration of the recipe's frame, in seconds.
    """

    corpus: Corpus
    checked: tuple[Checked, ...]
    foreign: tuple[Skipped, ...]
    limit: float

    @cached_property
    def usable(self) -> dict[str, Measurements]:
        """Measurements by the utterance's key."""
        return {checked.utterance.key: checked.measured for checked in self.checked if checked.measured}

    @cached_property
    def unusable(self) -> list[Checked]:
        """Utterances whose recording cannot be used."""
        return [checked for checked in self.checked if checked.measured is None]

    @cached_property
    def differences(self) -> list[str]:
        """Differences between what was found and what is published."""
        differences = compare_with_published(self.corpus, [checked.utterance for checked in self.checked])
        if differences or self.unusable:
            return differences
        recordings = ((key, measured.file_sha256) for key, measured in self.usable.items())
        return compare_with_known(self.corpus, recordings)

    @cached_property
    def speakers(self) -> dict[str, str]:
        """Sex of each speaker, empty where unknown; sorted by the speaker's name."""
        return dict(sorted({checked.utterance.speaker: checked.utterance.sex or "" for checked in self.checked}.items()))

    @cached_property
    def emotions(self) -> dict[str, str]:
        """The corpus's own labels of each emotion, in the published order; others follow, sorted."""
        labels: dict[str, set[str]] = defaultdict(set)
        for checked in self.checked:
            labels[checked.utterance.emotion].add(checked.utterance.label)
        order = list(self.corpus.emotions)
        order += sorted(labels.keys() - set(order))
        return {emotion: ", ".join(sorted(labels[emotion])) for emotion in order}

    @cached_property
    def counts(self) -> Counter[tuple[str, str]]:
        """Utterances by speaker and emotion."""
        return Counter((checked.utterance.speaker, checked.utterance.emotion) for checked in self.checked)

    @cached_property
    def totals(self) -> Counter[str]:
        """Utterances by emotion."""
        return Counter(checked.utterance.emotion for checked in self.checked)

    @cached_property
    def duplicates(self) -> list[list[Checked]]:
        """Utterances of the same samples, each group sorted by key."""
        groups: dict[str, list[Checked]] = defaultdict(list)
        for checked in self.checked:
            if checked.measured:
                groups[checked.measured.samples_sha256].append(checked)
        return [group for group in groups.values() if len(group) > 1]

    @cached_property
    def near_doubles(self) -> list[tuple[Checked, Checked, float]]:
        """Utterances of other samples that sound nearly alike, and the share of their fingerprints that agrees."""
        pairs = near_doubles(
            [checked.fingerprint for checked in self.checked], [checked.utterance.speaker for checked in self.checked]
        )
        checked_pairs = ((self.checked[pair.first], self.checked[pair.second], pair.agreement) for pair in pairs)
        return [
            (first, second, agreement)
            for first, second, agreement in checked_pairs
            if first.measured and second.measured and first.measured.samples_sha256 != second.measured.samples_sha256
        ]

    @property
    def seconds(self) -> float:
        """Of all usable utterances."""
        return sum(measured.duration for measured in self.usable.values())


def survey(corpus: Corpus, directory: Path, scan: Scan, recipe: Recipe, jobs: int) -> Survey:
    """Measure every utterance.

    Args:
        corpus: The corpus.
        directory: Where it is.
        scan: What is there.
        recipe: Its frame is compared with the utterances, and near doubles are found by its pictures.
        jobs: Processes to use; -1 for all cores.

    Raises:
        CorpusError: A worker process was killed.
    """
    recordings: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in scan.utterances:
        recordings[utterance.path].append(utterance)
    run = parallel(jobs, return_as="generator_unordered")
    tasks = (joblib.delayed(_check)(directory, sharing, recipe) for sharing in recordings.values())
    checked: list[Checked] = []
    try:
        with progress(f"check {corpus.name}", len(scan.utterances), "utterances") as advance:
            for checked_together in run(tasks):
                checked += checked_together
                advance(len(checked_together))
    except BrokenProcessPool:
        raise CorpusError("a worker process was killed, most likely for lack of memory: run again with --jobs 1") from None
    checked.sort(key=lambda result: result.utterance.key)
    return Survey(corpus, tuple(checked), scan.skipped, recipe.audio.duration)


def _check(directory: Path, sharing: Sequence[Utterance], recipe: Recipe) -> list[Checked]:
    """Check the utterances that lie in one recording."""
    try:
        with recording.one_alone():
            data = recording.read(directory / sharing[0].path)
    except OSError as error:
        return [Checked(utterance, None, f"the file cannot be read: {error.strerror}") for utterance in sharing]
    except UnusableAudioError as error:
        return [Checked(utterance, None, str(error)) for utterance in sharing]
    return [_check_one(utterance, data, recipe) for utterance in sharing]


def _check_one(utterance: Utterance, data: bytes, recipe: Recipe) -> Checked:
    try:
        with recording.one_alone():
            measured = measure_recording(data, utterance.begin, utterance.end)
            extracted = extract(data, utterance.key, recipe, utterance.begin, utterance.end)
    except UnusableAudioError as error:
        return Checked(utterance, None, str(error))
    return Checked(utterance, measured, fingerprint=extracted.acoustic_fingerprint)


def _until(end: float | None) -> str:
    return "its end" if end is None else f"{end:g} s"
