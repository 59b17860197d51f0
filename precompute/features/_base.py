"""What every feature is: its parameters, the array that it gives, and how it is computed."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from precompute.audio.chain import Audio, Frame
from precompute.common.arrays import Array
from precompute.common.errors import RecipeError
from precompute.common.settings import check_limits, check_words

if TYPE_CHECKING:
    from precompute.wavelet.convolution import Convolution


@dataclass(frozen=True)
class Levels:
    """A spectrogram in 8 bits, to find recordings that sound nearly alike.

    Attributes:
        values: uint8 (rows, columns) of the whole frame, columns of equal duration.
        frequencies: Of the rows in Hz, descending, float64 (rows,).
    """

    values: NDArray[np.uint8]
    frequencies: NDArray[np.float64]


@dataclass(frozen=True)
class Computed:
    """A feature of one utterance.

    Attributes:
        values: As `Feature.array` says.
        levels: If they were computed in between; None otherwise.
    """

    values: NDArray[Any]
    levels: Levels | None = None


@dataclass(frozen=True)
class Feature(ABC):
    """The parameters of a feature, which are fields of the dataclass, and what it makes of a frame by them.

    Attributes:
        algorithm: Raised by hand whenever the same parameters give other numbers, so that older caches are not used for them.
        title: What it gives, in a few words.
        licence: Of software that it needs and this project does not have, in a sentence without a full stop; else empty.
    """

    algorithm: ClassVar[int] = 1
    title: ClassVar[str] = ""
    licence: ClassVar[str] = ""

    def __post_init__(self) -> None:
        check_words(self, RecipeError)
        check_limits(self, RecipeError)

    def check(self, audio: Audio) -> None:
        """Refuse parameters that do not fit the audio chain.

        Raises:
            RecipeError: They do not; the message names the key and the remedy.
        """
        samples = round(audio.duration * audio.sample_rate, 6)
        if samples % 1:
            raise RecipeError(
                f"duration={audio.duration} s is {samples:g} samples, not a whole number: choose a multiple of "
                f"{1 / audio.sample_rate:g} s, such as {audio.samples / audio.sample_rate}"
            )

    def require(self) -> None:  # noqa: B027
        """Refuse to start where software is missing that computing needs.

        Raises:
            WserError: It is; the message names it and how to install it.
        """

    def convolutions(self, audio: Audio) -> "tuple[Convolution, ...]":  # noqa: ARG002
        """How its power can be computed elsewhere, from a waveform at the rate of the audio chain.

        Raises:
            RecipeError: There is no such form of it.
        """
        raise RecipeError("only scalograms are computed by convolutions: give one of the recipes of scalograms")

    @abstractmethod
    def array(self, audio: Audio) -> Array:
        """What it gives of each utterance."""

    @abstractmethod
    def compute(self, frame: Frame) -> Computed:
        """The feature of one utterance."""

    def record(self) -> dict[str, Any]:
        """All of its parameters that change a number of what it gives, for JSON."""
        return asdict(self)
