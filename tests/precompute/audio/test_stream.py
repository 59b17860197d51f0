"""Recordings of any length, decoded block by block: the same samples as decoded whole, and the same refusals."""

import numpy as np
import pytest

import precompute
from precompute.audio import decode
from precompute.common.errors import UnusableAudioError


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, (30_000, 3))


FORMATS = {
    "16 bits": {"subtype": "PCM_16"},
    "24 bits": {"subtype": "PCM_24"},
    "floats": {"subtype": "FLOAT"},
    "FLAC": {"subtype": "PCM_16", "format": "FLAC"},
    "AIFF": {"subtype": "PCM_16", "format": "AIFF"},
    "AU": {"subtype": "FLOAT", "format": "AU"},
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("channels", [1, 3])
def test_blocks_are_what_is_decoded_whole(encode, noise, tmp_path, monkeypatch, name, channels):
    content = encode(noise[:, :channels], 22050, **FORMATS[name])
    whole = decode.decode(content)
    (tmp_path / "x").write_bytes(content)
    monkeypatch.setattr(decode, "BLOCK", 7000)
    for source in (content, tmp_path / "x", str(tmp_path / "x")):
        with precompute.stream(source) as recording:
            blocks = list(recording)
            assert len(blocks) > 4
            np.testing.assert_array_equal(np.concatenate(blocks), whole.samples)
            assert (recording.sample_rate, recording.channels) == (22050, channels)
            assert recording.seconds == pytest.approx(len(whole.samples) / 22050)
            assert recording.sha256 == decode.digest(whole.samples, 22050) == decode.recording_digest(content)


def test_it_is_longer_than_an_utterance_may_be(encode, noise, tmp_path, monkeypatch, messages):
    (tmp_path / "x.wav").write_bytes(encode(noise[:, :1]))
    monkeypatch.setattr(decode, "LONGEST", 1.0)
    with messages.raises(UnusableAudioError):
        precompute.extract(tmp_path / "x.wav")
    with precompute.stream(tmp_path / "x.wav") as recording:
        assert sum(map(len, recording)) == len(noise)


def test_a_head_that_leaves_the_length_open_is_read(encode, noise):
    content = bytearray(encode(noise[:, :1]))
    content[4:8] = content[40:44] = b"\xff" * 4
    with precompute.stream(bytes(content)) as recording:
        assert sum(map(len, recording)) == len(noise)


@pytest.mark.parametrize("what", ["empty", "text", "cut", "not a number", "slow", "gone", "folder"])
def test_what_cannot_be_used_is_one_error(encode, noise, tmp_path, what):
    content = {
        "empty": b"",
        "text": b"hello\n" * 1000,
        "cut": encode(noise)[:50_000],
        "not a number": encode(np.where(np.arange(len(noise)) == 20_000, np.nan, noise[:, 0]), subtype="FLOAT"),
        "slow": encode(noise, rate=500),
    }.get(what)
    if what == "folder":
        (tmp_path / "x").mkdir()
    sources = [tmp_path / "x"]
    if content is not None:
        (tmp_path / "x").write_bytes(content)
        sources.append(content)
    for source in sources:
        with pytest.raises(UnusableAudioError), precompute.stream(source) as recording:
            list(recording)


def test_the_content_of_a_file_is_extracted_as_the_file(encode, noise, tmp_path):
    content = encode(noise[:, :1])
    (tmp_path / "x.wav").write_bytes(content)
    one, other = precompute.extract(content), precompute.extract(tmp_path / "x.wav")
    np.testing.assert_array_equal(one.values, other.values)
    assert one.sample_rate == other.sample_rate == 16000
