"""Models that are fitted at once, as scikit-learn's."""

import io
import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from precompute.common.arrays import Array
from wser import models
from wser.config.schema import ConfigError
from wser.data.dataset import Dataset
from wser.evaluation import metrics
from wser.results import FITTED
from wser.training.run import Outcome, Run
from wser.training.statistics import FLOOR, Statistics, measure, of_speakers


def fit(run: Run) -> Outcome:
    """Fit the model of a run to the training set, and score the test set.

    Where other pictures are scored, it is fitted again to those of the run that it belongs to, which gives the same model.

    Args:
        run: Its data, configuration and folds.

    Raises:
        ModelError: What the model gives are no probabilities of the classes.
        ConfigError: What the cache holds has no time, over which an utterance could be standardised.
    """
    config, fold, dataset = run.config, run.fold, run.dataset
    if config.data.standardise == "utterance" and dataset.item.time is None:
        raise ConfigError(
            f"data.standardise=utterance is over time, and the cache holds {dataset.item}: give data.standardise=training, "
            "speaker or none"
        )
    model = models.build_fitted(config.model, len(dataset.classes), run.seed)
    speakers = [[dataset.examples[i].speaker for i in fold.train]] if config.model.by_speaker else []
    training = measure(dataset, fold.train) if config.data.standardise in ("training", "utterance") else None
    with threadpool_limits(run.threads):
        model.fit(_utterances(run, dataset, fold.train, training), _labels(dataset, fold.train), *speakers)
        probabilities = _probabilities(model, run, run.tested or dataset, run.scored, training)
        validation = None
        if fold.validation:
            predicted = _probabilities(model, run, dataset, fold.validation, training).argmax(1)
            validation = metrics.measure(_labels(dataset, fold.validation), predicted, dataset.classes).as_dict()
    # Where other pictures are scored, they lie with the run that was trained.
    contents = {} if run.trained or not hasattr(model, "weights") else {FITTED: _as_file(model.weights(), dataset, training)}
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
    if chosen := getattr(model, "chosen", None):
        record["chosen"] = dict(chosen)
    return Outcome(probabilities, contents, record)


def _as_file(weights: Mapping[str, NDArray[Any]], dataset: Dataset, training: Statistics | None) -> bytes:
    """Weights with the classes that they are of, and the statistics of the training set where these standardise."""
    known: dict[str, Any] = {**weights, "classes": np.array(dataset.classes)}
    if training:
        known |= {"mean": training.mean, "deviation": training.deviation}
    file = io.BytesIO()
    np.savez(file, **known)
    return file.getvalue()


def _utterances(run: Run, dataset: Dataset, indices: Sequence[int], training: Statistics | None) -> list[NDArray[Any]]:
    """What the model is given of each: along the axis of time its own part, standardised as `data.standardise` says.

    Of pictures uint8 (height, columns, 3), or float32 where they are standardised.
    """
    examples, item, how = dataset.examples, dataset.item, run.config.data.standardise
    parts = [dataset.utterance(i)[item.part(examples[i].start, examples[i].stop)] for i in indices]
    if how == "speaker":
        of_speaker = of_speakers(run, dataset, indices)
        return [standardised(part, how, item, of_speaker[examples[i].speaker]) for part, i in zip(parts, indices, strict=True)]
    return parts if training is None else [standardised(part, how, item, training) for part in parts]


def standardised(part: NDArray[Any], how: str, item: Array, given: Statistics) -> NDArray[Any]:
    """What a model is given of an utterance.

    Args:
        part: Of what the cache holds of it, its own part along the axis of time.
        how: `data.standardise`.
        item: What the cache holds.
        given: Statistics of the training set, or with how="speaker" of its speaker.
    """
    if how == "none":
        return part
    return _scaled(part, _own(part, item.time, given) if how == "utterance" else given)


def _scaled(values: NDArray[Any], statistics: Statistics) -> NDArray[np.float32]:
    scaled: NDArray[np.float32] = (values.astype(np.float32) - statistics.mean) / statistics.deviation
    return scaled


def _own(values: NDArray[Any], axis: int | None, training: Statistics) -> Statistics:
    """Of one utterance over time, as networks have it."""
    mean, deviation = (np.asarray(of(values, axis=axis, dtype=np.float64, keepdims=True)) for of in (np.mean, np.std))
    return Statistics(mean.astype(np.float32), deviation.astype(np.float32) + np.float32(FLOOR) * training.deviation)


def _labels(dataset: Dataset, indices: Sequence[int]) -> NDArray[np.int64]:
    return np.array([dataset.examples[i].label for i in indices], np.int64)


def _probabilities(
    model: models.Fitted, run: Run, dataset: Dataset, indices: Sequence[int], training: Statistics | None
) -> NDArray[np.floating]:
    given = np.asarray(model.predict_proba(_utterances(run, dataset, indices, training)))
    shape = (len(indices), len(dataset.classes))
    if given.shape != shape or not np.all((given >= 0) & (given <= 1)) or not np.allclose(given.sum(axis=1), 1, atol=1e-6):
        raise models.ModelError(
            f"the model {run.config.model.name} gives {given.shape}, and not {shape} probabilities that add up to 1: correct "
            "its predict_proba"
        )
    return given
