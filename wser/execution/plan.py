"""The plan of all runs: configurations times folds, minus what is finished; and their execution."""

import contextlib
import itertools
import re
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib

from precompute.cache import places, roots
from precompute.common import executor, files, process
from precompute.common.errors import CacheError, counted
from wser import models, protocols, results
from wser.config.schema import Config, ConfigError, as_text, flatten
from wser.data.dataset import Dataset, open_dataset
from wser.execution.progress import Job
from wser.execution.watch import Watch
from wser.protocols import Fold
from wser.protocols import _leakage as leakage
from wser.protocols._leakage import Leakage
from wser.results import identity
from wser.training import hardware, loggers

if TYPE_CHECKING:
    from wser.training.run import Run

MOST_JOBS = 8
"""Runs at once unless more are asked for: each holds the pictures of its caches in memory."""


@dataclass(frozen=True)
class Experiment:
    """One configuration, ready to run.

    Attributes:
        config: As given.
        dataset: Utterances it names.
        folds: All folds of its protocol.
        speaker_independent: Whether the protocol promises that no speaker is on both sides of a split.
        leakage: What training and test have in common, for each fold.
        wanted: Numbers of the folds asked for.
        directory: Of its results.
        identity: Everything that can change a prediction, by name.
        tested: The same utterances in the pictures that are scored, with `data.test_recipe`.
        trained: Directory of the results whose weights are scored on them.
    """

    config: Config
    dataset: Dataset
    folds: list[Fold]
    speaker_independent: bool
    leakage: list[Leakage]
    wanted: list[int]
    directory: Path
    identity: dict[str, Any]
    tested: Dataset | None = None
    trained: Path | None = None

    @property
    def older(self) -> Path | None:
        """Directory in which a version without identities left results of this configuration, None where there is none."""
        beside = self.directory.parent
        pattern = f"{re.escape(Path(self.config.experiment).stem)}-[0-9a-f]{{8}}"
        names = [name for name in files.names(beside, beside) if re.fullmatch(pattern, name)] if beside.is_dir() else []
        # Its name takes a while to find out, and few have such results.
        if names and (name := identity.older_name(self.config, self.dataset, self.folds, self.tested)) in names:
            return beside / name
        return None

    def pending(self) -> list[Fold]:
        """Folds asked for and not finished; one that cannot be read is not.

        Raises:
            ResultError: The directory, or a fold in it, is of another run.
        """
        results.stored_identity(self.directory, self.identity)
        return [self.folds[number] for number in self.wanted if not results.whole(self.directory, number, self.identity)]


def prepare_all(configs: Sequence[Config]) -> list[Experiment]:
    """Prepare configurations, each once; those that score other pictures come with the one that trains their weights.

    Raises:
        WserError: As `prepare`; where several caches are missing, of all of them.
    """
    every: list[Config] = []
    for config in itertools.chain.from_iterable(map(_trained_and_tested, configs)):
        if config not in every:
            every.append(config)
    for root in dict.fromkeys(config.cache_root for config in every):
        needed = [
            (corpus, recipe)
            for config in every
            for recipe in (config.recipe, config.data.test_recipe)
            for corpus in config.corpus
            if recipe and config.cache_root == root
        ]
        roots.require(places.parse(root), needed)
    # One object for all points of a sweep over the same cache: its records are read once.
    opened = lru_cache(open_dataset)
    experiments = [prepare(config, opened=opened) for config in every]
    # Two points of a sweep that compute the same, as seed=0,0, are one.
    return list({(run.directory, identity.digest(run.identity)): run for run in experiments}.values())


def prepare(config: Config, caches: tuple[str, ...] | None = None, opened: Callable[..., Dataset] = open_dataset) -> Experiment:
    """Open the cache, make and check the split, and find the directory of results; nothing is written.

    Args:
        config: Of the experiment.
        caches: Ids of the caches, one for each corpus, instead of `config.cache`.
        opened: Opens a dataset; of several configurations, the same one for the same names.

    Raises:
        WserError: A name is unknown, the cache is missing, or the protocol cannot be applied; one sentence says which.
    """
    models.module(config.model.name)
    loggers.check(config.logger, config.results)
    protocol = protocols.load(config.protocol)
    where, corpora = places.parse(config.cache_root), tuple(config.corpus)
    beside = Path(config.results)
    dataset = opened(where, corpora, config.recipe, caches or config.cache, config.labels, beside)
    models.check_takes(config.model, dataset.item)
    folds = protocol.folds(dataset.examples, config.selection, dataset.dropped_keys)
    precision = _precision(config) if config.model.is_network else ""
    tested = trained = None
    if config.data.test_recipe:
        inputs = tuple(cache.id.partition("-")[2] for cache in dataset.caches)
        tested = opened(where, corpora, config.data.test_recipe, inputs, config.labels, beside)
        _check_comparable(dataset, tested)
        trained = results.directory(_clean(config), identity.of(_clean(config), dataset, folds, precision))
    named = identity.of(config, dataset, folds, precision, tested)
    return Experiment(
        config,
        dataset,
        folds,
        protocol.speaker_independent,
        leakage.of_folds(folds, dataset.examples, dataset.near_doubles),
        _wanted(config.fold, len(folds)),
        results.directory(config, named),
        named,
        tested,
        trained,
    )


def _precision(config: Config) -> str:
    """Precision of training, which names the run before it is known which machine of a cluster trains it."""
    if config.executor.is_cluster and config.train.precision == "auto" and config.train.device not in ("auto", "cpu"):
        raise ConfigError(
            f"train.precision=auto asks this machine, and executor={config.executor.name} trains on others, with "
            f"train.device={config.train.device}: give train.precision=bf16 or fp32"
        )
    return hardware.precision(config.train)


def _trained_and_tested(config: Config) -> list[Config]:
    return [_clean(config), config] if config.data.test_recipe else [config]


def _clean(config: Config) -> Config:
    """The configuration that trains the weights which this one scores on other pictures."""
    return replace(config, data=replace(config.data, test_recipe=None))


def _check_comparable(dataset: Dataset, tested: Dataset) -> None:
    """Refuse pictures of another size, or of other utterances: one recipe can skip a recording that another can use."""
    ours, theirs = (opened.recipe.get("algorithm") for opened in (dataset, tested))
    if ours != theirs:
        raise CacheError(
            f"pictures of recipe {dataset.recipe_id} are of algorithm {ours}, those of {tested.recipe_id} of {theirs}: run "
            "precompute for both, so that the noise is all that differs"
        )
    trained_keys, tested_keys = ({example.key for example in opened.examples} for opened in (dataset, tested))
    if trained_keys != tested_keys:
        single = trained_keys ^ tested_keys
        raise CacheError(
            f"{counted(len(single), 'utterance')} of one of the recipes {dataset.recipe_id} and {tested.recipe_id} only, "
            f"such as {min(single)}: repair or remove the recordings"
        )
    if dataset.item != tested.item:
        raise ConfigError(
            f"data.test_recipe gives {tested.item}, and recipe {dataset.item}: give recipes of the same type and size"
        )


def execute(
    experiments: Sequence[Experiment],
    jobs: int,
    command: str,
    say: Callable[[Experiment, int], str | None],
    axes: Sequence[str] = (),
) -> None:
    """Run every pending fold, several at once where `jobs` says so.

    Args:
        experiments: Prepared, to be executed in one place.
        jobs: Runs at once on this machine; 0 is one for each core, and a single one on an accelerator.
        command: That asked for them, for the record.
        say: Gives the line to show when a fold of an experiment is finished, if any.
        axes: Dotted keys by which the experiments differ, for the progress that is shown.
    """
    work = [(experiment, fold) for experiment in experiments for fold in experiment.pending()]
    for experiment in experiments:
        if work:
            loggers.prepare(experiment.config, experiment.directory)
        results.remove_leftovers(experiment.directory)
        # Also of a run that is finished: its record may have been lost.
        results.describe(
            experiment.directory,
            experiment.config,
            experiment.identity,
            experiment.dataset,
            experiment.folds,
            command,
            experiment.speaker_independent,
            experiment.leakage,
            experiment.tested,
        )
    if not work:
        return
    from wser.training.run import Run

    for dataset in {
        id(used): used for experiment, _ in work for used in (experiment.dataset, experiment.tested) if used
    }.values():
        # Before there are several processes that would each do it.
        dataset.decode()
    where = experiments[0].config.executor
    jobs = len(work) if where.is_cluster else at_once([experiment for experiment, _ in work], jobs)
    runs = [
        Run(
            experiment.config,
            experiment.dataset,
            fold,
            experiment.directory,
            experiment.directory / f".{results.fold_name(fold.number)}-{process.signature()}-{uuid.uuid4().hex[:8]}",
            threads(experiment),
            experiment.identity,
            experiment.tested,
            experiment.trained,
        )
        for experiment, fold in work
    ]
    watched = [
        Job(
            f"fold {run.fold.number} of {_name(run.config, axes)}",
            run.aside,
            run.final,
            run.config.train.epochs if run.config.model.is_network and not run.trained else 0,
        )
        for run in runs
    ]
    try:
        with executor.workers(where, jobs) as workers, Watch(watched, jobs, getattr(workers, "count", None)) as watch:
            for scoring in (False, True):
                wave = [(at, run) for at, run in enumerate(runs) if (run.trained is not None) == scoring]
                with contextlib.closing(workers(joblib.delayed(_execute)(at, run) for at, run in wave)) as finished:
                    for number in finished:
                        experiment, fold = work[number]
                        if line := say(experiment, fold.number):
                            watch.say(line)
    except BrokenProcessPool:
        raise results.ResultError(
            f"one of {jobs} runs at once was killed, most likely for lack of memory: finished folds are kept, "
            "run again with jobs=1"
        ) from None
    finally:
        for run in runs:
            files.remove(run.aside, run.root)


def at_once(pending: Sequence[Experiment], jobs: int) -> int:
    """Runs at once.

    Args:
        pending: The experiment of each run that is to be done.
        jobs: As asked for; 0 is one for each core, and a single one on an accelerator.
    """
    networks = [experiment for experiment in pending if experiment.config.model.is_network]
    alone = bool(networks) and all(hardware.accelerated(experiment.config.train) for experiment in networks)
    return min(jobs or (1 if alone else most_jobs()), len(pending))


def most_jobs() -> int:
    """Runs at once on the CPU unless the user says otherwise: one for each core that this process may use."""
    return min(executor.cores(), MOST_JOBS)


def threads(experiment: Experiment) -> int:
    """Threads of each run on the CPU.

    Sums depend on them in the last digits, so they follow from the machine and the protocol, and not from how many folds
    happen to be pending: a fold gives the same predictions alone, resumed, or among all.
    """
    if experiment.config.executor.is_cluster:
        return experiment.config.train.threads or experiment.config.executor.cores
    return experiment.config.train.threads or max(1, executor.cores() // min(most_jobs(), len(experiment.folds)))


def _name(config: Config, axes: Sequence[str]) -> str:
    """The corpora, and the values of the configuration in a sweep."""
    values = flatten(asdict(config))
    return ", ".join(
        ["+".join(config.corpus), *(f"{axis}={as_text(values[axis])}" for axis in axes if axis != "corpus" and axis in values)]
    )


def _execute(number: int, run: "Run") -> int:
    from wser.execution import fold

    # A cluster repeats what it lost with a worker, also if it was finished.
    if not results.whole(run.directory, run.fold.number, run.identity):
        fold.execute(run)
    return number


def _wanted(fold: object, count: int) -> list[int]:
    if fold == "all":
        return list(range(count))
    try:
        numbers = sorted({int(part) for part in str(fold).strip("[]").split(",")})
    except ValueError:
        raise ConfigError(f"fold={fold} is neither all nor numbers: write it as in fold=all or fold=0,2") from None
    if outside := [number for number in numbers if not 0 <= number < count]:
        existing = f"folds 0 to {count - 1}" if count > 1 else "fold 0 alone"
        raise ConfigError(f"fold={outside[0]} does not exist: the protocol has {existing}, or give fold=all")
    return numbers


def differing(configs: Sequence[Config]) -> dict[str, list[Any]]:
    """Keys whose values differ between configurations, each with its value in every one of them; None where it has none."""
    flat = [flatten(asdict(config)) for config in configs]
    keys = dict.fromkeys(key for values in flat for key in values)
    columns = {key: [values.get(key) for values in flat] for key in keys}
    return {key: values for key, values in columns.items() if any(value != values[0] for value in values)}
