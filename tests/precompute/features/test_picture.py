"""Decibels, levels, colours and size: each step alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from precompute.features._picture import colour, decibels, levels, resize


def test_decibels_are_ten_times_the_logarithm_of_power():
    power = np.array([[1, 10, 100], [0.1, 1e-3, 2]], np.float32)
    np.testing.assert_allclose(decibels(power), [[0, 10, 20], [-10, -30, 3.0103]], atol=1e-4)
    assert decibels(power).dtype == np.float32


def test_no_power_is_finite_and_under_every_range():
    assert np.isfinite(decibels(np.zeros((2, 2), np.float32))).all()
    assert not levels(decibels(np.zeros((2, 2), np.float32)), 10, 200).any()


@pytest.mark.parametrize(
    ("db", "level"), [(10, 255), (1e9, 255), (-70, 0), (-1e9, 0), (-30, 128), (10 - 80 / 255, 254), (-70 + 80 / 255, 1)]
)
def test_levels_are_linear_between_the_ends_of_the_range(db, level):
    assert levels(np.array([[db]], np.float32), 10, 80)[0, 0] == level


@given(
    st.floats(-150, 50, width=32), st.floats(-150, 50, width=32), st.floats(-50, 50), st.floats(1, 200)
)  # fmt: skip
def test_levels_keep_the_order(one, other, top, range_db):
    low, high = levels(np.array([[min(one, other), max(one, other)]], np.float32), top, range_db)[0]
    assert low <= high


def test_colours_are_those_of_the_table():
    rng = np.random.default_rng(0)
    table = rng.integers(0, 256, (256, 3), dtype=np.uint8)
    shades = rng.integers(0, 256, (5, 7), dtype=np.uint8)
    picture = colour(shades, table)
    assert picture.shape == (5, 7, 3)
    assert picture.dtype == np.uint8
    for row, column in np.ndindex(5, 7):
        assert tuple(picture[row, column]) == tuple(table[shades[row, column]])


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20))))
def test_at_its_own_size_a_picture_stays(shades):
    np.testing.assert_array_equal(resize(shades, *shades.shape), shades)


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)), st.tuples(st.integers(1, 40), st.integers(1, 40)), st.integers(0, 255)
)  # fmt: skip
def test_resize_gives_the_size_and_keeps_an_even_shade(size, wanted, shade):
    resized = resize(np.full(size, shade, np.uint8), *wanted)
    assert resized.shape == wanted
    assert resized.dtype == np.uint8
    assert (resized == shade).all()


def test_resize_turns_nothing_round():
    shades = np.zeros((20, 40), np.uint8)
    shades[:5, :10] = 200
    small = resize(shades, 10, 10).astype(int)
    assert small[:2, :2].min() > 150
    assert small[5:, :].max() == 0
    assert small[:, 5:].max() == 0


def test_shrinking_averages_and_does_not_pick():
    stripes = np.tile(np.array([0, 255], np.uint8), (16, 32))
    assert np.abs(resize(stripes, 8, 8).astype(int) - 127).max() < 10
