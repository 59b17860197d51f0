"""Caveats of results: found here, and shown beside the results."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from precompute.common.errors import few
from precompute.common.terminal import in_a_line


@dataclass(frozen=True)
class Caveat:
    """A caveat of results; as text it is a sentence.

    Attributes:
        short: In a few words, as they stand beside a name or below a table.
        says: The sentence, without what explains it and without its full stop.
        why: What explains it; empty where it explains itself.
        folds: Numbers of the folds that it is of; none where it is of them all.
        runs: Names of the runs that it is of, of several that are shown together; none where it is of them all.
    """

    short: str
    says: str
    why: str = ""
    folds: tuple[int, ...] = ()
    runs: tuple[str, ...] = ()

    def __str__(self) -> str:
        runs = f" ({_some(self.runs)})" if self.runs else ""
        return f"{self.says}{runs}{f': {self.why}' if self.why else ''}."

    def in_brief(self) -> str:
        """In a few words, with the folds or runs that it applies to."""
        of_whom = [_some(self.runs)] if self.runs else []
        of_whom += [_folds(self.folds)] if self.folds else []
        return f"{self.short} ({', '.join(of_whom)})" if of_whom else self.short


SYNTHETIC = Caveat(
    "synthetic speech", "Synthetic speech", "no human spoke, so these results do not show how well emotions are recognised"
)
CHOSEN_ON_TEST = Caveat(
    "epoch chosen on the test set",
    "The epoch was chosen on the test set",
    "as in the paper, so the results are too good, and must not be compared with those of other selections",
)
CALIBRATED = Caveat(
    "speaker-calibrated",
    "Speaker-calibrated",
    "the input was standardised by recordings of each test speaker, without their labels, so the results are a track of their "
    "own, and must not be ranked with inductive ones",
)
"""Of runs with `data.standardise=speaker`; all others are inductive: they see a test recording only to score it."""

SHOWN = {"device": "device", "precision": "precision", "threads": "threads", "platform": "platform"}
"""What a fold records of where it was computed, whose values are short enough to be shown, and how it is called."""

UNSHOWN = {
    "revision": "revision of this software", "source": "training code", "versions": "versions of packages",
    "kernels": "kernels of the processor", "fingerprints": "pictures of the caches",
}  # fmt: skip
"""The same of what has long values."""

MOST_NAMED = 6
"""Folds, and runs, that a sentence names."""

MOST_GROUPS = 3
"""Groups of folds that a sentence lists one by one."""

LONGEST = 60
"""Characters of a value."""


def of_selection(selection: str) -> list[Caveat]:
    """The caveats that follow from the set on which the epoch was chosen."""
    return [CHOSEN_ON_TEST] if selection == "test" else []


def of_track(record: Mapping[str, Any]) -> list[Caveat]:
    """The caveats that follow from what a run saw of its test speakers.

    Args:
        record: Of the run, as run.json has it; only runs that are no inductive ones have `track`.
    """
    if record.get("track") != CALIBRATED.short:
        return []
    count = record.get("enrol")
    if not count:
        return [CALIBRATED]
    by = f" by {count} recording{'s' * (count != 1)} each"
    why = "these were drawn at random, and are not scored; their labels were not used, and the results are a track of their own"
    return [Caveat(f"{CALIBRATED.short}{by}", f"{CALIBRATED.says}{by}", f"{why}, and must not be ranked with inductive ones")]


def of(record: Mapping[str, Any], folds: Sequence[Mapping[str, Any]]) -> list[Caveat]:
    """The caveats of a run.

    Args:
        record: Of the run, as run.json has it.
        folds: Records of its finished folds, as metrics.json has them.
    """
    caveats = [SYNTHETIC] if any(corpus["synthetic"] for corpus in record["corpora"]) else []
    caveats += of_track(record) + of_selection(record["selection"])
    if diverged := tuple(fold["fold"] for fold in folds if fold.get("diverged")):
        sentence = f"The loss became infinite in {_folds(diverged)}, and training stopped there"
        caveats.append(Caveat("loss became infinite", sentence, folds=diverged))
    return caveats + mixtures(folds)


def mixtures(records: Sequence[Mapping[str, Any]]) -> list[Caveat]:
    """How folds of one result were computed differently: a caveat for each group of differences.

    Args:
        records: Of the folds; a key that none of them has, as in older runs, says nothing.
    """
    divisions: dict[tuple[tuple[int, ...], ...], list[str]] = {}
    for key in (*SHOWN, *UNSHOWN):
        groups: dict[str, list[int]] = {}
        for record in records:
            groups.setdefault(json.dumps(record.get(key), sort_keys=True), []).append(record["fold"])
        if len(groups) > 1:
            divisions.setdefault(tuple(sorted(map(tuple, groups.values()))), []).append(key)
    by_fold = {record["fold"]: record for record in records}
    return [_mixture(groups, keys, by_fold) for groups, keys in divisions.items()]


def together(runs: Iterable[tuple[str, Sequence[Caveat]]]) -> list[Caveat]:
    """The caveats of several runs, each once; where it is not of all of them, it says of which.

    Args:
        runs: Name and caveats of each.
    """
    named = list(runs)
    by_caveat: dict[Caveat, list[str]] = {}
    for name, caveats in named:
        for caveat in caveats:
            by_caveat.setdefault(caveat, []).append(name)
    return [caveat if len(names) == len(named) else replace(caveat, runs=tuple(names)) for caveat, names in by_caveat.items()]


def in_brief(caveats: Iterable[Caveat]) -> str:
    """All of them in one line; empty where there are none."""
    return "; ".join(dict.fromkeys(caveat.in_brief() for caveat in caveats))


def _mixture(groups: Sequence[tuple[int, ...]], keys: Sequence[str], by_fold: Mapping[int, Mapping[str, Any]]) -> Caveat:
    names = _and([(SHOWN | UNSHOWN)[key] for key in keys])
    shown = [key for key in keys if key in SHOWN]
    listed = [_with(group, shown, by_fold[group[0]]) for group in groups[:MOST_GROUPS]]
    more = [f"and {len(groups) - MOST_GROUPS} more groups"] if len(groups) > MOST_GROUPS else []
    how = "; ".join([*listed, *more]) if shown else ", ".join([" from ".join(listed), *more])
    return Caveat(f"folds differ in {names}", f"Folds differ in {names}", how)


def _with(group: Sequence[int], keys: Sequence[str], record: Mapping[str, Any]) -> str:
    values = [
        f"{SHOWN[key]} {in_a_line(str(record[key]))[:LONGEST]}" if record.get(key) is not None else f"{SHOWN[key]} not recorded"
        for key in keys
    ]
    return f"{_folds(group)} with {', '.join(values)}" if values else _folds(group)


def _folds(numbers: Sequence[int]) -> str:
    return f"fold{'s' * (len(numbers) > 1)} {_some(numbers)}"


def _some(names: Sequence[object]) -> str:
    return few(names, MOST_NAMED) if len(names) > MOST_NAMED else _and(names)


def _and(names: Sequence[object]) -> str:
    return " and ".join(filter(None, [", ".join(map(str, names[:-1])), str(names[-1])]))
