"""Models that are fitted at once, as scikit-learn's."""

import os
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from wser import models
from wser.data.dataset import Dataset
from wser.evaluation import metrics
from wser.training.run import Outcome, Run


def fit(run: Run) -> Outcome:
    """Fit the model of a run to the training set, and score the test set.

    Where other pictures are scored, it is fitted again to those of the run that it belongs to, which gives the same model.

    Args:
        run: What it is told.

    Raises:
        ModelError: What the model gives are no probabilities of the classes.
    """
    config, fold, dataset = run.config, run.fold, run.dataset
    model = models.build_fitted(config.model, len(dataset.classes), run.seed)
    with threadpool_limits(run.threads):
        model.fit(_utterances(dataset, fold.train), _labels(dataset, fold.train))
        probabilities = _probabilities(model, run.tested or dataset, fold.test, config.model.name)
        validation = None
        if fold.validation:
            predicted = _probabilities(model, dataset, fold.validation, config.model.name).argmax(1)
            validation = metrics.measure(_labels(dataset, fold.validation), predicted, dataset.classes).as_dict()
    record = {
        "validation": validation,
        "epoch": 0,
        "epochs": 0,
        "diverged": False,
        "parameters": 0,
        "seconds_to_epoch": 0.0,
        "device": f"cpu, {platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "precision": "64-true",
        "threads": run.threads,
        "kernels": {},
    }
    return Outcome(probabilities, {}, record)


def _utterances(dataset: Dataset, indices: Sequence[int]) -> list[NDArray[Any]]:
    """What the caches hold of each, along the axis of time its own part: of pictures uint8 (height, columns, 3)."""
    examples, item = dataset.examples, dataset.item
    return [dataset.utterance(i)[item.part(examples[i].start, examples[i].stop)] for i in indices]


def _labels(dataset: Dataset, indices: Sequence[int]) -> NDArray[np.int64]:
    return np.array([dataset.examples[i].label for i in indices], np.int64)


def _probabilities(model: models.Fitted, dataset: Dataset, indices: Sequence[int], name: str) -> NDArray[np.floating]:
    given = np.asarray(model.predict_proba(_utterances(dataset, indices)))
    shape = (len(indices), len(dataset.classes))
    if given.shape != shape or not np.all((given >= 0) & (given <= 1)) or not np.allclose(given.sum(axis=1), 1, atol=1e-6):
        raise models.ModelError(
            f"the model {name} gives {given.shape}, and not {shape} probabilities that add up to 1: correct its predict_proba"
        )
    return given
