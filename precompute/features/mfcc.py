"""Mel-frequency cepstral coefficients of frames, by kaldi-native-fbank.

Davis & Mermelstein 1980 (doi 10.1109/TASSP.1980.1163420): the cosine transform of the logarithms of the powers in mel bands;
Kaldi's variant, with its window (Povey's), pre-emphasis by 0.97, 23 bands and liftering by 22.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from precompute.audio.chain import Audio, Frame
from precompute.common.arrays import Array
from precompute.common.errors import RecipeError
from precompute.common.settings import setting
from precompute.features import _base

BANDS = 23


@dataclass(frozen=True)
class Feature(_base.Feature):
    """Coefficients of each frame, of which the first is the logarithm of the frame's energy.

    Each step of time has one frame, centred on its middle.  f_min and f_max are the outer edges of the mel bands.

    Attributes:
        coefficients: Number of coefficients, with the energy.
        hop: From one frame to the next, in seconds.
        window: Length of a frame in seconds, at least `hop`.
    """

    title: ClassVar[str] = "mel-frequency cepstral coefficients"

    coefficients: int = setting(13, low=2, high=BANDS)
    hop: float = setting(0.010, low=0.001, high=1.0)
    window: float = setting(0.025, low=0.001, high=1.0)

    def check(self, audio: Audio) -> None:
        """Refuse also steps of no whole number of samples, windows that leave samples out, and bands that are too narrow."""
        super().check(audio)
        samples, steps = self.hop * audio.sample_rate, audio.duration / self.hop
        if not _whole(samples) or not _whole(steps):
            raise RecipeError(
                f"hop={self.hop} s is {samples:g} samples, and duration={audio.duration} s is {steps:g} hops, and both must be "
                f"whole numbers: choose a multiple of {1 / audio.sample_rate:g} s for hop, and a multiple of hop for duration"
            )
        if self.window < self.hop:
            raise RecipeError(
                f"window={self.window} s is shorter than hop={self.hop} s, and would leave samples out: give a longer window "
                "or a smaller hop"
            )
        self._computer(audio)

    def array(self, audio: Audio) -> Array:
        """Coefficients (coefficients, steps), instead of frequencies; the lowest is first."""
        return Array("float32", (self.coefficients, round(audio.duration / self.hop)), ("frequency", "time"), 0.01)

    def compute(self, frame: Frame) -> _base.Computed:
        """The coefficients of the frame."""
        audio = frame.audio
        rate, steps = audio.sample_rate, self.array(audio).steps
        hop, window = round(self.hop * rate), round(self.window * rate)
        computer = self._computer(audio)
        computer.accept_waveform(rate, np.pad(frame.padded, ((window - hop) // 2, window)).tolist())
        return _base.Computed(np.stack([computer.get_frame(step) for step in range(steps)], axis=1).astype(np.float32))

    def _computer(self, audio: Audio) -> Any:
        """Kaldi's computation.

        Raises:
            RecipeError: Its bands would be narrower than the bins of the window's spectrum.
        """
        import kaldi_native_fbank

        options = kaldi_native_fbank.MfccOptions()
        options.frame_opts.samp_freq = audio.sample_rate
        options.frame_opts.frame_length_ms = 1000 * round(self.window * audio.sample_rate) / audio.sample_rate
        options.frame_opts.frame_shift_ms = 1000 * round(self.hop * audio.sample_rate) / audio.sample_rate
        options.frame_opts.dither = 0
        options.mel_opts.num_bins = BANDS
        options.mel_opts.low_freq = audio.f_min
        options.mel_opts.high_freq = audio.f_max
        options.num_ceps = self.coefficients
        options.use_energy = True
        try:
            return kaldi_native_fbank.OnlineMfcc(options)
        except ValueError:
            raise RecipeError(
                f"{BANDS} mel bands from {audio.f_min:g} to {audio.f_max:g} Hz are narrower than the bins of a window of "
                f"{self.window} s: change f_min and f_max, or give a longer window"
            ) from None


def _whole(number: float) -> bool:
    return abs(number - round(number)) < 1e-6
