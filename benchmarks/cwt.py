"""Pooled wavelet power against the full transforms of other libraries: `python benchmarks/cwt.py`.

Each turns one utterance into mean power on 128 scales x 256 columns (60 Hz to 7.6 kHz, 8 s at 16 kHz) with the same
complex Morlet wavelet, cmor1.5-1.0.  The others compute every coefficient of the padded 8 s, as their users do, and pool
afterwards; ours transforms only the utterance.  All take turns within each round, on one thread and in single precision where
they can.  The table gives medians, the median of the ratios of each round, and the memory that the first call adds at its
peak to a process of its own.

Those that are not installed are named and left out: `pip install '.[peers]'` (fCWT needs libfftw3f, Debian's
libfftw3-single3).
"""

import os
from pathlib import Path

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[threads] = "1"
os.environ["SSQ_PARALLEL"] = "0"

import argparse
import multiprocessing
import resource
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import numpy as np

RATE, SECONDS, COLUMNS = 16000, 8, 256
FREQUENCIES = np.geomspace(7600, 60, 128)
Transform = Callable[[np.ndarray], np.ndarray]


def ours() -> Transform:
    """This project's `power`."""
    from precompute.wavelet.cwt import power

    return lambda x: power(x, "cmor1.5-1.0", FREQUENCIES, RATE, COLUMNS, length=SECONDS * RATE)


def pywt() -> Transform:
    """PyWavelets, by FFT, at its default precision."""
    import pywt

    scales = RATE / FREQUENCIES
    return lambda x: pooled(pywt.cwt(padded(x), scales, "cmor1.5-1.0", 1 / RATE, method="fft")[0])


def ptwt() -> Transform:
    """PyTorch Wavelet Toolbox, float32."""
    import ptwt
    import torch

    torch.set_num_threads(1)
    scales = RATE / FREQUENCIES
    return lambda x: pooled(ptwt.cwt(torch.from_numpy(padded(x)), scales, "cmor1.5-1.0", sampling_period=1 / RATE)[0].numpy())


def ssqueezepy() -> Transform:
    """Its Morlet wavelet of the same width, float32, without padding, filters cached."""
    import ssqueezepy

    # Both are Gaussians in frequency, its centred on mu: mu = 2 pi C sqrt(B / 2) makes their shapes the same.
    wavelet = ssqueezepy.Wavelet(("morlet", {"mu": 2 * np.pi * np.sqrt(1.5 / 2)}), dtype="float32")
    scales = (np.sqrt(1.5 / 2) * RATE / FREQUENCIES).astype(np.float32)
    return lambda x: pooled(ssqueezepy.cwt(padded(x), wavelet, scales=scales, padtype=None, cache_wavelet=True)[0])


def fcwt() -> Transform:
    """Its Morlet wavelet of the same width and geometric scales, on one thread."""
    import fcwt

    morlet = fcwt.Morlet(float(np.sqrt(1.5 / 2)))
    scales = fcwt.Scales(morlet, fcwt.FCWT_LOGSCALES, RATE, float(FREQUENCIES[-1]), float(FREQUENCIES[0]), len(FREQUENCIES))
    transform = fcwt.FCWT(morlet, 1, False, True)

    # fCWT keeps a bare pointer to its wavelet, which must outlive it.
    def call(x: np.ndarray, wavelet: object = morlet) -> np.ndarray:  # noqa: ARG001
        coefficients = np.zeros((len(FREQUENCIES), SECONDS * RATE), np.complex64)
        transform.cwt(padded(x), scales, coefficients)
        return pooled(coefficients)

    return call


TRANSFORMS = (ours, pywt, ptwt, ssqueezepy, fcwt)


def padded(x: np.ndarray) -> np.ndarray:
    """The utterance in the frame of 8 s."""
    return np.pad(x, (0, SECONDS * RATE - len(x)))


def pooled(coefficients: np.ndarray) -> np.ndarray:
    """Mean of |c|^2 over each column."""
    return (coefficients.real**2 + coefficients.imag**2).reshape(len(coefficients), COLUMNS, -1).mean(axis=-1)


def main() -> None:
    """Measure, and print a table for each length of utterance."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="rounds of measurements (default: 9)")
    rounds = parser.parse_args().rounds
    transforms: dict[str, Transform] = {}
    for transform in TRANSFORMS:
        try:
            transforms[transform.__name__] = transform()
        except (ImportError, OSError) as error:
            print(f"{transform.__name__} is left out: {str(error).splitlines()[0]}")
    memory = {name: in_a_process_of_its_own(name) for name in transforms}
    for seconds in (8.0, 3.7):
        x = np.random.default_rng(0).standard_normal(round(seconds * RATE)).astype(np.float32)
        for call in transforms.values():
            call(x)
        times = {name: [] for name in transforms}
        for _ in range(rounds):
            for name, call in transforms.items():
                started = time.perf_counter()
                call(x)
                times[name].append(time.perf_counter() - started)
        print(f"\n{seconds} s of audio     ms   ours is faster by   extra memory, MiB")
        for name in transforms:
            ratio = statistics.median(b / a for a, b in zip(times["ours"], times[name], strict=True))
            faster = "" if name == "ours" else f"{ratio:.1f}x"
            print(f"{name:<12} {1e3 * statistics.median(times[name]):8.1f}   {faster:>17}   {memory[name]:17.0f}")


def in_a_process_of_its_own(name: str) -> float:
    """MiB of memory that the first transform of 8 s adds at its peak."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(added_memory, name).result()


def added_memory(name: str) -> float:
    """MiB by which a first transform raises this process's resident memory at most."""
    call = next(transform for transform in TRANSFORMS if transform.__name__ == name)()
    x = np.random.default_rng(0).standard_normal(SECONDS * RATE).astype(np.float32)
    before, done = resident(), threading.Event()
    peaks = [before]

    def watch() -> None:
        while not done.wait(0.0005):
            peaks.append(resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    call(x)
    done.set()
    watcher.join()
    return (max(peaks) - before) / 2**20


def resident() -> float:
    """Resident memory of this process in bytes; where the system does not tell, its peak so far."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text("ascii").split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
