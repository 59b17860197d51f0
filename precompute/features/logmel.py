"""Mel bands on the scalogram's grid of columns, for comparison, by kaldi-native-fbank."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from precompute.audio.chain import Audio, Frame
from precompute.common.errors import RecipeError
from precompute.features import _spectral


@dataclass(frozen=True)
class Feature(_spectral.Windowed):
    """A mel spectrogram; rows are triangular bands, and f_min and f_max the outer edges of the lowest and the highest."""

    title: ClassVar[str] = "log-mel spectrograms"
    layout_1: ClassVar[dict[str, Any]] = _spectral.OF_SCALOGRAMS | {"transform": "mel"}

    def check(self, audio: Audio) -> None:
        """Refuse also bands that are fewer than 3, or narrower than the bins."""
        super().check(audio)
        hop, window = audio.samples // self.columns, round(self.window * audio.sample_rate)
        mel_bank(audio.f_min, audio.f_max, self.scales, audio.sample_rate, hop, window)

    def powers(self, frame: Frame) -> list[NDArray[np.float32]]:
        """One, float32 (scales, columns)."""
        audio, window = frame.audio, round(self.window * frame.audio.sample_rate)
        return [mel(frame.padded, audio.f_min, audio.f_max, self.scales, audio.sample_rate, self.columns, window)]

    def frequencies(self, audio: Audio) -> NDArray[np.float64]:
        """Centre frequency of each band in Hz, float64 (scales,), from the highest down."""
        return centres(np.arange(self.scales), audio.f_min, audio.f_max, self.scales)


def centres(row: NDArray[Any], f_min: float, f_max: float, rows: int) -> NDArray[np.float64]:
    """Frequency in Hz at some rows, whole or between two, equally spaced in mel; f_max and f_min are rows -1 and `rows`."""
    high, low = np.log1p(f_max / 700), np.log1p(f_min / 700)
    return np.asarray(700 * np.expm1(high + (np.asarray(row) + 1) * ((low - high) / (rows + 1))))


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
