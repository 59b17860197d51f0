"""What training and test set of a split have in common: reasons for which results may be too good."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wser.data.dataset import Example
from wser.protocols import Fold, numbered

MOST_NAMED = 5
"""Examples that a report names."""

KNOWN, UNSEEN = 1, 2
"""The sides of a split: training with validation, and test."""


@dataclass(frozen=True)
class Shared:
    """What is both in training (with validation) and in the test set.

    Attributes:
        count: How many; None where the corpora do not record it.
        examples: The first few.
    """

    count: int | None
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Leakage:
    """The report of one fold.

    Attributes:
        fold: Its number.
        speakers: Speakers in both sets.
        sessions: Recording sessions in both sets.
        sentences: Sentences that the same speaker says in both sets, as `speaker: sentence`.
        recordings: Recordings, by SHA-256, of which different segments are in both sets; the same segment in both is
            refused.
        left_out: Utterances in none of the sets.
        near_doubles: Pairs of utterances that sound nearly alike, one in each set, as `key ~ key`.
    """

    fold: int
    speakers: Shared
    sessions: Shared
    sentences: Shared
    recordings: Shared
    left_out: Shared
    near_doubles: Shared = Shared(None, ())


def of_folds(
    folds: Sequence[Fold], examples: Sequence[Example], near_doubles: Sequence[tuple[int, int]] | None
) -> list[Leakage]:
    """The reports of all folds.

    Args:
        folds: Of the split.
        examples: Of the folds.
        near_doubles: Places of two examples that sound nearly alike; None where this is unknown.
    """
    columns = {
        "speakers": numbered(e.speaker for e in examples),
        "sessions": numbered(e.session for e in examples),
        "sentences": numbered(map(_sentence, examples)),
        "recordings": numbered(e.origin.heard for e in examples),
    }
    pairs = np.array(near_doubles or [], np.int64).reshape(-1, 2)
    return [_of_fold(fold, examples, columns, None if near_doubles is None else pairs) for fold in folds]


def _of_fold(
    fold: Fold,
    examples: Sequence[Example],
    columns: Mapping[str, tuple[NDArray[np.int64], Sequence[str]]],
    near_doubles: NDArray[np.int64] | None,
) -> Leakage:
    sides = np.zeros(len(examples), np.uint8)
    sides[np.array((*fold.train, *fold.validation), np.int64)] = KNOWN
    sides[np.array(fold.test, np.int64)] = UNSEEN
    shared = {what: _shared(sides, numbers, names) for what, (numbers, names) in columns.items()}
    across = Shared(None, ())
    if near_doubles is not None:
        meeting = near_doubles[sides[near_doubles].sum(axis=1) == KNOWN + UNSEEN].tolist()
        across = _first([f"{examples[first].key} ~ {examples[second].key}" for first, second in meeting])
    left_out = _first(sorted(examples[i].key for i in np.flatnonzero(sides == 0).tolist()))
    return Leakage(fold.number, left_out=left_out, near_doubles=across, **shared)


def lines(reports: Sequence[Leakage], speaker_independent: bool) -> list[str]:
    """The reports of all folds in a few lines, for the screen.

    Args:
        reports: Of all folds.
        speaker_independent: Whether the protocol promises disjoint speakers.
    """
    known = any(report.speakers.count for report in reports)
    remark = " (results are for known speakers)" if known else " (as the protocol promises)" if speaker_independent else ""
    table = {
        "speakers": _range([report.speakers for report in reports]) + remark,
        "sessions": _range([report.sessions for report in reports]),
        "sentences of one speaker": _range([report.sentences for report in reports]),
        "recordings": _range([report.recordings for report in reports]),
        "nearly equal recordings": _range([report.near_doubles for report in reports]),
    }
    shown = ["shared by training (with validation) and test:", *(f"  {what:<25} {text}" for what, text in table.items())]
    if any(report.left_out.count for report in reports):
        shown.append(f"left out by the split: {_range([report.left_out for report in reports])}")
    return shown


def _sentence(example: Example) -> str | None:
    return None if example.sentence is None else f"{example.speaker}: {example.sentence}"


def _shared(sides: NDArray[np.uint8], numbers: NDArray[np.int64], names: Sequence[str]) -> Shared:
    """What both sides have of a column.

    Args:
        sides: Of each example: `KNOWN`, `UNSEEN`, or 0 for neither.
        numbers: Of its name in the column, -1 for None.
        names: By number.
    """
    # The last one is that of None.
    present = np.zeros((2, len(names) + 1), bool)
    for side, has in zip((KNOWN, UNSEEN), present, strict=True):
        has[numbers[sides == side]] = True
    here, there = present[:, :-1]
    # If one set has no information, it is not known.
    if not (here.any() and there.any()):
        return Shared(None, ())
    return _first(sorted(names[number] for number in np.flatnonzero(here & there).tolist()))


def _first(names: Sequence[str]) -> Shared:
    return Shared(len(names), tuple(names[:MOST_NAMED]))


def _range(shared: Sequence[Shared]) -> str:
    counts = sorted(of_fold.count for of_fold in shared if of_fold.count is not None)
    if not counts:
        return "not recorded"
    few = next((of_fold.examples for of_fold in shared if of_fold.count), ())
    number = "none" if counts[-1] == 0 else str(counts[0]) if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
    a_fold = " a fold" if len(shared) > 1 and few else ""
    such_as = f", such as {', '.join(few[:3])}" if few else ""
    return f"{number}{a_fold}{such_as}"
