"""A corpus of one's own: a table in CSV with a line for each utterance.

Columns `path` (of the recording, relative to the table's folder), `speaker` and `emotion`; where they are there, `start` and
`end` (in seconds, of an utterance that is part of a recording), `sex`, `session`, `sentence`, `intensity`, and `key` (otherwise
the path names the utterance).  Where the speaker is one of another corpus's, under the same name, `same_speakers_as` names that
corpus, and where the two are joined this is one speaker.  Any other column is kept as it is.  Commas, semicolons or tabs
separate; capitals in the header do not matter.
"""

import csv
import io
import math
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from precompute import corpora, layout, recording
from precompute.common import paths
from precompute.corpora import EMOTIONS, Corpus, Scan
from precompute.errors import CacheError, CorpusError, UnusableAudioError
from precompute.layout import Skipped, Utterance

NEEDED = ("path", "speaker", "emotion")
KNOWN = (*NEEDED, "start", "end", "sex", "session", "sentence", "intensity", "key")

WORDS = {
    "anger": "angry", "boredom": "bored", "disgust": "disgusted", "excitement": "excited", "fear": "fearful",
    "frustration": "frustrated", "happiness": "happy", "joy": "happy", "sadness": "sad", "surprise": "surprised",
}  # fmt: skip
"""Nouns of the common vocabulary."""

SEXES: dict[str, Literal["female", "male"] | None] = {
    "": None, "f": "female", "female": "female", "w": "female", "woman": "female", "m": "male", "male": "male", "man": "male",
}  # fmt: skip

TOLERANCE = 0.01
"""Seconds that a time may lie past the end of a recording, since tables round."""


@dataclass(frozen=True)
class Table:
    """What a table says.

    Attributes:
        corpus: Under the name that was given to it.
        directory: To which its paths are relative.
        scan: Its good lines.
        faults: What is wrong with the others, one sentence each, which begins with the line's number.
        words: Emotions that are none of the common vocabulary, and are kept as they are.
    """

    corpus: Corpus
    directory: Path
    scan: Scan
    faults: tuple[str, ...]
    words: tuple[str, ...]


def read(file: Path, name: str) -> Table:
    """Read a table and look at the recordings that it names.

    Args:
        file: CSV, UTF-8.
        name: For the corpus.

    Raises:
        CorpusError: The name cannot be a corpus's or is that of another, or the table cannot be read.
    """
    if not layout.legal_corpus(name) or "%" in name:
        raise CorpusError(f"--name {name} cannot be a corpus's: give one of letters, digits, _ and -")
    if name in (*corpora.names(), "all", "table"):
        raise CorpusError(f"--name {name} is taken: give your corpus another")
    try:
        text = file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{file} is not in UTF-8 ({error.reason} at byte {error.start}): save it as CSV in UTF-8") from None
    except OSError as error:
        raise CorpusError(f"{file} cannot be read ({error.strerror}): give the path of a CSV by --table") from None
    try:
        columns, lines = _lines(text)
    except csv.Error as error:
        raise CorpusError(f"{file} is no table that can be read ({error}): look for a quote that is never closed") from None
    wrong_columns = [f"line 1: column {column} is missing" for column in NEEDED if column not in columns]
    wrong_columns += [
        f"line 1: column {column} is there {n} times" for column, n in Counter(columns).items() if column and n > 1
    ]
    if wrong_columns:
        return _table(name, file, [], wrong_columns)
    utterances: dict[str, tuple[int, Utterance]] = {}
    names: dict[tuple[str, ...], tuple[str, ...]] = {}
    lengths: dict[Path, tuple[float, float] | str] = {}
    faults, skipped = [], []
    for number, cells in lines:
        found, wrong = _utterance(dict(zip(columns, cells, strict=False)), file.parent)
        if len(cells) != len(columns):
            wrong = [f"{len(cells)} cells, the header has {len(columns)}"]
        elif not wrong:
            wrong = list(_of_recording(found, file.parent / found.path, lengths))
        if not wrong and found.key in utterances:
            wrong = [f"{found.key} is in line {utterances[found.key][0]} already"]
        if not wrong:
            wrong = list(_of_names(found, names))
        if wrong:
            faults.append(f"line {number}: {'; '.join(wrong)}")
            skipped.append(Skipped(f"{file.name}:{number}", "; ".join(wrong)))
        else:
            utterances[found.key] = (number, found)
    return _table(name, file, [utterances[key][1] for key in sorted(utterances)], faults, skipped)


def _table(
    name: str, file: Path, utterances: list[Utterance], faults: list[str], skipped: list[Skipped] | None = None
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
    )
    words = tuple(sorted(set(emotions) - set(EMOTIONS)))
    return Table(corpus, file.parent, Scan(tuple(utterances), tuple(skipped or ())), tuple(faults), words)


def _lines(text: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Names of the columns, and each row that holds something, with the number of its last line."""
    header = text.partition("\n")[0]
    separator = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    columns = [column.strip().lower() for column in next(reader, [])]
    return columns, [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(map(str.strip, cells))]


def _utterance(row: dict[str, str], folder: Path) -> tuple[Utterance, list[str]]:
    """What a line says, and what is wrong with it."""
    wrong = [f"{column} is empty" for column in NEEDED if not row.get(column)]
    wrong += [f"{column} has a line break" for column in NEEDED if len(row.get(column, "").splitlines()) > 1]
    times: dict[str, float | None] = {"start": None, "end": None}
    for column in times:
        if text := row.get(column):
            try:
                times[column] = float(text)
            except ValueError:
                times[column] = math.inf
            if math.isinf(times[column] or 0):
                wrong.append(f"{column} is '{text}', and not a number of seconds")
    begin, end = times["start"], times["end"]
    sex = row.get("sex", "").lower()
    if sex not in SEXES:
        wrong.append(f"sex is '{sex}', and neither female nor male")
    path = row.get("path", "").replace("\\", "/")
    path = paths.in_full(path) if path.startswith("~/") else path
    if Path(path).is_absolute():
        path = os.path.relpath(path, folder)
    part = "" if begin is None and end is None else f"#t={row.get('start', '')},{row.get('end', '')}"
    if others := row.get(layout.SAME_SPEAKERS_AS):
        wrong += _of_corpus(others)
    word = row.get("emotion", "").lower()
    more: dict[str, str | float] = {column: cell for column, cell in row.items() if column not in KNOWN and cell}
    names: dict[str, Any] = {column: row.get(column) or None for column in ("session", "sentence", "intensity")}
    return Utterance(
        key=row.get("key") or path + part, path=path, speaker=row.get("speaker", ""), emotion=WORDS.get(word, word),
        label=row.get("emotion", ""), sex=SEXES.get(sex), begin=begin, end=end, more=more, **names,
    ), wrong  # fmt: skip


@cache
def _of_corpus(name: str) -> list[str]:
    """What is wrong with the name of a corpus that is said to share speakers."""
    if not layout.legal_corpus(name):
        return [f"{layout.SAME_SPEAKERS_AS} is '{name}', and not the name of a corpus"]
    if name.lower() in {*corpora.names()} - {name}:
        return [f"{layout.SAME_SPEAKERS_AS} is '{name}', and that corpus is named {name.lower()}"]
    return []


def _of_names(utterance: Utterance, known: dict[tuple[str, ...], tuple[str, ...]]) -> Iterator[str]:
    """What is wrong with a speaker and an emotion, which are to name directories."""
    for kind, parts in (("speaker", (utterance.speaker,)), ("emotion", (utterance.speaker, utterance.emotion))):
        try:
            folded = tuple(layout.encode_name(part).casefold() for part in parts)
        except CacheError as error:
            yield str(error)
            return
        if known.setdefault(folded, parts) != parts:
            yield f"{kind} {parts[-1]} differs from {known[folded][-1]} by capitals or accents only"
            return


def _of_recording(utterance: Utterance, file: Path, lengths: dict[Path, tuple[float, float] | str]) -> Iterator[str]:
    """What is wrong with a line, as its recording shows."""
    if file not in lengths:
        lengths[file] = _lengths(file)
    known, begin = lengths[file], utterance.begin or 0.0
    if isinstance(known, str):
        yield known
        return
    length, most = known
    end = length if utterance.end is None else utterance.end
    if not end <= length + TOLERANCE:
        yield f"end {end:g} s is past the end of {utterance.path}, which has {length:.2f} s"
    if not 0 <= begin < end:
        yield f"start {begin:g} s is not between 0 and the end, {end:g} s"
    elif most < end - begin < math.inf:
        yield f"{end - begin:g} s are more than the {most:g} s that one utterance may have: cut it by start and end"


def _lengths(file: Path) -> tuple[float, float] | str:
    """Seconds of a recording, infinite where they are unknown, and how many an utterance may have; or why it is none."""
    from precompute import audio

    try:
        with recording.opened(file) as handle:
            return audio.lengths(handle)
    except FileNotFoundError:
        return f"there is no file {file}"
    except OSError as error:
        return f"{file} cannot be read ({error.strerror})"
    except UnusableAudioError as error:
        return f"{file} is no recording that can be read ({error})"
