"""What makes a cache another one, and what does not: parameters, labels and recordings do; places, times and clocks do not."""

import os
import shutil
import time

import pytest

from precompute.__main__ import main
from precompute.cache import layout, roots
from precompute.cache.reader import Cache

DAY = 24 * 3600


@pytest.fixture
def corpora(small_ravdess, tmp_path):
    """A directory of corpora of one's own: two actors, three units each, of two recordings each."""
    for actor in ("Actor_01", "Actor_02"):
        shutil.copytree(small_ravdess / "ravdess" / actor, tmp_path / "corpora" / "ravdess" / actor)
    return tmp_path / "corpora"


@pytest.fixture
def run(small_settings, capsys):
    """A function that runs the command, which must be done with it, and gives what it printed."""

    def run(corpora, root, *settings):
        capsys.readouterr()
        arguments = ["--corpus", "ravdess", "--corpora", str(corpora), "--cache", str(root), "--jobs", "1"]
        assert main([*arguments, "--set", *small_settings, *settings]) == 0
        return capsys.readouterr().out

    return run


def content(path):
    """Every file with its bytes, its inode and its times."""
    files = [file for file in path.rglob("*") if file.is_file()]
    return {file: (file.read_bytes(), file.stat().st_ino, file.stat().st_mtime_ns) for file in files}


def touch_everything(*directories, when):
    for path in (path for directory in directories for path in (directory, *directory.rglob("*"))):
        os.utime(path, (when, when))


@pytest.mark.parametrize("days", [-1, 400], ids=["clock a day back", "clock a year ahead"])
@pytest.mark.parametrize("touched", [0, -3 * DAY, 3 * DAY], ids=["1970", "three days ago", "in three days"])
def test_a_moved_and_touched_root_and_corpus_are_a_hit_by_any_clock(corpora, run, tmp_path, monkeypatch, days, touched):
    run(corpora, tmp_path / "cache")
    (tmp_path / "cache").rename(tmp_path / "moved")
    corpora.rename(tmp_path / "elsewhere")
    now = time.time()
    touch_everything(tmp_path / "moved", tmp_path / "elsewhere", when=now + touched if touched else 0)
    before = content(tmp_path / "moved")
    monkeypatch.setattr(time, "time", lambda: now + days * DAY)
    assert "nothing to do" in run(tmp_path / "elsewhere", tmp_path / "moved")
    assert content(tmp_path / "moved") == before


@pytest.mark.parametrize("days", [-1, 400])
def test_units_of_an_unfinished_cache_are_found_whatever_was_touched(corpora, run, tmp_path, monkeypatch, days):
    run(corpora, tmp_path / "cache")
    (path,) = roots.sealed(tmp_path / "cache")
    (path / layout.MANIFEST).unlink()
    shutil.rmtree(path / "01" / "angry")
    (tmp_path / "cache").rename(tmp_path / "moved")
    touch_everything(tmp_path / "moved", when=0)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + days * DAY)
    out = run(corpora, tmp_path / "moved")
    assert "of these    2 computed, 10 there before\n" in out


def recording(corpora, emotion="05", statement="01"):
    return corpora / "ravdess" / "Actor_01" / f"03-01-{emotion}-01-{statement}-01-01.wav"


def another_label(corpora):
    """An angry recording is sad from now on: two units change."""
    recording(corpora).rename(recording(corpora, "04").with_stem("03-01-04-01-01-02-01"))
    return {"01/angry": 1, "01/sad": 3}


def another_recording(corpora):
    file = recording(corpora)
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    return {"01/angry": 2}


def one_more_recording(corpora):
    shutil.copy(recording(corpora), recording(corpora).with_stem("03-01-05-01-01-02-01"))
    return {"01/angry": 3}


def one_recording_less(corpora):
    recording(corpora).unlink()
    return {"01/angry": 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    "change", [another_label, another_recording, one_more_recording, one_recording_less], ids=lambda change: change.__name__
)
def test_a_change_of_the_corpus_is_a_miss_for_just_what_changed(corpora, run, tmp_path, change):
    root = tmp_path / "cache"
    run(corpora, root)
    (old,) = roots.sealed(root)
    before = content(old)

    computed = change(corpora)
    out = run(corpora, root)
    reused = {f"{speaker}/{emotion}" for speaker in ("01", "02") for emotion in ("angry", "happy", "sad")} - set(computed)
    assert f"of these    {sum(computed.values())} computed, {2 * len(reused)} taken from an earlier cache" in out
    assert content(old) == before
    (new,) = set(roots.sealed(root)) - {old}
    cache, earlier = Cache(new), Cache(old)
    assert {array: len(records) for array, records in cache.arrays.items()} == computed | dict.fromkeys(reused, 2)
    for array in cache.arrays:
        linked = (new / array / "c.0.0.0.0").stat().st_ino == (old / array / "c.0.0.0.0").stat().st_ino
        assert linked == (array in reused)
    for array in reused:
        assert (cache.read(array) == earlier.read(array)).all()
    # And both inputs are a hit from now on.
    assert "nothing to do" in run(corpora, root)

    # What was taken over is the same as what would have been computed.
    run(corpora, tmp_path / "afresh")
    (afresh,) = roots.sealed(tmp_path / "afresh")
    assert afresh.name == new.name
    assert Cache(afresh).records == cache.records
    assert (Cache(afresh).read_all() == cache.read_all()).all()


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["top_db=-10", "pad=centre", "colour=magma", "f_min=80"])
def test_a_changed_parameter_is_another_cache_of_which_nothing_is_taken_over(corpora, run, tmp_path, setting):
    run(corpora, tmp_path / "cache")
    (old,) = roots.sealed(tmp_path / "cache")
    before = content(old)
    assert "of these    12 computed\n" in run(corpora, tmp_path / "cache", setting)
    assert content(old) == before
    (new,) = set(roots.sealed(tmp_path / "cache")) - {old}
    assert new.name.partition("-")[0] != old.name.partition("-")[0]
    assert new.name.partition("-")[2] == old.name.partition("-")[2]
    assert "nothing to do" in run(corpora, tmp_path / "cache")
