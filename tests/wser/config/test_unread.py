"""Every setting is read, or refused with what would have it read."""

import dataclasses
import itertools

import pytest

from wser import protocols
from wser.config import unread
from wser.config.compose import load
from wser.config.schema import Config, ConfigError, flatten
from wser.data.dataset import Example
from wser.data.recordings import Origin

REFUSED = {
    "protocol=loso protocol.folds=5": ["protocol.folds=5", "protocol.name=loso", "give protocol.name=speaker_dependent"],
    "protocol=loso protocol.folds=3": ["protocol.folds=3"],
    "protocol=session_folds protocol.test_fraction=0.3": ["protocol.test_fraction=0.3", "give protocol.name=speaker_dependent"],
    "protocol=speaker_folds protocol.folds=5 corpus=ravdess": ["protocol.folds=5", "give protocol.name=speaker_dependent"],
    "protocol=loso protocol.seed=1": ["protocol.seed=1", "or selection=validation"],
    "protocol.validation_fraction=0.3": ["selection=last", "give selection=validation"],
    "train.patience=5": ["train.patience=5", "give selection=validation or selection=test"],
    "selection=last preset=paper train.patience=5": ["train.patience=5"],
    "protocol=loso protocol.test=emodb": ["protocol.test=emodb", "give protocol.name=cross_corpus"],
    "protocol=loso protocol.file=x.json": ["protocol.file=x.json", "give protocol.name=file"],
    "protocol=cross_corpus protocol.test=emodb protocol.speakers=shared": [
        "protocol.speakers=shared",
        "give protocol.name=file",
    ],
    "model.pipes=1": None,
    "model.pipes=2 model.pipe_kernels=[[3,3],[5,5],[7,7]]": ["model.pipe_kernels has 3 entries", "give model.pipes=3"],
    "model.pipe_dilations=[1,1,2,4]": ["model.pipe_dilations has 4 entries", "give model.pipes=4"],
    "model.filters=[8] model.strides=[[1,1],[1,1]] model.pooling=max": ["model.pooling=max", "model.strides"],
    "model.filters=[8] model.strides=[[1,1],[1,1]] model.overlap=0": ["model.overlap=0"],
    "protocol=loso,speaker_dependent protocol.folds=5": ["protocol.folds=5"],
    "protocol=loso protocol.seed=1 selection=validation": None,
    "protocol=speaker_folds protocol.folds=5 corpus=emodb": None,
    "protocol=speaker_folds protocol.folds=5 corpus=[ravdess,emodb]": None,
    "selection=test train.patience=5": None,
    "experiment=demo protocol=speaker_dependent": None,
}


@pytest.mark.slow
@pytest.mark.parametrize("arguments", REFUSED)
def test_setting_is_read_or_refused_with_what_would_have_it_read(arguments):
    expected = REFUSED[arguments]
    if expected is None:
        assert load(arguments.split())
        return
    with pytest.raises(ConfigError) as refused:
        load(arguments.split())
    message = str(refused.value)
    assert all(words in message for words in expected), message
    assert "\n" not in message


def test_what_an_experiment_sets_for_its_protocol_gives_way_with_it(messages):
    (config,) = load(["experiment=demo", "protocol=loso"])
    assert config.protocol == protocols.config("loso")
    with messages.raises(ConfigError):
        load(["experiment=demo", "protocol=loso", "protocol.folds=4"])


def test_experiment_that_sets_what_it_does_not_read_is_refused(tmp_path, messages):
    file = tmp_path / "mine.yaml"
    file.write_text("protocol: {name: loso, folds: 5}\n")
    with messages.raises(ConfigError):
        load([f"experiment={file}"])


# What a protocol declares to read is what it reads.

EXAMPLES = [
    Example(
        key=f"u{i}", corpus="emodb", speaker=f"{'wm'[s % 2]}{s}", sex=("female", "male")[s % 2], label=i % 3, start=0, stop=8,
        recording=f"r{i}", origin=Origin(f"{i}", None, None, f"{i}"), row=i, session=f"session {s % 4}",
    )
    for i, s in enumerate(speaker for speaker in range(10) for _ in range(9))
]  # fmt: skip
OTHER = {"folds": 4, "test_fraction": 0.4, "validation_fraction": 0.4, "seed": 7}
FREE = ["loso", "session_folds", "speaker_dependent", "speaker_folds", "speaker_independent"]
"""Protocols that need no other corpus and no file."""


OWN = [(name, key) for name, key in itertools.product(FREE, OTHER) if hasattr(protocols.config(name), key)]


@pytest.mark.parametrize(("name", "key"), OWN)
@pytest.mark.parametrize("selection", ["validation", "last"])
def test_key_of_the_split_is_read_exactly_where_this_is_said(name, key, selection):
    config = Config(corpus=["emodb"], protocol=protocols.config(name), selection=selection)
    changed = dataclasses.replace(config, protocol=dataclasses.replace(config.protocol, **{key: OTHER[key]}))
    before, after = (protocols.load(one.protocol).folds(EXAMPLES, selection) for one in (config, changed))
    assert (before != after) == (f"protocol.{key}" not in unread.find(changed, [f"protocol.{key}"]))


@pytest.mark.parametrize(
    ("settings", "without", "within"),
    [
        (["model=row_svm"], ["train.epochs", "data.pad"], ["model.c", "seed", "protocol.folds"]),
        (["selection=last"], ["train.patience", "protocol.validation_fraction"], ["train.epochs", "data.pad"]),
        (["selection=validation"], ["train.device"], ["train.patience", "protocol.validation_fraction"]),
        (["model.pipes=1"], [], ["model.pipe_kernels"]),
    ],
)
def test_settings_of_a_stored_run_count_where_it_reads_them(settings, without, within):
    (config,) = load(settings)
    stored = flatten(dataclasses.asdict(config))
    counted = unread.with_effect(stored)
    assert not {*without} & {*counted}
    assert {*within} <= {*counted}
    assert counted.items() <= stored.items()


def test_settings_of_another_version_all_count():
    stored = flatten(dataclasses.asdict(load(["model=row_svm"])[0])) | {"train.epochs": "many"}
    assert unread.with_effect(stored)["train.epochs"] == "many"


@pytest.mark.parametrize("name", ["gone.py", "uninstalled"])
@pytest.mark.parametrize("by_epochs", [True, False])
def test_all_keys_of_a_model_that_is_not_imported_count_and_the_others_where_it_reads_them(name, by_epochs):
    stored = flatten(dataclasses.asdict(load(["model=row_svm", "selection=last"])[0])) | {"model.name": name}
    counted = unread.with_effect(stored, by_epochs)
    assert counted["model.c"] == stored["model.c"]
    assert not {"train.patience", "jobs"} & {*counted}
    assert ("train.epochs" in counted) == ("data.pad" in counted) == by_epochs


def test_all_keys_of_a_protocol_that_is_not_imported_count():
    stored = flatten(dataclasses.asdict(load(["model=row_svm", "selection=last"])[0])) | {"protocol.name": "gone.py"}
    counted = unread.with_effect(stored)
    assert {"protocol.validation_fraction", "protocol.seed", "model.c"} <= {*counted}
    assert "train.epochs" not in counted


def test_every_key_that_may_be_unread_is_one_of_the_configuration():
    settings = flatten(dataclasses.asdict(Config()))
    assert not unread.find(
        Config(selection="validation"),
        [key for key in settings if not key.startswith(("protocol.", "model.pipe_", "data.enrol", "executor."))],
    )
    assert all(
        getattr(protocols.config(name), key, ...) is not ...
        for name in protocols.names()
        for key in protocols.protocol(name).own_keys
    )
