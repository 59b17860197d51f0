"""Settings, each declared once: a field of a dataclass with its limits, when it has an effect, and how it may be given.

A setting that is given and has no effect is refused: names, ids and records would otherwise claim an effect.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from functools import cache
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from precompute.common.errors import WserError

KINDS = {int: "whole number", float: "number", bool: "true or false", str: "text", Any: "text"}

_FACTS = "facts"

_hints: Any = cache(get_type_hints)


@dataclass(frozen=True)
class Reader:
    """Another setting, and the values of it with which this setting has an effect."""

    key: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Facts:
    """What is known of a setting.

    Attributes:
        low: Least value.
        high: Largest value.
        hashed: Whether it is part of the results' hash; settings of place and speed are not.
        swept: Whether it may have several values.
        text: Whether its value is always text: an id such as 12e456 would otherwise become a number.
        names: Whether it is a list of names, where a single name needs no brackets.
        path: Whether it may be the path of a file.
        readers: The setting has an effect with any of these; always where there are none.
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
        read_with: Values of other settings by their (dotted) keys; with any of them this setting has an effect.
        known: As of `Facts`.
    """
    readers = tuple(Reader(key, tuple(values)) for key, values in (read_with or {}).items())
    metadata = {_FACTS: Facts(readers=readers, **known)}
    if isinstance(default, Callable):  # type: ignore[arg-type]
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def facts(of: "Field[Any]") -> Facts:
    """What is known of a field."""
    known: Facts = of.metadata.get(_FACTS, Facts())
    return known


def types(section: type[Any]) -> dict[str, Any]:
    """Types of the fields of a dataclass, by name; text annotations (`from __future__ import annotations`) are resolved."""
    hints: dict[str, Any] = _hints(section)
    return hints


def values_in_words(annotation: Any, known: Facts) -> str:
    """What a setting may be, in words, as `whole number from 1 to 10`.

    Args:
        annotation: Its type.
        known: What is known of it.
    """
    kinds = [kind for kind in get_args(annotation) or (annotation,) if kind is not NoneType]
    if get_origin(annotation) is Literal:
        return ", ".join(map(str, get_args(annotation)))
    if get_origin(annotation) is list:
        (inner,) = get_args(annotation)
        of_numbers = f"{KINDS[inner]}s" if inner in (int, float) else ""
        words = ", ".join(get_args(inner)) if get_origin(inner) is Literal else "names" if known.names else of_numbers
        return f"list of {words}" if words else "list"
    kind = KINDS.get(kinds[0], "text")
    low, high = (value if isinstance(value, int) else f"{value:g}" for value in (known.low or 0, known.high or 0))
    limits = f" from {low} to {high}" if known.low is not None and known.high is not None else ""
    read = "; ".join(f"{reader.key}={' or '.join(map(str, reader.values))}" for reader in known.readers)
    return f"{kind}{limits}" + (f"; only with {read}" if read else "")


def check_limits(section: Any, error: type[WserError], prefix: str = "") -> None:
    """Refuse a value outside its limits.

    Args:
        section: A dataclass of settings.
        error: Class of the error.
        prefix: Of its keys, with a dot at its end.

    Raises:
        WserError: A value is; the message names its key and the limits.
    """
    for name, value, known in _limited(section):
        if not (known.low is None or value >= known.low) or not (known.high is None or value <= known.high):
            raise error(f"{prefix}{name}={value} is outside {known.low} to {known.high}: give a value within these limits")


def check_words(section: Any, error: type[WserError], prefix: str = "") -> None:
    """Refuse a value that its type, `Literal`, does not list; arguments and error as in `check_limits`."""
    for name, kind in types(type(section)).items():
        if get_origin(kind) is Literal and (value := getattr(section, name)) not in get_args(kind):
            raise error(f"{prefix}{name}={value} is unknown: choose from {', '.join(map(str, get_args(kind)))}")


def _limited(section: Any) -> Iterator[tuple[str, Any, Facts]]:
    for key in fields(section):
        known = facts(key)
        if known.low is not None or known.high is not None:
            yield key.name, getattr(section, key.name), known


def refusal(key: str, readers: Sequence[Reader], settings: Mapping[str, Any]) -> str | None:
    """Why a setting is refused since it has no effect, and the remedy; None where it has an effect.

    Args:
        key: Of the setting.
        readers: The setting has an effect with any of these; always where there are none.
        settings: Every setting by its (dotted) key.
    """
    if not readers or any(settings[reader.key] in reader.values for reader in readers):
        return None
    present = " and ".join(f"{reader.key}={settings[reader.key]}" for reader in readers)
    remedies = " or ".join(f"{reader.key}={value}" for reader in readers for value in reader.values)
    remedy = f"give {remedies}, or leave it out" if remedies else "leave it out"
    return f"{key}={settings[key]} has no effect with {present}: {remedy}"
