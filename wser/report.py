"""The command `python -m wser.report`: one page of HTML for a run, a sweep, several runs, or all runs of a directory."""

import argparse
import os
import string
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from precompute.common import files, finding, paths, tables, terminal
from precompute.common.errors import UsageError

if TYPE_CHECKING:
    from wser.evaluation.published import LiteratureResult
    from wser.reports.html.opened import SummarisedRun

EPILOG = """\
The page needs nothing else: it can be mailed, printed and opened without a network.  Its figures (PNG, SVG) and tables
(CSV, LaTeX) are beside it in a directory named report.

examples:
  python -m wser.report RUN
      writes report.html there
  python -m wser.report RUN --audio ~/corpora
      with links to the recordings
  python -m wser.report RUN RUN
      side by side, with the paired test
  python -m wser.report --index runs
      all runs in one table: runs/index.html
  python -m wser.report RUN --bundle review.zip
      all that a reviewer needs, in one file
  python -m wser.report --verify review.zip
      every metric recomputed from that file

RUN is the directory of a run or a sweep, such as
runs/demo-row_svm-loso-1a2b3c4d5e6f.
"""

MOST_DIFFERENCES = 100
"""Of a bundle, that are printed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; by default those of the process.

    Returns:
        The exit code: 0 written, 1 refused, 2 wrong usage, 130 interrupted.
    """
    return terminal.command("wser.report", _main, "make it accessible, or give --out DIR to write elsewhere", arguments)


def _main(arguments: Sequence[str]) -> int:
    parser = terminal.Parser(
        prog="python -m wser.report",
        description="Write the page of a run, of a sweep, of several runs side by side, or of all runs of a directory.",
        epilog=EPILOG,
    )
    parser.add_argument("runs", nargs="*", metavar="RUN", type=paths.path, help="directory of a run's or sweep's results")
    parser.add_argument("--index", metavar="DIR", type=paths.path, help="write the page of all runs in a directory instead")
    parser.add_argument("--out", metavar="DIR", type=paths.path, help="where to write (default: beside the results)")
    parser.add_argument(
        "--audio", metavar="CORPORA", nargs="?", const=os.environ.get("WSER_CORPORA") or "corpora",
        help="link to the recordings in this directory of corpora, or, as in ravdess=DIR, of a corpus (default: $WSER_CORPORA, "
        "else ./corpora)",
    )  # fmt: skip
    parser.add_argument(
        "--published",
        metavar="YAML",
        type=paths.path,
        help="more published results, in the form of wser/evaluation/published.yaml",
    )
    parser.add_argument(
        "--bundle", metavar="ZIP", type=paths.path, help="write the run into one zip file for a reviewer instead: page, "
        "predictions, metrics, split, configuration, identity, versions and checksums; neither weights nor recordings",
    )  # fmt: skip
    parser.add_argument(
        "--verify", metavar="ZIP", type=paths.path, help="recompute every metric of such a file instead, without corpus and "
        "cache; exits 1 where anything differs",
    )  # fmt: skip
    parser.add_argument("--markdown", action="store_true", help="print the main tables for a README instead of writing a page")
    options = parser.parse_args(arguments)
    if options.verify:
        return _verify(options)
    return _index(options) if options.index else _report(options)


def _index(options: argparse.Namespace) -> int:
    from wser.reports.html import index

    others = [*map(str, options.runs), *_given(options, "audio", "published", "markdown", "bundle")]
    if others:
        raise UsageError(f"--index {options.index} is a page of its own: leave out {' '.join(others)}")
    page, damaged, notes = index.write_page(options.index, options.out or options.index)
    for why in [*(f"left out: {why}" for why in damaged), *notes]:
        print(f"warning: {why}", file=sys.stderr)
    print(page)
    return 0


def _verify(options: argparse.Namespace) -> int:
    from wser.reports import bundle
    from wser.reports.tables import verdict_table

    if others := [*map(str, options.runs), *_given(options, "index", "out", "audio", "published", "markdown", "bundle")]:
        raise UsageError(f"--verify {options.verify} is a command of its own: leave out {' '.join(others)}")
    verdict = bundle.verify(options.verify)
    tables.show(verdict_table(verdict))
    for fact in verdict.facts:
        tables.paragraph(fact)
    sys.stdout.flush()
    for difference in verdict.differences[:MOST_DIFFERENCES]:
        print(f"differs: {difference}", file=sys.stderr)
    if len(verdict.differences) > MOST_DIFFERENCES:
        print(f"differs: {len(verdict.differences) - MOST_DIFFERENCES} more", file=sys.stderr)
    if verdict.differences:
        return terminal.FAILED
    print("verified: every metric follows from the predictions, and all files agree.")
    tables.paragraph(
        "Not in the bundle, and so not verified: recordings, true classes, weights, the predictions of validation sets."
    )
    return 0


def _given(options: argparse.Namespace, *names: str) -> list[str]:
    """Of some options, those that were given."""
    return [f"--{name}" for name in names if getattr(options, name)]


def _report(options: argparse.Namespace) -> int:
    from wser import results
    from wser.evaluation import published

    runs: list[Path] = options.runs
    if not runs:
        raise UsageError("no run is named: give one, as runs/emodb-row_svm-loso-1a2b3c4d5e6f, or --index runs for all of them")
    if len(runs) > len(string.ascii_uppercase):
        raise UsageError(f"{len(runs)} runs are more than {len(string.ascii_uppercase)}: give fewer, or --index DIR")
    paths.refuse_twice(runs, "a run")
    sweeps = [path for path in runs if files.exists(path / results.SWEEP, path)]
    if sweeps and len(runs) > 1:
        raise UsageError(f"{sweeps[0]} is a sweep, which has a page of its own: give it alone, or runs")
    if (sweeps or len(runs) > 1) and options.audio:
        raise UsageError("--audio links the page of one run to its recordings: leave it out, or give one run")
    if options.bundle:
        return _bundle(runs, sweeps, options)
    if options.markdown and (others := _given(options, "out", "audio")):
        raise UsageError(f"--markdown prints tables and writes no page: leave out {' '.join(others)}")
    options.audio = finding.parse([options.audio], "") if options.audio else None
    if options.audio and not (options.audio.own or any(root.is_dir() for root in options.audio.roots)):
        raise results.ResultError(f"--audio {options.audio} is not a directory: give the one that holds the corpora")
    entries = published.load(options.published)
    if options.markdown:
        print(_markdown(runs, sweeps, entries), end="")
        return 0
    print(_write(runs, sweeps, entries, options))
    return 0


def _bundle(runs: list[Path], sweeps: list[Path], options: argparse.Namespace) -> int:
    from wser.evaluation import published
    from wser.reports import bundle

    if sweeps or len(runs) > 1:
        raise UsageError("--bundle is of one run: give one, and each of the others by itself")
    if others := _given(options, "out", "audio", "markdown"):
        raise UsageError(f"--bundle writes one file: leave out {' '.join(others)}")
    bundle.write(runs[0], options.bundle, published.load(options.published))
    print(options.bundle)
    return 0


def _write(paths: list[Path], sweeps: list[Path], entries: "list[LiteratureResult]", options: argparse.Namespace) -> Path:
    from wser import results
    from wser.reports.html import run, several, sweep

    runs = _opened(paths, sweeps)
    if sweeps:
        return sweep.write_page(paths[0], runs, options.out or paths[0], entries)
    if len(runs) == 1:
        return run.write_page(runs[0], options.out or paths[0], entries, options.audio)
    out = options.out
    if out is None:
        # The user has not named this one, so it must not lead elsewhere.
        out = results.comparison_directory(paths)
        files.make_directory(out, out.parent)
    return several.write_page(runs, out, entries)


def _opened(paths: list[Path], sweeps: list[Path]) -> "list[SummarisedRun]":
    """The runs, or those of the sweep; says what must be said of their files."""
    from wser.reports.html import opened, sweep

    runs = sweep.opened(paths[0]) if sweeps else [opened.summarised(path) for path in paths]
    for note in (note for run in runs for note in run.notes):
        print(f"warning: {note}", file=sys.stderr)
    return runs


def _markdown(paths: list[Path], sweeps: list[Path], entries: "list[LiteratureResult]") -> str:
    """The folds of one run; of several or a sweep, what the paper claims, and models side by side."""
    from wser.evaluation import caveats
    from wser.reports.html import literature, measured, rivals
    from wser.reports.html.table import markdown
    from wser.results import ResultError, finishing

    runs = _opened(paths, sweeps)
    if unfinished := [run.stored for run in runs if not run.whole]:
        raise ResultError(f"{unfinished[0].path} is not finished: run {finishing(unfinished[0].record)}")
    if len(runs) == 1:
        return replace(measured.folds(runs[0].stored, runs[0].summary), caveats=runs[0].caveats).as_markdown()
    shown = rivals.tables(entries, runs)
    if claims := literature.claims(entries, runs):
        claimed = [run for run in runs if literature.is_papers_network(run.stored)]
        shared = caveats.together((run.stored.path.resolve().name, run.caveats) for run in claimed)
        shown.insert(0, replace(claims, caveats=shared))
    if not shown:
        raise ResultError(
            "these runs are of one model, of which the paper reports nothing: give one run, whose folds are printed, or runs "
            "of several models on one task"
        )
    texts = [f"{table.as_markdown()}\n{' '.join(map(markdown, table.notes))}\n" for table in shown]
    return "\n".join(f"{markdown(table.title)}:\n\n{text}" for table, text in zip(shown, texts, strict=True))


if __name__ == "__main__":
    sys.exit(main())
