"""Figures of one experiment, as PNG."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from wser import results

matplotlib.use("Agg")
from matplotlib import pyplot as plt

DPI = 150
PANELS_IN_ROW = 5


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
        selection: Name of the part on which the epoch was chosen.
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
                label = "training" if part == "train" else selection
                axes.plot(
                    history["epoch"], scale * np.array(history[f"{part}_{quantity}"]), color=colour, label=label, marker=marker
                )
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
