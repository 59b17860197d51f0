"""The recipe: every parameter that changes a pixel, and the id that follows from it."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import rfc8785
from numpy.typing import NDArray

from precompute.audio import Noise, Pad
from precompute.common.errors import RecipeError, unknown
from precompute.common.settings import check_limits, facts, refusal, setting
from precompute.features import _viridis, spectrogram
from precompute.wavelet import FEWEST_SAMPLES, families

ID_LENGTH = 12
"""Hexadecimal digits of a SHA-256 that name a recipe or an input: 48 bits, for a lab's thousands of caches."""

ALGORITHM = 4
"""Raised by hand whenever the same parameters give other pixels, so that no older cache answers for them."""

LEAST_CYCLES = 7.3
"""Least bandwidth of a wavelet, between its ends 100 dB down, times the picture's duration: a complex Morlet wavelet of less
reaches further than the picture to either side."""

LARGEST_NUMBER = 2.0**53 - 1
"""Of canonical JSON (RFC 8785): whole numbers up to it are exact."""

DEEPEST_VALUE = 8
"""Lists and objects, one in another, in a record that others wrote."""

Transform = Literal["wavelet", "stft", "mel"]
RGB = Literal["colormap", "wavelets"]
Normalise = Literal["rms", "none"]
Reference = Literal["fixed", "peak"]

CHOICES: dict[str, Any] = {
    "transform": Transform,
    "noise": Noise,
    "normalise": Normalise,
    "pad": Pad,
    "reference": Reference,
    "rgb": RGB,
}
"""Parameters that are one of a few words."""


@dataclass(frozen=True)
class Recipe:
    """How a recording becomes a wavelet-scaled spectrogram (paper 3.1 and 3.4, doi 10.18280/ts.420205).

    The defaults: 128 scales from 60 Hz, under the lowest male F0, to 7.6 kHz, under the anti-aliasing edge of 16 kHz
    audio, put about 18 rows on each octave; the complex Morlet wavelet of bandwidth 1.5 separates the first two harmonics
    of a voice and shows formants above, and did better on EmoDB's validation speakers than the finer frequencies and
    coarser times of bandwidth 6; columns of 31.25 ms still show syllables.  After RMS normalisation the peaks of speech lie
    a few dB above 0, so that a fixed range from -70 to 10 dB clips little and keeps level comparable between utterances.

    Attributes:
        transform: `wavelet`; or, for comparison, `stft` (rows equally spaced in Hz) or `mel` (rows are triangular bands).
        wavelet: Name, as in `families.named`, such as `cmor1.5-1.0` or `db4`; with `rgb=wavelets` three of them, separated by
            commas; unused by other transforms.
        window: Length of the window in seconds, at least that of a column; unused by `wavelet`.
        scales: Number of rows of the transform: scales, spaced geometrically, or bands; at least 2.
        f_min: Centre frequency of the coarsest scale, or lower edge of the lowest mel band, in Hz; more than 0.
        f_max: Centre frequency of the finest scale, or upper edge of the highest mel band, in Hz; at most half the sample rate.
        sample_rate: To which recordings are resampled, in Hz.
        duration: To which utterances are padded or cropped, in seconds; a whole number of samples per column.
        columns: Number of time columns into which power is pooled.
        noise: Added to the recording before it is normalised, seeded by the utterance's key: `none`, `white` or `babble`.
        snr_db: Signal-to-noise ratio from f_min to f_max in dB; unused without noise.
        normalise: `rms` divides the utterance, before padding, by its root mean square (3.4) from f_min to f_max; `none` leaves
            it.  The mean is subtracted in either case.
        pad: Where the utterance lies in the frame, or which part of a longer one is kept: `end` pads and crops at the
            end, `centre` on both sides alike, `random` as the paper (3.4), drawn from the utterance's key.
        reference: `fixed` puts the top of the range at `top_db`; `peak` at each utterance's own maximum.
        top_db: Upper end of the range in dB re 1 (squared units of the normalised waveform); unused with `peak`.
        range_db: Dynamic range in dB; more than 0.
        rgb: `colormap` colours levels by a map (the paper); `wavelets` shows three wavelets as red, green and blue.
        colour: Name of a matplotlib colour map, or `grey`; unused with `rgb=wavelets`.
        height: Rows of the image; by default `scales`; other than that, the image is resized.
        width: Columns of the image; by default `columns`; other than that, the image is resized.
    """

    transform: Transform = "wavelet"
    wavelet: str = setting("cmor1.5-1.0", read_with={"transform": ["wavelet"]})
    window: float = setting(0.064, read_with={"transform": ["stft", "mel"]}, low=0.001, high=1.0)
    scales: int = setting(128, low=2, high=1024)
    f_min: float = 60.0
    f_max: float = 7600.0
    sample_rate: int = setting(16000, low=1000, high=192_000)
    duration: float = setting(8.0, low=0.01, high=600.0)
    columns: int = setting(256, low=1, high=8192)
    noise: Noise = "none"
    snr_db: float = setting(20.0, read_with={"noise": ["white", "babble"]}, low=-60.0, high=100.0)
    normalise: Normalise = "rms"
    pad: Pad = "end"
    reference: Reference = "fixed"
    top_db: float = setting(10.0, read_with={"reference": ["fixed"]}, low=-200.0, high=200.0)
    range_db: float = setting(80.0, low=1.0, high=200.0)
    rgb: RGB = "colormap"
    colour: str = setting("viridis", read_with={"rgb": ["colormap"]})
    height: int = setting(0, low=1, high=1024)
    width: int = setting(0, low=1, high=8192)

    def __post_init__(self) -> None:
        for name, kind in CHOICES.items():
            if getattr(self, name) not in get_args(kind):
                raise RecipeError(f"{name}={getattr(self, name)} is unknown: choose from {', '.join(get_args(kind))}")
        object.__setattr__(self, "wavelet", ",".join(families.named(name.strip()).name for name in self.wavelet.split(",")))
        object.__setattr__(self, "height", self.height or self.scales)
        object.__setattr__(self, "width", self.width or self.columns)
        check_limits(self, RecipeError)
        if not 0 < self.f_min < self.f_max <= self.sample_rate / 2:
            raise RecipeError(
                f"f_min={self.f_min} and f_max={self.f_max} must satisfy 0 < f_min < f_max <= {self.sample_rate / 2} Hz, "
                "half the sample rate: change them or sample_rate"
            )
        samples = round(self.duration * self.sample_rate, 6)
        if samples % self.columns or samples / self.columns < FEWEST_SAMPLES:
            nearest = max(FEWEST_SAMPLES, round(samples / self.columns)) * self.columns / self.sample_rate
            raise RecipeError(
                f"duration={self.duration} s is {samples:g} samples, no whole number of at least {FEWEST_SAMPLES} for each of "
                f"{self.columns} columns: choose a multiple of "
                f"{self.columns / self.sample_rate:g} s, such as {nearest}"
            )
        self._check_wavelets()
        if self.transform != "wavelet" and self.window * self.columns < self.duration:
            raise RecipeError(
                f"window={self.window} s is shorter than a column of {self.duration / self.columns:g} s, and would leave "
                "samples out: give a longer window or more columns"
            )
        if self.transform == "mel":
            hop, window = self.samples // self.columns, round(self.window * self.sample_rate)
            spectrogram.mel_bank(self.f_min, self.f_max, self.scales, self.sample_rate, hop, window)
        colour_table(self.colour)

    def _check_wavelets(self) -> None:
        expected = 3 if self.rgb == "wavelets" else 1
        if len(self.wavelets) != expected or (expected == 3 and self.transform != "wavelet"):
            raise RecipeError(
                f"rgb={self.rgb} with transform={self.transform} and wavelet={self.wavelet} name {len(self.wavelets)}: "
                "give three wavelets, separated by commas, with transform=wavelet for rgb=wavelets, and one for rgb=colormap"
            )
        for name in self.wavelets if self.transform == "wavelet" else ():
            wavelet = families.named(name)
            low, high = wavelet.band
            width = (high - low) / wavelet.centre * self.f_min
            if width * self.duration < LEAST_CYCLES:
                raise RecipeError(
                    f"wavelet={name} is {width:.3g} Hz wide at {self.f_min} Hz, and so reaches further than "
                    f"the {self.duration} s of the picture: raise f_min or give a wavelet of more bandwidth, at least "
                    f"{LEAST_CYCLES / self.duration:.3g} Hz"
                )

    @property
    def wavelets(self) -> tuple[str, ...]:
        """Names of the wavelets: one, or three with `rgb=wavelets`."""
        return tuple(self.wavelet.split(","))

    @property
    def samples(self) -> int:
        """Length of the frame in samples."""
        return round(self.duration * self.sample_rate)

    @cached_property
    def table(self) -> NDArray[np.uint8]:
        """Colour table, uint8 (256, 3)."""
        return colour_table(self.colour)

    @cached_property
    def frequencies(self) -> NDArray[np.float64]:
        """Centre frequency of each row in Hz, float64 (scales,), from the highest down: the order of image rows."""
        return row_frequencies(self.transform, self.f_min, self.f_max, self.scales)

    def record(self) -> dict[str, Any]:
        """Everything that changes a pixel, as the JSON object that is hashed and stored (RFC 8785 numbers)."""
        return {**asdict(self), "algorithm": ALGORITHM, "colour_table": self.table.tobytes().hex()}

    @cached_property
    def id(self) -> str:
        """First digits of the SHA-256 of the record's canonical JSON (RFC 8785)."""
        return id_of(self.record())

    @cached_property
    def earlier_ids(self) -> tuple[str, ...]:
        """Ids of the same parameters by earlier algorithms, the latest first."""
        return tuple(id_of(self.record() | {"algorithm": earlier}) for earlier in range(ALGORITHM - 1, 0, -1))


def id_of(record: dict[str, Any]) -> str:
    """The id of a recipe's record: first digits of the SHA-256 of its canonical JSON (RFC 8785)."""
    return hashlib.sha256(rfc8785.dumps(record)).hexdigest()[:ID_LENGTH]


RECIPES: dict[str, dict[str, Any]] = {
    "default": {},
    "grey": {"colour": "grey"},
    "paper": {"pad": "random"},
    "centre": {"pad": "centre"},
    "mexh": {"wavelet": "mexh"},
    "haar": {"wavelet": "haar"},
    "wavelets": {"rgb": "wavelets", "wavelet": "cmor0.75-1.0,cmor3.0-1.0,cmor12.0-1.0"},
    "stft": {"transform": "stft"},
    "logmel": {"transform": "mel", "scales": 64, "height": 128},
    "white20": {"noise": "white", "snr_db": 20.0},
    "white10": {"noise": "white", "snr_db": 10.0},
    "white5": {"noise": "white", "snr_db": 5.0},
    "white0": {"noise": "white", "snr_db": 0.0},
    "babble20": {"noise": "babble", "snr_db": 20.0},
    "babble10": {"noise": "babble", "snr_db": 10.0},
    "babble5": {"noise": "babble", "snr_db": 5.0},
    "babble0": {"noise": "babble", "snr_db": 0.0},
}
"""Recipes with a name, as differences from the defaults; any other is one of these with `--set key=value`."""


def named(name: str, settings: Sequence[str] = ()) -> Recipe:
    """A named recipe with some of its parameters set otherwise.

    Args:
        name: A key of `RECIPES`.
        settings: Strings of the form `key=value`.

    Raises:
        RecipeError: The name or a key is unknown, a value has the wrong type or lies outside its limits, or nothing reads it.
    """
    if name not in RECIPES:
        raise RecipeError(unknown("recipe", name, RECIPES))
    types = {field.name: field.type for field in fields(Recipe)}
    changes: dict[str, Any] = {}
    for text_given in settings:
        key, equals, text = text_given.partition("=")
        if not equals:
            raise RecipeError(f"'{text_given}' is not key=value: write it as in scales=64")
        if key not in types:
            raise RecipeError(unknown("recipe parameter", key, types))
        try:
            changes[key] = types[key](text) if types[key] in (int, float) else text  # type: ignore[operator]
        except ValueError:
            kind = "whole number" if types[key] is int else "number"
            raise RecipeError(f"{key}={text} is not a {kind}: give one, as in {key}={getattr(Recipe, key)}") from None
    recipe = Recipe(**{**RECIPES[name], **changes})
    for field in fields(Recipe):
        # What the name brought along counts too: white10 without its noise would still claim 10 dB.
        set_otherwise = field.name in changes or getattr(recipe, field.name) != field.default
        if set_otherwise and (why := refusal(field.name, facts(field).readers, vars(recipe))):
            raise RecipeError(why)
    return recipe


def check_record(record: Any) -> dict[str, Any]:
    """A record as stored in a cache, each value that we know of its type; other versions may lack some, and have more.

    Raises:
        RecipeError: It is no record of a recipe.
    """
    if not isinstance(record, dict):
        raise RecipeError("a recipe is an object with a value for each parameter, and this is none")
    kinds = {field.name: field.type for field in fields(Recipe)} | {"algorithm": int, "colour_table": str}
    for key, value in record.items():
        kind = kinds.get(key)
        if kind is None:
            if is_deep(value):
                raise RecipeError(f"{key!r:.50} is nested more than {DEEPEST_VALUE} deep")
        elif kind is int or kind is float:
            if type(value) not in (int, kind) or not abs(value) <= LARGEST_NUMBER:
                raise RecipeError(f"'{key}' is {_shown(value)}, and must be a {'whole ' if kind is int else ''}number")
        elif not isinstance(value, str):
            raise RecipeError(f"'{key}' is {_shown(value)}, and must be text")
    return record


def is_deep(value: Any, left: int = DEEPEST_VALUE) -> bool:
    """Whether lists and objects lie in one another deeper than in anything that we write; to print such a value may fail."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return left < 0 or any(is_deep(one, left - 1) for one in inner)


def _shown(value: Any) -> str:
    return f"{value!r:.50}" if isinstance(value, str | float | None) else f"of type {type(value).__name__}"


def from_record(record: dict[str, Any]) -> Recipe:
    """The recipe of a record, as stored in a cache.

    Raises:
        RecipeError: This version makes other pictures by these parameters, or does not know them.
    """
    check_record(record)
    theirs = record.get("algorithm")
    if theirs != ALGORITHM:
        raise RecipeError(f"its recipe is of algorithm {theirs}, this version's is {ALGORITHM}: use the version that made it")
    try:
        recipe = Recipe(**{field.name: record[field.name] for field in fields(Recipe)})
    except KeyError as error:
        raise RecipeError(f"its recipe lacks {error}: use the version that made it") from None
    if differing := [key for key, value in recipe.record().items() if record.get(key) != value]:
        raise RecipeError(
            f"its recipe has another {', '.join(differing)} than this version gives it: use the version that made it"
        )
    return recipe


def in_words(record: dict[str, Any]) -> str:
    """A recipe's record as one would ask for it: its name, or what differs from the default.

    Args:
        record: As `Recipe.record` gives it, from any version.
    """
    for name, changes in RECIPES.items():
        if Recipe(**changes).record() == record:
            return name
    usual = Recipe().record()
    differing = {key: value for key, value in record.items() if value != usual.get(key) and key != "colour_table"}
    if record.get("algorithm") == ALGORITHM:
        differing.pop("height" if record.get("height") == record.get("scales") else "", None)
        differing.pop("width" if record.get("width") == record.get("columns") else "", None)
    return " ".join(["default", *(f"{key}={value}" for key, value in differing.items())])


def colour_table(name: str) -> NDArray[np.uint8]:
    """Colour table of a matplotlib colour map, uint8 (256, 3), from the lowest to the highest level.

    Raises:
        RecipeError: matplotlib has no colour map of that name.
    """
    if name == "grey":
        return np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    if name == "viridis":
        return np.frombuffer(_viridis.TABLE, np.uint8).reshape(256, 3)
    import matplotlib

    if name not in matplotlib.colormaps:
        raise RecipeError(unknown("colour map", name, ["grey", *matplotlib.colormaps]))
    table: NDArray[np.uint8] = matplotlib.colormaps[name].resampled(256)(np.arange(256), bytes=True)[:, :3]
    return np.ascontiguousarray(table)


def row_frequencies(transform: Transform, f_min: float, f_max: float, rows: int) -> NDArray[np.float64]:
    """Centre frequency of each row in Hz, descending, (rows,): geometric, or equally spaced in Hz or mel."""
    if transform == "wavelet":
        return np.geomspace(f_max, f_min, rows)
    if transform == "stft":
        return np.linspace(f_max, f_min, rows)
    edges = np.linspace(np.log1p(f_max / 700), np.log1p(f_min / 700), rows + 2)
    return 700 * np.expm1(edges[1:-1])
