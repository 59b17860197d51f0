"""The page of several runs, side by side."""

import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from wser import results
from wser.evaluation import uncertainty
from wser.evaluation.caveats import together
from wser.evaluation.published import LiteratureResult
from wser.reports import comparison, figures
from wser.reports.html import glossary, literature, rivals, words
from wser.reports.html.opened import CHOSEN, SummarisedRun
from wser.reports.html.table import Column, Link, Table
from wser.reports.html.write import PageFiles, write
from wser.reports.tables import NAMES
from wser.results import ResultError


def write_page(runs: Sequence[SummarisedRun], out: Path, entries: Sequence[LiteratureResult]) -> Path:
    """Write the page of two or more runs, its figure and its tables.

    Args:
        runs: At most 26; the first is compared with each of the others.
        out: Directory of the page.
        entries: Published results, for what the paper reports of its network.

    Returns:
        The page.
    """
    letters = string.ascii_uppercase[: len(runs)]
    caveats = together((letter, run.caveats) for letter, run in zip(letters, runs, strict=True))
    beside = PageFiles(out, caveats)
    whole = [(letter, run) for letter, run in zip(letters, runs, strict=True) if run.whole]
    first = runs[0]
    paired: list[tuple[str, SummarisedRun]] = []
    refused = []
    if first.whole:
        begun = [letter for letter, run in zip(letters, runs, strict=True) if not run.whole]
        refused += [f"A and {letter} have no paired test while {letter} is unfinished." for letter in begun]
        for letter, run in whole[1:]:
            try:
                comparison.check_same(first.stored, run.stored)
                paired.append((letter, run))
            except ResultError as error:
                refused.append(f"A and {letter} have no paired test: {error}.")
    else:
        refused.append("A is compared with nothing while it is unfinished.")
    differences, sentences = _differences(first, paired)
    table = _runs(letters, runs, out)
    claims = literature.claims(entries, [run for _, run in whole], out)
    models = rivals.tables(entries, runs, out)
    beside.tables([table, differences, claims, *models])
    shown = [(f"{letter}, {run.stored.path.name}", *_uar(run), "ours") for letter, run in whole]
    page = out / results.PAGE
    write(
        page,
        "several.html.jinja",
        title=f"Side by side: {'; '.join(dict.fromkeys(run.stored.title for run in runs))}",
        runs=[
            {
                "letter": letter,
                "title": run.stored.title,
                "changes": comparison.changes(first.stored, run.stored),
                "unfinished": words.unfinished(run.stored, run.summary),
            }
            for letter, run in zip(letters, runs, strict=True)
        ],
        warnings=[*caveats, *(f"{note}." for run in runs for note in run.notes)],
        table=table,
        differences=differences,
        sentences=sentences,
        cautions=comparison.warnings([first.stored, *(run.stored for _, run in paired)]) if paired else [],
        refused=refused,
        claims=claims,
        models=models,
        plot=Markup(beside.figure(figures.bars([("UAR, 95 % interval", shown)], "%"), "runs")) if shown else "",
        results_name=", ".join(run.stored.path.resolve().name for run in runs),
        glossary=glossary.entries(("UAR", "Accuracy", "Macro F1", "Fold", "Protocol", "Preset", "Interval")),
    )
    return page


def _uar(run: SummarisedRun) -> tuple[float, tuple[float, float] | None]:
    interval = run.summary["interval"]
    return run.summary["pooled"]["uar"], tuple(interval["uar"]) if interval else None


def _runs(letters: str, runs: Sequence[SummarisedRun], page: Path) -> Table:
    columns = [
        Column("run"), Column("results"), Column("corpus"), Column("classes", "count"), Column("protocol"), Column("model"),
        Column("preset"),
        Column("seed", "count"), Column("epoch chosen on"), Column("folds"), Column("UAR %", "percent", bar=True),
        Column("from", "percent"), Column("to", "percent"), Column("accuracy %", "percent"), Column("macro F1 %", "percent"),
        Column("seconds", "seconds"),
    ]  # fmt: skip
    rows = []
    for letter, run in zip(letters, runs, strict=True):
        record, summary, network = run.stored.record, run.summary, words.is_network(run.summary)
        href, name = results.page_link(run.stored.path, page), run.stored.path.resolve().name
        rows.append(
            [
                letter, Link(name, href) if href else name, words.corpora(run.stored), len(record["classes"]),
                record["protocol"], run.stored.config.get("model.name"),
                # What is fitted at once has no epochs, and reads no preset.
                run.stored.config.get("preset") if network else None, results.seed_in_words(record),
                CHOSEN[record["selection"]] if network else None,
                f"{len(run.stored.folds)} of {record['folds']}", *run.metrics, summary["seconds"],
            ]
        )  # fmt: skip
    return Table("runs", "Runs", columns, rows).explained(("from", "From, to: 95 % interval of the UAR over speakers."))


def _differences(first: SummarisedRun, others: Sequence[tuple[str, SummarisedRun]]) -> tuple[Table | None, list[str]]:
    """The paired test of each of the others against the first, as a table and in words."""
    if not others:
        return None, []
    classes = first.stored.classes
    base = comparison.counts(first.stored, classes)
    rows: list[list[Any]] = []
    sentences = []
    for letter, run in others:
        differences = uncertainty.differences(base, comparison.counts(run.stored, classes))
        for metric in uncertainty.HEADLINES:
            difference = differences[metric]
            low, high = difference.interval or (None, None)
            rows.append([f"{letter} - A", NAMES[metric], difference.value, low, high, difference.p])
        sentences.append(f"UAR: {comparison.in_words('A', letter, differences['uar'])}.")
    columns = [
        Column("difference"), Column("metric", key="figure"), Column("points", "points"), Column("from", "points"),
        Column("to", "points"), Column("p", "p"),
    ]  # fmt: skip
    table = Table("differences", "Differences on the same test utterances", columns, rows).explained(
        ("from", "From, to: 95 % interval, bootstrap over speakers."),
        ("p", "p: of a two-sided permutation test that swaps the two runs' predictions for whole speakers."),
    )
    return table, sentences
