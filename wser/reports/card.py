"""The model card of a run: what was trained, on what, how good it is, what it is not for.

The parts of a card are those of Mitchell et al. 2019 (doi 10.1145/3287560.3287596).  Every number comes from the run's own
files, as on its page; origin and licence of a corpus are those that its module names.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from precompute.common.errors import CorpusError, counted
from precompute.library import published_corpus
from wser.reports.html import measured, words
from wser.reports.html.opened import SummarisedRun
from wser.reports.html.table import markdown
from wser.results import ResultError, StoredRun, finishing

MOST_CONFUSIONS = 3
"""That are said in words."""

NOT_FOR = (
    "To decide anything about a person, or to prepare such a decision: at work, in education, in medicine, by police, courts "
    "or insurers. In the European Union, inferring emotions at work and in education is prohibited, except for medical or "
    "safety reasons (Regulation (EU) 2024/1689, Article 5(1)(f)).",
    "To tell what somebody feels. It has learned how listeners or actors label voices, which is another thing.",
    "On people who do not know of it, or have not agreed.",
    "On speakers, languages, rooms or microphones that are not those of the corpora, before it was measured on these.",
)


def card(run: SummarisedRun) -> str:
    """The card, in Markdown.

    Args:
        run: With its summary; every fold is finished.

    Raises:
        ResultError: A fold is missing, or a file of the run is damaged.
    """
    stored, summary = run.stored, run.summary
    if not run.whole:
        missing = summary["missing"]
        raise ResultError(
            f"{stored.path} is not finished, {counted(len(missing), 'fold')} of {stored.record['folds']} "
            f"{'is' if len(missing) == 1 else 'are'} missing: run {finishing(stored.record)}"
        )
    sections = [
        ("What it is", list(_bullets(words.facts(stored, summary)))),
        ("What it was trained on", [*_corpora(stored), "", *_caveats(run)]),
        ("How good it is", list(_figures(run))),
        ("What it confuses", list(_confusions(stored, summary))),
        ("Limits", [f"- {line}" for line in _limits(run)]),
        ("What it must not be used for", [f"- {line}" for line in NOT_FOR]),
        ("Where the results come from", list(_origin(stored, summary))),
    ]
    parts = [f"# Model card: {markdown(stored.title)}", *(f"## {title}\n\n" + "\n".join(lines) for title, lines in sections)]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _bullets(facts: Sequence[tuple[str, str]]) -> Iterator[str]:
    for name, value in facts:
        yield f"- {markdown(name)}: {markdown(value)}"


def _corpora(stored: StoredRun) -> Iterator[str]:
    for corpus in stored.record["corpora"]:
        try:
            known = published_corpus(corpus["corpus"])
        except CorpusError:
            yield f"- {markdown(corpus['corpus'])}: a corpus of its owner's, who says what may be done with it"
            continue
        doi = f", [doi {known.doi}](https://doi.org/{known.doi})" if known.doi else ""
        yield f"- {markdown(known.title)}, {markdown(known.source)}{doi}. Licence of the recordings: {markdown(known.licence)}."
    yield "- What a licence of recordings means for a network that learned from them is not settled: ask before you share it."


def _caveats(run: SummarisedRun) -> Iterator[str]:
    shared = "Training and test share nothing that was counted: no speaker, session, recording, or sentence of one speaker."
    yield shared if measured.is_empty(run.reports) else "What training and test share is not nothing:"
    if not measured.is_empty(run.reports):
        yield f"\n{measured.leakage(run.reports).as_markdown()}"


def _figures(run: SummarisedRun) -> Iterator[str]:
    stored, summary = run.stored, run.summary
    yield markdown(words.verdict(summary))
    yield ""
    if summary["interval"]:
        yield f"The interval is of a bootstrap over the {counted(summary['speakers'], 'test speaker')}."
    for line in words.literature(summary, None):
        yield markdown(line)
    folds = stored.record["folds"]
    if folds > 1:
        yield (
            f"These are predictions of {folds} models, each on the recordings that were held out of its training. The mean "
            f"of all {folds}, as an exported ensemble gives it, is another model: on recordings of these corpora it has no "
            "honest metric, since most of its parts have learned from them, and on others it was not measured."
        )
        if summary["deviation"]:
            mean, deviation = (words.percent(summary[key]["uar"]) for key in ("mean", "deviation"))
            worst, best = (pick(summary["folds"], key=lambda fold: fold["uar"]) for pick in (min, max))
            yield (
                f"UAR of single folds: {mean} ± {deviation} % (mean and standard deviation), from "
                f"{words.percent(worst['uar'])} (fold {worst['fold']}) to {words.percent(best['uar'])} % (fold {best['fold']})."
            )
    for caveat in run.caveats:
        yield f"**{markdown(str(caveat))}**"
    yield f"\n{measured.classes(summary['pooled'], False).as_markdown()}"


def _confusions(stored: StoredRun, summary: dict[str, Any]) -> Iterator[str]:
    counts, names = summary["pooled"]["confusion"], stored.classes
    wrong = [
        (count / sum(row), count, sum(row), names[true], names[predicted])
        for true, row in enumerate(counts)
        for predicted, count in enumerate(row)
        if predicted != true and count
    ]
    for share, count, of, true, predicted in sorted(wrong, reverse=True)[:MOST_CONFUSIONS]:
        yield f"- {markdown(true)} is taken for {markdown(predicted)}: {count} of {of} ({words.percent(share)} %)"
    yield f"\nRows are true classes, columns predicted ones:\n\n{measured.confusion(stored, counts).as_markdown()}"


def _limits(run: SummarisedRun) -> Iterator[str]:
    stored, summary = run.stored, run.summary
    yield (
        f"It knows {markdown(', '.join(stored.classes))}, and gives one of them for any sound: also for silence, music, and "
        "emotions that it has not learned."
    )
    yield f"It was tested on {counted(summary['speakers'], 'speaker')}, of {markdown(run.corpus)}, and on no others."
    yield "Its probabilities rank classes. Whether they are calibrated was not measured."
    rare = [
        (metrics["recall"], name) for name, metrics in summary["pooled"]["per_class"].items() if metrics["recall"] is not None
    ]
    if rare:
        recall, name = min(rare)
        yield f"Its weakest class is {markdown(name)}: it finds {words.percent(recall)} % of them."
    recipe = stored.record["recipe"]
    if {"f_min", "f_max"} <= {*recipe}:
        yield f"It hears {words.frequencies(recipe)}, and was not tested without a part of this, as phone calls are."
    if "duration" in recipe:
        yield f"It hears at most {recipe['duration']:g} s of a recording."


def _origin(stored: StoredRun, summary: dict[str, Any]) -> Iterator[str]:
    yield f"- command: `{stored.record['command']}`"
    yield f"- identity: `{stored.record.get('identity')}`"
    versions = stored.record.get("versions") or {}
    yield f"- versions: {markdown(', '.join(f'{name} {version}' for name, version in versions.items()))}"
    yield f"- {summary['pooled']['utterances']} test predictions, in `predictions.csv` of each fold"
