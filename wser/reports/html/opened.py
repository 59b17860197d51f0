"""A run with all that a page shows of it, checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

from precompute.common.errors import reason
from precompute.common.reading import read_json, typed
from wser import results
from wser.evaluation import caveats
from wser.evaluation.caveats import Caveat
from wser.protocols._leakage import Leakage
from wser.reports import stale, summary
from wser.results import ResultError, StoredRun

CHOSEN = {"validation": "validation", "last": "none (last epoch)", "test": "the test set"}
"""What the epoch was chosen on, by selection."""

KINDS = ("speakers", "sessions", "sentences", "recordings", "near_doubles", "left_out")
"""What a leakage report counts; reports of older versions lack `near_doubles`."""


class _Cache(TypedDict):
    corpus: str
    cache: str
    fingerprint: str


class _Recipe(TypedDict):
    f_min: float
    f_max: float


class _Run(TypedDict):
    """What a page needs of run.json."""

    recipe: _Recipe
    corpora: list[_Cache]
    selection: Literal["validation", "last", "test"]
    utterances: int
    command: str
    created: str
    versions: NotRequired[dict[str, Any] | None]
    test_recipe: NotRequired[dict[str, Any] | None]


class _Speakers(TypedDict):
    test: list[str]
    train: NotRequired[list[str]]
    validation: NotRequired[list[str]]


class _Fold(results.Scored):
    """What it needs of metrics.json."""

    fold: int
    per_class: dict[str, Any]
    speakers: _Speakers
    epoch: int
    epochs: int
    diverged: bool
    parameters: int
    seconds: float
    seconds_to_epoch: NotRequired[float | None]
    selection: str
    device: str
    precision: str
    created: str


def headlines(summary: dict[str, Any] | None) -> list[float | None]:
    """Pooled UAR, its interval's ends, accuracy and macro F1, None for each that is not there."""
    if summary is None:
        return [None] * 5
    pooled = summary["pooled"]
    low, high = summary["interval"]["uar"] if summary["interval"] else (None, None)
    return [pooled["uar"], low, high, pooled["accuracy"], pooled["macro_f1"]]


@dataclass(frozen=True)
class SummarisedRun:
    """A run with its summary.

    Attributes:
        stored: The run.
        summary: Of its finished folds.
        notes: Caveats of its files, not of its results.
    """

    stored: StoredRun
    summary: dict[str, Any]
    notes: Sequence[str] = ()

    @property
    def whole(self) -> bool:
        """Whether every fold is finished."""
        return not self.summary["missing"]

    @property
    def corpus(self) -> str:
        """The corpus; several are joined by `+`, and where only one of them is tested on, it is named."""
        joined = "+".join(corpus["corpus"] for corpus in self.stored.record["corpora"])
        target = self.stored.config.get("protocol.test")
        return f"{joined}, tested on {target}" if target else joined

    @property
    def metrics(self) -> list[float | None]:
        """Pooled UAR, its interval's ends, accuracy and macro F1; nothing of an unfinished run."""
        return headlines(self.summary if self.whole else None)

    @property
    def clean(self) -> bool:
        """Whether it was tested on the kind of pictures that it was trained on, and not, say, on noisy ones."""
        return not self.stored.record.get("test_recipe_id")

    @property
    def calibrated(self) -> bool:
        """Whether it is speaker-calibrated."""
        return bool(caveats.of_track(self.stored.record))

    @property
    def speakers(self) -> str:
        """Whether the test speakers were `known` from training, as the leakage report has it."""
        return "known" if any(report.speakers.count for report in self.reports) else "unknown"

    @cached_property
    def caveats(self) -> list[Caveat]:
        """What must be known about its metrics."""
        return caveats.of(self.stored.record, list(self.stored.metrics.values()))

    @cached_property
    def reports(self) -> list[Leakage]:
        """What training and test share in each fold.

        Raises:
            ResultError: They are damaged or gone.
        """
        path = self.stored.path / results.LEAKAGE
        try:
            reports = typed(read_json(path, self.stored.path), list[Leakage])
            if len(reports) != self.stored.record["folds"]:
                raise ValueError(f"{len(reports)} folds, not {self.stored.record['folds']}")
        except (OSError, ValueError) as error:
            raise ResultError(f"{path} cannot be read ({reason(error)})", f"restore it, {results.AGAIN}") from None
        return reports


def summarised(path: Path) -> SummarisedRun:
    """Open a run and make its summary from its predictions.

    Raises:
        ResultError: There is no such run, or it is damaged; one sentence says which, and the remedy.
    """
    stored = results.open_begun(path)
    remedy = "run its command again into another directory, which gives a new one"
    results.checked(stored.record, _Run, path / results.RUN, remedy)
    for fold, metrics in stored.metrics.items():
        folder = path / results.fold_name(fold)
        remedy = f"move {folder} away and run the command in {results.RUN} again"
        results.checked(metrics, _Fold, folder / results.METRICS, remedy)
        confusions = [part["confusion"] for part in (metrics, metrics.get("validation")) if part]
        square = {len(stored.classes)} == {len(rows) for counts in confusions for rows in (counts, *counts)}
        if metrics["fold"] != fold or not square:
            raise ResultError(f"{folder / results.METRICS} is not of fold {fold} and its classes", remedy)
        if {*metrics["speakers"]["test"]} != {row["speaker"] for row in stored.parts[fold]}:
            raise ResultError(f"{folder / results.METRICS} has other test speakers than {results.PREDICTIONS}", remedy)
    summarised = summary.of(stored)
    return SummarisedRun(stored, summarised, [*filter(None, [stale.note(path, summarised)])])
