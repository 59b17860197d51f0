"""What to know about a corpus before it is used: one finding after another, each with the files concerned."""

import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from precompute.check.disturbances import HIGHEST_RUMBLE
from precompute.check.measure import LEAST_RUN, SILENCE_DB, Measurements
from precompute.check.survey import Checked, Survey
from precompute.corpora import EMOTIONS, meant, why_unusable

LARGEST_OFFSET = 0.01
"""Mean of a recording, re full scale, that is noted: -40 dB."""

LEAST_SPEECH = 1 / 3
"""Share of a recording, between its leading and trailing silence, under which it is noted."""


LEAST_HUM_DB = 15.0
"""Least height of a line of the mains over the spectrum beside it that is noted: no recording of EmoDB or RAVDESS has so much,
and hum 30 dB below the voice has it in half of them."""

LEAST_RUMBLE_DB = -6.0
"""Level below the voice, re that of the voice, that is noted."""

FEWEST_SCALED, SHARE_SCALED, PEAK_TOLERANCE_DB = 10, 0.9, 0.1
"""Fewest recordings, smallest share of them and tolerance in dB, for all to count as scaled to one peak."""


@dataclass(frozen=True)
class Finding:
    """Something found.

    Attributes:
        short: For the verdict, such as `5 recordings with several channels`.
        meaning: What it means for users of the corpus, a sentence.
        items: The files or groups concerned, a line each.
        warning: True where the corpus is not as published or labels may be wrong; else a mere note.
    """

    short: str
    meaning: str
    items: tuple[str, ...]
    warning: bool = False


def findings(survey: Survey) -> list[Finding]:
    """Everything found, warnings first."""
    every = [
        _differences(survey), _unusable(survey), _foreign(survey), *_duplicates(survey), _near_doubles(survey),
        _channels(survey), _rates(survey), _clipped(survey), _scaled(survey), _silent(survey), _long(survey), _offset(survey),
        _hum(survey), _rumble(survey), _unknown_emotions(survey),
        _empty_cells(survey),
    ]  # fmt: skip
    return sorted((finding for finding in every if finding.items), key=lambda finding: not finding.warning)


def verdict(survey: Survey, findings: list[Finding]) -> str:
    """The corpus in a sentence: how much it is, whether as published, and what was found."""
    what = f"{_of(len(survey.checked), 'utterance')} of {_of(len(survey.speakers), 'speaker')}"
    # Of a corpus that a table lists, nothing is published.
    as_published = ", as published" if survey.corpus.doi else ""
    phrases = [what + (", not as published" if survey.differences else as_published)]
    phrases += [finding.short for finding in findings if finding.short]
    phrases += [] if survey.unusable else ["nothing unusable"]
    return "; ".join(phrases) + "."


def _differences(survey: Survey) -> Finding:
    meaning = "The corpus is not what was published: files are missing, duplicated, unknown or changed."
    return Finding("", meaning, tuple(survey.differences), warning=True)


def _unusable(survey: Survey) -> Finding:
    items = tuple(sorted(f"{file.path}: {why_unusable(survey.corpus, file.path, file.reason)}" for file in survey.unusable))
    return Finding(f"{len(items)} unusable", "precompute skips these recordings: get them again.", items, warning=True)


def _foreign(survey: Survey) -> Finding:
    items = tuple(f"{file.path}: {file.reason}" for file in survey.foreign)
    meaning = "These files are left out, since their names are not understood: rename or remove them."
    return Finding(_of(len(items), "file", " not understood"), meaning, items, warning=True)


def _duplicates(survey: Survey) -> list[Finding]:
    across: list[str] = []
    within: list[str] = []
    for group in survey.duplicates:
        if len({(checked.utterance.speaker, checked.utterance.emotion) for checked in group}) > 1:
            across.append(" = ".join(_labelled(checked) for checked in group))
        else:
            within.append(" = ".join(checked.path for checked in group))
    wrong = "The same samples have several labels or speakers: one label is wrong, or test recordings are in the training set."
    twice = "The same samples count twice, under one speaker and label; speaker-independent folds keep them together."
    return [
        Finding(_of(len(across), "group", " of duplicates across speakers or labels"), wrong, tuple(across), warning=True),
        Finding(_of(len(within), "group", " of duplicates"), twice, tuple(within)),
    ]


def _near_doubles(survey: Survey) -> Finding:
    pairs = sorted(survey.near_doubles, key=lambda pair: -pair[2])
    items = tuple(f"{_labelled(first)} ~ {_labelled(second)}: {agreement:.0%} alike" for first, second, agreement in pairs)
    meaning = (
        "They may be one recording (resampled, cut, compressed, at another level) or two takes of one sentence: listen, and "
        "keep copies of one recording on one side of a split."
    )
    return Finding(_of(len(items), "pair", " of nearly equal recordings"), meaning, items)


def _labelled(checked: Checked) -> str:
    return f"{checked.path} ({checked.utterance.speaker}, {checked.utterance.emotion})"


def _channels(survey: Survey) -> Finding:
    def several(measured: Measurements) -> str:
        if measured.channels == 1:
            return ""
        return f"{measured.channels} {'equal' if measured.equal_channels else 'different'} channels"

    items = _each(survey, several)
    stereo = all(measured.channels <= 2 for measured in survey.usable.values())
    short = _of(len(items), "stereo file") if stereo else _of(len(items), "file", " with several channels")
    return Finding(short, "Channels are mixed down to their mean.", items)


def _rates(survey: Survey) -> Finding:
    counts = Counter(measured.rate for measured in survey.usable.values())
    usual = counts.most_common(1)[0][0] if counts else 0
    items = _each(survey, lambda measured: f"{measured.rate} Hz" if measured.rate != usual else "")
    meaning = f"The others have {usual} Hz; a model may hear the difference in the highest rows of the picture."
    return Finding(_of(len(items), "file", " of another sample rate"), meaning, items)


def _clipped(survey: Survey) -> Finding:
    items = _each(survey, lambda measured: f"{measured.clipped} samples" if measured.clipped else "")
    meaning = f"{LEAST_RUN} or more successive samples are at full scale: the tops of the waveform are cut off."
    return Finding(_of(len(items), "clipped file"), meaning, items)


def _scaled(survey: Survey) -> Finding:
    peaks = [measured.peak for measured in survey.usable.values()]
    peak = statistics.median(peaks or [0.0])
    alike = sum(abs(level - peak) <= PEAK_TOLERANCE_DB for level in peaks)
    scaled = len(peaks) >= FEWEST_SCALED and alike >= SHARE_SCALED * len(peaks)
    items = (f"{alike} of {len(peaks)} files have a peak of {round(peak, 1) + 0.0} dB re full scale",) if scaled else ()
    meaning = "Recordings were scaled one by one, so that their levels do not show how loud a speaker was."
    return Finding("recordings scaled to the same peak", meaning, items)


def _silent(survey: Survey) -> Finding:
    def mostly(measured: Measurements) -> str:
        speech = measured.duration - measured.leading - measured.trailing
        return f"{speech:.2f} s of {measured.duration:.2f} s" if speech < LEAST_SPEECH * measured.duration else ""

    meaning = (
        f"Less than a third is between the first and the last 10 ms within {-SILENCE_DB:g} dB of the loudest: short words, "
        "or a click louder than the speech."
    )
    items = _each(survey, mostly)
    return Finding(_of(len(items), "file", " mostly silent"), meaning, items)


def _long(survey: Survey) -> Finding:
    limit = survey.limit
    items = _each(survey, lambda measured: f"{measured.duration:.2f} s" if measured.duration > limit else "")
    meaning = f"The picture holds {limit:g} s, and the rest is cut off. A table with start and end cuts them into windows."
    return Finding(_of(len(items), "utterance", f" longer than {limit:g} s"), meaning, items)


def _offset(survey: Survey) -> Finding:
    def offset(measured: Measurements) -> str:
        return f"{100 * measured.offset:+.1f} % of full scale" if abs(measured.offset) > LARGEST_OFFSET else ""

    items = _each(survey, offset)
    meaning = "The samples' mean is not zero. precompute subtracts it; other software may take it for level."
    return Finding(_of(len(items), "file", " with a DC offset"), meaning, items)


def _hum(survey: Survey) -> Finding:
    def hums(measured: Measurements) -> str:
        disturbances = measured.disturbances
        return (
            f"{disturbances.line} Hz, {disturbances.hum:.0f} dB above the spectrum beside it"
            if disturbances.hum >= LEAST_HUM_DB
            else ""
        )

    items = _each(survey, hums)
    meaning = "A line of the mains (50 or 60 Hz and multiples) goes through; it shows as a bright row in pauses."
    return Finding(_of(len(items), "file", " with mains hum"), meaning, items, warning=bool(items))


def _rumble(survey: Survey) -> Finding:
    def rumbles(measured: Measurements) -> str:
        rumble = measured.disturbances.rumble
        return f"{rumble:+.0f} dB re the voice" if rumble >= LEAST_RUMBLE_DB else ""

    items = _each(survey, rumbles)
    meaning = f"Much is below {HIGHEST_RUMBLE:g} Hz. precompute leaves it out of the level; other software may not."
    return Finding(_of(len(items), "file", " with rumble"), meaning, items)


def _unknown_emotions(survey: Survey) -> Finding:
    words = {emotion: meant(emotion) for emotion in survey.totals if emotion not in EMOTIONS}
    items = tuple(f"{word}: {_of(survey.totals[word], 'utterance')}{hint}" for word, hint in sorted(words.items()))
    meaning = "No label map of ours has them: they are classes of their own, and cannot be joined with those of other corpora."
    return Finding(_of(len(items), "emotion", " outside the common vocabulary"), meaning, items, warning=any(words.values()))


def _empty_cells(survey: Survey) -> Finding:
    emotions = [emotion for emotion in survey.emotions if any(survey.counts[speaker, emotion] for speaker in survey.speakers)]
    items = []
    for speaker in survey.speakers:
        if missing := [emotion for emotion in emotions if not survey.counts[speaker, emotion]]:
            items.append(f"speaker {speaker}: no {', '.join(missing)}")
    short = _of(len(items), "speaker", " without some label")
    return Finding(short, "A fold of such a speaker tests fewer labels; pool the folds' predictions.", tuple(items))


def _each(survey: Survey, say: Callable[[Measurements], str]) -> tuple[str, ...]:
    """A line for each usable utterance about which there is something to say, sorted by path."""
    ordered = sorted(survey.checked, key=lambda checked: checked.path)
    return tuple(f"{checked.path}: {value}" for checked in ordered if checked.measured and (value := say(checked.measured)))


def _of(count: int, noun: str, rest: str = "") -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}{rest}"
