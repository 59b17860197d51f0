"""Shows the progress of runs while they run."""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType

from precompute.common import terminal
from precompute.common.errors import counted
from wser.execution.progress import Job, State, look, outlook, running, seconds_left

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_BETWEEN_LINES = 30.0

MOST_NAMED = 3
"""Runs that a plain line names."""


class Watch:
    """Shows what runs, what is left and when it will be done: a bar on a terminal, else a plain line now and then.

    Args:
        jobs: All runs, in the order in which they start.
        at_once: Runs at once.
        cluster: Says how many workers a cluster has, where it does the work; they are then the runs at once.
    """

    def __init__(self, jobs: Sequence[Job], at_once: int, cluster: Callable[[], int] | None = None) -> None:
        self.at_once, self.cluster = at_once, cluster
        self.states = [State(job) for job in jobs]
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.live = None
        if sys.stderr.isatty():
            from rich.console import Group
            from rich.live import Live
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
            from rich.text import Text

            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
            self.bar, self.names = Progress(*columns), Text(style="dim", overflow="ellipsis", no_wrap=True)
            # What is fitted at once has no epochs to count.
            self.epochs = sum(job.epochs for job in jobs)
            self.task = self.bar.add_task("starting", total=self.epochs or len(jobs))
            self.live = Live(Group(self.bar, self.names), console=terminal.console(stderr=True))

    def __enter__(self) -> "Watch":
        if self.live:
            self.live.start()
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.stop.set()
        self.thread.join()
        if self.live:
            self._look()
            self.live.stop()

    def say(self, text: str) -> None:
        """Print a line on stderr above the bar."""
        if self.live:
            self.live.console.print(text, highlight=False)
        else:
            print(text, file=sys.stderr)

    def _watch(self) -> None:
        spoken = -SECONDS_BETWEEN_LINES
        while not self.stop.wait(SECONDS_BETWEEN_LOOKS):
            line = self._look()
            now = time.monotonic()
            if line and not self.live and now - spoken > SECONDS_BETWEEN_LINES:
                spoken = now
                print(line, file=sys.stderr)

    def _look(self) -> str | None:
        """Look at all runs that were not finished; the line to say, None as long as no time can be given."""
        self.states = [state if state.finished else look(state.job) for state in self.states]
        workers = self.cluster() if self.cluster else self.at_once
        left = seconds_left(self.states, max(1, workers))
        names, rest = running(self.states, MOST_NAMED), outlook(self.states, left, datetime.now())
        if self.cluster:
            rest = f"{counted(workers, 'worker')}; {rest}"
        if self.live:
            done = sum(state.done if self.epochs else state.finished for state in self.states)
            self.bar.update(self.task, completed=done, description=f"{'epochs' if self.epochs else 'folds'}; {rest}")
            self.names.plain = terminal.printable(running(self.states, len(self.states)).replace("; ", "\n"))
        if not workers:
            return f"waiting for a worker; {rest}"
        return f"{names}; {rest}" if names and left is not None else None
