"""The command `python -m precompute cache`: look after the caches themselves."""

import argparse
import functools
import itertools
import os
import shlex
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precompute.cache import layout, places
from precompute.commands import _options
from precompute.common import clearing, paths, tables, terminal
from precompute.common.errors import CacheError, CacheMissingError, UsageError, counted, few, unknown
from precompute.common.files import GRACE_DAYS
from precompute.common.tables import Column

if TYPE_CHECKING:
    from precompute.cache.reader import Cache

ALL = "/"
"""Ends the name of a corpus, to mean all of its caches."""

IDS = "id of a cache or its beginning, as precompute cache list shows it, or CORPUS/ for all caches of a corpus"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the command's name; by default those of the process.

    Returns:
        The exit code: 0 done, 1 refused, failed, or damage found, 2 wrong usage, 130 interrupted.
    """
    return terminal.command("precompute cache", _main, "what was finished stays", arguments)


def _main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    return int(options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = terminal.Parser(
        prog="python -m precompute cache",
        description="Look after caches. ID is the name of a cache's directory, or the beginning of it or of its part after "
        "the dash, with or without the corpus, as in ravdess/d07343; CORPUS/ means all caches of a corpus.",
        epilog="Example: python -m precompute cache verify ravdess/d07343. Exit codes: 0 done, 1 refused, failed, or damage "
        "found, 2 wrong usage, 130 interrupted.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    common = terminal.Parser(add_help=False)
    _options.cache(common, "; each may be a URL, as s3://bucket/lab")

    def add(name: str, run: object, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text, parents=[common])
        command.set_defaults(run=run)
        return command

    some = add("list", _list, "List all caches, or those named: corpus, recipe, size, who made it and when; then totals.")
    some.add_argument("ids", metavar="ID", nargs="*", help=IDS)
    info = add("info", _info, "Show all facts about caches: recipe, utterances, speakers, versions, what was left out.")
    info.add_argument("ids", metavar="ID", nargs="+", help=IDS)

    verify = add("verify", _verify, "Read every byte of all caches, or of those named, and say what is damaged.")
    verify.add_argument("ids", metavar="ID", nargs="*", help=IDS)
    verify.add_argument("--recompute", metavar="N", type=_count, default=0, help="also compute N pictures of each cache again")
    _options.corpora(verify, "for --recompute, directory of the corpora, or of a table")

    diff = add("diff", _diff, "Show how recipes, or caches of a corpus, differ from the first: parameters, recordings, labels.")
    diff.add_argument("ids", metavar="ID", nargs="+", help="a cache, or the name of a recipe; two or more, or CORPUS/")

    remove = add("rm", _rm, f"Move caches to the trash, from where gc deletes them after {GRACE_DAYS:g} days.")
    remove.add_argument("ids", metavar="ID", nargs="+", help=IDS)
    clearing.confirmation(remove)
    restore = add("restore", _restore, "Move caches back from the trash: undoes rm.")
    restore.add_argument("ids", metavar="ID", nargs="+", help=IDS)
    clean = add("gc", _gc, "Delete old trash and leftovers of killed jobs; move abandoned unfinished caches to the trash.")
    clearing.options(clean, "age in days of trash and of unfinished caches")

    export = add("export", _export, "Write caches to one .zip, or one cache to one .h5 (HDF5, for MATLAB and R).")
    export.add_argument("ids", metavar="ID", nargs="+", help=IDS)
    export.add_argument("file", metavar="FILE", type=paths.path, help="file to write; .zip, .h5 or .hdf5")
    add(
        "import", _import, "Copy the caches of a .zip, each verified, into the first directory of --cache that can be written."
    ).add_argument("file", metavar="FILE", type=paths.path)
    copy = add("copy", _copy, "Copy sealed caches to another directory; to an object store, continue an earlier copy.")
    copy.add_argument("ids", metavar="ID", nargs="+", help=IDS)
    copy.add_argument("target", metavar="ROOT", help="directory of caches, or a URL, as s3://bucket/lab")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a number of pictures: give 0 or more")
    return int(text)


def _list(options: argparse.Namespace) -> int:
    from precompute.cache import roots
    from precompute.cache.summary import summaries

    wanted = {*_some(options, options.ids, everywhere=True)} if options.ids else None
    total: Counter[str] = Counter()
    for root in places.parse(options.cache):
        roots.check_root(root)
        columns = [
            Column("corpus"), Column("recipe", wraps=True), Column("cache"), Column("utterances", right=True),
            Column("speakers", right=True, spare=3), Column("MB", right=True), Column("made", spare=1), Column("by", spare=2),
        ]  # fmt: skip
        table = tables.Table(f"caches in {root}", columns)
        listed = [cache for cache in summaries(root) if wanted is None or cache.path in wanted]
        for cache in listed:
            counts = (str(cache.utterances), str(cache.speakers)) if cache.state == "sealed" else (cache.state, "")
            table.add(cache.corpus, cache.recipe, cache.path.name, *counts, f"{cache.size / 1e6:.1f}", cache.made, cache.by)
            total.update(caches=1, utterances=cache.utterances, bytes=cache.size)
        if listed:
            tables.show(table)
        elif not options.ids:
            print(f"no caches in {root}: fill it with python -m precompute build NAME --cache {root}")
    if total["caches"]:
        sums = f"{counted(total['caches'], 'cache')}, {counted(total['utterances'], 'utterance')}"
        print(f"{sums}, {total['bytes'] / 1e6:.1f} MB ({total['bytes']} bytes)")
    return terminal.DONE


def _info(options: argparse.Namespace) -> int:
    from precompute.cache.reader import Cache

    for path in _each(options, options.ids):
        for heading, text in _about(Cache(path)):
            tables.paragraph(text, terminal.in_a_line(heading))
    return terminal.DONE


def _about(cache: "Cache") -> Iterator[tuple[str, str | list[str]]]:
    """What is known of a cache, in lines: the beginning of each, and the rest."""
    from precompute.cache.history import provenance
    from precompute.recipe import in_words, unread_of, usual_of

    yield "", f"{cache.corpus}{' (synthetic speech)' if cache.synthetic else ''}"
    speakers = Counter(record.speaker for record in cache.records)
    seconds = sum(record.duration for record in cache.records)
    facts: dict[str, str | list[str] | None] = {
        "cache": str(cache.path),
        "layout": str(cache.manifest["layout"]),
        "fingerprint": cache.fingerprint,
        "size": f"{cache.size / 1e6:.1f} MB in {len(cache.manifest['files'])} files",
        "utterances": f"{len(cache.records)} of {len(speakers)} speakers, {seconds / 60:.1f} minutes",
        "emotions": _counts(Counter(record.emotion for record in cache.records)),
        "speakers": _counts(speakers),
        "same people": cache.same_speakers_as and f"as the speakers of {cache.same_speakers_as}, under the same names",
        "holds": str(cache.item),
        "recipe": f"{in_words(cache.recipe)} ({cache.manifest['recipe_id']})",
    }
    yield from ((f"  {name:<12} ", fact) for name, fact in facts.items() if fact)
    usual, unread = usual_of(cache.recipe), unread_of(cache.recipe)
    for key, value in cache.recipe.items():
        if key not in ("colour_table", "array"):
            other = f"   (default: {usual[key]})" if key in usual and usual[key] != value else ""
            yield f"    {key:<12} ", f"{value}{other or '   (no effect)' * (key in unread)}"
    for record in provenance(cache.path):
        versions = record.get("versions")
        listed = [f"{name} {version}" for name, version in (versions if isinstance(versions, dict) else {}).items()]
        origin = f"{record.get('created', '?')} by {record.get('by', '?')} with"
        yield "  made         ", [origin, *tables.listed(listed or ["?"])]
    yield "  skipped      ", str(len(cache.skipped))
    for skipped in cache.skipped:
        yield "    ", f"{skipped.path}: {skipped.reason}"


def _counts(counts: "Counter[str]") -> list[str]:
    return tables.listed([f"{name}: {count}" for name, count in sorted(counts.items())])


def _verify(options: argparse.Namespace) -> int:
    from precompute import corpora
    from precompute.cache.reader import Cache
    from precompute.cache.verify import problems, unchecked
    from precompute.common import finding

    where = finding.parse(options.corpora, os.environ.get("WSER_CORPORA", ""))
    for root in places.parse(options.cache):
        if not root.is_dir():
            raise CacheError(f"{root} is not a directory, or not mounted: mount it, or leave it out of WSER_CACHE and --cache")
    paths, bad = _some(options, options.ids, everywhere=True), 0
    for path in paths:
        started = time.monotonic()
        faults = problems(path)
        result = "DAMAGED" if faults else "sound  "
        if options.recompute and not faults:
            cache = Cache(path)
            # A table's corpus is no module; its paths are relative to the table's folder.
            known = cache.corpus in corpora.names()
            own = where.own.get(cache.corpus, where.root)
            directory = where.find(corpora.load(cache.corpus)) if known else own
            if directory is None:
                faults = [f"{path}: {cache.corpus} is not in {where}: say where it is by --corpora {cache.corpus}=DIR"]
            else:
                from precompute.pipeline.recompute import recompute

                faults = recompute(cache, directory, options.recompute)
            result = f"{'NOT REPRODUCED' if faults else 'sound  '}"
        for problem in faults:
            print(f"precompute cache: {problem}", file=sys.stderr)
        bad += bool(faults)
        again = f", {options.recompute} pictures reproduced" if options.recompute and not faults else ""
        print(f"{result}  {path}{again}  ({time.monotonic() - started:.1f} s)", flush=True)
        for what in unchecked(Cache(path)) if not faults else ():
            print(f"         not checked: {what}")
    print(f"{len(paths) - bad} of {len(paths)} caches are sound")
    return terminal.FAILED if bad or not paths else terminal.DONE


def _diff(options: argparse.Namespace) -> int:
    named = list(itertools.chain.from_iterable(_recipes(options, name) for name in options.ids))
    if len(named) < 2:
        raise UsageError(f"{' '.join(options.ids)} is one, and two or more can be compared: name another cache or recipe")
    (first_name, ours, first), *others = named
    for name, theirs, cache in others:
        if len(others) > 1:
            print(f"{first_name}  ->  {name}")
        _differences(ours, first, theirs, cache)
    return terminal.DONE


def _differences(ours: "dict[str, Any]", first: "Cache | None", theirs: "dict[str, Any]", second: "Cache | None") -> None:
    from precompute.cache import diff

    changed_parameters = diff.parameters(ours, theirs)
    for key, old, new in changed_parameters:
        before, after = ("-" if value is None else value for value in (old, new))
        print(f"{key:<12} {'another' if key == 'colour_table' else f'{before}  ->  {after}'}")
    if not changed_parameters:
        print("the recipes are the same")
    if first and second and first.corpus == second.corpus:
        changed = diff.inputs(first.records, second.records, pictures=not changed_parameters)
        print(f"utterances   {len(first.records)}  ->  {len(second.records)}, {len(changed)} differ")
        for key, how in changed:
            print(f"  {key}: {how}")


def _recipes(options: argparse.Namespace, name: str) -> "list[tuple[str, dict[str, Any], Cache | None]]":
    """Name, record of the recipe, and cache, of all caches of a corpus or of what a name or id means."""
    if not name.endswith(ALL):
        return [(name, *_recipe(options, name))]
    from precompute.cache.reader import Cache

    caches = map(Cache, _each(options, [name]))
    return [(f"{cache.corpus}/{cache.path.name}", cache.recipe, cache) for cache in caches]


def _recipe(options: argparse.Namespace, name: str) -> "tuple[dict[str, Any], Cache | None]":
    """The record of the recipe that a name or id means, and the cache, where the id is that of one."""
    from precompute.cache.reader import Cache
    from precompute.recipe import is_name, named, names

    if is_name(name):
        return named(name).record(), None
    caches = [Cache(path) for path in _some(options, [name], others=names())]
    if len({cache.manifest["recipe_id"] for cache in caches}) > 1:
        raise _ambiguous(name, [cache.path for cache in caches])
    alone = len({cache.id for cache in caches}) == 1
    return caches[0].recipe, caches[0] if alone else None


def _rm(options: argparse.Namespace) -> int:
    from precompute.cache import removal

    paths = _some(options, options.ids, everywhere=True)
    for name in options.ids:
        if len(meant := _some(options, [name], everywhere=True)) > 1 and not name.endswith(ALL):
            raise _ambiguous(name, meant)
    for path in paths:
        if places.is_remote(path):
            raise CacheError(
                f"{path} is in an object store, which has no trash: remove its {layout.MANIFEST} first and then the rest, by "
                "the store's own tools"
            )
        if sum(other.parts[-2:] == path.parts[-2:] for other in paths) > 1:
            raise _several_roots(path)
    for path in paths:
        root = places.root_of(path)
        size = f"{places.total(path, root) / 1e6:.1f} MB"
        if options.yes:
            removal.move_to_trash(path, root)
            print(f"moved to the trash  {path}  {size}{_undo(path)}")
        else:
            print(f"would move to the trash  {path}  {size}")
    _remind(options)
    return terminal.DONE


def _undo(path: Path) -> str:
    """How to restore a cache that was moved to the trash."""
    command = ["python", "-m", "precompute", "cache", "restore", f"{path.parent.name}/{path.name}"]
    return f"; to restore it: {shlex.join([*command, '--cache', str(places.root_of(path))])}"


def _restore(options: argparse.Namespace) -> int:
    from precompute.cache import removal, roots

    trashed: dict[Path, list[Path]] = {}
    for root in places.parse(options.cache):
        roots.check_root(root)
        for path, place in () if places.is_remote(root) else removal.trashed(root):
            trashed.setdefault(path, []).append(place)
    chosen = []
    for name in options.ids:
        _refuse_empty(name)
        meant = [path for path in trashed if roots.answers(path, name)]
        if not meant:
            known = [f"{path.parent.name}/{path.name}" for path in trashed]
            raise CacheMissingError(f"in the trash of {options.cache}, {unknown('cache', name, known)}")
        if len(meant) > 1 and not name.endswith(ALL):
            raise _ambiguous(name, meant)
        chosen += meant
    for path in dict.fromkeys(chosen):
        root = places.root_of(path)
        if sum(other.parts[-2:] == path.parts[-2:] for other in {*chosen}) > 1:
            raise _several_roots(path)
        if places.exists(path, root):
            raise CacheError(f"{path} is there already, so it is not restored from the trash: move it away first")
    for path in dict.fromkeys(chosen):
        *older, last = sorted(trashed[path])
        removal.restore(last, path, places.root_of(path))
        print(f"restored  {path}{_older(older)}")
    return terminal.DONE


def _older(places: Sequence[Path]) -> str:
    single = len(places) == 1
    return f"; {len(places)} older one{'' if single else 's'} of this name stay{'s' * single} in the trash" if places else ""


def _gc(options: argparse.Namespace) -> int:
    from precompute.cache import removal, roots

    leftovers = []
    for root in places.parse(options.cache):
        roots.check_root(root)
        clear = functools.partial(removal.clear, root=root)
        leftovers += [
            (leftover, clear) for leftover in (() if places.is_remote(root) else removal.garbage(root, options.grace))
        ]
    return clearing.clear("precompute cache", leftovers, options.yes, lambda _, path: _undo(path))


def _remind(options: argparse.Namespace) -> None:
    if not options.yes:
        print("nothing was done: give --yes to do it")


def _export(options: argparse.Namespace) -> int:
    paths = _each(options, options.ids)
    if options.file.suffix == ".zip":
        from precompute.cache.transfer.archive import export_zip

        export_zip(paths, options.file)
    elif options.file.suffix in (".h5", ".hdf5"):
        from precompute.cache.transfer.hdf5 import export_hdf5

        if len(paths) > 1:
            raise UsageError(f"{options.file} holds one cache, and {len(paths)} are named: write a file for each")
        export_hdf5(paths[0], options.file)
    else:
        raise UsageError(f"{options.file} is neither .zip nor .h5: give a name that ends in one of them")
    print(f"{options.file}  {options.file.stat().st_size / 1e6:.1f} MB")
    return terminal.DONE


def _import(options: argparse.Namespace) -> int:
    from precompute.cache import roots
    from precompute.cache.transfer.archive import import_zip

    root = roots.writable(places.parse(options.cache))
    before = roots.sealed(root)
    notes: dict[Path, str] = {}
    for path in import_zip(options.file, root, notes.__setitem__):
        print(f"{'there already' if path in before else 'imported'}  {path}{_noted(notes.get(path))}")
    return terminal.DONE


def _copy(options: argparse.Namespace) -> int:
    from precompute.cache.reader import Cache
    from precompute.cache.transfer.copy import copy

    target, *others = places.parse(options.target)
    if others:
        raise UsageError(f"{options.target} names {1 + len(others)} roots: copy to one")
    for path in _each(options, options.ids):
        notes: list[str] = []
        done = copy(Cache(path), target, notes.append)
        copied = target / path.parent.name / path.name
        print(f"{'copied' if done else 'there already'}  {copied}{_noted(notes[0] if notes else None)}")
    return terminal.DONE


def _noted(how: str | None) -> str:
    return f": {how}" if how else ""


def _each(options: argparse.Namespace, names: Sequence[str]) -> list[Path]:
    """Directories of the sealed caches that names mean, each one or with CORPUS/ all of a corpus; none twice.

    Errors as of `_one`.
    """
    paths: list[Path] = []
    for name in names:
        paths += _distinct(_some(options, [name])) if name.endswith(ALL) else [_one(options, name)]
    return list(dict.fromkeys(paths))


def _distinct(paths: Sequence[Path]) -> list[Path]:
    """Of the same cache in several roots, the first."""
    return list({path.parts[-2:]: path for path in reversed(paths)}.values())[::-1]


def _one(options: argparse.Namespace, name: str) -> Path:
    """The directory of the one sealed cache that a name means; of the same cache in several roots the first.

    Raises:
        CacheError: None does, or several do.
    """
    paths = _distinct(_some(options, [name]))
    if len(paths) > 1:
        raise _ambiguous(name, paths)
    return paths[0]


def _several_roots(path: Path) -> CacheError:
    return CacheError(f"{path.name} is in several roots: choose one with --cache DIR")


def _ambiguous(name: str, paths: Sequence[Path]) -> CacheError:
    if len({path.parts[-2:] for path in paths}) == 1:
        return _several_roots(paths[0])
    listed = ", ".join(sorted({f"{path.parent.name}/{path.name}" for path in paths}))
    return CacheError(f"{len(paths)} caches match '{name}': give more of one of {listed}")


def _refuse_empty(name: str) -> None:
    if not name:
        raise UsageError("an ID is empty, and would mean every cache: give the beginning of one, or CORPUS/")


def _some(
    options: argparse.Namespace, names: Sequence[str], everywhere: bool = False, others: Collection[str] = ()
) -> list[Path]:
    """Directories of the caches that names mean, all where none is given.

    Args:
        options: Those of the command.
        names: Ids, their beginnings, or their parts after the dash; with the corpus and a slash before it, of this corpus.
        everywhere: Unsealed and damaged ones too.
        others: Names of what might be meant instead, for the message.

    Raises:
        CacheMissingError: One means none.
    """
    from precompute.cache import roots
    from precompute.cache.reader import unfinished

    paths = []
    for root in places.parse(options.cache):
        roots.check_root(root)
        paths += roots.everything(root) if everywhere else roots.sealed(root)
    for name in names:
        _refuse_empty(name)
        if not any(roots.answers(path, name) for path in paths):
            for root in places.parse(options.cache):
                roots.refuse_links(root)
                for path in (path for path in roots.everything(root) if roots.answers(path, name)):
                    raise CacheMissingError(unfinished(path))
            if ids := sorted({path.name for path in paths if path.parent.name == name}):
                raise CacheMissingError(f"'{name}' is a corpus: give {name}/ for all of its caches, or one of {few(ids)}")
            kind = "cache" if everywhere else "recipe or sealed cache" if others else "sealed cache"
            known = {*others, *(f"{path.parent.name}/{path.name}" for path in paths)}
            raise CacheMissingError(f"in {options.cache}, {unknown(kind, name, known)}")
    return [path for path in paths if not names or any(roots.answers(path, name) for name in names)]


if __name__ == "__main__":
    sys.exit(main())
