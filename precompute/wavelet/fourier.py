"""Fourier transforms of a frame that lies in columns, as many short ones, which pocketfft computes several times as fast.

With Cooley and Tukey's factorization (1965, doi 10.1090/S0025-5718-1965-0178586-1), sample c * samples + s enters bin
k1 + columns * k2 of n = columns * samples with the factor exp(-2 pi i (c k1 / columns + s k1 / n + s k2 / samples)): a
transform over c, a multiplication, a transform over s.  A spectrum is kept as this leaves it, X[k1, k2]; that of a real frame
for k1 from 0 to columns / 2, since the rest follows.
"""

from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Real = NDArray[np.float32]
Complex = NDArray[np.complex64]


def spectrum(frame: Real) -> Complex:
    """Spectrum X[k1, k2] of a frame.

    Args:
        frame: float32 (columns, samples), the number of columns even.

    Returns:
        complex64 (columns / 2 + 1, samples).
    """
    columns, samples = frame.shape
    over_columns = scipy.fft.rfft(frame, axis=0)
    over_columns *= _turns(columns // 2 + 1, columns, samples).conj()
    spectrum: Complex = scipy.fft.fft(over_columns, axis=1, overwrite_x=True)
    return spectrum


def resampled(spectrum: Complex, per_column: int) -> Real:
    """The waveform at another rate, a lower one cut off sharply at half of it, in units of samples / per_column.

    Args:
        spectrum: Of the frame, (columns / 2 + 1, samples); for a higher rate, without the frequency of half the frame's rate.
        per_column: Samples in a column at the new rate.

    Returns:
        float32 (columns, per_column): sample j is taken at (j + 1/2) * samples / per_column - 1/2, the middle of those for
        which it stands, so that a column is the same seen from either end.
    """
    columns, samples = 2 * (len(spectrum) - 1), spectrum.shape[1]
    bins, turns = _at_rate(columns, samples, per_column)
    kept = min(per_column, samples)
    above = np.zeros((len(spectrum), per_column - kept), np.complex64)
    band = np.concatenate([spectrum[:, : -(-kept // 2)], above, spectrum[:, samples - kept // 2 :]], axis=1)
    band *= bins
    over_columns = scipy.fft.ifft(band, axis=1, overwrite_x=True)
    over_columns *= turns
    waveform: Real = scipy.fft.irfft(over_columns, columns, axis=0, overwrite_x=True)
    return waveform


@lru_cache(maxsize=32)
def _turns(rows: int, columns: int, samples: int) -> Complex:
    """The factors exp(2 pi i s k1 / n), (rows, samples)."""
    return _exponential(np.outer(np.arange(rows), np.arange(samples)) / (columns * samples))


@lru_cache(maxsize=128)
def _at_rate(columns: int, samples: int, per_column: int) -> tuple[Complex, Complex]:
    """The factors of k2, (per_column,), and of k1 and j, (columns / 2 + 1, per_column), for the samples of another rate."""
    step = samples / per_column
    times = (np.arange(per_column) + 0.5) * step - 0.5
    bins = np.fft.fftfreq(per_column, 1 / per_column)
    return _exponential(bins * times[0] / samples), _exponential(
        np.outer(np.arange(columns // 2 + 1), times) / (columns * samples)
    )


def _exponential(turns: NDArray[np.float64]) -> Complex:
    factors: Complex = np.exp(2j * np.pi * turns).astype(np.complex64)
    return factors
