import dataclasses
import re
import typing
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wser import config, results
from wser.config import Config, ConfigError, hashed, load


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    monkeypatch.delenv("WSER_CACHE", raising=False)


@pytest.fixture
def files(tmp_path, monkeypatch) -> Path:
    """An empty folder in the place of the experiments; default.yaml and two presets."""
    (tmp_path / "preset").mkdir()
    (tmp_path / "default.yaml").write_text("preset: tuned\n")
    for preset in ("tuned", "other"):
        (tmp_path / "preset" / f"{preset}.yaml").write_text("seed: 0\n")
    monkeypatch.setattr(config, "experiments", lambda: tmp_path)
    return tmp_path


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


def test_layers_override_in_their_order(files):
    everywhere = "seed: {0}\ntrain: {{epochs: {0}, batch: {0}, patience: {0}}}\n"
    (files / "default.yaml").write_text("preset: tuned\n" + everywhere.format(2) + "model: {lstm: 2}\n")
    (files / "preset" / "tuned.yaml").write_text("seed: 3\ntrain: {epochs: 3, batch: 3}\n")
    (files / "mine.yaml").write_text("seed: 4\ntrain: {epochs: 4}\n")
    got = one("experiment=mine", "seed=5")
    layers = (got.jobs, got.model.lstm, got.train.patience, got.train.batch, got.train.epochs, got.seed)
    assert layers == (Config().jobs, 2, 2, 3, 4, 5), "defaults < default.yaml < preset < experiment < command line"


def test_preset_is_the_one_of_the_experiment_unless_the_command_line_names_another(files):
    (files / "preset" / "tuned.yaml").write_text("seed: 1\n")
    (files / "preset" / "other.yaml").write_text("seed: 2\n")
    (files / "mine.yaml").write_text("preset: other\n")
    assert one().seed == 1
    assert one("preset=other").seed == 2
    assert one("experiment=mine").seed == 2
    assert one("experiment=mine", "preset=tuned").seed == 1


def test_experiment_may_be_a_path(files, tmp_path):
    file = tmp_path / "elsewhere" / "own.yaml"
    file.parent.mkdir()
    file.write_text("seed: 7\n")
    assert one(f"experiment={file}").seed == 7
    with pytest.raises(ConfigError, match=r"no experiment file .*gone\.yaml"):
        load([f"experiment={tmp_path / 'gone.yaml'}"])


def test_lists_replace_and_sections_merge(files):
    (files / "preset" / "tuned.yaml").write_text("model: {filters: [1, 2], strides: [[1, 1], [1, 1], [1, 1]], lstm: 9}\n")
    got = one("model.filters=[5]", "model.strides=[[2,2],[1,1]]")
    assert (got.model.filters, got.model.strides, got.model.lstm) == ([5], [[2, 2], [1, 1]], 9)


def test_comma_lists_make_the_product():
    points = load(["seed=0,1,2", "model=three_pipe", "train.lr=0.1,0.01"])
    assert [(p.seed, p.train.lr) for p in points] == [(s, r) for s in (0, 1, 2) for r in (0.1, 0.01)]


@settings(max_examples=10)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=4, unique=True))
def test_sweep_keeps_every_value_once_and_in_order(seeds):
    assert [p.seed for p in load([f"seed={','.join(map(str, seeds))}"])] == seeds


SWEEP = """\
sweep:
  train.lr: [0.1, 0.001]
  preset, selection: [[tuned, last], [other, test], [other, validation]]
"""


@pytest.mark.parametrize(
    ("given_", "points"),
    [
        ([], [(lr, *pair) for lr in (0.1, 0.001) for pair in (("tuned", "last"), ("other", "test"), ("other", "validation"))]),
        (["train.lr=0.5"], [(0.5, "tuned", "last"), (0.5, "other", "test"), (0.5, "other", "validation")]),
        (["train.lr=0.001,0.1", "preset=tuned"], [(0.1, "tuned", "last"), (0.001, "tuned", "last")]),
        (["train.lr=0.1,0.5", "preset=tuned"], [(0.1, "tuned", "last"), (0.5, "tuned", "last")]),
        (["train.lr=1", "preset=other", "selection=test"], [(1, "other", "test")]),
        (["train.lr=1", "selection=test"], [(1, "other", "test")]),
    ],
)
def test_experiment_sweeps_and_the_command_line_picks_or_replaces(files, given_, points):
    (files / "mine.yaml").write_text(SWEEP)
    got = load(["experiment=mine", *given_])
    assert [(one.train.lr, one.preset, one.selection) for one in got] == points


def test_value_that_a_joint_axis_lacks_takes_the_place_of_its_values_once(files):
    (files / "mine.yaml").write_text("sweep:\n  preset, recipe: [[tuned, a], [tuned, b], [other, c]]\n")
    assert [(one.preset, one.recipe) for one in load(["experiment=mine", "recipe=x"])] == [("tuned", "x"), ("other", "x")]


def test_swept_values_keep_their_types(files):
    (files / "mine.yaml").write_text(
        "sweep:\n  model.filters: [[8, 8, 8, 8, 8, 8]]\n  data.test_recipe: [null, white0]\n  train.balanced: [true]\n"
    )
    clean, noisy = load(["experiment=mine"])
    assert (clean.model.filters, clean.train.balanced) == ([8] * 6, True)
    assert (clean.data.test_recipe, noisy.data.test_recipe) == (None, "white0")


@pytest.mark.parametrize(
    "sweep", ["[1, 2]", "3", "{seed: 1}", "{seed: []}", "{'seed, jobs': [1, 2]}", "{'seed, jobs': [[1, 2, 3]]}"]
)
def test_wrong_sweep_is_refused_with_its_file(files, sweep):
    (files / "mine.yaml").write_text(f"sweep: {sweep}\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml: sweep of .* write it as"):
        load(["experiment=mine"])


def test_every_experiment_of_a_list_has_its_own_sweep(files):
    (files / "a.yaml").write_text("sweep: {seed: [1, 2]}\n")
    (files / "b.yaml").write_text("jobs: 3\n")
    got = load(["experiment=a,b", "train.epochs=7"])
    assert [(one.experiment, one.seed, one.jobs) for one in got] == [("a", 1, 0), ("a", 2, 0), ("b", 0, 3)]
    assert {one.train.epochs for one in got} == {7}


def test_folds_do_not_sweep():
    assert one("fold=0,2").fold == "0,2"
    assert len(load(["fold=0,2", "seed=0,1"])) == 2


def test_bracketed_list_is_one_value_and_comma_list_is_several():
    assert one("corpus=[ravdess,emodb]").corpus == ["ravdess", "emodb"]
    assert [p.corpus for p in load(["corpus=ravdess,emodb"])] == [["ravdess"], ["emodb"]]


@pytest.mark.parametrize("text", ["12e456", "001234567890", "1_000", "0x12", "1.50", "09385a5a5b01-c87e8e73a3f8"])
def test_cache_id_stays_text(text):
    assert one(f"cache={text}").cache == text


@pytest.mark.parametrize("key", ["recipe", "labels", "results", "cache_root"])
@pytest.mark.parametrize("text", ["123456e78901", "001234567012", "2026_01"])
def test_text_that_looks_like_a_number_stays_text(key, text):
    assert getattr(one(f"{key}={text}"), key) == text


def test_short_forms():
    got = one("model=three_pipe", "protocol=loso", "corpus=emodb")
    assert (got.model.name, got.protocol.name, got.corpus) == ("three_pipe", "loso", ["emodb"])


@pytest.mark.parametrize("arguments", [["protocol=loso", "protocol.seed=4"], ["protocol.seed=4", "protocol=loso"]])
def test_short_form_goes_together_with_keys_of_its_section(arguments):
    got = one(*arguments).protocol
    assert (got.name, got.seed) == ("loso", 4)


def test_short_forms_keep_the_rest_of_their_section(files):
    (files / "preset" / "tuned.yaml").write_text("model: {lstm: 7}\n")
    (files / "mine.yaml").write_text("model: three_pipe\nprotocol: loso\ncorpus: emodb\n")
    got = one("experiment=mine", "model=another")
    assert (got.model.name, got.model.lstm, got.protocol.name, got.corpus) == ("another", 7, "loso", ["emodb"])


def test_cache_root_comes_from_the_environment_unless_given(monkeypatch, files):
    monkeypatch.setenv("WSER_CACHE", "elsewhere")
    assert one().cache_root == "elsewhere"
    assert one("cache_root=here").cache_root == "here"


@pytest.mark.parametrize(
    ("given_", "nearest"), [("trian.lr=1", "train"), ("train.lrr=1", "lr"), ("model.pipe_filtres=3", "pipe_filters")]
)
def test_unknown_key_names_the_nearest(given_, nearest):
    with pytest.raises(ConfigError, match=nearest):
        load([given_])


@pytest.mark.parametrize(("given_", "nearest"), [("preset=tunde", "tuned"), ("experiment=defualt", "default")])
def test_unknown_file_names_the_nearest(given_, nearest):
    with pytest.raises(ConfigError, match=f"did you mean '{nearest}'"):
        load([given_])


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


@pytest.mark.parametrize("argument", [*OUTSIDE, "train.lr=fast", "train.lrr=1", "seed=1.5"])
def test_refusal_names_the_key(argument):
    key = argument.partition("=")[0]
    with pytest.raises(ConfigError) as refused:
        load([argument])
    assert key in str(refused.value)


@pytest.mark.parametrize(
    "content",
    ["- a\n- b\n", "trian: {lr: 1}\n", "seed: x\n", "just text\n", "seed: [\n"],
)
def test_wrong_file_is_refused(files, content):
    (files / "mine.yaml").write_text(content)
    with pytest.raises(ConfigError) as refused:
        load(["experiment=mine"])
    assert "\n" not in str(refused.value)


def test_more_blocks_than_sixteen_are_refused():
    with pytest.raises(ConfigError, match=r"model\.filters has 17 entries: give at most 16"):
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
    assert one(*low).train.batch == 2
    assert one(*high).seed == 2**32 - 1


def kind_of(key: str) -> object:
    section, _, name = key.rpartition(".")
    return typing.get_type_hints(type(getattr(Config(), section)) if section else Config)[name]


CHOICES = [
    f"{key}={choice}"
    for key in LEAVES
    if typing.get_origin(kind_of(key)) is typing.Literal
    for choice in typing.get_args(kind_of(key))
]


@pytest.mark.parametrize(
    "argument",
    CHOICES,
)
def test_every_choice_can_be_made_on_the_command_line(argument):
    key, _, choice = argument.partition("=")
    assert leaves(one(argument))[key] == choice


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


WHERE_AND_WHICH = {"fold", "jobs", "logger", "cache_root", "results", "cache", "train.device", "train.threads"}
HASHED_BY_CONTENT = {
    *("experiment", "preset", "labels", "recipe", "data.test_recipe", "protocol.test", "protocol.file", "protocol.speakers"),
}
"""Keys that may differ between two calls that go on with the same results; any other would mix runs of two kinds."""


def test_unhashed_keys_exist_and_are_about_where_and_which():
    assert set(config.UNHASHED) <= WHERE_AND_WHICH | HASHED_BY_CONTENT
    assert set(config.UNHASHED) <= set(LEAVES)
    assert not set(config.UNHASHED) & set(leaves_of(hashed(Config())))


def leaves_of(tree: dict, prefix: str = "") -> dict[str, object]:
    nested = [leaves_of(v, f"{prefix}{k}.") if isinstance(v, dict) else {prefix + k: v} for k, v in tree.items()]
    return {key: value for part in nested for key, value in part.items()}


@pytest.mark.parametrize("key", LEAVES)
def test_every_key_but_the_unhashed_names_the_results(key):
    label_map = SimpleNamespace(name="m", classes={"a": ("a",)}, drop=(), default_for=())
    dataset = SimpleNamespace(recipe_id="r", caches=(), examples=(), label_map=label_map, classes=["a"])
    before, after = (results.directory(c, dataset, []).name.rpartition("-")[2] for c in (Config(), changed(key)))
    assert (before == after) == (key in config.UNHASHED)


def test_hashing_leaves_the_configuration_alone():
    mine = Config()
    hashed(mine)
    assert mine == Config()


@pytest.mark.parametrize("preset", ["paper", "tuned"])
def test_presets_load(preset):
    assert one(f"preset={preset}").preset == preset


def test_paper_preset_is_what_tables_2_and_3_say():
    paper = one("preset=paper")
    assert (paper.train.optimiser, paper.train.lr, paper.train.batch, paper.model.lstm) == ("adam", 0.1, 16, 100)
    assert paper.data.pad == "paper"
    assert paper.data.standardise == "none"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("epoch", "train.epochs"),
        ("lr", "train.lr"),
        ("lstm", "model.lstm"),
        ("trian.epochs", "train.epochs"),
        ("model.lstn", "model.lstm"),
        ("sed", "seed"),
    ],
)
def test_unknown_key_names_the_nearest_though_its_section_is_left_out(typed, meant):
    with pytest.raises(ConfigError, match=re.escape(f"there is no key '{typed}'; did you mean '{meant}'?")):
        load([f"{typed}=1"])


@pytest.mark.parametrize("value", ["${foo}", "${oc.env:NOPE}", "???"])
def test_interpolations_that_lead_nowhere_are_refused(value):
    with pytest.raises(ConfigError):
        load([f"seed={value}"])
