"""Results on disk: how they are named, what of them is finished, and where they come from."""

import csv
import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import rfc8785
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from precompute.errors import WserError
from precompute.provenance import provenance
from wser.config import UNHASHED, Config, flatten, hashed
from wser.data.dataset import Dataset
from wser.data.leakage import Leakage
from wser.data.protocols import Fold, as_file, split_hash

CONFIG, RUN, SPLIT, LEAKAGE, SUMMARY = "config.yaml", "run.json", "split.json", "leakage.json", "summary.json"
REPEAT, VERDICT = "repeat", "verdict.json"
SWEEP_ROWS, SWEEP = "sweep.csv", "sweep.json"
PAGE, BESIDE_PAGE = "report.html", "report"
"""The page of a run or sweep, and the directory of its figures and tables."""

METRICS, PREDICTIONS, CURVES, WEIGHTS = "metrics.json", "predictions.csv", "curves.csv", "weights.pt"
SUMMARISED = {
    "folds", "missing", "pooled", "speakers", "interval", "chance", "majority", "human", "mean", "deviation", "validation",
    "epoch", "seconds", "seconds_to_epoch", "selection",
}  # fmt: skip
"""What summary.json holds; one that lacks any of it is of another version, and is made anew."""

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
    """

    path: Path
    record: dict[str, Any]
    config: dict[str, Any]
    parts: dict[int, list[dict[str, str]]]

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
        kept = {key: value for key, value in self.config.items() if key not in UNHASHED}
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


def directory(config: Config, dataset: Dataset, folds: Sequence[Fold], tested: Dataset | None = None) -> Path:
    """Where the results of a configuration go: `<experiment>-<hash8>`.

    The hash covers the configuration, the recipe, the classes, the caches' fingerprints and the split; it leaves out which
    folds were asked for, where they run and on what device.

    Args:
        config: Of the experiment.
        dataset: Its utterances.
        folds: All of its folds.
        tested: The same utterances in the pictures that are scored, where these are others.
    """
    identity: dict[str, Any] = {
        "config": hashed(config),
        "recipe": dataset.recipe_id,
        "classes": {name: list(emotions) for name, emotions in dataset.label_map.classes.items()},
        "dropped": list(dataset.label_map.drop),
        "caches": [cache.fingerprint for cache in dataset.caches],
        "split": split_hash(folds, dataset.examples),
    }
    if tested:
        identity["tested"] = [tested.recipe_id, *(cache.fingerprint for cache in tested.caches)]
    digest = hashlib.sha256(rfc8785.dumps(identity)).hexdigest()[:8]
    return Path(config.results) / f"{Path(config.experiment).stem}-{digest}"


def sweep_directory(points: Sequence[Path]) -> Path:
    """Where the results of a sweep go, beside those of its points: `<experiment>-sweep-<hash8>`.

    Args:
        points: Directories of the points' results; their names alone, in any order, make the hash.
    """
    return points[0].with_name(f"{points[0].name.rpartition('-')[0]}-sweep-{_digest(sorted(path.name for path in points))}")


def comparison_directory(runs: Sequence[Path]) -> Path:
    """Where the page of several runs goes, beside the first: `comparison-<hash8>`, of their names in the order given."""
    places = [path.resolve() for path in runs]
    return places[0].with_name(f"comparison-{_digest([path.name for path in places])}")


def _digest(names: Sequence[str]) -> str:
    return hashlib.sha256(rfc8785.dumps(list(names))).hexdigest()[:8]


def write_sweep(path: Path, rows: Sequence[dict[str, Any]], record: dict[str, Any]) -> None:
    """Write the table of a sweep and what made it.

    Args:
        path: Directory of the sweep.
        rows: One for each point, with the same columns.
        record: For JSON.
    """
    path.mkdir(parents=True, exist_ok=True)
    with (path / SWEEP_ROWS).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "best": "yes" if row["best"] else "no"} for row in rows)
    (path / SWEEP).write_text(json.dumps(record, indent=1) + "\n")


def describe(
    path: Path,
    config: Config,
    dataset: Dataset,
    folds: Sequence[Fold],
    command: str,
    speaker_independent: bool,
    leakage: Sequence[Leakage],
    tested: Dataset | None = None,
) -> None:
    """Write what a run is, unless an earlier call for the same configuration has: configuration, origin, split.

    Args:
        path: Directory of the results.
        config: Of the experiment.
        dataset: Its utterances.
        folds: All of its folds.
        command: That asked for it.
        speaker_independent: Whether the protocol promises disjoint speakers.
        leakage: What training and test have in common, for each fold.
        tested: The same utterances in the pictures that are scored, where these are others.
    """
    path.mkdir(parents=True, exist_ok=True)
    if (path / RUN).exists():
        return
    record = {
        "experiment": config.experiment,
        "command": command,
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
    (path / CONFIG).write_text(OmegaConf.to_yaml(OmegaConf.create(asdict(config))))
    split = as_file(config.protocol.name, speaker_independent, folds, dataset.examples)
    (path / SPLIT).write_text(json.dumps(split, indent=1) + "\n")
    (path / LEAKAGE).write_text(json.dumps([asdict(report) for report in leakage], indent=1) + "\n")
    aside = path / f".{RUN}-{os.getpid()}"
    aside.write_text(json.dumps(record, indent=1) + "\n")
    aside.rename(path / RUN)


def finished(path: Path) -> list[int]:
    """Numbers of the folds whose results are complete."""
    folds = (re.fullmatch(r"fold_(\d+)", file.parent.name) for file in path.glob(f"fold_*/{METRICS}"))
    return sorted(int(fold[1]) for fold in folds if fold)


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


def current_summary(path: Path) -> dict[str, Any] | None:
    """The stored summary of an experiment where it still is of all finished folds, else None.

    The bootstrap of a hundred points takes half a minute, and finished folds do not change.
    """
    try:
        summary: dict[str, Any] = json.loads((path / SUMMARY).read_text())
        if not {*summary} >= SUMMARISED:
            return None
        planned = len(summary["folds"]) + len(summary["missing"])
        whole = summary["folds"] == [read_metrics(path, fold) for fold in finished(path) if fold < planned]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return summary if whole else None


def task(record: dict[str, Any]) -> tuple[str, ...]:
    """What figures need in common to be ranked: corpora, classes and split.

    Args:
        record: What made a run.
    """
    return ("+".join(one["corpus"] for one in record["corpora"]), *record["classes"], record["split_hash"])


def page_link(path: Path, page: Path) -> str | None:
    """Link from one page to that of a run or sweep, None where it has none.

    Args:
        path: Directory of the run or sweep.
        page: Directory of the page that links to it.
    """
    return relative_link(path / PAGE, page) if (path / PAGE).is_file() else None


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
    file = path / fold_name(fold) / METRICS
    try:
        record: dict[str, Any] = json.loads(file.read_text())
        if not isinstance(record, dict):
            raise ValueError("no object")
    except ValueError as error:
        raise ResultError(f"{file} is damaged ({error}): move {file.parent} away and run the command in {RUN} again") from None
    return record


def read_predictions(path: Path, fold: int) -> list[dict[str, str]]:
    """The predictions of one finished fold, a row for each utterance."""
    with (path / fold_name(fold) / PREDICTIONS).open(newline="") as file:
        return list(csv.DictReader(file))


def read_curves(path: Path, fold: int) -> dict[str, list[float]]:
    """The curves of one finished fold, a list for each column.

    Raises:
        ResultError: The file is damaged or gone.
    """
    file = path / fold_name(fold) / CURVES
    try:
        with file.open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        return {name: [float(row[name]) for row in rows] for name in (*rows[0], *CURVE_COLUMNS)}
    except (OSError, ValueError, TypeError, LookupError, csv.Error) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise ResultError(f"{file} is damaged ({why}): move {file.parent} away and run the command in {RUN} again") from None


def revision() -> str | None:
    """Git revision of the working directory's checkout of this software, with `-dirty` where files differ; None elsewhere."""
    source = Path(__file__).parent.parent
    if not (source / "pyproject.toml").is_file():
        return None
    command = ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _open(path: Path, record: dict[str, Any], folds: list[int]) -> Stored:
    config = _config(path)
    return Stored(path, record, config, {fold: checked_predictions(path, fold, record["classes"]) for fold in folds})


def read_record(path: Path) -> dict[str, Any]:
    """What made a run.

    Raises:
        ResultError: The directory is missing, empty, foreign or damaged; one sentence says which, and the remedy.
    """
    if not path.is_dir():
        raise ResultError(f"{path} is no directory: give one that wser.run made, as runs/default-1a2b3c4d")
    if not (path / RUN).is_file():
        inside = sorted(file.parent.name for file in path.glob(f"*/{RUN}"))
        if inside:
            raise ResultError(f"{path} holds the results of {len(inside)} runs: give one of them, as {path / inside[0]}")
        what = "is empty" if not any(path.iterdir()) else f"has no {RUN}"
        raise ResultError(
            f"{path} {what}, so it holds no results: run the command that was to fill it, or give another directory, "
            "as runs/default-1a2b3c4d"
        )
    try:
        record: dict[str, Any] = json.loads((path / RUN).read_text())
        wrong = [key for key, kind in RECORDED.items() if not isinstance(record[key], kind)]
        wrong += [key for one in record["corpora"] for key in ("corpus", "synthetic") if key not in one]
        wrong += ["folds"] if not wrong and record["folds"] < 1 else []
    except (ValueError, KeyError, TypeError) as error:
        wrong = [" ".join(str(error).split()) or type(error).__name__]
    if wrong:
        raise ResultError(f"{path / RUN} is damaged or foreign ({wrong[0]}): give a directory that wser.run made, {AGAIN}")
    return record


def _config(path: Path) -> dict[str, Any]:
    try:
        return flatten(OmegaConf.to_container(OmegaConf.load(path / CONFIG)))  # type: ignore[arg-type]
    except (YAMLError, OmegaConfBaseException, OSError, ValueError, AttributeError) as error:
        why = " ".join(str(error).split())
        raise ResultError(f"{path / CONFIG} cannot be read ({why}): restore it, {AGAIN}") from None


def checked_predictions(path: Path, fold: int, classes: list[str]) -> list[dict[str, str]]:
    """Predictions of a finished fold, every row complete and as many as its metrics count.

    Raises:
        ResultError: They are not, or cannot be read.
    """
    folder = path / fold_name(fold)
    try:
        rows = read_predictions(path, fold)
        expected = read_metrics(path, fold)["utterances"]
        strange = [
            row for row in rows if not row["key"] or not row["speaker"] or not {row["true"], row["predicted"]} <= {*classes}
        ]
        why = "a class that is none of the run's" if strange else f"{len(rows)} utterances, not {expected}"
        whole = not strange and 0 < len(rows) == expected
    except KeyError as error:
        why, whole = f"no {error}", False
    except (OSError, ValueError, TypeError, csv.Error) as error:
        why, whole = " ".join(str(error).split()) or type(error).__name__, False
    if not whole:
        raise ResultError(f"{folder / PREDICTIONS} is damaged ({why}): move {folder} away and run the command in {RUN} again")
    return rows
