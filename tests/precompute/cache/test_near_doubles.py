"""Copies that sound nearly alike are found, whatever was done to them; distinct recordings are not."""

import base64
import io

import numpy as np
import pytest
import soundfile
import soxr

from precompute.audio import synthesis
from precompute.cache import near_doubles as near_doubles_module
from precompute.cache.near_doubles import ALIKE, BITS, Pair, fingerprint, near_doubles
from precompute.pipeline.extract import extract
from precompute.recipe import Recipe, named

RATE = 16000
RECIPE = Recipe()


def as_mp3(samples):
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="MP3", subtype="MPEG_LAYER_III")
    return soundfile.read(io.BytesIO(file.getvalue()), dtype="float32")[0]


COPIES = {
    "another rate": lambda x: (soxr.resample(x, RATE, 8000), 8000),
    "a higher rate": lambda x: (soxr.resample(x, RATE, 44100), 44100),
    "softer by 20 dB": lambda x: (0.1 * x, RATE),
    "MP3": lambda x: (as_mp3(x), RATE),
    "0.2 s of silence before": lambda x: (np.concatenate([np.zeros(3200, np.float32), x]), RATE),
    "0.1 s cut off at the end": lambda x: (x[:-1600], RATE),
    "an eighth of a second cut off": lambda x: (x[2000:], RATE),
    "a little noise": lambda x: (
        x + 0.01 * x.std() * np.random.default_rng(0).standard_normal(len(x)).astype(np.float32),
        RATE,
    ),
    "other polarity": lambda x: (-x, RATE),
}


@pytest.fixture(scope="module")
def utterances():
    return [synthesis.synthesize(speaker, sentence, "happy", RATE) for speaker in synthesis.SPEAKERS[:3] for sentence in (0, 1)]


def pairs_of(texts, speakers=None):
    return near_doubles(texts, speakers or [f"{i}" for i in range(len(texts))])


def heard(samples, rate=RATE, recipe=RECIPE):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="FLOAT")
    return extract(file.getvalue(), "a", recipe).acoustic_fingerprint


@pytest.fixture(scope="module")
def fingerprints(utterances):
    return [heard(samples) for samples in utterances]


@pytest.mark.parametrize("how", COPIES)
def test_copy_is_found_and_nothing_else(how, utterances, fingerprints):
    copies = [heard(*COPIES[how](samples)) for samples in utterances]
    n = len(fingerprints)
    found = pairs_of([*fingerprints, *copies])
    assert [(pair.first, pair.second) for pair in found] == [(i, n + i) for i in range(n)]
    assert all(ALIKE <= pair.agreement <= 1 for pair in found)


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe",
    [
        named("centre"),
        named("paper"),
        named("stft", ["scales=512"]),
        named("wavelets"),
        named("default", ["columns=1024"]),
        named("default", ["columns=128", "scales=200", "height=64"]),
        named("default", ["normalise=none", "reference=peak"]),
    ],
    ids=lambda recipe: recipe.id,
)
def test_every_recipe_with_rows_enough_has_fingerprints(recipe, utterances):
    plain = [heard(samples, recipe=recipe) for samples in utterances[:2]]
    softer = [heard(np.concatenate([np.zeros(2000, np.float32), 0.5 * samples]), recipe=recipe) for samples in utterances[:2]]
    assert [(pair.first, pair.second) for pair in pairs_of([*plain, *softer])] == [(0, 2), (1, 3)]


def test_recipe_of_few_rows_has_none(utterances):
    assert heard(utterances[0], recipe=named("default", ["scales=32"])) == ""


def test_pair_says_how_much_agrees():
    rng = np.random.default_rng(0)
    one = rng.integers(0, 2**32, 60, dtype=np.uint32)
    other = one.copy()
    other[30] ^= np.uint32(0xFF)
    texts = [base64.b64encode(steps.astype(">u4").tobytes()).decode() for steps in (one, other)]
    assert pairs_of(texts) == [Pair(0, 1, pytest.approx(1 - 8 / (60 * BITS)))]


@pytest.mark.parametrize("cut", [(0, 40), (25, 60), (10, 50)])
def test_part_of_a_recording_is_a_near_double_of_it(cut):
    one = np.random.default_rng(0).integers(0, 2**32, 60, dtype=np.uint32)
    texts = [base64.b64encode(steps.astype(">u4").tobytes()).decode() for steps in (one[slice(*cut)], one)]
    assert pairs_of(texts) == [Pair(0, 1, 1.0)]


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["AAAA" * 4]])
def test_nothing_is_like_nothing(texts):
    assert pairs_of(texts) == []


@pytest.mark.parametrize("text", ["AAA", "not base64!", "AAAA", "ä"])
def test_what_is_no_fingerprint_is_refused(text, messages):
    with messages.raises(ValueError):
        pairs_of(["", text])


def test_less_is_asked_of_different_speakers():
    rng = np.random.default_rng(0)
    one = rng.integers(0, 2**32, 100, dtype=np.uint32)
    other = one.copy()
    # Fifteen in a hundred bits.
    other[::2] ^= (rng.random((50, 32)) < 0.3) @ (np.uint32(1) << np.arange(32, dtype=np.uint32))
    texts = [base64.b64encode(steps.astype(">u4").tobytes()).decode() for steps in (one, other)]
    assert len(pairs_of(texts, ["a", "b"])) == 1
    assert pairs_of(texts, ["a", "a"]) == []


def test_silence_has_no_fingerprint():
    assert fingerprint(np.zeros((128, 100), np.uint8), RECIPE.feature.frequencies(RECIPE.audio), 0.03125) == ""
    assert fingerprint(np.zeros((128, 0), np.uint8), RECIPE.feature.frequencies(RECIPE.audio), 0.03125) == ""


def test_alike_steps_of_many_recordings_take_no_time():
    # Each key occurs in all of them, and so says nothing.
    text = base64.b64encode(bytes(4 * 100)).decode()
    assert pairs_of([text] * 5000) == []


def test_of_too_many_recordings_only_rarer_keys_are_compared(monkeypatch):
    rng = np.random.default_rng(0)
    often, rare = (base64.b64encode(rng.bytes(4 * 60)).decode() for _ in range(2))
    texts = [often] * 20 + [rare] * 2
    assert len(pairs_of(texts)) == 20 * 19 // 2 + 1
    monkeypatch.setattr(near_doubles_module, "FEW_PAIRS", 0)
    monkeypatch.setattr(near_doubles_module, "PAIRS", 1)
    assert pairs_of(texts) == [Pair(20, 21, 1.0)]
