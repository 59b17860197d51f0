"""Plots: one style, and SVG that takes the colours and the fonts of the page around it."""

import io
import re
import textwrap
import warnings
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.transforms import Bbox

from precompute.common import files

INK, PAPER, SOFT, QUIET, FIRST, SECOND = "#1d2329", "#ffffff", "#56616c", "#d5dbe1", "#2f6f9f", "#b04a12"
COLOURS = {
    INK: "currentColor", PAPER: "var(--paper)", SOFT: "var(--soft)", QUIET: "var(--quiet)", FIRST: "var(--first)",
    SECOND: "var(--second)",
}  # fmt: skip
"""The light colours of `base.html.jinja`, and their names there, which a plot in a page has instead."""

WIDTH = 4.4
"""Of a plot in a page, in inches: about a phone's screen, so that its text is as large as that of the page."""

DPI = 150
"""Of a PNG."""

STYLE: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "wser", "font.size": 10, "text.parse_math": False, "axes.unicode_minus": True,
    "text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, "grid.color": QUIET,
    "grid.linewidth": 0.5, "patch.edgecolor": INK,
}  # fmt: skip


def save(figure: Any, stem: Path, root: Path | None = None, note: str = "") -> None:
    """Write a figure as PNG and SVG, the same on every run.

    Args:
        figure: Of matplotlib, drawn in `STYLE`.
        stem: Path without the ending.
        root: Above it; below it no link is followed.  By default the directory of the files.
        note: A line to be added under the figure.
    """
    for kind, content in rendered(figure, note).items():
        files.replace(stem.with_name(f"{stem.name}.{kind}"), content, root or stem.parent)


def rendered(figure: Any, note: str = "") -> dict[str, bytes]:
    """The files of a figure by their endings, `png` and `svg`, the same on every run.

    Args:
        figure: Of matplotlib, drawn in `STYLE`.
        note: A line to be added under the figure.
    """
    width, height = figure.get_size_inches()
    # Characters of 8 points are about 0.07 inches wide.
    lines = textwrap.wrap(note, max(30, int(width / 0.07)))
    # The lines below make the picture larger, and leave what is drawn above where it is.
    area = Bbox.from_extents(0, -0.15 - 0.16 * len(lines), width, height) if lines else None
    inches = figure.dpi_scale_trans
    added = [
        figure.text(0.1, -0.05 - 0.16 * at, line, va="top", fontsize=8, in_layout=False, transform=inches)
        for at, line in enumerate(lines)
    ]
    png, svg_ = io.BytesIO(), io.BytesIO()
    with plt.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(png, format="png", dpi=DPI, facecolor=PAPER, bbox_inches=area)
        figure.savefig(svg_, format="svg", facecolor=PAPER, bbox_inches=area, metadata={"Date": None, "Creator": None})
    for line in added:
        line.remove()
    return {"png": png.getvalue(), "svg": svg_.getvalue()}


def svg(figure: Any, name: str) -> str:
    """The element `<svg>` of a figure, the same on every run, for a page with others; closes the figure.

    Args:
        figure: Of matplotlib, drawn in `STYLE`.
        name: Of the figure, no other's in the page: begins its ids.
    """
    file = io.StringIO()
    # The page has its own fonts, also for glyphs that matplotlib's lack.
    with plt.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = file.getvalue()
    text = text[text.index("<svg") :].strip()
    # What another SVG or the page would share: descriptions, styles of everything, sizes, fonts, and ids.
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg [^>]*?)width="[^"]*" height="[^"]*" ', r"\1", text)
    # Tags alone: what they enclose is text of the plot.
    return re.sub(r"<[^>]*>", lambda tag: _in_page(tag[0], name), text)


def _in_page(tag: str, name: str) -> str:
    tag = re.sub(r"font-family: [^;]*; ", "", tag)
    tag = re.sub(r'<g id="[^"]*"', "<g", tag)
    tag = re.sub(r'((?:id|href)="#?|url\(#)', rf"\1{name}-", tag)
    for colour, meant in COLOURS.items():
        tag = tag.replace(colour, meant)
    return tag
