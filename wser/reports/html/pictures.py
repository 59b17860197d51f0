"""The pictures that a run was tested on, from its cache, and its recordings where they are at hand."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from precompute.cache import places
from precompute.cache.layout import Record
from precompute.cache.reader import Cache
from precompute.cache.roots import Roots, find
from precompute.common.errors import WserError
from precompute.common.finding import Corpora
from precompute.common.html.page import Thumbnail, one_of_each, thumbnail
from wser.data.people import identify
from wser.results import StoredRun, relative_link

MOST_SPEAKERS = 24
"""Speakers whose pictures are shown: a few pages, and less than 1 MB."""


@dataclass(frozen=True)
class Picture:
    """One utterance to look at, and to listen to.

    Attributes:
        key: Of the utterance.
        speaker: Who speaks, by the name that the run gives them.
        emotion: As the cache names it.
        sentence: As the corpus codes it, empty where it does not.
        seconds: Its duration.
        image: The picture, without what pads it.
        audio: Link to its recording, relative to the page, or None.
    """

    key: str
    speaker: str
    emotion: str
    sentence: str
    seconds: float
    image: Thumbnail
    audio: str | None


@dataclass(frozen=True)
class Album:
    """What a page shows of a run's cache.

    Attributes:
        sexes: Of each speaker, by the name that the run gives them.
        gallery: Keys of one utterance of each speaker and emotion.
        pictures: Of these and of other utterances asked for, by key.
        why_not: Why there is nothing, with the remedy.
    """

    sexes: dict[str, str | None] = field(default_factory=dict)
    gallery: list[str] = field(default_factory=list)
    pictures: dict[str, Picture] = field(default_factory=dict)
    why_not: str = ""


def look(stored: StoredRun, others: Iterable[str], recordings: Corpora | None, page: Path) -> Album:
    """Open the caches whose pictures a run was tested on, and take what the page shows; it is no error if they are gone.

    Args:
        stored: The run.
        others: Keys of utterances to be shown besides the gallery.
        recordings: Where the corpora lie whose recordings the page links to.
        page: Directory of the page.
    """
    recipe = stored.record.get("test_recipe_id") or stored.record["recipe_id"]
    named = [os.environ.get("WSER_CACHE"), str(stored.config.get("cache_root"))]
    wanted = tuple((str(corpus["corpus"]), str(corpus["cache"]).partition("-")[2]) for corpus in stored.record["corpora"])
    try:
        caches = _open(places.parse(os.pathsep.join(filter(None, named))), str(recipe), wanted)
        records, sexes = _records(caches)
        if caches[0].item.kind != "picture":
            return Album(sexes, why_not=f"the cache holds no pictures, but {caches[0].item}")
        gallery = _gallery(records, dict.fromkeys(row["key"] for row in stored.rows))
        shown = {
            key: _picture(key, *records[key], recordings, page) for key in dict.fromkeys([*gallery, *others]) if key in records
        }
    except (WserError, OSError) as error:
        return Album(why_not=f"{error} (the variable WSER_CACHE names the directories of caches)")
    return Album(sexes, gallery, shown)


@lru_cache(maxsize=4)
def _open(roots: Roots, recipe: str, wanted: tuple[tuple[str, str], ...]) -> tuple[Cache, ...]:
    # The points of a sweep share their caches.
    return tuple(find(roots, corpus, recipe, inputs) for corpus, inputs in wanted)


def _records(caches: tuple[Cache, ...]) -> tuple[dict[str, tuple[Cache, Record, str]], dict[str, str | None]]:
    """Every utterance and each speaker's sex, by the names that a run gives them: of joined corpora with the corpus before."""
    records: dict[str, tuple[Cache, Record, str]] = {}
    people = identify(caches)
    for cache, names in zip(caches, people.names, strict=True):
        prefix = f"{cache.corpus}/" if len(caches) > 1 else ""
        for record, name in zip(cache.records, names, strict=True):
            records[prefix + record.key] = (cache, record, name)
    return records, people.sexes


def _gallery(records: dict[str, tuple[Cache, Record, str]], keys: Iterable[str]) -> list[str]:
    """Of the first speakers, the key of one utterance of each emotion, with the same sentence if the speaker has it."""
    utterances = [(key, *records[key]) for key in keys if key in records]
    speakers = sorted({speaker for *_, speaker in utterances})[:MOST_SPEAKERS]
    chosen = one_of_each(
        [utterance for utterance in utterances if utterance[3] in speakers],
        lambda utterance: (utterance[3], utterance[2].emotion),
        lambda utterance: (utterance[2].sentence or "", utterance[2].intensity or ""),
        lambda utterance: utterance[0],
    )
    return [key for key, *_ in chosen]


def _picture(key: str, cache: Cache, record: Record, speaker: str, recordings: Corpora | None, page: Path) -> Picture:
    image = _thumbnail(cache, record.array, record.row, record.start, record.stop)
    audio = _audio(recordings, cache.corpus, record, page) if recordings else None
    return Picture(key, speaker, record.emotion, record.sentence or "", record.duration, image, audio)


@lru_cache(maxsize=2048)
def _thumbnail(cache: Cache, array: str, row: int, start: int, stop: int) -> Thumbnail:
    return thumbnail(_read(cache, array)[row][:, start:stop])


@lru_cache(maxsize=32)
def _read(cache: Cache, array: str) -> NDArray[np.uint8]:
    return cache.read(array)


def _audio(recordings: Corpora, corpus: str, record: Record, page: Path) -> str | None:
    """Link to the recording, and to the part of it that holds the utterance."""
    file = recordings.recording(corpus, record.path)
    if file is None:
        return None
    part = f"#t={record.begin or 0:g},{record.end:g}" if record.end is not None else ""
    return relative_link(file, page) + part
