"""Tables that fit a terminal: words below each other, then columns left out, then a line for each cell; a file has all."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

from precompute.common import tables
from precompute.common.tables import Column, Table, length, wrap

ID = "79388d97cae4-04e0e75ddf02"


def made(*rows: tuple[str, ...]) -> Table:
    columns = [
        Column("name", wraps=True), Column("id"), Column("much\nof it", right=True, spare=1), Column("by", spare=2),
        Column("empty", spare=3),
    ]  # fmt: skip
    table = Table("What it is called", columns, ["A caption in some words, such as a sentence is."])
    for row in rows or [("one, two, three, four, five, six", ID, "12.5", "somebody"), ("b", ID[::-1], "7", "me")]:
        table.add(*row)
    return table


def texts(table: Table, width: int | None = None) -> list[str]:
    return [line.text for line in table.lines(width)]


def test_a_file_has_all_columns_and_a_line_for_each_row():
    assert texts(made()) == [
        "What it is called",
        f"{'much':>66}",
        f"name                              {'id':<25}  of it  by        empty",
        "-" * 83,
        f"one, two, three, four, five, six  {ID}   12.5  somebody",
        f"b                                 {ID[::-1]}      7  me",
        "A caption in some words, such as a sentence is.",
    ]


@pytest.mark.parametrize("width", range(20, 100, 3))
def test_nothing_is_cut_and_no_line_is_wider_than_its_longest_word_needs(width):
    lines = texts(made(), width)
    joined = " ".join(" ".join(lines).split())
    for word in (ID, ID[::-1], "three,", "six", "caption"):
        assert word in joined
    assert all(length(line) <= max(width, len("much of it  ") + len(ID)) for line in lines)
    shown = {name: name in joined for name in ("12.5", "somebody")}
    for name, cell in (("much of it", "12.5"), ("by", "somebody")):
        assert shown[cell] or name in joined.partition("left out for lack of width:")[2]


def test_words_are_placed_below_each_other_before_a_column_is_left_out():
    lines = texts(made(), 68)
    assert "left out" not in "".join(lines)
    assert lines[4].startswith("one, two, three, four, ")
    assert ID in lines[4]
    assert lines[5] == "five, six"


def test_the_least_needed_column_is_left_out_first_and_named():
    assert "left out for lack of width: by" in texts(made(), 59)
    assert "left out for lack of width: much of it, by" in texts(made(), 46)


def test_what_is_still_too_wide_has_a_line_for_each_cell():
    lines = texts(made(), 30)
    assert f"id          {ID}" in lines
    assert "much of it  12.5" in lines
    assert "by          somebody" in lines
    assert not any(line.startswith("empty") for line in lines)


def test_cells_stand_below_their_row_where_the_table_is_too_wide():
    settings = "model=svm, model.c=0.02, data.standardise=speaker"
    table = Table("", [Column("run"), Column("differs in", wraps=True, below=True), Column("state", spare=1)])
    table.add(ID, settings, "finished")
    table.add(ID[::-1], "", "finished")
    assert texts(table, 100)[2].split("  ") == [ID, settings, "finished"]
    assert texts(table, 60) == [
        "run                        state",
        "    differs in",
        "-" * 35,
        f"{ID}  finished",
        f"    {settings}",
        f"{ID[::-1]}  finished",
    ]
    assert texts(table, 32) == [
        "run",
        "    differs in",
        "-" * 25,
        ID,
        "    model=svm, model.c=0.02,",
        "    data.standardise=speaker",
        ID[::-1],
        "left out for lack of width:",
        "state",
    ]


def test_wide_characters_count_twice():
    table = Table("", [Column("name"), Column("n", right=True)])
    table.add("日本", "1")
    table.add("abcd", "1")
    assert texts(table)[2:] == ["日本  1", "abcd  1"]


def test_what_steers_a_terminal_is_escaped():
    table = Table("\x1b[31m", [Column("name")])
    table.add("a\nb\x1b[2J")
    assert texts(table) == ["\\x1b[31m", "name", "-" * 11, "a\\nb\\x1b[2J"]


def test_text_is_broken_at_blanks_alone():
    assert wrap("one two three", 8) == ["one two", "three"]
    assert wrap("a_word_that_is_longer and", 8) == ["a_word_that_is_longer", "and"]
    assert wrap("one two three", None) == ["one two three"]


def test_parts_of_a_paragraph_are_not_broken(monkeypatch, capsys):
    monkeypatch.setattr(tables, "width", lambda: 20)
    tables.paragraph(tables.listed(["angry 12", "sad 3", "bored 4"]), "emotions  ")
    assert capsys.readouterr().out == "emotions  angry 12,\n          sad 3,\n          bored 4\n"


PROGRAM = """
from precompute.common import tables
table = tables.Table("t", [tables.Column("a"), tables.Column("b", spare=1)])
table.add("x" * 20, "y" * 30, strong=True)
tables.show(table)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("columns", "whole"), [(50, False), (60, True)])
def test_the_width_is_that_of_the_terminal(columns, whole):
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"TERM": "xterm"}
    subprocess.run([sys.executable, "-c", PROGRAM], stdin=follower, stdout=follower, check=True, env=environment, timeout=60)
    said = os.read(leader, 10_000).decode()
    for handle in (leader, follower):
        os.close(handle)
    assert ("y" * 30 in said) == whole
    assert ("left out for lack of width: b" in said) != whole
    assert "\x1b[1m" in said, "a strong row is bold"
