"""Reading results.

What contradicts something else in a directory of results is not believed: a fold is finished where its
predictions are the ones that its metrics were computed from, and belongs to a run where it names the run's identity.
"""

import csv
import io
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isnan
from pathlib import Path
from typing import Annotated, Any, NotRequired, Required, TypedDict, TypeVar

from msgspec import Meta

from precompute.cache.layout import FileEntry
from precompute.common import files
from precompute.common.errors import UnsafePathError, counted, few, reason
from precompute.common.reading import Digest, UnreadableError, read_json, read_yaml, typed
from precompute.common.sheet import from_sheet
from wser import models
from wser.config.schema import flatten
from wser.config.unread import with_effect
from wser.evaluation.uncertainty import SAME, counts, scores
from wser.models import ModelError
from wser.protocols import hash_of_keys
from wser.results import identity
from wser.results.places import (
    CONFIG,
    CURVES,
    FITTED,
    IDENTITY,
    METRICS,
    PAGE,
    PREDICTIONS,
    RECORDINGS,
    RUN,
    SPLIT,
    SWEEP,
    WEIGHTS,
    ResultError,
    corpus_names,
    fold_name,
)

MOST_FOLDS, MOST_CLASSES = 10_000, 1000
"""Of a run that is read: more of either is a damaged file, and would take unlimited memory."""

LARGEST_PREDICTIONS, LARGEST_CURVES = 1 << 30, 64 << 20
"""Bytes of files of a fold: a million predictions of a hundred classes, and curves of as many epochs as may be asked for."""

ROUNDED = 1e-6
"""By how much a probability of predictions.csv may be off."""

UNSUMMED = 2e-5
"""By how much the probabilities of an utterance may miss 1 before they are rounded: models promise half of it."""

NAMED = ("key", "speaker", "true", "predicted")
"""Columns of predictions.csv that hold names."""

CURVE_COLUMNS = ("epoch", *(f"{part}_{quantity}" for part in ("train", "validation") for quantity in ("loss", "accuracy")))


class Corpus(TypedDict):
    """A corpus of a run."""

    corpus: str
    synthetic: bool
    cache: NotRequired[str]


class Recorded(TypedDict):
    """What a comparison needs of run.json."""

    classes: Annotated[list[str], Meta(min_length=1, max_length=MOST_CLASSES)]
    command: NotRequired[str]
    corpora: Annotated[list[Corpus], Meta(min_length=1)]
    folds: Annotated[int, Meta(ge=1, le=MOST_FOLDS)]
    label_map: str
    protocol: str
    recipe_id: str
    seed: int
    seeds: NotRequired[Annotated[list[int], Meta(min_length=1)]]
    selection: str
    split_hash: str
    track: NotRequired[str]
    enrol: NotRequired[Annotated[int, Meta(ge=1)]]


class Heard(TypedDict):
    """By what an utterance of a run is recognised.

    Attributes:
        key: Within its corpus, which seeds noise and place in the picture.
        file: SHA-256 of its recording's file.
        samples: Of what was decoded of it, None where its cache does not say.
        recording: Of the whole recording as decoded, likewise.
    """

    key: str
    file: Digest
    samples: Digest | None
    recording: Digest | None


class Scores(TypedDict):
    """Metrics of a part of a fold, and what they are computed from."""

    uar: float
    accuracy: float
    macro_f1: float
    confusion: list[list[int]]


class Scored(Scores):
    """What metrics.json has of a fold; of some versions without the validation set."""

    utterances: int
    validation: NotRequired[Scores | None]
    enrolled: NotRequired[list[str]]


_OTHERS = "|".join(map(re.escape, (PREDICTIONS, CURVES, WEIGHTS, FITTED)))


class _ListedFiles(TypedDict):
    """What metrics.json says of the other files of its fold; those of older versions say nothing."""

    files: NotRequired[dict[Annotated[str, Meta(pattern=rf"^({_OTHERS})\Z")], FileEntry]]


class _Part(TypedDict, total=False):
    train: list[str]
    validation: list[str]
    test: Required[list[str]]


class _Split(TypedDict):
    folds: list[_Part]


class _Config(TypedDict, total=False):
    """What config.yaml has in sections."""

    model: dict[str, Any]
    protocol: dict[str, Any]
    data: dict[str, Any]
    train: dict[str, Any]


AGAIN = "or move this one away and run its command again"
"""Ends the remedy for results that are damaged."""

T = TypeVar("T")


@dataclass(frozen=True)
class StoredRun:
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
    def by_epochs(self) -> bool:
        """Whether a network was trained, epoch by epoch; also where no fold says so."""
        return not self.metrics or any(metrics.get("epochs", 1) for metrics in self.metrics.values())

    @property
    def settings(self) -> dict[str, Any]:
        """The configuration without keys that change no result, and with recipe and label map as they were found."""
        kept = with_effect(self.config, self.by_epochs)
        tested = self.record.get("test_recipe_id")
        # A fusion over several recipes has their names alone.
        several = "fused" in self.record and "algorithm" not in self.record["recipe"]
        recipe = self.record["recipe"]["feature"] if several else self.record["recipe_id"]
        named = {"recipe": recipe, "data.test_recipe": tested, "labels": self.record["label_map"]}
        return kept | named

    @property
    def recipe(self) -> str:
        """The recipe as a user would write it; of a fusion over several, their names; of an older run, its id."""
        return recipe_in_words(self.record) if "recipe" in self.record else str(self.record["recipe_id"])

    @property
    def title(self) -> str:
        """What it is, in a line, with its caveats."""
        corpora = [(corpus["corpus"], corpus["synthetic"]) for corpus in self.record["corpora"]]
        names = corpus_names(corpora, self.record["selection"], self.record)
        model = self.settings.get("model.name")
        tested = self.settings.get("data.test_recipe")
        pictures = f", tested on pictures of {tested}" if tested else ""
        target, seeds = self.config.get("protocol.test"), seed_in_words(self.record)
        protocol = f"{self.record['protocol']} tested on {target}" if target else self.record["protocol"]
        return f"{names}, {len(self.classes)} classes, {protocol}, {model}, seed{'s' * (', ' in seeds)} {seeds}{pictures}"


def holds(file: Path, content: bytes) -> bool:
    """Whether a file of a run has just this content."""
    try:
        return files.read(file, file.parent, len(content)) == content
    except (OSError, UnsafePathError):
        return False


class _FusedRun(TypedDict):
    run: str
    identity: str
    title: str


class _Fusion(TypedDict):
    """What run.json says of the runs that a fusion averages."""

    fused: Annotated[list[_FusedRun], Meta(min_length=1)]


def fused_parts(fusion: Path, record: dict[str, Any]) -> list[dict[str, Any]]:
    """What the record of a fusion says of each run that it averages; nothing of a run that is not a fusion.

    Raises:
        ResultError: It is damaged.
    """
    if "fused" not in record:
        return []
    checked(record, _Fusion, fusion / RUN, f"restore it, {AGAIN}")
    return list(record["fused"])


def fused_run(fusion: Path, part: Mapping[str, Any]) -> Path:
    """Directory of a run that a fusion averages.

    Args:
        fusion: Directory of the fusion.
        part: What its record says of the run: where it is, and its identity.

    Raises:
        ResultError: It is no longer there, damaged, or another run.
    """
    path = fusion.resolve().parent / str(part["run"])
    if not path.is_dir():
        raise ResultError(f"{path}, a run that {fusion} averages, cannot be found: put it there")
    if read_record(path).get("identity") != part["identity"]:
        raise ResultError(f"{path} is another run than the one that {fusion} averages: restore that one")
    return path


def seed_in_words(record: Mapping[str, Any]) -> str:
    """The seed of a run's record; of a fusion over several, all of them."""
    return ", ".join(map(str, record.get("seeds", [record["seed"]])))


def recipe_in_words(record: Mapping[str, Any]) -> str:
    """The recipe of a run's record, as a user would write it; of a fusion over several, their names."""
    from precompute.recipe import in_words

    stored = record["recipe"]
    # Every recipe has the number of its algorithm, and several together have none.
    return in_words(stored) if "algorithm" in stored or "fused" not in record else str(stored["feature"])


def stored_identity(path: Path, named: Mapping[str, Any]) -> bool:
    """Whether the record of a run is there, of this identity; one that cannot be read, as after a power cut, is not.

    Args:
        path: Directory of the results, which need not be there.
        named: Identity of the run that is to be there.

    Raises:
        ResultError: It is the record of another run; the message names what differs.
    """
    record = _read_or_none(path / RUN, path.parent)
    if record is None:
        return False
    expected = identity.digest(named)
    if record.get("identity") != expected:
        differ = identity.differences(_read_or_none(path / IDENTITY, path.parent), named)
        what = f"which differs in {few(differ, 3)}" if differ else "whose record names another identity"
        raise ResultError(f"{path} holds another run, {what}: move it away, or give another directory with results=DIR")
    return True


def stored_network(path: Path) -> str | None:
    """SHA-256 of the source of a run's model, by its identity; None where that does not say it, or is damaged."""
    named = (_read_or_none(path / IDENTITY, path.parent) or {}).get("network")
    return named if isinstance(named, str) else None


def _read_or_none(file: Path, root: Path) -> dict[str, Any] | None:
    try:
        return typed(read_json(file, root), dict[str, Any])
    except (OSError, UnreadableError):
        return None


def finished(path: Path) -> list[int]:
    """Numbers of the folds that have metrics; whether these can be believed shows when they are read."""
    folds = (re.fullmatch(r"fold_(\d+)", name) for name in files.names(path, path))
    return sorted(int(fold[1]) for fold in folds if fold and files.exists(path / fold[0] / METRICS, path))


def by_epochs(path: Path) -> bool:
    """Whether a run trains a network, epoch by epoch: as its first finished fold says, or its model; yes where neither does."""
    try:
        if done := finished(path):
            return bool(read_metrics(path, done[0]).get("epochs", 1))
        name = read_config(path).get("model.name")
        return name not in models.names() or bool(models.module(name).Config.is_network)
    except (ResultError, ModelError, OSError):
        return True


def whole(path: Path, fold: int, named: Mapping[str, Any]) -> bool:
    """Whether a fold of a run is finished and can be believed; what cannot be read, or contradicts itself, is not.

    Args:
        path: Directory of the results.
        fold: Its number.
        named: The run's identity.

    Raises:
        ResultError: It is finished, and of another run.
    """
    return files.exists(path / fold_name(fold), path.parent) and fault(path, fold, named) is None


def fault(path: Path, fold: int, named: Mapping[str, Any]) -> str | None:
    """Why a fold that is there cannot be believed; None where it can be.  Arguments and errors are those of `whole`."""
    folder = path / fold_name(fold)
    try:
        record = read_metrics(path, fold)
        checked_predictions(path, fold, [name for name, _ in named["classes"]], record)
    except ResultError as error:
        return error.what
    if record.get("identity") != identity.digest(named):
        raise ResultError(
            f"{folder} is a fold of another run, by the identity in its {METRICS}: move it away, and run the same command again"
        )
    for name, entry in record.get("files", {}).items():
        if files.plain_size(folder / name, path) != entry["size"]:
            return f"{folder / name} is not the file of {entry['size']} bytes that {METRICS} names"
    return None


def finishing(record: Mapping[str, Any]) -> str:
    """The command that finishes a run: the one that began it, with all folds and its own cache, since another may be newer."""
    command: str | None = record.get("command")
    if command is None:
        return "the command that began it again, with fold=all"
    try:
        begun = [word for word in shlex.split(command) if not word.startswith(("fold=", "cache="))]
    except ValueError:  # no command of a shell
        return command
    caches = [f"cache={corpus['cache']}" for corpus in record["corpora"] if "cache" in corpus]
    return shlex.join([*begun, *(caches if len(caches) == 1 else []), "fold=all"])


def open_finished(path: Path) -> StoredRun:
    """Read what is stored of a finished experiment.

    Raises:
        ResultError: The directory is missing, empty, foreign, unfinished or damaged; one sentence says which, and the remedy.
    """
    record = read_record(path)
    done = finished(path)
    if (missing := next((fold for fold in range(record["folds"]) if fold not in done), None)) is not None:
        raise ResultError(f"{path} is not finished, fold {missing} of {record['folds']} is missing: run {finishing(record)}")
    return _open(path, record, list(range(record["folds"])))


def open_begun(path: Path) -> StoredRun:
    """Read what is stored of an experiment of which one fold at least is finished.

    Raises:
        ResultError: The directory is missing, empty, foreign, damaged or without a finished fold; one sentence says which, and
            the remedy.
    """
    record = read_record(path)
    folds = [fold for fold in finished(path) if fold < record["folds"]]
    if not folds:
        raise ResultError(f"{path} has no finished fold: run {finishing(record)}")
    return _open(path, record, folds)


def read_metrics(path: Path, fold: int) -> dict[str, Any]:
    """The metrics of one finished fold.

    Raises:
        ResultError: The file is damaged.
    """
    record = _json(path / fold_name(fold) / METRICS, path, _again(path, fold))
    checked(record, _ListedFiles, path / fold_name(fold) / METRICS, _again(path, fold))
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
        content = files.read(file, path, LARGEST_CURVES)
        _check_listed(file, content, read_metrics(path, fold), _again(path, fold))
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))
        return {name: [float(row[name]) for row in rows] for name in (*rows[0], *CURVE_COLUMNS)}
    except (OSError, ValueError, TypeError, LookupError, csv.Error, UnsafePathError) as error:
        raise ResultError(f"{file} is damaged ({reason(error)})", _again(path, fold)) from None


def read_weights(path: Path, fold: int, name: str = WEIGHTS) -> bytes:
    """The file of the weights of one finished fold.

    Args:
        path: Directory of the run.
        fold: Its number.
        name: Of the file.

    Raises:
        ResultError: It is damaged, gone, or not the one that its metrics were made with.
    """
    file = path / fold_name(fold) / name
    remedy = f"move {file.parent} away and run again"
    try:
        content = files.read(file, path)
    except (OSError, UnsafePathError) as error:
        raise ResultError(f"{file} cannot be read ({reason(error)})", remedy) from None
    _check_listed(file, content, read_metrics(path, fold), remedy)
    return content


def _check_listed(file: Path, content: bytes, metrics: Mapping[str, Any], remedy: str) -> None:
    """Refuse a file of a fold that does not match its checksum in the metrics; older metrics, without identity, need none."""
    listed = metrics.get("files", {}).get(file.name)
    if listed is None and "identity" in metrics:
        raise ResultError(f"{file.with_name(METRICS)} is damaged (it lacks the SHA-256 of {file.name})", remedy)
    if listed and listed["sha256"] != files.sha256(content):
        raise ResultError(f"{file} is damaged (its SHA-256 is not the one in {METRICS})", remedy)


def checked(record: Any, kind: type[T], file: Path, remedy: str, otherwise: str = "damaged or of another version") -> T:
    """A record of a run as a type has it.

    Args:
        record: As read.
        kind: The type, as of `reading.typed`.
        file: That holds it.
        remedy: What to do where it is of another type.
        otherwise: What the file is then.

    Raises:
        ResultError: It is.
    """
    try:
        return typed(record, kind)
    except UnreadableError as error:
        raise ResultError(f"{file} is {otherwise} ({reason(error)})", remedy) from None


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
        return typed(read_json(file, root), dict[str, Any])
    except PermissionError:
        # A user who may not read it cannot say that it is damaged.
        raise
    except (OSError, UnreadableError) as error:
        raise ResultError(f"{file} is {otherwise} ({reason(error)})", remedy) from None


def _again(path: Path, fold: int) -> str:
    return f"move {path / fold_name(fold)} away and run the command in {RUN} again"


def _open(path: Path, record: dict[str, Any], folds: list[int]) -> StoredRun:
    config, restore = read_config(path), f"restore it, {AGAIN}"
    split = checked(_json(path / SPLIT, path, restore), _Split, path / SPLIT, restore)["folds"]
    if len(split) < record["folds"]:
        raise ResultError(f"{path / SPLIT} has {len(split)} folds, and {RUN} {record['folds']}", restore)
    # Versions without identities may have hashed something else.
    if "identity" in record and not _is_hash_of(split, record["split_hash"]):
        raise ResultError(f"{path / SPLIT} is not the split of the run, by its hash in {RUN}", restore)
    metrics = {fold: read_metrics(path, fold) for fold in folds}
    for fold, of_fold in metrics.items():
        if of_fold.get("identity") != record.get("identity"):
            raise ResultError(f"{path / fold_name(fold) / METRICS} is of another run, by its identity", _again(path, fold))
    parts = {fold: checked_predictions(path, fold, record["classes"], metrics[fold]) for fold in folds}
    for fold, rows in parts.items():
        enrolled = metrics[fold].get("enrolled", [])
        if sorted([*(row["key"] for row in rows), *enrolled]) != sorted(split[fold]["test"]):
            raise ResultError(f"{path / fold_name(fold) / PREDICTIONS} has other utterances than the run's split", restore)
        # What is not scored is what was asked for, and no choice among the predictions.
        speakers = {row["speaker"] for row in rows}
        if len(enrolled) != len(speakers) * record.get("enrol", 0):
            enrolment = f"{counted(len(enrolled), 'recording')} of {counted(len(speakers), 'test speaker')}"
            what = f"enrols {enrolment}, and {RUN} says {record.get('enrol', 0)} of each"
            raise ResultError(f"{path / fold_name(fold) / METRICS} {what}", _again(path, fold))
    return StoredRun(path, record, config, parts, metrics)


def _is_hash_of(split: list[_Part], sha256: str) -> bool:
    try:
        return hash_of_keys(split) == sha256
    except ValueError:  # no text that can be written
        return False


def read_record(path: Path) -> dict[str, Any]:
    """What made a run.

    Raises:
        ResultError: The directory is missing, empty, foreign or damaged; one sentence says which, and the remedy.
    """
    if not path.is_dir():
        raise ResultError(f"{path} is not a directory: give one that wser.run made, as runs/emodb-row_svm-loso-1a2b3c4d5e6f")
    if not files.exists(path / RUN, path):
        inside = sorted(file.parent.name for file in path.glob(f"*/{RUN}"))
        if files.exists(path / SWEEP, path):
            raise ResultError(f"{path} is a sweep: give one of its runs, which its {SWEEP} and {PAGE} name")
        if inside:
            raise ResultError(f"{path} holds the results of {len(inside)} runs: give one of them, as {path / inside[0]}")
        what = "is empty" if not any(path.iterdir()) else f"has no {RUN}"
        raise ResultError(
            f"{path} {what}, so it holds no results: run the command that was to fill it, or give another directory, "
            "as runs/emodb-row_svm-loso-1a2b3c4d5e6f"
        )
    remedy = f"give a directory that wser.run made, {AGAIN}"
    record = _json(path / RUN, path, remedy, "damaged or foreign")
    checked(record, Recorded, path / RUN, remedy, "damaged or foreign")
    if len({*record["classes"]}) < len(record["classes"]):
        raise ResultError(f"{path / RUN} is damaged or foreign (two classes have one name)", remedy)
    return record


def read_recordings(path: Path) -> dict[str, Heard] | None:
    """By what the recordings of a run are recognised, by key; None for runs of versions that did not record it.

    Raises:
        ResultError: The file is damaged.
    """
    if not files.exists(path / RECORDINGS, path):
        return None
    restore = f"restore it, {AGAIN}"
    return checked(_json(path / RECORDINGS, path, restore), dict[str, Heard], path / RECORDINGS, restore)


def read_config(path: Path) -> dict[str, Any]:
    """The configuration of a run by dotted key.

    Raises:
        ResultError: The file is damaged or gone.
    """
    try:
        typed(settings := read_yaml(path / CONFIG, path), _Config)
        return flatten(settings)
    except (OSError, UnreadableError) as error:
        raise ResultError(f"{path / CONFIG} cannot be read ({reason(error)})", f"restore it, {AGAIN}") from None


def checked_predictions(
    path: Path, fold: int, classes: list[str], metrics: dict[str, Any] | None = None
) -> list[dict[str, str]]:
    """Predictions of a finished fold, from which its metrics were computed.

    Args:
        path: Directory of the results.
        fold: Its number.
        classes: Names of the classes, by index.
        metrics: Of the fold, where they have been read already.

    Raises:
        ResultError: They cannot be read, or are not those of the metrics: the file is another, rows are missing or twice,
            probabilities do not add up to 1, the predicted class is not the most probable one, or the counts are others.
    """
    folder = path / fold_name(fold)
    file = folder / PREDICTIONS
    metrics = read_metrics(path, fold) if metrics is None else metrics
    checked(metrics, Scored, folder / METRICS, _again(path, fold))
    try:
        content = files.read(file, path, LARGEST_PREDICTIONS)
        _check_listed(file, content, metrics, _again(path, fold))
        rows = read_rows(content)
        if not (why := _contradiction(rows, metrics, classes)):
            file, why = folder / METRICS, _wrong_figure(metrics)
    except PermissionError:
        raise
    except KeyError as error:
        why = f"no {error}"
    except (OSError, ValueError, TypeError, csv.Error, UnsafePathError) as error:
        why = reason(error)
    if why:
        raise ResultError(f"{file} is damaged ({why})", _again(path, fold))
    return rows


def _contradiction(rows: Sequence[Mapping[str, str]], metrics: Mapping[str, Any], classes: list[str]) -> str | None:
    """What is wrong with the predictions of a fold, by themselves and beside its metrics; None where nothing is."""
    if len(rows) != metrics["utterances"] or not rows:
        return f"{len(rows)} utterances, where {METRICS} has {metrics['utterances']}"
    place, matrix = {name: index for index, name in enumerate(classes)}, [[0] * len(classes) for _ in classes]
    seen: set[str] = set()
    for row in rows:
        if not row["key"] or not row["speaker"] or row["true"] not in place or row["predicted"] not in place:
            return "a class that is not one of the run's"
        if row["key"] in seen:
            return f"{row['key']} is there twice"
        seen.add(row["key"])
        matrix[place[row["true"]]][place[row["predicted"]]] += 1
        probabilities = [float(row[f"p_{name}"]) for name in classes]
        # Where the loss diverged they are no numbers, and nothing is the largest.
        if metrics.get("diverged") is True and any(map(isnan, probabilities)):
            continue
        if not all(0 <= value <= 1 for value in probabilities):
            return f"{row['key']} has a probability that is not a number from 0 to 1"
        if abs(sum(probabilities) - 1) > UNSUMMED + len(classes) * ROUNDED:
            return f"the probabilities of {row['key']} add up to {sum(probabilities):.6g}, not 1"
        if probabilities[place[row["predicted"]]] < max(probabilities) - ROUNDED:
            return f"{row['key']} is given {row['predicted']}, which is not its most probable class"
    if metrics["confusion"] != matrix:
        return f"they do not give the confusion matrix in {METRICS}"
    return None


def _wrong_figure(metrics: Mapping[str, Any]) -> str | None:
    """A metric of a fold that does not follow from its confusion matrices; None where all do."""
    for name, part in {"": metrics, "validation ": metrics.get("validation") or metrics}.items():
        for figure, value in scores(counts(part["confusion"])).items():
            if not abs(part[figure] - float(value)) < SAME:
                return f"its {name}{figure} is {part[figure]:.6g}, and its confusion matrix gives {value:.6g}"
    return None
