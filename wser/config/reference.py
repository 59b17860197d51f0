"""Every key with its meaning, values and default, from where it is declared: for `--help KEY` and docs/configuration.md."""

import inspect
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, fields, is_dataclass, replace
from typing import Any

from precompute.common import plugins, tables
from precompute.common.errors import unknown
from precompute.common.executor_settings import ExecutorConfig
from precompute.common.settings import facts, types, values_in_words
from precompute.recipe import sections
from wser.config.compose import load
from wser.config.schema import (
    ROOMS,
    Config,
    ConfigError,
    DataConfig,
    ModelConfig,
    ProtocolConfig,
    TrainConfig,
    as_text,
    choice,
    flatten,
)

HEAD = """\
# Configuration

`python -m wser.run` takes these keys as `key=value`, for example `python -m wser.run corpus=emodb train.schedule=constant`. An
experiment file holds the same keys as YAML. A list with commas, such as `seed=0,1,2`, makes a sweep.

- Search this page for a key or a word, or print one key: `python -m wser.run --help selection`.
- The default is the value in a plain run, with the preset `tuned`.
- *Only with* names the protocol or model that reads a key; with another it is refused.
- `python -m wser.run --keys` prints this page.

The sections and their keys:

"""

RECIPES = "Parameters of recipes"
RECIPES_HEAD = f"""\
## {RECIPES}

`python -m precompute build ravdess --set duration=4 colour=magma` sets some of these; a recipe's name sets some of them
([the list](recipes.md)). *Only with* names the features that read a parameter.

"""


@dataclass(frozen=True)
class Key:
    """One key.

    Attributes:
        name: Dotted; of a recipe's parameter its own.
        of: The protocols, models or features that read it; empty if all do.
        values: What it may be.
        default: Its value in a plain run.
        meaning: What it does.
    """

    name: str
    of: tuple[str, ...]
    values: str
    default: str
    meaning: str

    def text(self, width: int | None = None) -> str:
        """Some lines on it, at most as wide as a terminal of `width` columns."""
        facts = [("", self.meaning), ("values", self.values), ("default", self.default), ("only with", ", ".join(self.of))]
        lines = [self.name]
        for heading, fact in facts:
            begin = f"  {heading:<11}" if heading else "  "
            filled = tables.wrap(fact, width and width - len(begin)) if fact else []
            lines += [(begin if number == 0 else " " * len(begin)) + line for number, line in enumerate(filled)]
        return "\n".join([*lines, ""])


OF_SWEEPS = (
    Key(
        "sweep", (), "keys with lists of values; several keys with lists of lists, whose values belong together", "none",
        "Values of which every combination is run, in an experiment file alone; lists with commas do the same on the command "
        "line.",
    ),
    Key(
        "fuse", (), "true or false", "false",
        "Whether the finished runs of a sweep that share corpora, classes, split, selection and track are then fused, as "
        "`wser.fuse` does it.",
    ),
)  # fmt: skip
"""Keys of sweeps, which are of no single run."""


def keys() -> list[Key]:
    """Every key of a run: those of each configuration, of every protocol and model, of data and training."""
    plain = flatten(asdict(load([], environment={})[0]))
    every = [*_of_class(Config, "", (), plain), *OF_SWEEPS]
    for section, base in (("protocol", ProtocolConfig), ("model", ModelConfig)):
        every += _of_class(base, f"{section}.", (), plain)
        shared = {field.name for field in fields(base)}
        for name in plugins.names(ROOMS[section]):
            chosen = plain if name == plain[f"{section}.name"] else {}
            every += _of_class(choice(section, name), f"{section}.", (name,), chosen, shared)
    every += _of_class(DataConfig, "data.", (), plain)
    every += _of_class(TrainConfig, "train.", (), plain)
    every += _of_class(ExecutorConfig, "executor.", (), plain)
    return _together(every)


def parameters() -> list[Key]:
    """Every parameter of recipes: of the audio chain, and of each feature."""
    return _together(key for name, kind in sections() for key in _of_class(kind, "", (name,) if name else (), {}))


def shown(name: str, width: int | None = None) -> str:
    """What is known of one key, of a run or of recipes, or of all keys of a section.

    Args:
        name: Of the key or the section.
        width: Of the terminal, in columns; None breaks no line.

    Raises:
        ConfigError: There is none of that name.
    """
    every = [*keys(), *parameters()]
    matching = [key for key in every if key.name == name or key.name.startswith(f"{name}.")]
    matching = matching or [key for key in every if key.name.endswith(f".{name}")]
    if not matching:
        raise ConfigError(unknown("key", name, sorted({key.name for key in every})))
    return "\n".join(key.text(width) for key in matching)


def markdown() -> str:
    """docs/configuration.md."""
    rooms: dict[str, list[Key]] = {}
    for key in keys():
        rooms.setdefault(key.name.partition(".")[0] if "." in key.name else "", []).append(key)
    titles = {room: room or "The experiment" for room in rooms}
    contents = [_entry(titles[room], of_room) for room, of_room in rooms.items()] + [_entry(RECIPES, parameters())]
    parts = [HEAD + "\n".join(contents) + "\n"]
    about = _meanings(Config)
    for room, of_room in rooms.items():
        intro = f"{about[room]}\n" if room else "What is run, and where its results go.\n"
        choices = [_choices(room)] if room in ROOMS else []
        parts += [f"## {titles[room]}\n", intro, *choices, _table(of_room, f"{room}=" if choices else "")]
    return "\n".join([*parts, RECIPES_HEAD + _table(parameters())])


def _entry(title: str, entries: Iterable[Key]) -> str:
    """A line of the table of contents, with the keys of the section."""
    names = dict.fromkeys(f"`{key.name.rpartition('.')[2]}`" for key in entries)
    return f"- [{title}](#{title.lower().replace(' ', '-')}): {', '.join(names)}"


def _choices(room: str) -> str:
    """The protocols or models, each in a line."""
    rows = [f"| `{room}=` | |", "| --- | --- |"]
    for name in plugins.names(ROOMS[room]):
        module = plugins.load(ROOMS[room], name, room, ConfigError)
        what = module.Protocol.title if room == "protocol" else inspect.cleandoc(module.__doc__ or "").partition("\n")[0]
        rows.append(f"| `{name}` | {what} |")
    return "\n".join(rows) + "\n"


def _table(entries: Iterable[Key], choice: str = "") -> str:
    rows = ["| key | meaning | values | default | only with |", "| --- | --- | --- | --- | --- |"]
    for key in entries:
        readers = ", ".join(f"`{choice}{name}`" for name in key.of)
        cells = (f"`{key.name}`", key.meaning, key.values, f"`{key.default}`", readers)
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows) + "\n"


def _together(entries: Iterable[Key]) -> list[Key]:
    """Keys that several protocols, models or features have alike, once."""
    every: dict[Key, list[str]] = {}
    for key in entries:
        every.setdefault(replace(key, of=()), []).extend(key.of)
    return [replace(key, of=tuple(of)) for key, of in every.items()]


def _of_class(
    kind: type[Any], prefix: str, of: tuple[str, ...], plain: Mapping[str, Any], shared: Collection[str] = ()
) -> Iterator[Key]:
    """The keys that a dataclass declares, without its sections and without what others of its kind have too."""
    meanings, kinds = _meanings(kind), types(kind)
    for field in fields(kind):
        if field.name in shared or is_dataclass(kinds[field.name]):
            continue
        default = plain.get(prefix + field.name, _default(field))
        # The settings of somebody's own model may say nothing of themselves.
        meaning = meanings.get(field.name, "")
        yield Key(prefix + field.name, of, values_in_words(kinds[field.name], facts(field)), as_text(default), meaning)


def _meanings(kind: type[Any]) -> dict[str, str]:
    """What the docstrings of a dataclass and of those before it say of each field, in one line."""
    meanings: dict[str, str] = {}
    for ancestor in reversed(kind.__mro__):
        section = inspect.cleandoc(ancestor.__doc__ or "").partition("Attributes:\n")[2]
        for name, text in re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", section, flags=re.MULTILINE):
            meanings[name] = " ".join(text.split())
    return meanings


def _default(field: "Field[Any]") -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default
