"""Hum of the mains and rumble are told from voices."""

import numpy as np
import pytest

from precompute.audio import synthesis
from precompute.check import disturbances
from precompute.check.findings import LEAST_HUM_DB, LEAST_RUMBLE_DB

RATE = 16000


@pytest.fixture(scope="module")
def speech():
    parts = [synthesis.synthesize(synthesis.SPEAKERS[2], sentence, "sad", RATE) for sentence in (0, 1)]
    return np.concatenate(parts)


def tone(frequency, like, level):
    """A tone so many dB re what it is added to."""
    times = np.arange(len(like)) / RATE
    return (np.sqrt(2) * like.std() * 10 ** (level / 20) * np.sin(2 * np.pi * frequency * times + 1)).astype(np.float32)


@pytest.mark.parametrize("frequency", [50, 60, 100, 120, 300])
def test_line_of_the_mains_is_found(speech, frequency):
    found = disturbances.find(speech + tone(frequency, speech, -20), RATE)
    assert (found.line, found.hum >= LEAST_HUM_DB) == (frequency, True)


@pytest.mark.parametrize("added", [lambda x: 0 * x, lambda x: tone(75, x, -20), lambda x: tone(1000, x, -10)])
def test_voices_and_other_tones_are_no_hum(speech, added):
    assert disturbances.find(speech + added(speech), RATE).hum < LEAST_HUM_DB


def test_hum_that_comes_and_goes_is_none(speech):
    gone = tone(50, speech, -10)
    gone[: len(gone) // 2] = 0
    assert disturbances.find(speech + gone, RATE).hum < LEAST_HUM_DB


def test_short_recordings_have_none(speech):
    short = speech[: int(1.1 * RATE)]
    assert disturbances.find(short + tone(50, short, 0), RATE).hum == 0


@pytest.mark.parametrize("level", [-3.0, 0.0, 6.0])
@pytest.mark.parametrize("frequency", [5, 20, 45])
def test_rumble_is_measured_re_the_voice(speech, frequency, level):
    found = disturbances.find(speech + tone(frequency, speech, level) + 0.2, RATE)
    assert found.rumble == pytest.approx(level, abs=1)
    assert found.rumble >= LEAST_RUMBLE_DB
    assert disturbances.find(speech + 0.2, RATE).rumble < -20
