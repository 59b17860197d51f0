"""Models side by side on one task: what each measured here, and what its authors or others published of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wser import results
from wser.evaluation import uncertainty
from wser.evaluation.caveats import together
from wser.evaluation.published import LiteratureResult
from wser.reports import comparison
from wser.reports.html import words
from wser.reports.html.literature import PAPERS_NETWORK, is_papers_network
from wser.reports.html.opened import SummarisedRun
from wser.reports.html.table import Column, Link, Table
from wser.results import ResultError


def tables(entries: Sequence[LiteratureResult], runs: Sequence[SummarisedRun], page: Path | None = None) -> list[Table]:
    """One table for each task that runs of several models share, the highest UAR first, unfinished runs last.

    A published result of a model and track stands in the rows of its first run.  Nothing is compared with it: its protocol is
    another.

    Args:
        entries: Published results.
        runs: Of any models, corpora and protocols.
        page: Directory of the page, which links to the runs.
    """
    tasks: dict[tuple[Any, ...], list[SummarisedRun]] = {}
    for run in runs:
        if run.clean:
            record = run.stored.record
            what = (results.task(record)[0], record["protocol"], record["folds"], *sorted(record["classes"]))
            tasks.setdefault(what, []).append(run)
    several = [group for group in tasks.values() if len({_model(run) for run in group}) > 1]
    return [_table(entries, group, page, f"models_{number}") for number, group in enumerate(several, 1)]


def _table(entries: Sequence[LiteratureResult], runs: Sequence[SummarisedRun], page: Path | None, name: str) -> Table:
    columns = [
        Column("model"), Column("recipe"), Column("UAR %", "percent", bar=True), Column("from", "percent"),
        Column("to", "percent"), Column("accuracy %", "percent"), Column("parameters", "count"), Column("seconds", "seconds"),
        Column("finished folds", key="folds"), Column("published %", "percent"), Column("metric"),
        Column("test speakers there"), Column("protocol there"), Column("published by"),
    ]  # fmt: skip
    rows: list[list[Any]] = []
    strong: set[int] = set()
    shown: set[str] = set()
    for run in sorted(runs, key=lambda run: -(run.metrics[0] or 0.0)):
        published = [] if _model(run) in shown else _published(entries, run)
        shown.add(_model(run))
        if is_papers_network(run.stored):
            strong.add(len(rows))
        rows.append([*_measured(run, page), *(published[0] if published else [None] * 5)])
        rows += [[_model(run), *[None] * 8, *more] for more in published[1:]]
    record = runs[0].stored.record
    task = f"{results.task(record)[0]}, {words.protocol(record) or record['protocol']}, {len(record['classes'])} classes"
    notes = [
        "A published result is of its own protocol, and does not contradict one that was measured by another.",
        *_paired(runs),
    ]
    caveats = together((_model(run), run.caveats) for run in runs)
    return Table(name, task, columns, rows, notes=notes, strong=frozenset(strong), caveats=caveats).explained(
        ("from", "From, to: 95 % interval of the UAR over speakers."),
        ("parameters", "Parameters: of networks."),
        ("seconds", "Seconds: of training and testing, added up over folds."),
    )


def _measured(run: SummarisedRun, page: Path | None) -> list[Any]:
    href = results.page_link(run.stored.path, page) if page else None
    uar, low, high, accuracy, _ = run.metrics
    fold = run.summary["folds"][0] if run.summary["folds"] else {}
    finished = None if run.whole else f"{len(run.stored.folds)} of {run.stored.record['folds']}"
    return [
        Link(_model(run), href) if href else _model(run), run.stored.recipe, uar, low, high, accuracy,
        fold.get("parameters") or None, run.summary["seconds"], finished,
    ]  # fmt: skip


def _published(entries: Sequence[LiteratureResult], run: SummarisedRun) -> list[list[Any]]:
    meant = (_model(run), run.corpus, run.calibrated)
    own = [entry for entry in entries if (entry.model, entry.corpus, entry.calibrated) == meant]
    return [
        [
            entry.value,
            words.METRICS[entry.metric],
            words.SPEAKERS_SHORT[entry.speakers],
            entry.protocol,
            Link(entry.work, entry.link),
        ]
        for entry in own
    ]


def _paired(runs: Sequence[SummarisedRun]) -> list[str]:
    """The paper's network against the best of the other models; nothing where either is missing."""
    whole = sorted((run for run in runs if run.whole), key=lambda run: -run.summary["pooled"]["uar"])
    papers = next((run for run in whole if is_papers_network(run.stored)), None)
    # What is fused may hold the paper's network itself.
    best = next((run for run in whole if not is_papers_network(run.stored) and "fused" not in run.stored.record), None)
    if papers is None or best is None:
        return []
    try:
        comparison.check_same(papers.stored, best.stored)
    except ResultError as error:
        return [f"{PAPERS_NETWORK} and {_model(best)} have no paired test: {error}."]
    first, second = (comparison.counts(run.stored, papers.stored.classes) for run in (papers, best))
    sentence = comparison.in_words(PAPERS_NETWORK, _model(best), uncertainty.differences(first, second)["uar"])
    return [f"The paper's network and the best of the others, UAR: {sentence}."]


def _model(run: SummarisedRun) -> str:
    return str(run.stored.config.get("model.name"))
