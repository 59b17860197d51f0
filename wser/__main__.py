"""The console script `wser`: its first word names the command."""

import sys

from precompute.common import process
from wser import compare, report, run, runs

COMMANDS = {"run": run.main, "compare": compare.main, "report": report.main, "runs": runs.main}


def main() -> int:
    """Hand the arguments to the command that the first one names; returns its exit code."""
    process.begin()
    if len(sys.argv) > 1 and sys.argv[1] in COMMANDS:
        return COMMANDS[sys.argv[1]](sys.argv[2:])
    asked = sys.argv[1:] in (["--help"], ["-h"])
    print(f"usage: wser {{{','.join(COMMANDS)}}} ...; wser COMMAND --help says more", file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2


if __name__ == "__main__":
    sys.exit(main())
