"""Figures of one experiment and of a sweep; each is drawn in the style of `precompute.common.html.plot` and returned."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import LinearSegmentedColormap

from precompute.common.html.plot import FIRST, INK, PAPER, QUIET, SECOND, SOFT, STYLE, WIDTH
from wser.evaluation.sweeps import Point, Setting, Sweep

PANELS_IN_ROW = 5

MOST_CLASSES = 40
"""Of a confusion matrix that is drawn: with more, it cannot be read, and would take unlimited memory."""

MOST_PANELS, MOST_CELLS = 100, 10_000
"""Panels of a figure, and cells of all its confusion matrices together."""

QUANTITIES = {"loss": 1, "accuracy": 100}
"""What curves show, and by how much it is multiplied."""

MOST_BARS = 60
"""Bars of a group."""

SHARES = LinearSegmentedColormap.from_list("shares", [PAPER, FIRST])
"""From none to all, in the one colour that marks results."""

PARTS = {"validation": (FIRST, "o", -1), "test": (SECOND, "s", 1)}
"""Colour, marker and side of each part in the figure of a sweep: a blue and an orange that are not confused."""

BESIDE = 0.07
"""Distance of a part's marks from the place of their value, where values stand about one apart."""

LONGEST = 68
"""Characters above a bar."""

DECADE = 10
"""Numbers that span more than this factor stand on a logarithmic axis."""


def panels_drawn(classes: int) -> int:
    """Confusion matrices of so many classes that a figure holds; 0 where there are too many classes for one."""
    return min(MOST_PANELS, MOST_CELLS // classes**2) if classes <= MOST_CLASSES else 0


def confusion(title: str, classes: Sequence[str], panels: Sequence[tuple[str, Any]]) -> Any:
    """Draw confusion matrices: shares of each true class in per cent, and utterances below where there is one matrix alone.

    Args:
        title: Heading.
        classes: Names of the classes, by index.
        panels: Name and utterances (K, K) of each matrix, true classes as rows; as many as `panels_drawn` says.
    """
    alone = len(panels) == 1
    across = min(len(panels), PANELS_IN_ROW)
    down = -(-len(panels) // across)
    size = (0.62 if alone else 0.34) * len(classes)
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(
            down, across, figsize=(1.6 + (size + 0.3) * across, 1.5 + (size + 0.35) * down), squeeze=False, layout="constrained"
        )
        for axes in grid.ravel():
            axes.set_visible(False)
        for axes, (name, counts) in zip(grid.ravel(), panels, strict=False):
            axes.set_visible(True)
            counts = np.asarray(counts)
            shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
            axes.imshow(shares, cmap=SHARES, vmin=0, vmax=1)
            for (row, column), count in np.ndenumerate(counts):
                ink = PAPER if shares[row, column] > 0.55 else INK
                if alone:
                    axes.text(column, row, f"{100 * shares[row, column]:.0f}", ha="center", va="bottom", color=ink, fontsize=11)
                    axes.text(column, row, str(count), ha="center", va="top", color=ink, fontsize=8)
                elif count:
                    axes.text(column, row, f"{100 * shares[row, column]:.0f}", ha="center", va="center", color=ink, fontsize=7)
            axes.set_title("" if alone else name, fontsize=9)
            first, last = axes.get_subplotspec().is_first_col(), axes.get_subplotspec().is_last_row()
            axes.set_xticks(range(len(classes)), classes if last else [], rotation=45, ha="right", rotation_mode="anchor")
            axes.set_yticks(range(len(classes)), classes if first else [])
            axes.tick_params(length=0, labelsize=10 if alone else 8)
            axes.spines[:].set_visible(False)
        figure.supxlabel("predicted", fontsize=10)
        figure.supylabel("true", fontsize=10)
        below = "% of each true class" + (", utterances below" if alone else "")
        figure.suptitle(f"{title}\n{below}", fontsize=10, x=0.01, ha="left")
    return figure


def curves(panels: Sequence[tuple[dict[str, Any], dict[str, list[float]]]], title: str | None = None) -> Any:
    """Draw loss and accuracy by epoch, two panels for each fold, the chosen epoch marked.

    Args:
        panels: Metrics and curves of each fold, at most `MOST_PANELS`.
        title: Heading; without one, as in a page that has its own, there is no legend either.
    """
    across = min(len(panels), PANELS_IN_ROW)
    down = -(-len(panels) // across)
    longest = max(record["epochs"] for record, _ in panels)
    size = (1.2 + 2.9 * across, 4.4 * down) if title else (0.5 * WIDTH, 0.7 * WIDTH)
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(2 * down, across, figsize=size, squeeze=False, gridspec_kw={"hspace": 0.45, "wspace": 0.3})
        if title:
            figure.subplots_adjust(left=0.55 / size[0], right=1 - 0.15 / size[0], top=1 - 0.7 / size[1], bottom=0.85 / size[1])
        else:
            figure.subplots_adjust(left=0.34, right=0.96, top=0.97, bottom=0.17)
        for axes in grid.ravel():
            axes.set_visible(False)
        for place, (record, history) in enumerate(panels):
            for offset, quantity in enumerate(QUANTITIES):
                axes = grid[2 * (place // across) + offset, place % across]
                axes.set_visible(True)
                _curve(axes, quantity, record, history, longest)
                if quantity == "loss":
                    axes.set_title(f"fold {record['fold']}" if title else "", fontsize=10)
                    axes.set_xlabel("")
                    axes.tick_params(labelbottom=bool(title))
        if title:
            handles, labels = grid[0, 0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="lower center", ncols=3, frameon=False)
            figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    return figure


def curve(quantity: str, record: dict[str, Any], history: dict[str, list[float]]) -> Any:
    """Draw one quantity of one fold by epoch, to stand in a page.

    Args:
        quantity: One of `QUANTITIES`.
        record: Metrics of the fold.
        history: Its curves.
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(0.5 * WIDTH, 0.31 * WIDTH))
        figure.subplots_adjust(left=0.34, right=0.96, top=0.95, bottom=0.34)
        _curve(axes, quantity, record, history, record["epochs"])
    return figure


def _curve(axes: Any, quantity: str, record: dict[str, Any], history: dict[str, list[float]], longest: int) -> None:
    """Draw one quantity of one fold, up to an epoch, the chosen one marked."""
    scale = QUANTITIES[quantity]
    marker = "." if len(history["epoch"]) < 3 else None
    for part, colour in (("train", SOFT), ("validation", FIRST)):
        values = scale * np.array(history[f"{part}_{quantity}"])
        if not np.isnan(values).all():
            axes.plot(history["epoch"], values, color=colour, label=_part(part, record), marker=marker, lw=1.3)
    axes.axvline(record["epoch"], color=SECOND, linestyle="--", linewidth=1.2, label="chosen epoch")
    axes.set(xlim=(0, longest + 1), xlabel="epoch", ylabel="loss" if quantity == "loss" else "accuracy, %")
    axes.tick_params(labelsize=9)
    axes.grid()
    if quantity == "accuracy":
        axes.set_ylim(0, 100)
    axes.xaxis.get_major_locator().set_params(integer=True)


def _part(part: str, record: dict[str, Any]) -> str:
    return "training" if part == "train" else "test" if record["selection"] == "test" else "validation"


def bars(groups: Sequence[tuple[str, Sequence[tuple[str, float, tuple[float, float] | None, str]]]], xlabel: str) -> Any:
    """Draw horizontal bars with their values, in groups under headings.

    Args:
        groups: Heading, and bars, of which the first are drawn: name, share in [0, 1], interval or None, and kind (`ours`,
            `theirs`, `reference`).
        xlabel: Of the axis.
    """
    groups = [(heading, of_group[:MOST_BARS]) for heading, of_group in groups]
    colours = {"ours": FIRST, "theirs": SOFT, "reference": QUIET}
    rows = sum(len(of_group) + 1 for _, of_group in groups)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(1.2 * WIDTH, 0.6 + 0.4 * rows), layout="constrained")
        at = 0
        for heading, of_group in groups:
            _above(axes, at, heading, fontsize=10, weight="bold")
            at += 1
            for name, value, interval, kind in of_group:
                weight = "bold" if kind == "ours" else "normal"
                _above(axes, at - 0.24, name, fontsize=9, weight=weight)
                axes.barh(at + 0.2, 100 * value, height=0.42, color=colours[kind])
                end = value
                if interval:
                    axes.plot([100 * interval[0], 100 * interval[1]], [at + 0.2, at + 0.2], color=INK, linewidth=1.4)
                    end = max(value, interval[1])
                axes.text(100 * end + 1, at + 0.2, f"{100 * value:.1f}", va="center", fontsize=9, weight=weight)
                at += 1
        axes.set(xlim=(0, 108), ylim=(rows - 0.4, -0.6), xlabel=xlabel, yticks=[])
        axes.set_xticks(range(0, 101, 20))
        axes.spines["left"].set_visible(False)
    return figure


def _above(axes: Any, at: float, text: str, **style: Any) -> None:
    """Write a line of text from the left edge; its length leaves the layout alone."""
    axes.text(0, at, textwrap.shorten(text, LONGEST, placeholder="…"), va="center", in_layout=False, **style)


def swept_axes(swept: Sweep) -> list[str]:
    """Keys that the figure of a sweep has a panel for: all but the seed, over which it averages, unless there is no other."""
    return [axis for axis in swept.axes if axis != "seed"] or ["seed"]


def sweep(swept: Sweep, axis: str | None = None) -> Any:
    """Draw validation and test UAR by each axis of a sweep.

    Args:
        swept: The sweep; its best settings are ringed.
        axis: The only one to draw, in the size of a plot in a page.
    """
    keys = [axis] if axis else swept_axes(swept)
    names = dict(zip(swept.axes, swept.titles(), strict=True))
    size = (1.1 * WIDTH, 4.0) if axis else (max(7.0, 3.8 * len(keys)), 4.8)
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(1, len(keys), figsize=size, sharey=True, squeeze=False, layout="constrained")
        for axes, key in zip(grid[0], keys, strict=True):
            labels = [f"{len(swept.points)} seeds"] * len(swept.points) if key == "seed" else swept.labels(key)
            values = {label: point.values[key] for label, point in zip(labels, swept.points, strict=True)}
            if are_numbers(values.values()):
                values = dict(sorted(values.items(), key=lambda item: float(item[1])))
            places, kind = _places(list(values.values()))
            place = dict(zip(values, places, strict=True))
            at = [place[label] for label in labels]
            for part in PARTS:
                _draw_part(axes, part, swept.points, at, connected=kind != "names")
            _ring(axes, swept.best, swept.points, at)
            for chance in sorted({point.summary["chance"] for point in swept.points}):
                axes.axhline(100 * chance, color=SOFT, linestyle=":", linewidth=1.2, label="chance")
            crowded = sum(map(len, values)) > 30 / len(keys) + 6
            turned = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
            axes.set_xticks(places, [label.removesuffix(".0") for label in values], **turned)
            axes.set_xlim(min(places) - 0.5, max(places) + 0.5)
            axes.set_xlabel(names[key] + (" (log scale)" if kind == "logarithms" else ""))
            axes.grid(axis="y")
        grid[0, 0].set_ylabel("UAR, %")
        handles = {label: handle for axes in grid[0] for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        columns = 2 if axis else len(handles)
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=columns, frameon=False, fontsize=9)
    return figure


def are_numbers(values: Iterable[Any]) -> bool:
    """Whether all values of an axis are numbers, and so have an order of their own."""
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _places(values: Sequence[Any]) -> tuple[list[float], str]:
    """Where the values of an axis stand, about one apart, and whether as logarithms, numbers in a row, or names.

    Args:
        values: Numbers from the lowest.
    """
    if not are_numbers(values):
        return [float(i) for i in range(len(values))], "names"
    if min(values) > 0 and max(values) / min(values) > DECADE:
        logarithms = np.log10(values)
        return list((logarithms - logarithms.min()) * (len(values) - 1) / np.ptp(logarithms)), "logarithms"
    return [float(i) for i in range(len(values))], "numbers"


def _draw_part(axes: Any, part: str, points: Sequence[Point], at: Sequence[float], connected: bool) -> None:
    """One part's UAR: means at each place, and the points where there are several, else the test set's intervals."""
    colour, marker, side = PARTS[part]
    # Where there is no validation, the marks of the test stand on their values.
    beside = BESIDE * side * any(point.summary["validation"] for point in points)
    metrics = "validation" if part == "validation" else "pooled"
    drawn = [(x, point.summary) for x, point in zip(at, points, strict=True) if point.summary[metrics]]
    if not drawn:
        return
    places = sorted({x for x, _ in drawn})
    means = [100 * np.mean([summary[metrics]["uar"] for x, summary in drawn if x == place]) for place in places]
    several = len({*at}) < len(points)
    if several:
        shown = [100 * summary[metrics]["uar"] for _, summary in drawn]
        axes.scatter([x + beside for x, _ in drawn], shown, s=12, color=colour, alpha=0.4, linewidths=0, label="single runs")
    elif part == "test":
        for x, summary in drawn:
            if summary["interval"]:
                axes.vlines(x + beside, *(100 * end for end in summary["interval"]["uar"]), color=colour, alpha=0.6)
    label = f"{part}, mean" if several else f"{part}, 95 % interval" if part == "test" else part
    line = "-" if connected else ""
    axes.plot(np.array(places) + beside, means, marker=marker, linestyle=line, color=colour, label=label, markersize=6)


def _ring(axes: Any, best: Sequence[Setting], points: Sequence[Point], at: Sequence[float]) -> None:
    """Mark the UAR of the best settings."""
    for setting in best:
        x = next(place for place, point in zip(at, points, strict=True) if point is setting.points[0])
        for part, uar in (("validation", setting.validation), ("test", setting.test)):
            axes.plot(
                x + BESIDE * PARTS[part][2],
                100 * uar,
                marker="o",
                markersize=13,
                markerfacecolor="none",
                markeredgecolor=INK,
                linestyle="",
                label="chosen on validation",
            )
