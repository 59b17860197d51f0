"""Power to picture: decibels, 8-bit levels, colours."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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
    return np.asarray(Image.fromarray(levels).resize((width, height), Image.Resampling.BICUBIC))
