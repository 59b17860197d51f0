"""Caches as one zip file, to give to others: the same caches give the same bytes, and an imported file is fully checked.

`cache_layout.md` describes such a file.  Its members are stored as they are, since pictures are compressed already.
"""

import contextlib
import functools
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from precompute.cache import draft, layout, places, verify, writing
from precompute.cache.reader import Cache, parse_manifest, parse_object, readable
from precompute.common import files, zips
from precompute.common.errors import CacheError, RecipeError
from precompute.common.progress import progress
from precompute.common.reading import UnreadableError
from precompute.common.terminal import in_a_line
from precompute.recipe import array_of, check_record

MOST_PROVENANCE = 1000
"""Most records of provenance of one cache: there is one for each job that sealed it at the same time."""

LARGEST_UNIT = 8 << 30
"""Largest size in bytes of the pictures of one speaker and emotion, which are decoded in memory at once: 80 000 of the usual
size."""


def export_zip(caches: Sequence[Path], target: Path) -> None:
    """Write sealed caches into one zip file: the files that their manifests list, the manifests, and the provenance.

    The same caches give the same bytes.  Each file is checked against the manifest on the way.

    Args:
        caches: Their directories.
        target: The zip file; it appears complete or not at all.

    Raises:
        CacheError: A cache is not sealed or is damaged, or two have the same name.
        WserError: `target` exists already, or cannot be written.
    """
    members: dict[str, tuple[Cache, str]] = {}
    for cache in map(Cache, caches):
        place = f"{cache.corpus}/{cache.id}"
        if not layout.legal_corpus(cache.corpus) or f"{place}/{layout.MANIFEST}" in members:
            raise CacheError(
                f"{cache.path} would be '{place}' in {target}, a name that is taken or not allowed: export it separately"
            )
        members |= {f"{place}/{name}": (cache, name) for name in [*cache.manifest["files"], layout.MANIFEST, *_notes(cache)]}
    if not members:
        raise CacheError(f"no cache is given for {target}: give at least one")
    with (
        files.new_file(target) as aside,
        zipfile.ZipFile(aside, "x") as opened,
        progress(f"export {target.name}", len(members), "files") as advance,
    ):
        opened.writestr(zips.member(layout.ROOT_RECORD), layout.root_record())
        for member in sorted(members):
            opened.writestr(zips.member(member), _read(*members[member]))
            advance(1)


def import_zip(archive: Path, root: Path, note: Callable[[Path, str], None] = lambda *_: None) -> list[Path]:
    """Import the caches of a zip file into a root: all of them, or none if one is refused.

    Names, sizes and versions are checked before anything is written, and every byte and item before anything is published.  A
    cache that the root already has is kept unchanged.

    Args:
        archive: The zip file, from `export_zip` or of unknown origin.
        root: Of caches, a local directory; created if missing.
        note: Called for each cache that is kept although some of its pictures differ by a level: with its directory, and how.

    Returns:
        Directories of the caches in the archive, including those that existed already.

    Raises:
        CacheError: The archive is not a zip file, has other content or is damaged; the root has another or an unfinished
            cache of the same name, or cannot be written.
        UnsafePathError: A directory below the root in which to write is a symbolic link.
    """
    if places.is_remote(root):
        raise CacheError(f"{root} is not a local directory: import into one, and copy the sealed caches from there")
    with zips.opened(archive, lambda what: CacheError(f"{archive} {what}: copy it again, or ask for another export")) as opened:
        parcels = _parcels(opened)
        new = [parcel for parcel in parcels if not parcel.is_in(root)]
        _check_space(opened, new, root)
        with (
            contextlib.ExitStack() as stack,
            writing.writing(root),
            progress(f"import {archive.name}", sum(len(parcel.members) for parcel in new), "files") as advance,
        ):
            staged = []
            for parcel in new:
                staging = draft.staging(root, parcel.corpus)
                stack.enter_context(draft.workplace(staging, root))
                staged.append(staging / parcel.corpus / parcel.name)
                for name in parcel.members:
                    _unpack(parcel, name, staged[-1] / name, root)
                    advance(1)
                _verify(parcel, staged[-1])
            kept = [parcel.how_kept(root, aside) for parcel, aside in zip(new, staged, strict=True)]
            for at, (parcel, aside) in enumerate(zip(new, staged, strict=True)):
                if kept[at] is None and not draft.publish(aside, parcel.path(root), root):
                    # Another job was first; its cache must be the same.
                    kept[at] = parcel.how_kept(root, aside)
    for parcel, how in zip(new, kept, strict=True):
        if how:
            note(parcel.path(root), how)
    return [parcel.path(root) for parcel in parcels]


@dataclass(frozen=True)
class _Parcel:
    """A cache in an archive: its corpus and id, its files by their path relative to it, and its manifest."""

    opened: zipfile.ZipFile
    corpus: str
    name: str
    members: dict[str, zipfile.ZipInfo]
    manifest: dict[str, Any]

    def path(self, root: Path) -> Path:
        return root / self.corpus / self.name

    def is_in(self, root: Path) -> bool:
        """Whether a root already has this copy of the cache.

        Raises:
            CacheError: It has an unfinished or damaged one of this name.
        """
        return draft.fingerprint_there(self.path(root), str(self.opened.filename)) == layout.copy_id(self.manifest)

    def how_kept(self, root: Path, staged: Path) -> str | None:
        """How an existing copy in a root differs, in words, as `draft.is_there` gives it; None where it has none.

        Raises:
            CacheError: It has another cache of this name.
        """
        return draft.is_there(self.path(root), layout.copy_id(self.manifest), str(self.opened.filename), lambda: Cache(staged))


def _notes(cache: Cache) -> list[str]:
    """Names of a cache's records of provenance."""
    notes = [
        name
        for name, size in places.sizes(cache.path).items()
        if layout.legal_provenance(name) and 0 <= size <= layout.LARGEST_NOTE
    ]
    if len(notes) > MOST_PROVENANCE:
        raise CacheError(f"{cache.path / layout.PROVENANCE} has {len(notes)} files, more than {MOST_PROVENANCE}: remove some")
    return notes


def _read(cache: Cache, name: str) -> bytes:
    if name == layout.MANIFEST:
        return cache.manifest_bytes
    if name in cache.manifest["files"]:
        return cache.fetch([name])[name]
    with readable(cache.path / name, cache.path):
        return places.read_small(cache.path / name, places.root_of(cache.path), layout.LARGEST_NOTE)


def _refusal(opened: zipfile.ZipFile, member: str, what: str) -> CacheError:
    return CacheError(
        f"{opened.filename}: '{ascii(member)[1:-1][:200]}' {in_a_line(what)}; ask for another export, nothing was imported"
    )


def _known(member: str) -> bool:
    if member in (layout.ROOT_RECORD, layout.ROOT_TAG):
        return True
    if member.count("/") < 2 or any(len(part) > layout.LONGEST_NAME for part in member.split("/")):
        return False
    corpus, cache, name = member.split("/", 2)
    legal = name == layout.MANIFEST or layout.legal_file(name) or layout.legal_provenance(name)
    return legal and layout.legal_corpus(corpus) and layout.legal_cache(cache)


def _parcels(opened: zipfile.ZipFile) -> list[_Parcel]:
    """The caches of an archive, their names, sizes and versions checked, and of their content no more than that takes."""
    refuse = functools.partial(_refusal, opened)
    members = zips.members(opened, _known, "is not a file of a cache's layout, <corpus>/<cache id>/<file>", refuse)
    if what := zips.overlap(opened):
        raise CacheError(f"{opened.filename} {what}: ask for another export")
    if record := members.get(layout.ROOT_RECORD):
        layout.check_version(_json(opened, record).get("layout"), str(opened.filename))
    caches: dict[tuple[str, str], dict[str, zipfile.ZipInfo]] = {}
    for member in sorted(set(members) - {layout.ROOT_RECORD, layout.ROOT_TAG}):
        corpus, cache, name = member.split("/", 2)
        caches.setdefault((corpus, cache), {})[name] = members[member]
    if not caches:
        raise CacheError(f"{opened.filename} does not contain a cache: ask for another export")
    return [_parcel(opened, corpus, cache, parts) for (corpus, cache), parts in caches.items()]


def _parcel(opened: zipfile.ZipFile, corpus: str, name: str, members: dict[str, zipfile.ZipInfo]) -> _Parcel:
    place = f"{corpus}/{name}"
    if layout.MANIFEST not in members:
        raise _refusal(opened, f"{place}/{layout.MANIFEST}", "is missing, and the other files cannot be checked without it")
    _check_member(opened, members[layout.MANIFEST], layout.LARGEST_MANIFEST)
    try:
        manifest = parse_manifest(
            zips.content(opened, members[layout.MANIFEST], functools.partial(_refusal, opened)), f"{opened.filename}: {place}"
        )
        sizes = {file: entry["size"] for file, entry in manifest["files"].items()}
    except UnreadableError as error:
        raise _refusal(opened, f"{place}/{layout.MANIFEST}", f"is damaged ({error!s:.200})") from None
    stored = f"{manifest['corpus']}/{layout.cache_name(manifest['recipe_id'], manifest['input_id'])}"
    if stored != place:
        raise _refusal(opened, f"{place}/{layout.MANIFEST}", f"belongs to another cache ('{ascii(stored)[1:-1][:100]}')")
    _check_sizes(opened, place, sizes, members)
    try:
        array_of(check_record(_json(opened, members[layout.RECIPE])))
    except (RecipeError, ValueError) as error:
        raise _refusal(opened, f"{place}/{layout.RECIPE}", f"is damaged ({error})") from None
    return _Parcel(opened, corpus, name, members, manifest)


def _check_sizes(opened: zipfile.ZipFile, place: str, listed: dict[str, int], members: dict[str, zipfile.ZipInfo]) -> None:
    for name in (layout.RECIPE, layout.INDEX, layout.SKIPPED, *listed):
        if name not in listed or name not in members:
            raise _refusal(opened, f"{place}/{name}", "is missing, from the archive or from the manifest")
    notes = [name for name in members if layout.legal_provenance(name) and name not in listed]
    if len(notes) > MOST_PROVENANCE:
        raise _refusal(
            opened, f"{place}/{notes[0]}", f"is one of {len(notes)} records of provenance, more than {MOST_PROVENANCE}"
        )
    for name, info in members.items():
        if name not in listed and name not in notes and name != layout.MANIFEST:
            raise _refusal(opened, f"{place}/{name}", "is not listed in the manifest")
        _check_member(opened, info, layout.largest_file(name))
        if info.file_size != listed.get(name, info.file_size):
            raise _refusal(opened, f"{place}/{name}", f"has {info.file_size} bytes, and the manifest says {listed[name]}")


def _check_member(opened: zipfile.ZipFile, info: zipfile.ZipInfo, most: int | None) -> None:
    if most is not None and info.file_size > most:
        raise _refusal(opened, info.orig_filename, f"has {info.file_size} bytes, more than {most}")


def _json(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> dict[str, Any]:
    _check_member(opened, info, layout.LARGEST_NOTE)
    try:
        return parse_object(zips.content(opened, info, functools.partial(_refusal, opened)))
    except UnreadableError as error:
        raise _refusal(opened, info.orig_filename, f"is damaged ({error!s:.200})") from None


def _check_space(opened: zipfile.ZipFile, new: Sequence[_Parcel], root: Path) -> None:
    size = sum(info.file_size for parcel in new for info in parcel.members.values())
    free = shutil.disk_usage(next(place for place in (root, *root.absolute().parents) if place.exists())).free
    if size > free:
        raise CacheError(
            f"{opened.filename} takes {size / 1e6:.0f} MB, and the disk of {root} has {free / 1e6:.0f} MB free: "
            "free some, or import into another directory"
        )


def _unpack(parcel: _Parcel, name: str, target: Path, root: Path) -> None:
    content = zips.content(parcel.opened, parcel.members[name], functools.partial(_refusal, parcel.opened))
    listed = parcel.manifest["files"].get(name)
    if listed and files.sha256(content) != listed["sha256"]:
        raise _refusal(parcel.opened, parcel.members[name].orig_filename, "does not match its checksum in the manifest")
    draft.write(target, content, root)


def _verify(parcel: _Parcel, staged: Path) -> None:
    """Refuse a cache that matches its manifest and still has a problem."""
    try:
        cache = Cache(staged)
        sizes = {array: cache.count(array) * cache.item.bytes for array in cache.arrays}
        largest = max(sizes, key=lambda array: sizes[array], default="")
        if largest and sizes[largest] > LARGEST_UNIT:
            problems = [f"the items of '{largest}' take {sizes[largest]} bytes, more than {LARGEST_UNIT}"]
        else:
            problems = [fault.what for fault in verify.faults(staged)]
    except CacheError as error:
        problems = [error.what]
    if problems:
        place = f"{parcel.corpus}/{parcel.name}"
        # Without the remedy, which is for a cache in a root.
        first = in_a_line(problems[0]).replace(str(staged), place)
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise _refusal(parcel.opened, place, f"is damaged ({first}{more})")
