"""The roots of a lab's caches, searched in order; new caches go to the first that can be written."""

import difflib
import fnmatch
import glob
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from precompute.cache import layout, places
from precompute.cache.history import TABLE, current, provenance
from precompute.cache.reader import Cache, read_manifest, unfinished
from precompute.common import files, plugins
from precompute.common.errors import CacheError, CacheMissingError, UnsafePathError, unknown
from precompute.common.reading import parse_json
from precompute.recipe import is_name, named, names

Roots = Sequence[Path]


def check_root(root: Path) -> None:
    """Refuse a root of another major layout version; one without a record is treated as new.

    Raises:
        CacheError: The version is another, or the record is damaged or may not be read.
        UnsafePathError: The record is a link, not a regular file, or too large.
    """
    record = root / layout.ROOT_RECORD
    try:
        content = parse_json(places.read_small(record, root, layout.LARGEST_NOTE))
    except (FileNotFoundError, NotADirectoryError):
        return
    except PermissionError as error:
        raise CacheError(
            f"{record} may not be read by you ({error.strerror}): ask its owner to let your group read, or leave {root} out of "
            "WSER_CACHE"
        ) from None
    except ValueError as error:
        raise CacheError(f"{record} is damaged ({error!s:.200}): remove it, and the next cache writes a new one") from None
    layout.check_version(content.get("layout") if isinstance(content, dict) else None, str(root))


def writable(roots: Roots) -> Path:
    """The first root in which, or above which, new directories can be made.

    Raises:
        CacheError: No root can be written.
    """
    for root in roots:
        if not places.is_remote(root):
            directory = next(path for path in (root, *root.absolute().parents) if path.exists())
            if not directory.is_dir():
                raise CacheError(f"{directory} is a file, not a directory: move it, or give another --cache DIR")
            if os.access(directory, os.W_OK | os.X_OK):
                return root
    tried = ", ".join(map(str, roots))
    raise CacheError(
        f"{tried} cannot be written (object stores only take copies of sealed caches): put a directory of your own "
        "first in WSER_CACHE, or give --cache DIR"
    )


def corpora(root: Path) -> list[Path]:
    """Directories of the corpora of a root of this machine, sorted; symbolic links are left out."""
    return [root / name for name in files.directories(root, root) if not name.startswith(".")]


def sealed(root: Path, corpus: str = "*", recipe_id: str = "*") -> list[Path]:
    """Directories of the sealed caches of a corpus and recipe, or of all, sorted."""
    if places.is_remote(root):
        directories = [file.parent for file in root.glob(f"{corpus}/{recipe_id}-*/{layout.MANIFEST}")] if root.exists() else []
        return sorted((path for path in directories if layout.legal_cache(path.name) and path.parent.name[0] != "."), key=str)
    try:
        caches = [
            path for folder in corpora(root) if fnmatch.fnmatchcase(folder.name, corpus) for path in _caches(folder, root)
        ]
    except PermissionError:
        # A directory that may not be read counts as empty; a command that needs it reports an error.
        return []
    wanted = (path for path in caches if fnmatch.fnmatchcase(path.name, f"{recipe_id}-*"))
    return [path for path in wanted if files.exists(path / layout.MANIFEST, root)]


def everything(root: Path) -> list[Path]:
    """Directories of all caches of a root, sealed or not, damaged or not, sorted; those in the trash are left out."""
    if places.is_remote(root):
        folders = [place for place in root.iterdir() if place.is_dir() and place.name[0] != "."] if root.is_dir() else []
        return sorted((path for folder in folders for path in folder.iterdir() if layout.legal_cache(path.name)), key=str)
    return [path for folder in corpora(root) for path in _caches(folder, root)]


def _caches(corpus: Path, root: Path) -> list[Path]:
    return [corpus / name for name in files.directories(corpus, root) if layout.legal_cache(name)]


def refuse_links(root: Path, corpus: str | None = None) -> None:
    """Refuse a root of this machine in which a corpus's directory or a cache is a symbolic link; none is followed.

    Args:
        root: Of caches.
        corpus: Name of a corpus; by default all of them.

    Raises:
        UnsafePathError: There is such a link.
    """
    if places.is_remote(root) or not root.is_dir():
        return
    for name in files.names(root, root) if corpus is None else [corpus]:
        place = root / name
        if _is_link(place, root) and (corpus or _looks_like_corpus(place)):
            raise UnsafePathError(_link(place))
        for inner in files.names(place, root) if not _is_link(place, root) else ():
            if layout.legal_cache(inner) and _is_link(place / inner, root):
                raise UnsafePathError(_link(place / inner))


def _is_link(path: Path, root: Path) -> bool:
    return files.exists(path, root) and path.is_symlink()


def _looks_like_corpus(link: Path) -> bool:
    """Whether a link leads to a directory of caches."""
    try:
        return any(entry.name in (layout.STAGING, layout.TRASH) or layout.legal_cache(entry.name) for entry in link.iterdir())
    except OSError:
        return False


def _link(place: Path) -> str:
    return (
        f"{place} is a symbolic link, and links inside caches are not followed: replace it by its target, or put the "
        "root of its target in WSER_CACHE"
    )


def candidates(roots: Roots, corpus: str, recipe: str, earlier: bool = False) -> list[Path]:
    """Directories of the sealed caches of a corpus and the name or id of a recipe; of one in several roots, the first.

    Args:
        roots: Of caches.
        corpus: Name of the corpus.
        recipe: Name of a recipe, or the id of one that has no name.
        earlier: Also those by earlier algorithms; otherwise of the latest algorithm by which there are any.
    """
    ids = [glob.escape(recipe)]
    if is_name(recipe):
        ids = [named(recipe).id, *named(recipe).earlier_ids]
    every = []
    for recipe_id in ids:
        caches = {path.name: path for root in reversed(roots) for path in sealed(root, glob.escape(corpus), recipe_id)}
        every += [caches[name] for name in sorted(caches)]
        if every and not earlier:
            break
    return every


def find(roots: Roots, corpus: str, recipe: str, cache: str | None = None) -> Cache:
    """Open the cache of a corpus and recipe, in the first root that has it.

    An older input in one root and a newer one in another are two caches, as in a single root.  Without a choice,
    the cache that `precompute` made or confirmed last is used, and a line on stderr says so; likewise where there are only
    caches by an earlier algorithm.

    Args:
        roots: Of caches.
        corpus: Name of the corpus.
        recipe: Name of a recipe, or the id of one that has no name.
        cache: Id of the cache, or the first characters of it or of its part after the dash, where several inputs are sealed.

    Raises:
        CacheMissingError: None is sealed; the message names the command that builds it.
        CacheError: No cache or several match the choice, or it is unknown which is the last; the message lists them.
    """
    for root in roots:
        check_root(root)
    paths = candidates(roots, corpus, recipe, earlier=cache is not None)
    if not paths:
        for root in roots:
            refuse_links(root, corpus)
        raise _missing(roots, corpus, recipe)
    if is_name(recipe) and cache is None and not paths[0].name.startswith(named(recipe).id):
        _say(
            f"note: {', '.join(path.name for path in paths)} of '{corpus}' has an earlier algorithm than this version, whose "
            f"pictures differ a little: to make today's, run {building(corpus, recipe, roots)}"
        )
    chosen = [path for path in paths if cache is None or answers(path, cache)]
    if len(chosen) > 1 and cache is None and (last := latest(chosen)):
        others = ", ".join(path.name for path in chosen if path != last)
        _say(
            f"note: of {len(chosen)} sealed caches of '{corpus}' with recipe '{recipe}', {last.name} is used, which "
            f"precompute made or confirmed last ({current(last):%Y-%m-%d %H:%M:%S} UTC): for another, give its id ({others})"
        )
        return Cache(last)
    if len(chosen) == 1:
        return Cache(chosen[0])
    listed = "; ".join(f"{path.name} ({_utterances(path)} utterances)" for path in paths)
    matching = f"none matches cache={cache}" if cache and not chosen else f"{len(chosen)} match"
    raise CacheError(
        f"of {len(paths)} sealed caches of '{corpus}' with recipe '{recipe}' {matching}: choose one with cache=ID from {listed}"
        "; python -m precompute cache diff ID ID shows how they differ"
    )


def latest(paths: Iterable[Path]) -> Path | None:
    """Of several caches, the one that `precompute` made or confirmed last; None where that is unknown."""
    times = {path: time for path in paths if (time := current(path))}
    last = [path for path, time in times.items() if time == max(times.values())]
    return last[0] if len(last) == 1 else None


@lru_cache
def _say(line: str) -> None:
    # A sweep opens the same cache again and again.
    print(line, file=sys.stderr)


def require(roots: Roots, wanted: Iterable[tuple[str, str]]) -> None:
    """Refuse if several caches are missing, with one message for all; for a single one `find` has a longer message.

    Args:
        roots: Of caches.
        wanted: Corpus and recipe of each.

    Raises:
        CacheMissingError: Several are missing; the message names the command that builds them.  Or a name is unknown.
    """
    missing: dict[str, list[str]] = {}
    for corpus, recipe in dict.fromkeys(wanted):
        if not candidates(roots, corpus, recipe):
            if not is_name(recipe) or _near(roots, corpus):
                raise _missing(roots, corpus, recipe)
            missing.setdefault(corpus, []).append(recipe)
    if sum(map(len, missing.values())) < 2:
        return
    where = os.pathsep.join(map(str, roots))
    together: dict[str, list[str]] = {}
    for corpus, recipes in missing.items():
        together.setdefault(",".join(recipes), []).append(corpus)
    commands = [building(",".join(corpora), recipes, roots) for recipes, corpora in together.items()]
    listed = "; ".join(f"of '{corpus}' with recipes {', '.join(recipes)}" for corpus, recipes in missing.items())
    raise CacheMissingError(f"in {where} there are no caches {listed}: run {' && '.join(commands)}")


def answers(path: Path, name: str) -> bool:
    """Whether a text means a cache: by the first characters of its id, or of its part after the dash, also after `corpus/`."""
    corpus, slash, start = name.rpartition("/")
    return (not slash or path.parent.name == corpus) and any(
        part.startswith(start) for part in (path.name, path.name.partition("-")[2])
    )


def _near(roots: Roots, corpus: str) -> set[str]:
    """Corpora that have caches and a similar name, where this one has none."""
    corpora = {path.parent.name for root in roots for path in sealed(root)}
    # Close enough for a typing error, and not for ravdess_song where ravdess exists.
    return corpora if corpus not in corpora and difflib.get_close_matches(corpus, corpora, cutoff=0.8) else set()


def _missing(roots: Roots, corpus: str, recipe: str) -> CacheMissingError:
    where = os.pathsep.join(map(str, roots))
    if nearest := _near(roots, corpus):
        return CacheMissingError(f"in {where}, {unknown('cache of the corpus', corpus, nearest)}")
    recipe_id = named(recipe).id if is_name(recipe) else recipe
    for path in (path for root in roots for path in everything(root) if path.parent.name == corpus):
        if path.name.startswith(f"{recipe_id}-"):
            return CacheMissingError(unfinished(path))
    others = sorted({path.name.partition("-")[0] for root in roots for path in sealed(root, glob.escape(corpus))})
    if not is_name(recipe):
        return CacheMissingError(f"in {where}, {unknown(f'recipe of {corpus}', recipe, [*names(), *others])}")
    # Of two names of one recipe, the first.
    known = {named(name).id: name for name in reversed(names())}
    hint = f" (there are caches of the recipes {', '.join(known.get(other, other) for other in others)})" if others else ""
    return CacheMissingError(
        f"there is no cache of '{corpus}' with recipe '{recipe}' ({named(recipe).id}) in {where}: "
        f"run {building(corpus, recipe, roots)}{hint}"
    )


def building(corpus: str, recipes: str, roots: Roots) -> str:
    """The command that makes caches of a corpus, or of several separated by commas; for a table it needs the table."""
    where = os.pathsep.join(map(str, roots))
    option = "" if recipes == "default" else f" --recipe {recipes}"
    known = plugins.names("precompute.corpora")
    commands = [
        f"python -m precompute build table --table {_table(name, roots)} --name {shlex.quote(name)}{option} --cache {where}"
        for name in corpus.split(",")
        if name not in known
    ]
    if own := [name for name in corpus.split(",") if name in known]:
        commands.insert(0, f"python -m precompute build {','.join(own)}{option} --cache {where}")
    return " && ".join(commands)


def _table(corpus: str, roots: Roots) -> str:
    """The table that a corpus was last cached from, as a shell takes it; a placeholder where no cache says so."""
    every = [record for root in roots for path in sealed(root, glob.escape(corpus)) for record in provenance(path)]
    tables = [
        record[TABLE]
        for record in sorted(every, key=lambda record: str(record.get("created")))
        if isinstance(record.get(TABLE), str)
    ]
    return shlex.quote(tables[-1]) if tables else "YOUR.csv"


def _utterances(path: Path) -> int | str:
    try:
        return int(read_manifest(path)[1]["utterances"])
    except CacheError:
        return "unknown"
