"""The page of a long recording: what the network was shown, the curve of each class, and a player."""

import base64
import hashlib
import importlib.resources
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from precompute.common.errors import counted
from precompute.common.html import page
from precompute.recipe import row_frequencies, ticks
from wser import results
from wser.inference.tables import MARKS
from wser.inference.timeline import Timeline
from wser.inference.trained import Trained

PACKAGE = "wser.reports.html"
TEMPLATE, SCRIPT = "timeline.html.jinja", "timeline.js"

WIDTH = 10_000
"""Of the curves, in units of their own."""

QUALITY = 80
"""Of WebP: about 100 kB a page."""

STEPS = (1, 5, 15, 60, 300, 900, 3600)
"""Seconds between two times under the curves, where no script adds more."""

READING = (
    "Each window is heard as a recording of its own, prepared as those of training were, and its probabilities stand at its "
    "middle. A probability is what the network makes of a window, and no measure of how strong an emotion is.",
    "Only what is loud enough is heard. Music, noise and several voices at once are not recognised as such: what the network "
    "says of them means nothing. Neither do the parts of a conversation in which nobody speaks.",
)


@dataclass(frozen=True)
class Tick:
    """A mark on an axis, at some percent of its length."""

    at: float
    text: str


@dataclass(frozen=True)
class Row:
    """A class: its numbers, and its curve as SVG has it; `most` is the part where it is the most probable one."""

    name: str
    windows: int
    share: str
    mean: str
    words: str
    path: str
    most: str


def render(timeline: Timeline, run: Trained, audio: str | None, made: str) -> bytes:
    """The page, which needs nothing else but the recording, and that only to be heard.

    Args:
        timeline: What is shown.
        run: That predicted it.
        audio: Address of the recording, as the page links to it; None where it has none.
        made: When and how the page was made.
    """
    script = (importlib.resources.files(PACKAGE) / SCRIPT).read_text("utf-8")
    notices = [f"{note[0].upper()}{note[1:]}." for note in (*timeline.notes, MARKS.get(timeline.training, "")) if note]
    text = page.render(
        PACKAGE,
        TEMPLATE,
        name=Path(timeline.name).name,
        lead=_lead(timeline, run.classes),
        notices=notices,
        audio=audio,
        picture=_picture(timeline),
        hertz=list(_hertz(run)),
        rows=list(_rows(timeline, run.classes)),
        width=WIDTH,
        left_out=_left_out(timeline),
        ticks=list(_times(timeline.seconds)),
        reading=READING,
        facts=_facts(timeline, run),
        windows=_windows(timeline, run.classes),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        made=made,
    )
    # A file name need not be text.
    return text.encode("utf-8", "replace")


def clock(seconds: float) -> str:
    """A time as a clock shows it: `1:02:03`, or `2:03` under an hour."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _lead(timeline: Timeline, classes: Sequence[str]) -> str:
    heard = timeline.heard
    most = np.bincount([int(p.argmax()) for _, p in heard], minlength=len(classes))
    named = [f"{classes[at]} {most[at] / len(heard):.0%}" for at in np.argsort(-most, kind="stable")[:3].tolist() if most[at]]
    left_out = len(timeline.windows) - len(heard)
    out = f"; {left_out} more are left out as quiet" if left_out else ""
    return f"{clock(timeline.seconds)} in {counted(len(heard), 'window')}{out}. Most of them: {', '.join(named)}."


def _rows(timeline: Timeline, classes: Sequence[str]) -> Iterator[Row]:
    probabilities = np.array([p for _, p in timeline.heard])
    predicted = probabilities.argmax(1)
    for at, name in enumerate(classes):
        count, own = int((predicted == at).sum()), probabilities[:, at]
        share, mean = f"{count / len(own):.0%}", f"{own.mean():.2f}"
        words = f"the most probable class in {share} of the windows, mean probability {mean}"
        most = np.where(predicted == at, own, 0)
        yield Row(name, count, share, mean, words, _bars(timeline, own), _bars(timeline, most))


def _bars(timeline: Timeline, values: NDArray[np.float64]) -> str:
    """An SVG path of bars as wide as a hop, one in the middle of each window that was heard; of neighbours one outline."""
    path: list[str] = []
    end = None
    for (first, last), value in zip((_place(timeline, at) for at in _heard_at(timeline)), values.tolist(), strict=True):
        height = 100 - round(100 * value)
        if first != end:
            path.append(("V100Z" if path else "") + f"M{first} 100")
        path.append(f"V{height}H{last}")
        end = last
    return "".join(path) + "V100Z"


def _left_out(timeline: Timeline) -> str:
    heard = set(_heard_at(timeline))
    spans = [_place(timeline, at) for at in range(len(timeline.windows)) if at not in heard]
    return "".join(f"M{first} 0H{last}V100H{first}Z" for first, last in spans)


def _heard_at(timeline: Timeline) -> list[int]:
    return [at for at, window in enumerate(timeline.windows) if window.probabilities is not None]


def _place(timeline: Timeline, at: int) -> tuple[int, int]:
    """Where the bar of a window begins and ends: half way to the middles of its neighbours."""
    middles = [(window.start + window.end) / 2 for window in timeline.windows[max(0, at - 1) : at + 2]]
    own = min(at, 1)
    first = (middles[own - 1] + middles[own]) / 2 if own else 0.0
    last = (middles[own] + middles[own + 1]) / 2 if own + 1 < len(middles) else timeline.seconds
    return round(first / timeline.seconds * WIDTH), round(last / timeline.seconds * WIDTH)


def _picture(timeline: Timeline) -> str | None:
    """What the network was shown, clear where nothing was."""
    if timeline.picture is None:
        return None
    opaque = np.broadcast_to(np.where(timeline.drawn, 255, 0).astype(np.uint8)[None, :, None], (*timeline.picture.shape[:2], 1))
    file = io.BytesIO()
    Image.fromarray(np.concatenate([timeline.picture, opaque], axis=2)).save(file, "WEBP", quality=QUALITY, method=4)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def _hertz(run: Trained) -> Iterator[Tick]:
    record = run.recipe.record()
    try:
        shown, frequencies = ticks(record), row_frequencies(record, run.item.shape[0])
    except (KeyError, ValueError):
        return
    rows = np.arange(len(frequencies))
    for hertz in shown:
        if frequencies[-1] <= hertz <= frequencies[0]:
            row = float(np.interp(-hertz, -frequencies, rows))
            yield Tick(round(100 * (row + 0.5) / len(rows), 1), f"{hertz / 1000:g} kHz" if hertz >= 1000 else f"{hertz} Hz")


def _times(seconds: float) -> Iterator[Tick]:
    step = next((step for step in STEPS if seconds / step <= 5), STEPS[-1])
    for at in range(0, max(1, int(seconds - step / 3)), step):
        yield Tick(round(100 * at / seconds, 2), clock(at))


def _facts(timeline: Timeline, run: Trained) -> list[tuple[str, str]]:
    record, folds = run.record, ", ".join(map(str, timeline.folds))
    corpora = results.corpus_names(
        [(corpus["corpus"], corpus["synthetic"]) for corpus in record["corpora"]], record["selection"], record
    )
    duration = run.recipe.audio.duration
    windows = f"{duration:g} s, one every {timeline.hop:g} s; left out where over {timeline.quiet:g} dB under the loudest"
    return [
        ("recording", timeline.name),
        ("windows", windows),
        ("model", f"{run.config.model.name}, trained on {corpora}"),
        ("run", run.path.resolve().name),
        ("folds", f"{folds} of {run.of_all}, whose mean it is" if len(timeline.folds) > 1 else folds),
    ]


def _windows(timeline: Timeline, classes: Sequence[str]) -> Markup:
    data = {
        "seconds": round(timeline.seconds, 3),
        "classes": list(classes),
        "middles": [round((window.start + window.end) / 2, 2) for window in timeline.windows],
        "probabilities": [
            None if window.probabilities is None else np.rint(100 * window.probabilities).astype(int).tolist()
            for window in timeline.windows
        ],
    }
    # In a script nothing may look like the end of it.
    return Markup(json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"))
