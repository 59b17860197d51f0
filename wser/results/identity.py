"""What a run is: everything that can change a prediction, each by its name, and one digest of all.

Where and how fast a run was computed (device, threads, processor, versions of packages) is not in it: folds of one run may
come from several machines.  Each fold records these, and a mixture is said beside its results (`evaluation/caveats.py`).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import rfc8785

from precompute.cache import layout
from precompute.common import source
from wser import models
from wser.config.schema import Config, flatten, hashed
from wser.data import enrolment
from wser.data.dataset import Dataset
from wser.protocols import Fold, split_hash

ALGORITHM = 1
"""Raised by hand whenever the same settings, network and pictures give other predictions, so that no older fold is taken for
them; a test compares the predictions of a tiny run with stored ones."""

SAME = {
    "9de9ac1cb87ba0336bc482dff281f5c9cab427bb6475860452512b63478ea2e0": "f53e42e5824a022eb17239ffad66930a2297e517c1496f7b3f475c85f6c4767c",  # noqa: E501
    "b33b386b28252b896949190d85bbf0c3a032bd99f07c504f5f363aa3829bcc3c": "fffca219ed155ffb0af43bba3c6ffeaa5ba363b9d1f4081d44363585647aaf04",  # noqa: E501
    "54ca5d6c8d1ac0f55ae7cd8d881ea98a93e5bfb1b4aba4a3568f51534175e139": "b94f6b7ef0e7f02b9967c320ca791c9aede67c876e5d75073a6101b85e8e53e0",  # noqa: E501
}
"""Sources of models by what they were before they were only rearranged, or made faster, which changes sums in their last digits
as another processor does: results keep their names, and their weights are read; a test compares the predictions, and that
today's source is among them."""

DIGITS = 12
"""Hexadecimal digits of the digest in the name of a run, as caches have; run.json holds it whole, and it is compared."""

CODE = (
    "data/dataset.py", "data/decoded.py", "data/enrolment.py", "training/statistics.py", "training/standardise.py",
    "training/augmentation.py", "training/batches.py", "training/forward.py", "training/network.py", "training/module.py",
    "training/curves.py", "training/checkpoint.py", "training/fitted.py",
    "evaluation/metrics.py", "execution/fold.py", "results/writer.py",
)  # fmt: skip
"""Code of this package that a prediction and its metrics go through, besides the network's."""


def of(
    config: Config, dataset: Dataset, folds: Sequence[Fold], precision: str, tested: Dataset | None = None
) -> dict[str, Any]:
    """Everything that can change a prediction of a run, for JSON.

    Args:
        config: Of the experiment.
        dataset: Its utterances.
        folds: All of its folds.
        precision: Of training, as resolved for this machine.
        tested: The same utterances in the pictures that are scored, where these are others.

    Raises:
        EnrolmentError: There are too few recordings of a test speaker for `data.enrol`, or they are in training.
    """
    settings = flatten(hashed(config))
    for fold in folds if "data.enrol" in settings else ():
        enrolment.check(dataset.examples, fold.train, fold.test, config.data.enrol)
    if config.model.is_network:
        settings["train.precision"] = precision
    label_map = dataset.label_map
    return {
        "algorithm": ALGORITHM,
        "settings": settings,
        # Lists, since JSON's canonical form sorts the keys of an object and the network's outputs have an order.
        "classes": [[name, sorted(emotions)] for name, emotions in label_map.classes.items()],
        "dropped": sorted(label_map.drop),
        "recipe": _recipe(dataset),
        "caches": _caches(dataset),
        # Intervals and tests draw whole speakers, and joined corpora may share people.
        "speakers": _rows([example.key, example.speaker] for example in dataset.examples),
        "split": split_hash(folds, dataset.examples),
        "tested": {"recipe": _recipe(tested), "caches": _caches(tested)} if tested else None,
        "network": network(config.model.name),
    }


def network(name: str) -> str:
    """SHA-256 of the source of a model, and of what it imports of the files beside it.

    Errors as of `models.module`.
    """
    of_today = source.digest(source.with_imports(models.file(name)))
    return SAME.get(of_today, of_today)


def digest(identity: Mapping[str, Any]) -> str:
    """SHA-256 of an identity's canonical JSON (RFC 8785)."""
    return hashlib.sha256(rfc8785.dumps(identity)).hexdigest()


def differences(first: Any, second: Any) -> list[str]:
    """Names of what differs between two identities, of which one may be anything that was found in a file."""
    if not isinstance(first, dict) or not isinstance(second, dict):
        return ["everything"]
    flat = [flatten(identity) for identity in (first, second)]
    return [key for key in dict.fromkeys([*flat[0], *flat[1]]) if flat[0].get(key, ...) != flat[1].get(key, ...)]


def code() -> str:
    """SHA-256 of the package's own code that a prediction goes through; recorded with each fold."""
    return source.digest([Path(__file__).parents[1] / name for name in CODE])


def older_name(config: Config, dataset: Dataset, folds: Sequence[Fold], tested: Dataset | None = None) -> str:
    """Name that versions before identities were stored gave the results of this configuration.

    It left out the order of classes, the network's source and the resolved precision, so that nothing in such a directory
    is continued; it is there to be recognised.
    """
    named: dict[str, Any] = {
        "config": hashed(config),
        "recipe": dataset.recipe_id,
        "classes": {name: list(emotions) for name, emotions in dataset.label_map.classes.items()},
        "dropped": list(dataset.label_map.drop),
        "caches": [layout.fingerprint(cache.records) for cache in dataset.caches],
        "split": split_hash(folds, dataset.examples),
    }
    if tested:
        named["tested"] = [tested.recipe_id, *(layout.fingerprint(cache.records) for cache in tested.caches)]
    return f"{Path(config.experiment).stem}-{digest(named)[:8]}"


def _recipe(dataset: Dataset) -> str:
    return digest(dataset.recipe)


def _caches(dataset: Dataset) -> list[dict[str, str]]:
    """Of each cache its ids, and a digest of what its index says that training or a prediction shows, in its order.

    Pixels are not among it: they follow from recipe and recordings, except for one level here and there by the processor.
    """
    return [
        {
            "corpus": cache.corpus,
            "recipe": str(cache.manifest["recipe_id"]),
            "input": str(cache.manifest["input_id"]),
            "utterances": _rows(
                [r.key, r.speaker, r.emotion, r.sha256, r.begin, r.end, r.start, r.stop] for r in cache.records
            ),
        }
        for cache in dataset.caches
    ]


def _rows(rows: Iterable[list[Any]]) -> str:
    # JSON's own writer: one of canonical JSON takes a second for ten thousand rows, at each point of a sweep.
    return hashlib.sha256(json.dumps(list(rows)).encode()).hexdigest()
