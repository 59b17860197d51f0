"""Which examples are of one recording: by what is heard, by their files, the parts of these, and their pictures.

Two examples are doubles, and are never in two sets of a split, where

- they are of one recording, by the SHA-256 of its decoded samples or of its file, and their parts of it overlap by more than
  `OVERLAP` (also of one part twice); or
- their own decoded samples are equal, as those of a part and of a file that holds this part alone are; or
- their pictures are equal, byte by byte.

Parts of one recording that touch, as consecutive windows do, are not doubles, but count as one recording: random splits keep
them together.  They may be in two sets only where their speakers differ, as consecutive turns of a dialogue.

Caches before layout 1.5 do not say what was decoded.  There one recording in two containers shows by its pictures alone, and
not where a recipe adds noise or pads at random, by the key of the utterance.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

OVERLAP = 0.01
"""Seconds that two parts of a file may overlap and still not be doubles, or be apart and still touch, since the times in tables
are rounded."""


@dataclass(frozen=True)
class Origin:
    """What an example was made from, and what was made from it.

    Attributes:
        sha256: Of the recording's file.
        begin: Of the part that was used, in seconds; None is the beginning of the file.
        end: Likewise; None is the end of the file.
        picture: SHA-256 of the picture.
        samples: SHA-256 of the example's decoded samples, None where the cache does not say it.
        recording: SHA-256 of the decoded samples of the whole recording, likewise.
    """

    sha256: str
    begin: float | None
    end: float | None
    picture: str
    samples: str | None = None
    recording: str | None = None

    @property
    def part(self) -> tuple[float, float]:
        """Begin and end in seconds, the end infinite where it is that of the file."""
        return self.begin or 0.0, math.inf if self.end is None else self.end

    @property
    def name(self) -> str:
        """The SHA-256 of the file, and the part of it unless it is the whole."""
        return self.sha256 if self.begin is None and self.end is None else f"{self.sha256}#t={self.begin},{self.end}"

    @property
    def heard(self) -> str:
        """What names the whole recording: its decoded samples, or its file where these are not known."""
        return self.recording or self.sha256

    @property
    def wholes(self) -> tuple[str, ...]:
        """What may be the recording of another example too, of which this one is a part."""
        return (f"file {self.sha256}",) if self.recording is None else (f"file {self.sha256}", f"recording {self.recording}")

    @property
    def equals(self) -> tuple[str, ...]:
        """What no other example has, unless it is a double."""
        return (f"picture {self.picture}",) if self.samples is None else (f"picture {self.picture}", f"samples {self.samples}")


def recordings(origins: Sequence[Origin]) -> list[str]:
    """The recording of each example: the same for doubles, for parts of a file that touch, for doubles of these, and so on.

    Returns:
        The least `name` among those that belong together, which does not depend on their order.
    """
    parent = list(range(len(origins)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = place = parent[parent[place]]
        return place

    for place, other in _pairs(origins):
        parent[root(place)] = root(other)
    least: dict[int, str] = {}
    for place, origin in enumerate(origins):
        at = root(place)
        least[at] = min(origin.name, least.get(at, origin.name))
    return [least[root(place)] for place in range(len(origins))]


def _pairs(origins: Sequence[Origin]) -> Iterator[tuple[int, int]]:
    """Places of doubles and of parts that touch, enough of them that all are linked."""
    first: dict[str, int] = {}
    wholes = defaultdict(list)
    for place, origin in enumerate(origins):
        for name in origin.equals:
            yield place, first.setdefault(name, place)
        for name in origin.wholes:
            wholes[name].append(place)
    for places in wholes.values():
        latest = -1
        for place in sorted(places, key=lambda place: origins[place].part):
            # Of all that begin earlier, the one that ends last comes nearest.
            if latest >= 0 and _touch(origins[latest], origins[place]):
                yield place, latest
            if latest < 0 or origins[place].part[1] > origins[latest].part[1]:
                latest = place


def double(some: Sequence[Origin], others: Sequence[Origin], touching: bool = False) -> tuple[int, int] | None:
    """Places of one of some examples and one of others that are doubles of each other; None where there are none.

    One recording is looked for first, then equal samples, then one picture.

    Args:
        some: Examples.
        others: Other examples.
        touching: Whether parts of a recording that touch count too.
    """
    related = _touch if touching else _overlap
    sides = (some, others)
    latest: dict[tuple[str, int], int] = {}
    order = [
        (whole, origin.part, side, place)
        for side in (0, 1)
        for place, origin in enumerate(sides[side])
        for whole in origin.wholes
    ]
    for whole, part, side, place in sorted(order):
        met = latest.get((whole, 1 - side))
        if met is not None and related(sides[1 - side][met], sides[side][place]):
            return (met, place) if side else (place, met)
        own = latest.get((whole, side))
        if own is None or part[1] > sides[side][own].part[1]:
            latest[whole, side] = place
    equal = {name: place for place, origin in enumerate(some) for name in origin.equals}
    shared = [(name, place) for place, origin in enumerate(others) for name in origin.equals if name in equal]
    # "samples" after "picture": what was heard says more.
    return next(((equal[name], place) for name, place in sorted(shared, key=lambda pair: pair[0], reverse=True)), None)


def relation(first: Origin, second: Origin) -> tuple[str, str]:
    """What two doubles, or two parts that touch, have in common, and how, in words."""
    same = first.sha256 == second.sha256
    of_one = bool({*first.wholes} & {*second.wholes})
    overlapping = of_one and _overlap(*sorted((first, second), key=lambda origin: origin.part))
    if not overlapping:
        parts = "different parts of one file" if same else "different files"
        if first.samples and first.samples == second.samples:
            return f"utterance with SHA-256 {first.samples} of its samples", f"the same samples from {parts}"
        if first.picture == second.picture:
            return f"picture with SHA-256 {first.picture}", f"the same picture from {parts}"
    what = f"recording with SHA-256 {first.sha256 if same else f'{first.recording} of its samples'}"
    whole = "one file" if same else "one recording, in different files"
    if first.part != second.part:
        how = "overlapping" if overlapping else "consecutive"
        return what, f"{how} parts of {whole}, {_seconds(first)} and {_seconds(second)}"
    if first.part == (0, math.inf):
        return what, "the same file" if same else "the same samples from different files"
    return what, f"the same part of {whole}, {_seconds(first)}"


def _seconds(origin: Origin) -> str:
    begin, end = origin.part
    return f"{begin:g} s to the end" if end == math.inf else f"{begin:g} to {end:g} s"


def _overlap(earlier: Origin, later: Origin) -> bool:
    """Whether parts of one file are doubles; a part shorter than the allowed overlap counts where it is inside the other."""
    begin, end = later.part
    return min(earlier.part[1], end) - begin > min(OVERLAP, (end - begin) / 2)


def _touch(earlier: Origin, later: Origin) -> bool:
    """Whether the later part of one file begins before the earlier one ends, or within `OVERLAP` after it."""
    return later.part[0] - earlier.part[1] <= OVERLAP
