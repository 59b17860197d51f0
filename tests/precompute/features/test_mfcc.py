"""MFCC: as Kaldi's computation gives them, one frame for each step of time, and refusals."""

import h5py
import numpy as np
import pytest

import precompute
from precompute.__main__ import main
from precompute.audio.chain import Frame
from precompute.cache.transfer.hdf5 import export_hdf5
from precompute.common.errors import RecipeError
from precompute.recipe import Recipe, described, from_record, in_words, named
from precompute.testing.features import noise

RATE = 16000


def test_its_recipe_says_what_it_holds():
    recipe = named("mfcc")
    assert (recipe.array.shape, recipe.array.dtype, recipe.array.kind) == ((13, 800), "float32", "levels")
    assert in_words(recipe.record()) == "mfcc"
    assert described(recipe.record()) == "mel-frequency cepstral coefficients, 60 to 7600 Hz"
    assert from_record(recipe.record()) == recipe


def test_the_first_is_the_logarithm_of_the_energy_of_the_frame_in_the_middle_of_its_step():
    recipe, samples = named("mfcc"), noise(1.0, RATE)
    values = recipe.feature.compute(Frame(samples, 0, recipe.audio)).values
    for step in (5, 40, 90):
        middle = step * 160 + 80
        part = samples[middle - 200 : middle + 200].astype(np.float64)
        assert values[0, step] == pytest.approx(np.log(np.sum((part - part.mean()) ** 2)), abs=1e-3)


def test_gain_changes_the_energy_alone():
    recipe, samples = named("mfcc"), noise(1.0, RATE)
    soft, loud = (recipe.feature.compute(Frame(gain * samples, 0, recipe.audio)).values[:, 2:98] for gain in (1, 4))
    np.testing.assert_allclose(loud[0] - soft[0], np.log(16), atol=1e-3)
    np.testing.assert_allclose(loud[1:], soft[1:], atol=0.02)


def test_a_step_holds_what_sounds_then():
    tone = np.zeros(RATE, np.float32)
    tone[4800:9600] = np.sin(2 * np.pi * 500 * np.arange(4800) / RATE)
    made = precompute.extract(tone, "mfcc", RATE)
    energy = made.values[0, made.start : made.stop]
    assert (made.start, made.stop) == (0, 100)
    assert np.flatnonzero(energy > energy.max() - 1).tolist() == list(range(30, 60))


@pytest.mark.parametrize(
    "wrong", [{"hop": 0.0101}, {"hop": 0.03}, {"window": 0.005}, {"coefficients": 24}, {"f_max": 61.0, "window": 0.02}]
)
def test_what_cannot_be_computed_is_refused(wrong):
    with pytest.raises(RecipeError):
        Recipe("mfcc", **wrong)


@pytest.mark.slow
def test_a_cache_of_them_is_drawn_and_exported(small_ravdess, tmp_path):
    cache = ["--cache", str(tmp_path / "c")]
    assert main(["build", "ravdess", "--recipe", "mfcc", "--corpora", str(small_ravdess), "--jobs", "1", *cache]) == 0
    assert main(["show", "ravdess", "--recipe", "mfcc", "--out", str(tmp_path / "a.png"), *cache]) == 0
    assert (tmp_path / "a.png").stat().st_size > 1000
    export_hdf5(precompute.open_cache("ravdess", "mfcc", cache=tmp_path / "c").path, tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["values"].shape[1:] == (13, 800)
        assert "frequencies" not in file
