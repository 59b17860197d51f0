"""Plots of a survey as SVG, to be part of a page: text and lines take the colours of the page around them."""

from collections import defaultdict
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.ticker import MaxNLocator

from precompute.check.survey import Survey
from precompute.common.html.plot import FIRST, PAPER, SECOND, STYLE, WIDTH, svg

MOST_NAMED = 60
"""Speakers whose levels are drawn as boxes with names; more are drawn as points without."""


def durations(survey: Survey) -> str:
    """Histogram of the utterances' durations, with the end of the recipe's frame."""
    values = np.array([measured.duration for measured in survey.usable.values()])
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 2.4), layout="constrained")
        step = _step(values.max())
        axes.hist(values, bins=np.arange(0, values.max() + step, step).tolist(), color=FIRST)
        axes.axvline(survey.limit, color=SECOND, linestyle="--", linewidth=1.5)
        line = axes.get_xaxis_transform()
        axes.text(survey.limit, 1.02, f"the picture ends, {survey.limit:g} s", transform=line, color=SECOND, ha="right")
        axes.set(xlabel="duration, s", ylabel="utterances", xlim=(0, max(values.max(), survey.limit) * 1.04))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y")
        return svg(figure, "durations")


def silence(survey: Survey) -> str:
    """Histograms of the silence before and after speech."""
    sides = {
        side: np.array([getattr(measured, side) for measured in survey.usable.values()]) for side in ("leading", "trailing")
    }
    longest = max(values.max() for values in sides.values())
    step = _step(longest)
    bins = np.arange(0, longest + 2 * step, step).tolist()
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 2.4), layout="constrained")
        for (side, values), colour, style in zip(sides.items(), (FIRST, SECOND), ("-", "--"), strict=True):
            axes.hist(values, bins=bins, histtype="step", color=colour, linestyle=style, linewidth=1.6, label=side)
        axes.legend(frameon=False, loc="best")
        axes.set(xlabel="silence, s", ylabel="utterances", xlim=(0, bins[-1]))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y")
        return svg(figure, "silence")


def levels(survey: Survey) -> str:
    """Level of each speaker's utterances: quartiles as boxes and extremes as lines, or medians alone for many speakers."""
    by_speaker: dict[str, list[float]] = defaultdict(list)
    for checked in survey.checked:
        if checked.measured:
            by_speaker[checked.utterance.speaker].append(checked.measured.level)
    names = sorted(by_speaker)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, max(2.4, min(5.2, 0.8 + 0.2 * len(names)))), layout="constrained")
        if len(names) <= MOST_NAMED:
            _boxes(axes, [by_speaker[name] for name in names])
            axes.set_yticks(range(len(names)), names, fontsize=10 if len(names) <= 30 else 6)
            axes.tick_params(axis="y", length=0)
            axes.set_ylabel("speaker")
        else:
            medians = sorted(float(np.median(by_speaker[name])) for name in names)
            axes.plot(medians, range(len(names)), ".", color=FIRST)
            axes.set_ylabel("speakers, by their median")
        axes.invert_yaxis()
        axes.set_xlabel("level, dB re full scale")
        axes.grid(axis="x")
        return svg(figure, "levels")


def _boxes(axes: Any, groups: list[list[float]]) -> None:
    for row, values in enumerate(groups):
        if len(values) == 1:
            axes.plot(values, [row], "o", color=FIRST, markersize=5)
            continue
        least, lower, median, upper, most = np.percentile(values, [0, 25, 50, 75, 100])
        axes.plot([least, most], [row, row], color=FIRST, linewidth=1)
        axes.barh(row, upper - lower, left=lower, height=0.6, color=FIRST)
        axes.plot([median, median], [row - 0.3, row + 0.3], color=PAPER, linewidth=2, solid_capstyle="butt")


def _step(longest: float) -> float:
    """Width of about 60 bins: 1, 2 or 5 times a power of ten, at least 10 ms."""
    rough = max(longest / 60, 0.01)
    power = 10 ** np.floor(np.log10(rough))
    return float(next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= rough * 0.999))
