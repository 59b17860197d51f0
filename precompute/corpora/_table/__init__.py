"""A corpus of your own: a table with a line for each utterance.

Columns `path` (of the recording, relative to the table's folder), `speaker` and `emotion`; where they are there, `start` and
`end` or `duration` (in seconds, of an utterance that is part of a recording), `sex`, `session`, `sentence`, `intensity`, and
`key` (otherwise the path names the utterance).  If the speaker is also in another corpus, under the same name,
`same_speakers_as` names that corpus, and the two count as one speaker when the corpora are joined.  The usual other names of
these columns are understood (`columns.NAMES`), and capitals in them do not matter.  Any other column is kept as it is, and
named.

A table is CSV in UTF-8 or UTF-16 (commas, semicolons or tabs separate), such as those of audformat and nkululeko, JSON lines
such as NeMo's manifests, or a data directory of Kaldi with the emotions in `utt2emo`.
"""

import math
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from precompute import corpora
from precompute.audio import recording
from precompute.cache import layout
from precompute.cache.layout import Skipped, Utterance
from precompute.common import paths
from precompute.common.errors import CacheError, CorpusError, UnusableAudioError
from precompute.corpora import EMOTIONS, Corpus, Scan
from precompute.corpora._table import formats
from precompute.corpora._table.cells import is_nothing, is_time, same_name, seconds
from precompute.corpora._table.columns import NEEDED, Columns, understand
from precompute.corpora._table.formats import Row

WORDS = {
    "anger": "angry", "boredom": "bored", "disgust": "disgusted", "excitement": "excited", "fear": "fearful",
    "frustration": "frustrated", "happiness": "happy", "joy": "happy", "sadness": "sad", "surprise": "surprised",
}  # fmt: skip
"""Nouns of the common vocabulary."""

SEXES: dict[str, Literal["female", "male"] | None] = {
    "": None, "f": "female", "female": "female", "w": "female", "woman": "female", "m": "male", "male": "male", "man": "male",
}  # fmt: skip

TOLERANCE = 0.01
"""Seconds that a time may lie past the end of a recording, and an end from the start and the duration, since tables round."""

IDENTITIES = ("speaker", "emotion", "session", "sentence", "intensity", "key")
"""Columns of which two names that differ by spelling only may be one."""

FACTS = ("sex", layout.SAME_SPEAKERS_AS)
"""Columns about a speaker, which are the same in all of the speaker's lines."""


@dataclass(frozen=True)
class Table:
    """What a table says.

    Attributes:
        corpus: Under the name that was given to it.
        directory: To which its paths are relative.
        scan: Its good lines.
        faults: What is wrong with the others, one sentence each, which begins with where it is, as `line 3`.
        words: Emotions that are not in the common vocabulary, and are kept as they are; of each the first place, as `line 3`.
        extras: Names of the columns that are kept as they are.
    """

    corpus: Corpus
    directory: Path
    scan: Scan
    faults: tuple[str, ...]
    words: dict[str, str]
    extras: tuple[str, ...]


def read(file: Path, name: str) -> Table:
    """Read a table and look at the recordings that it names.

    Args:
        file: A table in one of the formats of this module's docstring.
        name: For the corpus.

    Raises:
        CorpusError: The name cannot be a corpus's or is that of another, or the table cannot be read.
    """
    if not layout.legal_corpus(name) or "%" in name:
        raise CorpusError(f"--name {name} cannot be the name of a corpus: use letters, digits, _ and -")
    if name in (*corpora.names(), "all", "table"):
        raise CorpusError(f"--name {name} is the name of another corpus: give your corpus a different one")
    header, rows = formats.read(file)
    columns = understand(header)
    directory = file if file.is_dir() else file.parent
    faults = [*columns.faults, *_like_times(columns, rows)]
    if faults:
        return _table(name, file, directory, columns, [], {}, faults, [])
    lines = _Lines(columns, directory)
    skipped = []
    for row in rows:
        if wrong := lines.add(row):
            faults.append(f"{row.place}: {'; '.join(wrong)}")
            skipped.append(Skipped(row.id, "; ".join(wrong)))
    return _table(name, file, directory, columns, lines.utterances(), lines.words(), faults, skipped)


def _table(
    name: str,
    file: Path,
    directory: Path,
    columns: Columns,
    utterances: list[Utterance],
    words: dict[str, str],
    faults: list[str],
    skipped: list[Skipped],
) -> Table:
    emotions = Counter(utterance.emotion for utterance in utterances)
    corpus = Corpus(
        name=name,
        title=f"table {file.name}",
        licence="as the recordings'",
        source=str(file),
        doi="",
        speakers=len({utterance.speaker for utterance in utterances}),
        emotions=dict(sorted(emotions.items())),
        usual_place=str(file),
        table=str(file),
    )
    return Table(corpus, directory, Scan(tuple(utterances), tuple(skipped)), tuple(faults), words, tuple(columns.extras))


def _like_times(columns: Columns, rows: list[Row]) -> Iterator[str]:
    """Columns that hold only times, under a name that is not understood."""
    for name, at in columns.like_times.items():
        cells = [row.cells[at] for row in rows if at < len(row.cells) and not is_nothing(row.cells[at])]
        if cells and all(map(is_time, cells)):
            yield (
                f"line 1: column {name} looks like times, but its name is not known: rename it to start or end, or to a "
                "name without such a word"
            )


class _Lines:
    """The good lines of a table; each is compared with those before it."""

    def __init__(self, columns: Columns, directory: Path) -> None:
        self.columns, self.directory = columns, directory
        self.kept: dict[str, tuple[str, Utterance]] = {}
        self.lengths: dict[str, tuple[float, float] | str] = {}
        self.paths: dict[str, str] = {}
        self.names: dict[tuple[str, ...], tuple[str, str]] = {}
        self.facts: dict[tuple[str, str], tuple[str, str]] = {}

    def add(self, row: Row) -> list[str]:
        """Take a line in, or say what is wrong with it."""
        if row.wrong:
            return [row.wrong]
        values = {meant: "" if is_nothing(row.cells[at]) else row.cells[at] for meant, at in self.columns.meant.items()}
        wrong = [_missing(column, row.cells[self.columns.meant[column]]) for column in NEEDED if not values[column]]
        wrong += [f"{column} has a line break" for column in NEEDED if len(values[column].splitlines()) > 1]
        times = {column: self._time(column, values, wrong) for column in ("start", "end", "duration")}
        sex = values.get("sex", "").lower()
        if sex not in SEXES:
            wrong.append(f"sex is '{sex}', not female or male")
        if others := values.get(layout.SAME_SPEAKERS_AS):
            wrong += _of_corpus(others)
        if wrong:
            return wrong
        path = self._path(values["path"])
        begin, end = _part(times, self._length(path), wrong)
        if wrong:
            return wrong
        utterance = self._utterance(row, values, path, begin, end)
        wrong += _of_recording(utterance, self._length(path))
        if not wrong and utterance.key in self.kept:
            wrong = [f"{utterance.key} is already in {self.kept[utterance.key][0]}"]
        wrong = wrong or list(self._of_names(row.place, values)) or list(self._of_speaker(row.place, values))
        if not wrong:
            self.kept[utterance.key] = (row.place, utterance)
        return wrong

    def utterances(self) -> list[Utterance]:
        """Of all good lines, sorted by key; the sex that one gives of its speaker holds for those that give none."""
        utterances = (self.kept[key][1] for key in sorted(self.kept))
        return [
            replace(utterance, sex=SEXES[self.facts.get((utterance.speaker, "sex"), ("", ""))[0]]) for utterance in utterances
        ]

    def words(self) -> dict[str, str]:
        """Emotions of the good lines that are not in the common vocabulary, sorted, each with the place of the first."""
        places: dict[str, str] = {}
        for place, utterance in self.kept.values():
            if utterance.emotion not in EMOTIONS:
                places.setdefault(utterance.emotion, place)
        return dict(sorted(places.items()))

    def _time(self, column: str, values: dict[str, str], wrong: list[str]) -> float | None:
        if not values.get(column):
            return None
        try:
            return seconds(values[column], self.columns.unit[column])
        except ValueError:
            wrong.append(f"{column} is '{values[column]}', not a number of seconds")
            return None

    def _path(self, text: str) -> str:
        """The path of a recording as it is on the disk, relative to the table's directory."""
        if text not in self.paths:
            self.paths[text] = _on_disk(text, self.directory)
        return self.paths[text]

    def _length(self, path: str) -> tuple[float, float] | str:
        if path not in self.lengths:
            self.lengths[path] = _lengths(self.directory / path)
        return self.lengths[path]

    def _utterance(self, row: Row, values: dict[str, str], path: str, begin: float | None, end: float | None) -> Utterance:
        word = values["emotion"].lower()
        more: dict[str, str | float] = {
            name: row.cells[at] for name, at in self.columns.extras.items() if not is_nothing(row.cells[at])
        }
        if begin is None and end is None and values.get("duration"):
            more["duration"] = values["duration"]
        if values.get(layout.SAME_SPEAKERS_AS):
            more[layout.SAME_SPEAKERS_AS] = values[layout.SAME_SPEAKERS_AS]
        return Utterance(
            key=values.get("key") or unicodedata.normalize("NFC", path) + self._fragment(values, begin, end),
            path=path,
            speaker=values["speaker"],
            emotion=WORDS.get(word, word),
            label=values["emotion"],
            begin=begin,
            end=end,
            session=values.get("session") or None,
            sentence=values.get("sentence") or None,
            intensity=values.get("intensity") or None,
            more=more,
        )

    def _fragment(self, values: dict[str, str], begin: float | None, end: float | None) -> str:
        """What names the part of a recording: its times as the table writes them, or those that follow from a duration."""
        if begin is None and end is None:
            return ""
        start, stop = values.get("start", ""), values.get("end", "")
        if not values.get("duration"):
            return f"#t={start},{stop}"
        return f"#t={start or f'{begin:.10g}'},{stop or f'{end:.10g}'}"

    def _of_names(self, place: str, values: dict[str, str]) -> Iterator[str]:
        """What is wrong with names: some cannot name directories, others differ from earlier ones by spelling only."""
        spoken = WORDS.get(values["emotion"].lower(), values["emotion"].lower())
        for name in (values["speaker"], spoken):
            try:
                layout.encode_name(name)
            except CacheError as error:
                yield str(error)
                return
        for column in IDENTITIES:
            if name := spoken if column == "emotion" else values.get(column, ""):
                known, where = self.names.setdefault((column, same_name(name)), (name, place))
                if known != name:
                    yield f"{column} {name} differs from {known} in {where} by capitals, accents, spaces or zeros only"

    def _of_speaker(self, place: str, values: dict[str, str]) -> Iterator[str]:
        """What a line says of its speaker that an earlier one contradicts."""
        for fact in FACTS:
            value = values.get(fact, "").lower() if fact == "sex" else values.get(fact, "")
            if value:
                known, where = self.facts.setdefault((values["speaker"], fact), (value, place))
                if known != value and (fact != "sex" or SEXES[known] != SEXES[value]):
                    yield f"{fact} of speaker {values['speaker']} is {value} here and {known} in {where}"


def _missing(column: str, cell: str) -> str:
    return f"{column} is '{cell}', which means an empty cell: write another word" if cell else f"{column} is empty"


def _part(
    times: dict[str, float | None], length: tuple[float, float] | str, wrong: list[str]
) -> tuple[float | None, float | None]:
    """Begin and end of an utterance in its recording, from two of start, end and duration."""
    start, end, duration = times["start"], times["end"], times["duration"]
    if duration is None:
        return start, end
    if duration <= 0:
        wrong.append(f"duration {duration:g} s is not more than 0")
    elif start is not None and end is not None:
        if abs(end - start - duration) > TOLERANCE + 1e-9:
            wrong.append(f"start {start:g} s and duration {duration:g} s do not give end {end:g} s")
    elif start is not None:
        # Sums of decimal fractions are to be what one would write.
        end = round(start + duration, 9)
    elif end is not None:
        start = round(end - duration, 9)
    elif not isinstance(length, str) and abs(length[0] - duration) > 0.05:
        wrong.append(
            f"duration {duration:g} s is not that of the recording, {length[0]:.2f} s, and it is unknown where it begins: "
            "give start"
        )
    return start, end


def _on_disk(text: str, directory: Path) -> str:
    """The path of a recording relative to the directory, in the form of its accents that the file system has."""
    path = text.replace("\\", "/")
    if path.startswith(("file://", "~/")):
        path = paths.in_full(path)
    if Path(path).is_absolute():
        path = os.path.relpath(path, directory)
    forms = [path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD"))]
    return next((form for form in forms if os.path.lexists(directory / form)), path)


@cache
def _of_corpus(name: str) -> list[str]:
    """What is wrong with the name of a corpus that is said to share speakers."""
    if not layout.legal_corpus(name):
        return [f"{layout.SAME_SPEAKERS_AS} is '{name}', and not the name of a corpus"]
    if name.lower() in {*corpora.names()} - {name}:
        return [f"{layout.SAME_SPEAKERS_AS} is '{name}', and that corpus is named {name.lower()}"]
    return []


def _of_recording(utterance: Utterance, known: tuple[float, float] | str) -> Iterator[str]:
    """What is wrong with a line, as its recording shows."""
    if isinstance(known, str):
        yield known
        return
    begin = utterance.begin or 0.0
    length, most = known
    if length == 0:
        yield f"{utterance.path} holds no audio"
        return
    end = length if utterance.end is None else utterance.end
    if not end <= length + TOLERANCE:
        yield f"end {end:g} s is past the end of {utterance.path}, which has {length:.2f} s"
    if not 0 <= begin < end:
        yield f"start {begin:g} s is not between 0 and the end, {end:g} s"
    elif most < end - begin < math.inf:
        yield f"{end - begin:g} s are longer than the limit of {most:g} s for an utterance: cut it by start and end"


def _lengths(file: Path) -> tuple[float, float] | str:
    """Seconds of a recording, infinite where unknown, and how many an utterance may have; or why it is not a recording."""
    from precompute.audio import decode

    try:
        with recording.opened(file) as handle:
            return decode.lengths(handle)
    except FileNotFoundError:
        return f"there is no file {os.path.abspath(file) if '..' in file.parts else file}"  # noqa: PTH100
    except OSError as error:
        return f"{file} cannot be read ({error.strerror})"
    except UnusableAudioError as error:
        return f"{file} is not a readable recording ({error})"
