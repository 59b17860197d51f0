"""What a check found, on the terminal."""

from precompute.check.facts import facts
from precompute.check.findings import Finding, verdict
from precompute.check.survey import Survey
from precompute.common import tables
from precompute.common.tables import Column, Table

MOST_ITEMS = 10
"""Files of a finding that are named; the page names all."""

MOST_SPEAKERS = 24
"""Speakers of the table of labels that have a row each."""


def show(survey: Survey, findings: list[Finding]) -> None:
    """Print the verdict, the facts, labels by speaker, and what was found."""
    tables.paragraph(survey.corpus.title)
    tables.paragraph(verdict(survey, findings))
    print()
    tables.show(_facts(survey))
    print()
    tables.show(_labels(survey))
    for finding in findings:
        print()
        tables.paragraph(f"{'warning: ' if finding.warning else ''}{finding.short or 'not as published'}")
        tables.paragraph(finding.meaning, "  ")
        for item in finding.items[:MOST_ITEMS]:
            tables.paragraph(item, "  - ")
        if len(finding.items) > MOST_ITEMS:
            print(f"  and {len(finding.items) - MOST_ITEMS} more, on the page")
    print()


def _facts(survey: Survey) -> Table:
    published = [Column("published", wraps=True)] if survey.corpus.is_published else []
    table = Table("", [Column(""), Column("found", wraps=True), *published])
    for fact in facts(survey):
        table.add(fact.what, fact.found, *([fact.published] if published else []))
    return table


def _labels(survey: Survey) -> Table:
    columns = [Column("speaker"), *(Column(name, right=True) for name in (*survey.emotions, "all"))]
    table = Table("", columns)
    shown = list(survey.speakers)[:MOST_SPEAKERS]
    for speaker in shown:
        counts = [survey.counts[speaker, emotion] for emotion in survey.emotions]
        table.add(f"{speaker} {survey.speakers[speaker]}".strip(), *map(str, counts), str(sum(counts)))
    if others := len(survey.speakers) - len(shown):
        rest = [sum(survey.counts[s, e] for s in survey.speakers if s not in shown) for e in survey.emotions]
        table.add(f"{others} others", *map(str, rest), str(sum(rest)))
    totals = [str(survey.totals[emotion]) for emotion in survey.emotions]
    table.add("all", *totals, str(len(survey.checked)), strong=True)
    if survey.corpus.is_published:
        published = [survey.corpus.emotions.get(emotion, 0) for emotion in survey.emotions]
        table.add("published", *map(str, published), str(sum(published)))
    return table
