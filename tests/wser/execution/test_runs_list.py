"""What `wser.runs list` says of runs: by what they differ."""

from dataclasses import asdict

import pytest
import yaml

from wser import results, run, runs
from wser.config.compose import load
from wser.execution import housekeeping


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
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


def test_settings_that_a_model_does_not_read_are_no_difference(tmp_path):
    for name, settings in {"a": ["experiment=demo"], "b": ["seed=1"]}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / results.RUN).write_text("{}")
        (config,) = load([*settings, "model=row_svm"])
        (tmp_path / name / results.CONFIG).write_text(yaml.safe_dump(asdict(config)))
    assert [listed.settings for listed in housekeeping.listed(tmp_path)] == [
        "protocol.folds=4, seed=0",
        "protocol.folds=3, seed=1",
    ]
