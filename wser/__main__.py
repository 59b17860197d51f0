"""The console script `wser`: its first word names the command."""

import sys
from collections.abc import Sequence

from precompute.common import process, terminal
from wser import compare, export, fuse, predict, report, run, runs

COMMANDS = {
    "run": run.main,
    "compare": compare.main,
    "fuse": fuse.main,
    "predict": predict.main,
    "export": export.main,
    "report": report.main,
    "runs": runs.main,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Hand the arguments to the command that the first one names.

    Args:
        arguments: Without the program's name; by default those of the process.

    Returns:
        The exit code, that of the command; 2 where none is named.
    """
    arguments = process.arguments(arguments)
    if arguments and arguments[0] in COMMANDS:
        return COMMANDS[arguments[0]](arguments[1:])
    return terminal.command("wser", _usage, "nothing was done", arguments)


def _usage(arguments: Sequence[str]) -> int:
    asked = list(arguments) in (["--help"], ["-h"])
    print(f"usage: wser {{{','.join(COMMANDS)}}} ...; wser COMMAND --help says more", file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2


if __name__ == "__main__":
    sys.exit(main())
