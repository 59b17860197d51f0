"""Tables on the terminal."""

from typing import Any

from rich.table import Table

from wser.reports.summary import HEADLINES

MOST_SPEAKERS = 4
"""Speakers that a row names; protocols that hold out utterances have all of them."""


def fold_table(title: str, summary: dict[str, Any], selection: str) -> Table:
    """One row for each finished fold, then mean and standard deviation, then all predictions pooled.

    Args:
        title: Heading.
        summary: Of an experiment, as `wser.reports.summary.summarise` gives it.
        selection: On which part the epoch was chosen; figures chosen on the test part are marked in the caption.
    """
    table = Table(title=title, caption=_caption(summary, selection), title_justify="left", caption_justify="left")
    table.add_column("fold")
    table.add_column("test speakers", overflow="fold")
    for name in ("utterances", "UAR %", "accuracy %", "macro F1 %", "epoch", "seconds"):
        table.add_column(name, justify="right")
    for record in summary["folds"]:
        speakers = record["speakers"]["test"]
        named = ", ".join(speakers) if len(speakers) <= MOST_SPEAKERS else f"{len(speakers)} speakers"
        cost = [str(record["epoch"]), f"{record['seconds']:.0f}"]
        table.add_row(str(record["fold"]), named, str(record["utterances"]), *_percents(record), *cost)
    table.add_section()
    if deviation := summary["deviation"]:
        spread = [f"{100 * summary['mean'][name]:.1f} ± {100 * deviation[name]:.1f}" for name in HEADLINES]
        table.add_row("mean ± SD", "", "", *spread, "", "")
    pooled = summary["pooled"]
    table.add_row("pooled", "", str(pooled["utterances"]), *_percents(pooled), "", f"{summary['seconds']:.0f}", style="bold")
    return table


def sweep_table(title: str, axes: list[str], points: list[tuple[list[str], dict[str, Any]]]) -> Table:
    """One row for each point of a sweep: its settings and the metrics of its finished folds, pooled.

    Args:
        title: Heading.
        axes: Keys that differ between the points.
        points: Values of those keys, and summary, of each point.
    """
    table = Table(title=f"Sweep: {title}", title_justify="left")
    for axis in axes:
        table.add_column(axis)
    for name in ("folds", "UAR %", "accuracy %", "macro F1 %", "seconds"):
        table.add_column(name, justify="right")
    for values, summary in points:
        folds = f"{len(summary['folds'])} of {len(summary['folds']) + len(summary['missing'])}"
        table.add_row(*values, folds, *_percents(summary["pooled"]), f"{summary['seconds']:.0f}")
    return table


def _caption(summary: dict[str, Any], selection: str) -> str:
    lines = [f"UAR: unweighted average recall; chance {100 * summary['chance']:.1f} %."]
    if selection == "test":
        lines.append("SELECTED ON THE TEST PART, as the paper's figures: flattering, not comparable with honest runs.")
    if diverged := [str(record["fold"]) for record in summary["folds"] if record["diverged"]]:
        lines.append(f"DIVERGED: the loss of folds {', '.join(diverged)} became infinite, and training stopped there.")
    if summary["missing"]:
        lines.append(f"UNFINISHED: folds {', '.join(map(str, summary['missing']))} are missing from every figure.")
    return "\n".join(lines)


def _percents(metrics: dict[str, Any]) -> list[str]:
    return [f"{100 * metrics[name]:.1f}" for name in HEADLINES]
