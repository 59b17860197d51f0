"""A run in words: how its protocol holds utterances out, and which settings are not the usual ones."""

from dataclasses import asdict

import pytest

from wser import protocols
from wser.config.compose import load
from wser.config.schema import flatten
from wser.reports.html import words


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"protocol": "./mine.py", "protocol_title": "Women held out, then men"}, "Women held out, then men"),
        ({"protocol": "./mine.py", "protocol_title": ""}, ""),
        ({"protocol": "loso"}, "Leave one speaker out: as many folds as speakers"),
        ({"protocol": "of_an_earlier_version"}, ""),
    ],
)
def test_protocol_is_in_the_words_that_the_run_recorded_or_that_today_has(record, says):
    assert words.protocol(record) == says


def test_report_runs_no_file_that_a_stranger_names(tmp_path):
    (tmp_path / "mine.py").write_text("raise SystemExit('run')")
    assert words.protocol({"protocol": str(tmp_path / "mine.py")}) == ""


@pytest.mark.parametrize(
    ("settings", "name", "by_epochs", "changed"),
    [
        (["train.epochs=4"], None, True, ["train.epochs"]),
        (["model=row_svm"], None, False, ["model.name"]),
        (["model=row_svm", "model.c=0.02"], None, False, ["model.name", "model.c"]),
        (["model=row_svm"], "./mine.py", False, ["model.name", "model.c", "model.balanced"]),
        (["model=row_svm", "data.standardise=speaker"], "./mine.py", False, [
            "model.name", "model.c", "model.balanced", "data.standardise",
        ]),
        (["model.activation=elu", "train.epochs=4"], "./mine.py", True, [
            "model.name", *(f"model.{key}" for key in asdict(load([])[0])["model"] if key != "name"), "train.epochs",
        ]),
    ],
)  # fmt: skip
def test_settings_that_are_not_those_of_preset_and_model_and_all_of_a_model_of_ones_own(settings, name, by_epochs, changed):
    stored = flatten(asdict(load(settings)[0])) | ({"model.name": name} if name else {})
    assert words.changed_keys(stored, by_epochs) == changed


@pytest.mark.parametrize("name", protocols.names())
def test_each_protocol_of_the_package_has_a_title(name):
    assert protocols.protocol(name).title
