"""The page of all runs in a directory."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from precompute.common import files
from precompute.common.errors import WserError
from precompute.common.reading import read_json
from precompute.recipe import in_words
from wser import results
from wser.evaluation.caveats import Caveat
from wser.reports.html import words
from wser.reports.html.opened import CHOSEN, headlines, summarised
from wser.reports.html.table import Column, Link, Table
from wser.reports.html.write import write
from wser.results import ResultError

PAGE = "index.html"


@dataclass(frozen=True)
class Entry:
    """A run as the list shows it.

    Attributes:
        path: Of its results.
        record: What made it.
        config: Its configuration by dotted key.
        finished: Number of finished folds.
        summary: Of a whole run, else None.
        caveats: What must be known about its figures, of a whole run.
        notes: What must be said of its files, of a whole run.
    """

    path: Path
    record: dict[str, Any]
    config: dict[str, Any]
    finished: int
    summary: dict[str, Any] | None
    caveats: Sequence[Caveat] = ()
    notes: Sequence[str] = ()

    @property
    def task(self) -> tuple[str, str, int]:
        """Corpora with what is tested, protocol, and number of classes."""
        corpora = "+".join(one["corpus"] for one in self.record["corpora"])
        target = self.config.get("protocol.test")
        tested = self.record.get("test_recipe")
        corpora += " (synthetic)" if any(one["synthetic"] for one in self.record["corpora"]) else ""
        named = [corpora, f"tested on {target}" if target else "", f"tested on {in_words(tested)}" if tested else ""]
        return ", ".join(filter(None, named)), self.record["protocol"], len(self.record["classes"])


def write_page(directory: Path, out: Path) -> tuple[Path, list[str], list[str]]:
    """Write the page of all runs.

    Args:
        directory: That holds their directories.
        out: Directory of the page.

    Returns:
        The page; for each directory that looks like a run's and cannot be read, why; and what must be said of the others.

    Raises:
        ResultError: There is no directory, or no run in it.
    """
    if not directory.is_dir():
        raise ResultError(f"{directory} is no directory: give the one that holds the results, as runs")
    entries, damaged = [], []
    for path in _runs(directory):
        try:
            if path.is_symlink():
                raise ResultError(
                    f"{path} is a symbolic link, and links inside of results are not followed: name its target alone"
                )
            one = _entry(path)
            _row(one, out)
            entries.append(one)
        except (WserError, OSError) as error:
            damaged.append(
                f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.strerror else str(error)
            )
        # A page of all runs must not fail for whatever somebody put into one of them.
        except Exception as error:
            why = " ".join(str(error).split())[:200]
            damaged.append(f"{path} is of another version or damaged ({type(error).__name__}: {why}): {results.AGAIN}")
    if not entries and not damaged:
        raise ResultError(f"{directory} holds no results: run python -m wser.run first, or give the directory that holds them")
    notes = [note for one in entries for note in one.notes]
    entries.sort(key=lambda one: str(one.record.get("created")), reverse=True)
    files.make_directory(out, out)
    sweeps = [_sweep(path, out) for path in _holding(directory, results.SWEEP)]
    page = out / PAGE
    write(
        page,
        "index.html.jinja",
        title=f"Runs in the directory {directory.resolve().name}",
        table=_table(entries, out),
        best=_best(entries, out),
        sweeps=[*filter(None, sweeps), *_comparisons(directory, out)],
        pageless=sum(results.page_link(one.path, out) is None for one in entries),
        damaged=damaged,
        notes=notes,
        unfinished=sum(one.summary is None for one in entries),
        runs=len(entries),
        results_name=directory.resolve().name,
    )
    return page, damaged, notes


def _runs(directory: Path) -> list[Path]:
    """Directories of runs, and links to such."""
    return [one for one in map(directory.joinpath, files.names(directory, directory)) if _is_run(one)]


def _is_run(path: Path) -> bool:
    return os.path.lexists(path / results.RUN)


def _holding(directory: Path, name: str) -> list[Path]:
    """Directories, and no links, that hold something of this name."""
    places = map(directory.joinpath, files.names(directory, directory))
    return [one for one in places if files.is_directory(one, directory) and files.exists(one / name, directory)]


def _entry(path: Path) -> Entry:
    record = results.read_record(path)
    done = [fold for fold in results.finished(path) if fold < record["folds"]]
    if len(done) < record["folds"]:
        return Entry(path, record, results.read_config(path), len(done), None)
    run = summarised(path)
    return Entry(path, run.stored.record, run.stored.config, len(done), run.summary, run.caveats, run.notes)


def _table(entries: Sequence[Entry], page: Path) -> Table:
    columns = [
        Column("run"), Column("corpus"), Column("protocol"), Column("classes", "count"), Column("preset"), Column("network"),
        Column("pictures"), Column("seed", "count"), Column("epoch chosen on"), Column("folds"),
        Column("UAR %", "percent", bar=True), Column("from", "percent"), Column("to", "percent"),
        Column("accuracy %", "percent"), Column("validation UAR %", "percent"), Column("begun, UTC"), Column("by"),
        Column("caveats"),
    ]  # fmt: skip
    return Table("index", "All runs", columns, [_row(one, page) for one in entries])


def _row(one: Entry, page: Path) -> list[Any]:
    record, config = one.record, one.config
    corpus, protocol, classes = one.task
    folds = f"{one.finished} of {record['folds']}{'' if one.summary else ', unfinished'}"
    return [
        _link(one, page), corpus, protocol, classes, config.get("preset"), config.get("model.name"),
        in_words(record["recipe"]), record["seed"], CHOSEN[record["selection"]], folds, *_figures(one),
        words.moment(str(record.get("created"))), record.get("by"),
        _caveats(one),
    ]  # fmt: skip


def _figures(one: Entry) -> list[float | None]:
    """Pooled figures of a whole run; nothing where a fold is missing."""
    found = one.summary
    validation = found["validation"]["uar"] if found and found["validation"] else None
    return [*headlines(found)[:4], validation]


def _caveats(one: Entry) -> str | None:
    return " ".join(map(str, one.caveats)) if one.summary else None


def _best(entries: Sequence[Entry], page: Path) -> Table | None:
    """Of each corpus, protocol, classes and split, the run that validation chooses: the test part must not.

    A run whose epoch was chosen on the test part is no candidate; where just one is left, there is nothing to choose.
    """
    groups: dict[tuple[Any, ...], list[Entry]] = {}
    for one in entries:
        if one.summary and one.record["selection"] != "test":
            groups.setdefault((one.task, results.task(one.record)), []).append(one)
    columns = [
        Column("corpus"), Column("protocol"), Column("classes", "count"), Column("runs", "count"), Column("best"),
        Column("validation UAR %", "percent"), Column("UAR %", "percent", bar=True), Column("from", "percent"),
        Column("to", "percent"), Column("why"), Column("caveats"),
    ]  # fmt: skip
    rows = []
    for (task, *_), members in sorted(groups.items()):
        validated = [one for one in members if one.summary and one.summary["validation"]]
        if len(members) == 1:
            rows.append([*task, 1, _link(members[0], page), *_best_figures(members[0]), "the only run", _caveats(members[0])])
        elif validated:
            best = max(validated, key=lambda one: one.summary["validation"]["uar"] if one.summary else 0.0)
            others = len(members) - len(validated)
            why = "highest on validation" + (f"; {others} without validation cannot be ranked" if others else "")
            rows.append([*task, len(members), _link(best, page), *_best_figures(best), why, _caveats(best)])
        else:
            rows.append(
                [*task, len(members), *[None] * 5, "none has a validation part, and the test part must not choose", None]
            )
    return Table("best", "Best by corpus and protocol", columns, rows) if rows else None


def _best_figures(one: Entry) -> list[float | None]:
    uar, low, high, _, validation = _figures(one)
    return [validation, uar, low, high]


def _link(one: Entry, page: Path) -> Link | str:
    href = results.page_link(one.path, page)
    return Link(one.path.name, href) if href else one.path.name


def _sweep(path: Path, page: Path) -> dict[str, Any] | None:
    """Name, link and settings of a sweep; None where its record cannot be read."""
    try:
        axes = read_json(path / results.SWEEP, path)["axes"]
        return {"name": path.name, "href": results.page_link(path, page), "what": f"sweep over {', '.join(axes)}"}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _comparisons(directory: Path, page: Path) -> list[dict[str, Any]]:
    """Name and link of each page of several runs."""
    places = [one for one in _holding(directory, results.PAGE) if one.name.startswith("comparison-")]
    return [{"name": one.name, "href": results.page_link(one, page), "what": "several runs side by side"} for one in places]
