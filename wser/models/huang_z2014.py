"""Filters learned without labels and a linear SVM, after the semi-CNN of Huang et al. 2014 (doi 10.1145/2647868.2654984).

    spectrogram in decibels                                  128 x 128
    each column whitened by a PCA of training columns         60 x 128
    patches of 6 x 6, contrast normalised, whitened            36 x 55 x 123
    closeness to each of 60 centroids of patches               60 x 55 x 123
    mean over 11 bands of five rows and over time              60 x 11
    standardised, linear SVM                              classes

From second hand: whitened spectrograms, filters of local patches that are learned without labels, mean pooling, a second stage
that separates what distinguishes emotions from what does not, and a linear SVM.  Our reading, as we had no full text:
k-means instead of the auto-encoder, with the closeness of Coates & Ng 2011 (AISTATS, equation 2), which does as well on
images; all of the sizes; and no second stage: the SVM alone tells what is salient.  Labels reach only the SVM.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from precompute.common.settings import setting
from wser.config.schema import FittedModelConfig
from wser.models import _machine

if TYPE_CHECKING:
    from sklearn.decomposition import PCA

COMPONENTS, SIDE, FILTERS, BAND = 60, 6, 60, 5
"""Rows after whitening, rows and columns of a patch, centroids, and rows of patches whose closeness is averaged."""

MOST_COLUMNS, MOST_PATCHES = 20_000, 50_000
"""Drawn of the training set, to learn from: more change nothing but time."""

CONTRAST = 0.1
"""Added to the variance of a patch by which it is divided, so that silence is not blown up."""


@dataclass
class Config(FittedModelConfig):
    """The parameters of the machine.

    Attributes:
        c: Inverse of the strength of regularisation.
        balanced: Weight each utterance by the inverse of its class's share of the training set.
    """

    takes: ClassVar[tuple[str, ...]] = ("levels",)
    default_recipe: ClassVar[str] = "stft128"

    c: float = setting(0.01, low=1e-6, high=1e6)
    balanced: bool = True


class Model:
    """Whitening, centroids and machine.

    Args:
        config: Its parameters.
        classes: Number of classes.
        seed: Of the patches that are drawn, the first centroids and the solver's order.
    """

    def __init__(self, config: Config, classes: int, seed: int) -> None:
        self.config, self.classes, self.seed = config, classes, seed

    def fit(self, levels: Sequence[NDArray[Any]], labels: NDArray[np.int64]) -> "Model":
        """Fit it to levels (rows, columns) and their classes, int64 (n,)."""
        from sklearn.cluster import MiniBatchKMeans
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import LinearSVC

        rng = np.random.default_rng(self.seed)
        columns = np.concatenate([one.T for one in levels]).astype(np.float32)
        self.columns = _whitening(_drawn(columns, MOST_COLUMNS, rng), COMPONENTS)
        each = -(-MOST_PATCHES // len(levels))
        patches = np.concatenate([_drawn(self._patches(one)[1], each, rng) for one in levels])
        self.patches = _whitening(patches, SIDE * SIDE)
        count = min(FILTERS, len(patches))
        self.centroids = MiniBatchKMeans(count, batch_size=4096, n_init=3, random_state=self.seed)
        self.centroids.fit(self.patches.transform(patches))
        weights = "balanced" if self.config.balanced else None
        svm = LinearSVC(C=self.config.c, class_weight=weights, random_state=self.seed, dual="auto", max_iter=10_000)
        self.machine = make_pipeline(StandardScaler(), svm)
        self.machine.fit(self._features(levels), labels)
        return self

    def predict_proba(self, levels: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        """Softmax of the distances, float64 (n, classes); 0 for a class that was not in the training set."""
        distances = _machine.of_each_class(self.machine.decision_function(self._features(levels)))
        return _machine.softmax(distances, self.machine.classes_, self.classes)

    def _patches(self, levels: NDArray[Any]) -> tuple[int, NDArray[np.float32]]:
        """Rows of patches of one utterance, and all of its patches, row after row, (n, SIDE * SIDE)."""
        white = self.columns.transform(levels.T.astype(np.float32)).T
        missing = max(0, SIDE - white.shape[1])
        padded = np.pad(white, ((0, max(0, SIDE - len(white))), (0, missing)), "edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (SIDE, SIDE))
        patches = windows.reshape(-1, SIDE * SIDE).astype(np.float32)
        patches = patches - patches.mean(axis=1, keepdims=True)
        return len(windows), patches / np.sqrt(patches.var(axis=1, keepdims=True) + CONTRAST)

    def _features(self, levels: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        """Mean closeness to each centroid in each band of rows, float64 (n, bands * centroids)."""
        features = []
        for one in levels:
            rows, patches = self._patches(one)
            distances = self.centroids.transform(self.patches.transform(patches))
            closeness = np.maximum(0, distances.mean(axis=1, keepdims=True) - distances)
            by_row = closeness.reshape(rows, -1, closeness.shape[1]).mean(axis=1, dtype=np.float64)
            features.append(np.add.reduceat(by_row, range(0, rows, BAND)).ravel() / BAND)
        return np.stack(features)


def _whitening(vectors: NDArray[np.float32], components: int) -> "PCA":
    """The projection on the first components, each of variance 1, fitted to vectors (n, values)."""
    from sklearn.decomposition import PCA

    return PCA(min(components, *vectors.shape), whiten=True, svd_solver="full").fit(vectors)


def _drawn(vectors: NDArray[np.float32], most: int, rng: np.random.Generator) -> NDArray[np.float32]:
    return vectors if len(vectors) <= most else vectors[np.sort(rng.choice(len(vectors), most, replace=False))]


def build(config: Config, classes: int, seed: int) -> Model:
    """The machine; arguments as of `Model`."""
    return Model(config, classes, seed)
