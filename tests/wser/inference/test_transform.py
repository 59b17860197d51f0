"""The transform as a network makes the pictures of caches."""

import numpy as np
import pytest
import torch

import precompute
from precompute import Recipe
from precompute.common.errors import RecipeError
from wser.inference.export import _levels_apart
from wser.inference.transform import Transform

SMALL = {"scales": 24, "columns": 64, "duration": 2.0}


@pytest.fixture(scope="module")
def voice():
    """Harmonics that glide and fade, 1.3 s, on a mean, in the noise that every recording has."""
    t = np.arange(20_900) / 16000
    harmonics = sum(np.sin(2 * np.pi * k * np.cumsum(150 + 50 * np.sin(4 * t)) / 16000) / k for k in range(1, 25))
    noise = 1e-3 * np.random.default_rng(0).standard_normal(len(t))
    return (0.05 * harmonics * np.hanning(len(t)) + noise + 0.02).astype(np.float32)


def apart(recipe, picture, expected):
    table = np.frombuffer(bytes.fromhex(recipe.record()["colour_table"]), np.uint8).reshape(-1, 3)
    return _levels_apart(picture, expected, table)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"wavelet": "mexh", "colour": "grey"},
        {"reference": "peak", "range_db": 60.0},
        {"normalise": "none", "top_db": -20.0, "f_max": 8000.0},
        {"wavelet": "cmor6.0-1.0", "sample_rate": 8000, "f_max": 4000.0},
        {"duration": 0.96, "columns": 32},
    ],
)
def test_pictures_are_those_of_the_cache(voice, settings):
    recipe = Recipe(**{**SMALL, **settings})
    rate = recipe.audio.sample_rate
    expected = precompute.extract(voice, recipe, rate)
    picture, level = Transform(recipe, whole=False)(torch.from_numpy(voice))
    found = picture.numpy()[0]
    assert found.dtype == np.uint8
    assert found.shape == expected.values[:, expected.start : expected.stop].shape
    levels = apart(recipe, found, expected.values[:, expected.start : expected.stop])
    assert levels.max() <= 1
    assert (levels == 0).mean() > 0.99
    assert 0.01 < level.item() < 0.2


def test_a_whole_frame_is_one_where_networks_take_it(voice):
    recipe = Recipe(**SMALL)
    expected = precompute.extract(voice, recipe, 16000).values
    picture, _ = Transform(recipe, whole=True)(torch.from_numpy(voice))
    assert picture.shape == (1, *expected.shape)
    assert apart(recipe, picture.numpy()[0], expected).max() <= 1


def test_loudness_changes_nothing(voice):
    transform = Transform(Recipe(**SMALL), whole=False)
    loud, soft = (transform(torch.from_numpy(np.float32(gain) * voice)) for gain in (1.0, 0.125))
    assert (loud[0] == soft[0]).float().mean() > 0.999
    assert soft[1].item() == pytest.approx(0.125 * loud[1].item(), rel=1e-5)


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe("logmel"),
        Recipe("waveform"),
        Recipe(values="decibels"),
        Recipe(noise="white"),
        Recipe(pad="random"),
        Recipe(height=64),
        Recipe(wavelet="shan1.5-1.0"),
        Recipe(rgb="wavelets", wavelet="mexh,cmor1.5-1.0,haar"),
    ],
)
def test_recipes_that_the_graph_would_compute_otherwise_are_refused(recipe):
    with pytest.raises(RecipeError):
        Transform(recipe, whole=False)
