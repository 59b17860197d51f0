"""Progress of runs, read from the curves that they write: it works the same wherever the runs are."""

import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from wser.results import CURVES, METRICS

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_BETWEEN_LINES = 30.0


class Watch:
    """Shows epochs done, and the time left at this rate if no run stops early; a bar on a terminal, else plain lines.

    Args:
        runs: Where each run's results grow, where they are in the end, and its epochs.
    """

    def __init__(self, runs: Sequence[tuple[Path, Path, int]]) -> None:
        self.runs = runs
        self.total = sum(epochs for _, _, epochs in runs)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.started = time.monotonic()
        self.bar, self.task = None, None
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("epochs"))
            self.bar = Progress(*columns, TimeElapsedColumn(), TextColumn("{task.fields[left]}"), console=Console(stderr=True))
            self.task = self.bar.add_task("training", total=self.total, left="")

    def __enter__(self) -> "Watch":
        if self.bar:
            self.bar.start()
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.stop.set()
        self.thread.join()
        if self.bar:
            self.bar.stop()

    def say(self, text: str) -> None:
        """Print a line on stderr above the bar."""
        if self.bar:
            self.bar.console.print(text, highlight=False)
        else:
            print(text, file=sys.stderr)

    def _watch(self) -> None:
        spoken = 0.0
        while not self.stop.wait(SECONDS_BETWEEN_LOOKS):
            done = sum(self._epochs(*run) for run in self.runs)
            if not done:
                continue
            now = time.monotonic()
            left = f"at most {duration((self.total - done) * (now - self.started) / done)} left"
            if self.bar and self.task is not None:
                self.bar.update(self.task, completed=done, left=left)
            elif now - spoken > SECONDS_BETWEEN_LINES and done < self.total:
                spoken = now
                print(f"{done} of {self.total} epochs, {left}", file=sys.stderr)

    @staticmethod
    def _epochs(aside: Path, final: Path, epochs: int) -> int:
        if (final / METRICS).exists():
            return epochs
        try:
            return max(0, (aside / CURVES).read_bytes().count(b"\n") - 1)
        except FileNotFoundError:
            return 0


def duration(seconds: float) -> str:
    """A duration in words, to about one part in ten."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
