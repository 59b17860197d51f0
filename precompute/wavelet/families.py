"""Mother wavelets by their names, and those in closed form: parameters and Fourier transforms.

Names, parameters and signs are those of PyWavelets.  It lacks the generalized Morse wavelet, which is `gmwG-B` here, with gamma
and beta.
"""

import re
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from math import e, exp, factorial, gamma, pi, sqrt
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from precompute.common.errors import RecipeError, unknown
from precompute.wavelet import discrete
from precompute.wavelet._base import CUTOFF, Array, Wavelet

if TYPE_CHECKING:
    from scipy.interpolate import BSpline


class Modulated(Wavelet):
    """A wavelet that is a real envelope times exp(2 pi i C t): its centre is the parameter C."""

    frequency: float

    @property
    def centre(self) -> float:
        return self.frequency


class BandLimited(Modulated):
    """A modulated wavelet whose transform is zero beyond B / 2 from C."""

    bandwidth: float

    @cached_property
    def band(self) -> tuple[float, float]:
        return self.frequency - self.bandwidth / 2, self.frequency + self.bandwidth / 2


@dataclass(frozen=True)
class ComplexMorlet(Modulated):
    """`cmorB-C`: psi(t) = (pi B)^(-1/2) exp(-t^2 / B) exp(2 pi i C t), Psi(f) = exp(-pi^2 B (f - C)^2).

    Teolis, Computational Signal Processing with Wavelets (1998), p. 65.
    """

    pattern = "cmorB-C"
    bandwidth: float
    frequency: float

    @property
    def peak(self) -> float:
        return 1.0

    def response(self, f: Array) -> Array:
        return np.exp(-(pi**2) * self.bandwidth * (f - self.frequency) ** 2)

    @cached_property
    def band(self) -> tuple[float, float]:
        reach = sqrt(-np.log(CUTOFF) / self.bandwidth) / pi
        return self.frequency - reach, self.frequency + reach

    @cached_property
    def support(self) -> float:
        return sqrt(-np.log(CUTOFF) * self.bandwidth)


@dataclass(frozen=True)
class Shannon(BandLimited):
    """`shanB-C`: psi(t) = B^(1/2) sinc(B t) exp(2 pi i C t), Psi(f) = B^(-1/2) for |f - C| < B / 2, else 0.

    Teolis (1998), p. 62.
    """

    pattern = "shanB-C"
    steps = True
    bandwidth: float
    frequency: float

    @property
    def peak(self) -> float:
        return 1 / sqrt(self.bandwidth)

    def response(self, f: Array) -> Array:
        return np.where(np.abs(f - self.frequency) < self.bandwidth / 2, 1.0, 0.0)

    @cached_property
    def support(self) -> float:
        return 1 / (pi * self.bandwidth * CUTOFF)


@dataclass(frozen=True)
class BSplineWavelet(BandLimited):
    """`fbspM-B-C`: psi(t) = B^(1/2) sinc(B t / M)^M exp(2 pi i C t), Psi(f) = B^(-1/2) M b(M (f - C) / B).

    b is the centred cardinal B-spline of order M, the M-fold convolution of a unit rectangle.  Teolis (1998), p. 63.
    """

    pattern = "fbspM-B-C"
    order: int
    bandwidth: float
    frequency: float

    @property
    def steps(self) -> bool:  # type: ignore[override]
        return self.order == 1

    @cached_property
    def _spline(self) -> "BSpline":
        from scipy.interpolate import BSpline

        return BSpline.basis_element(np.arange(self.order + 1) - self.order / 2, extrapolate=False)

    @property
    def peak(self) -> float:
        return self.order / sqrt(self.bandwidth) * float(self._spline(0.0))

    def response(self, f: Array) -> Array:
        spline: Array = np.nan_to_num(self._spline(self.order * (f - self.frequency) / self.bandwidth))
        return spline / float(self._spline(0.0))

    @cached_property
    def support(self) -> float:
        return float(self.order / (pi * self.bandwidth) * CUTOFF ** (-1 / self.order))


@dataclass(frozen=True)
class ComplexGaussian(Wavelet):
    """`cgauN`, N = 1 to 8: psi(t) ~ d^N/dt^N (exp(-i t) exp(-t^2)), Psi ~ (i w)^N exp(-(w + 1)^2 / 4), w = 2 pi f.

    Of unit energy.  It rotates in the opposite direction: its centre lies at the negative frequency
    w = -(1 + sqrt(1 + 8 N)) / 2, and it has a smaller lobe at positive frequencies.
    """

    pattern = "cgauN"
    order: int

    @property
    def phase(self) -> complex:  # type: ignore[override]
        return (-1j) ** self.order

    @property
    def sign(self) -> int:
        return -1

    @property
    def _at(self) -> float:
        return (1 + sqrt(1 + 8 * self.order)) / 2

    @property
    def centre(self) -> float:
        return self._at / (2 * pi)

    @property
    def peak(self) -> float:
        # E[w^2N] for w of mean -1 and variance 1: the energy of w^N exp(-(w + 1)^2 / 4) over sqrt(2 pi).
        moment = sum(
            factorial(2 * self.order) / (2**k * factorial(k) * factorial(2 * self.order - 2 * k)) for k in range(self.order + 1)
        )
        return sqrt(sqrt(2 * pi) / moment) * self._at**self.order * exp(-((self._at - 1) ** 2) / 4)

    def response(self, f: Array) -> Array:
        w = 2 * pi * f
        return (-w / self._at) ** self.order * np.exp(((self._at - 1) ** 2 - (w + 1) ** 2) / 4)


@dataclass(frozen=True)
class GaussianDerivative(Wavelet):
    """`gausN`, N = 1 to 8: psi(t) ~ d^N/dt^N exp(-t^2), Psi ~ w^N exp(-w^2 / 4), times i for odd N; w = 2 pi f.

    Of unit energy, real; its centre lies at w = sqrt(2 N).  Signs follow PyWavelets.
    """

    pattern = "gausN"
    order: int

    @property
    def phase(self) -> complex:  # type: ignore[override]
        return 1j ** (self.order % 2)

    @property
    def centre(self) -> float:
        return sqrt(2 * self.order) / (2 * pi)

    @property
    def peak(self) -> float:
        # The energy of w^N exp(-w^2 / 4) is 2^(N + 1/2) Gamma(N + 1/2) / (2 pi).
        energy = float(2 ** (self.order + 0.5)) * gamma(self.order + 0.5) / (2 * pi)
        return float((2 * self.order / e) ** (self.order / 2)) / sqrt(energy)

    def response(self, f: Array) -> Array:
        ratio = f / self.centre
        return ratio**self.order * np.exp(self.order / 2 * (1 - ratio**2))


@dataclass(frozen=True)
class MexicanHat(Wavelet):
    """`mexh`: psi(t) = 2 / (sqrt(3) pi^(1/4)) (1 - t^2) exp(-t^2 / 2), Psi ~ w^2 exp(-w^2 / 2), w = 2 pi f; real."""

    pattern = "mexh"

    @property
    def centre(self) -> float:
        return sqrt(2) / (2 * pi)

    @property
    def peak(self) -> float:
        return 4 * sqrt(2 * pi) / (sqrt(3) * sqrt(sqrt(pi)) * e)

    def response(self, f: Array) -> Array:
        ratio = f / self.centre
        return ratio**2 * np.exp(1 - ratio**2)


@dataclass(frozen=True)
class RealMorlet(Wavelet):
    """`morl`: psi(t) = exp(-t^2 / 2) cos(5 t), Psi = (pi/2)^(1/2) (exp(-(w - 5)^2 / 2) + exp(-(w + 5)^2 / 2)), w = 2 pi f."""

    pattern = "morl"

    @property
    def centre(self) -> float:
        return 5 / (2 * pi)

    @property
    def peak(self) -> float:
        return sqrt(pi / 2)

    def response(self, f: Array) -> Array:
        w = 2 * pi * f
        return np.exp(-((w - 5) ** 2) / 2) + np.exp(-((w + 5) ** 2) / 2)


@dataclass(frozen=True)
class Haar(Wavelet):
    """`haar`: psi(t) = 1 for -1/2 < t < 0, -1 for 0 < t < 1/2, Psi(f) = i sin^2(pi f / 2) / (pi f / 2); real.

    Centred on t = 0, where PyWavelets tabulates it from 0 to 1.  Its centre f solves tan(x) = 2 x, x = pi f / 2.
    """

    pattern = "haar"
    phase = 1j
    root: ClassVar[float] = 1.1655611852072114

    @property
    def centre(self) -> float:
        return 2 * self.root / pi

    @property
    def peak(self) -> float:
        return float(np.sin(self.root) ** 2 / self.root)

    def response(self, f: Array) -> Array:
        x = pi * f / 2
        return np.sinc(f / 2) * np.sin(x) / self.peak

    @cached_property
    def band(self) -> tuple[float, float]:
        return -np.inf, np.inf

    @cached_property
    def support(self) -> float:
        return 0.5


@dataclass(frozen=True)
class GeneralizedMorse(Wavelet):
    """`gmwG-B`, gamma G and beta B: Psi(f) ~ w^B exp(-w^G) for w = 2 pi f > 0, else 0.

    Its centre lies at w = (B / G)^(1/G).  Lilly and Olhede 2009, eq. 1 and 2, doi 10.1109/TSP.2008.2007607.
    """

    pattern = "gmwG-B"
    gamma: float
    beta: float

    @property
    def centre(self) -> float:
        return float((self.beta / self.gamma) ** (1 / self.gamma) / (2 * pi))

    @property
    def peak(self) -> float:
        # Unit energy: the integral of response(f)^2 over f is 1 / peak^2.
        f = np.linspace(0, self.band[1], 2**16)
        return 1 / sqrt(np.trapezoid(self.response(f) ** 2, f))

    def response(self, f: Array) -> Array:
        ratio = np.maximum(f / self.centre, 1e-300)
        return np.where(f > 0, np.exp(self.beta * np.log(ratio) + self.beta / self.gamma * (1 - ratio**self.gamma)), 0.0)


FAMILIES: tuple[type[Wavelet], ...] = (
    ComplexMorlet, Shannon, BSplineWavelet, ComplexGaussian, GaussianDerivative, MexicanHat, RealMorlet, Haar, GeneralizedMorse,
)  # fmt: skip

LIMITS = {"bandwidth": (0.01, 1e4), "frequency": (0.01, 1e3), "order": (1, 8), "gamma": (1.0, 10.0), "beta": (1.0, 1e4)}
"""Least and largest value of each parameter."""

USUAL = {"M": "2", "B": "1.5", "C": "1.0", "N": "4", "G": "3.0"}
"""A value of each letter of a family's pattern, for an example."""


@lru_cache(maxsize=64)
def names(text: str) -> str:
    """Names of wavelets, separated by commas, in their usual spelling and without spaces; errors as of `wavelet`."""
    return ",".join(wavelet(name.strip()).name for name in text.split(","))


@lru_cache(maxsize=16)
def wavelet(name: str) -> Wavelet:
    """The wavelet of a name such as `cmor1.5-1.0`, `fbsp2-1.0-0.5`, `cgau4`, `mexh`, `haar`, `gmw3-20` or `db4`.

    Raises:
        RecipeError: There is no such wavelet, or a parameter is outside its limits.
    """
    name = discrete.SAME.get(name, name)
    if letters := discrete.family(name):
        return discrete.wavelet(name, letters)
    for family in FAMILIES:
        match = re.fullmatch(re.sub("[A-Z]", r"(\\d+(?:\\.\\d+)?)", family.pattern), name)
        if match is None:
            continue
        values: dict[str, float] = {}
        for parameter, text in zip(fields(family), match.groups(), strict=True):  # type: ignore[arg-type]
            low, high = LIMITS[parameter.name]
            whole = parameter.name == "order"
            if not low <= float(text) <= high or (whole and not text.isdecimal()):
                kind = "whole number" if whole else "number"
                raise RecipeError(
                    f"wavelet={name} has {parameter.name} {text}: give {family.pattern} with a {kind} "
                    f"from {low:g} to {high:g} there"
                )
            values[parameter.name] = int(text) if whole else float(text)
        return family(**values)
    for family in FAMILIES:
        letters = re.split("[A-Z]", family.pattern)[0]
        if letters != family.pattern and re.match("[a-z]*", name.lower())[0] == letters:  # type: ignore[index]
            example = _example(family)
            raise RecipeError(f"wavelet={name} is not written as {family.pattern}: give the numbers too, as in {example}")
    examples = {family.pattern: _example(family) for family in FAMILIES}
    examples |= {pattern: discrete.EXAMPLES[letters] for letters, pattern in discrete.PATTERNS.items()}
    choices = (pattern if pattern == example else f"{pattern} ({example})" for pattern, example in examples.items())
    raise RecipeError(unknown("wavelet", name, choices))


def _example(family: type[Wavelet]) -> str:
    """A name of the family."""
    return re.sub("[A-Z]", lambda letter: USUAL[letter[0]], family.pattern)
