"""The command `python -m precompute show`: draw what a cache holds, and the filters that made it.

`python -m precompute show --corpus emodb --speaker 03 --out emodb.png` draws one cached picture of each emotion of a speaker;
`python -m precompute show --filters --recipe default --out filters.png` draws the filter bank of a recipe.
"""

import sys
from collections.abc import Sequence

from precompute.commands import _options
from precompute.common import paths, terminal


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the command's name; by default those of the process.

    Returns:
        The exit code: 0 drawn, 1 refused, 2 wrong usage, 130 interrupted.
    """
    return terminal.command("precompute show", _main, "nothing was drawn", arguments)


def _main(arguments: Sequence[str]) -> int:
    parser = terminal.Parser(
        prog="python -m precompute show",
        description="Draw one cached picture of each emotion of a speaker, with the same sentence; or the filters of a recipe.",
        epilog="Example: python -m precompute show --corpus emodb --speaker 03 --out emodb.png",
    )
    what = _options.corpus(parser, "corpus in the cache")
    what.add_argument(
        "--filters", action="store_true", help="draw the frequency responses and durations of a recipe's wavelets"
    )
    parser.add_argument("--speaker", metavar="NAME", help="speaker (default: the first)")
    parser.add_argument("--emotions", metavar="NAME,...", help="emotions, in this order (default: all)")
    _options.recipe(parser, "name or id of the recipe", changed="with --filters: change parameters")
    parser.add_argument("--input", metavar="ID", help="id of the cache, if there are several")
    _options.cache(parser)
    parser.add_argument("--out", metavar="PNG", type=paths.path, required=True, help="file to write")
    options = parser.parse_args(arguments)
    from precompute.check import drawing

    if options.filters:
        from precompute.recipe import named

        drawing.draw_filters(named(options.recipe, options.set), options.out)
    else:
        from precompute.cache import places, roots

        cache = roots.find(places.parse(options.cache), options.corpus, options.recipe, options.input)
        speaker = options.speaker or cache.records[0].speaker
        emotions = options.emotions.split(",") if options.emotions else None
        drawing.draw(cache, drawing.choose(cache, speaker, emotions), options.out)
    print(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
