"""Tables and paragraphs as text: whole in a file, and in a terminal chosen to fit its width, so that no word is cut."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from precompute.common import terminal

BETWEEN = "  "
"""Between two columns."""

NARROWEST = 16
"""Characters that a column of words keeps, if it has as many."""

INDENT = "    "
"""Before a cell that stands below its row."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        heading: Its name; line feeds divide it into lines.
        right: Whether cells stand at its right edge, as numbers do.
        spare: 0 for a column that is always there; of the others, the one with the highest is left out first.
        wraps: Whether a cell's words may stand below each other.
        below: Whether a cell gets lines of its own below its row, in a terminal in which the table is too wide.
    """

    heading: str
    right: bool = False
    spare: int = 0
    wraps: bool = False
    below: bool = False

    @property
    def name(self) -> str:
        """The heading in one line."""
        return self.heading.replace("\n", " ")


@dataclass(frozen=True)
class Line:
    """A line of a table, bold where it is `strong`."""

    text: str
    strong: bool = False


@dataclass
class Table:
    """Rows under headings.

    Attributes:
        title: Above it.
        columns: From left to right.
        caption: Paragraphs below it.
    """

    title: str
    columns: Sequence[Column]
    caption: list[str] = field(default_factory=list)
    _sections: list[list[tuple[tuple[str, ...], bool]]] = field(default_factory=lambda: [[]])

    def add(self, *cells: str, strong: bool = False) -> None:
        """Add a row; cells that are missing at its end are empty.

        Args:
            cells: From left to right.
            strong: Whether it is bold.
        """
        texts = tuple(map(terminal.in_a_line, cells))
        self._sections[-1].append((texts + ("",) * (len(self.columns) - len(texts)), strong))

    def section(self) -> None:
        """Draw a line below the last row, if others follow."""
        self._sections.append([])

    def left_out(self, width: int | None) -> list[str]:
        """Names of the columns that do not fit into a width, of those that hold anything."""
        shown, _ = self._fit(width)
        return [self.columns[at].name for at in self._filled() if shown and at not in [*shown, *self._below(width)]]

    def lines(self, width: int | None = None) -> list[Line]:
        """The table as lines of text.

        Where it is too wide, first the cells of some columns get lines of their own below their row, then words are placed
        below each other, then the columns that are needed least are left out and named, and what is still too wide is stacked:
        a line for each cell.

        Args:
            width: Of the terminal; None for a file, which gets all columns and one line for each row.
        """
        shown, widths = self._fit(width)
        body = list(self._grid(shown, widths, width)) if shown else list(self._stacked(width or 0))
        left_out = self.left_out(width)
        notes = fill(["left out for lack of width:", *listed(left_out)], width) if left_out else []
        titles = wrap(terminal.printable(self.title), width) if self.title else []
        below = [line for text in self.caption for line in wrap(terminal.printable(text), width)]
        return [*map(Line, titles), *body, *map(Line, [*notes, *below])]

    def _rows(self) -> Iterator[tuple[str, ...]]:
        return (cells for section in self._sections for cells, _ in section)

    def _filled(self) -> list[int]:
        """Numbers of the columns with a cell that is not empty."""
        return [at for at in range(len(self.columns)) if any(cells[at] for cells in self._rows())]

    def _fit(self, width: int | None) -> tuple[list[int], list[int]]:
        """Numbers of the columns that fit, and their widths; none where the needed ones do not."""
        wide = [self._width(at) for at in range(len(self.columns))]
        # In a terminal, empty columns are left out without a note.
        below = self._below(width)
        shown = [at for at in self._filled() if at not in below] if width else list(range(len(self.columns)))
        while shown:
            widths = [wide[at] for at in shown]
            excess = sum(widths) + len(BETWEEN) * (len(shown) - 1) - (width or sys.maxsize)
            least = [self._narrowest(at, wide[at]) for at in shown]
            if excess <= sum(widths) - sum(least):
                for _ in range(excess):
                    most = max(range(len(shown)), key=lambda i: (widths[i] > least[i], widths[i]))
                    widths[most] -= 1
                return shown, widths
            if not any(self.columns[at].spare for at in shown):
                break
            shown.remove(max(shown, key=lambda at: self.columns[at].spare))
        return [], []

    def _below(self, width: int | None) -> list[int]:
        """Numbers of the columns whose cells stand below their rows."""
        filled = self._filled()
        whole = sum(map(self._width, filled)) + len(BETWEEN) * (len(filled) - 1)
        return [at for at in filled if self.columns[at].below] if width and whole > width else []

    def _width(self, at: int) -> int:
        return max(map(length, [*self.columns[at].heading.split("\n"), *(cells[at] for cells in self._rows())]))

    def _narrowest(self, at: int, wide: int) -> int:
        if not self.columns[at].wraps:
            return wide
        words = [word for cells in self._rows() for word in cells[at].split(" ")]
        heading = self.columns[at].heading.split("\n")
        return min(wide, max(NARROWEST, *map(length, [*words, *heading])))

    def _grid(self, shown: Sequence[int], widths: Sequence[int], width: int | None) -> Iterator[Line]:
        below = self._below(width)
        headings = [self.columns[at].heading.split("\n") for at in shown]
        tallest = max(map(len, headings))
        yield from self._side_by_side(shown, widths, [[""] * (tallest - len(lines)) + lines for lines in headings], True)
        yield from (Line(INDENT + self.columns[at].name, True) for at in below)
        rule = Line("-" * (sum(widths) + len(BETWEEN) * (len(widths) - 1)))
        for section in filter(None, self._sections):
            yield rule
            for cells, strong in section:
                wrapped = [wrap(cells[at], wide) for at, wide in zip(shown, widths, strict=True)]
                yield from self._side_by_side(shown, widths, wrapped, strong)
                for text in (cells[at] for at in below if cells[at]):
                    yield from (Line(INDENT + line, strong) for line in wrap(text, (width or 0) - len(INDENT)))

    def _side_by_side(
        self, shown: Sequence[int], widths: Sequence[int], cells: Sequence[list[str]], strong: bool
    ) -> Iterator[Line]:
        for at in range(max(map(len, cells))):
            texts = [lines[at] if at < len(lines) else "" for lines in cells]
            padded = [
                " " * (wide - length(text)) + text if self.columns[column].right else text + " " * (wide - length(text))
                for column, wide, text in zip(shown, widths, texts, strict=True)
            ]
            yield Line(BETWEEN.join(padded).rstrip(), strong)

    def _stacked(self, width: int) -> Iterator[Line]:
        indent = max(length(column.name) for column in self.columns) + len(BETWEEN)
        for section in filter(None, self._sections):
            for cells, strong in section:
                yield Line("")
                for column, cell in zip(self.columns, cells, strict=True):
                    for at, text in enumerate(wrap(cell, width - indent) if cell else ()):
                        yield Line((column.name if at == 0 else "").ljust(indent) + text, strong)
        yield Line("")


def length(text: str) -> int:
    """Columns of a terminal that a text takes: characters of East Asia take two."""
    from rich.cells import cell_len

    return cell_len(text)


def wrap(text: str, width: int | None) -> list[str]:
    """A text in lines of at most this width, broken at blanks alone: a longer word has a line of its own."""
    return [text] if width is None or length(text) <= width else fill(text.split(" "), width)


def fill(words: Iterable[str], width: int | None) -> list[str]:
    """Words, with blanks between, in lines of at most this width; in one line where it is None."""
    lines: list[str] = []
    for word in words:
        if lines and (width is None or length(f"{lines[-1]} {word}") <= width):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def listed(names: Sequence[str]) -> list[str]:
    """Names with commas between, each of which stays in one line."""
    return [*(f"{name}," for name in names[:-1]), *names[-1:]]


def width() -> int | None:
    """Columns of the terminal that stdout is, None where it is no terminal."""
    return terminal.console().width if sys.stdout.isatty() else None


def show(table: Table) -> None:
    """Print a table."""
    from rich.text import Text

    console = terminal.console()
    for line in table.lines(width()):
        console.print(Text(line.text, style="bold" if line.strong else ""), soft_wrap=True)


def paragraph(text: str | Iterable[str], heading: str = "") -> None:
    """Print a text whose lines after the first are indented as far as the first one begins.

    Args:
        text: To be printed, broken at its blanks; or its parts, none of which is broken.
        heading: Before it, with what separates them.
    """
    words = map(terminal.in_a_line, text.split(" ") if isinstance(text, str) else text)
    columns, indent = width(), " " * length(heading)
    for at, line in enumerate(fill(words, columns and columns - len(indent))):
        print((indent if at else heading) + line)
