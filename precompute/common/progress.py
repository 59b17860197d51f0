"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from precompute.common import terminal
from precompute.common.errors import counted

SECONDS_BETWEEN_LINES = 10.0


class Advance(Protocol):
    """Report that more is done."""

    def __call__(self, amount: int) -> None:
        """Add `amount` to what is done."""


@contextmanager
def progress(what: str, total: int, unit: str, workers: Callable[[], int] | None = None) -> Iterator[Advance]:
    """Show on stderr how much of `total` is done, how fast, and how long the rest will take.

    Args:
        what: Is done.
        total: Of it.
        unit: In which it is counted.
        workers: Gives the number of workers of a cluster, where they do it.
    """

    def described() -> str:
        return f"{what} by {counted(workers(), 'worker')}" if workers else what

    if sys.stderr.isatty():
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        rate = TextColumn("{task.fields[rate]}")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
        with Progress(*columns, console=terminal.console(stderr=True)) as bar:
            task = bar.add_task(described(), total=total, rate="")

            def advance(amount: int) -> None:
                speed = bar.tasks[0].speed
                bar.update(task, description=described(), advance=amount, rate=f"{_rate(speed)} {unit}/s" if speed else "")

            yield advance
    else:
        started = last = time.monotonic()
        done = 0

        def advance(amount: int) -> None:
            nonlocal done, last
            done += amount
            now = time.monotonic()
            if now - last > SECONDS_BETWEEN_LINES:
                last = now
                rate = done / (now - started)
                print(
                    f"{described()}: {done}/{total}, {_rate(rate)} {unit}/s, {(total - done) / rate:.0f} s left",
                    file=sys.stderr,
                )

        yield advance


def _rate(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}"
