"""The console script `wser`: its first word names the command."""

import sys
from collections.abc import Sequence

from precompute.common import process, terminal
from precompute.common.errors import UsageError, unknown
from wser import compare, export, fuse, predict, report, run, runs

COMMANDS = {
    "run": (run.main, "train and cross-validate; repeat a run"),
    "compare": (compare.main, "compare runs on the same test utterances, with a paired test"),
    "fuse": (fuse.main, "average the probabilities of runs of one split"),
    "predict": (predict.main, "predict the emotion of new recordings"),
    "export": (export.main, "write networks for other software (ONNX), or the model card"),
    "report": (report.main, "write pages, tables, the index of all runs, a bundle for a reviewer"),
    "runs": (runs.main, "list runs, or remove what killed jobs left"),
}
"""Each command with what it does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Hand the arguments to the command that the first one names.

    Args:
        arguments: Without the program's name; by default those of the process.

    Returns:
        The exit code, that of the command; 2 where none is named.
    """
    arguments = process.arguments(arguments)
    if arguments and arguments[0] in COMMANDS:
        return COMMANDS[arguments[0]][0](arguments[1:])
    return terminal.command("wser", _usage, "nothing was done", arguments)


def _usage(arguments: Sequence[str]) -> int:
    asked = list(arguments) in (["--help"], ["-h"])
    if arguments and not arguments[0].startswith("-"):
        raise UsageError(unknown("command", arguments[0], COMMANDS))
    lines = [f"  {name:8} {what}" for name, (_, what) in COMMANDS.items()]
    usage = "\n".join(["usage: wser COMMAND ...", "", *lines, "", "wser COMMAND --help says more"])
    print(usage, file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2


if __name__ == "__main__":
    sys.exit(main())
