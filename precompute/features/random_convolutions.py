"""Random convolutions of a scalogram over time: one vector, of shares of an utterance's time.

After ROCKET (Dempster et al. 2020, doi 10.1007/s10618-020-00701-z) and Hydra (Dempster et al. 2023, doi
10.1007/s10618-023-00939-3), which describe a series by many kernels that are drawn and not learnt, for a linear model to weigh.
Our reading for spectrograms; nothing of it comes from a training set, so that a cache can hold it:

    scalograms of two wavelets in decibels, without silence
    before and after                                            128 x steps of 10 ms
    each kernel adds up 1 to 4 of these rows, drawn
    5 taps over time, 1, 2, 4, 8 or 16 steps apart              200 kernels for each
    share of time above four thresholds (ROCKET)                4000 values of levels as they are,
                                                                4000 of each row standardised over the utterance
    root of its share of time as the highest of 8 kernels,      2000 of levels,
    and as the lowest (Hydra)                                   2000 of their differences from step to step

Levels as they are tell loudness and the colour of a voice, standardised ones what a microphone does not change.  The taps of
half of ROCKET's kernels, and of all of Hydra's, add up to 0, and so see changes alone.  The recipe `random_convolutions` takes
the recordings at their own level, which is one of the things measured.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from precompute.audio.chain import Audio, Frame
from precompute.common.arrays import Array
from precompute.common.errors import RecipeError
from precompute.common.settings import setting
from precompute.features import _base, _picture, scalogram
from precompute.wavelet import families

HOP = 0.010
"""Length of a step of time, in seconds."""

MIDDLE, UNIT, FAINTEST = -60.0, 20.0, -120.0
"""Decibels re 1 that count as 0, decibels of a unit, and the least decibels: what is fainter is the rounding of a computer."""

BELOW_LOUDEST = 40.0
"""Decibels below the loudest, at which an utterance begins and ends."""

TAPS, DILATIONS, MOST_ROWS = 5, (1, 2, 4, 8, 16), 4
"""Of a kernel: taps, steps between two of them, and the rows that it adds up at most."""

THRESHOLDS = (-0.7, 0.0, 0.7, 1.3)
"""In units; the kernels have an energy of about 1."""

COMPETING = 8
"""Kernels of which one is the highest, and one the lowest, at each step."""


@dataclass(frozen=True)
class Feature(_base.Feature):
    """Random convolutions of one utterance.

    The complex Morlet wavelet separates frequencies better, and the Mexican hat times.  Together they did better than either on
    validation speakers of EmoDB and RAVDESS.

    Attributes:
        wavelet: Names, as in `families.wavelet`, separated by commas; each has a scalogram.
        scales: Number of scales of each transform.
        kernels: Kernels for each distance between taps, a multiple of 8.
        seed: Of the kernels.
    """

    title: ClassVar[str] = "random convolutions of scalograms"

    wavelet: str = "cmor1.5-1.0,mexh"
    scales: int = setting(64, low=MOST_ROWS, high=1024)
    kernels: int = setting(200, low=COMPETING, high=10_000)
    seed: int = setting(0, low=0, high=2**31 - 1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "wavelet", families.names(self.wavelet))
        super().__post_init__()

    def check(self, audio: Audio) -> None:
        """Refuse also kernels that are not in groups, and rates at which a step has no whole number of samples."""
        super().check(audio)
        if self.kernels % COMPETING:
            nearest = COMPETING * round(self.kernels / COMPETING)
            raise RecipeError(f"kernels={self.kernels} is no multiple of {COMPETING}: give one, such as {nearest}")
        if audio.sample_rate % round(1 / HOP):
            raise RecipeError(
                f"sample_rate={audio.sample_rate} has no whole number of samples in {HOP} s: give a multiple of "
                f"{round(1 / HOP)}, such as 16000"
            )

    def array(self, audio: Audio) -> Array:  # noqa: ARG002
        """A vector of shares; rounding may move a step of a short utterance from one side of a threshold to the other."""
        of_each = 2 * len(THRESHOLDS) + 2 * 2
        return Array("float32", (of_each * len(DILATIONS) * self.kernels,), ("value",), 0.1)

    def compute(self, frame: Frame) -> _base.Computed:
        """The shares of the utterance."""
        levels = ((spoken(self._decibels(frame)) - MIDDLE) / UNIT).astype(np.float32)
        own = levels - levels.mean(axis=1, keepdims=True)
        own /= np.maximum(own.std(axis=1, keepdims=True), np.float32(1e-3))
        changes = np.diff(levels, axis=1, prepend=levels[:, :1])
        values = [above(output) for series in (levels, own) for output in self._outputs(series, 0)]
        values += [
            extremes(output) for number, series in ((1, levels), (2, changes)) for output in self._outputs(series, number)
        ]
        return _base.Computed(np.concatenate(values))

    def _decibels(self, frame: Frame) -> NDArray[np.float32]:
        """Of each wavelet's scales, the highest frequency first, in steps of 10 ms, no less than `FAINTEST`."""
        from precompute.wavelet.cwt import power

        audio, hop = frame.audio, round(HOP * frame.audio.sample_rate)
        frequencies = scalogram.centres(np.arange(self.scales), audio.f_min, audio.f_max, self.scales)
        steps = -(-len(frame.samples) // hop)
        powers = [
            power(frame.samples, name, frequencies, audio.sample_rate, steps, 0, steps * hop)
            for name in self.wavelet.split(",")
        ]
        return np.maximum(_picture.decibels(np.concatenate(powers)), np.float32(FAINTEST))

    def _outputs(self, series: NDArray[np.float32], number: int) -> Iterator[NDArray[np.float32]]:
        """Of all kernels on series (rows, steps), for each distance between taps, (kernels, steps)."""
        for dilation, (mixture, taps) in zip(DILATIONS, drawn(self.kernels, len(series), self.seed, number), strict=True):
            yield convolved(mixture @ series, taps, dilation)


@lru_cache(maxsize=8)
def drawn(kernels: int, rows: int, seed: int, number: int) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Kernels for each distance between taps.

    Args:
        kernels: How many for each.
        rows: Of the scalograms.
        seed: Of all of them.
        number: Of this set among the sets of this seed: in set 0 the taps of the second half add up to 0, in others all do.

    Returns:
        Weights of the rows (kernels, rows), of which each kernel has 1 to 4, and of the taps (kernels, 5), of energy 1.
    """
    rng = np.random.default_rng([seed, number])
    sets = []
    for _ in DILATIONS:
        mixture = np.zeros((kernels, rows))
        for own in mixture:
            count = rng.integers(1, MOST_ROWS, endpoint=True)
            own[rng.choice(rows, count, replace=False)] = rng.standard_normal(count) / np.sqrt(count)
        taps = rng.standard_normal((kernels, TAPS))
        centred = taps[0 if number else kernels // 2 :]
        centred -= centred.mean(axis=1, keepdims=True)
        taps /= np.linalg.norm(taps, axis=1, keepdims=True)
        sets.append((mixture.astype(np.float32), taps.astype(np.float32)))
    return sets


def spoken(decibels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Steps from the first to the last whose loudest row is within 40 dB of the loudest of all.

    Args:
        decibels: (rows, steps).
    """
    loudest = decibels.max(axis=0)
    places = np.flatnonzero(loudest >= loudest.max() - BELOW_LOUDEST)
    return decibels[:, places[0] : places[-1] + 1]


def convolved(series: NDArray[np.float32], taps: NDArray[np.float32], dilation: int) -> NDArray[np.float32]:
    """Each series over time by its own taps, with 0 beyond its ends.

    Args:
        series: (kernels, steps).
        taps: (kernels, taps), an odd number.
        dilation: Steps from one tap to the next.

    Returns:
        float32 (kernels, steps); step t has the sum of taps[k] * series[t + (k - middle) * dilation].
    """
    steps, reach = series.shape[1], taps.shape[1] // 2 * dilation
    padded = np.pad(series, ((0, 0), (reach, reach)))
    parts = (taps[:, k, None] * padded[:, k * dilation : k * dilation + steps] for k in range(taps.shape[1]))
    return np.asarray(sum(parts), np.float32)


def above(outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Share of the steps above each threshold, float32 (thresholds * kernels,), of outputs (kernels, steps)."""
    return np.concatenate([(outputs > threshold).mean(axis=1, dtype=np.float32) for threshold in THRESHOLDS])


def extremes(outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Square root of the share of steps at which each kernel is the highest of its eight, and the lowest.

    Args:
        outputs: (kernels, steps).

    Returns:
        float32 (2 * kernels,).
    """
    groups = outputs.reshape(-1, COMPETING, outputs.shape[1])
    own = np.arange(COMPETING)[:, None]
    shares = [(best[:, None] == own).mean(axis=2, dtype=np.float32) for best in (groups.argmax(axis=1), groups.argmin(axis=1))]
    roots: NDArray[np.float32] = np.sqrt(np.concatenate(shares).ravel())
    return roots
