"""A corpus that is given by a table alone goes from files to cross-validated results by two commands."""

import csv

import pytest

from precompute.__main__ import main as precompute
from wser import run

EMOTIONS = {"03": "joy", "04": "sadness", "05": "Anger"}


@pytest.mark.slow
@pytest.mark.usefixtures("unmade")
def test_two_commands(small_ravdess, small_settings, small_recipe_id, tiny, tmp_path, capsys, messages):
    files = sorted((small_ravdess / "ravdess").rglob("*.wav"))
    with (tmp_path / "my.csv").open("w", newline="") as table:
        writer = csv.writer(table, delimiter=";")
        writer.writerow(["path", "speaker", "emotion"])
        for file in files:
            writer.writerow([file, f"spk {file.stem[-2:]}", EMOTIONS[file.stem.split("-")[2]]])
    given = ["--corpus", "table", "--table", str(tmp_path / "my.csv"), "--name", "mine", "--cache", str(tmp_path / "cache")]
    assert precompute([*given, "--jobs", "1", "--set", *small_settings]) == 0
    capsys.readouterr()
    settings = ["corpus=mine", "protocol=loso", f"cache_root={tmp_path / 'cache'}", f"results={tmp_path / 'runs'}"]
    assert run.main([*tiny, *settings, "fold=all"]) == 0
    printed = capsys.readouterr().out
    assert "mine, 3 classes, loso" in printed
    assert len(list((tmp_path / "runs").rglob("predictions.csv"))) == 4
    found = next((tmp_path / "runs").rglob("fold_0/predictions.csv")).read_text()
    assert "spk 01" in found
    assert "happy" in found
    assert run.main([*tiny, *settings[:1], *settings[2:]]) == 1
    messages.check(capsys.readouterr().err)
