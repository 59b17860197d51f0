"""Recordings to waveforms: every format comes in whole, and what cannot be used is refused with the reason."""

import io
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from precompute.audio import decode, fit, normalise, resample
from precompute.errors import UnusableAudioError

NOISE = np.clip(0.2 * np.random.default_rng(0).standard_normal(8000), -0.9, 0.9).astype(np.float32)


def chunk(name, content):
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def riff(*chunks):
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


FORMAT = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 16000, 32000, 2, 16))
PCM = (NOISE * 32767).astype("<i2").tobytes()


@pytest.mark.parametrize(
    ("format", "subtype", "step"),
    [
        ("WAV", "PCM_16", 2**-15),
        ("WAV", "PCM_24", 2**-23),
        ("WAV", "PCM_32", 2**-24),
        ("WAV", "PCM_U8", 2**-7),
        ("WAV", "FLOAT", 1e-9),
        ("WAV", "DOUBLE", 1e-7),
        ("WAVEX", "PCM_16", 2**-15),
        ("WAVEX", "PCM_24", 2**-23),
        ("FLAC", "PCM_16", 2**-15),
        ("AIFF", "PCM_16", 2**-15),
    ],
)
def test_lossless_formats_keep_their_samples(encode, format, subtype, step):
    wave = decode(encode(NOISE, 22050, subtype, format))
    assert (wave.sample_rate, wave.channels) == (22050, 1)
    assert wave.samples.dtype == np.float32
    assert wave.samples.shape == NOISE.shape
    assert np.abs(wave.samples - NOISE).max() <= step


@pytest.mark.parametrize("format", ["WAV", "WAVEX", "FLAC"])
def test_channels_are_mixed_to_their_mean(encode, format):
    other = np.roll(NOISE, 7) * 0.5
    wave = decode(encode(np.stack([NOISE, other], axis=1), format=format))
    assert wave.channels == 2
    np.testing.assert_allclose(wave.samples, (NOISE + other) / 2, atol=2**-14)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 17, 40])
def test_other_chunks_are_passed_over(size):
    # Chunks of odd size have a byte of padding after them; RAVDESS and EmoDB have LIST and bext chunks on either side.
    extra = bytes(range(size))
    data = riff(chunk(b"bext", extra), FORMAT, chunk(b"LIST", b"INFO" + extra), chunk(b"data", PCM), chunk(b"junk", extra))
    assert len(decode(data).samples) == 8000


def test_streams_may_leave_the_size_open():
    # What a program that writes to a pipe announces, since it cannot go back to the head of the file.
    data = riff(FORMAT) + b"data" + struct.pack("<I", 0xFFFFFFFF) + PCM
    assert len(decode(data).samples) == 8000


BAD = {
    "empty": (b"", "the file is empty"),
    "text": (b"this is not sound\n" * 50, "not a readable audio file"),
    "head only": (riff(FORMAT)[:20], "truncated|not a readable"),
    "no data chunk": (riff(FORMAT), "not a readable audio file|no audio samples"),
    "random bytes": (np.random.default_rng(0).bytes(5000), "not a readable audio file"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_audio_is_refused(kind):
    data, reason = BAD[kind]
    with pytest.raises(UnusableAudioError, match=reason):
        decode(data)


@pytest.mark.parametrize("lost", [1, 2, 100, 8000, 15999])
def test_a_truncated_wav_is_refused_with_what_is_missing(encode, lost):
    with pytest.raises(UnusableAudioError, match=rf"truncated: {lost} bytes"):
        decode(encode(NOISE)[:-lost])


@given(st.integers(0, 16043))
def test_no_part_of_a_wav_passes_for_the_whole(kept):
    whole = riff(FORMAT, chunk(b"data", PCM))
    with pytest.raises(UnusableAudioError):
        decode(whole[:kept])


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("format", ["FLAC", "OGG"])
def test_a_truncated_stream_is_refused(encode, format, share):
    whole = encode(NOISE, subtype="PCM_16" if format == "FLAC" else "VORBIS", format=format)
    with pytest.raises(UnusableAudioError):
        decode(whole[: int(share * len(whole))])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_samples_that_are_not_finite_are_counted(encode, bad, subtype):
    samples = NOISE.copy()
    samples[[5, 77]] = bad
    with pytest.raises(UnusableAudioError, match="2 samples are NaN or infinite"):
        decode(encode(samples, subtype=subtype))


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_a_constant_is_silence(encode, level):
    # A constant has energy and no sound: an offset of the recorder's.
    with pytest.raises(UnusableAudioError, match="silent"):
        decode(encode(np.full(8000, level, np.float32)))


def test_channels_that_cancel_are_silence(encode):
    with pytest.raises(UnusableAudioError, match="silent"):
        decode(encode(np.stack([NOISE, -NOISE], axis=1), subtype="FLOAT"))


def test_a_very_quiet_recording_is_not_silence(encode):
    assert len(decode(encode(NOISE / 5000, subtype="PCM_24")).samples) == 8000


@pytest.mark.parametrize("format", ["WAV", "AIFF"])
def test_no_frames_are_no_audio(encode, format):
    with pytest.raises(UnusableAudioError, match="no audio samples"):
        decode(encode(np.zeros(0, np.float32), format=format))


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_resampling_keeps_frequency_and_amplitude(rate):
    tone = (0.5 * np.sin(2 * np.pi * 1000 * np.arange(rate) / rate)).astype(np.float32)
    resampled = resample(tone, rate, 16000)
    assert resampled.dtype == np.float32
    assert abs(len(resampled) - 16000) <= 1
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(len(resampled)) / 16000)
    np.testing.assert_allclose(resampled[500:-500], expected[500:-500], atol=1e-3)


def test_resampling_removes_what_the_lower_rate_cannot_hold():
    tone = np.sin(2 * np.pi * 12000 * np.arange(48000) / 48000).astype(np.float32)
    assert np.abs(resample(tone, 48000, 16000)[500:-500]).max() < 1e-4


def test_at_its_own_rate_nothing_changes():
    np.testing.assert_array_equal(resample(NOISE, 16000, 16000), NOISE)


@given(st.floats(1e-5, 1e4), st.integers(1, 500))
def test_normalising_gives_a_root_mean_square_of_one(gain, n):
    normalised = normalise((NOISE[:n] * gain).astype(np.float32), "rms")
    assert normalised.dtype == np.float32
    assert np.sqrt(np.mean(normalised.astype(np.float64) ** 2)) == pytest.approx(1, rel=1e-5)


def test_without_normalisation_levels_stay():
    np.testing.assert_array_equal(normalise(NOISE, "none"), NOISE)


LENGTHS = {"n": st.integers(1, 300), "length": st.integers(1, 300), "key": st.text(max_size=10)}


@pytest.mark.parametrize("pad", ["end", "centre", "random"])
@given(**LENGTHS)
def test_what_is_kept_is_one_piece_within_the_frame(pad, n, length, key):
    kept, offset = fit(np.arange(n, dtype=np.float32), length, pad, key)
    assert len(kept) == min(n, length)
    assert 0 <= offset <= length - len(kept)
    np.testing.assert_array_equal(kept, kept[0] + np.arange(len(kept)))
    assert n > length or kept[0] == 0


@given(**LENGTHS)
def test_end_pads_and_crops_at_the_end(n, length, key):
    kept, offset = fit(np.arange(n, dtype=np.float32), length, "end", key)
    assert (offset, kept[0]) == (0, 0)


@given(**LENGTHS)
def test_centre_leaves_as_much_before_as_after(n, length, key):
    kept, offset = fit(np.arange(n, dtype=np.float32), length, "centre", key)
    before, after = (offset, length - offset - n) if n <= length else (int(kept[0]), n - 1 - int(kept[-1]))
    assert after - before in (0, 1)


@given(**LENGTHS)
def test_random_is_a_function_of_the_key(n, length, key):
    x = np.arange(n, dtype=np.float32)
    one, other = fit(x, length, "random", key), fit(x, length, "random", key)
    assert one[1] == other[1]
    np.testing.assert_array_equal(one[0], other[0])


@pytest.mark.parametrize("length", [100, 10000])
def test_random_places_are_spread_over_all_there_are(length):
    x = np.arange(1000, dtype=np.float32)
    places = []
    for key in range(300):
        kept, offset = fit(x, length, "random", f"utterance {key}")
        places.append(offset if length > 1000 else kept[0])
    room = abs(length - 1000)
    assert min(places) < 0.05 * room
    assert max(places) > 0.95 * room
    assert abs(np.mean(places) / room - 0.5) < 0.06


def test_the_fixture_writes_what_it_is_told(encode):
    info = soundfile.info(io.BytesIO(encode(NOISE, 22050, "PCM_24", "WAVEX")))
    assert (info.format, info.subtype, info.samplerate) == ("WAVEX", "PCM_24", 22050)


def test_absurdly_large_samples_are_refused(encode):
    samples = np.full((1000, 2), 3e38)
    samples[::2] *= -1
    with pytest.raises(UnusableAudioError, match=r"3e\+38 times full scale, over 1e\+10"):
        decode(encode(samples, subtype="FLOAT"))


@pytest.mark.parametrize("format", ["WAV", "RF64"])
def test_a_truncated_file_is_refused_in_both_sizes_of_wav(encode, format):
    data = encode(np.sin(np.arange(20000.0)), format=format)
    assert len(decode(data).samples) == 20000
    with pytest.raises(UnusableAudioError, match="truncated"):
        decode(data[: len(data) // 2])


class TestParts:
    RATE = 16000

    @pytest.fixture
    def data(self, encode):
        self.samples = 0.1 * np.random.default_rng(0).standard_normal(self.RATE)
        return encode(self.samples, self.RATE, subtype="FLOAT")

    @pytest.mark.parametrize(("begin", "end"), [(None, None), (0.25, 0.5), (None, 0.5), (0.25, None), (0, 1.009)])
    def test_a_part_is_cut_out(self, data, begin, end):
        first, last = round((begin or 0) * self.RATE), round((end or 1) * self.RATE)
        found = decode(data, begin, end)
        np.testing.assert_array_equal(found.samples, self.samples[first:last].astype(np.float32))

    @pytest.mark.parametrize(("begin", "end"), [(0, 1.02), (1.1, None), (0.5, 0.25), (-0.1, 0.5)])
    def test_a_part_that_lies_outside_is_refused(self, data, begin, end):
        with pytest.raises(UnusableAudioError, match=r"is none of a recording of 1 s"):
            decode(data, begin, end)

    def test_an_empty_part_is_refused(self, data):
        with pytest.raises(UnusableAudioError, match="no audio samples"):
            decode(data, 0.5, 0.5)

    def test_parts_of_a_compressed_recording(self, encode):
        samples = 0.3 * np.sin(np.arange(self.RATE * 2) / 7)
        whole = encode(samples, self.RATE, subtype="MPEG_LAYER_III", format="MP3")
        np.testing.assert_allclose(
            decode(whole, 0.5, 1.0).samples, decode(whole).samples[self.RATE // 2 : self.RATE], atol=1e-3
        )
