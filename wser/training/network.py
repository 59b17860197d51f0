"""Networks: train on one fold, choose the epoch, score the test part once."""

import ctypes
import io
import logging
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from precompute.common import files
from wser import models, results
from wser.data.dataset import input_shape
from wser.evaluation import metrics
from wser.results import (
    CURVES,
    WEIGHTS,
    ResultError,
    fold_name,
)
from wser.training import lightning, loggers
from wser.training.batches import Batches, Statistics, measure, statistics_shape, unstandardised
from wser.training.lightning import pl
from wser.training.module import Training, class_weights
from wser.training.run import Outcome, Run

MALLOC = {-3: 2**30, -1: 2**31 - 1, -2: 2**27}
"""M_MMAP_THRESHOLD, M_TRIM_THRESHOLD and M_TOP_PAD of mallopt(3), in bytes."""

KERNELS = (
    "ATEN_CPU_CAPABILITY", "DNNL_MAX_CPU_ISA", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA", "OPENBLAS_CORETYPE",
)  # fmt: skip
"""Environment variables that choose the kernels of libraries."""

Tell = Callable[[int, dict[str, float]], None]


class Curves(pl.Callback):
    """Writes a line for each epoch, hands it on to the loggers, and keeps the weights of the best.

    The best epoch has the lowest loss on the validation part: on the few speakers there, a recall jumps by several points
    from epoch to epoch, and its highest value is chance.  With `selection=last` it is the last.  With `selection=test` it has
    the highest accuracy on the test part, as the paper's figures (4.1 to 4.3 report "the highest accuracy" of each fold).

    Args:
        file: CSV to write, opened.
        classes: Names of the classes.
        selection: `validation`, `last` or `test`.
        patience: Epochs without a better one after which training stops; 0 never stops it.
        tell: Takes each epoch's number and figures, and the learning rate of its last step, for the loggers.
    """

    FIGURES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "validation_uar")

    def __init__(self, file: BinaryIO, classes: list[str], selection: str, patience: int, tell: Tell | None = None) -> None:
        self.file, self.classes, self.selection, self.patience = file, classes, selection, patience
        self.tell, self.rate = tell, np.nan
        self.best: float | None = None
        self.diverged = False
        self.best_epoch, self.weights = 0, dict[str, Tensor]()
        self.best_found: metrics.Metrics | None = None
        self.best_seconds = 0.0
        self.train: list[dict[str, Any]] = []
        self.validation: list[dict[str, Any]] = []
        self.started = time.monotonic()

    def _write(self, cells: Sequence[str]) -> None:
        self.file.write(f"{','.join(cells)}\n".encode())
        # Progress is read from it.
        self.file.flush()

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
        found = None
        if self.validation:
            labels = torch.cat([batch["labels"] for batch in self.validation]).cpu().numpy()
            logits = torch.cat([batch["logits"] for batch in self.validation]).cpu().numpy()
            loss = sum(float(batch["loss"]) for batch in self.validation) / len(labels)
            found = metrics.measure(labels, logits.argmax(1), self.classes)
            accuracy, uar = found.accuracy, found.uar
        epoch = trainer.current_epoch + 1
        seconds = time.monotonic() - self.started
        values = (train_loss, hits, loss, accuracy, uar)
        if epoch == 1:
            self._write(["epoch", *self.FIGURES, "seconds"])
        self._write([str(epoch), *(f"{value:.6f}" for value in values), f"{seconds:.2f}"])
        if self.tell:
            figures = dict(zip(self.FIGURES, values, strict=True)) | {"lr": self.rate}
            self.tell(epoch, {name: value for name, value in figures.items() if np.isfinite(value) or "train" in name})
        self.diverged = not np.isfinite(train_loss)
        if self.diverged:
            trainer.should_stop = True
        finite = np.isfinite(train_loss if self.selection == "last" else loss)
        rank = accuracy if self.selection == "test" else -np.inf if not finite else epoch if self.selection == "last" else -loss
        if self.best is None or rank > self.best:
            self.best, self.best_epoch, self.weights = rank, epoch, dict(module.weights())
            self.best_seconds, self.best_found = seconds, found
        elif self.patience and epoch - self.best_epoch >= self.patience:
            trainer.should_stop = True
        self.train, self.validation = [], []


def train(run: Run) -> Outcome:
    """Train the network of a run, or load the weights of the run that has trained them, and score the test part.

    Args:
        run: What it is told.

    Returns:
        Probabilities, the weights and curves, and what is recorded.

    Raises:
        ResultError: The weights that are to be scored cannot be read, or are of other classes.
        OSError: A file cannot be written.
    """
    quiet()
    keep_memory()
    config, fold, dataset, aside = run.config, run.fold, run.dataset, run.aside
    torch.set_num_threads(run.threads)
    # Before the seed is set, so that whatever they draw changes nothing.
    logs = [] if run.trained else loggers.build(config, aside, run.final)
    seed = run.seed
    pl.seed_everything(seed, verbose=False)

    network = models.build(config.model, input_shape(dataset.item), len(dataset.classes))
    stored = _stored(run, network)
    if stored:
        statistics = Statistics(stored["mean"].numpy(), stored["deviation"].numpy())
    else:
        statistics = unstandardised(dataset.item) if config.data.standardise == "none" else measure(dataset, fold.train)
    labels = [dataset.examples[i].label for i in fold.train]
    balance = class_weights(labels, len(dataset.classes)) if config.train.balanced else None
    module = Training(network, config.train, config.data, seed, balance)
    tell = partial(loggers.log, logs, config)
    with files.create(aside / CURVES, run.root) as file:
        curves = Curves(file, dataset.classes, config.selection, config.train.patience, tell)
        trainer = lightning.trainer(
            accelerator={"auto": "auto", "cpu": "cpu", "cuda": "gpu", "mps": "mps"}[config.train.device],
            precision=run.identity["settings"]["train.precision"],
            max_epochs=config.train.epochs,
            limit_val_batches=0 if config.selection == "last" and not fold.validation else None,
            num_sanity_val_steps=0,
            callbacks=[curves],
            logger=logs,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=aside,
        )
        if stored and run.trained:
            weights = stored["model"]
            file.write(files.read(run.trained / run.final.name / CURVES, run.root, results.LARGEST_CURVES))
        else:
            batches = Batches(dataset, fold, config.data, config.train.batch, statistics, seed)
            _fit(trainer, module, batches)
            weights = curves.weights
    contents: dict[str, bytes] = {}
    if not stored:
        mean, deviation = torch.from_numpy(statistics.mean), torch.from_numpy(statistics.deviation)
        saved = {"model": weights, "mean": mean, "deviation": deviation, "classes": dataset.classes}
        contents[WEIGHTS] = _as_file(saved)
    module.model.load_state_dict(weights)
    scored = Batches(run.tested or dataset, fold, config.data, config.train.batch, statistics, seed)
    probabilities = torch.cat(trainer.predict(module, datamodule=scored)).numpy()  # type: ignore[arg-type]

    loggers.close(logs)
    contents[CURVES] = files.read(aside / CURVES, run.root)
    record = {
        # With `selection=test`, what the callback has measured is the test part.
        "validation": curves.best_found.as_dict() if fold.validation and curves.best_found else None,
        "epoch": curves.best_epoch,
        "epochs": trainer.current_epoch,
        "diverged": curves.diverged,
        "parameters": sum(parameter.numel() for parameter in module.model.parameters()),
        "seconds_to_epoch": round(curves.best_seconds, 2),
        "device": device_name(trainer),
        "precision": trainer.precision,
        "threads": torch.get_num_threads(),
        "kernels": kernels(),
    }
    return Outcome(probabilities, contents, record)


def _as_file(record: dict[str, Any]) -> bytes:
    # A full disk is then an error of writing like any other; PyTorch's own writer has words of its own for it.
    file = io.BytesIO()
    torch.save(record, file)
    return file.getvalue()


def _stored(run: Run, network: torch.nn.Module) -> dict[str, Any] | None:
    """Weights and statistics of the run whose network is scored on other pictures, None where this one trains its own."""
    if run.trained is None:
        return None
    file = run.trained / fold_name(run.fold.number) / WEIGHTS
    content = results.read_weights(run.trained, run.fold.number)
    remedy = f"move {file.parent} away and run again"
    try:
        stored: dict[str, Any] = torch.load(io.BytesIO(content), weights_only=True)
        network.load_state_dict(stored["model"])
        shapes = {tuple(stored[name].shape) for name in ("mean", "deviation")}
        if shapes != {statistics_shape(run.dataset.item)}:
            raise ValueError(f"statistics of shape {shapes}")
    except Exception as error:  # of a damaged file, PyTorch's reader raises whatever it meets
        why = (" ".join(str(error).split()) or type(error).__name__)[:100]
        raise ResultError(f"{file} cannot be read ({why}): {remedy}") from None
    if stored.get("classes") != run.dataset.classes:
        raise ResultError(
            f"{file} tells {', '.join(map(str, stored.get('classes') or ['classes that it does not name']))} apart, and this "
            f"run {', '.join(run.dataset.classes)}: {remedy}"
        )
    return stored


def _fit(trainer: pl.Trainer, module: Training, batches: Batches) -> None:
    try:
        trainer.fit(module, datamodule=batches)
    except SystemExit:
        # Lightning leaves the process on Ctrl-C; the command line has a better answer.
        raise KeyboardInterrupt from None


def quiet() -> None:
    """Keep Lightning's remarks on loggers, workers and devices off the terminal; errors still come through."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")


def keep_memory() -> None:
    """Have the C library keep what is freed, where it is glibc.

    Each batch allocates and frees the same hundreds of megabytes; given back to the system and taken again, they would cost
    a quarter of the time of training on a CPU, in page faults.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        for parameter, value in MALLOC.items():
            mallopt(parameter, value)


def device_name(trainer: pl.Trainer) -> str:
    """What a run ran on, in words."""
    if trainer.strategy.root_device.type == "cuda":
        return torch.cuda.get_device_name(trainer.strategy.root_device)
    return f"{trainer.strategy.root_device.type}, {platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def kernels() -> dict[str, str]:
    """What chooses the processor's kernels, by which sums differ in their last digits."""
    chosen = {name: os.environ[name] for name in KERNELS if name in os.environ}
    return {"cpu": torch.backends.cpu.get_cpu_capability(), **chosen}
