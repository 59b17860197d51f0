"""Removing what is no longer needed, from caches and from results: first it is listed, and removed only on request."""

import argparse
import math
import shlex
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from precompute.common.errors import WserError
from precompute.common.files import GRACE_DAYS


@dataclass(frozen=True)
class Garbage:
    """A file or directory that is no longer needed.

    Attributes:
        path: Of the file or directory.
        why: The reason, in words.
        size: Bytes on disk.
        for_good: Whether it is deleted; otherwise it is moved to the trash.
    """

    path: Path
    why: str
    size: int
    for_good: bool


def days(text: str) -> float:
    """The value of an option that is a number of days, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number of days: give 0 or more")
    return number


def confirmation(parser: argparse.ArgumentParser) -> None:
    """Add the option without which nothing is removed."""
    parser.add_argument("--yes", action="store_true", help="do it; without this option, only show what would be done")


def options(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the options of a command that removes what is old enough.

    Args:
        parser: Of the command.
        what: Help text of the age.
    """
    parser.add_argument("--grace", metavar="DAYS", type=days, default=GRACE_DAYS, help=f"{what} (default: %(default)g)")
    confirmation(parser)


def undo(place: Path, path: Path) -> str:
    """How to restore what was moved to the trash."""
    return f"; to restore it: {shlex.join(['mv', str(place), str(path)])}"


def clear(
    name: str,
    garbage: Iterable[tuple[Garbage, Callable[[Garbage], Path | None]]],
    yes: bool,
    undo: Callable[[Path, Path], str] = undo,
) -> int:
    """Show what can be removed, and remove it if `yes`; returns the exit code.

    Args:
        name: Of the command, which begins each error message.
        garbage: Each item with the function that removes it, which returns its place in the trash, or None if it was deleted.
        yes: Whether to do it.
        undo: Says how to restore what was moved to the trash: takes its place there, and where it was.
    """
    code, count, size = 0, 0, 0
    for item, remove in garbage:
        what = f"{item.path}  {item.size / 1e6:.1f} MB, {item.why}"
        if not yes:
            print(f"would {'delete' if item.for_good else 'move to the trash'}  {what}")
        else:
            try:
                place = remove(item)
            except WserError as error:
                print(f"{name}: {error}", file=sys.stderr)
                code = 1
                continue
            print(f"moved to the trash  {what}{undo(place, item.path)}" if place else f"deleted  {what}")
        count += 1
        size += item.size
    if not count:
        print("there is nothing to remove")
        return code
    print(f"{size / 1e6:.1f} MB {'removed' if yes else 'can be removed'}")
    if not yes:
        print("nothing was removed: give --yes to do it")
    return code
