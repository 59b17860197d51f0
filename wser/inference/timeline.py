"""Long recordings: windows as long as the recipe's frame, each predicted as a recording of its own, one after the other.

The recording is decoded twice, block by block: to know it again and to find its loudest window, and to predict.  Of its samples
no more than a window and a block are in memory.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from precompute.common.errors import UnusableAudioError, UsageError
from precompute.common.progress import Advance
from precompute.library import extract, stream
from wser.inference.predict import Predicted, Predictor, Recording, Unusable, channels_note, digests, rate_note
from wser.inference.seen import Training, marked
from wser.inference.trained import Trained

if TYPE_CHECKING:
    from precompute.library import Extracted, Stream

QUIET_DB = 35.0
"""By how many dB a window may be under the loudest one: in pauses of a conversation rooms are 40 to 50 dB under the voices."""

TOGETHER = 64
"""Windows that are predicted together."""

WIDEST = 2400
"""Columns of the picture of a whole recording."""

FLOOR_DB = -120.0
"""Level of digital silence."""


@dataclass(frozen=True)
class Window:
    """A part of a recording.

    Attributes:
        start: In seconds.
        end: Likewise.
        level: Root mean square without the mean, in dB re full scale.
        probabilities: Of each class, float64 (classes,); None where the window was left out.
    """

    start: float
    end: float
    level: float
    probabilities: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Timeline:
    """What a run says of a recording from its beginning to its end.

    Attributes:
        name: Of the recording.
        seconds: Its length.
        hop: Seconds from one window to the next.
        quiet: By how many dB a window may be under the loudest one.
        windows: From the first to the last.
        folds: Numbers of those that predict.
        training: Whether it was in the run's training data.
        notes: What should be known of it.
        picture: What the network was shown, uint8 (height, columns, 3), where windows overlap their mean; None where it is not
            given pictures.
        drawn: Which of its columns are of a window that was predicted, bool (columns,).
    """

    name: str
    seconds: float
    hop: float
    quiet: float
    windows: tuple[Window, ...]
    folds: tuple[int, ...]
    training: Training
    notes: tuple[str, ...]
    picture: NDArray[np.uint8] | None
    drawn: NDArray[np.bool_]

    @property
    def heard(self) -> list[tuple[Window, NDArray[np.float64]]]:
        """The windows that were predicted, with their probabilities."""
        return [(window, window.probabilities) for window in self.windows if window.probabilities is not None]

    @property
    def mean(self) -> Predicted:
        """The mean over the windows that were predicted, as of a recording."""
        left_out = len(self.windows) - len(self.heard)
        note = f"the mean over {len(self.heard)} windows"
        if left_out:
            note += f"; {left_out} more are left out as quiet, over {self.quiet:g} dB under the loudest one"
        mean = np.mean([probabilities for _, probabilities in self.heard], axis=0)
        return Predicted(self.name, mean, self.folds, self.training, (*self.notes, note))


@dataclass(frozen=True)
class _Surveyed:
    sha256: str
    sample_rate: int
    channels: int
    samples: int
    loudest: float


def check_hop(run: Trained, hop: float | None) -> float:
    """Seconds from one window to the next, by default half a window.

    Raises:
        UsageError: Windows would leave parts of the recording out, or hardly move; or the run is not given steps of time.
    """
    if run.item.time is None:
        raise UsageError(
            f"{run.path} takes a {run.item.kind} of a whole recording, which has no time: cut the recording into sentences and "
            "leave --timeline out"
        )
    duration = run.recipe.audio.duration
    if hop is None:
        return duration / 2
    if not duration / 100 <= hop <= duration:
        raise UsageError(
            f"--hop {hop:g} is outside {duration / 100:g} to {duration:g} s, the length of a window: give one within"
        )
    return hop


def count(recording: Recording, run: Trained, hop: float) -> int:
    """About how many windows a recording has, by its head; 1 where that does not say."""
    try:
        with stream(_content(recording)) as opened:
            seconds = opened.seconds
    except UnusableAudioError:
        return 1
    return 1 + max(0, math.ceil((seconds - run.recipe.audio.duration) / hop)) if math.isfinite(seconds) else 1


def follow(
    predictor: Predictor, recording: Recording, hop: float, quiet: float | None = None, advance: Advance | None = None
) -> Timeline | Unusable:
    """Predict a recording of any length, window by window.

    Args:
        predictor: Of the run.
        recording: A file, or its content.
        hop: Seconds from one window to the next.
        quiet: By how many dB a window may be under the loudest one, by default `QUIET_DB`; those below are left out.
        advance: Gets the number of windows that are done.
    """
    run = predictor.run
    audio, quiet = run.recipe.audio, QUIET_DB if quiet is None else quiet
    try:
        with stream(_content(recording)) as opened:
            surveyed = _survey(opened, audio.duration, hop)
        training, folds = _marked(predictor, recording, surveyed.sha256)
        drawing = _Drawing(run, surveyed.samples / surveyed.sample_rate)
        windows: list[Window] = []
        with stream(_content(recording)) as opened:
            cut = _cut(opened, round(audio.duration * opened.sample_rate), round(hop * opened.sample_rate))
            while part := list(islice(cut, TOGETHER)):
                windows += _predict(predictor, part, opened.sample_rate, surveyed.loudest - quiet, folds, drawing)
                if advance:
                    advance(len(part))
    except UnusableAudioError as error:
        return Unusable(recording.name, str(error))
    if all(window.probabilities is None for window in windows):
        return Unusable(
            recording.name, "none of its windows can be used: it is silent, or shorter than one column of the picture"
        )
    notes = (rate_note(surveyed.sample_rate, run), channels_note(surveyed.channels))
    picture, drawn = drawing.picture()
    return Timeline(
        name=recording.name,
        seconds=surveyed.samples / surveyed.sample_rate,
        hop=hop,
        quiet=quiet,
        windows=tuple(windows),
        folds=folds,
        training=training,
        notes=tuple(filter(None, notes)),
        picture=picture,
        drawn=drawn,
    )


def _marked(predictor: Predictor, recording: Recording, sha256: str) -> tuple[Training, tuple[int, ...]]:
    numbers, seen = list(predictor.folds), predictor.seen
    return ("unknown", tuple(numbers)) if seen is None else marked(seen.find(*digests(recording, sha256, seen)), numbers)


def _content(recording: Recording) -> Path | bytes:
    if isinstance(recording.audio, Path | bytes):
        return recording.audio
    raise UnusableAudioError("samples have no timeline: write them to a file, and give this")


def _survey(opened: "Stream", duration: float, hop: float) -> _Surveyed:
    rate, samples, loudest = opened.sample_rate, 0, FLOOR_DB
    for start, window in _cut(opened, round(duration * rate), round(hop * rate)):
        samples, loudest = start + len(window), max(loudest, _level(window))
    return _Surveyed(opened.sha256, rate, opened.channels, samples, loudest)


def _cut(blocks: Iterable[NDArray[np.float32]], length: int, hop: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Windows of so many samples, each with the place of its first; the last ends with the recording, and may be shorter."""
    start, samples = 0, np.empty(0, np.float32)
    for block in blocks:
        samples = np.concatenate([samples, block])
        # What is exactly as long may be the last one, and so waits.
        while len(samples) > length:
            yield start, samples[:length]
            start, samples = start + hop, samples[hop:]
    if len(samples):
        yield start, samples


def _level(samples: NDArray[np.float32]) -> float:
    power = float(np.var(samples, dtype=np.float64))
    return 10 * np.log10(power) if power > 10 ** (FLOOR_DB / 10) else FLOOR_DB


def _predict(
    predictor: Predictor,
    part: list[tuple[int, NDArray[np.float32]]],
    rate: int,
    least: float,
    folds: tuple[int, ...],
    drawing: "_Drawing",
) -> list[Window]:
    """Windows with the mean prediction of the folds."""
    windows: list[Window] = []
    items: list[Extracted] = []
    at: list[int] = []
    for start, samples in part:
        window = Window(start / rate, (start + len(samples)) / rate, _level(samples))
        if window.level >= least and (item := _extracted(predictor.run, samples, rate)):
            at.append(len(windows))
            items.append(item)
            drawing.add(window, item)
        windows.append(window)
    if items:
        mean = np.mean([predictor.probabilities(fold, items) for fold in folds], axis=0)
        for place, probabilities in zip(at, mean, strict=True):
            windows[place] = replace(windows[place], probabilities=probabilities)
    return windows


def _extracted(run: Trained, samples: NDArray[np.float32], rate: int) -> "Extracted | None":
    """What a cache would hold of a window; None where that is silent, or a rest shorter than a column."""
    try:
        return extract(samples, run.recipe, rate)
    except UnusableAudioError:
        return None


class _Drawing:
    """The picture of a whole recording, from those of its windows, each of which weighs most in its middle."""

    def __init__(self, run: Trained, seconds: float) -> None:
        item = run.item
        self.shown = item.kind == "picture"
        self.seconds, self.per_column = seconds, run.recipe.audio.duration / item.steps
        columns = max(1, min(WIDEST, round(seconds / self.per_column)))
        self.total = np.zeros((columns, item.shape[0], 3), np.float32) if self.shown else np.zeros((columns, 0, 3), np.float32)
        self.weight = np.zeros(columns, np.float32)

    def add(self, window: Window, item: "Extracted") -> None:
        """Draw a window."""
        steps = item.stop - item.start
        middles = (np.arange(steps) + 0.5) / steps
        at = ((window.start + middles * (window.end - window.start)) / self.seconds * len(self.weight)).astype(int)
        at = np.minimum(at, len(self.weight) - 1)
        weights = (0.55 - np.abs(middles - 0.5)).astype(np.float32)
        np.add.at(self.weight, at, weights)
        if self.shown:
            pixels = item.values[:, item.start : item.stop].swapaxes(0, 1).astype(np.float32)
            np.add.at(self.total, at, pixels * weights[:, None, None])

    def picture(self) -> tuple[NDArray[np.uint8] | None, NDArray[np.bool_]]:
        """The picture, uint8 (height, columns, 3), and which of its columns are drawn."""
        drawn = self.weight > 0
        if not self.shown:
            return None, drawn
        mean = self.total / np.maximum(self.weight, 1e-9)[:, None, None]
        return mean.round().astype(np.uint8).swapaxes(0, 1), drawn
