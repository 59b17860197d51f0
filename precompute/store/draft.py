"""A cache that is being written, by any number of jobs at once.

A unit, the pictures of one speaker and emotion, is written under `.staging` on the same file system, fsynced, and published
by renaming its directory; the manifest, written last by an exclusive link, seals the whole.  No lock guards any of it: of two
jobs that do the same, the second finds the name taken and discards its own.
"""

import contextlib
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precompute import layout
from precompute.errors import CacheError
from precompute.layout import Record, Skipped
from precompute.store import files, places, shard
from precompute.store.cache import Cache, Unit, parse_unit, read_manifest
from precompute.store.roots import check_root


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
        self.path = root / corpus / layout.cache_name(recipe_id, input_id)
        self.trash = root / corpus / layout.TRASH
        self.staging = staging(root, corpus)

    @property
    def sealed(self) -> bool:
        """Whether a manifest is there."""
        return (self.path / layout.MANIFEST).exists()

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Create the directories and the records that do not depend on the recordings; leave nothing in staging at the end.

        Raises:
            CacheError: The root holds another major version of the layout, or something in it cannot be written; so does
                whatever writes inside.
        """
        with workplace(self.staging, self.root):
            files.make_directory(self.path, self.root)
            self._put(self.path / layout.RECIPE, _json(self.recipe))
            ids = {"corpus": self.corpus, "recipe_id": self.recipe_id, "input_id": self.input_id}
            self._put(self.path / layout.GROUP, _json(layout.group({"layout": layout.version(), **ids})))
            yield

    def published(self, speaker: str, emotion: str) -> Unit | None:
        """The unit of a speaker and emotion; None where it is not there yet, or is damaged and must be made again."""
        directory = self.path / layout.array_path(speaker, emotion)
        try:
            unit = parse_unit((directory / layout.GROUP).read_bytes())
            content = (directory / layout.SHARD).read_bytes()
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
            return None
        return unit if files.sha256(content) == unit.sha256 else None

    def publish(self, records: Sequence[Record], skipped: Sequence[Skipped], images: NDArray[np.uint8]) -> Unit:
        """Write a unit aside and rename it into place.

        Args:
            records: One for each picture, all of one speaker and emotion.
            skipped: Inputs of this speaker and emotion that were not used.
            images: uint8 (n, height, width, 3), n at least 1.

        Returns:
            The unit that is in place: where another job was first, that job's.
        """
        return self.publish_shard(records, skipped, images.shape, shard.encode(images))

    def publish_shard(
        self,
        records: Sequence[Record],
        skipped: Sequence[Skipped],
        shape: tuple[int, ...],
        content: bytes,
        twin: Path | None = None,
    ) -> Unit:
        """The same for pictures that are encoded already.

        Args:
            records: One for each picture, all of one speaker and emotion.
            skipped: Inputs of this speaker and emotion that were not used.
            shape: Of the pictures, (n, height, width, 3).
            content: Their shard.
            twin: A file that holds just this content, of which to make a hard link, if that can be, rather than a copy.

        Raises:
            CacheError: Something cannot be written, or was removed by another.
        """
        unit = Unit(tuple(records), tuple(skipped), files.sha256(content))
        metadata = json.dumps(layout.array_metadata(tuple(shape), unit.attributes()), ensure_ascii=False).encode()  # type: ignore[arg-type]
        speaker, emotion = records[0].speaker, records[0].emotion
        target = self.path / layout.array_path(speaker, emotion)
        aside = self.staging / uuid.uuid4().hex
        with files.writing(self.root):
            files.make_directory(aside, self.root, lasting=False)
            files.write_new(aside / layout.GROUP, metadata, self.root)
            if not (twin and _linked(twin, aside / layout.SHARD)):
                files.write_new(aside / layout.SHARD, content, self.root)
            files.sync(aside)
            if not self.path.is_dir():
                raise CacheError(f"{self.path} was removed while this job was writing there: run the same command again")
            if not target.parent.exists():
                files.make_directory(target.parent, self.root)
            self._put(target.parent / layout.GROUP, _json(layout.group({"speaker": speaker})))
            while not _renamed(aside, target):
                if there := self.published(speaker, emotion):
                    files.remove(aside)
                    return there
                # What is there is damaged, and nothing vouches for it yet.
                with contextlib.suppress(FileNotFoundError):
                    files.to_trash(target, self.trash, self.root)
            files.sync(target.parent)
        return unit

    def seal(self, units: Iterable[Unit], skipped: Sequence[Skipped], provenance: dict[str, Any]) -> None:
        """Write index, record of skipped inputs, provenance and, last, the manifest.

        Args:
            units: All published units.
            skipped: Inputs that belong to no published unit.
            provenance: Who made the cache, when and with what.

        Raises:
            CacheError: A unit is not any more what was published.
        """
        units = list(units)
        records = sorted((r for unit in units for r in unit.records), key=lambda r: (r.array, r.row))
        left_out = sorted({*skipped, *(s for unit in units for s in unit.skipped)}, key=lambda s: s.path)
        index = _lines(records)
        with files.writing(self.root):
            # Before anything is written: a job whose units are not any more those in place must not touch another's index.
            vouched = self._vouch_for_units(units)
            self._put(self.path / layout.INDEX, index)
            if not self.sealed and (self.path / layout.INDEX).read_bytes() != index:
                # A job that was killed between this file and the manifest left it, and a unit was made anew since.  By one
                # rename: of two jobs that see to it at once, neither finds the file missing.
                _aside(index, self.staging, self.root).rename(self.path / layout.INDEX)
                files.sync(self.path)
            self._put(self.path / layout.SKIPPED, _lines(left_out))
            files.make_directory(self.path / layout.PROVENANCE, self.root)
            self._put(self.path / layout.PROVENANCE / f"{uuid.uuid4().hex}.json", _json(provenance))
            vouched |= {name: _vouch(self.path / name) for name in (layout.GROUP, layout.RECIPE, layout.INDEX, layout.SKIPPED)}
            manifest = {
                "layout": layout.version(),
                "corpus": self.corpus,
                "synthetic": self.synthetic,
                layout.SAME_SPEAKERS_AS: self.same_speakers_as,
                "recipe_id": self.recipe_id,
                "input_id": self.input_id,
                "fingerprint": layout.fingerprint(records),
                "utterances": len(records),
                "skipped": len((self.path / layout.SKIPPED).read_bytes().splitlines()),
                "files": dict(sorted(vouched.items())),
            }
            self._put(self.path / layout.MANIFEST, _json(manifest))

    def _put(self, path: Path, content: bytes) -> None:
        # What a copy that broke off left in part must not be vouched for.
        if path.exists() and not self.sealed and not _is_whole(path, content):
            _aside(content, self.staging, self.root).rename(path)
            files.sync(path.parent)
        else:
            _put(path, content, self.staging, self.root)

    def _vouch_for_units(self, units: Iterable[Unit]) -> dict[str, dict[str, Any]]:
        vouched: dict[str, dict[str, Any]] = {}
        for unit in units:
            array = unit.records[0].array
            names = (f"{array.split('/')[0]}/{layout.GROUP}", f"{array}/{layout.GROUP}", f"{array}/{layout.SHARD}")
            vouched |= {name: _vouch(self.path / name) for name in names}
            if vouched[names[-1]]["sha256"] != unit.sha256:
                raise CacheError(
                    f"{self.path / names[-1]} changed after it was published: run the same command again, which makes it anew"
                )
        return vouched


def staging(root: Path, corpus: str) -> Path:
    """A directory for the work of one job on a corpus's caches; it is not there yet."""
    return root / corpus / layout.STAGING / uuid.uuid4().hex


@contextlib.contextmanager
def workplace(staging: Path, root: Path) -> Iterator[None]:
    """Create a job's staging directory, and the root's own records if they are missing; leave nothing in staging at the end.

    Raises:
        CacheError: The root holds another major version of the layout, or something in it cannot be written; so does whatever
            writes inside.
    """
    check_root(root)
    with files.writing(root):
        new = _is_new(root)
        try:
            files.make_directory(staging, root)
            _remove_stale(staging)
            if new:
                # In a directory with other things, the tag would keep those out of backups too.
                _put(root / layout.ROOT_TAG, layout.ROOT_TAG_CONTENT, staging, root)
            _put(root / layout.ROOT_RECORD, layout.root_record(), staging, root)
            yield
        finally:
            files.remove(staging)


def is_there(path: Path, fingerprint: str, source: str) -> bool:
    """Whether a cache that comes from elsewhere is sealed at its place already.

    Args:
        path: Of its directory.
        fingerprint: Of its manifest.
        source: Where it comes from, for the message.

    Raises:
        CacheError: Another one is sealed there, one that is damaged, or one that is unfinished and may be in work.
    """
    if (path / layout.MANIFEST).is_file():
        # A damaged copy in an object store is mended by copying again.
        found = _remote_fingerprint(path) if places.is_remote(path) else Cache(path).fingerprint
        if not found:
            return False
        if found != fingerprint:
            raise CacheError(
                f"{path} is sealed with other pictures than that of {source}: let python -m precompute cache verify say which "
                "is right, and take the other away or choose another root"
            )
        return True
    if not places.is_remote(path) and os.path.lexists(path):
        raise CacheError(
            f"{path} is there, but unfinished: finish it by running precompute again, or take it away with "
            f"python -m precompute cache rm {path.name}, before that of {source} can take its place"
        )
    return False


def _remote_fingerprint(path: Path) -> str:
    try:
        return str(read_manifest(path)[1]["fingerprint"])
    except CacheError:
        return ""


def write(path: Path, content: bytes, root: Path) -> None:
    """Write a file of a cache that is staged as a whole."""
    files.make_directory(path.parent, root, lasting=False)
    files.write_new(path, content, root)


def publish(staged: Path, target: Path) -> bool:
    """Give a cache that is staged as a whole its place; False where another job was first."""
    files.sync_tree(staged)
    if not _renamed(staged, target):
        return False
    files.sync(target.parent)
    return True


def _renamed(aside: Path, target: Path) -> bool:
    try:
        aside.rename(target)
    except OSError:
        if not target.exists():
            raise
        return False
    return True


def _linked(twin: Path, target: Path) -> bool:
    try:
        os.link(twin, target)
    except OSError:
        # Another file system, another owner, none of hard links: a copy does as well.
        return False
    return True


def _vouch(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"size": len(content), "sha256": files.sha256(content)}


def _put(path: Path, content: bytes, staging: Path, root: Path) -> None:
    if path.exists():
        return
    aside = _aside(content, staging, root)
    files.link(aside, path)
    aside.unlink()
    files.sync(path.parent)


def _is_whole(path: Path, content: bytes) -> bool:
    """Whether a file is as it should be, or, of lines, at least whole: another job may know of other skipped files."""
    try:
        found = path.read_bytes()
        if path.name in (layout.INDEX, layout.SKIPPED):
            return found[-1:] in (b"", b"\n") and all(json.loads(line) for line in found.splitlines())
        return bool(json.loads(found) == json.loads(content))
    except ValueError:
        return False


def _aside(content: bytes, staging: Path, root: Path) -> Path:
    path = staging / uuid.uuid4().hex
    files.write_new(path, content, root)
    return path


def _is_new(root: Path) -> bool:
    """Whether a root holds nothing, or only what a job left that was killed before it wrote the root's record."""
    if not root.exists():
        return True
    return not (root / layout.ROOT_RECORD).exists() and all(
        one.name == layout.ROOT_TAG or (one / layout.STAGING).is_dir() or (one.is_dir() and not any(one.iterdir()))
        for one in root.iterdir()
    )


def _remove_stale(ours: Path) -> None:
    # The file server's clock and not this machine's: our own directory was made a moment ago.
    now = ours.stat().st_mtime
    for job in ours.parent.iterdir():
        # What is gone meanwhile, or another's to remove, is no reason to fail.
        with contextlib.suppress(OSError):
            if now - job.stat().st_mtime > files.STALE_SECONDS:
                files.remove(job)


def _json(value: Any) -> bytes:
    """A JSON file as caches hold them: UTF-8, indented."""
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def _lines(items: Iterable[Record | Skipped]) -> bytes:
    return "".join(json.dumps(vars(item), ensure_ascii=False) + "\n" for item in items).encode()
