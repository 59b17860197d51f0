"""Configuration: typed keys, their defaults and limits."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from precompute.cache.layout import printable
from precompute.common.errors import WserError
from precompute.common.unread import read_with

Activation = Literal["relu", "elu", "leaky_relu", "gelu"]
MOST_PIPES, MOST_BLOCKS = 5, 16
"""Parallel pipes and LFLBs that a network may have; the paper has 3 and, as we read it, 6."""

LoggerName = Literal["csv", "tensorboard", "wandb", "mlflow"]
Selection = Literal["validation", "last", "test"]
Optimiser = Literal["adam", "adamw", "adamax", "sgd", "rmsprop"]


class ConfigError(WserError, ValueError):
    """A key is unknown, or its value has the wrong type or lies outside its limits."""


@dataclass
class ProtocolConfig:
    """How utterances are held out.

    Attributes:
        name: File in wser/data/protocols.
        folds: Number of folds, where the protocol leaves it open.
        test_fraction: Of the utterances, where the protocol holds out utterances at random.
        validation_fraction: Of the training part (of its speakers where the protocol promises disjoint speakers), cut off
            for the choice of the epoch.
        seed: Of the split alone, so that runs of different `seed` share one split.
        test: Corpus to test on, with `cross_corpus`; the others of `corpus` are trained on.
        file: Split to read, with `file`: a split.json, or EmoBox's folder of a corpus.
        speakers: Whether the parts of that split may share speakers: `disjoint` refuses them, `shared` allows them, `auto` does
            what the file says, and refuses them where it says nothing.
    """

    name: str = "speaker_independent"
    folds: int = 3
    test_fraction: float = 0.2
    validation_fraction: float = 0.2
    seed: int = 0
    test: str | None = None
    file: str | None = None
    speakers: Literal["auto", "disjoint", "shared"] = "auto"


@dataclass
class ModelConfig:
    """The network.

    Attributes:
        name: File in wser/models.
        pipes: Parallel convolutional pipes, 1 to 5; the paper compares one with three (3.5).
        pipe_kernels: Kernel (frequency, time) of each pipe, odd numbers of rows and columns from 1 to 31; the first `pipes`
            are used.
        pipe_dilations: Dilation in time of each pipe's kernel, 1 to 16: its resolution in time.  A kernel of 5 columns spans
            9 where it is dilated by 2.
        pipe_filters: Filters of each pipe; the paper tries 64, 128 and 256 (4.4).
        filters: Filters of each local feature learning block (LFLB), and so their number, at most 16.
        strides: Pooling strides (frequency, time), each 1, 2 or 4, after the merged pipes and after each LFLB; [1, 1] does
            not pool.
        pooling: How blocks pool.
        overlap: Share R of a pooling window that it has in common with the next: 0.5, a window of twice the stride, or 0.
        batch_norm: Batch norm after each convolution; without it the convolutions have a bias.
        activation: After each convolution and after the fully connected layer.
        lstm: Cells of the LSTM in each direction; the paper tries 64, 100, 128 and 256 (3.2.2, Table 3).
        directions: Of the LSTM: 1 reads forwards (3.2.2), 2 both ways.
        summary: Pooling over time, what of the LSTM's outputs the fully connected layer sees: the last of each direction,
            their mean, or a learnt weighting (attention).
        fc: Units of the fully connected layer; 1024 in the paper (3.2.2).
        dropout: Before the LSTM and before the softmax layer.
    """

    name: str = "three_pipe"
    pipes: int = 3
    pipe_kernels: list[list[int]] = field(default_factory=lambda: [[3, 3], [5, 5], [5, 5], [5, 5], [5, 5]])
    pipe_dilations: list[int] = field(default_factory=lambda: [1, 1, 2, 4, 8])
    pipe_filters: int = 64
    filters: list[int] = field(default_factory=lambda: [64] * 6)
    strides: list[list[int]] = field(
        default_factory=lambda: [[2, 2], [2, 2], [2, 2], [2, 1], [2, 1], [1, 1], [1, 1]],
    )
    pooling: Literal["average", "max"] = "average"
    overlap: float = 0.5
    batch_norm: bool = True
    activation: Activation = "relu"
    lstm: int = 100
    directions: int = 1
    summary: Literal["last", "mean", "attention"] = "last"
    fc: int = 1024
    dropout: float = 0.0


@dataclass
class DataConfig:
    """How pictures reach the network.

    Attributes:
        pad: `trim` cuts each batch to its longest utterance, and masks what shorter ones lack; `paper` feeds the whole frame.
        standardise: `training` subtracts the mean and divides by the standard deviation of each image row and colour channel
            over the training part; `utterance` does so with those of the utterance itself, which takes the voice's and the
            room's mean spectrum away; `none` scales levels to [0, 1].
        mask_rows: Largest height of a band of rows masked in training (SpecAugment, doi 10.21437/Interspeech.2019-2680).
        mask_columns: Largest width of a band of columns masked in training.
        shift_rows: Largest shift of a training picture along the frequency axis, in rows.
        mixup: Parameter of the beta distribution of mixup (Zhang et al. 2018, arXiv 1710.09412); 0 does not mix.
        test_recipe: Recipe whose pictures of the test part are scored by the network that was trained on those of `recipe`,
            as with noise; by default the same.  The weights are those of the run without it, which is trained first
            unless it is finished.
    """

    pad: Literal["trim", "paper"] = "trim"
    standardise: Literal["training", "utterance", "none"] = "training"
    mask_rows: int = 0
    mask_columns: int = 0
    shift_rows: int = 0
    mixup: float = 0.0
    test_recipe: str | None = None


@dataclass
class TrainConfig:
    """How the network is trained.

    Attributes:
        epochs: At most.
        patience: Epochs without a better one after which training stops; 0 never stops early.  With `selection=last` each
            epoch is the best so far.
        batch: Utterances in a batch.
        optimiser: Algorithm.
        lr: Learning rate; with `one_cycle` its peak.
        schedule: Constant, or one cycle (Smith & Topin 2018, arXiv 1708.07120).
        weight_decay: Of the optimiser.
        label_smoothing: Share of the target spread over all classes.
        balanced: Weight the loss of each utterance by the inverse of its class's share of the training part, so that every
            class counts alike, as in unweighted average recall.
        precision: `auto` is bfloat16 where the device has instructions for it, else float32.
        device: `auto` takes an accelerator where there is one.
        threads: Threads of one run on the CPU; 0 shares the cores out among the folds of the protocol.
    """

    epochs: int = 50
    patience: int = read_with(10, {"selection": ("validation", "test")})
    batch: int = 16
    optimiser: Optimiser = "adam"
    lr: float = 0.1
    schedule: Literal["constant", "one_cycle"] = "constant"
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    balanced: bool = False
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    threads: int = 0


@dataclass
class Config:
    """One experiment.

    Attributes:
        experiment: Name of the experiment file; names the results.
        preset: Name of the preset under the experiments, whose values the experiment and the command line override.
        corpus: Corpora whose utterances are joined.
        labels: Label map (a file in wser/data/labels); by default the corpus's own.
        recipe: Name of the recipe of the cache.
        cache: Id of the cache, where several inputs are sealed for one recipe.
        protocol: How utterances are held out.
        model: The network.
        data: How pictures reach it.
        train: How it is trained.
        selection: `validation` chooses the epoch on speakers or utterances cut from training; `last` takes the last epoch, and
            cuts nothing; `test` as the paper's figure, the epoch of the highest accuracy on the test part itself.
        seed: Of initialisation, order of batches and augmentation.
        fold: `all`, or numbers of folds.
        jobs: Runs at once; 0 is one for each core, up to 8, and a single one on an accelerator.
        logger: Where curves go besides curves.csv: TensorBoard, a CSV file, W&B, MLflow; `[]` is nowhere.
        cache_root: Directories of caches, searched in order, separated by `:`; each may be a URL, as s3://bucket/lab.
        results: Directory of all results.
    """

    experiment: str = "default"
    preset: str = "tuned"
    corpus: list[str] = field(default_factory=lambda: ["ravdess"])
    labels: str | None = None
    recipe: str = "default"
    cache: str | None = None
    protocol: ProtocolConfig = field(default_factory=ProtocolConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    selection: Selection = "validation"
    seed: int = 0
    fold: Any = "all"
    jobs: int = 0
    logger: list[LoggerName] = field(default_factory=lambda: ["tensorboard"])
    cache_root: str = "cache"
    results: str = "runs"


UNHASHED = (
    "experiment",
    "preset",
    "labels",
    "recipe",
    "cache",
    "cache_root",
    "results",
    "fold",
    "jobs",
    "logger",
    "protocol.test",
    "protocol.file",
    "protocol.speakers",
    "data.test_recipe",
    "train.device",
    "train.threads",
)
"""Keys that do not name the results: names of what is hashed by its content (a split's too), and where and how much of it
runs."""


def hashed(config: Config) -> dict[str, Any]:
    """The configuration without the keys in `UNHASHED`."""
    kept = asdict(config)
    for key in UNHASHED:
        section, _, name = key.rpartition(".")
        (kept[section] if section else kept).pop(name)
    return kept


def recorded(config: Config) -> dict[str, Any]:
    """The configuration as files hold it: names of files that are no UTF-8 are written with escapes, as in caches."""

    def written(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: written(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [written(inner) for inner in value]
        return printable(value) if isinstance(value, str) else value

    return {key: written(value) for key, value in asdict(config).items()}


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Leaves of nested dictionaries by dotted key."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves.update(flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value})
    return leaves


def check(config: Config) -> None:
    """Refuse values outside their limits.

    Raises:
        ConfigError: A value is; the message names its key and the limits.
    """
    model, data, train, protocol = config.model, config.data, config.train, config.protocol
    limits: list[tuple[str, float, float, float]] = [
        ("protocol.folds", protocol.folds, 2, 1000),
        ("protocol.test_fraction", protocol.test_fraction, 0.01, 0.9),
        ("protocol.validation_fraction", protocol.validation_fraction, 0.01, 0.9),
        ("model.pipes", model.pipes, 1, MOST_PIPES),
        ("model.pipe_filters", model.pipe_filters, 1, 1024),
        ("model.lstm", model.lstm, 1, 4096),
        ("model.directions", model.directions, 1, 2),
        ("model.fc", model.fc, 1, 16384),
        ("model.dropout", model.dropout, 0, 0.95),
        ("data.mask_rows", data.mask_rows, 0, 1000),
        ("data.mask_columns", data.mask_columns, 0, 1000),
        ("data.shift_rows", data.shift_rows, 0, 1000),
        ("data.mixup", data.mixup, 0, 10),
        ("train.epochs", train.epochs, 1, 100_000),
        ("train.patience", train.patience, 0, 100_000),
        ("train.batch", train.batch, 2, 4096),
        ("train.lr", train.lr, 1e-8, 10),
        ("train.weight_decay", train.weight_decay, 0, 10),
        ("train.label_smoothing", train.label_smoothing, 0, 0.9),
        ("train.threads", train.threads, 0, 1024),
        ("jobs", config.jobs, 0, 1024),
        ("seed", config.seed, 0, 2**32 - 1),
        ("protocol.seed", protocol.seed, 0, 2**32 - 1),
    ]
    for key, value, low, high in limits:
        if not low <= value <= high:
            raise ConfigError(f"{key}={value} is outside {low} to {high}: give a value within these limits")
    _check_pipes(model)
    _check_blocks(model)
    for key, names in (("corpus", config.corpus), ("logger", config.logger)):
        if not all(isinstance(name, str) for name in names):
            raise ConfigError(f"{key}={names} holds what is no name: write it as in {key}=[one,other]")
    if len(set(config.corpus)) != len(config.corpus) or not config.corpus:
        raise ConfigError(f"corpus={config.corpus} names none or one of them twice: name each once")
    if len(set(config.logger)) != len(config.logger):
        raise ConfigError(f"logger={config.logger} names one twice: name each once")


def _check_pipes(model: ModelConfig) -> None:
    for key, values in (("model.pipe_kernels", model.pipe_kernels), ("model.pipe_dilations", model.pipe_dilations)):
        if not model.pipes <= len(values) <= MOST_PIPES:
            raise ConfigError(
                f"{key} has {len(values)} entries: give one for each of model.pipes={model.pipes}, at most {MOST_PIPES}"
            )
    if any(len(kernel) != 2 or not all(0 < k <= 31 and k % 2 for k in kernel) for kernel in model.pipe_kernels):
        raise ConfigError(
            f"model.pipe_kernels={model.pipe_kernels} must hold pairs [frequency, time] of odd numbers from 1 to 31: "
            "write it as in [[3,3],[5,5],[5,5]]"
        )
    if any(not 1 <= dilation <= 16 for dilation in model.pipe_dilations):
        raise ConfigError(f"model.pipe_dilations={model.pipe_dilations} must hold numbers from 1 to 16: write it as in [1,1,2]")


def _check_blocks(model: ModelConfig) -> None:
    if model.overlap not in (0, 0.5):
        raise ConfigError(f"model.overlap={model.overlap} is neither 0 nor 0.5, the paper's R: give one of them")
    if len(model.strides) != len(model.filters) + 1:
        raise ConfigError(
            f"model.strides has {len(model.strides)} entries and model.filters {len(model.filters)}: "
            "give one stride for the merged pipes and one for each block of filters"
        )
    if len(model.filters) > MOST_BLOCKS:
        raise ConfigError(f"model.filters has {len(model.filters)} entries: give at most {MOST_BLOCKS}, one for each LFLB")
    if any(filters < 1 or filters > 4096 for filters in model.filters):
        raise ConfigError(f"model.filters={model.filters} must hold numbers from 1 to 4096: write it as in [64,64]")
    if any(len(stride) != 2 or not {*stride} <= {1, 2, 4} for stride in model.strides):
        raise ConfigError(
            f"model.strides={model.strides} must hold pairs [frequency, time] of 1, 2 or 4: write it as in [[2,2],...]"
        )
