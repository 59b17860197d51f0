"""Every experiment file is loaded, and executed in a reduced form."""

import re
import shlex
from collections import Counter
from functools import cache

import pytest

from precompute.recipe import named
from wser import models, results, run
from wser.config import compose
from wser.execution import plan

pytestmark = pytest.mark.usefixtures("unmade")

FILES = sorted(compose.experiments().glob("*.yaml"))

OWN_RECIPES = ("table6", "together")
"""Experiments whose models take other kinds of cache than the one here."""


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def file(request):
    return request.param


@cache
def points_of(file) -> list:
    """What the command in its first line runs."""
    return compose.load(command(file))


def command(file) -> list[str]:
    first = file.read_text().splitlines()[0]
    match = re.fullmatch(r"# python -m wser\.run (.+)", first)
    assert match, f"{file} starts with '{first}', not with the command that runs it"
    return shlex.split(match[1])


def test_default_is_an_experiment():
    assert "default" in {file.stem for file in FILES}


@pytest.mark.slow
def test_file_starts_with_the_command_that_runs_it(file):
    points = points_of(file)
    assert {point.experiment for point in points} == {file.stem}
    assert {point.fold for point in points} == {"all"}, "its figures are those of all folds"


def test_file_says_what_it_is_for(file):
    lines = file.read_text().splitlines()
    assert lines[1] == "#"
    assert lines[2].startswith("# ")


@pytest.mark.slow
@pytest.mark.parametrize("file", [file for file in FILES if file.stem not in OWN_RECIPES], ids=lambda file: file.stem)
def test_experiment_runs_in_small(file, joined_cache, small_recipe_id, network, tmp_path, capsys):
    """Every point of it, but for pictures, of which there is one recipe here, and for the size of the network."""
    points = points_of(file)
    several = len(points[0].corpus) > 1
    corpus = ["corpus=[ravdess,emodb]", "labels=common4"] if several else ["corpus=ravdess", "labels=ravdess7"]
    where = [f"cache_root={joined_cache}", f"recipe={small_recipe_id}", f"results={tmp_path}", "protocol.folds=2"]
    how = ["fold=0", "jobs=1", "train.epochs=1", "train.device=cpu", "train.threads=1", *network]
    if any(point.data.test_recipe for point in points):
        where.append(f"data.test_recipe={small_recipe_id}")
    assert run.main([f"experiment={file.stem}", *corpus, *where, *how]) == 0
    directories = [record.parent for record in tmp_path.glob(f"*/{results.RUN}")]
    loaded = compose.load([f"experiment={file.stem}", *corpus, *where, *how])
    assert len(directories) == len(plan.prepare_all(loaded)) > 0
    selections = set()
    for directory in directories:
        assert directory.name.startswith("ravdess" if file.stem == "default" else f"{file.stem}-ravdess")
        assert results.finished(directory) == [0]
        selections.add(results.read_metrics(directory, 0)["selection"])
    assert selections == {point.selection for point in points}
    assert "UAR" in capsys.readouterr().out


@pytest.mark.slow
def test_table_6_has_every_model_on_what_it_takes_in_both_tracks():
    points = points_of(compose.experiments() / "table6.yaml")
    ways = {(point.model.name, point.recipe, point.data.standardise) for point in points}
    assert {model for model, _, _ in ways} == {*models.names()} - {"row_svm"}
    tasks = {(*point.corpus, point.labels, point.protocol.name) for point in points}
    assert len(points) == len(ways) * len(tasks)
    for model, recipe in {(model, recipe) for model, recipe, _ in ways}:
        (own,) = compose.load([f"model={model}", f"recipe={recipe}"])
        models.check_takes(own.model, named(recipe).array)
        standardised = {how for other, of, how in ways if (other, of) == (model, recipe)}
        assert standardised == {own.data.standardise, "speaker"}
        assert model == "svm" or recipe == load_own(model)


@pytest.mark.slow
def test_together_fuses_three_systems_of_each_task_in_both_tracks():
    points = points_of(compose.experiments() / "together.yaml")
    tracks = Counter((*one.corpus, one.labels, one.protocol.name, one.data.standardise == "speaker") for one in points)
    assert len(tracks) == 4
    assert {*tracks.values()} == {3}
    assert len({one.selection for one in points}) == 1, "their splits would differ"
    assert compose.fuses(["experiment=together"])
    where = ["corpus=emodb", "labels=emodb7", "protocol=loso"]
    part = compose.load(["experiment=together", *where, "data.standardise=speaker"])
    assert part == [one for one in points if one.corpus == ["emodb"] and one.data.standardise == "speaker"]


def load_own(model) -> str:
    (own,) = compose.load([f"model={model}"])
    return own.recipe


@pytest.mark.slow
@pytest.mark.parametrize("study", [file for file in FILES if file.stem.startswith("study_")], ids=lambda file: file.stem)
def test_study_sweeps_and_can_choose(study):
    """Its points differ, and a best one among them is a choice on validation speakers."""
    points = points_of(study)
    differing = plan.differing(points)
    assert len(points) > 1
    assert differing
    if "data.test_recipe" not in differing:
        assert {point.selection for point in points} == {"validation"}


@pytest.mark.parametrize("preset", sorted(path.stem for path in (compose.experiments() / "preset").glob("*.yaml")))
def test_preset_says_what_it_is(preset):
    text = (compose.experiments() / "preset" / f"{preset}.yaml").read_text()
    assert text.startswith(f"# preset={preset}: ")
    (loaded,) = compose.load([f"preset={preset}"])
    assert loaded.preset == preset
