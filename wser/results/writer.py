"""Writing results."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import OmegaConf

from precompute.common import files
from precompute.common.provenance import provenance
from precompute.common.sheet import sheet_safe
from wser import protocols
from wser.config.schema import Config, recorded
from wser.data.dataset import Dataset
from wser.protocols import Fold, as_file, split_hash
from wser.protocols._leakage import Leakage
from wser.results import identity
from wser.results.places import (
    CONFIG,
    IDENTITY,
    LEAKAGE,
    PACKAGES,
    RECORDINGS,
    RUN,
    SPLIT,
    SWEEP,
    SWEEP_ROWS,
    as_json,
    revision,
    track,
)
from wser.results.reader import Heard, stored_identity


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


def predictions(utterances: Iterable[Sequence[str]], classes: Sequence[str], probabilities: NDArray[np.floating]) -> bytes:
    """Content of predictions.csv: the predicted class is the most probable one.

    Args:
        utterances: Key, speaker and true class of each.
        classes: In the order of the probabilities.
        probabilities: (n, classes).
    """
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["key", "speaker", "true", "predicted", *(f"p_{name}" for name in classes)])
    for names, row in zip(utterances, probabilities, strict=True):
        writer.writerow([*map(sheet_safe, (*names, classes[int(row.argmax())])), *(f"{p:.6f}" for p in row)])
    return file.getvalue().encode("utf-8", "backslashreplace")


def heard(dataset: Dataset) -> dict[str, Heard]:
    """By what the recordings of a dataset are recognised, by key."""
    return {
        example.key: Heard(
            key=example.key.removeprefix(f"{example.corpus}/"),
            file=example.origin.sha256,
            samples=example.origin.samples,
            recording=example.origin.recording,
        )
        for example in dataset.examples
    }


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
        "protocol_title": protocols.protocol(config.protocol.name).title,
        "folds": len(folds),
        "split_hash": split_hash(folds, dataset.examples),
        "selection": config.selection,
        "seed": config.seed,
        **track(config),
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
        RECORDINGS: as_json(heard(dataset)),
        # Last: where it is, the others are too.
        RUN: as_json(record),
    }
    for name, content in contents.items():
        files.replace(path / name, content, root)
