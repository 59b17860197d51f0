import csv
import itertools
import json
import re

import numpy as np
import pytest
from PIL import Image

from precompute.common.html import plot
from wser import results, run
from wser.config import compose
from wser.evaluation.sweeps import Point, Sweep
from wser.reports import figures
from wser.reports.tables import sweep_table


def summary(validation, test, seconds=10.0, folds=(0, 1), selection="validation") -> dict:
    """Of a point with these UARs."""
    one, other = ({"uar": uar, "accuracy": uar, "macro_f1": uar} for uar in (validation, test))
    return {
        "folds": [{"fold": fold, "epoch": 3 + fold} for fold in folds],
        "missing": [fold for fold in (0, 1) if fold not in folds],
        "pooled": other,
        "validation": None if validation is None else one,
        "interval": {"uar": [test - 0.05, test + 0.04]},
        "chance": 0.25,
        "epoch": 3.5,
        "seconds": 40.0,
        "seconds_to_epoch": seconds,
        "selection": selection,
    }


def sweep(*points, axes=("train.lr",), tasks=()) -> Sweep:
    """A sweep of points (values, validation UAR, test UAR, ...)."""
    made = []
    for at, (values, *figures_) in enumerate(points):
        task = (tasks[at],) if tasks else ()
        made.append(Point(dict(zip(axes, values, strict=True)), f"runs/x-{at}", summary(*figures_), task))
    return Sweep(list(axes), made)


def best_values(found: Sweep) -> list[list]:
    return [list(one.values.values()) for one in found.best]


# The choice.


def test_best_is_chosen_on_validation_and_never_on_test():
    found = sweep(([0.1], 0.6, 0.9), ([0.2], 0.7, 0.3), ([0.3], 0.5, 0.8))
    assert best_values(found) == [[0.2]]
    assert found.sentences() == ["best by validation UAR: train.lr=0.2 (validation 70.0, test 30.0)"]


def test_of_equal_ones_the_quicker_is_best():
    found = sweep(([0.1], 0.7, 0.9, 12.0), ([0.2], 0.1 + 0.6, 0.3, 11.0), ([0.3], 0.6, 0.9, 1.0))
    assert best_values(found) == [[0.2]], "0.7 and 0.1 + 0.6 differ in their last digit"


def test_seeds_of_a_setting_are_averaged():
    """The single highest point belongs to the setting that is worse on average."""
    points = [(("a", 0), 0.9, 0.5), (("a", 1), 0.3, 0.5), (("b", 0), 0.65, 0.6), (("b", 1), 0.67, 0.8)]
    found = sweep(*points, axes=("train.optimiser", "seed"))
    assert best_values(found) == [["b"]]
    assert found.sentences()[0].endswith("train.optimiser=b (validation 66.0, test 70.0, means of 2 seeds)")
    assert [row["best"] for row in found.rows()] == [False, False, True, True]


@pytest.mark.parametrize(
    ("points", "tasks", "says"),
    [
        ([([1], None, 0.5, None, (0, 1), "test"), ([2], 0.6, 0.5)], [], "1 of 2 points have no .* give selection=validation"),
        ([([1], None, 0.5, None), ([2], 0.6, 0.5)], [], "move runs/x-0 away, an earlier version made it, and run again"),
        ([([1], 0.5, 0.5), ([2], 0.6, 0.5, 1.0, (0,))], [], ".* give fold=all"),
        (
            [([1], 0.5, 0.5), ([2], 0.6, 0.5)],
            ["emodb", "ravdess"],
            "no two settings have the same corpora, track, classes and split",
        ),
    ],
)
def test_points_without_a_common_ranking_have_no_best_and_it_is_said_why(points, tasks, says):
    found = sweep(*points, tasks=tasks)
    assert found.best == []
    (sentence,) = found.sentences()
    assert re.search(f"^no best: .*{says}", sentence)
    assert not any(row["best"] for row in found.rows())
    assert found.record()["no_best"] == found.obstacle


def test_corpora_are_ranked_apart():
    points = [(("e", 1), 0.8, 0.5), (("e", 2), 0.9, 0.5), (("r", 1), 0.5, 0.5), (("r", 2), 0.4, 0.5)]
    found = sweep(*points, axes=("corpus", "train.lr"), tasks=["e", "e", "r", "r"])
    assert best_values(found) == [["e", 2], ["r", 1]]
    assert len(found.sentences()) == 2


def test_seeds_alone_are_no_choice():
    found = sweep(([0], 0.5, 0.5), ([1], None, 0.5), axes=("seed",))
    assert (found.best, found.sentences()) == ([], [])


def test_conditions_of_the_test_are_no_choice():
    found = sweep(([None], 0.5, 0.5), (["white0"], 0.5, 0.3), axes=("data.test_recipe",))
    assert (found.best, found.sentences()) == ([], [])
    assert [row["best"] for row in found.rows()] == [False, False]


# Its words.


@pytest.mark.parametrize(
    ("axis", "title"),
    [("train.lr", "lr"), ("protocol.seed", "protocol.seed"), ("seed", "seed"), ("model.name", "model"), ("corpus", "corpus")],
)
def test_titles_are_short_where_they_stay_unambiguous(axis, title):
    assert sweep(([1], 0.5, 0.5), ([2], 0.5, 0.5), axes=(axis,)).titles() == [title]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0.001, None, True], ["0.001", "null", "true"]),
        ([["emodb"], ["emodb", "ravdess"]], ["emodb", "emodb,ravdess"]),
        ([[[2, 2], [1, 2]], [[2, 2], [1, 1]]], ["2x2,1x2", "2x2,1x1"]),
        ([[[2, 2]] * 3 + [last] + [[1, 1]] * 3 for last in ([2, 1], [1, 2])], ["…,2x1,…", "…,1x2,…"]),
        ([[[2, 2]] * 5, [[2, 2]] * 6], ["…,2x2", "…,2x2,2x2"]),
        (["splits/of/somebody/one.json", "splits/of/somebody/two.json"], ["…/one.json", "…/two.json"]),
    ],
)
def test_values_are_shortened_and_stay_apart(values, labels):
    assert sweep(*(([value], 0.5, 0.5) for value in values)).labels("train.lr") == labels


def printed(found: Sweep) -> list[str]:
    return [line.text for line in sweep_table("t", found).lines(120)]


def test_table_stands_within_120_columns_a_line_for_each_point():
    values = itertools.product(("adamw", "rmsprop", "sgd"), (0.001, 0.01, 0.1))
    points = [(one, 0.5 + at / 100, 0.4 + at / 100, 4321.0) for at, one in enumerate(values)]
    lines = printed(sweep(*points, axes=("train.optimiser", "train.lr")))
    rows = [line for line in lines if "2 of 2" in line]
    assert len(rows) == 9
    assert [row.split()[0] for row in rows[-2:]] == ["sgd", "*"]
    expected = "* sgd 0.1 2 of 2 58.0 48.0 43.0 to 52.0 48.0 48.0 4 4321 40 x-8"
    assert " ".join(rows[-1].split()) == expected
    assert "…" not in "".join(lines)
    assert any(
        "best by validation UAR: train.optimiser=sgd, train.lr=0.1 (validation 58.0, test 48.0)" in line for line in lines
    )


def test_table_shows_means_over_seeds_and_marks_the_best():
    points = [(("1", 0), 0.6, 0.5), (("1", 1), 0.8, 0.7), (("2", 0), 0.6, 0.6), (("2", 1), 0.6, 0.6)]
    rows = [line.split() for line in printed(sweep(*points, axes=("train.lr", "seed"))) if "2 seeds" in line]
    # (0.1^2 + 0.1^2) / (2 - 1)
    assert rows[0][:10] == ["*", "1", "2", "seeds", "70.0", "±", "14.1", "60.0", "±", "14.1"]
    assert rows[1][0] == "2"
    assert not any("2 seeds" in line for line in printed(sweep(([0], 0.5, 0.5), ([1], 0.5, 0.5, 1.0, (0,)), axes=("seed",))))


def test_row_of_an_unfinished_point_says_how_many_folds():
    found = sweep(([1], 0.5, 0.5), ([2], 0.6, 0.5, 1.0, (1,)))
    assert [(row["folds_finished"], row["folds"]) for row in found.rows()] == [(2, 2), (1, 2)]
    assert any("1 of 2" in line for line in printed(found))


# The figure.


@pytest.mark.slow
@pytest.mark.parametrize(
    "axes",
    [
        {"train.lr": [0.001, 0.1]},
        {"train.optimiser": ["adam", "a" * 60], "seed": [0, 1]},
        {"seed": [0, 1, 2]},
        {"train.lr": [0.001, 0.1], "model.strides": [[[2, 2]] * 7, [[1, 2]] * 7], "data.standardise": [True, False]},
    ],
    ids=lambda axes: " ".join(axes),
)
@pytest.mark.parametrize("validation", [0.6, None])
def test_figure_has_a_panel_for_each_axis_but_the_seed(axes, validation, tmp_path):
    points = [(values, validation, 0.5) for values in itertools.product(*axes.values())]
    figure = figures.sweep(sweep(*points, axes=tuple(axes)))
    (legend,) = figure.legends
    assert any(text.get_text().startswith("validation") for text in legend.get_texts()) == (validation is not None)
    titles = [one.get_xlabel().removesuffix(" (log scale)") for one in figure.axes]
    assert titles == [axis.rpartition(".")[2] for axis in axes if axis != "seed" or len(axes) == 1]
    assert ("log scale" in figure.axes[0].get_xlabel()) == ("train.lr" in axes)
    plot.save(figure, tmp_path / "sweep")
    figures.plt.close(figure)
    with Image.open(tmp_path / "sweep.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5


# The command.


def test_swept_keys_are_those_with_several_values():
    assert compose.swept(["model=a,b", "seed=1", "corpus=[x,y]", "fold=0,1", "train.lr=1,2"]) == ["model.name", "train.lr"]


def state(path) -> dict:
    return {file: (file.stat().st_mtime_ns, file.stat().st_ino) for file in path.rglob("*") if file.is_file()}


@pytest.mark.slow
@pytest.mark.usefixtures("unmade")
def test_sweep_of_six_with_two_finished_runs_four_and_leaves_its_files(tiny, tmp_path, capsys):
    settings = [*tiny, f"results={tmp_path}", "fold=0", "train.epochs=1"]
    assert run.main([*settings, "train.lr=0.01", "seed=0,1"]) == 0
    before = {file: stamp for file, stamp in state(tmp_path).items() if "-sweep-" not in str(file)}
    assert before
    capsys.readouterr()

    six = [*settings, "train.lr=0.01,0.02,0.05", "seed=0,1"]
    assert run.main(six) == 0
    out = capsys.readouterr().out
    assert "6 folds: 2 finished, 4 to do" in out
    after = state(tmp_path)
    assert {file: after[file] for file in before} == before, "finished runs are neither trained nor reported anew"
    assert len(list(tmp_path.glob(f"*/fold_0/{results.METRICS}"))) == 6

    (path,) = (tmp_path / line.rpartition("/")[2] for line in out.splitlines() if line.startswith("sweep: "))
    assert re.fullmatch(r"tiny-ravdess-three_pipe-speaker_independent-sweep-[0-9a-f]{12}", path.name)
    assert {file.name for file in path.iterdir()} == {results.SWEEP_ROWS, results.SWEEP, results.PAGE, results.BESIDE_PAGE}
    rows = list(csv.DictReader((path / results.SWEEP_ROWS).open()))
    assert [(row["train.lr"], row["seed"]) for row in rows] == list(itertools.product(("0.01", "0.02", "0.05"), "01"))
    for row in rows:
        stored = results.read_metrics(tmp_path / row["directory"].rpartition("/")[2], 0)
        assert float(row["test_uar"]) == pytest.approx(stored["uar"], abs=1e-9)
        assert float(row["validation_uar"]) == pytest.approx(stored["validation"]["uar"], abs=1e-9)
        assert (row["folds_finished"], row["folds"], row["epochs_to_chosen"]) == ("1", "2", "1")
    record = json.loads((path / results.SWEEP).read_text())
    assert record["axes"] == {"train.lr": [0.01, 0.02, 0.05], "seed": [0, 1]}
    (best,) = record["best"]
    assert best["directories"] == [row["directory"] for row in rows if row["best"] == "yes"]
    means = {
        lr: np.mean([float(row["validation_uar"]) for row in rows if row["train.lr"] == lr]) for lr in ("0.01", "0.02", "0.05")
    }
    assert best["validation_uar"] == pytest.approx(max(means.values()))
    assert record["command"].endswith("seed=0,1")

    # The same points in another order are the same sweep; and now nothing is left to do.
    assert run.main([*settings, "train.lr=0.05,0.01,0.02", "seed=1,0"]) == 0
    out = capsys.readouterr().out
    assert "6 folds: 6 finished, 0 to do" in out
    assert f"/{path.name}" in out


@pytest.mark.slow
@pytest.mark.usefixtures("unmade")
def test_summary_is_made_anew_when_a_fold_is_added_or_it_is_another(tiny, tmp_path, capsys):
    settings = [*tiny, f"results={tmp_path}", "train.epochs=1"]
    assert run.main([*settings, "fold=0"]) == 0
    (directory,) = tmp_path.iterdir()

    def summary() -> dict:
        return json.loads((directory / results.SUMMARY).read_text())

    assert summary()["missing"] == [1]
    assert run.main([*settings, "fold=1"]) == 0
    whole = summary()
    assert whole["missing"] == []
    for other in ("{", "", json.dumps(whole | {"pooled": whole["pooled"] | {"uar": 0.987}})):
        (directory / results.SUMMARY).write_text(other)
        capsys.readouterr()
        assert run.main([*settings, "fold=1"]) == 0
        assert summary() == whole
        assert "98.7" not in capsys.readouterr().out
    (directory / results.PAGE).unlink()
    assert run.main([*settings, "fold=1"]) == 0
    assert (directory / results.PAGE).is_file()


@pytest.mark.slow
@pytest.mark.usefixtures("unmade")
def test_a_sweep_says_a_line_for_each_point_and_has_one_table(at_once, tmp_path, capsys):
    settings = [*at_once, f"results={tmp_path}", "fold=all"]
    assert run.main([*settings, "seed=0"]) == 0
    capsys.readouterr()
    assert run.main([*settings, "seed=0,1,2"]) == 0
    out, err = capsys.readouterr()
    said = [line for line in err.splitlines() if "UAR" in line]
    form = re.compile(r"(\d of \d): (seed=\d): UAR \d+\.\d %, accuracy \d+\.\d %, 2 folds, \d+ s")
    assert [form.fullmatch(line).groups() for line in said] == [
        ("2 of 3", "seed=1"),
        ("3 of 3", "seed=2"),
    ]
    assert "  3 points: seed=0,1,2" in out
    assert "seed 0" not in out, "what is swept has no value of its own"
    assert out.count("Sweep: ") == 1
    assert not re.search("^fold ", out, flags=re.MULTILINE), "no table of one run"
    assert out.count("results: ") == 0
    assert len([*tmp_path.glob(f"*/{results.PAGE}")]) == 4


@pytest.mark.slow
def test_of_many_values_the_first_are_announced(at_once, tmp_path, capsys):
    seeds = ",".join(map(str, range(12)))
    assert run.main([*at_once, f"results={tmp_path}", f"seed={seeds}", "--dry-run"]) == 0
    assert "  12 points: seed=0,1,2,3,4,5,6,7 and 4 more\n" in capsys.readouterr().out
