"""The wavelet-scaled spectrogram: power of the continuous wavelet transform, rows equally spaced on a logarithmic axis."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from precompute.audio.chain import Audio, Frame
from precompute.common.errors import RecipeError
from precompute.common.settings import setting
from precompute.features import _spectral
from precompute.wavelet import families

if TYPE_CHECKING:
    from precompute.wavelet.convolution import Convolution

LEAST_CYCLES = 7.3
"""Least bandwidth of a wavelet, between its ends 100 dB down, times the picture's duration: a complex Morlet wavelet of less
reaches further than the picture to either side."""


@dataclass(frozen=True)
class Feature(_spectral.TimeFrequency):
    """A scalogram (paper 3.1 and 3.4, doi 10.18280/ts.420205).

    The complex Morlet wavelet of bandwidth 1.5 separates the first two harmonics of a voice and shows formants above, and did
    better on EmoDB's validation speakers than the finer frequencies and coarser times of bandwidth 6.

    Attributes:
        wavelet: Name, as in `families.wavelet`, such as `cmor1.5-1.0` or `db4`; with `rgb=wavelets` three of them, separated by
            commas.
        rgb: `colormap` colours levels by a map (the paper); `wavelets` shows three wavelets as red, green and blue.
    """

    title: ClassVar[str] = "wavelet scalograms"
    layout_1: ClassVar[dict[str, Any]] = {"transform": "wavelet", "window": 0.064}

    wavelet: str = "cmor1.5-1.0"
    rgb: Literal["colormap", "wavelets"] = setting("colormap", read_with={"values": ["picture"]})
    colour: str = setting("viridis", read_with={"rgb": ["colormap"]})

    def __post_init__(self) -> None:
        object.__setattr__(self, "wavelet", families.names(self.wavelet))
        super().__post_init__()

    @property
    def wavelets(self) -> tuple[str, ...]:
        """Names of the wavelets: one, or three with `rgb=wavelets`."""
        return tuple(self.wavelet.split(","))

    def check(self, audio: Audio) -> None:
        """Refuse also wavelets that are too many or too few, or reach further than the picture."""
        super().check(audio)
        expected = 3 if self.rgb == "wavelets" else 1
        if len(self.wavelets) != expected:
            raise RecipeError(
                f"rgb={self.rgb} and wavelet={self.wavelet} name {len(self.wavelets)}: give three wavelets, separated by "
                "commas, for rgb=wavelets, and one for rgb=colormap"
            )
        for name in self.wavelets:
            wavelet = families.wavelet(name)
            low, high = wavelet.band
            width = (high - low) / wavelet.centre * audio.f_min
            if width * audio.duration < LEAST_CYCLES:
                raise RecipeError(
                    f"wavelet={name} is {width:.3g} Hz wide at {audio.f_min} Hz, and so reaches further than "
                    f"the {audio.duration} s of the picture: raise f_min or give a wavelet of more bandwidth, at least "
                    f"{LEAST_CYCLES / audio.duration:.3g} Hz"
                )

    def powers(self, frame: Frame) -> list[NDArray[np.float32]]:
        """One for each wavelet, float32 (scales, columns)."""
        from precompute.wavelet import cwt

        audio, frequencies = frame.audio, self.frequencies(frame.audio)
        return [
            cwt.power(frame.samples, name, frequencies, audio.sample_rate, self.columns, frame.offset, audio.samples)
            for name in self.wavelets
        ]

    def frequencies(self, audio: Audio) -> NDArray[np.float64]:
        """Centre frequency of each scale in Hz, float64 (scales,), from the highest down."""
        return centres(np.arange(self.scales), audio.f_min, audio.f_max, self.scales)

    def convolutions(self, audio: Audio) -> "tuple[Convolution, ...]":
        """Those of its wavelet; errors as of the base class, also for several wavelets."""
        from precompute.wavelet import convolution

        if self.rgb == "wavelets":
            raise RecipeError("rgb=wavelets has three transforms, and convolutions are made for one: give rgb=colormap")
        wavelet = families.wavelet(self.wavelet)
        return convolution.convolutions(wavelet, self.frequencies(audio), audio.sample_rate, audio.samples // self.columns)

    def picture(self, levels: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """uint8 (height, width, 3): levels by their colours, or three wavelets' as red, green and blue."""
        return np.stack(levels, axis=-1) if self.rgb == "wavelets" else super().picture(levels)


def centres(row: NDArray[Any], f_min: float, f_max: float, rows: int) -> NDArray[np.float64]:
    """Frequency in Hz at some rows, whole or between two, equally spaced on a logarithmic axis from f_max (row 0) to f_min."""
    high, low = np.log10(f_max), np.log10(f_min)
    inner = np.power(10.0, row * ((low - high) / (rows - 1)) + high)
    # At the ends the logarithm's rounding would show.
    return np.where(row == 0, f_max, np.where(row == rows - 1, f_min, inner))
