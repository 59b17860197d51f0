"""The recipe: every parameter that changes a pixel, and the id that follows from it."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import rfc8785
from numpy.typing import NDArray

from precompute.errors import RecipeError, unknown
from precompute.layout import ID_LENGTH
from precompute.wavelet import CUTOFF, FEWEST_SAMPLES, Morlet

ALGORITHM = 1
"""Raised by hand whenever the same parameters give other pixels, so that no older cache answers for them."""

LEAST_SHAPE = float(-np.log(CUTOFF)) / np.pi**2
"""Least B * C^2 of a complex Morlet wavelet: its response exp(-pi^2 B C^2) at 0 Hz is then no more than the cutoff."""

Normalise = Literal["rms", "none"]
Pad = Literal["end", "centre", "random"]
Reference = Literal["fixed", "peak"]


@dataclass(frozen=True)
class Recipe:
    """How a recording becomes a wavelet-scaled spectrogram (paper 3.1 and 3.4, doi 10.18280/ts.420205).

    The defaults: 128 scales from 60 Hz, under the lowest male F0, to 7.6 kHz, under the anti-aliasing edge of 16 kHz
    audio, put about 18 rows on each octave; the complex Morlet wavelet of bandwidth 1.5 separates the first two harmonics
    of a voice and shows formants above, and did better on EmoDB's validation speakers than the finer frequencies and
    coarser times of bandwidth 6; columns of 31.25 ms still show syllables.  After RMS normalisation the peaks of speech lie
    a few dB above 0, so that a fixed range from -70 to 10 dB clips little and keeps level comparable between utterances.

    Attributes:
        wavelet: Complex Morlet as PyWavelets names it, `cmorB-C`: bandwidth parameter B and centre frequency C, with
            B * C^2 at least 1.17, under which it would not vanish at 0 Hz.
        scales: Number of scales, spaced geometrically; at least 2.
        f_min: Centre frequency of the coarsest scale, in Hz; more than 0.
        f_max: Centre frequency of the finest scale, in Hz; at most half the sample rate.
        sample_rate: To which recordings are resampled, in Hz.
        duration: To which utterances are padded or cropped, in seconds; a whole number of samples per column.
        columns: Number of time columns into which power is pooled.
        normalise: `rms` divides the utterance by its root mean square before padding (3.4); `none` leaves it.
        pad: Where the utterance lies in the frame, or which part of a longer one is kept: `end` pads and crops at the
            end, `centre` on both sides alike, `random` as the paper (3.4), drawn from the utterance's key.
        reference: `fixed` puts the top of the range at `top_db`; `peak` at each utterance's own maximum.
        top_db: Upper end of the range in dB re 1 (squared units of the normalised waveform); unused with `peak`.
        range_db: Dynamic range in dB; more than 0.
        colour: Name of a matplotlib colour map, or `grey`.
        height: Rows of the image; other than `scales`, the image is resized.
        width: Columns of the image; other than `columns`, the image is resized.
    """

    wavelet: str = "cmor1.5-1.0"
    scales: int = 128
    f_min: float = 60.0
    f_max: float = 7600.0
    sample_rate: int = 16000
    duration: float = 8.0
    columns: int = 256
    normalise: Normalise = "rms"
    pad: Pad = "end"
    reference: Reference = "fixed"
    top_db: float = 10.0
    range_db: float = 80.0
    colour: str = "viridis"
    height: int = 128
    width: int = 256

    def __post_init__(self) -> None:
        object.__setattr__(self, "wavelet", _canonical_wavelet(self.wavelet))
        for name, kind in (("normalise", Normalise), ("pad", Pad), ("reference", Reference)):
            if getattr(self, name) not in get_args(kind):
                raise RecipeError(f"{name}={getattr(self, name)} is unknown: choose from {', '.join(get_args(kind))}")
        for name, low, high in (
            ("scales", 2, 1024),
            ("columns", 1, 8192),
            ("height", 1, 1024),
            ("width", 1, 8192),
            ("sample_rate", 1000, 192_000),
            ("duration", 0.01, 600.0),
            ("range_db", 1.0, 200.0),
            ("top_db", -200.0, 200.0),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise RecipeError(f"{name}={value} is outside {low} to {high}: give a value within these limits")
        if not 0 < self.f_min < self.f_max <= self.sample_rate / 2:
            raise RecipeError(
                f"f_min={self.f_min} and f_max={self.f_max} must satisfy 0 < f_min < f_max <= {self.sample_rate / 2} Hz, "
                "half the sample rate: change them or sample_rate"
            )
        samples = round(self.duration * self.sample_rate, 6)
        if samples % self.columns or samples / self.columns < FEWEST_SAMPLES:
            raise RecipeError(
                f"duration={self.duration} s is {samples:g} samples, no whole number of at least {FEWEST_SAMPLES} for each of "
                f"{self.columns} columns: choose a duration that is a multiple of {self.columns / self.sample_rate:g} s"
            )
        support = Morlet.named(self.wavelet).support / self.f_min
        if support > self.duration:
            raise RecipeError(
                f"wavelet={self.wavelet} reaches {support:.3g} s to either side at {self.f_min} Hz, more than the "
                f"{self.duration} s of the picture: raise f_min or give a wavelet of less bandwidth parameter"
            )
        colour_table(self.colour)

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
        """Centre frequency of each scale in Hz, float64 (scales,), from f_max down to f_min: the order of image rows."""
        return np.geomspace(self.f_max, self.f_min, self.scales)

    def record(self) -> dict[str, Any]:
        """Everything that changes a pixel, as the JSON object that is hashed and stored (RFC 8785 numbers)."""
        return {**asdict(self), "algorithm": ALGORITHM, "colour_table": self.table.tobytes().hex()}

    @cached_property
    def id(self) -> str:
        """First digits of the SHA-256 of the record's canonical JSON (RFC 8785)."""
        return hashlib.sha256(rfc8785.dumps(self.record())).hexdigest()[:ID_LENGTH]


RECIPES: dict[str, dict[str, Any]] = {
    "default": {},
    "grey": {"colour": "grey"},
    "paper": {"pad": "random"},
}
"""Recipes with a name, as differences from the defaults; any other is one of these with `--set key=value`."""


def named(name: str, settings: Sequence[str] = ()) -> Recipe:
    """A named recipe with some of its parameters set otherwise.

    Args:
        name: A key of `RECIPES`.
        settings: Strings of the form `key=value`.

    Raises:
        RecipeError: The name or a key is unknown, or a value has the wrong type or lies outside its limits.
    """
    if name not in RECIPES:
        raise RecipeError(unknown("recipe", name, RECIPES))
    types = {field.name: field.type for field in fields(Recipe)}
    changes: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise RecipeError(f"'{setting}' is not key=value: write it as in scales=64")
        if key not in types:
            raise RecipeError(unknown("recipe parameter", key, types))
        try:
            changes[key] = types[key](text) if types[key] in (int, float) else text  # type: ignore[operator]
        except ValueError:
            kind = "whole number" if types[key] is int else "number"
            raise RecipeError(f"{key}={text} is not a {kind}: give one, as in {key}={getattr(Recipe, key)}") from None
    return Recipe(**{**RECIPES[name], **changes})


def colour_table(name: str) -> NDArray[np.uint8]:
    """Colour table of a matplotlib colour map, uint8 (256, 3), from the lowest to the highest level.

    Raises:
        RecipeError: matplotlib has no colour map of that name.
    """
    if name == "grey":
        return np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    import matplotlib

    if name not in matplotlib.colormaps:
        raise RecipeError(unknown("colour map", name, ["grey", *matplotlib.colormaps]))
    table: NDArray[np.uint8] = matplotlib.colormaps[name].resampled(256)(np.arange(256), bytes=True)[:, :3]
    return np.ascontiguousarray(table)


def _canonical_wavelet(name: str) -> str:
    match = re.fullmatch(r"cmor(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)", name)
    if match is None:
        raise RecipeError(f"wavelet={name} is not a complex Morlet wavelet: give cmorB-C, as in cmor1.5-1.0")
    bandwidth, centre = float(match[1]), float(match[2])
    if bandwidth * centre**2 < LEAST_SHAPE:
        raise RecipeError(
            f"wavelet={name} has B * C^2 = {bandwidth * centre**2:g}, under {LEAST_SHAPE:.4g}, and so does not vanish at 0 Hz: "
            "give more bandwidth B or centre C"
        )
    return f"cmor{bandwidth}-{centre}"
