"""Models: one file each, named as `model=` names it; how to write one is in docs/extending.md.

A model's module has a class `Config`, the dataclass of its settings, and a function `build`.

`Config.takes` lists the kinds of cache that it can learn from: `picture` (unless it says otherwise), `levels`, `waveform` or
`vector`.

- A network has a `Config` derived from `ModelConfig`; `build(config, shape, classes)` gives a `torch.nn.Module` that maps
  inputs float (batch, *shape, steps) and lengths int64 (batch,) to logits (batch, classes): of pictures `shape` is (3, height)
  and steps are columns, of levels (1, rows), of waveforms (1,) and steps are samples; of vectors (n,), and there are no steps.
  It is trained as the sections `data` and `train` say.  It may name its parts for `--describe`: `stages` lists pairs of a name
  and a module, by default its attributes; a layer of its own may have a `title`.
- What is fitted at once has a `Config` derived from `FittedModelConfig`; `build(config, classes, seed)` gives an object with
  `fit(utterances, labels)` and `predict_proba(utterances)`, as scikit-learn's: utterances are arrays as the cache holds them
  (or standardised, where `data.standardise` says so), of as many steps of time as each has (pictures uint8
  (height, columns, 3)), labels int64 (n,), probabilities float (n, classes).  With `by_speaker` in its `Config`, `fit` is also
  given the names of the speakers; what it chooses by them may be in its dictionary `chosen`, which is recorded.

`Config.default_recipe` and `Config.default_standardise` are what a run has that sets neither `recipe` nor `data.standardise`.

A module needs PyTorch, scikit-learn and the like only in `build`, so that a command line is read without them.
"""

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from precompute.common import plugins
from precompute.common.errors import WserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from precompute.common.arrays import Array
    from wser.config.schema import ModelConfig


class ModelError(WserError, ValueError):
    """A model is unknown, or does not keep to its contract."""


class Fitted(Protocol):
    """A model that is fitted at once.

    One that has `weights()`, which gives arrays by name, and `restore(weights)`, which makes it what it was when fitted, is
    kept with its run and predicts new recordings.
    """

    def fit(self, utterances: "Sequence[NDArray[Any]]", labels: "NDArray[np.int64]", *speakers: "Sequence[str]") -> object:
        """Fit it to the training set; where its `Config` says `by_speaker`, with the name of each utterance's speaker."""

    def predict_proba(self, utterances: "Sequence[NDArray[Any]]") -> "NDArray[np.floating]":
        """Probabilities of each class, (n, classes)."""


def names() -> list[str]:
    """Names of all models, sorted: the files of this folder, and those that are installed."""
    return plugins.names(__name__)


def module(name: str) -> ModuleType:
    """The module of a model, by its name or by the path of its file.

    Raises:
        ModelError: There is no such model, it cannot be imported, or it has no `build`.
    """
    found = plugins.load(__name__, name, "model", ModelError)
    if not hasattr(found, "build"):
        raise ModelError(
            f"the model {name} has no function build: add build(config, shape, classes), as docs/extending.md says"
        )
    return found


def file(name: str) -> Path:
    """The file of a model; errors as of `module`."""
    return plugins.file(module(name))


def check_takes(config: "ModelConfig", item: "Array") -> None:
    """Refuse a cache of what a model cannot learn from.

    Raises:
        ModelError: It is.
    """
    if item.kind not in config.takes:
        raise ModelError(
            f"model={config.name} takes {' or '.join(config.takes)}, and the recipe gives {item.kind} ({item}): "
            "give another recipe or model"
        )


def build(config: "ModelConfig", shape: tuple[int, ...], classes: int) -> "nn.Module":
    """The network that the configuration names.

    Args:
        config: Its parameters.
        shape: Of what it is given, without batch and steps of time.
        classes: Number of logits.

    Raises:
        ModelError: There is no such model.
    """
    network: nn.Module = module(config.name).build(config, shape, classes)
    return network


def build_fitted(config: "ModelConfig", classes: int, seed: int) -> Fitted:
    """The model that the configuration names, of those that are fitted at once.

    Args:
        config: Its parameters.
        classes: Number of classes.
        seed: Of whatever it draws.

    Raises:
        ModelError: There is no such model.
    """
    model: Fitted = module(config.name).build(config, classes, seed)
    return model
