"""Settings of an experiment that nothing reads."""

import importlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any

from precompute.common.unread import READERS, Reader, refusal
from wser.config.schema import Config, ModelConfig, flatten

ENTRIES = {"model.pipe_kernels": "pipe_kernels", "model.pipe_dilations": "pipe_dilations"}
"""Lists of which as many entries are read as there are pipes."""

POOLED = ("model.pooling", "model.overlap")


@dataclass(frozen=True)
class Unread:
    """Why nothing reads a setting, in a sentence with the remedy, and the dotted keys of the settings that decide it."""

    why: str
    deciding: frozenset[str]


def find(config: Config, keys: Iterable[str]) -> dict[str, Unread]:
    """Those of some settings that nothing reads.

    Args:
        config: The whole configuration.
        keys: Dotted keys.
    """
    settings = flatten(asdict(config))
    readers = _readers(Config) | _of_protocols(config)
    found = {}
    for key in keys:
        if why := refusal(key, readers.get(key, ()), settings):
            found[key] = Unread(why, frozenset(reader.key for reader in readers[key]))
        elif key in ENTRIES and len(settings[key]) > config.model.pipes:
            found[key] = Unread(_too_many(key, config.model), frozenset({"model.pipes"}))
        elif key in POOLED and all(stride == [1, 1] for stride in config.model.strides):
            why = f"{key}={settings[key]} is not read where no stride pools: give model.strides with 2 or 4, or leave it out"
            found[key] = Unread(why, frozenset({"model.strides"}))
    return found


def _too_many(key: str, model: ModelConfig) -> str:
    entries = len(getattr(model, ENTRIES[key]))
    return f"{key} has {entries} entries, and model.pipes={model.pipes} reads no more than that: give model.pipes={entries}"


def _readers(section: Any, prefix: str = "") -> dict[str, tuple[Reader, ...]]:
    """What has each key of a section read, as its fields declare."""
    found: dict[str, tuple[Reader, ...]] = {}
    for field in fields(section):
        if is_dataclass(field.type):
            found |= _readers(field.type, f"{prefix}{field.name}.")
        elif READERS in field.metadata:
            found[prefix + field.name] = field.metadata[READERS]
    return found


def _of_protocols(config: Config) -> dict[str, tuple[Reader, ...]]:
    """What has each key of the section `protocol` read: the protocols that declare it, and a validation part."""
    protocols = importlib.import_module("wser.protocols")

    if config.protocol.name not in protocols.names():
        # That is another mistake, with another remedy.
        return {}
    choosing = Reader("selection", ("validation",))
    found: dict[str, tuple[Reader, ...]] = {"protocol.validation_fraction": (choosing,)}
    for field in fields(config.protocol):
        names = [name for name in protocols.names() if field.name in protocols.protocol(name).reads(config.corpus)]
        own = (Reader("protocol.name", tuple(names)),)
        if field.name not in ("name", "validation_fraction"):
            found[f"protocol.{field.name}"] = (*own, choosing) if field.name == "seed" else own
    return found
