"""The configuration: each key declared once, with its limits, what reads it, and whether it names the results.

The sections `protocol` and `model` belong to the choice that their `name` makes: besides the keys below they have those of the
`Config` beside that protocol or model.
"""

import json
from collections.abc import Iterator
from dataclasses import Field, asdict, dataclass, field, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from precompute.cache.layout import printable
from precompute.common import plugins
from precompute.common.errors import UsageError
from precompute.common.executor_settings import ExecutorConfig
from precompute.common.settings import Facts, check_limits, facts, setting

LoggerName = Literal["csv", "tensorboard", "wandb", "mlflow"]
Selection = Literal["validation", "last", "test"]
Optimiser = Literal["adam", "adamw", "adamax", "sgd", "rmsprop"]

ROOMS = {"protocol": "wser.protocols", "model": "wser.models"}
"""Sections whose keys belong to a choice, and the packages that hold the choices."""

NAMED = (*ROOMS, "executor")
"""Sections for whose key `name` their own name is short."""

EARLIER = {"protocol.folds": 3, "protocol.test_fraction": 0.2}
"""Keys that the names of results hold for every protocol, since all had them once, and the values they had."""

LARGEST_SEED = 2**32 - 1


class ConfigError(UsageError):
    """A key is unknown, or its value has the wrong type or lies outside its limits."""


@dataclass(frozen=True)
class Unread:
    """Why a setting has no effect, in a sentence with the remedy, and the dotted keys of the settings that decide it."""

    why: str
    deciding: frozenset[str]


@dataclass
class ProtocolConfig:
    """How utterances are held out: what every protocol has.

    Attributes:
        name: The protocol: a name of the table above, an installed protocol, or the path of a file.  `protocol=NAME` is short
            for it.
        validation_fraction: Share of the training set that is cut off for the choice of the epoch; of its speakers, where the
            protocol keeps speakers apart.
        seed: Seed of the split alone, so that runs of different `seed` have the same split.
    """

    name: str = setting("speaker_independent", text=True, path=True)
    validation_fraction: float = setting(0.2, low=0.01, high=0.9, read_with={"selection": ["validation"]})
    seed: int = setting(0, low=0, high=LARGEST_SEED)


@dataclass
class ModelConfig:
    """What every model has; the rest is the model's own.

    Attributes:
        name: The model: a name of the table above, an installed model, or the path of a file.  `model=NAME` is short for it.
        is_network: Whether it is a network that is trained epoch by epoch, as the sections `data` and `train` say; otherwise
            it is fitted at once, and these are not read.
        takes: Kinds of cache that it can learn from, of `picture`, `levels`, `waveform` and `vector`.
        default_recipe: The recipe of a run that names none.
        default_standardise: The value of `data.standardise` in a run that does not set it; None leaves it to the preset.
        by_speaker: Of what is fitted at once, whether `fit` is given the speaker of each utterance too.
    """

    is_network: ClassVar[bool] = True
    takes: ClassVar[tuple[str, ...]] = ("picture",)
    default_recipe: ClassVar[str] = "default"
    default_standardise: ClassVar[str | None] = None
    by_speaker: ClassVar[bool] = False

    name: str = setting("three_pipe", text=True, path=True)

    def check(self) -> None:
        """Refuse values that do not fit together.

        Raises:
            ConfigError: They do not; the message names the key and the remedy.
        """

    def unread(self, key: str) -> Unread | None:  # noqa: ARG002
        """Why one of its keys has no effect, None where it has one.

        Args:
            key: Without the section.
        """
        return None


@dataclass
class FittedModelConfig(ModelConfig):
    """What every model has that is fitted at once."""

    is_network: ClassVar[bool] = False
    default_standardise: ClassVar[str | None] = "none"


@dataclass
class DataConfig:
    """How utterances reach the network: pictures, or what else a cache holds; columns are then its steps of time.

    Attributes:
        pad: What a batch contains: `trim` cuts it to its longest utterance, and masks the rest of shorter ones; `paper` takes
            the whole padded frame.
        standardise: Normalisation of the input.  `training` subtracts the mean and divides by the standard deviation of each
            image row and colour channel over the training set; `utterance` does so over the utterance itself, which removes
            the mean spectrum of voice and room; `speaker` over all recordings of the speaker, without their labels, of test
            speakers too, so that its results are a track of their own (speaker-calibrated); `none` scales levels to [0, 1], and
            leaves floats as they are.  Of vectors it is each value.  Models that are fitted at once have `none` by default,
            which gives them what the cache holds, and `svm` has `training`.
        enrol: Enrolment: number of recordings of each test speaker, drawn by `seed`, from which the speaker's mean is computed,
            instead of from all; they are not scored.  Deviations are then those of the training speakers.  0 takes all
            recordings of a speaker, and scores all.
        mask_rows: Augmentation: largest height of a band of rows that is masked in training (SpecAugment, doi
            10.21437/Interspeech.2019-2680); for pictures and levels.  0 masks none.
        mask_columns: Augmentation: largest width of a band of columns that is masked in training; 0 masks none.
        shift_rows: Augmentation: largest shift of a training picture (or levels) along the frequency axis, in rows.
        mixup: Augmentation: parameter of the beta distribution of mixup (Zhang et al. 2018, arXiv 1710.09412); 0 does not mix.
        test_recipe: Recipe of the test set, if it is another than `recipe`, such as one with noise.  The weights are those of
            the run without this key, which is trained first unless it is finished.
    """

    pad: Literal["trim", "paper"] = "trim"
    standardise: Literal["training", "utterance", "speaker", "none"] = "training"
    enrol: int = setting(0, low=0, high=10_000, read_with={"data.standardise": ["speaker"]})
    mask_rows: int = setting(0, low=0, high=1000)
    mask_columns: int = setting(0, low=0, high=1000)
    shift_rows: int = setting(0, low=0, high=1000)
    mixup: float = setting(0.0, low=0, high=10)
    test_recipe: str | None = setting(None, text=True, hashed=False, path=True)


@dataclass
class TrainConfig:
    """How the network is trained.

    Attributes:
        epochs: Largest number of passes over the training set.
        patience: Early stopping: training ends after this many epochs without a better one; 0 never stops early.
        batch: Number of utterances in one step (batch size).
        optimiser: Optimiser of PyTorch.
        lr: Learning rate.  With `train.schedule=one_cycle` it is the highest one.
        schedule: Learning-rate schedule: `constant` keeps `train.lr`; `one_cycle` raises the rate to `train.lr` and then lowers
            it to nearly 0, over all epochs (Smith & Topin 2018, arXiv 1708.07120).
        weight_decay: Weight decay of the optimiser.
        label_smoothing: Share of the target that is spread over all classes.
        balanced: Weights the loss of each utterance by the inverse of its class's share of the training set, so that every
            class counts equally, as in UAR.
        precision: Number format of training: `auto` is bfloat16 if the device has instructions for it, otherwise float32.
        device: Where training runs; `auto` takes an accelerator if there is one.
        threads: Threads of one run on the CPU; 0 divides the cores among the folds of the protocol.
        compile: Whether the network's loops are compiled (torch.compile), if the model can do that: `auto` does so on a CPU
            where there is a C++ compiler and training is long enough to save time by it.
    """

    epochs: int = setting(50, low=1, high=100_000)
    patience: int = setting(10, low=0, high=100_000, read_with={"selection": ["validation", "test"]})
    batch: int = setting(16, low=2, high=4096)
    optimiser: Optimiser = "adam"
    lr: float = setting(0.1, low=1e-8, high=10)
    schedule: Literal["constant", "one_cycle"] = "constant"
    weight_decay: float = setting(0.0, low=0, high=10)
    label_smoothing: float = setting(0.0, low=0, high=0.9)
    balanced: bool = False
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: Literal["auto", "cpu", "cuda", "mps"] = setting("auto", hashed=False, swept=False)
    threads: int = setting(0, low=0, high=1024, hashed=False, swept=False)
    compile: Literal["auto", "always", "never"] = setting("auto", hashed=False, swept=False)


@dataclass
class Config:
    """One experiment.

    Attributes:
        experiment: Experiment file: its name in experiments/, or its path.  The name of the results begins with it, unless it
            is `default`.
        preset: Preset: a file in experiments/preset with values of many keys, which the experiment and the command line
            override.  By default the one that has the model's name, if there is one, with its published values; else `tuned`.
        corpus: Corpora to train and test on; several are joined.
        labels: Label map: which emotions form which class; a file in wser/data/labels or a path.  By default the one
            that is meant for the corpus, such as `ravdess7`, in which neutral and calm are one class; else each emotion is one.
        recipe: Recipe of the cache: its name, its id, or the path of a feature's file.  By default the model's own, such as
            `compare` for `svm`; `default` for those that have none.
        cache: Id of the cache, if a corpus and recipe have several.
        protocol: Which utterances are held out for testing, and how validation is cut from the rest.
        model: What is trained.
        data: How utterances reach a model, and their augmentation.  Models that are not networks read only `data.standardise`,
            `data.enrol` and `data.test_recipe`.
        train: How a network is trained.  A model that is not a network does not read these keys.
        selection: Which epoch's weights are tested.  `last` takes the last epoch: nothing is chosen, and nothing is cut from
            training.  `validation` takes the epoch of the lowest loss on validation speakers (or utterances) cut from training.
            `test` takes the epoch of the highest accuracy on the test set itself, as the paper did: such results are too good.
        seed: Seed of initial weights, order of batches and augmentation.
        fold: Which folds to train: `all`, or numbers from 0, such as `0,2`.
        jobs: Folds trained at once; 0 is one for each core, up to 8, and a single one on an accelerator.
        executor: Where folds are trained: on this machine, or on a cluster.
        logger: Where training curves go besides curves.csv; `[]` is nowhere.
        cache_root: Directories of caches, searched in order, separated by `:`; each may be a URL, as s3://bucket/lab.
        results: Directory of all results.
    """

    experiment: str = setting("default", hashed=False, swept=False, text=True, path=True)
    preset: str = setting("tuned", hashed=False, text=True)
    corpus: list[str] = setting(lambda: ["ravdess"], names=True)
    labels: str | None = setting(None, hashed=False, text=True, path=True)
    recipe: str = setting("default", hashed=False, text=True, path=True)
    cache: str | None = setting(None, hashed=False, text=True)
    protocol: ProtocolConfig = field(default_factory=lambda: _default("protocol"))
    model: ModelConfig = field(default_factory=lambda: _default("model"))
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    selection: Selection = "validation"
    seed: int = setting(0, low=0, high=LARGEST_SEED)
    fold: Any = setting("all", hashed=False, swept=False, text=True)
    jobs: int = setting(0, low=0, high=1024, hashed=False, swept=False, read_with={"executor.name": ["loky"]})
    executor: ExecutorConfig = field(default_factory=ExecutorConfig)
    logger: list[LoggerName] = setting(lambda: ["tensorboard"], hashed=False, swept=False, names=True)
    cache_root: str = setting("cache", hashed=False, swept=False, text=True)
    results: str = setting("runs", hashed=False, swept=False, text=True, path=True)


def choice(section: str, name: str) -> type[Any]:
    """The class of the settings of a protocol or model.

    Args:
        section: `protocol` or `model`.
        name: Of the choice.

    Raises:
        ConfigError: There is none of that name, or it cannot be imported.
    """
    module = plugins.load(ROOMS[section], name, section, ConfigError)
    base: type[Any] = ProtocolConfig if section == "protocol" else ModelConfig
    settings: type[Any] = getattr(module, "Config", base)
    return settings


def _default(section: str) -> Any:
    return choice(section, (ProtocolConfig if section == "protocol" else ModelConfig)().name)()


def with_key(section: str, name: str) -> list[str]:
    """Names of the choices of a section that have a key."""
    return [option for option in plugins.names(ROOMS[section]) if name in {own.name for own in fields(choice(section, option))}]


@lru_cache(maxsize=1)
def known() -> dict[str, Facts]:
    """What is known of every key, with those of every protocol and model, by dotted key."""
    facts_by_key = {key: facts(leaf) for key, leaf in _leaves(Config())}
    for section, room in ROOMS.items():
        for name in plugins.names(room):
            facts_by_key |= {f"{section}.{field.name}": facts(field) for field in fields(choice(section, name))}
    return facts_by_key


def _leaves(section: Any, prefix: str = "") -> Iterator[tuple[str, "Field[Any]"]]:
    for leaf in fields(section):
        value = getattr(section, leaf.name)
        if is_dataclass(value):
            yield from _leaves(value, f"{prefix}{leaf.name}.")
        else:
            yield prefix + leaf.name, leaf


def declared(config: Config) -> dict[str, Facts]:
    """What is known of the keys of a configuration, by dotted key."""
    return {key: facts(leaf) for key, leaf in _leaves(config)}


def is_hashed(key: str) -> bool:
    """Whether a dotted key names results; one that is not known does."""
    return known().get(key, Facts()).hashed


def hashed(config: Config) -> dict[str, Any]:
    """The keys that name the results, in their sections.

    Names of files that are hashed by their content (splits, plug-ins) are left out, and so are the folds asked for and the
    place of execution.
    """
    known = declared(config)
    flat = {key: value for key, value in flatten(asdict(config)).items() if known[key].hashed}
    if not config.model.is_network:
        kept = {"data.standardise"} if config.data.standardise != "none" else set()
        flat = {key: value for key, value in flat.items() if key in kept or not key.startswith(("data.", "train."))}
    # Runs had their names before there was enrolment.
    flat.pop("data.enrol", None)
    if config.data.enrol:
        flat["data.enrol"] = config.data.enrol
    for section in ROOMS:
        name = flat[f"{section}.name"]
        flat[f"{section}.name"] = Path(name).stem if plugins.is_path(name) else name
    nested: dict[str, Any] = {}
    for key, value in {**EARLIER, **flat}.items():
        section, _, name = key.rpartition(".")
        (nested.setdefault(section, {}) if section else nested)[name] = value
    return nested


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


def as_text(value: Any) -> str:
    """A value as it is written on the command line."""
    return value if isinstance(value, str) and value else json.dumps(value, separators=(",", ":"))


def check(config: Config) -> None:
    """Refuse values outside their limits.

    Raises:
        ConfigError: A value is; the message names its key and the limits.
    """
    for section in ("protocol", "model", "data", "train", "executor"):
        check_limits(getattr(config, section), ConfigError, f"{section}.")
    check_limits(config, ConfigError)
    config.model.check()
    for key, names in (("corpus", config.corpus), ("logger", config.logger)):
        if not all(isinstance(name, str) for name in names):
            raise ConfigError(f"{key}={names} must be a list of names: write it as in {key}=[one,other]")
    if len(set(config.corpus)) != len(config.corpus) or not config.corpus:
        raise ConfigError(f"corpus={config.corpus} is empty or has a name twice: name each corpus once")
    if len(set(config.logger)) != len(config.logger):
        raise ConfigError(f"logger={config.logger} has a name twice: name each logger once")
