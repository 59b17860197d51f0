"""The command `python -m precompute fetch`: download corpora."""

import argparse
import sys
from collections.abc import Sequence

from precompute import corpora
from precompute.commands import _corpora, _options
from precompute.common import finding, terminal
from precompute.common.errors import CorpusError, WserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the command's name; by default those of the process.

    Returns:
        The exit code: 0 all there, 1 none, 2 wrong usage, 3 some, 130 interrupted.
    """
    return terminal.command("precompute", _main, "what was downloaded stays, run the same command to finish", arguments)


def _main(arguments: Sequence[str]) -> int:
    parser = terminal.Parser(
        prog="python -m precompute fetch",
        description="Download corpora into the directory of --corpora; if a corpus is given only on request, say how to "
        "ask for it.",
        epilog="Example: python -m precompute fetch emodb --accept-licence. Exit codes: 0 all corpora are there, 1 none is, "
        "2 wrong usage, 3 some are, 130 interrupted.",
    )
    _options.corpus(
        parser, f"one or several, with commas: {', '.join(corpora.names())}; or all, every corpus that can be downloaded"
    )
    _options.corpora(parser)
    _options.fetching(parser)
    options = parser.parse_args(arguments)
    return run(options.corpus, _corpora.places(options), options)


def run(wanted: str, where: finding.Corpora, options: argparse.Namespace) -> int:
    """Download corpora; one that fails does not stop the others.

    Args:
        wanted: Their names, with commas between, or `all`.
        where: They are unpacked, in its first directory.
        options: With those of `fetching`.

    Returns:
        The exit code, as of `main`.
    """
    from precompute.corpora import _download

    names = wanted.split(",")
    if "all" in names:
        names = [name for name in corpora.names() if corpora.load(name).CORPUS.downloads]
    codes = set()
    for name in dict.fromkeys(names):
        try:
            module, own = corpora.load(name), where.own.get(name)
            if own:
                raise CorpusError(
                    f"fetch {name} does not write to {own}: give --corpora DIR without {name}=, and it is unpacked as "
                    f"DIR/{module.CORPUS.usual_place}"
                )
            fetched = _download.fetch(module, where.root, options.accept_licence, options.mirror, options.accept_changed)
            codes.add(_corpora.ALL_DONE if fetched else _corpora.NOTHING_DONE)
        except WserError as error:
            print(f"precompute: {error}", file=sys.stderr)
            codes.add(_corpora.NOTHING_DONE)
    return _corpora.together(codes)


if __name__ == "__main__":
    sys.exit(main())
