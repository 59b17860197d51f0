"""The conditioned waveform itself, for models that learn from samples."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from precompute.audio.chain import Audio, Frame
from precompute.common.arrays import Array
from precompute.features import _base

STEPS = {"rms": 1024, "none": 32768}
"""int16 steps in 1, by `normalise`.  At a root mean square of 1 the range of 32 holds every peak of speech, and the rounding
lies 71 dB below; without normalisation the steps are those of 16-bit audio."""


@dataclass(frozen=True)
class Feature(_base.Feature):
    """The frame's samples.

    Attributes:
        dtype: `float32`, or `int16` in half the space: 1024 steps are 1, and 32768 without normalisation.
    """

    title: ClassVar[str] = "waveforms"

    dtype: Literal["float32", "int16"] = "float32"

    def array(self, audio: Audio) -> Array:
        """Samples, (samples,).  Libraries that resample and normalise differ in the last bits."""
        return Array(self.dtype, (audio.samples,), ("time",), 1.0 if self.dtype == "int16" else 1e-3)

    def compute(self, frame: Frame) -> _base.Computed:
        """The frame, zero outside of the utterance."""
        samples = frame.padded
        if self.dtype == "int16":
            steps = np.rint(samples * np.float32(STEPS[frame.audio.normalise]))
            return _base.Computed(np.clip(steps, -32768, 32767).astype(np.int16))
        return _base.Computed(samples)
