"""Pooled wavelet power against PyWavelets' full transform: `python benchmarks/cwt.py`.

Both turn one utterance into mean power on 128 scales x 256 columns with the same complex Morlet wavelet; PyWavelets
computes every coefficient of the padded 8 s by FFT, as its users do, and pools afterwards.  The two take turns, one thread
each; medians and the ratio of each pair are printed.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import pywt

from precompute import wavelet
from precompute.recipe import named


def main() -> None:
    """Measure and print one line for each length of utterance."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="pairs of measurements (default: 7)")
    rounds = parser.parse_args().rounds
    recipe = named("default")
    step = 1 / recipe.sample_rate
    scales = pywt.frequency2scale(recipe.wavelet, recipe.frequencies * step)
    print("utterance  ours ms  pywt ms  ratio (median of pairs)")
    for seconds in (8.0, 3.7):
        x = np.random.default_rng(0).standard_normal(round(seconds * recipe.sample_rate)).astype(np.float32)
        padded = np.pad(x, (0, recipe.samples - len(x)))

        def ours(x: np.ndarray = x) -> None:
            wavelet.power(x, recipe.wavelet, recipe.frequencies, recipe.sample_rate, recipe.columns, length=recipe.samples)

        def theirs(padded: np.ndarray = padded) -> None:
            c, _ = pywt.cwt(padded, scales, recipe.wavelet, step, method="fft")
            (c.real**2 + c.imag**2).reshape(recipe.scales, recipe.columns, -1).mean(axis=-1)

        ours()
        pairs = [(_time(ours), _time(theirs)) for _ in range(rounds)]
        mine, other = (statistics.median(times) for times in zip(*pairs, strict=True))
        ratio = statistics.median(b / a for a, b in pairs)
        print(f"{seconds:7.1f} s  {1e3 * mine:7.1f}  {1e3 * other:7.1f}  {ratio:.1f}")


def _time(call: Callable[[], None]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
