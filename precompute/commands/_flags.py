"""The command line without a first word: flags name the command, and `build` is the usual one."""

import argparse
import shlex
from collections.abc import Mapping, Sequence

from precompute.commands import _corpora, _options, build, check, fetch
from precompute.commands import list as listing
from precompute.common import terminal
from precompute.common.errors import unknown
from precompute.common.provenance import version_of


def run(arguments: Sequence[str], commands: Mapping[str, str]) -> int:
    """Do what the flags say.

    Args:
        arguments: All that follows `python -m precompute`.
        commands: What may be named by a first word instead, and what each does.

    Returns:
        The exit code: 0 all done, 1 nothing done, 2 wrong usage, 3 done with inputs skipped, or checked with warnings,
        130 interrupted.
    """
    parser = _parser(commands)
    if arguments and not arguments[0].startswith("-"):
        parser.error(unknown("command", arguments[0], commands))
    options = parser.parse_args(arguments)
    if options.markdown:
        return listing.run_markdown()
    where = _corpora.places(options)
    if options.list:
        return listing.run(where)
    if options.fetch:
        return fetch.run(options.fetch, where, options)
    if options.accept_licence or options.mirror or options.accept_changed:
        parser.error("--accept-licence, --mirror and --accept-changed belong to --fetch NAME")
    if not (options.corpus or options.check):
        parser.error("give --corpus NAME, --check NAME, --fetch NAME, or --list to see the choices")
    if options.check:
        if options.executor:
            parser.error("--check reads recordings on this machine: leave out --executor")
        if options.dry_run:
            parser.error("--check writes no cache, dry or not: leave out --dry-run")
        return check.run(options.check, where, options, parser, shlex.join(["python", "-m", "precompute", *arguments]))
    if options.out:
        parser.error("--out is the page of --check NAME, which is not given")
    return build.run(options.corpus, where, options)


def _parser(commands: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = terminal.Parser(
        prog="python -m precompute",
        description=build.DESCRIPTION,
        epilog=_epilog(commands),
    )
    parser.add_argument("--version", action="version", version=f"wser {version_of('wser')}", help="print the version, and stop")
    work = parser.add_mutually_exclusive_group()
    work.add_argument("--corpus", metavar=_options.NAMES, help=_options.CORPORA)
    work.add_argument(
        "--check", metavar=_options.NAMES,
        help="read every recording of these instead, and report counts, durations, rates, channels, clipping, silence, "
        "duplicates and labels by speaker, here and as a page with pictures",
    )  # fmt: skip
    work.add_argument(
        "--fetch", metavar=_options.NAMES,
        help="download corpora into the directory of --corpora; if a corpus is given only on request, say how to ask for it; "
        "all: every corpus that can be downloaded",
    )  # fmt: skip
    _options.corpora(parser)
    _options.caches_to_fill(parser)
    _options.recipe(parser, _options.SEVERAL_RECIPES, _options.NAMES)
    _options.jobs(parser)
    _options.executor(parser)
    _options.out(parser, "with --check: ")
    parser.add_argument(
        "--list", action="store_true", help="show the corpora: found or not, counts, licence, where to get them"
    )
    _options.markdown(parser)
    _options.dry_run(parser)
    _options.table(parser, "with --corpus table, or --check table")
    _options.fetching(parser.add_argument_group("with --fetch"))
    return parser


def _epilog(commands: Mapping[str, str]) -> str:
    return "\n".join(
        [
            "commands:",
            *(f"  {name:<6} {text}" for name, text in commands.items()),
            "",
            "python -m precompute COMMAND --help says more; --corpus, --check, --fetch and --list without COMMAND do the same.",
            "Exit codes: 0 all done, 1 nothing done, 2 wrong usage, 3 done with inputs skipped, or checked with warnings, "
            "130 interrupted.",
        ]
    )
