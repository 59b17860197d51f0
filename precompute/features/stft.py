"""The short-time Fourier transform on the scalogram's grid of columns, rows equally spaced in Hz; for comparison, by SciPy."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from precompute.audio.chain import Audio, Frame
from precompute.features import _spectral


@dataclass(frozen=True)
class Feature(_spectral.Windowed):
    """A spectrogram; rows are bands of equal width."""

    title: ClassVar[str] = "spectrograms"
    layout_1: ClassVar[dict[str, Any]] = _spectral.OF_SCALOGRAMS | {"transform": "stft"}
    ticks: ClassVar[tuple[int, ...]] = (1000, 3000, 5000, 7000)

    def powers(self, frame: Frame) -> list[NDArray[np.float32]]:
        """One, float32 (scales, columns)."""
        window = round(self.window * frame.audio.sample_rate)
        return [stft(frame.padded, self.frequencies(frame.audio), frame.audio.sample_rate, self.columns, window)]

    def frequencies(self, audio: Audio) -> NDArray[np.float64]:
        """Centre frequency of each row in Hz, float64 (scales,), from the highest down."""
        return centres(np.arange(self.scales), audio.f_min, audio.f_max, self.scales)


def centres(row: NDArray[Any], f_min: float, f_max: float, rows: int) -> NDArray[np.float64]:
    """Frequency in Hz at some rows, whole or between two, equally spaced from f_max (row 0) down to f_min (the last)."""
    return np.where(row == rows - 1, f_min, row * ((f_min - f_max) / (rows - 1)) + f_max)


def stft(
    frame: NDArray[np.float32], frequencies: NDArray[np.float64], sample_rate: int, columns: int, window: int
) -> NDArray[np.float32]:
    """Power of the short-time Fourier transform, averaged over the band of each row.

    Args:
        frame: Padded utterance, (n,), n a multiple of `columns`.
        frequencies: Centre of each row's band in Hz, equally spaced, descending, (rows,).
        sample_rate: In Hz.
        columns: Number of frames.
        window: Length of the window in samples, at least n / columns.

    Returns:
        float32 (rows, columns).
    """
    import scipy.interpolate
    import scipy.signal

    hop = len(frame) // columns
    hann = scipy.signal.windows.hann(window, sym=False)
    transform = scipy.signal.ShortTimeFFT(hann, hop, sample_rate, scale_to="magnitude")
    # Frame 0 of ShortTimeFFT is centred on the first sample; ours on the middle of the first column.
    power = transform.spectrogram(np.pad(frame, (0, window)), p0=0, p1=columns, k_offset=hop // 2)
    half = abs(frequencies[0] - frequencies[1]) / 2
    edges = transform.delta_f * (np.arange(len(power) + 1) - 0.5)
    risen = np.vstack([np.zeros(columns), np.cumsum(power, axis=0)]) * transform.delta_f
    high, low = (np.clip(f, edges[0], edges[-1]) for f in (frequencies + half, frequencies - half))
    risen_to = scipy.interpolate.interp1d(edges, risen, axis=0)
    mean: NDArray[np.float32] = ((risen_to(high) - risen_to(low)) / (high - low)[:, None]).astype(np.float32)
    return mean
