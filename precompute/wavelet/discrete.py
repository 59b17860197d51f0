"""The discrete wavelets of PyWavelets as mother wavelets: their Fourier transforms, from their filters.

A discrete wavelet has no formula.  It is the limit of a cascade of its lowpass filter h and its highpass filter g, and with
H(f) = sum over k of h_k exp(-2 pi i f k), G likewise, its Fourier transform is the product

    Psi(f) = G(f/2) / sqrt(2) * product over j >= 2 of H(f/2^j) / sqrt(2)

(Mallat, A Wavelet Tour of Signal Processing, 3rd ed., 7.2; Daubechies, Ten Lectures on Wavelets, 1992, 5.1 and 6.2).  Of the
two wavelets of a biorthogonal pair this is the one that PyWavelets decomposes with, the first of the two that `wavefun` gives,
from which `pywt.central_frequency` takes its frequency as well; the other one has the name of the reverse pair: that of
`bior2.2` is `rbio2.2`.

Rough wavelets spread far: |Psi| of `bior3.3` falls by 1.5 dB an octave only.  The band of those is infinite, as Haar's is, and
their filters are cut off by the taper at half the sample rate.  The filters of `dmey` are approximations themselves: |Psi| of
the psi that they make comes back to 61 to 68 dB under its peak in every octave where Meyer's is 0, and at 0 Hz.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from precompute.common.errors import RecipeError
from precompute.wavelet._base import CUTOFF, Array, Response, Wavelet

if TYPE_CHECKING:
    from scipy.interpolate import PPoly

PATTERNS = {"db": "dbN", "sym": "symN", "coif": "coifN", "bior": "biorN.M", "rbio": "rbioN.M", "dmey": "dmey"}
"""How the names of each family are written."""

EXAMPLES = {"db": "db4", "sym": "sym8", "coif": "coif3", "bior": "bior2.2", "rbio": "rbio2.2", "dmey": "dmey"}
"""A name of each family."""

SAME = {"db1": "haar", "bior1.1": "haar", "rbio1.1": "haar", "sym2": "db2", "sym3": "db3"}
"""Names of wavelets that have another name, for one picture to have one recipe."""

REFUSED = {
    "bior3.1": "has no peak, since |Psi| grows by 2 dB an octave and is not square integrable: give bior3.3 or rbio3.1",
}
"""Names of wavelets that no transform can be made of, and why."""

HIGHEST = 128
"""Cycles per unit of time up to which |Psi| is looked at for the end of its band, and kept: Nyquist's frequency for scales down
to 1/180 of it."""

FINENESS = 32
"""Points of the grid between which Psi is interpolated, for each cycle of the fastest term in it: the error of a spline of
degree `DEGREE` is then 2e-12 of Psi (Unser 1999, doi 10.1109/79.799930)."""

DEGREE = 7

EXACT = 1e-5
"""The product ends where the argument of its factors, in radians, is so small that the rest, its delay left out, is 1 to the
square of this."""

LEVELS = 8
"""Steps of the cascade that show where psi begins and ends."""

AT_ONCE = 4096
"""Frequencies at which the product is evaluated together, for the processor's cache."""


@dataclass(frozen=True)
class Discrete(Wavelet):
    """A discrete wavelet, real, as PyWavelets scales it: an orthogonal one is of unit energy.

    The time t = 0 is in the middle of psi, which is also the centre of gravity of psi^2.

    Attributes:
        key: Its name in PyWavelets.
    """

    key: str

    @property
    def name(self) -> str:
        return self.key

    @cached_property
    def _filters(self) -> tuple[Array, Array]:
        """The filters h and g that make psi, with the sign that `wavefun` gives it."""
        import pywt

        theirs = pywt.Wavelet(self.key)
        if theirs.orthogonal:
            return np.array(theirs.rec_lo), np.array(theirs.rec_hi)
        sign = 1 if theirs.vanishing_moments_psi % 4 == 1 else -1
        return np.array(theirs.dec_lo[::-1]), sign * np.array(theirs.dec_hi[::-1])

    @cached_property
    def _ends(self) -> tuple[float, float]:
        """Where psi begins and ends, with tap 0 of the filters at t = 0."""
        taps = [np.flatnonzero(taps)[[0, -1]] for taps in self._filters]
        return float(taps[0][0] + taps[1][0]) / 2, float(taps[0][1] + taps[1][1]) / 2

    @property
    def _duration(self) -> float:
        return self._ends[1] - self._ends[0]

    @cached_property
    def _delay(self) -> float:
        """Of the product of all factors of h at low frequencies: the first moment of the scaling function."""
        h, _ = self._filters
        return float(np.arange(len(h)) @ h / h.sum())

    @cached_property
    def _symmetric(self) -> bool:
        return all(_is_symmetric(np.trim_zeros(taps)) for taps in self._filters)

    def _product(self, f: Array) -> NDArray[np.complex128]:
        """Psi(f) by its definition, (n,)."""
        psi = np.empty(f.shape, np.complex128)
        shift = (sum(self._ends) - self._delay) / 2
        for at in range(0, len(f), AT_ONCE):
            part = f[at : at + AT_ONCE]
            psi[at : at + AT_ONCE] = self._factors(part) * np.exp(2j * np.pi * part * shift)
        return psi

    def _factors(self, f: Array) -> NDArray[np.complex128]:
        """The factors of Psi, those of h without their delay."""
        h, g = (taps / np.sqrt(2) for taps in self._filters)
        product = _transform(g, f / 2)
        turn = f / 4
        while 2 * np.pi * len(h) * np.abs(turn).max() > EXACT:
            product *= _transform(h, turn) * np.exp(2j * np.pi * turn * self._delay)
            turn = turn / 2
        return product

    @cached_property
    def centre(self) -> float:
        from scipy.optimize import minimize_scalar

        step = 1 / (FINENESS * self._duration)
        f = np.arange(step, 2, step)
        about = f[np.abs(self._product(f)).argmax()]
        highest = minimize_scalar(
            lambda f: -np.abs(self._product(np.array([f]))[0]), bounds=(about - step, about + step), options={"xatol": 1e-12}
        )
        return float(highest.x)

    @cached_property
    def _at_centre(self) -> complex:
        return complex(self._product(np.array([self.centre]))[0])

    @property
    def peak(self) -> float:
        return abs(self._at_centre)

    @cached_property
    def phase(self) -> complex:  # type: ignore[override]
        phase = self._at_centre / self.peak
        return complex(round(phase.real), round(phase.imag)) if self._symmetric else phase

    @cached_property
    def band(self) -> tuple[float, float]:
        step = 1 / (4 * self._duration)
        highest, end = 0.0, 1.0
        while end <= HIGHEST:
            f = np.arange(end / 2 if end > 1 else 0.0, end, step)
            over = f[np.abs(self._product(f)) > CUTOFF * self.peak]
            if not len(over):
                # No octave exceeds the one before it.
                return -highest, highest
            highest = float(over[-1]) + step
            end *= 2
        return -np.inf, np.inf

    @cached_property
    def floor(self) -> bool:  # type: ignore[override]
        h, _ = self._filters
        return bool(np.abs(_transform(h, np.array([0.5])))[0] > CUTOFF)

    @cached_property
    def support(self) -> float:
        if self.band[1] == np.inf:
            # What psi does before and after its middle shows in the frequencies at which the middle has little.
            return self._duration / 2
        h, psi = self._filters
        for _ in range(LEVELS - 1):
            apart = np.zeros(2 * len(psi) - 1)
            apart[::2] = psi
            psi = np.convolve(apart, h)
        t = (np.arange(len(psi)) + self._delay) / 2**LEVELS - sum(self._ends) / 2
        return float(np.abs(t[np.abs(psi) > CUTOFF * np.abs(psi).max()]).max() + 1 / 2**LEVELS)

    @cached_property
    def _spline(self) -> "PPoly":
        """The response at frequencies from 0 to `_kept`: the product takes a hundred times as long."""
        from scipy.interpolate import PPoly, make_interp_spline

        step = 1 / (FINENESS * self._duration / 2)
        # A few points more at either end, where a spline is less exact.
        f = np.arange(-2 * DEGREE, int(self._kept / step) + 2 * DEGREE, dtype=np.float64) * step
        response = self._exact(f)
        real = PPoly.from_spline(make_interp_spline(f, response.real, DEGREE))
        if self._symmetric:
            return real
        return PPoly(real.c + 1j * PPoly.from_spline(make_interp_spline(f, response.imag, DEGREE)).c, real.x)

    @property
    def _kept(self) -> float:
        return min(2 * self.band[1], HIGHEST)

    def _exact(self, f: Array) -> Response:
        """The response by the definition of Psi."""
        response = self._product(f) / (self.peak * self.phase)
        return response.real if self._symmetric else response

    def response(self, f: Array) -> Response:
        f = np.asarray(f, np.float64)
        positive = np.abs(f).reshape(-1)
        response: Response = self._spline(positive)
        beyond = positive > self._kept
        if beyond.any():
            response[beyond] = self._exact(positive[beyond])
        # Psi(-f) is the conjugate of Psi(f), since psi is real.
        turned = np.conj(self.phase) ** 2
        mirrored = response.conj() * (turned.real if self._symmetric else turned)
        return np.where(f.reshape(-1) < 0, mirrored, response).reshape(f.shape)


def family(name: str) -> str | None:
    """The family with which a name begins, in upper or lower case; None if it is not that of a discrete wavelet."""
    letters = re.match("[a-z]*", name.lower())[0]  # type: ignore[index]
    return letters if letters in PATTERNS and (PATTERNS[letters] != letters or name == letters) else None


def wavelet(name: str, letters: str) -> Discrete:
    """The discrete wavelet of a name such as `db4`, of the family `db`.

    Raises:
        RecipeError: PyWavelets has no such wavelet, or no transform can be made of it.
    """
    import pywt

    known = pywt.wavelist(letters)
    if name not in known:
        raise RecipeError(
            f"wavelet={name} is not among PyWavelets' {known[0]} to {known[-1]}: give one of those, as in {EXAMPLES[letters]}"
        )
    if name in REFUSED:
        raise RecipeError(f"wavelet={name} {REFUSED[name]}")
    return Discrete(name)


def _transform(taps: Array, f: Array) -> NDArray[np.complex128]:
    """Sum over k of taps_k exp(-2 pi i f k), by Horner's rule."""
    z = np.exp(-2j * np.pi * f)
    value = np.full(f.shape, taps[-1], np.complex128)
    for tap in taps[-2::-1]:
        value *= z
        value += tap
    return value


def _is_symmetric(taps: Array) -> bool:
    """Whether they are the same backwards, or the same except for their sign."""
    return bool(min(np.abs(taps - taps[::-1]).max(), np.abs(taps + taps[::-1]).max()) < 1e-9)
