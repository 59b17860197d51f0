"""Published results to compare with: `published.yaml`, and entries of the user."""

from dataclasses import dataclass, fields
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from precompute.common.errors import WserError, reason, unknown
from precompute.common.reading import LARGEST_YAML, UnreadableError, parse_yaml, typed

Speakers = Literal["unknown", "known", "unclear"]
Share = Annotated[float, Meta(ge=0, le=1)]
PAPER = "10.18280/ts.420205"
"""Sayed et al. 2025, which this software implements."""


class PublishedError(WserError, ValueError):
    """An entry of published results cannot be used."""


@dataclass(frozen=True, kw_only=True)
class LiteratureResult:
    """One published result.

    Attributes:
        corpus: Name of the corpus.
        speakers: Whether the test speakers are unknown in training, known, or whether the source leaves it unclear.
        metric: Which metric it is.
        value: In [0, 1].
        work: Authors and year.
        doi: Of the work; of the one that quotes it where it has none.
        protocol: In words, as far as the source says.
        classes: Number of emotions, None where the source does not say.
        method: In a few words.
        deviation: As the source gives it.
        folds: Value of each fold.
        url: Of a work without DOI.
        quoted: Where the result was read, if not in the work itself.
        chosen: `test` where the epoch was chosen on the test set.
        pretrained: Whether a large network was trained on other speech before.
        listeners: Whether these are human.
        calibrated: Whether recordings of each test speaker, without their labels, standardised it: a track of its own.
        model: Name of the model of this software that is written after it.
        note: What else should be known.
    """

    corpus: str
    speakers: Speakers
    metric: Literal["accuracy", "uar"]
    value: Share
    work: str
    doi: str
    protocol: str | None = None
    classes: int | None = None
    method: str | None = None
    deviation: Share | None = None
    folds: Annotated[list[Share], Meta(min_length=2)] | None = None
    url: Annotated[str, Meta(pattern="^(https://|http://|$)")] | None = None
    quoted: str | None = None
    chosen: Literal["test"] | None = None
    pretrained: bool = False
    listeners: bool = False
    calibrated: bool = False
    model: str | None = None
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


def load(more: Path | None = None) -> list[LiteratureResult]:
    """All entries, those of the user last.

    Args:
        more: A file of the same form as `published.yaml`.

    Raises:
        PublishedError: The file cannot be read, or one of its entries is wrong; one sentence says which.
    """
    return [*_own(), *(_parse(_read(more), str(more)) if more else [])]


@lru_cache
def _own() -> tuple[LiteratureResult, ...]:
    return tuple(_parse(parse_yaml((files("wser.evaluation") / "published.yaml").read_bytes()), "published.yaml"))


def _read(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            # One byte more than may be says that there are more, however many, as of a device.
            return parse_yaml(file.read(LARGEST_YAML + 1))
    except (OSError, UnreadableError) as error:
        raise PublishedError(f"{path} cannot be read ({reason(error)}): give a file of the form of published.yaml") from None


def _parse(entries: Any, name: str) -> list[LiteratureResult]:
    try:
        listed = typed(entries, list[dict[str, Any]], name)
        return [_entry(entry, f"entry {number} of {name}") for number, entry in enumerate(listed, 1)]
    except UnreadableError as error:
        raise PublishedError(f"{error}: give each as '- corpus: ...', as published.yaml does") from None


def _entry(entry: dict[str, Any], name: str) -> LiteratureResult:
    known = {field.name for field in fields(LiteratureResult)}
    if strange := [key for key in entry if key not in known]:
        raise PublishedError(f"{name}: {unknown('key', strange[0][:60], known)}")
    return typed(entry, LiteratureResult, name)
