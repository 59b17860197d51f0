"""How far runs are and how long they will take, read from the curves that they write: the same for all executors."""

import heapq
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import fmean

from wser.results import CURVES, METRICS


@dataclass(frozen=True)
class Job:
    """A run to watch: its name, where its attempts grow, where the results are in the end, and its epochs at most."""

    name: str
    aside: Path
    final: Path
    epochs: int


@dataclass(frozen=True)
class State:
    """How far a run is.

    Attributes:
        job: The run.
        started: Whether it has begun.
        finished: Whether its results are complete; stopped early, it has done all that it will.
        done: Epochs.
        pace: Seconds of an epoch, None before the second one: the first is slower, and alone says little.
        idle: Seconds since the last epoch ended.
    """

    job: Job
    started: bool = False
    finished: bool = False
    done: int = 0
    pace: float | None = None
    idle: float = 0.0


def look(job: Job) -> State:
    """Read how far a run is."""
    finished = (job.final / METRICS).exists()
    try:
        file = (job.final if finished else max(job.aside.iterdir(), key=lambda attempt: attempt.stat().st_mtime)) / CURVES
        # A line that is still being written does not count.
        clock = [float(line.rpartition(",")[2]) for line in file.read_text("utf-8").split("\n")[1:-1]]
        idle = max(0.0, time.time() - file.stat().st_mtime)
    except (FileNotFoundError, ValueError):
        return State(job, job.aside.exists(), finished, job.epochs if finished else 0)
    pace = (clock[-1] - clock[0]) / (len(clock) - 1) if len(clock) > 1 else None
    return State(job, True, finished, job.epochs if finished else len(clock), pace, idle)


def seconds_left(states: Sequence[State], at_once: int) -> float | None:
    """Time until all runs are done if none stops early; None as long as nothing is known.

    Args:
        states: Of all runs, in the order in which they start.
        at_once: Runs at once; their epochs are as slow as they are beside each other.
    """
    known = [(state.job.final.parent, state.pace) for state in states if state.pace is not None]
    if not known:
        return None
    usual = fmean(pace for _, pace in known)
    paces = {kind: fmean(pace for other, pace in known if other == kind) for kind, _ in known}
    slots: list[float] = []
    waiting: list[float] = []
    for state in states:
        if state.finished:
            continue
        pace = paces.get(state.job.final.parent, usual) if state.pace is None else state.pace
        left = (state.job.epochs - state.done) * pace - min(pace, state.idle)
        (slots if state.started else waiting).append(max(0.0, left))
    slots += [0.0] * (at_once - len(slots))
    heapq.heapify(slots)
    for left in waiting:
        heapq.heapreplace(slots, slots[0] + left)
    return max(slots)


def running(states: Sequence[State], most: int) -> str:
    """What is running, in words; of more than `most`, only how many more there are."""
    words = [
        state.job.name + (f": epoch {min(state.done + 1, state.job.epochs)} of {state.job.epochs}" if state.job.epochs else "")
        for state in states
        if state.started and not state.finished
    ]
    return "; ".join([*words[:most], *([f"{len(words) - most} more"] if len(words) > most else [])])


def outlook(states: Sequence[State], left: float | None, now: datetime) -> str:
    """What is left, and when it will be done, in words.

    Args:
        states: Of all runs.
        left: Seconds until all are done, as of `seconds_left`.
        now: The time.
    """
    unfinished = sum(not state.finished for state in states)
    if not unfinished:
        return "all folds done"
    left_over = f"{unfinished} of {len(states)} folds left" if len(states) > 1 else f"{unfinished} fold left"
    if left is None:
        return left_over
    end = now + timedelta(seconds=left)
    clock = f"{end:%H:%M}" if end.date() == now.date() else f"{end:%a %d %b, %H:%M}"
    return f"{left_over}; done by {clock} at the latest (in {duration(left)})"


def duration(seconds: float) -> str:
    """A duration in words, to about one part in ten."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
