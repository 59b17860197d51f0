"""What a cluster costs, and what it survives: separate worker processes on this machine against the usual ones.

    python benchmarks/cluster.py --corpora DIR [--corpus emodb] [--steps precompute,train] [--workers 2] [--epochs 2]

In turn, by the project's own command lines: `precompute build` and `wser.run protocol=loso fold=all` on this machine; on a
Dask cluster; on one of which a worker is killed (SIGKILL) in the middle; and on one of which the scheduler is killed in the
middle and which is then started again for the same command once more.  Each has a cache and results of its own.  Printed:
seconds, the last line of what the killed command said, whether caches verify, and whether pictures and predictions are
those of this machine, byte for byte.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PYTHON = [sys.executable, "-m"]


@contextlib.contextmanager
def cluster(folder: Path, workers: int) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a scheduler, and its process with those of its workers."""
    file = folder / "scheduler.json"
    file.unlink(missing_ok=True)
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> None:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        started.append(subprocess.Popen([*PYTHON, *command, "--no-dashboard"], cwd=folder, start_new_session=True, **quiet))

    start("distributed.cli.dask_scheduler", "--port", "0", "--scheduler-file", str(file))
    try:
        while not (file.is_file() and file.read_bytes().endswith(b"}")):
            time.sleep(0.05)
        address = json.loads(file.read_bytes())["address"]
        for _ in range(workers):
            start("distributed.cli.dask_worker", address, "--nthreads", "1", "--memory-limit", "0")
        yield address, started
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Case:
    """Caches and results of one way to work, in a directory of their own."""

    def __init__(self, folder: Path, name: str, options: argparse.Namespace) -> None:
        self.folder, self.options = folder / name, options
        self.folder.mkdir()

    def precompute(self, *where: str) -> list[str]:
        """The command that builds the cache."""
        corpora = ["--corpora", str(self.options.corpora), "--cache", str(self.folder / "cache")]
        return [*PYTHON, "precompute", "build", self.options.corpus, *corpora, *where]

    def train(self, *where: str) -> list[str]:
        """The command that trains all folds."""
        places = [f"cache_root={self.folder / 'cache'}", f"results={self.folder / 'runs'}", "logger=[]"]
        epochs = f"train.epochs={self.options.epochs}"
        return [*PYTHON, "wser.run", f"corpus={self.options.corpus}", "protocol=loso", "fold=all", epochs, *places, *where]

    def made(self, pattern: str) -> dict[str, bytes]:
        """Content of files, by their path."""
        return {str(file.relative_to(self.folder)): file.read_bytes() for file in self.folder.glob(pattern)}

    def begun(self, step: str) -> bool:
        """Whether a command is in the middle of its work."""
        pattern = "cache/*/*/*/*/c.*" if step == "precompute" else "runs/*/fold_*/metrics.json"
        return any(self.folder.glob(pattern))


def run(command: list[str]) -> tuple[float, int, str]:
    """Seconds, exit code, and the last line on stderr."""
    started = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", check=False)
    return time.perf_counter() - started, done.returncode, (done.stderr.splitlines() or [""])[-1]


def disturbed(case: Case, step: str, command: list[str], victim: int) -> tuple[float, int, str]:
    """The same of a command in the middle of which a process group is killed."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8") as job:
        while job.poll() is None and not case.begun(step):
            time.sleep(0.02)
        os.killpg(victim, signal.SIGKILL)
        output = job.communicate()[1]
    return time.perf_counter() - started, job.returncode, (output.splitlines() or [""])[-1]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True, help="directory that holds the corpora")
    parser.add_argument("--corpus", default="emodb")
    parser.add_argument("--steps", default="precompute,train")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        alone = Case(folder, "here", options)

        def tell(case: Case, what: str, step: str, outcome: tuple[float, int, str]) -> None:
            seconds, code, last_line = outcome
            same = case.made("cache/*/*/*/*/c.*") == alone.made("cache/*/*/*/*/c.*")
            if step == "train":
                same = case.made("runs/*/fold_*/predictions.csv") == alone.made("runs/*/fold_*/predictions.csv")
            verdict = f"exit code {code}: {last_line}" if code else "the same bytes" if same else "OTHER BYTES"
            if not code and step == "precompute":
                verify = [*PYTHON, "precompute", "cache", "verify", "--cache", str(case.folder / "cache")]
                verdict += ", verified" if run(verify)[1] == 0 else ", DAMAGED"
            print(f"{what:24}{step:12}{seconds:8.1f} s   {verdict}", flush=True)

        steps = options.steps.split(",")
        for step in steps:
            tell(alone, "this machine", step, run(getattr(alone, step)()))
        plain, killed, lost = (Case(folder, name, options) for name in ("plain", "killed", "lost"))
        for step in steps:

            def where(address: str, step: str = step) -> list[str]:
                on = ["--executor", "dask", f"address={address}"]
                return on if step == "precompute" else ["executor=dask", f"executor.address={address}"]

            with cluster(folder, options.workers) as (address, _):
                tell(plain, "cluster", step, run(getattr(plain, step)(*where(address))))
            with cluster(folder, options.workers) as (address, processes):
                command = getattr(killed, step)(*where(address))
                tell(killed, "a worker is killed", step, disturbed(killed, step, command, processes[1].pid))
            with cluster(folder, options.workers) as (address, processes):
                command = getattr(lost, step)(*where(address))
                tell(lost, "the scheduler is killed", step, disturbed(lost, step, command, processes[0].pid))
            with cluster(folder, options.workers) as (address, _):
                tell(lost, "the same command again", step, run(getattr(lost, step)(*where(address))))


if __name__ == "__main__":
    main()
