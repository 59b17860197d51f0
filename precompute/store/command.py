"""The command line of the caches themselves: `python -m precompute cache list`, and so on."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from precompute.errors import CacheError, CacheMissingError, WserError

DONE, FAILED = 0, 1


def main(arguments: Sequence[str]) -> int:
    """Run the command line.

    Args:
        arguments: What follows `python -m precompute cache`.

    Returns:
        The exit code: 0 done, 1 refused, failed, or damage found; 2 is wrong usage.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except WserError as error:
        print(f"precompute cache: {error}", file=sys.stderr)
    except OSError as error:
        print(f"precompute cache: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("precompute cache: interrupted; what was finished stays", file=sys.stderr)
    return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m precompute cache",
        description="Look after caches. ID is the name of a cache's directory, its beginning, or its part after the dash.",
        epilog="Exit codes: 0 done, 1 refused, failed, or damage found, 2 wrong usage.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--cache", metavar="DIR[:DIR...]", default=os.environ.get("WSER_CACHE") or "cache",
        help="directories of caches, searched in order; each may be a URL, as s3://bucket/lab "
        "(default: $WSER_CACHE, else ./cache)",
    )  # fmt: skip

    def add(name: str, run: object, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text, parents=[common])
        command.set_defaults(run=run)
        return command

    add("list", _list, "Every cache: corpus, recipe in words, size, who made it and when.")
    add("info", _info, "Everything about one cache.").add_argument("id", metavar="ID")
    return parser


def _list(options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from precompute.store import places, roots
    from precompute.store.summary import summaries

    console = Console(width=None if sys.stdout.isatty() else 140)
    for root in places.parse(options.cache):
        roots.check_root(root)
        table = Table(title=f"caches in {root}", title_justify="left", header_style="bold")
        for heading in ("corpus", "recipe", "cache", "utterances", "speakers", "MB", "made", "by"):
            right = heading in ("utterances", "speakers", "MB")
            table.add_column(heading, justify="right" if right else "left", no_wrap=heading != "recipe")
        found = list(summaries(root))
        for one in found:
            counts = (str(one.utterances), str(one.speakers)) if one.sealed else ("unfinished", "")
            table.add_row(one.corpus, one.recipe, one.path.name, *counts, f"{one.size / 1e6:.1f}", one.made, one.by)
        if found:
            console.print(table)
        else:
            print(f"no caches in {root}: fill it with python -m precompute --corpus NAME --cache {root}")
    return DONE


def _info(options: argparse.Namespace) -> int:
    from precompute.recipe import Recipe, in_words
    from precompute.store.cache import Cache
    from precompute.store.summary import provenance

    cache = Cache(_one(options))
    print(f"{cache.corpus}{' (synthetic speech)' if cache.synthetic else ''}")
    print(f"  cache        {cache.path}")
    print(f"  layout       {cache.manifest['layout']}")
    print(f"  fingerprint  {cache.fingerprint}")
    print(f"  size         {cache.size / 1e6:.1f} MB in {len(cache.manifest['files'])} files")
    speakers = Counter(record.speaker for record in cache.records)
    seconds = sum(record.duration for record in cache.records)
    print(f"  utterances   {len(cache.records)} of {len(speakers)} speakers, {seconds / 60:.1f} minutes")
    for title, counts in (("emotions", Counter(record.emotion for record in cache.records)), ("speakers", speakers)):
        print(f"  {title:<12} {', '.join(f'{name} {count}' for name, count in sorted(counts.items()))}")
    print(f"  recipe       {in_words(cache.recipe)} ({cache.manifest['recipe_id']})")
    usual = Recipe().record()
    for key, value in cache.recipe.items():
        if key != "colour_table":
            print(f"    {key:<12} {value}{'' if usual.get(key) == value else f'   (default: {usual.get(key)})'}")
    for one in provenance(cache.path):
        versions = ", ".join(f"{name} {version}" for name, version in one.get("versions", {}).items())
        print(f"  made         {one.get('created', '?')} by {one.get('by', '?')} with {versions}")
    print(f"  skipped      {len(cache.skipped)}")
    for skipped in cache.skipped:
        print(f"    {skipped.path}: {skipped.reason}")
    return DONE


def _one(options: argparse.Namespace) -> Path:
    """The directory of the one sealed cache that `options.id` means.

    Raises:
        CacheError: None does, or several do.
    """
    found = _some(options, [options.id])
    if len(found) > 1:
        raise CacheError(f"{len(found)} caches answer '{options.id}': give more of one of {', '.join(map(str, found))}")
    return found[0]


def _some(options: argparse.Namespace, ids: Sequence[str]) -> list[Path]:
    """Directories of the sealed caches that ids mean; of the same cache in several roots the first.

    Raises:
        CacheMissingError: One means none.
    """
    from precompute.store import places, roots

    everything: dict[tuple[str, str], Path] = {}
    for root in places.parse(options.cache):
        roots.check_root(root)
        for path in roots.sealed(root):
            everything.setdefault((path.parent.name, path.name), path)
    for name in ids:
        if not any(roots.answers(path, name) for path in everything.values()):
            raise CacheMissingError(
                f"no sealed cache in {options.cache} answers '{name}': python -m precompute cache list shows what is there"
            )
    return [path for path in everything.values() if not ids or any(roots.answers(path, name) for name in ids)]
