"""Recordings to class probabilities: the same features, the same standardisation and the same model as in a run's test set.

The probabilities of a run of several folds are their mean, except for recordings of its own data: those are predicted only by
the folds that have not learned from them.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from precompute.common.errors import TooLongError, UnusableAudioError, UsageError
from precompute.library import extract
from wser.inference.ready import ready
from wser.inference.seen import Seen, Training, marked
from wser.inference.trained import Trained
from wser.training import statistics
from wser.training.statistics import Statistics

if TYPE_CHECKING:
    from precompute.library import Extracted

T = TypeVar("T")

TOGETHER = 128
"""Recordings that are prepared before any of them is predicted, so that batches are of similar length and memory is bounded."""


@dataclass(frozen=True)
class Recording:
    """A recording that is to be predicted.

    Attributes:
        name: As it is shown.
        audio: Path of its file, its file's content, or samples.
        sample_rate: Of samples, in Hz.
    """

    name: str
    audio: "Path | bytes | NDArray[np.generic]"
    sample_rate: int | None = None

    @property
    def path(self) -> Path | None:
        """Of its file; None where it has none."""
        return self.audio if isinstance(self.audio, Path) else None

    @property
    def key(self) -> str:
        """What seeds the noise of recipes that have it: the name of the file without its ending, nothing for samples."""
        return self.audio.stem if isinstance(self.audio, Path) else ""


@dataclass(frozen=True)
class Predicted:
    """What a run predicts of a recording.

    Attributes:
        name: Of the recording.
        probabilities: Of each class, float64 (classes,).
        folds: Numbers of those whose mean they are.
        training: Whether it was in the run's training data.
        notes: What should be known of it, each a sentence without a full stop.
    """

    name: str
    probabilities: NDArray[np.float64]
    folds: tuple[int, ...]
    training: Training
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unusable:
    """A recording that could not be predicted, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class _Prepared:
    place: int
    recording: Recording
    extracted: "Extracted"
    folds: tuple[int, ...]
    training: Training


class Predictor:
    """The models of a run, ready to predict.

    Args:
        run: What it has learned.
        seen: The recordings of its own data; None where they are not known.
        speaker: Statistics of the one speaker of all recordings, for a run of `data.standardise=speaker`.

    Raises:
        UsageError: Such a run is given no statistics of a speaker.
    """

    def __init__(self, run: Trained, seen: Seen | None, speaker: Statistics | None = None) -> None:
        if speaker is None:
            check_alone([run])
        self.run, self.seen = run, seen
        self.folds = {fold.number: ready(run, fold, speaker) for fold in run.folds}

    def __call__(self, recordings: Iterable[Recording]) -> Iterator[Predicted | Unusable]:
        """Predict recordings, in their order; as many are held in memory as are prepared together."""
        for part in _parts(recordings, TOGETHER):
            by_place: dict[int, Predicted | Unusable] = {}
            prepared: list[_Prepared] = []
            for place, recording in enumerate(part):
                try:
                    prepared.append(self._prepare(place, recording))
                except UnusableAudioError as error:
                    by_place[place] = Unusable(recording.name, _why(error, recording))
            for item, probabilities in zip(prepared, self._predict(prepared), strict=True):
                by_place[item.place] = Predicted(
                    item.recording.name, probabilities, item.folds, item.training, tuple(notes(item.extracted, self.run))
                )
            yield from (by_place[place] for place in range(len(part)))

    def probabilities(self, fold: int, items: "Sequence[Extracted]") -> NDArray[np.float64]:
        """What one fold predicts.

        Args:
            fold: Its number.
            items: Of each recording, what a cache would hold.

        Returns:
            Of each recording and class, float64 (n, classes).
        """
        return self.folds[fold](items)

    def _prepare(self, place: int, recording: Recording) -> _Prepared:
        extracted = prepare(recording, self.run)
        if self.seen is None:
            return _Prepared(place, recording, extracted, tuple(self.folds), "unknown")
        known = self.seen.find(*digests(recording, extracted.samples_sha256, self.seen))
        if known and known.key != recording.key and _is_seeded(self.run):
            # The noise that training heard in it.
            extracted = prepare(recording, self.run, known.key)
        training, folds = marked(known, list(self.folds))
        return _Prepared(place, recording, extracted, folds, training)

    def _predict(self, prepared: Sequence[_Prepared]) -> list[NDArray[np.float64]]:
        """The mean over the folds of each recording."""
        wanted: dict[int, list[int]] = defaultdict(list)
        for place, item in enumerate(prepared):
            for fold in item.folds:
                wanted[fold].append(place)
        total = np.zeros((len(prepared), len(self.run.classes)))
        for fold, at in wanted.items():
            total[at] += self.probabilities(fold, [prepared[place].extracted for place in at])
        return [row / len(item.folds) for row, item in zip(total, prepared, strict=True)]


def check_alone(runs: Iterable[Trained]) -> None:
    """Refuse runs of which one needs to know who speaks.

    Raises:
        UsageError: It does.
    """
    for run in runs:
        if run.config.data.standardise == "speaker":
            raise UsageError(
                f"{run.path} standardises each speaker by all of the speaker's recordings (data.standardise=speaker), and "
                "nobody says who speaks in these: give recordings of one speaker and --one-speaker (one_speaker=True), or a "
                "run of data.standardise=utterance"
            )


def of_speaker(runs: Sequence[Trained], hear: Callable[[], Iterable[Recording]]) -> list[Statistics | None]:
    """Mean and deviation of the recordings of one speaker, as of a speaker of the test set.

    Args:
        runs: One run, or those of a fusion.
        hear: Gives all recordings that there are; those that cannot be used are left out.

    Returns:
        Of each run; None of one that does not standardise by speaker.

    Raises:
        UsageError: No run standardises by speaker, or one does by recordings that are enrolled; or none can be used.
    """
    if not any(run.config.data.standardise == "speaker" for run in runs):
        how = runs[0].config.data.standardise
        raise UsageError(
            f"{runs[0].path} standardises by data.standardise={how}, which asks for no speaker: leave --one-speaker "
            "(one_speaker=True) out"
        )
    return [_of_speaker(run, hear()) if run.config.data.standardise == "speaker" else None for run in runs]


def _of_speaker(run: Trained, recordings: Iterable[Recording]) -> Statistics:
    if run.config.data.enrol:
        raise UsageError(
            f"{run.path} takes deviations from its training speakers (data.enrol={run.config.data.enrol}), which are not kept: "
            "give a run without data.enrol"
        )
    try:
        return statistics.over(_own_steps(run, recordings), run.item)
    except ZeroDivisionError:
        raise UsageError("none of the recordings can be used, so that nothing is known of the speaker: give others") from None


def prepare(recording: Recording, run: Trained, key: str | None = None) -> "Extracted":
    """What a cache would hold of a recording.

    Args:
        recording: To be prepared.
        run: Whose recipe is meant.
        key: What seeds the recipe's noise; by default that of the recording.

    Raises:
        UnusableAudioError: It cannot be used.
    """
    return extract(recording.audio, run.recipe, recording.sample_rate, key=recording.key if key is None else key)


def notes(extracted: "Extracted", run: Trained) -> Iterator[str]:
    """What should be known of how a recording was heard."""
    frame = run.recipe.audio.duration
    yield from filter(None, (rate_note(extracted.sample_rate, run), channels_note(extracted.channels)))
    if extracted.duration > frame and run.item.time is not None:
        heard = f"{frame:g} s of its {extracted.duration:.1f} s were heard"
        yield f"{heard}, as in training: to follow all of it, give --timeline DIR"


def digests(recording: Recording, samples_sha256: str, seen: Seen) -> list[str]:
    """By what a recording is looked for among those of a run: what was decoded, and for older caches its file.

    Args:
        recording: The recording.
        samples_sha256: Of what was decoded.
        seen: The recordings of the run.
    """
    if not seen.by_file or not isinstance(recording.audio, Path | bytes):
        return [samples_sha256]
    if isinstance(recording.audio, bytes):
        return [samples_sha256, hashlib.sha256(recording.audio).hexdigest()]
    with recording.audio.open("rb") as file:
        return [samples_sha256, hashlib.file_digest(file, "sha256").hexdigest()]


def rate_note(sample_rate: int, run: Trained) -> str:
    """That a recording lacks what the network has learned from; empty where it has all."""
    audio = run.recipe.audio
    if sample_rate / 2 >= audio.f_max:
        return ""
    return (
        f"its sample rate of {sample_rate} Hz holds nothing above {sample_rate / 2:g} Hz, and the network has learned from "
        f"{audio.f_min:g} to {audio.f_max:g} Hz: record at {audio.sample_rate} Hz or more"
    )


def channels_note(channels: int) -> str:
    """That the voice may be in one of several channels; empty where there are at most two."""
    return f"its {channels} channels were averaged: give the one that holds the voice" if channels > 2 else ""


def _parts(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    remaining = iter(items)
    while part := tuple(islice(remaining, size)):
        yield part


def _own_steps(run: Trained, recordings: Iterable[Recording]) -> Iterator[NDArray[Any]]:
    for recording in recordings:
        try:
            extracted = prepare(recording, run)
        except UnusableAudioError:
            continue
        yield extracted.values[run.item.part(extracted.start, extracted.stop)]


def _is_seeded(run: Trained) -> bool:
    return run.recipe.audio.noise != "none" or run.recipe.audio.pad == "random"


def _why(error: UnusableAudioError, recording: Recording) -> str:
    why = str(error).removeprefix(f"{recording.audio}: ") if isinstance(recording.audio, Path) else str(error)
    return f"{why}: to follow all of it, give --timeline DIR" if isinstance(error, TooLongError) else why
