"""The page of a sweep."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

from markupsafe import Markup
from msgspec import Meta

from precompute.common.errors import few, reason
from precompute.common.html.plot import svg
from precompute.common.reading import UnreadableError, read_json, typed
from wser import results
from wser.config.schema import as_text
from wser.evaluation.caveats import together
from wser.evaluation.published import LiteratureResult
from wser.evaluation.sweeps import Point, Setting, Sweep
from wser.evaluation.uncertainty import spread
from wser.execution.progress import duration
from wser.reports import figures
from wser.reports.html import glossary, literature, rivals, words
from wser.reports.html.opened import SummarisedRun, summarised
from wser.reports.html.table import Column, Link, Table
from wser.reports.html.write import PageFiles, write
from wser.results import ResultError

MOST_NUMBERS = 10
"""Folds that a sentence names."""


class _Point(TypedDict):
    directory: str
    values: dict[str, Any]


class _Record(TypedDict):
    """What sweep.json has to hold."""

    axes: dict[str, list[Any]]
    points: Annotated[list[_Point], Meta(min_length=1)]
    command: str
    titles: list[str]
    fusions: NotRequired[list[str]]


def write_page(path: Path, runs: Sequence[SummarisedRun], out: Path, entries: Sequence[LiteratureResult]) -> Path:
    """Write the page of a sweep, its figure and its tables.

    Args:
        path: Directory of the sweep.
        runs: Of its points, in their order, as `opened` gives them.
        out: Directory of the page.
        entries: Published results, for what the paper reports of its network.

    Returns:
        The page.

    Raises:
        ResultError: The sweep is damaged or gone; one sentence says which, and the remedy.
    """
    record = _read(path)
    points = [
        Point(point["values"], str(run.stored.path), run.summary, results.task(run.stored.record), run.caveats)
        for point, run in zip(record["points"], runs, strict=True)
    ]
    swept = Sweep(list(record["axes"]), points)
    unfinished = [run for run in runs if not run.whole]
    caveats = together((Path(point.directory).name, point.caveats) for point in swept.points)
    beside = PageFiles(out, caveats)
    table = _points(swept, runs, out)
    over_seeds = _over_seeds(swept) if not unfinished else None
    # Beside what the paper reports: runs of a preset's own values, and the chosen setting.
    telling = [
        run
        for run, point in zip(runs, points, strict=True)
        if run.whole and (not words.changes(run.stored) or (not unfinished and swept.is_best(point)))
    ]
    claims = literature.claims(entries, telling, out)
    models = rivals.tables(entries, runs, out)
    beside.tables([table, over_seeds, claims, *models])
    fusions = [_fusion(summarised(_place(path, directory)), out) for directory in record.get("fusions", ()) if not unfinished]
    titles = record["titles"]
    what = titles[0] if len(titles) == 1 else f"{len(titles)} tasks"
    page = out / results.PAGE
    write(
        page,
        "sweep.html.jinja",
        title=f"Sweep over {', '.join(swept.titles())}: {what}",
        axes=[(axis, ", ".join(map(as_text, _in_order(values)))) for axis, values in record["axes"].items()],
        command=record["command"],
        unfinished=[f"{run.stored.path.name}, folds {few(run.summary['missing'], MOST_NUMBERS)}" for run in unfinished],
        points=len(points),
        fusions=fusions,
        best=[] if unfinished else [_chosen(swept, setting) for setting in swept.best],
        obstacle="" if unfinished else swept.obstacle or "",
        unchosen=None if unfinished or swept.best else _unchosen(swept),
        remedy="" if unfinished or fusions or not swept.obstacle else _with_validation(swept, record["command"]),
        table=table,
        over_seeds=over_seeds,
        claims=claims,
        models=models,
        plots=[] if unfinished else _plots(swept, beside),
        warnings=[*caveats, *(f"{note}." for run in runs for note in run.notes)],
        seconds=duration(sum(run.summary["seconds"] for run in runs)),
        results_name=path.resolve().name,
        glossary=glossary.entries(("UAR", "Chance", "Accuracy", "Macro F1", "Fold", "Protocol", "Interval")),
    )
    return page


def _fusion(run: SummarisedRun, page: Path) -> dict[str, Any]:
    """What is shown of a fusion of runs of the sweep."""
    uar, low, high = run.metrics[:3]
    return {
        "title": run.stored.title, "runs": len(run.stored.record["fused"]), "uar": uar, "interval": (low, high),
        "name": run.stored.path.name, "href": results.page_link(run.stored.path, page),
    }  # fmt: skip


def _in_order(values: Sequence[Any]) -> Sequence[Any]:
    return sorted(values) if figures.are_numbers(values) else values


def _axis(swept: Sweep, axis: str, title: str) -> tuple[Column, list[Any]]:
    """A column of an axis, and its value for each point: numbers as such, which sort as numbers."""
    values = [point.values[axis] for point in swept.points]
    return (Column(title, "ordinal"), values) if figures.are_numbers(values) else (Column(title), swept.labels(axis))


def _plots(whole: Sweep, beside: PageFiles) -> list[tuple[str, Markup]]:
    """A plot for each axis, to stand in the page; and all of them in a row, in the files."""
    beside.figure(figures.sweep(whole), "axes")
    titles = dict(zip(whole.axes, whole.titles(), strict=True))
    return [
        (titles[axis], Markup(svg(figures.sweep(whole, axis), f"axis_{number}")))
        for number, axis in enumerate(figures.swept_axes(whole))
    ]


def opened(path: Path) -> list[SummarisedRun]:
    """The runs of a sweep, in the order of its points.

    Args:
        path: Directory of the sweep.

    Raises:
        ResultError: The sweep or one of its runs is damaged or gone; one sentence says which, and the remedy.
    """
    return [summarised(_place(path, point["directory"])) for point in _read(path)["points"]]


def _read(path: Path) -> _Record:
    file = path / results.SWEEP
    try:
        record = typed(read_json(file, path), _Record)
        if any(record["axes"].keys() - point["values"].keys() for point in record["points"]):
            raise UnreadableError("a point lacks the value of an axis")
    except (OSError, UnreadableError) as error:
        raise ResultError(
            f"{file} is damaged or foreign ({reason(error)}): run the command of the sweep again, which writes it again"
        ) from None
    return record


def earlier_fusions(path: Path) -> list[str]:
    """Fusions of the runs of a sweep that its record names and that are still there; none where the record cannot be read."""
    try:
        return [fusion for fusion in _read(path).get("fusions", ()) if _beside(path, fusion).is_dir()]
    except ResultError:
        return []


def _beside(sweep: Path, directory: str) -> Path:
    return sweep.resolve().parent / Path(directory).name


def _place(sweep: Path, directory: str) -> Path:
    """Where a point's results are: beside the sweep, even after all of them were moved."""
    beside = _beside(sweep, directory)
    if not beside.is_dir():
        raise ResultError(f"{beside}, a run of {sweep}, is missing: restore it, or run the command of the sweep again")
    return beside


def _points(swept: Sweep, runs: Sequence[SummarisedRun], page: Path) -> Table:
    axes = [_axis(swept, axis, title) for axis, title in zip(swept.axes, swept.titles(), strict=True)]
    columns = [Column("run"), *(column for column, _ in axes)]
    columns += [
        Column("folds"), Column("validation UAR %", "percent", bar=True), Column("test UAR %", "percent", bar=True),
        Column("from", "percent"), Column("to", "percent"), Column("accuracy %", "percent"), Column("macro F1 %", "percent"),
        Column("epoch", "count"), Column("seconds to it", "seconds"), Column("seconds", "seconds"),
    ]  # fmt: skip
    rows = []
    for run, values in zip(runs, zip(*(cells for _, cells in axes), strict=True), strict=True):
        href = results.page_link(run.stored.path, page)
        name = run.stored.path.name
        count = run.stored.record["folds"]
        rows.append([Link(name, href) if href else name, *values, f"{len(run.stored.folds)} of {count}", *_metrics(run)])
    best = frozenset(at for at, point in enumerate(swept.points) if all(run.whole for run in runs) and swept.is_best(point))
    chosen = "the one that was chosen" if any(run.summary["validation"] for run in runs) else "the one that was tested"
    return Table("points", "Settings", columns, rows, strong=best).explained(
        ("from", "From, to: 95 % interval of the test UAR over speakers."),
        ("epoch", f"Epoch: {chosen}, mean of folds."),
        ("seconds to it", "Seconds to it: of training up to that epoch."),
    )


def _metrics(run: SummarisedRun) -> list[Any]:
    """Validation and test metrics and cost; only the cost where a fold is missing."""
    summary = run.summary
    if not run.whole:
        return [None] * 8 + [summary["seconds"]]
    validation = summary["validation"]
    # What is fitted at once has no epochs.
    cost = [round(summary["epoch"], 1), summary["seconds_to_epoch"]] if words.is_network(summary) else [None, None]
    return [
        validation["uar"] if validation else None, *run.metrics, *cost, summary["seconds"],
    ]  # fmt: skip


def _over_seeds(swept: Sweep) -> Table | None:
    """Mean and standard deviation over seeds of each setting that has several; None where none has."""
    several = sorted((setting for setting in swept.settings if len(setting.points) > 1), key=_numbers)
    if not several:
        return None
    axes = [_axis(swept, axis, title) for axis, title in zip(swept.axes, swept.titles(), strict=True) if axis != "seed"]
    columns = [
        *(column for column, _ in axes), Column("seeds", "count"), Column("validation UAR %", "percent", bar=True),
        Column("SD", "percent"), Column("test UAR %", "percent", bar=True), Column("SD", "percent"),
    ]  # fmt: skip
    rows = []
    for setting in several:
        at = next(i for i, point in enumerate(swept.points) if point is setting.points[0])
        summaries = [point.summary for point in setting.points]
        validations = [summary["validation"] for summary in summaries]
        validation = _spread(validations) if all(validations) else [None, None]
        test = _spread([summary["pooled"] for summary in summaries])
        rows.append([*(cells[at] for _, cells in axes), len(summaries), *validation, *test])
    strong = frozenset(at for at, setting in enumerate(several) if any(setting is chosen for chosen in swept.best))
    return Table("seeds", "Mean over seeds", columns, rows, strong=strong).explained(
        ("SD", "SD: standard deviation over seeds (n - 1).")
    )


def _numbers(setting: Setting) -> list[float]:
    """The values of a setting that are numbers, by which rows are ordered."""
    return [float(value) for value in setting.values.values() if figures.are_numbers([value])]


def _spread(records: list[dict[str, Any]]) -> list[float]:
    over_seeds = spread(records)
    return [over_seeds["mean"]["uar"], over_seeds["deviation"]["uar"]]


def _unchosen(swept: Sweep) -> dict[str, Any] | None:
    """Test metrics of a sweep without a best setting, none put before another; None where tasks differ, whose metrics do too.

    Of seeds alone it is their mean and standard deviation, else the lowest and the highest setting.
    """
    if len({point.task for point in swept.points}) > 1:
        return None
    settings, summaries = swept.settings, [point.summary for point in swept.points]
    tests = sorted(setting.test for setting in settings)
    over_seeds = _spread([summary["pooled"] for summary in summaries]) if len(settings) == 1 < len(summaries) else None
    return {
        "over_seeds": over_seeds, "range": (tests[0], tests[-1]), "settings": len(settings), "runs": len(summaries),
        "averaged": len(settings) < len(summaries), "chance": summaries[0]["chance"],
    }  # fmt: skip


def _with_validation(swept: Sweep, command: str) -> str:
    """The command of a sweep with validation sets; empty where these are not what it lacks, or its command says no more."""
    lacking = [point.summary for point in swept.points if not point.summary["validation"]]
    if (
        not swept.choices
        or not lacking
        or "selection" in swept.axes
        or any(summary.get("selection") == "validation" for summary in lacking)
    ):
        return ""
    try:
        kept = [word for word in shlex.split(command) if not word.startswith("selection=")]
    except ValueError:  # no command of a shell
        return ""
    return shlex.join([*kept, "selection=validation"])


def _chosen(swept: Sweep, setting: Setting) -> dict[str, Any]:
    """A best setting in words, and its metrics."""
    at = next(i for i, point in enumerate(swept.points) if point is setting.points[0])
    titles = dict(zip(swept.axes, swept.titles(), strict=True))
    named = ", ".join(f"{titles[axis]} {swept.labels(axis)[at]}" for axis in swept.axes if axis != "seed")
    return {
        "named": named, "validation": setting.validation, "test": setting.test, "seeds": len(setting.points),
        "seconds": duration(setting.seconds),
    }  # fmt: skip
