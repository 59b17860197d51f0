"""Reading what others wrote: JSON and YAML whose size, depth, aliases and types cannot be other than they are for."""

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
"""Bytes of a file of JSON: the predictions and splits of a million utterances take half of it."""

LARGEST_YAML = 1 << 20
"""Bytes of a file of YAML, which people write by hand."""

LARGEST_NUMBER = 2**53 - 1
"""Of canonical JSON (RFC 8785): whole numbers up to it are exact."""

Whole = Annotated[int, Meta(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
Count = Annotated[int, Meta(ge=0, le=LARGEST_NUMBER)]
Number = Whole | Annotated[float, Meta(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
"""Whole as it stays where it was written so, and finite."""

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
"""What msgspec calls them, and what we do."""


class UnreadableError(ValueError):
    """Text is no JSON or YAML, takes more than it may, or says something else; the message says why, and names no file."""


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


def typed(value: Any, kind: type[T], where: str = "") -> T:
    """A value of JSON or YAML as a type has it.

    Args:
        value: As parsed; keys that the type does not have are left out.
        kind: A dataclass, a `TypedDict` or any other type; `Annotated` gives it limits.
        where: What the value is, for the message.

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
    if found := re.fullmatch(r"(.*) - at (`key` in )?`\$\.?([^`]*)`", message, re.DOTALL):
        message, place = found[1], " in ".join(filter(None, (found[2] and "a key", found[3])))
    subject = " of ".join(filter(None, (place and f"'{place}'", where))) or "it"
    hint = get_type_hints(kind).get(place) if isinstance(kind, type) else None
    if choices := [one for part in (hint, *get_args(hint)) for one in get_args(part) if isinstance(one, str)]:
        return f"{subject} must be {' or '.join(choices)}"
    if lacking := re.fullmatch("Object missing required field `(.*)`", message):
        return f"{subject} lacks '{lacking[1]}'"
    if expected := re.fullmatch("Expected `(.*?)`(?:, got `(.*)`|(.*))", message):
        needed, given, limit = expected.groups("")
        for theirs, ours in _LIMITS.items():
            limit = limit.replace(theirs, ours)
        is_given = f"is {_named(given)}, and " if given else ""
        return f"{subject} {is_given}must be {_named(needed)}{limit}"
    return f"{subject} cannot be so ({message})"


def _named(types: str) -> str:
    """A type of msgspec's, or several, in our words."""
    several = types.replace("int | float", "float").removesuffix(" | null").split(" | ")
    return " or ".join(_WORDS.get(one, one) for one in several)


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
