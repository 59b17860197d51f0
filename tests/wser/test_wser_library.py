"""The public library of `wser`: datasets of PyTorch, and runs as objects."""

import csv
import json
import shutil

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import wser
from precompute.recipe import named
from wser import results
from wser.data.labels import LabelError
from wser.results import ResultError


def test_every_public_name_is_there_and_listed():
    assert set(wser.__all__) <= set(dir(wser))
    assert all(callable(getattr(wser, name)) for name in wser.__all__)
    with pytest.raises(AttributeError, match="no attribute 'open_run'"):
        wser.open_run  # noqa: B018


def test_a_dataset_gives_pictures_and_classes(small_cache, small_settings):
    from precompute import open_cache

    recipe = named("default", small_settings)
    cache, data = open_cache("ravdess", recipe, small_cache), wser.open_dataset("ravdess", recipe, cache=small_cache)
    assert len(data) == 24
    assert isinstance(data, torch.utils.data.Dataset)
    for index in (0, 7, 23):
        picture, label = data[index]
        record = cache.records[index]
        assert (picture.dtype, tuple(picture.shape)) == (torch.uint8, (3, 16, 64))
        np.testing.assert_array_equal(picture.permute(1, 2, 0).numpy(), cache.read(record.array)[record.row])
        assert data.classes[label] == record.emotion
        assert (data.examples[index].key, data.speakers[index]) == (record.key, record.speaker)
    picture.zero_()
    assert data[23][0].any()
    with pytest.raises(IndexError):
        data[24]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_dataset_goes_into_a_loader(small_cache, small_recipe_id, workers):
    data = wser.open_dataset("ravdess", small_recipe_id, cache=str(small_cache))
    pictures, labels = zip(*DataLoader(data, batch_size=16, num_workers=workers), strict=True)
    assert [tuple(batch.shape) for batch in pictures] == [(16, 3, 16, 64), (8, 3, 16, 64)]
    assert torch.cat(labels).tolist() == [example.label for example in data.examples]


def test_joined_corpora_need_a_label_map(joined_cache, small_recipe_id, messages):
    with messages.raises(LabelError):
        wser.open_dataset(["ravdess", "emodb"], small_recipe_id, cache=joined_cache)
    data = wser.open_dataset(["ravdess", "emodb"], small_recipe_id, "common4", joined_cache)
    assert {example.corpus for example in data.examples} == {"ravdess", "emodb"}
    assert len(set(data.speakers)) == 8
    assert data.classes == ["neutral", "happy", "sad", "angry"]


def test_a_run_is_what_its_files_say(trained):
    directory, _ = trained
    run = wser.load_run(str(directory))
    rows = []
    for fold in (0, 1):
        with (directory / f"fold_{fold}" / "predictions.csv").open(encoding="utf-8", newline="") as file:
            rows += [(fold, row) for row in csv.DictReader(file)]
    assert [(one.fold, one.key, one.true, one.predicted) for one in run.predictions] == [
        (fold, row["key"], row["true"], row["predicted"]) for fold, row in rows
    ]
    for one in run.predictions:
        assert list(one.probabilities) == run.classes
        assert sum(one.probabilities.values()) == pytest.approx(1, abs=1e-4)
        assert one.predicted == max(one.probabilities, key=one.probabilities.__getitem__)
    for fold, metrics in run.fold_metrics.items():
        stored = json.loads((directory / f"fold_{fold}" / "metrics.json").read_text())
        assert metrics.uar == pytest.approx(stored["uar"], abs=1e-12)
        assert metrics.confusion == stored["confusion"]
    pooled = json.loads((directory / results.SUMMARY).read_text())["pooled"]
    assert run.metrics.uar == pytest.approx(pooled["uar"], abs=1e-12)
    assert run.confusion.sum() == len(run.predictions)
    np.testing.assert_array_equal(run.confusion, sum(np.array(m.confusion) for m in run.fold_metrics.values()))
    split = json.loads((directory / results.SPLIT).read_text())
    assert run.split.speaker_independent
    assert [list(fold.test) for fold in run.split.folds] == [fold["test"] for fold in split["folds"]]
    assert [list(fold.train) for fold in run.split.folds] == [fold["train"] for fold in split["folds"]]


def test_predictions_as_a_data_frame(trained):
    pytest.importorskip("pandas")
    run = wser.load_run(trained[0])
    table = run.to_pandas()
    assert list(table.columns) == ["fold", "key", "speaker", "true", "predicted", *(f"p_{name}" for name in run.classes)]
    assert (table["true"] == table["predicted"]).mean() == pytest.approx(run.metrics.accuracy)
    assert table["key"].tolist() == [one.key for one in run.predictions]


def test_an_unfinished_run_is_read_only_where_one_asks_for_it(copied, messages):
    shutil.rmtree(copied / "fold_1")
    with messages.raises(ResultError):
        wser.load_run(copied)
    with pytest.warns(UserWarning, match=r"summary\.json is of other folds than those that are finished"):
        run = wser.load_run(copied, unfinished=True)
    assert list(run.fold_metrics) == [0]
    assert len(run.split.folds) == 2
    assert sorted(one.key for one in run.predictions) == list(run.split.folds[0].test)
