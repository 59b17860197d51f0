"""Enrolment: recordings of a test speaker that say how this speaker sounds, and are not scored."""

import hashlib
from collections.abc import Sequence

import numpy as np

from precompute.common.errors import UsageError
from wser.data.dataset import Example, by_speaker


class EnrolmentError(UsageError):
    """Recordings cannot be enrolled as asked for."""


def drawn(examples: Sequence[Example], indices: Sequence[int], count: int, seed: int) -> frozenset[int]:
    """Some recordings of each speaker, drawn at random: the same for every fold, whatever the labels and other speakers.

    Args:
        examples: All utterances.
        indices: Of those among which to draw.
        count: To draw of each speaker; at least one is left.
        seed: Of the run.
    """
    found: set[int] = set()
    for speaker, own in by_speaker(examples, sorted(indices, key=lambda index: examples[index].key)).items():
        named = int.from_bytes(hashlib.sha256(speaker.encode("utf-8", "surrogatepass")).digest()[:8])
        order = np.random.default_rng([seed, named]).permutation(len(own))
        found.update(own[place] for place in order[: min(count, len(own) - 1)].tolist())
    return frozenset(found)


def check(examples: Sequence[Example], train: Sequence[int], test: Sequence[int], count: int) -> None:
    """Refuse to enrol speakers of training, or so many recordings that none is left to score.

    Args:
        examples: All utterances.
        train: Indices of the training set of a fold.
        test: Of its test set.
        count: To enrol of each test speaker.

    Raises:
        EnrolmentError: One of both; the message names the speaker and the remedy.
    """
    here = [examples[index].speaker for index in test]
    if known := sorted({examples[index].speaker for index in train} & {*here}):
        raise EnrolmentError(
            f"data.enrol={count} enrols test speakers, and {known[0]} is a training speaker too: give a protocol that keeps "
            "speakers apart, such as protocol=loso, or leave data.enrol out"
        )
    speaker, least = min(((name, here.count(name)) for name in sorted({*here})), key=lambda pair: pair[1])
    if least <= count:
        raise EnrolmentError(
            f"data.enrol={count} leaves nothing to score of speaker {speaker}, of whom there are {least} test recordings: give "
            f"at most {least - 1}"
        )
