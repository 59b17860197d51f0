"""Models: one file each, named as `model=` names it, with a class `Model(config, height, classes)`.

A model maps pictures float (batch, 3, height, columns) and lengths int64 (batch,) to logits (batch, classes).
It may name its parts for `--describe`: `stages` lists pairs of a name and a module, by default its attributes; a layer of
its own may have a `title`.
"""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from precompute.common import plugins as plugins
from precompute.common.errors import WserError, unknown
from wser.config.schema import ModelConfig

if TYPE_CHECKING:
    from torch import nn


class ModelError(WserError, ValueError):
    """A model is unknown."""


def names() -> list[str]:
    """Names of all models, sorted: the files of this folder, and those that are installed."""
    return plugins.names(__name__)


def check(name: str) -> None:
    """Refuse a name that is no model's, without importing any.

    Raises:
        ModelError: There is no such model.
    """
    if name not in names():
        raise ModelError(unknown("model", name, names()))


def file(name: str) -> Path:
    """The file of a model.

    Raises:
        ModelError: There is no such model.
    """
    check(name)
    return next(file for folder in __path__ if (file := Path(folder, f"{name}.py")).is_file())


def build(config: ModelConfig, height: int, classes: int) -> "nn.Module":
    """The network that the configuration names.

    Args:
        config: Its parameters.
        height: Rows of the pictures.
        classes: Number of logits.

    Raises:
        ModelError: There is no such model.
    """
    check(config.name)
    model: nn.Module = importlib.import_module(f"{__name__}.{config.name}").Model(config, height, classes)
    return model
