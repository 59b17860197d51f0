"""Seconds that an epoch of one fold takes: ours, an earlier version of ours, and the script that one would write first.

    python benchmarks/train.py --cache CACHE --corpus emodb [--before TREE] [--rounds 3] [--epochs 4]

Ours, and the earlier version in a checkout of it, train two folds at once, with one thread each.  The rival is a Lightning
script of the same network: float32, every picture padded to its whole frame, a PNG file for each utterance, read and augmented
in the workers of a DataLoader, and PyTorch's own choice of threads for one fold after another.  In each round all of them run,
one after another.  Printed: the median over rounds of the wall time that one fold and epoch costs (two folds at once count
half), and the ratios.  The first epoch of each run, which compiles and warms up, is left out.
"""

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from PIL.Image import fromarray
from PIL.Image import open as open_picture
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from precompute.cache.roots import find

SETTINGS = ["protocol=loso", "fold=0,1", "jobs=2", "logger=[]"]


class PlainNetwork(nn.Module):
    """The layers of `model=three_pipe preset=tuned`, from PyTorch's modules alone."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.pipes = nn.ModuleList(
            [
                nn.Conv2d(3, 16, 3, padding="same"),
                nn.Conv2d(3, 16, 5, padding="same"),
                nn.Conv2d(3, 16, 5, padding="same", dilation=(1, 2)),
            ]
        )
        self.first = nn.Sequential(nn.BatchNorm2d(48), nn.ReLU(), nn.AvgPool2d((8, 4), (4, 2), (2, 1)))
        blocks, channels = [], 48
        strides = [(2, 2), (2, 2), (2, 1), (1, 1), (1, 1), (1, 1)]
        for filters, (down, right) in zip([32, 48, 64, 64, 64, 64], strides, strict=True):
            blocks += [nn.Conv2d(channels, filters, 3, padding="same"), nn.BatchNorm2d(filters), nn.ReLU()]
            window = [2 * stride if stride > 1 else 1 for stride in (down, right)]
            padding = [stride // 2 if stride > 1 else 0 for stride in (down, right)]
            blocks.append(nn.AvgPool2d(window, (down, right), padding))
            channels = filters
        self.blocks = nn.Sequential(*blocks)
        self.lstm = nn.LSTM(64 * 4, 100, batch_first=True)
        self.weight = nn.Linear(100, 1)
        self.classifier = nn.Sequential(nn.Linear(100, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, classes))

    def forward(self, images: Tensor) -> Tensor:
        """Logits of whole frames."""
        maps = self.blocks(self.first(torch.cat([pipe(images) for pipe in self.pipes], dim=1)))
        outputs, _ = self.lstm(maps.permute(0, 3, 1, 2).flatten(2))
        return self.classifier((self.weight(outputs).softmax(dim=1) * outputs).sum(dim=1))


class PlainModule(pl.LightningModule):
    """Trains it."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.network = PlainNetwork(classes)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Loss."""
        return nn.functional.cross_entropy(self.network(batch[0]), batch[1], label_smoothing=0.1)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW."""
        return torch.optim.AdamW(self.parameters(), lr=0.003, weight_decay=0.01)


class PngFolder(Dataset[tuple[Tensor, int]]):
    """A PNG file for each utterance; scaled to -1..1, with a masked band of rows and one of columns."""

    def __init__(self, files: list[Path], labels: list[int]) -> None:
        self.files, self.labels = files, labels

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        with open_picture(self.files[index]) as image:
            picture = torch.from_numpy(np.array(image)).permute(2, 0, 1).float().div(255)
        picture = (picture - 0.5) / 0.5
        for axis in (1, 2):
            width = int(torch.randint(0, 17, ()))
            start = int(torch.randint(0, picture.shape[axis] - width, ()))
            picture.narrow(axis, start, width).zero_()
        return picture, self.labels[index]


class Clock(pl.Callback):
    """Notes when each epoch ends."""

    def __init__(self) -> None:
        self.times = [time.perf_counter()]

    def on_train_epoch_end(self, *_: object) -> None:
        """Note it."""
        self.times.append(time.perf_counter())


def plain(files: list[Path], labels: list[int], epochs: int) -> list[float]:
    """Seconds of each epoch of the plain script."""
    clock = Clock()
    trainer = pl.Trainer(
        max_epochs=epochs, accelerator="cpu", callbacks=[clock], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    loader = DataLoader(PngFolder(files, labels), batch_size=16, shuffle=True, num_workers=2, persistent_workers=True)
    trainer.fit(PlainModule(len(set(labels))), loader)
    return np.diff(clock.times).tolist()


def ours(tree: Path, cache: Path, corpus: str, epochs: int) -> list[float]:
    """Seconds of each epoch of two folds at once."""
    with tempfile.TemporaryDirectory() as results:
        settings = [*SETTINGS, f"corpus={corpus}", f"cache_root={cache}", f"results={results}", f"train.epochs={epochs}"]
        if "    compile:" in (tree / "wser/config/schema.py").read_text("utf-8"):
            # So short a run would not compile by itself; one of 100 epochs does.
            settings.append("train.compile=always")
        environment = os.environ | {"PYTHONPATH": str(tree)}
        subprocess.run([sys.executable, "-m", "wser.run", *settings], cwd=results, env=environment, check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        seconds = []
        for file in Path(results).glob("*/fold_*/curves.csv"):
            with file.open(encoding="utf-8") as rows:
                seconds += np.diff([float(row["seconds"]) for row in csv.DictReader(rows)]).tolist()
    return seconds


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="directory of caches")
    parser.add_argument("--corpus", default="emodb")
    parser.add_argument("--before", type=Path, help="checkout of an earlier version")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--no-plain", action="store_true", help="leave the plain script out")
    options = parser.parse_args()
    cache = find([options.cache.resolve()], options.corpus, "default")
    ours_tree = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory() as folder:
        speakers = sorted({record.speaker for record in cache.records})
        # As many utterances as a fold of ours trains on.
        part = [(i, record) for i, record in enumerate(cache.records) if record.speaker != speakers[0]]
        emotions = sorted({record.emotion for record in cache.records})
        labels = [emotions.index(record.emotion) for _, record in part]
        files = [Path(folder) / f"{i}.png" for i, _ in part]
        if not options.no_plain:
            pictures = cache.read_all()
            for file, (i, _) in zip(files, part, strict=True):
                fromarray(pictures[i]).save(file)
        seconds: dict[str, list[float]] = {"ours": [], "before": [], "plain script": []}
        for number in range(options.rounds):
            seconds["ours"].append(
                statistics.median(ours(ours_tree, options.cache.resolve(), options.corpus, options.epochs)) / 2
            )
            if options.before:
                tree = options.before.resolve()
                seconds["before"].append(
                    statistics.median(ours(tree, options.cache.resolve(), options.corpus, options.epochs)) / 2
                )
            if not options.no_plain:
                seconds["plain script"].append(statistics.median(plain(files, labels, max(2, options.epochs - 1))[1:]))
            print(f"round {number + 1}: {', '.join(f'{name} {times[-1]:.2f} s' for name, times in seconds.items() if times)}")
    print(f"{options.corpus}, {len(part)} utterances; median seconds of a fold and epoch, and how many times ours")
    least = statistics.median(seconds["ours"])
    for name, times in seconds.items():
        if times:
            middle = statistics.median(times)
            print(f"{name:14}{middle:8.2f}{middle / least:8.1f}   {len(part) / middle:7.0f} utterances a second")


if __name__ == "__main__":
    main()
