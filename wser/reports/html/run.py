"""The page of one run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from precompute.common.finding import Corpora
from precompute.common.html.plot import svg
from precompute.common.reading import read_json
from wser import results
from wser.config.schema import as_text
from wser.evaluation.published import LiteratureResult
from wser.protocols._leakage import lines as leakage_lines
from wser.reports import figures
from wser.reports.html import fused, glossary, literature, measured, words
from wser.reports.html.opened import SummarisedRun
from wser.reports.html.pictures import Album, Picture, look
from wser.reports.html.table import Table
from wser.reports.html.write import PageFiles, write
from wser.results import StoredRun

MOST_ERRORS = 12
"""Confident errors that are shown with their pictures; the file holds all."""

OF_NETWORKS = ("Preset", "Selection")
"""Words that the page of a run without epochs does not use."""

FEW_PANELS = 3
"""Folds whose curves have room for plots side by side."""

MOST_PANELS = 40
"""Folds whose curves and confusion matrices are shown in the page; the figures beside it hold more."""


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix to be shown: its name, the classes, and utterances by true and predicted class."""

    name: str
    classes: list[str]
    counts: list[list[int]]

    def share(self, row: int, column: int) -> float | None:
        """Share of a true class, None where it has no utterance."""
        total = sum(self.counts[row])
        return self.counts[row][column] / total if total else None


def write_page(run: SummarisedRun, out: Path, entries: Sequence[LiteratureResult], recordings: Corpora | None = None) -> Path:
    """Write the page of a run, its figures and its tables.

    Args:
        run: At least one fold of it is finished.
        out: Directory of the page.
        entries: Published results to compare it with.
        recordings: Where the corpora lie whose recordings the page links to.

    Returns:
        The page.
    """
    stored, summary, whole = run.stored, run.summary, run.whole
    beside = PageFiles(out, run.caveats)
    errors = measured.mistakes(stored, MOST_ERRORS)
    album = look(stored, [row[1] for row in errors.rows], recordings, out)
    errors = replace(errors, rows=[[row[1] if row[1] in album.pictures else None, *row[1:]] for row in errors.rows])
    tables: dict[str, Table | None] = {
        "fused": fused.table(run, out),
        "folds": measured.folds(stored, summary),
        "speakers": measured.speakers(stored, whole, album.sexes),
        "mistakes": errors,
    }
    leakage = measured.leakage(run.reports)
    beside.tables([tables["fused"], tables["folds"], tables["speakers"], measured.mistakes(stored), leakage])
    beside.tables([measured.confusion_folds(stored, summary)])
    comparison = apart = claims = None
    bars: list[Markup] = []
    drawn = figures.panels_drawn(len(stored.classes))
    if whole:
        tables |= {
            "classes": measured.classes(summary["pooled"], literature.is_papers_network(stored)),
            "sexes": measured.sexes(stored, album.sexes),
        }
        comparison, apart = literature.comparison(entries, run)
        if literature.is_papers_network(stored):
            claims = literature.claims(entries, [*literature.siblings(run), run], out, run)
        pooled = summary["pooled"]["confusion"]
        beside.tables([tables["classes"], tables["sexes"], comparison, apart, claims])
        beside.tables([measured.confusion(stored, pooled)])
        if comparison:
            bars = _bars(literature.bars(entries, run), beside)
        if drawn:
            beside.figure(figures.confusion(f"{stored.title}, all folds", stored.classes, [("", pooled)]), "confusion")
    # What is fitted at once has no epochs.
    trained = [record for record in summary["folds"] if record["epochs"]]
    panels = [(record, results.read_curves(stored.path, record["fold"])) for record in trained[: figures.MOST_PANELS]]
    if panels:
        beside.figure(figures.curves(panels, stored.title), "curves")
    by_fold = [(f"fold {record['fold']}", record["confusion"]) for record in summary["folds"][:drawn]]
    if drawn:
        beside.figure(figures.confusion(stored.title, stored.classes, by_fold), "confusion_folds")
    gallery = [album.pictures[key] for key in album.gallery]
    best = literature.best(entries, run) if whole else None
    page, name = out / results.PAGE, stored.path.resolve().name
    write(
        page,
        "run.html.jinja",
        title=stored.title,
        record=stored.record,
        commands=words.commands(stored, summary),
        summary=summary,
        unfinished=words.unfinished(stored, summary),
        verdict=words.verdict(summary) if whole else "",
        literature=words.literature(summary, best),
        warnings=[*run.caveats, *(f"{note}." for note in run.notes)],
        facts=words.facts(stored, summary),
        tables=tables,
        bars=bars,
        curves=[(record, _curves(record, history, len(panels) <= FEW_PANELS)) for record, history in panels[:MOST_PANELS]],
        few=len(panels) <= FEW_PANELS,
        undrawn=_undrawn(summary, drawn),
        has_validation=any(not np.isnan(history["validation_loss"]).all() for _, history in panels),
        matrix=Matrix("all folds", stored.classes, summary["pooled"]["confusion"]) if whole and drawn else None,
        matrices=[Matrix(name, stored.classes, counts) for name, counts in by_fold[:MOST_PANELS]],
        comparison=comparison,
        apart=apart,
        claims=claims,
        images=album.pictures,
        cells={(picture.speaker, picture.emotion): picture for picture in gallery},
        pictured=list(dict.fromkeys(picture.speaker for picture in gallery)),
        emotions=_in_order_of_classes(stored, album),
        across=_across(gallery),
        audible=any(picture.audio for picture in gallery),
        frequencies=f"from {words.frequencies(stored.record['recipe'])}",
        shared=_shared(run),
        leaks=not measured.is_empty(run.reports),
        speakers=len({row["speaker"] for row in stored.rows}),
        why_not=album.why_not,
        silent=recordings is not None and not any(picture.audio for picture in gallery),
        leakage=leakage,
        results_name=name,
        provenance=_provenance(stored),
        recipe=[(key, as_text(value)) for key, value in stored.record["recipe"].items() if key != "colour_table"],
        settings=[(key, as_text(value)) for key, value in stored.config.items()],
        glossary=glossary.entries([word for word in glossary.WORDS if words.is_network(summary) or word not in OF_NETWORKS]),
    )
    return page


def _shared(run: SummarisedRun) -> list[tuple[str, str]]:
    """What training and test share, and how much of it over all folds."""
    counted = leakage_lines(run.reports, speaker_independent=False)[1:]
    # Two columns for the screen; what was left out has no columns but a colon.
    pairs = [line.strip().partition("  " if line.startswith(" ") else ":") for line in counted]
    return [(name, text.strip()) for name, _, text in pairs]


def _curves(record: dict[str, Any], history: dict[str, list[float]], apart: bool) -> list[tuple[str, Markup]]:
    """Plots of a fold's training, each with what it shows: loss and accuracy in one, or apart, to stand side by side."""
    name = f"curves_{record['fold']}"
    if not apart:
        return [("Loss and accuracy", Markup(svg(figures.curves([(record, history)]), name)))]
    return [
        (quantity.capitalize(), Markup(svg(figures.curve(quantity, record, history), f"{name}_{quantity}")))
        for quantity in figures.QUANTITIES
    ]


def _bars(groups: list[tuple[str, list[Any]]], beside: PageFiles) -> list[Markup]:
    """A plot for each group, to stand side by side in the page; and all of them in one, in the files."""
    label = "% accuracy or UAR, as named"
    beside.figure(figures.bars(groups, label), "comparison")
    return [Markup(svg(figures.bars([group], label), f"bars_{number}")) for number, group in enumerate(groups)]


def _undrawn(summary: dict[str, Any], drawn: int) -> dict[str, str]:
    """What of curves and confusion matrices is not drawn, and where it is; empty where everything is."""
    folds, classes = len(summary["folds"]), len(summary["pooled"]["confusion"])
    notes = {"curves": "", "confusion": ""}
    if folds > min(MOST_PANELS, figures.MOST_PANELS):
        notes["curves"] = (
            f"The first {MOST_PANELS} of {folds} folds are shown, and {min(folds, figures.MOST_PANELS)} in the files."
        )
    if not drawn:
        notes["confusion"] = (
            f"{classes} classes are too many for a confusion matrix to be drawn, where {figures.MOST_CLASSES} can be read: the "
            "files have every count."
        )
    elif folds > min(MOST_PANELS, drawn):
        notes["confusion"] = (
            f"The first {min(MOST_PANELS, drawn)} of {folds} folds are shown, and {min(folds, drawn)} in the figure; the "
            "tables in the files have all."
        )
    return notes


def _in_order_of_classes(stored: StoredRun, album: Album) -> list[str]:
    """Emotions of the gallery, as the classes that they are counted in."""
    place = {row["key"]: stored.classes.index(row["true"]) for row in stored.rows}
    return list(dict.fromkeys(album.pictures[key].emotion for key in sorted(album.gallery, key=lambda key: place[key])))


def _across(gallery: Sequence[Picture]) -> int:
    """Columns of the widest pictures of all emotions, side by side."""
    widest: dict[str, int] = {}
    for picture in gallery:
        widest[picture.emotion] = max(widest.get(picture.emotion, 0), picture.image.width)
    return sum(widest.values())


def _provenance(stored: StoredRun) -> list[tuple[str, str]]:
    """What made the results, by name."""
    record = stored.record
    caches = "; ".join(
        f"{corpus['corpus']} {corpus['cache']}, fingerprint {corpus['fingerprint']}" for corpus in record["corpora"]
    )
    versions = ", ".join(f"{name} {version}" for name, version in (record.get("versions") or {}).items())
    known = [
        ("results", stored.path.resolve().name),
        ("command", record.get("command")),
        ("begun", record.get("created")),
        ("by", record.get("by")),
        ("revision", record.get("revision")),
        ("versions", versions),
        ("platform", f"{record.get('platform')}, {record.get('processors')} processors"),
        ("caches", caches),
        ("split", f"SHA-256 {record['split_hash']}"),
        ("repeated", _repeated(stored.path)),
    ]
    return [(name, str(value)) for name, value in known if value]


def _repeated(path: Path) -> str:
    """What `wser.run --repeat` found, empty where it has not been run."""
    try:
        return str(read_json(path / results.REPEAT / results.VERDICT, path)["verdict"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
