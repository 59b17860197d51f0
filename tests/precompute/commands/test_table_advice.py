"""For the corpus of a table, the command that is advised names the table."""

import shlex

import pytest

from precompute.__main__ import main
from precompute.cache import roots
from precompute.cache.history import provenance
from wser import run


@pytest.fixture
def built(small_ravdess, small_settings, tmp_path, monkeypatch):
    """A directory in which a table was cached by the small settings."""
    monkeypatch.chdir(tmp_path)
    files = sorted((small_ravdess / "ravdess").rglob("*.wav"))[:2]
    (tmp_path / "my table.csv").write_text("path,speaker,emotion\n" + "".join(f"{file},a,sad\n" for file in files))
    arguments = ["build", "table", "--table", "my table.csv", "--name", "mine", "--jobs", "1", "--set", *small_settings]
    assert main(arguments) == 0
    return tmp_path


def advised(capsys, *settings: str) -> str:
    capsys.readouterr()
    assert run.main([*settings, "--dry-run"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_a_recipe_that_is_missing_is_made_of_the_table_that_is_recorded(built, capsys):
    (path,) = roots.sealed(built / "cache", "mine")
    assert [one["table"] for one in provenance(path)] == ["my table.csv"]
    said = advised(capsys, "corpus=mine", "recipe=grey")
    assert "run python -m precompute build table --table 'my table.csv' --name mine --recipe grey --cache cache" in said


def test_a_corpus_without_any_cache_is_made_of_a_table_of_one_s_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    said = advised(capsys, "corpus=mine")
    assert "run python -m precompute build table --table YOUR.csv --name mine --cache cache" in said


@pytest.mark.usefixtures("built")
def test_the_corpus_of_a_table_is_built_again_by_the_command_that_is_advised(capsys):
    capsys.readouterr()
    assert main(["build", "mine"]) == 2
    error = capsys.readouterr().err
    assert error == (
        "precompute: 'mine' is the corpus of a table: "
        "run python -m precompute build table --table 'my table.csv' --name mine --cache cache\n"
    )
    command = shlex.split(error.partition("run python -m precompute ")[2])
    assert main([*command, "--dry-run"]) == 0
