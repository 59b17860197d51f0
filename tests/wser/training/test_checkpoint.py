import dataclasses
import json

import pytest

from wser import results
from wser.config.compose import load
from wser.execution import fold, plan
from wser.results import identity
from wser.training import checkpoint
from wser.training.run import Run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmade")]

AUGMENTED = ["data.mask_columns=4", "data.shift_rows=2", "data.mixup=0.4", "model.dropout=0.3", "train.optimiser=adamw"]


class KilledError(Exception):
    """Stands for a signal that leaves no time to clean up."""


@pytest.fixture
def told(tiny, tmp_path):
    """What a run of fold 0 with some settings is told, in a directory of its own."""

    def told(name: str, *settings: str) -> Run:
        experiment = plan.prepare(*load([*tiny, "fold=0", "train.epochs=5", *settings]))
        directory = tmp_path / name / "run"
        directory.mkdir(parents=True, exist_ok=True)
        return Run(
            experiment.config, experiment.dataset, experiment.folds[0], directory, directory / ".a", 1, experiment.identity
        )

    return told


@pytest.fixture
def killed(monkeypatch):
    """Have training stop after an epoch, right after its state was stored."""

    def killed(run: Run, epoch: int) -> None:
        store = checkpoint.AfterEachEpoch.on_train_epoch_end

        def store_and_stop(callback, trainer, module):
            store(callback, trainer, module)
            if trainer.current_epoch + 1 == epoch:
                raise KilledError

        with monkeypatch.context() as patch:
            patch.setattr(checkpoint.AfterEachEpoch, "on_train_epoch_end", store_and_stop)
            with pytest.raises(KilledError):
                fold.execute(run)

    return killed


def rows(run: Run) -> list[str]:
    """Lines of the curves, without their seconds."""
    return [line.rpartition(",")[0] for line in (run.final / results.CURVES).read_text().splitlines()]


def trained_epochs(monkeypatch) -> list[int]:
    """Epochs whose end is seen from now on."""
    seen: list[int] = []
    store = checkpoint.AfterEachEpoch.on_train_epoch_end

    def store_and_count(callback, trainer, module):
        store(callback, trainer, module)
        seen.append(trainer.current_epoch + 1)

    monkeypatch.setattr(checkpoint.AfterEachEpoch, "on_train_epoch_end", store_and_count)
    return seen


@pytest.mark.parametrize("settings", [[*AUGMENTED, "train.schedule=one_cycle"], ["selection=last"]], ids=lambda s: s[-1])
@pytest.mark.parametrize("epoch", [2, 5])
def test_a_run_that_was_killed_continues_to_the_same_predictions(told, killed, monkeypatch, settings, epoch):
    undisturbed, run = told("one", *settings), told("other", *settings)
    fold.execute(undisturbed)
    killed(run, epoch)
    assert run.checkpoint.exists()
    seen = trained_epochs(monkeypatch)
    fold.execute(run)
    assert seen == [*range(epoch + 1, 6)], "no epoch is trained twice"
    for name in (results.PREDICTIONS, results.WEIGHTS):
        assert (run.final / name).read_bytes() == (undisturbed.final / name).read_bytes()
    assert rows(run) == rows(undisturbed)
    one, other = (json.loads((each.final / results.METRICS).read_text()) for each in (undisturbed, run))
    assert [one[name] for name in ("epoch", "epochs", "uar")] == [other[name] for name in ("epoch", "epochs", "uar")]
    assert not run.checkpoint.exists(), "nothing is left of a finished fold"


def test_a_run_that_had_stopped_early_does_not_go_on(told, killed, monkeypatch):
    settings = ["train.patience=1", "train.epochs=40", "train.schedule=constant", "train.lr=1"]
    undisturbed, run = told("one", *settings), told("other", *settings)
    fold.execute(undisturbed)
    last = json.loads((undisturbed.final / results.METRICS).read_text())["epochs"]
    assert last < 40
    killed(run, last)
    seen = trained_epochs(monkeypatch)
    fold.execute(run)
    assert seen == []
    assert (run.final / results.PREDICTIONS).read_bytes() == (undisturbed.final / results.PREDICTIONS).read_bytes()


@pytest.mark.parametrize("damaged", [False, True], ids=["other code", "damaged"])
def test_a_state_that_does_not_fit_is_left_aside_and_said(told, killed, monkeypatch, capsys, damaged):
    run = told("run")
    killed(run, 2)
    if damaged:
        run.checkpoint.write_bytes(run.checkpoint.read_bytes()[:1000])
    else:
        monkeypatch.setattr(identity, "code", lambda: "other")
    seen = trained_epochs(monkeypatch)
    fold.execute(dataclasses.replace(run))
    assert seen == [1, 2, 3, 4, 5]
    warning = capsys.readouterr().err
    assert str(run.checkpoint) in warning
    assert warning.count("\n") == 1
