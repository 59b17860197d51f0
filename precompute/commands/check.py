"""The command `python -m precompute check`: what a corpus holds, here and as a page."""

import argparse
import functools
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from precompute.commands import _corpora, _options
from precompute.common import finding, terminal
from precompute.common.errors import RecipeError
from precompute.corpora import Corpus, Scan

if TYPE_CHECKING:
    from precompute.recipe import Recipe

AS_PUBLISHED, WORTH_READING = 0, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the command's name; by default those of the process.

    Returns:
        The exit code: 0 as published and every recording can be used, 1 nothing checked, 2 wrong usage,
        3 a warning is worth reading, 130 interrupted.
    """
    return terminal.command("precompute", _main, "what was written stays, run the same command to finish", arguments)


def _main(arguments: Sequence[str]) -> int:
    parser = terminal.Parser(
        prog="python -m precompute check",
        description="Read every recording of corpora, and report counts, durations, rates, channels, clipping, silence, "
        "duplicates and labels by speaker, here and as a page with pictures.",
        epilog="Example: python -m precompute check emodb --out emodb.html. Exit codes: 0 as published, 1 nothing checked, "
        "2 wrong usage, 3 checked with warnings, 130 interrupted.",
    )
    _options.corpus(parser, _options.SEVERAL)
    _options.corpora(parser)
    _options.recipe(parser, "name of the recipe of the pictures")
    _options.jobs(parser)
    _options.out(parser)
    _options.table(parser, "with the corpus table")
    options = parser.parse_args(arguments)
    command = shlex.join(["python", "-m", "precompute", "check", *arguments])
    return run(options.corpus, _corpora.places(options), options, parser, command)


def run(wanted: str, where: finding.Corpora, options: argparse.Namespace, parser: argparse.ArgumentParser, command: str) -> int:
    """Check corpora.

    Args:
        wanted: Names of the corpora, with commas between; `all`, or `table`.
        where: They may be.
        options: With those of `recipe`, `jobs`, `out` and `table`.
        parser: That read them, to refuse them by.
        command: As typed, for the page's foot.

    Returns:
        The exit code, as of `main`.
    """
    if options.out and ("," in wanted or wanted == "all"):
        parser.error(f"--out {options.out} is one page: check one corpus, or leave out --out")
    chosen = _corpora.recipes(options)
    for words, recipe in chosen.items():
        if recipe.array.kind != "picture":
            raise RecipeError(f"--check shows pictures, and the recipe {words} gives {recipe.array}: name a recipe of pictures")
    if len(chosen) > 1:
        raise RecipeError(f"--check draws its spectrograms by one recipe, and {len(chosen)} are given: name one")
    return _corpora.each(wanted, where, chosen, options, functools.partial(_check, options, command), make=True)


def _check(
    options: argparse.Namespace, command: str, corpus: Corpus, directory: Path, scan: Scan, recipe: "Recipe", _: str
) -> int:
    from precompute.check import report
    from precompute.commands import _survey

    out = options.out or Path(f"check-{corpus.name}.html")
    measured, findings = report.write(corpus, directory, scan, recipe, options.jobs, out, command)
    _survey.show(measured, findings)
    print(f"page: {out}")
    return WORTH_READING if any(finding.warning for finding in findings) else AS_PUBLISHED


if __name__ == "__main__":
    sys.exit(main())
