"""Wording that messages have in common."""

import pytest

from precompute.common.errors import counted, few, unknown


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b", "c"], "a, b, c"),
        (["a", "b", "c", "d"], "a, b, c and 1 more"),
        (range(12), "0, 1, 2 and 9 more"),
    ],
)
def test_few_names_stand_for_many(names, said):
    assert few(names, 3) == said


def test_numbers_of_things():
    assert [counted(number, "file") for number in (0, 1, 2)] == ["0 files", "1 file", "2 files"]


def test_a_name_far_from_a_hundred_is_not_answered_with_all_of_them():
    assert unknown("map", "zzz", [f"map{number:03}" for number in range(100)]).endswith("map022, map023 and 76 more")
