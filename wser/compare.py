"""The command `python -m wser.compare`: compares finished runs by their stored predictions."""

import string
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from precompute.common import paths, tables, terminal
from precompute.common.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wser.evaluation.caveats import Caveat
    from wser.results import StoredRun

EPILOG = """\
The first run is compared with each of the others, on the same test utterances.  Intervals are 95 % of a bootstrap over
speakers; p comes from a two-sided permutation test, which swaps the two runs' predictions for whole speakers.

example:
  python -m wser.compare RUN RUN

RUN is the directory of a run, such as runs/emodb-row_svm-loso-1a2b3c4d5e6f.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; by default those of the process.

    Returns:
        The exit code: 0 compared, 1 refused, 2 wrong usage, 130 interrupted.
    """
    return terminal.command("wser.compare", _main, "nothing was written", arguments)


def _main(arguments: Sequence[str]) -> int:
    parser = terminal.Parser(
        prog="python -m wser.compare",
        description="Compare finished runs on the same test utterances.",
        epilog=EPILOG,
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", type=paths.path, help="directory of a run's results; two or more")
    return _compare(parser.parse_args(arguments).runs)


def _compare(named: Sequence[Path]) -> int:
    from wser import results
    from wser.evaluation import uncertainty
    from wser.reports import stale
    from wser.reports.comparison import check_same, counts

    if not 2 <= len(named) <= len(string.ascii_uppercase):
        raise UsageError(f"{len(named)} given, where 2 to {len(string.ascii_uppercase)} runs can be compared: name them")
    paths.refuse_twice(named, "a run")
    runs = [results.open_finished(path) for path in named]
    for other in runs[1:]:
        check_same(runs[0], other, across_tracks=True)
    matrices = [counts(run, runs[0].classes) for run in runs]
    intervals = [uncertainty.intervals(matrix) for matrix in matrices]
    notes = [stale.note_of(*of_run) for of_run in zip(runs, matrices, intervals, strict=True)]
    _announce(runs, [note for note in notes if note])
    _report(runs, matrices, intervals)
    return 0


def _announce(runs: Sequence["StoredRun"], notes: Sequence[str]) -> None:
    """Say what is compared, and its caveats."""
    from wser.evaluation import caveats
    from wser.reports.comparison import changes, warnings

    first = runs[0]
    tables.paragraph(f"{first.path}: {first.title}", "A  ")
    for letter, run in zip(string.ascii_uppercase[1:], runs[1:], strict=False):
        differ = "; ".join(changes(first, run))
        tables.paragraph(f"{run.path}: differs from A in {differ or 'no setting'}", f"{letter}  ")
    sys.stdout.flush()
    of_runs = caveats.together(
        (letter, caveats.of(run.record, [{**metrics, "fold": fold} for fold, metrics in run.metrics.items()]))
        for letter, run in zip(string.ascii_uppercase, runs, strict=False)
    )
    for warning in [*warnings(runs), *of_runs, *notes]:
        print(f"warning: {warning}", file=sys.stderr)


def _report(
    runs: Sequence["StoredRun"],
    matrices: Sequence["NDArray[np.float64]"],
    intervals: Sequence[dict[str, tuple[float, float]] | None],
) -> None:
    from wser.evaluation import uncertainty
    from wser.reports.comparison import in_words, track
    from wser.reports.tables import comparison_table

    letters = string.ascii_uppercase[: len(runs)]
    names = [
        " ".join([letter, *(f"({caveat.short})" for caveat in _named(run))]) for letter, run in zip(letters, runs, strict=True)
    ]
    rows = []
    for name, matrix, interval in zip(names, matrices, intervals, strict=True):
        headline = {key: float(value) for key, value in uncertainty.scores(matrix.sum(0)).items()}
        rows.append((name, headline, interval))
    differences = [uncertainty.differences(matrices[0], matrix) for matrix in matrices[1:]]
    against_first = [(f"{letter} - A", of_run) for letter, of_run in zip(letters[1:], differences, strict=True)]
    title = f"{len(runs[0].rows)} test utterances of {len(matrices[0])} speakers, pooled over all folds"
    tables.show(comparison_table(title, rows, against_first))
    for name, run, of_run in zip(names[1:], runs[1:], differences, strict=True):
        tables.paragraph(in_words(names[0], name, of_run["uar"], track(run) == track(runs[0])), "UAR: ")


def _named(run: "StoredRun") -> "list[Caveat]":
    """The caveats of a run."""
    from wser.evaluation import caveats

    return caveats.of_track(run.record) + caveats.of_selection(run.record["selection"])


if __name__ == "__main__":
    sys.exit(main())
