"""The command `python -m wser.runs`: what runs there are, and clearing away what is not needed."""

import argparse
import functools
import sys
from collections.abc import Sequence

from precompute.common import clearing, paths, tables, terminal
from precompute.common.errors import UsageError
from precompute.common.tables import Column

KEPT = "what was cleared stays cleared"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; by default those of the process.

    Returns:
        The exit code: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted.
    """
    return terminal.command("wser.runs", _main, KEPT, arguments)


def _main(arguments: Sequence[str]) -> int:
    parser = terminal.Parser(
        prog="python -m wser.runs", description="Look after results: list runs, and clear away what is not needed."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    common = terminal.Parser(add_help=False)
    common.add_argument(
        "--results", metavar="DIR", type=paths.path, default="runs", help="directory of all results (default: ./runs)"
    )
    text = "List every run: finished folds, settings, size, who made it and when, and what killed jobs left in it."
    commands.add_parser("list", help=text, description=text, parents=[common]).set_defaults(run=_list)
    text = (
        "Delete what killed jobs left and old trash; move runs without a finished fold to the trash. Runs with a finished fold "
        "are never touched."
    )
    clean = commands.add_parser("gc", help=text, description=text, parents=[common])
    clean.set_defaults(run=_gc)
    clearing.options(clean, "age in days of trash and of runs without a finished fold")
    options = parser.parse_args(arguments)
    if not options.results.is_dir():
        raise UsageError(f"{options.results} is not a directory: give the directory of all results by --results DIR")
    return int(options.run(options))


def _list(options: argparse.Namespace) -> int:
    from wser.execution.housekeeping import listed

    runs = list(listed(options.results))
    if not runs:
        print(f"no runs in {options.results}: python -m wser.run results={options.results} makes one")
        return 0
    columns = [
        Column("run"), Column("corpus", spare=6), Column("protocol", spare=7), Column("differs in", wraps=True, below=True),
        Column("folds", right=True), Column("state", spare=1), Column("MB", right=True, spare=2),
        Column("leftovers\nMB", right=True, spare=4), Column("started (UTC)", spare=3), Column("by", spare=5),
    ]  # fmt: skip
    table = tables.Table(f"runs in {options.results}", columns)
    for run in runs:
        folds = f"{run.done} of {run.folds}" if run.folds else run.state
        left = f"{run.leftovers / 1e6:.1f}" if run.leftovers else ""
        size = f"{run.size / 1e6:.1f}"
        table.add(run.path.name, run.corpus, run.protocol, run.settings, folds, run.state, size, left, run.made, run.by)
    tables.show(table)
    unfinished = sum(run.state != "finished" for run in runs)
    total = sum(run.size for run in runs)
    print(f"{len(runs)} run{'s' * (len(runs) > 1)}, {unfinished} of them not finished, {total / 1e6:.1f} MB")
    return 0


def _gc(options: argparse.Namespace) -> int:
    from wser.execution import housekeeping

    act = functools.partial(housekeeping.clear, root=options.results)
    leftovers = [(leftover, act) for leftover in housekeeping.garbage(options.results, options.grace)]
    return clearing.clear("wser.runs", leftovers, options.yes)


if __name__ == "__main__":
    sys.exit(main())
