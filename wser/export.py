"""The command `python -m wser.export`: the networks of a run as ONNX files, or its model card."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from precompute.common import files, finding, paths, terminal
from precompute.common.errors import UsageError, WserError, counted

EPILOG = """\
OUT.onnx takes pictures and gives probabilities: the mean over all folds of the run, or one fold's.  OUT.json has all
that a client needs to know, and OUT.transform.onnx makes the pictures from waveforms, if the recipe allows it.  Both graphs
are compared with PyTorch and with the cache's pictures, on recordings, before they are written.  docs/export.md has a client of
30 lines.

examples:
  python -m wser.export RUN model.onnx
      all folds as one ensemble
  python -m wser.export RUN model.onnx fold=3
      one fold
  python -m wser.export RUN model.onnx --recordings a.wav b.wav
      checked on these
  python -m wser.export RUN card.md --card
      a model card: its training data, results and limits

RUN is the directory of a run, such as
runs/emodb-three_pipe-loso-1a2b3c4d5e6f.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; by default those of the process.

    Returns:
        The exit code: 0 written, 1 refused, 2 wrong usage, 130 interrupted.
    """
    return terminal.command("wser.export", _main, "nothing was written", arguments)


def _main(arguments: Sequence[str]) -> int:
    parser = terminal.Parser(
        prog="python -m wser.export",
        description="Write the networks of a run as ONNX files, checked; or the model card of a run.",
        epilog=EPILOG,
    )
    parser.add_argument("run", metavar="RUN", type=paths.path, help="directory of a run's results, or of one of its folds")
    parser.add_argument("out", metavar="OUT", type=paths.path, help="file to write: OUT.onnx, or with --card OUT.md")
    parser.add_argument(
        "fold", metavar="fold=K", nargs="?", type=_fold, help="the one fold to export (default: the mean of all)"
    )
    parser.add_argument(
        "--recordings", metavar="FILE", nargs="+",
        help="audio files, folders or patterns in quotes on which the graphs are checked (default: the run's own recordings, "
        "by its cache and $WSER_CORPORA); at most 20 of them are used",
    )  # fmt: skip
    parser.add_argument("--feature", metavar="FILE", default="", help="as in wser.predict")
    parser.add_argument("--card", action="store_true", help="write a model card in Markdown instead")
    options = parser.parse_intermixed_args(arguments)
    if options.card:
        return _card(options)
    return _export(options.run, _new(options.out, ".onnx"), options.fold, options.recordings, options.feature)


def _fold(text: str) -> int | None:
    key, _, number = text.partition("=")
    if key != "fold" or not (number == "all" or number.isdecimal()):
        raise argparse.ArgumentTypeError(f"'{text}' is not fold=K: give the number of a fold, as in fold=0, or leave it out")
    return None if number == "all" else int(number)


def _new(out: Path, ending: str) -> Path:
    """The path of a file that can be written.

    Raises:
        UsageError: It has another ending.
        WserError: It is there already, or its directory is not.
    """
    if out.suffix.lower() != ending or out.stem == "":
        raise UsageError(f"{out} does not end in {ending}: give a name as in {out.with_suffix(ending).name or f'out{ending}'}")
    _refuse_existing(out)
    if not out.parent.is_dir():
        raise WserError(f"{out.parent} is not a directory: make it, or give another path")
    return out


def _refuse_existing(out: Path) -> None:
    if os.path.lexists(out):
        raise WserError(f"{out} exists already: remove it, or give another name")


def _export(run: Path, out: Path, fold: int | None, recordings: list[str] | None, feature: str) -> int:
    from wser.inference import graph

    facts, transform = out.with_suffix(".json"), out.with_suffix(".transform.onnx")
    for other in (facts, transform):
        _refuse_existing(other)
    graph.require()
    from wser import results
    from wser.inference import export, trained

    loaded = trained.load(run, fold, feature)
    corpora = os.environ.get("WSER_CORPORA", "")
    if len(loaded.folds) < loaded.of_all and fold is None and loaded.path == run:
        print(f"warning: {len(loaded.folds)} of the run's {loaded.of_all} folds are finished, and exported", file=sys.stderr)
    checked_on = export.named(recordings) if recordings else export.of_corpora(loaded, finding.parse(None, corpora))
    if not checked_on:
        names = " + ".join(corpus["corpus"] for corpus in loaded.record["corpora"])
        raise WserError(
            f"graphs are checked on recordings, and none of {names} is found by its cache in {loaded.config.cache_root} and in "
            f"{corpora or 'corpora'}: set WSER_CACHE and WSER_CORPORA, or give --recordings FILE..."
        )
    print(f"{counted(len(loaded.folds), 'fold')} of {run}: this takes about {15 + 6 * len(loaded.folds)} s", file=sys.stderr)
    exported = export.export(loaded, checked_on, (out.name, transform.name))
    written = {
        out: exported.network,
        **({transform: exported.transform} if exported.transform else {}),
        facts: results.as_json(exported.facts),
    }
    for path, content in written.items():
        with files.new_file(path) as aside:
            files.write_new(aside, content, path.parent)
    _say(exported.facts["checked"], exported.facts["transform"].get("why_not"))
    for path, content in written.items():
        print(f"{path}  {len(content) / 1e6:.1f} MB")
    return 0


def _say(checked: dict[str, object], why_not: str | None) -> None:
    """What the checks have found."""
    sentence = f"checked on {counted(int(str(checked['recordings'])), 'recording')}: probabilities within "
    sentence += f"{checked['largest_difference']:.1e} of PyTorch's"
    transform = checked.get("transform")
    if isinstance(transform, dict):
        sentence += (
            f"; pictures of waveforms: {100 * transform['levels_equal']:.2f} % of the pixels as in the cache, "
            f"{100 * transform['levels_within_one']:.3f} % within one level, probabilities within "
            f"{transform['largest_difference']:.1e}"
        )
    print(sentence)
    if why_not:
        print(f"no graph of the transform, since {why_not}", file=sys.stderr)


def _card(options: argparse.Namespace) -> int:
    out = _new(options.out, ".md")
    if options.fold is not None or options.recordings or options.feature:
        raise UsageError("--card is of the whole run, by its own files: leave fold=K, --recordings and --feature out")
    from wser.reports import card
    from wser.reports.html import opened

    content = card.card(opened.summarised(options.run))
    with files.new_file(out) as aside:
        files.write_new(aside, content.encode("utf-8", "replace"), out.parent)
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
