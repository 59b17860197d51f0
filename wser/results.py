"""Results on disk: how they are named, what of them is finished, and where they come from."""

import csv
import hashlib
import json
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rfc8785
from omegaconf import OmegaConf

from precompute.errors import WserError
from precompute.provenance import provenance
from wser.config import Config, hashed
from wser.data.dataset import Dataset
from wser.data.leakage import Leakage
from wser.data.protocols import Fold, as_file, split_hash

CONFIG, RUN, SPLIT, LEAKAGE, SUMMARY = "config.yaml", "run.json", "split.json", "leakage.json", "summary.json"
METRICS, PREDICTIONS, CURVES, WEIGHTS = "metrics.json", "predictions.csv", "curves.csv", "weights.pt"
PACKAGES = ("wser", "torch", "pytorch-lightning", "numpy", "scikit-learn", "zarr")


class ResultError(WserError):
    """Results are foreign, half-written or unreadable."""


def fold_name(number: int) -> str:
    """Directory of a fold."""
    return f"fold_{number}"


def directory(config: Config, dataset: Dataset, folds: Sequence[Fold]) -> Path:
    """Where the results of a configuration go: `<experiment>-<hash8>`.

    The hash covers the configuration, the recipe, the classes, the caches' fingerprints and the split; it leaves out which
    folds were asked for, where they run and on what device.
    """
    identity: dict[str, Any] = {
        "config": hashed(config),
        "recipe": dataset.recipe_id,
        "classes": {name: list(emotions) for name, emotions in dataset.label_map.classes.items()},
        "dropped": list(dataset.label_map.drop),
        "caches": [cache.fingerprint for cache in dataset.caches],
        "split": split_hash(folds, dataset.examples),
    }
    digest = hashlib.sha256(rfc8785.dumps(identity)).hexdigest()[:8]
    return Path(config.results) / f"{Path(config.experiment).stem}-{digest}"


def describe(
    path: Path,
    config: Config,
    dataset: Dataset,
    folds: Sequence[Fold],
    command: str,
    speaker_independent: bool,
    leakage: Sequence[Leakage],
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


def read_metrics(path: Path, fold: int) -> dict[str, Any]:
    """The metrics of one finished fold."""
    record: dict[str, Any] = json.loads((path / fold_name(fold) / METRICS).read_text())
    return record


def read_predictions(path: Path, fold: int) -> list[dict[str, str]]:
    """The predictions of one finished fold, a row for each utterance."""
    with (path / fold_name(fold) / PREDICTIONS).open(newline="") as file:
        return list(csv.DictReader(file))


def read_curves(path: Path, fold: int) -> dict[str, list[float]]:
    """The curves of one finished fold, a list for each column."""
    with (path / fold_name(fold) / CURVES).open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


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
