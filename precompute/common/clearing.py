"""Clearing away what nobody needs any more, of caches and of results alike: it is said first, and done where that is wanted."""

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
    """Something that nobody needs any more.

    Attributes:
        path: Of a file or directory.
        why: In words.
        size: Bytes on disk.
        for_good: Whether it is to be deleted; otherwise it goes to the trash first.
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
        raise argparse.ArgumentTypeError(f"{text} is no number of days: give 0 or more")
    return number


def confirmation(parser: argparse.ArgumentParser) -> None:
    """The option without which nothing is cleared."""
    parser.add_argument("--yes", action="store_true", help="do it; without this, only say what would be done")


def options(parser: argparse.ArgumentParser, what: str) -> None:
    """The options of a command that clears away what is old enough.

    Args:
        parser: Of the command.
        what: Help of the age.
    """
    parser.add_argument("--grace", metavar="DAYS", type=days, default=GRACE_DAYS, help=f"{what} (default: %(default)g)")
    confirmation(parser)


def undo(place: Path, path: Path) -> str:
    """How to bring back what was moved to the trash."""
    return f"; to bring it back: {shlex.join(['mv', str(place), str(path)])}"


def clear(name: str, garbage: Iterable[tuple[Garbage, Callable[[Garbage], Path | None]]], yes: bool) -> int:
    """Say what there is to clear, and do it where that is wanted; the exit code.

    Args:
        name: Of the command, before a sentence of what failed.
        garbage: Each with what clears it: gives its place in the trash, or None where it is deleted.
        yes: Whether to do it.
    """
    code, count, size = 0, 0, 0
    for one, act in garbage:
        what = f"{one.path}  {one.size / 1e6:.1f} MB, {one.why}"
        if not yes:
            print(f"would {'delete' if one.for_good else 'move to the trash'}  {what}")
        else:
            try:
                place = act(one)
            except WserError as error:
                print(f"{name}: {error}", file=sys.stderr)
                code = 1
                continue
            print(f"moved to the trash  {what}{undo(place, one.path)}" if place else f"deleted  {what}")
        count += 1
        size += one.size
    if not count:
        print("there is nothing to clear")
        return code
    print(f"{size / 1e6:.1f} MB {'cleared' if yes else 'could be cleared'}")
    if not yes:
        print("nothing was done: give --yes to do it")
    return code
