"""Draw pictures of one speaker from a cache: `python -m precompute.show --corpus emodb --speaker 03 --out emodb.png`."""

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precompute.errors import CacheError, WserError, unknown

if TYPE_CHECKING:
    from precompute.layout import Record
    from precompute.store import Cache

DPI = 110
TICKS_HZ = (100, 300, 1000, 3000)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code, 0 or 1."""
    parser = argparse.ArgumentParser(
        prog="python -m precompute.show", description="Draw one cached picture of each emotion of a speaker, saying the same."
    )
    parser.add_argument("--corpus", required=True, metavar="NAME", help="corpus in the cache")
    parser.add_argument("--speaker", metavar="NAME", help="speaker (default: the first)")
    parser.add_argument("--emotions", metavar="NAME,...", help="emotions, in this order (default: all)")
    parser.add_argument("--recipe", metavar="NAME", default="default", help="name or id of the recipe")
    parser.add_argument("--input", metavar="ID", help="id of the cache, where several are sealed")
    parser.add_argument("--cache", metavar="DIR", type=Path, default=Path(os.environ.get("WSER_CACHE") or "cache"))
    parser.add_argument("--out", metavar="PNG", type=Path, required=True, help="file to write")
    options = parser.parse_args(arguments)
    try:
        from precompute import store

        cache = store.find(options.cache, options.corpus, options.recipe, options.input)
        speaker = options.speaker or cache.records[0].speaker
        emotions = options.emotions.split(",") if options.emotions else None
        draw(cache, choose(cache, speaker, emotions), options.out)
    except WserError as error:
        print(f"precompute.show: {error}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"precompute.show: {options.out} cannot be written ({error}): give the path of a PNG", file=sys.stderr)
        return 1
    print(options.out)
    return 0


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
    best = max(sentences.values(), key=lambda said: sum(emotion in said for emotion in wanted))
    return [best.get(emotion, spoken[emotion]) for emotion in wanted]


def draw(cache: "Cache", records: "Sequence[Record]", out: Path) -> None:
    """Write a PNG of some pictures side by side, with axes in Hz and seconds."""
    import matplotlib
    import numpy as np

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    recipe: dict[str, Any] = cache.recipe
    stop = max(record.stop for record in records)
    seconds = stop * recipe["duration"] / recipe["width"]
    across = min(len(records), 4)
    down = -(-len(records) // across)
    size = (0.6 + 3.1 * across, 0.5 + 2.1 * down)
    figure, grid = plt.subplots(down, across, figsize=size, sharex=True, sharey=True, squeeze=False, layout="constrained")
    ticks = [f for f in TICKS_HZ if recipe["f_min"] <= f <= recipe["f_max"]]
    rows = np.log(recipe["f_max"] / np.array(ticks)) / np.log(recipe["f_max"] / recipe["f_min"]) * (recipe["height"] - 1)
    for axes in grid.ravel()[len(records) :]:
        axes.set_visible(False)
    for axes, record in zip(grid.ravel(), records, strict=False):
        picture = cache.read(record.array)[record.row][:, :stop]
        axes.imshow(picture, aspect="auto", extent=(0, seconds, recipe["height"] - 0.5, -0.5), interpolation="nearest")
        axes.set_title(f"{record.emotion}   {record.key}", fontsize=9, loc="left")
        axes.set_yticks(rows, [f"{f} Hz" for f in ticks])
    for axes in grid[-1]:
        axes.set_xlabel("s")
    figure.savefig(out, dpi=DPI)
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
