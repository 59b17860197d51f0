"""Writing a page, its figures and its tables."""

import base64
import hashlib
import importlib.resources
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from precompute.common import files
from precompute.common.html import page
from precompute.common.html.plot import save, svg
from wser import results
from wser.evaluation.caveats import Caveat, in_brief
from wser.reports.html.glossary import meaning
from wser.reports.html.table import Link, Table, shown

PACKAGE = "wser.reports.html"
SCRIPT = "page.js"

MOST_ROWS = 1000
"""Of a table in a page, whose file has all."""


class PageFiles:
    """The directory of a page's figures and tables.

    Args:
        page: Directory of the page, in which no link is followed.
        caveats: What must be known about the metrics in all of them.
    """

    def __init__(self, page: Path, caveats: Sequence[Caveat]) -> None:
        self.root = page
        self.path = page / results.BESIDE_PAGE
        self.caveats = caveats
        files.make_directory(self.path, page)

    def figure(self, figure: Any, name: str) -> str:
        """Write a figure as PNG and SVG; returns the SVG for the page, which says the caveats itself."""
        save(figure, self.path / name, self.root, in_brief(self.caveats))
        return svg(figure, name)

    def tables(self, tables: Sequence[Table | None]) -> None:
        """Write tables as CSV and LaTeX."""
        for table in tables:
            if table is not None:
                replace(table, caveats=table.caveats or self.caveats).write(self.path, self.root)


def write(path: Path, template: str, **values: Any) -> None:
    """Fill a template and write the page, all at once, so that no reader sees half of one.

    Args:
        path: Of the page.
        template: File name in this package.
        values: By name.
    """
    script = (importlib.resources.files(PACKAGE) / SCRIPT).read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = page.render(
        PACKAGE,
        template,
        script=script,
        script_hash=digest,
        shown=shown,
        meaning=meaning,
        is_link=lambda cell: isinstance(cell, Link),
        is_links=lambda cell: isinstance(cell, list),
        beside=results.BESIDE_PAGE,
        most_rows=MOST_ROWS,
        **values,
    )
    # A file name need not be text.
    files.replace(path, text.encode("utf-8", "replace"), path.parent)
