"""The command line: the first word of `python -m precompute` names the command; without one, its flags do."""

import functools
import importlib
import sys
from collections.abc import Sequence

from precompute.common import process, terminal

COMMANDS = {
    "build": "recordings in, cache out: the default command",
    "check": "what corpora contain, here and as a page",
    "fetch": "download corpora",
    "list": "the corpora: found or not, counts, licence, where to get them",
    "show": "draw utterances of a cache, or the filters of a recipe",
    "cache": "manage caches: list, verify, clean up, export, copy",
}
"""What each module of `precompute/commands/` does, by its name."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Hand the arguments to the command that the first one names.

    Args:
        arguments: Without the program's name; by default those of the process.

    Returns:
        The exit code of the command: 0 all done, 1 nothing done, 2 wrong usage, 3 done with inputs skipped, or checked with
        warnings, 130 interrupted.
    """
    arguments = process.arguments(arguments)
    try:
        if arguments and arguments[0] in COMMANDS:
            return int(importlib.import_module(f"precompute.commands.{arguments[0]}").main(arguments[1:]))
        from precompute.commands import _flags, build
    except ModuleNotFoundError as error:
        if not (missing := terminal.missing_package(error)):
            raise
        print(f"precompute: {missing}", file=sys.stderr)
        return terminal.FAILED
    return terminal.command("precompute", functools.partial(_flags.run, commands=COMMANDS), build.KEPT, arguments)


if __name__ == "__main__":
    sys.exit(main())
