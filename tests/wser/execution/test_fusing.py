"""Fusion of finished runs: the mean of their probabilities is a run like any other, and what does not fit is refused."""

import shutil

import numpy as np
import pytest
from forging import change_json

from wser import compare, fuse, report, results, run

pytestmark = [pytest.mark.usefixtures("undrawn"), pytest.mark.slow]


@pytest.fixture(scope="module")
def where(small_cache, small_recipe_id, tmp_path_factory):
    """Directory of three runs of one split, with one of another."""
    root = tmp_path_factory.mktemp("fuse")
    shared = [
        "model=row_svm",
        f"recipe={small_recipe_id}",
        f"cache_root={small_cache}",
        f"results={root}",
        "jobs=1",
        "logger=[]",
    ]
    loso = [["protocol=loso", more] for more in ("model.c=0.0001", "model.c=10", "data.standardise=speaker")]
    for more in [*loso, ["protocol=speaker_dependent", "protocol.folds=2"]]:
        assert run.main([*shared, *more]) == 0
    return root


@pytest.fixture
def named(where, tmp_path):
    """Copies: two inductive runs of one split, a calibrated one of it, and one of another split."""
    shutil.copytree(where, tmp_path / "runs")
    found = {}
    for path in results.below(tmp_path / "runs"):
        stored = results.open_finished(path)
        other = "other" if stored.record["protocol"] != "loso" else "calibrated" if "track" in stored.record else ""
        found[other or f"c{stored.config['model.c']:g}"] = path
    return found


def fused(*paths):
    before = {*results.below(paths[0].parent)}
    assert fuse.main([str(path) for path in paths]) == 0
    (new,) = {*results.below(paths[0].parent)} - before
    return new


def probabilities(path):
    stored = results.open_finished(path)
    return {row["key"]: np.array([float(row[f"p_{name}"]) for name in stored.classes]) for row in stored.rows}


def test_it_gives_the_mean_of_the_probabilities(named, capsys):
    path = fused(named["c0.0001"], named["c10"])
    told = capsys.readouterr().out
    first, second, mean = map(probabilities, (named["c0.0001"], named["c10"], path))
    assert first.keys() == mean.keys()
    for key, values in mean.items():
        np.testing.assert_allclose(values, (first[key] + second[key]) / 2, atol=1e-6)
    stored = results.open_finished(path)
    assert stored.title == "ravdess, 7 classes, loso, fused, seed 0"
    assert stored.title.rpartition(", seed")[0] in told
    assert "calibrated" not in told
    assert path.name.startswith("ravdess-fused-loso-")
    assert (path / results.PAGE).is_file()
    assert [one["run"] for one in stored.record["fused"]] == sorted(
        (named["c0.0001"].name, named["c10"].name), key=lambda name: name.rpartition("-")[2]
    )


def test_the_order_of_the_runs_changes_nothing_and_it_can_be_run_again(named):
    runs = [named[name] for name in ("c0.0001", "calibrated", "c10")]
    path = fused(*runs)
    before = [(path / results.fold_name(fold) / results.PREDICTIONS).read_bytes() for fold in range(4)]
    shutil.rmtree(path / "fold_1")
    assert fuse.main([str(path) for path in runs[::-1]]) == 0
    assert before == [(path / results.fold_name(fold) / results.PREDICTIONS).read_bytes() for fold in range(4)]


def test_one_that_is_calibrated_makes_it_so(named, capsys):
    path = fused(named["c10"], named["calibrated"])
    assert "speaker-calibrated" in results.open_finished(path).title
    assert "Speaker-calibrated" in capsys.readouterr().out


def test_it_is_compared_reported_and_bundled_as_any_run(named, tmp_path, capsys):
    path = fused(named["c0.0001"], named["c10"])
    assert compare.main([str(named["c10"]), str(path)]) == 0
    assert report.main([str(path), "--bundle", str(tmp_path / "x.zip")]) == 0
    assert report.main(["--verify", str(tmp_path / "x.zip")]) == 0
    assert report.main(["--index", str(path.parent)]) == 0
    capsys.readouterr()
    assert run.main(["--repeat", str(path)]) == 1
    assert "averages other runs, and trains nothing" in capsys.readouterr().err


def test_what_does_not_fit_is_refused_in_one_sentence(named, tmp_path, capsys):
    copy = tmp_path / "runs" / f"copy-{named['c10'].name}"
    shutil.copytree(named["c10"], copy)
    unfinished = tmp_path / "unfinished"
    shutil.copytree(named["c0.0001"], unfinished)
    shutil.rmtree(unfinished / "fold_2")
    for others, code, words in (
        ([], 2, "alone is given, where two runs or more can be fused"),
        ([named["c10"]], 2, "name a run twice"),
        ([copy], 1, "are the same run: fuse different ones"),
        ([named["other"]], 1, "have different splits: fuse runs of the same corpora"),
        ([unfinished], 1, "is not finished, fold 2 of 4 is missing"),
    ):
        assert fuse.main([str(path) for path in [named["c10"], *others]]) == code
        told = capsys.readouterr().err
        assert words in told
        assert len(told.strip().splitlines()) == 1
    change_json(copy / results.RUN, identity="0" * 64)
    assert fuse.main([str(named["c10"]), str(copy)]) == 1
    assert not list((tmp_path / "runs").glob("*fused*"))
