"""A cache that is being written, by any number of jobs at the same time.

A unit, the pictures of one speaker and emotion, is written under `.staging` on the same file system, fsynced, and published
by renaming its directory; the manifest, written last by an exclusive link, seals the whole.  No lock is needed:
of two jobs that do the same, the second finds that the name exists and discards its own.
"""

import contextlib
import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from precompute.cache import layout, places, shard, writing
from precompute.cache.layout import Record, Skipped
from precompute.cache.reader import Cache, Unit, parse_unit, read_manifest
from precompute.cache.roots import check_root
from precompute.common import files
from precompute.common.errors import CacheError, UnsafePathError, WserError
from precompute.common.reading import parse_json
from precompute.recipe import array_of

_TRIES, _SECONDS = 20, 0.05


class Draft:
    """A cache that is being written.

    Args:
        root: Of all caches, a local directory.
        corpus: Name of the corpus.
        recipe: Its record, as hashed.
        recipe_id: Id of the recipe.
        input_id: Id of the input.
        synthetic: Whether the corpus is synthetic speech.
        same_speakers_as: Corpus with which it shares its speakers, if there is one.
    """

    def __init__(
        self,
        root: Path,
        corpus: str,
        recipe: dict[str, Any],
        recipe_id: str,
        input_id: str,
        synthetic: bool,
        same_speakers_as: str = "",
    ) -> None:
        self.corpus, self.recipe_id, self.input_id, self.synthetic = corpus, recipe_id, input_id, synthetic
        self.same_speakers_as = same_speakers_as
        self.root, self.recipe = root, recipe
        self.item = array_of(recipe)
        self.shard_name = layout.shard_name(self.item)
        self.path = root / corpus / layout.cache_name(recipe_id, input_id)
        self.trash = root / corpus / layout.TRASH
        self.staging = staging(root, corpus)

    @property
    def sealed(self) -> bool:
        """Whether a manifest is there."""
        return places.exists(self.path / layout.MANIFEST, self.root)

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Create the directories and the records that do not depend on the recordings; clear staging at the end.

        Raises:
            CacheError: The root has another major version of the layout, or something in it cannot be written, here or by
                the code in this context.
        """
        with workplace(self.staging, self.root):
            writing.make_directory(self.path, self.root)
            self._put(self.path / layout.RECIPE, _json(self.recipe))
            ids = {"corpus": self.corpus, "recipe_id": self.recipe_id, "input_id": self.input_id}
            self._put(self.path / layout.GROUP, _json(layout.group({"layout": layout.version(self.recipe), **ids})))
            yield

    def published(self, speaker: str, emotion: str) -> Unit | None:
        """The unit of a speaker and emotion; None where it does not exist yet, or is damaged and must be recomputed."""
        directory = self.path / layout.array_path(speaker, emotion)
        try:
            unit = parse_unit(files.read(directory / layout.GROUP, self.root, layout.LARGEST_METADATA))
            content = files.read(directory / self.shard_name, self.root, self._largest_shard(unit))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        return unit if files.sha256(content) == unit.sha256 else None

    def publish(self, records: Sequence[Record], skipped: Sequence[Skipped], items: NDArray[Any]) -> Unit:
        """Write a unit to staging and rename it into place.

        Args:
            records: One for each item, all of one speaker and emotion.
            skipped: Inputs of this speaker and emotion that were not used.
            items: (n, *shape), n at least 1.

        Returns:
            The unit that is in place: that of another job if this was first.
        """
        return self.publish_shard(records, skipped, shard.encode(items))

    def publish_shard(
        self,
        records: Sequence[Record],
        skipped: Sequence[Skipped],
        content: bytes,
        twin: Path | None = None,
    ) -> Unit:
        """The same for items that are encoded already.

        Args:
            records: One for each item, all of one speaker and emotion.
            skipped: Inputs of this speaker and emotion that were not used.
            content: Their shard.
            twin: The shard of another cache with the same content, to which a hard link is made if possible, instead of a
                copy.

        Raises:
            CacheError: Something cannot be written, or another job removed it.
        """
        unit = Unit(tuple(records), tuple(skipped), files.sha256(content))
        metadata = json.dumps(layout.array_metadata(len(records), self.item, unit.attributes()), ensure_ascii=False).encode()
        speaker, emotion = records[0].speaker, records[0].emotion
        target = self.path / layout.array_path(speaker, emotion)
        aside = self.staging / uuid.uuid4().hex
        _check_size(metadata, layout.LARGEST_METADATA, f"'{emotion}' of speaker '{speaker}' has {len(records)} utterances")
        with writing.writing(self.root):
            # The staging directory itself is not created again: a job that is ending has removed it.
            writing.make_directory(aside, self.root, lasting=False, parents=False)
            writing.write_new(aside / layout.GROUP, metadata, self.root)
            if not (twin and _linked(twin, aside / self.shard_name, content, self.root)):
                writing.write_new(aside / self.shard_name, content, self.root)
            files.sync(aside, self.root)
            if not files.exists(self.path, self.root):
                raise CacheError(f"{self.path} was removed while this job was writing there: run the same command again")
            writing.make_directory(target.parent, self.root)
            self._put(target.parent / layout.GROUP, _json(layout.group({"speaker": speaker})))
            while not _renamed(aside, target, self.root):
                if existing := self.published(speaker, emotion):
                    files.remove(aside, self.root)
                    return existing
                # The existing unit is damaged, and no manifest lists it yet.
                with contextlib.suppress(FileNotFoundError):
                    writing.to_trash(target, self.root)
        return unit

    def seal(self, units: Iterable[Unit], skipped: Sequence[Skipped], provenance: dict[str, Any]) -> None:
        """Write index, record of skipped inputs, provenance and, last, the manifest.

        Args:
            units: All published units.
            skipped: Inputs that belong to no published unit.
            provenance: Who made the cache, when and with what.

        Raises:
            CacheError: A unit was changed after it was published.
        """
        units = list(units)
        records = sorted((r for unit in units for r in unit.records), key=lambda r: (r.array, r.row))
        left_out = sorted({*skipped, *(s for unit in units for s in unit.skipped)}, key=lambda s: s.path)
        index, left = _lines(records), _lines(left_out)
        _check_size(index, layout.LARGEST_INDEX, f"the index of {self.corpus} lists {len(records)} utterances")
        _check_size(left, layout.LARGEST_METADATA, f"{len(left_out)} inputs of {self.corpus} are skipped")
        longest = max(index.splitlines(), key=len, default=b"")
        _check_size(longest, layout.LARGEST_LINE, f"the record of one utterance of {self.corpus} is too long")
        with writing.writing(self.root):
            # Before anything is written: a job whose units were replaced must not change the index of another job.
            entries = self._entries_of_units(units)
            self._put(self.path / layout.INDEX, index)
            if not self.sealed and self._content(layout.INDEX) != index:
                # A job that was killed before the manifest was written left it, and a unit was recomputed since then.
                writing.replace(self.path / layout.INDEX, index, self.staging, self.root)
            self._put(self.path / layout.SKIPPED, left)
            writing.make_directory(self.path / layout.PROVENANCE, self.root)
            self._put(self.path / layout.PROVENANCE / f"{uuid.uuid4().hex}.json", _json(provenance))
            records_of = (layout.GROUP, layout.RECIPE, layout.INDEX, layout.SKIPPED)
            entries |= {name: _entry(self._content(name)) for name in records_of}
            manifest = {
                "layout": layout.version(self.recipe),
                "corpus": self.corpus,
                "synthetic": self.synthetic,
                layout.SAME_SPEAKERS_AS: self.same_speakers_as,
                "recipe_id": self.recipe_id,
                "input_id": self.input_id,
                "fingerprint": layout.fingerprint(records),
                layout.CONTENT: layout.content(records),
                "utterances": len(records),
                "skipped": self._content(layout.SKIPPED).count(b"\n"),
                "files": dict(sorted(entries.items())),
            }
            content = _json(manifest)
            _check_size(content, layout.LARGEST_MANIFEST, f"the manifest of {self.corpus} lists {len(entries)} files")
            self._put(self.path / layout.MANIFEST, content)

    def confirm(self, record: dict[str, Any]) -> None:
        """Record beside a sealed cache that it was made from the recordings of today.

        Args:
            record: The time, under `history.CONFIRMED`, and the user.

        Raises:
            OSError, WserError: It cannot be written.
        """
        if places.is_remote(self.root):
            raise CacheError(f"{self.root} is an object store")
        with workplace(self.staging, self.root), writing.writing(self.root):
            writing.make_directory(self.path / layout.PROVENANCE, self.root)
            self._put(self.path / layout.PROVENANCE / f"{uuid.uuid4().hex}.json", _json(record))

    def _put(self, path: Path, content: bytes) -> None:
        # An incomplete file of an interrupted copy must not be listed in the manifest.
        if not self.sealed and files.exists(path, self.root) and not self._is_whole(path, content):
            writing.replace(path, content, self.staging, self.root)
        else:
            writing.put(path, content, self.staging, self.root)

    def _content(self, name: str, most: int | None = None) -> bytes:
        return files.read(self.path / name, self.root, most or layout.largest_file(name))

    def _largest_shard(self, unit: Unit) -> int:
        return shard.largest(len(unit.records), self.item)

    def _is_whole(self, path: Path, content: bytes) -> bool:
        """Whether a file has the right content; of lines, whether they are complete, since skipped files may differ."""
        try:
            existing = files.read(path, self.root, layout.largest_file(path.name))
            if path.name in (layout.INDEX, layout.SKIPPED):
                return existing[-1:] in (b"", b"\n") and all(parse_json(line) for line in existing.splitlines())
            return bool(parse_json(existing) == parse_json(content))
        except ValueError:
            return False

    def _entries_of_units(self, units: Iterable[Unit]) -> dict[str, dict[str, Any]]:
        entries: dict[str, dict[str, Any]] = {}
        for unit in units:
            array = unit.records[0].array
            file = f"{array}/{self.shard_name}"
            for name in (f"{array.split('/')[0]}/{layout.GROUP}", f"{array}/{layout.GROUP}"):
                entries[name] = _entry(self._content(name))
            entries[file] = _entry(self._content(file, self._largest_shard(unit)))
            if entries[file]["sha256"] != unit.sha256:
                raise CacheError(
                    f"{self.path / file} changed after it was published: run the same command again, which recomputes it"
                )
        return entries


def staging(root: Path, corpus: str) -> Path:
    """A directory for the work of one job on a corpus's caches; it does not exist yet."""
    return root / corpus / layout.STAGING / uuid.uuid4().hex


@contextlib.contextmanager
def workplace(staging: Path, root: Path) -> Iterator[None]:
    """Create a job's staging directory, and the root's own records if they are missing; clear staging at the end.

    Raises:
        CacheError: The root has another major version of the layout, or something in it cannot be written, here or by the code
            in this context.
        UnsafePathError: The corpus's directory, or that of staging, is a symbolic link.
    """
    check_root(root)
    with writing.writing(root):
        new = _is_new(root)
        try:
            writing.make_directory(staging, root)
            _remove_stale(staging, root)
            if new:
                # In a directory with other files, the tag would exclude those from backups too.
                writing.put(root / layout.ROOT_TAG, layout.ROOT_TAG_CONTENT, staging, root)
            writing.put(root / layout.ROOT_RECORD, layout.root_record(), staging, root)
            yield
        finally:
            with contextlib.suppress(UnsafePathError):
                _leave(staging, root)


def _leave(staging: Path, root: Path) -> None:
    for _ in range(_TRIES):
        files.remove(staging, root)
        if not files.exists(staging, root):
            return
        # A worker whose job has ended may still write its last file.
        time.sleep(_SECONDS)


def is_there(path: Path, fingerprint: str, source: str, other: Callable[[], Cache]) -> str | None:
    """Whether a cache that comes from elsewhere is already sealed at its place.

    Recipe and input identify the cache.  Its fingerprint identifies the copy: another processor rounds differently, so that
    some values of its pictures differ by one level.

    Args:
        path: Of its directory.
        fingerprint: Of its copy.
        source: Where it comes from, for the message.
        other: Gives that cache; asked where the fingerprints differ.

    Returns:
        None where it is not there; otherwise how its pictures differ, in words, or an empty text.

    Raises:
        CacheError: Another cache is sealed there, or a damaged one, or an unfinished one that another job may be writing.
    """
    existing = fingerprint_there(path, source)
    if existing is None:
        return None
    if existing == fingerprint:
        return ""
    from precompute.cache.verify import differing_items

    ours = Cache(path)
    differing = differing_items(ours, other())
    if differing is None:
        raise CacheError(
            f"{path} is sealed with other pictures than that of {source}: check with python -m precompute cache verify which "
            "is right, and move the other one to trash or choose another root"
        )
    if not differing:
        return ""
    return (
        f"its pictures differ from those of {source} by at most one level in {differing} of {len(ours.records)}, as on another "
        "processor"
    )


def fingerprint_there(path: Path, source: str) -> str | None:
    """Fingerprint of the cache that is sealed at a path; None where there is none.

    Args:
        path: Of its directory.
        source: Of the cache that would take the place, for the message.

    Raises:
        CacheError: It is damaged, or unfinished, and another job may be writing it.
    """
    if places.exists(path / layout.MANIFEST, places.root_of(path)):
        # A damaged copy in an object store is repaired by copying again.
        return _remote_fingerprint(path) if places.is_remote(path) else Cache(path).fingerprint
    if not places.is_remote(path) and files.exists(path, places.root_of(path)):
        raise CacheError(
            f"{path} exists, but is unfinished: finish it by running precompute again, or move it to trash with "
            f"python -m precompute cache rm {path.name}, before that of {source} can replace it"
        )
    return None


def _remote_fingerprint(path: Path) -> str | None:
    try:
        return layout.copy_id(read_manifest(path)[1])
    except CacheError:
        return None


def write(path: Path, content: bytes, root: Path) -> None:
    """Write a file of a cache that is staged as a whole."""
    writing.make_directory(path.parent, root, lasting=False)
    writing.write_new(path, content, root)


def publish(staged: Path, target: Path, root: Path) -> bool:
    """Move a cache that is staged as a whole into place; False where another job was first."""
    files.sync_tree(staged, root)
    return _renamed(staged, target, root)


def _renamed(aside: Path, target: Path, root: Path) -> bool:
    try:
        files.rename(aside, target, root)
    except OSError:
        if not files.exists(target, root):
            raise
        return False
    return True


def _linked(twin: Path, target: Path, content: bytes, root: Path) -> bool:
    """Make a hard link to another cache's shard, unless it was changed meanwhile."""
    try:
        # <root>/<corpus>/<cache>/<speaker>/<emotion>/<shard>
        files.link(twin, target, root, twin.parents[4])
        if files.read(target, root, len(content)) == content:
            return True
        files.unlink(target, root)
    except UnsafePathError:
        files.unlink(target, root)
    except (OSError, WserError):
        # Another file system, another owner or no hard links: a copy is used instead.
        return False
    return False


def _entry(content: bytes) -> dict[str, Any]:
    return {"size": len(content), "sha256": files.sha256(content)}


def _check_size(content: bytes, most: int, what: str) -> None:
    """Refuse to write what no reader would accept."""
    if len(content) > most:
        raise CacheError(f"{what}, which takes {len(content)} bytes, more than {most}: divide the corpus into several")


def _is_new(root: Path) -> bool:
    """Whether a root is empty, or contains only files of a job that was killed before it wrote the root's record."""
    if not root.exists():
        return True
    if files.exists(root / layout.ROOT_RECORD, root):
        return False
    folders = set(files.directories(root, root))
    return all(
        name == layout.ROOT_TAG or (name in folders and _is_unused(root / name, root)) for name in files.names(root, root)
    )


def _is_unused(corpus: Path, root: Path) -> bool:
    inside = files.names(corpus, root)
    return not inside or layout.STAGING in inside


def _remove_stale(ours: Path, root: Path) -> None:
    """Remove what killed jobs left in staging, and nothing else."""
    # By the clock of the file server, not of this machine: our own directory was made a moment ago.
    now = files.changed(ours, root)
    for job in (ours.with_name(name) for name in files.names(ours.parent, root) if layout.legal_job(name)):
        # It is gone already, or belongs to another user: not an error.
        with contextlib.suppress(OSError):
            if now - files.changed(job, root) > files.STALE_SECONDS:
                files.remove(job, root)


def _json(value: Any) -> bytes:
    """A JSON file as caches hold them: UTF-8, indented."""
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def _lines(items: Iterable[Record | Skipped]) -> bytes:
    return "".join(json.dumps(vars(item), ensure_ascii=False) + "\n" for item in items).encode()
