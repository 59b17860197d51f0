"""What must be known about figures before they are believed, said wherever they stand."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from precompute.common.terminal import in_a_line

if TYPE_CHECKING:
    from wser.results import Stored

SYNTHETIC = "Synthetic speech: nobody spoke, so these figures say nothing about emotions."
CHOSEN_ON_TEST = (
    "The epoch was chosen on the test part: as the paper's, the figures flatter, and are not to be compared with honest ones."
)

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
"""Groups of folds that a sentence tells apart."""

LONGEST = 60
"""Characters of a value."""


def of(stored: "Stored", records: Sequence[Mapping[str, Any]]) -> list[str]:
    """What must be known about the figures of a run, a plain sentence each; what stands before a colon says it shortly.

    Args:
        stored: The run.
        records: Of its finished folds, as metrics.json has them.
    """
    found = []
    if any(one["synthetic"] for one in stored.record["corpora"]):
        found.append(SYNTHETIC)
    if stored.record["selection"] == "test":
        found.append(CHOSEN_ON_TEST)
    if diverged := [record["fold"] for record in records if record.get("diverged")]:
        found.append(f"The loss became infinite in {_folds(diverged)}, and training stopped there.")
    return found + mixtures(records)


def mixtures(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """In what folds that are one result were computed differently: a sentence for each way in which they fall apart.

    Args:
        records: Of the folds; a key that none of them has, as in older runs, tells nothing.
    """
    divisions: dict[tuple[tuple[int, ...], ...], list[str]] = {}
    for key in (*SHOWN, *UNSHOWN):
        groups: dict[str, list[int]] = {}
        for record in records:
            groups.setdefault(json.dumps(record.get(key), sort_keys=True), []).append(record["fold"])
        if len(groups) > 1:
            divisions.setdefault(tuple(sorted(map(tuple, groups.values()))), []).append(key)
    by_fold = {record["fold"]: record for record in records}
    return [_sentence(groups, keys, by_fold) for groups, keys in divisions.items()]


def together(runs: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """The sentences of several runs, each once; where it is not of all of them, it says of which.

    Args:
        runs: Name and sentences of each.
    """
    named = list(runs)
    by_sentence: dict[str, list[str]] = {}
    for name, sentences in named:
        for sentence in sentences:
            by_sentence.setdefault(sentence, []).append(name)
    return [sentence if len(names) == len(named) else _of(sentence, _some(names)) for sentence, names in by_sentence.items()]


def shortly(sentences: Iterable[str]) -> str:
    """The same for a line beneath a figure; nothing where there is nothing to be known."""
    return "; ".join(dict.fromkeys(sentence.removesuffix(".").partition(": ")[0] for sentence in sentences))


def _of(sentence: str, names: str) -> str:
    """A sentence that says of whom it is, before what explains it."""
    short, colon, why = sentence.removesuffix(".").partition(": ")
    return f"{short} ({names}){colon}{why}."


def _sentence(groups: Sequence[tuple[int, ...]], keys: Sequence[str], by_fold: Mapping[int, Mapping[str, Any]]) -> str:
    names = _and([(SHOWN | UNSHOWN)[key] for key in keys])
    shown = [key for key in keys if key in SHOWN]
    told = [_with(group, shown, by_fold[group[0]]) for group in groups[:MOST_GROUPS]]
    more = [f"and {len(groups) - MOST_GROUPS} more groups"] if len(groups) > MOST_GROUPS else []
    if shown:
        return f"Folds differ in {names}: {'; '.join([*told, *more])}."
    return f"Folds differ in {names}: {' from '.join(told)}{', ' + more[0] if more else ''}."


def _with(group: Sequence[int], keys: Sequence[str], record: Mapping[str, Any]) -> str:
    values = [
        f"{SHOWN[key]} {in_a_line(str(record[key]))[:LONGEST]}" if record.get(key) is not None else f"{SHOWN[key]} not recorded"
        for key in keys
    ]
    return f"{_folds(group)} with {', '.join(values)}" if values else _folds(group)


def _folds(numbers: Sequence[int]) -> str:
    return f"fold{'s' * (len(numbers) > 1)} {_some(list(map(str, numbers)))}"


def _some(names: Sequence[str]) -> str:
    if len(names) > MOST_NAMED:
        return f"{', '.join(names[:MOST_NAMED])} and {len(names) - MOST_NAMED} more"
    return _and(names)


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
