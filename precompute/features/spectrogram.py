"""Spectrograms other than wavelets', on the same grid of rows and columns, for comparison: by SciPy and kaldi-native-fbank.

Each column is one frame, centred on the middle of the column.  Windows are Hann's, scaled to a sum of 1: a sinusoid of
amplitude A gives 1.5 A^2 / 4 in all bins together, where a wavelet gives A^2 / 4 at its centre frequency.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from precompute.common.errors import RecipeError


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


def mel(
    frame: NDArray[np.float32], f_min: float, f_max: float, rows: int, sample_rate: int, columns: int, window: int
) -> NDArray[np.float32]:
    """Power in triangular bands, equally spaced on the mel scale 1127 ln(1 + f / 700), as Kaldi computes it.

    Args:
        frame: Padded utterance, (n,), n a multiple of `columns`.
        f_min: Lower edge of the lowest band in Hz.
        f_max: Upper edge of the highest band in Hz.
        rows: Number of bands.
        sample_rate: In Hz.
        columns: Number of frames.
        window: Length of the window in samples, at least n / columns.

    Returns:
        float32 (rows, columns), the highest band first.
    """
    import scipy.signal

    hop = len(frame) // columns
    bank = mel_bank(f_min, f_max, rows, sample_rate, hop, window)
    before = (window - hop) // 2
    bank.accept_waveform(sample_rate, np.pad(frame, (before, window)).tolist())
    bands = np.stack([bank.get_frame(column) for column in range(columns)], axis=1)[::-1]
    power: NDArray[np.float32] = (bands / scipy.signal.windows.hann(window).sum() ** 2).astype(np.float32)
    return power


def mel_bank(f_min: float, f_max: float, rows: int, sample_rate: int, hop: int, window: int) -> Any:
    """Kaldi's computation of mel bands.

    Raises:
        RecipeError: There are fewer than 3 bands, or so many that some would be narrower than the FFT's bins.
    """
    import kaldi_native_fbank

    options = kaldi_native_fbank.FbankOptions()
    options.use_log_fbank = False
    options.frame_opts.samp_freq = sample_rate
    options.frame_opts.frame_length_ms = 1000 * window / sample_rate
    options.frame_opts.frame_shift_ms = 1000 * hop / sample_rate
    options.frame_opts.window_type = "hanning"
    options.frame_opts.dither = 0
    options.frame_opts.preemph_coeff = 0
    options.frame_opts.remove_dc_offset = False
    options.mel_opts.num_bins = rows
    options.mel_opts.low_freq = f_min
    options.mel_opts.high_freq = f_max
    try:
        return kaldi_native_fbank.OnlineFbank(options)
    except ValueError:
        raise RecipeError(
            f"scales={rows} mel bands from {f_min:g} to {f_max:g} Hz are fewer than 3, or narrower than the bins of a window "
            f"of {window / sample_rate:g} s: change scales, f_min and f_max, or give a longer window"
        ) from None
