"""The columns of a table: what each is taken for, by the names that are usual in the field."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from precompute.common.errors import few

NEEDED = ("path", "speaker", "emotion")
TIMES = ("start", "end", "duration")

NAMES = {
    "path": "file filename filepath wav wavfile wavpath audio audiofile audiofilename audiofilepath audiopath soundfile",
    "speaker": "speakerid speakername spk spkid spkr subject subjectid actor actorid participant participantid talker",
    "emotion": "emotionlabel emo emolabel label class category target",
    "start": "begin beginning onset starttime begintime startsec starttimestamp segmentstart tmin xmin",
    "end": "stop endtime stoptime endsec endtimestamp segmentend tmax xmax",
    "duration": "dur segmentduration length len",
    "sex": "gender speakersex speakergender",
    "session": "sessionid",
    "sentence": "sentenceid statement prompt promptid",
    "intensity": "emotionintensity",
    "key": "utteranceid uttid utt utterance segmentid",
    "same_speakers_as": "",
}
"""Other names of each column, without spaces, points, dashes and underscores; capitals do not matter."""

OFFSET = "offset"
"""End where `onset` stands beside it, else the start, as in the manifests of NeMo."""

UNITS = {
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "millis": 1e-3,
    "millisecond": 1e-3, "milliseconds": 1e-3, "min": 60.0, "minutes": 60.0,
}  # fmt: skip
"""Seconds of each unit that the name of a column of times may end in."""

COUNTED = {"sample", "samples", "frame", "frames"}
"""Units that need a rate, which no table says."""

LIKE_TIMES = {"start", "begin", "beginning", "end", "stop", "onset", "offset"}
"""Words in the name of a column by which it may be of times."""

SHORTEST_SLIP = 4
"""Letters that a name needs for a typing error to be recognised; one less where two letters are exchanged."""

LENGTHS = {"length", "len"}
"""Durations where there is a start column, and unknown elsewhere."""

_MEANT = {plain: meant for meant, names in NAMES.items() for plain in (meant.replace("_", ""), *names.split())}


@dataclass(frozen=True)
class Columns:
    """What the columns of a table are taken for.

    Attributes:
        meant: Index of the column by what it means, as in `NAMES`.
        unit: Seconds of the unit of each column of times.
        extras: Index of each other column by its name in the table, which is kept as it is.
        faults: What cannot be understood, one sentence each.
    """

    meant: dict[str, int]
    unit: dict[str, float]
    extras: dict[str, int]
    faults: tuple[str, ...]

    @property
    def like_times(self) -> dict[str, int]:
        """Those extras whose names are like those of times."""
        return {name: at for name, at in self.extras.items() if {*_words(name)} & LIKE_TIMES}


def understand(header: Sequence[str]) -> Columns:
    """What the columns of a table are taken for.

    A column of the very name comes first; others that could mean the same are extras then, unless they are of times.

    Args:
        header: Names of the columns.
    """
    names = [unicodedata.normalize("NFC", name).strip() for name in header]
    columns: dict[str, list[int]] = {}
    unit: dict[int, float] = {}
    faults = []
    slips: set[str] = set()
    for at, name in enumerate(names):
        meant, factor = _meaning(name, names)
        if meant in TIMES and factor is None:
            faults.append(f"column {name} counts samples or frames, whose rate is not known: give seconds in start and end")
        elif meant:
            columns.setdefault(meant, []).append(at)
            unit[at] = factor or 1.0
        elif slip := _slip(name):
            faults.append(f"column {name} is similar to {slip}: rename it to {slip}, or to a name less similar")
            slips.add(slip)
    chosen: dict[str, int] = {}
    for meant, places in columns.items():
        exact = [at for at in places if names[at].lower() == meant]
        several = meant in TIMES or len(exact) != 1
        if len(places) > 1 and several:
            listed = " and ".join(names[at] for at in places)
            if len(exact) < len(places):
                faults.append(f"columns {listed} both mean {meant}: rename or remove all but one")
        chosen[meant] = (exact or places)[0]
    if "duration" in chosen and "start" not in chosen and "".join(_words(names[chosen["duration"]])) in LENGTHS:
        del chosen["duration"]
    if missing := [meant for meant in NEEDED if meant not in chosen and meant not in slips]:
        missing_are = f"column {missing[0]} is" if len(missing) == 1 else f"columns {', '.join(missing)} are"
        remedy = (
            "rename the one that holds it, or add it" if len(missing) == 1 else "rename the ones that hold them, or add them"
        )
        existing = f" among {few(given, 10)}" if (given := [name for name in names if name]) else ""
        faults.append(f"{missing_are} missing{existing}: {remedy}")
    extras: dict[str, int] = {}
    for at, name in enumerate(names):
        if at not in chosen.values():
            if name.lower() in extras or name.lower() in chosen:
                faults.append(f"column {name} occurs more than once")
            extras[name.lower()] = at
    return Columns(
        chosen, {meant: unit[at] for meant, at in chosen.items()}, extras, tuple(f"line 1: {fault}" for fault in faults)
    )


def _meaning(name: str, names: Iterable[str]) -> tuple[str, float | None]:
    """What a column means, empty where it is unknown, and the unit of its name, None for one that counts."""
    words = _words(name)
    plain = "".join(words)
    if plain in _MEANT:
        return _MEANT[plain], 1.0
    head, last = "".join(words[:-1]), words[-1] if words else ""
    unit = UNITS.get(last, 1.0)
    plain = head if last in UNITS or last in COUNTED else plain
    if plain == OFFSET:
        others = {"".join(_words(other)) for other in names}
        meant = "end" if any(other.startswith("onset") for other in others) else "start"
    else:
        meant = _MEANT.get(plain, "")
    return (meant, None if last in COUNTED else unit) if meant in TIMES else ("", 1.0)


def _words(name: str) -> list[str]:
    """Words of the name of a column: `startTime`, `start_time` and `Start (time)` are two."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFKC", name))
    return re.findall(r"[^\W_]+", split.casefold())


def _slip(name: str) -> str:
    """The name of a column that one letter too many, too few, another or two exchanged ones make of this one."""
    plain = "".join(_words(name))
    return next((meant for meant in (OFFSET, *_MEANT) if _is_slip(plain, meant)), "")


def _is_slip(typed: str, meant: str) -> bool:
    short, long = sorted((typed, meant), key=len)
    differing = [at for at, (mine, theirs) in enumerate(zip(typed, meant, strict=False)) if mine != theirs]
    if len(short) == len(long) >= SHORTEST_SLIP - 1 and len(differing) == 2 and differing[1] == differing[0] + 1:
        return sorted(typed) == sorted(meant)
    if len(short) < SHORTEST_SLIP:
        return False
    if len(short) == len(long):
        return len(differing) == 1
    return len(long) == len(short) + 1 and any(long[:at] + long[at + 1 :] == short for at in range(len(long)))
