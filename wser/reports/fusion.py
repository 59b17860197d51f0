"""A fusion of finished runs with its page, summary and table, for the commands that fuse."""

import sys
from collections.abc import Sequence
from dataclasses import replace

from precompute.common import files, tables
from wser import results
from wser.evaluation import published
from wser.execution.fusing import fuse
from wser.reports.html import opened
from wser.reports.html import run as pages
from wser.reports.html.opened import SummarisedRun
from wser.reports.tables import fold_table
from wser.results import StoredRun


def write(runs: Sequence[StoredRun], command: str) -> SummarisedRun:
    """Fuse runs, and write page and summary of the fusion.

    Arguments and errors are those of `fusing.fuse`.
    """
    path = fuse(runs, command)
    measured = replace(opened.summarised(path), notes=())
    pages.write_page(measured, path, published.load())
    # Last, so that a summary that is there has its page.
    files.replace(path / results.SUMMARY, results.as_json(measured.summary), path.parent)
    return measured


def show(fusion: SummarisedRun, runs: Sequence[StoredRun]) -> None:
    """Print the runs of a fusion, its table and where it is."""
    for run in runs:
        tables.paragraph(f"{run.path}: {run.title}, recipe {run.recipe}", "  ")
    sys.stdout.flush()
    stored = fusion.stored
    print()
    tables.show(fold_table(stored.title, fusion.summary, fusion.caveats))
    print(f"results: {stored.path}\npage: {stored.path / results.PAGE}", flush=True)
