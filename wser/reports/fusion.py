"""A fusion of finished runs with its page, summary and table, for the commands that fuse."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from precompute.common import files, tables
from wser import results
from wser.evaluation import published
from wser.execution.fusing import fuse
from wser.reports.html import opened
from wser.reports.html import run as pages
from wser.reports.tables import fold_table
from wser.results import StoredRun


def fuse_and_show(runs: Sequence[StoredRun], command: str) -> None:
    """Fuse runs, write page and summary of the fusion, and print what it is made of, its table and where it is.

    Arguments and errors are those of `fusing.fuse`.
    """
    path = fuse(runs, command)
    for run in runs:
        tables.paragraph(f"{run.path}: {run.title}", "  ")
    sys.stdout.flush()
    _report(path)


def _report(path: Path) -> None:
    """Write page and summary, and print the table."""
    measured = replace(opened.summarised(path), notes=())
    pages.write_page(measured, path, published.load())
    # Last, so that a summary that is there has its page.
    files.replace(path / results.SUMMARY, results.as_json(measured.summary), path.parent)
    print()
    tables.show(fold_table(measured.stored.title, measured.summary, measured.caveats))
    print(f"results: {path}\npage: {path / results.PAGE}", flush=True)
