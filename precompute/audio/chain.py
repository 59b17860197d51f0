"""The audio chain: its parameters, and the frame that it makes of a recording, of which features are computed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precompute.audio import Noise, Normalise, Pad
from precompute.common.errors import RecipeError
from precompute.common.settings import check_limits, check_words, setting

ALGORITHM = 1
"""Raised by hand whenever the same parameters give another waveform, so that older caches are not used for it."""


@dataclass(frozen=True)
class Audio:
    """How a recording becomes the frame of which a feature is computed (paper 3.4, doi 10.18280/ts.420205).

    Attributes:
        sample_rate: Sample rate to which recordings are resampled, in Hz.
        duration: Duration to which utterances are padded or cropped, in seconds.
        f_min: Lower end of the frequency band, in Hz, more than 0; for a time-frequency feature, centre of its lowest row or
            lower edge of its lowest band.
        f_max: Upper end of the band, at most half the sample rate; likewise for the highest row or band.
        noise: Noise that is added before normalisation, seeded by the utterance's key: `none`, `white` or `babble`.
        snr_db: Signal-to-noise ratio in dB, from f_min to f_max.
        normalise: `rms` divides the utterance, before padding, by its root mean square (3.4) from f_min to f_max; `none` does
            not.  The mean is subtracted in either case.
        pad: Position of the utterance in the frame, or which segment of a longer one is kept: `end` pads and crops at the
            end, `centre` on both sides equally, `random` as in the paper (3.4), drawn from the utterance's key.
    """

    sample_rate: int = setting(16000, low=1000, high=192_000)
    duration: float = setting(8.0, low=0.01, high=600.0)
    f_min: float = 60.0
    f_max: float = 7600.0
    noise: Noise = "none"
    snr_db: float = setting(20.0, read_with={"noise": ["white", "babble"]}, low=-60.0, high=100.0)
    normalise: Normalise = "rms"
    pad: Pad = "end"

    def __post_init__(self) -> None:
        check_words(self, RecipeError)
        check_limits(self, RecipeError)
        if not 0 < self.f_min < self.f_max <= self.sample_rate / 2:
            raise RecipeError(
                f"f_min={self.f_min} and f_max={self.f_max} must satisfy 0 < f_min < f_max <= {self.sample_rate / 2} Hz, "
                "half the sample rate: change them or sample_rate"
            )

    @property
    def samples(self) -> int:
        """Length of the frame in samples."""
        return round(self.duration * self.sample_rate)


@dataclass(frozen=True)
class Frame:
    """An utterance in the frame of which features are computed.

    Attributes:
        samples: Of the utterance, float32 (n,).
        offset: Index in the frame of the first of them; zeros are before and after.
        audio: Says the frame's length and rate.
    """

    samples: NDArray[np.float32]
    offset: int
    audio: Audio

    @property
    def padded(self) -> NDArray[np.float32]:
        """The whole frame, float32 (samples,)."""
        frame = np.zeros(self.audio.samples, np.float32)
        frame[self.offset : self.offset + len(self.samples)] = self.samples
        return frame
