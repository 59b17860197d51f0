"""The command `python -m precompute build`: recordings in, cache out."""

import argparse
import functools
import glob
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from precompute import corpora
from precompute.commands import _corpora, _options
from precompute.commands._corpora import ALL_DONE, DONE_WITH_SKIPS
from precompute.common import executor_settings, finding, terminal
from precompute.common.errors import CorpusError, UnknownCorpusError, UsageError, WserError, counted
from precompute.common.executor_settings import ExecutorConfig

if TYPE_CHECKING:
    from collections import Counter

    from precompute.cache.reader import Cache
    from precompute.cache.roots import Roots
    from precompute.pipeline.build import Way
    from precompute.pipeline.plan import Plan
    from precompute.recipe import Recipe

DESCRIPTION = "Turn speech corpora into a cache of wavelet-scaled spectrograms."
KEPT = "what was published stays, run the same command to finish"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the command's name; by default those of the process.

    Returns:
        The exit code: 0 all done, 1 nothing done, 2 wrong usage, 3 done with inputs skipped, 130 interrupted.
    """
    return terminal.command("precompute", _main, KEPT, arguments)


def _main(arguments: Sequence[str]) -> int:
    parser = terminal.Parser(
        prog="python -m precompute build",
        description=DESCRIPTION,
        epilog="Example: python -m precompute build ravdess,emodb --recipe default,grey. Exit codes: 0 all done, 1 nothing "
        "done, 2 wrong usage, 3 done with inputs skipped, 130 interrupted.",
    )
    _options.corpus(parser, _options.SEVERAL)
    _options.corpora(parser)
    _options.caches_to_fill(parser)
    _options.recipe(parser, _options.SEVERAL_RECIPES, _options.NAMES)
    _options.jobs(parser)
    _options.executor(parser)
    _options.dry_run(parser)
    _options.table(parser, "with the corpus table")
    options = parser.parse_args(arguments)
    return run(options.corpus, _corpora.places(options), options)


def run(wanted: str, where: finding.Corpora, options: argparse.Namespace) -> int:
    """Build the caches of corpora.

    Args:
        wanted: Names of the corpora, with commas between; `all`, or `table`.
        where: They may be.
        options: With those of `recipe`, `jobs`, `executor`, `cache`, `table` and `dry_run`.

    Returns:
        The exit code, as of `main`.
    """
    place = executor_settings.parse(options.executor)
    if place.is_cluster and options.jobs != _options.EVERY_CORE:
        raise UsageError(f"--jobs {options.jobs} has no effect with --executor {place.name}: leave it out")
    chosen = _corpora.recipes(options)
    work = functools.partial(_build, options, place)
    try:
        code = _corpora.each(wanted, where, chosen, options, work, make=not options.dry_run)
    except UnknownCorpusError:
        _refuse_corpora_of_tables(wanted, options)
        raise
    if options.dry_run and place.name == "slurm":
        from precompute.common import cluster

        print(cluster.described(place))
    return code


def _refuse_corpora_of_tables(wanted: str, options: argparse.Namespace) -> None:
    """Say of a corpus that was cached from a table how to build it again.

    Raises:
        UnknownCorpusError: One was.
    """
    from precompute.cache import places, roots

    cache_roots = places.parse(options.cache)
    for name in wanted.split(","):
        if name not in corpora.names() and any(roots.sealed(root, glob.escape(name)) for root in cache_roots):
            command = roots.building(name, options.recipe, cache_roots)
            raise UnknownCorpusError(f"'{name}' is the corpus of a table: run {command}") from None


def _build(
    options: argparse.Namespace,
    where: ExecutorConfig,
    corpus: corpora.Corpus,
    directory: Path,
    scan: corpora.Scan,
    recipe: "Recipe",
    words: str,
) -> int:
    """Compute what the cache lacks of one corpus by one recipe, or with --dry-run say what that would be."""
    from precompute.cache import layout, places, roots
    from precompute.cache.reader import Cache
    from precompute.pipeline import build
    from precompute.pipeline.plan import plan as make_plan

    started = time.monotonic()
    if not options.dry_run:
        corpora.require_utterances(corpus, directory, scan)
    for difference in corpora.compare_with_published(corpus, scan.utterances):
        print(f"warning: {corpus.name} is not as published: {difference}", file=sys.stderr)
    cache_roots = places.parse(options.cache)
    with build.Workers(recipe, options.jobs, where) as workers:
        if not options.dry_run and not any(roots.sealed(root, corpus.name, recipe.id) for root in cache_roots):
            recipe.feature.require()
            if recipe.feature.licence:
                print(f"note: {recipe.feature.licence}", file=sys.stderr)
            # Most likely there is work to do: the workers get ready while the recordings are hashed.
            workers.prepare()
        plan = make_plan(corpus, directory, scan, recipe, cache_roots)
        for warning in plan.warnings:
            print(f"warning: {corpus.name}: {warning}", file=sys.stderr)
        skipped, ways = list(plan.skipped), None
        if not options.dry_run and not plan.draft.sealed:
            outcome = build.execute(plan, workers)
            skipped, ways = outcome.skipped, outcome.utterances
    if options.dry_run:
        _describe(plan, options.jobs, where)
    elif ways is None:
        print(f"{corpus.name}: nothing to do, the cache is complete")
        _confirm(plan, cache_roots)
    if plan.draft.sealed:
        cache = Cache(plan.draft.path)
        # Names that did not parse when the cache was sealed may be gone by now; what was scanned is what it was.
        scanned = {layout.printable(utterance.path) for utterance in scan.utterances}
        skipped = [*{*skipped, *(record for record in cache.skipped if record.path in scanned)}]
        if not options.dry_run:
            present = sum(len(unit.records) + len(unit.skipped) for unit in plan.done)
            _summarise(cache, recipe, words, len(skipped), ways, present, time.monotonic() - started)
    for recording in sorted(skipped, key=lambda recording: terminal.natural(recording.path)):
        print(
            f"skipped: {corpus.name}: {recording.path}: {corpora.why_unusable(corpus, recording.path, recording.reason)}",
            file=sys.stderr,
        )
    if not plan.draft.sealed and not options.dry_run:
        raise CorpusError(
            f"none of the {len(scan.utterances)} recordings of {corpus.name} in {directory} can be used: replace the files"
        )
    return DONE_WITH_SKIPS if skipped and not options.dry_run else ALL_DONE


def _confirm(plan: "Plan", cache_roots: "Roots") -> None:
    from precompute.pipeline.confirm import confirm

    draft = plan.draft
    try:
        confirm(plan, cache_roots)
    except (OSError, WserError) as error:
        print(
            f"warning: {draft.path} is the cache of these recordings, and that cannot be recorded beside it ({error}): give "
            f"runs cache={draft.path.name}, or they take the one that was made last",
            file=sys.stderr,
        )


def _describe(plan: "Plan", jobs: int, where: ExecutorConfig) -> None:
    name = plan.draft.corpus
    if plan.draft.sealed:
        print(f"{name}: nothing to do, {plan.draft.path} is complete")
        return
    from joblib import effective_n_jobs

    from precompute.pipeline.build import estimate

    expected = estimate(plan)
    processes = 1 if where.is_cluster else effective_n_jobs(jobs)
    present = f"there before: {counted(len(plan.done), 'unit')}"
    if plan.earlier:
        reused = f"{counted(plan.reusable, 'utterance')} in {counted(len(plan.earlier), 'unit')}"
        present += f"; from an earlier cache: {reused}"
    units = len(plan.units) - len(plan.earlier)
    print(f"{name}: would compute {counted(plan.todo - plan.reusable, 'utterance')} in {counted(units, 'unit')} ({present})")
    print("  unit   the utterances of one speaker with one emotion")
    print(f"  into   {plan.draft.path}")
    workers = "one worker like this machine" if where.is_cluster else f"{processes} process{'es' * (processes != 1)}"
    print(f"  about  {expected.size / 1e6:.0f} MB, {expected.seconds / processes:.0f} s with {workers}")


def _summarise(
    cache: "Cache", recipe: "Recipe", words: str, skipped: int, ways: "Counter[Way] | None", present: int, seconds: float
) -> None:
    stereo = sum(record.channels > 1 for record in cache.records)
    speakers, emotions = ({getattr(record, name) for record in cache.records} for name in ("speaker", "emotion"))
    print(f"{cache.corpus}{' (synthetic speech)' if cache.synthetic else ''}")
    print(f"  utterances  {len(cache.records)} of {counted(len(speakers), 'speaker')}, {counted(len(emotions), 'emotion')}")
    if ways:
        counts = {
            "computed": ways["computed"], "taken from an earlier cache": ways["reused"],
            "computed meanwhile by another job": ways["found"], "there before": present,
        }  # fmt: skip
        print(f"  of these    {', '.join(f'{count} {how}' for how, count in counts.items() if count)}")
    print(f"  skipped     {skipped}")
    if stereo:
        print(f"  channels    {counted(stereo, 'recording')} with several, mixed down to one")
    frame = recipe.audio.duration
    if longer := [record.duration for record in cache.records if record.duration > frame]:
        lost = 1 - frame * len(longer) / sum(longer)
        print(f"  length      {len(longer)} longer than {frame:g} s, {_percent(lost)} of their audio left out")
    rate = f", {ways['computed'] / seconds:.0f} utterances/s" if ways and ways["computed"] else ""
    if ways and ways["computed"] >= len(cache.records):
        rate += f", {sum(record.duration for record in cache.records) / seconds:.0f} times real time"
    print(f"  seconds     {seconds:.1f}{rate}")
    print(f"  recipe      {words} ({cache.manifest['recipe_id']})")
    print(f"  size        {cache.size / 1e6:.1f} MB")
    print(f"  cache       {cache.path}")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "less than 1 %"


if __name__ == "__main__":
    sys.exit(main())
