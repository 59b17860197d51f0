"""Functionals of an utterance by openSMILE: one vector, statistics over time of pitch, loudness, spectrum and voice quality.

What most baselines of the field use: eGeMAPS (Eyben et al. 2016, doi 10.1109/TAFFC.2015.2457417) and ComParE 2016
(Schuller et al. 2016, doi 10.21437/Interspeech.2016-129).  The recipes `egemaps` and `compare` give them of the recordings at
their own level, which is one of the things measured.

openSMILE takes 16-bit samples.  They are the frame's without padding: of full scale 1, or with `normalise=rms` in steps of
1/1024, so that no peak of speech is cut off (as `waveform` stores them).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np

from precompute.audio.chain import Audio, Frame
from precompute.common.arrays import Array
from precompute.common.errors import UnusableAudioError, WserError
from precompute.features import _base
from precompute.features.waveform import STEPS

SETS = {"egemaps": ("eGeMAPSv02", 88), "compare": ("ComParE_2016", 6373)}
"""What openSMILE calls each set, and its number of functionals."""

VERSION = "2.6"
"""Of openSMILE: another may give other numbers for the same recording, and would need another `algorithm`."""

FULL_SCALE = 32768
"""Steps of 16-bit samples in 1."""

LICENCE = "openSMILE is licensed for private use, research and education alone, not for products (audeering.com/opensmile)"

INSTALL = f"run python -m pip install 'opensmile=={VERSION}.*'"


class OpensmileError(WserError, ImportError):
    """Functionals are to be computed, and openSMILE is not installed, or another version of it."""


@dataclass(frozen=True)
class Feature(_base.Feature):
    """Functionals of one utterance.

    Attributes:
        set: Which functionals: `egemaps`, the 88 of eGeMAPSv02; or `compare`, the 6373 of ComParE 2016.
    """

    title: ClassVar[str] = "functionals of openSMILE"
    licence: ClassVar[str] = LICENCE

    set: Literal["egemaps", "compare"] = "compare"

    def array(self, audio: Audio) -> Array:  # noqa: ARG002
        """A vector.  Of the same 16-bit samples processors give the same numbers; resampling may differ in the last bit."""
        return Array("float32", (SETS[self.set][1],), ("value",), 0.0)

    def require(self) -> None:
        """Refuse to start without openSMILE.

        Raises:
            OpensmileError: It is not installed, or another version is.
        """
        _extractor(self.set)

    def compute(self, frame: Frame) -> _base.Computed:
        """The functionals of the utterance.

        Raises:
            OpensmileError: openSMILE is missing.
            UnusableAudioError: The utterance is too short for them.
        """
        extractor = _extractor(self.set)
        samples = np.rint(frame.samples * np.float32(STEPS[frame.audio.normalise]))
        # In openSMILE's own conversion to 16 bits what is louder than full scale would change its sign.
        signal = np.clip(samples, -FULL_SCALE, FULL_SCALE - 1).astype(np.float32) / np.float32(FULL_SCALE)
        values = np.asarray(_quietly(extractor, signal, frame.audio.sample_rate), np.float32).ravel()
        if not np.isfinite(values).all():
            seconds = len(signal) / frame.audio.sample_rate
            raise UnusableAudioError(f"openSMILE gives no functionals of it ({seconds:.3f} s; it needs 0.06 s)")
        return _base.Computed(values)


def _quietly(extractor: Any, signal: Any, rate: int) -> Any:
    import warnings

    with warnings.catch_warnings():
        # That what is too short gives no numbers shows by the numbers.
        warnings.simplefilter("ignore", UserWarning)
        return extractor(signal, rate)


@lru_cache(maxsize=len(SETS))
def _extractor(name: str) -> Any:
    """The extractor of a set, in this process and its one thread.

    Raises:
        OpensmileError: It is not installed, or another version is.
    """
    # Not at the top: what a cache holds is known without it.
    try:
        import opensmile
    except ImportError:
        raise OpensmileError(
            f"feature=functionals needs the package opensmile, which is not installed: {INSTALL} ({LICENCE})"
        ) from None
    if not f"{opensmile.__version__}.".startswith(f"{VERSION}."):
        raise OpensmileError(
            f"opensmile {opensmile.__version__} is installed, and feature=functionals needs {VERSION}: {INSTALL}"
        )
    return opensmile.Smile(opensmile.FeatureSet[SETS[name][0]], opensmile.FeatureLevel.Functionals, num_workers=1)
