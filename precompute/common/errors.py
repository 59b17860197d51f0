"""Errors that a user can fix: each message gives the value, the limit and the remedy in one sentence."""

import difflib
from collections.abc import Iterable, Sequence

MOST_LISTED = 24
"""Number of choices that a message lists; there are over a hundred colour maps."""


class WserError(Exception):
    """Base of every error whose message is meant for the user; the command lines print it without a traceback."""


class UsageError(WserError, ValueError):
    """A command was given what it does not take; its exit code is that of wrong usage."""


class RecipeError(UsageError):
    """A recipe has a parameter outside its legal values."""


class CorpusError(WserError, ValueError):
    """A corpus is unknown, missing or inconsistent."""


class UnknownCorpusError(CorpusError, UsageError):
    """No corpus has the name that was given."""


class UnusableAudioError(WserError, ValueError):
    """The content of one recording cannot be used; the message is the reason written to the record of skipped inputs."""


class TooLongError(UnusableAudioError):
    """A recording is longer than an utterance may be."""


class UnsafePathError(WserError):
    """Something in a shared directory is a link, a pipe, or larger than allowed."""


class CacheError(WserError):
    """A cache is unreadable, of unknown origin, damaged or ambiguous.

    Attributes:
        what: The problem.
        remedy: What to do about it, where `what` does not say so itself.
    """

    def __init__(self, what: str = "", remedy: str | None = None) -> None:
        super().__init__(f"{what}: {remedy}" if remedy else what)
        self.what, self.remedy = what, remedy

    def __reduce__(self) -> tuple[type["CacheError"], tuple[str, str | None]]:
        return type(self), (self.what, self.remedy)


class CacheMissingError(CacheError, FileNotFoundError):
    """No sealed cache matches the request."""


def unknown(what: str, name: str, choices: Iterable[str]) -> str:
    """The message for an unknown name: it suggests the nearest choice, and lists the choices if they are few."""
    known = sorted(choices)
    if not known:
        return f"there is no {what} '{name}', and no other {what} either"
    hint = did_you_mean(name, known)
    if len(known) > MOST_LISTED:
        listed = "" if hint else f": choose from {few(known, MOST_LISTED)}"
    else:
        listed = f": choose from {', '.join(known)}"
    return f"there is no {what} '{name}'{listed}{hint}"


def did_you_mean(name: str, choices: Sequence[str], likeness: float = 0.6) -> str:
    """The nearest of some choices as the end of a message, nothing where none is as like as `likeness`, from 0 to 1."""
    near = difflib.get_close_matches(name, choices, n=1, cutoff=likeness)
    return f"; did you mean '{near[0]}'?" if near else ""


def reason(error: BaseException) -> str:
    """Why something failed, in a line."""
    why = error.strerror if isinstance(error, OSError) else None
    return why or " ".join(str(error).split())[:200] or type(error).__name__


def few(names: Sequence[object], shown: int = 5) -> str:
    """The first few of some names, and how many more there are: `a, b, c and 4 more`."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(map(str, names[:shown])) + more


def counted(count: int, noun: str) -> str:
    """A number of things, as in `1 file` and `2 files`."""
    return f"{count} {noun}{'s' * (count != 1)}"
