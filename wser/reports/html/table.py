"""Tables that are the same on a page, as CSV, in LaTeX and in Markdown."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from precompute.common import files
from precompute.common.sheet import sheet_safe
from precompute.common.terminal import in_a_line, printable
from wser.evaluation.caveats import Caveat

Kind = Literal["text", "unbroken", "ordinal", "count", "percent", "points", "seconds", "p", "picture"]

MOST_LATEX_ROWS = 500
"""Rows of a LaTeX table, which a page of paper can hold; the CSV has all."""

LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        **{mark: f"\\{mark}" for mark in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "±": r"$\pm$",
    }
)
MARKDOWN = str.maketrans({mark: f"\\{mark}" for mark in "*_[]()`~$!#"} | {mark: f"&#{ord(mark)};" for mark in "\\|<>&"})
"""Marks that begin something; those that Markdown's tables and HTML take before its backslashes by their number."""


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        heading: Its name, with the unit.
        kind: What its cells are: `unbroken` text stays in one line; `percent` are shares in [0, 1], `points` differences of
            shares, both shown times 100; `ordinal` numbers name things.
        bar: Whether cells show their share of 100 % as a bar behind the number.
        key: Its name in CSV, where that is not the heading without its unit.
    """

    heading: str
    kind: Kind = "text"
    bar: bool = False
    key: str = ""

    @property
    def numeric(self) -> bool:
        """Whether its cells are numbers."""
        return self.kind not in ("text", "unbroken", "picture")


@dataclass(frozen=True)
class Link:
    """A cell that leads somewhere."""

    text: str
    href: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: Of its files.
        title: What it holds, in a line.
        columns: Of every row.
        rows: Cells: text, numbers, links, pictures, or None where there is nothing.
        foot: Rows below, such as means, that stay there when the others are sorted.
        notes: What should be known to read it, a sentence or two each.
        strong: Indices of rows that stand out.
        caveats: What must be known about the metrics; they go with the table into every file.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    foot: Sequence[Sequence[Any]] = ()
    notes: Sequence[str] = ()
    strong: frozenset[int] = field(default_factory=frozenset)
    caveats: Sequence[Caveat] = ()

    @property
    def filled(self) -> list[int]:
        """Indices of the columns that hold anything; only these are shown."""
        rows = [*self.rows, *self.foot]
        return [at for at in range(len(self.columns)) if any(row[at] not in (None, "") for row in rows)]

    def explained(self, *sentences: tuple[str, str]) -> "Table":
        """The same with sentences on its columns below; one on a column that is not shown is left out.

        Args:
            sentences: Each with the heading that it explains.
        """
        shown = {self.columns[at].heading for at in self.filled}
        sentences_shown = [sentence for heading, sentence in sentences if heading in shown]
        return replace(self, notes=[*([" ".join(sentences_shown)] if sentences_shown else []), *self.notes])

    def as_csv(self) -> str:
        """Headings and all rows, numbers with every digit; shares stay shares.  Every column is there, also an empty one.

        Text is as `precompute.common.sheet` has it; caveats are a last column, the same in each row.
        """
        kept = [at for at, column in enumerate(self.columns) if column.kind != "picture"]
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        last = [" ".join(map(str, self.caveats))] if self.caveats else []
        headings = [self.columns[at].key or self.columns[at].heading.removesuffix(" %") for at in kept]
        writer.writerow(map(_in_sheet, [*headings, *["caveats"][: len(last)]]))
        for row in (*self.rows, *self.foot):
            writer.writerow(map(_in_sheet, [*(row[at] for at in kept), *last]))
        return file.getvalue()

    def as_latex(self) -> str:
        """A `tabular` with booktabs rules, rounded as on the page; caveats are its last lines."""
        kept = self._kept()
        spec = "".join("r" if self.columns[at].numeric else "l" for at in kept)
        lines = [f"% {in_a_line(self.title)}; needs \\usepackage{{booktabs}}", rf"\begin{{tabular}}{{{spec}}}"]
        lines[:0] = [f"% {in_a_line(str(caveat))}" for caveat in self.caveats]
        lines += [r"\toprule", self._latex_row([self.columns[at].heading for at in kept]), r"\midrule"]
        rows = self.rows[:MOST_LATEX_ROWS]
        lines += [self._latex_row([shown(row[at], self.columns[at].kind) for at in kept]) for row in rows]
        if left := len(self.rows) - len(rows):
            lines.append(rf"\multicolumn{{{len(kept)}}}{{l}}{{{left} more rows are in the CSV}} \\")
        if self.foot:
            lines += [r"\midrule"]
            lines += [self._latex_row([shown(row[at], self.columns[at].kind) for at in kept]) for row in self.foot]
        if self.caveats:
            lines.append(r"\midrule")
            across = rf"\multicolumn{{{len(kept)}}}{{p{{0.9\linewidth}}}}"
            lines += [rf"{across}{{\footnotesize {_latex(str(caveat))}}} \\" for caveat in self.caveats]
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])

    def as_markdown(self) -> str:
        """A table of GitHub's Markdown, rounded as on the page; caveats are a line below."""
        kept = self._kept()
        rows = [[markdown(shown(row[at], self.columns[at].kind)) for at in kept] for row in (*self.rows, *self.foot)]
        rules = ["---:" if self.columns[at].numeric else "---" for at in kept]
        headings = [markdown(self.columns[at].heading) for at in kept]
        below = f"\n{' '.join(markdown(str(caveat)) for caveat in self.caveats)}\n" if self.caveats else ""
        return "".join(f"| {' | '.join(cells)} |\n" for cells in (headings, rules, *rows)) + below

    def write(self, directory: Path, root: Path) -> None:
        """Write `name`.csv and `name`.tex.

        Args:
            directory: Where they go.
            root: Above it; below it no link is followed.
        """
        # A file name need not be text.
        files.replace(directory / f"{self.name}.csv", self.as_csv().encode("utf-8", "replace"), root)
        files.replace(directory / f"{self.name}.tex", self.as_latex().encode("utf-8", "replace"), root)

    def _kept(self) -> list[int]:
        return [at for at in self.filled if self.columns[at].kind != "picture"]

    def _latex_row(self, cells: Sequence[str]) -> str:
        # After \\, a bracket or a star would be its argument.
        row = " & ".join(map(_latex, cells))
        return ("{}" if row[:1] in ("[", "*") else "") + row + r" \\"


def markdown(text: str) -> str:
    """Text for a line of Markdown, with its special characters escaped."""
    return printable(" ".join(text.split())).translate(MARKDOWN)


def _latex(text: str) -> str:
    """The same for LaTeX."""
    return printable(" ".join(text.split())).translate(LATEX)


def _in_sheet(cell: Any) -> Any:
    """A cell of CSV: numbers stay as they are."""
    return "" if cell is None else sheet_safe(printable(str(cell))) if isinstance(cell, str | Link) else cell


def shown(value: Any, kind: Kind) -> str:
    """A cell as it is read; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, str | Link):
        return str(value)
    if kind == "percent":
        return f"{100 * value:.1f}"
    if kind == "points":
        return f"{100 * value:+.1f}"
    if kind == "seconds":
        return f"{value:.0f}"
    if kind == "p":
        from wser.reports.tables import p_value

        return p_value(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
