"""Two writers of one cache, killed over and over: `python benchmarks/stress.py --rounds 100`.

Each round starts two real `python -m precompute` on one key, one of them with workers of its own, and ends each by `kill -9` of
its whole process group at a moment of its own: drawn from the time that the rest of the work takes, and in every third round
from the time that sealing takes, once the last unit is in place.  After each kill, while the other writer is halted, everything
that is visible is checked against an undisturbed cache, with zarr and hashlib alone.  A cache that came to be sealed is checked
whole, and the next round starts a new one.  In the end one more run completes what the kills left, and two writers run to
their end.  With `--runs` the same is done to runs: see `stress_runs.py`.
"""

import os

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"

import argparse
import contextlib
import hashlib
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import zarr

from precompute.common import paths

QUICK = ["scales=16", "height=16", "columns=64", "width=64", "duration=2.0"]
UNIT = re.compile(r"[^/]+/[^/]+/(zarr\.json|c\.0\.0\.0\.0)")
RECORD = re.compile(r"(recipe|manifest)\.json|(index|skipped)\.jsonl|provenance/\w+\.json|([^/]+/)?zarr\.json")
PHASES = ("before the first unit", "among the units", "while sealing", "once it was sealed")
TIMEOUT = 600
POLL = 0.003


@dataclass(frozen=True)
class Key:
    """What both writers make, and the results of an undisturbed run.

    Attributes:
        command: Without the cache and the number of processes.
        workers: Processes of the one writer; the other is a single one.
        pictures: Key of each utterance -> SHA-256 of its picture.
        units: Number of them.
        name: Path of the cache in its root.
        working: Seconds from the first file to the last of an undisturbed run.
        sealing: Seconds from the last unit to the manifest.
        wall: Seconds of the whole run.
    """

    command: list[str]
    workers: int
    pictures: dict[str, str]
    units: int
    name: str
    working: float
    sealing: float
    wall: float


@dataclass
class Tally:
    """What was seen: kills by phase, writers that were done before their kill, units checked, caches sealed, and faults."""

    kills: Counter[str] = field(default_factory=Counter)
    done: int = 0
    checked: int = 0
    sealed: int = 0
    faults: list[str] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill, check, finish, race; print a table.

    Returns:
        The exit code: 0 where nothing bad was found.
    """
    options = _parser().parse_args(arguments)
    if options.runs:
        import stress_runs

        return stress_runs.run(options)
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        # Workers that are killed leave their shared memory behind; here it goes with the rest.
        os.environ["JOBLIB_TEMP_FOLDER"] = scratch
        key = undisturbed(options, Path(scratch))
        root, tally = Path(scratch) / "killed", Tally()
        print(f"{options.corpus}: {len(key.pictures)} utterances in {key.units} units, seed {options.seed}")
        print(
            f"  one writer, undisturbed   {key.wall:.2f} s, of which writing {key.working:.2f} s, sealing {key.sealing:.3f} s"
        )
        rounds = 0
        # The last kill must leave something to finish.
        while rounds < options.rounds or (sealed(key, root) and rounds < 2 * options.rounds):
            kill_two(key, root, rounds % 3 == 2, rng, tally)
            rounds += 1
        killed = ", ".join(f"{tally.kills[phase]} {phase}" for phase in PHASES)
        print(f"  writers killed            {tally.kills.total()} in {rounds} rounds: {killed}")
        print(f"  writers done before       {tally.done}, as it must be with exit code 0")
        print(f"  one more run              {finish(key, root, tally)}")
        print(f"  two writers, not killed   {race(key, root, tally)}")
        print(f"  units checked             {tally.checked}; {tally.sealed} caches came to be sealed")
        print(f"  bad                       {len(tally.faults)}")
    for fault in tally.faults[:20]:
        print(f"bad: {fault}", file=sys.stderr)
    return bool(tally.faults)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100, help="rounds of two writers (default: 100)")
    parser.add_argument(
        "--runs", action="store_true", help="two jobs of wser.run instead, killed over and over, and power cuts"
    )
    parser.add_argument("--images", type=int, default=20, help="with --runs: power cuts (default: 20; need root)")
    parser.add_argument("--corpus", default="demo", help="corpus (default: demo)")
    parser.add_argument("--corpora", type=paths.path, help="directory of the corpora (default: made on the spot, and removed)")
    parser.add_argument("--set", metavar="KEY=VALUE", nargs="+", default=QUICK, help="recipe (default: a quick one)")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes of one of the writers (default: 2)")
    parser.add_argument("--scratch", type=paths.path, help="directory on the file system to try (default: the temporary one)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    return parser


def undisturbed(options: argparse.Namespace, scratch: Path) -> Key:
    """Run one writer of one process to its end, to know what is right and how long it takes."""
    corpora = options.corpora or scratch / "corpora"
    root = scratch / "undisturbed"
    command = [sys.executable, "-m", "precompute", "--corpus", options.corpus, "--corpora", str(corpora)]
    command += ["--set", *options.set]
    # The first makes the corpus where it must, and warms up.
    for _ in range(2):
        shutil.rmtree(root, ignore_errors=True)
        started = time.monotonic()
        job = start(command, root)
        moments: dict[str, float] = {}
        units = 0
        while job.poll() is None:
            now = time.monotonic()
            if root.exists():
                moments.setdefault("first", now)
            if (published := len(units_of(root))) > units:
                units = published
                moments["last"] = now
            if list(root.glob("*/*/manifest.json")):
                moments.setdefault("sealed", now)
            time.sleep(POLL)
        ended = time.monotonic()
        if job.returncode:
            sys.exit(f"an undisturbed run failed: {output(job)[1]}")
    (manifest,) = root.glob("*/*/manifest.json")
    lines = [json.loads(line) for line in (manifest.parent / "index.jsonl").read_bytes().splitlines()]
    return Key(
        command=command,
        workers=options.jobs,
        pictures={line["key"]: line["image_sha256"] for line in lines},
        units=len({line["array"] for line in lines}),
        name=str(manifest.parent.relative_to(root)),
        working=moments["sealed"] - moments["first"],
        sealing=moments["sealed"] - moments["last"],
        wall=ended - started,
    )


def start(command: list[str], root: Path, jobs: int = 1) -> subprocess.Popen[str]:
    """A writer in a process group of its own, so that its workers are killed with it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WSER_")}
    return subprocess.Popen(
        [*command, "--jobs", str(jobs), "--cache", str(root)], env=environment, start_new_session=True,
        encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def output(job: subprocess.Popen[str]) -> tuple[str, str]:
    """What a writer that came to its end printed."""
    return job.communicate(timeout=TIMEOUT)


def kill(job: subprocess.Popen[str]) -> bool:
    """Kill a writer and its workers; False where it was done before."""
    done = job.poll() is not None
    send(job, signal.SIGKILL)
    job.wait()
    # The semaphores of workers outlive a kill, until the machine is started again.
    for semaphore in Path("/dev/shm").glob(f"sem.loky-{job.pid}-*"):
        semaphore.unlink(missing_ok=True)
    return not done and job.returncode == -signal.SIGKILL


def send(job: subprocess.Popen[str], number: int) -> None:
    """Send a signal to a writer and its workers."""
    # Not to a group that is gone: its number may be another's by now.
    if job.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(job.pid, number)


def units_of(root: Path) -> list[Path]:
    """Directories of the units that are visible."""
    return [file.parent for file in root.glob("*/[!.]*/*/*/zarr.json")]


def kill_two(key: Key, root: Path, while_sealing: bool, rng: random.Random, tally: Tally) -> None:
    """One round: two writers, two kills, and a look at what is there after each."""
    missing = 1 - len(units_of(root)) / key.units
    if sealed(key, root) or not (missing or while_sealing):
        shutil.rmtree(root / key.name)
        missing = 1.0
    # Of the two, one or both must have begun to write.
    wanted = len(staging(key, root)) + rng.choice((1, 2))
    jobs = [start(key.command, root, workers) for workers in (1, key.workers)]
    while all(job.poll() is None for job in jobs) and not begun(key, root, wanted, while_sealing):
        time.sleep(POLL)
    # Two share the work.
    span = 3 * key.sealing if while_sealing else key.working * missing * 0.6 + key.sealing
    rng.shuffle(jobs)
    first, second = sorted(rng.uniform(0, span) for _ in jobs)
    time.sleep(first)
    end(key, root, jobs[0], tally, other=jobs[1])
    time.sleep(second - first)
    end(key, root, jobs[1], tally)
    tally.sealed += sealed(key, root)


def end(key: Key, root: Path, job: subprocess.Popen[str], tally: Tally, other: subprocess.Popen[str] | None = None) -> None:
    """Kill one writer, and look at what is there while the other is halted."""
    if other:
        send(other, signal.SIGSTOP)
    if kill(job):
        tally.kills[phase(key, root)] += 1
        job.communicate()
    else:
        tally.done += 1
        expect_success(job, tally)
    check(key, root, tally)
    if other:
        send(other, signal.SIGCONT)


def begun(key: Key, root: Path, wanted: int, while_sealing: bool) -> bool:
    """Whether the time has begun from which moments are drawn."""
    return len(units_of(root)) >= key.units if while_sealing else len(staging(key, root)) >= wanted


def sealed(key: Key, root: Path) -> bool:
    """Whether there is a manifest."""
    return (root / key.name / "manifest.json").exists()


def staging(key: Key, root: Path) -> list[Path]:
    """What lies in staging."""
    return list((root / key.name).parent.glob(".staging/*"))


def phase(key: Key, root: Path) -> str:
    """Which part of the work a kill fell into."""
    units = len(units_of(root))
    if sealed(key, root):
        return PHASES[3]
    return PHASES[0] if not units else PHASES[1] if units < key.units else PHASES[2]


def expect_success(job: subprocess.Popen[str], tally: Tally) -> str:
    """Wait for a writer that is not killed; what it printed."""
    out, errors = output(job)
    if job.returncode or "Traceback" in errors:
        tally.faults.append(f"a writer ended with exit code {job.returncode}: {errors.strip()[-500:]}")
    return out


def finish(key: Key, root: Path, tally: Tally) -> str:
    """One more run, of which only what killed jobs left stays in staging, and that is removed a day later."""
    before, published = set(staging(key, root)), len(units_of(root))
    expect_success(start(key.command, root), tally)
    check(key, root, tally)
    if not sealed(key, root):
        tally.faults.append("the last run left the cache without manifest")
    if more := set(staging(key, root)) - before:
        tally.faults.append(f"the last run left {len(more)} directories in staging")
    return f"{published} of {key.units} units were there, {len(before)} directories of killed writers lie in staging"


def race(key: Key, root: Path, tally: Tally) -> str:
    """Two writers that are not killed, each of one process, on a new cache and a day after the kills; one alone before them."""
    for leftover in staging(key, root):
        os.utime(leftover, (0, 0))
    walls = []
    for writers in (1, 2):
        shutil.rmtree(root / key.name, ignore_errors=True)
        started = time.monotonic()
        outputs = [expect_success(job, tally) for job in [start(key.command, root) for _ in range(writers)]]
        walls.append(time.monotonic() - started)
    check(key, root, tally)
    if left := staging(key, root):
        tally.faults.append(f"two writers left {len(left)} directories in staging")
    computed = [sum(map(int, re.findall(r"(\d+) computed(?! meanwhile)", out))) for out in outputs]
    if sum(computed) < len(key.pictures):
        tally.faults.append(f"two writers computed {computed} of {len(key.pictures)} utterances")
    share = max(computed) / len(key.pictures)
    return (
        f"{computed[0]} and {computed[1]} utterances computed, at most {share:.0%} each; "
        f"{walls[1]:.2f} s, {walls[1] / walls[0]:.2f} times one writer's"
    )


def check(key: Key, root: Path, tally: Tally) -> None:
    """Look at everything that is visible; units must be whole and right, and records whole."""
    cache = root / key.name
    units = units_of(root)
    for unit in units:
        tally.checked += 1
        if fault := fault_of(unit, key.pictures):
            tally.faults.append(f"{unit.relative_to(root)}: {fault}")
    if not cache.exists():
        return
    visible = [path.relative_to(cache).as_posix() for path in sorted(cache.rglob("*")) if path.is_file()]
    for name in visible:
        if UNIT.fullmatch(name):
            continue
        if not RECORD.fullmatch(name):
            tally.faults.append(f"{name} is visible")
        elif fault := torn(cache / name):
            tally.faults.append(f"{name} is torn: {fault}")
    if "manifest.json" in visible:
        tally.faults.extend(faults_of_sealed(cache, key))


def torn(record: Path) -> str | None:
    """Why a record is not whole: it, or each line of it, is JSON and ends with a new line."""
    content = record.read_bytes()
    try:
        for part in content.splitlines() if record.suffix == ".jsonl" else [content]:
            json.loads(part)
    except ValueError as error:
        return str(error)
    return None if content.endswith(b"\n") or record.name == "skipped.jsonl" else "its end is missing"


def fault_of(unit: Path, pictures: dict[str, str]) -> str | None:
    """What is wrong with a unit, by zarr and by the pictures of an undisturbed run."""
    try:
        array = zarr.open_array(unit, mode="r")
        images = array[:]
    except Exception as error:  # whatever zarr raises, the unit is bad
        return f"zarr cannot read it ({type(error).__name__}: {error})"
    rows = array.attrs["utterances"]
    if len(rows) != len(images):
        return f"{len(images)} pictures of {len(rows)} utterances"
    for row, image in zip(rows, images, strict=True):
        digest = hashlib.sha256(image.tobytes()).hexdigest()
        if not digest == row["image_sha256"] == pictures.get(row["key"]):
            return f"the picture of {row['key']} is another"
    return None


def faults_of_sealed(cache: Path, key: Key) -> list[str]:
    """What is wrong with a sealed cache: by its manifest, its index and an undisturbed run."""
    faults = []
    listed = json.loads((cache / "manifest.json").read_bytes())["files"]
    for name, entry in listed.items():
        content = (cache / name).read_bytes() if (cache / name).is_file() else b""
        if (len(content), hashlib.sha256(content).hexdigest()) != (entry["size"], entry["sha256"]):
            faults.append(f"{name} does not match its checksum in the manifest")
    existing = {path.relative_to(cache).as_posix() for path in cache.rglob("*") if path.is_file()}
    if strange := {name for name in existing if not name.startswith("provenance/")} ^ {*listed, "manifest.json"}:
        faults.append(f"the manifest and the directory differ in {sorted(strange)}")
    lines = [json.loads(line) for line in (cache / "index.jsonl").read_bytes().splitlines()]
    if {line["key"]: line["image_sha256"] for line in lines} != key.pictures:
        faults.append("the index is not that of an undisturbed run")
    if faults:
        return faults
    arrays = {array: zarr.open_array(cache / array, mode="r")[:] for array in {line["array"] for line in lines}}
    return [
        f"the picture of {line['key']} is another"
        for line in lines
        if hashlib.sha256(arrays[line["array"]][line["row"]].tobytes()).hexdigest() != key.pictures.get(line["key"])
    ]


if __name__ == "__main__":
    sys.exit(main())
