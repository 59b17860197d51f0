"""Drawings of what a cache holds, and of the filters that made it."""

import io
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precompute.common import files
from precompute.common.errors import CacheError, RecipeError, WserError, unknown

if TYPE_CHECKING:
    from precompute.cache.layout import Record
    from precompute.cache.reader import Cache
    from precompute.recipe import Recipe

DPI = 110
FAINTEST = -70
"""Decibels that a drawing of levels shows as nothing; pictures have colours of their own."""

FILTERS = 16
LEVEL_DB = -60


def choose(cache: "Cache", speaker: str, emotions: Sequence[str] | None = None) -> "list[Record]":
    """One utterance of each emotion of a speaker, of the sentence that the speaker said in most of them.

    Raises:
        CacheError: The cache has no such speaker or emotion.
    """
    speakers = {record.speaker for record in cache.records}
    if speaker not in speakers:
        raise CacheError(unknown(f"speaker of {cache.corpus}", speaker, speakers))
    sentences: dict[str | None, dict[str, Record]] = defaultdict(dict)
    spoken: dict[str, Record] = {}
    for record in cache.records:
        if record.speaker == speaker:
            # The last of several repetitions and intensities: RAVDESS's strong one.
            sentences[record.sentence][record.emotion] = spoken[record.emotion] = record
    if missing := [emotion for emotion in emotions or () if emotion not in spoken]:
        raise CacheError(unknown(f"emotion of speaker {speaker}", missing[0], spoken))
    wanted = list(emotions or sorted(spoken))
    best = max(sentences.values(), key=lambda emotions: sum(emotion in emotions for emotion in wanted))
    return [best.get(emotion, spoken[emotion]) for emotion in wanted]


def draw(cache: "Cache", records: "Sequence[Record]", out: Path) -> None:
    """Write a PNG of some utterances side by side: pictures and levels with axes in Hz and seconds, waveforms over time.

    Raises:
        CacheError: The cache holds what has no drawing.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    recipe, item = cache.recipe, cache.item
    if item.kind not in ("picture", "levels", "waveform"):
        raise CacheError(f"{cache.path} holds {item}, which has no drawing: choose a cache of pictures, levels or waveforms")
    stop = max(record.stop for record in records)
    seconds = stop * recipe["duration"] / item.steps
    across = min(len(records), 4)
    down = -(-len(records) // across)
    size = (0.6 + 3.1 * across, 0.5 + 2.1 * down)
    figure, grid = plt.subplots(down, across, figsize=size, sharex=True, sharey=True, squeeze=False, layout="constrained")
    for axes in grid.ravel()[len(records) :]:
        axes.set_visible(False)
    for axes, record in zip(grid.ravel(), records, strict=False):
        values = cache.read(record.array)[record.row][item.part(0, stop)]
        if item.kind == "waveform":
            axes.plot([at * seconds / stop for at in range(stop)], values, linewidth=0.3)
        else:
            # Rows without scales are numbered: they are coefficients, and no decibels.
            scaled = "scales" in recipe
            extent = (0, seconds, len(values) - 0.5, -0.5)
            axes.imshow(values, aspect="auto", extent=extent, interpolation="nearest", vmin=FAINTEST if scaled else None)
            if scaled:
                _name_rows(axes, recipe, len(values))
        axes.set_title(f"{record.emotion}   {record.key}", fontsize=9, loc="left")
    for axes in grid[-1]:
        axes.set_xlabel("s")
    _save(figure, out)
    plt.close(figure)


def _name_rows(axes: Any, recipe: dict[str, Any], rows: int) -> None:
    import numpy as np

    from precompute.recipe import row_frequencies, ticks

    frequencies = row_frequencies(recipe, rows)
    shown = [f for f in ticks(recipe) if frequencies[-1] <= f <= frequencies[0]]
    axes.set_yticks(np.interp(-np.array(shown), -frequencies, np.arange(rows)), [f"{f} Hz" for f in shown])


def draw_filters(recipe: "Recipe", out: Path) -> None:
    """Write a PNG of a recipe's filter bank: amplitude over frequency, and duration over frequency, of some of its scales.

    Raises:
        RecipeError: The recipe's transform has no wavelets.
    """
    import matplotlib
    import numpy as np

    from precompute.features.scalogram import Feature as Scalogram
    from precompute.wavelet import families
    from precompute.wavelet.filters import tapered

    feature, audio = recipe.feature, recipe.audio
    if not isinstance(feature, Scalogram):
        raise RecipeError(f"feature={recipe.name} has no wavelets to draw: give a recipe with feature=scalogram")
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    n, shown = 2**17, np.unique(np.linspace(0, feature.scales - 1, FILTERS).astype(int))
    hertz = audio.sample_rate / n
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4), layout="constrained")
    for index, name in enumerate(feature.wavelets):
        wavelet = families.wavelet(name)
        colour = ("tab:red", "tab:green", "tab:blue")[index] if len(feature.wavelets) > 1 else "0.25"
        for centre in feature.frequencies(audio)[shown]:
            bins, amplitude = tapered(wavelet, centre, n, audio.sample_rate)
            positive = bins * wavelet.sign > 0
            decibels = 20 * np.log10(np.maximum(np.abs(amplitude[positive]), 1e-10))
            left.plot(np.abs(bins[positive]) * hertz, decibels, color=colour, linewidth=0.9)
            spectrum = np.zeros(n, amplitude.dtype)
            spectrum[bins % n] = amplitude.conj()
            psi = np.abs(np.fft.fftshift(np.fft.ifft(spectrum)))
            ends = 1e3 / audio.sample_rate * (np.flatnonzero(psi > psi.max() * 10 ** (LEVEL_DB / 20))[[0, -1]] - n // 2)
            half = 1e3 / audio.sample_rate * (np.flatnonzero(psi > psi.max() / 2)[[0, -1]] - n // 2)
            beside = [centre * 1.09**-index] * 2
            right.plot(ends, beside, color=colour, linewidth=0.9)
            right.plot(half, beside, color=colour, linewidth=3.5, solid_capstyle="butt")
        left.plot([], [], color=colour, label=name)
    column = 1e3 * audio.duration / feature.columns
    right.axvspan(-column / 2, column / 2, color="tab:orange", alpha=0.2, label=f"a column, {column:g} ms")
    left.set(xscale="log", xlabel="Hz", ylabel="amplitude, dB", ylim=(-80, 3), xlim=(audio.f_min / 3, audio.sample_rate / 2))
    left.set_title(f"every {feature.scales / len(shown):.0f}th of {feature.scales} filters", fontsize=10, loc="left")
    right.set(yscale="log", xlabel="ms", ylabel="centre frequency, Hz", ylim=(audio.f_min / 1.3, audio.f_max * 1.3))
    right.set_title(f"|psi| over half of its peak (bars) and over {LEVEL_DB} dB (lines)", fontsize=10, loc="left")
    for axes in (left, right):
        axes.legend(fontsize=8, framealpha=1, loc="lower left" if axes is left else "upper left")
        axes.grid(alpha=0.3)
    left.xaxis.set_major_formatter("{x:g}")
    right.yaxis.set_major_formatter("{x:g}")
    _save(figure, out)
    plt.close(figure)


def _save(figure: Any, out: Path) -> None:
    drawn = io.BytesIO()
    try:
        figure.savefig(drawn, dpi=DPI, format=out.suffix.lstrip(".") or "png")
        files.replace(out, drawn.getvalue(), out.parent)
    except (OSError, ValueError) as error:
        raise WserError(f"{out} cannot be written ({error}): give the path of a PNG") from None
