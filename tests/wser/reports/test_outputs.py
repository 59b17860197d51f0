"""What must be known about figures stands wherever the figures are; and names in them are text and nothing else."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from forging import change_json, reseal
from hypothesis import given
from hypothesis import strategies as st
from markup import Page, words

from precompute.common.sheet import FORMULA, from_sheet, sheet_safe
from wser import compare, report, results, run
from wser.evaluation.caveats import CHOSEN_ON_TEST
from wser.reports.html.table import Column, Table

pytestmark = pytest.mark.usefixtures("unmade")

CHOSEN = str(CHOSEN_ON_TEST)


@pytest.fixture(scope="module")
def flattering(tiny, no_figures, tmp_path_factory) -> Path:
    """A run whose epochs were chosen on the test set."""
    root = tmp_path_factory.mktemp("flattering")
    with no_figures():
        assert run.main([*tiny, f"results={root}", "selection=test"]) == 0
    (path,) = root.iterdir()
    return path


def mixed(path: Path) -> str:
    """Have fold 1 be of another precision and machine."""
    change_json(path / "fold_1" / results.METRICS, precision="bf16-mixed", device="cpu, other", fingerprints=["0" * 64])
    return "Folds differ in device, precision and pictures of the caches: fold 0 with device"


def outputs(path: Path, capsys) -> dict[str, str]:
    """Everything that shows figures of a run, by name."""
    capsys.readouterr()
    assert report.main([str(path)]) == 0
    assert report.main(["--index", str(path.parent)]) == 0
    found = {file.name: file.read_text() for file in (path / results.BESIDE_PAGE).iterdir() if file.suffix in (".csv", ".tex")}
    found["page"] = words(Page((path / results.PAGE).read_text()).text)
    found["index"] = words(Page((path.parent / "index.html").read_text()).text)
    capsys.readouterr()
    assert report.main(["--markdown", str(path)]) == 0
    found["markdown"] = capsys.readouterr().out.replace("\\", "")
    shutil.copytree(path, path.parent / "other")
    assert compare.main([str(path), str(path.parent / "other")]) == 0
    printed = capsys.readouterr()
    found["compare"] = " ".join((printed.out + printed.err).split())
    return found


@pytest.mark.slow
def test_choice_on_the_test_part_is_said_in_every_output(flattering, tmp_path, capsys):
    path = Path(shutil.copytree(flattering, tmp_path / "runs" / "flattering"))
    found = outputs(path, capsys)
    assert {"folds.csv", "folds.tex", "classes.csv", "speakers.tex", "confusion.csv", "mistakes.csv"} <= found.keys()
    for name, text in found.items():
        assert re.search("(?i)epoch (was )?chosen on the test set", text), name


def test_folds_of_several_machines_are_named_in_every_output(copied, capsys):
    says = mixed(copied)
    for name, text in outputs(copied, capsys).items():
        assert says in text, name


def test_folds_of_several_machines_are_named_by_the_runner(copied, tiny, capsys):
    says = mixed(copied)
    assert run.main([*tiny, f"results={copied.parent}"]) == 0
    assert says in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_rows_of_a_sweep_say_it_each(tiny, tmp_path, capsys):
    assert run.main([*tiny, f"results={tmp_path}", "selection=test", "seed=0,1", "fold=0", "train.epochs=1"]) == 0
    (path,) = tmp_path.glob("*-sweep-*")
    rows = list(csv.DictReader((path / results.SWEEP_ROWS).open(newline="")))
    assert len(rows) == 2
    assert all(CHOSEN in row["caveats"] for row in rows)
    assert CHOSEN in words(Page((path / results.PAGE).read_text()).text)


@pytest.mark.slow
def test_without_anything_to_be_known_nothing_is_said(copied, capsys):
    assert report.main([str(copied)]) == 0
    assert "caveats" not in (copied / results.BESIDE_PAGE / "folds.csv").read_text()


# Names are text.

HOSTILE = {
    "an escape": "\x1b]0;pwned\x07\x1b[31mred",
    "markup that ends": "[/03]",
    "markup": "[anna03]",
    "a formula": '=HYPERLINK("http://x","y")',
    "another formula": "@SUM(A1)",
    "right to left": "abc\u202edef",
    "a C1 control": "a\x9b31mb",
    "LaTeX": "\\input{/etc/passwd}",
    "Markdown": "[x](javascript:alert(1))|<b>",
}


def rename(path: Path, old: str, new: str) -> None:
    """Call a speaker otherwise, in everything that names him."""
    for file in path.glob(f"fold_*/{results.METRICS}"):
        record = json.loads(file.read_text())
        for part, names in record["speakers"].items():
            record["speakers"][part] = [new if name == old else name for name in names]
        file.write_text(json.dumps(record))
    for file in path.glob(f"fold_*/{results.PREDICTIONS}"):
        with file.open(newline="") as lines:
            rows = list(csv.reader(lines))
        with file.open("w", newline="") as lines:
            csv.writer(lines).writerows([[row[0], sheet_safe(new) if row[1] == old else row[1], *row[2:]] for row in rows])
        reseal(file.parent)


@pytest.mark.slow
@pytest.mark.parametrize("what", HOSTILE)
def test_name_of_a_stranger_is_text_wherever_it_is_shown(copied, tiny, capsys, what):
    name = HOSTILE[what]
    rename(copied, "03", name)
    (copied / results.PAGE).unlink()
    printed = ""
    for command, arguments in (
        (run, [*tiny, f"results={copied.parent}"]),
        (report, ["--markdown", str(copied)]),
        (compare, [str(copied), str(shutil.copytree(copied, copied.with_name("other")))]),
    ):
        assert command.main(arguments) == 0
        both = capsys.readouterr()
        printed += both.out + both.err
    steering = [letter for letter in printed if not (letter.isprintable() or letter in "\n\t")]
    assert not steering
    if what.startswith("markup"):
        assert name in printed
    table = (copied / results.BESIDE_PAGE / "speakers.csv").read_text()
    cells = [cell for row in csv.reader(table.splitlines()) for cell in row]
    assert not any(FORMULA.match(cell) and not cell.startswith("'") for cell in cells if not re.fullmatch(r"-?[\d.e-]+", cell))
    assert "\\input{" not in (copied / results.BESIDE_PAGE / "speakers.tex").read_text()
    assert results.read_predictions(copied, 1)[0]["speaker"] == name, "and is read back as it was"


@pytest.mark.slow
def test_terminal_of_another_encoding_ends_nothing(copied):
    rename(copied, "03", "Jürgen")
    environment = dict(os.environ) | {"PYTHONIOENCODING": "ascii"}
    found = subprocess.run(
        [sys.executable, "-m", "wser.report", "--markdown", str(copied)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert found.returncode == 0, found.stderr
    assert "J\\xfcrgen" in found.stdout


@given(st.text())
def test_sheets_give_back_what_they_were_given(text):
    assert from_sheet(sheet_safe(text)) == text
    assert not re.match(r"[=+\-@\t\r]", sheet_safe(text))


@given(st.text(st.characters(codec="utf-8")))
def test_cells_of_files_are_one_cell_whatever_they_hold(text):
    table = Table("t", "title", [Column("name"), Column("n", "count")], [[text, 1]])
    rows = list(csv.reader(io.StringIO(table.as_csv(), newline="")))
    assert [len(row) for row in rows] == [2, 2]
    assert len([line for line in table.as_markdown().split("\n") if line]) == 3
    assert "<" not in table.as_markdown()
