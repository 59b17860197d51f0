"""Messages with which commands refuse what they are given, and their exit codes; and how messages are compared."""

import importlib
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile
import wording

from precompute.cache.draft import Draft
from precompute.recipe import Recipe

MODULES = {"precompute": "precompute.__main__", "wser": "wser.__main__"}
"""Modules of commands whose names are those of packages."""

COMMANDS = """
precompute --corpus ravdes
precompute --corpus ravdess
precompute --corpus ravdess --corpora ravdess=nowhere
precompute --corpus ravdess --corpora ravdess=empty
precompute --corpus demo --recipe scalogramm
precompute --corpus demo --set scale=64
precompute --corpus demo --set scales=many
precompute --corpus demo --set scales=1
precompute --corpus demo --set pad=left
precompute --corpus demo --set f_max=9000
precompute --corpus demo --set snr_db=10
precompute --corpus demo --set window=0.05
precompute --corpus demo --set wavelet=db99
precompute --corpus demo --set wavelet=cmor6
precompute --corpus demo --set wavelet=cmor0.0001-1.0
precompute --corpus demo --set colour=viridi
precompute --corpus demo --set duration=0.0001
precompute --corpus demo --set columns=7
precompute --corpus demo --set scales
precompute --corpus demo --jobs 0
precompute --corpus table --table missing.csv --name mine
precompute --corpus table --table empty.csv --name mine
precompute --corpus table --table columns.csv --name mine
precompute --corpus table --table lines.csv --name mine
precompute --corpus table --table lines.csv --name emodb
precompute build lines.csv
precompute --fetch emodb --mirror nowhere --accept-licence
precompute check mine
precompute build demo --table lines.csv
precompute build demo --skip-bad
precompute build table --table gone.csv --name mine
wser runn
precompute cache info 9999
precompute cache info 1111
precompute cache list --cache ~nobody-of-this-name/x
precompute cache verify 0000
precompute cache verify 1111
precompute cache import lines.csv
precompute cache export 1111 lines.csv
precompute cache export 1111 lines.zip
precompute cache diff default scalogramm
precompute cache rm 9999
wser.run corpus=demo
wser.run corpus=demo recipe=white10
wser.run corpus=dmeo
wser.run model.lr=0.1
wser.run train.lr=fast
wser.run train.lr=1e9
wser.run train.optimiser=adm
wser.run seed
wser.run seed=[1
wser.run seed=1,
wser.run results=a,b
wser.run protocol=loso protocol.folds=3
wser.run protocol=file
wser.run protocol=file protocol.file=split.json
wser.run protocol=cross_corpus
wser.run model=row_svm train.epochs=3
wser.run model=row_svm selection=test
wser.run model=./missing.py
wser.run model=three_pip
wser.run preset=nosuch
wser.run corpus=[demo,demo]
wser.run data.mixup=-1
wser.run --repeat nowhere
wser.compare nowhere run
wser.compare run run
wser.run --repeat run
wser.runs list --results nowhere
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with tables, a damaged and an unfinished cache, and a damaged run."""
    monkeypatch.chdir(tmp_path)
    for name in ("WSER_CACHE", "WSER_CORPORA", "WSER_TRACEBACK", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    Path("empty").mkdir()
    Path("empty.csv").touch()
    soundfile.write("a.wav", np.sin(np.arange(16000) / 20), 16000)
    Path("gone.csv").write_text("path,speaker,emotion\nempty/../gone.wav,anna,happy\n", "utf-8")
    Path("columns.csv").write_text("path,speaker,emotion,emotion,onset_ms,spekaer,begin_frame\n", "utf-8")
    Path("lines.csv").write_text(
        "path,speaker,emotion,start,end,sex\n"
        "a.wav,anna,happy,0,0.5,female\na.wav,anna,happy,0,0.5,female\na.wav,Anna,sad,0,2,male\na.wav,,sad,0.9,0.5,\n"
        "b.wav,ben,angry,x,,man\na.wav,ben\n",
        "utf-8",
    )
    Path("split.json").write_text('{"folds": [{"train": ["a"], "test": ["a"]}]}', "utf-8")
    recipe = Recipe()
    for corpus, input_id in (("unfinished", "0" * 12), ("damaged", "1" * 12)):
        draft = Draft(Path("cache"), corpus, recipe.record(), recipe.id, input_id, synthetic=False)
        with draft.open():
            if corpus == "damaged":
                draft.path.joinpath("manifest.json").write_text("{", "utf-8")
    Path("run").mkdir()
    Path("run/run.json").write_text(json.dumps({"folds": "five"}), "utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("line", COMMANDS.strip().splitlines())
def test_what_a_command_says(line, place, capsys, messages):
    name, *arguments = shlex.split(line)
    try:
        code = importlib.import_module(MODULES.get(name, name)).main(arguments)
    except SystemExit as error:
        code = error.code
    messages.check(f"{capsys.readouterr().err}exit code {code}")


def test_other_words_and_those_of_an_unknown_test_fail(tmp_path, monkeypatch):
    monkeypatch.delenv("UPDATE_MESSAGES", raising=False)
    monkeypatch.setattr(wording, "read", lambda: {"known": ["<here>/a has … bytes: remove it"]})
    wording.Messages("known", tmp_path, tmp_path.parent).check(f"{tmp_path}/a has 5 bytes: remove it")
    for name, message in (("known", "a has 5 bytes: remove it"), ("known", f"{tmp_path}/a has 5 bytes"), ("unknown", "")):
        with pytest.raises(AssertionError):
            wording.Messages(name, tmp_path, tmp_path.parent).check(message)


def test_messages_belong_to_tests_that_there_are():
    sources = {}
    for name in wording.read():
        file, test = name.partition("[")[0].split("::")[0], name.partition("[")[0].rpartition("::")[2]
        source = sources.setdefault(file, (wording.TESTS / file).read_text("utf-8"))
        assert f"def {test}(" in source, name
