"""One fold: train, score the test set once, and leave the results in a directory of their own."""

import sys
import time
import uuid
from dataclasses import replace

from precompute.common import files
from precompute.common.provenance import provenance
from wser import models, results
from wser.evaluation import metrics
from wser.results import METRICS, PACKAGES, PREDICTIONS, ResultError, identity, read_metrics, revision
from wser.training.run import Outcome, Run

OF_TRAINING = ("epoch", "epochs", "diverged", "validation", "seconds_to_epoch", "seconds")
"""What the record of a run that scores other pictures takes over from the one that trained its weights."""


def execute(run: Run) -> None:
    """Train and score one fold; its directory appears, complete and on the disk, at the end.

    Where that fails, nothing of it is left.

    Raises:
        ResultError: The weights that are to be scored cannot be read, or are of other classes.
        OSError: A file cannot be written.
    """
    # A cluster repeats the work of a worker that it has lost, and that may still be computing.
    run = replace(run, aside=run.aside / uuid.uuid4().hex[:8])
    files.make_directory(run.aside, run.root)
    try:
        _train_and_score(run)
        _publish(run)
    finally:
        files.remove(run.aside, run.root)


def _publish(run: Run) -> None:
    """Give the fold its name; what is there already and cannot be read goes to the trash."""
    files.sync_tree(run.aside, run.root)
    while True:
        try:
            files.rename(run.aside, run.final, run.root)
            break
        except OSError:
            # Another process finished the same fold first: the same run, so its results are as good.
            if results.whole(run.directory, run.fold.number, run.identity):
                break
            if not files.exists(run.final, run.root):
                raise
            place = files.to_trash(run.final, run.directory / files.TRASH, run.root)
            print(f"warning: {run.final} cannot be read, and was moved to {place}", file=sys.stderr)
    if files.exists(run.checkpoint, run.root):
        files.unlink(run.checkpoint, run.root)


def _train_and_score(run: Run) -> None:
    config, fold, dataset = run.config, replace(run.fold, test=run.scored), run.dataset
    if identity.network(config.model.name) != run.identity["network"]:
        source = models.file(config.model.name)
        raise ResultError(
            f"{source} was changed after this run was planned: run the same command again, which makes another run"
        )
    started = time.monotonic()
    outcome = _outcome(run)
    tested = [dataset.examples[i] for i in fold.test]
    found = metrics.measure([example.label for example in tested], outcome.probabilities.argmax(1), dataset.classes)
    named = ((example.key, example.speaker, dataset.classes[example.label]) for example in tested)
    contents = outcome.files | {PREDICTIONS: results.predictions(named, dataset.classes, outcome.probabilities)}
    for name, content in contents.items():
        if not files.exists(run.aside / name, run.root):
            files.write_new(run.aside / name, content, run.root)
    parts = {"train": fold.train, "validation": fold.validation, "test": fold.test}
    record = {
        "fold": fold.number,
        "identity": identity.digest(run.identity),
        "files": {name: {"size": len(content), "sha256": files.sha256(content)} for name, content in contents.items()},
        **found.as_dict(),
        **outcome.record,
        "speakers": {part: sorted({dataset.examples[i].speaker for i in indices}) for part, indices in parts.items()},
        "counts": {part: len(indices) for part, indices in parts.items()},
        "selection": config.selection,
        "seconds": round(outcome.before + time.monotonic() - started, 2),
        "revision": revision(),
        "source": identity.code(),
        **provenance(PACKAGES),
        "fingerprints": [cache.fingerprint for one in (dataset, run.tested) if one for cache in one.caches],
    }
    if enrolled := sorted(dataset.examples[i].key for i in run.fold.test if i in run.enrolled):
        record["enrolled"] = enrolled
    if run.trained:
        # Of training, everything is as it was there.
        before = read_metrics(run.trained, fold.number)
        record |= {name: before[name] for name in OF_TRAINING} | {"trained": run.trained.name}
    files.write_new(run.aside / METRICS, results.as_json(record), run.root)


def _outcome(run: Run) -> Outcome:
    # One alone is imported: what is fitted at once needs no PyTorch.
    if run.config.model.is_network:
        from wser.training import network

        return network.train(run)
    from wser.training import fitted

    return fitted.fit(run)
