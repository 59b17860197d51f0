"""Whether the stored summary of a run says what its predictions do; no figure is read from it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precompute.common.errors import reason
from precompute.common.reading import UnreadableError, read_json, typed
from wser import results
from wser.evaluation.uncertainty import HEADLINES, SAME, intervals, scores, spread
from wser.reports.comparison import counts
from wser.results import StoredRun

METRICS = ("pooled", "speakers", "interval", "chance", "majority", "mean", "deviation", "validation")
"""What in a summary follows from the results of its folds, and not from when and by what version it was made."""

OF_FOLDS = (*HEADLINES, "utterances", "confusion", "validation")
"""The same of its records of folds."""


def difference(path: Path, summary: Mapping[str, Any], resumed: bool = False) -> str | None:
    """Where the stored summary of a run says something else than its results; None where it does not, or is not there.

    Args:
        path: Directory of the run.
        summary: Made from its results; except for `folds` and `missing`, keys may be left out.
        resumed: Whether folds may have been finished after the stored one was written.
    """
    file = path / results.SUMMARY
    try:
        stored = typed(read_json(file, path), dict[str, Any])
    except FileNotFoundError:
        return None
    except (OSError, UnreadableError) as error:
        return f"{file} cannot be read ({reason(error)})"
    if stored.get("missing") != summary["missing"]:
        return None if resumed else f"{file} is of other folds than those that are finished"
    expected: dict[str, Any] = {key: summary[key] for key in METRICS if key in summary}
    expected["folds"] = [{key: record[key] for key in OF_FOLDS if key in record} for record in summary["folds"]]
    for place, theirs, ours in apart(stored, expected):
        return f"{file} says {place} = {theirs}, and the predictions give {ours}"
    return None


def note(path: Path, summary: Mapping[str, Any]) -> str | None:
    """The same with what to do."""
    why = difference(path, summary)
    remedy = f"all metrics come from the predictions; run the command in {results.RUN} again to rewrite {results.SUMMARY}"
    return why and f"{why}: {remedy}"


def note_of(
    stored: StoredRun, by_speaker: NDArray[np.float64] | None = None, interval: Mapping[str, tuple[float, float]] | None = None
) -> str | None:
    """The same of a run whose summary is not needed otherwise.

    Args:
        stored: The run.
        by_speaker: Its counts of each speaker (speakers, 3, K), if they are known.
        interval: Its bootstrap intervals, if they are known.
    """
    by_speaker = counts(stored, stored.classes) if by_speaker is None else by_speaker
    records = [*stored.metrics.values()]
    pooled = {name: float(value) for name, value in scores(by_speaker.sum(0)).items()}
    summary = {
        "folds": records,
        "missing": sorted({*range(stored.record["folds"])} - {*stored.folds}),
        "pooled": {**pooled, "utterances": len(stored.rows)},
        "speakers": len(by_speaker),
        "interval": interval or intervals(by_speaker),
        **spread(records),
    }
    return note(stored.path, summary)


def apart(stated: Any, recomputed: Any, place: str = "") -> Iterator[tuple[str, str, str]]:
    """Where two values of JSON differ, by dotted key, as far as both have it."""
    if isinstance(stated, dict) and isinstance(recomputed, dict):
        for key in recomputed:
            if key in stated:
                yield from apart(stated[key], recomputed[key], f"{place}.{key}" if place else key)
    elif isinstance(stated, list | tuple) and isinstance(recomputed, list | tuple) and len(stated) == len(recomputed):
        for at, (left, right) in enumerate(zip(stated, recomputed, strict=True)):
            yield from apart(left, right, f"{place}.{at}")
    elif stated != recomputed and not (
        isinstance(stated, float) and isinstance(recomputed, float) and abs(stated - recomputed) < SAME
    ):
        yield place, _shown(stated), _shown(recomputed)


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else f"{value!s:.50}"
