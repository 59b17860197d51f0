from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wser.config import compose
from wser.config.compose import load
from wser.config.schema import Config, ConfigError, choice


@pytest.fixture
def files(tmp_path, monkeypatch) -> Path:
    """An empty folder in the place of the experiments; default.yaml and two presets."""
    (tmp_path / "preset").mkdir()
    (tmp_path / "default.yaml").write_text("preset: tuned\n")
    for preset in ("tuned", "other"):
        (tmp_path / "preset" / f"{preset}.yaml").write_text("seed: 0\n")
    monkeypatch.setattr(compose, "experiments", lambda: tmp_path)
    return tmp_path


def one(*arguments: str) -> Config:
    (loaded,) = load(arguments)
    return loaded


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


def test_experiment_may_be_a_path(files, tmp_path, messages):
    file = tmp_path / "elsewhere" / "own.yaml"
    file.parent.mkdir()
    file.write_text("seed: 7\n")
    assert one(f"experiment={file}").seed == 7
    with messages.raises(ConfigError):
        load([f"experiment={tmp_path / 'gone.yaml'}"])


def test_lists_replace_and_sections_merge(files):
    (files / "preset" / "tuned.yaml").write_text("model: {filters: [1, 2], strides: [[1, 1], [1, 1], [1, 1]], lstm: 9}\n")
    got = one("model.filters=[5]", "model.strides=[[2,2],[1,1]]")
    assert (got.model.filters, got.model.strides, got.model.lstm) == ([5], [[2, 2], [1, 1]], 9)


def test_comma_lists_make_the_product():
    points = load(["seed=0,1,2", "model=three_pipe", "train.lr=0.1,0.01"])
    assert [(p.seed, p.train.lr) for p in points] == [(s, r) for s in (0, 1, 2) for r in (0.1, 0.01)]


@pytest.mark.slow
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


def test_settings_that_no_point_of_a_joint_axis_has_together_are_refused(files, messages):
    (files / "mine.yaml").write_text(SWEEP)
    with messages.raises(ConfigError):
        load(["experiment=mine", "preset=tuned", "selection=test"])


def test_several_settings_pick_the_points_that_have_them_all(files):
    rows = "[[tuned, last, a], [tuned, test, b], [other, last, c], [other, test, d]]"
    (files / "mine.yaml").write_text(f"sweep:\n  preset, selection, recipe: {rows}\n")
    got = load(["experiment=mine", "selection=test", "preset=other"])
    assert [(one.preset, one.selection, one.recipe) for one in got] == [("other", "test", "d")]
    got = load(["experiment=mine", "selection=test", "recipe=x"])
    assert [(one.preset, one.selection, one.recipe) for one in got] == [("tuned", "test", "x"), ("other", "test", "x")]


def test_lists_of_names_are_swept_too(files):
    (files / "mine.yaml").write_text("sweep:\n  corpus: [[emodb, ravdess], emodb]\n")
    assert [one.corpus for one in load(["experiment=mine"])] == [["emodb", "ravdess"], ["emodb"]]


@pytest.mark.parametrize(
    "sweep",
    [
        "{fold: [0, 1]}",
        "{experiment: [default, demo]}",
        "{train: [{lr: 0.1}, {lr: 0.01}]}",
        "{'seed,': [[1, 2], [3, 4]]}",
    ],
)
def test_sweep_of_what_cannot_be_swept_is_refused(files, sweep, messages):
    (files / "mine.yaml").write_text(f"sweep: {sweep}\n")
    with messages.raises(ConfigError):
        load(["experiment=mine"])


@pytest.mark.parametrize("argument", ["train.threads=1,2", "train.lr=0.1,", "seed=0,,1", "=3", "model.=3"])
def test_argument_that_is_no_setting_or_sweep_is_refused(argument, messages):
    with messages.raises(ConfigError):
        load([argument])


def test_experiment_file_that_is_no_text_is_refused(files, messages):
    (files / "mine.yaml").write_bytes(b"seed: 1 # \xff\xfe\n")
    with messages.raises(ConfigError):
        load(["experiment=mine"])


@pytest.mark.parametrize(
    "content",
    [
        "model: 5",
        "protocol:",
        "train: 7",
        "train: {lr: {x: 1}}\nsweep: {train.lr: [3]}",
        "train: {lr: '???'}",
        "train: {lr: fast}",
    ],
)
def test_value_that_cannot_be_is_refused(files, content, messages):
    (files / "mine.yaml").write_text(content)
    with messages.raises(ConfigError):
        load(["experiment=mine", "train.epochs=3"])


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
def test_wrong_sweep_is_refused_with_its_file(files, sweep, messages):
    (files / "mine.yaml").write_text(f"sweep: {sweep}\n")
    with messages.raises(ConfigError):
        load(["experiment=mine"])


def test_every_experiment_of_a_list_has_its_own_sweep(files):
    (files / "a.yaml").write_text("sweep: {seed: [1, 2]}\n")
    (files / "b.yaml").write_text("jobs: 3\n")
    got = load(["experiment=a,b", "train.epochs=7"])
    assert [(one.experiment, one.seed, one.jobs) for one in got] == [("a", 1, 0), ("a", 2, 0), ("b", 0, 3)]
    assert {one.train.epochs for one in got} == {7}


@pytest.mark.parametrize(
    ("content", "more", "fused"),
    [
        ("fuse: true\nsweep: {seed: [1, 2]}\n", [], True),
        ("fuse: true\nsweep: {seed: [1, 2]}\n", ["fuse=false"], False),
        ("fuse: true\nsweep: {seed: [1, 2]}\n", ["seed=2"], True),
        ("fuse: true\n", ["seed=1,2"], True),
        ("sweep: {seed: [1, 2]}\n", ["fuse=true"], True),
        ("sweep: {seed: [1, 2]}\n", [], False),
        ("seed: 1\n", ["fuse=false"], False),
    ],
)
def test_fusing_is_of_the_sweep_and_of_no_point(files, content, more, fused):
    (files / "mine.yaml").write_text(content)
    given_ = ["experiment=mine", *more]
    assert compose.fuses(given_) is fused
    (files / "mine.yaml").write_text(content.replace("fuse: true\n", "jobs: 0\n"))
    without = load([one for one in given_ if not one.startswith("fuse=")])
    (files / "mine.yaml").write_text(content)
    assert load(given_) == without


@pytest.mark.parametrize(
    ("content", "more"),
    [
        ("fuse: true\n", []),
        ("seed: 1\n", ["fuse=true"]),
        ("sweep: {seed: [1, 2]}\n", ["seed=1", "fuse=true"]),
        ("fuse: maybe\nsweep: {seed: [1, 2]}\n", []),
        ("sweep: {seed: [1, 2]}\n", ["fuse=1"]),
        ("sweep: {seed: [1, 2]}\n", ["fuse=true,false"]),
    ],
)
def test_fusing_of_what_is_no_sweep_or_by_another_word_is_refused(files, content, more, messages):
    (files / "mine.yaml").write_text(content)
    with messages.raises(ConfigError):
        compose.fuses(["experiment=mine", *more])


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


@pytest.mark.parametrize(
    "arguments", [["protocol=speaker_dependent", "protocol.seed=4"], ["protocol.seed=4", "protocol=speaker_dependent"]]
)
def test_short_form_goes_together_with_keys_of_its_section(arguments):
    got = one(*arguments).protocol
    assert (got.name, got.seed) == ("speaker_dependent", 4)


def test_short_forms_keep_the_rest_of_their_section(files):
    (files / "preset" / "tuned.yaml").write_text("model: {lstm: 7}\n")
    (files / "mine.yaml").write_text("model: three_pipe\nprotocol: loso\ncorpus: emodb\n")
    got = one("experiment=mine", "model=three_pipe")
    assert (got.model.name, got.model.lstm, got.protocol.name, got.corpus) == ("three_pipe", 7, "loso", ["emodb"])


def test_settings_of_a_model_are_no_other_models(files, messages):
    (files / "preset" / "tuned.yaml").write_text("model: {lstm: 7}\n")
    assert one("model=row_svm").model == choice("model", "row_svm")(name="row_svm")
    with messages.raises(ConfigError):
        one("model=row_svm", "model.lstm=7")
    with messages.raises(ConfigError):
        one("model=row_svm", "train.lr=0.1")


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


@pytest.mark.parametrize(
    "content",
    ["- a\n- b\n", "trian: {lr: 1}\n", "seed: x\n", "just text\n", "seed: [\n"],
)
def test_wrong_file_is_refused(files, content):
    (files / "mine.yaml").write_text(content)
    with pytest.raises(ConfigError) as refused:
        load(["experiment=mine"])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("preset", ["paper", "tuned"])
def test_presets_load(preset):
    assert one(f"preset={preset}").preset == preset


def test_a_model_brings_the_preset_that_has_its_name():
    (own,), (asked,), (usual,) = (load([*settings]) for settings in OWN_PRESETS)
    assert (own.preset, own.train.lr, own.recipe) == ("zhao2019_2d", 0.0006, "logmel128")
    assert (asked.preset, asked.train.lr, asked.recipe) == ("tuned", 0.003, "logmel128")
    assert usual.preset == "tuned"
    assert load(["preset=zhao2019_2d"]) == [own]


OWN_PRESETS = (["model=zhao2019_2d"], ["model=zhao2019_2d", "preset=tuned"], ["model=row_svm"])


def test_paper_preset_is_what_tables_2_and_3_say():
    paper = one("preset=paper")
    assert (paper.train.optimiser, paper.train.lr, paper.train.batch, paper.model.lstm) == ("adam", 0.1, 16, 100)
    assert paper.data.pad == "paper"
    assert paper.data.standardise == "none"


@pytest.mark.parametrize("typed", ["epoch", "lr", "lstm", "trian.epochs", "model.lstn", "sed"])
def test_unknown_key_names_the_nearest_though_its_section_is_left_out(typed, messages):
    with messages.raises(ConfigError):
        load([f"{typed}=1"])


@pytest.mark.parametrize("value", ["${foo}", "${oc.env:NOPE}", "???"])
def test_interpolations_that_lead_nowhere_are_refused(value):
    with pytest.raises(ConfigError):
        load([f"seed={value}"])


def test_settings_of_a_model_may_be_a_class_without_a_name_of_its_own(tmp_path):
    (tmp_path / "unnamed.py").write_text(
        "from wser.config.schema import FittedModelConfig\n\n\n"
        "def made():\n    class Config(FittedModelConfig):\n        pass\n\n    return Config\n\n\nConfig = made()\n"
    )
    (first, second) = load([f"model={tmp_path / 'unnamed.py'}", "seed=0,1"])
    assert type(first.model).__qualname__ == "made.<locals>.Config"
    assert first.model is not second.model
