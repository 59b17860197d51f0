"""The public library of `wser`: a cache as a dataset of PyTorch, and the results of a run as objects."""

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from precompute.cache import places
from precompute.common.errors import UnusableAudioError
from precompute.common.frames import data_frame
from wser import results
from wser.data import dataset
from wser.evaluation.metrics import Metrics, measure
from wser.protocols import file
from wser.reports import stale

if TYPE_CHECKING:
    import pandas

    from precompute import Recipe
    from wser.data.utterances import UtteranceDataset
    from wser.inference.predict import Recording
    from wser.inference.seen import Seen
    from wser.inference.trained import Trained

Recordings = str | Path | NDArray[np.generic] | Sequence[str | Path | NDArray[np.generic]]
"""Audio files and arrays of samples, or one alone."""


@dataclass(frozen=True)
class Prediction:
    """What a run says of one utterance of a test set.

    Attributes:
        fold: In whose test set it is.
        key: Of the utterance.
        speaker: Who said it.
        true: Name of its class.
        predicted: Name of the class that it is given.
        probabilities: Of each class by name; empty where the run recorded none.
    """

    fold: int
    key: str
    speaker: str
    true: str
    predicted: str
    probabilities: Mapping[str, float]


@dataclass(frozen=True)
class SplitFold:
    """Keys of the utterances in each part of a fold, sorted; training is what remains of test and validation."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """All folds of a run, those that are not finished too.

    Attributes:
        speaker_independent: Whether no speaker is in two parts of a fold.
        folds: By number.
    """

    speaker_independent: bool
    folds: tuple[SplitFold, ...]


@dataclass(frozen=True)
class Run:
    """The results of a run.

    Attributes:
        path: Their directory.
        title: What it is, in a line, with its caveats.
        classes: Names of the classes, by index.
        predictions: One for each utterance of the test sets, by fold.
        metrics: Of the predictions of all folds together.
        fold_metrics: Of each fold by its number.
        split: Which utterances are in which part.
    """

    path: Path
    title: str
    classes: list[str]
    predictions: tuple[Prediction, ...] = field(repr=False)
    metrics: Metrics = field(repr=False)
    fold_metrics: dict[int, Metrics] = field(repr=False)
    split: Split = field(repr=False)
    _models: "dict[tuple[int | None, str], tuple[list[Trained], list[Seen | None]]]" = field(
        default_factory=dict, repr=False, compare=False
    )

    def predict(
        self,
        recordings: Recordings,
        sample_rate: int | None = None,
        *,
        fold: int | None = None,
        one_speaker: bool = False,
        feature: str = "",
    ) -> NDArray[np.str_]:
        """The most probable class of each of some recordings; arguments and errors are those of `predict_proba`.

        Returns:
            Names of classes, (n,).
        """
        probabilities = self.predict_proba(recordings, sample_rate, fold=fold, one_speaker=one_speaker, feature=feature)
        predicted: NDArray[np.str_] = np.array(self.classes)[probabilities.argmax(axis=1)]
        return predicted

    def predict_proba(
        self,
        recordings: Recordings,
        sample_rate: int | None = None,
        *,
        fold: int | None = None,
        one_speaker: bool = False,
        feature: str = "",
    ) -> NDArray[np.float64]:
        """Probabilities of each class for some recordings: the mean over the folds.

        A recording of the run's own data is predicted by those folds alone that have not learned from it, where there are such.

        Args:
            recordings: Paths of audio files, or arrays of samples, (n,) or (n, channels), as `precompute.extract` takes them;
                or one of these alone.
            sample_rate: Of arrays, in Hz.
            fold: Number of the one fold that is to predict.
            one_speaker: For a run of `data.standardise=speaker`: all recordings are of one speaker, by whose mean and deviation
                they are standardised.
            feature: Path of the recipe's feature, where that is a file of your own and `recipe=` did not name it.

        Returns:
            float64 (n, classes), the classes in the order of `classes`.

        Raises:
            UnusableAudioError: A recording cannot be read or used; the message says which and why.
            ResultError: The run has no weights, or they are damaged or of another version.
            UsageError: The run standardises by speaker and `one_speaker` is not given, or the other way round.
        """
        from wser.inference.fusion import Fusion
        from wser.inference.predict import Predictor, Unusable, check_alone, of_speaker

        items = [recordings] if isinstance(recordings, str | Path | np.ndarray) else list(recordings)
        named = [_recording(at, item, sample_rate) for at, item in enumerate(items)]
        runs, seen = self._trained(fold, feature)
        if not one_speaker:
            check_alone(runs)
        speakers = of_speaker(runs, lambda: named) if one_speaker else [None] * len(runs)
        predictor = Fusion(list(map(Predictor, runs, seen, speakers)))
        rows = []
        for row in predictor(named):
            if isinstance(row, Unusable):
                raise UnusableAudioError(f"{row.name}: {row.reason}")
            rows.append(row.probabilities)
        return np.array(rows).reshape(len(rows), len(self.classes))

    def _trained(self, fold: int | None, feature: str) -> "tuple[list[Trained], list[Seen | None]]":
        """What the run has learned, read once."""
        from wser.inference import seen, trained

        if (fold, feature) not in self._models:
            runs = trained.load_all(self.path, fold, feature)
            self._models[fold, feature] = runs, list(map(seen.of, runs))
        return self._models[fold, feature]

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Utterances of each true class (rows) by predicted class (columns), int64 (classes, classes)."""
        return np.array(self.metrics.confusion, np.int64)

    def to_pandas(self) -> "pandas.DataFrame":
        """The predictions: columns fold, key, speaker, true, predicted, and a probability `p_<class>` of each class.

        Raises:
            PandasMissingError: pandas is not installed.
        """
        names = ("fold", "key", "speaker", "true", "predicted")
        rows = [
            {name: getattr(prediction, name) for name in names}
            | {f"p_{name}": prediction.probabilities.get(name) for name in self.classes}
            for prediction in self.predictions
        ]
        return data_frame(rows, [*names, *(f"p_{name}" for name in self.classes)])


def open_dataset(
    corpus: str | Sequence[str],
    recipe: "str | Recipe" = "default",
    labels: str | None = None,
    cache: str | Path = "cache",
) -> "UtteranceDataset":
    """Open the cache of a corpus, or of several, as a dataset of PyTorch.

    Args:
        corpus: Its name, such as `ravdess`; or several, whose caches are joined.
        recipe: Name of a recipe, its id, or the recipe itself.
        labels: Name of the label map, or the path of one; by default the corpus's own, and with several it must be given.
        cache: Directory of caches; several as in $WSER_CACHE, with colons between, are searched in order.

    Returns:
        Of each item, the picture, uint8 (3, height, width), and the index of its class.

    Raises:
        CacheError: A cache is missing or damaged; the message names the command that builds it.
        LabelError: The label map is unknown, does not cover an emotion, or is missing.
        SpeakerError: What several corpora say of a person does not fit together.
    """
    from wser.data.utterances import UtteranceDataset

    corpora = [corpus] if isinstance(corpus, str) else list(corpus)
    name = recipe if isinstance(recipe, str) else recipe.id
    return UtteranceDataset(dataset.open_dataset(places.parse(os.fspath(cache)), corpora, name, label_map=labels))


def load_run(path: str | Path, unfinished: bool = False) -> Run:
    """Read the results of a run; nothing in them is believed that contradicts something else there.

    Where summary.json says something else than the predictions, a `UserWarning` names it.

    Args:
        path: Their directory, such as `runs/emodb-row_svm-loso-1a2b3c4d5e6f`.
        unfinished: Whether a run will do of which only some folds are finished; its metrics are of these.

    Raises:
        ResultError: The directory is missing, foreign, unfinished or damaged; one sentence says which, and the remedy.
        ProtocolError: The record of its split is damaged.
    """
    directory = Path(path)
    stored = results.open_begun(directory) if unfinished else results.open_finished(directory)
    if note := stale.note_of(stored):
        warnings.warn(note, stacklevel=2)
    published = file.read(directory / results.SPLIT)
    parts = {fold: tuple(_prediction(fold, row, stored.classes) for row in rows) for fold, rows in stored.parts.items()}
    predictions = tuple(prediction for part in parts.values() for prediction in part)
    return Run(
        path=directory,
        title=stored.title,
        classes=stored.classes,
        predictions=predictions,
        metrics=_measure(predictions, stored.classes),
        fold_metrics={fold: _measure(part, stored.classes) for fold, part in parts.items()},
        split=Split(
            published.speakers == "disjoint",
            tuple(SplitFold(**{part: tuple(sorted(fold[part])) for part in file.PARTS}) for fold in published.folds),
        ),
    )


def _recording(at: int, item: str | Path | NDArray[np.generic], sample_rate: int | None) -> "Recording":
    from wser.inference.predict import Recording

    if isinstance(item, np.ndarray):
        return Recording(f"recording {at}", item, sample_rate)
    return Recording(str(item), Path(item), sample_rate)


def _prediction(fold: int, row: Mapping[str, str], classes: Sequence[str]) -> Prediction:
    probabilities = {name: float(row[f"p_{name}"]) for name in classes if f"p_{name}" in row}
    return Prediction(fold, row["key"], row["speaker"], row["true"], row["predicted"], probabilities)


def _measure(predictions: Sequence[Prediction], classes: list[str]) -> Metrics:
    place = {name: index for index, name in enumerate(classes)}
    return measure(
        [place[prediction.true] for prediction in predictions],
        [place[prediction.predicted] for prediction in predictions],
        classes,
    )
