"""Tables on the terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precompute.common.errors import few
from precompute.common.tables import Column, Table
from wser.evaluation import caveats
from wser.evaluation.caveats import Caveat
from wser.evaluation.sweeps import Setting, Sweep
from wser.evaluation.uncertainty import FEW_SPEAKERS, HEADLINES, Difference, spread

if TYPE_CHECKING:
    from wser.execution.repeat import FoldVerdict
    from wser.reports.bundle import Verdict

MOST_SPEAKERS = 4
"""Speakers that a row names; protocols that hold out utterances have all of them."""

MOST_FOLDS = 10
"""Missing folds that the caption names."""

NAMES = {"uar": "UAR", "accuracy": "accuracy", "macro_f1": "macro F1"}


def fold_table(title: str, summary: dict[str, Any], caveats: Sequence[Caveat] = ()) -> Table:
    """One row for each finished fold, mean and standard deviation, all predictions pooled with an interval, then references.

    As long as folds are missing, nothing is averaged or pooled.

    Args:
        title: Heading.
        summary: Of an experiment, as `wser.reports.summary.summarise` gives it.
        caveats: Of its results, for the caption.
    """
    uar, accuracy, macro_f1 = _headings()
    columns = [
        Column("fold"),
        Column("test\nspeakers", spare=1, wraps=True),
        Column("utterances", right=True, spare=3),
        Column(uar, right=True),
        Column(accuracy, right=True),
        Column(macro_f1, right=True, spare=2),
        Column("epoch", right=True, spare=4),
        Column("seconds", right=True, spare=5),
    ]
    table = Table(title, columns, _caption(summary, caveats))
    for record in summary["folds"]:
        speakers = record["speakers"]["test"]
        named = ", ".join(speakers) if len(speakers) <= MOST_SPEAKERS else f"{len(speakers)} speakers"
        # What is fitted at once has no epochs.
        cost = [str(record["epoch"] or ""), f"{record['seconds']:.0f}"]
        table.add(str(record["fold"]), named, str(record["utterances"]), *_percents(record), *cost)
    table.section()
    if not summary["missing"]:
        if summary["deviation"]:
            table.add("mean ± SD", "", "", *_spreads(summary))
        pooled = summary["pooled"]
        cost = ["", f"{summary['seconds']:.0f}"]
        table.add("pooled", _count(summary["speakers"]), str(pooled["utterances"]), *_percents(pooled), *cost, strong=True)
        if summary["interval"]:
            table.add("95 % interval", "", "", *(ends(summary["interval"][name]) for name in HEADLINES))
        table.section()
    for name, *references in _references(summary):
        table.add(name, "", "", *references)
    return table


def sweep_table(title: str, sweep: Sweep) -> Table:
    """One row for each point of a sweep: its settings and the metrics of its finished folds, pooled; then those over seeds.

    Args:
        title: Heading.
        sweep: Its points; the best setting is marked, and named in the caption.
    """
    metrics = [
        ("folds", 4), ("validation\nUAR %", 0), ("test\nUAR %", 0), ("95 %\ninterval", 2), ("accuracy\n%", 5),
        ("macro\nF1 %", 6), ("epoch", 7), ("seconds\nto it", 8), ("seconds", 3),
    ]  # fmt: skip
    columns = [
        Column(""),
        *(Column(axis, wraps=True) for axis in sweep.titles()),
        *(Column(name, right=True, spare=spare) for name, spare in metrics),
        Column("run", spare=9),
    ]
    table = Table(f"Sweep: {title}", columns)
    labels = [sweep.labels(axis) for axis in sweep.axes]
    several = [setting for setting in sweep.settings if len(setting.points) > 1]
    for point, values in zip(sweep.points, zip(*labels, strict=True), strict=True):
        alone = not any(point is member for setting in several for member in setting.points)
        _add_marked(table, alone and sweep.is_best(point), [*values, *_point(point.summary), Path(point.directory).name])
    table.section()
    for setting in several:
        if len({point.folds for point in setting.points}) == 1:
            at = next(i for i, point in enumerate(sweep.points) if point is setting.points[0])
            over = [
                f"{len(setting.points)} seeds" if axis == "seed" else label[at]
                for axis, label in zip(sweep.axes, labels, strict=True)
            ]
            _add_marked(table, any(setting is chosen for chosen in sweep.best), [*over, "", *_over_seeds(setting)])
    to_epoch = " seconds to it: up to the chosen epochs." if any(point.summary["epoch"] for point in sweep.points) else ""
    lines = [*sweep.sentences(), f"95 % interval: of the test UAR, bootstrap over speakers.{to_epoch}"]
    if several:
        lines.append("Over seeds: mean ± SD of the pooled metrics.")
    lines += map(str, caveats.together((Path(point.directory).name, point.caveats) for point in sweep.points))
    table.caption = lines
    return table


def comparison_table(
    title: str,
    runs: Sequence[tuple[str, dict[str, float], dict[str, tuple[float, float]] | None]],
    against_first: Sequence[tuple[str, dict[str, Difference]]],
) -> Table:
    """For each headline figure, one row for each run, then one for each difference from the first run.

    Args:
        title: Heading.
        runs: Name, headline metrics and their intervals of each run.
        against_first: Name of each difference from the first run, and what it is.
    """
    numbers = (Column(name, right=True) for name in ("%", "95 % interval", "p"))
    table = Table(title, [Column("figure"), Column("run", wraps=True), *numbers])
    for key in HEADLINES:
        heading = NAMES[key]
        for name, metrics, intervals in runs:
            table.add(heading, name, f"{100 * metrics[key]:.1f}", ends(intervals[key]) if intervals else "")
        for name, differences in against_first:
            difference = differences[key]
            table.add(
                heading, name, f"{100 * difference.value:+.1f}", ends(difference.interval), p_value(difference.p), strong=True
            )
        table.section()
    return table


def verdict_table(verdict: "Verdict") -> Table:
    """Metrics of a bundle, recomputed from its predictions and as its files state them.

    Args:
        verdict: Of its verification.
    """
    pairs = [
        Column(heading, right=True, spare=2 * at + stated)
        for at, name in enumerate(HEADLINES)
        for stated, heading in enumerate((f"{NAMES[name]} %", f"{NAMES[name]}\nstated"))
    ]
    table = Table(verdict.title, [Column("fold"), Column("utterances", right=True, spare=6), *pairs])
    for row in verdict.rows:
        cells = [str(row.recomputed.utterances) if row.recomputed else ""]
        for name in HEADLINES:
            stated = (row.stated or {}).get(name)
            cells.append(f"{100 * getattr(row.recomputed, name):.1f}" if row.recomputed else "")
            cells.append(f"{100 * stated:.1f}" if isinstance(stated, int | float) and abs(stated) <= 1 else "")
        table.add(row.name, *cells, strong=row is verdict.rows[-1])
    return table


def repeat_table(title: str, folds: "Sequence[FoldVerdict]") -> Table:
    """One row for each fold of a run that was repeated.

    Args:
        title: Heading.
        folds: What became of each.
    """
    numbers = [
        ("UAR %\nthen", 0), ("UAR %\nnow", 0), ("epoch\nthen", 3), ("epoch\nnow", 3), ("classes\ndiffer", 1),
        ("largest\ndifference", 2), ("seconds\nthen", 4), ("seconds\nnow", 4),
    ]  # fmt: skip
    columns = [Column("fold"), Column("predictions"), *(Column(name, right=True, spare=spare) for name, spare in numbers)]
    table = Table(title, columns)
    for fold in folds:
        table.add(
            str(fold.fold),
            "same" if fold.same else "differ",
            *(f"{100 * uar:.1f}" for uar in fold.uar),
            *(str(epoch or "") for epoch in fold.epoch),
            f"{fold.labels_differ} of {fold.predictions}",
            f"{fold.largest_difference:g}",
            *(f"{seconds:.0f}" for seconds in fold.seconds),
        )
    return table


def ends(interval: Sequence[float] | None) -> str:
    """Both ends of an interval in percent, nothing where there is none."""
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}" if interval else ""


def p_value(p: float) -> str:
    """A p-value with as many digits as it deserves."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def _references(summary: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, UAR and accuracy of what the metrics are compared with."""
    majority = summary["majority"]
    chance = f"{100 * summary['chance']:.1f}"
    rows = [
        ("chance", chance, chance),
        (f"always {majority['class']}", f"{100 * majority['uar']:.1f}", f"{100 * majority['accuracy']:.1f}"),
    ]
    return rows + [
        (f"listeners, {listeners['corpus']}", "", f"{100 * listeners['accuracy']:.0f}") for listeners in summary["human"]
    ]


def _caption(summary: dict[str, Any], caveats: Sequence[Caveat]) -> list[str]:
    lines = ["UAR: unweighted average recall."]
    if summary["interval"] and not summary["missing"]:
        narrow = "; with so few it is somewhat too narrow" if summary["speakers"] < FEW_SPEAKERS else ""
        lines.append(f"95 % interval: bootstrap over the {_count(summary['speakers'])} of the test sets{narrow}.")
    lines += [
        f"Listeners: {listeners['classes']} emotions, all recordings of the corpus; {listeners['source']}."
        for listeners in summary["human"]
    ]
    lines += map(str, caveats)
    if summary["missing"]:
        named = few(summary["missing"], MOST_FOLDS)
        missing = f"folds {named} are" if len(summary["missing"]) > 1 else f"fold {named} is"
        lines.append(f"UNFINISHED: {missing} missing, so nothing is averaged or pooled.")
    return lines


def _headings() -> list[str]:
    return [f"{NAMES[name]} %" for name in HEADLINES]


def _add_marked(table: Table, marked: bool, cells: Sequence[str]) -> None:
    table.add("*" if marked else "", *cells, strong=marked)


def _point(summary: dict[str, Any]) -> list[str]:
    validation, interval = summary["validation"], summary["interval"]
    uar, accuracy, macro_f1 = _percents(summary["pooled"])
    return [
        f"{len(summary['folds'])} of {len(summary['folds']) + len(summary['missing'])}",
        f"{100 * validation['uar']:.1f}" if validation else "",
        uar,
        ends(interval["uar"]) if interval else "",
        accuracy,
        macro_f1,
        f"{summary['epoch']:.0f}" if summary["epoch"] else "",
        "" if summary["seconds_to_epoch"] is None or not summary["epoch"] else f"{summary['seconds_to_epoch']:.0f}",
        f"{summary['seconds']:.0f}",
    ]


def _over_seeds(setting: Setting) -> list[str]:
    summaries = [point.summary for point in setting.points]
    validations = [summary["validation"] for summary in summaries]
    validation = _spreads(spread(validations))[0] if all(validations) else ""
    uar, *others = _spreads(spread([summary["pooled"] for summary in summaries]))
    return [validation, uar, "", *others]


def _count(speakers: int) -> str:
    return f"{speakers} speaker{'s' * (speakers != 1)}"


def _percents(metrics: dict[str, Any]) -> list[str]:
    return [f"{100 * metrics[name]:.1f}" for name in HEADLINES]


def _spreads(over_seeds: dict[str, Any]) -> list[str]:
    return [f"{100 * over_seeds['mean'][name]:.1f} ± {100 * over_seeds['deviation'][name]:.1f}" for name in HEADLINES]
