"""The one way to run many things at once: processes of this machine (joblib), or the workers of a cluster.

All that runs there ends with the process that asked for it.  Both libraries are loaded when there is work.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from precompute.common.errors import WserError
from precompute.common.executor_settings import ExecutorConfig
from precompute.common.process import end_with

if TYPE_CHECKING:
    import joblib

REMARKS = "ignore:resource_tracker:UserWarning"
"""Warnings that begin with this word and are of this class, as Python's option -W takes it."""

Work = Callable[[Iterable[Any]], Generator[Any, None, None]]
"""Takes joblib's delayed calls, and gives their results in the order in which they are finished."""


class UnwantedError(WserError):
    """The result of this work is not waited for any more."""


@contextlib.contextmanager
def workers(config: ExecutorConfig, jobs: int) -> Iterator[Work]:
    """What does the work; a cluster has a method `count` too, which says how many workers it has.

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
    """Whether the result of the work that calls this is still waited for; on a cluster it can be given up."""
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

    if effective(jobs) == 1:
        # It runs in this process, which has no owner to outlive.
        return joblib.Parallel(n_jobs=jobs, **options)
    _without_remarks()
    return joblib.Parallel(n_jobs=jobs, **options, initializer=end_with, initargs=(os.getpid(),))


def _without_remarks() -> None:
    """Have the process that clears up after the workers do so without a word.

    Where work ends by an error, a semaphore of joblib's may be left for it, and three lines about it would follow the
    sentence on the error.  It is not started yet, and reads what to leave out from the environment.
    """
    filters = [text for text in os.environ.get("PYTHONWARNINGS", "").split(",") if text]
    if REMARKS not in filters:
        os.environ["PYTHONWARNINGS"] = ",".join([*filters, REMARKS])


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
