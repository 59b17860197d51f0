"""How fast a trained network predicts: from a cold start, for one recording, and for many; and beside PyWavelets.

    python benchmarks/predict.py RUN [--fold 0] [--rounds 30] [--count 128]
    python benchmarks/predict.py RUN --recordings FOLDER

One core, and times of the processor, which others that use the machine hardly change.  A cold start is `python -m wser.predict
RUN FILE`, from the process's beginning to its end, also by the clock, the median of five; below it is where the time goes,
measured in one process.  Warm, one recording of 3 s is predicted at a time, then many in batches.  The rival is what most would
write: soundfile, the transform of PyWavelets (by FFT) of the same wavelet and frequencies, the same mean over columns and the
same colours, and the same network.

With the folder of the run's own recordings, whose names are their keys, nothing is timed: what the command predicts of them is
compared with the run's predictions.csv, as they come, one recording at a time, and in the batches of training.
"""

import argparse
import io
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np
import soundfile
import torch

from precompute.features import _picture as image
from precompute.pipeline.extract import Extracted
from wser import results
from wser.inference import seen, trained
from wser.inference.predict import Predictor, Recording, prepare
from wser.training import forward

RATE, SECONDS = 16000, 3
STARTS = 5

STAGES = """
import time
started = time.process_time()
def stage(name):
    global started
    print(f"{1000 * (time.process_time() - started):8.0f} ms  {name}", flush=True)
    started = time.process_time()
import sys
import torch
stage("import PyTorch")
from pathlib import Path
from wser import predict
from wser.inference import predict, seen, sources, tables, trained
stage("import the rest")
run = trained.load(Path(sys.argv[1]), int(sys.argv[3]))
stage("read the run and build its network")
known = seen.of(run)
stage("read which recordings were in training")
predictor = predict.Predictor(run, known)
(first,) = predictor([predict.Recording("x", Path(sys.argv[2]))])
stage("predict the first recording")
"""


def voice(rng: np.random.Generator) -> np.ndarray:
    """Three seconds of harmonics that rise and fall."""
    t = np.arange(SECONDS * RATE) / RATE
    phase = 2 * np.pi * np.cumsum(140 + 40 * np.sin(2 * np.pi * 0.7 * t + rng.uniform(0, 6))) / RATE
    tone = sum(np.sin(k * phase) / k for k in range(1, 20))
    return (0.05 * tone * (1 + np.sin(2 * np.pi * 4 * t)) + 0.001 * rng.standard_normal(len(t))).astype(np.float32)


def by_pywt(predictor: Predictor, fold: int) -> Callable[[bytes], np.ndarray]:
    """The same network, fed by the transform of PyWavelets."""
    import pywt

    recipe = predictor.run.recipe
    audio, feature = recipe.audio, recipe.feature
    frequencies, per_column = feature.frequencies(audio), audio.samples // feature.columns

    def predict(content: bytes) -> np.ndarray:
        samples, _ = soundfile.read(io.BytesIO(content), dtype="float32")
        samples = samples - samples.mean()
        samples = samples / np.sqrt(np.mean(samples**2))
        columns = -(-len(samples) // per_column)
        padded = np.pad(samples, (0, columns * per_column - len(samples)))
        coefficients, _ = pywt.cwt(padded, RATE / frequencies, feature.wavelet, 1 / RATE, method="fft")
        power = (coefficients.real**2 + coefficients.imag**2).reshape(len(coefficients), columns, -1).mean(axis=-1)
        levels = image.levels(image.decibels(power.astype(np.float32)), feature.top_db, feature.range_db)
        pixels = np.zeros(recipe.array.shape, np.uint8)
        pixels[:, :columns] = image.colour(levels, feature.table)
        item = Extracted(pixels, recipe.array, 0, columns, SECONDS, 1, RATE, "", "")
        return predictor.probabilities(fold, [item])

    return predict


def milliseconds(work: Callable[[], object], rounds: int) -> float:
    """Of the processor for one call, the median of some, after two that warm up."""
    seconds = []
    for _ in range(rounds + 2):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return 1000 * statistics.median(seconds[2:])


def cold(run: Path, file: Path, fold: int) -> tuple[float, float]:
    """Seconds of a command by the clock, and of the processor, the medians of some."""
    command = [sys.executable, "-m", "wser.predict", str(run), str(file), f"fold={fold}"]
    clock, processor = [], []
    for _ in range(STARTS):
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        clock.append(time.perf_counter() - started)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(clock), statistics.median(processor)


def hold_against(path: Path, folder: Path) -> None:
    """Print how far predictions are from those of the run's test sets."""
    run = trained.load(path)
    predictor, files = Predictor(run, seen.of(run)), {file.stem: file for file in folder.rglob("*.wav")}
    stored = {fold.number: results.read_predictions(path, fold.number) for fold in run.folds}
    rows = [row for part in stored.values() for row in part]
    expected = np.array([[float(row[f"p_{name}"]) for name in run.classes] for row in rows])
    own = [Recording(row["key"], files[row["key"]]) for row in rows]

    def show(how: str, predicted: np.ndarray) -> None:
        same = int((predicted.argmax(1) == expected.argmax(1)).sum())
        print(f"{how}: {same} of {len(rows)} of one class, probabilities up to {np.abs(predicted - expected).max():.1g} apart")

    show("as they come", np.array([prediction.probabilities for prediction in predictor(own)]))
    show("one at a time", np.array([next(predictor([recording])).probabilities for recording in own]))
    items = {recording.name: prepare(recording, run) for recording in own}
    show("as in training", np.concatenate([as_in_training(predictor, fold, part, items) for fold, part in stored.items()]))


def as_in_training(predictor: Predictor, fold: int, rows: list[dict[str, str]], items: dict[str, Extracted]) -> np.ndarray:
    """What a fold says of its test set, in the batches of training."""
    run, network, standardise = predictor.run, predictor.folds[fold].network, predictor.folds[fold].standardise
    probabilities = []
    for at in range(0, len(rows), run.config.train.batch):
        batch = [items[row["key"]] for row in rows[at : at + run.config.train.batch]]
        spoken = np.array([(item.start, item.stop) for item in batch])
        cut = forward.cut(np.stack([item.values for item in batch]), spoken, run.item, run.config.data.pad)
        with torch.no_grad():
            logits = forward.logits(network, standardise(*cut, torch.zeros_like(cut[1])), cut[1])
            probabilities.append(logits.softmax(dim=1).numpy())
    return np.concatenate(probabilities)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="directory of a run of a network on wavelet scalograms")
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--count", type=int, default=128, help="recordings predicted together")
    parser.add_argument("--recordings", type=Path, metavar="FOLDER", help="hold predictions against those of the run")
    options = parser.parse_args()
    if options.recordings:
        hold_against(options.run, options.recordings)
        return
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    contents = []
    for _ in range(options.count):
        file = io.BytesIO()
        soundfile.write(file, voice(rng), RATE, format="WAV")
        contents.append(file.getvalue())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.wav"
        path.write_bytes(contents[0])
        clock, processor = cold(options.run, path, options.fold)
        print(f"cold start of wser.predict, one fold: {clock:.2f} s, {processor:.2f} s of the processor; of these")
        subprocess.run([sys.executable, "-c", STAGES, str(options.run), str(path), str(options.fold)], check=True)
    run = trained.load(options.run, options.fold)
    predictor = Predictor(run, seen.of(run))
    rival = by_pywt(predictor, options.fold)
    ours = milliseconds(lambda: list(predictor([Recording("x", contents[0])])), options.rounds)
    theirs = milliseconds(lambda: rival(contents[0]), max(3, options.rounds // 3))
    print(f"one recording of {SECONDS} s: {ours:.1f} ms; fed by PyWavelets {theirs:.1f} ms, {theirs / ours:.1f} times")
    many = [Recording(str(at), content) for at, content in enumerate(contents)]
    together = milliseconds(lambda: list(predictor(many)), 3) / 1000
    few = contents[: max(4, options.count // 16)]
    alone = milliseconds(lambda: [rival(content) for content in few], 1) / 1000
    rates = options.count / together, len(few) / alone
    print(f"many: {rates[0]:.0f} recordings a second; with PyWavelets {rates[1]:.1f}; {rates[0] / rates[1]:.1f} times as fast")


if __name__ == "__main__":
    main()
