"""Where the curves of a run go besides curves.csv: Lightning's loggers, by the names that `logger=` gives them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from precompute.cache.layout import printable
from precompute.common import paths
from wser.config.schema import Config, ConfigError, flatten, recorded

if TYPE_CHECKING:
    # Lightning takes seconds to import, and a check of names must not.
    from pytorch_lightning.loggers import Logger, MLFlowLogger, WandbLogger

PROJECT = "wser"
"""Of W&B, and the experiment of MLflow, in which runs appear."""

QUIET = {"WANDB_SILENT": "true", "MLFLOW_LOGGING_LEVEL": "ERROR", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
"""Settings of W&B and MLflow without which they write over the progress bar; the user's own come first."""

MOST_QUOTED = 300
"""Characters of a service's own message that ours quotes."""

PACKAGES = {"tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow"}
"""Package that a logger needs."""


def check(names: Sequence[str], directory: str) -> None:
    """Refuse loggers that cannot work, without importing them.

    Args:
        names: Of the loggers.
        directory: Of all results.

    Raises:
        ConfigError: The package of one is not installed, and the message has the command that installs it; or TensorBoard is to
            write into a directory whose name is not UTF-8.
    """
    if "tensorboard" in names and printable(directory) != directory:
        raise ConfigError(
            f"logger=tensorboard cannot write into results={directory}, whose name is not UTF-8: name another directory, or "
            "leave tensorboard out of logger="
        )
    for name in names:
        if name in PACKAGES and find_spec(PACKAGES[name]) is None:
            raise ConfigError(
                f"logger={name} needs the package {PACKAGES[name]}, which is not installed: pip install {PACKAGES[name]}, "
                f"or leave {name} out of logger="
            )


def prepare(config: Config, directory: Path) -> None:
    """Make once what all folds share: MLflow's experiment, which two that begin at once would both want to create.

    Args:
        config: Of the experiment.
        directory: Of its results.

    Raises:
        ConfigError: MLflow cannot start.
    """
    if "mlflow" not in config.logger:
        return
    with _starting("mlflow"):
        from mlflow import MlflowClient

        where, artifacts = _tracking_uri(directory), None
        if where.startswith("sqlite:///"):
            store = Path(where.removeprefix("sqlite:///")).parent
            store.mkdir(parents=True, exist_ok=True)
            artifacts = (store / "artifacts").absolute().as_uri()
        client = MlflowClient(where)
        if client.get_experiment_by_name(PROJECT) is None:
            client.create_experiment(PROJECT, artifact_location=artifacts)


def build(config: Config, aside: Path, final: Path) -> "list[Logger]":
    """The loggers of one fold, which write under its directory, or where W&B's and MLflow's own settings say.

    Args:
        config: Of the experiment.
        aside: Where the fold's results grow.
        final: Where they will be.

    Raises:
        ConfigError: W&B or MLflow cannot start, as where nobody is logged in; before any training.
    """
    loggers = [_started(name, aside, final) for name in config.logger]
    for logger in loggers:
        logger.log_hyperparams(flatten(recorded(config)))
    return loggers


def log(loggers: "Sequence[Logger]", config: Config, epoch: int, values: Mapping[str, float]) -> None:
    """Log the metrics of an epoch.

    Args:
        loggers: To hand them to.
        config: Of the experiment.
        epoch: From 1.
        values: Metrics by name.
    """
    from wser.training.lightning import pl

    for logger in loggers:
        logger.log_metrics(dict(values), epoch)
        if epoch == 1 and isinstance(logger, pl.loggers.TensorBoardLogger):
            # Its page of hyper-parameters shows a run only with a figure that they led to.
            figure = next(name for name in ("validation_uar", "train_accuracy") if name in values)
            logger.log_hyperparams(flatten(recorded(config)), {figure: values[figure]}, step=1)
        logger.save()


def close(loggers: "Sequence[Logger]") -> None:
    """Finish and close everything, so that the directory in which they write may be renamed."""
    from wser.training.lightning import pl

    for logger in loggers:
        logger.finalize("success")
        if isinstance(logger, pl.loggers.WandbLogger):
            # Otherwise the next fold in this process would continue the same run.
            logger.experiment.finish()


def _started(name: str, aside: Path, final: Path) -> "Logger":
    from wser.training.lightning import pl

    title = printable("/".join(final.parts[-2:]))
    if name == "csv":
        return pl.loggers.CSVLogger(aside, name="csv", version="", flush_logs_every_n_steps=1)
    if name == "tensorboard":
        return pl.loggers.TensorBoardLogger(aside, name="tensorboard", version="", default_hp_metric=False)
    with _starting(name):
        started: WandbLogger | MLFlowLogger
        if name == "wandb":
            started = pl.loggers.WandbLogger(name=title, project=PROJECT, save_dir=aside)
        else:
            started = pl.loggers.MLFlowLogger(PROJECT, title, _tracking_uri(final.parent))
        _ = started.experiment
    return started


def _tracking_uri(directory: Path) -> str:
    """Where MLflow keeps runs: as its own variable says, or one data base for all results beside this directory."""
    return (
        paths.in_full(os.environ.get("MLFLOW_TRACKING_URI", ""))
        or f"sqlite:///{directory.absolute().parent / 'mlflow' / 'mlflow.db'}"
    )


@contextmanager
def _starting(name: str) -> Iterator[None]:
    """Keep a service's own remarks off the terminal, and say in one sentence why it does not start."""
    for key, value in QUIET.items():
        os.environ.setdefault(key, value)
    try:
        yield
    except Exception as error:  # whatever a service raises: each has its own, and so have those that it is built on
        why = " ".join(str(error).split()).rstrip(".")[:MOST_QUOTED] or type(error).__name__
        raise ConfigError(
            f"logger={name} cannot start ({why}): see that it is set up, or leave {name} out of logger="
        ) from None
