"""Sealed caches from one root to another, of this machine or of an object store.

An interrupted copy is not a cache: on this machine a copy appears by one rename, and is started again; in an object store the
manifest is copied last, and the next copy continues from the existing files.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from precompute.cache import draft, layout, places
from precompute.cache.reader import Cache
from precompute.cache.roots import check_root
from precompute.common.progress import progress

AT_ONCE = 32 * 2**20
"""Bytes that are transferred at once, so that memory is bounded and the network is used well."""


def copy(cache: Cache, root: Path, note: Callable[[str], None] = lambda _: None) -> bool:
    """Copy a sealed cache to another root, byte by byte.

    Args:
        cache: Where it is.
        root: Target; a local directory or one of an object store, whose files are read back and replaced where they differ.
        note: Called with how the pictures differ, where the root has another copy of this cache, which is kept.

    Returns:
        Whether anything was copied.

    Raises:
        CacheError: The cache is damaged, or the root has another cache of its name or cannot be written.
        UnsafePathError: A directory below the root in which to write is a symbolic link.
    """
    check_root(root)
    target = root / cache.corpus / cache.id
    fingerprint = draft.fingerprint_there(target, str(cache.path))
    if fingerprint in (None, cache.fingerprint):
        if places.is_remote(root):
            return _upload(cache, root, target, fingerprint is not None)
        if fingerprint is None and _copy_locally(cache, root, target):
            return True
    if how := draft.is_there(target, cache.fingerprint, str(cache.path), lambda: cache):
        note(how)
    return False


def _copy_locally(cache: Cache, root: Path, target: Path) -> bool:
    """Make a copy on this machine; False where another job was first."""
    staging = draft.staging(root, cache.corpus)
    aside = staging / cache.corpus / cache.id
    with draft.workplace(staging, root):
        for name, content in _contents(cache):
            draft.write(aside / name, content, root)
        return draft.publish(aside, target, root)


def _contents(cache: Cache) -> Iterator[tuple[str, bytes]]:
    with progress(f"copy {cache.corpus}", len(cache.manifest["files"]), "files") as advance:
        for names in _batches(cache):
            yield from cache.fetch(names).items()
            advance(len(names))
    yield from places.read(cache.path, _provenance(cache)).items()
    yield layout.MANIFEST, cache.manifest_bytes


def _upload(cache: Cache, root: Path, target: Path, sealed: bool) -> bool:
    anything = not sealed
    if not places.exists(root / layout.ROOT_RECORD, root):
        places.write(root, {layout.ROOT_RECORD: layout.root_record()})
    with progress(f"copy {cache.corpus} to {root}", len(cache.manifest["files"]), "files") as advance:
        existing = places.sizes(target)
        for names in _batches(cache):
            contents = cache.fetch(names)
            same = places.read(target, [name for name in names if existing.get(name) == len(contents[name])])
            missing = {name: content for name, content in contents.items() if same.get(name) != content}
            places.write(target, missing)
            anything = anything or bool(missing)
            advance(len(names))
    if not sealed:
        places.write(target, places.read(cache.path, _provenance(cache)))
        places.write(target, {layout.MANIFEST: cache.manifest_bytes})
    return anything


def _batches(cache: Cache) -> Iterator[list[str]]:
    names: list[str] = []
    size = 0
    for name, entry in cache.manifest["files"].items():
        if names and size + entry["size"] > AT_ONCE:
            yield names
            names, size = [], 0
        names.append(name)
        size += entry["size"]
    yield names


def _provenance(cache: Cache) -> list[str]:
    return [
        name
        for name, size in places.sizes(cache.path).items()
        if layout.legal_provenance(name) and 0 <= size <= layout.LARGEST_NOTE
    ]
