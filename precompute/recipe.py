"""The recipe: the audio chain and one feature's parameters, all that changes a number in a cache, and the id that follows."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import Field, asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_origin

import numpy as np
import rfc8785
from numpy.typing import NDArray

from precompute import features
from precompute.audio import chain
from precompute.audio.chain import Audio
from precompute.common import arrays, plugins, source
from precompute.common.arrays import Array
from precompute.common.errors import RecipeError, unknown
from precompute.common.reading import LARGEST_NUMBER
from precompute.common.settings import Reader, facts, refusal, types
from precompute.features._base import Feature

ID_LENGTH = 12
"""Hexadecimal digits of a SHA-256 that name a recipe or an input: 48 bits, for a lab's thousands of caches."""

DEEPEST_VALUE = 8
"""Deepest nesting of lists and objects in a record that other software wrote."""

TRANSFORMS = {"wavelet": "scalogram", "stft": "stft", "mel": "logmel"}
"""What recipes of layout 1, and `transform=`, call the features that make pictures."""

LAYOUT_1 = (
    "transform", "wavelet", "window", "scales", "f_min", "f_max", "sample_rate", "duration", "columns", "noise", "snr_db",
    "normalise", "pad", "reference", "top_db", "range_db", "rgb", "colour", "height", "width", "algorithm", "colour_table",
)  # fmt: skip
"""Keys of a picture's recipe in the order in which they were always written, so that its file is the same, byte for byte."""

RECIPES: dict[str, dict[str, Any]] = {
    "default": {},
    "grey": {"colour": "grey"},
    "paper": {"pad": "random"},
    "centre": {"pad": "centre"},
    "mexh": {"wavelet": "mexh"},
    "haar": {"wavelet": "haar"},
    "wavelets": {"rgb": "wavelets", "wavelet": "cmor0.75-1.0,cmor3.0-1.0,cmor12.0-1.0"},
    "stft": {"feature": "stft"},
    "logmel": {"feature": "logmel", "scales": 64, "height": 128},
    "logmel20": {"feature": "logmel", "values": "decibels", "scales": 20, "columns": 800, "window": 0.025},
    "logmel40": {"feature": "logmel", "values": "decibels", "scales": 40, "columns": 800, "window": 0.025},
    "logmel128": {"feature": "logmel", "values": "decibels", "columns": 250, "window": 0.128, "f_min": 20.0, "f_max": 8000.0},
    "stft128": {"feature": "stft", "values": "decibels", "columns": 128},
    "stft256": {"feature": "stft", "scales": 256, "columns": 800},
    "stft4k": {"feature": "stft", "values": "decibels", "columns": 800, "window": 0.04, "f_max": 4000.0},
    "waveform16k": {"feature": "waveform", "dtype": "int16"},
    "egemaps": {"feature": "functionals", "set": "egemaps", "normalise": "none", "duration": 60.0},
    "compare": {"feature": "functionals", "set": "compare", "normalise": "none", "duration": 60.0},
    "cwt_statistics": {"feature": "cwt_statistics", "normalise": "none", "duration": 60.0},
    "issa193": {"feature": "issa193", "sample_rate": 44100, "duration": 3.0, "normalise": "none"},
    "wavelet_packets": {"feature": "wavelet_packets", "normalise": "none", "duration": 60.0},
    "random_convolutions": {"feature": "random_convolutions", "normalise": "none", "duration": 60.0},
    "white20": {"noise": "white", "snr_db": 20.0},
    "white10": {"noise": "white", "snr_db": 10.0},
    "white5": {"noise": "white", "snr_db": 5.0},
    "white0": {"noise": "white", "snr_db": 0.0},
    "babble20": {"noise": "babble", "snr_db": 20.0},
    "babble10": {"noise": "babble", "snr_db": 10.0},
    "babble5": {"noise": "babble", "snr_db": 5.0},
    "babble0": {"noise": "babble", "snr_db": 0.0},
}
"""Recipes with a name, as differences from the defaults; any other is one of these, or a feature, with `--set key=value`."""


@dataclass(frozen=True, init=False)
class Recipe:
    """How a recording becomes what a cache holds of it.

    Args:
        feature: Name of a feature, or the path of its file.
        parameters: Of the audio chain and of the feature, by name; the others have their defaults.

    Attributes:
        name: Of the feature.
        audio: What is done to a recording first.
        feature: What is computed then.
        source: SHA-256 of the feature's source where it is not part of this package, so that an edited file gets new caches.

    Raises:
        RecipeError: A name is unknown, a value lies outside its limits, or parameters do not fit together.
    """

    name: str
    audio: Audio
    feature: Feature
    source: str = field(default="", repr=False)

    def __init__(self, feature: str = "scalogram", **parameters: Any) -> None:
        module = features.load(feature)
        own = {parameter.name for parameter in fields(module.Feature)}
        for name, value in parameters.items():
            if name not in own and name not in _AUDIO:
                raise RecipeError(_not_read(name, value, feature, own))
        audio = Audio(**{name: value for name, value in parameters.items() if name in _AUDIO})
        built: Feature = module.Feature(**{name: value for name, value in parameters.items() if name in own})
        built.check(audio)
        name = Path(feature).stem if plugins.is_path(feature) else feature
        file = plugins.file(module)
        ours = file.parent == Path(features.__file__).parent
        digest = "" if ours else source.digest(source.with_imports(file))
        for key, value in (("name", name), ("audio", audio), ("feature", built), ("source", digest)):
            object.__setattr__(self, key, value)
        try:
            self.array  # noqa: B018
        except ValueError as error:
            raise RecipeError(f"the feature {name} gives no array that a cache can store, since {error}: change it") from None

    @cached_property
    def array(self) -> Array:
        """What the cache holds of each utterance."""
        return self.feature.array(self.audio)

    @property
    def parameters(self) -> dict[str, Any]:
        """All parameters by name."""
        return {**asdict(self.audio), **asdict(self.feature)}

    def record(self) -> dict[str, Any]:
        """Everything that changes a number in the cache, as the JSON object that is hashed and stored (RFC 8785 numbers)."""
        known = {**asdict(self.audio), **self.feature.record(), "algorithm": self.feature.algorithm}
        if chain.ALGORITHM > 1:
            known["audio_algorithm"] = chain.ALGORITHM
        # A user's feature may be derived from one of ours, and its pictures differ.
        if "transform" in known and not self.source:
            return {key: known.pop(key) for key in LAYOUT_1} | known
        if self.source:
            known["source"] = self.source
        return {"feature": self.name, **known, "array": self.array.record()}

    @cached_property
    def id(self) -> str:
        """First digits of the SHA-256 of the record's canonical JSON (RFC 8785)."""
        return id_of(self.record())

    @cached_property
    def earlier_ids(self) -> tuple[str, ...]:
        """Ids of the same parameters by earlier algorithms, the latest first."""
        return tuple(id_of(self.record() | {"algorithm": earlier}) for earlier in range(self.feature.algorithm - 1, 0, -1))

    def unread(self, name: str) -> str | None:
        """Why one of its parameters has no effect, and how to give it one; None where it has an effect."""
        known, settings = {parameter.name: parameter for parameter in (*fields(Audio), *fields(self.feature))}, self.parameters
        return _refusal(name, facts(known[name]).readers, known, settings)


_AUDIO = {parameter.name: parameter for parameter in fields(Audio)}


def _refusal(
    name: str, readers: Sequence[Reader], known: Mapping[str, "Field[Any]"], settings: Mapping[str, Any]
) -> str | None:
    if why := refusal(name, readers, settings):
        return why
    # The setting that activates it must have an effect itself.
    reading = [reader.key for reader in readers if settings[reader.key] in reader.values]
    for key in reading:
        if why := _refusal(name, facts(known[key]).readers, known, settings):
            return why
    return None


def _not_read(name: str, value: Any, feature: str, own: set[str]) -> str:
    """Why a feature refuses a parameter."""
    others = [other for other in features.names() if name in {field.name for field in fields(features.load(other).Feature)}]
    if others:
        choices = " or ".join(f"feature={other}" for other in others)
        return f"{name}={value} has no effect with feature={feature}: give {choices}, or leave it out"
    return unknown("recipe parameter", name, ["feature", *_AUDIO, *own])


def id_of(record: dict[str, Any]) -> str:
    """The id of a recipe's record: first digits of the SHA-256 of its canonical JSON (RFC 8785)."""
    return hashlib.sha256(rfc8785.dumps(record)).hexdigest()[:ID_LENGTH]


def names() -> list[str]:
    """Names of all recipes: those of `RECIPES`, and every feature with its defaults."""
    return [*RECIPES, *(name for name in features.names() if name not in RECIPES)]


def sections() -> list[tuple[str, type[Any]]]:
    """The dataclasses that declare parameters: the audio chain's, without a name, and each feature's."""
    return [("", Audio), *((name, features.load(name).Feature) for name in features.names())]


def is_name(text: str) -> bool:
    """Whether it names a recipe, or is the path of a feature's file; otherwise it may be an id."""
    return plugins.is_path(text) or text in names()


def named(name: str, settings: Sequence[str] = ()) -> Recipe:
    """A named recipe with some of its parameters set otherwise.

    Args:
        name: One of `names`, or the path of a feature's file.
        settings: Strings of the form `key=value`, with `feature` (or `transform`, of layout 1) among the keys.

    Raises:
        RecipeError: The name or a key is unknown, or a value has the wrong type, is outside its limits or has no effect.
    """
    if not is_name(name):
        raise RecipeError(unknown("recipe", name, names()))
    texts = dict(_parsed(text) for text in settings)
    base = RECIPES.get(name, {"feature": name})
    feature = texts.pop("feature", base.get("feature", "scalogram"))
    defaults = {field.name: field.default for field in (*fields(Audio), *fields(features.load(feature).Feature))}
    kinds = types(Audio) | types(features.load(feature).Feature)
    for key, text in texts.items():
        if key not in defaults:
            raise RecipeError(_not_read(key, text, feature, {*defaults}))
    changes = {key: _typed(key, text, kinds[key], defaults[key]) for key, text in texts.items()}
    recipe = Recipe(**{**base, **changes, "feature": feature})
    # The settings of the named recipe are checked too: white10 without its noise would still claim 10 dB.
    brought = {*base} & {*recipe.record()} - {"feature"}
    for key in (*changes, *sorted(brought)):
        if why := recipe.unread(key):
            raise RecipeError(why)
    return recipe


def _parsed(setting: str) -> tuple[str, str]:
    key, equals, text = setting.partition("=")
    if not equals:
        raise RecipeError(f"'{setting}' is not key=value: write it as in scales=64")
    if key == "transform":
        if text not in TRANSFORMS:
            raise RecipeError(f"transform={text} is unknown: choose from {', '.join(TRANSFORMS)}")
        return "feature", TRANSFORMS[text]
    return key, text


def _typed(key: str, text: str, kind: Any, default: Any) -> Any:
    try:
        return kind(text) if kind in (int, float) else _truth(text) if kind is bool else text
    except ValueError:
        words = {int: "whole number", bool: "true or false"}.get(kind, "number")
        raise RecipeError(f"{key}={text} is not a {words}: give one, as in {key}={default}") from None


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError
    return text == "true"


def check_record(record: Any) -> dict[str, Any]:
    """A record as stored in a cache, each value that we know of its type; other versions may lack some, and have more.

    Raises:
        RecipeError: It is not a record of a recipe.
    """
    if not isinstance(record, dict):
        raise RecipeError("a recipe must be a JSON object with a value for each parameter")
    kinds = _kinds(record)
    for key, value in record.items():
        kind = kinds.get(key)
        if kind is int or kind is float:
            if type(value) not in (int, kind) or not abs(value) <= LARGEST_NUMBER:
                raise RecipeError(f"'{key}' is {_shown(value)}, and must be a {'whole ' if kind is int else ''}number")
        elif kind is str:
            if not isinstance(value, str):
                raise RecipeError(f"'{key}' is {_shown(value)}, and must be text")
        elif is_deep(value):
            raise RecipeError(f"{key!r:.50} is nested more than {DEEPEST_VALUE} deep")
    return record


def _kinds(record: Mapping[str, Any]) -> dict[str, Any]:
    """The type of each value of a record that we know; of a feature that we do not know, of the audio chain's."""
    name = _feature_of(record)
    pictured = TRANSFORMS.values() if "feature" not in record else [name] if name in features.names() else []
    kinds = types(Audio)
    for feature in pictured:
        kinds = kinds | types(features.load(feature).Feature)
    kinds = {key: str if get_origin(kind) is Literal else kind for key, kind in kinds.items()}
    return kinds | {"algorithm": int, "colour_table": str, "feature": str, "source": str, "transform": str}


def _feature_of(record: Mapping[str, Any]) -> str:
    """Name of a record's feature; empty where it has no valid one."""
    name = record.get("feature", TRANSFORMS.get(str(record.get("transform", "wavelet")), ""))
    return name if isinstance(name, str) else ""


def is_deep(value: Any, left: int = DEEPEST_VALUE) -> bool:
    """Whether lists and objects are nested deeper than in anything that we write; printing such a value may fail."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return left < 0 or any(is_deep(element, left - 1) for element in inner)


def _shown(value: Any) -> str:
    return f"{value!r:.50}" if isinstance(value, str | float | None) else f"of type {type(value).__name__}"


def from_record(record: dict[str, Any], file: str = "") -> Recipe:
    """The recipe of a record, as stored in a cache.

    Args:
        record: What was stored.
        file: Path of its feature's file, where that is neither ours nor installed.

    Raises:
        RecipeError: This version computes other values from these parameters, or does not know them.
    """
    check_record(record)
    name = _feature_of(record)
    if file and Path(file).stem != name:
        raise RecipeError(f"its feature is '{name:.50}', and not that of {file}: give the file {name:.50}.py")
    if not file and name not in features.names():
        raise RecipeError(f"its feature '{name:.50}' is not installed here: install it, or give the path of its file")
    module = features.load(file or name)
    theirs, ours = record.get("algorithm"), module.Feature.algorithm
    if theirs != ours:
        raise RecipeError(f"its recipe has algorithm {theirs}, this version has {ours}: use the version that made it")
    known = {field.name for field in (*fields(Audio), *fields(module.Feature))}
    recipe = Recipe(file or name, **{key: value for key, value in record.items() if key in known})
    if record.get("source", "") != recipe.source:
        raise RecipeError(f"its feature {name} has other source code than the one installed here: use the one that made it")
    for key, value in recipe.record().items():
        if key not in record:
            raise RecipeError(f"its recipe lacks '{key}': use the version that made it")
        if record[key] != value:
            raise RecipeError(f"its recipe has another value of '{key}' than this version: use the version that made it")
    return recipe


def in_words(record: dict[str, Any]) -> str:
    """A recipe's record as a user would write it: its name, or its differences from the default.

    Args:
        record: As `Recipe.record` gives it, from any version.
    """
    for name, changes in RECIPES.items():
        # To make a recipe takes long, and most differ in what they change.
        if all(record.get(key, value) == value for key, value in changes.items()) and named(name).record() == record:
            return name
    base, usual = record.get("feature", "default"), usual_of(record)
    omitted = {"colour_table", "array", "feature", "source"}
    differing = {key: value for key, value in record.items() if value != usual.get(key) and key not in omitted}
    if record.get("algorithm") == usual.get("algorithm"):
        differing.pop("height" if record.get("height") == record.get("scales") else "", None)
        differing.pop("width" if record.get("width") == record.get("columns") else "", None)
    return " ".join([base, *(f"{key}={value}" for key, value in differing.items())])


def usual_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record of the recipe that is named as a record's feature; of one that is not installed here, nothing."""
    if "feature" not in record:
        return Recipe().record()
    return named(record["feature"]).record() if record["feature"] in features.names() else {}


def unread_of(record: dict[str, Any]) -> set[str]:
    """Parameters of a record that have no effect beside its others; none of a record that this version does not make."""
    try:
        recipe = from_record(record)
    except RecipeError:
        return set()
    return {name for name in recipe.parameters if recipe.unread(name)}


def described(record: dict[str, Any]) -> str:
    """What a cache holds, in a few words, by the record of its recipe, from any version."""
    name = _feature_of(record)
    if name not in features.names():
        return name or str(record.get("transform"))
    feature = features.load(name).Feature
    wavelet = f" ({record['wavelet']})" if "wavelet" in {field.name for field in fields(feature)} else ""
    # A vector is of the whole sound, not of one band.
    band = "" if array_of(record).kind == "vector" else f", {record.get('f_min', 0):g} to {record.get('f_max', 0):g} Hz"
    return f"{feature.title or name}{wavelet}{band}"


def row_frequencies(record: Mapping[str, Any], rows: int) -> NDArray[np.float64]:
    """Centre frequency in Hz of each row of what a cache holds, resized or not, float64 (rows,), descending.

    Args:
        record: Of its recipe.
        rows: Length of its axis of frequency.

    Raises:
        KeyError, ValueError: The record does not determine them.
    """
    scales, f_min, f_max = record["scales"], record["f_min"], record["f_max"]
    if scales < 2 or not 0 < f_min < f_max:
        raise ValueError(f"{scales} rows from {f_min} to {f_max} Hz have no frequencies")
    module = _spectral(record)
    place = (np.arange(rows) + 0.5) * scales / rows - 0.5
    centres: NDArray[np.float64] = module.centres(place, f_min, f_max, scales)
    return centres


def ticks(record: Mapping[str, Any]) -> tuple[int, ...]:
    """Frequencies in Hz on the axis of a drawing of a cache's items; errors as in `row_frequencies`."""
    shown: tuple[int, ...] = _spectral(record).Feature.ticks
    return shown


def _spectral(record: Mapping[str, Any]) -> ModuleType:
    name = _feature_of(record)
    module = features.load(name) if name in features.names() else None
    if module is None or not hasattr(module, "centres"):
        shown = record.get("feature", record.get("transform"))
        raise ValueError(f"this version does not know the frequencies of '{shown!s:.50}'")
    return module


def array_of(record: Mapping[str, Any]) -> Array:
    """What a cache holds of each utterance, by the record of its recipe; a picture before layout 2.

    Raises:
        ValueError: The record does not say it, or the array is larger than a cache may store.
    """
    if "array" in record:
        return arrays.from_record(record["array"])
    return arrays.picture(record.get("height"), record.get("width"))
