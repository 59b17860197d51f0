"""What `wser.runs list` says of runs: by what they differ."""

import pytest

from wser import run, runs


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
