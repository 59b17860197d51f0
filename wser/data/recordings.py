"""Which examples are doubles of one recording: by their files, the parts of these, and their pictures.

Two examples are doubles where

- they are of one file, by its SHA-256, and their parts of it overlap by more than `OVERLAP` (also of one part twice); or
- their pictures are equal, byte by byte, as those of one recording in two containers are.

Recipes that add noise, or pad at random, do so by the key of the utterance.  By these, one recording under two keys has two
pictures, and only its file shows that it is one.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

OVERLAP = 0.01
"""Seconds that two parts of a file may overlap and still be two recordings, since the times in tables are rounded."""


@dataclass(frozen=True)
class Origin:
    """What an example was made of, and what became of it.

    Attributes:
        sha256: Of the recording's file.
        begin: Of the part that was used, in seconds; None is the beginning of the file.
        end: Likewise; None is the end of the file.
        picture: SHA-256 of the picture.
    """

    sha256: str
    begin: float | None
    end: float | None
    picture: str

    @property
    def part(self) -> tuple[float, float]:
        """Begin and end in seconds, the end infinite where it is that of the file."""
        return self.begin or 0.0, math.inf if self.end is None else self.end

    @property
    def name(self) -> str:
        """The SHA-256 of the file, and the part of it unless it is the whole."""
        return self.sha256 if self.begin is None and self.end is None else f"{self.sha256}#t={self.begin},{self.end}"


def recordings(origins: Sequence[Origin]) -> list[str]:
    """The recording of each example: the same for doubles, for doubles of these, and so on.

    Returns:
        The least `name` among those that belong together, which does not depend on their order.
    """
    parent = list(range(len(origins)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = place = parent[parent[place]]
        return place

    pictures: dict[str, int] = {}
    files = defaultdict(list)
    for place, origin in enumerate(origins):
        files[origin.sha256].append(place)
        parent[root(place)] = root(pictures.setdefault(origin.picture, place))
    for places in files.values():
        if len(places) == 1:
            continue
        latest = -1
        for place in sorted(places, key=lambda place: origins[place].part):
            # Of all that begin earlier, the one that ends last overlaps most.
            if latest >= 0 and _overlap(origins[latest], origins[place]):
                parent[root(place)] = root(latest)
            if latest < 0 or origins[place].part[1] > origins[latest].part[1]:
                latest = place
    least: dict[int, str] = {}
    for place, origin in enumerate(origins):
        at = root(place)
        least[at] = min(origin.name, least.get(at, origin.name))
    return [least[root(place)] for place in range(len(origins))]


def double(some: Sequence[Origin], others: Sequence[Origin]) -> tuple[int, int] | None:
    """Places of one of some examples and one of others that are doubles of each other; None where there are none.

    One file is looked for first, then one picture.
    """
    sides = (some, others)
    latest: dict[tuple[str, int], int] = {}
    order = [(origin.sha256, origin.part, side, place) for side in (0, 1) for place, origin in enumerate(sides[side])]
    for sha256, part, side, place in sorted(order):
        met = latest.get((sha256, 1 - side))
        if met is not None and _overlap(sides[1 - side][met], sides[side][place]):
            return (met, place) if side else (place, met)
        own = latest.get((sha256, side))
        if own is None or part[1] > sides[side][own].part[1]:
            latest[sha256, side] = place
    pictures = {origin.picture: place for place, origin in enumerate(some)}
    return next(((pictures[one.picture], place) for place, one in enumerate(others) if one.picture in pictures), None)


def relation(one: Origin, other: Origin) -> tuple[str, str]:
    """What two doubles have in common, and how they are doubles, in words."""
    if one.sha256 != other.sha256:
        return f"picture with SHA-256 {one.picture}", "the same picture from different files"
    if not _overlap(*sorted((one, other), key=lambda origin: origin.part)):
        return f"picture with SHA-256 {one.picture}", "the same picture from different parts of one file"
    if one.part != other.part:
        how = f"overlapping parts of one file, {_seconds(one)} and {_seconds(other)}"
    else:
        how = "the same file" if one.part == (0, math.inf) else f"the same part of one file, {_seconds(one)}"
    return f"recording with SHA-256 {one.sha256}", how


def _seconds(origin: Origin) -> str:
    begin, end = origin.part
    return f"{begin:g} s to the end" if end == math.inf else f"{begin:g} to {end:g} s"


def _overlap(earlier: Origin, later: Origin) -> bool:
    """Whether parts of one file are doubles; what is shorter than what may overlap counts where it lies in the other."""
    begin, end = later.part
    return min(earlier.part[1], end) - begin > min(OVERLAP, (end - begin) / 2)
