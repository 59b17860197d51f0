"""Tables on the terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from wser.reports.uncertainty import FEW_SPEAKERS, HEADLINES, Difference

if TYPE_CHECKING:
    from wser.repeat import FoldVerdict

MOST_SPEAKERS = 4
"""Speakers that a row names; protocols that hold out utterances have all of them."""

NAMES = {"uar": "UAR", "accuracy": "accuracy", "macro_f1": "macro F1"}


def fold_table(title: str, summary: dict[str, Any], selection: str) -> Table:
    """One row for each finished fold, mean and standard deviation, all predictions pooled with an interval, then references.

    Args:
        title: Heading.
        summary: Of an experiment, as `wser.reports.summary.summarise` gives it.
        selection: On which part the epoch was chosen; figures chosen on the test part are marked in the caption.
    """
    table = Table(title=title, caption=_caption(summary, selection), title_justify="left", caption_justify="left")
    table.add_column("fold")
    table.add_column("test speakers", overflow="fold")
    for name in ("utterances", *_headings(), "epoch", "seconds"):
        table.add_column(name, justify="right")
    for record in summary["folds"]:
        speakers = record["speakers"]["test"]
        named = ", ".join(speakers) if len(speakers) <= MOST_SPEAKERS else f"{len(speakers)} speakers"
        cost = [str(record["epoch"]), f"{record['seconds']:.0f}"]
        table.add_row(str(record["fold"]), named, str(record["utterances"]), *_percents(record), *cost)
    table.add_section()
    if summary["deviation"]:
        table.add_row("mean ± SD", "", "", *_spreads(summary))
    pooled = summary["pooled"]
    cost = ["", f"{summary['seconds']:.0f}"]
    table.add_row("pooled", _count(summary["speakers"]), str(pooled["utterances"]), *_percents(pooled), *cost, style="bold")
    if summary["interval"]:
        table.add_row("95 % interval", "", "", *(ends(summary["interval"][name]) for name in HEADLINES))
    table.add_section()
    for name, uar, accuracy in _references(summary):
        table.add_row(name, "", "", uar, accuracy)
    return table


def sweep_table(
    title: str,
    axes: list[str],
    points: Sequence[tuple[list[str], dict[str, Any]]],
    seeds: Sequence[tuple[list[str], dict[str, Any]]] = (),
) -> Table:
    """One row for each point of a sweep: its settings and the metrics of its finished folds, pooled; then those over seeds.

    Args:
        title: Heading.
        axes: Keys that differ between the points.
        points: Values of those keys, and summary, of each point.
        seeds: Likewise of points that differ in their seed alone: mean and standard deviation of their pooled metrics.
    """
    table = Table(title=f"Sweep: {title}", title_justify="left", caption_justify="left")
    for axis in axes:
        table.add_column(axis)
    for name in ("folds", *_headings(), "seconds"):
        table.add_column(name, justify="right")
    for values, summary in points:
        folds = f"{len(summary['folds'])} of {len(summary['folds']) + len(summary['missing'])}"
        table.add_row(*values, folds, *_percents(summary["pooled"]), f"{summary['seconds']:.0f}")
    if seeds:
        table.caption = "Over seeds: mean ± SD of the pooled figures."
        table.add_section()
    for values, found in seeds:
        table.add_row(*values, "", *_spreads(found), style="bold")
    return table


def comparison_table(
    title: str,
    runs: Sequence[tuple[str, dict[str, float], dict[str, tuple[float, float]] | None]],
    against_first: Sequence[tuple[str, dict[str, Difference]]],
) -> Table:
    """For each headline figure, one row for each run, then one for each difference from the first run.

    Args:
        title: Heading.
        runs: Name, headline figures and their intervals of each run.
        against_first: Name of each difference from the first run, and what it is.
    """
    table = Table(title=title, title_justify="left")
    table.add_column("")
    table.add_column("run")
    for name in ("%", "95 % interval", "p"):
        table.add_column(name, justify="right")
    for key in HEADLINES:
        heading = NAMES[key]
        for name, figures, intervals in runs:
            table.add_row(heading, name, f"{100 * figures[key]:.1f}", ends(intervals[key]) if intervals else "")
            heading = ""
        for name, found in against_first:
            one = found[key]
            table.add_row("", name, f"{100 * one.value:+.1f}", ends(one.interval), p_value(one.p), style="bold")
        table.add_section()
    return table


def repeat_table(title: str, folds: "Sequence[FoldVerdict]") -> Table:
    """One row for each fold of a run that was repeated.

    Args:
        title: Heading.
        folds: What became of each.
    """
    table = Table(title=title, title_justify="left")
    table.add_column("fold")
    table.add_column("predictions")
    for name in ("UAR % then", "now", "epoch then", "now", "classes differ", "largest difference", "seconds then", "now"):
        table.add_column(name, justify="right")
    for one in folds:
        table.add_row(
            str(one.fold),
            "same" if one.same else "differ",
            *(f"{100 * uar:.1f}" for uar in one.uar),
            *map(str, one.epoch),
            f"{one.labels_differ} of {one.predictions}",
            f"{one.largest_difference:g}",
            *(f"{seconds:.0f}" for seconds in one.seconds),
        )
    return table


def ends(interval: Sequence[float] | None) -> str:
    """Both ends of an interval in percent, nothing where there is none."""
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}" if interval else ""


def p_value(p: float) -> str:
    """A p-value with as many digits as it deserves."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def _references(summary: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, UAR and accuracy of what the figures are held against."""
    majority = summary["majority"]
    chance = f"{100 * summary['chance']:.1f}"
    rows = [
        ("chance", chance, chance),
        (f"always {majority['class']}", f"{100 * majority['uar']:.1f}", f"{100 * majority['accuracy']:.1f}"),
    ]
    return rows + [(f"listeners, {one['corpus']}", "", f"{100 * one['accuracy']:.0f}") for one in summary["human"]]


def _caption(summary: dict[str, Any], selection: str) -> str:
    lines = ["UAR: unweighted average recall."]
    if summary["interval"]:
        few = "; with so few it is rather too narrow" if summary["speakers"] < FEW_SPEAKERS else ""
        lines.append(f"95 % interval: bootstrap over the {_count(summary['speakers'])} of the test parts{few}.")
    lines += [
        f"Listeners: {one['classes']} emotions, all recordings of the corpus; {one['source']}." for one in summary["human"]
    ]
    if selection == "test":
        lines.append("SELECTED ON THE TEST PART, as the paper's figures: flattering, not comparable with honest runs.")
    if diverged := [str(record["fold"]) for record in summary["folds"] if record["diverged"]]:
        lines.append(f"DIVERGED: the loss of folds {', '.join(diverged)} became infinite, and training stopped there.")
    if summary["missing"]:
        lines.append(f"UNFINISHED: folds {', '.join(map(str, summary['missing']))} are missing from every figure.")
    return "\n".join(lines)


def _headings() -> list[str]:
    return [f"{NAMES[name]} %" for name in HEADLINES]


def _count(speakers: int) -> str:
    return f"{speakers} speaker{'s' * (speakers != 1)}"


def _percents(metrics: dict[str, Any]) -> list[str]:
    return [f"{100 * metrics[name]:.1f}" for name in HEADLINES]


def _spreads(found: dict[str, Any]) -> list[str]:
    return [f"{100 * found['mean'][name]:.1f} ± {100 * found['deviation'][name]:.1f}" for name in HEADLINES]
