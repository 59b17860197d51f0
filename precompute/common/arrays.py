"""An item of a cache's arrays: type, shape, axes, and how much copies of it may differ."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from precompute.common.reading import typed

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64")
"""Types of the numbers in a cache, as NumPy and Zarr name them; stored little-endian."""

LARGEST_ITEM = 1024 * 8192 * 3
"""Largest size of an item in bytes: that of the largest picture.  Readers refuse more before they allocate memory."""

MOST_AXES = 4

KINDS = {
    ("frequency", "time", "colour"): "picture",
    ("frequency", "time"): "levels",
    ("time",): "waveform",
    ("value",): "vector",
}
"""Kind of input, as models name what they accept, by axes."""


@dataclass(frozen=True)
class Array:
    """The array that a feature gives for one utterance.

    Attributes:
        dtype: One of `DTYPES`.
        shape: Length of each axis.
        axes: Name of each: `time`, `frequency`, `colour`, or anything else.
        tolerance: Largest difference of a value that another processor or library may cause for the same recording.
    """

    dtype: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    tolerance: float

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"the type {self.dtype!r:.50} is unknown: choose from {', '.join(DTYPES)}")
        whole = all(type(n) is int and n > 0 for n in self.shape)
        if not whole or not 1 <= len(self.shape) <= MOST_AXES or len(self.axes) != len(self.shape):
            raise ValueError(
                f"the shape {self.shape!r:.50} must have 1 to {MOST_AXES} axes, each with a name and a length of at least 1"
            )
        if self.bytes > LARGEST_ITEM:
            raise ValueError(f"the shape {self.shape} of {self.dtype} takes {self.bytes} bytes, more than {LARGEST_ITEM}")
        if len(set(self.axes)) != len(self.axes) or not all(name.isidentifier() and len(name) < 50 for name in self.axes):
            raise ValueError(f"the axes {self.axes!r:.50} must be distinct identifiers")
        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise ValueError(f"the tolerance {self.tolerance} must be a number of at least 0")

    @property
    def bytes(self) -> int:
        """Size of an item."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @property
    def kind(self) -> str:
        """Kind of input, one of `KINDS`; the axes where it is another."""
        return KINDS.get(self.axes, f"({', '.join(self.axes)})")

    @property
    def time(self) -> int | None:
        """Index of the time axis; None without one."""
        return self.axes.index("time") if "time" in self.axes else None

    @property
    def steps(self) -> int:
        """Length of the time axis; 1 without one."""
        return 1 if self.time is None else self.shape[self.time]

    def part(self, start: int, stop: int) -> tuple[slice, ...]:
        """The index of some time steps of an item; of the whole item where it has no time axis."""
        cut = slice(start, stop)
        return tuple(cut if place == self.time else slice(None) for place in range(len(self.shape)))

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {"dtype": self.dtype, "shape": list(self.shape), "axes": list(self.axes), "tolerance": self.tolerance}

    def __str__(self) -> str:
        return f"{self.dtype} of {' x '.join(map(str, self.shape))} ({' x '.join(self.axes)})"


def picture(height: Any, width: Any) -> Array:
    """An RGB picture.

    Raises:
        ValueError: It would be too large.
    """
    return Array("uint8", (height, width, 3), ("frequency", "time", "colour"), 1.0)


def from_record(record: Any) -> Array:
    """The array of a record that `Array.record` made.

    Raises:
        ValueError: The record is not valid.
    """
    return typed(record, Array, "'array'")
