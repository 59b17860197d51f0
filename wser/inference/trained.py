"""From the directory of a run to the models that predict: weights, statistics, classes and recipe of each finished fold."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from precompute import recipe as recipes
from precompute.common import files, plugins
from precompute.common.errors import RecipeError, few
from wser import models, results
from wser.config import compose
from wser.config.schema import Config, ConfigError, ModelConfig
from wser.data.dataset import input_shape
from wser.results import CONFIG, FITTED, RUN, WEIGHTS, ResultError, fold_name, identity
from wser.training.statistics import Statistics, statistics_shape, unstandardised

if TYPE_CHECKING:
    import torch
    from torch import nn

    from precompute import Recipe
    from precompute.common.arrays import Array

CONTENT = ("classes", "mean", "deviation", "model")
"""What every file of a network's weights has."""


@dataclass(frozen=True)
class TrainedFold:
    """What one fold has learned.

    Attributes:
        number: Of the fold.
        model: With its weights: a network, for evaluation, on the CPU, or what was fitted at once.
        statistics: Of its training set.
    """

    number: int
    model: "nn.Module | models.Fitted"
    statistics: Statistics

    @property
    def network(self) -> "nn.Module":
        """The model, of a run whose model is a network."""
        return cast("nn.Module", self.model)

    @property
    def fitted(self) -> models.Fitted:
        """The model, of a run whose model is fitted at once."""
        return cast(models.Fitted, self.model)


@dataclass(frozen=True)
class Trained:
    """What a run has learned.

    Attributes:
        path: Directory of the run.
        record: What made it (run.json).
        config: Its configuration.
        classes: Names of the classes, in the order of the network's outputs.
        recipe: From a recording to what the networks are given.
        folds: Those that were asked for, by number.
        of_all: Number of folds of the run, finished or not.
        precision: In which it was trained, as Lightning names it.
    """

    path: Path
    record: dict[str, Any]
    config: Config
    classes: list[str]
    recipe: "Recipe"
    folds: tuple[TrainedFold, ...]
    of_all: int
    precision: str

    @property
    def item(self) -> "Array":
        """What the networks are given of each recording: type, shape, axes."""
        return self.recipe.array

    @cached_property
    def device(self) -> "torch.device":
        """What this machine computes on: a GPU where there is one."""
        import torch

        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def load_all(path: Path, fold: int | None = None, feature: str = "") -> list[Trained]:
    """Load the models of a run; of a fusion, those of each run that it averages, in their order.

    Arguments and errors are those of `load`.
    """
    place, number = _place(path, fold)
    parts = results.fused_parts(place, results.read_record(place)) if place.is_dir() else []
    if not parts:
        return [load(path, fold, feature)]
    runs = [results.fused_run(place, part) for part in parts]
    return [load(run, number, feature if "source" in results.read_record(run)["recipe"] else "") for run in runs]


def load(path: Path, fold: int | None = None, feature: str = "") -> Trained:
    """Load the models of a run.

    Args:
        path: Its directory, or that of one of its folds.
        fold: Number of the one fold that is meant; by default every one that is finished.
        feature: Path of the file of its recipe's feature; by default what `recipe=` named, if that was a file.

    Raises:
        ResultError: There is no such run or fold, its model keeps no weights, or its files are damaged or of another version.
        ModelError: Its model is not one of this version.
    """
    if not path.is_dir() and path.suffix == ".onnx":
        raise ResultError(f"{path} is a network for other software (ONNX), not a run: give the directory that wser.run made")
    path, fold = _place(path, fold)
    record = results.read_record(path)
    config = _config(path)
    _check_source(path, config)
    numbers = _numbers(path, record, fold)
    recipe = _recipe(path, record, feature or (config.recipe if plugins.is_path(config.recipe) else ""))
    folds = tuple(_load(path, number, config, recipe, record["classes"]) for number in numbers)
    return Trained(path, record, config, list(record["classes"]), recipe, folds, record["folds"], _precision(path, config))


def build(config: ModelConfig, item: "Array", classes: Sequence[str], stored: dict[str, Any]) -> "nn.Module":
    """A network with the weights of a file.

    Args:
        config: Settings of its model.
        item: What it is given of each recording.
        classes: Names of its outputs.
        stored: Content of the file.

    Raises:
        RuntimeError: The weights are of another network.
    """
    import torch

    network = models.build(config, input_shape(item), len(classes))
    network.load_state_dict(stored["model"])
    return network.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload, no-any-return]


def read_stored(path: Path, fold: int) -> dict[str, Any]:
    """What the file of the weights of a fold holds: tensors and plain values, no code.

    Raises:
        ResultError: It is damaged, missing, or of another version.
    """
    import torch

    file, remedy = path / fold_name(fold) / WEIGHTS, f"move {path / fold_name(fold)} away and run the command in {RUN} again"
    content = results.read_weights(path, fold)
    try:
        stored = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # of a damaged file, PyTorch's reader raises whatever it meets
        raise ResultError(f"{file} cannot be read ({_why(error)})", remedy) from None
    kinds = dict(zip(CONTENT, (list, torch.Tensor, torch.Tensor, dict), strict=True))
    if not isinstance(stored, dict) or any(not isinstance(stored.get(name), kind) for name, kind in kinds.items()):
        raise ResultError(f"{file} has no {', '.join(CONTENT)}, so it is of another version", remedy)
    return stored


def _place(path: Path, fold: int | None) -> tuple[Path, int | None]:
    """The directory of a run and the fold that is meant, by a path that may be of a fold."""
    number = _fold_of(path) if fold is None else None
    return (path, fold) if number is None else (path.parent, number)


def _fold_of(path: Path) -> int | None:
    """Number of the fold whose directory a path is."""
    name = path.resolve().name
    number = name.removeprefix("fold_")
    is_one = (
        name.startswith("fold_") and number.isdecimal() and files.exists(path.resolve().parent / RUN, path.resolve().parent)
    )
    return int(number) if is_one else None


def _config(path: Path) -> Config:
    if str(results.read_config(path).get("model.name")) == "fused":
        raise ResultError(f"{path} is a fusion of other runs and has no weights: give one of these")
    try:
        return compose.load_stored(path / CONFIG, [], ())
    except ConfigError as error:
        raise ResultError(str(error)) from None


def _check_source(path: Path, config: Config) -> None:
    """Refuse a run whose network is computed differently today."""
    named = results.stored_network(path)
    if named and named != identity.network(config.model.name):
        version = results.read_record(path).get("versions", {}).get("wser")
        raise ResultError(
            f"{path} was trained by other code of model={config.model.name} than there is here, and its weights would mean "
            f"something else: use the version that trained it ({version}), or train it again"
        )


def _numbers(path: Path, record: dict[str, Any], fold: int | None) -> list[int]:
    done = [number for number in results.finished(path) if number < record["folds"]]
    if not done:
        raise ResultError(f"{path} has no finished fold: run {results.finishing(record)}")
    if fold is not None and fold not in done:
        raise ResultError(f"{path} has no finished fold {fold}: give one of {few(done, 12)}")
    numbers = done if fold is None else [fold]
    if trained := results.read_metrics(path, numbers[0]).get("trained"):
        raise ResultError(f"{path} scores other pictures with the weights of {trained}: give {path.parent / str(trained)}")
    return numbers


def _recipe(path: Path, record: dict[str, Any], feature: str) -> "Recipe":
    try:
        return recipes.from_record(record["recipe"], feature)
    except (RecipeError, KeyError) as error:
        why = str(error) if isinstance(error, RecipeError) else f"it has no {error}"
        how = ", by --feature FILE" if "source" in record.get("recipe", {}) else ""
        raise ResultError(f"recordings cannot be prepared as in the training of {path}, since {why}{how}") from None


def _load(path: Path, number: int, config: Config, recipe: "Recipe", classes: list[str]) -> TrainedFold:
    if not config.model.is_network:
        return _load_fitted(path, number, config, recipe, classes)
    stored = read_stored(path, number)
    file, remedy = path / fold_name(number) / WEIGHTS, _remedy(path, number)
    _check(file, stored, recipe, classes, remedy)
    if not all(bool(values.isfinite().all()) for values in stored["model"].values()):
        raise ResultError(f"{file} holds weights that are no numbers, since training diverged", "train with a smaller train.lr")
    try:
        network = build(config.model, recipe.array, classes, stored)
    except RuntimeError as error:
        raise ResultError(f"{file} has the weights of another network ({_why(error)})", remedy) from None
    return TrainedFold(number, network, Statistics(stored["mean"].numpy(), stored["deviation"].numpy()))


def _load_fitted(path: Path, number: int, config: Config, recipe: "Recipe", classes: list[str]) -> TrainedFold:
    file, remedy, name = path / fold_name(number) / FITTED, _remedy(path, number), config.model.name
    model = models.build_fitted(config.model, len(classes), 0)
    if not hasattr(model, "restore"):
        raise ResultError(
            f"{path} has no weights, since model={name} is fitted at once and not kept: give a run of a network or of model=svm"
        )
    if FITTED not in results.read_metrics(path, number).get("files", {}):
        raise ResultError(f"{path} was made by a version that kept no weights of model={name}", remedy)
    content = results.read_weights(path, number, FITTED)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            stored: dict[str, Any] = dict(archive)
        stored["classes"] = stored["classes"].tolist()
        model.restore(stored)
        trial = model.predict_proba([np.zeros(recipe.array.shape, recipe.array.dtype)])
        if trial.shape != (1, len(classes)) or not np.isfinite(trial).all():
            raise ValueError("its weights give no probabilities")
    except Exception as error:  # of a damaged file, NumPy and a model raise whatever they meet
        raise ResultError(f"{file} cannot be read ({_why(error)})", remedy) from None
    _check(file, stored, recipe, classes, remedy)
    given = Statistics(stored["mean"], stored["deviation"]) if "mean" in stored else unstandardised(recipe.array)
    return TrainedFold(number, model, given)


def _check(file: Path, stored: dict[str, Any], recipe: "Recipe", classes: list[str], remedy: str) -> None:
    """Refuse weights of other classes or of another recipe than those of their run."""
    if stored["classes"] != classes:
        raise ResultError(f"{file} has the classes {few(stored['classes'])}, and {RUN} {few(classes)}", remedy)
    shapes = {tuple(stored[name].shape) for name in ("mean", "deviation") if name in stored}
    if shapes - {statistics_shape(recipe.array)}:
        raise ResultError(f"{file} has statistics of shape {few(sorted(shapes))}, and its recipe gives {recipe.array}", remedy)


def _remedy(path: Path, number: int) -> str:
    return f"move {path / fold_name(number)} away and run its command again"


def _precision(path: Path, config: Config) -> str:
    """Precision of training: as its metrics say, of older versions as configured."""
    done = results.finished(path)
    recorded = results.read_metrics(path, done[0]).get("precision")
    return str(recorded or ("bf16-mixed" if config.train.precision == "bf16" else "32-true"))


def _why(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:100]
