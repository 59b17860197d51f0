"""The 193 means over time of Issa et al. 2020 (doi 10.1016/j.bspc.2020.101894): one vector of an utterance, by librosa.

    40    MFCC
    12    chroma, of the STFT
    128   mel bands in dB re 1, at most 80 dB below the loudest
    7     spectral contrast: six octaves from 200 Hz, and the band below
    6     tonnetz (tonal centroids), of the harmonic part

Values, order and settings are those of a public implementation: the defaults of librosa (windows of 2048 samples, hop of 512).
It reads 2.5 s of each recording from 0.5 s on, at 44.1 kHz and its own level.  So does the recipe `issa193`: its frame is the
first 3 s, and `offset` leaves out their beginning.  Recordings at 16 kHz have nothing in the mel bands over 8 kHz.
"""

import importlib
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from precompute.audio.chain import Audio, Frame
from precompute.common.arrays import Array
from precompute.common.errors import RecipeError, UnusableAudioError, WserError
from precompute.common.settings import setting
from precompute.features import _base

MFCC, CHROMA, MEL, CONTRAST, TONNETZ = 40, 12, 128, 7, 6

WINDOW = 2048
"""Samples of a window."""

LEAST_RATE = 2 * 200 * 2**6
"""Sample rate in Hz that must be exceeded: the six octaves of spectral contrast end at half of it."""

VERSION = "0.11"
"""Of librosa: another may give other numbers for the same recording, and would need another `algorithm`."""

INSTALL = f"run python -m pip install 'librosa=={VERSION}.*'"


class LibrosaError(WserError, ImportError):
    """Features of librosa are to be computed, and it is not installed, or another version of it."""


@dataclass(frozen=True)
class Feature(_base.Feature):
    """The means of one utterance.

    Attributes:
        offset: Seconds of the utterance that are left out at its beginning; of one shorter than twice that, its first half.
    """

    title: ClassVar[str] = "means of 193 features of librosa"

    offset: float = setting(0.5, low=0.0, high=60.0)

    def check(self, audio: Audio) -> None:
        """Refuse also a rate that is too low for spectral contrast."""
        super().check(audio)
        if audio.sample_rate <= LEAST_RATE:
            raise RecipeError(
                f"sample_rate={audio.sample_rate} is too low for the spectral contrast of feature=issa193, which needs more "
                f"than {LEAST_RATE} Hz: give sample_rate=44100, or the recipe issa193, which has it"
            )

    def array(self, audio: Audio) -> Array:  # noqa: ARG002
        """A vector, float32 (193,).

        Of recordings at 16 kHz the highest value of spectral contrast is one of the rounding over 8 kHz, where they have
        nothing: it changes by half a decibel with the last bit of the samples, where the others keep four digits.
        """
        return Array("float32", (MFCC + CHROMA + MEL + CONTRAST + TONNETZ,), ("value",), 1.0)

    def require(self) -> None:
        """Refuse to start without librosa, and have its loops compiled.

        They are compiled when they are first called, and kept on disk for other processes.  Processes that do so at the same
        time, as workers would, now and then give each other code that ends them (a segmentation fault).

        Raises:
            LibrosaError: It is not installed, or another version is.
        """
        rate = 2 * LEAST_RATE
        means(np.sin(np.arange(rate, dtype=np.float32) / 10), rate)

    def compute(self, frame: Frame) -> _base.Computed:
        """The means of the utterance.

        Raises:
            LibrosaError: librosa is missing.
            UnusableAudioError: The utterance is too short for them.
        """
        rate, spoken = frame.audio.sample_rate, len(frame.samples)
        samples = frame.samples[min(round(self.offset * rate), spoken // 2) :]
        if len(samples) < WINDOW:
            raise UnusableAudioError(
                f"{spoken / rate:.3f} s of audio is too short for the means of issa193, which need {2 * WINDOW / rate:.3f} s"
            )
        return _base.Computed(means(samples, rate))


def means(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Means over time of the features, in the order above.

    Args:
        samples: float32 (n,), n at least 2048.
        rate: In Hz, more than 25600.

    Returns:
        float32 (193,).

    Raises:
        LibrosaError: librosa is missing.
    """
    librosa = _librosa()
    magnitude = np.abs(librosa.stft(samples, n_fft=WINDOW))
    with warnings.catch_warnings():
        # A tuning of silence, and the lowest octaves of short utterances.
        warnings.simplefilter("ignore", UserWarning)
        mel = librosa.power_to_db(librosa.feature.melspectrogram(S=magnitude**2, sr=rate, n_mels=MEL))
        parts = [
            librosa.feature.mfcc(S=mel, sr=rate, n_mfcc=MFCC),
            librosa.feature.chroma_stft(S=magnitude**2, sr=rate, n_chroma=CHROMA),
            mel,
            librosa.feature.spectral_contrast(S=magnitude, sr=rate, n_bands=CONTRAST - 1),
            librosa.feature.tonnetz(y=librosa.effects.harmonic(samples), sr=rate),
        ]
    return np.concatenate([part.mean(axis=1) for part in parts]).astype(np.float32)


def _librosa() -> Any:
    """The package.

    Raises:
        LibrosaError: It is not installed, or another version is.
    """
    # Not at the top: what a cache holds is known without it.
    try:
        librosa: Any = importlib.import_module("librosa")
    except ImportError:
        raise LibrosaError(f"feature=issa193 needs the package librosa, which is not installed: {INSTALL}") from None
    if not f"{librosa.__version__}.".startswith(f"{VERSION}."):
        raise LibrosaError(f"librosa {librosa.__version__} is installed, and feature=issa193 needs {VERSION}: {INSTALL}")
    return librosa
