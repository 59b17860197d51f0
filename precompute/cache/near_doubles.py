"""Recordings that sound nearly alike: resampled, trimmed, louder or softer, or compressed copies of each other.

An acoustic fingerprint holds 32 bits for each step of time of a picture: whether the difference between neighbouring bands
grows or falls, as in Haitsma and Kalker (2002), "A Highly Robust Audio Fingerprinting System" (ISMIR).  Bands end at 3 kHz, so
that a copy of a lower rate has the same.  Two recordings are near doubles where at some shift in time most bits agree.

Two takes of one sentence by one speaker are more alike than recordings of two speakers, which therefore have a lower
threshold: of the 1.2 million pairs of distinct recordings in EmoDB and RAVDESS only one, by one actor, exceeds it.
`benchmarks/near_doubles.py` measures which copies are found.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BITS = 32
"""Bits of each step: differences of neighbouring bands."""

LOWEST, HIGHEST = 100.0, 3000.0
"""Edges of the bands in Hz: from the lowest voices to the bandwidth of a phone."""

STEP = 0.03125
"""Duration of a step in seconds, at least that of a column of the picture."""

SMOOTHED, APART = 0.125, 0.1875
"""Seconds over which levels are averaged, and between the two times at which they are compared."""

LOUD = 0.5
"""Mean level of a step, re the loudest step: softer steps at either end are left out, since all silence is alike."""

ALIKE, ALIKE_OF_ONE = 0.82, 0.88
"""Least share of equal bits with which two recordings of different speakers, or of one, count as near doubles; by chance it
is one half."""

LEAST_COMMON = 0.6
"""Share of the shorter fingerprint that must overlap the other."""

FEWEST_STEPS = 16
"""Steps of a fingerprint, at least: half a second."""

MATCHES = 2
"""Equal keys at one shift that make two recordings worth comparing."""

MOST_ALIKE = 100
"""Number of occurrences above which a key is ignored, as too common."""


@dataclass(frozen=True)
class Pair:
    """Two near doubles: their indices in the sequence, in ascending order, and the share of equal bits."""

    first: int
    second: int
    agreement: float


def fingerprint(levels: NDArray[np.uint8], frequencies: NDArray[np.float64], column: float) -> str:
    """The acoustic fingerprint of an utterance.

    Args:
        levels: Of its picture, (rows, columns), without the columns that hold nothing of it.
        frequencies: Of the rows in Hz, descending, (rows,).
        column: Duration of a column in seconds.

    Returns:
        Base64 of the steps as unsigned 32-bit big-endian numbers; empty where the rows are too coarse for the bands, or less
        than half a second is loud.
    """
    rows = np.flatnonzero((frequencies >= LOWEST) & (frequencies <= HIGHEST))
    if len(rows) < BITS + 1:
        return ""
    pooled = max(1, round(STEP / column))
    steps = levels.shape[1] // pooled
    smoothed, half = max(1, round(SMOOTHED / (pooled * column))), max(1, round(APART / (2 * pooled * column)))
    if steps < max(FEWEST_STEPS, smoothed):
        return ""
    shades = levels[:, : steps * pooled].astype(np.float32).reshape(len(levels), steps, pooled).mean(axis=2)
    edges = rows[0] + np.arange(BITS + 1) * len(rows) // (BITS + 1)
    sizes = np.diff([*edges, rows[-1] + 1])
    bands = np.add.reduceat(shades[: rows[-1] + 1], edges, axis=0) / sizes[:, None]
    before = smoothed // 2
    sums = np.cumsum(np.pad(bands, ((0, 0), (before + 1, smoothed - 1 - before))), axis=1)
    contrast = np.diff(sums[:, smoothed:] - sums[:, :-smoothed], axis=0)
    rising = np.zeros(contrast.shape, bool)
    rising[:, half:-half] = contrast[:, 2 * half :] > contrast[:, : -2 * half]
    loudness = shades.mean(axis=0)
    loud = np.flatnonzero(loudness >= LOUD * loudness.max())
    if loudness.max() == 0 or loud[-1] + 1 - loud[0] < FEWEST_STEPS:
        return ""
    return base64.b64encode(np.packbits(rising[:, loud[0] : loud[-1] + 1].T, axis=1).tobytes()).decode()


def near_doubles(fingerprints: Sequence[str], speakers: Sequence[str]) -> list[Pair]:
    """Pairs of near doubles, in the order of their indices.

    Only recordings that share some keys at the same shift are compared, so that the time grows linearly with their number.

    Args:
        fingerprints: As `fingerprint` gives them, of one recipe; empty ones match nothing.
        speakers: Of each of them.

    Raises:
        ValueError: A text is not a fingerprint.
    """
    steps = [_steps(text) for text in fingerprints]
    best: dict[tuple[int, int], float] = {}
    for first, second, shift in _candidates(steps):
        agreement = max(_agreement(steps[first], steps[second], shift + more) for more in (-1, 0, 1))
        least = ALIKE_OF_ONE if speakers[first] == speakers[second] else ALIKE
        if agreement >= max(least, best.get((first, second), 0.0)):
            best[first, second] = agreement
    return [Pair(*places, agreement) for places, agreement in sorted(best.items())]


def _steps(text: str) -> NDArray[np.uint32]:
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), ">u4").astype(np.uint32)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not an acoustic fingerprint: it must be base64 of 32-bit numbers") from None


def _candidates(steps: Sequence[NDArray[np.uint32]]) -> list[tuple[int, int, int]]:
    """Indices of two recordings and the shift of the second's steps at which they share `MATCHES` keys, within one step."""
    later = 3
    # A key is half of the bits of a step, and a quarter of those of another step that smoothing hardly mixes with it.
    keys = [(step[:-later] & np.uint64(0x55555555)) << 32 | (step[later:] & np.uint64(0x11111111)) for step in steps]
    counts = [len(key) for key in keys]
    if sum(counts) == 0:
        return []
    owner, moment = np.repeat(np.arange(len(keys)), counts), np.concatenate([np.arange(count) for count in counts])
    every = np.concatenate(keys)
    order = np.argsort(every, kind="stable")
    every, owner, moment = every[order], owner[order], moment[order]
    starts = np.flatnonzero(np.r_[True, every[1:] != every[:-1]])
    sizes = np.diff(np.r_[starts, len(every)])
    rank = np.arange(len(every)) - np.repeat(starts, sizes)
    usual = np.repeat(sizes <= MOST_ALIKE, sizes)
    longest = max(counts) + 1
    hits = []
    for back in range(1, int(min(sizes.max(), MOST_ALIKE))):
        there = np.flatnonzero(usual & (rank >= back))
        here = there - back
        # Sorting is stable, so that the first of two equal keys is of the recording that comes first.
        differ = owner[here] != owner[there]
        here, there = here[differ], there[differ]
        pair = owner[here].astype(np.int64) * len(keys) + owner[there]
        hits.append(pair * (2 * longest) + (moment[here] - moment[there] + longest))
    pairs = np.concatenate(hits) if hits else np.zeros(0, np.int64)
    places, count = np.unique(np.concatenate([pairs, pairs + 1]), return_counts=True)
    return [
        (
            int(place // (2 * longest)) // len(keys),
            int(place // (2 * longest)) % len(keys),
            int(place % (2 * longest)) - longest,
        )
        for place in places[count >= MATCHES]
    ]


def _agreement(first: NDArray[np.uint32], second: NDArray[np.uint32], shift: int) -> float:
    """Share of equal bits where `second` begins `shift` steps after `first`; 0 where they overlap too little."""
    begin, end = max(0, shift), min(len(first), shift + len(second))
    if end - begin < max(FEWEST_STEPS, LEAST_COMMON * min(len(first), len(second))):
        return 0.0
    differing = np.bitwise_count(first[begin:end] ^ second[begin - shift : end - shift])
    return 1 - float(differing.sum()) / (BITS * (end - begin))
