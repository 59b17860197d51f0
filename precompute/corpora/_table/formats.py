"""The formats of a table: CSV, JSON lines, and the directories of Kaldi, each as a header and rows of text."""

import codecs
import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from precompute.common.errors import CorpusError
from precompute.corpora._table.cells import clean

KALDI_EMOTIONS = ("utt2emo", "utt2emotion", "utt2label")
"""Files of a Kaldi directory that may give the emotions; its own recipes have none."""

SEXES = {"f": "female", "m": "male"}


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        place: Where it is, such as `line 3`.
        id: The same in a file name and a colon, such as `my.csv:3`.
        cells: As many as the table has columns, unless the row is broken.
        wrong: What is wrong with the row as a whole, if anything.
    """

    place: str
    id: str
    cells: list[str]
    wrong: str = ""


def read(file: Path) -> tuple[list[str], list[Row]]:
    """The names of the columns, and each row that holds something.

    Args:
        file: CSV with commas, semicolons or tabs, JSON lines such as NeMo's manifests, or a directory as Kaldi has them.

    Raises:
        CorpusError: It cannot be read, or is no table.
    """
    if file.is_dir():
        return _kaldi(file)
    text = _text(file)
    if text.lstrip().startswith("{"):
        return _json_lines(file, text)
    try:
        return _csv(file, text)
    except csv.Error as error:
        raise CorpusError(f"{file} is not a readable table ({error}): look for a quote that is never closed") from None


def _text(file: Path) -> str:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CorpusError(f"{file} cannot be read ({error.strerror}): give the path of a CSV by --table") from None
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{file} is not in UTF-8 ({error.reason} at byte {error.start}): save it as CSV in UTF-8, in Excel as CSV UTF-8"
        ) from None


def _csv(file: Path, text: str) -> tuple[list[str], list[Row]]:
    first, _, rest = text.partition("\n")
    # Such a line tells Excel the separator.
    hint = first.strip().strip('"').lower()
    declared = hint[4:5] if hint.startswith("sep=") and len(hint) == 5 else ""
    body, header = (rest, rest.partition("\n")[0]) if declared else (text, first)
    separator = declared or max(",;\t", key=header.count)
    before = 1 if declared else 0
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    columns = [clean(cell) for cell in next(reader, [])]
    rows = []
    for cells in reader:
        number = reader.line_num + before
        if any(map(str.strip, cells)):
            wrong = "" if len(cells) == len(columns) else f"{len(cells)} cells, the header has {len(columns)}"
            rows.append(Row(f"line {number}", f"{file.name}:{number}", [clean(cell) for cell in cells], wrong))
    return columns, rows


def _json_lines(file: Path, text: str) -> tuple[list[str], list[Row]]:
    objects: list[tuple[int, dict[str, Any], str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                value = json.loads(line)
                wrong = "" if isinstance(value, dict) else "it is not a JSON object"
            except (ValueError, RecursionError):
                value, wrong = {}, "it is not valid JSON"
            objects.append((number, value if isinstance(value, dict) else {}, wrong))
    columns = list(dict.fromkeys(name for _, value, _ in objects for name in value))
    rows = []
    for number, value, wrong in objects:
        nested = [name for name, cell in value.items() if isinstance(cell, list | dict)]
        wrong = wrong or (f"{nested[0]} holds more than one value" if nested else "")
        cells = [_json_cell(value.get(name)) for name in columns]
        rows.append(Row(f"line {number}", f"{file.name}:{number}", cells, wrong))
    return columns, rows


def _json_cell(value: Any) -> str:
    return "" if value is None else clean(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _kaldi(folder: Path) -> tuple[list[str], list[Row]]:
    """A data directory of Kaldi: wav.scp, utt2spk, the emotions, and, where they are there, segments and spk2gender."""
    files = {name: folder / name for name in ("wav.scp", "utt2spk", "segments", "spk2gender", *KALDI_EMOTIONS)}
    existing = {name for name, file in files.items() if file.is_file()}
    emotions = [name for name in KALDI_EMOTIONS if name in existing]
    for needed in ("wav.scp", "utt2spk"):
        if needed not in existing:
            raise CorpusError(f"{folder} has no {needed}: give a CSV by --table, or a directory of Kaldi")
    if len(emotions) != 1:
        listed = ", ".join(KALDI_EMOTIONS)
        raise CorpusError(
            f"{folder} has {len(emotions) or 'none'} of {listed}: give the emotion of each utterance in one of them"
        )
    recordings = {name: (rest, place) for name, rest, place in _pairs(files["wav.scp"])}
    speakers, labels = ({name: rest for name, rest, _ in _pairs(files[file_name])} for file_name in ("utt2spk", emotions[0]))
    sexes = {name: rest for name, rest, _ in _pairs(files["spk2gender"])} if "spk2gender" in existing else {}
    cut = "segments" in existing
    utterances: Iterable[tuple[str, str, str]] = (
        _pairs(files["segments"]) if cut else ((name, name, place) for name, (_, place) in recordings.items())
    )
    columns = ["key", "path", "speaker", "emotion", "sex", "start", "end"]
    rows = []
    for key, rest, place in utterances:
        name, start, end, *more = [*rest.split(), "", ""] if cut else [rest, "", "", "", ""]
        path = recordings.get(name, ("", ""))[0]
        speaker = speakers.get(key, "")
        wrong = ""
        if cut and len(more) != 2:
            wrong = "it is not an utterance, a recording, its start and its end"
        elif name not in recordings:
            wrong = f"recording {name} is not in wav.scp"
        elif path.endswith("|"):
            wrong = f"recording {name} is a command, which is not run: write a file, and its path into wav.scp"
        sex = sexes.get(speaker, "")
        cells = [key, path, speaker, labels.get(key, ""), SEXES.get(sex.lower(), sex), start, "" if end == "-1" else end]
        rows.append(Row(place, place.replace(" line ", ":"), cells, wrong))
    return columns, rows


def _pairs(file: Path) -> Iterator[tuple[str, str, str]]:
    """The first word of each line, the rest, and where it is."""
    for number, line in enumerate(_text(file).split("\n"), 1):
        first, *rest = line.split(maxsplit=1)[:2] or [""]
        if first:
            yield clean(first), clean("".join(rest)), f"{file.name} line {number}"
