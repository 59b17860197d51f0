"""A run beside published results: those of other works, and those that the paper reports for its own network."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import stdev
from typing import Any
from urllib.parse import urlsplit

from precompute.common.reading import UnreadableError, read_json, read_yaml
from wser import results
from wser.evaluation.caveats import CALIBRATED, CHOSEN_ON_TEST, of_selection, of_track
from wser.evaluation.published import PAPER, LiteratureResult
from wser.reports.html import words
from wser.reports.html.opened import CHOSEN, SummarisedRun, summarised
from wser.reports.html.table import Column, Link, Table
from wser.reports.html.words import METRICS, SPEAKERS
from wser.results import ResultError, StoredRun

PAPERS_WAY_FIRST = ("test", "validation", "last")
"""Selections in the order of the rows below a claim."""

PAPERS_NETWORK = "three_pipe"
"""The model whose results the paper reports; a file of the same name is another one, which is named by its path."""


def is_comparable(entry: LiteratureResult, run: SummarisedRun) -> bool:
    """Whether a published result is of the same corpus, kind of protocol, track and, as far as its source says, classes."""
    if (entry.corpus, entry.speakers) != (run.corpus, run.speakers) or not run.clean:
        return False
    alike = entry.calibrated == run.calibrated and entry.classes in (None, len(run.stored.classes))
    return entry.listeners or alike


def best(entries: Sequence[LiteratureResult], run: SummarisedRun) -> LiteratureResult | None:
    """The highest comparable result of a machine, not chosen on the test set, whose source gives its number of classes."""
    machines = [
        entry for entry in entries if is_comparable(entry, run) and entry.classes and not entry.listeners and not entry.chosen
    ]
    return max(machines, key=lambda entry: entry.value, default=None)


def is_papers_network(stored: StoredRun) -> bool:
    """Whether a run is of the network that the paper describes, with whatever settings."""
    return bool(stored.config.get("model.name") == PAPERS_NETWORK)


def comparison(entries: Sequence[LiteratureResult], run: SummarisedRun) -> tuple[Table | None, Table | None]:
    """The run and published results of the same kind of protocol; and, apart, those of other protocols or classes.

    Args:
        entries: Published results.
        run: A whole run.

    Returns:
        Neither where nothing is published for the corpus.
    """
    of_corpus = [entry for entry in entries if entry.corpus == run.corpus]
    if not of_corpus:
        return None, None
    near = [entry for entry in of_corpus if is_comparable(entry, run)]
    far = [entry for entry in of_corpus if not is_comparable(entry, run)]
    columns = [
        Column("work", key="figure"), Column("method"), Column("protocol"), Column("classes", "count"), Column("metric"),
        Column("%", "percent", bar=True), Column("SD", "percent"), Column("source"), Column("remarks"),
    ]  # fmt: skip
    stored, summary = run.stored, run.summary
    ours: list[list[Any]] = [
        [
            "this run", stored.config.get("model.name"), stored.record["protocol"], len(stored.classes),
            METRICS[metric], summary["pooled"][metric], None, None, _remark_of_run(stored),
        ]
        for metric in METRICS
    ]  # fmt: skip
    kind = f"{SPEAKERS[run.speakers]}, {len(stored.classes)} classes"
    rows = sorted([*ours, *map(_row, near)], key=lambda row: -row[5])
    strong = frozenset(at for at, row in enumerate(rows) if any(row is own_row for own_row in ours))
    silent = any(row[3] is None for row in rows)
    notes = ["No number of classes: the source does not give it."] if silent else []
    table = Table("comparison", kind.capitalize(), columns, rows, notes=notes, strong=strong)
    if not far:
        return table, None
    apart = sorted(map(_row, far), key=lambda row: -row[5])
    note = "Not comparable with this run: other speakers, other classes, or a source that does not say."
    return table, Table("comparison_apart", "Other protocols or classes", columns, apart, notes=[note])


def bars(entries: Sequence[LiteratureResult], run: SummarisedRun) -> list[tuple[str, list[Any]]]:
    """Bars of the run and of published results, those of other protocols apart, for `wser.reports.figures.bars`."""
    pooled, interval = run.summary["pooled"], run.summary["interval"] or {}
    ours = [(f"this run, {name}", pooled[metric], interval.get(metric), "ours") for metric, name in METRICS.items()]
    of_corpus = [entry for entry in entries if entry.corpus == run.corpus]
    near = _bars([entry for entry in of_corpus if is_comparable(entry, run)])
    far = _bars([entry for entry in of_corpus if not is_comparable(entry, run)], apart=True)
    majority = run.summary["majority"]
    floor = [
        ("chance, UAR", run.summary["chance"], None, "reference"),
        (f"always {majority['class']}, accuracy", majority["accuracy"], None, "reference"),
    ]
    heading = f"{run.corpus}, {SPEAKERS[run.speakers]}, {len(run.stored.classes)} classes"
    groups = [(heading, [*sorted([*ours, *near], key=lambda bar: -bar[1]), *floor])]
    if far:
        groups.append(("other protocols or classes", sorted(far, key=lambda bar: -bar[1])))
    return groups


def claims(
    entries: Sequence[LiteratureResult],
    runs: Sequence[SummarisedRun],
    page: Path | None = None,
    own: SummarisedRun | None = None,
) -> Table | None:
    """What the paper reports for its own network, and what runs of it measured, by corpus and kind of protocol.

    Args:
        entries: Published results.
        runs: Whole runs; those of other networks, and of corpora without a claim, are left out.
        page: Directory of the page, which links to the runs.
        own: The run that the page is of.

    Returns:
        None where the paper reports nothing for any of the runs.
    """
    runs = [run for run in runs if is_papers_network(run.stored)]
    columns = [
        Column("corpus"), Column("protocol"), Column("classes", "count"), Column("results of", key="figures of"),
        Column("epoch chosen on"), Column("accuracy, mean of folds %", "percent"), Column("SD", "percent"),
        Column("UAR, pooled %", "percent"), Column("from", "percent"), Column("to", "percent"),
    ]  # fmt: skip
    rows: list[list[Any]] = []
    notes = []
    for claim in (entry for entry in entries if entry.doi == PAPER and entry.folds):
        measured = [run for run in runs if run.clean and (run.corpus, run.speakers) == (claim.corpus, claim.speakers)]
        if not measured:
            continue
        rows.append(
            [
                claim.corpus, claim.protocol, claim.classes, Link(f"{claim.work}, Table 4", claim.link), CHOSEN["test"],
                claim.value, stdev(claim.folds or []), None, None, None,
            ]
        )  # fmt: skip
        measured.sort(key=lambda run: (PAPERS_WAY_FIRST.index(run.stored.record["selection"]), run.stored.record["protocol"]))
        rows += [_claim_row(run, page, run is own) for run in measured]
        if claim.note:
            notes.append(f"{claim.work}, {claim.corpus}, {SPEAKERS[claim.speakers]}: {claim.note}")
    if not rows:
        return None
    return Table("claims", "Reported by the paper and measured here", columns, rows, notes=notes).explained(
        ("SD", "SD: over folds."), ("from", "From, to: 95 % interval over speakers.")
    )


def siblings(run: SummarisedRun) -> list[SummarisedRun]:
    """Whole runs of the paper's own values beside a run, of the same corpora: the latest of each protocol and selection."""
    by_settings: dict[tuple[Any, ...], list[tuple[str, Path]]] = {}
    corpora = [corpus["corpus"] for corpus in run.stored.record["corpora"]]
    own_path = run.stored.path.resolve()
    for path in results.below(own_path.parent):
        if path == own_path or _preset(path) != "paper":
            continue
        try:
            record = read_json(path / results.RUN, path.parent)
            key = (record["protocol"], record["selection"], tuple(record["classes"]))
            if corpora == [corpus["corpus"] for corpus in record["corpora"]]:
                by_settings.setdefault(key, []).append((str(record["created"]), path))
        except (OSError, ValueError, LookupError, TypeError):
            continue  # foreign or damaged: not what was asked about
    latest = (next(filter(None, map(_literal, sorted(group, reverse=True))), None) for _, group in sorted(by_settings.items()))
    return [sibling for sibling in latest if sibling]


def _literal(created: tuple[str, Path]) -> SummarisedRun | None:
    """A run if it is whole and of the paper's own values."""
    try:
        run = summarised(created[1])
    except (ResultError, OSError):
        return None  # half-written, or not readable: it has no metrics yet
    return (
        run
        if run.whole and run.clean and run.stored.config.get("preset") == "paper" and not words.changes(run.stored)
        else None
    )


def _preset(path: Path) -> Any:
    """The preset of a run, None where its configuration cannot be read."""
    try:
        return read_yaml(path / results.CONFIG, path.parent)["preset"]
    except (OSError, UnreadableError, LookupError, TypeError):
        return None


def _claim_row(run: SummarisedRun, page: Path | None, own: bool) -> list[Any]:
    record, summary = run.stored.record, run.summary
    name = f"{'this run, ' if own else ''}preset {words.preset(run.stored)}, seed {record['seed']}"
    interval = summary["interval"]["uar"] if summary["interval"] else (None, None)
    deviation = summary["deviation"]["accuracy"] if summary["deviation"] else None
    href = results.page_link(run.stored.path, page) if page and not own else None
    return [
        run.corpus, record["protocol"], len(record["classes"]), Link(name, href) if href else name,
        CHOSEN[record["selection"]], summary["mean"]["accuracy"], deviation, summary["pooled"]["uar"], *interval,
    ]  # fmt: skip


def _row(entry: LiteratureResult) -> list[Any]:
    remarks = [
        CALIBRATED.short if entry.calibrated else None,
        "pretrained on other speech" if entry.pretrained else None,
        CHOSEN_ON_TEST.short if entry.chosen else None,
        f"as quoted by {entry.quoted}" if entry.quoted else None,
        entry.note,
    ]
    work = f"listeners, {entry.work}" if entry.listeners else entry.work
    remark_text = ". ".join(remark[0].upper() + remark[1:].rstrip(".") for remark in remarks if remark)
    where = urlsplit(entry.url).netloc if entry.url else f"doi {entry.doi}"
    return [
        work, entry.method, entry.protocol or SPEAKERS[entry.speakers], entry.classes, METRICS[entry.metric],
        entry.value, entry.deviation, Link(where, entry.link), remark_text,
    ]  # fmt: skip


def _bars(entries: Sequence[LiteratureResult], apart: bool = False) -> list[tuple[str, float, None, str]]:
    """Bars of published results; what tells those of one name apart stands after the work, since long names are cut."""
    alike: dict[tuple[str, ...], list[LiteratureResult]] = {}
    for entry in entries:
        alike.setdefault((entry.work, *_kind(entry, apart)), []).append(entry)
    return [
        (", ".join([entry.work, *_apart(entry, group), *kind]), entry.value, None, "theirs")
        for (_, *kind), group in alike.items()
        for entry in group
    ]


def _kind(entry: LiteratureResult, apart: bool) -> list[str]:
    parts = [
        METRICS[entry.metric],
        f"{entry.classes} classes" if apart and entry.classes else None,
        "listeners" if entry.listeners else None,
        "pretrained" if entry.pretrained else None,
        CHOSEN_ON_TEST.short if entry.chosen else None,
    ]
    return [part for part in parts if part]


def _apart(entry: LiteratureResult, alike: Sequence[LiteratureResult]) -> list[str]:
    """How a result differs from others of its name: in its test speakers, in who quotes it, or in its method."""
    details: tuple[Callable[[LiteratureResult], str], ...] = (
        lambda result: f"speakers {words.SPEAKERS_SHORT[result.speakers]}",
        lambda result: f"quoted by {re.split(r',| [(]', result.quoted)[0]}" if result.quoted else "",
        lambda result: result.method or "",
    )
    return [text for detail in details if len({*map(detail, alike)}) > 1 and (text := detail(entry))]


def _remark_of_run(stored: StoredRun) -> str:
    caveats = of_track(stored.record) + of_selection(stored.record["selection"])
    return ", ".join(caveat.short for caveat in caveats).capitalize()
