import hashlib
import json
import re
import shlex
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import rfc8785
from omegaconf import OmegaConf
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score

from precompute.cache import roots
from precompute.cache.reader import Cache
from wser import results, run
from wser.config.compose import load
from wser.config.schema import Config
from wser.data.dataset import open_dataset
from wser.execution import plan
from wser.protocols import Fold
from wser.results import identity

pytestmark = pytest.mark.usefixtures("unmade")


@pytest.fixture(scope="module")
def directory(trained) -> Path:
    return trained[0]


@pytest.fixture(scope="module")
def record(directory) -> dict:
    return json.loads((directory / results.RUN).read_text())


@pytest.fixture(scope="module")
def summary(directory) -> dict:
    return json.loads((directory / results.SUMMARY).read_text())


def test_everything_is_there_and_nothing_is_left_over(directory):
    assert re.fullmatch(r"tiny-ravdess-three_pipe-speaker_independent-[0-9a-f]{12}", directory.name)
    own = {results.CONFIG, results.RUN, results.IDENTITY, results.SPLIT, results.LEAKAGE, results.RECORDINGS, results.SUMMARY}
    page = {results.PAGE, results.BESIDE_PAGE}
    assert {file.name for file in directory.iterdir()} == own | page | {"fold_0", "fold_1"}
    for fold in ("fold_0", "fold_1"):
        of_fold = {results.METRICS, results.PREDICTIONS, results.CURVES, results.WEIGHTS}
        assert {file.name for file in (directory / fold).iterdir()} == of_fold


def test_run_says_what_made_it(record, small_cache, small_recipe_id):
    (sealed,) = roots.sealed(small_cache, "ravdess", small_recipe_id)
    cache = Cache(sealed)
    assert record["recipe_id"] == small_recipe_id
    assert record["recipe"] == cache.recipe
    assert record["corpora"] == [
        {"corpus": "ravdess", "synthetic": False, "cache": sealed.name, "fingerprint": cache.fingerprint}
    ]
    assert record["versions"] | {"torch": version("torch"), "zarr": version("zarr")} == record["versions"]
    assert (record["seed"], record["folds"], record["utterances"]) == (0, 2, 24)
    assert (record["protocol"], record["selection"]) == ("speaker_independent", "validation")
    assert (record["label_map"], record["dropped"]) == ("ravdess7", {})
    assert len(record["classes"]) == 7
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", record["created"])


def test_command_in_the_record_is_the_one_that_was_given(record, tiny):
    words = shlex.split(record["command"])
    assert words[:3] == ["python", "-m", "wser.run"]
    assert words[3:-1] == tiny


def test_split_is_stored_with_its_hash(directory, record):
    content = json.loads((directory / results.SPLIT).read_text())
    assert (content["protocol"], content["speakers"]) == ("speaker_independent", "disjoint")
    split = content["folds"]
    assert record["split_hash"] == hashlib.sha256(rfc8785.dumps(split)).hexdigest()
    assert [len(fold["test"]) for fold in split] == [12, 12]
    for fold in split:
        assert len({*fold["train"], *fold["validation"], *fold["test"]}) == 24


def test_leakage_is_stored_for_each_fold(directory):
    reports = json.loads((directory / results.LEAKAGE).read_text())
    assert [report["fold"] for report in reports] == [0, 1]
    nothing = {"count": 0, "examples": []}
    for report in reports:
        assert report["speakers"] == report["sentences"] == report["recordings"] == report["left_out"] == nothing
        assert report["sessions"] == {"count": None, "examples": []}, "the corpus has none"


def test_stored_configuration_gives_the_same_results_again(directory, small_cache, small_recipe_id):
    stored = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), OmegaConf.load(directory / results.CONFIG)))
    assert stored.recipe == small_recipe_id
    assert plan.prepare(stored).directory == directory


def test_summary_is_what_sklearn_makes_of_the_predictions(directory, summary, record):
    rows = [row for fold in (0, 1) for row in results.read_predictions(directory, fold)]
    true, predicted = ([row[side] for row in rows] for side in ("true", "predicted"))
    averaged = {"labels": sorted(set(true)), "average": "macro", "zero_division": 0.0}
    pooled = summary["pooled"]
    assert pooled["utterances"] == len(rows) == 24
    assert pooled["uar"] == pytest.approx(recall_score(true, predicted, **averaged), abs=1e-9)
    assert pooled["macro_f1"] == pytest.approx(f1_score(true, predicted, **averaged), abs=1e-9)
    assert pooled["accuracy"] == pytest.approx(accuracy_score(true, predicted), abs=1e-9)
    assert pooled["confusion"] == confusion_matrix(true, predicted, labels=record["classes"]).tolist()
    assert summary["missing"] == []


def test_summary_holds_each_fold_and_their_mean(directory, summary):
    assert summary["folds"] == [results.read_metrics(directory, fold) for fold in (0, 1)]
    for fold in summary["folds"]:
        rows = results.read_predictions(directory, fold["fold"])
        true, predicted = ([row[side] for row in rows] for side in ("true", "predicted"))
        expected = recall_score(true, predicted, labels=sorted(set(true)), average="macro", zero_division=0.0)
        assert fold["uar"] == pytest.approx(expected, abs=1e-9)
    values = [fold["uar"] for fold in summary["folds"]]
    assert summary["mean"]["uar"] == pytest.approx(np.mean(values), abs=1e-9)
    assert summary["deviation"]["uar"] == pytest.approx(np.std(values, ddof=1), abs=1e-9)


def test_printed_table_shows_the_stored_figures(trained, summary):
    pooled = next(line for line in trained[1].splitlines() if "pooled" in line)
    assert all(f"{100 * summary['pooled'][name]:.1f}" in pooled for name in ("uar", "accuracy", "macro_f1"))
    low, high = summary["interval"]["uar"]
    interval = next(line for line in trained[1].splitlines() if "95 % interval" in line)
    assert f"{100 * low:.1f} to {100 * high:.1f}" in interval
    for reference in ("chance", "always happy", "listeners, ravdess"):
        assert reference in trained[1]
    assert "2 folds: 0 finished, 2 to do" in trained[1]
    for fold in summary["folds"]:
        assert ", ".join(fold["speakers"]["test"]) in trained[1]


@pytest.mark.slow
def test_first_record_stays(trained, tmp_path, tiny, capsys):
    assert run.main([*tiny, f"results={tmp_path}", "fold=0"]) == 0
    (directory,) = tmp_path.iterdir()
    before = [(directory / name).read_bytes() for name in (results.RUN, results.CONFIG, results.SPLIT)]
    assert run.main([*tiny, f"results={tmp_path}", "fold=all"]) == 0
    assert [(directory / name).read_bytes() for name in (results.RUN, results.CONFIG, results.SPLIT)] == before
    assert results.finished(directory) == [0, 1]


# What names the directory.


def named(dataset, folds=(), **changes) -> str:
    config = Config(**changes)
    return results.directory(config, identity.of(config, dataset, list(folds), "32-true")).name


@pytest.fixture
def dataset(small_cache, small_recipe_id):
    return open_dataset([small_cache], ["ravdess"], small_recipe_id)


@pytest.mark.slow
def test_results_are_named_by_corpus_model_and_protocol_and_their_experiment(dataset):
    name = named(dataset)
    assert re.fullmatch(r"ravdess-three_pipe-speaker_independent-[0-9a-f]{12}", name)
    assert named(dataset, experiment="somewhere/mine.yaml") == f"mine-{name}"
    assert named(dataset, corpus=["ravdess", "a/b"]).startswith("ravdess+a_b-three_pipe-")
    assert named(dataset, corpus=["." + "x" * 300]).startswith("_xx")
    assert len(named(dataset, corpus=["x" * 300])) < 100


def test_a_sweep_is_named_by_what_its_points_share(tmp_path):
    def swept(*names: str) -> str:
        return results.sweep_directory([tmp_path / name for name in names]).name.rpartition("-")[0]

    assert swept("emodb-row_svm-loso-0123456789ab", "emodb-three_pipe-loso-ba9876543210") == "emodb-loso-sweep"
    assert swept("default-0123456789ab", "default-ba9876543210") == "default-sweep"
    assert swept("a-b-c-0123456789ab", "d-e-f-0123456789ab") == "sweep"


@pytest.mark.slow
@pytest.mark.parametrize("other", ["quick", "another-ravdess-row_svm-speaker_independent"])
def test_results_of_another_name_are_continued_and_reported(other, at_once, tmp_path, capsys):
    """Earlier versions called a run by its experiment and hash alone; another experiment puts its own name before."""
    settings = [*at_once, f"results={tmp_path}"]
    assert run.main([*settings, "fold=0"]) == 0
    (made,) = tmp_path.iterdir()
    earlier = made.rename(tmp_path / f"{other}-{made.name.rpartition('-')[2]}")
    scored = (earlier / "fold_0" / results.METRICS).read_bytes()
    capsys.readouterr()
    assert run.main([*settings, "fold=all"]) == 0
    out = capsys.readouterr().out
    assert "2 folds: 1 finished, 1 to do" in out
    assert f"results: {earlier}\n" in out
    assert [*tmp_path.iterdir()] == [earlier]
    assert (earlier / "fold_0" / results.METRICS).read_bytes() == scored
    assert results.finished(earlier) == [0, 1]


@pytest.mark.slow
def test_a_copy_beside_a_run_is_not_continued_in_its_place(at_once, tmp_path, capsys):
    settings = [*at_once, f"results={tmp_path}"]
    assert run.main([*settings, "fold=0"]) == 0
    (made,) = tmp_path.iterdir()
    copy = shutil.copytree(made, tmp_path / f"a-copy-of-{made.name}")
    capsys.readouterr()
    assert run.main([*settings, "fold=all"]) == 0
    assert f"results: {made}\n" in capsys.readouterr().out
    assert results.finished(copy) == [0]


def test_split_and_cache_name_the_results(dataset, joined_cache, small_recipe_id):
    assert named(dataset) != named(dataset, [Fold(0, (0,), (1,), (2,))]) != named(dataset, [Fold(0, (0, 1), (), (2,))])
    assert named(dataset) != named(open_dataset([joined_cache], ["emodb"], small_recipe_id))


@pytest.mark.slow
def test_label_map_names_the_results_by_what_it_says(small_cache, small_recipe_id, tmp_path):
    """A map of one's own keeps its path while its content changes; results for the old classes must not answer for the new."""
    file = tmp_path / "own.yaml"
    names = set()
    for classes in (
        "{low: [sad], high: [happy, angry]}",
        "{low: [sad, angry], high: [happy]}",
        "{a: [sad], b: [happy, angry]}",
    ):
        file.write_text(f"classes: {classes}\n")
        found = open_dataset([small_cache], ["ravdess"], small_recipe_id, label_map=str(file))
        names.add(named(found, labels=str(file)))
    assert len(names) == 3


def test_path_to_an_experiment_does_not_name_the_results(tiny, tmp_path, monkeypatch):
    """The same file by another path, or the same checkout elsewhere, is the same experiment."""
    directories = set()
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        file = tmp_path / folder / "mine.yaml"
        file.write_text("protocol: {folds: 2}\n")
        (config,) = load([*tiny, f"experiment={file}"])
        directories.add(plan.prepare(config).directory.name)
    assert len(directories) == 1


@pytest.mark.parametrize(
    ("config", "expected"),
    [("model: {name: svm}", False), ("model: {name: three_pipe}", True), ("model: {name: no_such_model}", True), ("", True)],
)
def test_what_no_fold_says_of_a_run_its_model_does(tmp_path, config, expected):
    (tmp_path / results.CONFIG).write_text(config)
    assert results.by_epochs(tmp_path) is expected
