"""`benchmarks/stress.py --runs` with a single round: nothing bad is seen, and what it would call bad is seen."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

from wser import results

FOLDER = Path(__file__).parents[3] / "benchmarks"


def script(name, monkeypatch):
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def stress(monkeypatch):
    return script("stress_runs", monkeypatch)


@pytest.mark.slow
def test_killed_jobs_leave_nothing_bad(stress, at_once, small_ravdess, small_settings, monkeypatch, capsys):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "JOBLIB_TEMP_FOLDER"):
        # What the script changes of the environment is put back.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    # Six jobs that import PyTorch would take a minute; that networks are killed as well is seen in test_run.py.
    (model,) = (setting for setting in at_once if setting.startswith("model="))
    # Nothing is timed here.
    monkeypatch.setattr(stress, "WARM_UPS", 0)
    monkeypatch.setattr(stress, "NETWORK", [model, "model.seconds=0.2"])
    monkeypatch.setattr(stress, "PLAN", ["protocol=speaker_dependent", "protocol.folds=3", "selection=last", "logger=[]"])
    corpus = ["--corpus", "ravdess", "--corpora", str(small_ravdess), "--set", *small_settings]
    code = script("stress", monkeypatch).main(["--runs", "--rounds", "1", "--images", "0", *corpus])
    out, errors = capsys.readouterr()
    assert (code, errors) == (0, "")
    assert re.search(r"^  bad +0$", out, re.MULTILINE)
    assert "none afterwards" in out


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
