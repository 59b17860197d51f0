"""Label maps: which emotions of a corpus make one class, and which are left out.

A map is a YAML file of this folder, named as `labels=` names it, with `classes` (class: emotions), `drop` (emotions left
out) and `default_for` (corpora whose default it is).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from precompute.common.errors import UsageError, WserError, unknown
from precompute.common.reading import LARGEST_YAML, UnreadableError, given, parse_yaml, typed

FOLDER = Path(__file__).parent


class LabelError(WserError, ValueError):
    """A label map is faulty, or does not assign an emotion of the corpus."""


class UnknownMapError(LabelError, UsageError):
    """No label map has the name that was given."""


class _Content(TypedDict):
    """What a file holds; a name may be anything that YAML takes `no` or 1 for."""

    classes: dict[Any, Any]
    drop: NotRequired[list[Any]]
    default_for: NotRequired[list[Any]]


@dataclass(frozen=True)
class LabelMap:
    """A label map.

    Attributes:
        name: Of the file.
        classes: Emotions of each class; the classes' order is that of all tables.
        drop: Emotions left out.
        default_for: Corpora whose default this is.
    """

    name: str
    classes: dict[str, tuple[str, ...]] = field(hash=False)
    drop: tuple[str, ...]
    default_for: tuple[str, ...]

    def index(self, emotions: Sequence[str]) -> list[int | None]:
        """Class of each utterance, None where it is left out.

        Raises:
            LabelError: The map does not mention an emotion.
        """
        place: dict[str, int | None] = {e: i for i, members in enumerate(self.classes.values()) for e in members}
        place.update(dict.fromkeys(self.drop))
        if missing := sorted(set(emotions) - set(place)):
            raise LabelError(
                f"labels={self.name} does not assign {', '.join(missing)}: choose another map, or copy this one "
                "and list them there under classes or under drop"
            )
        return [place[emotion] for emotion in emotions]


def names() -> list[str]:
    """Names of all label maps."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def load(name: str) -> LabelMap:
    """Read a label map.

    Args:
        name: Of a file in this folder, or the path of a YAML file.

    Raises:
        LabelError: There is none of that name, or it is malformed.
    """
    path = Path(name) if name.endswith(".yaml") else FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise UnknownMapError(unknown("label map", name, names()))
    try:
        content = typed(parse_yaml(given(path, LARGEST_YAML)), _Content)
        lists = {name: typed(emotions, list[Any], f"'{name}'") for name, emotions in content["classes"].items()}
    except (OSError, UnreadableError) as error:
        raise LabelError(
            f"{path} cannot be read ({' '.join(str(error).split())}): write it as in labels/common4.yaml"
        ) from None
    classes = {str(label): tuple(map(str, emotions)) for label, emotions in lists.items()}
    drop, default_for = (tuple(map(str, names)) for names in (content.get("drop", []), content.get("default_for", [])))
    counts = Counter([*drop, *(emotion for emotions in classes.values() for emotion in emotions)])
    if twice := sorted(emotion for emotion, count in counts.items() if count > 1):
        raise LabelError(f"{path} names {', '.join(twice)} more than once: leave each emotion in one class or in drop")
    return LabelMap(path.stem, classes, drop, default_for)


def default(corpora: Sequence[str], emotions: Sequence[str]) -> LabelMap:
    """The label map of a corpus that names none: its default, or every emotion a class of its own.

    Raises:
        LabelError: Several corpora are joined; which classes they share is for the user to say.
    """
    if len(corpora) > 1:
        raise LabelError(f"joining {', '.join(corpora)} needs a label map that covers them all: give labels=common4 or another")
    for name in names():
        if corpora[0] in (label_map := load(name)).default_for:
            return label_map
    return LabelMap(corpora[0], {emotion: (emotion,) for emotion in sorted(set(emotions))}, (), ())
