"""What `wser.runs list` says of runs: by what they differ."""

import os
from dataclasses import asdict

import pytest
import yaml

from wser import results, run, runs
from wser.config.compose import load
from wser.data import decoded
from wser.execution import housekeeping


@pytest.mark.slow
@pytest.mark.usefixtures("unmade")
def test_runs_are_listed_with_the_settings_that_differ_among_them(at_once, tmp_path, capsys):
    assert run.main([*at_once, f"results={tmp_path}", "seed=0,1", "fold=0"]) == 0
    capsys.readouterr()
    assert runs.main(["list", "--results", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.startswith("quick-ravdess-at_once-speaker_independent-")]
    assert sorted("seed=1" in row for row in rows) == [False, True]
    assert all(("seed=0" in row) != ("seed=1" in row) for row in rows)
    assert all("1 of 2" in row and "label" not in row for row in rows)
    assert lines[-1].startswith("2 runs, 2 of them not finished, ")


def test_decoded_pictures_are_garbage_after_a_week_and_other_files_beside_them_are_not(tmp_path):
    kept = tmp_path / decoded.DIRECTORY
    kept.mkdir()
    for name in ("old.npy", "new.npy", "notes.txt"):
        (kept / name).write_bytes(b"content")
    for name in ("old.npy", "notes.txt"):
        os.utime(kept / name, (0, 0))
    assert [found.path.name for found in housekeeping.garbage(tmp_path)] == ["old.npy"]


@pytest.mark.parametrize("model", ["row_svm", "./mine.py"])
def test_settings_that_a_model_does_not_read_are_no_difference(tmp_path, model):
    for name, settings in {"a": ["experiment=demo"], "b": ["seed=1"]}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / results.RUN).write_text("{}")
        (config,) = load([*settings, "model=row_svm"])
        stored = asdict(config)
        stored["model"]["name"] = model
        (tmp_path / name / results.CONFIG).write_text(yaml.safe_dump(stored))
        (tmp_path / name / results.fold_name(0)).mkdir()
        (tmp_path / name / results.fold_name(0) / results.METRICS).write_text('{"epochs": 0, "files": {}}')
    assert [listed.settings for listed in housekeeping.listed(tmp_path)] == [
        "protocol.folds=4, seed=0",
        "protocol.folds=3, seed=1",
    ]
