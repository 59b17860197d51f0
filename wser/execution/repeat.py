"""Running a stored run again, to see whether its predictions come out the same."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from precompute.cache import places
from precompute.cache.roots import candidates
from precompute.common import executor, files
from precompute.common.errors import counted
from precompute.common.provenance import provenance
from precompute.common.reading import UnreadableError, read_json, read_yaml, typed
from wser import results
from wser.config import compose
from wser.config.schema import flatten, recorded
from wser.execution import fusing
from wser.protocols import split_hash
from wser.results import ResultError, StoredRun, identity

if TYPE_CHECKING:
    from wser.config.schema import Config
    from wser.execution.plan import Experiment

CHANGEABLE = ("cache_root", "executor", "jobs", "train.device", "train.threads")
"""Keys and sections that a repeat may set: where it runs.  The others name what was run, or would change it."""

ENVIRONMENT = ("revision", "source", "platform", "device", "precision", "threads", "kernels")
"""What a fold records of where it ran, besides versions: the usual reasons for other predictions."""


@dataclass(frozen=True)
class FoldVerdict:
    """One fold then and now.

    Attributes:
        fold: Its number.
        same: Whether the files of predictions are the same, byte for byte.
        predictions: Number of test utterances.
        labels_differ: Of these, how many have another predicted class.
        largest_difference: Of any probability.
        uar: Then and now.
        epoch: That was chosen, then and now.
        seconds: Then and now.
        environment: What of the environment differs, then and now.
    """

    fold: int
    same: bool
    predictions: int
    labels_differ: int
    largest_difference: float
    uar: tuple[float, float]
    epoch: tuple[int, int]
    seconds: tuple[float, float]
    environment: dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class Conclusion:
    """What a repetition has shown.

    Attributes:
        run: Directory of the run.
        again: Directory of its repetition.
        folds: Verdicts of the folds repeated.
        missing: Numbers of the folds that are not finished in the run.
    """

    run: Path
    again: Path
    folds: tuple[FoldVerdict, ...]
    missing: tuple[int, ...]

    @property
    def matches(self) -> bool:
        """Whether all predictions are the same."""
        return all(fold.same for fold in self.folds)

    @property
    def verdict(self) -> str:
        """In a sentence."""
        if self.matches:
            verdict = f"matches: the predictions of {len(self.folds)} of {len(self.folds)} folds are byte-identical"
        else:
            verdict = f"differs: {'; '.join(_in_words(fold) for fold in self.folds if not fold.same)}"
        if self.missing:
            verdict += f" (not finished in the run, and so not repeated: {', '.join(map(str, self.missing))})"
        return verdict

    @property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        """What differs in software and machine, then and now."""
        return {key: values for fold in self.folds for key, values in fold.environment.items()}


def repeat(path: Path, settings: Sequence[str], command: str, dry_run: bool = False) -> Conclusion | None:
    """Train the finished folds of a run again, into its own directory, and say whether they match.

    Of a fusion, the runs that it averages are repeated, each into its own directory, and averaged.

    Args:
        path: Directory of the run.
        settings: `key=value` of the keys in `CHANGEABLE`.
        command: That asked for it, for the record.
        dry_run: Check and say what would run, and stop.

    Returns:
        What it has shown; None of a dry run.

    Raises:
        WserError: The path is not a run, or what the run was made from is not here; one sentence says which.
    """
    return _repeat(results.open_begun(path), settings, command, dry_run)


def _repeat(
    stored: StoredRun, settings: Sequence[str], command: str, dry_run: bool, continued: bool = False
) -> Conclusion | None:
    """Repeat a run, from the beginning unless an earlier repeat was cut off or is to be continued."""
    if "fused" in stored.record:
        return _repeat_fusion(stored, settings, command, dry_run)
    path = stored.path
    then = {fold: _facts(path, fold) for fold in stored.folds}
    experiment = _prepare(stored, settings, then)
    again = experiment.directory
    concluded = files.exists(again / results.VERDICT, path) and not continued
    restart = concluded or not _is_of_now(again, experiment)
    done = set() if restart else {fold for fold in stored.folds if results.whole(again, fold, experiment.identity)}
    to_do = [fold for fold in stored.folds if fold not in done]
    took = sum(then[fold]["seconds"] for fold in to_do)
    print(f"{path}: {stored.title}")
    print(
        f"{len(then)} of {stored.record['folds']} folds to repeat: {len(then) - len(to_do)} repeated, {len(to_do)} to do"
        + (f", which took {took:.0f} s then" if to_do else "")
    )
    sys.stdout.flush()
    if dry_run:
        return None
    from wser.execution import plan
    from wser.training.hardware import accelerated

    if experiment.config.model.is_network and not experiment.config.executor.is_cluster:
        accelerated(experiment.config.train)  # A device that is not here is refused before anything is removed.
    if restart:
        _remove(again, path)

    def say(_: "Experiment", fold: int) -> str:
        difference = _compare(stored, then[fold], again, fold)
        return f"fold {fold}: the predictions are byte-identical" if difference.same else _in_words(difference)

    plan.execute([experiment], experiment.config.jobs, command, say)
    return _conclude(stored, [_compare(stored, then[fold], again, fold) for fold in stored.folds], again)


def _repeat_fusion(stored: StoredRun, settings: Sequence[str], command: str, dry_run: bool) -> Conclusion | None:
    """Repeat the runs that a fusion averages, and average them again; what today's software has repeated already is kept."""
    path = stored.path
    runs = [results.open_finished(results.fused_run(path, part)) for part in results.fused_parts(path, stored.record)]
    print(f"{path}: {stored.title}, the mean of {counted(len(runs), 'run')}, each of which is repeated first")
    verdicts = []
    for run in runs:
        if conclusion := _repeat(run, settings, command, dry_run, continued=True):
            verdicts.append(f"{run.path}: {conclusion.verdict}")
    if dry_run:
        return None
    print("\n".join(verdicts))
    again = path / results.REPEAT
    _remove(again, path)
    fusing.write(again, [results.open_finished(run.path / results.REPEAT) for run in runs], command)
    return _conclude(stored, [_compare(stored, _facts(path, fold, _Facts), again, fold) for fold in stored.folds], again)


def _remove(again: Path, root: Path) -> None:
    """Remove an earlier repeat: its folds first, and what says that it is one last, so that a removal cut short is resumed."""
    for name in files.names(again, root):
        if name.startswith(("fold_", ".fold_")):
            files.remove(again / name, root)
    files.remove(again, root)
    if files.exists(again, root):
        raise ResultError(f"{again} could not be removed: ask its owner to do it, or copy the run and repeat the copy")


def _is_of_now(again: Path, experiment: "Experiment") -> bool:
    """Whether a repeat that was cut off had the same settings, threads and software, so that it may be continued."""
    root = again.parent
    if not files.exists(again / results.RUN, root):
        return not files.exists(again, root)
    try:
        stored = read_json(again / results.RUN, root), read_yaml(again / results.CONFIG, root)
        begun, config = (typed(part, dict[str, Any]) for part in stored)
    except (OSError, UnreadableError):
        return False
    now = {
        "identity": identity.digest(experiment.identity), "revision": results.revision(), **provenance(results.PACKAGES),
    }  # fmt: skip
    indifferent = {"jobs", "cache_root"}
    then_and_now = [
        {key: value for key, value in flatten(configured).items() if key not in indifferent and not key.startswith("executor.")}
        for configured in (config, recorded(experiment.config))
    ]
    return then_and_now[0] == then_and_now[1] and all(
        begun.get(key) == now[key] for key in ("identity", "revision", "versions")
    )


class _Facts(TypedDict):
    """What a verdict needs of metrics.json."""

    uar: float
    epoch: float
    seconds: float


class _TrainedFacts(_Facts):
    threads: int


def _facts(path: Path, fold: int, needed: type[_Facts] = _TrainedFacts) -> dict[str, Any]:
    """The metrics of a fold, with what a verdict needs of them."""
    record = results.read_metrics(path, fold)
    results.checked(record, needed, path / results.fold_name(fold) / results.METRICS, f"restore it, {results.AGAIN}")
    return record


def _prepare(stored: StoredRun, settings: Sequence[str], then: dict[int, dict[str, Any]]) -> "Experiment":
    """The experiment as it was, its results going into the run's own directory; nothing is written."""
    from wser.execution import plan

    path = stored.path
    config = compose.load_stored(path / results.CONFIG, settings, CHANGEABLE)
    if not any(setting.startswith("train.threads=") for setting in settings):
        config.train.threads = _threads(config, [facts["threads"] for facts in then.values()])
    split = flatten(asdict(config)).get("protocol.file")
    if split and not Path(split).exists():
        setattr(config.protocol, "file", str(path / results.SPLIT))  # noqa: B010 - of one protocol alone
    if config.data.test_recipe:
        clean = path.parent / str(results.read_metrics(path, stored.folds[0]).get("trained"))
        raise ResultError(
            f"{path} scores the networks of {clean} on pictures of {config.data.test_recipe}, and trains none: repeat that one"
        )
    caches = _choose_caches(config, stored)
    # The copies that loggers keep are of no use here, and their packages need not be installed.
    config.logger = []
    config.fold = ",".join(map(str, stored.folds))
    experiment = replace(plan.prepare(config, caches), directory=path / results.REPEAT)
    _check_same(stored, experiment)
    return experiment


def _threads(config: "Config", recorded: Sequence[int]) -> int:
    """Threads as then, where this machine has as many: sums depend on them in the last digits."""
    (most,) = {*recorded} if len({*recorded}) == 1 else {0}
    return most if 0 < most <= executor.cores() else config.train.threads


def _choose_caches(config: "Config", stored: StoredRun) -> tuple[str, ...]:
    """The caches of the record by their ids: the recipe's name may mean another today, or newer inputs be sealed."""
    roots = places.parse(config.cache_root)
    config.recipe = stored.record["recipe_id"]
    used = [(entry["corpus"], str(entry.get("cache"))) for entry in stored.record["corpora"]]
    for corpus, cache in used:
        if cache not in [entry.name for entry in candidates(roots, corpus, config.recipe)]:
            raise ResultError(
                f"{stored.path} was trained on the cache {corpus}/{cache}, which is not in {config.cache_root}: give "
                "cache_root= or WSER_CACHE of where it is, or make it again from the same recordings with python -m precompute"
            )
    return tuple(cache for _, cache in used)


def _check_same(stored: StoredRun, experiment: "Experiment") -> None:
    """Refuse to train on anything else than then."""
    path, record, dataset = stored.path, stored.record, experiment.dataset
    revision = f"use the software as it was then (revision {record.get('revision')})"
    _check_pictures(stored, experiment)
    if record["recipe_id"] != dataset.recipe_id:
        raise ResultError(f"{path} was trained on recipe {record['recipe_id']}, and this is {dataset.recipe_id}: {revision}")
    if record["classes"] != dataset.classes:
        raise ResultError(
            f"{path} has the classes {', '.join(record['classes'])}, and its label map {record['label_map']} today "
            f"{', '.join(dataset.classes)}: {revision}"
        )
    if record["split_hash"] != (now := split_hash(experiment.folds, dataset.examples)):
        config = experiment.config.protocol
        split = getattr(config, "file", None)
        remedy = f"restore {split}, or move it away, and the run's own {results.SPLIT} is read" if split else revision
        raise ResultError(
            f"{path} has the split {record['split_hash'][:12]}, and protocol={config.name} makes {now[:12]} today: {remedy}"
        )
    for fold in stored.folds:
        rows, _ = _probabilities(stored, path, fold)
        true = {dataset.examples[i].key: dataset.classes[dataset.examples[i].label] for i in experiment.folds[fold].test}
        if sorted([*(row["key"] for row in rows), *stored.metrics[fold].get("enrolled", [])]) != sorted(true):
            file = path / results.fold_name(fold) / results.PREDICTIONS
            raise ResultError(f"{file} has other utterances than the run's split: restore it, {results.AGAIN}")
        if other := [row["key"] for row in rows if true[row["key"]] != row["true"]]:
            raise ResultError(
                f"{path} calls {other[0]} by another class than its label map {record['label_map']} does today, and so "
                f"{len(other)} utterances of fold {fold}: {revision}"
            )


class _Identity(TypedDict):
    caches: list[Any]


def _check_pictures(stored: StoredRun, experiment: "Experiment") -> None:
    """Refuse other utterances than then; of another copy of the cache, say that its pictures may differ by a level."""
    path, caches = stored.path, experiment.dataset.caches
    try:
        then = typed(read_json(path / results.IDENTITY, path), _Identity)["caches"]
    except FileNotFoundError:
        then = None  # A run of an older version, whose caches are known by their names alone.
    except (OSError, UnreadableError) as error:
        why = " ".join(str(error).split())
        raise ResultError(f"{path / results.IDENTITY} is damaged ({why}): restore it, {results.AGAIN}") from None
    if then is not None and then != experiment.identity["caches"]:
        places = ", ".join(str(cache.path) for cache in caches)
        raise ResultError(
            f"{path} was trained on other utterances, or other parts of them, than {places} has under the same name: give "
            "cache_root= or WSER_CACHE of the other"
        )
    for entry, cache in zip(stored.record["corpora"], caches, strict=True):
        if entry.get("fingerprint") not in (cache.fingerprint, cache.manifest["fingerprint"]):
            print(
                f"warning: {path} was trained on another copy of {cache.corpus}/{cache.id}: the pictures of the one in "
                f"{cache.path.parent.parent} are not the same to the last level, as where another processor made them, and "
                "predictions may differ",
                file=sys.stderr,
            )


def _probabilities(stored: StoredRun, path: Path, fold: int) -> tuple[list[dict[str, str]], NDArray[np.float64]]:
    """Predictions of a fold sorted by key, and their probabilities."""
    rows = sorted(results.checked_predictions(path, fold, stored.classes), key=lambda row: row["key"])
    try:
        return rows, np.array([[float(row[f"p_{name}"]) for name in stored.classes] for row in rows])
    except (KeyError, ValueError, TypeError) as error:
        file = path / results.fold_name(fold) / results.PREDICTIONS
        raise ResultError(f"{file} is damaged (no probability {error}): restore it, {results.AGAIN}") from None


def _compare(stored: StoredRun, then: dict[str, Any], again: Path, fold: int) -> FoldVerdict:
    now = results.read_metrics(again, fold)
    rows, probabilities = _probabilities(stored, stored.path, fold)
    new_rows, new_probabilities = _probabilities(stored, again, fold)
    contents = [
        files.read(path / results.fold_name(fold) / results.PREDICTIONS, path, results.LARGEST_PREDICTIONS)
        for path in (stored.path, again)
    ]
    # Where a loss diverged, probabilities are no numbers, on both sides or, as far apart as can be, on one.
    apart = np.nan_to_num(np.abs(probabilities - new_probabilities), nan=1.0)
    apart[np.isnan(probabilities) & np.isnan(new_probabilities)] = 0.0
    return FoldVerdict(
        fold=fold,
        same=contents[0] == contents[1],
        predictions=len(rows),
        labels_differ=sum(row["predicted"] != new_row["predicted"] for row, new_row in zip(rows, new_rows, strict=True)),
        largest_difference=round(float(apart.max()), 6),
        uar=(then["uar"], now["uar"]),
        epoch=(then["epoch"], now["epoch"]),
        seconds=(then["seconds"], now["seconds"]),
        environment=_changes(then, now),
    )


def _changes(then: dict[str, Any], now: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    sides = [
        {key: fold.get(key) for key in ENVIRONMENT} | (fold.get("versions") or {}) | {"pictures": fold.get("fingerprints")}
        for fold in (then, now)
    ]
    keys = dict.fromkeys([*sides[0], *sides[1]])
    # What a run of an older version did not record explains nothing.
    unrecorded = {key for key in ("source", "kernels", "pictures") if sides[0].get(key) is None}
    return {
        key: (sides[0].get(key), sides[1].get(key))
        for key in keys
        if sides[0].get(key) != sides[1].get(key) and key not in unrecorded
    }


def _conclude(stored: StoredRun, folds: Sequence[FoldVerdict], again: Path) -> Conclusion:
    """The verdict, stored too."""
    conclusion = Conclusion(stored.path, again, tuple(folds), tuple(sorted({*range(stored.record["folds"])} - {*stored.folds})))
    record = {"matches": conclusion.matches, "verdict": conclusion.verdict, "folds": [asdict(fold) for fold in folds]}
    files.replace(again / results.VERDICT, results.as_json(record), stored.path)
    return conclusion


def _in_words(fold: FoldVerdict) -> str:
    return (
        f"fold {fold.fold}: {fold.labels_differ} of {fold.predictions} predicted classes differ, "
        f"probabilities by up to {fold.largest_difference:g}"
    )
