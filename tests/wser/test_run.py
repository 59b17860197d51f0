import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from halting import kill_after

from precompute.common import process
from wser import results, run
from wser.config import compose
from wser.execution import plan
from wser.protocols import split_hash

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmade")]

MODULE = [sys.executable, "-m", "wser.run"]


def command(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess:
    """The real command line."""
    return subprocess.run([*MODULE, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


def assert_refused(out: str, err: str) -> str:
    """One sentence on stderr."""
    assert out == ""
    assert err.startswith("wser.run: ")
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    return err


@pytest.fixture
def here(small_cache, small_recipe_id, tmp_path) -> list[str]:
    """Settings that a dry run needs; another protocol than that of two pairs may be given too."""
    file = tmp_path / "two.yaml"
    file.write_text("protocol: {name: speaker_independent, folds: 2}\n", encoding="utf-8")
    return [
        f"experiment={file}",
        f"cache_root={small_cache}",
        f"recipe={small_recipe_id}",
        f"results={tmp_path / 'runs'}",
        "jobs=1",
    ]


@pytest.mark.parametrize(
    ("wrong", "code", "says"),
    [
        (["foo"], 2, "'foo' is not key=value"),
        (["train.lr=fast"], 2, "train.lr"),
        (["model.lstm=-3"], 2, "model.lstm=-3 is outside 1 to 4096"),
        (["trian.epochs=3"], 2, "train"),
        (["train.epoch=3"], 2, "epochs"),
        (["model=three_pip"], 2, "did you mean 'three_pipe'"),
        (["protocol=losso"], 2, "did you mean 'loso'"),
        (["preset=papper"], 2, "did you mean 'paper'"),
        (["experiment=defualt"], 2, "did you mean 'default'"),
        (["labels=ravdes7"], 2, "did you mean 'ravdess7'"),
        (["fold=99"], 2, "folds 0 to 1"),
        (["fold=-1"], 2, "folds 0 to 1"),
        (["fold=first"], 2, "neither all nor numbers"),
        (["protocol.folds=3"], 1, "give protocol.folds=2 or fewer, or protocol=loso"),
        (["protocol=session_folds"], 1, "ravdess has no session for 24 of 24 utterances"),
        (["protocol=speaker_folds"], 1, "complete the corpus, or give protocol=loso"),
        (["protocol=cross_corpus"], 1, "give protocol.test=NAME"),
        (["protocol=cross_corpus", "protocol.test=emodb"], 1, "name it too, as in corpus=[ravdess,emodb]"),
        (["protocol=file"], 1, "give protocol.file=PATH"),
        (["protocol=file", "protocol.file=gone.json"], 1, "protocol.file=gone.json does not exist"),
        (["protocol.file=split.json"], 2, "give protocol.name=file"),
        (["protocol=file", "protocol.speakers=some"], 2, "(auto, disjoint, shared)"),
        (["recipe=default", "corpus=emodb"], 1, "python -m precompute build emodb"),
        (["recipe=default"], 1, "python -m precompute build ravdess --cache"),
        (["recipe=paper"], 1, "python -m precompute build ravdess --recipe paper"),
        (["recipe=0123456789ab"], 1, "there is no recipe of ravdess '0123456789ab'"),
        (["cache=0123456789ab"], 1, "cache=ID"),
        (["corpus=[ravdess,ravdess]"], 2, "twice"),
        (["labels=emodb7", "corpus=[ravdess]", "seed=0,x"], 2, "seed"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input_is_answered_in_one_sentence(here, wrong, code, says, capsys, tmp_path):
    assert run.main([*here, *wrong]) == code
    printed = capsys.readouterr()
    assert says in assert_refused(printed.out, printed.err)
    assert not (tmp_path / "runs").exists(), "nothing is written for a command that is refused"


def test_real_command_line_answers_wrong_input_too(tmp_path):
    found = command("trian.lr=1", cwd=tmp_path)
    assert found.returncode == 2
    assert_refused(found.stdout, found.stderr)
    found = command(f"cache_root={tmp_path}", cwd=tmp_path)
    assert "python -m precompute build ravdess" in assert_refused(found.stdout, found.stderr)
    assert list(tmp_path.iterdir()) == []


IMPORTS = """
import contextlib, io, json, sys
from wser.run import main
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            code = main(arguments)
        except SystemExit as leaving:
            code = leaving.code
    heavy = sorted({"torch", "pytorch_lightning", "matplotlib", "sklearn"} & set(sys.modules))
    print(code, *heavy, sep=",")
"""


def test_help_refusals_and_dry_runs_come_without_the_heavy_imports(here):
    wrong = [["foo"], ["train.lr=fast"], ["model=x"], ["protocol=x"], ["preset=x"], ["fold=99"], ["protocol.folds=9"]]
    wrong += [["protocol=session_folds"], ["protocol=file"], ["protocol=cross_corpus", "protocol.test=emodb"]]
    asked = [["--help"], *([*here, *arguments] for arguments in wrong), [*here, "model=row_svm", "--dry-run"]]
    arguments = [sys.executable, "-c", IMPORTS, json.dumps(asked)]
    found = subprocess.run(arguments, capture_output=True, text=True, timeout=300, check=True)
    assert found.stdout.split() == ["0", *"222222", *["1"] * (len(wrong) - 6), "0"]


def test_help_lists_every_key(capsys):
    assert run.main(["--help"]) == 0
    printed = capsys.readouterr().out
    keys = ("label_smoothing", "validation_fraction", "mask_columns", "cache_root", "speakers")
    for key in (*keys, "--dry-run", "--describe", "fold=all"):
        assert key in printed


def test_dry_run_says_what_would_run_and_writes_nothing(here, capsys, tmp_path, small_recipe_id):
    assert run.main([*here, "seed=0,1", "train.epochs=7", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "4 folds: 0 finished, 4 to do, up to 7 epochs each" in printed
    assert re.search(r"^about \d+ s on this machine as it is now, if no run stops early", printed, re.MULTILINE)
    assert "24 utterances" in printed
    assert small_recipe_id in printed
    assert not (tmp_path / "runs").exists()


def test_dropped_utterances_are_announced(joined_cache, small_recipe_id, capsys, tmp_path):
    settings = [f"cache_root={joined_cache}", f"recipe={small_recipe_id}", "corpus=[ravdess,emodb]", f"results={tmp_path}"]
    assert run.main([*settings, "model=row_svm", "labels=common4", "protocol.folds=2", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "left out by label map common4: bored 8" in printed
    assert "ravdess + emodb, 4 classes" in printed
    assert "40 utterances" not in printed
    assert "48 utterances" in printed


def test_short_form_and_a_key_of_the_same_section_go_together(here, capsys):
    """A protocol and its seed on one command line: neither undoes the other, in either order."""
    for settings in (["protocol=speaker_dependent", "protocol.seed=1"], ["protocol.seed=1", "protocol=speaker_dependent"]):
        assert run.main([*here, *settings, "--dry-run"]) == 0
        assert "speaker_dependent: 2 folds" in capsys.readouterr().out


def test_what_training_and_test_share_is_said(here, capsys):
    assert run.main([*here, "--dry-run"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "shared by training (with validation) and test: speakers none (as the protocol promises)" in printed
    assert run.main([*here, "protocol=speaker_dependent", "--dry-run"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert re.search(r"speakers [34].* a fold, such as 0.* \(results are for known speakers\) sessions not recorded", printed)


def test_points_of_a_sweep_that_share_differently_are_told_apart(here, capsys):
    assert run.main([*here, "protocol=loso,speaker_dependent", "seed=0,1", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    loso, dependent = (
        printed.index("7 classes, loso, three_pipe:\n"),
        printed.index("7 classes, speaker_dependent, three_pipe:\n"),
    )
    assert loso < dependent
    assert printed.count("shared by training") == 2


def test_split_of_a_run_is_another_runs_split(trained, here, tmp_path, capsys):
    """The file of a finished run gives its folds, and wherever it lies, the same results answer for it."""
    elsewhere = tmp_path / "elsewhere.json"
    shutil.copy(trained[0] / results.SPLIT, elsewhere)
    record = json.loads((trained[0] / results.RUN).read_text())
    names = set()
    for path in (trained[0] / results.SPLIT, elsewhere):
        experiment = plan.prepare(*compose.load([*here, "protocol=file", f"protocol.file={path}"]))
        assert split_hash(experiment.folds, experiment.dataset.examples) == record["split_hash"]
        assert experiment.speaker_independent
        names.add(experiment.directory.name)
    assert len(names) == 1


def test_split_file_that_shares_a_speaker_is_refused_and_the_speaker_named(trained, here, tmp_path, capsys):
    split = json.loads((trained[0] / results.SPLIT).read_text())
    moved = split["folds"][1]["train"].pop()
    split["folds"][1]["test"].append(moved)
    path = tmp_path / "split.json"
    path.write_text(json.dumps(split))
    assert run.main([*here, "protocol=file", f"protocol.file={path}"]) == 1
    printed = capsys.readouterr()
    said = assert_refused(printed.out, printed.err)
    assert f"speaker {moved.rpartition('-')[2]} is in the training and the test set of fold 1" in said
    assert run.main([*here, "protocol=file", f"protocol.file={path}", "protocol.speakers=shared", "--dry-run"]) == 0


def test_cross_corpus_trains_on_one_corpus_and_tests_on_the_other(joined_cache, tiny, tmp_path, capsys):
    settings = [f"cache_root={joined_cache}", "corpus=[ravdess,emodb]", "labels=common4", f"results={tmp_path}"]
    assert run.main([*tiny, *settings, "protocol=cross_corpus", "protocol.test=emodb"]) == 0
    assert "cross_corpus tested on emodb" in capsys.readouterr().out
    (directory,) = tmp_path.iterdir()
    speakers = results.read_metrics(directory, 0)["speakers"]
    assert {name.partition("/")[0] for name in speakers["test"]} == {"emodb"}
    assert {name.partition("/")[0] for name in (*speakers["train"], *speakers["validation"])} == {"ravdess"}


def test_console_script_names_its_commands():
    script = [sys.executable, "-m", "wser"]
    found = subprocess.run(script, capture_output=True, text=True, timeout=300, check=False)
    assert found.returncode == 2
    assert "run" in found.stderr
    found = subprocess.run([*script, "run", "foo"], capture_output=True, text=True, timeout=300, check=False)
    assert found.returncode == 2
    assert_refused(found.stdout, found.stderr)


def test_paths_are_stored_as_they_were_given(tiny, small_cache, tmp_path, monkeypatch, capsys):
    shutil.copytree(small_cache, tmp_path / "cache")
    shutil.copy(tiny[0].partition("=")[2], tmp_path / "tiny.yaml")
    monkeypatch.chdir(tmp_path)
    assert run.main([*tiny, "experiment=tiny.yaml", "cache_root=cache", "results=runs", "fold=0", "train.epochs=1"]) == 0
    (directory,) = (tmp_path / "runs").iterdir()
    stored = (directory / results.CONFIG).read_text()
    assert "cache_root: cache\n" in stored
    assert str(tmp_path) not in stored
    assert str(Path.home()) not in stored


def test_corpora_are_joined(joined_cache, tiny, tmp_path, capsys):
    settings = [f"cache_root={joined_cache}", "corpus=[ravdess,emodb]", "labels=common4", f"results={tmp_path}", "fold=0"]
    assert run.main([*tiny, *settings]) == 0
    (directory,) = tmp_path.iterdir()
    record = results.read_metrics(directory, 0)
    assert len(record["speakers"]["test"]) == 2
    assert {name.partition("/")[0] for part in record["speakers"].values() for name in part} == {"ravdess", "emodb"}
    assert list(record["per_class"]) == ["neutral", "happy", "sad", "angry"]


def test_killed_run_keeps_finished_folds_and_goes_on_with_the_others(tiny, tmp_path, capsys):
    settings = [
        *tiny,
        f"results={tmp_path}",
        "protocol=speaker_dependent",
        "protocol.folds=5",
        "train.epochs=8",
        "train.patience=0",
    ]
    assert kill_after("wser.run", settings, "fold_1", steps=15) == -signal.SIGKILL
    (directory,) = tmp_path.iterdir()
    assert results.finished(directory) == [0, 1]
    (curves,) = directory.glob(".fold_2-*/*/" + results.CURVES)
    assert 2 < curves.read_bytes().count(b"\n") < 9, "killed while fold 2 was being trained"
    before = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in directory.glob("fold_[01]/*")}
    assert len(before) == 8
    assert run.main(settings) == 0
    printed = capsys.readouterr().out
    assert "5 folds: 2 finished, 3 to do" in printed
    assert results.finished(directory) == [0, 1, 2, 3, 4]
    assert {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in directory.glob("fold_[01]/*")} == before
    whole = tmp_path / "whole"
    assert run.main([*settings, f"results={whole}", "fold=2"]) == 0
    again = whole / directory.name / "fold_2" / results.PREDICTIONS
    assert again.read_bytes() == (directory / "fold_2" / results.PREDICTIONS).read_bytes()


def test_what_a_killed_run_left_is_removed(trained, tiny, tmp_path, capsys):
    """At once where its process is certainly gone, else after a day; and nothing that has not a name of ours."""
    directory = tmp_path / trained[0].name
    shutil.copytree(trained[0], directory)
    with subprocess.Popen([sys.executable, "-c", "from precompute.common import process; print(process.signature())"],
                          stdout=subprocess.PIPE, text=True) as ended:  # fmt: skip
        gone = ended.stdout.read().strip()
    here, elsewhere = process.signature(), "01234567.1.1"
    ages = {gone: 0, f"{gone}-": 2, here: 2, elsewhere: 0, f"{elsewhere}-": 2, "": 2, "-": 0}
    places = {}
    for number, (signature, days) in enumerate(ages.items()):
        name = f".fold_0-{signature.removesuffix('-')}-{number:08x}".replace("--", "-")
        places[signature] = directory / name
        places[signature].mkdir()
        (places[signature] / results.CURVES).touch()
        then = time.time() - days * 24 * 3600 - 60
        for place in (places[signature] / results.CURVES, places[signature]):
            os.utime(place, (then, then))
    part = directory / f".summary.json-{gone}-0123abcd.part"
    foreign = directory / ".fold_notes"
    for file in (part, foreign):
        file.touch()
    os.utime(foreign, (0, 0))
    assert run.main([*tiny, f"results={tmp_path}"]) == 0
    left = {signature for signature, place in places.items() if place.exists()}
    assert left == {here, elsewhere, "-"}, "a job that may still be at work keeps its place"
    assert not part.exists()
    assert foreign.exists()


ARCHITECTURE = """
import importlib, pkgutil, sys, precompute
for module in pkgutil.walk_packages(precompute.__path__, "precompute."):
    importlib.import_module(module.name)
print(*(name for name in ("torch", "pytorch_lightning", "wser") if name in sys.modules))
"""


def test_precompute_knows_nothing_of_training():
    found = subprocess.run([sys.executable, "-c", ARCHITECTURE], capture_output=True, text=True, timeout=300, check=True)
    assert found.stdout.split() == []


def test_points_of_a_sweep_that_compute_the_same_are_one(tiny, tmp_path, capsys):
    assert run.main([*tiny, f"results={tmp_path}", "seed=0,0", "--dry-run"]) == 0
    assert "2 folds: 0 finished, 2 to do" in capsys.readouterr().out


def test_options_and_settings_may_be_mixed(tiny, tmp_path, capsys):
    assert run.main([*tiny, "--dry-run", f"results={tmp_path}", "fold=0"]) == 0
    assert "1 fold" in capsys.readouterr().out
