"""The 193 means of Issa et al.: as librosa gives them of 2.5 s of the file, and a clear refusal without it."""

import sys

import numpy as np
import pytest
import soundfile

import precompute
from precompute.__main__ import main
from precompute.common.errors import RecipeError, UnusableAudioError
from precompute.features import issa193
from precompute.recipe import Recipe, described, from_record, in_words, named
from precompute.testing.features import noise

RATE = 44_100


def tones(seconds, *hertz):
    time = np.arange(int(seconds * RATE)) / RATE
    return (0.1 * sum(np.sin(2 * np.pi * f * time) for f in hertz) + 0.01 * noise(seconds, RATE)).astype(np.float32)


def test_the_recipe_has_a_name_and_says_what_it_holds():
    recipe = named("issa193")
    assert (recipe.array.shape, recipe.array.dtype, recipe.array.kind) == ((193,), "float32", "vector")
    assert (recipe.audio.sample_rate, recipe.audio.normalise, in_words(recipe.record())) == (RATE, "none", "issa193")
    assert described(recipe.record()) == "means of 193 features of librosa"
    assert from_record(recipe.record()) == recipe


@pytest.mark.slow
def test_it_is_what_librosa_gives_of_two_and_a_half_seconds_of_the_file(librosa, tmp_path):
    theirs, file = librosa, tmp_path / "a.wav"
    half = np.rint(tones(2.0, 220, 277, 330) * 32768).astype(np.int16)
    # Without a mean, which would be subtracted.
    soundfile.write(file, np.concatenate([half, -half[::-1]]), RATE)
    y, _ = theirs.load(file, sr=RATE, offset=0.5, duration=2.5)
    of, power_to_db = theirs.feature, theirs.power_to_db
    parts = [
        of.mfcc(y=y, sr=RATE, n_mfcc=40),
        of.chroma_stft(y=y, sr=RATE),
        power_to_db(of.melspectrogram(y=y, sr=RATE)),
        of.spectral_contrast(y=y, sr=RATE),
        of.tonnetz(y=theirs.effects.harmonic(y), sr=RATE),
    ]
    wanted = np.concatenate([part.mean(axis=1) for part in parts])
    np.testing.assert_allclose(precompute.extract(file, "issa193").values, wanted, rtol=1e-4, atol=1e-3)


@pytest.mark.slow
def test_it_leaves_out_the_beginning_and_what_follows_three_seconds(librosa):
    inner, other = tones(2.5, 440), tones(0.5, 1000)
    first = precompute.extract(np.concatenate([tones(0.5, 300), inner, other]), "issa193", RATE).values
    second = precompute.extract(np.concatenate([tones(0.5, 2000), inner, tones(0.5, 300)]), "issa193", RATE).values
    np.testing.assert_allclose(first, second, atol=0.1)


@pytest.mark.slow
def test_of_short_utterances_it_takes_the_second_half_and_too_short_ones_are_unusable(librosa, messages):
    half = tones(0.2, 440)
    values = [precompute.extract(np.concatenate([tones(0.2, f), half]), "issa193", RATE).values for f in (300, 3000)]
    np.testing.assert_allclose(*values, atol=0.1)
    with messages.raises(UnusableAudioError):
        precompute.extract(tones(0.05, 440), "issa193", RATE)


def test_rates_without_six_octaves_of_contrast_are_refused(messages):
    with messages.raises(RecipeError):
        Recipe("issa193")
    with messages.raises(RecipeError):
        named("issa193", ["sample_rate=22050"])


def test_without_librosa_nothing_is_begun(small_ravdess, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "librosa", None)
    place = ["--corpora", str(small_ravdess), "--cache", str(tmp_path / "c")]
    assert main(["build", "ravdess", "--recipe", "issa193", *place]) == 1
    told = capsys.readouterr().err
    assert "feature=issa193 needs the package librosa, which is not installed" in told
    assert "python -m pip install 'librosa==0.11.*'" in told
    assert not (tmp_path / "c" / "ravdess").exists()
    with pytest.raises(issa193.LibrosaError):
        precompute.extract(tones(1.0, 440), "issa193", RATE)


def test_another_version_is_refused(monkeypatch, messages):
    other = type(sys)("librosa")
    other.__version__ = "0.110.1"
    monkeypatch.setitem(sys.modules, "librosa", other)
    with messages.raises(issa193.LibrosaError):
        precompute.extract(tones(1.0, 440), "issa193", RATE)
