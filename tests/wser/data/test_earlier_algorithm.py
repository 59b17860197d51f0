"""Caches by an earlier algorithm are still read and used, until today's are there."""

import numpy as np
import pytest
import soundfile

from precompute.__main__ import main as precompute
from precompute.cache import roots
from precompute.common.errors import CacheError
from precompute.features._spectral import TimeFrequency
from precompute.recipe import named
from wser.data.dataset import open_dataset

NAMES = {"mine": "ab", "others": "cd"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(0)
    for name, speakers in NAMES.items():
        lines = ["path,speaker,emotion"]
        for speaker in speakers:
            for emotion in ("sad", "happy"):
                soundfile.write(place / f"{speaker}{emotion}.wav", 0.1 * rng.standard_normal(4000), 16000)
                lines.append(f"{speaker}{emotion}.wav,{speaker},{emotion}")
        (place / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return place


@pytest.fixture
def make(folder, tmp_path, monkeypatch):
    """A function that makes the cache of a table by the default recipe and an algorithm; its root comes back."""

    def make(name, algorithm):
        with monkeypatch.context() as patch:
            patch.setattr(TimeFrequency, "algorithm", algorithm)
            table = ["--corpus", "table", "--table", str(folder / f"{name}.csv"), "--name", name]
            assert precompute([*table, "--cache", str(tmp_path / "cache"), "--jobs", "1"]) == 0
        return tmp_path / "cache"

    return make


@pytest.fixture(autouse=True)
def say_again():
    roots._say.cache_clear()


def test_cache_by_an_earlier_algorithm_is_used_and_said_to_be(make, folder, capsys):
    root = make("mine", TimeFrequency.algorithm - 1)
    capsys.readouterr()
    assert open_dataset([root], ["mine"], "default").recipe["algorithm"] == TimeFrequency.algorithm - 1
    said = capsys.readouterr().err
    assert "has an earlier algorithm than this version" in said
    assert f"run python -m precompute build table --table {folder / 'mine.csv'} --name mine --cache {root}" in said


def test_todays_cache_comes_first_and_the_earlier_can_be_chosen(make, capsys):
    for algorithm in (TimeFrequency.algorithm - 1, TimeFrequency.algorithm):
        root = make("mine", algorithm)
    capsys.readouterr()
    today = open_dataset([root], ["mine"], "default")
    assert today.recipe_id == named("default").id
    (earlier,) = [path.name for path in roots.sealed(root, "mine") if not path.name.startswith(today.recipe_id)]
    assert earlier.startswith(named("default").earlier_ids[0])
    assert open_dataset([root], ["mine"], "default", earlier).caches[0].id == earlier
    assert capsys.readouterr().err == ""


def test_corpora_by_different_algorithms_are_not_joined(make, messages):
    make("mine", TimeFrequency.algorithm)
    root = make("others", TimeFrequency.algorithm - 1)
    with messages.raises(CacheError):
        open_dataset([root], ["mine", "others"], "default", label_map="common4")
