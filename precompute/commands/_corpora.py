"""The corpora that a command names: where they are, and a command's work on one after the other."""

import argparse
import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from precompute import corpora
from precompute.common import finding
from precompute.common.errors import CorpusError, UsageError, WserError, counted, few

if TYPE_CHECKING:
    from precompute.corpora._table import Table
    from precompute.recipe import Recipe

ALL_DONE, NOTHING_DONE, DONE_WITH_SKIPS = 0, 1, 3
"""Exit codes of the commands on corpora; 2 is wrong usage."""

Work = Callable[[corpora.Corpus, Path, corpora.Scan, "Recipe", str], int]
"""What is done to a corpus: takes it, its directory, what is there, a recipe and the recipe in words; gives the exit code."""


def places(options: argparse.Namespace) -> finding.Corpora:
    """The directories of corpora, of --corpora or the environment."""
    return finding.parse(options.corpora, os.environ.get("WSER_CORPORA", ""), corpora.names())


def together(codes: set[int]) -> int:
    """The exit code of works with these."""
    return next(iter(codes)) if len(codes) == 1 else DONE_WITH_SKIPS if codes else ALL_DONE


def recipes(options: argparse.Namespace) -> "dict[str, Recipe]":
    """The recipes of --recipe and --set, by their words.

    Raises:
        RecipeError: There is no such recipe, or parameter, or value.
        UsageError: They would give no workers.
    """
    from precompute import recipe

    recipes = {" ".join([name, *options.set]): recipe.named(name, options.set) for name in options.recipe.split(",")}
    if options.jobs == 0:
        raise UsageError("--jobs 0 is neither -1 nor at least 1: give 1 or more, or -1 for every core")
    return recipes


def each(
    wanted: str, where: finding.Corpora, chosen: "dict[str, Recipe]", options: argparse.Namespace, work: Work, make: bool
) -> int:
    """Do the work on each corpus by each recipe; one that fails does not stop the others.

    Args:
        wanted: Names of corpora with commas between, `all`, or `table`.
        where: Where they may be.
        chosen: Recipes by their words.
        options: With `table`, `name` and `skip_bad`.
        work: To be done.
        make: Whether to make a corpus that is made on the spot and is not there.

    Returns:
        The exit code.

    Raises:
        CorpusError: One is not there, or the table has faults.
    """
    if wanted == "table":
        own = _read_table(options)
        located = [(own.corpus, own.directory, lambda _: own.scan)]
    else:
        if own_options := [flag for flag in ("table", "name", "skip_bad") if getattr(options, flag)]:
            flag = f"--{own_options[0].replace('_', '-')}"
            raise UsageError(
                f"{flag} belongs to the corpus table, not to {wanted}: give table in its place, or leave {flag} out"
            )
        located = [(module.CORPUS, directory, module.scan) for module, directory in _locate(wanted, where, make)]
    codes = set()
    for (corpus, directory, scan), (words, recipe) in itertools.product(located, chosen.items()):
        try:
            codes.add(work(corpus, directory, scan(directory), recipe, words))
        except WserError as error:
            print(f"precompute: {error}", file=sys.stderr)
            codes.add(NOTHING_DONE)
    return together(codes)


def find(module: ModuleType, where: finding.Corpora) -> Path | None:
    """The directory of a corpus, None where it is not there; of several copies the first, and the others are named."""
    places = where.places(module)
    if len(places) > 1:
        name, others = module.CORPUS.name, few(places[1:])
        print(
            f"warning: {name} is in {len(places)} places, and the one in {places[0]} is taken: for another ({others}) give "
            f"--corpora {name}=DIR",
            file=sys.stderr,
        )
    return next(iter(places), None)


def _read_table(options: argparse.Namespace) -> "Table":
    from precompute.corpora import _table

    if not options.table or not options.name:
        raise UsageError("--corpus table needs the table and a name for the corpus: give --table my.csv --name mine")
    table = _table.read(options.table, options.name)
    for fault in table.faults:
        print(f"{options.table}: {fault}", file=sys.stderr)
    if table.faults and not (options.skip_bad and table.scan.utterances):
        many = len(table.faults) > 1
        them, their_lines = ("them", "their lines") if many else ("it", "its line")
        # Of a fault in the header, no line is left to read.
        others = not options.skip_bad and table.scan.utterances
        remedy = f"correct {them}" + (f", or leave {their_lines} out by --skip-bad" if others else "")
        raise CorpusError(f"{options.table} has {counted(len(table.faults), 'fault')}, listed above: {remedy}")
    if not table.scan.utterances:
        raise CorpusError(f"{options.table} lists no utterance: give it a line for each, below the header")
    if table.extras:
        single = len(table.extras) == 1
        print(
            f"{options.table}: kept as {'it is' if single else 'they are'}: {', '.join(map(repr, table.extras))}",
            file=sys.stderr,
        )
    words = {
        utterance.label: utterance.emotion
        for utterance in table.scan.utterances
        if utterance.label.lower() != utterance.emotion
    }
    if words:
        taken = few([f"{label} taken as {emotion}" for label, emotion in sorted(words.items())], 10)
        print(f"{options.table}: emotions: {taken}", file=sys.stderr)
    if table.words:
        print(
            f"warning: emotions that the common vocabulary ({', '.join(corpora.EMOTIONS)}) does not have are kept as they are: "
            + few([_unknown_word(word, place) for word, place in table.words.items()], 10),
            file=sys.stderr,
        )
    return table


def _unknown_word(word: str, place: str) -> str:
    """An emotion that is not in the common vocabulary, with its first line, and with the one that may have been meant."""
    return f"{word} (first in {place}{corpora.meant(word)})"


def _locate(wanted: str, where: finding.Corpora, make: bool) -> list[tuple[ModuleType, Path]]:
    """Modules and where of the corpora asked for; a corpus that is made on the spot is made."""
    if "all" in wanted.split(","):
        modules = [module for module in map(corpora.load, corpora.names()) if not module.CORPUS.synthetic]
        located = [(module, directory) for module in modules if (directory := find(module, where))]
        if not located:
            raise CorpusError(
                f"there is no corpus in {where}: place one there (see --list for where to get them), or give --corpora DIR"
            )
        return located
    located = []
    for name in dict.fromkeys(wanted.split(",")):
        module = corpora.load(name)
        directory = find(module, where)
        if directory is None and hasattr(module, "make"):
            directory = where.root / name
            if not make:
                print(f"{name}: would first make {module.CORPUS.files} utterances in {directory}")
                continue
            print(f"{name}: making {module.CORPUS.files} utterances in {directory}")
            module.make(directory)
        if directory is None:
            corpus = module.CORPUS
            place = f"get it from {corpus.source} and place it as {where.root / corpus.usual_place}"
            if corpus.downloads:
                place = f"python -m precompute fetch {name} downloads it; or {place}"
            raise CorpusError(f"{name} is not in {where}: {place}, or say where it is by --corpora {name}=DIR")
        located.append((module, directory))
    return located
