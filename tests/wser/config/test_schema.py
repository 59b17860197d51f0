import dataclasses
import typing
from pathlib import Path
from types import SimpleNamespace

import pytest

from precompute.common.executor_settings import ExecutorConfig
from wser.config import schema
from wser.config.compose import load
from wser.config.schema import Config, ConfigError, hashed
from wser.models import three_pipe
from wser.results import identity
from wser.training import hardware


def one(*arguments: str) -> Config:
    (loaded,) = load(arguments)
    return loaded


def leaves(section: object, prefix: str = "") -> dict[str, object]:
    found = {}
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            found |= leaves(value, f"{prefix}{field.name}.")
        else:
            found[prefix + field.name] = value
    return found


LEAVES = leaves(Config())


WRONG = [
    "foo", "seed", "train.lr=fast", "seed=1.5", "seed=", "train.batch=true", "train.epochs=1e1", "data.standardise=maybe",
    "model.filters=3", "model.filters=[a]", "model.pooling=maximum", "train.optimiser=adamm", "selection=train", "train=3",
    "model.activation=tanh", "data=null", "train.lr.x=3", "results=${nothing}", "seed=1,x",
]  # fmt: skip
OUTSIDE = [
    "model.lstm=-3", "model.lstm=0", "model.pipes=6", "model.pipes=0", "model.fc=0", "model.pipe_filters=0", "model.dropout=1",
    "model.dropout=-0.1", "model.overlap=0.3", "data.mask_rows=-1", "data.mask_columns=-1", "data.shift_rows=-1",
    "data.mixup=-1", "train.epochs=0", "train.patience=-1", "train.batch=1", "train.lr=0", "train.lr=-1", "train.lr=nan",
    "train.lr=inf", "train.weight_decay=-1", "train.label_smoothing=1", "train.threads=-1", "jobs=-1", "seed=-1",
    "protocol.seed=-1", "protocol.folds=1", "protocol.test_fraction=0", "protocol.test_fraction=1",
    "protocol.validation_fraction=0", "protocol.validation_fraction=1", "model.filters=[2,2]", "model.strides=[[1,1]]",
    "model.filters=[-1,48,64,64,64,64]", "model.filters=[0,48,64,64,64,64]",
    "model.strides=[[3,2],[2,2],[2,2],[2,1],[1,1],[1,1],[1,1]]",
    "model.strides=[[2,2],[2,2],[2,2],[2,1],[1,1],[1,1],[0,1]]", "model.strides=[[2],[2],[2],[2],[1],[1],[1]]", "corpus=[]",
    "corpus=[emodb,emodb]", "model.directions=0", "model.directions=3", "model.pipe_kernels=[[3,3],[5,5]]",
    "model.pipe_kernels=[[3,3],[5,5],[2,5]]", "model.pipe_kernels=[[3,3],[5,5],[5,33]]", "model.pipe_kernels=[[3],[5],[5]]",
    "model.pipe_kernels=[[3,3],[3,3],[3,3],[3,3],[3,3],[3,3]]", "model.pipe_kernels=[[3,3],[5,5],[-1,5]]",
    "model.pipe_dilations=[1,1]", "model.pipe_dilations=[1,1,0]", "model.pipe_dilations=[1,1,17]",
    "model.pipe_dilations=[1,1,1,1,1,1]",
]  # fmt: skip
BROKEN = ["train.lr={", "seed=@", "model.strides=[[1,1]],[[2,2]]", "model.filters=[1,2"]


@pytest.mark.parametrize(
    "argument",
    [*WRONG, *OUTSIDE, *BROKEN],
)
def test_wrong_value_is_refused_in_one_sentence(argument):
    with pytest.raises(ConfigError) as refused:
        load([argument])
    message = str(refused.value)
    assert message
    assert "\n" not in message


@pytest.mark.slow
@pytest.mark.parametrize("argument", [*OUTSIDE, "train.lr=fast", "train.lrr=1", "seed=1.5"])
def test_refusal_names_the_key(argument):
    key = argument.partition("=")[0]
    with pytest.raises(ConfigError) as refused:
        load([argument])
    assert key in str(refused.value)


def test_more_blocks_than_sixteen_are_refused(messages):
    with messages.raises(ConfigError):
        load([f"model.filters={[1] * 17}", f"model.strides={[[1, 1]] * 18}"])
    assert len(one(f"model.filters={[1] * 16}", f"model.strides={[[1, 1]] * 17}").model.filters) == 16


def test_limits_themselves_are_legal():
    low = [
        "train.lr=1e-8",
        "model.dropout=0",
        "train.patience=0",
        "train.batch=2",
        "protocol.folds=2",
        "model.overlap=0",
        "seed=0",
    ]
    high = [
        "train.lr=10",
        "model.pipes=5",
        "model.directions=2",
        "seed=4294967295",
        "train.label_smoothing=0.9",
        "protocol.test_fraction=0.9",
    ]
    validation = ["protocol=speaker_dependent", "selection=validation"]
    assert one(*validation, *low).train.batch == 2
    assert one(*validation, *high).seed == 2**32 - 1


def kind_of(key: str) -> object:
    section, _, name = key.rpartition(".")
    return typing.get_type_hints(type(getattr(Config(), section)) if section else Config)[name]


CHOICES = [
    f"{key}={choice}"
    for key in LEAVES
    if typing.get_origin(kind_of(key)) is typing.Literal
    for choice in typing.get_args(kind_of(key))
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "argument",
    CHOICES,
)
def test_every_choice_can_be_made_on_the_command_line(argument):
    key, _, choice = argument.partition("=")
    needed = ["protocol=file"] if key == "protocol.speakers" else []
    assert leaves(one(*needed, argument))[key] == choice


def other_value(key: str) -> object:
    """A value of the key's type that is not its default."""
    kind, value = kind_of(key), LEAVES[key]
    if typing.get_origin(kind) is typing.Literal:
        return next(choice for choice in typing.get_args(kind) if choice != value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return [*value, value[0]] if isinstance(value, list) else f"{value}x"


def changed(key: str) -> Config:
    section, _, name = key.rpartition(".")
    altered = Config()
    setattr(getattr(altered, section) if section else altered, name, other_value(key))
    return altered


WHERE_AND_WHICH = {
    *("fold", "jobs", "logger", "cache_root", "results", "cache", "train.device", "train.threads", "train.compile"),
    *(f"executor.{key.name}" for key in dataclasses.fields(ExecutorConfig)),
}
HASHED_BY_CONTENT = {
    *("experiment", "preset", "labels", "recipe", "data.test_recipe", "protocol.test", "protocol.file", "protocol.speakers"),
}
"""Keys that may differ between two calls that go on with the same results; any other would mix runs of two kinds."""


def test_unhashed_keys_exist_and_are_about_where_and_which():
    unhashed = {key for key, facts in schema.known().items() if not facts.hashed}
    assert unhashed == WHERE_AND_WHICH | HASHED_BY_CONTENT
    assert not unhashed & set(leaves_of(hashed(Config())))


def leaves_of(tree: dict, prefix: str = "") -> dict[str, object]:
    nested = [leaves_of(v, f"{prefix}{k}.") if isinstance(v, dict) else {prefix + k: v} for k, v in tree.items()]
    return {key: value for part in nested for key, value in part.items()}


@pytest.mark.slow
@pytest.mark.parametrize("key", LEAVES)
def test_every_key_but_the_unhashed_names_the_results(key, monkeypatch):
    monkeypatch.setattr("wser.models.file", lambda _: Path(three_pipe.__file__))
    label_map = SimpleNamespace(name="m", classes={"a": ("a",)}, drop=(), default_for=())
    dataset = SimpleNamespace(recipe={}, caches=(), examples=(), label_map=label_map, classes=["a"])
    identities = [identity.of(one, dataset, [], hardware.precision(one.train)) for one in (Config(), changed(key))]
    before, after = map(identity.digest, identities)
    assert (before == after) == (not schema.is_hashed(key))


def test_hashing_leaves_the_configuration_alone():
    mine = Config()
    hashed(mine)
    assert mine == Config()
