"""SHA-256 over canonical JSON (RFC 8785) of many rows: the bytes are those of rfc8785, which takes 30 times as long."""

import hashlib
import itertools
from collections.abc import Iterable
from typing import Any

import msgspec
import rfc8785

from precompute.common.reading import LARGEST_NUMBER

ROWS = 1000
"""Rows that are in memory as text at once."""

LEAST_PLAIN = 1e-4
"""Least size of a fraction that msgspec is trusted to write as RFC 8785 wants it, without an exponent."""


def digest(rows: Iterable[Any]) -> str:
    """SHA-256, in hexadecimal digits, over the canonical JSON of an array.

    Args:
        rows: Its elements: lists, objects whose keys are in order, text, None, and numbers as `number` gives them.

    Raises:
        ValueError: A text is not valid Unicode.
    """
    hashed, encode = hashlib.sha256(b"["), msgspec.json.encode
    rows, separator = iter(rows), b""
    while part := list(itertools.islice(rows, ROWS)):
        hashed.update(separator)
        hashed.update(memoryview(encode(part))[1:-1])
        separator = b","
    hashed.update(b"]")
    return hashed.hexdigest()


def number(value: float | None) -> Any:
    """A number, or None, as `digest` takes it.

    Raises:
        ValueError: It is not finite, or a whole number beyond `LARGEST_NUMBER`.
    """
    if value is None:
        return None
    size = abs(value)
    if size <= LARGEST_NUMBER and value == int(value):
        return int(value)
    return value if LEAST_PLAIN <= size <= LARGEST_NUMBER else msgspec.Raw(rfc8785.dumps(value))


def mapping(values: dict[str, Any]) -> dict[str, Any]:
    """An object of text and numbers as `digest` takes it: RFC 8785 sorts keys by their UTF-16 code units.

    Raises:
        ValueError: As of `number`, or a key is not valid Unicode.
    """
    ordered = sorted(values, key=lambda key: key.encode("utf-16-be"))
    return {key: value if isinstance(value := values[key], str) else number(value) for key in ordered}
