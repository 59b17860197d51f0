"""Measurements of single recordings whose properties are known."""

import numpy as np
import pytest

from precompute.check.measure import measure_recording
from precompute.common.errors import UnusableAudioError

RATE = 16000


def tone(seconds=1.0, amplitude=0.5, hertz=440.0, rate=RATE):
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def test_level_and_peak_of_a_sine(encode):
    measured = measure_recording(encode(tone()))
    assert measured.level == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.01)
    assert measured.peak == pytest.approx(20 * np.log10(0.5), abs=0.01)
    assert measured.duration == 1.0
    assert (measured.rate, measured.channels, measured.equal_channels, measured.encoding) == (RATE, 1, True, "WAV PCM_16")
    assert measured.clipped == 0
    assert measured.offset == pytest.approx(0, abs=1e-4)
    assert (measured.leading, measured.trailing) == (0, 0)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
def test_clipped_samples_are_runs_at_full_scale(encode, subtype):
    samples = tone(amplitude=0.3)
    samples[1000:1003] = 1.0
    samples[2000:2005] = -1.0
    # A peak of two samples is none, nor is a jump from one end of the scale to the other.
    samples[3000:3002] = 1.0
    samples[4000:4002], samples[4002:4004] = 1.0, -1.0
    assert measure_recording(encode(samples, subtype=subtype)).clipped == 8


def test_clipping_is_counted_in_each_channel(encode):
    stereo = np.stack([tone(amplitude=0.3), tone(amplitude=0.3)], axis=1)
    stereo[100:104, 1] = 1.0
    assert measure_recording(encode(stereo)).clipped == 4


def test_a_flat_top_under_full_scale_is_not_called_clipped(encode):
    assert measure_recording(encode(np.clip(tone(), -0.2, 0.2))).clipped == 0


def test_silence_is_what_is_40_db_under_the_loudest(encode):
    faint = 0.003
    samples = np.concatenate([tone(0.5, faint), tone(1.0), tone(0.25, faint)])
    measured = measure_recording(encode(samples))
    assert measured.leading == pytest.approx(0.5, abs=0.011)
    assert measured.trailing == pytest.approx(0.25, abs=0.011)
    louder = measure_recording(encode(np.concatenate([tone(0.5, 0.02), tone(1.0)])))
    assert louder.leading == 0


def test_an_offset_is_measured_and_does_not_hide_silence(encode):
    samples = 0.1 + np.concatenate([np.zeros(RATE // 2), tone(0.5, 0.1)])
    measured = measure_recording(encode(samples))
    assert measured.offset == pytest.approx(0.1, abs=0.001)
    assert measured.leading == pytest.approx(0.5, abs=0.011)


def test_stereo_with_equal_channels_is_told_from_stereo_with_different_ones(encode):
    left, right = tone(hertz=440), tone(hertz=550)
    equal, different = (
        measure_recording(encode(np.stack([left, left], axis=1))),
        measure_recording(encode(np.stack([left, right], axis=1))),
    )
    assert (equal.channels, equal.equal_channels) == (2, True)
    assert (different.channels, different.equal_channels) == (2, False)
    # The level is that of all channels, not of their mean.
    assert different.level == pytest.approx(measure_recording(encode(left)).level, abs=0.01)


class TestSameSamples:
    @pytest.fixture
    def samples(self):
        return np.random.default_rng(0).integers(-20000, 20000, RATE).astype(np.int16)

    def test_another_lossless_container_has_the_same(self, encode, samples):
        wav, flac = measure_recording(encode(samples)), measure_recording(encode(samples, format="FLAC"))
        assert flac.encoding == "FLAC PCM_16"
        assert wav.file_sha256 != flac.file_sha256
        assert wav.samples_sha256 == flac.samples_sha256

    def test_more_bits_and_equal_channels_have_the_same(self, encode, samples):
        wav = measure_recording(encode(samples))
        assert measure_recording(encode(samples, subtype="PCM_24")).samples_sha256 == wav.samples_sha256
        assert measure_recording(encode(np.stack([samples, samples], axis=1))).samples_sha256 == wav.samples_sha256

    def test_another_sample_rate_or_sample_differs(self, encode, samples):
        wav = measure_recording(encode(samples))
        assert measure_recording(encode(samples, rate=8000)).samples_sha256 != wav.samples_sha256
        samples[5] += 1
        assert measure_recording(encode(samples)).samples_sha256 != wav.samples_sha256

    def test_interleaved_stereo_is_not_mono_of_twice_the_length(self, encode, samples):
        stereo = samples.reshape(-1, 2)
        assert measure_recording(encode(stereo)).samples_sha256 != measure_recording(encode(samples)).samples_sha256


@pytest.mark.parametrize("channels", [1, 2])
def test_a_part_is_measured_as_if_it_were_alone(encode, channels):
    rng = np.random.default_rng(1)
    samples = rng.integers(-9000, 9000, (3 * RATE, channels)).astype(np.int16)
    whole, alone = encode(samples), measure_recording(encode(samples[RATE // 2 : 2 * RATE]))
    part = measure_recording(whole, 0.5, 2.0)
    assert part.duration == 1.5
    assert part.samples_sha256 == alone.samples_sha256
    assert (part.level, part.peak, part.channels) == (alone.level, alone.peak, alone.channels)


@pytest.mark.parametrize("seconds", [0.001, 0.004, 0.0137])
def test_a_recording_shorter_than_a_frame_or_two_is_measured(encode, seconds):
    measured = measure_recording(encode(tone(seconds, hertz=2000)))
    assert (measured.leading, measured.trailing) == (0, 0)


@pytest.mark.parametrize("data", [b"", b"no audio" * 99, None])
def test_what_cannot_be_used_says_why(encode, data, messages):
    with messages.raises(UnusableAudioError):
        measure_recording(encode(np.zeros(RATE)) if data is None else data)
