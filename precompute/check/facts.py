"""The facts of a survey in words, for the terminal and the page alike."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from precompute.check.measure import SILENCE_DB
from precompute.check.survey import Survey


@dataclass(frozen=True)
class Fact:
    """A row of the table of facts: what, how much was found, and how much is published where that is known."""

    what: str
    found: str
    published: str = ""


def facts(survey: Survey) -> list[Fact]:
    """The table of facts, from counts to levels; what was measured is of the usable utterances."""
    corpus = survey.corpus
    counted = [
        Fact("utterances", str(len(survey.checked)), str(corpus.files)),
        Fact("speakers", _speakers(survey), str(corpus.speakers)),
        Fact("labels", str(len({emotion for _, emotion in survey.counts})), str(len(corpus.emotions))),
    ]
    return counted + (_measured(survey) if survey.usable else []) + [Fact("unusable", _none_or(len(survey.unusable)))]


def spread(values: Iterable[float], unit: str, digits: int) -> str:
    """Median and extremes, such as `3.67 s (2.94 to 5.27)`."""
    # Adding zero makes a rounded -0.0 positive.
    least, median, most = np.round(np.percentile(list(values), [0, 50, 100]), digits) + 0.0
    return f"{median:.{digits}f} {unit} ({least:.{digits}f} to {most:.{digits}f})"


def _measured(survey: Survey) -> list[Fact]:
    usable = list(survey.usable.values())
    clipped = sum(measured.clipped > 0 for measured in usable)
    long = sum(measured.duration > survey.limit for measured in usable)
    return [
        Fact("recorded time", _time(survey.seconds)),
        Fact("sample rate", _each(f"{measured.rate} Hz" for measured in usable)),
        Fact("channels", _each(str(measured.channels) for measured in usable)),
        Fact("encoding", _each(measured.encoding for measured in usable)),
        Fact("duration, median (extremes)", spread((measured.duration for measured in usable), "s", 2)),
        Fact(f"longer than the picture's {survey.limit:g} s", _none_or(long)),
        Fact(f"leading silence, {-SILENCE_DB:g} dB down", spread((measured.leading for measured in usable), "s", 2)),
        Fact(f"trailing silence, {-SILENCE_DB:g} dB down", spread((measured.trailing for measured in usable), "s", 2)),
        Fact("level (RMS) re full scale", spread((measured.level for measured in usable), "dB", 1)),
        Fact("peak re full scale", spread((measured.peak for measured in usable), "dB", 1)),
        Fact("clipped", f"{clipped} ({100 * clipped / len(usable):.1f} %)" if clipped else "none"),
        Fact("largest DC offset", f"{100 * max(abs(measured.offset) for measured in usable):.2f} % of full scale"),
        Fact("duplicates by content", _none_or(len(survey.duplicates), " groups" if len(survey.duplicates) > 1 else " group")),
    ]


def _speakers(survey: Survey) -> str:
    sexes = Counter(survey.speakers.values())
    known = ", ".join(f"{sexes[sex]} {sex}" for sex in sorted(sexes) if sex)
    return f"{len(survey.speakers)}" + (f" ({known})" if known else "")


def _each(values: Iterable[str]) -> str:
    """Values and how often each occurs, the most frequent first; the value alone where there is no other."""
    counts = Counter(values).most_common()
    if len(counts) == 1:
        return counts[0][0]
    return ", ".join(f"{value} ({count} file{'s' if count > 1 else ''})" for value, count in counts)


def _none_or(count: int, what: str = "") -> str:
    return f"{count}{what}" if count else "none"


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.2f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"
