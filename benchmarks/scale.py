"""How cost grows with the number of utterances: `python benchmarks/scale.py 1000 10000 100000 --folder DIR`.

Each size is a corpus of its own: a table of short noises with a speaker for every hundred utterances, seven emotions and one
file each.  What is measured is the product's own code, in a process of its own for each group of stages, so that the peak of
memory is that group's.  Three things are synthetic, since the transform is not what is measured here: the recordings are
0.1 s of noise; the pictures that `Draft` publishes are small, of random levels, and not of the recordings; and the acoustic
fingerprints are signs of smooth noise, of which about as many keys are equal by chance as of those of RAVDESS.  The model of
the run gives random probabilities.

The table has CPU seconds (user and system, of the process and its children), wall seconds, and the factor by which CPU seconds
grow from one size to the next: 10 is linear where sizes are.
"""

import os

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"

import argparse
import base64
import contextlib
import io
import itertools
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precompute.common import paths

PER_SPEAKER = 100
EMOTIONS = ("angry", "bored", "disgusted", "fearful", "happy", "neutral", "sad")
RATE, SAMPLES = 8000, 800
STEPS, ALIKE_STEPS, ALIKE_BANDS = 60, 8, 5
"""Steps of an acoustic fingerprint, as RAVDESS has, and over how many steps and bands its noise is averaged."""

COPIED = 500
"""Fingerprints of which copies are looked for."""

RECIPE = ["scales=16", "height=16", "columns=64", "width=64", "duration=2.0"]
MODEL = '''"""Random probabilities."""
from dataclasses import dataclass
import numpy as np
from wser.config.schema import FittedModelConfig
@dataclass
class Config(FittedModelConfig):
    pass
class Model:
    def __init__(self, classes, seed):
        self.classes, self.rng = classes, np.random.default_rng(seed)
    def fit(self, pictures, labels):
        return self
    def predict_proba(self, pictures):
        return self.rng.dirichlet(np.ones(self.classes), len(pictures))
def build(config, classes, seed):
    return Model(classes, seed)
'''

Timings = dict[str, tuple[float, float]]
"""CPU and wall seconds of each stage."""


class Clock:
    """Times stages of one process; of a stage that is entered again, the sum."""

    def __init__(self) -> None:
        self.found: Timings = {}

    @contextlib.contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time what is done in this context."""
        cpu, wall = _cpu(), time.perf_counter()
        yield
        before = self.found.get(stage, (0.0, 0.0))
        self.found[stage] = (before[0] + _cpu() - cpu, before[1] + time.perf_counter() - wall)


def check(done: object) -> None:
    """End where a stage did not do what it is measured for."""
    if not done:
        raise RuntimeError("a stage has not done its work")


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def make(folder: Path, count: int) -> None:
    """The corpus: a table, and a file for each line of it."""
    rng, names = np.random.default_rng(count), []
    recordings = folder / "corpus"
    noise = rng.standard_normal(count + SAMPLES)
    lines = ["path,speaker,emotion,sex,sentence"]
    for number in range(count):
        speaker, emotion = number // PER_SPEAKER, EMOTIONS[number % len(EMOTIONS)]
        if number % PER_SPEAKER == 0:
            (recordings / f"s{speaker:05d}").mkdir(parents=True)
        name = f"s{speaker:05d}/{number:07d}.wav"
        samples = (3000 * noise[number : number + SAMPLES]).astype("<i2").tobytes()
        (recordings / name).write_bytes(_header(len(samples)) + samples)
        lines.append(f"{name},s{speaker:05d},{emotion},{'fm'[speaker % 2]},t{number % 10}")
        names.append(name)
    (recordings / "table.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _header(size: int) -> bytes:
    """Of a WAVE file of 16-bit samples."""

    def little(value: int, width: int = 4) -> bytes:
        return value.to_bytes(width, "little")

    kind = little(1, 2) + little(1, 2) + little(RATE) + little(2 * RATE) + little(2, 2) + little(16, 2)
    return b"RIFF" + little(36 + size) + b"WAVEfmt " + little(16) + kind + b"data" + little(size)


def precompute(folder: Path, clock: Clock) -> None:
    """Scan, hash, plan, publish and seal."""
    from precompute.audio import recording
    from precompute.cache.near_doubles import BITS
    from precompute.common.provenance import provenance
    from precompute.corpora import _table, compare_with_published
    from precompute.pipeline.build import PACKAGES, _record
    from precompute.pipeline.plan import plan
    from precompute.recipe import named

    recipe, roots = named("default", RECIPE), (folder / "cache",)
    with clock("scan"):
        table = _table.read(folder / "corpus" / "table.csv", "synthetic")
        compare_with_published(table.corpus, table.scan.utterances)
    with clock("hash alone"):
        for utterance in table.scan.utterances:
            recording.digest(table.directory / utterance.path)
    with clock("plan, with hashing"):
        planned = plan(table.corpus, table.directory, table.scan, recipe, roots)
    rng = np.random.default_rng(0)
    units, draft = [], planned.draft
    with draft.open():
        for sources in planned.units.values():
            items = rng.integers(0, 256, (len(sources), *recipe.array.shape), np.uint8)
            bits = _bits(rng, len(sources), BITS)
            facts = [
                {
                    "duration": 0.1 + 0.01 * row, "channels": 1, "start": 0, "stop": 32 + row % 32, "image_sha256": "",
                    "samples_sha256": "", "recording_sha256": "",
                    "acoustic_fingerprint": base64.b64encode(bits[row].tobytes()).decode(),
                }
                for row in range(len(sources))
            ]  # fmt: skip
            with clock("publish"):
                units.append(_publish(draft, sources, items, facts, _record))
        with clock("plan again, all published"):
            again = plan(table.corpus, table.directory, table.scan, recipe, roots)
        check(not again.units)
        with clock("seal"):
            draft.seal(units, [], provenance(PACKAGES))
    with clock("plan again, sealed"):
        plan(table.corpus, table.directory, table.scan, recipe, roots)


def _bits(rng: np.random.Generator, count: int, bands: int) -> NDArray[np.uint8]:
    """Acoustic fingerprints, packed: the signs of smooth noise, which share as many keys as those of RAVDESS."""
    return np.packbits(_noise(rng, count, bands) > 0, axis=2)


def _noise(rng: np.random.Generator, count: int, bands: int) -> NDArray[np.float32]:
    noise = rng.standard_normal((count, STEPS + ALIKE_STEPS, bands + ALIKE_BANDS), np.float32)
    for axis, width, length in ((1, ALIKE_STEPS, STEPS), (2, ALIKE_BANDS, bands)):
        total = noise.cumsum(axis)
        noise = np.take(total, range(width, width + length), axis) - np.take(total, range(length), axis)
    return noise


def show_copies(count: int) -> None:
    """How many copies of some fingerprints are found as near doubles among so many, by the share of equal bits."""
    from precompute.cache.near_doubles import BITS, near_doubles

    rng, shares = np.random.default_rng(0), (0.95, 0.9, 0.86)
    first, texts = _noise(rng, COPIED, BITS), []
    for share in (1, *shares):
        alike = np.cos(np.pi * (1 - share))
        noise = alike * first + np.sqrt(1 - alike**2) * _noise(rng, COPIED, BITS)
        texts += [base64.b64encode(np.packbits(bits > 0).tobytes()).decode() for bits in noise]
    while len(texts) < count:
        more = _bits(rng, min(5000, count - len(texts)), BITS)
        texts += [base64.b64encode(bits.tobytes()).decode() for bits in more]
    started = _cpu()
    pairs = {(pair.first, pair.second) for pair in near_doubles(texts, list(map(str, range(len(texts)))))}
    seconds = _cpu() - started
    hits = {share: sum((copy, copy + at * COPIED) in pairs for copy in range(COPIED)) for at, share in enumerate(shares, 1)}
    rates = ", ".join(f"{hit / COPIED:.0%} of those with {share:.0%} of equal bits" for share, hit in hits.items())
    print(f"{len(texts)} fingerprints, {seconds:.1f} s CPU: of {COPIED} copies, {rates}", flush=True)


def _publish(draft: Any, sources: Any, items: Any, facts: Any, record: Callable[..., Any]) -> Any:
    from precompute.cache import shard

    content, records = shard.Writer(), []
    for source, item, said_of in zip(sources, items, facts, strict=True):
        digests = {"image_sha256": shard.digest(item), "samples_sha256": source.sha256, "recording_sha256": source.sha256}
        records.append(record(source, len(records), said_of | digests))
        content.add(item)
    return draft.publish_shard(records, [], content.finish())


def opened(folder: Path, clock: Clock) -> None:
    """Open the cache, as a library does."""
    from precompute.library import open_cache
    from precompute.recipe import named

    with clock("open_cache"):
        cache = open_cache("synthetic", named("default", RECIPE), folder / "cache")
    with clock("its records, checked"):
        check(cache.records)
    with clock("its arrays"):
        check(cache.arrays)


def dataset(folder: Path, clock: Clock) -> None:
    """Open the dataset, as a run does, and read pictures."""
    from precompute.recipe import named
    from wser.data.dataset import open_dataset

    with clock("open_dataset, with the cache"):
        opened = open_dataset((folder / "cache",), ["synthetic"], named("default", RECIPE).id)
    with clock("near doubles"):
        check(opened.near_doubles is not None)
    with clock("first batch: all pictures read"):
        check(len(opened.values))


def epoch(folder: Path, clock: Clock) -> None:
    """The batches of one epoch, without a network."""
    from precompute.recipe import named
    from wser.config.schema import DataConfig
    from wser.data.dataset import open_dataset
    from wser.protocols import Fold
    from wser.training.batches import Batches, measure

    opened = open_dataset((folder / "cache",), ["synthetic"], named("default", RECIPE).id)
    everything = tuple(range(len(opened.examples)))
    check(len(opened.values))
    with clock("statistics of training"):
        statistics_ = measure(opened, everything)
    batches = Batches(opened, Fold(0, everything, (), everything), DataConfig(), 32, statistics_, 0)
    with clock("one epoch's batches"):
        for _ in batches.train_dataloader():
            pass


def _settings(folder: Path, *more: str) -> list[str]:
    from precompute.recipe import named

    model = folder / "random_model.py"
    model.write_text(MODEL, encoding="utf-8")
    return [
        "corpus=synthetic", f"recipe={named('default', RECIPE).id}", f"cache_root={folder / 'cache'}",
        f"results={folder / 'runs'}", f"model={model}", "labels=emodb7", *more,
    ]  # fmt: skip


def prepared(folder: Path, clock: Clock) -> None:
    """What `python -m wser.run --dry-run` does of speaker folds."""
    _prepared(folder, clock, "prepare, 5 folds", "protocol=speaker_folds", "protocol.folds=5")


def prepared_loso(folder: Path, clock: Clock) -> None:
    """The same where each speaker is a fold."""
    _prepared(folder, clock, "prepare, a fold for each speaker", "protocol=loso")


def _prepared(folder: Path, clock: Clock, stage: str, *settings: str) -> None:
    from wser.config import compose
    from wser.execution import plan
    from wser.protocols import ProtocolError

    with clock(stage):
        try:
            experiments = plan.prepare_all(compose.load(_settings(folder, *settings)))
        except ProtocolError as error:
            # A split that could not be read again: the time until it is refused.
            print(error)
        else:
            experiments[0].pending()


def run(folder: Path, clock: Clock) -> None:
    """Five folds, which together predict every utterance."""
    from wser import run as command

    with clock("run of 5 folds, with report"), contextlib.redirect_stdout(io.StringIO()):
        check(command.main(_settings(folder, "protocol=speaker_folds", "protocol.folds=5", "fold=all", "jobs=1")) == 0)


def report(folder: Path, clock: Clock) -> None:
    """The page of that run."""
    from wser import report as command

    (directory,) = (path for path in (folder / "runs").iterdir() if path.is_dir())
    with clock("report"), contextlib.redirect_stdout(io.StringIO()):
        check(command.main([str(directory)]) == 0)


def looked_after(folder: Path, clock: Clock) -> None:
    """The commands that look after caches."""
    from precompute.commands import cache as command

    for stage, arguments in (("cache list", ["list"]), ("cache verify", ["verify"])):
        with clock(stage), contextlib.redirect_stdout(io.StringIO()):
            check(command.main([*arguments, "--cache", str(folder / "cache")]) == 0)


GROUPS: dict[str, Callable[[Path, Clock], None]] = {
    one.__name__: one for one in (precompute, opened, dataset, epoch, prepared, prepared_loso, run, report, looked_after)
}


def main() -> int:
    """Measure; print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sizes", type=int, nargs="+", metavar="UTTERANCES")
    parser.add_argument("--folder", type=paths.path, help="where the corpora lie, and stay (default: temporary)")
    parser.add_argument("--only", nargs="+", choices=list(GROUPS), default=list(GROUPS), help="groups of stages")
    parser.add_argument("--repeats", type=int, default=1, help="of all but precompute and run; medians are printed")
    parser.add_argument("--group", choices=list(GROUPS), help=argparse.SUPPRESS)
    parser.add_argument("--copies", action="store_true", help="instead: which copies are found as near doubles among so many")
    options = parser.parse_args()
    if options.copies:
        for size in options.sizes:
            show_copies(size)
        return 0
    if options.group:
        clock = Clock()
        GROUPS[options.group](options.folder, clock)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        sys.stderr.write(json.dumps({"stages": clock.found, "peak": peak}) + "\n")
        return 0
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        show(options.sizes, {size: measure(folder / str(size), size, options) for size in options.sizes})
    return 0


Measured = dict[str, tuple[float, float, float]]
"""CPU seconds, wall seconds and the group's peak of memory in MB of each stage."""


def measure(folder: Path, size: int, options: argparse.Namespace) -> Measured:
    """All stages at one size."""
    if not (folder / "corpus" / "table.csv").exists():
        make(folder, size)
    medians: Measured = {}
    for group in options.only:
        once = group in ("precompute", "run")
        if once:
            # What is there would not be made again.
            shutil.rmtree(folder / ("cache" if group == "precompute" else "runs"), ignore_errors=True)
        outcomes = [_in_a_process(group, folder) for _ in range(1 if once else options.repeats)]
        for stage in outcomes[0]["stages"]:
            cpu, wall = (statistics.median(outcome["stages"][stage][at] for outcome in outcomes) for at in (0, 1))
            medians[stage] = (cpu, wall, statistics.median(outcome["peak"] for outcome in outcomes))
            print(f"{size:>8} {stage:<36} {cpu:9.2f} s CPU {wall:9.2f} s wall {medians[stage][2]:7.0f} MB", flush=True)
    return medians


def _in_a_process(group: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "0", "--group", group, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode:
        sys.exit(f"{group}: {done.stderr[-3000:]}")
    outcome: dict[str, Any] = json.loads(done.stderr.splitlines()[-1])
    return outcome


def show(sizes: list[int], medians: dict[int, Measured]) -> None:
    """The table, as Markdown."""
    print("\n| stage | " + " | ".join(f"{size} utterances" for size in sizes) + " | growth | peak MB |")
    print("| --- |" + " ---: |" * (len(sizes) + 2))
    for stage in medians[sizes[-1]]:
        cells = [f"{medians[size][stage][0]:.2f} / {medians[size][stage][1]:.2f}" for size in sizes]
        pairs = itertools.pairwise(sizes)
        growth = [f"{medians[later][stage][0] / max(medians[size][stage][0], 0.005):.1f}" for size, later in pairs]
        peaks = [f"{medians[size][stage][2]:.0f}" for size in sizes]
        print(f"| {stage} | {' | '.join(cells)} | {', '.join(growth)} | {', '.join(peaks)} |")


if __name__ == "__main__":
    sys.exit(main())
