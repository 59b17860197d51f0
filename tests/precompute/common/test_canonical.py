"""Canonical JSON of many rows: byte by byte that of rfc8785."""

import hashlib
import math

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from precompute.common import canonical

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.floats(-(2**53) + 1, 2**53 - 1, allow_nan=False) | st.integers(-(2**53) + 1, 2**53 - 1)


def _sha256(rows):
    return hashlib.sha256(rfc8785.dumps(rows)).hexdigest()


@given(st.lists(st.lists(st.none() | TEXT | st.lists(TEXT, max_size=2), max_size=4), max_size=5))
@example([["".join(map(chr, range(0x2100)))]])
@example([["é\u2028\x7f\x00"]] * (canonical.ROWS + 1))
def test_rows_of_text_are_hashed_as_rfc8785_writes_them(rows):
    assert canonical.digest(rows) == _sha256(rows)


@given(NUMBERS)
@example(-0.0)
@example(1e-7)
@example(9.99e-5)
@example(1e-4)
@example(1e16 / 3)
@example(5e-324)
def test_numbers_are_hashed_as_rfc8785_writes_them(value):
    assert canonical.digest([canonical.number(value)]) == _sha256([value])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 2**53, -(2**53), 2.5e20])
def test_other_numbers_are_what_rfc8785_says_of_them(value):
    try:
        expected = rfc8785.dumps(value)
    except ValueError:
        with pytest.raises(rfc8785.CanonicalizationError):
            canonical.number(value)
    else:
        assert canonical.digest([canonical.number(value)]) == _sha256([value]), expected


@given(st.dictionaries(TEXT, TEXT | NUMBERS, max_size=4))
@example({"\U00010000": 1, "\uffff": 2})
def test_objects_are_hashed_as_rfc8785_writes_them(values):
    assert canonical.digest([canonical.mapping(values)]) == _sha256([values])


def test_half_of_a_surrogate_pair_is_refused():
    with pytest.raises(UnicodeEncodeError):
        canonical.digest([["\ud800"]])
