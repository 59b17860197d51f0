"""Recordings to waveforms: decoding, conditioning, noise, and the synthetic voice of the demonstration."""

from typing import Literal

Noise = Literal["none", "white", "babble"]
Pad = Literal["end", "centre", "random"]
Normalise = Literal["rms", "none"]
