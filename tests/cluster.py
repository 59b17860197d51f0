"""A Dask cluster of separate processes on this machine, for tests."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SECONDS = 120


@dataclass
class Processes:
    """The scheduler's address, and the processes."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]


@contextlib.contextmanager
def running(directory: Path, workers: int, *options: str) -> Iterator[Processes]:
    """A scheduler and its workers, each under a nanny that starts it again when it dies."""
    file = directory / "scheduler.json"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start(program: str, *arguments: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", f"distributed.cli.dask_{program}", "--no-dashboard", *arguments]
        with (directory / f"{program}.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, cwd=directory, env=environment, start_new_session=True)

    scheduler = start("scheduler", "--port", "0", "--scheduler-file", str(file))
    started = [scheduler]
    try:
        until = time.monotonic() + SECONDS
        while not (file.is_file() and file.read_bytes().endswith(b"}")):
            assert scheduler.poll() is None, (directory / "scheduler.log").read_text()
            assert time.monotonic() < until
            time.sleep(0.05)
        address = json.loads(file.read_bytes())["address"]
        usual = ["--nthreads", "1", "--memory-limit", "0", "--local-directory", str(directory)]
        started += [start("worker", address, *(options or usual)) for _ in range(workers)]
        yield Processes(address, scheduler, started[1:])
    finally:
        for process in started:
            # With what it has started.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
