"""What an item of an array is, and that nothing else is taken for one."""

import json

import numpy as np
import pytest

from precompute.common import arrays
from precompute.common.arrays import LARGEST_ITEM, Array

WAVE = Array("float32", (16000,), ("time",), 1e-3)


def test_kinds_are_told_by_axes():
    assert arrays.picture(8, 16).kind == "picture"
    assert Array("float16", (8, 16), ("frequency", "time"), 0.25).kind == "levels"
    assert WAVE.kind == "waveform"
    assert Array("float32", (88,), ("value",), 0.0).kind == "vector"
    assert Array("float32", (8, 8), ("time", "lag"), 0.0).kind == "(time, lag)"


def test_parts_are_cut_along_time():
    values = np.arange(8 * 16 * 3).reshape(8, 16, 3)
    np.testing.assert_array_equal(values[arrays.picture(8, 16).part(2, 5)], values[:, 2:5])
    assert (arrays.picture(8, 16).steps, WAVE.steps, Array("int8", (4,), ("value",), 0.0).steps) == (16, 16000, 1)
    np.testing.assert_array_equal(np.arange(4)[Array("int8", (4,), ("value",), 0.0).part(0, 1)], np.arange(4))


@pytest.mark.parametrize("array", [WAVE, arrays.picture(8, 16), Array("int16", (2, 3, 4, 5), ("a", "b", "c", "d"), 1.0)])
def test_a_record_gives_it_back(array):
    assert arrays.from_record(json.loads(json.dumps(array.record()))) == array


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "object"}, {"dtype": "complex64"}, {"dtype": 4}, {"shape": [0]}, {"shape": [-1]}, {"shape": [1.0]},
        {"shape": [True]},
        {"shape": []}, {"shape": [LARGEST_ITEM]}, {"shape": "16000"}, {"axes": []}, {"axes": ["time", "time"]}, {"axes": [1]},
        {"axes": ["a b"]}, {"axes": ["x" * 50]}, {"tolerance": -1.0}, {"tolerance": float("nan")}, {"tolerance": None},
        {"shape": [1, 1, 1, 1, 1], "axes": ["a", "b", "c", "d", "e"]}, {"shape": [1, 1]},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_array_is_refused(change, messages):
    with messages.raises(ValueError):
        arrays.from_record(WAVE.record() | change)


@pytest.mark.parametrize("record", [None, [], "float32", {}, {"dtype": "float32"}])
def test_what_is_no_record_is_refused(record, messages):
    with messages.raises(ValueError):
        arrays.from_record(record)
