"""The command line: `python -m precompute --corpus ravdess`."""

import argparse
import itertools
import os
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from precompute import corpora
from precompute.common import finding, paths, process, terminal
from precompute.common.errors import CorpusError, RecipeError, WserError, counted

if TYPE_CHECKING:
    from collections import Counter

    from precompute.cache.reader import Cache
    from precompute.cache.roots import Roots
    from precompute.corpora._table import Table
    from precompute.pipeline.build import Way
    from precompute.pipeline.plan import Plan
    from precompute.recipe import Recipe

ALL_DONE, NOTHING_DONE, DONE_WITH_SKIPS = 0, 1, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; by default those of the process.

    Returns:
        The exit code: 0 all done, 1 nothing done, 3 done with inputs skipped, or checked with warnings.
    """
    if arguments is None:
        process.begin()
        arguments = sys.argv[1:]
    if arguments[:1] == ["cache"]:
        from precompute.commands import cache as command

        return command.main(arguments[1:])
    return terminal.command("precompute", lambda: _main(arguments), "what was published stays, run the same command to finish")


def _main(arguments: Sequence[str]) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.markdown:
        from precompute.corpora import _catalogue

        print(_catalogue.markdown(), end="")
        return ALL_DONE
    options.corpora = finding.parse(options.corpora, os.environ.get("WSER_CORPORA", ""), corpora.names())
    if options.list:
        return _list(options.corpora)
    if options.fetch:
        return _fetch(options)
    if options.accept_licence or options.mirror or options.accept_changed:
        parser.error("--accept-licence, --mirror and --accept-changed belong to --fetch NAME")
    if not (options.corpus or options.check):
        parser.error("give --corpus NAME, --check NAME, --fetch NAME, or --list to see the choices")
    if options.out and not options.check:
        parser.error("--out is the page of --check NAME, which is not given")
    if options.out and ("," in options.check or options.check == "all"):
        parser.error(f"--out {options.out} is one page: check one corpus, or leave out --out")
    if options.check and options.dry_run:
        parser.error("--check writes no cache, dry or not: leave out --dry-run")
    options.command = shlex.join(["python", "-m", "precompute", *arguments])
    return _run(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m precompute",
        description="Turn speech corpora into a cache of wavelet-scaled spectrograms.",
        epilog="Exit codes: 0 all done, 1 nothing done, 2 wrong usage, 3 done with inputs skipped, or checked with warnings. "
        "See also: python -m precompute cache --help (list, verify, clean up, export, copy).",
    )
    work = parser.add_mutually_exclusive_group()
    work.add_argument(
        "--corpus", metavar="NAME[,NAME...]",
        help=f"{', '.join(corpora.names())}; all (every real corpus found); or table (your own)",
    )  # fmt: skip
    work.add_argument(
        "--check", metavar="NAME[,NAME...]",
        help="read every recording of these instead, and report counts, durations, rates, channels, clipping, silence, "
        "duplicates and labels by speaker, here and as a page with pictures",
    )  # fmt: skip
    work.add_argument(
        "--fetch", metavar="NAME[,NAME...]",
        help="download corpora into the directory of --corpora; where a corpus has to be applied for, say how; "
        "all: every corpus that can be downloaded",
    )  # fmt: skip
    parser.add_argument(
        "--corpora", metavar="[NAME=]DIR[,...]", action="append",
        help="directory that holds the corpora; as in ravdess=DIR, a corpus's own directory; several with commas, or by "
        "several --corpora (default: $WSER_CORPORA, else ./corpora)",
    )  # fmt: skip
    parser.add_argument(
        "--cache", metavar="DIR[:DIR...]", default=os.environ.get("WSER_CACHE") or "cache",
        help="directories of caches, searched in order; what is new goes to the first that can be written "
        "(default: $WSER_CACHE, else ./cache)",
    )  # fmt: skip
    parser.add_argument(
        "--recipe", metavar="NAME[,NAME...]", default="default", help="names of recipes, one cache for each (default: default)"
    )
    parser.add_argument(
        "--set", metavar="KEY=VALUE", nargs="+", action="extend", default=[], help="change parameters of the recipe"
    )
    parser.add_argument("--jobs", metavar="N", type=int, default=-1, help="processes (default: one for each core)")
    parser.add_argument(
        "--out", metavar="FILE", type=paths.path, help="with --check: the page to write (default: check-NAME.html, here)"
    )
    parser.add_argument(
        "--list", action="store_true", help="show the corpora: found or not, counts, licence, where to get them"
    )
    parser.add_argument("--markdown", action="store_true", help="print what is known of each corpus: docs/corpora.md")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, how large it will be and how long it takes"
    )
    own = parser.add_argument_group("with --corpus table, or --check table")
    own.add_argument(
        "--table", metavar="FILE", type=paths.path,
        help="columns path, speaker, emotion; optionally start, end or duration (s), sex, session, sentence, same_speakers_as "
        "(the corpus whose speakers are the same people under the same names), anything else; their usual other names are "
        "understood, and audformat's tables, JSON lines and directories of Kaldi are too",
    )  # fmt: skip
    own.add_argument("--name", metavar="NAME", help="name of the corpus from then on, as in corpus=NAME")
    own.add_argument("--skip-bad", action="store_true", help="go on with the good lines")
    fetching = parser.add_argument_group("with --fetch")
    fetching.add_argument(
        "--accept-licence", action="store_true", help="accept the licence shown; nothing is downloaded without"
    )
    fetching.add_argument(
        "--mirror", metavar="URL", help="folder of a web server from which to take the archives, by their names, instead"
    )
    fetching.add_argument(
        "--accept-changed", action="store_true",
        help="take the corpus also where it is not the known one, by its checksum or the content of its recordings; results "
        "may then not be comparable with published ones",
    )  # fmt: skip
    return parser


def _fetch(options: argparse.Namespace) -> int:
    from precompute.corpora import _download

    names = options.fetch.split(",")
    if "all" in names:
        names = [name for name in corpora.names() if corpora.load(name).CORPUS.downloads]
    codes = set()
    for name in dict.fromkeys(names):
        try:
            module, own = corpora.load(name), options.corpora.own.get(name)
            if own:
                raise CorpusError(
                    f"--fetch {name} does not write to {own}: give --corpora DIR without {name}=, and it is laid as "
                    f"DIR/{module.CORPUS.usual_place}"
                )
            there = _download.fetch(
                module, options.corpora.root, options.accept_licence, options.mirror, options.accept_changed
            )
            codes.add(ALL_DONE if there else NOTHING_DONE)
        except WserError as error:
            print(f"precompute: {error}", file=sys.stderr)
            codes.add(NOTHING_DONE)
    return codes.pop() if len(codes) == 1 else DONE_WITH_SKIPS


def _run(options: argparse.Namespace) -> int:
    from precompute import recipe

    recipes = {" ".join([name, *options.set]): recipe.named(name, options.set) for name in options.recipe.split(",")}
    if options.jobs == 0:
        raise CorpusError("--jobs 0 leaves nobody to work: give 1 or more, or -1 for every core")
    if options.check and len(recipes) > 1:
        raise RecipeError(f"--check draws its spectrograms by one recipe, and {len(recipes)} are given: name one")
    codes = set()
    wanted, work = options.check or options.corpus, _check if options.check else _precompute
    if wanted == "table":
        own = _read_table(options)
        found = [(own.corpus, own.directory, lambda _: own.scan)]
    else:
        located = _locate(wanted, options.corpora, make=not options.dry_run)
        found = [(module.CORPUS, directory, module.scan) for module, directory in located]
    for (corpus, directory, scan), (words, chosen) in itertools.product(found, recipes.items()):
        try:
            codes.add(work(corpus, directory, scan(directory), chosen, words, options))
        except WserError as error:
            print(f"precompute: {error}", file=sys.stderr)
            codes.add(NOTHING_DONE)
    return codes.pop() if len(codes) == 1 else DONE_WITH_SKIPS if codes else ALL_DONE


def _read_table(options: argparse.Namespace) -> "Table":
    from precompute.corpora import _table

    if not options.table or not options.name:
        raise CorpusError("--corpus table needs the table and a name for the corpus: give --table my.csv --name mine")
    found = _table.read(options.table, options.name)
    for fault in found.faults:
        print(f"{options.table}: {fault}", file=sys.stderr)
    if found.faults and not (options.skip_bad and found.scan.utterances):
        many = len(found.faults) > 1
        them, their_lines = ("them", "their lines") if many else ("it", "its line")
        remedy = f"correct {them}" + ("" if options.skip_bad else f", or leave {their_lines} out by --skip-bad")
        raise CorpusError(f"{options.table} has {counted(len(found.faults), 'fault')}, listed above: {remedy}")
    if not found.scan.utterances:
        raise CorpusError(f"{options.table} lists no utterance: give it a line for each, below the header")
    if found.extras:
        one = len(found.extras) == 1
        print(
            f"{options.table}: kept as {'it is' if one else 'they are'}: {', '.join(map(repr, found.extras))}", file=sys.stderr
        )
    if found.words:
        print(
            f"warning: {', '.join(found.words)}: emotions that the common vocabulary ({', '.join(corpora.EMOTIONS)}) does not "
            "have, kept as they are",
            file=sys.stderr,
        )
    return found


def _locate(wanted: str, where: finding.Corpora, make: bool) -> list[tuple[ModuleType, Path]]:
    """Modules and directories of the corpora asked for; a corpus that is made on the spot is made."""
    if "all" in wanted.split(","):
        modules = [module for module in map(corpora.load, corpora.names()) if not module.CORPUS.synthetic]
        found = [(module, directory) for module in modules if (directory := _find(module, where))]
        if not found:
            raise CorpusError(
                f"no corpus lies in {where}: lay one there (see --list for where to get them), or give --corpora DIR"
            )
        return found
    located = []
    for name in dict.fromkeys(wanted.split(",")):
        module = corpora.load(name)
        directory = _find(module, where)
        if directory is None and hasattr(module, "make"):
            directory = where.root / name
            if not make:
                print(f"{name}: would first make {module.CORPUS.files} utterances in {directory}")
                continue
            print(f"{name}: making {module.CORPUS.files} utterances in {directory}")
            module.make(directory)
        if directory is None:
            corpus = module.CORPUS
            lay = f"get it from {corpus.source} and lay it as {where.root / corpus.usual_place}"
            if corpus.downloads:
                lay = f"--fetch {name} downloads it; or {lay}"
            raise CorpusError(f"{name} is not in {where}: {lay}, or say where it is by --corpora {name}=DIR")
        located.append((module, directory))
    return located


def _find(module: ModuleType, where: finding.Corpora) -> Path | None:
    """The directory of a corpus, None where it is not there; of several copies the first, and the others are named."""
    places = where.places(module)
    if len(places) > 1:
        name, others = module.CORPUS.name, corpora.few([str(place) for place in places[1:]])
        print(
            f"warning: {name} lies in {len(places)} places, and the one in {places[0]} is taken: for another ({others}) give "
            f"--corpora {name}=DIR",
            file=sys.stderr,
        )
    return next(iter(places), None)


def _check(
    corpus: corpora.Corpus, directory: Path, scan: corpora.Scan, recipe: "Recipe", _: str, options: argparse.Namespace
) -> int:
    from precompute.commands.check import check

    return check(corpus, directory, scan, recipe, options.jobs, options.out, options.command)


def _precompute(
    corpus: corpora.Corpus, directory: Path, scan: corpora.Scan, recipe: "Recipe", words: str, options: argparse.Namespace
) -> int:
    from precompute.cache import layout, places, roots
    from precompute.cache.reader import Cache
    from precompute.pipeline.plan import plan as make_plan

    started = time.monotonic()
    if not options.dry_run:
        corpora.require_utterances(corpus, directory, scan)
    for difference in corpora.compare_with_published(corpus, scan.utterances):
        print(f"warning: {corpus.name} is not as published: {difference}", file=sys.stderr)
    cache_roots, workers = places.parse(options.cache), None
    if not options.dry_run and not any(roots.sealed(root, corpus.name, recipe.id) for root in cache_roots):
        from precompute.pipeline import build

        # Most likely there is work to do: whoever does it gets ready while the recordings are hashed.
        workers = build.Workers(recipe, options.jobs)
    with workers or nullcontext():
        plan = make_plan(corpus, directory, scan, recipe, cache_roots)
    for warning in plan.warnings:
        print(f"warning: {corpus.name}: {warning}", file=sys.stderr)
    skipped, ways = list(plan.skipped), None
    if options.dry_run:
        _describe(plan, options.jobs)
    elif plan.draft.sealed:
        print(f"{corpus.name}: nothing to do, the cache is complete")
        _confirm(plan, cache_roots)
    else:
        from precompute.pipeline import build

        outcome = build.execute(plan, workers or build.Workers(recipe, options.jobs))
        skipped, ways = outcome.skipped, outcome.utterances
    if plan.draft.sealed:
        cache = Cache(plan.draft.path)
        # Names that did not parse when the cache was sealed may be gone by now; what was scanned is what it was.
        scanned = {layout.printable(utterance.path) for utterance in scan.utterances}
        skipped = [*{*skipped, *(one for one in cache.skipped if one.path in scanned)}]
        if not options.dry_run:
            there = sum(len(unit.records) + len(unit.skipped) for unit in plan.done)
            _summarise(cache, words, len(skipped), ways, there, time.monotonic() - started)
    for one in sorted(skipped, key=lambda one: terminal.natural(one.path)):
        print(f"skipped: {corpus.name}: {one.path}: {corpora.why_unusable(corpus, one.path, one.reason)}", file=sys.stderr)
    if not plan.draft.sealed and not options.dry_run:
        raise CorpusError(
            f"none of the {len(scan.utterances)} recordings of {corpus.name} in {directory} can be used: replace the files"
        )
    return DONE_WITH_SKIPS if skipped and not options.dry_run else ALL_DONE


def _confirm(plan: "Plan", cache_roots: "Roots") -> None:
    """Where several caches of the recipe are sealed, record that this one is the recordings', so that runs take it."""
    from precompute.cache import roots
    from precompute.cache.history import CONFIRMED
    from precompute.common.provenance import provenance

    draft = plan.draft
    sealed = roots.candidates(cache_roots, draft.corpus, draft.recipe_id)
    if len(sealed) < 2 or roots.latest(sealed) == draft.path:
        return
    found = provenance((), "milliseconds")
    try:
        draft.confirm({CONFIRMED: found["created"], "by": found["by"]})
    except (OSError, WserError) as error:
        print(
            f"warning: {draft.path} is the cache of these recordings, and that cannot be recorded beside it ({error}): give "
            f"runs cache={draft.path.name}, or they take the one that was made last",
            file=sys.stderr,
        )


def _describe(plan: "Plan", jobs: int) -> None:
    name = plan.draft.corpus
    if plan.draft.sealed:
        print(f"{name}: nothing to do, {plan.draft.path} is complete")
        return
    from joblib import effective_n_jobs

    from precompute.pipeline.build import estimate

    expected = estimate(plan)
    processes = effective_n_jobs(jobs)
    there = f"there before: {counted(len(plan.done), 'unit')}"
    if plan.earlier:
        reused = f"{counted(plan.reusable, 'utterance')} in {counted(len(plan.earlier), 'unit')}"
        there += f"; from an earlier cache: {reused}"
    units = len(plan.units) - len(plan.earlier)
    print(f"{name}: would compute {counted(plan.todo - plan.reusable, 'utterance')} in {counted(units, 'unit')} ({there})")
    print(f"  into   {plan.draft.path}")
    workers = f"{processes} process{'es' * (processes != 1)}"
    print(f"  about  {expected.size / 1e6:.0f} MB, {expected.seconds / processes:.0f} s with {workers}")


def _summarise(cache: "Cache", recipe: str, skipped: int, ways: "Counter[Way] | None", there: int, seconds: float) -> None:
    stereo = sum(record.channels > 1 for record in cache.records)
    speakers, emotions = ({getattr(record, name) for record in cache.records} for name in ("speaker", "emotion"))
    print(f"{cache.corpus}{' (synthetic speech)' if cache.synthetic else ''}")
    print(f"  utterances  {len(cache.records)} of {counted(len(speakers), 'speaker')}, {counted(len(emotions), 'emotion')}")
    if ways:
        told = {
            "computed": ways["computed"], "taken from an earlier cache": ways["reused"],
            "computed meanwhile by another job": ways["found"], "there before": there,
        }  # fmt: skip
        print(f"  of these    {', '.join(f'{count} {how}' for how, count in told.items() if count)}")
    print(f"  skipped     {skipped}")
    if stereo:
        print(f"  channels    {counted(stereo, 'recording')} with several, mixed down to one")
    rate = f", {ways['computed'] / seconds:.0f} utterances/s" if ways and ways["computed"] else ""
    if ways and ways["computed"] >= len(cache.records):
        rate += f", {sum(record.duration for record in cache.records) / seconds:.0f} times real time"
    print(f"  seconds     {seconds:.1f}{rate}")
    print(f"  recipe      {recipe} ({cache.manifest['recipe_id']})")
    print(f"  size        {cache.size / 1e6:.1f} MB")
    print(f"  cache       {cache.path}")


def _list(where: finding.Corpora) -> int:
    print(f"corpora in {where}")
    for name in corpora.names():
        module = corpora.load(name)
        corpus, directory = module.CORPUS, _find(module, where)
        print(f"\n{name}  {corpus.title}")
        if directory:
            scan = module.scan(directory)
            speakers = len({utterance.speaker for utterance in scan.utterances})
            utterances = counted(len(scan.utterances), "utterance")
            more = f", {counted(len(scan.skipped), 'file')} skipped" if scan.skipped else ""
            print(f"  found      {directory}: {utterances} of {counted(speakers, 'speaker')}{more}")
        else:
            print(f"  not found  would lie as {where.root / corpus.usual_place}")
        print(
            f"  published  {corpus.files} utterances, {corpus.speakers} speakers; "
            + ", ".join(f"{e} {n}" for e, n in sorted(corpus.emotions.items()))
        )
        print(f"  licence    {corpus.licence}\n  source     {corpus.source}\n  paper      https://doi.org/{corpus.doi}")
    return ALL_DONE


if __name__ == "__main__":
    sys.exit(main())
