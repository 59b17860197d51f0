"""Noise: as loud as asked, the same for the same utterance, and speech-like where it is babble."""

import numpy as np
import pytest

from precompute.audio import noise, synthesis

RATE = 16000
BAND = (60.0, 7600.0)


@pytest.fixture(scope="module")
def speech():
    return synthesis.synthesize(synthesis.SPEAKERS[3], 1, "happy", RATE)


def decibels(signal, added):
    return 10 * np.log10(power_between(signal, *BAND) / power_between(added, *BAND))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["white", "babble"])
@pytest.mark.parametrize("snr", [-10.0, 0.0, 5.0, 20.0, 60.0])
def test_the_ratio_is_as_asked(speech, kind, snr):
    for gain in (1.0, 0.01):
        clean = (gain * speech).astype(np.float32)
        noisy = noise.add(clean, kind, snr, RATE, "a", BAND)
        assert (noisy.dtype, noisy.shape) == (np.float32, clean.shape)
        assert decibels(clean, noisy.astype(np.float64) - clean) == pytest.approx(snr, abs=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["white", "babble"])
def test_rumble_and_an_offset_leave_the_noise_as_loud_as_it_was(speech, kind):
    rumble = 3 * np.std(speech) * np.sin(2 * np.pi * 20 * np.arange(len(speech)) / RATE)
    disturbed = (speech + rumble + 0.3).astype(np.float32)
    added, expected = (noise.add(x, kind, 10.0, RATE, "a", BAND) - x for x in (disturbed, speech))
    assert 20 * np.log10(np.std(added) / np.std(expected)) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("kind", ["white", "babble"])
def test_noise_belongs_to_the_key(speech, kind):
    first = noise.add(speech, kind, 10.0, RATE, "a", BAND)
    np.testing.assert_array_equal(noise.add(speech, kind, 10.0, RATE, "a", BAND), first)
    others = [noise.add(speech, kind, 10.0, RATE, key, BAND) - speech for key in ("b", "c", "ab")]
    for other in others:
        # Other noise, not the same at another level.
        assert abs(np.corrcoef(first - speech, other)[0, 1]) < 0.2


@pytest.mark.parametrize("kind", ["white", "babble"])
def test_the_same_noise_at_every_ratio(speech, kind):
    soft, loud = (noise.add(speech, kind, snr, RATE, "a", BAND).astype(np.float64) - speech for snr in (20.0, 0.0))
    np.testing.assert_allclose(loud, 10 * soft, atol=1e-4 * np.abs(loud).max())


def test_kinds_of_noise_differ(speech):
    white, babble = (noise.add(speech, kind, 0.0, RATE, "a", BAND) - speech for kind in ("white", "babble"))
    assert abs(np.corrcoef(white, babble)[0, 1]) < 0.1


def test_without_noise_the_utterance_is_as_it_was(speech):
    assert noise.add(speech, "none", 0.0, RATE, "a", BAND) is speech


@pytest.mark.parametrize("kind", ["white", "babble"])
def test_the_utterance_itself_is_left_alone(speech, kind):
    before = speech.copy()
    noise.add(speech, kind, 0.0, RATE, "a", BAND)
    np.testing.assert_array_equal(speech, before)


@pytest.mark.parametrize("kind", ["white", "babble"])
def test_noise_neither_heeds_nor_moves_the_global_generator(speech, kind):
    np.random.seed(1)
    expected = np.random.random()
    np.random.seed(1)
    first = noise.add(speech, kind, 10.0, RATE, "a", BAND)
    assert np.random.random() == expected
    np.random.seed(2)
    np.testing.assert_array_equal(noise.add(speech, kind, 10.0, RATE, "a", BAND), first)


def power_between(signal, low, high):
    f = np.fft.rfftfreq(len(signal), 1 / RATE)
    return np.sum(np.abs(np.fft.rfft(signal)[(f >= low) & (f < high)]) ** 2)


def test_babble_has_the_spectrum_of_speech():
    talk = noise.babble(RATE)
    assert power_between(talk, 100, 1000) > 100 * power_between(talk, 4000, 8000)
    assert power_between(talk, 100, 1000) > 10 * power_between(talk, 0, 60)


def test_white_noise_is_white(speech):
    added = noise.add(speech, "white", 0.0, RATE, "a", BAND) - speech
    assert power_between(added, 0, 4000) == pytest.approx(power_between(added, 4000, 8000), rel=0.05)


def test_babble_is_twenty_seconds_of_steady_talk():
    talk = noise.babble(RATE)
    assert (talk.dtype, talk.shape) == (np.float32, (20 * RATE,))
    # Eight at once seldom pause together: each second is within 5 dB of the mean.
    levels = 10 * np.log10(
        np.mean(talk.reshape(20, -1).astype(np.float64) ** 2, axis=1) / np.mean(talk.astype(np.float64) ** 2)
    )
    assert np.abs(levels).max() < 5


def test_utterances_longer_than_the_babble_have_it_from_end_to_end():
    rng = np.random.default_rng(0)
    clean = rng.standard_normal(30 * RATE).astype(np.float32)
    added = noise.add(clean, "babble", -20.0, RATE, "a", BAND).astype(np.float64) - clean
    assert (np.mean(added.reshape(30, -1) ** 2, axis=1) > 0.1 * np.mean(added**2)).all()
    np.testing.assert_allclose(added[: 10 * RATE], added[20 * RATE :], atol=1e-4 * np.abs(added).max())
