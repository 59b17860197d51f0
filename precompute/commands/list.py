"""The command `python -m precompute list`: which corpora are found, and what is known of each."""

import sys
from collections.abc import Sequence

from precompute import corpora
from precompute.commands import _corpora, _options
from precompute.common import finding, tables, terminal
from precompute.common.errors import counted


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the command's name; by default those of the process.

    Returns:
        The exit code: 0 all listed, 1 refused, 2 wrong usage, 130 interrupted.
    """
    return terminal.command("precompute", _main, "nothing was changed", arguments)


def _main(arguments: Sequence[str]) -> int:
    parser = terminal.Parser(
        prog="python -m precompute list",
        description="Show the corpora: found or not, counts, licence, where to get them.",
        epilog="Example: python -m precompute list --corpora ~/corpora,ravdess=/data/R",
    )
    _options.corpora(parser)
    _options.markdown(parser)
    options = parser.parse_args(arguments)
    return run_markdown() if options.markdown else run(_corpora.places(options))


def run_markdown() -> int:
    """Print what is known of each corpus; returns the exit code."""
    from precompute.corpora import _catalogue

    print(_catalogue.markdown(), end="")
    return _corpora.ALL_DONE


def run(where: finding.Corpora) -> int:
    """Print where each corpus is found, and what is published of it; returns the exit code."""
    print(f"corpora in {where}")
    for name in corpora.names():
        module = corpora.load(name)
        corpus, directory = module.CORPUS, _corpora.find(module, where)
        print()
        tables.paragraph(corpus.title, f"{name}  ")
        if directory:
            scan = module.scan(directory)
            speakers = len({utterance.speaker for utterance in scan.utterances})
            utterances = counted(len(scan.utterances), "utterance")
            more = f", {counted(len(scan.skipped), 'file')} skipped" if scan.skipped else ""
            tables.paragraph(f"{directory}: {utterances} of {counted(speakers, 'speaker')}{more}", "  found      ")
        else:
            tables.paragraph(f"would lie as {where.root / corpus.usual_place}", "  not found  ")
        emotions = tables.listed([f"{emotion} {count}" for emotion, count in sorted(corpus.emotions.items())])
        facts = {
            "published": [f"{corpus.files} utterances,", f"{corpus.speakers} speakers;", *emotions],
            "licence": corpus.licence,
            "source": corpus.source,
            "paper": f"https://doi.org/{corpus.doi}",
        }
        for heading, fact in facts.items():
            tables.paragraph(fact, f"  {heading:<9}  ")
    return _corpora.ALL_DONE


if __name__ == "__main__":
    sys.exit(main())
