"""Which copies of a recording are named as nearly equal, and which distinct recordings are.

    python benchmarks/near_doubles.py --corpora DIR [--corpus emodb] [--every 8]

Every eighth recording is copied in several ways; all fingerprints of the corpus and of the copies are compared at once.  The
first column is the share of the copies of a kind that are found, the last line counts the pairs of distinct recordings.
"""

import argparse
import io
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from precompute import corpora
from precompute.audio import decode
from precompute.cache.near_doubles import near_doubles
from precompute.common import finding, paths
from precompute.pipeline.extract import extract
from precompute.recipe import Recipe

Samples = NDArray[np.float32]


def as_mp3(samples: Samples, rate: int, level: float) -> tuple[Samples, int]:
    """A copy through MP3; the level of compression is from 0 to 1."""
    file = io.BytesIO()
    how = {"bitrate_mode": "CONSTANT", "compression_level": level}
    soundfile.write(file, samples, rate, format="MP3", subtype="MPEG_LAYER_III", **how)
    return soundfile.read(io.BytesIO(file.getvalue()), dtype="float32")


def noisy(samples: Samples, rate: int, level: float) -> tuple[Samples, int]:
    """A copy with white noise so many dB below."""
    noise = np.random.default_rng(0).standard_normal(len(samples)).astype(np.float32)
    return samples + samples.std() * np.float32(10 ** (level / 20)) * noise, rate


COPIES: dict[str, Callable[[Samples, int], tuple[Samples, int]]] = {
    "resampled to 8 kHz": lambda x, rate: (soxr.resample(x, rate, 8000), 8000),
    "resampled to 11 kHz": lambda x, rate: (soxr.resample(x, rate, 11025), 11025),
    "resampled to 22 kHz": lambda x, rate: (soxr.resample(x, rate, 22050), 22050),
    "20 dB softer": lambda x, rate: (0.1 * x, rate),
    "MP3, half compressed": lambda x, rate: as_mp3(x, rate, 0.5),
    "MP3, fully compressed": lambda x, rate: as_mp3(x, rate, 0.95),
    "0.3 s cut off at the end": lambda x, rate: (x[: -int(0.3 * rate)], rate),
    "0.05 s cut off at the start": lambda x, rate: (x[int(0.05 * rate) :], rate),
    "0.2 s and 0.1 s cut off": lambda x, rate: (x[int(0.2 * rate) : -int(0.1 * rate)], rate),
    "0.3 s of silence before": lambda x, rate: (np.concatenate([np.zeros(int(0.3 * rate), np.float32), x]), rate),
    "noise at -30 dB": lambda x, rate: noisy(x, rate, -30),
    "noise at -20 dB": lambda x, rate: noisy(x, rate, -20),
}


def fingerprint(samples: Samples, rate: int) -> str:
    """Of the picture by the default recipe."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="FLOAT")
    return extract(file.getvalue(), "copy", Recipe()).acoustic_fingerprint


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=paths.path, required=True, help="directory of the corpora")
    parser.add_argument("--corpus", default="emodb", help="which one (default: emodb)")
    parser.add_argument("--every", type=int, default=8, help="copy one recording in so many (default: 8)")
    options = parser.parse_args()
    module = corpora.load(options.corpus)
    directory = finding.Corpora((options.corpora,)).find(module)
    if directory is None:
        sys.exit(f"{options.corpus} is not in {options.corpora}")
    originals, copies, speakers = [], [], []
    for at, utterance in enumerate(module.scan(directory).utterances):
        wave = decode.decode(Path(directory / utterance.path).read_bytes(), utterance.begin, utterance.end)
        speakers.append(utterance.speaker)
        originals.append(fingerprint(wave.samples, wave.sample_rate))
        if at % options.every == 0:
            copies += [(at, how, fingerprint(*make(wave.samples, wave.sample_rate))) for how, make in COPIES.items()]
    started = time.perf_counter()
    distinct = near_doubles(originals, speakers)
    seconds = time.perf_counter() - started
    every = ([*originals, *(fingerprint for _, _, fingerprint in copies)], [*speakers, *("another" for _ in copies)])
    pairs = {(pair.first, pair.second) for pair in near_doubles(*every)}
    hits = Counter(how for place, (at, how, _) in enumerate(copies, len(originals)) if (at, place) in pairs)
    count = len(copies) // len(COPIES)
    print(f"{options.corpus}: {len(originals)} recordings, {count} copies of each kind, under another speaker's name")
    for how in COPIES:
        print(f"  {hits[how] / count:5.0%}  {how}")
    print(f"  {len(distinct)} of {len(originals) * (len(originals) - 1) // 2} pairs of distinct recordings, {seconds:.2f} s")


if __name__ == "__main__":
    main()
