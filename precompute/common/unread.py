"""Settings that nothing reads unless another one has a certain value.

A setting that is given and not read is refused: it would stand in names, ids and records, and claim what is not so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

READERS = "readers"
"""Key of a field's metadata: what has it read."""


@dataclass(frozen=True)
class Reader:
    """Another setting, and the values of it with any of which this one is read."""

    key: str
    values: tuple[Any, ...]


def read_with(default: Any, readers: Mapping[str, Sequence[Any]]) -> Any:
    """A field of a dataclass of settings, read where any of the others has one of the values given.

    Args:
        default: Its default value.
        readers: Values by the (dotted) key of another setting.
    """
    return field(default=default, metadata={READERS: tuple(Reader(key, tuple(values)) for key, values in readers.items())})


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
