"""The command `python -m wser.predict`: what a trained network says of recordings."""

import argparse
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from precompute.common import files, paths, tables, terminal
from precompute.common.errors import UsageError, WserError, counted, few
from precompute.common.provenance import version_of

if TYPE_CHECKING:
    from wser.inference.predict import Predicted, Predictor, Recording, Unusable

T = TypeVar("T")

LEFT_OUT = 3
"""Exit code where some recordings could not be used."""

KEPT = "what was written stays"

EPILOG = """\
A recording is prepared in the same way as those of training.  The probabilities of a run are the mean over its folds, and those
of a fusion the mean over its runs.  A recording of the run's own data is marked, and predicted only by the folds that have not
learned from it.

exit codes: 0 all predicted, 1 refused, 2 wrong usage, 3 some recordings could not be used and the others are predicted

examples:
  python -m wser.predict RUN my.wav
  python -m wser.predict RUN recordings/ --csv predictions.csv
  python -m wser.predict RUN meeting.flac --timeline meeting

RUN is the directory of a run, such as
runs/emodb-three_pipe-loso-1a2b3c4d5e6f.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; by default those of the process.

    Returns:
        The exit code: 0 all predicted, 1 refused, 2 wrong usage, 3 some could not be used, 130 interrupted.
    """
    return terminal.command("wser.predict", _main, KEPT, arguments)


def _main(arguments: Sequence[str]) -> int:
    parser = terminal.Parser(
        prog="python -m wser.predict",
        description="Predict the emotion of recordings by what a run has learned.",
        epilog=EPILOG,
    )
    parser.add_argument("run", metavar="RUN", type=paths.path, help="directory of a run's results, or of one of its folds")
    parser.add_argument(
        "recordings",
        nargs="+",
        metavar="FILE",
        help="audio files, folders, patterns in quotes, or - for standard input; among them fold=K chooses one fold",
    )
    parser.add_argument("--csv", metavar="OUT", type=paths.path, help="write a line for each recording to this file")
    parser.add_argument("--jsonl", metavar="OUT", type=paths.path, help="the same, an object of JSON in each line")
    parser.add_argument(
        "--one-speaker",
        action="store_true",
        help="all recordings are of one speaker, who is standardised by them: for runs of data.standardise=speaker",
    )
    parser.add_argument(
        "--feature", metavar="FILE", default="",
        help="the recipe's feature, where that is a file of your own (default: what recipe= named, if that was a file)",
    )  # fmt: skip
    parser.add_argument(
        "--timeline",
        metavar="DIR",
        type=paths.path,
        help="follow recordings of any length window by window: a CSV and a page of HTML for each in this directory",
    )
    parser.add_argument(
        "--hop", metavar="SECONDS", type=float, help="time from one window to the next (default: half of the recipe's duration)"
    )
    parser.add_argument(
        "--quiet", metavar="DB", type=float, help="leave out windows more than this many dB below the loudest one (default: 35)"
    )
    options = parser.parse_args(arguments)
    fold, texts = _fold(options.recordings)
    if not texts:
        raise UsageError("no recording is named: give files, folders, patterns or -")
    if options.timeline and options.one_speaker:
        raise UsageError("--one-speaker hears whole recordings, and --timeline their windows: give one of both")
    for name in ("hop", "quiet"):
        value = getattr(options, name)
        if value is not None and not options.timeline:
            raise UsageError(f"--{name} {value:g} has no effect without --timeline: give --timeline DIR, or leave it out")
        if value is not None and not 0 < value < 1000:
            raise UsageError(f"--{name} {value:g} is not above 0 and below 1000: give a number between")
    for target in filter(None, (options.csv, options.jsonl)):
        # Not after hours of work.
        if os.path.lexists(target):
            raise WserError(f"{target} exists already: remove it, or give another name")
        if not target.parent.is_dir():
            raise WserError(f"{target.parent} is not a directory: make it, or give another name")
    return _predict(options, fold, texts)


def _fold(texts: Sequence[str]) -> tuple[int | None, list[str]]:
    """The fold that is chosen among the names of recordings, and the others."""
    chosen = [text for text in texts if text.startswith("fold=") and not Path(text).exists()]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} choose two folds: give one, or none for the mean over all")
    if chosen and not re.fullmatch(r"fold=(\d+|all)", chosen[0]):
        raise UsageError(f"{chosen[0]} is not a fold: give the number of one, as in fold=0")
    others = [text for text in texts if text not in chosen]
    return (int(chosen[0].removeprefix("fold=")) if chosen and chosen[0] != "fold=all" else None), others


def _predict(options: argparse.Namespace, fold: int | None, texts: Sequence[str]) -> int:
    from wser.inference import fusion, predict, seen, sources, trained

    runs = trained.load_all(options.run, fold, options.feature)
    run = runs[0]
    if len(run.folds) < run.of_all and fold is None and run.path == options.run:
        some = f"{len(run.folds)} of the run's {run.of_all} folds"
        print(f"warning: only {some} can predict, since the others are not finished", file=sys.stderr)
    if options.timeline and len(runs) > 1:
        names = few([str(fused.path) for fused in runs], 3)
        raise UsageError(f"--timeline is of one run, and {options.run} averages {len(runs)}: give one of {names}")
    if not options.one_speaker:
        predict.check_alone(runs)
    named_sources = list(sources.named(texts))
    recordings = [source for source in named_sources if isinstance(source, predict.Recording)]

    def hear() -> "Iterable[Recording]":
        return _shown(recordings, len(recordings), "hearing the speaker")

    speakers = predict.of_speaker(runs, hear) if options.one_speaker else [None] * len(runs)
    predictor = fusion.Fusion(list(map(predict.Predictor, runs, map(seen.of, runs), speakers)))
    if options.timeline:
        results = list(_follow(options, predictor.predictors[0], recordings))
        print(f"timelines: a CSV and a page for each recording in {options.timeline}")
    else:
        results = list(_shown(predictor(recordings), len(recordings), "predicting"))
    rows = [result for result in results if isinstance(result, predict.Predicted)]
    unusable = [result for result in [*named_sources, *results] if isinstance(result, predict.Unusable)]
    _write(options, run.classes, rows)
    return _report(run.path if len(runs) == 1 else options.run, run.classes, rows, unusable)


def _shown(items: Iterable[T], count: int, what: str) -> Iterator[T]:
    """The predictions of recordings, with their progress shown meanwhile."""
    from precompute.common.progress import progress

    with progress(what, count, "recordings") as advance:
        for item in items:
            advance(1)
            yield item


def _follow(
    options: argparse.Namespace, predictor: "Predictor", recordings: Sequence["Recording"]
) -> Iterator["Predicted | Unusable"]:
    """Predict recordings window by window, and write the files of each."""
    from precompute.common.progress import progress
    from wser.inference import tables as written
    from wser.inference import timeline
    from wser.inference.predict import Unusable
    from wser.reports.html import timeline as page
    from wser.results import relative_link

    run, folder = predictor.run, options.timeline
    hop = timeline.check_hop(run, options.hop)
    targets = _targets(folder, recordings)
    files.make_directory(folder, folder)
    for recording, target in zip(recordings, targets, strict=True):
        with progress(f"following {recording.name}", timeline.count(recording, run, hop), "windows") as advance:
            followed = timeline.follow(predictor, recording, hop, options.quiet, advance)
        if isinstance(followed, Unusable):
            yield followed
            continue
        audio = relative_link(recording.path, folder) if recording.path else None
        command = shlex.join(["python", "-m", "wser.predict", str(options.run), recording.name, "--timeline", str(folder)])
        made = f"Made by wser {version_of('wser')} on {datetime.now(UTC):%Y-%m-%d}: {command}"
        files.replace(target.with_name(f"{target.name}.csv"), written.timeline_csv(run.classes, followed), folder)
        files.replace(target.with_name(f"{target.name}.html"), page.render(followed, run, audio, made), folder)
        yield followed.mean


def _targets(folder: Path, recordings: Sequence["Recording"]) -> list[Path]:
    """Where the files of each recording go, without their endings; two of one name have numbers."""
    stems = [recording.path.stem if recording.path else "input" for recording in recordings]
    names = [f"{stem}-{stems[:at].count(stem) + 1}" if stems.count(stem) > 1 else stem for at, stem in enumerate(stems)]
    for name in names:
        for ending in ("csv", "html"):
            if folder.is_dir() and files.exists(folder / f"{name}.{ending}", folder):
                raise WserError(f"{folder / name}.{ending} exists already: remove it, or give another --timeline DIR")
    return [folder / name for name in names]


def _write(options: argparse.Namespace, classes: Sequence[str], rows: Iterable["Predicted"]) -> None:
    from wser.inference import tables as written

    rows = list(rows)
    for target, content in ((options.csv, written.as_csv), (options.jsonl, written.as_jsonl)):
        if target:
            with files.new_file(target) as aside:
                files.write_new(aside, content(classes, rows), aside.parent)


def _report(run: Path, classes: Sequence[str], rows: Sequence["Predicted"], unusable: Sequence["Unusable"]) -> int:
    from wser.inference import tables as written

    if rows:
        where = written.folder([row.name for row in rows])
        title = f"predictions of {run}" + (f" for {where}" if where else "")
        tables.show(written.table(title, classes, rows, tables.width()))
        print(written.in_words(rows, unusable, classes))
    sys.stdout.flush()
    for note in written.notes(rows):
        print(f"note: {note}", file=sys.stderr)
    for recording in unusable:
        print(f"warning: {recording.name} is left out: {recording.reason}", file=sys.stderr)
    if unusable:
        print(
            f"wser.predict: {counted(len(unusable), 'recording')} could not be used, and {len(rows)} predicted: replace "
            "what is named above, or leave it out",
            file=sys.stderr,
        )
    return LEFT_OUT if unusable else 0


if __name__ == "__main__":
    sys.exit(main())
