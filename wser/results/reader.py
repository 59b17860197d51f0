"""Results as they are read.

Nothing in a directory of results is believed that contradicts something else there: a fold is finished where its
predictions are the ones that its metrics were made of, and belongs to a run where it names the run's identity.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isnan
from pathlib import Path
from typing import Any

from precompute.common import files
from precompute.common.errors import UnsafePathError, few
from precompute.common.reading import UnreadableError, read_json, read_yaml
from precompute.common.sheet import from_sheet
from wser.config.schema import flatten, is_hashed
from wser.evaluation.uncertainty import HEADLINES, SAME, counts, scores
from wser.results import identity
from wser.results.places import (
    CONFIG,
    CURVES,
    IDENTITY,
    METRICS,
    PREDICTIONS,
    RUN,
    SPLIT,
    WEIGHTS,
    ResultError,
    corpus_names,
    fold_name,
)

MOST_FOLDS, MOST_CLASSES = 10_000, 1000
"""Of a run that is read: more of either is a damaged file, and would take memory without end."""

LARGEST_PREDICTIONS, LARGEST_CURVES = 1 << 30, 64 << 20
"""Bytes of files of a fold: a million predictions of a hundred classes, and curves of as many epochs as may be asked for."""

ROUNDED = 1e-6
"""By how much a probability of predictions.csv may be off."""

NAMED = ("key", "speaker", "true", "predicted")
"""Columns of predictions.csv that hold names."""

CURVE_COLUMNS = ("epoch", *(f"{part}_{quantity}" for part in ("train", "validation") for quantity in ("loss", "accuracy")))

RECORDED = {
    "classes": list,
    "corpora": list,
    "folds": int,
    "label_map": str,
    "protocol": str,
    "recipe_id": str,
    "seed": int,
    "selection": str,
    "split_hash": str,
}
"""What a comparison needs of run.json, and of which type."""

AGAIN = "or move this one away and run its command again"
"""Ends the remedy for results that are damaged."""


@dataclass(frozen=True)
class Stored:
    """An experiment, or its finished part, as its directory holds it.

    Attributes:
        path: The directory, as it was given.
        record: What made it (run.json).
        config: Its configuration by dotted key, as it was given.
        parts: By number of each finished fold, a prediction for each test utterance, as predictions.csv has it.
        metrics: By number of each finished fold, its metrics.json.
    """

    path: Path
    record: dict[str, Any]
    config: dict[str, Any]
    parts: dict[int, list[dict[str, str]]]
    metrics: dict[int, dict[str, Any]]

    @property
    def folds(self) -> list[int]:
        """Numbers of its finished folds."""
        return list(self.parts)

    @cached_property
    def rows(self) -> list[dict[str, str]]:
        """The predictions of all finished folds, in order."""
        return [row for rows in self.parts.values() for row in rows]

    @property
    def classes(self) -> list[str]:
        """Names of the classes, by index."""
        return list(self.record["classes"])

    @property
    def settings(self) -> dict[str, Any]:
        """The configuration without keys that change no figure, and with recipe and label map as they were found."""
        kept = {key: value for key, value in self.config.items() if is_hashed(key)}
        tested = self.record.get("test_recipe_id")
        named = {"recipe": self.record["recipe_id"], "data.test_recipe": tested, "labels": self.record["label_map"]}
        return kept | named

    @property
    def title(self) -> str:
        """What it is, in a line, and what nobody may overlook about its figures."""
        corpora = [(one["corpus"], one["synthetic"]) for one in self.record["corpora"]]
        names = corpus_names(corpora, self.record["selection"])
        model = self.settings.get("model.name")
        tested = self.settings.get("data.test_recipe")
        pictures = f", tested on pictures of {tested}" if tested else ""
        target, seed = self.config.get("protocol.test"), self.record["seed"]
        protocol = f"{self.record['protocol']} tested on {target}" if target else self.record["protocol"]
        return f"{names}, {len(self.classes)} classes, {protocol}, {model}, seed {seed}{pictures}"


def holds(file: Path, content: bytes) -> bool:
    """Whether a file of a run has just this content."""
    try:
        return files.read(file, file.parent, len(content)) == content
    except (OSError, UnsafePathError):
        return False


def stored_identity(path: Path, named: Mapping[str, Any]) -> bool:
    """Whether the record of a run is there, of this identity; one that cannot be read, as after a power cut, is not.

    Args:
        path: Directory of the results, which need not be there.
        named: Identity of the run that is to be there.

    Raises:
        ResultError: It is the record of another run; the message names what differs.
    """
    record = _read_or_none(path / RUN, path.parent)
    if not isinstance(record, dict):
        return False
    expected = identity.digest(named)
    if record.get("identity") != expected:
        differ = identity.differences(_read_or_none(path / IDENTITY, path.parent), named)
        what = f"which differs in {few(differ, 3)}" if differ else "whose record names another identity"
        raise ResultError(f"{path} holds another run, {what}: move it away, or give another directory with results=DIR")
    return True


def _read_or_none(file: Path, root: Path) -> Any:
    try:
        return read_json(file, root)
    except (OSError, UnreadableError):
        return None


def finished(path: Path) -> list[int]:
    """Numbers of the folds that have metrics; whether these can be believed shows when they are read."""
    folds = (re.fullmatch(r"fold_(\d+)", name) for name in files.names(path, path))
    return sorted(int(fold[1]) for fold in folds if fold and files.exists(path / fold[0] / METRICS, path))


def whole(path: Path, fold: int, named: Mapping[str, Any]) -> bool:
    """Whether a fold of a run is finished and can be believed; what cannot be read, or contradicts itself, is not.

    Args:
        path: Directory of the results.
        fold: Its number.
        named: The run's identity.

    Raises:
        ResultError: It is finished, and of another run.
    """
    if not files.exists(path / fold_name(fold), path.parent):
        return False
    try:
        record = read_metrics(path, fold)
        checked_predictions(path, fold, [name for name, _ in named["classes"]])
    except ResultError:
        return False
    if record.get("identity") != identity.digest(named):
        raise ResultError(
            f"{path / fold_name(fold)} is a fold of another run, by the identity in its {METRICS}: move it away, and run the "
            "same command again"
        )
    vouched = _vouched(record)
    return all(files.plain_size(path / fold_name(fold) / name, path) == entry["size"] for name, entry in vouched.items())


def open_finished(path: Path) -> Stored:
    """Read what is stored of a finished experiment.

    Raises:
        ResultError: The directory is missing, empty, foreign, unfinished or damaged; one sentence says which, and the remedy.
    """
    record = read_record(path)
    done = finished(path)
    if (missing := next((fold for fold in range(record["folds"]) if fold not in done), None)) is not None:
        raise ResultError(
            f"{path} is not finished, fold {missing} of {record['folds']} is missing: "
            f"run the command in its {RUN} again, with fold=all"
        )
    return _open(path, record, list(range(record["folds"])))


def open_begun(path: Path) -> Stored:
    """Read what is stored of an experiment of which one fold at least is finished.

    Raises:
        ResultError: The directory is missing, empty, foreign, damaged or without a finished fold; one sentence says which, and
            the remedy.
    """
    record = read_record(path)
    folds = [fold for fold in finished(path) if fold < record["folds"]]
    if not folds:
        raise ResultError(f"{path} has no finished fold: run the command in its {RUN} first")
    return _open(path, record, folds)


def read_metrics(path: Path, fold: int) -> dict[str, Any]:
    """The metrics of one finished fold.

    Raises:
        ResultError: The file is damaged.
    """
    record = _json(path / fold_name(fold) / METRICS, path, _again(path, fold))
    _vouched(record, path / fold_name(fold) / METRICS, _again(path, fold))
    return record


def read_predictions(path: Path, fold: int) -> list[dict[str, str]]:
    """The predictions of one finished fold, a row for each utterance."""
    return read_rows(files.read(path / fold_name(fold) / PREDICTIONS, path, LARGEST_PREDICTIONS))


def read_rows(content: bytes) -> list[dict[str, str]]:
    """The rows of a predictions.csv, from its content, by column."""
    return [
        {key: from_sheet(value) if key in NAMED else value for key, value in row.items()}
        for row in csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""))
    ]


def read_curves(path: Path, fold: int) -> dict[str, list[float]]:
    """The curves of one finished fold, a list for each column.

    Raises:
        ResultError: The file is damaged or gone.
    """
    file = path / fold_name(fold) / CURVES
    try:
        text = files.read(file, path, LARGEST_CURVES).decode("utf-8")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        return {name: [float(row[name]) for row in rows] for name in (*rows[0], *CURVE_COLUMNS)}
    except (OSError, ValueError, TypeError, LookupError, csv.Error, UnsafePathError) as error:
        raise ResultError(f"{file} is damaged ({_why(error)}): {_again(path, fold)}") from None


def read_weights(path: Path, fold: int) -> bytes:
    """The file of the weights of one finished fold.

    Raises:
        ResultError: It is damaged, gone, or not the one that its metrics were made with.
    """
    file = path / fold_name(fold) / WEIGHTS
    try:
        content = files.read(file, path)
    except (OSError, UnsafePathError) as error:
        raise ResultError(f"{file} cannot be read ({_why(error)}): move {file.parent} away and run again") from None
    _check_vouched(file, content, read_metrics(path, fold), f"move {file.parent} away and run again")
    return content


def _check_vouched(file: Path, content: bytes, metrics: Mapping[str, Any], remedy: str) -> None:
    """Refuse a file of a fold that is another than its metrics vouch for; those of older versions vouch for none."""
    vouched = _vouched(metrics).get(file.name)
    if vouched and vouched["sha256"] != files.sha256(content):
        raise ResultError(f"{file} is damaged (its SHA-256 is not the one in {METRICS}): {remedy}")


def _vouched(record: Mapping[str, Any], file: Path | None = None, remedy: str = "") -> dict[str, dict[str, Any]]:
    """What metrics.json says of the other files of its fold, by name."""
    vouched = record.get("files", {})
    usable = isinstance(vouched, dict) and all(
        name in (PREDICTIONS, CURVES, WEIGHTS)
        and isinstance(entry, dict)
        and isinstance(entry.get("size"), int)
        and isinstance(entry.get("sha256"), str)
        for name, entry in vouched.items()
    )
    if not usable:
        raise ResultError(f"{file} is damaged (no usable 'files'): {remedy}")
    return dict(vouched)


def _json(file: Path, root: Path, remedy: str, otherwise: str = "damaged") -> dict[str, Any]:
    """The object in a file of JSON.

    Args:
        file: Of the run.
        root: Of the run.
        remedy: What to do where there is none.
        otherwise: What the file is then.

    Raises:
        ResultError: It is gone or damaged.
    """
    try:
        record = read_json(file, root)
        if not isinstance(record, dict):
            raise UnreadableError("no object")
    except PermissionError:
        # Whoever may not read it cannot say that it is damaged.
        raise
    except (OSError, UnreadableError) as error:
        raise ResultError(f"{file} is {otherwise} ({_why(error)}): {remedy}") from None
    return record


def _again(path: Path, fold: int) -> str:
    return f"move {path / fold_name(fold)} away and run the command in {RUN} again"


def _why(error: BaseException) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or " ".join(str(error).split())[:200] or type(error).__name__


def _open(path: Path, record: dict[str, Any], folds: list[int]) -> Stored:
    config, split = read_config(path), _json(path / SPLIT, path, f"restore it, {AGAIN}")
    metrics = {fold: read_metrics(path, fold) for fold in folds}
    parts = {fold: checked_predictions(path, fold, record["classes"], metrics[fold]) for fold in folds}
    for fold, rows in parts.items():
        try:
            tested = sorted(split["folds"][fold]["test"])
        except (LookupError, TypeError):
            raise ResultError(f"{path / SPLIT} has no test part of fold {fold}: restore it, {AGAIN}") from None
        if [row["key"] for row in sorted(rows, key=lambda row: row["key"])] != tested:
            file = path / fold_name(fold) / PREDICTIONS
            raise ResultError(f"{file} has other utterances than the run's split: restore it, {AGAIN}")
    return Stored(path, record, config, parts, metrics)


def read_record(path: Path) -> dict[str, Any]:
    """What made a run.

    Raises:
        ResultError: The directory is missing, empty, foreign or damaged; one sentence says which, and the remedy.
    """
    if not path.is_dir():
        raise ResultError(f"{path} is no directory: give one that wser.run made, as runs/default-1a2b3c4d")
    if not files.exists(path / RUN, path):
        inside = sorted(file.parent.name for file in path.glob(f"*/{RUN}"))
        if inside:
            raise ResultError(f"{path} holds the results of {len(inside)} runs: give one of them, as {path / inside[0]}")
        what = "is empty" if not any(path.iterdir()) else f"has no {RUN}"
        raise ResultError(
            f"{path} {what}, so it holds no results: run the command that was to fill it, or give another directory, "
            "as runs/default-1a2b3c4d"
        )
    remedy = f"give a directory that wser.run made, {AGAIN}"
    record = _json(path / RUN, path, remedy, "damaged or foreign")
    wrong = [key for key, kind in RECORDED.items() if type(record.get(key)) is not kind]
    wrong = wrong or [
        key for key, fine in (
            ("folds", 1 <= record["folds"] <= MOST_FOLDS),
            ("classes", _are_classes(record["classes"])),
            ("corpora", bool(record["corpora"]) and all(map(_is_corpus, record["corpora"]))),
        ) if not fine
    ]  # fmt: skip
    if wrong:
        raise ResultError(f"{path / RUN} is damaged or foreign ({wrong[0]}): {remedy}")
    return record


def _are_classes(names: list[Any]) -> bool:
    return 0 < len(names) <= MOST_CLASSES and all(isinstance(name, str) for name in names) and len({*names}) == len(names)


def _is_corpus(found: Any) -> bool:
    return isinstance(found, dict) and isinstance(found.get("corpus"), str) and isinstance(found.get("synthetic"), bool)


def read_config(path: Path) -> dict[str, Any]:
    """The configuration of a run by dotted key.

    Raises:
        ResultError: The file is damaged or gone.
    """
    try:
        settings = read_yaml(path / CONFIG, path)
        if not isinstance(settings, dict):
            raise UnreadableError("no keys with values")
        for section in ("model", "protocol", "data", "train"):
            if not isinstance(settings.get(section, {}), dict):
                raise UnreadableError(f"'{section}' holds no keys with values")
        return flatten(settings)
    except (OSError, UnreadableError) as error:
        raise ResultError(f"{path / CONFIG} cannot be read ({_why(error)}): restore it, {AGAIN}") from None


def checked_predictions(
    path: Path, fold: int, classes: list[str], metrics: dict[str, Any] | None = None
) -> list[dict[str, str]]:
    """Predictions of a finished fold, which its metrics were made of.

    Args:
        path: Directory of the results.
        fold: Its number.
        classes: Names of the classes, by index.
        metrics: Of the fold, where they have been read already.

    Raises:
        ResultError: They cannot be read, or are not those of the metrics: the file is another, rows are missing or twice, the
            predicted class is not the most probable one, or the counts are others.
    """
    folder = path / fold_name(fold)
    file = folder / PREDICTIONS
    metrics = read_metrics(path, fold) if metrics is None else metrics
    for key in ("utterances", "confusion", *HEADLINES):
        if key not in metrics:
            raise ResultError(
                f"{folder / METRICS} has no usable '{key}', it is damaged or of another version: {_again(path, fold)}"
            )
    try:
        content = files.read(file, path, LARGEST_PREDICTIONS)
        _check_vouched(file, content, metrics, _again(path, fold))
        rows = read_rows(content)
        why = _contradiction(rows, metrics, classes)
    except PermissionError:
        raise
    except KeyError as error:
        why = f"no {error}"
    except (OSError, ValueError, TypeError, csv.Error, UnsafePathError) as error:
        why = _why(error)
    if why:
        raise ResultError(f"{file} is damaged ({why}): {_again(path, fold)}")
    return rows


def _contradiction(rows: Sequence[Mapping[str, str]], metrics: Mapping[str, Any], classes: list[str]) -> str | None:
    """What is wrong with the predictions of a fold, by themselves and beside its metrics; None where nothing is."""
    if len(rows) != metrics["utterances"] or not rows:
        return f"{len(rows)} utterances, not {metrics['utterances']}"
    place, matrix = {name: index for index, name in enumerate(classes)}, [[0] * len(classes) for _ in classes]
    seen: set[str] = set()
    for row in rows:
        if not row["key"] or not row["speaker"] or row["true"] not in place or row["predicted"] not in place:
            return "a class that is none of the run's"
        if row["key"] in seen:
            return f"{row['key']} is there twice"
        seen.add(row["key"])
        matrix[place[row["true"]]][place[row["predicted"]]] += 1
        if all(f"p_{name}" in row for name in classes):
            probabilities = [float(row[f"p_{name}"]) for name in classes]
            # Where the loss diverged they are no numbers, and nothing is the largest.
            if not any(map(isnan, probabilities)) and probabilities[place[row["predicted"]]] < max(probabilities) - ROUNDED:
                return f"{row['key']} is given {row['predicted']}, which is not its most probable class"
    if metrics.get("confusion") != matrix:
        return f"they do not give the confusion matrix in {METRICS}"
    for part in filter(None, (metrics, metrics.get("validation"))):
        figures = scores(counts(part["confusion"]))
        if wrong := next((name for name, value in figures.items() if not abs(part[name] - float(value)) < SAME), None):
            return f"{METRICS} has another {wrong} than follows from its confusion matrix"
    return None
