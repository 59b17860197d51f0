"""Reading JSON and YAML of unknown origin, with limits on size, depth, aliases and types."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta

from precompute.common import files
from precompute.common.errors import UnsafePathError

LARGEST_JSON = 256 << 20
"""Largest size of a JSON file in bytes: the split of a million utterances takes half of it."""

LARGEST_YAML = 1 << 20
"""Largest size of a YAML file in bytes; these are written by hand."""

LARGEST_NUMBER = 2**53 - 1
"""Limit of canonical JSON (RFC 8785): whole numbers up to it are exact."""

Whole = Annotated[int, Meta(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
Count = Annotated[int, Meta(ge=0, le=LARGEST_NUMBER)]
Number = Whole | Annotated[float, Meta(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
"""A finite number; one that was written as a whole number stays whole."""

_SHA256 = r"^[0-9a-f]{64}\Z"
Digest = Annotated[str, Meta(pattern=_SHA256)]
"""A SHA-256."""

T = TypeVar("T")

_WORDS = {
    "int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "array": "a list",
    "object": "keys with values",
}  # fmt: skip
_LIMITS = {
    f" matching regex {_SHA256!r}": " of 64 hexadecimal digits, a SHA-256", " matching regex": " of the form", " of length": "",
    " >=": " of at least", " <=": " of at most",
}  # fmt: skip
"""Words of msgspec, and ours."""


class UnreadableError(ValueError):
    """Text is not JSON or YAML, exceeds a limit, or has other content; the message says why, and does not name the file."""


def parse_json(content: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        UnreadableError: It is not JSON, or nested too deeply.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError, MemoryError) as error:
        raise UnreadableError(_why(error)) from None


def parse_yaml(content: bytes | str) -> Any:
    """The value of a YAML text: plain values only, without aliases, with which a few bytes can expand to gigabytes.

    Raises:
        UnreadableError: It is not YAML, too large, or has aliases or tags.
    """
    if len(content) > LARGEST_YAML:
        raise UnreadableError(f"{len(content)} bytes, more than {LARGEST_YAML}")
    # Not at the top: caches and results are JSON.
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for event in yaml.parse(content, loader):
            if isinstance(event, yaml.AliasEvent):
                raise UnreadableError(f"the alias *{event.anchor} is not supported: write its value")
        return yaml.load(content, loader)
    except (yaml.YAMLError, ValueError, RecursionError, MemoryError, TypeError) as error:
        raise UnreadableError(_why(error)) from None


def read_json(path: Path, root: Path, most: int = LARGEST_JSON) -> Any:
    """The value of a JSON file below a root; no link is followed.

    Args:
        path: Of the file.
        root: Above it.
        most: Bytes that it may have.

    Raises:
        UnreadableError: It is not a regular file, too large, or not JSON.
        OSError: It does not exist, or may not be read.
    """
    return parse_json(_content(path, root, most))


def read_yaml(path: Path, root: Path) -> Any:
    """The same for YAML."""
    return parse_yaml(_content(path, root, LARGEST_YAML))


def given(path: Path, most: int) -> bytes:
    """Content of a regular file that the user named; links are followed.

    Args:
        path: As given by the user.
        most: Bytes that it may have.

    Raises:
        UnreadableError: It is not a regular file, or too large.
        OSError: It does not exist, or may not be read.
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
        MemoryError: "needs more memory than this machine has",
    }
    return known.get(type(error)) or " ".join(str(error).split()) or type(error).__name__


def typed(value: Any, kind: type[T], where: str = "") -> T:
    """A value of JSON or YAML, converted to a type.

    Args:
        value: As parsed; keys that the type does not have are left out.
        kind: A dataclass, a `TypedDict` or any other type; `Annotated` gives it limits.
        where: Name of the value, for the message.

    Raises:
        UnreadableError: It is of another type; the message names the place, and what must be there.
    """
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, UnicodeError) as error:
        raise UnreadableError(_in_words(str(error), kind, where)) from None


def _in_words(message: str, kind: Any, where: str) -> str:
    """What msgspec says of a value, such as "Expected `int`, got `str` - at `$.folds`", in plain English."""
    place = ""
    if located := re.fullmatch(r"(.*) - at (`key` in )?`\$\.?([^`]*)`", message, re.DOTALL):
        message, place = located[1], " in ".join(filter(None, (located[2] and "a key", located[3])))
    subject = " of ".join(filter(None, (place and f"'{place}'", where))) or "it"
    hint = get_type_hints(kind).get(place) if isinstance(kind, type) else None
    if choices := [choice for part in (hint, *get_args(hint)) for choice in get_args(part) if isinstance(choice, str)]:
        return f"{subject} must be {' or '.join(choices)}"
    if missing := re.fullmatch("Object missing required field `(.*)`", message):
        return f"{subject} lacks '{missing[1]}'"
    if expected := re.fullmatch("Expected `(.*?)`(?:, got `(.*)`|(.*))", message):
        needed, actual, limit = expected.groups("")
        for theirs, ours in _LIMITS.items():
            limit = limit.replace(theirs, ours)
        is_given = f"is {_in_our_words(actual)}, and " if actual else ""
        return f"{subject} {is_given}must be {_in_our_words(needed)}{limit}"
    return f"{subject} is not valid ({message})"


def _in_our_words(types: str) -> str:
    """One or several types of msgspec, in our words."""
    several = types.replace("int | float", "float").removesuffix(" | null").split(" | ")
    return " or ".join(_WORDS.get(name, name) for name in several)


def refuse_interpolation(value: Any, refuse: Callable[[str], Exception]) -> None:
    """Refuse text that would be replaced, such as `${oc.env:HOME}`, anywhere in nested values.

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
