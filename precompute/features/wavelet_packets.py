"""Energies of wavelet packets: one vector, the level of each band of a tree of bands, its mean and deviation over time.

The wavelet packet transform (Coifman & Wickerhauser 1992, doi 10.1109/18.119732) splits a band into halves again and again, by
PyWavelets (doi 10.21105/joss.01237).  Huang et al. (doi 10.1007/978-3-642-38466-0_40) prune such a tree to the bands that tell
emotions apart; the model `huang_y2015` does this, and the whole tree is here.

Our reading of what is not published: the wavelet `db4`, five levels, frames of 32 ms every 16 ms through Hamming's window, and
mean and deviation over the frames.  The recipe `wavelet_packets` takes the recordings at their own level.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from precompute.audio.chain import Audio, Frame
from precompute.common.arrays import Array
from precompute.common.errors import RecipeError
from precompute.common.settings import setting
from precompute.features import _base
from precompute.features._frames import framed

WAVELET = "db4"

WINDOW, HOP = 0.032, 0.016
"""Length of a frame, and the distance from one to the next, in seconds."""

LEAST_POWER = 1e-10
"""Of a band, 100 dB under full scale: digital silence is no quieter."""


@dataclass(frozen=True)
class Feature(_base.Feature):
    """Levels of the bands of one utterance.

    Attributes:
        levels: Depth of the tree: level k has 2^k bands of equal width.
    """

    title: ClassVar[str] = "energies of wavelet packets"

    levels: int = setting(5, low=1, high=8)

    def check(self, audio: Audio) -> None:
        """Refuse also a tree that is deeper than a frame is long."""
        super().check(audio)
        samples = round(WINDOW * audio.sample_rate)
        if 2**self.levels > samples:
            raise RecipeError(
                f"levels={self.levels} has {2**self.levels} bands, and a frame of {WINDOW} s has {samples} samples: give fewer "
                "levels or a higher sample_rate"
            )

    def array(self, audio: Audio) -> Array:  # noqa: ARG002
        """A vector: the mean level in dB of each band and then the deviation of each, level by level, from low to high."""
        return Array("float32", (2 * bands(self.levels),), ("value",), 0.01)

    def compute(self, frame: Frame) -> _base.Computed:
        """The levels of the utterance."""
        import scipy.signal

        rate = frame.audio.sample_rate
        window = scipy.signal.windows.hamming(round(WINDOW * rate), sym=False)
        frames = framed(frame.samples.astype(np.float64), len(window), round(HOP * rate)) * window
        db = 10 * np.log10(np.maximum(packet_powers(frames, self.levels), LEAST_POWER))
        return _base.Computed(np.concatenate([db.mean(axis=1), db.std(axis=1)]).astype(np.float32))


def bands(levels: int) -> int:
    """Number of bands of the levels from 1 on."""
    return (2 << levels) - 2


def packet_powers(frames: NDArray[np.float64], levels: int) -> NDArray[np.float64]:
    """Power of frames in the bands of wavelet packets.

    Each frame continues periodically, so that the transform is orthogonal, and the powers of the bands of each level add up to
    the mean square of the frame where its length is a multiple of 2^levels.

    Args:
        frames: (frames, samples).
        levels: Depth of the tree.

    Returns:
        float64 (bands, frames): level 1 first, and within a level from the lowest band to the highest.
    """
    import pywt

    tree = pywt.WaveletPacket(frames, WAVELET, mode="periodization", maxlevel=levels, axis=-1)
    nodes = [node for level in range(1, levels + 1) for node in tree.get_level(level, order="freq")]
    powers: NDArray[np.float64] = np.stack([np.sum(np.square(node.data), axis=-1) for node in nodes]) / frames.shape[1]
    return powers
