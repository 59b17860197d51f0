"""What one run is given, and what it returns."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wser.config.schema import Config
from wser.data import enrolment
from wser.data.dataset import Dataset
from wser.protocols import Fold
from wser.results import fold_name


@dataclass(frozen=True)
class Run:
    """What one run is given.

    Attributes:
        config: Of the experiment.
        dataset: All utterances.
        fold: On which to train and to test.
        directory: Of the experiment's results.
        aside: Where this run's results grow, each attempt in a directory of its own there; renamed to their place at the end.
        threads: Of the CPU.
        identity: Of the experiment.
        tested: The same utterances in other pictures, to be scored in place of those of `dataset`.
        trained: Directory of the results whose weights are scored on them.
    """

    config: Config
    dataset: Dataset
    fold: Fold
    directory: Path
    aside: Path
    threads: int
    identity: dict[str, Any] = field(hash=False)
    tested: Dataset | None = None
    trained: Path | None = None

    @property
    def root(self) -> Path:
        """Directory of all results, below which no link is followed."""
        return self.directory.parent

    @property
    def final(self) -> Path:
        """Where the results are in the end."""
        return self.directory / fold_name(self.fold.number)

    @property
    def checkpoint(self) -> Path:
        """Where the state of training lies until the results are there."""
        return self.directory / f".{self.final.name}.checkpoint"

    @cached_property
    def enrolled(self) -> frozenset[int]:
        """Recordings of speakers who are not in training that enrol these; none unless `data.enrol` asks for some."""
        count = self.config.data.enrol if self.config.data.standardise == "speaker" else 0
        parts = (self.fold.validation, self.fold.test)
        drawn = (enrolment.drawn(self.dataset.examples, part, count, self.config.seed) for part in parts)
        return frozenset().union(*drawn)

    @property
    def scored(self) -> tuple[int, ...]:
        """The test set without what is enrolled."""
        return tuple(index for index in self.fold.test if index not in self.enrolled)

    @property
    def seed(self) -> int:
        """Of all that is drawn in it: of the run's seed and the fold."""
        return int(np.random.SeedSequence([self.config.seed, self.fold.number]).generate_state(1)[0])


@dataclass(frozen=True)
class Outcome:
    """What training and scoring give.

    Attributes:
        probabilities: Of each test utterance and class, float (n, classes).
        files: Content of the fold's files by name, besides predictions and metrics.
        record: What metrics.json says of training and of where it ran.
        before: Seconds of training before this process, of a run that was continued.
    """

    probabilities: NDArray[np.floating]
    files: dict[str, bytes]
    record: dict[str, Any]
    before: float = 0.0
