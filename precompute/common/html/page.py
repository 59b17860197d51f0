"""What pages of HTML have in common: a frame with one type scale, in light and dark, and embedded pictures."""

import base64
import io
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray
from PIL import Image

T = TypeVar("T")

MOST_ROWS = 128
"""Height of a picture shown, in pixels; higher ones are made smaller."""

QUALITY = 85
"""Of WebP: about 3 kB a picture of three seconds, without visible blocks."""


@dataclass(frozen=True)
class Thumbnail:
    """A small picture.

    Attributes:
        webp: The file.
        width: In pixels.
        height: Likewise.
    """

    webp: bytes
    width: int
    height: int

    @property
    def source(self) -> str:
        """The picture as an address that holds it."""
        return f"data:image/webp;base64,{base64.b64encode(self.webp).decode()}"


def render(package: str, template: str, **values: Any) -> str:
    """Fill a template that extends `base.html.jinja`; every value is escaped.

    Args:
        package: Where the template is.
        template: File name.
        values: By name.
    """
    return _environment(package).get_template(template).render(values)


@cache
def _environment(package: str) -> Environment:
    return Environment(
        loader=ChoiceLoader([PackageLoader(package, ""), PackageLoader("precompute.common.html", "")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def thumbnail(pixels: NDArray[np.uint8]) -> Thumbnail:
    """A picture for a page.

    Args:
        pixels: uint8 (height, width, 3), cropped to the columns that hold part of the utterance.
    """
    image = Image.fromarray(pixels)
    if image.height > MOST_ROWS:
        image = image.resize((max(1, round(image.width * MOST_ROWS / image.height)), MOST_ROWS))
    file = io.BytesIO()
    image.save(file, "WEBP", quality=QUALITY, method=4)
    return Thumbnail(file.getvalue(), image.width, image.height)


def one_of_each(
    utterances: Sequence[T],
    cell: Callable[[T], tuple[str, str]],
    spoken: Callable[[T], tuple[str, ...]],
    key: Callable[[T], str],
) -> list[T]:
    """One utterance of each cell of a table, with the same sentence in each cell that has it.

    What most cells have comes first, and of several repetitions the first.

    Args:
        utterances: To choose from.
        cell: Of an utterance: its speaker and emotion.
        spoken: What it says, such as sentence and intensity.
        key: Its name.

    Returns:
        The chosen ones, by cell.
    """
    cells: dict[tuple[str, str], list[T]] = {}
    for utterance in utterances:
        cells.setdefault(cell(utterance), []).append(utterance)
    spread = Counter(what for members in cells.values() for what in {spoken(utterance) for utterance in members})
    return [
        min(members, key=lambda utterance: (-spread[spoken(utterance)], spoken(utterance), key(utterance)))
        for _, members in sorted(cells.items())
    ]
