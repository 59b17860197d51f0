"""A recording is known by what is heard, whatever its file."""

import io

import numpy as np
import pytest
import soundfile

from precompute.audio import decode

RATE = 16000
SAMPLES = (3000 * np.random.default_rng(0).standard_normal(3 * RATE)).astype("<i2")


def encoded(samples=SAMPLES, rate=RATE, **how):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, **{"format": "WAV"} | how)
    return file.getvalue()


def digests(content):
    wave = decode.decode(content)
    return decode.digest(wave.samples, wave.sample_rate), decode.recording_digest(content)


PLAIN = encoded()
COPIES = {
    "a LIST chunk": PLAIN[:36] + b"LIST\x0c\0\0\0INFOISFT" + bytes(4) + PLAIN[36:],
    "FLAC": encoded(format="FLAC"),
    "AIFF": encoded(format="AIFF"),
    "24 bits": encoded(SAMPLES.astype("<i4") << 16, subtype="PCM_24"),
    "32 bits": encoded(SAMPLES.astype("<i4") << 16, subtype="PCM_32"),
    "float": encoded((SAMPLES / 2**15).astype("float32"), subtype="FLOAT"),
    "double": encoded(SAMPLES / 2**15, subtype="DOUBLE"),
    "two equal channels": encoded(np.stack([SAMPLES, SAMPLES], axis=1)),
    "negative zeros": encoded(np.where(SAMPLES == 0, -0.0, SAMPLES / 2**15), subtype="FLOAT"),
    "RF64": encoded(format="RF64"),
}


@pytest.mark.parametrize("copy", COPIES)
def test_copies_without_loss_are_one_recording(copy):
    assert digests(COPIES[copy]) == digests(PLAIN)


@pytest.mark.parametrize(
    "other",
    [
        encoded(rate=2 * RATE),
        encoded(SAMPLES[1:]),
        encoded(-SAMPLES),
        encoded(np.stack([SAMPLES, np.roll(SAMPLES, 1)], axis=1)),
        encoded(SAMPLES // 2),
    ],
)
def test_others_are_others(other):
    assert not {*digests(other)} & {*digests(PLAIN)}


@pytest.mark.parametrize("how", [{"format": "MP3"}, {"format": "OGG"}, {"subtype": "GSM610"}, {"format": "FLAC"}, {}])
@pytest.mark.parametrize("block", [1000, 4096, 10**6])
def test_digest_of_the_whole_is_that_of_its_blocks(how, block, monkeypatch):
    content = encoded(**how)
    expected = digests(content)
    assert expected[0] == expected[1]
    monkeypatch.setattr(decode, "BLOCK", block)
    assert digests(content) == expected


def test_part_has_its_own_digest_and_that_of_a_file_of_it_alone():
    part = decode.decode(PLAIN, 1.0, 2.0)
    assert decode.digest(part.samples, RATE) == digests(encoded(SAMPLES[RATE : 2 * RATE]))[0]


def test_recording_that_breaks_off_has_none():
    assert decode.recording_digest(PLAIN[: len(PLAIN) // 2]) is None
