"""Which recordings a run has had in its own data, and which of its folds have learned from them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from precompute.cache import places
from precompute.common.errors import WserError
from wser import results
from wser.data.dataset import open_dataset
from wser.inference.trained import Trained
from wser.protocols import file
from wser.results import Heard

Training = Literal["no", "held out", "trained on", "unknown"]
"""Whether a recording was in the run's training data: it was not; it was, and only those folds predict it that had it in
neither training nor validation; it was, in every fold that predicts it; it is not known."""


@dataclass(frozen=True)
class Known:
    """A recording of the run's own data.

    Attributes:
        key: Of its utterance within its corpus, which seeds noise and place in the picture; of several, the first.
        unseen: Numbers of the folds that have it in neither training nor validation.
    """

    key: str
    unseen: tuple[int, ...]


class Seen:
    """The recordings of a run's own data, recognised by the SHA-256 of what was decoded.

    Args:
        heard: By what each is recognised, by key.
        learned: By number of each fold, the keys of its training and validation sets.
    """

    def __init__(self, heard: Mapping[str, Heard], learned: Mapping[int, frozenset[str]]) -> None:
        self._heard, self._learned = heard, learned
        self._keys: dict[str, list[str]] = defaultdict(list)
        for key, entry in heard.items():
            # Of the file only where no more is known: the same sound has many files.
            digests = {entry["samples"], entry["recording"]} - {None} or {entry["file"]}
            for digest in digests:
                self._keys[str(digest)].append(key)

    @property
    def by_file(self) -> bool:
        """Whether some recordings are known by the SHA-256 of their files alone, as those of older caches are."""
        return any(entry["samples"] is None and entry["recording"] is None for entry in self._heard.values())

    def find(self, *digests: str) -> Known | None:
        """The recording of the run's own data that has one of some digests; None where there is none."""
        keys = [key for digest in digests for key in self._keys.get(digest, ())]
        if not keys:
            return None
        unseen = tuple(fold for fold, learned in self._learned.items() if not learned.intersection(keys))
        return Known(self._heard[keys[0]]["key"], unseen)


def of(run: Trained) -> Seen | None:
    """The recordings of a run's own data; None where neither the run nor its cache, of older runs, says which these are.

    Raises:
        ResultError, ProtocolError: The run's record of them, or of its split, is damaged.
    """
    heard = results.read_recordings(run.path) or _of_cache(run)
    if heard is None:
        return None
    folds = file.read(run.path / results.SPLIT).folds
    return Seen(heard, {fold.number: folds[fold.number]["train"] | folds[fold.number]["validation"] for fold in run.folds})


def marked(known: Known | None, folds: Sequence[int]) -> tuple[Training, tuple[int, ...]]:
    """Whether a recording was in training, and which folds are to predict it.

    Args:
        known: Of the run's own data; None where it is not of them.
        folds: Numbers of those that were asked for.
    """
    if known is None:
        return "no", tuple(folds)
    unseen = _among(known.unseen, folds)
    return ("held out", unseen) if unseen else ("trained on", tuple(folds))


def _among(numbers: Iterable[int], folds: Sequence[int]) -> tuple[int, ...]:
    return tuple(number for number in numbers if number in folds)


def _of_cache(run: Trained) -> dict[str, Heard] | None:
    corpora = run.record["corpora"]
    ids = [str(corpus.get("cache")) for corpus in corpora]
    names = [corpus["corpus"] for corpus in corpora]
    try:
        dataset = open_dataset(places.parse(run.config.cache_root), names, run.record["recipe_id"], ids, run.config.labels)
    except (OSError, WserError):
        return None
    # Of another cache it is not known whether its keys are of the same recordings.
    same = [cache.fingerprint for cache in dataset.caches] == [corpus.get("fingerprint") for corpus in corpora]
    return results.heard(dataset) if same else None
