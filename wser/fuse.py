"""The command `python -m wser.fuse`: averages the probabilities of finished runs of one split."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from precompute.common import paths, terminal
from precompute.common.errors import UsageError

EPILOG = """\
Every run has the same weight.  Nothing is fitted, so the test set influences nothing.  The fusion is a new run, beside the
first one: it can be compared, reported, listed and bundled.  It is speaker-calibrated if one of its runs is.

example:
  python -m wser.fuse RUN RUN

RUN is the directory of a run, such as runs/emodb-row_svm-loso-1a2b3c4d5e6f.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; by default those of the process.

    Returns:
        The exit code: 0 fused, 1 refused, 2 wrong usage, 130 interrupted.
    """
    return terminal.command("wser.fuse", _main, "the same command continues", arguments)


def _main(arguments: Sequence[str]) -> int:
    parser = terminal.Parser(
        prog="python -m wser.fuse",
        description="Average the probabilities of finished runs of one split, and store them as a new run.",
        epilog=EPILOG,
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", type=paths.path, help="directory of a run's results; two or more")
    named: list[Path] = parser.parse_args(arguments).runs
    if len(named) < 2:
        raise UsageError(f"{named[0]} alone is given, where two runs or more can be fused: name others")
    paths.refuse_twice(named, "a run")
    from wser import results
    from wser.reports import fusion

    runs = [results.open_finished(path) for path in named]
    fusion.show(fusion.write(runs, shlex.join(["python", "-m", "wser.fuse", *map(str, named)])), runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
