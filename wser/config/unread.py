"""Settings of an experiment that have no effect."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from precompute.common import plugins
from precompute.common.reading import UnreadableError, typed
from precompute.common.settings import Reader, refusal
from wser.config.schema import (
    ROOMS,
    Config,
    ConfigError,
    FittedModelConfig,
    ModelConfig,
    ProtocolConfig,
    Unread,
    choice,
    declared,
    flatten,
    is_hashed,
)

TRAINED_EPOCH_BY_EPOCH = ("data.", "train.")
"""Sections of which a model that is fitted at once reads these alone:"""

READ_ANYWAY = ("data.test_recipe", "data.standardise", "data.enrol")


def find(config: Config, keys: Iterable[str]) -> dict[str, Unread]:
    """Those of some settings that have no effect.

    Args:
        config: The whole configuration.
        keys: Dotted keys.
    """
    settings = flatten(asdict(config))
    readers = {key: known.readers for key, known in declared(config).items()} | _of_protocols(config)
    unread_keys = {}
    for key in keys:
        section, _, name = key.rpartition(".")
        if why := refusal(key, readers.get(key, ()), settings):
            unread_keys[key] = Unread(why, frozenset(reader.key for reader in readers[key]))
        elif section == "model" and (unread := config.model.unread(name)):
            unread_keys[key] = unread
        elif not config.model.is_network and key.startswith(TRAINED_EPOCH_BY_EPOCH) and key not in READ_ANYWAY:
            why = f"{key}={settings[key]} has no effect with model.name={config.model.name}, which has no epochs: leave it out"
            unread_keys[key] = Unread(why, frozenset({"model.name"}))
        elif not config.model.is_network and key == "selection" and config.selection == "test":
            why = f"selection=test chooses an epoch, and model.name={config.model.name} has none: give selection=last"
            unread_keys[key] = Unread(why, frozenset({"model.name"}))
    return unread_keys


def with_effect(stored: Mapping[str, Any], by_epochs: bool = True) -> dict[str, Any]:
    """The settings of a stored run that may change its results: those that name results and that the run has read.

    A protocol or model that is a file is not imported, since the results may come from a stranger.  All keys of its section
    count then, and the others are judged as those of any run.

    Args:
        stored: Its configuration by dotted key.
        by_epochs: Whether its model was trained epoch by epoch; needed where the model is a file or not installed.
    """
    named = {key: value for key, value in stored.items() if is_hashed(key)}
    config, known = _typed(stored, by_epochs)
    if config is None:
        return named
    own = flatten(asdict(config))
    # Of a model's list that is too long, which a command line may not give, the beginning is read.
    judged = ("protocol.",) * ("protocol" not in known) + ("model.",)
    without = find(config, [key for key in named if key in own and not key.startswith(judged)])
    return {key: value for key, value in named.items() if key not in without}


def _typed(stored: Mapping[str, Any], by_epochs: bool) -> tuple[Config | None, set[str]]:
    """A stored configuration, None where it is of another version, and which of its protocol and model are known.

    What is a file or not installed is not known, and has the keys that every protocol or model has.
    """
    sections: dict[str, dict[str, Any]] = {}
    for key, value in stored.items():
        section, _, name = key.rpartition(".")
        sections.setdefault(section, {})[name] = value
    chosen: dict[str, Any] = {}
    known = set()
    for section, base in (("protocol", ProtocolConfig), ("model", ModelConfig)):
        of_section = sections.pop(section, {})
        try:
            name = str(of_section.get("name", base.name))
            if not plugins.is_path(name):
                chosen[section] = typed(of_section, choice(section, name))
                known.add(section)
                continue
        # A model that somebody installed may have settings of types that cannot be converted.
        except (ConfigError, UnreadableError, TypeError):
            pass
        chosen[section] = ProtocolConfig() if section == "protocol" else ModelConfig() if by_epochs else FittedModelConfig()
    try:
        return replace(typed(sections.pop("", {}) | sections, Config), **chosen), known
    except (UnreadableError, TypeError):
        return None, known


def _of_protocols(config: Config) -> dict[str, tuple[Reader, ...]]:
    """What has each key of the section `protocol` read: the protocols that declare it, and a validation set."""
    room = ROOMS["protocol"]
    names = plugins.names(room)
    classes = {name: plugins.load(room, name, "protocol", ConfigError).Protocol for name in names}
    if config.protocol.name not in classes:
        classes[config.protocol.name] = plugins.load(room, config.protocol.name, "protocol", ConfigError).Protocol
    own = {field.name for field in fields(config.protocol)} - {field.name for field in fields(ProtocolConfig)}
    readers_by_key: dict[str, tuple[Reader, ...]] = {}
    for key in (*own, "seed"):
        reading = tuple(name for name, protocol in classes.items() if key in protocol.reads(config.corpus))
        readers = Reader("protocol.name", reading)
        readers_by_key[f"protocol.{key}"] = (readers, Reader("selection", ("validation",))) if key == "seed" else (readers,)
    return readers_by_key
