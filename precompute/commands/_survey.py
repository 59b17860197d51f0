"""What a check found, on the terminal."""

from rich.table import Table

from precompute.check.facts import facts
from precompute.check.findings import Finding, verdict
from precompute.check.survey import Survey
from precompute.common import terminal

MOST_ITEMS = 10
"""Files of a finding that are named; the page names all."""

MOST_SPEAKERS = 24
"""Speakers of the table of labels that have a row each."""


def show(survey: Survey, found: list[Finding]) -> None:
    """Print the verdict, the facts, labels by speaker, and what was found."""
    console = terminal.console(width=80)
    console.print(survey.corpus.title, style="bold", soft_wrap=True)
    console.print(verdict(survey, found), soft_wrap=True)
    console.print()
    console.print(_facts(survey))
    console.print()
    console.print(_labels(survey))
    for finding in found:
        heading = finding.short or "not as published"
        console.print()
        console.print(f"{'warning: ' if finding.warning else ''}{heading}", style="bold", soft_wrap=True)
        console.print(f"  {finding.meaning}", soft_wrap=True)
        for item in finding.items[:MOST_ITEMS]:
            console.print(f"  - {item}", soft_wrap=True)
        if len(finding.items) > MOST_ITEMS:
            console.print(f"  and {len(finding.items) - MOST_ITEMS} more, on the page", soft_wrap=True)
    console.print()


def _facts(survey: Survey) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("")
    table.add_column("found")
    table.add_column("published")
    for fact in facts(survey):
        table.add_row(fact.what, fact.found, fact.published)
    return table


def _labels(survey: Survey) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("speaker")
    for emotion in survey.emotions:
        table.add_column(emotion, justify="right")
    table.add_column("all", justify="right")
    shown = list(survey.speakers)[:MOST_SPEAKERS]
    for speaker in shown:
        counts = [survey.counts[speaker, emotion] for emotion in survey.emotions]
        table.add_row(f"{speaker} {survey.speakers[speaker]}".strip(), *map(str, counts), str(sum(counts)))
    if others := len(survey.speakers) - len(shown):
        rest = [sum(survey.counts[s, e] for s in survey.speakers if s not in shown) for e in survey.emotions]
        table.add_row(f"{others} others", *map(str, rest), str(sum(rest)))
    totals = [str(survey.totals[emotion]) for emotion in survey.emotions]
    table.add_row("all", *totals, str(len(survey.checked)), style="bold")
    published = [survey.corpus.emotions.get(emotion, 0) for emotion in survey.emotions]
    table.add_row("published", *map(str, published), str(sum(published)), style="dim")
    return table
