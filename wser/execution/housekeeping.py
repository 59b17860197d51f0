"""What is in a directory of results, and what of it is no longer needed.

Nothing that holds a finished fold is ever proposed for removal, and what may still be needed goes to the trash first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any

from precompute.common import files
from precompute.common.clearing import Garbage
from wser import results
from wser.config.schema import as_text
from wser.config.unread import with_effect
from wser.data import decoded
from wser.results import ResultError

DAY = 86400.0


@dataclass(frozen=True)
class Listed:
    """A run as `list` shows it.

    Attributes:
        path: Its directory.
        state: `finished`, `unfinished`, `no finished fold` or `damaged`.
        done: Number of finished folds.
        folds: Number of folds of its protocol; 0 where its record cannot be read.
        corpus: Names of its corpora, joined by `+`.
        protocol: Its name.
        settings: Those that differ among the runs beside it, as one writes them.
        size: Bytes of all of it.
        leftovers: Bytes of what killed jobs left in it.
        made: When, to the minute, in UTC; empty where unknown.
        by: Whose run; empty where unknown.
    """

    path: Path
    state: str
    done: int
    folds: int
    corpus: str
    protocol: str
    settings: str
    size: int
    leftovers: int
    made: str
    by: str


def runs(root: Path) -> list[Path]:
    """Directories of the runs in a directory of results, finished or not, sorted; links are left out."""
    return [root / name for name in files.names(root, root) if not name.startswith(".") and _is_run(root / name)]


def listed(root: Path) -> Iterator[Listed]:
    """Every run of a directory of results, by name."""
    paths = runs(root)
    for path, settings in zip(paths, _differing([_config(path) for path in paths]), strict=True):
        record: dict[str, Any] = {}
        try:
            record = results.read_record(path)
        except (ResultError, OSError):
            state = "damaged"
        done = len([fold for fold in results.finished(path) if fold < record.get("folds", 0)])
        if record:
            state = "finished" if done == record["folds"] else "unfinished" if done else "no finished fold"
        yield Listed(
            path,
            state,
            done,
            record.get("folds", 0),
            "+".join(corpus["corpus"] for corpus in record.get("corpora", ())),
            record.get("protocol", ""),
            settings,
            files.total(path, root),
            sum(garbage.size for garbage in _leftovers(path, root)),
            str(record.get("created", ""))[:16].replace("T", " "),
            str(record.get("by", "")),
        )


def _config(path: Path) -> dict[str, Any]:
    """The settings of a run that change its results, except for those that have a column; none where they cannot be read."""
    try:
        config = results.read_config(path)
    except (ResultError, OSError):
        return {}
    # A fusion has no recipe of its own.
    shown = {key: config[key] for key in ("recipe",) if config.get(key)} | with_effect(config, results.by_epochs(path))
    return {key: value for key, value in shown.items() if key not in ("corpus", "protocol.name")}


def _differing(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of each configuration, the settings that have another value in another one."""
    values: dict[str, set[str]] = {}
    for config in configs:
        for key, value in config.items():
            values.setdefault(key, set()).add(as_text(value))
    differing = [[key for key in config if len(values[key]) > 1] for config in configs]
    # Blanks in lists of names too, so that a table can break them.
    return [
        ", ".join(f"{key.removesuffix('.name')}={as_text(config[key])}" for key in keys).replace('","', '", "')
        for config, keys in zip(configs, differing, strict=True)
    ]


def garbage(root: Path, grace_days: float = files.GRACE_DAYS) -> Iterator[Garbage]:
    """What a directory of results holds that is not needed.

    What a killed job left is garbage at once where its process is known to be gone, and after a day otherwise; the trash, and
    a run without a single finished fold, after the time of grace, and so are decoded pictures.

    Args:
        root: Directory of all results.
        grace_days: Age in days.
    """
    folders = [root / name for name in files.names(root, root) if files.is_directory(root / name, root)]
    inside = [path / name for path in folders for name in ("", results.REPEAT, results.BESIDE_PAGE)]
    for path in (root, *(path for path in inside if files.is_directory(path, root))):
        yield from _leftovers(path, root)
        if not files.is_directory(path / files.TRASH, root):
            continue
        for name in files.names(path / files.TRASH, root):
            since = files.trashed(name)
            if since is not None and time() - since > grace_days * DAY:
                place = path / files.TRASH / name
                yield Garbage(
                    place, f"in the trash since {datetime.fromtimestamp(since, UTC):%Y-%m-%d}", files.total(place, root), True
                )
    for name in files.names(root / decoded.DIRECTORY, root) if decoded.DIRECTORY in files.names(root, root) else ():
        place = root / decoded.DIRECTORY / name
        if place.suffix == ".npy" and time() - files.changed(place, root) > grace_days * DAY:
            yield Garbage(place, "decoded pictures, which the next run makes again", files.total(place, root), True)
    for path in runs(root):
        idle = (time() - files.newest(path, root)) / DAY
        if not results.finished(path) and idle > grace_days:
            yield Garbage(path, f"without a finished fold, and not changed for {idle:.0f} days", files.total(path, root), False)


def clear(garbage: Garbage, root: Path) -> Path | None:
    """Delete garbage, or move it to the trash; its place there, None where it is deleted.

    Raises:
        ResultError: It may not be deleted or moved.
    """
    try:
        if not garbage.for_good:
            return files.to_trash(garbage.path, root / files.TRASH, root)
        files.remove(garbage.path, root)
    except OSError as error:
        raise ResultError(f"{garbage.path} could not be removed ({error.strerror}): ask its owner to do it") from None
    if files.exists(garbage.path, root):
        raise ResultError(f"{garbage.path} could not be deleted: ask its owner to do it")
    return None


def _leftovers(path: Path, root: Path) -> Iterator[Garbage]:
    for name in files.names(path, root):
        if results.is_leftover(name, path):
            yield Garbage(path / name, "left by a job that was killed", files.total(path / name, root), True)


def _is_run(path: Path) -> bool:
    if not files.is_directory(path, path.parent):
        return False
    names = files.names(path, path.parent)
    return results.RUN in names or any(results.LEFTOVER.fullmatch(name) or name.startswith("fold_") for name in names)
