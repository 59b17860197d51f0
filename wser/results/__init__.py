"""Results on disk: how they are named, what of them is finished, and where they come from.

Nothing in a directory of results is believed that contradicts something else there: a fold is finished where its
predictions are the ones that its metrics were made of, and belongs to a run where it names the run's identity.
"""

import csv
import hashlib
import io
import json
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from math import isnan
from pathlib import Path
from typing import Any
from urllib.parse import quote

import rfc8785
from omegaconf import OmegaConf

from precompute.cache.layout import printable
from precompute.common import files
from precompute.common.errors import UnsafePathError, WserError
from precompute.common.process import is_running
from precompute.common.provenance import provenance
from precompute.common.reading import UnreadableError, read_json, read_yaml
from precompute.common.sheet import from_sheet, sheet_safe
from wser.config.schema import Config, flatten, is_hashed, recorded
from wser.data.dataset import Dataset
from wser.evaluation.uncertainty import HEADLINES, SAME, counts, scores
from wser.protocols import Fold, as_file, split_hash
from wser.protocols._leakage import Leakage
from wser.results import identity

CONFIG, RUN, SPLIT, LEAKAGE, SUMMARY = "config.yaml", "run.json", "split.json", "leakage.json", "summary.json"
IDENTITY = "identity.json"
REPEAT, VERDICT = "repeat", "verdict.json"
SWEEP_ROWS, SWEEP = "sweep.csv", "sweep.json"
PAGE, BESIDE_PAGE = "report.html", "report"
"""The page of a run or sweep, and the directory of its figures and tables."""

METRICS, PREDICTIONS, CURVES, WEIGHTS = "metrics.json", "predictions.csv", "curves.csv", "weights.pt"

MOST_FOLDS, MOST_CLASSES = 10_000, 1000
"""Of a run that is read: more of either is a damaged file, and would take memory without end."""

LARGEST_PREDICTIONS, LARGEST_CURVES = 1 << 30, 64 << 20
"""Bytes of files of a fold: a million predictions of a hundred classes, and curves of as many epochs as may be asked for."""

ROUNDED = 1e-6
"""By how much a probability of predictions.csv may be off."""

LEFTOVER = re.compile(r"\.fold_\d+-(?:([^-]+)-)?[0-9a-f]{8}")
"""Name of a fold's directory while it is being trained, with the signature of the process that does it."""
NAMED = ("key", "speaker", "true", "predicted")
"""Columns of predictions.csv that hold names."""

CURVE_COLUMNS = ("epoch", *(f"{part}_{quantity}" for part in ("train", "validation") for quantity in ("loss", "accuracy")))
PACKAGES = ("wser", "torch", "pytorch-lightning", "numpy", "scikit-learn", "zarr")

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


class ResultError(WserError):
    """Results are foreign, half-written or unreadable."""


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


def fold_name(number: int) -> str:
    """Directory of a fold."""
    return f"fold_{number}"


def directory(config: Config, named: Mapping[str, Any]) -> Path:
    """Where the results of a configuration go: `<experiment>-<hash12>`.

    Args:
        config: Of the experiment.
        named: The run's identity, which leaves out which folds were asked for, where they run and on what device.
    """
    return Path(config.results) / f"{Path(config.experiment).stem}-{identity.digest(named)[: identity.DIGITS]}"


def sweep_directory(points: Sequence[Path]) -> Path:
    """Where the results of a sweep go, beside those of its points: `<experiment>-sweep-<hash12>`.

    Args:
        points: Directories of the points' results; their names alone, in any order, make the hash.
    """
    return points[0].with_name(f"{points[0].name.rpartition('-')[0]}-sweep-{_digest(sorted(path.name for path in points))}")


def comparison_directory(runs: Sequence[Path]) -> Path:
    """Where the page of several runs goes, beside the first: `comparison-<hash12>`, of their names in the order given."""
    places = [path.resolve() for path in runs]
    return places[0].with_name(f"comparison-{_digest([path.name for path in places])}")


def _digest(names: Sequence[str]) -> str:
    return hashlib.sha256(rfc8785.dumps(list(map(printable, names)))).hexdigest()[: identity.DIGITS]


def write_sweep(path: Path, rows: Sequence[dict[str, Any]], record: dict[str, Any]) -> None:
    """Write the table of a sweep and what made it.

    Args:
        path: Directory of the sweep.
        rows: One for each point, with the same columns.
        record: For JSON.
    """
    root = path.parent
    files.make_directory(path, root)
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(map(sheet_safe, rows[0]))
    for row in rows:
        cells = {**row, "best": "yes" if row["best"] else "no"}.values()
        writer.writerow(sheet_safe(cell) if isinstance(cell, str) else cell for cell in cells)
    files.replace(path / SWEEP_ROWS, table.getvalue().encode("utf-8", "replace"), root)
    files.replace(path / SWEEP, as_json(record), root)


def describe(
    path: Path,
    config: Config,
    named: Mapping[str, Any],
    dataset: Dataset,
    folds: Sequence[Fold],
    command: str,
    speaker_independent: bool,
    leakage: Sequence[Leakage],
    tested: Dataset | None = None,
) -> None:
    """Write what a run is, unless an earlier call for the same configuration has: configuration, identity, origin, split.

    Args:
        path: Directory of the results.
        config: Of the experiment.
        named: The run's identity.
        dataset: Its utterances.
        folds: All of its folds.
        command: That asked for it.
        speaker_independent: Whether the protocol promises disjoint speakers.
        leakage: What training and test have in common, for each fold.
        tested: The same utterances in the pictures that are scored, where these are others.

    Raises:
        ResultError: The directory holds another run.
    """
    root = path.parent
    if stored_identity(path, named):
        return
    record = {
        "experiment": config.experiment,
        "command": command,
        "identity": identity.digest(named),
        "corpora": [
            {"corpus": cache.corpus, "synthetic": cache.synthetic, "cache": cache.id, "fingerprint": cache.fingerprint}
            for cache in dataset.caches
        ],
        "recipe_id": dataset.recipe_id,
        "recipe": dataset.recipe,
        "test_recipe_id": tested.recipe_id if tested else None,
        "test_recipe": tested.recipe if tested else None,
        "label_map": dataset.label_map.name,
        "classes": dataset.classes,
        "dropped": dataset.dropped,
        "utterances": len(dataset.examples),
        "protocol": config.protocol.name,
        "folds": len(folds),
        "split_hash": split_hash(folds, dataset.examples),
        "selection": config.selection,
        "seed": config.seed,
        "revision": revision(),
        **provenance(PACKAGES),
    }
    files.make_directory(path, root)
    split = as_file(config.protocol.name, speaker_independent, folds, dataset.examples)
    contents = {
        CONFIG: OmegaConf.to_yaml(OmegaConf.create(recorded(config))).encode(),
        IDENTITY: as_json(named),
        SPLIT: as_json(split),
        LEAKAGE: as_json([asdict(report) for report in leakage]),
        # Last: where it is, the others are too.
        RUN: as_json(record),
    }
    for name, content in contents.items():
        files.replace(path / name, content, root)


def as_json(record: Any) -> bytes:
    """A record as results hold it: JSON, indented, UTF-8."""
    return (json.dumps(record, indent=1) + "\n").encode()


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
        what = f"which differs in {', '.join(differ[:3])}" if differ else "whose record names another identity"
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


def remove_leftovers(path: Path) -> None:
    """Remove from a run what jobs left that were killed, as far as they are certainly gone."""
    for name in files.names(path, path.parent):
        if is_leftover(name, path):
            files.remove(path / name, path.parent)


def is_leftover(name: str, path: Path) -> bool:
    """Whether something in a directory of results was left by a job that is gone, or is so old that it must be.

    Args:
        name: In the directory.
        path: The directory.
    """
    made = LEFTOVER.fullmatch(name) or files.PART.fullmatch(name)
    if not made:
        return False
    running = is_running(made[1] or "")
    return files.is_stale(path / name, path) if running is None else not running


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


def corpus_names(corpora: Iterable[tuple[str, bool]], selection: str) -> str:
    """The corpora, and what nobody may overlook about their figures.

    Args:
        corpora: Name of each, and whether its speech is synthetic.
        selection: On which part the epoch was chosen.
    """
    names = " + ".join(f"{name} (synthetic speech)" if synthetic else name for name, synthetic in corpora)
    return f"{names}, epoch chosen on the test part" if selection == "test" else names


def task(record: dict[str, Any]) -> tuple[str, ...]:
    """What figures need in common to be ranked: corpora, classes and split.

    Args:
        record: What made a run.
    """
    return ("+".join(one["corpus"] for one in record["corpora"]), *record["classes"], record["split_hash"])


def below(directory: Path) -> list[Path]:
    """The directories of runs in a directory of results, sorted; links are none of them."""
    return [
        directory / name
        for name in files.names(directory, directory)
        if files.is_directory(directory / name, directory) and files.exists(directory / name / RUN, directory)
    ]


def page_link(path: Path, page: Path) -> str | None:
    """Link from one page to that of a run or sweep, None where it has none.

    Args:
        path: Directory of the run or sweep.
        page: Directory of the page that links to it.
    """
    return relative_link(path / PAGE, page) if files.plain_size(path / PAGE, path) is not None else None


def relative_link(file: Path, page: Path) -> str:
    """Address of a file as a page links to it: relative, so that both may be moved together.

    Args:
        file: On this machine.
        page: Directory of the page.
    """
    try:
        return quote(os.fsencode(os.path.relpath(file.resolve(), page.resolve()).replace(os.sep, "/")))
    except ValueError:  # another drive of Windows
        return file.resolve().as_uri()


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


def revision() -> str | None:
    """Git revision of the working directory's checkout of this software, with `-dirty` where files differ; None elsewhere."""
    source = Path(__file__).parents[2]
    if not (source / "pyproject.toml").is_file():
        return None
    command = ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, encoding="utf-8", check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


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
