"""How long training takes is scaled up from a short run of what is pending."""

import time
from dataclasses import replace

import pytest

from wser.config import compose
from wser.execution import estimate, plan
from wser.training import network


@pytest.fixture
def experiment(tiny, small_cache):
    (config,) = compose.load([*tiny, f"cache_root={small_cache}", "fold=all"])
    return plan.prepare(config)


@pytest.fixture
def slow(monkeypatch):
    """A network that takes a millisecond an utterance and epoch; the runs that were timed, and what they stand for."""
    runs = []

    def train(run, seen):
        runs.append((run, seen))
        lines, clock = ["epoch,seconds"], time.time()
        for epoch in range(run.config.train.epochs):
            clock += 5 * (epoch == 0) + len(run.fold.train) / 1000
            lines.append(f"{epoch + 1},{clock}")
        (run.aside / "curves.csv").write_text("\n".join([*lines, ""]))

    monkeypatch.setattr(network, "train", train)
    return runs


def seconds(experiment):
    return estimate.seconds([(experiment, fold) for fold in experiment.pending()], 1)


@pytest.mark.parametrize("epochs", [3, 70])
def test_time_grows_with_epochs_and_folds(experiment, slow, epochs):
    config = replace(experiment.config, train=replace(experiment.config.train, epochs=epochs))
    experiment = replace(experiment, config=config)
    expected = sum(len(fold.train) for fold in experiment.folds) * epochs / 1000
    assert seconds(experiment) == pytest.approx(expected, rel=1e-3)
    half = replace(experiment, wanted=[0])
    whole = {len(fold.train) * epochs for fold in experiment.folds}
    assert {seen for _, seen in slow} <= whole, "loops are compiled where they are in the whole run"
    assert seconds(half) == pytest.approx(len(experiment.folds[0].train) * epochs / 1000, rel=1e-3)


def test_few_utterances_of_each_set_are_trained_on(experiment, slow, monkeypatch):
    monkeypatch.setattr(estimate, "BATCHES", 1)
    config = replace(experiment.config, train=replace(experiment.config.train, batch=4))
    seconds(replace(experiment, config=config))
    ((run, _),) = slow
    whole = experiment.folds[0]
    assert len(run.fold.train) == 4
    for name in ("train", "validation", "test"):
        assert {*getattr(run.fold, name)} < {*getattr(whole, name)} or not getattr(whole, name)


def test_nothing_is_left_and_nothing_is_timed_where_nothing_is_pending(experiment, slow):
    assert seconds(replace(experiment, wanted=[])) is None
    assert not slow
    seconds(experiment)
    assert not slow[0][0].directory.exists()
    assert not experiment.directory.exists()
