"""Runs that are killed over and over, and power cuts: `python benchmarks/stress.py --runs --rounds 100 --images 20`.

Each round starts two real `python -m wser.run` of one run of three folds, one of them with two workers, and ends each by
`kill -9` at a moment of its own: in turn of the main process alone, whose workers then have to end by themselves, and of the
whole process group.  After each kill every visible fold must be whole: its files the ones that its metrics list, and its
predictions byte for byte those of an undisturbed run.  A run that came to be finished is removed, and the next round starts a
new one.  In the end one more run completes what the kills left, and nothing may be left over after `wser.runs gc`.

A power cut is a copy of the image of a file system (ext4, on a loop device, so for root alone) at a random moment of a run:
what was not yet on the disk is not in it.  The copy is mounted, which replays its journal, every visible fold must be whole,
and one more run must complete it to the same predictions.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

NETWORK = ["model.pipe_filters=2", "model.filters=[3,4]", "model.strides=[[2,2],[2,2],[2,2]]", "model.lstm=4", "model.fc=5"]
PLAN = ["protocol=speaker_independent", "protocol.folds=3", "train.epochs=4", "train.device=cpu"]
PLAN += ["train.precision=fp32", "train.threads=1", "selection=last", "logger=[]"]
FOLDS = 3
RECORDS = ("run.json", "identity.json", "split.json", "leakage.json", "summary.json")
LEFT = re.compile(r"\.fold_\d+-.+|\..+\.part")
IMAGE_MB = 48
SECONDS_TO_END = 60.0
TIMEOUT = 600
POLL = 0.01
WARM_UPS = 1
"""Undisturbed jobs before the one that is timed."""


@dataclass(frozen=True)
class Undisturbed:
    """What both jobs do, and the results of an undisturbed run.

    Attributes:
        settings: Of `wser.run`, without the directory of results.
        predictions: Of each fold.
        begins: Seconds until the first fold was begun.
        wall: Seconds of the whole job, its page left out.
    """

    settings: list[str]
    predictions: list[bytes]
    begins: float
    wall: float


@dataclass
class Tally:
    """What was seen."""

    kills: Counter[str] = field(default_factory=Counter)
    done: int = 0
    folds: int = 0
    finished: int = 0
    faults: list[str] = field(default_factory=list)


def run(options: argparse.Namespace) -> int:
    """Kill, check, finish, cut the power; print a table.

    Returns:
        The exit code: 0 where nothing bad was found.
    """
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        os.environ["JOBLIB_TEMP_FOLDER"] = scratch
        usual = undisturbed(options, Path(scratch))
        tally, results = Tally(), Path(scratch) / "killed"
        print(f"one run of {FOLDS} folds, seed {options.seed}")
        print(f"  one job, undisturbed      {usual.wall:.1f} s, of which {usual.begins:.1f} s before the first fold")
        rounds = 0
        # The last kill must leave something to finish.
        while rounds < options.rounds or (options.rounds and not results.exists() and rounds < 2 * options.rounds):
            kill_two(usual, results, rng, tally, alone=rounds % 2 == 0)
            rounds += 1
        killed = ", ".join(f"{count} {what}" for what, count in sorted(tally.kills.items())) or "none"
        print(f"  jobs killed               {tally.kills.total()} in {rounds} rounds: {killed}")
        print(f"  jobs done before          {tally.done}, as it must be with exit code 0")
        print(f"  folds checked             {tally.folds}; {tally.finished} runs came to be finished")
        if options.rounds:
            print(f"  one more run              {finish(usual, results, tally)}")
        print(f"  power cuts                {power_cuts(usual, Path(scratch), options.images, rng, tally)}")
        print(f"  bad                       {len(tally.faults)}")
    for fault in tally.faults[:20]:
        print(f"bad: {fault}", file=sys.stderr)
    return bool(tally.faults)


def undisturbed(options: argparse.Namespace, scratch: Path) -> Undisturbed:
    """Make the cache, and run one job to its end, after others that warm up."""
    corpora, cache = options.corpora or scratch / "corpora", scratch / "cache"
    command = [sys.executable, "-m", "precompute", "--corpus", options.corpus, "--corpora", str(corpora), "--cache", str(cache)]
    subprocess.run([*command, "--set", *options.set], check=True, stdout=subprocess.DEVNULL, env=environment())
    (sealed,) = cache.glob(f"{options.corpus}/*/manifest.json")
    recipe = sealed.parent.name.partition("-")[0]
    settings = [f"corpus={options.corpus}", f"cache_root={cache}", f"recipe={recipe}", *NETWORK, *PLAN]
    results = scratch / "undisturbed"
    begins = wall = 0.0
    for _ in range(WARM_UPS + 1):
        shutil.rmtree(results, ignore_errors=True)
        started = time.monotonic()
        job = start(settings, results, 1)
        while job.poll() is None and not list(results.glob("*/.fold_*")):
            time.sleep(POLL)
        begins = time.monotonic() - started
        while job.poll() is None and len(list(results.glob("*/fold_*/metrics.json"))) < FOLDS:
            time.sleep(POLL)
        wall = time.monotonic() - started
        if job.wait():
            sys.exit(f"an undisturbed run failed: {job.communicate()[1]}")
    (run,) = results.iterdir()
    return Undisturbed(
        settings, [(run / f"fold_{fold}" / "predictions.csv").read_bytes() for fold in range(FOLDS)], begins, wall
    )


def environment() -> dict[str, str]:
    """Of every job: none of the user's directories."""
    return {name: value for name, value in os.environ.items() if not name.startswith("WSER_")}


def start(settings: list[str], results: Path, jobs: int) -> subprocess.Popen[str]:
    """A job in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "wser.run", *settings, f"results={results}", f"jobs={jobs}"],
        env=environment(), start_new_session=True, encoding="utf-8", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def kill_two(usual: Undisturbed, results: Path, rng: random.Random, tally: Tally, alone: bool) -> None:
    """One round: two jobs, two kills, and a look at what is there after each."""
    before = len(list(results.glob("*/.fold_*")))
    jobs = [start(usual.settings, results, workers) for workers in (1, 2)]
    while all(job.poll() is None for job in jobs) and len(list(results.glob("*/.fold_*"))) <= before:
        time.sleep(POLL)
    rng.shuffle(jobs)
    first, second = sorted(rng.uniform(0, usual.wall - usual.begins + 1) for _ in jobs)
    time.sleep(first)
    end(usual, results, jobs[0], tally, alone)
    time.sleep(second - first)
    end(usual, results, jobs[1], tally, alone)
    if len(list(results.glob("*/fold_*/metrics.json"))) == FOLDS:
        tally.finished += 1
        shutil.rmtree(results)


def end(usual: Undisturbed, results: Path, job: subprocess.Popen[str], tally: Tally, alone: bool) -> None:
    """Kill one job, and look at what is there."""
    if job.poll() is None:
        tally.kills["alone" if alone else "with their workers"] += 1
        with contextlib.suppress(ProcessLookupError):
            (os.kill if alone else os.killpg)(job.pid, signal.SIGKILL)
        job.communicate()
        if not wait_for_end(job.pid):
            tally.faults.append(f"workers of a job that was killed went on for {SECONDS_TO_END:.0f} s")
            os.killpg(job.pid, signal.SIGKILL)
        for semaphore in Path("/dev/shm").glob(f"sem.loky-{job.pid}-*"):
            semaphore.unlink(missing_ok=True)
    else:
        tally.done += 1
        errors = job.communicate()[1]
        if job.returncode or "Traceback" in errors:
            tally.faults.append(f"a job ended with exit code {job.returncode}: {errors.strip()[-500:]}")
    check(usual, results, tally)


def wait_for_end(group: int) -> bool:
    """Whether every process of a group ends soon."""
    give_up = time.monotonic() + SECONDS_TO_END
    while time.monotonic() < give_up:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(POLL)
    return False


def check(usual: Undisturbed, results: Path, tally: Tally) -> None:
    """Every visible fold must be whole, and every record too."""
    for run in results.glob("[!.]*"):
        for file in run.iterdir():
            if file.name in RECORDS:
                try:
                    json.loads(file.read_bytes())
                except ValueError as error:
                    tally.faults.append(f"{file.name} is torn: {error}")
            elif file.name.startswith(".") and not LEFT.fullmatch(file.name) and file.name != ".trash":
                tally.faults.append(f"{file.name} is visible")
        for fold in range(FOLDS):
            folder = run / f"fold_{fold}"
            # Before it is looked into: another job may publish it at any moment.
            if folder.exists():
                tally.folds += 1
                tally.faults.extend(faults_of(folder, usual.predictions[fold]))


def faults_of(folder: Path, predictions: bytes) -> Iterator[str]:
    """What is wrong with a visible fold."""
    try:
        record = json.loads((folder / "metrics.json").read_bytes())
        for name, entry in record["files"].items():
            content = (folder / name).read_bytes()
            if (len(content), hashlib.sha256(content).hexdigest()) != (entry["size"], entry["sha256"]):
                yield f"{folder.name}/{name} does not match its checksum in metrics.json"
        if (folder / "predictions.csv").read_bytes() != predictions:
            yield f"{folder.name} has other predictions than an undisturbed run"
    except (OSError, ValueError, KeyError) as error:
        yield f"{folder.name} is not whole ({type(error).__name__}: {error})"


def finish(usual: Undisturbed, results: Path, tally: Tally) -> str:
    """One more run, after which all is there, and nothing else after `gc`."""
    finished, left = len(list(results.glob("*/fold_*"))), len(list(results.glob("*/.fold_*")))
    complete(usual, results, tally)
    return f"{finished} of {FOLDS} folds were there, {left} leftovers of killed jobs before, none afterwards"


def complete(usual: Undisturbed, results: Path, tally: Tally) -> None:
    """Run to the end, clear away, and compare with an undisturbed run."""
    job = start(usual.settings, results, 1)
    errors = job.communicate(timeout=TIMEOUT)[1]
    if job.returncode or "Traceback" in errors:
        tally.faults.append(f"the last run ended with exit code {job.returncode}: {errors.strip()[-500:]}")
    command = [sys.executable, "-m", "wser.runs", "gc", "--results", str(results), "--grace", "0", "--yes"]
    if subprocess.run(command, env=environment(), stdout=subprocess.DEVNULL).returncode:
        tally.faults.append("gc failed")
    check(usual, results, tally)
    if len(list(results.glob("*/fold_*/metrics.json"))) < FOLDS:
        tally.faults.append("the last run did not complete the run")
    if left := [file.name for run in results.iterdir() for file in run.glob("*") if LEFT.fullmatch(file.name)]:
        tally.faults.append(f"after gc there are {left[:3]}")


def power_cuts(usual: Undisturbed, scratch: Path, images: int, rng: random.Random, tally: Tally) -> str:
    """Copies of a mounted image at random moments, each completed afterwards."""
    image, place = scratch / "disk.img", scratch / "disk"
    if not images:
        return "not asked for"
    try:
        with image.open("wb") as file:
            file.truncate(IMAGE_MB << 20)
        subprocess.run(["mkfs.ext4", "-q", str(image)], check=True, capture_output=True)
        with mounted(image, place):
            copies = [scratch / f"cut{number}.img" for number in range(images)]
            for at in range(0, images, 5):
                moments = sorted(rng.uniform(usual.begins, usual.wall + 2) for _ in copies[at : at + 5])
                job, started = start(usual.settings, place / f"results{at}", 1), time.monotonic()
                for moment, copy in zip(moments, copies[at : at + 5], strict=True):
                    time.sleep(max(0.0, started + moment - time.monotonic()))
                    shutil.copyfile(image, copy)
                job.communicate(timeout=TIMEOUT)
                shutil.rmtree(place / f"results{at}")
    except (OSError, subprocess.CalledProcessError) as error:
        return f"not tried: no loop device here for this user ({error})"
    folds = 0
    for number, copy in enumerate(copies):
        with mounted(copy, scratch / "cut"):
            results = scratch / "cut" / f"results{number // 5 * 5}"
            results.mkdir(exist_ok=True)
            folds += len(list(results.glob("*/fold_*")))
            check(usual, results, tally)
            complete(usual, results, tally)
        copy.unlink()
    return f"{images}, with {folds} finished folds in them, each completed to the same predictions"


@contextlib.contextmanager
def mounted(image: Path, place: Path) -> Iterator[None]:
    """Mount an image of a file system."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True, capture_output=True)
