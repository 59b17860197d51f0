"""What the transform needs of a mother wavelet.

Each gives the Fourier transform Psi(f) = integral psi(t) exp(-2 pi i f t) dt of its psi as

    Psi(f) = peak * phase * response(f),        |phase| = 1,  response 1 at the centre frequency,

which is where |Psi| is largest; frequencies are in cycles per unit of time of psi.  The response is real, except for
wavelets that are not symmetric about any time.
"""

import re
from abc import ABC, abstractmethod
from dataclasses import fields
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

CUTOFF = 1e-5
"""A wavelet ends, in time and in frequency, where it falls under this share of its peak: -100 dB."""

Array = NDArray[np.float64]
Response = NDArray[np.float64] | NDArray[np.complex128]


class Wavelet(ABC):
    """A mother wavelet psi(t)."""

    pattern: ClassVar[str]
    phase: complex = 1
    """Constant phase of Psi."""

    steps = False
    """Whether Psi is 1 inside the band and 0 outside."""

    floor = False
    """Whether |Psi| stays some 60 dB under its peak far from its band, at 0 Hz too, where others fall."""

    @property
    def name(self) -> str:
        """The canonical name: that of PyWavelets, each parameter as Python writes it."""
        values = iter(vars(self)[parameter.name] for parameter in fields(self))  # type: ignore[arg-type]
        return re.sub("[A-Z]", lambda _: str(next(values)), self.pattern)

    @property
    @abstractmethod
    def centre(self) -> float:
        """Frequency at which |Psi| is largest, in cycles per unit of time; more than 0."""

    @property
    @abstractmethod
    def peak(self) -> float:
        """|Psi(centre)| of the wavelet as PyWavelets scales it; of unit energy where PyWavelets lacks it."""

    @abstractmethod
    def response(self, f: Array) -> Response:
        """Psi(f) / (peak * phase), the same shape as f: float64, or complex128 where the wavelet is not symmetric."""

    def reach(self, frequency: float, sample_rate: float) -> float:
        """Samples over which the scale centred at `frequency` reaches to either side, by `support`; frequencies in Hz."""
        return self.support * self.centre / frequency * sample_rate

    @property
    def sign(self) -> int:
        """1 where Psi is concentrated on positive frequencies or equally on both, -1 where on negative ones."""
        return 1

    @cached_property
    def band(self) -> tuple[float, float]:
        """Lowest and highest frequency at which |Psi| exceeds `CUTOFF` of its peak; infinite where it keeps rising above."""
        f = np.linspace(-16 * self.centre, 16 * self.centre, 2**18 + 1)
        inside = f[np.abs(self.response(f)) > CUTOFF]
        return float(inside[0]), float(inside[-1])

    @cached_property
    def support(self) -> float:
        """Half the duration, in units of time, outside which |psi| is under `CUTOFF` of its peak."""
        steps, span = 2**16, 4 * max(np.abs(self.band))
        f = np.fft.fftfreq(steps, 1 / span)
        amplitude = np.abs(np.fft.ifft(self.response(f)))[: steps // 2]
        return float((np.flatnonzero(amplitude > CUTOFF * amplitude[: steps // 8].max())[-1] + 1) / span)
