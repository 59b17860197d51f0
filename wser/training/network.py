"""Networks: train on one fold, choose the epoch, score the test set once."""

import ctypes
import io
import logging
import os
import platform
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import torch

from precompute.common import executor, files
from precompute.common.provenance import version_of
from wser import models, results
from wser.config.schema import Config, ConfigError
from wser.data.dataset import input_shape
from wser.results import CURVES, WEIGHTS, ResultError, fold_name
from wser.training import hardware, lightning, loggers
from wser.training.batches import Batches
from wser.training.checkpoint import AfterEachEpoch, Checkpoints
from wser.training.curves import Curves
from wser.training.lightning import pl
from wser.training.module import Training, class_weights
from wser.training.run import Outcome, Run
from wser.training.standardise import Standardise
from wser.training.statistics import Statistics, measure, of_speakers, stacked, statistics_shape, unstandardised

MALLOC = {-3: 2**30, -1: 2**31 - 1}
"""M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of mallopt(3), in bytes."""

KERNELS = (
    "ATEN_CPU_CAPABILITY", "DNNL_MAX_CPU_ISA", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA", "OPENBLAS_CORETYPE",
)  # fmt: skip
"""Environment variables that choose the kernels of libraries."""

WORTH_COMPILING = 10_000
"""Utterances seen in training from which on compiled loops have saved more time than it takes to compile them."""


def train(run: Run, seen: int | None = None) -> Outcome:
    """Train the network of a run, or load the weights of the run that has trained them, and score the test set.

    Args:
        run: What it is told.
        seen: Utterances that training sees in all its epochs, where `run` is a short part of it that is timed.

    Returns:
        Probabilities, the weights and curves, and what is recorded.

    Raises:
        ResultError: The weights that are to be scored cannot be read, or are of other classes.
        OSError: A file cannot be written.
    """
    quiet()
    keep_memory()
    config, fold, dataset, aside = run.config, replace(run.fold, test=run.scored), run.dataset, run.aside
    torch.set_num_threads(run.threads)
    # Before the seed is set, so that whatever they draw changes nothing.
    logs = [] if run.trained else loggers.build(config, aside, run.final)
    seed = run.seed
    pl.seed_everything(seed, verbose=False)

    network = models.build(config.model, input_shape(dataset.item), len(dataset.classes))
    precision = run.identity["settings"]["train.precision"]
    fused = run.trained is None and fuse(network, config, seen or len(fold.train) * config.train.epochs, precision)
    computing = {"threads": torch.get_num_threads(), "kernels": kernels(fused)}
    stored = _stored(run, network)
    if stored:
        statistics = Statistics(stored["mean"].numpy(), stored["deviation"].numpy())
    else:
        statistics = unstandardised(dataset.item) if config.data.standardise == "none" else measure(dataset, fold.train)
    labels = [dataset.examples[i].label for i in fold.train]
    balance = class_weights(labels, len(dataset.classes)) if config.train.balanced else None
    own = config.data.standardise == "utterance"
    by_speaker = config.data.standardise == "speaker"
    held = [*fold.validation, *fold.test]
    of_each = of_speakers(run, dataset, [*fold.train, *held]) if by_speaker else {}
    given = stacked(of_each) if by_speaker else statistics
    standardise = Standardise(dataset.item, given, dataset.table, own, by_speaker)
    module = Training(network, standardise, config.train, balance)
    checkpoints = Checkpoints(run, computing)
    tell = partial(loggers.log, logs, config)
    with files.create(aside / CURVES, run.root) as file:
        curves = Curves(file, dataset.classes, config.selection, config.train.patience, tell)
        trainer = lightning.trainer(
            plugins=[checkpoints],
            accelerator={"auto": "auto", "cpu": "cpu", "cuda": "gpu", "mps": "mps"}[config.train.device],
            precision=precision,
            max_epochs=config.train.epochs,
            limit_val_batches=0 if config.selection == "last" and not fold.validation else None,
            num_sanity_val_steps=0,
            callbacks=[curves, AfterEachEpoch(checkpoints.path), WhileWanted()],
            logger=logs,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            # Compiled loops are made for tensors that know of gradients.
            inference_mode=False,
            default_root_dir=aside,
        )
        if stored and run.trained:
            weights = stored["model"]
            file.write(files.read(run.trained / run.final.name / CURVES, run.root, results.LARGEST_CURVES))
        else:
            batches = Batches(dataset, fold, config.data, config.train.batch, seed, list(of_each))
            _fit(trainer, module, batches, curves, checkpoints)
            weights = curves.weights
    contents: dict[str, bytes] = {}
    if not stored:
        mean, deviation = torch.from_numpy(statistics.mean), torch.from_numpy(statistics.deviation)
        saved = {"model": weights, "mean": mean, "deviation": deviation, "classes": dataset.classes}
        contents[WEIGHTS] = _as_file(saved | _needed(run))
    # As predictions of new recordings are made: in float32, and layer by layer.
    module.model = models.build(config.model, input_shape(dataset.item), len(dataset.classes))
    module.model.load_state_dict(weights)
    tested = run.tested or dataset
    if by_speaker and tested is not dataset:
        of_each = of_speakers(run, tested, fold.test)
        given = stacked(of_each)
    module.standardise = Standardise(dataset.item, given, tested.table, own, by_speaker)
    scored = Batches(tested, fold, config.data, config.train.batch, seed, list(of_each))
    probabilities = torch.cat(trainer.predict(module, datamodule=scored)).numpy()  # type: ignore[arg-type]

    give_back_memory()
    loggers.close(logs)
    contents[CURVES] = files.read(aside / CURVES, run.root)
    record = {
        # With `selection=test`, what the callback has measured is the test set.
        "validation": curves.best_metrics if fold.validation else None,
        "epoch": curves.best_epoch,
        "epochs": curves.epoch,
        "diverged": curves.diverged,
        "parameters": sum(parameter.numel() for parameter in module.model.parameters()),
        "seconds_to_epoch": round(curves.best_seconds, 2),
        "device": device_name(trainer),
        "precision": trainer.precision,
        **computing,
    }
    return Outcome(probabilities, contents, record, curves.before)


class WhileWanted(pl.Callback):
    """Ends training whose result is not waited for any more."""

    def on_train_batch_start(self, *_: Any) -> None:
        """Look before each batch.

        Raises:
            UnwantedError: The result is not waited for any more.
        """
        if not executor.is_wanted():
            raise executor.UnwantedError("nobody waits for this fold any more: run the same command to continue")


def _needed(run: Run) -> dict[str, Any]:
    """What else is needed to use the weights where only their file is at hand: plain values."""
    config = run.config
    return {
        "recipe": run.dataset.recipe,
        "network": asdict(config.model),
        "source": run.identity["network"],
        "data": {"pad": config.data.pad, "standardise": config.data.standardise, "enrol": config.data.enrol},
        "precision": run.identity["settings"]["train.precision"],
        "version": version_of("wser"),
    }


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


def _fit(trainer: pl.Trainer, module: Training, batches: Batches, curves: Curves, checkpoints: Checkpoints) -> None:
    state = checkpoints.stored()
    if state:
        then = state["callbacks"][curves.state_key]
        if then["stopped"] or then["epoch"] == trainer.max_epochs:
            curves.load_state_dict(then)
            return
    try:
        trainer.fit(module, datamodule=batches, ckpt_path=checkpoints.path if state else None)
    except SystemExit:
        # Lightning leaves the process on Ctrl-C; the command line has a better way to end.
        raise KeyboardInterrupt from None


def fuse(network: torch.nn.Module, config: Config, seen: int, precision: str) -> bool:
    """Have a network compile its loops, where that is asked for, or pays.

    What decides is the same for a fold that is trained alone, resumed, or among others, since sums depend on it in their last
    digits.

    Args:
        network: A network that has a method `fuse`, or else nothing is done.
        config: Of the experiment.
        seen: Utterances that training sees in all its epochs.
        precision: Of training, as Lightning names it.

    Returns:
        Whether it was done.

    Raises:
        ConfigError: It was asked for, and cannot be done.
    """
    wanted = config.train.compile
    if wanted == "never" or (wanted == "auto" and (seen < WORTH_COMPILING or hardware.accelerated(config.train))):
        return False
    remedy = "give train.compile=never"
    compile_loops: Callable[[torch.dtype], None] | None = getattr(network, "fuse", None)
    if compile_loops is None:
        if wanted == "auto":
            return False
        raise ConfigError(f"train.compile={wanted} is not for model={config.model.name}, which has no method fuse: {remedy}")
    try:
        compile_loops(torch.bfloat16 if precision == "bf16-mixed" else torch.float32)
    except RuntimeError as error:
        if wanted == "auto":
            return False
        raise ConfigError(
            f"train.compile={wanted} cannot be done here ({error}): install a C++ compiler, or {remedy}"
        ) from None
    return True


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


def give_back_memory() -> None:
    """Have the C library give back what it has kept, since the process may wait for long now."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim:
        trim(0)


def device_name(trainer: pl.Trainer) -> str:
    """What a run ran on, in words."""
    if trainer.strategy.root_device.type == "cuda":
        return torch.cuda.get_device_name(trainer.strategy.root_device)
    return f"{trainer.strategy.root_device.type}, {platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def kernels(fused: bool) -> dict[str, str]:
    """What chooses the processor's kernels, by which sums differ in their last digits.

    Args:
        fused: Whether loops of the network were compiled here.
    """
    chosen = {name: os.environ[name] for name in KERNELS if name in os.environ}
    return {"cpu": torch.backends.cpu.get_cpu_capability(), **chosen, **({"loops": "compiled"} if fused else {})}
