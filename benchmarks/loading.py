"""From cache to ready batches: ours, a memory map of the same bytes, and a folder of PNG files.

    python benchmarks/loading.py --cache CACHE --corpus ravdess [--rounds 7]

Ours are the training batches of one fold, levels as they go to the device, with what is drawn for them.  The floor is a batch
indexed out of a `np.memmap` of all levels, whole frames.  PNG files are read and decoded one by one, as a DataLoader without
workers does.  All three have the same utterances in batches of the same size, in one process, with the files in the memory of
the system.  Printed: the median over rounds of the utterances a second, and how many times as fast ours is; then the
seconds from opening the cache to the first batch, in a process that decodes it and in the next one, after the imports.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL.Image import fromarray
from PIL.Image import open as open_picture

from wser.config.schema import Config
from wser.data import decoded
from wser.data.dataset import open_dataset
from wser.protocols import Fold
from wser.training.batches import Batches

BATCH = 16

FIRST_BATCH = """
import sys, time
from pathlib import Path
import torch
from wser.config.schema import DataConfig
from wser.data.dataset import open_dataset
from wser.protocols import Fold
from wser.training.batches import Batches
started = time.perf_counter()
dataset = open_dataset([Path(sys.argv[1])], [sys.argv[2]], "default", results=Path(sys.argv[3]))
dataset.decode()
everything = tuple(range(len(dataset.examples)))
next(iter(Batches(dataset, Fold(0, everything, (), ()), DataConfig(), 16, 0).train_dataloader()))
print(time.perf_counter() - started)
"""


def rate(batches: Callable[[], Iterator[object]], count: int, rounds: int) -> float:
    """Utterances a second, the median of some rounds, after one that warms up."""
    seconds = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        for _batch in batches():
            pass
        seconds.append(time.perf_counter() - started)
    return count / statistics.median(seconds[1:])


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="directory of caches")
    parser.add_argument("--corpus", default="ravdess")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        command = [sys.executable, "-c", FIRST_BATCH, str(options.cache), options.corpus, folder]
        first, second = (float(subprocess.check_output(command)) for _ in range(2))
        dataset = open_dataset([options.cache], [options.corpus], "default", results=root)
        count = len(dataset.examples)
        order = np.random.default_rng(0).permutation(count).tolist()
        parts = [order[at : at + BATCH] for at in range(0, count, BATCH)]
        for i in order:
            fromarray(dataset.utterance(i)).save(root / f"{i}.png")
        (file,) = (root / decoded.DIRECTORY).iterdir()
        levels = np.load(file, mmap_mode="r")

        def ours() -> Iterator[object]:
            fold = Fold(0, tuple(range(count)), (), ())
            return iter(Batches(dataset, fold, Config().data, BATCH, 0).train_dataloader())

        def floor() -> Iterator[object]:
            return (torch.from_numpy(levels[part]) for part in parts)

        def pngs() -> Iterator[object]:
            return (torch.from_numpy(np.stack([np.asarray(open_picture(root / f"{i}.png")) for i in part])) for part in parts)

        rates = {"ours": rate(ours, count, options.rounds), "np.memmap": rate(floor, count, options.rounds)}
        rates["PNG files"] = rate(pngs, count, max(1, options.rounds // 3))
    print(f"{options.corpus}, {count} utterances in batches of {BATCH}")
    for name, value in rates.items():
        print(f"{name:12}{value:10.0f} utterances a second   ours is {rates['ours'] / value:.2f} times as fast")
    print(f"opening and first batch: {first:.2f} s, decoding; {second:.2f} s in the next process")


if __name__ == "__main__":
    main()
