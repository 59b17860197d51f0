"""Settings, each declared once: a field of a dataclass with its limits, what reads it, and how it may be given.

A setting that is given and that nothing reads is refused: it would stand in names, ids and records, and claim what is not so.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from precompute.common.errors import WserError

_FACTS = "facts"

_hints: Any = cache(get_type_hints)


@dataclass(frozen=True)
class Reader:
    """Another setting, and the values of it with any of which this one is read."""

    key: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Facts:
    """What is known of a setting.

    Attributes:
        low: Least value.
        high: Largest value.
        hashed: Whether it names results; what only says where something is, or how fast it runs, does not.
        swept: Whether it may have several values.
        text: Whether its value is taken as it is written: an id such as 12e456 would read as a number.
        names: Whether it is a list of names, of which a single one may stand without brackets.
        path: Whether it may be the path of a file.
        readers: Any of them has it read; it is always read where there are none.
    """

    low: float | None = None
    high: float | None = None
    hashed: bool = True
    swept: bool = True
    text: bool = False
    names: bool = False
    path: bool = False
    readers: tuple[Reader, ...] = ()


def setting(default: Any, *, read_with: Mapping[str, Sequence[Any]] | None = None, **known: Any) -> Any:
    """A field of a dataclass of settings.

    Args:
        default: Its default value, or what makes one.
        read_with: Values of other settings by their (dotted) keys, any of which has it read.
        known: As of `Facts`.
    """
    readers = tuple(Reader(key, tuple(values)) for key, values in (read_with or {}).items())
    metadata = {_FACTS: Facts(readers=readers, **known)}
    if isinstance(default, Callable):  # type: ignore[arg-type]
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def facts(of: "Field[Any]") -> Facts:
    """What is known of a field."""
    found: Facts = of.metadata.get(_FACTS, Facts())
    return found


def types(section: type[Any]) -> dict[str, Any]:
    """Types of the fields of a dataclass, by name; in a module that says `from __future__ import annotations` they are text."""
    found: dict[str, Any] = _hints(section)
    return found


def check_limits(section: Any, error: type[WserError], prefix: str = "") -> None:
    """Refuse a value outside its limits.

    Args:
        section: A dataclass of settings.
        error: What is raised.
        prefix: Of its keys, with a dot at its end.

    Raises:
        WserError: A value is; the message names its key and the limits.
    """
    for name, value, known in _limited(section):
        if not (known.low is None or value >= known.low) or not (known.high is None or value <= known.high):
            raise error(f"{prefix}{name}={value} is outside {known.low} to {known.high}: give a value within these limits")


def check_words(section: Any, error: type[WserError], prefix: str = "") -> None:
    """Refuse a value that is none of the words of its type, `Literal`; arguments and error as of `check_limits`."""
    for name, kind in types(type(section)).items():
        if get_origin(kind) is Literal and (value := getattr(section, name)) not in get_args(kind):
            raise error(f"{prefix}{name}={value} is unknown: choose from {', '.join(map(str, get_args(kind)))}")


def _limited(section: Any) -> Iterator[tuple[str, Any, Facts]]:
    for one in fields(section):
        known = facts(one)
        if known.low is not None or known.high is not None:
            yield one.name, getattr(section, one.name), known


def refusal(key: str, readers: Sequence[Reader], settings: Mapping[str, Any]) -> str | None:
    """Why a setting is refused, and how to have it read; None where it is read.

    Args:
        key: Of the setting.
        readers: Any of them has it read; it is always read where there are none.
        settings: Every setting by its (dotted) key.
    """
    if not readers or any(settings[reader.key] in reader.values for reader in readers):
        return None
    present = " and ".join(f"{reader.key}={settings[reader.key]}" for reader in readers)
    remedies = " or ".join(f"{reader.key}={value}" for reader in readers for value in reader.values)
    remedy = f"give {remedies}, or leave it out" if remedies else "leave it out"
    return f"{key}={settings[key]} is not read with {present}: {remedy}"
