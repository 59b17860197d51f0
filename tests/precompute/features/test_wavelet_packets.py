"""Wavelet packets: power is kept, bands are in order, and a tree that is too deep is refused."""

import numpy as np
import pytest

import precompute
from precompute.audio.chain import Frame
from precompute.common.errors import RecipeError
from precompute.features.wavelet_packets import bands, packet_powers
from precompute.recipe import Recipe, described, from_record, in_words, named

RATE, LEVELS = 16000, 5


def test_its_recipe_has_a_name_and_says_what_it_holds():
    recipe = named("wavelet_packets")
    assert (recipe.array.shape, recipe.array.kind, recipe.audio.normalise) == ((124,), "vector", "none")
    assert in_words(recipe.record()) == "wavelet_packets"
    assert described(recipe.record()) == "energies of wavelet packets"
    assert from_record(recipe.record()) == recipe


def test_the_bands_of_each_level_share_the_power_of_the_frame():
    frames = np.random.default_rng(0).standard_normal((3, 512))
    powers = packet_powers(frames, LEVELS)
    assert powers.shape == (bands(LEVELS), 3) == (62, 3)
    for level in range(1, LEVELS + 1):
        np.testing.assert_allclose(powers[2**level - 2 : 2 ** (level + 1) - 2].sum(axis=0), np.mean(frames**2, axis=1))


@pytest.mark.parametrize("band", [1, 6, 17, 28])
def test_a_tone_is_loudest_in_its_band(band):
    hertz = (band + 0.5) * RATE / 2 / 2**LEVELS
    tone = (0.1 * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)).astype(np.float32)
    values = precompute.extract(tone, "wavelet_packets", RATE).values
    last, deviations = values[bands(LEVELS - 1) : bands(LEVELS)], values[bands(LEVELS) :]
    assert last.argmax() == band
    assert 10 * np.log10(0.1**2 / 2) - 8 < last.max() < 10 * np.log10(0.1**2 / 2)
    assert deviations[bands(LEVELS - 1) + band] < 1


def test_silence_and_short_utterances_give_finite_numbers():
    recipe = named("wavelet_packets")
    for samples in (3, RATE):
        values = recipe.feature.compute(Frame(np.zeros(samples, np.float32), 0, recipe.audio)).values
        np.testing.assert_array_equal(values, np.repeat([-100, 0], 62))


def test_a_tree_deeper_than_a_frame_is_long_is_refused(messages):
    assert Recipe("wavelet_packets", sample_rate=4000, f_max=2000.0, levels=7).array.shape == (508,)
    with messages.raises(RecipeError):
        Recipe("wavelet_packets", sample_rate=4000, f_max=2000.0, levels=8)
