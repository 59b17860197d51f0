"""Small pictures of a corpus, one of each speaker and emotion."""

from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import joblib

from precompute.audio import recording
from precompute.cache.layout import Utterance
from precompute.check.survey import Survey
from precompute.common.errors import CorpusError
from precompute.common.executor import parallel
from precompute.common.html.page import Thumbnail, one_of_each, thumbnail
from precompute.pipeline.extract import extract
from precompute.recipe import Recipe

MOST_SPEAKERS = 24
"""Speakers shown: a few pages of pictures, and less than 3 MB."""


@dataclass(frozen=True)
class Shown:
    """A small picture of one utterance, cropped to the columns that hold part of it."""

    utterance: Utterance
    picture: Thumbnail


def choose(survey: Survey) -> list[Utterance]:
    """One usable utterance of each emotion of the first speakers.

    They have the same sentence and intensity where a speaker has them: the sentence and intensity that most speakers
    and emotions have comes first, and of several repetitions the first.
    """
    shown = set(list(survey.speakers)[:MOST_SPEAKERS])
    usable = [checked.utterance for checked in survey.checked if checked.measured and checked.utterance.speaker in shown]
    return one_of_each(
        usable,
        lambda utterance: (utterance.speaker, utterance.emotion),
        lambda utterance: (utterance.sentence or "", utterance.intensity or ""),
        lambda utterance: utterance.key,
    )


def thumbnails(utterances: list[Utterance], directory: Path, recipe: Recipe, jobs: int) -> list[Shown]:
    """Compute the pictures, in the order of the utterances.

    Args:
        utterances: Usable ones.
        directory: Of the corpus.
        recipe: What to compute.
        jobs: Processes to use; -1 for all cores.

    Raises:
        CorpusError: A worker process was killed, or a recording changed after it was measured.
    """
    run = parallel(jobs)
    try:
        shown: list[Shown] = run(joblib.delayed(_shown)(utterance, directory, recipe) for utterance in utterances)
    except BrokenProcessPool:
        raise CorpusError("a worker process was killed, most likely for lack of memory: run again with --jobs 1") from None
    except ValueError as error:
        raise CorpusError(f"a recording changed while the corpus was checked ({error}): run the same command again") from None
    return shown


def _shown(utterance: Utterance, directory: Path, recipe: Recipe) -> Shown:
    with recording.one_alone():
        data = recording.read(directory / utterance.path)
        extracted = extract(data, utterance.key, recipe, utterance.begin, utterance.end)
    return Shown(utterance, thumbnail(extracted.values[:, extracted.start : extracted.stop]))
