"""Graphs say what the networks say, for any batch and length, and what cannot be exported is refused in a sentence."""

import io
import json
import re
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile
import torch

import precompute
from precompute import Recipe, recipe
from precompute.common import files
from precompute.common.provenance import version_of
from wser import export, models
from wser import run as training
from wser.config import compose
from wser.data.dataset import input_shape
from wser.inference import export as exporting
from wser.inference import graph
from wser.inference import trained as loading
from wser.inference.predict import Predictor, Recording
from wser.inference.trained import Trained, TrainedFold
from wser.training.statistics import Statistics, statistics_shape

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory, no_figures):
    """The results of a finished run of two folds, by a network of one layer fewer than that of other tests."""
    place = tmp_path_factory.mktemp("trained")
    with no_figures():
        assert training.main([*tiny, "model.filters=[3]", "model.strides=[[2,2],[2,2]]", f"results={place}"]) == 0
    (directory,) = place.iterdir()
    return directory, ""


@pytest.fixture(scope="module")
def exported(trained, small_ravdess, tmp_path_factory):
    """The files of a run of two folds, as the command writes them."""
    out = tmp_path_factory.mktemp("exported") / "model.onnx"
    assert export.main([str(trained[0]), str(out), "--recordings", str(small_ravdess / "ravdess" / "Actor_01")]) == 0
    return out


def facts(out):
    return json.loads(out.with_suffix(".json").read_text())


def session(file):
    return onnxruntime.InferenceSession(file)


def test_the_graphs_say_of_a_waveform_what_the_run_says_of_the_recording(exported, trained, small_ravdess):
    paths = sorted(small_ravdess.rglob("*.wav"))
    expected = Predictor(loading.load(trained[0]), None)([Recording(path.stem, path) for path in paths])
    transform, network = session(exported.with_suffix(".transform.onnx")), session(exported)
    for path, one in zip(paths, expected, strict=True):
        with wave.open(str(path)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
        picture, _ = transform.run(None, {"waveform": samples})
        (found,) = network.run(None, {"picture": picture, "lengths": np.array([picture.shape[2]])})
        np.testing.assert_allclose(found[0], one.probabilities, atol=0.01)


@pytest.mark.parametrize(("batch", "steps"), [(1, 1), (1, 7), (2, 64), (5, 33), (3, 80)])
def test_batches_of_any_size_and_length_are_taken(exported, trained, batch, steps):
    ensemble = exporting.Ensemble(loading.load(trained[0]))
    rng = np.random.default_rng(batch + steps)
    pictures, lengths = rng.integers(0, 256, (batch, 16, steps, 3), np.uint8), rng.integers(1, steps + 1, batch)
    with torch.inference_mode():
        expected = ensemble(torch.from_numpy(pictures), torch.from_numpy(lengths)).numpy()
    (found,) = session(exported).run(None, {"picture": pictures, "lengths": lengths})
    np.testing.assert_allclose(found, expected, atol=exporting.TOLERANCE)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    for place, length in enumerate(lengths):
        (alone,) = session(exported).run(None, {"picture": pictures[[place], :, :length], "lengths": lengths[[place]]})
        np.testing.assert_allclose(alone[0], found[place], atol=exporting.TOLERANCE)


def test_the_json_says_what_a_client_needs(exported, trained):
    told, run = facts(exported), loading.load(trained[0])
    assert (told["classes"], told["recipe"], told["recipe_id"]) == (run.classes, run.recipe.record(), run.recipe.id)
    assert (told["standardisation"]["by"], told["version"]) == (run.config.data.standardise, version_of("wser"))
    assert told["run"]["folds"] == [0, 1]
    assert {*told["files"]} == {exported.name, told["transform"]["file"]} == {"model.onnx", "model.transform.onnx"}
    for name, vouched in told["files"].items():
        content = (exported.parent / name).read_bytes()
        assert vouched == {"size": len(content), "sha256": files.sha256(content)}
    for part, of in (
        (told["network"], session(exported)),
        (told["transform"], session(exported.with_suffix(".transform.onnx"))),
    ):
        inputs = part["inputs"] if "inputs" in part else [part["input"]]
        assert [one["name"] for one in inputs] == [one.name for one in of.get_inputs()]
        assert [one["shape"] for one in inputs] == [one.shape for one in of.get_inputs()]
        assert [one["name"] for one in part["outputs"]] == [one.name for one in of.get_outputs()]
    checked = told["checked"]
    assert checked["recordings"] == 6
    assert max(checked["largest_difference"], checked["transform"]["largest_difference"]) < 0.01


def test_the_documented_client_gives_the_same_classes(exported, trained, small_ravdess, tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "export.md").read_text("utf-8")
    (code,) = re.findall(r"^```python\n(# client\.py\n.*?)^```", page, flags=re.M | re.S)
    assert len([line for line in code.splitlines()[1:] if line.strip()]) <= 30
    (tmp_path / "client.py").write_text(code, "utf-8")
    paths = sorted(small_ravdess.rglob("*.wav"))[:6]
    command = [sys.executable, "client.py", str(exported), *map(str, paths)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout.splitlines()
    run = loading.load(trained[0])
    expected = Predictor(run, None)([Recording(path.stem, path) for path in paths])
    for line, path, one in zip(printed, paths, expected, strict=True):
        named, _, rest = line.rpartition(": ")
        assert named == str(path)
        best, probability = rest.split()
        assert float(probability) == pytest.approx(one.probabilities.max(), abs=0.01)
        assert one.probabilities[run.classes.index(best)] >= one.probabilities.max() - 0.01


def test_a_graph_does_not_say_where_it_was_made(exported):
    for file in (exported, exported.with_suffix(".transform.onnx")):
        assert b".py" not in file.read_bytes()


def untrained(settings, made):
    """A run of one fold whose network has learned nothing."""
    (config,) = compose.load(settings)
    torch.manual_seed(0)
    network = models.build(config.model, input_shape(made.array), 4).eval()
    shape = statistics_shape(made.array)
    fold = TrainedFold(0, network, Statistics(np.full(shape, 40, np.float32), np.full(shape, 30, np.float32)))
    return Trained(None, {"corpora": []}, config, list("abcd"), made, (fold,), 1, "32-true")


SMALL = {"scales": 16, "columns": 64, "duration": 2.0}


@pytest.mark.parametrize(
    ("settings", "made"),
    [
        (["model.directions=2", "model.summary=last", "model.pooling=max"], Recipe(values="decibels", **SMALL)),
        (["data.pad=paper", "model.batch_norm=false", "model.activation=gelu", "model.summary=mean"], Recipe(**SMALL)),
    ],
)
def test_other_networks_and_caches_are_exported(settings, made, network, small_ravdess):
    run = untrained([*network, "model.pipes=1", "model.filters=[3]", "model.strides=[[2,2],[2,2]]", *settings], made)
    content = graph.graph(
        exporting.Ensemble(run),
        exporting._examples(run),
        {made.array.kind: exporting._axes(run), "lengths": {0: "batch"}},
        ["p"],
    )
    items = [precompute.extract(path, made) for path in sorted(small_ravdess.rglob("*.wav"))[:5]]
    assert exporting._check_network(content, exporting.Ensemble(run), run, items) <= exporting.TOLERANCE


def test_a_graph_that_says_something_else_is_not_written(trained, exported, small_ravdess, monkeypatch, messages):
    run, other = loading.load(trained[0]), exporting.Ensemble(loading.load(trained[0], 1))
    items = [precompute.extract(path, run.recipe) for path in sorted(small_ravdess.rglob("*.wav"))[:2]]
    with messages.raises(graph.ExportError):
        exporting._check_network(exported.read_bytes(), other, run, items)


def test_levels_of_one_colour_are_not_apart():
    table = np.array([[0, 0, 0], [9, 9, 9], [9, 9, 9], [20, 0, 1]], np.uint8)
    levels = np.arange(4)
    apart = exporting._levels_apart(table[levels[:, None]], table[levels[None, :]].repeat(4, axis=0)[:, :], table)
    assert apart.shape == (4, 4)
    assert (np.diag(apart) == 0).all()
    assert apart[1, 2] == 0
    assert (apart[0, 1], apart[0, 3], apart[2, 3]) == (1, 3, 1)


@pytest.mark.parametrize(
    ("made", "standardise", "pad"),
    [
        (Recipe(**SMALL), "speaker", "trim"),
        (Recipe("functionals"), "training", "trim"),
        (Recipe(pad="random", **SMALL), "utterance", "paper"),
    ],
)
def test_networks_that_need_more_than_a_recording_are_refused(made, standardise, pad, network, messages):
    run = untrained([*network, f"data.standardise={standardise}", f"data.pad={pad}"], Recipe(**SMALL))
    object.__setattr__(run, "recipe", made)
    with messages.raises(graph.ExportError):
        exporting.Ensemble(run)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["{run}", "{out}.txt"], 2),
        (["{run}", "{out}.onnx", "fold=7"], 1),
        (["{run}", "{out}/in/none.onnx"], 1),
        (["{run}", "{there}.onnx"], 1),
        (["{there}.onnx", "{out}.onnx"], 1),
        (["{run}", "{out}.onnx", "--recordings", "{out}.wav"], 2),
        (["{run}", "{out}.onnx"], 1),
        (["{run}", "{out}.onnx", "--recordings", "{there}.onnx"], 1),
        (["{run}", "{out}.md", "--card", "fold=0"], 2),
        (["{run}", "{out}.onnx", "--card"], 2),
        (["{there}.onnx", "{out}.md", "--card"], 1),
    ],
)
def test_bad_input_is_answered_in_a_sentence(trained, tmp_path, monkeypatch, capsys, arguments, code):
    monkeypatch.setenv("WSER_CORPORA", str(tmp_path))
    there, out = tmp_path / "there", tmp_path / "out"
    (tmp_path / "there.onnx").write_bytes(b"\x08\x07")
    assert export.main([text.format(run=trained[0], out=out, there=there) for text in arguments]) == code
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("wser.export: ")
    assert ": " in said[-1].removeprefix("wser.export: "), "a remedy"
    assert "unexpected" not in said[-1]
    assert {path.name for path in tmp_path.iterdir()} == {"there.onnx"}


@pytest.mark.parametrize("name", graph.PACKAGES)
def test_a_missing_package_is_named_with_its_command(trained, tmp_path, monkeypatch, capsys, name, messages):
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr("importlib.util.find_spec", lambda asked, *_: None if asked == name else object())
    assert export.main([str(trained[0]), str(tmp_path / "out.onnx")]) == 1
    messages.check(capsys.readouterr().err)


def test_a_run_whose_weights_are_gone_is_refused(copied, tmp_path, capsys):
    (copied / "fold_0" / "weights.pt").unlink()
    assert export.main([str(copied), str(tmp_path / "out.onnx")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_recordings_of_other_rates_and_channels_are_taken(tmp_path):
    tone = np.sin(np.arange(48000) * 0.05).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, np.stack([tone, 0 * tone], axis=1), 48000, format="WAV", subtype="FLOAT")
    (tmp_path / "a.wav").write_bytes(file.getvalue())
    found = exporting.waveform(tmp_path / "a.wav", 16000)
    assert found.shape == (16000,)
    assert found.dtype == np.float32
    assert np.abs(found).max() == pytest.approx(0.5, abs=0.01)


def test_the_runs_own_recordings_are_found_by_its_cache(trained, small_ravdess, tmp_path):
    from precompute.common import finding

    run = loading.load(trained[0])
    found = exporting.of_corpora(run, finding.parse([str(small_ravdess)], ""))
    assert len(found) == exporting.RECORDINGS == len({*found})
    assert exporting.of_corpora(run, finding.parse([str(tmp_path)], "")) == []
    assert recipe.id_of(run.recipe.record()) == run.recipe.id
