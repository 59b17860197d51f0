"""Recordings damaged at random: each is a waveform within the limits or one error, whatever libsndfile makes of it.

`WSER_FUZZ=20000` in the environment tries so many, `WSER_FUZZ_SEED=1` others; best under a limit of memory, such as
`ulimit -v 6000000`.
"""

import contextlib
import os
import random
import struct

import numpy as np
import pytest

from precompute.audio import decode, recording
from precompute.check.measure import measure_recording
from precompute.common.errors import UnusableAudioError

pytestmark = pytest.mark.slow

COUNT = int(os.environ.get("WSER_FUZZ", "300"))

KINDS = [
    ("WAV", "PCM_16", 1), ("WAV", "PCM_16", 2), ("WAV", "PCM_24", 1), ("WAV", "FLOAT", 2), ("WAV", "PCM_U8", 1),
    ("WAV", "ULAW", 1), ("WAV", "IMA_ADPCM", 1), ("WAV", "MS_ADPCM", 2), ("WAV", "GSM610", 1), ("WAVEX", "PCM_16", 2),
    ("RF64", "PCM_16", 1), ("W64", "PCM_24", 1), ("FLAC", "PCM_16", 1), ("FLAC", "PCM_24", 2), ("OGG", "VORBIS", 1),
    ("OGG", "OPUS", 1), ("MP3", "MPEG_LAYER_III", 1), ("MP3", "MPEG_LAYER_III", 2), ("AIFF", "PCM_16", 1),
    ("AIFF", "FLOAT", 2), ("AU", "PCM_16", 1), ("AU", "ULAW", 2), ("CAF", "ALAC_16", 1), ("CAF", "PCM_24", 2),
    ("NIST", "PCM_16", 1), ("VOC", "PCM_U8", 1), ("SVX", "PCM_16", 1), ("IRCAM", "FLOAT", 1),
]  # fmt: skip

LIES = [0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32 - 2, 0x7FFF, 0xFFFF, 999, 768_001, 64, 1024]
LONG_LIES = [2**36 - 1, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1]
PARTS = [(None, None)] * 6 + [(0.1, None), (None, 0.3), (0.1, 0.2), (3.0, 4.0), (1e9, None), (0.0, 1e12)]


@pytest.fixture(scope="module")
def whole(encode):
    """Recordings of half a second, one of each kind."""
    rng = np.random.default_rng(0)
    made = []
    for container, subtype, channels in KINDS:
        rate = 48000 if subtype == "OPUS" else 16000
        samples = 0.2 * rng.standard_normal((rate // 2, channels))
        made.append(encode(np.clip(samples, -0.9, 0.9), rate, subtype, container))
    return made


def mutated(rng, whole):
    """One of the recordings, damaged in one to four ways."""
    data = bytearray(rng.choice(whole))
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        # Most of what a decoder believes stands at the beginning.
        place = rng.randrange(min(len(data), rng.choice([48, 200, len(data)])))
        what = rng.choice(["flip", "bytes", "cut", "splice", "lie", "long lie", "drop", "rate"])
        if what == "flip":
            data[place] ^= 1 << rng.randrange(8)
        elif what == "bytes":
            data[place : place + rng.choice([1, 4, 20])] = rng.randbytes(rng.choice([1, 4, 20]))
        elif what == "cut":
            del data[max(1, rng.randrange(len(data))) :]
        elif what == "splice":
            other = rng.choice(whole)
            start = rng.randrange(len(other))
            data[place:place] = other[start : start + rng.choice([8, 50, 2000])]
        elif what == "lie":
            data[place : place + 4] = struct.pack(rng.choice("<>") + "I", rng.choice(LIES))
        elif what == "long lie":
            data[place : place + 8] = struct.pack(rng.choice("<>") + "Q", rng.choice(LONG_LIES))
        elif what == "drop" and len(data) > 100:
            del data[place : place + rng.choice([1, 4, 99])]
        elif what == "rate":
            # FLAC tells rate, channels, bits and samples in eight bytes; of others this damages the header.
            data[18:26] = ((16000 << 44) + (rng.choice([15, 23]) << 36) + rng.choice([0, 2**32, 2**36 - 1])).to_bytes(8, "big")
    return bytes(data)


def checked(data, begin, end):
    """Whether a recording can be used; it is within the limits then."""
    try:
        wave = decode.decode(data, begin, end)
    except UnusableAudioError:
        return False
    assert decode.LEAST_RATE <= wave.sample_rate <= decode.HIGHEST_RATE
    assert wave.samples.dtype == np.float32
    assert 0 < len(wave.samples) <= decode.LONGEST * wave.sample_rate
    assert len(wave.samples) * wave.channels <= decode.MOST_SAMPLES
    assert np.abs(wave.samples).max() <= decode.LOUDEST
    return True


# Where a callback of libsndfile raises, soundfile prints a traceback and goes on.
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_damaged_recording_is_used_within_the_limits_or_refused(whole, tmp_path, capfd):
    rng = random.Random(int(os.environ.get("WSER_FUZZ_SEED", "0")))
    used, file = 0, tmp_path / "damaged"
    for _ in range(COUNT):
        data, (begin, end) = mutated(rng, whole), rng.choice(PARTS)
        if checked(data, begin, end):
            used += 1
            # What can be decoded can be measured.
            assert measure_recording(data, begin, end).duration > 0
        file.write_bytes(data)
        with recording.opened(file) as handle, contextlib.suppress(UnusableAudioError):
            assert min(decode.lengths(handle)) >= 0
    assert 0 < used < COUNT
    assert "Traceback" not in capfd.readouterr().err
