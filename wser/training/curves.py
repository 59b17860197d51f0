"""What is kept of each epoch of training: a line of metrics, and the weights of the best."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from wser.evaluation import metrics
from wser.training.lightning import pl
from wser.training.module import Training

Tell = Callable[[int, dict[str, float]], None]


class Curves(pl.Callback):
    """Writes a line for each epoch, hands it on to the loggers, and keeps the weights of the best.

    The best epoch has the lowest loss on the validation set: on the few speakers there, a recall jumps by several points
    from epoch to epoch, and its highest value is chance.  With `selection=last` it is the last.  With `selection=test` it has
    the highest accuracy on the test set, as the paper's results (4.1 to 4.3 report "the highest accuracy" of each fold).

    Args:
        file: CSV to write, opened.
        classes: Names of the classes.
        selection: `validation`, `last` or `test`.
        patience: Epochs without a better one after which training stops; 0 never stops it.
        tell: Takes each epoch's number and metrics, and the learning rate of its last step, for the loggers.
    """

    STATE = (
        "best", "best_epoch", "best_metrics", "best_seconds", "weights", "diverged", "epoch", "stopped", "lines", "told",
    )  # fmt: skip

    FIGURES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "validation_uar")

    def __init__(self, file: BinaryIO, classes: list[str], selection: str, patience: int, tell: Tell | None = None) -> None:
        self.file, self.classes, self.selection, self.patience = file, classes, selection, patience
        self.tell, self.rate = tell, np.nan
        self.best: float | None = None
        self.diverged = False
        self.best_epoch, self.weights = 0, dict[str, Tensor]()
        self.best_metrics: dict[str, Any] | None = None
        self.best_seconds = 0.0
        self.epoch, self.stopped = 0, False
        self.train: list[dict[str, Any]] = []
        self.validation: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self.told: list[dict[str, float]] = []
        self.before, self.started = 0.0, time.monotonic()

    def _write(self, cells: Sequence[str]) -> None:
        line = f"{','.join(cells)}\n"
        self.lines.append(line)
        self.file.write(line.encode())
        # Progress is read from it.
        self.file.flush()

    def _seconds(self) -> float:
        return self.before + time.monotonic() - self.started

    def _tell(self, epoch: int, figures: dict[str, float]) -> None:
        self.told.append({name: float(value) for name, value in figures.items()})
        if self.tell:
            self.tell(epoch, {name: value for name, value in figures.items() if np.isfinite(value) or "train" in name})

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs to continue as if it had never stopped."""
        return {name: getattr(self, name) for name in self.STATE} | {"seconds": self._seconds()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from the end of an epoch: earlier lines are written, and told to the loggers, again."""
        for name in self.STATE:
            setattr(self, name, state[name])
        self.before = state["seconds"]
        lines, told, self.lines, self.told = self.lines, self.told, [], []
        for line in lines:
            self._write(line.rstrip("\n").split(","))
        for epoch, figures in enumerate(told, 1):
            self._tell(epoch, figures)

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Note the learning rate before the schedule sets that of the next step."""
        self.rate = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(self, _t: pl.Trainer, _m: pl.LightningModule, outputs: Any, *_: Any) -> None:
        """Collect a training batch."""
        self.train.append({name: value.detach() for name, value in outputs.items()})

    def on_validation_batch_end(self, _t: pl.Trainer, _m: pl.LightningModule, outputs: Any, *_: Any) -> None:
        """Collect a validation batch."""
        self.validation.append(outputs)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Training) -> None:  # type: ignore[override]
        """Write the epoch's line; keep its weights if they are the best; stop where patience has run out."""
        count = sum(int(batch["count"]) for batch in self.train)
        train_loss = sum(float(batch["loss"]) * int(batch["count"]) for batch in self.train) / count
        hits = sum(int(batch["hits"]) for batch in self.train) / count
        loss = accuracy = uar = np.nan
        measured = None
        if self.validation:
            labels = torch.cat([batch["labels"] for batch in self.validation]).cpu().numpy()
            logits = torch.cat([batch["logits"] for batch in self.validation]).cpu().numpy()
            loss = sum(float(batch["loss"]) for batch in self.validation) / len(labels)
            measured = metrics.measure(labels, logits.argmax(1), self.classes)
            accuracy, uar = measured.accuracy, measured.uar
        self.epoch = epoch = trainer.current_epoch + 1
        seconds = self._seconds()
        values = (train_loss, hits, loss, accuracy, uar)
        if epoch == 1:
            self._write(["epoch", *self.FIGURES, "seconds"])
        self._write([str(epoch), *(f"{value:.6f}" for value in values), f"{seconds:.2f}"])
        self._tell(epoch, dict(zip(self.FIGURES, values, strict=True)) | {"lr": self.rate})
        self.diverged = not math.isfinite(train_loss)
        if self.diverged:
            trainer.should_stop = True
        finite = np.isfinite(train_loss if self.selection == "last" else loss)
        rank = accuracy if self.selection == "test" else -np.inf if not finite else epoch if self.selection == "last" else -loss
        if self.best is None or rank > self.best:
            self.best, self.best_epoch, self.weights = float(rank), epoch, dict(module.weights())
            self.best_seconds, self.best_metrics = seconds, measured.as_dict() if measured else None
        elif self.patience and epoch - self.best_epoch >= self.patience:
            trainer.should_stop = True
        self.stopped = trainer.should_stop
        self.train, self.validation = [], []
