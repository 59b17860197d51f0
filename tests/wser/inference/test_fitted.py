"""Runs of models that are fitted at once, and fusions, on new recordings: the numbers of their test sets."""

import csv
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from forging import change_json

from precompute.__main__ import main as build
from wser import export, fuse, load_run, predict, results, run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmade")]


@pytest.fixture(scope="module")
def where(small_ravdess, tmp_path_factory, no_figures):
    """Directory of runs of one split: two inductive ones, a speaker-calibrated one, and one whose model is not kept."""
    home = tmp_path_factory.mktemp("fitted")
    cache = ["--cache", str(home / "cache"), "--corpora", str(small_ravdess), "--jobs", "1"]
    assert build(["build", "ravdess", "--recipe", "wavelet_packets", *cache]) == 0
    shared = [f"cache_root={home / 'cache'}", f"results={home / 'runs'}", "recipe=wavelet_packets"]
    for words in (["svm", "data.standardise=training,speaker"], ["svm", "model.c=0.01"], ["huang_y2015"]):
        with no_figures():
            assert run.main([*shared, f"model={words[0]}", *words[1:], "protocol.folds=2", "jobs=1", "logger=[]"]) == 0
    return home / "runs"


@pytest.fixture
def named(where, tmp_path):
    """Copies of the runs by what they are, which a test may harm."""
    shutil.copytree(where, tmp_path / "runs")
    found = {}
    for path in results.below(tmp_path / "runs"):
        config = results.open_finished(path).config
        name = str(config["model.name"])
        if name == "svm":
            calibrated = config["data.standardise"] == "speaker"
            name = "calibrated" if calibrated else "fixed" if config["model.c"] else "chosen"
        found[name] = path
    return found


def stored(path):
    """The probabilities of each utterance of the test sets, by key."""
    finished = results.open_finished(path)
    return {row["key"]: [float(row[f"p_{name}"]) for name in finished.classes] for row in finished.rows}


def predicted(path, out, *words):
    """What the command writes, by the name of the file."""
    assert predict.main([str(path), *words, "--csv", str(out)]) == 0
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    classes = [name for name in rows[0] if name.startswith("p_")]
    return {Path(row["file"]).stem: ([float(row[name]) for name in classes], row["training"]) for row in rows}


def fused(*paths):
    before = {*results.below(paths[0].parent)}
    assert fuse.main(list(map(str, paths))) == 0
    (new,) = {*results.below(paths[0].parent)} - before
    return new


def test_the_runs_own_recordings_get_the_probabilities_of_its_test_sets(named, small_ravdess, tmp_path):
    told = predicted(named["chosen"], tmp_path / "out.csv", str(small_ravdess))
    expected = stored(named["chosen"])
    assert told.keys() == expected.keys()
    for key, (probabilities, training) in told.items():
        np.testing.assert_allclose(probabilities, expected[key], atol=2e-6)
        assert training == "held out"


def test_a_fusion_gives_the_mean_of_its_runs(named, small_ravdess, tmp_path):
    path = fused(named["chosen"], named["fixed"])
    expected = stored(path)
    told = predicted(path, tmp_path / "out.csv", str(small_ravdess))
    assert told.keys() == expected.keys()
    for key, (probabilities, training) in told.items():
        np.testing.assert_allclose(probabilities, expected[key], atol=3e-6)
        assert training == "held out"
    files = sorted(small_ravdess.rglob("*.wav"))[:3]
    loaded = load_run(path)
    np.testing.assert_allclose(loaded.predict_proba(files), [expected[file.stem] for file in files], atol=3e-6)
    one = predicted(path / "fold_1", tmp_path / "one.csv", str(files[0]))
    np.testing.assert_allclose(
        one[files[0].stem][0],
        np.mean([load_run(named[name]).predict_proba(files[0], fold=1)[0] for name in ("chosen", "fixed")], axis=0),
        atol=3e-6,
    )


def test_one_speaker_is_standardised_by_all_own_recordings(named, small_ravdess, tmp_path, capsys, messages):
    folder = next(small_ravdess.rglob("Actor_02"))
    calibrated = named["calibrated"]
    for path in (calibrated, fused(calibrated, named["fixed"])):
        expected = stored(path)
        for key, (probabilities, _) in predicted(path, tmp_path / f"{path.name}.csv", str(folder), "--one-speaker").items():
            np.testing.assert_allclose(probabilities, expected[key], atol=3e-6)
        capsys.readouterr()
        assert predict.main([str(path), str(folder)]) == 2
        messages.check(capsys.readouterr().err)
    assert predict.main([str(named["fixed"]), str(folder), "--one-speaker"]) == 2


def test_what_cannot_predict_is_refused_in_a_sentence(named, small_ravdess, tmp_path, capsys):
    file = str(next(small_ravdess.rglob("*.wav")))
    fusion = fused(named["chosen"], named["fixed"])
    capsys.readouterr()

    def refused(*words, code=1, command=predict.main):
        assert command(list(map(str, words))) == code
        printed = capsys.readouterr().err.strip().splitlines()
        assert len(printed) == 1, printed
        return printed[0]

    assert "is fitted at once and not kept" in refused(named["huang_y2015"], file)
    assert "has no time" in refused(named["chosen"], file, "--timeline", tmp_path / "timeline", code=2)
    assert "averages 2" in refused(fusion, file, "--timeline", tmp_path / "timeline", code=2)
    assert "is a fusion" in refused(fusion, tmp_path / "out.onnx", command=export.main)
    weights = named["chosen"] / "fold_0" / results.FITTED
    content = weights.read_bytes()
    with np.load(weights) as archive:
        arrays = dict(archive)
    weights.write_bytes(content[:-1])
    assert "is damaged" in refused(named["chosen"], file)
    for name, values in (
        ("weights", arrays["weights"][:-1]),
        ("weights", arrays["weights"][:, :-1]),
        ("labels", arrays["labels"] + 90),
        ("intercepts", np.array(["x"])),
        ("mean", arrays["mean"][1:]),
        ("classes", arrays["classes"][::-1]),
    ):
        np.savez(weights, **arrays | {name: values})
        vouched = {"size": weights.stat().st_size, "sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}
        change_json(named["chosen"] / "fold_0" / results.METRICS, files={results.FITTED: vouched})
        assert str(weights) in refused(named["chosen"], file)
    change_json(named["chosen"] / "fold_0" / results.METRICS, files={})
    assert "kept no weights" in refused(named["chosen"], file)
    change_json(named["fixed"] / results.RUN, identity="0" * 64)
    assert "is another run than" in refused(fusion, file)
    named["fixed"].rename(tmp_path / "elsewhere")
    assert "cannot be found" in refused(fusion, file)
    change_json(fusion / results.RUN, fused=[{"run": "x"}])
    assert "is damaged" in refused(fusion, file)


def test_neither_pytorch_nor_scikit_learn_is_loaded(named, small_ravdess):
    code = (
        "import sys\n"
        "from wser import predict\n"
        f"assert predict.main([{str(named['chosen'])!r}, {str(next(small_ravdess.rglob('*.wav')))!r}]) == 0\n"
        "assert not {'torch', 'sklearn'} & {*sys.modules}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
