"""Frames of a waveform."""

import numpy as np
from numpy.typing import NDArray


def framed(samples: NDArray[np.float64], window: int, hop: int) -> NDArray[np.float64]:
    """Frames that lie within the samples.

    Args:
        samples: (n,).
        window: Samples of a frame.
        hop: Samples from one frame to the next.

    Returns:
        (frames, window), a view; of fewer samples than a frame has one, with zeros at its end.
    """
    if len(samples) < window:
        samples = np.pad(samples, (0, window - len(samples)))
    return np.lib.stride_tricks.sliding_window_view(samples, window)[::hop]
