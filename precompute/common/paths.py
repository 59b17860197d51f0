"""Paths as people write them: `~` and `~anna` are replaced by home directories also where no shell does it.

That is in YAML, in environment variables, in `--out=~/x` and `results=~/x`, and after the first of `WSER_CACHE=~/a:~/b`.
"""

import os
import re
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

from precompute.common.errors import UsageError, WserError

_BETWEEN = re.compile(rf"{re.escape(os.pathsep)}(?!//)")
_VARIABLE = re.compile(r"(?:^|/)\$[A-Za-z_{][^/]*")


def path(text: str) -> Path:
    """The path of a text.

    Raises:
        WserError: As `in_full`.
    """
    return Path(in_full(text))


def in_full(text: str) -> str:
    """The same as text: `~` at the beginning replaced by the home directory, and a `file://` address by its path.

    `./~` is a file of this name.  Variables are not replaced, so that a path in a settings file means the same for everybody.

    Raises:
        WserError: The user after `~` is unknown; or a part of the path begins with `$`, as in `$HOME/x`, and no such file
            exists.
    """
    if text.startswith("file://"):
        return urllib.parse.unquote(urllib.parse.urlsplit(text).path)
    if "://" in text:
        return text
    for variable in _VARIABLE.finditer(text):
        if not os.path.lexists(text[: variable.end()]):
            name = variable[0].lstrip("/")
            raise WserError(f"{text} contains {name}, and variables are not replaced here: write the path without them")
    if not text.startswith("~"):
        return text
    owner = text.partition("/")[0]
    try:
        home = Path(owner).expanduser()
    except RuntimeError:
        home = Path()
    if not home.is_absolute():
        raise WserError(f"{text} begins with an unknown home directory: write the path in full, or ./{text} for this name")
    return f"{home}{text.removeprefix(owner)}"


def split(text: str) -> list[str]:
    """The parts of a list as in WSER_CACHE: separated as in PATH, by `:` (`;` on Windows), which a URL may hold."""
    return [part for part in _BETWEEN.split(text) if part]


def each_in_full(text: str) -> str:
    """Such a list with each of its paths in full.

    Raises:
        WserError: As `in_full`.
    """
    return os.pathsep.join(map(in_full, _BETWEEN.split(text)))


def refuse_twice(named: Sequence[Path], what: str) -> None:
    """Refuse paths of which two lead to the same place.

    Args:
        named: The paths.
        what: One of them is, with its article.

    Raises:
        UsageError: Two do; the message names all.
    """
    if len({path.resolve() for path in named}) < len(named):
        raise UsageError(f"{' and '.join(map(str, named))} name {what} twice: name different ones")
