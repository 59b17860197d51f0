"""The one way to run many things at once: processes of this machine (joblib), or the workers of a cluster.

Whatever runs there ends with the process that asked for it.  Both libraries are loaded when there is work.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from precompute.common.errors import UsageError, WserError, unknown
from precompute.common.process import end_with
from precompute.common.settings import check_limits, check_words, facts, refusal, setting, types

if TYPE_CHECKING:
    import joblib

Work = Callable[[Iterable[Any]], Generator[Any, None, None]]
"""Takes joblib's delayed calls, and gives their results in the order in which they are finished."""

OF_SLURM = {"executor.name": ["slurm"]}


@dataclass
class ExecutorConfig:
    """Where work is done.

    Attributes:
        name: `loky` is processes of this machine, `dask` the workers of a running Dask cluster, `slurm` workers that are
            started as jobs of Slurm.  `executor=NAME` is short for it.
        address: Of the scheduler of the Dask cluster, such as tcp://host:8786.
        workers: Jobs of Slurm at once; each does one piece of work at a time.
        partition: Partition of Slurm; null is the cluster's default.
        cores: Cores of each job, and threads of each fold, unless `train.threads` gives another number.
        memory: Memory of each job.
        time: Time limit of each job, as sbatch takes it.  Another job continues what one could not finish in time.
        gpus: GPUs of each job.
    """

    name: Literal["loky", "dask", "slurm"] = setting("loky", hashed=False, swept=False)
    address: str | None = setting(None, hashed=False, swept=False, text=True, read_with={"executor.name": ["dask"]})
    workers: int = setting(10, low=1, high=10_000, hashed=False, swept=False, read_with=OF_SLURM)
    partition: str | None = setting(None, hashed=False, swept=False, text=True, read_with=OF_SLURM)
    cores: int = setting(1, low=1, high=1024, hashed=False, swept=False, read_with=OF_SLURM)
    memory: str = setting("4GB", hashed=False, swept=False, text=True, read_with=OF_SLURM)
    time: str = setting("04:00:00", hashed=False, swept=False, text=True, read_with=OF_SLURM)
    gpus: int = setting(0, low=0, high=1024, hashed=False, swept=False, read_with=OF_SLURM)

    @property
    def is_cluster(self) -> bool:
        """Whether the work is done by other machines, as far as this one knows."""
        return self.name != "loky"


THIS_MACHINE = ExecutorConfig()


class UnwantedError(WserError):
    """Nobody waits for the result of this work any more."""


def parse(words: Sequence[str]) -> ExecutorConfig:
    """Where work is done, as a command line says it.

    Args:
        words: The name, and then `key=value` for further settings.

    Raises:
        UsageError: A word is no setting, its value is outside its limits, or it has no effect.
    """
    config, kinds = ExecutorConfig(), types(ExecutorConfig)
    given = dict((word if "=" in word else f"name={word}").split("=", 1) for word in words)
    for key, text in given.items():
        if key not in kinds:
            raise UsageError(unknown("setting of --executor", key, kinds))
        if kinds[key] is int and not text.isdecimal():
            raise UsageError(f"--executor {key}={text} is not a whole number: write it as in {key}=2")
        setattr(config, key, int(text) if kinds[key] is int else text)
    check_words(config, UsageError, "--executor ")
    check_limits(config, UsageError, "--executor ")
    settings = {f"executor.{key}": value for key, value in vars(config).items()}
    for field in fields(config):
        if field.name in given and (why := refusal(f"executor.{field.name}", facts(field).readers, settings)):
            raise UsageError(why)
    return config


@contextlib.contextmanager
def workers(config: ExecutorConfig, jobs: int) -> Iterator[Work]:
    """Whoever does the work; a cluster has a method `count` too, which says how many workers it has.

    Args:
        config: Where it is done.
        jobs: Pieces of work at once; -1 is one for each core of this machine, 1 works in this process.  A Dask cluster does as
            many as it has workers.

    Raises:
        WserError: The cluster cannot be reached or started.
    """
    if not config.is_cluster:
        yield parallel(jobs, return_as="generator_unordered", pre_dispatch="3*n_jobs")
        return
    from precompute.common.cluster import Cluster

    cluster = Cluster(config, jobs)
    try:
        yield cluster
    finally:
        cluster.close()


def is_wanted() -> bool:
    """Whether somebody still waits for the result of the work that calls this; on a cluster it can be given up."""
    if "distributed" not in sys.modules:
        return True
    from precompute.common import cluster

    return cluster.is_wanted()


def parallel(jobs: int, **options: Any) -> "joblib.Parallel":
    """A joblib runner on this machine.

    Args:
        jobs: Number of processes; -1 is one for each core, 1 works in this process.
        options: Of `joblib.Parallel`.
    """
    import joblib

    # A single job runs in this process, which has no owner to outlive.
    ending = {} if effective(jobs) == 1 else {"initializer": end_with, "initargs": (os.getpid(),)}
    return joblib.Parallel(n_jobs=jobs, **options, **ending)


def effective(jobs: int) -> int:
    """Number of processes that `jobs` means on this machine."""
    import joblib

    with _counted():
        return int(joblib.effective_n_jobs(jobs))


def cores() -> int:
    """Cores that this process may use.

    Raises:
        WserError: LOKY_MAX_CPU_COUNT, which limits them, is not a number.
    """
    import joblib

    with _counted():
        return int(joblib.cpu_count())


@contextlib.contextmanager
def _counted() -> Iterator[None]:
    """Turn joblib's error about its variable into one sentence."""
    try:
        yield
    except ValueError:
        limit = os.environ.get("LOKY_MAX_CPU_COUNT")
        if limit is None:
            raise
        raise WserError(
            f"LOKY_MAX_CPU_COUNT={limit} is not a number of cores: unset it, or give a whole number from 1"
        ) from None
