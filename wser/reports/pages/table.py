"""Tables that are the same on a page, as CSV, in LaTeX and in Markdown."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Kind = Literal["text", "ordinal", "count", "percent", "points", "seconds", "p", "picture"]

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
MARKDOWN = str.maketrans({mark: f"\\{mark}" for mark in "\\|*_<>[]`"})


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        heading: Its name, with the unit.
        kind: What its cells are: `percent` are shares in [0, 1], `points` differences of shares, both shown times 100;
            `ordinal` numbers name things.
        bar: Whether cells show their share of 100 % as a bar behind the figure.
    """

    heading: str
    kind: Kind = "text"
    bar: bool = False

    @property
    def numeric(self) -> bool:
        """Whether its cells are numbers."""
        return self.kind not in ("text", "picture")


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
        foot: Rows beneath, such as means, that stay there when the others are sorted.
        notes: What should be known to read it, a sentence or two each.
        strong: Indices of rows that stand out.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    foot: Sequence[Sequence[Any]] = ()
    notes: Sequence[str] = ()
    strong: frozenset[int] = field(default_factory=frozenset)

    @property
    def filled(self) -> list[int]:
        """Indices of the columns that hold anything; only these are shown."""
        rows = [*self.rows, *self.foot]
        return [
            at
            for at, column in enumerate(self.columns)
            if column.kind == "picture" or any(row[at] not in (None, "") for row in rows)
        ]

    def as_csv(self) -> str:
        """Headings and all rows, numbers with every digit; shares stay shares.  Every column is there, also an empty one."""
        kept = [at for at, column in enumerate(self.columns) if column.kind != "picture"]
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([self.columns[at].heading.removesuffix(" %") for at in kept])
        for row in (*self.rows, *self.foot):
            writer.writerow(["" if row[at] is None else row[at] for at in kept])
        return file.getvalue()

    def as_latex(self) -> str:
        """A `tabular` with booktabs rules, rounded as on the page."""
        kept = self._kept()
        spec = "".join("r" if self.columns[at].numeric else "l" for at in kept)
        lines = [f"% {' '.join(self.title.split())}; needs \\usepackage{{booktabs}}", rf"\begin{{tabular}}{{{spec}}}"]
        lines += [r"\toprule", self._latex_row([self.columns[at].heading for at in kept]), r"\midrule"]
        lines += [self._latex_row([shown(row[at], self.columns[at].kind) for at in kept]) for row in self.rows]
        if self.foot:
            lines += [r"\midrule"]
            lines += [self._latex_row([shown(row[at], self.columns[at].kind) for at in kept]) for row in self.foot]
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])

    def as_markdown(self) -> str:
        """A table of GitHub's Markdown, rounded as on the page."""
        kept = self._kept()
        rows = [[shown(row[at], self.columns[at].kind).translate(MARKDOWN) for at in kept] for row in (*self.rows, *self.foot)]
        rules = ["---:" if self.columns[at].numeric else "---" for at in kept]
        headings = [self.columns[at].heading for at in kept]
        return "".join(f"| {' | '.join(cells)} |\n" for cells in (headings, rules, *rows))

    def write(self, directory: Path) -> None:
        """Write `name`.csv and `name`.tex."""
        (directory / f"{self.name}.csv").write_text(self.as_csv(), encoding="utf-8", errors="replace")
        (directory / f"{self.name}.tex").write_text(self.as_latex(), encoding="utf-8", errors="replace")

    def _kept(self) -> list[int]:
        return [at for at in self.filled if self.columns[at].kind != "picture"]

    def _latex_row(self, cells: Sequence[str]) -> str:
        # After \\, a bracket or a star would be its argument.
        row = " & ".join(" ".join(cell.split()).translate(LATEX) for cell in cells)
        return ("{}" if row[:1] in ("[", "*") else "") + row + r" \\"


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
