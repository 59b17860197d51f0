import csv
import dataclasses
import io
import json
import math
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from forging import reseal

from precompute.common.arrays import Array, picture
from precompute.common.errors import CacheError
from wser import models, results, run
from wser.config.compose import load
from wser.config.schema import ConfigError, TrainConfig
from wser.data.dataset import open_dataset
from wser.evaluation.caveats import CHOSEN_ON_TEST
from wser.execution import plan
from wser.execution.fold import execute
from wser.protocols import Fold
from wser.training.batches import Batches
from wser.training.curves import Curves
from wser.training.module import Training, class_weights
from wser.training.run import Run
from wser.training.standardise import Standardise
from wser.training.statistics import Statistics

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmade")]


def only(path: Path) -> Path:
    (directory,) = path.iterdir()
    return directory


def predictions(directory: Path, fold: int = 0) -> bytes:
    return (directory / results.fold_name(fold) / results.PREDICTIONS).read_bytes()


# What a finished run leaves behind.


@pytest.mark.parametrize("fold", [0, 1])
def test_predictions_are_those_of_the_test_part(trained, fold):
    directory, _ = trained
    split = json.loads((directory / results.SPLIT).read_text())["folds"][fold]
    rows = results.read_predictions(directory, fold)
    assert sorted(row["key"] for row in rows) == split["test"]
    assert len(rows) == 12


@pytest.mark.parametrize("fold", [0, 1])
def test_predicted_class_is_the_most_probable_and_truth_is_the_corpus_own(trained, fold):
    emotions = {"03": "happy", "04": "sad", "05": "angry"}
    for row in results.read_predictions(trained[0], fold):
        probabilities = {name.removeprefix("p_"): float(value) for name, value in row.items() if name.startswith("p_")}
        assert math.isclose(sum(probabilities.values()), 1, abs_tol=1e-5)
        assert probabilities[row["predicted"]] == max(probabilities.values())
        assert row["true"] == emotions[row["key"].split("-")[2]]
        assert row["speaker"] == row["key"].split("-")[-1]


@pytest.mark.parametrize("fold", [0, 1])
def test_metrics_say_that_no_speaker_is_on_two_sides(trained, fold):
    record = results.read_metrics(trained[0], fold)
    train, validation, test = (set(record["speakers"][part]) for part in ("train", "validation", "test"))
    assert train | validation | test == {"01", "02", "03", "04"}
    assert len(train) + len(validation) + len(test) == 4
    assert record["counts"] == {"train": 6, "validation": 6, "test": 12}
    assert test == {row["speaker"] for row in results.read_predictions(trained[0], fold)}


@pytest.mark.parametrize("fold", [0, 1])
def test_chosen_epoch_has_the_lowest_validation_loss(trained, fold):
    losses = results.read_curves(trained[0], fold)["validation_loss"]
    record = results.read_metrics(trained[0], fold)
    assert len(losses) == record["epochs"] == 2
    assert record["epoch"] == 1 + int(np.argmin(losses))


@pytest.mark.parametrize("fold", [0, 1])
def test_validation_figures_are_those_of_the_chosen_epoch(trained, fold):
    curves, record = results.read_curves(trained[0], fold), results.read_metrics(trained[0], fold)
    chosen, found = record["epoch"] - 1, record["validation"]
    assert found["uar"] == pytest.approx(curves["validation_uar"][chosen], abs=1e-6)
    assert found["accuracy"] == pytest.approx(curves["validation_accuracy"][chosen], abs=1e-6)
    assert sum(map(sum, found["confusion"])) == record["counts"]["validation"]
    assert record["seconds_to_epoch"] == curves["seconds"][chosen] <= record["seconds"]


@pytest.mark.parametrize("fold", [0, 1])
def test_stored_weights_and_statistics_give_the_stored_predictions(trained, tiny, small_cache, small_recipe_id, fold):
    directory, (config,) = trained[0], load(tiny)
    stored = torch.load(directory / results.fold_name(fold) / results.WEIGHTS, weights_only=True)
    dataset = open_dataset([small_cache], ["ravdess"], small_recipe_id)
    model = models.build(config.model, (3, 16), len(dataset.classes)).eval()
    model.load_state_dict(stored["model"])
    place = {example.key: i for i, example in enumerate(dataset.examples)}
    rows = results.read_predictions(directory, fold)
    part = tuple(place[row["key"]] for row in rows)
    statistics = Statistics(stored["mean"].numpy(), stored["deviation"].numpy())
    batches = Batches(dataset, Fold(fold, (), (), part), config.data, config.train.batch, 0)
    standardise = Standardise(dataset.item, statistics, dataset.table, config.data.standardise == "utterance")
    with torch.inference_mode():
        found = torch.cat(
            [
                model(standardise(batch.values, batch.lengths, batch.spoken), batch.lengths).softmax(1)
                for batch in batches.predict_dataloader()
            ]
        )
    expected = [[float(row[f"p_{name}"]) for name in dataset.classes] for row in rows]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


# Seeds, and what training may see.


def test_seeds_repeat_to_the_byte_and_differ_from_each_other(trained, tiny, tmp_path, capsys):
    assert run.main([*tiny, f"results={tmp_path}", "seed=0,1", "fold=0"]) == 0
    same = tmp_path / trained[0].name
    other = next(file.parent for file in tmp_path.glob(f"*/{results.RUN}") if file.parent != same)
    assert predictions(same) == predictions(trained[0])
    assert predictions(other) != predictions(trained[0])
    printed = capsys.readouterr().out
    table = printed[printed.index("Sweep: ") :]
    assert "seed" in table
    rows = [line for line in table.splitlines() if re.match(r" +\d", line)]
    assert [row.split()[0] for row in rows] == ["0", "1", "2"]
    uar = [json.loads((d / results.SUMMARY).read_text())["pooled"]["uar"] for d in (same, other)]
    assert "2 seeds" in rows[2]
    assert f"{50 * sum(uar):.1f} ± {100 * abs(uar[0] - uar[1]) / 2**0.5:.1f}" in rows[2]


def unchanged(dataset, _fold):
    return dataset


def blurred(dataset, part):
    """The same dataset with other pictures in one part."""
    changed = dataclasses.replace(dataset)
    chosen = {*part}
    changed.__dict__["values"] = [255 - image if at in chosen else image for at, image in enumerate(dataset.values)]
    return changed


@pytest.fixture
def learn(tiny, tmp_path):
    """Train fold 0 of a configuration on the pictures of one's choice; gives the folder of the fold."""

    def learn(name: str, change=unchanged, *settings: str) -> Path:
        (config,) = load([*tiny, *settings])
        experiment = plan.prepare(config)
        fold = experiment.folds[0]
        place = tmp_path / name
        told = Run(config, change(experiment.dataset, fold), fold, place, place / ".aside", 1, experiment.identity)
        execute(told)
        return told.final

    return learn


def without_clock(file: Path) -> list[list[str]]:
    return [row[:-1] for row in csv.reader(file.open(encoding="utf-8"))]


def test_training_does_not_see_the_test_part(learn):
    one = learn("one")
    other = learn("other", lambda dataset, fold: blurred(dataset, fold.test))
    assert without_clock(one / results.CURVES) == without_clock(other / results.CURVES)
    kept, found = (torch.load(d / results.WEIGHTS, weights_only=True) for d in (one, other))
    assert torch.equal(kept["mean"], found["mean"])
    assert all(torch.equal(kept["model"][key], found["model"][key]) for key in kept["model"])
    assert (one / results.PREDICTIONS).read_bytes() != (other / results.PREDICTIONS).read_bytes()


def test_other_pictures_of_the_test_part_are_what_is_scored(learn, tiny, tmp_path):
    """Weights of the clean run on blurred pictures give what a run gives whose test part alone is blurred."""
    clean, blurry = learn("clean"), learn("blurry", lambda dataset, fold: blurred(dataset, fold.test))
    (config,) = load(tiny)
    experiment = plan.prepare(config)
    dataset, fold = experiment.dataset, experiment.folds[0]
    aside = tmp_path / "scored" / ".aside"
    scored = blurred(dataset, fold.test)
    told = Run(config, dataset, fold, aside.parent, aside, 1, experiment.identity, scored, clean.parent)
    execute(told)
    assert (told.final / results.PREDICTIONS).read_bytes() == (blurry / results.PREDICTIONS).read_bytes()
    assert (told.final / results.PREDICTIONS).read_bytes() != (clean / results.PREDICTIONS).read_bytes()


def test_weights_that_cannot_be_read_are_named_with_the_remedy(learn, trained, tiny, tmp_path, messages):
    clean = learn("clean")
    shutil.copy(trained[0] / results.RUN, clean.parent)
    (config,) = load(tiny)
    experiment = plan.prepare(config)
    dataset, fold = experiment.dataset, experiment.folds[0]
    told = Run(config, dataset, fold, tmp_path / "b", tmp_path / "b" / "a", 1, experiment.identity, dataset, clean.parent)
    kept = (clean / results.WEIGHTS).read_bytes()
    for spoil in (
        lambda file: file.write_bytes(b"junk"),
        lambda file: (file.write_bytes(b"junk"), reseal(clean)),
        lambda file: (save(file, kept, classes=["a"]), reseal(clean)),
        lambda file: (save(file, kept, mean=torch.zeros(3)), reseal(clean)),
        lambda file: (save(file, kept, model={}), reseal(clean)),
        lambda file: file.unlink(),
    ):
        spoil(clean / results.WEIGHTS)
        with messages.raises(results.ResultError):
            execute(told)
        assert not list(told.aside.iterdir()), "nothing is left of a fold that fails"


def save(file: Path, content: bytes, **changes) -> None:
    torch.save(torch.load(io.BytesIO(content), weights_only=True) | changes, file)


@pytest.mark.parametrize("item", [picture(8, 64), picture(16, 32), Array("float16", (16, 64), ("frequency", "time"), 0.25)])
def test_other_pictures_of_another_size_or_type_are_refused(tiny, item, messages):
    dataset = plan.prepare(*load(tiny)).dataset
    other = SimpleNamespace(examples=dataset.examples, recipe=dataset.recipe, recipe_id="other", item=item)
    with messages.raises(ConfigError):
        plan._check_comparable(dataset, other)


def test_other_pictures_that_lack_an_utterance_are_refused(tiny, messages):
    dataset = plan.prepare(*load(tiny)).dataset
    other = SimpleNamespace(examples=dataset.examples[1:], recipe=dataset.recipe, recipe_id="other")
    with messages.raises(CacheError):
        plan._check_comparable(dataset, other)


def test_validation_part_chooses_but_does_not_teach(learn):
    one = learn("one")
    other = learn("other", lambda dataset, fold: blurred(dataset, fold.validation))
    rows, changed = without_clock(one / results.CURVES), without_clock(other / results.CURVES)
    assert [row[:3] for row in rows] == [row[:3] for row in changed], "epoch, training loss, training accuracy"
    assert [row[3] for row in rows[1:]] != [row[3] for row in changed[1:]]


def test_selection_on_the_test_part_leaves_no_validation_and_is_marked(tiny, tmp_path, capsys):
    assert run.main([*tiny, f"results={tmp_path}", "selection=test", "fold=0", "train.epochs=3"]) == 0
    directory = only(tmp_path)
    record = results.read_metrics(directory, 0)
    assert record["counts"] == {"train": 12, "validation": 0, "test": 12}
    assert record["selection"] == "test"
    assert record["validation"] is None, "the figures by epoch are those of the test part"
    accuracies = results.read_curves(directory, 0)["validation_accuracy"]
    assert record["epoch"] == 1 + int(np.argmax(accuracies))
    assert record["accuracy"] == pytest.approx(max(accuracies), abs=1e-6)
    printed = capsys.readouterr().out
    assert str(CHOSEN_ON_TEST) in " ".join(printed.split())
    assert "epoch chosen on the test set" in printed


def test_last_epoch_is_taken_without_a_validation_part(tiny, tmp_path):
    assert run.main([*tiny, f"results={tmp_path}", "selection=last", "fold=0", "train.epochs=3"]) == 0
    directory = only(tmp_path)
    record = results.read_metrics(directory, 0)
    assert record["counts"] == {"train": 12, "validation": 0, "test": 12}
    assert (record["epoch"], record["epochs"]) == (3, 3)
    curves = results.read_curves(directory, 0)
    assert np.isfinite(curves["train_loss"]).all()
    assert np.isnan(curves["validation_loss"]).all(), "the test part is scored once, at the end"


def test_other_pictures_are_scored_by_the_weights_of_the_run_on_its_own(tiny, small_recipe_id, tmp_path, capsys):
    """The other recipe is the same one here, so that the predictions have to be those of the run without it."""
    settings = [*tiny, f"results={tmp_path}", "fold=0", f"data.test_recipe={small_recipe_id}"]
    assert run.main(settings) == 0
    assert "2 folds: 0 finished, 2 to do" in capsys.readouterr().out
    runs = [record.parent for record in tmp_path.glob(f"*/{results.RUN}")]
    clean, other = sorted(runs, key=lambda directory: "trained" in results.read_metrics(directory, 0))
    assert predictions(clean) == predictions(other)
    assert (clean / "fold_0" / results.CURVES).read_bytes() == (other / "fold_0" / results.CURVES).read_bytes()
    assert not (other / "fold_0" / results.WEIGHTS).exists(), "they lie with the run that trained them"
    assert results.read_metrics(other, 0)["trained"] == clean.name
    record = json.loads((other / results.RUN).read_text())
    assert record["test_recipe_id"] == small_recipe_id
    assert run.main(settings) == 0
    assert "2 folds: 2 finished, 0 to do" in capsys.readouterr().out


@pytest.mark.parametrize(
    "settings",
    [
        ["data.mask_rows=4", "data.mask_columns=4", "data.shift_rows=2", "data.mixup=0.4", "train.label_smoothing=0.1"],
        ["train.schedule=one_cycle", "train.optimiser=sgd", "model.summary=last", "model.dropout=0.3"],
        ["data.pad=paper", "data.standardise=none", "train.optimiser=rmsprop", "train.lr=0.001"],
        ["train.precision=bf16", "train.optimiser=adamax", "train.weight_decay=0.1"],
        ["train.optimiser=adamw", "data.standardise=utterance", "train.balanced=true"],
    ],
    ids=lambda settings: settings[0],
)
def test_every_way_to_train_gives_finite_results(learn, settings):
    folder = learn("run", unchanged, *settings)
    record = json.loads((folder / results.METRICS).read_text())
    assert record["utterances"] == 12
    assert all(math.isfinite(float(value)) for row in without_clock(folder / results.CURVES)[1:] for value in row)


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_training_learns_what_is_plain_to_see(learn, optimiser):
    """Pictures whose colour is their class, in every part: a network that learns at all tells them apart."""

    def coloured(dataset, _fold):
        changed = dataclasses.replace(dataset)
        changed.__dict__["values"] = np.zeros_like(dataset.values)
        kinds = sorted({example.label for example in dataset.examples})
        for image, example in zip(changed.values, dataset.examples, strict=True):
            image[:] = 100 * kinds.index(example.label)
        return changed

    rate = {"adam": 0.01, "sgd": 0.3}[optimiser]
    folder = learn("run", coloured, f"train.optimiser={optimiser}", f"train.lr={rate}", *PLAIN)
    assert json.loads((folder / results.METRICS).read_text())["uar"] == 1


PLAIN = ["train.schedule=constant", "train.epochs=40", "train.patience=0", "data.mixup=0", "data.mask_rows=0", "train.batch=6"]
PLAIN += ["data.mask_columns=0", "data.shift_rows=0", "model.dropout=0", "model.activation=elu", "model.fc=8", "model.lstm=8"]
PLAIN += ["model.pipe_filters=4", "data.standardise=training"]


# Early stopping and the choice of the epoch.


def curves_of(tmp_path, selection: str, patience: int, epochs: list[tuple[float, float]]) -> tuple[Curves, int]:
    """Show a `Curves` one (validation loss, accuracy on four utterances) for each epoch; it, and epochs until it stops."""
    file = (tmp_path / "curves.csv").open("wb")
    curves = Curves(file, ["a", "b"], selection, patience)
    trainer = SimpleNamespace(current_epoch=0, should_stop=False)
    for epoch, (loss, accuracy) in enumerate(epochs):
        trainer.current_epoch = epoch
        batch = {"loss": torch.tensor(1.0), "hits": torch.tensor(1), "count": torch.tensor(2)}
        curves.on_train_batch_end(trainer, None, batch, None, 0)
        logits = torch.tensor([[1.0, 0.0]] * round(4 * accuracy) + [[0.0, 1.0]] * (4 - round(4 * accuracy)))
        scored = {"loss": torch.tensor(4 * loss), "logits": logits, "labels": torch.zeros(4, dtype=torch.int64)}
        curves.on_validation_batch_end(trainer, None, scored, None, 0)
        module = SimpleNamespace(weights=lambda epoch=epoch: {"epoch": torch.tensor(epoch + 1)})
        curves.on_train_epoch_end(trainer, module)
        if trainer.should_stop:
            break
    file.close()
    return curves, epoch + 1


LOSSES = [(1.0, 0.0), (0.5, 0.25), (0.6, 0.75), (0.7, 0.75), (0.4, 0.5), (0.9, 0.25)]


@pytest.mark.parametrize(
    ("selection", "patience", "best", "stopped"),
    [("validation", 2, 2, 4), ("validation", 3, 5, 6), ("validation", 0, 5, 6), ("test", 0, 3, 6), ("test", 1, 3, 4)],
)
def test_patience_counts_epochs_without_a_better_one(tmp_path, selection, patience, best, stopped):
    curves, epochs = curves_of(tmp_path, selection, patience, LOSSES)
    assert (curves.best_epoch, epochs) == (best, stopped)
    assert curves.best_metrics["accuracy"] == LOSSES[best - 1][1]
    assert int(curves.weights["epoch"]) == best, "the weights are those of the chosen epoch"
    lines = (tmp_path / "curves.csv").read_text().splitlines()
    assert len(lines) == 1 + stopped
    assert float(lines[2].split(",")[3]) == 0.5


def test_epoch_without_a_finite_loss_is_never_chosen_over_one_that_has(tmp_path):
    curves, _ = curves_of(tmp_path, "validation", 0, [(float("nan"), 1.0), (3.0, 0.0), (float("inf"), 1.0)])
    assert curves.best_epoch == 2


def test_run_stops_early(tiny, tmp_path, capsys):
    settings = ["fold=0", "train.epochs=60", "train.patience=1", "train.schedule=constant", "train.lr=1"]
    assert run.main([*tiny, f"results={tmp_path}", *settings]) == 0
    record = results.read_metrics(only(tmp_path), 0)
    assert record["epochs"] < 60
    assert record["epochs"] - record["epoch"] == 1
    assert len(results.read_curves(only(tmp_path), 0)["epoch"]) == record["epochs"]


# Finished folds.


def test_finished_folds_are_not_run_again(trained, tiny, tmp_path, capsys):
    directory = tmp_path / trained[0].name
    shutil.copytree(trained[0], directory)
    before = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in directory.glob("fold_*/*")}
    assert run.main([*tiny, f"results={tmp_path}"]) == 0
    assert "2 folds: 2 finished, 0 to do" in capsys.readouterr().out
    assert before == {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in directory.glob("fold_*/*")}
    shutil.rmtree(directory / "fold_1")
    assert run.main([*tiny, f"results={tmp_path}", "fold=0,1"]) == 0
    assert "2 folds: 1 finished, 1 to do" in capsys.readouterr().out
    after = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in directory.glob("fold_0/*")}
    assert after.items() <= before.items()
    assert predictions(directory, 1) == predictions(trained[0], 1), "the fold comes out the same, alone or after another"


def test_where_and_which_folds_do_not_name_the_results(trained, tiny, tmp_path, capsys):
    assert run.main([*tiny, f"results={tmp_path}", "fold=1", "train.threads=2", "jobs=2"]) == 0
    assert only(tmp_path).name == trained[0].name
    assert results.finished(only(tmp_path)) == [1]
    assert "UNFINISHED: fold 0 is missing" in capsys.readouterr().out


# Weights of classes.


def test_class_weights_make_every_class_count_alike():
    labels = [0, 0, 0, 0, 2, 2]
    weights = class_weights(labels, 4)
    assert sum(weights[label] for label in labels) == pytest.approx(len(labels))
    assert 4 * weights[0] == pytest.approx(2 * weights[2])
    assert weights[1] == weights[3] == 0, "nothing pulls towards a class that does not occur"


def test_class_weights_reach_the_training_loss():
    labels, logits = torch.tensor([0, 0, 0, 2]), torch.rand(4, 3, generator=torch.Generator().manual_seed(0))
    module = Training(torch.nn.Identity(), torch.nn.Identity(), TrainConfig(), class_weights(labels.tolist(), 3))
    own = -logits.log_softmax(1)[torch.arange(4), labels]
    assert torch.isclose(module._loss(logits, labels), own[:3].mean() / 2 + own[3] / 2)


def test_threads_do_not_follow_from_which_folds_are_pending(tiny):
    every, one = (plan.prepare(load([*tiny, "train.threads=0", f"fold={fold}"])[0]) for fold in ("all", "0"))
    assert plan.threads(every) == plan.threads(one)
