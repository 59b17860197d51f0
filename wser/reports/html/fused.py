"""The runs of a fusion, and the results of each alone."""

from pathlib import Path
from typing import Any

from wser import results
from wser.evaluation import uncertainty
from wser.reports import comparison
from wser.reports.html.opened import SummarisedRun, summarised
from wser.reports.html.table import Column, Link, Table
from wser.results import ResultError


def table(fusion: SummarisedRun, page: Path) -> Table | None:
    """The runs that were fused, the highest UAR first, and a paired test of the fusion against each.

    Of a run that is no longer beside the fusion, or has changed, only the title is there.

    Args:
        fusion: The run whose page it is; None is given back where it is no fusion.
        page: Directory of the page, which links to the runs.
    """
    parts = results.fused_parts(fusion.stored.path, fusion.stored.record)
    if not parts:
        return None
    columns = [
        Column("run"), Column("model"), Column("recipe"), Column("seed", "ordinal"), Column("UAR %", "percent", bar=True),
        Column("from", "percent"), Column("to", "percent"), Column("fusion minus it", "points"),
        Column("from", "points", key="difference_from"), Column("to", "points", key="difference_to"), Column("p", "p"),
    ]  # fmt: skip
    rows = [_row(fusion, part, page) for part in parts]
    rows.sort(key=lambda row: -(row[4] or 0.0))
    return Table("fused", "The mean of their probabilities, with equal weights", columns, rows).explained(
        ("from", "From, to: 95 % interval over speakers."),
        ("p", "p: of a two-sided permutation test that swaps the predictions of whole speakers."),
    )


def _row(fusion: SummarisedRun, part: dict[str, Any], page: Path) -> list[Any]:
    try:
        place = results.fused_run(fusion.stored.path, part)
        run = summarised(place)
        comparison.check_same(run.stored, fusion.stored, across_tracks=True)
    except ResultError:
        return [part["title"], *[None] * 10]
    if not run.whole:
        return [part["title"], *[None] * 10]
    href = results.page_link(place, page)
    first, second = (comparison.counts(summarised.stored, fusion.stored.classes) for summarised in (run, fusion))
    difference = uncertainty.differences(first, second)["uar"]
    return [
        Link(place.name, href) if href else place.name, run.stored.config.get("model.name"),
        run.stored.recipe, results.seed_in_words(run.stored.record), *run.metrics[:3],
        difference.value, *(difference.interval or (None, None)), difference.p,
    ]  # fmt: skip
