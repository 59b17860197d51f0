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


PAIRS, FEW_PAIRS = 4, 10_000_000
"""Pairs of equal keys for each step, at most, where there are more than a few: of large corpora only rarer keys are compared,
so that time and memory grow with the number of recordings, and not with its square."""

AT_ONCE = 1 << 14
"""Pairs of recordings that are compared at once."""

Steps = NDArray[np.uint32]
Places = NDArray[np.int64]


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

    Only recordings that share some keys at the same shift are compared, and of very many recordings only by rarer keys, so that
    time grows linearly with their number.

    Args:
        fingerprints: As `fingerprint` gives them, of one recipe; empty ones match nothing.
        speakers: Of each of them.

    Raises:
        ValueError: A text is not a fingerprint.
    """
    steps = [_steps(text) for text in fingerprints]
    first, second, shift = _candidates(steps)
    agreement = _agreements(steps, first, second, shift)
    best: dict[tuple[int, int], float] = {}
    for place in np.flatnonzero(agreement >= min(ALIKE, ALIKE_OF_ONE)).tolist():
        earlier, later, alike = int(first[place]), int(second[place]), float(agreement[place])
        if alike >= (ALIKE_OF_ONE if speakers[earlier] == speakers[later] else ALIKE):
            best[earlier, later] = max(alike, best.get((earlier, later), 0.0))
    return [Pair(*places, agreement) for places, agreement in sorted(best.items())]


def _steps(text: str) -> Steps:
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), ">u4").astype(np.uint32)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not an acoustic fingerprint: it must be base64 of 32-bit numbers") from None


def _candidates(steps: Sequence[Steps]) -> tuple[Places, Places, Places]:
    """Indices of two recordings and the shift of the second's steps at which they share `MATCHES` keys, within one step."""
    later = 3
    # A key is half of the bits of a step, and a quarter of those of another step that smoothing hardly mixes with it.
    keys = [(step[:-later] & np.uint64(0x55555555)) << 32 | (step[later:] & np.uint64(0x11111111)) for step in steps]
    counts = [len(key) for key in keys]
    if sum(counts) == 0:
        nothing = np.zeros(0, np.int64)
        return nothing, nothing, nothing
    owner, moment = np.repeat(np.arange(len(keys)), counts), np.concatenate([np.arange(count) for count in counts])
    every = np.concatenate(keys)
    order = np.argsort(every, kind="stable")
    every, owner, moment = every[order], owner[order], moment[order]
    starts = np.flatnonzero(np.r_[True, every[1:] != every[:-1]])
    sizes = np.diff(np.r_[starts, len(every)])
    most = _most_alike(sizes)
    usual = np.repeat((sizes > 1) & (sizes <= most), sizes)
    rank = (np.arange(len(every)) - np.repeat(starts, sizes))[usual]
    owner, moment = owner[usual], moment[usual]
    longest = max(counts) + 1
    hits = [np.zeros(0, np.int64)]
    for back in range(1, most):
        second = np.flatnonzero(rank >= back)
        first = second - back
        # Sorting is stable, so that the first of two equal keys is of the recording that comes first.
        differ = owner[first] != owner[second]
        first, second = first[differ], second[differ]
        pair = owner[first].astype(np.int64) * len(keys) + owner[second]
        hits.append(pair * (2 * longest) + (moment[first] - moment[second] + longest))
    places, count = np.unique(np.concatenate(hits), return_counts=True)
    # What is shared at a shift counts together with what is shared at the shift before it, and for both.
    follows = places[1:] == places[:-1] + 1
    together = count.copy()
    together[1:][follows] += count[:-1][follows]
    last = np.append(~follows, True)[: len(places)]
    pair, shift = np.divmod(np.sort(np.r_[places[together >= MATCHES], places[last & (count >= MATCHES)] + 1]), 2 * longest)
    return *np.divmod(pair, len(keys)), shift - longest


def _most_alike(sizes: NDArray[np.int64]) -> int:
    """Number of occurrences above which a key is ignored: `MOST_ALIKE`, or fewer where there would be too many pairs.

    Args:
        sizes: Number of occurrences of each key.
    """
    known = np.arange(MOST_ALIKE + 1)
    pairs = np.bincount(sizes[sizes <= MOST_ALIKE], minlength=MOST_ALIKE + 1) * (known * (known - 1) // 2)
    return int(np.flatnonzero(pairs.cumsum() <= max(FEW_PAIRS, PAIRS * sizes.sum()))[-1])


def _agreements(steps: Sequence[Steps], first: Places, second: Places, shift: Places) -> NDArray[np.float64]:
    """Share of equal bits of two fingerprints, the largest of a shift and its neighbours.

    Args:
        steps: Of all fingerprints.
        first: Indices of fingerprints, (n,).
        second: Of the others, (n,).
        shift: How many steps after `first` `second` begins, (n,).

    Returns:
        (n,), 0 where they overlap too little.
    """
    lengths = np.array([len(fingerprint) for fingerprint in steps])
    best = np.zeros(len(first))
    if not len(first):
        return best
    every, starts = np.concatenate(steps), np.cumsum(lengths) - lengths
    for at in range(0, len(first), AT_ONCE):
        part = slice(at, at + AT_ONCE)
        ours_at, theirs_at = first[part], second[part]
        for more in (-1, 0, 1):
            moved = shift[part] + more
            begin, end = np.maximum(0, moved), np.minimum(lengths[ours_at], moved + lengths[theirs_at])
            common = end - begin
            least = np.maximum(FEWEST_STEPS, LEAST_COMMON * np.minimum(lengths[ours_at], lengths[theirs_at]))
            enough = np.flatnonzero(common >= least)
            if not len(enough):
                continue
            counts = common[enough]
            ends = np.cumsum(counts)
            within = np.arange(ends[-1]) - np.repeat(ends - counts, counts)
            ours = every[np.repeat((starts[ours_at] + begin)[enough], counts) + within]
            theirs = every[np.repeat((starts[theirs_at] + begin - moved)[enough], counts) + within]
            differing = np.add.reduceat(np.bitwise_count(ours ^ theirs), ends - counts, dtype=np.int64)
            of_part = best[part]
            of_part[enough] = np.maximum(of_part[enough], 1 - differing / (BITS * counts))
    return best
