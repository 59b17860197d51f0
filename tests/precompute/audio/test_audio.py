"""Recordings to waveforms: every format comes in whole, and what cannot be used is refused with the reason."""

import io
import struct
import tracemalloc

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from precompute.audio import condition, heads
from precompute.audio import decode as module
from precompute.audio.condition import fit, resample
from precompute.audio.decode import channels, decode
from precompute.common.errors import UnusableAudioError

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
    "empty": b"",
    "text": b"this is not sound\n" * 50,
    "head only": riff(FORMAT)[:20],
    "no data chunk": riff(FORMAT),
    "random bytes": np.random.default_rng(0).bytes(5000),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_audio_is_refused(kind, messages):
    with messages.raises(UnusableAudioError):
        decode(BAD[kind])


@pytest.mark.parametrize("lost", [66, 1000, 8000, 15990])
def test_a_truncated_wav_is_refused_with_its_seconds(encode, lost, messages):
    with messages.raises(UnusableAudioError):
        decode(encode(NOISE)[:-lost])


@given(st.integers(0, 16043 - heads.SLACK))
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
def test_samples_that_are_not_finite_are_counted(encode, bad, subtype, messages):
    samples = NOISE.copy()
    samples[[5, 77]] = bad
    with messages.raises(UnusableAudioError):
        decode(encode(samples, subtype=subtype))


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_a_constant_is_silence(encode, level, messages):
    # A constant has energy and no sound: an offset of the recorder's.
    with messages.raises(UnusableAudioError):
        decode(encode(np.full(8000, level, np.float32)))


@pytest.mark.parametrize("rest", [0, 1e-4, 3e-3])
def test_channels_that_cancel_are_said_to(encode, rest, messages):
    other = -NOISE + rest * np.roll(NOISE, 99)
    with messages.raises(UnusableAudioError):
        decode(encode(np.stack([NOISE, other], axis=1), subtype="FLOAT"))
    assert len(decode(encode(np.stack([NOISE, 0 * NOISE, np.roll(NOISE, 9)], axis=1))).samples) == 8000


def test_a_very_quiet_recording_is_not_silence(encode):
    assert len(decode(encode(NOISE / 5000, subtype="PCM_24")).samples) == 8000


@pytest.mark.parametrize("format", ["WAV", "AIFF"])
def test_no_frames_are_no_audio(encode, format, messages):
    with messages.raises(UnusableAudioError):
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


def test_absurdly_large_samples_are_refused(encode, messages):
    samples = np.full((1000, 2), 3e38)
    samples[::2] *= -1
    with messages.raises(UnusableAudioError):
        decode(encode(samples, subtype="FLOAT"))


@pytest.mark.parametrize("format", ["WAV", "RF64"])
def test_a_truncated_file_is_refused_in_both_sizes_of_wav(encode, format, messages):
    data = encode(np.sin(np.arange(20000.0)), format=format)
    assert len(decode(data).samples) == 20000
    with messages.raises(UnusableAudioError):
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
    def test_a_part_that_lies_outside_is_refused(self, data, begin, end, messages):
        with messages.raises(UnusableAudioError):
            decode(data, begin, end)

    def test_an_empty_part_is_refused(self, data, messages):
        with messages.raises(UnusableAudioError):
            decode(data, 0.5, 0.5)

    def test_parts_of_a_compressed_recording(self, encode):
        samples = 0.3 * np.sin(np.arange(self.RATE * 2) / 7)
        whole = encode(samples, self.RATE, subtype="MPEG_LAYER_III", format="MP3")
        np.testing.assert_allclose(
            decode(whole, 0.5, 1.0).samples, decode(whole).samples[self.RATE // 2 : self.RATE], atol=1e-3
        )


def flac_that_says(encode, frames, samples=NOISE, **more):
    """A FLAC whose head tells so many samples; 0 leaves it open, as encoders do that write into a pipe."""
    data = bytearray(encode(samples, format="FLAC", **more))
    fields = int.from_bytes(data[18:26], "big")
    data[18:26] = (fields >> 36 << 36 | frames).to_bytes(8, "big")
    return bytes(data)


def wav_that_says(rate=16000, channels=1, pcm=PCM):
    form = struct.pack("<HHIIHH", 1, channels, rate, 2 * rate * channels % 2**32, 2 * channels, 16)
    return riff(chunk(b"fmt ", form), chunk(b"data", pcm))


class TestUnknownLengths:
    def test_a_stream_is_read_to_its_end(self, encode):
        np.testing.assert_array_equal(decode(flac_that_says(encode, 0)).samples, decode(encode(NOISE, format="FLAC")).samples)

    @pytest.mark.slow
    @pytest.mark.parametrize("block", [1, 7, 999, 8000, 10**6])
    @pytest.mark.parametrize(("begin", "end"), [(0.1, 0.2), (None, 0.25), (0.4, None), (0, 0.5), (0.25, 0.505)])
    def test_a_part_of_a_stream_is_cut_out(self, encode, monkeypatch, begin, end, block):
        monkeypatch.setattr(module, "BLOCK", block)
        found = decode(flac_that_says(encode, 0), begin, end)
        np.testing.assert_array_equal(found.samples, decode(encode(NOISE, format="FLAC"), begin, end).samples)

    @pytest.mark.parametrize(("begin", "end"), [(0.1, 0.6), (0.6, None), (0.7, 0.8), (-0.1, 0.1), (0.3, 0.2), (1e9, None)])
    def test_a_part_that_a_stream_has_not_is_refused(self, encode, begin, end, messages):
        with messages.raises(UnusableAudioError):
            decode(flac_that_says(encode, 0), begin, end)

    def test_a_stream_longer_than_the_limit_is_refused(self, encode, monkeypatch, messages):
        monkeypatch.setattr(module, "LONGEST", 0.25)
        with messages.raises(UnusableAudioError):
            decode(flac_that_says(encode, 0))
        assert len(decode(flac_that_says(encode, 0), 0.2, 0.4).samples) == 3200

    @pytest.mark.parametrize("frames", [8001, 2**32 - 1, 2**32, 2**36 - 1])
    @pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
    def test_a_head_that_lies_is_refused(self, encode, frames, subtype, messages):
        with messages.raises(UnusableAudioError):
            decode(flac_that_says(encode, frames, subtype=subtype))


class TestLimits:
    @pytest.mark.parametrize("rate", [1, 8, 999, 768_001, 10**6, 2**31 - 1])
    def test_a_rate_that_no_recording_has_is_refused(self, rate, messages):
        with messages.raises(UnusableAudioError):
            decode(wav_that_says(rate))

    @pytest.mark.parametrize("rate", [1000, 768_000])
    def test_the_limits_themselves_are_legal(self, rate):
        assert decode(wav_that_says(rate)).sample_rate == rate

    def test_a_recording_of_hours_is_refused_with_its_length(self, messages):
        data = wav_that_says(1000, pcm=np.tile(np.array([1000, -1000], "<i2"), 3_700_000).tobytes())
        with messages.raises(UnusableAudioError):
            decode(data)
        assert len(decode(data, 7000, 7100).samples) == 100_000

    def test_channels_count_towards_the_limit(self, monkeypatch, messages):
        monkeypatch.setattr(module, "MOST_SAMPLES", 7999)
        with messages.raises(UnusableAudioError):
            decode(wav_that_says(channels=2))

    def test_the_chunks_of_a_wav_are_not_counted_for_ever(self, messages):
        with messages.raises(UnusableAudioError):
            decode(riff(FORMAT, bytes(8 * 11_000), chunk(b"data", PCM)))

    @pytest.mark.parametrize(("begin", "end"), [(np.nan, None), (None, np.nan), (np.inf, None), (0, np.inf), (-np.inf, 0.1)])
    def test_times_that_are_no_numbers_are_refused(self, encode, begin, end, messages):
        with messages.raises(UnusableAudioError):
            decode(encode(NOISE), begin, end)

    @pytest.mark.parametrize(
        "error", [MemoryError, RuntimeError, OverflowError, ValueError, TypeError, SystemError, AssertionError]
    )
    @pytest.mark.parametrize("step", ["read", "__init__"])
    def test_whatever_the_decoder_raises_is_one_error(self, encode, monkeypatch, error, step, messages):
        data = encode(NOISE)

        def fail(*_, **__):
            raise error("unforeseen")

        monkeypatch.setattr(soundfile.SoundFile, step, fail)
        with messages.raises(UnusableAudioError):
            decode(data)

    @pytest.mark.parametrize("error", [MemoryError, RuntimeError, ValueError])
    def test_whatever_the_resampler_raises_is_one_error(self, monkeypatch, error, messages):
        def fail(*_, **__):
            raise error("unforeseen")

        monkeypatch.setattr(condition.soxr, "resample", fail)
        with messages.raises(UnusableAudioError):
            resample(NOISE, 8000, 16000)


class TestBlocks:
    @pytest.mark.slow
    @pytest.mark.parametrize("block", [1, 1000, 4096])
    @pytest.mark.parametrize(
        ("format", "subtype"),
        [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")],
    )
    def test_blocks_add_up_to_the_whole(self, encode, monkeypatch, format, subtype, block):
        data = encode(np.stack([NOISE, np.roll(NOISE, 5)], axis=1), format=format, subtype=subtype)
        whole, parts = decode(data), [(0.1, 0.3), (0.3, None)]
        of_parts = [decode(data, *part).samples for part in parts]
        monkeypatch.setattr(module, "BLOCK", block)
        np.testing.assert_array_equal(decode(data).samples, whole.samples)
        for part, expected in zip(parts, of_parts, strict=True):
            np.testing.assert_array_equal(decode(data, *part).samples, expected)
        np.testing.assert_array_equal(channels(data).mean(axis=1), whole.samples)

    @pytest.mark.parametrize("subtype", ["GSM610", "IMA_ADPCM", "MS_ADPCM", "ULAW"])
    def test_codings_of_telephones_decode(self, encode, subtype):
        tone = 0.4 * np.sin(np.arange(16000) / 10)
        data = encode(tone, 8000, subtype)
        found = decode(data)
        np.testing.assert_allclose(found.samples[200:15000], tone[200:15000], atol=0.1)
        np.testing.assert_array_equal(decode(data, 0.5, 1.0).samples, found.samples[4000:8000])

    @pytest.mark.slow
    @pytest.mark.parametrize(("format", "subtype"), [("MP3", "MPEG_LAYER_III"), ("WAV", "GSM610")])
    @pytest.mark.parametrize("kept", [True, False])
    def test_what_lies_before_a_part_takes_no_memory_beyond_what_is_kept(self, encode, monkeypatch, format, subtype, kept):
        rate, count = 8000, 8000 * 200
        monkeypatch.setattr(module, "BLOCK", 1 << 16)
        monkeypatch.setattr(module, "MOST_KEPT", count + rate if kept else count - rate)
        data = encode(0.3 * np.sin(np.arange(count) / 7), rate, subtype, format)
        tracemalloc.start()
        part = decode(data, 190, 193).samples
        peak = tracemalloc.get_traced_memory()[1]
        calls = []
        monkeypatch.setattr(module, "_read", lambda *_: calls.append(1))
        if kept:
            # The next part is of what is kept.
            np.testing.assert_array_equal(decode(data, 191, 193).samples, part[rate:])
        tracemalloc.stop()
        assert calls == []
        # All of it takes 6.4 MB, a block 0.3 MB.
        assert peak < 4 * 4 * module.BLOCK + (4.5 * count if kept else 0)
