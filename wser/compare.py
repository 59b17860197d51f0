"""The command `python -m wser.compare`: hold finished runs against each other, from their stored predictions."""

import argparse
import string
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precompute.errors import WserError

if TYPE_CHECKING:
    from wser.reports.uncertainty import Difference
    from wser.results import Stored

EPILOG = """\
The first run is held against each of the others, on the same test utterances.  Intervals are 95 % of a bootstrap over
speakers; p is that of a two-sided permutation test that swaps the two runs' predictions for whole speakers.

example:
  python -m wser.compare runs/default-1a2b3c4d runs/default-5e6f7a8b
"""

CERTAIN = 0.05
"""A difference with a smaller p is called one; the usual level."""

MOST_NAMED = 3
"""Utterances that a message names."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; by default those of the process.

    Returns:
        The exit code: 0 compared, 1 refused.
    """
    parser = argparse.ArgumentParser(
        prog="python -m wser.compare",
        description="Compare finished runs on the same test utterances.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="directory of a run's results; two or more")
    options = parser.parse_args(arguments)
    try:
        return _compare(options.runs)
    except WserError as error:
        print(f"wser.compare: {error}", file=sys.stderr)
    except OSError as error:
        print(f"wser.compare: {error.filename or 'a file'}: {error.strerror}; make it readable", file=sys.stderr)
    return 1


def _compare(paths: Sequence[str]) -> int:
    from wser import results

    if not 2 <= len(paths) <= len(string.ascii_uppercase):
        raise results.ResultError(
            f"{len(paths)} given, where 2 to {len(string.ascii_uppercase)} runs can be compared: name them"
        )
    if len({Path(path).resolve() for path in paths}) < len(paths):
        raise results.ResultError(f"{' and '.join(paths)} name a run twice: name different ones")
    runs = [results.open_finished(Path(path)) for path in paths]
    for other in runs[1:]:
        _check_same(runs[0], other)
    _announce(runs)
    _report(runs)
    return 0


def _check_same(first: "Stored", other: "Stored") -> None:
    """Refuse runs that do not answer the same questions."""
    from wser.results import ResultError

    if {*first.classes} != {*other.classes}:
        raise ResultError(
            f"{first.path} tells {', '.join(first.classes)} apart and {other.path} {', '.join(other.classes)}: "
            "compare runs with the same label map"
        )
    one, two = (Counter(row["key"] for row in run.rows) for run in (first, other))
    if one != two:
        here, there = one - two, two - one
        raise ResultError(
            f"{here.total()} test utterances are in {first.path} alone and {there.total()} in {other.path} alone "
            f"({_some(here or there)}): compare runs of the same corpus, protocol and protocol.seed"
        )
    facts = {row["key"]: (row["true"], row["speaker"]) for row in first.rows}
    if differ := [row["key"] for row in other.rows if facts[row["key"]] != (row["true"], row["speaker"])]:
        raise ResultError(
            f"{len(differ)} test utterances have another class or speaker in {other.path} than in {first.path} "
            f"({_some(differ)}): compare runs with the same label map on the same corpus"
        )


def _some(keys: Sequence[str] | Counter[str]) -> str:
    named = sorted(keys)
    return ", ".join(named[:MOST_NAMED]) + (", ..." if len(named) > MOST_NAMED else "")


def _announce(runs: Sequence["Stored"]) -> None:
    """Say what is compared, and what should be known before its figures are believed."""
    first = runs[0]
    for letter, run in zip(string.ascii_uppercase, runs, strict=False):
        print(f"{letter}  {run.path}: {run.title}")
        if changes := _changes(first.settings, run.settings):
            print(f"   differs from A in {'; '.join(changes)}")
    sys.stdout.flush()
    for warning in _warnings(runs):
        print(f"warning: {warning}", file=sys.stderr)


def _changes(first: dict[str, Any], other: dict[str, Any]) -> list[str]:
    keys = [key for key in {**first, **other} if first.get(key) != other.get(key)]
    return [f"{key}: {other.get(key)} instead of {first.get(key)}" for key in keys]


def _warnings(runs: Sequence["Stored"]) -> list[str]:
    from wser.reports.uncertainty import FEW_SPEAKERS, smallest_p

    warnings = []
    by_letter = dict(zip(string.ascii_uppercase, runs, strict=False))
    chosen = [letter for letter, run in by_letter.items() if run.record["selection"] == "test"]
    if chosen:
        warnings.append(
            f"{' and '.join(chosen)}: epoch chosen on the test part, as the paper's figures: flattering, "
            "and no fair comparison with runs that choose on validation"
        )
    protocols = list(dict.fromkeys(str(run.record["protocol"]) for run in runs))
    if len(protocols) > 1:
        warnings.append(f"protocols differ ({', '.join(protocols)}): so do the training parts, and with them the figures")
    elif len({run.record["split_hash"] for run in runs}) > 1:
        warnings.append("training or validation parts differ, though the test utterances are the same")
    seeds = list(dict.fromkeys(str(run.record["seed"]) for run in runs))
    if len(seeds) > 1:
        warnings.append(f"seeds differ ({', '.join(seeds)}): part of any difference is theirs")
    speakers = len({row["speaker"] for row in runs[0].rows})
    if speakers == 1:
        warnings.append("there is a single test speaker, so there are no intervals, and p is 1 whatever the figures")
    elif speakers < FEW_SPEAKERS:
        warnings.append(
            f"{speakers} test speakers are few: intervals are rather too narrow, and p is at least {smallest_p(speakers):.2g}"
        )
    if len(runs) > 2:
        warnings.append(f"the p-values of {len(runs) - 1} comparisons are not corrected for their number")
    return warnings


def _report(runs: Sequence["Stored"]) -> None:
    from rich.console import Console

    from wser.reports import uncertainty
    from wser.reports.tables import comparison_table

    confusions = [_confusions(run, runs[0].classes) for run in runs]
    letters = string.ascii_uppercase[: len(runs)]
    names = [
        f"{letter} (epoch chosen on the test part)" if run.record["selection"] == "test" else letter
        for letter, run in zip(letters, runs, strict=True)
    ]
    rows = []
    for name, matrices in zip(names, confusions, strict=True):
        figures = {key: float(value) for key, value in uncertainty.scores(matrices.sum(0)).items()}
        rows.append((name, figures, uncertainty.intervals(matrices)))
    found = [uncertainty.differences(confusions[0], matrices) for matrices in confusions[1:]]
    against_first = [(f"{letter} - A", one) for letter, one in zip(letters[1:], found, strict=True)]
    title = f"{len(runs[0].rows)} test utterances of {len(confusions[0])} speakers, pooled over all folds"
    Console(width=None if sys.stdout.isatty() else 120).print(comparison_table(title, rows, against_first))
    for name, one in zip(names[1:], found, strict=True):
        print(f"UAR: {in_words(names[0], name, one['uar'])}")


def _confusions(run: "Stored", classes: list[str]) -> Any:
    from wser.reports.uncertainty import by_speaker

    place = {name: index for index, name in enumerate(classes)}
    true, predicted = ([place[row[side]] for row in run.rows] for side in ("true", "predicted"))
    return by_speaker(true, predicted, [row["speaker"] for row in run.rows], len(classes))


def in_words(first: str, second: str, found: "Difference") -> str:
    """What a difference means.

    Args:
        first: Name of the run that is subtracted.
        second: Name of the other one.
        found: Second minus first.
    """
    from wser.reports.tables import ends, p_value

    points = f"{100 * abs(found.value):.1f}"
    if points == "0.0":
        return f"{first} and {second} agree to a tenth of a point"
    better, worse = (second, first) if found.value > 0 else (first, second)
    p = p_value(found.p)
    p = f"p {p}" if p.startswith("<") else f"p = {p}"
    low, high = found.interval or (0.0, 0.0)
    sides = (low, high) if found.value > 0 else (-high, -low)
    evidence = f"95 % interval {ends(sides)}, {p}" if found.interval else p
    if found.p < CERTAIN:
        return f"{better} is better than {worse} by {points} points ({evidence})"
    return f"{better} is {points} points above {worse}, which may be chance ({evidence})"


if __name__ == "__main__":
    sys.exit(main())
