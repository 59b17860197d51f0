"""Fusion of finished runs: the mean of their probabilities is a run like any other, and what does not fit is refused."""

import shutil

import markup
import numpy as np
import pytest
from forging import change_json

from wser import compare, fuse, load_run, report, results, run
from wser.execution import fusing

pytestmark = [pytest.mark.usefixtures("unmade"), pytest.mark.slow]


@pytest.fixture(scope="module")
def where(small_cache, small_recipe_id, tmp_path_factory, no_figures):
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
    loso[1].append("seed=1")
    with no_figures():
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
    assert stored.title == "ravdess, 7 classes, loso, fused, seeds 0, 1"
    assert stored.title.rpartition(", seed")[0] in told
    assert "calibrated" not in told
    assert path.name.startswith("ravdess-fused-loso-")
    _, *rows = markup.Page((path / results.PAGE).read_text("utf-8")).tables["table-fused"]
    assert {markup.words(cells[0]["text"]) for cells in rows} == {named["c0.0001"].name, named["c10"].name}
    alone = sorted((load_run(named[name]).metrics.uar for name in ("c0.0001", "c10")), reverse=True)
    assert [float(cells[4]["data-value"]) for cells in rows] == pytest.approx(alone, abs=1e-9)
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


def test_it_has_the_seeds_of_all(named, capsys):
    path = fused(named["c0.0001"], named["c10"])
    stored = results.open_finished(path)
    assert stored.record["seeds"] == [0, 1]
    assert stored.title.endswith("seeds 0, 1")
    assert results.open_finished(fused(path, named["c0.0001"])).record["seeds"] == [0, 1]
    alone = fused(named["c0.0001"], named["calibrated"])
    assert "seeds" not in results.open_finished(alone).record
    assert results.open_finished(alone).title.endswith("seed 0")
    change_json(path / results.RUN, seeds="0, 1")
    with pytest.raises(results.ResultError):
        results.open_finished(path)


def test_one_that_is_calibrated_makes_it_so(named, capsys):
    path = fused(named["c10"], named["calibrated"])
    assert "speaker-calibrated" in results.open_finished(path).title
    assert "Speaker-calibrated" in capsys.readouterr().out


def test_it_is_compared_reported_and_bundled_as_any_run(named, tmp_path, capsys):
    path = fused(named["c0.0001"], named["c10"])
    assert compare.main([str(named["c10"]), str(path)]) == 0
    assert report.main([str(path), "--bundle", str(tmp_path / "x.zip")]) == 0
    assert report.main(["--verify", str(tmp_path / "x.zip")]) == 0
    fused(path, named["c10"], named["c0.0001"])
    assert report.main(["--index", str(path.parent)]) == 0
    shown = markup.words(markup.Page((path.parent / "index.html").read_text("utf-8")).text)
    assert "model.runs=3 runs" in shown
    assert "model.runs=2 runs" in shown


def test_a_repeat_repeats_its_runs_and_averages_them_again(named, tmp_path, monkeypatch, capsys):
    mean = fusing._mean
    parts = [named["c0.0001"], named["c10"]]
    path = fused(*parts)
    assert run.main(["--repeat", str(path), "--dry-run"]) == 0
    assert not [one for one in (path, *parts) if (one / results.REPEAT).exists()]
    assert run.main(["--repeat", str(parts[0])]) == 0
    capsys.readouterr()
    assert run.main(["--repeat", str(path)]) == 0
    told = capsys.readouterr().out
    assert "4 of 4 folds to repeat: 4 repeated, 0 to do" in told, "what is repeated already is kept"
    assert "4 of 4 folds to repeat: 0 repeated, 4 to do" in told
    assert told.count("matches: the predictions of 4 of 4 folds are byte-identical") == 3
    monkeypatch.setattr(fusing, "_mean", lambda runs, fold: mean(runs, fold)[:, ::-1])
    assert run.main(["--repeat", str(path)]) == 1
    assert "\ndiffers: fold 0: " in capsys.readouterr().out
    parts[0].rename(tmp_path / "elsewhere")
    assert run.main(["--repeat", str(path)]) == 1
    told = capsys.readouterr().err
    assert len(told.strip().splitlines()) == 1
    assert parts[0].name in told
    assert parts[1].name not in told


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


@pytest.fixture
def sweep(small_cache, small_recipe_id, tmp_path):
    """Settings of two runs of each track, on one split of two folds, and of one on another split; one more sweeps nothing."""
    (tmp_path / "x.yaml").write_text(
        "fuse: true\nmodel: row_svm\nprotocol: {folds: 2}\njobs: 1\nlogger: []\n"
        "sweep:\n  protocol, model.c, data.standardise:\n"
        "    - [speaker_independent, 0.0001, none]\n    - [speaker_independent, 10, none]\n"
        "    - [speaker_independent, 0.0001, speaker]\n    - [speaker_independent, 10, speaker]\n"
        "    - [speaker_dependent, 10, none]\n"
    )
    where = [f"recipe={small_recipe_id}", f"cache_root={small_cache}", f"results={tmp_path / 'made'}"]
    return [f"experiment={tmp_path / 'x.yaml'}", *where]


def fusions(tmp_path):
    """Those that were made, by whether they are speaker-calibrated."""
    stored = map(results.open_finished, (tmp_path / "made").glob("ravdess-fused-*"))
    return {"track" in one.record: one for one in stored}


def test_a_sweep_fuses_its_runs_of_one_split_and_track_as_the_command_does(sweep, tmp_path, capsys):
    assert run.main(sweep) == 0
    told = capsys.readouterr().out
    made = fusions(tmp_path)
    assert {*made} == {False, True}
    for calibrated, stored in made.items():
        parts = [tmp_path / "made" / one["run"] for one in stored.record["fused"]]
        assert {results.open_finished(part).config["model.c"] for part in parts} == {0.0001, 10}
        assert {"track" in results.open_finished(part).record for part in parts} == {calibrated}
        assert (stored.path / results.PAGE).is_file()
        shutil.copytree(tmp_path / "made", tmp_path / "again", ignore=shutil.ignore_patterns("*fused*"))
        assert fuse.main([str(tmp_path / "again" / part.name) for part in parts]) == 0
        by_command = capsys.readouterr().out.replace(f"{tmp_path / 'again'}", f"{tmp_path / 'made'}")
        assert by_command.partition("\n\n")[2] in told, "the same table, and the same directory"
        again = tmp_path / "again" / stored.path.name
        for fold in range(2):
            here, there = (path / results.fold_name(fold) / results.PREDICTIONS for path in (stored.path, again))
            assert here.read_bytes() == there.read_bytes()
        shutil.rmtree(tmp_path / "again")
    (page,) = (tmp_path / "made").glob("*sweep*/report.html")
    shown = markup.Page(page.read_text("utf-8")).attributes
    uars = [float(fields["data-value"]) for tag, fields in shown if tag == "dd" and "data-value" in fields]
    assert sorted(uars) == pytest.approx(sorted(load_run(stored.path).metrics.uar for stored in made.values()), abs=1e-9)
    links = {fields["href"] for tag, fields in shown if tag == "a"}
    assert {f"../{stored.path.name}/report.html" for stored in made.values()} <= links
    before = sorted((tmp_path / "made").iterdir())
    assert run.main(sweep) == 0
    assert capsys.readouterr().out.partition("\n\n")[2] == told.partition("\n\n")[2]
    assert sorted((tmp_path / "made").iterdir()) == before
    assert run.main([*sweep, "fuse=false"]) == 0
    assert "10 finished, 0 to do" in capsys.readouterr().out, "the runs are those of the sweep without it"
    assert all(f"../{stored.path.name}/report.html" in page.read_text("utf-8") for stored in made.values())


def test_a_sweep_that_is_not_finished_or_has_no_two_runs_alike_fuses_nothing(sweep, tmp_path, capsys):
    for more in (["fold=0"], ["model.c=10", "protocol=speaker_dependent"], ["model.c=10", "data.standardise=none"]):
        for how in (["--dry-run"], []):
            assert run.main([*sweep, *more, *how]) == 0
            (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("nothing is fused, since ")]
            assert len(line.split(": ")) <= 2
        assert not fusions(tmp_path)
    assert run.main([*sweep, "fold=1", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "nothing is fused" not in told
    assert "fused once all runs are finished:" in told
    assert len([line for line in told.splitlines() if "model.c=0.0001; model.c=10" in line]) == 2


def test_fusing_without_a_sweep_is_refused_before_anything_is_trained(sweep, tmp_path, capsys, messages):
    (tmp_path / "x.yaml").write_text("fuse: true\nmodel: row_svm\n")
    assert run.main(sweep) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.strip().splitlines()) == 1
    messages.check(printed.err)
    assert not (tmp_path / "made").exists()


def test_a_run_whose_loss_became_infinite_spoils_its_own_group_alone(sweep, tmp_path, monkeypatch, capsys, messages):
    def spoilt(run, *others):
        found = probabilities_of(run, *others)
        return found * float("nan") if "track" in run.record else found

    probabilities_of = fusing._probabilities
    monkeypatch.setattr(fusing, "_probabilities", spoilt)
    assert run.main(sweep) == 1
    messages.check(capsys.readouterr().err.splitlines()[-1])
    assert len(list((tmp_path / "made").glob("*fused*"))) == 1, "and leaves no directory"
    assert {*fusions(tmp_path)} == {False}
