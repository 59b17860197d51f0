"""Reading text that others wrote: JSON and YAML whose size, depth and aliases cannot take more than they are for."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from precompute.common import files
from precompute.common.errors import UnsafePathError

LARGEST_JSON = 256 << 20
"""Bytes of a file of JSON: the predictions and splits of a million utterances take half of it."""

LARGEST_YAML = 1 << 20
"""Bytes of a file of YAML, which people write by hand."""


class UnreadableError(ValueError):
    """Text is no JSON or YAML, or takes more than it may; the message says why, without naming the file."""


def parse_json(content: bytes) -> Any:
    """The value of a text of JSON.

    Raises:
        UnreadableError: It is none, or too deep.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError, MemoryError) as error:
        raise UnreadableError(_why(error)) from None


def parse_yaml(content: bytes | str) -> Any:
    """The value of a text of YAML: plain values alone, without aliases, which make a few bytes mean gigabytes.

    Raises:
        UnreadableError: It is none, or too large, or holds aliases or tags.
    """
    if len(content) > LARGEST_YAML:
        raise UnreadableError(f"{len(content)} bytes, of {LARGEST_YAML} at most")
    # Not at the top: caches and results are JSON.
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for event in yaml.parse(content, loader):
            if isinstance(event, yaml.AliasEvent):
                raise UnreadableError(f"the alias *{event.anchor}: write its value out")
        return yaml.load(content, loader)
    except (yaml.YAMLError, ValueError, RecursionError, MemoryError, TypeError) as error:
        raise UnreadableError(_why(error)) from None


def read_json(path: Path, root: Path, most: int = LARGEST_JSON) -> Any:
    """The value of a file of JSON below a root; no link is followed.

    Args:
        path: Of the file.
        root: Above it.
        most: Bytes that it may have.

    Raises:
        UnreadableError: It is no plain file, too large, or no JSON.
        OSError: It is not there, or may not be read.
    """
    return parse_json(_content(path, root, most))


def read_yaml(path: Path, root: Path) -> Any:
    """The same for YAML."""
    return parse_yaml(_content(path, root, LARGEST_YAML))


def given(path: Path, most: int) -> bytes:
    """Content of a plain file that the user named, through links where there are some.

    Args:
        path: The user's word.
        most: Bytes that it may have.

    Raises:
        UnreadableError: It is no plain file, or too large.
        OSError: It is not there, or may not be read.
    """
    real = path.resolve()
    return _content(real, real.parent, most)


def _content(path: Path, root: Path, most: int) -> bytes:
    try:
        return files.read(path, root, most)
    except UnsafePathError as error:
        raise UnreadableError(str(error)) from None


def _why(error: BaseException) -> str:
    known: dict[type[BaseException], str] = {
        RecursionError: "nested too deeply",
        MemoryError: "takes more memory than there is",
    }
    return known.get(type(error)) or " ".join(str(error).split()) or type(error).__name__


def refuse_interpolation(value: Any, refuse: Callable[[str], Exception]) -> None:
    """Refuse text that would be replaced by something else, as `${oc.env:HOME}`, anywhere in nested values.

    Args:
        value: Dictionaries, lists and plain values.
        refuse: Gives the error to raise, from the text.
    """
    if isinstance(value, str) and "${" in value:
        raise refuse(value)
    if isinstance(value, dict):
        for key, inner in value.items():
            refuse_interpolation(key, refuse)
            refuse_interpolation(inner, refuse)
    elif isinstance(value, list | tuple):
        for inner in value:
            refuse_interpolation(inner, refuse)
