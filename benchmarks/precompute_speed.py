"""Whole corpus to finished cache, from a cold start: `python benchmarks/precompute_speed.py --corpora DIR`.

Runs `python -m precompute` in a process of its own and an empty directory, and prints its wall time, how much of that passed
before the first unit was published, the utterances a second with everything included, processor time, and the memory of the
largest process.  Then one process takes every 20th recording apart, and the
table says where the time of an utterance goes, beside the floor: reading, resampling and one FFT, which no transform of the
recording goes without.
"""

import os

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"

import argparse
import hashlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import scipy.fft

from precompute import corpora as known
from precompute.audio import condition, decode
from precompute.cache import near_doubles, shard
from precompute.cache.draft import Draft
from precompute.cache.layout import Record
from precompute.common import paths
from precompute.features import _picture
from precompute.pipeline import extract
from precompute.recipe import named
from precompute.wavelet import cwt

EVERY = 20
"""Of how many recordings one is taken apart."""

UNIT = 8
"""Pictures of a unit: a speaker of RAVDESS says two sentences twice with each emotion at two intensities."""


def main() -> None:
    """Measure, and print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--corpus", default="ravdess", help="corpus (default: ravdess)")
    parser.add_argument("--corpora", type=paths.path, required=True, help="directory of the corpora")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--rounds", type=int, default=3, help="runs from an empty directory (default: 3)")
    options = parser.parse_args()
    walls, starts, processors, files = [], [], [], 0
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as cache:
            command = [sys.executable, "-m", "precompute", "--corpus", options.corpus, "--corpora", str(options.corpora)]
            before, started = processor(), time.perf_counter()
            with subprocess.Popen([*command, "--cache", cache, "--jobs", str(options.jobs)], stdout=subprocess.DEVNULL) as run:
                while run.poll() is None and not any(Path(cache).glob("*/*/*/*/c.0.0.0.0")):
                    time.sleep(0.02)
                starts.append(time.perf_counter() - started)
            walls.append(time.perf_counter() - started)
            processors.append(processor() - before)
            if run.returncode:
                raise SystemExit(run.returncode)
            files = sum(len(index.read_text("utf-8").splitlines()) for index in Path(cache).rglob("index.jsonl"))
    wall = statistics.median(walls)
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    print(f"{options.corpus}, {files} utterances, {options.jobs} processes, medians of {options.rounds} runs from a cold start")
    print(f"  wall time          {wall:6.1f} s ({', '.join(f'{w:.1f}' for w in walls)})")
    print(f"  until first unit   {statistics.median(starts):6.1f} s")
    print(f"  processor time     {statistics.median(processors):6.1f} s")
    print(f"  utterances         {files / wall:6.0f} a second")
    print(f"  largest process    {largest:6.0f} MiB")
    split(options.corpus, options.corpora)


def processor() -> float:
    """Seconds of processor time that finished processes started from here have taken."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def split(corpus: str, corpora: Path) -> None:
    """Print where the time of an utterance goes, in one process."""
    recipe, module = named("default"), known.load(corpus)
    directory = module.find(corpora)
    paths = [directory / utterance.path for utterance in module.scan(directory).utterances][::EVERY]
    spent: dict[str, list[float]] = defaultdict(list)
    pictures = []
    for again in (False, True):
        # The first time warms up; the second counts.
        spent.clear()
        for path in paths:
            clock = [time.perf_counter()]
            steps = []

            def done(step: str, clock: list[float] = clock, steps: list[str] = steps) -> None:
                clock.append(time.perf_counter())
                steps.append(step)

            data = path.read_bytes()
            done("read")
            # To name the input, and again when the recording is used.
            for _ in range(2):
                hashlib.sha256(data).hexdigest()
            done("hash, twice")
            recording = decode.decode(data)
            done("decode")
            decode.digest(recording.samples, recording.sample_rate)
            done("hash of samples")
            condition.resample(recording.samples, recording.sample_rate, recipe.audio.sample_rate)
            done("resample")
            samples = extract.conditioned(recording, path.stem, recipe.audio)
            samples, offset = condition.fit(samples, recipe.audio.samples, recipe.audio.pad, path.stem)
            done("(conditioned)")
            power = cwt.power(
                samples,
                recipe.feature.wavelet,
                recipe.feature.frequencies(recipe.audio),
                recipe.audio.sample_rate,
                recipe.feature.columns,
                offset,
                recipe.audio.samples,
            )
            done("transform")
            levels = _picture.levels(_picture.decibels(power), recipe.feature.top_db, recipe.feature.range_db)
            done("decibels")
            pixels = _picture.colour(levels, recipe.feature.table)
            done("colour")
            near_doubles.fingerprint(
                levels, recipe.feature.frequencies(recipe.audio), recipe.audio.duration / recipe.feature.columns
            )
            done("acoustic fingerprint")
            hashlib.sha256(pixels.data).hexdigest()
            done("hash of picture")
            scipy.fft.rfft(samples, scipy.fft.next_fast_len(len(samples), real=True))
            done("(one FFT)")
            for step, begin, end in zip(steps, clock[:-1], clock[1:], strict=True):
                spent[step].append(end - begin)
            if again:
                pictures.append(pixels)
    with tempfile.TemporaryDirectory() as cache:
        draft = Draft(Path(cache), corpus, recipe.record(), recipe.id, "0" * 12, synthetic=False)
        with draft.open():
            for unit in range(0, len(pictures) - UNIT + 1, UNIT):
                clock = [time.perf_counter()]
                images = np.stack(pictures[unit : unit + UNIT])
                content = shard.encode(images)
                clock.append(time.perf_counter())
                draft.publish_shard(records(str(unit), len(images)), [], content)
                clock.append(time.perf_counter())
                for step, begin, end in zip(("compress", "publish"), clock[:-1], clock[1:], strict=True):
                    spent[step].append((end - begin) / len(images))
    median = {step: 1e3 * statistics.median(times) for step, times in spent.items()}
    fft = median.pop("(one FFT)")
    # It begins with resampling, which is measured alone too.
    median["mean, level"] = max(0.0, median.pop("(conditioned)") - median["resample"])
    total = sum(median.values())
    print(f"\nan utterance, in one process, medians of {len(paths)}     ms")
    for step, milliseconds in median.items():
        print(f"  {step:<38} {milliseconds:9.2f}")
    floor = median["read"] + median["decode"] + median["resample"] + fft
    print(f"  {'all':<38} {total:9.2f}")
    print(f"  {'floor: read, decode, resample, one FFT':<38} {floor:9.2f}   all is {total / floor:.1f}x the floor")


def records(speaker: str, count: int) -> list[Record]:
    """Records of a unit of the size that real ones have."""
    word = "neutral"
    return [
        Record(
            key=f"{speaker}-{row}", path="x" * 40, speaker=speaker, emotion=word, label=word, duration=3.7, channels=1, start=0,
            stop=120, sha256="0" * 64, array=f"{speaker}/{word}", row=row, image_sha256="0" * 64,
        )
        for row in range(count)
    ]  # fmt: skip


if __name__ == "__main__":
    main()
