"""Summary of one experiment, pooled over its folds and spread over them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wser import results
from wser.evaluation import caveats, published, uncertainty
from wser.evaluation.metrics import guessing, measure
from wser.evaluation.uncertainty import spread


def of(stored: results.StoredRun) -> dict[str, Any]:
    """The summary of a run, from the files of its finished folds."""
    record = stored.record
    marks = {
        "synthetic": any(corpus["synthetic"] for corpus in record["corpora"]),
        "selection": record["selection"],
        "caveats": [*map(str, caveats.of(record, list(stored.metrics.values())))],
    }
    target = stored.config.get("protocol.test")
    corpora = [target] if target else [corpus["corpus"] for corpus in record["corpora"]]
    return marks | _summary(stored.metrics, stored.rows, stored.classes, record["folds"], corpora)


def summarise(path: Path, classes: list[str], folds: int, corpora: Sequence[str] = ()) -> dict[str, Any]:
    """Read the finished folds of an experiment and summarise them.

    Args:
        path: Directory of the experiment.
        classes: Names of the classes, by index.
        folds: Number of folds of the protocol.
        corpora: Names of the corpora, for the accuracy of human listeners on them.

    Returns:
        `folds`, the record of each finished fold; `missing`, numbers of the others; `pooled`, metrics over the predictions
        of all finished folds; `speakers`, how many speak in them; `interval`, 95 % of a bootstrap over these speakers for
        each headline metric of `pooled`, None for a single speaker; `chance`, the unweighted average recall of guessing;
        `majority`, the metrics of always predicting the most frequent class; `human`, published accuracies of listeners;
        `mean` and `deviation` (n - 1) over folds of the headline metrics, the latter None for a single fold; `validation`,
        headline metrics and confusion matrix of the validation sets at the chosen epochs, pooled; `epoch`, the mean chosen
        one; `seconds` of all folds, and `seconds_to_epoch`, of training up to the end of the chosen epochs.  Validation and
        seconds to the epoch are None where a finished fold has none.
    """
    finished = [fold for fold in results.finished(path) if fold < folds]
    rows = [row for fold in finished for row in results.read_predictions(path, fold)]
    return _summary({fold: results.read_metrics(path, fold) for fold in finished}, rows, classes, folds, corpora)


def _summary(
    metrics: Mapping[int, dict[str, Any]],
    rows: Sequence[Mapping[str, str]],
    classes: list[str],
    folds: int,
    corpora: Sequence[str],
) -> dict[str, Any]:
    records = list(metrics.values())
    place = {name: index for index, name in enumerate(classes)}
    true, predicted = ([place[row[side]] for row in rows] for side in ("true", "predicted"))
    pooled = measure(true, predicted, classes)
    by_speaker = uncertainty.by_speaker(true, predicted, [row["speaker"] for row in rows], len(classes))
    interval = uncertainty.intervals(by_speaker)
    blind = guessing(pooled)
    to_epoch = [record["seconds_to_epoch"] for record in records if "seconds_to_epoch" in record]
    return {
        "folds": records,
        "missing": sorted(set(range(folds)) - set(metrics)),
        "pooled": pooled.as_dict(),
        "speakers": len(by_speaker),
        "interval": {name: list(ends) for name, ends in interval.items()} if interval else None,
        "chance": blind.uar,
        "majority": {"class": blind.majority, "uar": blind.uar, "accuracy": blind.accuracy},
        "human": human(corpora),
        **spread(records),
        "validation": pooled_validation(records),
        "epoch": float(np.mean([record["epoch"] for record in records])),
        "seconds": round(sum(record["seconds"] for record in records), 1),
        "seconds_to_epoch": round(sum(to_epoch), 1) if len(to_epoch) == len(records) else None,
    }


def pooled(records: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Headline metrics of one set of some folds, such as their test sets, the utterances taken together.

    Args:
        records: Each with the confusion matrix of the set, as metrics.json has it.
    """
    confusion = np.array([record["confusion"] for record in records], dtype=np.float64).sum(axis=0)
    return {name: float(value) for name, value in uncertainty.scores(uncertainty.counts(confusion)).items()}


def pooled_validation(records: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Headline metrics and confusion matrix of the validation sets of some folds, their utterances taken together.

    Args:
        records: Of the folds, as metrics.json has them.

    Returns:
        None where any fold has no validation set, or was written before it was recorded.
    """
    parts = [record.get("validation") for record in records]
    if not all(parts):
        return None
    validation = [part for part in parts if part]
    confusion = np.array([part["confusion"] for part in validation], dtype=np.int64).sum(axis=0)
    return {**pooled(validation), "utterances": int(confusion.sum()), "confusion": confusion.tolist()}


def human(corpora: Sequence[str]) -> list[dict[str, Any]]:
    """Published accuracies of human listeners on these corpora."""
    return [
        {"corpus": entry.corpus, "accuracy": entry.value, "classes": entry.classes, "doi": entry.doi, "source": entry.source}
        for corpus in corpora
        for entry in published.load()
        if entry.listeners and entry.corpus == corpus and entry.metric == "accuracy"
    ]
