"""What training and test set of a split have in common: reasons for which results may be too good."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wser.data.dataset import Example
from wser.protocols import Fold

MOST_NAMED = 5
"""Examples that a report names."""


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


def of_fold(fold: Fold, examples: Sequence[Example], near_doubles: Sequence[tuple[int, int]] | None) -> Leakage:
    """The report of a fold.

    Args:
        fold: Of the split.
        examples: Of the fold.
        near_doubles: Places of two examples that sound nearly alike; None where this is unknown.
    """
    known = [examples[i] for i in (*fold.train, *fold.validation)]
    unseen = [examples[i] for i in fold.test]
    here, there = {*fold.train, *fold.validation}, {*fold.test}
    named = here | there
    across = [pair for pair in near_doubles or () if {*pair} & here and {*pair} & there]
    return Leakage(
        fold.number,
        speakers=_shared([e.speaker for e in known], [e.speaker for e in unseen]),
        sessions=_shared([e.session for e in known], [e.session for e in unseen]),
        sentences=_shared(map(_sentence, known), map(_sentence, unseen)),
        recordings=_shared([e.origin.heard for e in known], [e.origin.heard for e in unseen]),
        near_doubles=Shared(None, ())
        if near_doubles is None
        else _first([f"{examples[first].key} ~ {examples[second].key}" for first, second in across]),
        left_out=_first(sorted(example.key for i, example in enumerate(examples) if i not in named)),
    )


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


def _shared(known: Iterable[str | None], unseen: Iterable[str | None]) -> Shared:
    here, there = set(known) - {None}, set(unseen) - {None}
    # If one set has no information, the answer is unknown.
    return _first(sorted(map(str, here & there))) if here and there else Shared(None, ())


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
