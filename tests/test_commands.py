"""Every door leads somewhere: what can be run says so, and what a library holds does not look like a command."""

import ast
import contextlib
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

import wser.__main__
from precompute.common import terminal

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
MODULES = sorted(file for package in ("precompute", "wser") for file in (ROOT / package).rglob("*.py"))
BENCHMARKS = sorted((ROOT / "benchmarks").glob("*.py"))


def has_main(tree):
    """Whether a module defines or imports a function of this name."""
    return any(
        (isinstance(node, ast.FunctionDef) and node.name == "main")
        or (isinstance(node, ast.ImportFrom) and any((name.asname or name.name) == "main" for name in node.names))
        for node in tree.body
    )


def has_guard(tree):
    """Whether a module does more where it is the program."""
    return any(isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'" for node in tree.body)


def parsed(file):
    return ast.parse(file.read_text("utf-8"))


@pytest.mark.parametrize("file", MODULES + BENCHMARKS, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_module_runs_its_main_and_one_without_main_does_nothing_more(file):
    tree = parsed(file)
    assert has_main(tree) == has_guard(tree)


@pytest.mark.parametrize(
    ("code", "main", "guard"),
    [
        ("def main(): pass", True, False), ("from x import main", True, False), ("from x import main as other", False, False),
        ("if __name__ == '__main__':\n  work()", False, True), ("def _main(): pass", False, False),
    ],
)  # fmt: skip
def test_such_modules_are_found(code, main, guard):
    tree = ast.parse(code)
    assert (has_main(tree), has_guard(tree)) == (main, guard)


def name(file):
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")


COMMANDS = [name(file) for file in MODULES if has_main(parsed(file))]


def test_the_commands_that_are_documented_are_there():
    assert {"precompute", "precompute.show", "wser", "wser.run", "wser.compare", "wser.report", "wser.runs"} <= {*COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    done = subprocess.run(
        [sys.executable, "-m", command, "--help"], cwd=ROOT, capture_output=True, encoding="utf-8", timeout=300, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")


SCRIPTS = [file for file in BENCHMARKS if has_main(parsed(file))]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: file.name)
@mock.patch.dict(os.environ)  # what the scripts set for their own processes
def test_every_benchmark_explains_itself(script, monkeypatch, capsys):
    # In this process, since several of them import PyTorch.
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    monkeypatch.syspath_prepend(script.parent)
    with pytest.raises(SystemExit) as leaving:
        runpy.run_path(str(script), run_name="__main__")
    out, errors = capsys.readouterr()
    assert (leaving.value.code, errors) == (0, "")
    assert out.startswith(f"usage: {script.name} ")


@pytest.mark.parametrize("module", ["precompute", "wser.run"])
def test_every_command_says_its_version(module):
    done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"wser (\d+\.\d+\.\d+|None)\n", done.stdout)


@pytest.mark.parametrize("command", [["wser.run", "fold=all"], ["precompute", "--corpus", "demo"], ["precompute", "list"]])
def test_a_python_without_the_packages_is_told_where_they_are(command):
    # -S leaves out what is installed, as in a checkout where nothing was.
    done = subprocess.run([sys.executable, "-S", "-m", *command], cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"(wser\.run|precompute): \S+ has no package \w+: activate .*, or install .*\n", done.stderr)


def test_a_module_of_our_own_that_is_missing_is_a_fault_of_ours():
    assert terminal.missing_package(ModuleNotFoundError(name="numpy"))
    assert not terminal.missing_package(ModuleNotFoundError(name="wser.nowhere"))


@pytest.mark.parametrize("command", ["run", "compare", "fuse", "predict", "export", "report", "runs"])
def test_the_paragraphs_of_a_help_fit_a_narrow_terminal(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    with contextlib.suppress(SystemExit):
        wser.__main__.main([command, "--help"])
    too_wide = [line for line in capsys.readouterr().out.splitlines() if len(line) > 60]
    # Examples are to be copied, so that no line of theirs is broken.
    assert [line for line in too_wide if not line.startswith("  python -m ")] == []


@pytest.mark.parametrize("command", ["run", "compare", "report", "runs"])
def test_the_installed_command_hands_its_first_word_on(command, capsys):
    with pytest.raises(SystemExit) if command != "run" else contextlib.nullcontext():
        wser.__main__.main([command, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: python -m wser.{command} ")


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        (["run", "--dryrun"], "--dry-run"),
        (["report", "runs/x", "--makdown"], "--markdown"),
        (["export", "runs/x", "out.onnx", "--crad=card.md"], "--card"),
        (["runs", "list", "--resluts", "x"], "--results"),
    ],
)
def test_the_option_that_an_unknown_one_is_meant_for_is_named(command, meant, capsys):
    with pytest.raises(SystemExit) as leaving:
        wser.__main__.main(command)
    assert leaving.value.code == terminal.WRONG_USAGE
    assert capsys.readouterr().err.endswith(f"did you mean '{meant}'?\n")


def test_where_no_option_is_like_an_unknown_one_none_is_named(capsys):
    with pytest.raises(SystemExit):
        wser.__main__.main(["runs", "list", "--quick"])
    assert capsys.readouterr().err.endswith("unrecognized arguments: --quick\n")
