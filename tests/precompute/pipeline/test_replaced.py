"""After recordings were replaced, runs take the cache of those that `precompute` saw last, and nobody has to name it."""

import json
import shutil

import pytest

from precompute.__main__ import main
from precompute.cache import layout, roots

SETTINGS = ["--set", "scales=16", "height=16", "columns=64", "width=64", "duration=2.0", "--jobs", "1"]


class Lab:
    """A corpus of two recordings and its caches."""

    def __init__(self, place, small_ravdess):
        self.root = place / "cache"
        self.mine = place / "corpora/ravdess/Actor_01"
        self.mine.mkdir(parents=True)
        self.first, self.second = sorted(small_ravdess.glob("ravdess/Actor_01/*.wav"))[:2]
        for file in (self.first, self.second):
            shutil.copy(file, self.mine)

    def precompute(self):
        """Id of the cache that answers after a run, and the one that it made or found."""
        before = {*roots.sealed(self.root)}
        assert main(["--corpus", "ravdess", "--corpora", str(self.mine.parents[1]), "--cache", str(self.root), *SETTINGS]) == 0
        new = {*roots.sealed(self.root)} - before
        for path in new:
            # As if it had been made on the day before, so that no two are of one second.
            for file in (path / layout.PROVENANCE).iterdir():
                record = json.loads(file.read_text("utf-8"))
                file.unlink()
                file.write_text(json.dumps(record | {"created": f"2025-01-0{len(before) + 1}T00:00:00+00:00"}), "utf-8")
        return new.pop() if new else None

    def taken(self):
        recipe = roots.sealed(self.root)[0].name.partition("-")[0]
        return roots.find([self.root], "ravdess", recipe).path


@pytest.fixture
def lab(tmp_path, small_ravdess):
    return Lab(tmp_path, small_ravdess)


def test_the_cache_of_the_recordings_that_were_seen_last_is_taken(lab, capsys):
    old = lab.precompute()
    assert lab.taken() == old
    shutil.copy(lab.second, lab.mine / lab.first.name)
    new = lab.precompute()
    assert new != old
    assert lab.taken() == new
    said = capsys.readouterr().err
    assert f"{new.name} is used" in said
    assert old.name in said
    # The old recording comes back: its cache is found complete, and counts again; one that counts already is left alone.
    shutil.copy(lab.first, lab.mine / lab.first.name)
    for _ in range(2):
        assert lab.precompute() is None
        assert lab.taken() == old
        assert len([*(old / layout.PROVENANCE).iterdir()]) == 2
    assert main(["cache", "verify", "--cache", str(lab.root)]) == 0
    assert main(["cache", "info", "--cache", str(lab.root), old.name]) == 0
    assert capsys.readouterr().out.count("  made  ") == 1


def test_where_nothing_can_be_recorded_a_warning_names_the_cache_to_give(lab, capsys, monkeypatch):
    old = lab.precompute()
    shutil.copy(lab.second, lab.mine / lab.first.name)
    lab.precompute()
    shutil.copy(lab.first, lab.mine / lab.first.name)
    capsys.readouterr()

    def refuse(*_):
        raise PermissionError(13, "Permission denied", str(old))

    monkeypatch.setattr("precompute.cache.writing.put", refuse)
    lab.precompute()
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if "cannot be recorded" in line]
    assert f"give runs cache={old.name}" in warning


def test_a_single_cache_is_never_written_to(lab):
    made = lab.precompute()
    lab.precompute()
    assert len([*(made / layout.PROVENANCE).iterdir()]) == 1
