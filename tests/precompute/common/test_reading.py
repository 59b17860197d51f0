"""What is read is of its type, or refused in plain English that names the place."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
from msgspec import Meta

from precompute.common.reading import Count, Digest, Number, UnreadableError, Whole, typed


@dataclass(frozen=True)
class Point:
    kind: Literal["near", "far"]
    at: Number
    tags: Annotated[list[str], Meta(min_length=1)] | None = None


class Path(TypedDict):
    points: list[Point]
    sha256: NotRequired[Digest]


POINT = {"kind": "near", "at": 1}


@pytest.mark.parametrize(
    ("value", "kind", "says"),
    [
        ([], Path, "the file is a list, and must be keys with values"),
        ({}, Path, "the file lacks 'points'"),
        ({"points": [{"kind": "far"}]}, Path, "'points[0]' of the file lacks 'at'"),
        ({"points": [POINT | {"at": "x"}]}, Path, "'points[0].at' of the file is text, and must be a number"),
        ({"points": [], "sha256": "0" * 64 + "\n"}, Path,
             "'sha256' of the file must be text of 64 hexadecimal digits, a SHA-256"),
        (POINT | {"kind": "x - at `$.y`"}, Point, "'kind' of the file must be near or far"),
        (POINT | {"kind": None}, Point, "'kind' of the file must be near or far"),
        (POINT | {"tags": []}, Point, "'tags' of the file must be a list of at least 1"),
        (POINT | {"tags": 1}, Point, "'tags' of the file is a whole number, and must be a list"),
        (POINT | {"at": True}, Point, "'at' of the file is true or false, and must be a number"),
        (POINT | {"at": float("nan")}, Point, "'at' of the file must be a number of at least -9007199254740991.0"),
        (2**53, Whole, "the file must be a whole number of at most 9007199254740991"),
        (10**400, Whole, "the file must be a whole number of at most 9007199254740991"),
        (-1, Count, "the file must be a whole number of at least 0"),
        ({1: 2}, dict[str, int], "'a key' of the file is a whole number, and must be text"),
        ("\ud800", dict[str, int], "the file is not valid ('utf-8' codec can't encode character"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_of_another_type_is_refused(value: Any, kind: Any, says: str):
    with pytest.raises(UnreadableError) as refused:
        typed(value, kind, "the file")
    assert str(refused.value).startswith(says)


def test_whole_numbers_stay_whole_and_unknown_keys_are_left_out():
    assert [repr(typed(POINT | {"at": at, "new": []}, Point).at) for at in (1, 1.0)] == ["1", "1.0"]
