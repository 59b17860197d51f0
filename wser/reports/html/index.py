"""The page of all runs in a directory."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from precompute.common import files
from precompute.common.errors import WserError
from precompute.common.reading import read_json
from precompute.recipe import in_words
from wser import results
from wser.config.schema import as_text
from wser.config.unread import with_effect
from wser.evaluation.caveats import Caveat, in_brief, of_track
from wser.reports.html import glossary, words
from wser.reports.html.opened import CHOSEN, headlines, summarised
from wser.reports.html.table import Column, Link, Table
from wser.reports.html.write import write
from wser.reports.tables import ends
from wser.results import ResultError

PAGE = "index.html"

IN_COLUMNS = ("corpus", "model.name", "protocol.name", "protocol.test", "seed", "selection")
"""Keys that have a column of their own."""

MOST_SETTINGS = 6
"""Settings that a row names."""

FIXED = {"seed", "model", "corpus", "protocol", "classes", "preset", "recipe", "epoch chosen on", "folds", "by", "caveats"}
"""Columns that are named once, above the table, where all of several runs have the same value."""

OF_NETWORKS = {"preset", "epoch chosen on"}
"""Those of them that are empty for what is fitted at once."""

TERMS = ("UAR", "Accuracy", "Fold", "Protocol", "Recipe", "Preset", "Interval")


@dataclass(frozen=True)
class Entry:
    """A run as the list shows it.

    Attributes:
        path: Of its results.
        record: What made it.
        config: Its configuration by dotted key.
        finished: Number of finished folds.
        summary: Of a whole run, else None.
        caveats: What must be known about its metrics, of a whole run.
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
        """Corpora with what is tested and the track, protocol, and number of classes."""
        corpora = "+".join(corpus["corpus"] for corpus in self.record["corpora"])
        target = self.config.get("protocol.test")
        tested = self.record.get("test_recipe")
        corpora += " (synthetic)" if any(corpus["synthetic"] for corpus in self.record["corpora"]) else ""
        named = [corpora, f"tested on {target}" if target else "", f"tested on {in_words(tested)}" if tested else ""]
        named += [caveat.short for caveat in of_track(self.record)]
        return ", ".join(filter(None, named)), self.record["protocol"], len(self.record["classes"])

    @cached_property
    def by_epochs(self) -> bool:
        """Whether a network is trained, epoch by epoch."""
        return words.is_network(self.summary) if self.summary else results.by_epochs(self.path)

    @cached_property
    def settings(self) -> dict[str, str]:
        """What has no column of its own and may tell it from other runs, by key, as a command line sets it."""
        own = with_effect(self.config, self.by_epochs)
        texts = {key: as_text(value) for key, value in own.items() if key not in IN_COLUMNS}
        if fused := self.record.get("fused"):
            # Their names would take a line each.
            texts["model.runs"] = f"{len(fused)} runs"
        return texts | {"labels": str(self.record["label_map"])}

    @cached_property
    def origin(self) -> dict[str, str]:
        """What may tell runs apart that have all settings in common, shortened."""
        caches = ", ".join(str(corpus["cache"]).partition("-")[2] for corpus in self.record["corpora"])
        revision = str(self.record.get("revision"))
        return {
            "split": str(self.record["split_hash"])[:8],
            "recordings": caches,
            "revision": revision[:8] + "-dirty" * revision.endswith("-dirty"),
        }

    @cached_property
    def but_seed(self) -> tuple[Any, ...]:
        """Everything but the seed that decides the metrics of a run: seeds are averaged where all of it is equal."""
        record = self.record
        made_of = [record["recipe_id"], record.get("test_recipe_id"), record["selection"], record.get("revision")]
        caches = tuple((corpus["cache"], corpus["fingerprint"]) for corpus in record["corpora"])
        return (results.task(record), caches, *made_of, self.config.get("model.name"), *sorted(self.settings.items()))

    @property
    def validation(self) -> float | None:
        """UAR of the validation sets, None where there is none, or of an unfinished run."""
        return self.summary["validation"]["uar"] if self.summary and self.summary["validation"] else None


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
        raise ResultError(f"{directory} is not a directory: give the one that holds the results, as runs")
    entries, damaged = [], []
    for path in _runs(directory):
        try:
            if path.is_symlink():
                raise ResultError(
                    f"{path} is a symbolic link, and links inside of results are not followed: name its target instead"
                )
            entry = _entry(path)
            _row(entry, out, "")
            entries.append(entry)
        except (WserError, OSError) as error:
            damaged.append(
                f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.strerror else str(error)
            )
        # A page of all runs must not fail for what a user put into one of them.
        except Exception as error:
            why = " ".join(str(error).split())[:200]
            damaged.append(f"{path} is of another version or damaged ({type(error).__name__}: {why}): {results.AGAIN}")
    if not entries and not damaged:
        raise ResultError(f"{directory} holds no results: run python -m wser.run first, or give the directory that holds them")
    notes = [note for entry in entries for note in entry.notes]
    entries.sort(key=lambda entry: str(entry.record.get("created")), reverse=True)
    files.make_directory(out, out)
    sweeps = [_sweep(path, out) for path in _holding(directory, results.SWEEP)]
    settings = _differences(entries)
    table, common = _in_common(_table(entries, settings, out))
    best, unchosen = _best(entries, settings, out)
    page = out / PAGE
    write(
        page,
        "index.html.jinja",
        title=f"Runs in the directory {directory.resolve().name}",
        table=table,
        common=common,
        best=best,
        unchosen=unchosen,
        caveats=_told_apart(entries),
        sweeps=[*filter(None, sweeps), *_comparisons(directory, out)],
        pageless=sum(results.page_link(entry.path, out) is None for entry in entries),
        damaged=damaged,
        notes=notes,
        unfinished=sum(entry.summary is None for entry in entries),
        runs=len(entries),
        results_name=directory.resolve().name,
        glossary=glossary.entries(TERMS),
    )
    return page, damaged, notes


def _told_apart(entries: Sequence[Entry]) -> list[str]:
    """The caveats of all runs, each once; where it is not of all of them, the table says of which."""
    whole = [entry for entry in entries if entry.summary]
    counts = Counter(caveat for entry in whole for caveat in entry.caveats)
    return [
        f"{caveat}{'' if count == len(whole) else ' The column caveats says of which runs.'}"
        for caveat, count in counts.items()
    ]


def _runs(directory: Path) -> list[Path]:
    """Directories of runs, and links to such."""
    return [path for path in map(directory.joinpath, files.names(directory, directory)) if _is_run(path)]


def _is_run(path: Path) -> bool:
    return os.path.lexists(path / results.RUN)


def _holding(directory: Path, name: str) -> list[Path]:
    """Directories, and no links, that hold something of this name."""
    places = map(directory.joinpath, files.names(directory, directory))
    return [path for path in places if files.is_directory(path, directory) and files.exists(path / name, directory)]


def _entry(path: Path) -> Entry:
    record = results.read_record(path)
    done = [fold for fold in results.finished(path) if fold < record["folds"]]
    if len(done) < record["folds"]:
        return Entry(path, record, results.read_config(path), len(done), None)
    run = summarised(path)
    return Entry(path, run.stored.record, run.stored.config, len(done), run.summary, run.caveats, run.notes)


def _differences(entries: Sequence[Entry]) -> list[str]:
    """For each run, how it differs from its preset, and from the other runs of its corpus, protocol, model and preset."""
    groups: dict[tuple[Any, ...], list[Entry]] = {}
    for entry in entries:
        groups.setdefault(_kind(entry), []).append(entry)
    varying = {kind: _varying([entry.settings for entry in group]) for kind, group in groups.items()}
    named = [_settings(entry, varying[_kind(entry)]) for entry in entries]
    shown = [
        (_kind(entry), entry.record["seed"], entry.record["selection"], text)
        for entry, text in zip(entries, named, strict=True)
    ]
    alike: dict[Any, list[Entry]] = {}
    for entry, row in zip(entries, shown, strict=True):
        alike.setdefault(row, []).append(entry)
    more = {row: _varying([entry.origin for entry in group]) for row, group in alike.items()}
    return [
        ", ".join(filter(None, [text, *(f"{key} {entry.origin[key]}" for key in more[row])]))
        for entry, row, text in zip(entries, shown, named, strict=True)
    ]


def _kind(entry: Entry) -> tuple[Any, ...]:
    return (*entry.task, entry.config.get("model.name"), entry.config.get("preset"))


def _varying(settings: Sequence[dict[str, str]]) -> list[str]:
    """Keys whose values differ among those that have them."""
    keys = dict.fromkeys(key for of_run in settings for key in of_run)
    return [key for key in keys if len({of_run[key] for of_run in settings if key in of_run}) > 1]


def _settings(entry: Entry, varying: Sequence[str]) -> str:
    keys = dict.fromkeys([*varying, *words.changed_keys(entry.config, entry.by_epochs)])
    texts = [f"{key}={entry.settings[key]}" for key in keys if key in entry.settings]
    return ", ".join([*texts[:MOST_SETTINGS], *([f"{len(texts) - MOST_SETTINGS} more"] if len(texts) > MOST_SETTINGS else [])])


def _table(entries: Sequence[Entry], settings: Sequence[str], page: Path) -> Table:
    columns = [
        Column("run"), Column("UAR %", "percent", bar=True), Column("settings"), Column("95 % interval", "unbroken"),
        Column("seed", "ordinal"), Column("model"), Column("corpus"), Column("protocol"), Column("classes", "count"),
        Column("preset"), Column("recipe"),
        Column("epoch chosen on"), Column("validation UAR %", "percent"), Column("accuracy %", "percent"), Column("folds"),
        Column("started, UTC", "unbroken"), Column("by"), Column("caveats"),
    ]  # fmt: skip
    return Table("index", "All runs", columns, [_row(entry, page, text) for entry, text in zip(entries, settings, strict=True)])


def _row(entry: Entry, page: Path, settings: str) -> list[Any]:
    record, config = entry.record, entry.config
    corpus, protocol, classes = entry.task
    folds = f"{entry.finished} of {record['folds']}{'' if entry.summary else ', unfinished'}"
    uar, low, high, accuracy, _ = headlines(entry.summary)
    interval = ends((low, high)) if low is not None and high is not None else None
    # What is fitted at once has no epochs, and reads no preset.
    return [
        _link(entry, page), uar, settings, interval, results.seed_in_words(record), config.get("model.name"),
        corpus, protocol, classes,
        config.get("preset") if entry.by_epochs else None, results.recipe_in_words(record),
        CHOSEN[record["selection"]] if entry.by_epochs else None,
        entry.validation,
        accuracy, folds, words.moment(str(record.get("created"))), record.get("by"),
        in_brief(entry.caveats) if entry.summary else None,
    ]  # fmt: skip


def _in_common(table: Table) -> tuple[Table, list[tuple[str, str]]]:
    """A table of several rows without the columns that are the same in all; and those, each with its value."""
    if len(table.rows) < 2:
        return table, []
    kept, common = [], []
    for at, column in enumerate(table.columns):
        given = [str(row[at] or "") for row in table.rows]
        values = {value for value in given if value or column.heading not in OF_NETWORKS}
        if column.heading not in FIXED or len(values) > 1:
            kept.append(at)
        elif value := "".join(values):
            common.append((f"{column.heading} (networks)" if "" in given else column.heading, value))
    rows = [[row[at] for at in kept] for row in table.rows]
    return Table(table.name, table.title, [table.columns[at] for at in kept], rows), common


def _best(entries: Sequence[Entry], settings: Sequence[str], page: Path) -> tuple[Table | None, list[str]]:
    """Of each corpus, protocol, classes and split, the settings that validation chooses, and where it cannot choose.

    Runs that differ in their seed alone are one setting, which counts by the mean of its validation UAR.  A run whose epoch was
    chosen on the test set is no candidate; where just one setting is left, there is nothing to choose.
    """
    text_by_path = {entry.path: text for entry, text in zip(entries, settings, strict=True)}
    groups: dict[tuple[Any, ...], dict[tuple[Any, ...], list[Entry]]] = {}
    for entry in entries:
        if entry.summary and entry.record["selection"] != "test":
            seeds = groups.setdefault((entry.task, results.task(entry.record)), {}).setdefault(entry.but_seed, [])
            # A copy of a run is no second seed.
            if entry.record["seed"] not in [other.record["seed"] for other in seeds]:
                seeds.append(entry)
    columns = [
        Column("corpus"), Column("test UAR %", "percent", bar=True), Column("model"), Column("settings"),
        Column("95 % interval", "unbroken"), Column("SD over seeds", "percent"), Column("validation UAR %", "percent"),
        Column("preset"), Column("recipe"),
        Column("runs"), Column("protocol"), Column("classes", "count"), Column("settings compared", "count"), Column("choice"),
        Column("caveats"),
    ]  # fmt: skip
    tasks = Counter(task for task, _ in groups)
    rows, unchosen = [], []
    for (task, (*_, split)), choices in sorted(groups.items(), key=lambda group: group[0]):
        corpus, protocol, classes = task
        if tasks[task] > 1:
            protocol += f", split {split[:8]}"
        candidates = [seeds for seeds in choices.values() if all(entry.validation is not None for entry in seeds)]
        left_out = len(choices) - len(candidates)
        end = [protocol, classes, len(candidates) or 1]
        if len(choices) == 1:
            (chosen,) = choices.values()
            rows.append([corpus, *_setting(chosen, text_by_path, page), *end, "nothing to compare", _told(chosen)])
        elif candidates:
            chosen = max(candidates, key=lambda seeds: fmean(entry.validation or 0.0 for entry in seeds))
            why = "highest on validation" if len(candidates) > 1 else "the only one with validation"
            why += f"; {left_out} without validation cannot be ranked" if left_out else ""
            rows.append([corpus, *_setting(chosen, text_by_path, page), *end, why, _told(chosen)])
        else:
            unchosen.append(f"{corpus}: {protocol}, {classes} classes, {len(choices)} settings")
    return Table("best", "Best by corpus and protocol", columns, rows) if rows else None, unchosen


def _setting(seeds: Sequence[Entry], text_by_path: dict[Path, str], page: Path) -> list[Any]:
    """Mean metrics of runs that differ in their seed alone, what they are, and links to them."""
    first = seeds[0]
    uar = [entry.summary["pooled"]["uar"] for entry in seeds if entry.summary]
    validation = [entry.validation for entry in seeds if entry.validation is not None]
    _, low, high, *_ = headlines(first.summary)
    alone = len(seeds) == 1
    return [
        fmean(uar), first.config.get("model.name"), text_by_path[first.path],
        ends((low, high)) if alone and low is not None and high is not None else None,
        None if alone else stdev(uar), fmean(validation) if validation else None,
        first.config.get("preset") if first.by_epochs else None, results.recipe_in_words(first.record),
        [_link(entry, page, f"seed {entry.record['seed']}") for entry in sorted(seeds, key=lambda run: run.record["seed"])],
    ]  # fmt: skip


def _told(seeds: Sequence[Entry]) -> str:
    return in_brief(caveat for entry in seeds for caveat in entry.caveats)


def _link(entry: Entry, page: Path, text: str = "") -> Link | str:
    href = results.page_link(entry.path, page)
    return Link(text or entry.path.name, href) if href else text or entry.path.name


def _sweep(path: Path, page: Path) -> dict[str, Any] | None:
    """Name, link and settings of a sweep; None where its record cannot be read."""
    try:
        axes = read_json(path / results.SWEEP, path)["axes"]
        return {"name": path.name, "href": results.page_link(path, page), "what": f"sweep over {', '.join(axes)}"}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _comparisons(directory: Path, page: Path) -> list[dict[str, Any]]:
    """Name and link of each page of several runs."""
    places = [path for path in _holding(directory, results.PAGE) if path.name.startswith("comparison-")]
    return [{"name": path.name, "href": results.page_link(path, page), "what": "several runs side by side"} for path in places]
