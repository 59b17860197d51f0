"""Small pictures of a corpus, one of each speaker and emotion."""

import io
from collections import Counter, defaultdict
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import joblib
from PIL import Image

from precompute.check.survey import Survey
from precompute.errors import CorpusError
from precompute.layout import Utterance
from precompute.recipe import Recipe
from precompute.transform import picture

MOST_SPEAKERS = 24
"""Speakers shown: a few pages of pictures, and less than 3 MB."""

MOST_ROWS = 128
"""Height of a picture shown, in pixels; higher ones are made smaller."""

QUALITY = 85
"""Of WebP: about 3 kB a picture of three seconds, without visible blocks."""


@dataclass(frozen=True)
class Thumbnail:
    """A small picture of one utterance.

    Attributes:
        utterance: Whose.
        webp: The picture, cropped to the columns that hold part of the utterance.
        width: In pixels.
        height: Likewise.
    """

    utterance: Utterance
    webp: bytes
    width: int
    height: int


def choose(survey: Survey) -> list[Utterance]:
    """One usable utterance of each emotion of the first speakers.

    They say the same, with the same intensity, wherever a speaker has that: the sentence and intensity that most speakers
    and emotions have comes first, and of several repetitions the first.
    """
    shown = set(list(survey.speakers)[:MOST_SPEAKERS])
    cells: dict[tuple[str, str], list[Utterance]] = defaultdict(list)
    for one in survey.checked:
        if one.measured and one.utterance.speaker in shown:
            cells[one.utterance.speaker, one.utterance.emotion].append(one.utterance)
    spread = Counter(said for cell in cells.values() for said in {_said(utterance) for utterance in cell})

    def rank(utterance: Utterance) -> tuple[int, tuple[str, str], str]:
        return -spread[_said(utterance)], _said(utterance), utterance.key

    return [min(cell, key=rank) for _, cell in sorted(cells.items())]


def thumbnails(utterances: list[Utterance], directory: Path, recipe: Recipe, jobs: int) -> list[Thumbnail]:
    """Compute the pictures, in the order of the utterances.

    Args:
        utterances: Usable ones.
        directory: Of the corpus.
        recipe: What to compute.
        jobs: Processes to use; -1 for all cores.

    Raises:
        CorpusError: A worker process was killed, or a recording changed after it was measured.
    """
    run = joblib.Parallel(n_jobs=jobs)
    try:
        made: list[Thumbnail] = run(joblib.delayed(_thumbnail)(utterance, directory, recipe) for utterance in utterances)
    except BrokenProcessPool:
        raise CorpusError("a worker process was killed, most likely for lack of memory: run again with --jobs 1") from None
    except ValueError as error:
        raise CorpusError(f"a recording changed while the corpus was checked ({error}): run the same command again") from None
    return made


def _said(utterance: Utterance) -> tuple[str, str]:
    return utterance.sentence or "", utterance.intensity or ""


def _thumbnail(utterance: Utterance, directory: Path, recipe: Recipe) -> Thumbnail:
    made = picture((directory / utterance.path).read_bytes(), utterance.key, recipe, utterance.begin, utterance.end)
    image = Image.fromarray(made.pixels[:, made.start : made.stop])
    if image.height > MOST_ROWS:
        image = image.resize((max(1, round(image.width * MOST_ROWS / image.height)), MOST_ROWS))
    file = io.BytesIO()
    image.save(file, "WEBP", quality=QUALITY, method=4)
    return Thumbnail(utterance, file.getvalue(), image.width, image.height)
