"""The page of one run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from precompute.plot import svg
from wser import results
from wser.data.leakage import lines as leakage_lines
from wser.reports import figures, summary
from wser.reports.pages import literature, measured, words
from wser.reports.pages.literature import Measured
from wser.reports.pages.pictures import Album, look
from wser.reports.pages.table import Table
from wser.reports.pages.write import Beside, write
from wser.reports.published import Published
from wser.results import Stored

MOST_MISTAKES = 12
"""Confident mistakes that are shown with their pictures; the file holds all."""

MOST_PANELS = 40
"""Folds whose curves and confusion matrices are shown in the page; the files hold all."""

OF_RECORD: dict[str, Any] = {"recipe": dict, "utterances": int, "command": str, "created": str}
OF_FOLD: dict[str, Any] = {
    "fold": int, "uar": float, "accuracy": float, "macro_f1": float, "utterances": int, "per_class": dict, "confusion": list,
    "speakers": dict, "epoch": int, "epochs": int, "diverged": bool, "parameters": int, "seconds": (int, float),
    "selection": str, "device": str, "precision": str, "created": str,
}  # fmt: skip
"""What a page needs of run.json and of metrics.json, and of which type."""


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


def summarised(path: Path) -> Measured:
    """Open a run and its summary, which is made anew where the stored one is not of all finished folds.

    Raises:
        ResultError: There is no such run, or it is damaged; one sentence says which, and the remedy.
    """
    stored = results.open_begun(path)
    _require(
        stored.record, OF_RECORD, path / results.RUN, "run its command again into another directory, which gives a new one"
    )
    for fold in stored.folds:
        folder = path / results.fold_name(fold)
        remedy = f"move {folder} away and run the command in {results.RUN} again"
        metrics = results.read_metrics(path, fold)
        _require(metrics, OF_FOLD, folder / results.METRICS, remedy)
        if metrics["fold"] != fold or np.shape(metrics["confusion"]) != (len(stored.classes),) * 2:
            raise results.ResultError(f"{folder / results.METRICS} is not of fold {fold} and its classes: {remedy}")
        probabilities = {f"p_{name}" for name in stored.classes}
        if not all(probabilities <= {*row} and all(map(_is_number, map(row.get, probabilities))) for row in stored.parts[fold]):
            raise results.ResultError(f"{folder / results.PREDICTIONS} lacks probabilities: {remedy}")
    return Measured(stored, summary.of(stored))


def _require(found: dict[str, Any], needed: dict[str, Any], file: Path, remedy: str) -> None:
    """Refuse a record without a key that the page shows: of another version, or damaged."""
    for key, kind in needed.items():
        if not isinstance(found.get(key), kind):
            raise results.ResultError(f"{file} has no usable '{key}', it is damaged or of another version: {remedy}")


def _is_number(text: str | None) -> bool:
    """Whether a cell is a probability, or nan, as where the loss diverged."""
    try:
        return text is not None and not (float(text) < 0 or float(text) > 1)
    except ValueError:
        return False


def write_page(run: Measured, out: Path, entries: Sequence[Published], recordings: Path | None = None) -> Path:
    """Write the page of a run, its figures and its tables.

    Args:
        run: At least one fold of it is finished.
        out: Directory of the page.
        entries: Published figures to hold it against.
        recordings: Directory of corpora whose recordings the page links to.

    Returns:
        The page.
    """
    stored, found, whole = run.stored, run.summary, run.whole
    beside = Beside(out)
    surest = measured.mistakes(stored, MOST_MISTAKES)
    album = look(stored, [row[1] for row in surest.rows], recordings, out)
    tables: dict[str, Table | None] = {
        "folds": measured.folds(stored, found),
        "speakers": measured.speakers(stored, found, album.sexes),
        "mistakes": surest,
    }
    leakage = measured.leakage(run.reports)
    beside.tables([tables["folds"], tables["speakers"], measured.mistakes(stored), leakage])
    plots: dict[str, Markup] = {}
    comparison = apart = claims = None
    if whole:
        tables |= {"classes": measured.classes(found["pooled"]), "sexes": measured.sexes(stored, album.sexes)}
        comparison, apart = literature.comparison(entries, run)
        claims = literature.claims(entries, [*literature.siblings(run, summarised), run], out, run)
        pooled = found["pooled"]["confusion"]
        beside.tables([tables["classes"], tables["sexes"], comparison, apart, claims])
        beside.tables([measured.confusion(stored, pooled, "confusion")])
        plots["comparison"] = Markup(
            beside.figure(figures.bars(literature.bars(entries, run), "% accuracy or UAR, as named"), "comparison")
        )
        beside.figure(figures.confusion(f"{stored.title}, all folds", stored.classes, [("", pooled)]), "confusion")
    panels = [(record, results.read_curves(stored.path, record["fold"])) for record in found["folds"]]
    beside.figure(figures.curves(panels, stored.title), "curves")
    by_fold = [(f"fold {record['fold']}", record["confusion"]) for record in found["folds"]]
    beside.figure(figures.confusion(stored.title, stored.classes, by_fold), "confusion_folds")
    gallery = [album.pictures[key] for key in album.gallery]
    best = literature.best(entries, run) if whole else None
    page = out / results.PAGE
    write(
        page,
        "run.html.jinja",
        title=stored.title,
        record=stored.record,
        summary=found,
        unfinished=words.unfinished(stored, found),
        verdict=words.verdict(found, best) if whole else "",
        warnings=words.warnings(stored, found),
        facts=words.facts(stored, found),
        tables=tables,
        plots=plots,
        curves=[
            (record, Markup(svg(figures.curves([(record, history)]), f"curves_{record['fold']}")))
            for record, history in panels[:MOST_PANELS]
        ],
        unshown=max(0, len(panels) - MOST_PANELS),
        has_validation=any(not np.isnan(history["validation_loss"]).all() for _, history in panels),
        matrix=Matrix("all folds", stored.classes, found["pooled"]["confusion"]) if whole else None,
        matrices=[Matrix(name, stored.classes, counts) for name, counts in by_fold[:MOST_PANELS]],
        comparison=comparison,
        apart=apart,
        claims=claims,
        images=album.pictures,
        cells={(one.speaker, one.emotion): one for one in gallery},
        pictured=list(dict.fromkeys(one.speaker for one in gallery)),
        emotions=_in_order_of_classes(stored, album),
        audible=any(one.audio for one in gallery),
        frequencies=f"from {words.frequencies(stored.record['recipe'])}",
        shared=leakage_lines(run.reports, speaker_independent=False)[1:],
        speakers=len({row["speaker"] for row in stored.rows}),
        why_not=album.why_not,
        silent=recordings is not None and not any(one.audio for one in gallery),
        leakage=leakage,
        results_name=stored.path.absolute().name,
        provenance=_provenance(stored),
    )
    return page


def _in_order_of_classes(stored: Stored, album: Album) -> list[str]:
    """Emotions of the gallery, as the classes that they are counted in."""
    place = {row["key"]: stored.classes.index(row["true"]) for row in stored.rows}
    return list(dict.fromkeys(album.pictures[key].emotion for key in sorted(album.gallery, key=lambda key: place[key])))


def _provenance(stored: Stored) -> list[tuple[str, str]]:
    """What made the results, by name."""
    record = stored.record
    caches = "; ".join(f"{one['corpus']} {one['cache']}, fingerprint {one['fingerprint']}" for one in record["corpora"])
    versions = ", ".join(f"{name} {version}" for name, version in (record.get("versions") or {}).items())
    known = [
        ("results", stored.path.absolute().name),
        ("command", record.get("command")),
        ("begun", record.get("created")),
        ("by", record.get("by")),
        ("revision", record.get("revision")),
        ("versions", versions),
        ("platform", f"{record.get('platform')}, {record.get('processors')} processors"),
        ("caches", caches),
        ("recipe", json.dumps({key: value for key, value in record["recipe"].items() if key != "colour_table"})),
        ("split", f"SHA-256 {record['split_hash']}"),
        ("repeated", _repeated(stored.path)),
        ("settings", "; ".join(f"{key}={value}" for key, value in stored.config.items())),
    ]
    return [(name, str(value)) for name, value in known if value]


def _repeated(path: Path) -> str:
    """What `wser.run --repeat` found, empty where it has not been run."""
    try:
        return str(json.loads((path / results.REPEAT / results.VERDICT).read_text())["verdict"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
