"""Late fusion: the mean of the probabilities that finished runs of one split give, as a run of its own."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import OmegaConf

from precompute.common import files
from precompute.common.errors import few
from precompute.common.provenance import provenance
from precompute.common.reading import UnreadableError, read_json, typed
from precompute.recipe import in_words
from wser import results
from wser.evaluation import metrics
from wser.results import ResultError, StoredRun, identity

if TYPE_CHECKING:
    from wser.execution.plan import Experiment

MODEL = "fused"
"""In place of a model in the name and the configuration of such a run."""

OF_SPLIT = (results.SPLIT, results.LEAKAGE)
"""Files that are those of every run of the split."""

TAKEN = (
    "experiment", "corpora", "label_map", "classes", "dropped", "utterances", "protocol", "protocol_title", "folds",
    "split_hash", "seed", "recipe_id", "test_recipe_id", "test_recipe", "enrol",
)  # fmt: skip
"""What the record of the fusion has in common with that of the first run."""


def groups(experiments: Sequence["Experiment"]) -> list[list["Experiment"]]:
    """Those whose runs can be fused, two or more in each group, in their order.

    A group has the same corpora, label map, protocol and split, selection and track in common, and what it is tested on.

    Args:
        experiments: Prepared; none need be finished.
    """
    by_digest: dict[str, list[Experiment]] = {}
    for experiment in experiments:
        config = experiment.config
        common = {
            "corpora": config.corpus,
            "label_map": experiment.dataset.label_map.name,
            **{key: experiment.identity[key] for key in ("classes", "dropped", "split")},
            "protocol": config.protocol.name,
            "selection": config.selection,
            "track": results.track(config),
            "test_recipe": config.data.test_recipe,
        }
        by_digest.setdefault(identity.digest(common), []).append(experiment)
    return [group for group in by_digest.values() if len(group) > 1]


def fuse(runs: Sequence[StoredRun], command: str) -> Path:
    """Average the probabilities of runs with equal weights, and leave them as a finished run beside the first one.

    Args:
        runs: Two or more, finished.
        command: That asked for it, for the record.

    Returns:
        Its directory; of the same runs, in any order, the same.

    Raises:
        ResultError: They are of different splits, classes or recordings, one is there twice, or gives no numbers.
    """
    first = runs[0]
    for number, run in enumerate(runs):
        if "identity" not in run.record:
            raise ResultError(f"{run.path} is of an older version, which recorded no identity: run its command again")
        for other in runs[:number]:
            _check_alike(other, run)
    # The order of the arguments changes no digit.
    runs = sorted(runs, key=lambda run: str(run.record["identity"]))
    # The parent of a path such as . or .. is not the directory that holds the run.
    root = (first.path if first.path.name not in ("", "..") else first.path.resolve()).parent
    digest = identity.digest(_identity(runs))
    corpora = "+".join(corpus["corpus"] for corpus in first.record["corpora"])
    place = root / f"{corpora}-{MODEL}-{_plain(first)}-{digest[: identity.DIGITS]}"
    write(place, runs, command)
    return place


def write(place: Path, runs: Sequence[StoredRun], command: str) -> None:
    """Write what runs that fit together give, in their order, unless it is there.

    Args:
        place: Directory of the fusion.
        runs: Finished.
        command: That asked for it, for the record.

    Raises:
        ResultError: One gives no numbers.
    """
    root, named = place.parent, _identity(runs)
    digest = identity.digest(named)
    # All before the first file, so that what is refused leaves none.
    means = [_mean(runs, fold) for fold in range(runs[0].record["folds"])]
    stored = results.stored_identity(place, named)
    if not stored:
        files.make_directory(place, root)
    for fold, mean in enumerate(means):
        if not results.whole(place, fold, named):
            _write_fold(place, fold, runs, mean, digest)
    if stored:
        return
    for name in OF_SPLIT:
        files.replace(place / name, files.read(runs[0].path / name, runs[0].path), root)
    files.replace(place / results.CONFIG, OmegaConf.to_yaml(OmegaConf.create(_config(runs, place))).encode(), root)
    files.replace(place / results.IDENTITY, results.as_json(named), root)
    # Last: where it is, the others are too.
    files.replace(place / results.RUN, results.as_json(_record(runs, place, digest, command)), root)


def _check_alike(first: StoredRun, other: StoredRun) -> None:
    if first.record["identity"] == other.record["identity"]:
        raise ResultError(f"{first.path} and {other.path} are the same run: fuse different ones")
    if first.record["split_hash"] != other.record["split_hash"]:
        raise ResultError(
            f"{first.path} and {other.path} have different splits: fuse runs of the same corpora, label map, protocol, "
            "protocol.seed and selection"
        )
    if {*first.classes} != {*other.classes}:
        raise ResultError(
            f"{first.path} has the classes {', '.join(first.classes)}, and {other.path} {', '.join(other.classes)}: fuse runs "
            "with the same label map"
        )
    ours, theirs = ({row["key"]: row["true"] for row in run.rows} for run in (first, other))
    if differ := sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key)):
        raise ResultError(
            f"{first.path} and {other.path} score different recordings, or by other classes ({few(differ, 3)}): fuse runs of "
            "one data.enrol and label map"
        )


def _identity(runs: Sequence[StoredRun]) -> dict[str, Any]:
    """What decides the predictions of the fusion: those of the runs, in any order of the arguments."""
    stored = []
    for run in runs:
        try:
            stored.append(typed(read_json(run.path / results.IDENTITY, run.path), dict[str, Any]))
        except (OSError, UnreadableError):
            raise ResultError(f"{run.path / results.IDENTITY} cannot be read: restore it, {results.AGAIN}") from None
    settings = {"model.name": MODEL} | ({"data.standardise": "speaker"} if _track(runs) else {})
    settings |= {"data.enrol": runs[0].record["enrol"]} if "enrol" in runs[0].record else {}
    return {
        "algorithm": identity.ALGORITHM,
        "settings": settings,
        "classes": stored[0]["classes"],
        "dropped": stored[0]["dropped"],
        "recipe": identity.digest(_recipe(runs)),
        "split": stored[0]["split"],
        MODEL: sorted(str(run.record["identity"]) for run in runs),
    }


def _track(runs: Sequence[StoredRun]) -> dict[str, Any]:
    """That of the fusion: speaker-calibrated where any of the runs is."""
    return next(({"track": run.record["track"]} for run in runs if "track" in run.record), {})


def _recipe(runs: Sequence[StoredRun]) -> dict[str, Any]:
    """The recipe of all runs; of several, their names and the band that they span."""
    recipes = {run.record["recipe_id"]: run.record["recipe"] for run in runs}
    in_order = [recipes[name] for name in sorted(recipes)]
    if len(in_order) == 1:
        return dict(in_order[0])
    low, high = min(recipe["f_min"] for recipe in in_order), max(recipe["f_max"] for recipe in in_order)
    return {"feature": " and ".join(map(in_words, in_order)), "f_min": low, "f_max": high}


def _config(runs: Sequence[StoredRun], place: Path) -> dict[str, Any]:
    sections: dict[str, Any] = {
        "experiment": runs[0].config.get("experiment", "default"),
        "corpus": [corpus["corpus"] for corpus in runs[0].record["corpora"]],
        "protocol": {
            key.removeprefix("protocol."): value for key, value in runs[0].config.items() if key.startswith("protocol.")
        },
        "model": {"name": MODEL, "runs": [_beside(run, place) for run in runs]},
        "cache_root": runs[0].config.get("cache_root", "cache"),
        "results": str(place.parent),
    }
    return sections | ({"data": {"standardise": "speaker", "enrol": runs[0].record.get("enrol", 0)}} if _track(runs) else {})


def _record(runs: Sequence[StoredRun], place: Path, digest: str, command: str) -> dict[str, Any]:
    first = runs[0].record
    return {
        **_taken(first, TAKEN),
        **_track(runs),
        **_seeds(runs),
        "recipe": _recipe(runs),
        "selection": "test" if any(run.record["selection"] == "test" for run in runs) else first["selection"],
        "identity": digest,
        "command": command,
        MODEL: [{"run": _beside(run, place), "identity": run.record["identity"], "title": run.title} for run in runs],
        "revision": results.revision(),
        **provenance(results.PACKAGES),
    }


def _seeds(runs: Sequence[StoredRun]) -> dict[str, list[int]]:
    """All seeds, where the runs have several."""
    seeds = sorted({seed for run in runs for seed in run.record.get("seeds", [run.record["seed"]])})
    return {"seeds": seeds} if len(seeds) > 1 else {}


def _beside(run: StoredRun, place: Path) -> str:
    """Where a run is, as seen from the directory that a fusion is in."""
    return Path(os.path.relpath(run.path.resolve(), place.parent.resolve())).as_posix()


def _mean(runs: Sequence[StoredRun], fold: int) -> NDArray[np.float64]:
    """Mean probabilities of a fold, in the order of rows and classes of the first run, float64 (n, classes)."""
    every = [_probabilities(run, fold, runs[0].parts[fold], runs[0].classes) for run in runs]
    for run, probabilities in zip(runs, every, strict=True):
        if not np.isfinite(probabilities).all():
            raise ResultError(f"{run.path}, whose loss became infinite in fold {fold}, gives no probabilities: fuse without it")
    mean: NDArray[np.float64] = np.mean(every, axis=0)
    return mean


def _write_fold(place: Path, fold: int, runs: Sequence[StoredRun], mean: NDArray[np.float64], digest: str) -> None:
    first, classes = runs[0], runs[0].classes
    rows = first.parts[fold]
    content = results.predictions(((row["key"], row["speaker"], row["true"]) for row in rows), classes, mean)
    measured = metrics.measure([classes.index(row["true"]) for row in rows], mean.argmax(axis=1), classes)
    theirs = [run.metrics[fold] for run in runs]
    record = {
        "fold": fold,
        "identity": digest,
        "files": {results.PREDICTIONS: {"size": len(content), "sha256": files.sha256(content)}},
        **measured.as_dict(),
        "validation": None,
        "epoch": 0,
        "epochs": 0,
        "diverged": False,
        "parameters": sum(fold_metrics["parameters"] for fold_metrics in theirs),
        "seconds_to_epoch": 0.0,
        "device": _together(theirs, "device"),
        "precision": _together(theirs, "precision"),
        **_taken(theirs[0], ("speakers", "counts", "enrolled")),
        "selection": first.record["selection"],
        "seconds": round(sum(fold_metrics["seconds"] for fold_metrics in theirs), 2),
        "revision": results.revision(),
        "source": identity.code(),
        **provenance(results.PACKAGES),
    }
    root, folder = place.parent, place / results.fold_name(fold)
    files.make_directory(folder, root)
    files.replace(folder / results.PREDICTIONS, content, root)
    files.replace(folder / results.METRICS, results.as_json(record), root)


def _probabilities(run: StoredRun, fold: int, rows: Sequence[Mapping[str, str]], classes: Sequence[str]) -> NDArray[np.float64]:
    """Of the utterances of a fold, in the order of some rows and classes, float64 (n, classes)."""
    by_key = {row["key"]: row for row in run.parts[fold]}
    return np.array([[float(by_key[row["key"]][f"p_{name}"]) for name in classes] for row in rows])


def _taken(record: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: record[name] for name in names if name in record}


def _together(records: Sequence[Mapping[str, Any]], key: str) -> str:
    values = [str(record[key]) for record in records]
    return " and ".join(dict.fromkeys(values))


def _plain(run: StoredRun) -> str:
    """Name of the protocol as names of directories have it."""
    return results.UNUSUAL.sub("_", Path(str(run.record["protocol"])).name.removesuffix(".py"))[: results.LONGEST]
