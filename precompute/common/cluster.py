"""Work on a Dask cluster: one that runs already, or one whose workers are jobs of Slurm.

Dask repeats the work of a worker that died.  A task runs in the one thread of its worker, in the directory in which the command
was started, by the software that the command has; otherwise it is refused.
"""

import contextlib
import hashlib
import importlib.util
import logging
import os
import platform
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import CancelledError
from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

from precompute.common.errors import WserError, counted
from precompute.common.executor_settings import ExecutorConfig
from precompute.common.provenance import version_of

MOST_SUBMITTED = 1000
"""Pieces of work that the scheduler knows at once; more wait here."""

PACKAGES = (
    "numpy", "scipy", "soundfile", "soxr", "numcodecs", "opensmile", "librosa", "torch", "pytorch-lightning", "scikit-learn",
)  # fmt: skip
"""Whose versions can change a result."""

SECONDS_TO_CONNECT, SECONDS_TO_ANSWER, SECONDS_BETWEEN_REPAIRS = 10, 2, 10

AGAIN = "what is finished is kept, run the same command to continue"


class ClusterError(WserError):
    """A cluster cannot be reached, or cannot do the work."""


class Cluster:
    """The workers of a cluster.

    Args:
        config: `dask` or `slurm`.
        jobs: Pieces of work at most; no more jobs of Slurm are asked for.  Below 1, it is not known.

    Raises:
        ClusterError: It cannot be reached or started.
    """

    def __init__(self, config: ExecutorConfig, jobs: int) -> None:
        package = _imported("distributed")
        for name in [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]:
            # What they have to say is said here, in a sentence.
            logging.getLogger(name).setLevel(logging.CRITICAL)
        warnings.filterwarnings("ignore", message="Sending large graph")
        if config.name == "dask" and not config.address:
            raise ClusterError("executor=dask has no address: give executor.address=tcp://HOST:8786, that of its scheduler")
        self._own = _slurm(config, jobs) if config.name == "slurm" else None
        self._name = "Slurm" if self._own else str(config.address)
        try:
            self._client: Any = package.Client(self._own or config.address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
        except (OSError, ValueError) as error:
            if self._own:
                self._own.close()
            raise ClusterError(
                f"no Dask scheduler responds at {self._name} ({_in_words(error)}): start one there (dask scheduler), or "
                "give executor=loky to work on this machine"
            ) from None
        self._workers = 0

    def __call__(self, tasks: Iterable[Any]) -> Generator[Any, None, None]:
        """Results of joblib's delayed calls, in the order in which they are finished; at the end, what is not is given up.

        Raises:
            ClusterError: The scheduler was lost, workers died one after another, or one has other software.
            Exception: Of a task.
        """
        waiting = self._submit(tasks)
        pending = set(islice(waiting, MOST_SUBMITTED))
        submitted = _imported("distributed").as_completed(list(pending), loop=self._client.loop)
        try:
            for future in submitted:
                yield self._result(future)
                pending.discard(future)
                for another in islice(waiting, 1):
                    pending.add(another)
                    submitted.add(another)
        finally:
            with contextlib.suppress(OSError, CancelledError):
                self._client.cancel(list(pending), force=True)

    def count(self) -> int:
        """Workers that are there; none where the scheduler does not answer."""
        with contextlib.suppress(OSError, CancelledError):
            known = self._client.sync(self._client.scheduler.identity, n_workers=0, callback_timeout=SECONDS_TO_ANSWER)
            self._workers = int(known["n_workers"])
        return self._workers

    def close(self) -> None:
        """Leave the cluster; jobs of Slurm end."""
        with contextlib.suppress(OSError, CancelledError):
            self._client.close(SECONDS_TO_CONNECT)
        if self._own:
            self._own.close()

    def _submit(self, tasks: Iterable[Any]) -> Iterator[Any]:
        folder = os.getcwd()  # noqa: PTH109 - as text, which is what travels
        for task in tasks:
            # By cloudpickle, as joblib does: what a plug-in defines travels with it.
            package = task[0].__module__.partition(".")[0]
            yield self._client.submit(_work, package, _software(package), folder, cloudpickle.dumps(task), pure=False)

    def _result(self, future: Any) -> Any:
        from distributed import KilledWorker

        if future.status == "error":
            error = future.exception()
            if isinstance(error, KilledWorker):
                raise ClusterError(
                    f"{counted(error.allowed_failures + 1, 'worker')} of {self._name} died one after another at the same "
                    f"piece of work, the last at {error.last_worker.address}, most likely for lack of memory or time: give "
                    f"workers more; {AGAIN}"
                )
            raise _missing(error, f"the scheduler or a worker of {self._name}") or error
        try:
            return future.result()
        except (OSError, CancelledError):
            raise ClusterError(f"the connection to the scheduler of {self._name} was lost: see that it runs; {AGAIN}") from None


def _work(package: str, software: dict[str, str | None], directory: str, task: bytes) -> Any:
    """A piece of work, on a worker."""
    from distributed import get_worker

    worker = get_worker()
    where = f"the worker {worker.address}"
    own = _software(package)
    if differing := [f"{name} {own[name]} (here {version})" for name, version in software.items() if own[name] != version]:
        raise ClusterError(f"{where} has {', '.join(differing)}: install there what is installed here")
    if worker.state.nthreads > 1:
        raise ClusterError(f"{where} has {worker.state.nthreads} threads, which would disturb each other: give it --nthreads 1")
    if not Path(directory).is_dir():
        raise ClusterError(f"{where} has no directory {directory}: start the command in one that all machines mount")
    with contextlib.chdir(directory):
        try:
            function, arguments, named = cloudpickle.loads(task)
        except ModuleNotFoundError as error:
            raise _missing(error, where) or error from None
        return function(*arguments, **named)


def _missing(error: BaseException, where: str) -> ClusterError | None:
    """The sentence for a package that is not there; None for other errors."""
    for cause in (error, error.__cause__):
        if isinstance(cause, ModuleNotFoundError):
            return ClusterError(f"{where} has no package {cause.name}: install there what is installed here")
    return None


@lru_cache(maxsize=8)
def _software(package: str) -> dict[str, str | None]:
    """Versions of all that can change a result, and digests of the source of `precompute` and of another package."""
    own = {name: _source_of(name) for name in ("precompute", package)}
    return {
        "python": platform.python_version(), "wser": version_of("wser"), **own, **{name: version_of(name) for name in PACKAGES},
    }  # fmt: skip


def _source_of(package: str) -> str:
    spec, digest = importlib.util.find_spec(package), hashlib.sha256()
    for directory in (spec.submodule_search_locations if spec else None) or ():
        for file in sorted(Path(directory).rglob("*.py")):
            digest.update(file.read_bytes())
    return f"of source {digest.hexdigest()[:12]}"


def is_wanted() -> bool:
    """Whether the result of the task that runs in this thread is still waited for; outside of a worker it is."""
    from distributed import get_worker

    try:
        worker = get_worker()
        task = worker.state.tasks.get(worker.get_current_task())
    except (ValueError, KeyError):
        return True
    return task is not None and task.state != "cancelled"


def described(config: ExecutorConfig) -> str:
    """What Slurm is given, with the script that sbatch gets.

    Raises:
        ClusterError: A setting is malformed, or a package is missing.
    """
    with _slurm_cluster(config) as cluster:
        return f"up to {counted(config.workers, 'job')} of Slurm at once, each by this script:\n\n{cluster.job_script()}"


def _slurm(config: ExecutorConfig, jobs: int) -> Any:
    """Jobs of Slurm that become workers."""
    if not shutil.which("sbatch"):
        raise ClusterError("executor=slurm needs sbatch, and it is not on this machine: run on one that submits jobs")
    from tornado.ioloop import PeriodicCallback

    cluster = _slurm_cluster(config)
    if refused := _refused(cluster.job_script()):
        cluster.close()
        raise ClusterError(f"sbatch refuses the job ({refused}): change the settings of executor, --dry-run shows the script")
    size = min(config.workers, jobs) if jobs > 0 else config.workers
    cluster.scale(size)
    # This also asks for a new job to replace one that ended.
    repair = PeriodicCallback(lambda: cluster.scale(size), SECONDS_BETWEEN_REPAIRS * 1000)
    cluster.loop.add_callback(repair.start)
    return cluster


def _refused(script: str) -> str:
    """What sbatch says against a job, without submitting it; nothing where it would take it."""
    checked = subprocess.run(["sbatch", "--test-only"], input=script, capture_output=True, encoding="utf-8", check=False)
    return "" if checked.returncode == 0 else (" ".join(checked.stderr.split()) or f"exit code {checked.returncode}")[:200]


def _slurm_cluster(config: ExecutorConfig) -> Any:
    on_interruption = signal.getsignal(signal.SIGINT)
    package = _imported("dask_jobqueue")
    # Its import makes Ctrl-C an exit without a word.
    signal.signal(signal.SIGINT, on_interruption)
    gpus = [f"--gpus={config.gpus}"] if config.gpus else []
    try:
        return package.SLURMCluster(
            cores=1, processes=1, job_cpu=config.cores, memory=config.memory, walltime=config.time, queue=config.partition,
            job_name="wser", job_extra_directives=gpus, python=sys.executable, scheduler_options={"dashboard_address": ":0"},
            # A process that reaches a scheduler can run code: a certificate for these jobs alone, in files of this user.
            security=True, shared_temp_directory=os.getcwd(),  # noqa: PTH109
        )  # fmt: skip
    except (OSError, ValueError, RuntimeError) as error:
        raise ClusterError(
            f"workers on Slurm cannot be started ({_in_words(error)}): change the settings of executor"
        ) from None


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ClusterError(
            f"{error.name} is not installed, and clusters need it: python -m pip install distributed dask-jobqueue cryptography"
        ) from None


def _in_words(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
