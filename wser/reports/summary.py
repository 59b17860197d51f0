"""Summary of one experiment: pooled over its folds, and mean and standard deviation over them."""

from pathlib import Path
from typing import Any

import numpy as np

from wser import results
from wser.reports.metrics import measure

HEADLINES = ("uar", "accuracy", "macro_f1")


def summarise(path: Path, classes: list[str], folds: int) -> dict[str, Any]:
    """Read the finished folds of an experiment and summarise them.

    Args:
        path: Directory of the experiment.
        classes: Names of the classes, by index.
        folds: Number of folds of the protocol.

    Returns:
        `folds`, the record of each finished fold; `missing`, numbers of the others; `pooled`, metrics over the predictions
        of all finished folds; `chance`, the unweighted average recall of guessing; `mean` and `deviation` (n - 1) over folds
        of the headline metrics, None for a single fold; `seconds` of all folds.
    """
    finished = results.finished(path)
    records = [results.read_metrics(path, fold) for fold in finished]
    rows = [row for fold in finished for row in results.read_predictions(path, fold)]
    place = {name: index for index, name in enumerate(classes)}
    pooled = measure([place[row["true"]] for row in rows], [place[row["predicted"]] for row in rows], classes)
    values = {name: [record[name] for record in records] for name in HEADLINES}
    several = len(records) > 1
    return {
        "folds": records,
        "missing": sorted(set(range(folds)) - set(finished)),
        "pooled": pooled.as_dict(),
        "mean": {name: float(np.mean(values[name])) for name in HEADLINES},
        "deviation": {name: float(np.std(values[name], ddof=1)) for name in HEADLINES} if several else None,
        "chance": 1 / sum(record.support > 0 for record in pooled.per_class.values()),
        "seconds": round(sum(record["seconds"] for record in records), 1),
    }
