"""Power to picture: decibels, 8-bit levels, colours."""

import numpy as np
from numpy.typing import NDArray

from precompute.common.errors import RecipeError, unknown
from precompute.features import _viridis

LEAST_POWER = 1e-30
"""Power that stands for zero before the logarithm: -300 dB, under any range shown."""


def decibels(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """10 log10 of power, in dB re 1; the same shape."""
    # NumPy has a fast natural logarithm of float32, five times as fast as that to base 10.
    db: NDArray[np.float32] = np.log(np.maximum(power, np.float32(LEAST_POWER))) * np.float32(10 / np.log(10))
    return db


def levels(db: NDArray[np.float32], top_db: float, range_db: float) -> NDArray[np.uint8]:
    """Linear 8-bit levels of a range of decibels: 255 at `top_db` and above, 0 at `top_db - range_db` and below."""
    scaled = (db - np.float32(top_db - range_db)) * np.float32(255 / range_db)
    rounded: NDArray[np.uint8] = np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)
    return rounded


def colour(levels: NDArray[np.uint8], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours of levels: uint8 (height, width) through a table (256, 3) to (height, width, 3)."""
    colours: NDArray[np.uint8] = np.take(table, levels, axis=0)
    return colours


def resize(levels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Levels at another size, uint8 (height, width), by Pillow's antialiased bicubic filter; unchanged at its own size."""
    if levels.shape == (height, width):
        return levels
    from PIL import Image

    return np.asarray(Image.fromarray(levels).resize((width, height), Image.Resampling.BICUBIC))


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
