"""A survey as one page of HTML that needs nothing else: pictures and plots lie in it."""

import inspect
import re
from dataclasses import dataclass

from markupsafe import Markup, escape

from precompute.check import plots
from precompute.check.facts import facts, spread
from precompute.check.findings import Finding, verdict
from precompute.check.gallery import Shown
from precompute.check.measure import FRAME, SILENCE_DB
from precompute.check.survey import Survey
from precompute.common.html import page
from precompute.recipe import Recipe

TEMPLATE = "page.html.jinja"

MOST_ITEMS = 10
"""Files of a finding that are shown at once; the others unfold."""


@dataclass(frozen=True)
class Plot:
    """A plot, its name, what it shows in words for who does not see it, and its caption."""

    svg: Markup
    name: str
    words: str
    caption: str


def render(survey: Survey, findings: list[Finding], pictures: list[Shown], recipe: Recipe, about: str, made: str) -> str:
    """The page.

    Args:
        survey: What was measured.
        findings: What was found.
        pictures: One of each speaker and emotion.
        recipe: That made them.
        about: Description of the corpus.
        made: When and how the page was made; the only line that differs from run to run.
    """
    most = max(survey.counts.values(), default=1)
    return page.render(
        "precompute.check",
        TEMPLATE,
        survey=survey,
        corpus=survey.corpus,
        verdict=verdict(survey, findings),
        facts=facts(survey),
        findings=findings,
        most_items=MOST_ITEMS,
        share={cell: round(100 * count / most) for cell, count in survey.counts.items()},
        plots=_plots(survey) if survey.usable else [],
        cells={(picture.utterance.speaker, picture.utterance.emotion): picture for picture in pictures},
        pictured=list(dict.fromkeys(picture.utterance.speaker for picture in pictures)),
        about=_about(about),
        recipe=recipe,
        made=made,
    )


def _plots(survey: Survey) -> list[Plot]:
    usable = survey.usable.values()
    duration = spread((measured.duration for measured in usable), "s", 2)
    leading, trailing = (spread((getattr(measured, side) for measured in usable), "s", 2) for side in ("leading", "trailing"))
    level = spread((measured.level for measured in usable), "dB", 1)
    boxes = (
        "A line spans a speaker's utterances, the bar their middle half, the mark in it is the median; a dot is a single one."
        if len(survey.speakers) <= plots.MOST_NAMED
        else "A point is the median of a speaker's utterances."
    )
    return [
        Plot(
            Markup(plots.durations(survey)),
            "Durations",
            f"Histogram of durations: median {duration}.",
            f"Utterances by duration; the dashed line is where the picture of {survey.limit:g} s ends.",
        ),
        Plot(
            Markup(plots.silence(survey)),
            "Silence",
            f"Histograms of silence: before speech, median {leading}; after it, median {trailing}.",
            f"Seconds before the first, and after the last, {1000 * FRAME:g} ms within {-SILENCE_DB:g} dB of the loudest.",
        ),
        Plot(
            Markup(plots.levels(survey)),
            "Level by speaker",
            f"Levels by speaker: over all, median {level}.",
            f"Root mean square of each utterance. {boxes}",
        ),
    ]


def _about(text: str) -> list[Markup]:
    """Paragraphs of the corpus's description, with its names of files set as code."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text))
    return [Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(paragraph)))) for paragraph in paragraphs if paragraph]
