"""Published figures to hold results against: `published.yaml`, and rows of the user's own."""

from dataclasses import dataclass, fields
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

from precompute.common.errors import WserError, unknown
from precompute.common.reading import LARGEST_YAML, UnreadableError, parse_yaml

Speakers = Literal["unknown", "known", "unclear"]
PAPER = "10.18280/ts.420205"
"""Sayed et al. 2025, which this software implements."""


class PublishedError(WserError, ValueError):
    """An entry of published figures cannot be used."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """One published figure.

    Attributes:
        corpus: Name of the corpus.
        speakers: Whether the test speakers are unknown in training, known, or whether the source leaves it unclear.
        metric: Which figure it is.
        value: In [0, 1].
        work: Authors and year.
        doi: Of the work; of the one that quotes it where it has none.
        protocol: In words, as far as the source says.
        classes: Number of emotions, None where the source does not say.
        method: In a few words.
        deviation: As the source gives it.
        folds: Value of each fold.
        url: Of a work without DOI.
        quoted: Where the figure was read, if not in the work itself.
        chosen: `test` where the epoch was chosen on the test part.
        pretrained: Whether a large network was trained on other speech before.
        listeners: Whether these are human.
        note: What else should be known.
    """

    corpus: str
    speakers: Speakers
    metric: Literal["accuracy", "uar"]
    value: float
    work: str
    doi: str
    protocol: str | None = None
    classes: int | None = None
    method: str | None = None
    deviation: float | None = None
    folds: list[float] | None = None
    url: str | None = None
    quoted: str | None = None
    chosen: Literal["test"] | None = None
    pretrained: bool = False
    listeners: bool = False
    note: str | None = None

    @property
    def link(self) -> str:
        """Where the work is."""
        return self.url or f"https://doi.org/{self.doi}"

    @property
    def source(self) -> str:
        """The work, what exactly was measured, and where it was read."""
        quoted = f"as quoted by {self.quoted}" if self.quoted else None
        return ", ".join(filter(None, (self.work, self.protocol, quoted)))


def load(more: Path | None = None) -> list[Published]:
    """All entries, those of the user last.

    Args:
        more: A file of the same form as `published.yaml`.

    Raises:
        PublishedError: The file cannot be read, or one of its entries is wrong; one sentence says which.
    """
    return [*_own(), *(_parse(_read(more), str(more)) if more else [])]


@lru_cache
def _own() -> tuple[Published, ...]:
    return tuple(_parse(parse_yaml((files("wser.evaluation") / "published.yaml").read_bytes()), "published.yaml"))


def _read(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            # One byte more than may be says that there are more, however many, as of a device.
            return parse_yaml(file.read(LARGEST_YAML + 1))
    except (OSError, UnreadableError) as error:
        why = (isinstance(error, OSError) and error.strerror) or " ".join(str(error).split())[:200]
        raise PublishedError(f"{path} cannot be read ({why}): give a file of the form of published.yaml") from None


def _parse(entries: Any, name: str) -> list[Published]:
    if not isinstance(entries, list):
        raise PublishedError(f"{name} holds no list of entries: give each as '- corpus: ...', as published.yaml does")
    return [_entry(entry, f"entry {number} of {name}") for number, entry in enumerate(entries, 1)]


def _entry(entry: Any, name: str) -> Published:
    known = {field.name for field in fields(Published)}
    needed = {"corpus", "speakers", "metric", "value", "work", "doi"}
    if not isinstance(entry, dict) or (missing := sorted(needed - {*entry})):
        raise PublishedError(f"{name} lacks {', '.join(missing) if isinstance(entry, dict) else 'its keys'}: add it")
    if strange := [key for key in entry if key not in known]:
        raise PublishedError(f"{name}: {unknown('key', str(strange[0])[:60], known)}")
    wrong = _wrong(entry)
    if wrong:
        raise PublishedError(f"{name} has {wrong[0]}={str(entry.get(wrong[0]))[:60]!r}: give {wrong[1]}")
    return Published(**entry)


def _wrong(entry: dict[str, Any]) -> tuple[str, str] | None:
    """The first key with a value that cannot be, and what could."""
    for key, legal in (("speakers", get_args(Speakers)), ("metric", ("accuracy", "uar")), ("chosen", ("test", None))):
        if entry.get(key) not in legal:
            return key, " or ".join(map(str, filter(None, legal)))
    for key in ("corpus", "work", "doi", "protocol", "method", "url", "quoted", "note"):
        if not isinstance(entry.get(key, ""), str | None):
            return key, "text"
    if not str(entry.get("url") or "https://").startswith(("https://", "http://")):
        return "url", "an address that begins with https://"
    for key in ("value", "deviation"):
        if not (_is_share(entry.get(key)) or (key == "deviation" and entry.get(key) is None)):
            return key, "a share between 0 and 1"
    folds = entry.get("folds", [0, 0])
    if not isinstance(folds, list) or len(folds) < 2 or not all(map(_is_share, folds)):
        return "folds", "a list of two or more shares between 0 and 1"
    if isinstance(entry.get("classes"), bool) or not isinstance(entry.get("classes"), int | None):
        return "classes", "a whole number"
    for key in ("pretrained", "listeners"):
        if not isinstance(entry.get(key, False), bool):
            return key, "true or false"
    return None


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
