"""What results are called on disk, and where they are."""

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import rfc8785

from precompute.cache.layout import printable
from precompute.common import files
from precompute.common.errors import WserError
from precompute.common.process import is_running
from wser.config.schema import Config
from wser.evaluation import caveats
from wser.results import identity

CONFIG, RUN, SPLIT, LEAKAGE, SUMMARY = "config.yaml", "run.json", "split.json", "leakage.json", "summary.json"

IDENTITY = "identity.json"

RECORDINGS = "recordings.json"
"""By what the recordings of a run are recognised."""

REPEAT, VERDICT = "repeat", "verdict.json"

SWEEP_ROWS, SWEEP = "sweep.csv", "sweep.json"

PAGE, BESIDE_PAGE = "report.html", "report"
"""The page of a run or sweep, and the directory of its figures and tables."""

METRICS, PREDICTIONS, CURVES = "metrics.json", "predictions.csv", "curves.csv"

WEIGHTS, FITTED = "weights.pt", "weights.npz"
"""What a network has learned, and what a model has that was fitted at once."""

LEFTOVER = re.compile(r"\.fold_\d+-(?:([^-]+)-)?[0-9a-f]{8}")
"""Name of a fold's directory while it is being trained, with the signature of the process that does it."""

UNUSUAL, LONGEST = re.compile(r"^\.|[^\w.+-]"), 40
"""Characters that are removed from names of directories, and the most characters of a name."""

PACKAGES = ("wser", "torch", "pytorch-lightning", "numpy", "scikit-learn", "zarr")


class ResultError(WserError):
    """Results are foreign, half-written or unreadable.

    Attributes:
        what: Is wrong.
    """

    def __init__(self, what: str = "", remedy: str | None = None) -> None:
        super().__init__(f"{what}: {remedy}" if remedy else what)
        self.what = what


def fold_name(number: int) -> str:
    """Directory of a fold."""
    return f"fold_{number}"


def directory(config: Config, named: Mapping[str, Any]) -> Path:
    """Where the results of a configuration go: `<corpora>-<model>-<protocol>-<hash12>`, after the name of an experiment.

    The hash alone is the run's: results that another experiment or an earlier version has named otherwise are continued where
    they are, so that what several experiments have in common is trained once.

    Args:
        config: Of the experiment.
        named: The run's identity, which leaves out which folds were asked for, where they run and on what device.
    """
    place, hashed = Path(config.results), identity.digest(named)[: identity.DIGITS]
    experiment = Path(config.experiment).stem
    choices = (Path(name).name.removesuffix(".py") for name in (config.model.name, config.protocol.name))
    parts = [UNUSUAL.sub("_", part)[:LONGEST] for part in ("+".join(config.corpus), *choices)]
    own = place / "-".join([*([] if experiment == "default" else [experiment]), *parts, hashed])
    # The own name first: a copy beside it, under a name of the user's, is not continued in its place.
    return next((path for path in (own, *sorted(place.glob(f"*-{hashed}"))) if path.is_dir()), own)


def sweep_directory(points: Sequence[Path]) -> Path:
    """Where the results of a sweep go, beside those of its points: what their names share, `sweep` and a hash.

    Args:
        points: Directories of the points' results; their names alone, in any order, make the hash.
    """
    parts = zip(*(path.name.split("-")[:-1] for path in points), strict=False)
    shared = [names[0] for names in parts if len({*names}) == 1]
    return points[0].with_name("-".join([*shared, "sweep", _digest(sorted(path.name for path in points))]))


def comparison_directory(runs: Sequence[Path]) -> Path:
    """Where the page of several runs goes, beside the first: `comparison-<hash12>`, of their names in the order given."""
    places = [path.resolve() for path in runs]
    return places[0].with_name(f"comparison-{_digest([path.name for path in places])}")


def _digest(names: Sequence[str]) -> str:
    return hashlib.sha256(rfc8785.dumps(list(map(printable, names)))).hexdigest()[: identity.DIGITS]


def as_json(record: Any) -> bytes:
    """A record as results hold it: JSON, indented, UTF-8."""
    return (json.dumps(record, indent=1) + "\n").encode()


def remove_leftovers(path: Path) -> None:
    """Remove from a run what jobs left that were killed, as far as they are certainly gone."""
    for name in files.names(path, path.parent):
        if is_leftover(name, path):
            files.remove(path / name, path.parent)


def is_leftover(name: str, path: Path) -> bool:
    """Whether something in a directory of results was left by a job that is gone, or is so old that it must be.

    Args:
        name: In the directory.
        path: The directory.
    """
    match = LEFTOVER.fullmatch(name) or files.PART.fullmatch(name)
    if not match:
        return False
    running = is_running(match[1] or "")
    return files.is_stale(path / name, path) if running is None else not running


def corpus_names(corpora: Iterable[tuple[str, bool]], selection: str, track: Mapping[str, Any] | None = None) -> str:
    """The corpora, with the caveats of their results.

    Args:
        corpora: Name of each, and whether its speech is synthetic.
        selection: On which part the epoch was chosen.
        track: As of `track`, or a record that contains it.
    """
    names = " + ".join(f"{name} ({caveats.SYNTHETIC.short})" if synthetic else name for name, synthetic in corpora)
    every = caveats.of_track(track or {}) + caveats.of_selection(selection)
    return ", ".join([names, *(caveat.short for caveat in every)])


def track(config: Config) -> dict[str, Any]:
    """What the record of a run says of the track of its results: nothing of inductive ones.

    Args:
        config: Of the experiment.
    """
    if config.data.standardise != "speaker":
        return {}
    return {"track": caveats.CALIBRATED.short} | ({"enrol": config.data.enrol} if config.data.enrol else {})


def task(record: dict[str, Any]) -> tuple[str, ...]:
    """What results need in common to be ranked: corpora and track, classes and split.

    Args:
        record: What made a run.
    """
    corpora = "+".join(corpus["corpus"] for corpus in record["corpora"])
    named = [corpora, *(caveat.short for caveat in caveats.of_track(record))]
    return (", ".join(named), *record["classes"], record["split_hash"])


def below(directory: Path) -> list[Path]:
    """The directories of runs in a directory of results, sorted; without links."""
    return [
        directory / name
        for name in files.names(directory, directory)
        if files.is_directory(directory / name, directory) and files.exists(directory / name / RUN, directory)
    ]


def page_link(path: Path, page: Path) -> str | None:
    """Link from one page to that of a run or sweep, None where it has none.

    Args:
        path: Directory of the run or sweep.
        page: Directory of the page that links to it.
    """
    return relative_link(path / PAGE, page) if files.plain_size(path / PAGE, path) is not None else None


def relative_link(file: Path, page: Path) -> str:
    """Address of a file as a page links to it: relative, so that both may be moved together.

    Args:
        file: On this machine.
        page: Directory of the page.
    """
    try:
        return quote(os.fsencode(os.path.relpath(file.resolve(), page.resolve()).replace(os.sep, "/")))
    except ValueError:  # another drive of Windows
        return file.resolve().as_uri()


def revision() -> str | None:
    """Git revision of the working directory's checkout of this software, with `-dirty` where files differ; None elsewhere."""
    source = Path(__file__).parents[2]
    if not (source / "pyproject.toml").is_file():
        return None
    command = ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, encoding="utf-8", check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
