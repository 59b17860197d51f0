"""The files that docs/extending.md shows work; test_documented_commands.py runs its commands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import precompute
from precompute.__main__ import main as build
from wser.run import main

TEXT = (Path(__file__).parent.parent / "docs" / "extending.md").read_text("utf-8")
FILES = dict(re.findall(r"^```(?:python|yaml)\n# (\S+)\n(.*?)^```", TEXT, flags=re.M | re.S))


@pytest.fixture
def home(tmp_path, small_cache, monkeypatch):
    """A directory with the files of the text, and none of ours."""
    for name, content in FILES.items():
        (tmp_path / name).write_text(content, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WSER_CACHE", str(small_cache))
    return tmp_path


def run(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", *words], capture_output=True, encoding="utf-8", env=os.environ)


def test_the_text_shows_a_file_of_each_kind():
    assert {*FILES} == {
        "mean_row.py", "bands.py", "women_men.py", "valence.yaml", "mine.yaml", "two_voices.py", "test_mine.py",
    }  # fmt: skip


@pytest.mark.slow
def test_the_suites_pass(home):
    done = run("pytest", "-q", "-p", "no:cacheprovider", "test_mine.py")
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


@pytest.mark.slow
def test_a_feature_of_ones_own_becomes_caches_that_a_model_learns_from(home, small_ravdess, capsys):
    commands = re.findall(r"^python -m (.*--recipe \./.*|.*recipe=\./.*)$", TEXT, flags=re.M)
    assert len(commands) == 3
    for command in commands:
        words = command.replace("demo", "ravdess").split()
        if words[0] == "precompute":
            code = build([*words[1:], "--corpora", str(small_ravdess), "--cache", "cache", "--jobs", "1"])
        else:
            code = main([*words[1:], "cache_root=cache", "fold=0", "jobs=1"])
        said = capsys.readouterr()
        assert code in (0, 3), said.err
    assert "fold 0: UAR" in said.err + said.out
    first, second = (precompute.open_cache("ravdess", cache="cache", recipe=one) for one in _recipes("cache"))
    assert {first.item.shape, second.item.shape} == {(24,), (32,)}
    # An edited feature never answers with what it gave before.
    (home / "bands.py").write_text(FILES["bands.py"].replace("1e-12", "1e-9"), "utf-8")
    done = run("wser.run", *commands[-1].replace("demo", "ravdess").split()[1:], "cache_root=cache", "fold=0")
    assert done.returncode == 1
    assert "there is no cache of 'ravdess' with recipe './bands.py'" in done.stderr


def _recipes(root: str) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in (Path(root) / "ravdess").iterdir() if not path.name.startswith("."))


@pytest.mark.slow
def test_a_corpus_of_ones_own_becomes_a_cache(home, encode):
    (home / "corpora" / "two_voices").mkdir(parents=True)
    for name in ("anna_happy", "ben_sad", "carla_sad"):
        samples = 0.1 * np.random.default_rng(len(name)).standard_normal(8000)
        (home / "corpora" / "two_voices" / f"{name}.wav").write_bytes(encode(samples))
    (command,) = re.findall(r"^python -m precompute (build \./two.*)$", TEXT, flags=re.M)
    done = run("precompute", *command.split(), "--cache", "cache", "--jobs", "1")
    assert done.returncode == 3, done.stderr
    assert "carla_sad" in done.stderr
    assert precompute.open_cache("two_voices", cache="cache").to_pandas()["speaker"].tolist() == ["anna", "ben"]


@pytest.mark.slow
@pytest.mark.usefixtures("unmade")
def test_an_experiment_of_ones_own_sweeps_a_model_of_ones_own(home, small_recipe_id, capsys):
    (home / "mine.yaml").write_text(FILES["mine.yaml"].replace("corpus: demo", "corpus: ravdess"), "utf-8")
    assert main(["experiment=./mine.yaml", f"recipe={small_recipe_id}", "logger=[]", "fold=0", "jobs=1"]) == 0
    printed = capsys.readouterr().out
    assert "best by validation" in printed or "no best" in printed
