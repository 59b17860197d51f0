"""Writing a page, its figures and its tables."""

import base64
import hashlib
import os
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from precompute import page
from precompute.plot import save, svg
from wser import results
from wser.reports.pages.table import Link, Table, shown

PACKAGE = "wser.reports.pages"
SCRIPT = "page.js"


class Beside:
    """The directory of a page's figures and tables.

    Args:
        page: Directory of the page.
    """

    def __init__(self, page: Path) -> None:
        self.path = page / results.BESIDE_PAGE
        self.path.mkdir(parents=True, exist_ok=True)

    def figure(self, figure: Any, name: str) -> str:
        """Write a figure as PNG and SVG; returns the SVG for the page."""
        save(figure, self.path / name)
        return svg(figure, name)

    def tables(self, tables: Sequence[Table | None]) -> None:
        """Write tables as CSV and LaTeX."""
        for table in tables:
            if table is not None:
                table.write(self.path)


def write(path: Path, template: str, **values: Any) -> None:
    """Fill a template and write the page, all at once, so that nobody reads half of one.

    Args:
        path: Of the page.
        template: File name in this package.
        values: By name.
    """
    script = (files(PACKAGE) / SCRIPT).read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = page.render(
        PACKAGE,
        template,
        script=script,
        script_hash=digest,
        shown=shown,
        is_link=lambda cell: isinstance(cell, Link),
        beside=results.BESIDE_PAGE,
        **values,
    )
    aside = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        # A file name need not be text.
        aside.write_text(text, encoding="utf-8", errors="replace")
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
