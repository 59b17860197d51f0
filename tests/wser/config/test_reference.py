"""Every key can be looked up, on the command line and in the docs."""

from pathlib import Path

import pytest

from precompute.common import plugins
from precompute.recipe import Recipe
from wser import run
from wser.config import reference
from wser.config.schema import known

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_page_is_what_the_command_prints(capsys):
    assert run.main(["--keys"]) == 0
    assert capsys.readouterr().out == PAGE.read_text("utf-8"), "run: python -m wser.run --keys > docs/configuration.md"


def test_every_key_is_there_with_its_meaning():
    every = reference.keys()
    assert {key.name for key in every} == {*known(), "sweep", "fuse"}
    assert all(len(key.meaning) > 10 and key.values for key in [*every, *reference.parameters()])


def test_every_parameter_of_recipes_is_there():
    parameters = {key.name for key in reference.parameters()}
    for feature in ("scalogram", "stft", "logmel", "waveform"):
        assert {*Recipe(feature).parameters} <= parameters
    assert [key.of for key in reference.parameters() if key.name == "wavelet"] == [("random_convolutions",), ("scalogram",)]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("train.lr", ["Learning rate", "from 1e-08 to 10", "default    0.003"]),
        ("lr", ["train.lr"]),
        ("train", ["train.lr\n", "train.schedule\n", "Learning-rate schedule"]),
        ("selection", ["`last` takes the last epoch", "nothing is cut from training", "validation, last, test"]),
        ("protocol.test_fraction", ["held out", "only with  speaker_dependent", "0.2"]),
        ("train.schedule", ["Learning-rate schedule", "constant, one_cycle"]),
        ("train.patience", ["only with selection=validation or test"]),
        ("snr_db", ["only with noise=white or babble"]),
    ],
)
def test_one_key_is_shown(key, words, capsys):
    assert run.main(["--help", key]) == 0
    printed = capsys.readouterr().out
    assert [word for word in words if word not in printed] == []


@pytest.mark.parametrize("width", [60, 80])
def test_what_is_shown_fits_the_terminal(width):
    for key in [*reference.keys(), *reference.parameters()]:
        for line in key.text(width).splitlines():
            # A word without blanks, such as a list of lists, is not broken.
            assert len(line) <= width or len(line.split()[-1]) > width - 20
        assert key.text(width).split() == key.text().split()


def test_a_default_is_that_of_its_own_model():
    every = reference.keys()
    (balanced,) = [key for key in every if key.name == "model.balanced" and "svm" in key.of]
    assert balanced.default == "true"
    assert {"row_svm", "svm"} <= {*balanced.of}


def test_settings_of_an_installed_model_may_say_nothing_of_themselves(monkeypatch, capsys, tmp_path):
    (tmp_path / "mute_model.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom typing import Literal\n"
        "from wser.config.schema import ModelConfig\n\n@dataclass\nclass Config(ModelConfig):\n    depth: int = 3\n"
        "    kind: Literal['a', 'b'] = 'a'\n\ndef build(config, shape, classes):\n    raise NotImplementedError\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(plugins, "_installed", lambda room: {"mute": "mute_model"} if room == "wser.models" else {})
    assert run.main(["--help", "model.depth", "model.kind"]) == 0
    printed = capsys.readouterr().out
    assert [word for word in ("whole number", "default    3", "only with  mute", "a, b") if word not in printed] == []


def test_a_key_that_there_is_not_names_the_nearest(capsys, messages):
    assert run.main(["--help", "train.epoch"]) == 2
    messages.check(capsys.readouterr().err)


def test_settings_are_written_as_on_the_command_line():
    assert [reference.as_text(value) for value in ("a", 0.5, True, None, [], [[1, 2]])] == [
        "a", "0.5", "true", "null", "[]", "[[1,2]]",
    ]  # fmt: skip
