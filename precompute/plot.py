"""Plots: one style, and SVG that takes the colours and the fonts of the page around it."""

import io
import re
import warnings
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

INK, PAPER, SOFT, QUIET, FIRST, SECOND = "#1d2329", "#ffffff", "#56616c", "#d5dbe1", "#2f6f9f", "#b04a12"
COLOURS = {
    INK: "currentColor", PAPER: "var(--paper)", SOFT: "var(--soft)", QUIET: "var(--quiet)", FIRST: "var(--first)",
    SECOND: "var(--second)",
}  # fmt: skip
"""The light colours of `base.html.jinja`, and their names there, which a plot in a page has instead."""

WIDTH = 4.4
"""Of a plot in a page, in inches: about a telephone's screen, so that its text is as large as that of the page."""

DPI = 150
"""Of a PNG."""

STYLE: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "wser", "font.size": 10, "text.parse_math": False, "axes.unicode_minus": True,
    "text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, "grid.color": QUIET,
    "grid.linewidth": 0.5, "patch.edgecolor": INK,
}  # fmt: skip


def save(figure: Any, stem: Path) -> None:
    """Write a figure as PNG and SVG, the same on every run.

    Args:
        figure: Of matplotlib, drawn in `STYLE`.
        stem: Path without the ending.
    """
    with plt.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(stem.with_suffix(".png"), dpi=DPI, facecolor=PAPER)
        figure.savefig(stem.with_suffix(".svg"), facecolor=PAPER, metadata={"Date": None, "Creator": None})


def svg(figure: Any, name: str) -> str:
    """The element `<svg>` of a figure, the same on every run, to stand in a page beside others; closes the figure.

    Args:
        figure: Of matplotlib, drawn in `STYLE`.
        name: Of the figure, no other's in the page: begins its ids.
    """
    file = io.StringIO()
    # The page has its own fonts, whatever matplotlib's lack.
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
