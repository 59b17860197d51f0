"""The public library of `precompute`: what its command line does, as functions that print nothing."""

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from precompute import corpora as catalogue
from precompute.cache import places, roots
from precompute.cache.reader import Cache
from precompute.common import finding
from precompute.common.errors import CorpusError, UnusableAudioError, WserError, few
from precompute.recipe import Recipe, named

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from precompute.audio.decode import Stream as Stream
    from precompute.pipeline.extract import Extracted as Extracted

SUBTYPES = {"float32": "FLOAT", "float64": "FLOAT", "int16": "PCM_16", "int32": "PCM_32"}
"""How libsndfile stores samples of each NumPy type; pictures are computed from 32-bit floats."""


class CorpusWarning(UserWarning):
    """Something about a corpus is not as published, and results may not be comparable with published ones."""


def open_cache(corpus: str, recipe: str | Recipe = "default", cache: str | Path = "cache", id: str | None = None) -> Cache:
    """Open the sealed cache of a corpus and recipe.

    Args:
        corpus: Its name, such as `ravdess`.
        recipe: Name of a recipe, its id, or the recipe itself.
        cache: Directory of caches; several as in $WSER_CACHE, with colons between, are searched in order; or the URL of one in
            an object store.
        id: Id of the cache, or the first characters of it or of its part after the dash, where several inputs are sealed.
            Without it, the cache that `precompute` made or confirmed last is opened.

    Raises:
        CacheMissingError: None is sealed; the message names the command that builds it.
        CacheError: It is damaged, or `id` matches no cache, or several.
    """
    return roots.find(places.parse(os.fspath(cache)), corpus, recipe if isinstance(recipe, str) else recipe.id, id)


def build(
    corpus: str,
    recipe: str | Recipe = "default",
    corpora: str | Path = "corpora",
    cache: str | Path = "cache",
    jobs: int = -1,
) -> Cache:
    """Compute what is missing of the cache of a corpus and recipe, and open it; nothing is done twice.

    What the command line prints of the recordings comes as a `CorpusWarning`; what was left out is in the cache's `skipped`.

    Args:
        corpus: Its name, such as `ravdess`; a generated corpus, such as `demo`, is generated first.
        recipe: Name of a recipe, or the recipe itself.
        corpora: Directory that holds the corpora, or as in `ravdess=DIR` the corpus's own.
        cache: Directory of caches; of several, with colons between, the first that can be written takes what is new.
        jobs: Processes; -1 is one for each core, 1 works in this process.

    Returns:
        The sealed cache.

    Raises:
        CorpusError: The corpus is unknown, is not there, or has no usable recording.
        RecipeError: The recipe is unknown.
        CacheError: The cache cannot be written, or a recording changed meanwhile; what was published stays.
    """
    from precompute.pipeline import build as building
    from precompute.pipeline.confirm import confirm
    from precompute.pipeline.plan import plan as make_plan

    if jobs == 0:
        raise CorpusError("jobs=0 is neither -1 nor at least 1: give 1 or more, or -1 for every core")
    chosen = named(recipe) if isinstance(recipe, str) else recipe
    module, directory = _locate(corpus, finding.parse([os.fspath(corpora)], "", catalogue.names()))
    scan, published = module.scan(directory), module.CORPUS
    catalogue.require_utterances(published, directory, scan)
    for difference in catalogue.compare_with_published(published, scan.utterances):
        _warn(f"{corpus} is not as published: {difference}")
    cache_roots = places.parse(os.fspath(cache))
    with building.Workers(chosen, jobs) as workers:
        if not any(roots.sealed(root, corpus, chosen.id) for root in cache_roots):
            chosen.feature.require()
            # Most likely there is work to do: the workers load their libraries while the recordings are hashed.
            workers.prepare()
        plan = make_plan(published, directory, scan, chosen, cache_roots)
        for warning in plan.warnings:
            _warn(f"{corpus}: {warning}")
        if not plan.draft.sealed:
            building.execute(plan, workers, show=False)
        else:
            try:
                confirm(plan, cache_roots)
            except (OSError, WserError) as error:
                _warn(f"{plan.draft.path} is the cache of these recordings, and that cannot be recorded beside it ({error})")
    if not plan.draft.sealed:
        raise CorpusError(
            f"none of the {len(scan.utterances)} recordings of {corpus} in {directory} can be used: replace the files"
        )
    return Cache(plan.draft.path)


def published_corpus(name: str) -> catalogue.Corpus:
    """What is published of a corpus: title, licence, origin and counts.

    Raises:
        CorpusError: There is no corpus of this name; those that a table lists have none.
    """
    published: catalogue.Corpus = catalogue.load(name).CORPUS
    return published


def extract(
    waveform_or_path: "NDArray[np.generic] | str | Path | bytes",
    recipe: str | Recipe = "default",
    sample_rate: int | None = None,
    *,
    key: str | None = None,
) -> "Extracted":
    """The feature of one recording, the same as in a cache, bit for bit.

    Args:
        waveform_or_path: An audio file, or its content; or samples (n,) or (n, channels), floats of full scale 1 or 16- or
            32-bit integers.
        recipe: Name of a recipe, or the recipe itself.
        sample_rate: Of the samples, in Hz; a file has its own.
        key: Of the utterance, which seeds the noise and the random place of recipes that have either; by default the name of
            the file without its ending, which is the key in most corpora, and nothing for samples.

    Returns:
        Its `values` are as the recipe's `array` says: of a picture uint8 (height, width, 3).

    Raises:
        UnusableAudioError: The recording cannot be read or used; the message says why.
        RecipeError: The recipe is unknown.
    """
    from precompute.audio import recording
    from precompute.pipeline.extract import extract as extracted

    chosen = named(recipe) if isinstance(recipe, str) else recipe
    if not isinstance(waveform_or_path, str | Path):
        content = waveform_or_path if isinstance(waveform_or_path, bytes) else _as_file(waveform_or_path, sample_rate)
        with recording.one_alone():
            return extracted(content, key or "", chosen)
    path = Path(waveform_or_path)
    if sample_rate is not None:
        raise UnusableAudioError(f"sample_rate={sample_rate} is given for {path}, which has its own: leave sample_rate out")
    try:
        with recording.one_alone():
            return extracted(recording.read(path), path.stem if key is None else key, chosen)
    except OSError as error:
        raise UnusableAudioError(f"{path}: it cannot be read ({error.strerror}): give the path of an audio file") from None
    except UnusableAudioError as error:
        raise type(error)(f"{path}: {error}") from None


@contextlib.contextmanager
def stream(path_or_content: "str | Path | bytes") -> "Iterator[Stream]":
    """A recording of any length, decoded block by block in little memory.

    Args:
        path_or_content: An audio file, or its content.

    Yields:
        What has `sample_rate`, `channels`, and gives blocks of samples when one iterates over it: float32 (n,), full scale 1,
        channels mixed down to their mean, as `extract` hears them.

    Raises:
        UnusableAudioError: The recording cannot be read or used; the message says why.
    """
    from precompute.audio import decode, recording

    if isinstance(path_or_content, bytes):
        with recording.one_alone(), decode.streamed(path_or_content) as streamed:
            yield streamed
        return
    try:
        with recording.opened(Path(path_or_content)) as file, recording.one_alone(), decode.streamed(file) as streamed:
            yield streamed
    except OSError as error:
        raise UnusableAudioError(f"it cannot be read ({error.strerror}): give the path of an audio file") from None


def _locate(name: str, where: finding.Corpora) -> tuple[ModuleType, Path]:
    """Module and directory of a corpus; a generated corpus is generated first."""
    module = catalogue.load(name)
    places = where.places(module)
    if not places and hasattr(module, "make"):
        places = [where.root / name]
        module.make(places[0])
    if not places:
        corpus = module.CORPUS
        raise CorpusError(
            f"{name} is not in {where}: get it from {corpus.source} and put it there as {where.root / corpus.usual_place}, or "
            f"give corpora='{name}=DIR'"
        )
    if len(places) > 1:
        others = few(places[1:])
        _warn(
            f"{name} was found in {len(places)} places, and {places[0]} is used: to use another ({others}) give "
            f"corpora='{name}=DIR'"
        )
    return module, places[0]


def _warn(message: str) -> None:
    # The line to show is that of the caller of `build`.
    warnings.warn(message, CorpusWarning, stacklevel=3)


def _as_file(samples: Any, sample_rate: int | None) -> bytes:
    """Samples as an audio file, so that they pass every check that a recording does."""
    import numpy as np
    import soundfile

    samples = np.asarray(samples)
    if sample_rate is None:
        raise UnusableAudioError("samples alone do not say their sample rate: give sample_rate, as in sample_rate=16000")
    if samples.ndim not in (1, 2) or str(samples.dtype) not in SUBTYPES:
        raise UnusableAudioError(
            f"samples of type {samples.dtype} and shape {samples.shape} are no waveform: give (n,) or (n, channels) of "
            f"{', '.join(SUBTYPES)}"
        )
    content = io.BytesIO()
    soundfile.write(content, samples, int(sample_rate), subtype=SUBTYPES[str(samples.dtype)], format="WAV")
    return content.getvalue()
