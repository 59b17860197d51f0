"""`benchmarks/stress.py --runs` with a single round: nothing bad is seen, and what it would call bad is seen."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wser import results

FOLDER = Path(__file__).parents[3] / "benchmarks"


@pytest.mark.slow
def test_killed_jobs_leave_nothing_bad():
    command = [sys.executable, str(FOLDER / "stress.py"), "--runs", "--rounds", "1", "--images", "0"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert (found.returncode, found.stderr) == (0, "")
    assert re.search(r"^  bad +0$", found.stdout, re.MULTILINE)
    assert "none afterwards" in found.stdout


@pytest.fixture(scope="module")
def stress():
    spec = importlib.util.spec_from_file_location("stress_runs", FOLDER / "stress_runs.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["stress_runs"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["stress_runs"]


DAMAGE = {
    "predictions gone": lambda run: (run / "fold_0" / results.PREDICTIONS).unlink(),
    "metrics emptied": lambda run: (run / "fold_0" / results.METRICS).write_bytes(b""),
    "weights cut": lambda run: (run / "fold_0" / results.WEIGHTS).write_bytes(b"half"),
    "record torn": lambda run: (run / results.RUN).write_text("{"),
    "stranger": lambda run: (run / ".other").write_text("x"),
    "other predictions": lambda run: (run / "fold_1" / results.PREDICTIONS).write_bytes(b"key\n"),
}


@pytest.mark.parametrize("damage", [None, *DAMAGE])
def test_it_sees_whatever_is_bad(stress, copied, trained, damage, monkeypatch):
    monkeypatch.setattr(stress, "FOLDS", 2)
    predictions = [(trained[0] / f"fold_{fold}" / results.PREDICTIONS).read_bytes() for fold in (0, 1)]
    if damage:
        DAMAGE[damage](copied)
    tally = stress.Tally()
    stress.check(stress.Undisturbed([], predictions, 0, 0), copied.parent, tally)
    assert bool(tally.faults) == bool(damage)
    assert tally.folds == 2
    assert json.loads((trained[0] / results.RUN).read_text())["folds"] == 2
