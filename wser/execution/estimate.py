"""How long the training of networks will take: some batches are timed, as many runs at once as there will be."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import joblib
import numpy as np

from precompute.common import executor, files
from wser.execution import plan, progress
from wser.protocols import Fold

if TYPE_CHECKING:
    from wser.execution.plan import Experiment

BATCHES = 6
"""Of a timed epoch."""

EPOCHS = 3
"""Of which the first, which is slower than the others, does not count."""


def seconds(to_do: "Sequence[tuple[Experiment, Fold]]", jobs: int) -> float | None:
    """Time until all folds are trained if none stops early; None if no network is to be trained.

    Args:
        to_do: Pending folds, each with its experiment.
        jobs: As of `plan.execute`.
    """
    work = [(task, fold) for task, fold in to_do if task.config.model.is_network and task.trained is None]
    if not work:
        return None
    at_once = plan.at_once([experiment for experiment, _ in work], jobs)
    # Evenly from all, since the points of a sweep may be networks of different sizes.
    timed = work[:: max(1, len(work) // at_once)][:at_once]
    paces = executor.parallel(at_once)(joblib.delayed(_seconds_per_utterance)(experiment, fold) for experiment, fold in timed)
    utterances = sum(experiment.config.train.epochs * len(fold.train) for experiment, fold in work)
    return fmean(paces) * utterances / at_once


def _seconds_per_utterance(experiment: "Experiment", fold: Fold) -> float:
    """Of training, with what an epoch does besides, by a run on some utterances of each set of a fold."""
    from wser.training import network
    from wser.training.run import Run

    config = experiment.config
    few = _few(fold, config.train.batch * BATCHES)
    with tempfile.TemporaryDirectory() as root:
        directory = Path(root) / "run"
        attempts = directory / "attempts"
        files.make_directory(attempts / "1", Path(root))
        short = replace(config, logger=[], train=replace(config.train, epochs=EPOCHS, patience=0))
        run = Run(short, experiment.dataset, few, directory, attempts / "1", plan.threads(experiment), experiment.identity)
        network.train(run, seen=len(fold.train) * config.train.epochs)
        pace = progress.look(progress.Job("", attempts, directory, EPOCHS)).pace
    # A loss that diverges at once ends training after one epoch, and that would be the end of the real one too.
    return 0.0 if pace is None else pace / len(few.train)


def _few(fold: Fold, most: int) -> Fold:
    """The same share of each set of a fold, drawn at random."""
    rng, share = np.random.default_rng(0), min(1.0, most / len(fold.train))

    def some(indices: tuple[int, ...]) -> tuple[int, ...]:
        count = int(np.ceil(share * len(indices)))
        return tuple(sorted(rng.permutation(indices)[:count].tolist()))

    return Fold(fold.number, some(fold.train), some(fold.validation), some(fold.test))
