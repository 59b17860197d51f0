"""`benchmarks/stress.py` with few rounds: nothing bad is seen, and what it would call bad is seen."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest
from toy import build, replace, unit

from precompute.cache import layout

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "stress.py"


@pytest.fixture
def stress(monkeypatch):
    """The script as a module, without what it changes of the environment."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "JOBLIB_TEMP_FOLDER"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    spec = importlib.util.spec_from_file_location("stress", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "stress", module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_killed_writers_leave_nothing_bad_and_two_that_are_not_killed_finish(stress, small_ravdess, capsys):
    code = stress.main(["--rounds", "3", "--corpus", "ravdess", "--corpora", str(small_ravdess)])
    out, errors = capsys.readouterr()
    assert (code, errors) == (0, "")
    assert re.search(r"^  bad +0$", out, re.MULTILINE)
    checked, killed = (int(re.search(rf"{what} +(\d+)", out)[1]) for what in ("units checked", "writers killed"))
    assert checked >= 2 * 12
    assert killed >= 1


def swap_pictures(path):
    """A unit that zarr reads, of other pictures than the undisturbed run's."""
    other = build(path.parents[1] / "other", [unit("anna", "sad", 3, 9)])
    for name in (layout.GROUP, "c.0.0.0.0"):
        replace(path / "anna" / "sad" / name, (other / "anna" / "sad" / name).read_bytes())


DAMAGE = {
    "shard gone": lambda path: (path / "anna/sad" / "c.0.0.0.0").unlink(),
    "shard cut": lambda path: replace(path / "anna/sad" / "c.0.0.0.0", (path / "anna/sad" / "c.0.0.0.0").read_bytes()[:-1]),
    "metadata cut": lambda path: replace(path / "anna/sad" / layout.GROUP, b"{"),
    "other pictures": swap_pictures,
    "record cut": lambda path: replace(path / layout.RECIPE, (path / layout.RECIPE).read_bytes()[:-9]),
    "stranger": lambda path: (path / "anna/sad/part").write_bytes(b"1"),
    "unit missing": lambda path: [file.unlink() for file in (path / "anna/sad").iterdir()],
    "index emptied": lambda path: replace(path / layout.INDEX, b""),
}


@pytest.mark.parametrize("damage", [None, *DAMAGE])
def test_it_sees_whatever_is_bad(stress, tmp_path, damage):
    path = build(tmp_path, [unit("anna", "sad", 3, 1), unit("anna", "angry", 2, 2)])
    lines = [json.loads(line) for line in (path / layout.INDEX).read_bytes().splitlines()]
    key = stress.Key(
        command=[], workers=1, pictures={line["key"]: line["image_sha256"] for line in lines}, units=2,
        name=str(path.relative_to(tmp_path)), working=0, sealing=0, wall=0,
    )  # fmt: skip
    if damage:
        DAMAGE[damage](path)
    tally = stress.Tally()
    stress.check(key, tmp_path, tally)
    assert bool(tally.faults) == bool(damage)
