"""From presets, experiment files and a command line to configurations."""

import difflib
import io
import itertools
import json
import os
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import fields, replace
from functools import cache, lru_cache, partial
from importlib import resources
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException
from yaml import YAMLError

from precompute.common import paths, plugins
from precompute.common.errors import unknown
from precompute.common.reading import LARGEST_YAML, given, parse_yaml, refuse_interpolation
from precompute.common.settings import Facts, Reader, facts, refusal, types, values_in_words
from wser.config import unread
from wser.config.schema import (
    NAMED,
    ROOMS,
    Config,
    ConfigError,
    Unread,
    as_text,
    check,
    choice,
    declared,
    flatten,
    known,
    with_key,
)

SWEEP = "train.lr: [0.1, 0.01], or 'preset, selection: [[paper, test], [tuned, last]]'"
"""How to write the section `sweep` of an experiment file."""

FUSE = "fuse"
"""Key of an experiment file or a command line that is of a sweep, and of no run in it."""

Layer = dict[str, Any]
"""Settings of one source, such as a file: values, and sections, which are dictionaries."""

SECTIONS = {"data": "pad", "train": "lr"}
"""Sections that are no short form, with a key of each."""


def experiments() -> Path:
    """Directory of the experiment files: inside the installed package, or beside it in a checkout."""
    packaged = Path(str(resources.files("wser"))) / "experiments"
    return packaged if packaged.is_dir() else Path(str(resources.files("wser"))).parent / "experiments"


def load(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> list[Config]:
    """Merge default.yaml, preset, experiment and command line, one configuration for each point of a sweep.

    An experiment file may sweep by itself: its section `sweep` maps keys to lists of values, several keys with a comma between
    them to lists of lists.  What the command line says of such a key picks among its values, or takes their place.  The key
    `fuse` is not part of a configuration (`fuses`).

    Args:
        arguments: Strings `key=value`; a comma list such as `seed=0,1,2` sweeps (several make their product), a bracketed one
            such as `corpus=[ravdess,emodb]` is one value, and so are `fold=0,2` and `logger=csv,tensorboard`.
        environment: Of the process: WSER_CACHE is read.

    Raises:
        ConfigError: An argument is no `key=value`, a key is unknown, or a value has the wrong type or is outside its limits.
    """
    # Each file is read once, however many points there are.
    read = cache(_settings)
    return [
        _merge({key: text for choice in point for key, text in choice.items()}, environment, read)
        for axes in _axes(arguments)
        for point in itertools.product(*axes)
    ]


def swept(arguments: Sequence[str]) -> list[str]:
    """Dotted keys to which an experiment file or a command line gives several values, in their order.

    Args:
        arguments: As `load` takes them.
    """
    every = _axes(arguments)
    keys = [key for axes in every for axis in axes if len(axis) > 1 for key in axis[0]]
    return list(dict.fromkeys(map(_full, ["experiment", *keys] if len(every) > 1 else keys)))


def fuses(arguments: Sequence[str]) -> bool:
    """Whether the runs of a sweep are to be fused: `fuse=true` on the command line, else `fuse: true` of an experiment file.

    Args:
        arguments: As `load` takes them.

    Raises:
        ConfigError: It is neither true nor false, or true where nothing is swept; an experiment file's is of no effect where
            the command line leaves one point of the file's sweep.
    """
    overrides = _given(arguments)
    files = [_experiment_file(name) for name in overrides.get("experiment", ())]
    typed = overrides.get(FUSE)
    if typed is not None and typed not in (["true"], ["false"]):
        raise ConfigError(f"{FUSE}={','.join(typed)} is neither true nor false: give one of them")
    asking = [file for file in files if _asks(file)]
    if typed == ["false"] or not (typed or asking):
        return False
    if not swept(arguments) and (typed or not any(map(_sweep, asking))):
        who = f"{FUSE}=true" if typed else f"{FUSE}: true of {asking[0]}"
        raise ConfigError(f"{who} fuses the points of a sweep, and nothing is swept: give several values, as in seed=0,1")
    return True


def _asks(file: Path) -> bool:
    """Whether an experiment file says `fuse: true`."""
    fuse = _read(file).get(FUSE, False)
    if not isinstance(fuse, bool):
        raise ConfigError(f"{file}: {FUSE}={fuse} is neither true nor false: write one of them")
    return fuse


def _axes(arguments: Sequence[str]) -> list[list[list[dict[str, str]]]]:
    """For each experiment, the axes of its sweep: for each axis, the settings of each of its points."""
    overrides = _given(arguments)
    overrides.pop(FUSE, None)
    if "experiment" not in overrides:
        return [_with_file(None, overrides)]
    return [_with_file(_experiment_file(name), overrides | {"experiment": [name]}) for name in overrides["experiment"]]


def _given(arguments: Sequence[str]) -> dict[str, list[str]]:
    """The values that a command line gives to each key, as texts."""
    overrides: dict[str, list[str]] = {}
    for argument in arguments:
        key, text = _split(argument)
        alone = key == "fold" or (_known(key).names and not _known(key).swept) or text.startswith(("[", "{"))
        overrides[key] = [text] if alone else text.split(",")
        if len(overrides[key]) > 1 and "" in overrides[key]:
            raise ConfigError(f"{argument} has an empty value in its list: remove the comma")
    return overrides


def _with_file(file: Path | None, overrides: dict[str, list[str]]) -> list[list[dict[str, str]]]:
    """Axes of an experiment file's sweep, as far as the command line leaves them, then of what else the command line gives."""
    axes, picked = [], set()
    for joined, values in _sweep(file).items() if file else ():
        keys = [key.strip() for key in str(joined).split(",")]
        rows = [value if len(keys) > 1 else [value] for value in values] if isinstance(values, list) else []
        if "" in keys or not rows or any(not isinstance(row, list) or len(row) != len(keys) for row in rows):
            raise ConfigError(f"{file}: sweep of {joined} needs lists with a value for each key: write it as {SWEEP}")
        _check_swept(keys)
        points = [dict(zip(keys, (_text(value) for value in row), strict=True)) for row in rows]
        chosen = [key for key in keys if key in overrides and {*overrides[key]} <= {point[key] for point in points}]
        left = [point for point in points if all(point[key] in overrides[key] for key in chosen)]
        if not left:
            point = " ".join(f"{key}={','.join(overrides[key])}" for key in chosen)
            raise ConfigError(f"{file}: its sweep of {joined} has no point with {point}: give {point} without the experiment")
        replaced = {*overrides} - {*chosen}
        left = [{key: value for key, value in point.items() if key not in replaced} for point in left]
        axes.append([point for at, point in enumerate(left) if point not in left[:at]])
        picked.update(chosen)
    _check_swept(key for key, values in overrides.items() if len(values) > 1)
    return axes + [[{key: value} for value in values] for key, values in overrides.items() if key not in picked]


def _check_swept(keys: Iterable[str]) -> None:
    for key in keys:
        if not _known(key).swept:
            raise ConfigError(f"{key} has several values, and no result depends on it: give one")
        if key in SECTIONS:
            raise ConfigError(f"{key} is a section and cannot be swept: sweep keys of it, as {key}.{SECTIONS[key]}")


def _sweep(file: Path) -> dict[Any, Any]:
    """The section `sweep` of an experiment file, empty where it has none."""
    section = _read(file).get("sweep", {})
    if not isinstance(section, dict):
        raise ConfigError(f"{file}: sweep of {section} must be a mapping of keys to lists: write it as {SWEEP}")
    return section


def _text(value: Any) -> str:
    """A value of a file as one would write it on the command line."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return f"[{','.join(value)}]"
    return value if isinstance(value, str) else json.dumps(value)


def load_stored(path: Path, arguments: Sequence[str], changeable: Sequence[str]) -> Config:
    """The configuration that is stored in a run's directory, with a few keys changed.

    Args:
        path: Its config.yaml.  The stored `cache_root` gives way to WSER_CACHE, where that is set, and the stored `executor` to
            this machine.
        arguments: Strings `key=value`; a comma list does not sweep.
        changeable: Keys and sections that they may set.

    Raises:
        ConfigError: The file is missing or malformed, or an argument is, or sets another key.
    """
    point = [_split(argument) for argument in arguments]
    if refused := [key for key, _ in point if not {key, key.partition(".")[0]} & {*changeable}]:
        raise ConfigError(f"{refused[0]} cannot be given for a stored run: leave it out, only {', '.join(changeable)} can")
    root = os.environ.get("WSER_CACHE")
    environment: Layer = {"cache_root": root} if root else {}
    _refuse_interpolation(environment, "WSER_CACHE")
    stored = _read(path)
    stored.pop("executor", None)
    _without_others(stored)
    _as_it_was_read(stored)
    try:
        _typed([stored], [])
    except ConfigError as error:
        raise ConfigError(f"{path} was made by another version of this software, or is damaged: {error}") from None
    return _typed([stored, environment, _layer(point)], point)


def _without_others(stored: Layer) -> None:
    """Take out of a stored configuration the keys of other protocols, which each run had once."""
    section = _section(stored, "protocol")
    own = {field.name for field in fields(choice("protocol", str(section.get("name", Config().protocol.name))))}
    for key in [key for key in section if key not in own and with_key("protocol", key)]:
        section.pop(key)


def _as_it_was_read(stored: Layer) -> None:
    """Correct in a stored configuration what its model did not read, since it was fitted at once, and would read today."""
    model = choice("model", str(_section(stored, "model").get("name", Config().model.name)))
    data = _section(stored, "data")
    # Before enrolment existed, such models got what the cache holds, whatever the preset said.
    if not model.is_network and "standardise" in data and "enrol" not in data:
        data["standardise"] = "none"


def _split(argument: str) -> tuple[str, str]:
    key, equals, text = argument.partition("=")
    if not equals or "" in key.split("."):
        example = f"corpus={argument}" if argument in plugins.names("precompute.corpora") else "seed=1"
        raise ConfigError(f"'{argument}' is not key=value: write it as in {example}")
    return key, text


def _merge(point: dict[str, str], variables: Mapping[str, str], read: Callable[[Path], bytes]) -> Config:
    command_line = _layer(list(point.items()))
    layers: list[Layer] = [pickle.loads(read(experiments() / "default.yaml"))]
    if "experiment" in command_line:
        layers.append(pickle.loads(read(_experiment_file(command_line["experiment"]))))
    layers[0]["preset"] = _preset([*layers, command_line])
    layers.insert(1, pickle.loads(read(_file(experiments() / "preset", "preset", layers[0]["preset"]))))
    environment: Layer = {"cache_root": variables.get("WSER_CACHE") or Config.cache_root}
    _refuse_interpolation(environment, "WSER_CACHE")
    stated = list(flatten(command_line))
    _settle(layers, command_line)
    environment = _of_model(environment, layers, command_line)
    config = _typed([environment, *layers, command_line], list(point.items()))
    _refuse(unread.find(config, stated))
    idle = unread.find(config, flatten(layers[-1])) if "experiment" in command_line else {}
    _refuse({key: refused for key, refused in idle.items() if not refused.deciding & {*stated}})
    # If the command line names another protocol, for example, the experiment's settings of its own protocol are dropped.
    for key in idle:
        section, _, name = key.rpartition(".")
        (layers[-1][section] if section else layers[-1]).pop(name)
    return _typed([environment, *layers, _layer(list(point.items()))], list(point.items())) if idle else config


def _preset(layers: Sequence[Layer]) -> str:
    """Name of the preset: the one asked for, else the one that has the model's name, else that of default.yaml.

    Args:
        layers: Of default.yaml, experiment and command line.
    """
    usual, *asking = layers
    if presets := [str(layer["preset"]) for layer in asking if "preset" in layer]:
        return presets[-1]
    model = _name("model", asking)
    return model if model and (experiments() / "preset" / f"{model}.yaml").is_file() else str(usual["preset"])


def _of_model(environment: Layer, layers: Sequence[Layer], command_line: Layer) -> Layer:
    """The lowest layer, with the values that the chosen model has by default instead of the usual ones.

    Args:
        environment: The layer so far.
        layers: Of default.yaml, preset and experiment; of the preset, what it says for networks alone is removed.
        command_line: The last one.
    """
    model = choice("model", _name("model", [*layers, command_line]) or Config().model.name)
    own: Layer = {"recipe": model.default_recipe}
    if model.default_standardise is not None:
        _section(layers[1], "data").pop("standardise", None)
        own["data"] = {"standardise": model.default_standardise}
    return own | environment


def _settle(layers: Sequence[Layer], command_line: Layer) -> None:
    """Remove from layers the keys of a protocol or model that is not the chosen one, or that the chosen one does not have.

    Args:
        layers: Of default.yaml, preset and experiment, in this order; they are changed.
        command_line: The last one.

    Raises:
        ConfigError: A layer, or the command line, sets what the choice that it makes does not have, and another one has.
    """
    for section in ROOMS:
        current = before = getattr(Config(), section).name
        name = _name(section, [*layers, command_line]) or before
        own = {field.name for field in fields(choice(section, name))}
        for layer in layers:
            keys = _section(layer, section)
            current = str(keys.get("name", current))
            # A protocol's keys mean the same in each that has them; a model's are its own.
            dropped = [key for key in keys if key not in own or (section == "model" and current != name and key != "name")]
            for key in dropped:
                if current == name:
                    _refuse_foreign(section, name, key, keys[key])
                else:
                    keys.pop(key)
        for key, value in _section(command_line, section).items():
            if key not in own:
                _refuse_foreign(section, name, key, value)


def _refuse_foreign(section: str, name: str, key: str, value: Any) -> None:
    """Refuse a key that another choice has; unknown keys are refused elsewhere."""
    if others := with_key(section, key):
        settings = {f"{section}.{key}": value, f"{section}.name": name}
        why = refusal(f"{section}.{key}", [Reader(f"{section}.name", tuple(others))], settings)
        raise ConfigError(str(why))


def _known(key: str) -> Facts:
    """What is known of a key, by its dotted or its short form."""
    return known().get(_full(key), Facts())


def _refuse(unread_keys: Mapping[str, Unread]) -> None:
    for unread_key in unread_keys.values():
        raise ConfigError(unread_key.why)


def _full(key: str) -> str:
    """The dotted key of a short form."""
    return f"{key}.name" if key in NAMED else key


def _layer(point: Sequence[tuple[str, str]]) -> Layer:
    """The settings of a command line."""
    layer: Layer = {}
    for key, text in point:
        *sections, name = _full(key).split(".")
        setting = {name: _value(_full(key), text)}
        for section in reversed(sections):
            setting = {section: setting}
        _merge_into(layer, setting)
    _refuse_interpolation(layer, "the command line")
    return layer


def _section(layer: Layer, section: str) -> Layer:
    """A section of a layer, empty where it has none, or a value that is none, which is refused later."""
    keys = layer.get(section)
    return keys if isinstance(keys, dict) else {}


def _name(section: str, layers: Sequence[Layer]) -> str | None:
    """Name of the protocol, model or executor that the last layer chooses that chooses one."""
    names = [str(keys["name"]) for layer in layers if "name" in (keys := _section(layer, section))]
    return names[-1] if names else None


def _merge_into(lower: Layer, upper: Layer, prefix: str = "") -> None:
    """Put the settings of a layer over those of another, section by section."""
    for key, value in upper.items():
        before = lower.setdefault(key, value)
        if before is value:
            continue
        if isinstance(before, dict) and isinstance(value, dict):
            _merge_into(before, value, f"{prefix}{key}.")
        elif isinstance(before, dict) or isinstance(value, dict):
            keys, other = (before, value) if isinstance(before, dict) else (value, before)
            name = f"{prefix}{key}"
            both = f"a value, {other}, and keys, as {name}.{next(iter(keys))}"
            raise ConfigError(f"{name} has both {both}: leave one of them out")
        else:
            lower[key] = value


def _typed(layers: Sequence[Layer], point: Sequence[tuple[str, str]]) -> Config:
    """Merge layers, later over earlier, and check every value.

    Args:
        layers: The last one is that of the command line, if there is one.
        point: The settings of the command line, for messages.
    """
    chosen = {section: choice(section, name) for section in ROOMS if (name := _name(section, layers))}
    config = _structured(tuple(chosen.items()))()
    merged: Layer = {}
    for layer in layers:
        _merge_into(merged, deepcopy(layer))
    for section, key in (SECTIONS | dict.fromkeys(NAMED, "name")).items():
        if not isinstance(value := merged.get(section, {}), dict):
            raise ConfigError(f"{section}={value} is a value, and {section} is a section: give its keys, as {section}.{key}")
    try:
        loaded = OmegaConf.to_object(OmegaConf.unsafe_merge(config, merged))
    except (ConfigKeyError, ConfigAttributeError) as error:
        typed = [key for key, _ in point if key.startswith(str(error.full_key))]
        raise ConfigError(_unknown_key(typed[0] if typed else str(error.full_key))) from None
    except (OmegaConfBaseException, TypeError) as error:
        key = str(getattr(error, "full_key", "")).partition("[")[0]
        usual: Layer = OmegaConf.to_container(_structured(tuple(chosen.items()))())  # type: ignore[assignment]
        values = [leaves[key] for layer in [usual, *layers] if key in (leaves := flatten(layer))]
        if len(values) < 2:
            why = str(error).splitlines()[0]
            raise ConfigError(f"the configuration cannot be read ({why}): write it as in default.yaml") from None
        # The last one is what is refused.
        valid = [f": give a value such as {as_text(value)}" for value in values[:-1] if value is not None][-1:]
        wrong = f"{key}={as_text(values[-1])} is not what {key} takes ({_values(key, chosen)})"
        raise ConfigError("".join([wrong, *valid])) from None
    if not isinstance(loaded, Config):
        raise ConfigError("the configuration must be a mapping of keys to values: write it as in default.yaml")
    check(loaded)
    return _with_paths(loaded)


def _values(key: str, chosen: Mapping[str, Any]) -> str:
    """What a key may be, in words."""
    kind: type[Any] = Config
    *sections, name = key.split(".")
    for section in sections:
        kind = chosen.get(section) or types(kind)[section]
    (field,) = (field for field in fields(kind) if field.name == name)
    return values_in_words(types(kind)[name], replace(facts(field), readers=()))


@cache
def _structured(chosen: tuple[tuple[str, Any], ...]) -> Callable[[], Any]:
    """A function that gives new default values of sections, in a fraction of the time that `OmegaConf.structured` takes."""
    structured = OmegaConf.structured(Config(**dict(chosen)))
    try:
        # To copy them takes six times as long as to load them, and a sweep has many points.
        return partial(pickle.loads, pickle.dumps(structured))
    except (pickle.PicklingError, AttributeError):
        # The settings of a plug-in are a class that cannot be found by its name.
        return partial(deepcopy, structured)


def _with_paths(config: Config) -> Config:
    """The same with the paths in it in full, so that it means the same for every user."""
    known = declared(config)

    def in_full(section: Any, prefix: str = "") -> dict[str, Any]:
        return {
            field.name: paths.in_full(value)
            for field in fields(section)
            if prefix + field.name in known and known[prefix + field.name].path and (value := getattr(section, field.name))
        }

    sections = {name: getattr(config, name) for name in ROOMS}
    full = {name: replace(section, **in_full(section, f"{name}.")) for name, section in sections.items()}
    return replace(config, **in_full(config), **full, cache_root=paths.each_in_full(config.cache_root))


def _unknown_key(typed: str) -> str:
    """The message for an unknown key; the nearest is sought among last words, since sections are what people leave out."""
    keys = sorted(known(), key=lambda key: -key.count("."))
    by_tail = {key.rpartition(".")[2]: key for key in keys}
    by_tail |= {section: section for section in ROOMS}
    near = difflib.get_close_matches(typed.rpartition(".")[2], by_tail, n=1)
    return f"there is no key '{typed}'; did you mean '{by_tail[near[0]]}'?" if near else unknown("key", typed, keys)


def _value(key: str, text: str) -> Any:
    """The value that a text of the command line means."""
    if _known(key).names:
        return [name.strip() for name in text.strip("[]").split(",") if name.strip()]
    if _known(key).text:
        return None if text == "null" else text
    try:
        value = OmegaConf.from_dotlist([f"value={text}"]).value
        return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
    except (YAMLError, OmegaConfBaseException):
        raise ConfigError(f"{key}={text} is not a valid value: write lists as in [1,2] and close their brackets") from None


def _settings(path: Path) -> bytes:
    """The settings of a file, without what it sweeps and whether that is fused; pickled, for each point to load its own."""
    layer = _read(path)
    for key in ("sweep", FUSE):
        layer.pop(key, None)
    return pickle.dumps(layer)


def _read(path: Path) -> Layer:
    """A file of settings, its short forms `model: three_pipe`, `protocol: loso` and `corpus: emodb` written out."""
    try:
        return pickle.loads(_parsed(path, given(path, LARGEST_YAML)))  # type: ignore[no-any-return]
    except (YAMLError, OmegaConfBaseException, OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {' '.join(str(error).split())}: write key: value lines") from None


@lru_cache(maxsize=64)
def _parsed(path: Path, content: bytes) -> bytes:
    """What a file says, pickled; parsed once, since each command reads the same few files several times."""
    parse_yaml(content)
    # Its own reader knows numbers such as 1e-3, which YAML 1.1 takes for text.
    layer: Any = OmegaConf.to_container(OmegaConf.load(io.StringIO(content.decode("utf-8"))), throw_on_missing=True)
    if not isinstance(layer, dict):
        raise ConfigError(f"{path} is not a mapping: write key: value lines")
    _refuse_interpolation(layer, str(path))
    for key in NAMED:
        if isinstance(layer.get(key), str):
            layer[key] = {"name": layer[key]}
    for key in (key for key, known_of_key in known().items() if known_of_key.names):
        if isinstance(layer.get(key), str):
            layer[key] = [layer[key]]
    return pickle.dumps(layer)


def _refuse_interpolation(layer: Layer, where: str) -> None:
    """Refuse text that OmegaConf would replace: files may come from others, and the replacement would appear in pages."""

    def refuse(text: str) -> ConfigError:
        return ConfigError(f"{where} contains '{text}', and ${{...}} is not replaced here: write the value itself")

    refuse_interpolation(layer, refuse)


def _experiment_file(name: str) -> Path:
    if name.endswith(".yaml"):
        file = paths.path(name)
        if not file.is_file():
            raise ConfigError(f"there is no experiment file {file}: give the path of one, or a name")
        return file
    return _file(experiments(), "experiment", name)


def _file(directory: Path, what: str, name: str) -> Path:
    names = [file.stem for file in directory.glob("*.yaml")]
    if name not in names:
        raise ConfigError(unknown(what, name, names))
    return directory / f"{name}.yaml"
