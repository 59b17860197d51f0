"""What a comparison of finished runs requires: the same test utterances and classes; and what their differences mean."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from precompute.common.errors import few
from wser.evaluation.caveats import of_track
from wser.evaluation.uncertainty import FEW_SPEAKERS, Difference, by_speaker, smallest_p
from wser.reports.tables import ends, p_value
from wser.results import ResultError, StoredRun

CERTAIN = 0.05
"""A difference with a smaller p is called one; the usual level."""

MOST_NAMED = 3
"""Utterances that a message names."""


def check_same(first: StoredRun, other: StoredRun, across_tracks: bool = False) -> None:
    """Refuse runs whose test utterances, classes or speakers differ.

    Args:
        first: A run.
        other: Another one.
        across_tracks: Whether one may be inductive and the other speaker-calibrated.

    Raises:
        ResultError: Their classes, test utterances, true classes, speakers or tracks differ; one sentence says how, and the
            remedy.
    """
    if {*first.classes} != {*other.classes}:
        raise ResultError(
            f"{first.path} has the classes {', '.join(first.classes)}, and {other.path} {', '.join(other.classes)}: "
            "compare runs with the same label map"
        )
    if not across_tracks and track(first) != track(other):
        named = (f"{run.path} is {', '.join(track(run)) or 'inductive'}" for run in (first, other))
        raise ResultError(f"{' and '.join(named)}, which are not ranked: compare runs of one track")
    ours, theirs = (Counter(row["key"] for row in run.rows) for run in (first, other))
    if ours != theirs:
        only_first, only_other = ours - theirs, theirs - ours
        raise ResultError(
            f"{only_first.total()} test utterances are in {first.path} alone and {only_other.total()} in {other.path} alone "
            f"({few(sorted(only_first or only_other), MOST_NAMED)}): compare runs of the same corpus, protocol and "
            "protocol.seed"
        )
    facts = {row["key"]: (row["true"], row["speaker"]) for row in first.rows}
    if differ := [row["key"] for row in other.rows if facts[row["key"]] != (row["true"], row["speaker"])]:
        raise ResultError(
            f"{len(differ)} test utterances have another class or speaker in {other.path} than in {first.path} "
            f"({few(sorted(differ), MOST_NAMED)}): compare runs with the same label map on the same corpus"
        )


def changes(first: StoredRun, other: StoredRun) -> list[str]:
    """In words, the settings of another run that differ from those of the first.

    Where models, protocols or selections differ, settings that only one of the two reads are left out: they follow from that.
    """
    before, after = (run.settings | {"recipe": _recipe(run)} for run in (first, other))
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    if {"model.name", "protocol.name", "selection"} & {*keys}:
        keys = [key for key in keys if key in before and key in after]
    return [f"{key}: {after.get(key)} instead of {before.get(key)}" for key in keys]


def _recipe(run: StoredRun) -> str:
    """The recipe as a user would write it, with its id, since an edited feature keeps its name."""
    stored = str(run.settings["recipe"])
    return stored if run.recipe == stored else f"{run.recipe} ({stored})"


def warnings(runs: Sequence[StoredRun]) -> list[str]:
    """What should be known before a comparison is believed, besides the caveats of its runs.

    Args:
        runs: The first is compared with each of the others.
    """
    sentences = []
    protocols = list(dict.fromkeys(str(run.record["protocol"]) for run in runs))
    if len(protocols) > 1:
        sentences.append(f"protocols differ ({', '.join(protocols)}): so do the training sets, and with them the results")
    elif len({run.record["split_hash"] for run in runs}) > 1:
        sentences.append("training or validation sets differ, though the test utterances are the same")
    if len({track(run) for run in runs}) > 1:
        sentences.append(
            "tracks differ (inductive, speaker-calibrated): a difference is also what recordings of test speakers are worth, "
            "and ranks no model"
        )
    seeds = list(dict.fromkeys(str(run.record["seed"]) for run in runs))
    if len(seeds) > 1:
        sentences.append(f"seeds differ ({', '.join(seeds)}): part of any difference is theirs")
    speakers = len({row["speaker"] for row in runs[0].rows})
    if speakers == 1:
        sentences.append("there is a single test speaker, so there are no intervals, and p is 1 whatever the results")
    elif speakers < FEW_SPEAKERS:
        sentences.append(
            f"{speakers} test speakers are few: intervals are somewhat too narrow, and p is at least {smallest_p(speakers):.2g}"
        )
    if len(runs) > 2:
        sentences.append(f"the p-values of {len(runs) - 1} comparisons are not corrected for their number")
    return sentences


def track(run: StoredRun) -> tuple[str, ...]:
    """The track of a run, in a few words; nothing where it is inductive."""
    return tuple(caveat.short for caveat in of_track(run.record))


def counts(run: StoredRun, classes: list[str]) -> NDArray[np.float64]:
    """Counts of each test speaker of a run, as `wser.evaluation.uncertainty.by_speaker` has them."""
    place = {name: index for index, name in enumerate(classes)}
    true, predicted = ([place[row[side]] for row in run.rows] for side in ("true", "predicted"))
    return by_speaker(true, predicted, [row["speaker"] for row in run.rows], len(classes))


def in_words(first: str, second: str, difference: Difference, ranked: bool = True) -> str:
    """What a difference means.

    Args:
        first: Name of the run that is subtracted.
        second: Name of the other one.
        difference: Second minus first.
        ranked: Whether they are of one track, so that one may be better.
    """
    points = f"{100 * abs(difference.value):.1f}"
    if points == "0.0":
        return f"{first} and {second} agree to a tenth of a point"
    better, worse = (second, first) if difference.value > 0 else (first, second)
    p = p_value(difference.p)
    p = f"p {p}" if p.startswith("<") else f"p = {p}"
    low, high = difference.interval or (0.0, 0.0)
    sides = (low, high) if difference.value > 0 else (-high, -low)
    evidence = f"95 % interval {ends(sides)}, {p}" if difference.interval else p
    if not ranked:
        return f"{better} is {points} points above {worse}, and of another track, so neither is better ({evidence})"
    if difference.p < CERTAIN:
        return f"{better} is better than {worse} by {points} points ({evidence})"
    return f"{better} is {points} points above {worse}, which may be chance ({evidence})"
