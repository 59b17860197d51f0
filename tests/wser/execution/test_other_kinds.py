"""Caches of decibels, waveforms and int16: built, verified, carried, drawn and learnt from by the same commands as pictures."""

import json
import shutil

import h5py
import numpy as np
import pytest
from matplotlib import image

import precompute
import precompute.recipe
import wser
from precompute.__main__ import main
from precompute.cache import layout
from precompute.cache.transfer.archive import export_zip, import_zip
from precompute.cache.transfer.hdf5 import export_hdf5
from precompute.cache.verify import problems
from wser import run

FRAME = ["duration=2.0"]
RECIPES = {
    "decibels": ["--recipe", "stft", "--set", "values=decibels", *FRAME, "scales=16", "columns=64"],
    "waveform": ["--recipe", "waveform", "--set", *FRAME],
    "int16": ["--recipe", "waveform", "--set", "dtype=int16", *FRAME],
}
ITEMS = {"decibels": ("float16", (16, 64)), "waveform": ("float32", (32000,)), "int16": ("int16", (32000,))}

NETWORK = """
from dataclasses import dataclass
from typing import ClassVar

from wser.config.schema import ModelConfig


@dataclass
class Config(ModelConfig):
    takes: ClassVar = ("waveform",)


def build(config, shape, classes):
    from torch import nn

    class Raw(nn.Module):
        def __init__(self):
            super().__init__()
            self.wave = nn.Conv1d(shape[0], 4, 160, 80)
            self.last = nn.Linear(4, classes)

        def forward(self, inputs, lengths):
            return self.last(self.wave(inputs).relu().mean(-1))

    return Raw()
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory, small_ravdess):
    root = tmp_path_factory.mktemp("kinds")
    for words in RECIPES.values():
        places = ["--corpora", str(small_ravdess), "--cache", str(root), "--jobs", "1"]
        assert main(["build", "ravdess", *words, *places]) == 0
    return root


@pytest.fixture(params=RECIPES)
def cache(root, request):
    words = RECIPES[request.param]
    recipe = precompute.recipe.named(words[1], words[3:])
    return request.param, precompute.open_cache("ravdess", cache=root, recipe=recipe)


def test_what_the_cache_holds_is_what_extract_gives(cache, small_ravdess):
    kind, opened = cache
    dtype, shape = ITEMS[kind]
    assert problems(opened.path) == []
    assert opened.manifest["layout"] == "2.0"
    values = opened.read_all()
    assert (values.dtype, values.shape) == (np.dtype(dtype), (24, *shape))
    recipe = precompute.recipe.from_record(opened.recipe)
    for at in (0, 11, 23):
        record = opened.records[at]
        made = precompute.extract(small_ravdess / "ravdess" / record.path, recipe)
        np.testing.assert_array_equal(made.values, values[at])
        assert (made.start, made.stop) == (record.start, record.stop)
        np.testing.assert_array_equal(opened.zarr[record.array][record.row], values[at])
        assert record.acoustic_fingerprint is not None


def test_waveforms_have_the_level_and_the_length_of_the_utterance(root):
    for words in (RECIPES["waveform"], RECIPES["int16"]):
        opened = precompute.open_cache("ravdess", cache=root, recipe=precompute.recipe.named(words[1], words[3:]))
        scale = 1024 if opened.item.dtype == "int16" else 1
        for record, samples in zip(opened.records, opened.read_all() / scale, strict=True):
            assert record.stop == pytest.approx(record.duration * 16000, abs=1)
            assert not samples[record.stop :].any()
            assert np.sqrt(np.mean(samples[: record.stop] ** 2)) == pytest.approx(1, rel=0.05)


def test_it_travels_as_zip_and_hdf5(cache, tmp_path):
    kind, opened = cache
    export_zip([opened.path], tmp_path / "x.zip")
    import_zip(tmp_path / "x.zip", tmp_path / "there")
    there = tmp_path / "there" / "ravdess" / opened.id
    assert problems(there) == []
    export_hdf5(opened.path, tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5") as file:
        np.testing.assert_array_equal(file["values"][:], opened.read_all())
        assert "images" not in file
        assert ("frequencies" in file) == (kind == "decibels")


def test_it_is_drawn(cache, tmp_path):
    _, opened = cache
    words = ["show", "--corpus", "ravdess", "--recipe", opened.id.partition("-")[0], "--cache", str(opened.path.parents[1])]
    assert main([*words, "--out", str(tmp_path / "x.png")]) == 0
    assert np.ptp(image.imread(tmp_path / "x.png")) > 0


def test_it_is_listed_and_made_anew(cache, small_ravdess, capsys):
    _, opened = cache
    places = ["--cache", str(opened.path.parents[1]), "--corpora", str(small_ravdess)]
    assert main(["cache", "verify", opened.id, "--recompute", "5", *places]) == 0
    assert "sound" in capsys.readouterr().out
    assert main(["cache", "info", opened.id, *places[:2]]) == 0
    assert str(opened.item) in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["dtype", "shape", "array"])
def test_metadata_of_another_array_are_refused(cache, tmp_path, damage):
    _, opened = cache
    copy = shutil.copytree(opened.path, tmp_path / "ravdess" / opened.id)
    file = copy / opened.records[0].array / layout.GROUP
    metadata = json.loads(file.read_text())
    if damage == "array":
        file = copy / layout.RECIPE
        metadata = json.loads(file.read_text())
        metadata["array"]["shape"][0] += 1
    else:
        metadata |= {"dtype": {"data_type": "float64"}, "shape": {"shape": [1, *metadata["shape"][1:]]}}[damage]
    file.chmod(0o644)
    file.write_text(json.dumps(metadata))
    assert problems(copy)


def _run(root, kind, tmp_path, *settings):
    words = RECIPES[kind]
    recipe = precompute.recipe.named(words[1], words[3:]).id
    common = [
        "corpus=ravdess",
        "protocol=speaker_independent",
        "protocol.folds=2",
        f"recipe={recipe}",
        f"cache_root={root}",
        "logger=[]",
    ]
    return run.main([*common, f"results={tmp_path}", *settings])


@pytest.mark.usefixtures("unmade")
@pytest.mark.parametrize("kind", ["waveform", "int16"])
def test_a_network_of_ones_own_learns_from_waveforms(root, kind, tmp_path, capsys):
    (tmp_path / "raw.py").write_text(NETWORK)
    settings = [f"model={tmp_path / 'raw.py'}", "train.device=cpu", "train.epochs=1", "fold=all", "jobs=1"]
    assert _run(root, kind, tmp_path / "runs", *settings) == 0
    (directory,) = (tmp_path / "runs").iterdir()
    assert len(wser.load_run(directory).predictions) == 24
    assert run.main(["--repeat", str(directory)]) == 0
    assert "byte-identical" in capsys.readouterr().err


@pytest.mark.usefixtures("unmade")
def test_the_package_s_own_models_learn_from_decibels(root, tmp_path, network):
    assert _run(root, "decibels", tmp_path, "train.device=cpu", "train.epochs=1", "fold=0", *network) == 0
    assert _run(root, "decibels", tmp_path, "model=row_svm", "fold=0") == 0
    assert len(list(tmp_path.iterdir())) == 2


def test_a_model_refuses_what_it_cannot_learn_from(root, tmp_path, capsys):
    assert _run(root, "waveform", tmp_path, "model=row_svm") == 1
    error = capsys.readouterr().err
    assert "model=row_svm takes picture or levels, and the recipe gives waveform (float32 of 32000 (time))" in error
    assert not list(tmp_path.iterdir())


def test_items_of_a_dataset_are_channels_first_and_time_last(root):
    shapes = {"decibels": (1, 16, 64), "waveform": (1, 32000), "int16": (1, 32000)}
    for kind, words in RECIPES.items():
        recipe = precompute.recipe.named(words[1], words[3:])
        values, label = wser.open_dataset("ravdess", recipe=recipe, cache=root)[3]
        assert (tuple(values.shape), str(values.dtype).removeprefix("torch.")) == (shapes[kind], ITEMS[kind][0])
        assert isinstance(label, int)


def test_check_asks_for_pictures(small_ravdess, tmp_path, capsys, messages):
    assert (
        main(["check", "ravdess", "--corpora", str(small_ravdess), "--recipe", "waveform", "--out", str(tmp_path / "x.html")])
        == 2
    )
    messages.check(capsys.readouterr().err)
