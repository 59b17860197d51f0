"""Figures of one experiment and of a sweep, as PNG."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from wser import results
from wser.reports.sweep import Point, Setting, Sweep

matplotlib.use("Agg")
from matplotlib import pyplot as plt

DPI = 150
PANELS_IN_ROW = 5

PARTS = {"validation": ("#0072B2", "o", -1), "test": ("#D55E00", "s", 1)}
"""Colour, marker and side of each part in the figure of a sweep: Okabe and Ito's blue and vermilion."""

BESIDE = 0.07
"""Distance of a part's marks from the place of their value, where values stand about one apart."""

DECADE = 10
"""Numbers that span more than this factor stand on a logarithmic axis."""


def confusion(path: Path, title: str, classes: list[str], summary: dict[str, Any]) -> None:
    """Draw the confusion matrix of all finished folds: shares of each true class, counts beneath.

    Args:
        path: PNG to write.
        title: Heading.
        classes: Names of the classes, by index.
        summary: Of the experiment.
    """
    counts = np.array(summary["pooled"]["confusion"])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 1.6 + 0.75 * len(classes)
    figure, axes = plt.subplots(figsize=(size + 0.8, size), layout="constrained")
    shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        share = shares[row, column]
        ink = "white" if share > 0.55 else "black"
        axes.text(column, row, f"{100 * share:.0f}", ha="center", va="bottom", color=ink, fontsize=11)
        axes.text(column, row, str(count), ha="center", va="top", color=ink, fontsize=8)
    axes.set_xticks(range(len(classes)), classes, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(f"{title}\n% of each true class, utterances beneath", fontsize=10, loc="left")
    figure.colorbar(shown, ax=axes, shrink=0.8, label="share of the true class")
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def curves(path: Path, title: str, run: Path, summary: dict[str, Any], selection: str) -> None:
    """Draw loss and accuracy by epoch, a column of two panels for each fold, the chosen epoch marked.

    Args:
        path: PNG to write.
        title: Heading.
        run: Directory of the experiment.
        summary: Of the experiment.
        selection: How the epoch was chosen; with `last` there may be no validation part to draw.
    """
    records = summary["folds"]
    longest = max(record["epochs"] for record in records)
    across = min(len(records), PANELS_IN_ROW)
    down = -(-len(records) // across)
    figure, grid = plt.subplots(
        2 * down,
        across,
        figsize=(max(7.5, 1.2 + 2.9 * across), 4.4 * down),
        sharex=True,
        sharey=False,
        squeeze=False,
        layout="constrained",
    )
    for axes in grid.ravel():
        axes.set_visible(False)
    for place, record in enumerate(records):
        history = results.read_curves(run, record["fold"])
        marker = "." if len(history["epoch"]) < 3 else None
        for offset, (quantity, scale) in enumerate((("loss", 1), ("accuracy", 100))):
            axes = grid[2 * (place // across) + offset, place % across]
            axes.set_visible(True)
            for part, colour in (("train", "tab:grey"), ("validation", "tab:blue")):
                values = scale * np.array(history[f"{part}_{quantity}"])
                label = "training" if part == "train" else "test" if selection == "test" else "validation"
                if not np.isnan(values).all():
                    axes.plot(history["epoch"], values, color=colour, label=label, marker=marker)
            axes.axvline(record["epoch"], color="tab:orange", linestyle="--", linewidth=1, label="chosen epoch")
            axes.set_ylabel("loss" if quantity == "loss" else "accuracy, %")
            axes.grid(alpha=0.3)
            if quantity == "loss":
                axes.set_title(f"fold {record['fold']}", fontsize=10)
            else:
                axes.set(ylim=(0, 100), xlim=(0, longest + 1), xlabel="epoch")
                axes.xaxis.get_major_locator().set_params(integer=True)
                # The panel below may be empty, and then shows no labels for this one.
                axes.tick_params(labelbottom=True)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def sweep(path: Path, title: str, found: Sweep) -> None:
    """Draw validation and test UAR by each axis of a sweep, a panel for each but the seed, over which they are averaged.

    Args:
        path: PNG to write.
        title: Heading.
        found: The sweep; its best settings are ringed.
    """
    keys = [axis for axis in found.axes if axis != "seed"] or ["seed"]
    names = dict(zip(found.axes, found.titles(), strict=True))
    wide = max(7.0, 3.8 * len(keys))
    figure, grid = plt.subplots(1, len(keys), figsize=(wide, 4.8), sharey=True, squeeze=False, layout="constrained")
    for axes, key in zip(grid[0], keys, strict=True):
        labels = [f"{len(found.points)} seeds"] * len(found.points) if key == "seed" else found.labels(key)
        values = {label: one.values[key] for label, one in zip(labels, found.points, strict=True)}
        places, kind = _places(list(values.values()))
        place = dict(zip(values, places, strict=True))
        at = [place[label] for label in labels]
        for part in PARTS:
            _draw_part(axes, part, found.points, at, connected=kind != "names")
        _ring(axes, found.best, found.points, at)
        for chance in sorted({one.summary["chance"] for one in found.points}):
            axes.axhline(100 * chance, color="0.45", linestyle=":", linewidth=1.2, label="chance")
        crowded = sum(map(len, values)) > 30 / len(keys) + 6
        axes.set_xticks(places, list(values), **({"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if crowded else {}))
        axes.set_xlim(places[0] - 0.5, places[-1] + 0.5)
        axes.set_xlabel(names[key] + (" (log scale)" if kind == "logarithms" else ""))
        axes.grid(axis="y", alpha=0.3)
    grid[0, 0].set_ylabel("UAR, %")
    handles = {label: handle for axes in grid[0] for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)
    figure.suptitle("\n".join(textwrap.wrap(title, round(13 * wide))), fontsize=10, x=0.01, ha="left")
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def _places(values: Sequence[Any]) -> tuple[list[float], str]:
    """Where the values of an axis stand, about one apart, and whether as logarithms, numbers in a row, or names."""
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return [float(i) for i in range(len(values))], "names"
    if min(values) > 0 and max(values) / min(values) > DECADE:
        logarithms = np.log10(values)
        return list((logarithms - logarithms.min()) * (len(values) - 1) / np.ptp(logarithms)), "logarithms"
    return [float(i) for i in range(len(values))], "numbers"


def _draw_part(axes: Any, part: str, points: Sequence[Point], at: Sequence[float], connected: bool) -> None:
    """One part's UAR: means at each place, and the points where there are several, else the test part's intervals."""
    colour, marker, side = PARTS[part]
    beside = BESIDE * side
    metrics = "validation" if part == "validation" else "pooled"
    drawn = [(x, point.summary) for x, point in zip(at, points, strict=True) if point.summary[metrics]]
    there = sorted({x for x, _ in drawn})
    means = [100 * np.mean([one[metrics]["uar"] for x, one in drawn if x == place]) for place in there]
    several = len({*at}) < len(points)
    if several:
        shown = [100 * one[metrics]["uar"] for _, one in drawn]
        axes.scatter([x + beside for x, _ in drawn], shown, s=12, color=colour, alpha=0.4, linewidths=0, label="single points")
    elif part == "test":
        for x, one in drawn:
            if one["interval"]:
                axes.vlines(x + beside, *(100 * end for end in one["interval"]["uar"]), color=colour, alpha=0.6)
    label = f"{part}, mean" if several else f"{part}, 95 % interval" if part == "test" else part
    line = "-" if connected else ""
    axes.plot(np.array(there) + beside, means, marker=marker, linestyle=line, color=colour, label=label, markersize=6)


def _ring(axes: Any, best: Sequence[Setting], points: Sequence[Point], at: Sequence[float]) -> None:
    """Mark the figures of the best settings."""
    for setting in best:
        x = next(place for place, point in zip(at, points, strict=True) if point is setting.points[0])
        for part, uar in (("validation", setting.validation), ("test", setting.test)):
            axes.plot(
                x + BESIDE * PARTS[part][2],
                100 * uar,
                marker="o",
                markersize=13,
                markerfacecolor="none",
                markeredgecolor="black",
                linestyle="",
                label="best by validation",
            )
