"""The one way to run many things at once: joblib, with workers that end with the process that started them."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import joblib

from precompute.common.errors import WserError
from precompute.common.process import end_with


def parallel(jobs: int, **options: Any) -> joblib.Parallel:
    """A joblib runner.

    Args:
        jobs: Number of processes; -1 is one for each core, 1 works in this process.
        options: Of `joblib.Parallel`.
    """
    # A single job runs in this process, which has no owner to outlive.
    ending = {} if effective(jobs) == 1 else {"initializer": end_with, "initargs": (os.getpid(),)}
    return joblib.Parallel(n_jobs=jobs, **options, **ending)


def effective(jobs: int) -> int:
    """Number of processes that `jobs` means on this machine."""
    with _counted():
        return int(joblib.effective_n_jobs(jobs))


def cores() -> int:
    """Cores that this process may use.

    Raises:
        WserError: LOKY_MAX_CPU_COUNT, which limits them, is not a number.
    """
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
