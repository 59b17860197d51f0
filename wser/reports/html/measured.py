"""Tables of what one run measured: by fold, class, speaker and sex, and where it was wrong."""

from collections import Counter
from collections.abc import Sequence
from math import isnan
from typing import Any

from wser.evaluation.caveats import of_selection, of_track
from wser.evaluation.metrics import measure
from wser.evaluation.uncertainty import HEADLINES, scores
from wser.protocols._leakage import Leakage
from wser.reports.comparison import counts
from wser.reports.html.opened import KINDS
from wser.reports.html.table import Column, Table
from wser.reports.tables import NAMES
from wser.results import StoredRun

MOST_SPEAKERS = 8
"""Speakers that a row names."""

MOST_FOLDS = 20
"""Folds that a row names."""

METRICS = tuple(Column(f"{NAMES[name]} %", "percent", bar=name == "uar") for name in HEADLINES)


def folds(stored: StoredRun, summary: dict[str, Any]) -> Table:
    """A row for each finished fold; below, of a whole run alone, mean, deviation, pooled metrics and their interval."""
    columns = [Column("fold", "ordinal"), Column("test speakers"), Column("utterances", "count"), *METRICS]
    columns += [Column("epoch", "count"), Column("seconds", "seconds")]
    rows = [
        [
            record["fold"],
            _named(record["speakers"]["test"]),
            record["utterances"],
            *(record[name] for name in HEADLINES),
            # What is fitted at once has no epochs.
            record["epoch"] if record["epochs"] else None,
            record["seconds"],
        ]
        for record in summary["folds"]
    ]
    foot: list[list[Any]] = []
    if not summary["missing"]:
        foot.append(["mean", None, None, *_headlines(summary["mean"]), None, None])
        if summary["deviation"]:
            foot.append(["SD", None, None, *_headlines(summary["deviation"]), None, None])
        pooled = summary["pooled"]
        foot.append(["pooled", None, pooled["utterances"], *_headlines(pooled), None, summary["seconds"]])
        if summary["interval"]:
            for end, name in enumerate(("95 % from", "95 % to")):
                ends = {key: interval[end] for key, interval in summary["interval"].items()}
                foot.append([name, None, None, *_headlines(ends), None, None])
    notes = ["The bar behind a number runs from 0 to 100 %."]
    if foot:
        notes.append("Pooled: over the predictions of all folds together. SD: standard deviation over folds (n - 1).")
    if foot and len({row["key"] for row in stored.rows}) < len(stored.rows):
        notes.append("An utterance that is in several test sets is counted in each.")
    if foot and summary["interval"]:
        notes.append(f"95 %: bootstrap over the {summary['speakers']} test speakers.")
    notes += map(str, of_track(stored.record) + of_selection(stored.record["selection"]))
    return Table("folds", "Folds", columns, rows, foot, notes)


def classes(pooled: dict[str, Any], papers_network: bool) -> Table:
    """Precision, recall, F1 and accuracy of each class.

    Args:
        pooled: Metrics of all folds together.
        papers_network: Whether they are of the paper's network, whose own table has such a column.
    """
    columns = [
        Column("class"),
        Column("recall %", "percent", bar=True),
        Column("precision %", "percent"),
        Column("F1 %", "percent"),
        Column("accuracy %", "percent"),
        Column("utterances", "count"),
    ]
    rows = [
        [name, metrics["recall"], metrics["precision"], metrics["f1"], metrics["accuracy"], metrics["support"]]
        for name, metrics in pooled["per_class"].items()
    ]
    notes = ["Accuracy is of this class against all others together, so it is high for every rare class."]
    if papers_network:
        notes.append("The paper's Table 5 does not say how its column of that name is defined.")
    return Table("classes", "Classes", columns, rows, notes=notes)


def speakers(stored: StoredRun, whole: bool, sexes: dict[str, str | None]) -> Table | None:
    """A row for each test speaker; None of an unfinished run some of whose speakers are tested in several folds."""
    columns = [Column("speaker"), Column("sex"), Column("fold"), Column("utterances", "count"), *METRICS]
    tested: dict[str, list[int]] = {}
    utterances = Counter(row["speaker"] for row in stored.rows)
    for fold, predictions in stored.parts.items():
        for name in {row["speaker"] for row in predictions}:
            tested.setdefault(name, []).append(fold)
    if not whole and any(len(folds) > 1 for folds in tested.values()):
        return None
    by_speaker = scores(counts(stored, stored.classes))
    rows = [
        [name, sexes.get(name), _in_folds(tested[name]), utterances[name], *(float(by_speaker[key][at]) for key in HEADLINES)]
        for at, name in enumerate(sorted(tested))
    ]
    notes = [] if sexes else ["Sex is recorded in the cache, which was not found."]
    return Table("speakers", "Speakers", columns, rows, notes=notes)


def sexes(stored: StoredRun, known: dict[str, str | None]) -> Table | None:
    """A row for each sex, over its speakers' utterances together; None where they are not known."""
    columns = [Column("sex"), Column("speakers", "count"), Column("utterances", "count"), *METRICS]
    rows = []
    for sex in ("female", "male"):
        of_sex = [row for row in stored.rows if known.get(row["speaker"]) == sex]
        if of_sex:
            metrics_of_sex = _measure(stored, of_sex)
            names = {row["speaker"] for row in of_sex}
            rows.append([sex, len(names), metrics_of_sex["utterances"], *_headlines(metrics_of_sex)])
    return Table("sexes", "Sexes", columns, rows) if rows else None


def mistakes(stored: StoredRun, most: int | None = None) -> Table:
    """Test utterances that were misclassified, the most confident errors first.

    Args:
        stored: The run.
        most: Rows, by default all.
    """
    columns = [
        Column("picture", "picture"),
        Column("utterance"),
        Column("speaker"),
        Column("fold", "ordinal"),
        Column("true"),
        Column("predicted"),
        Column("probability of the predicted class %", "percent"),
        Column("of the true class %", "percent"),
    ]
    wrong = [
        (_probability(row, row["predicted"]), fold, row)
        for fold, rows in stored.parts.items()
        for row in rows
        if row["predicted"] != row["true"]
    ]
    wrong.sort(key=lambda error: (-(error[0] or 0.0), error[2]["key"], error[1]))
    rows = [
        [None, row["key"], row["speaker"], fold, row["true"], row["predicted"], sure, _probability(row, row["true"])]
        for sure, fold, row in wrong[:most]
    ]
    return Table("mistakes", f"{len(wrong)} of {len(stored.rows)} test utterances were misclassified", columns, rows)


def confusion(stored: StoredRun, counts: Sequence[Sequence[int]]) -> Table:
    """Utterances of each true class (rows) by predicted class (columns), of all folds together."""
    columns = [Column("true"), *(Column(name, "count") for name in stored.classes)]
    rows = [[true, *row] for true, row in zip(stored.classes, counts, strict=True)]
    return Table("confusion", "Utterances of each true class by predicted class", columns, rows)


def confusion_folds(stored: StoredRun, summary: dict[str, Any]) -> Table:
    """The same of each fold."""
    columns = [Column("fold", "ordinal"), Column("true"), *(Column(name, "count") for name in stored.classes)]
    rows = [
        [record["fold"], true, *row]
        for record in summary["folds"]
        for true, row in zip(stored.classes, record["confusion"], strict=True)
    ]
    return Table("confusion_folds", "Utterances of each true class by predicted class and fold", columns, rows)


def leakage(reports: Sequence[Leakage]) -> Table:
    """What training (with validation) and test set of each fold share."""
    columns = [Column("fold", "ordinal"), Column("speakers", "count"), Column("sessions", "count")]
    columns += [Column("sentences of one speaker", "count"), Column("recordings", "count")]
    columns += [
        Column("nearly equal recordings", "count"),
        Column("utterances left out", "count", key="utterances in no part"),
        Column("examples"),
    ]
    shared = [(report.fold, [getattr(report, kind) for kind in KINDS]) for report in reports]
    rows = [
        [fold, *(kind.count for kind in kinds), "; ".join(", ".join(kind.examples[:2]) for kind in kinds if kind.examples)]
        for fold, kinds in shared
    ]
    notes = [
        "A column that is missing or empty could not be counted: the corpus does not record it.",
        "Sentences that other speakers say in training are not counted.",
    ]
    return Table("leakage", "What training and test share", columns, rows, notes=notes)


def is_empty(reports: Sequence[Leakage]) -> bool:
    """Whether training and test share nothing that was counted, in any fold."""
    return not any(getattr(report, kind).count for report in reports for kind in KINDS if kind != "left_out")


def _probability(row: dict[str, str], name: str) -> float | None:
    """Of a class, None where the loss diverged and it is no number."""
    value = float(row[f"p_{name}"])
    return None if isnan(value) else value


def _measure(stored: StoredRun, rows: Sequence[dict[str, str]]) -> dict[str, Any]:
    place = {name: index for index, name in enumerate(stored.classes)}
    return measure([place[row["true"]] for row in rows], [place[row["predicted"]] for row in rows], stored.classes).as_dict()


def _headlines(metrics: dict[str, float]) -> list[float]:
    return [metrics[name] for name in HEADLINES]


def _in_folds(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers)) if len(numbers) <= MOST_FOLDS else f"{len(numbers)} folds"


def _named(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= MOST_SPEAKERS else f"{len(names)} speakers"
