"""A run with all that a page shows of it, checked."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from precompute.common.reading import read_json
from wser import results
from wser.evaluation import caveats
from wser.evaluation.caveats import Caveat
from wser.protocols._leakage import Leakage, Shared
from wser.reports import summary
from wser.results import ResultError, Stored

CHOSEN = {"validation": "validation", "last": "none (last epoch)", "test": "the test part"}
"""What the epoch was chosen on, by selection."""

KINDS = ("speakers", "sessions", "sentences", "recordings", "near_doubles", "left_out")
"""What a leakage report counts; reports of older versions lack `near_doubles`."""

OF_RECORD: dict[str, Any] = {
    "recipe": dict, "utterances": int, "command": str, "created": str, "versions": (dict, type(None)),
    "test_recipe": (dict, type(None)),
}  # fmt: skip
OF_FOLD: dict[str, Any] = {
    "fold": int, "uar": float, "accuracy": float, "macro_f1": float, "utterances": int, "per_class": dict, "confusion": list,
    "speakers": dict, "epoch": int, "epochs": int, "diverged": bool, "parameters": int, "seconds": (int, float),
    "seconds_to_epoch": (int, float, type(None)), "validation": (dict, type(None)),
    "selection": str, "device": str, "precision": str, "created": str,
}  # fmt: skip
"""What a page needs of run.json and of metrics.json, and of which type."""


def headlines(summary: dict[str, Any] | None) -> list[float | None]:
    """Pooled UAR, its interval's ends, accuracy and macro F1, None for each that is not there."""
    if summary is None:
        return [None] * 5
    pooled = summary["pooled"]
    low, high = summary["interval"]["uar"] if summary["interval"] else (None, None)
    return [pooled["uar"], low, high, pooled["accuracy"], pooled["macro_f1"]]


@dataclass(frozen=True)
class Measured:
    """A run with its summary.

    Attributes:
        stored: The run.
        summary: Of its finished folds.
    """

    stored: Stored
    summary: dict[str, Any]

    @property
    def whole(self) -> bool:
        """Whether every fold is finished."""
        return not self.summary["missing"]

    @property
    def corpus(self) -> str:
        """The corpus; several are joined by `+`, and where only one of them is tested on, it is named."""
        joined = "+".join(one["corpus"] for one in self.stored.record["corpora"])
        target = self.stored.config.get("protocol.test")
        return f"{joined}, tested on {target}" if target else joined

    @property
    def figures(self) -> list[float | None]:
        """Pooled UAR, its interval's ends, accuracy and macro F1; nothing of an unfinished run."""
        return headlines(self.summary if self.whole else None)

    @property
    def clean(self) -> bool:
        """Whether it was tested on the kind of pictures that it was trained on, and not, say, on noisy ones."""
        return not self.stored.record.get("test_recipe_id")

    @property
    def speakers(self) -> str:
        """Whether the test speakers were `known` from training, as the leakage report has it."""
        return "known" if any(one.speakers.count for one in self.reports) else "unknown"

    @cached_property
    def caveats(self) -> list[Caveat]:
        """What must be known about its figures."""
        return caveats.of(self.stored.record, list(self.stored.metrics.values()))

    @cached_property
    def reports(self) -> list[Leakage]:
        """What training and test share in each fold.

        Raises:
            ResultError: They are damaged or gone.
        """
        path = self.stored.path / results.LEAKAGE
        try:
            found = [
                Leakage(_fold(one["fold"]), **{kind: _shared(**one[kind]) for kind in KINDS if kind in one})
                for one in read_json(path, self.stored.path)
            ]
            if len(found) != self.stored.record["folds"]:
                raise ValueError(f"{len(found)} folds, not {self.stored.record['folds']}")
        except (OSError, ValueError, LookupError, TypeError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            why = reason or " ".join(str(error).split())[:200] or type(error).__name__
            raise ResultError(f"{path} cannot be read ({why}): restore it, {results.AGAIN}") from None
        return found


def _fold(number: Any) -> int:
    if type(number) is not int:
        raise TypeError("no number of a fold")
    return number


def _shared(count: int | None, examples: list[str]) -> Shared:
    if not isinstance(count, int | None) or not all(isinstance(one, str) for one in examples):
        raise TypeError("no count with examples")
    return Shared(count, tuple(examples))


def summarised(path: Path) -> Measured:
    """Open a run and make its summary from its predictions.

    Raises:
        ResultError: There is no such run, or it is damaged; one sentence says which, and the remedy.
    """
    stored = results.open_begun(path)
    _require(
        stored.record, OF_RECORD, path / results.RUN, "run its command again into another directory, which gives a new one"
    )
    _check_record(stored)
    for fold, metrics in stored.metrics.items():
        folder = path / results.fold_name(fold)
        remedy = f"move {folder} away and run the command in {results.RUN} again"
        _require(metrics, OF_FOLD, folder / results.METRICS, remedy)
        if metrics["fold"] != fold or not _is_square(metrics["confusion"], len(stored.classes)):
            raise ResultError(f"{folder / results.METRICS} is not of fold {fold} and its classes: {remedy}")
        if not isinstance(metrics["speakers"].get("test"), list):
            raise ResultError(f"{folder / results.METRICS} names no test speakers: {remedy}")
        validation = metrics.get("validation")
        if validation and not _is_square(validation.get("confusion") or [], len(stored.classes)):
            raise ResultError(f"{folder / results.METRICS} has no confusion matrix of its validation part: {remedy}")
        probabilities = {f"p_{name}" for name in stored.classes}
        if not all(probabilities <= {*row} and all(map(_is_number, map(row.get, probabilities))) for row in stored.parts[fold]):
            raise ResultError(f"{folder / results.PREDICTIONS} lacks probabilities: {remedy}")
    return Measured(stored, summary.of(stored))


def _check_record(stored: Stored) -> None:
    """Refuse what run.json and config.yaml may hold and a page cannot show."""
    record = stored.record
    known = record["selection"] in CHOSEN
    caches = all(isinstance(one.get(key), str) for one in record["corpora"] for key in ("corpus", "cache", "fingerprint"))
    recipe = all(isinstance(record["recipe"].get(key), int | float) for key in ("f_min", "f_max"))
    for fine, what in ((known, "selection"), (caches, "corpora"), (recipe, "recipe")):
        if not fine:
            raise ResultError(f"{stored.path / results.RUN} has a strange '{what}': restore it, {results.AGAIN}")


def _require(found: dict[str, Any], needed: dict[str, Any], file: Path, remedy: str) -> None:
    """Refuse a record without a key that the page shows: of another version, or damaged."""
    for key, kind in needed.items():
        if not isinstance(found.get(key), kind):
            raise ResultError(f"{file} has no usable '{key}', it is damaged or of another version: {remedy}")


def _is_number(text: str | None) -> bool:
    """Whether a cell is a probability, or nan, as where the loss diverged."""
    try:
        return text is not None and not (float(text) < 0 or float(text) > 1)
    except ValueError:
        return False


def _is_square(counts: list[Any], classes: int) -> bool:
    """Whether this is a confusion matrix of so many classes."""
    return len(counts) == classes and all(
        isinstance(row, list) and len(row) == classes and all(isinstance(count, int) for count in row) for row in counts
    )
