"""Writing: units appear whole or not at all, the first job counts, damage is made good, and permissions are the root's."""

import errno
import json
import os
import shutil
import stat
import time

import numpy as np
import pytest
from toy import RECIPE, build, draft, replace, unit

from precompute.cache import layout, roots, writing
from precompute.cache.layout import Skipped
from precompute.cache.reader import Cache
from precompute.cache.verify import problems
from precompute.common import files
from precompute.common.errors import CacheError, CacheMissingError, WserError


def staging(root):
    return list((root / "toy" / layout.STAGING).iterdir())


def content(path):
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_the_second_publisher_of_a_unit_discards_its_own(tmp_path):
    first, second = draft(tmp_path), draft(tmp_path)
    records, _, images = unit("a", "sad", 3, 1)
    with first.open(), second.open():
        one = first.publish(records, (), images)
        assert second.publish(*unit("a", "sad", 3, 2)) == one
        assert second.published("a", "sad") == one
        first.seal([one], [], {})
    np.testing.assert_array_equal(Cache(first.path).read("a/sad"), images)
    assert staging(tmp_path) == []


def test_a_published_unit_is_known_to_later_jobs(tmp_path):
    with draft(tmp_path).open() as _, (first := draft(tmp_path)).open():
        one = first.publish(*unit("..", "sad", skipped=[Skipped("x.wav", "silent")]))
    later = draft(tmp_path)
    assert one.records == unit("..", "sad")[0]
    assert later.published("..", "sad") == one
    assert later.published("..", "angry") is None


def test_only_the_first_seal_counts(tmp_path):
    first, second = draft(tmp_path), draft(tmp_path)
    with first.open(), second.open():
        one = first.publish(*unit("a", "sad"))
        first.seal([one], [Skipped("b.wav", "empty")], {"job": 1})
        before = content(first.path)
        second.seal([one], [], {"job": 2})
    assert {file: file.read_bytes() for file in before} == before
    assert Cache(first.path).skipped == (Skipped("b.wav", "empty"),)


def test_a_job_that_seals_in_the_same_moment_changes_nothing(tmp_path, monkeypatch):
    # Both jobs have found no file of that name before either creates its own; the first one created stays.
    first, second = draft(tmp_path), draft(tmp_path)
    with first.open(), second.open():
        one = first.publish(*unit("a", "sad"))
        first.seal([one], [Skipped("b.wav", "empty")], {"job": 1})
        before = content(first.path)
        (first.path / layout.PROVENANCE).mkdir(exist_ok=True)
        with monkeypatch.context() as patched:
            patched.setattr(files, "exists", lambda *_: False)
            patched.setattr(writing, "make_directory", lambda *_: None)
            second.seal([one], [], {"job": 2})
    assert {file: file.read_bytes() for file in before} == before


def test_what_is_not_sealed_is_no_cache(tmp_path, messages):
    made = draft(tmp_path)
    with made.open():
        made.publish(*unit("a", "sad"))
    assert not made.sealed
    with messages.raises(CacheMissingError):
        Cache(made.path)
    assert roots.sealed(tmp_path, "toy", RECIPE.id) == []


def test_old_leftovers_in_staging_are_removed_and_those_of_others_stay(tmp_path):
    old, recent = (tmp_path / "toy" / layout.STAGING / name for name in ("0" * 32, "1" * 32))
    for job in (old, recent):
        job.mkdir(parents=True)
        (job / "part").write_bytes(b"1")
    ago = time.time() - files.STALE_SECONDS - 60
    os.utime(old, (ago, ago))
    with draft(tmp_path).open():
        pass
    assert not old.exists()
    assert (recent / "part").exists()


def test_a_root_of_another_layout_is_not_written_to(tmp_path, messages):
    (tmp_path / layout.ROOT_RECORD).write_text(json.dumps({"layout": f"{layout.VERSION[0] + 1}.0"}))
    with messages.raises(CacheError), draft(tmp_path).open():
        pass
    assert [file.name for file in tmp_path.iterdir()] == [layout.ROOT_RECORD]


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    replace(file, bytes(content))


DAMAGE = {
    "shard flipped": lambda path: flip(path / "c.0.0.0.0"),
    "shard emptied": lambda path: replace(path / "c.0.0.0.0", b""),
    "shard gone": lambda path: (path / "c.0.0.0.0").unlink(),
    "metadata torn": lambda path: replace(path / layout.GROUP, (path / layout.GROUP).read_bytes()[:40]),
    "metadata gone": lambda path: (path / layout.GROUP).unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_unit_of_an_unfinished_cache_is_made_anew(tmp_path, damage):
    made = draft(tmp_path)
    records, skipped, images = unit("a", "sad")
    with made.open():
        made.publish(records, skipped, images)
        DAMAGE[damage](made.path / "a" / "sad")
        assert made.published("a", "sad") is None
        made.seal([made.publish(records, skipped, images)], [], {})
    np.testing.assert_array_equal(Cache(made.path).read("a/sad"), images)
    assert len(list(made.trash.iterdir())) == 1


def test_damage_after_publishing_is_found_before_the_cache_is_sealed(tmp_path, messages):
    made = draft(tmp_path)
    with made.open():
        one = made.publish(*unit("a", "sad"))
        flip(made.path / "a" / "sad" / "c.0.0.0.0")
        with messages.raises(CacheError):
            made.seal([one], [], {})
    assert not made.sealed
    # Nor is the index of a job whose units are those in place touched.
    assert not (made.path / layout.INDEX).exists()


def test_the_index_of_a_job_killed_while_sealing_gives_way_to_today_s(tmp_path):
    made = draft(tmp_path)
    with made.open():
        one = made.publish(*unit("a", "sad"))
        (made.path / layout.INDEX).write_bytes(b"{}\n")
        made.seal([one], [], {})
    assert Cache(made.path).records == one.records


@pytest.fixture
def umask():
    before = os.umask(0)
    os.umask(before)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
@pytest.mark.parametrize("mode", [0o2775, 0o2770, 0o755, 0o700])
def test_permissions_are_the_root_s_whatever_the_umask(tmp_path, umask, mask, mode):
    root = tmp_path / "root"
    root.mkdir()
    root.chmod(mode)
    umask(mask)
    path = build(root, [unit("a", "sad")])
    (root / "toy" / layout.STAGING / "x").mkdir()
    for directory in (path, path / "a" / "sad", path / layout.PROVENANCE, root / "toy", root / "toy" / layout.STAGING):
        assert oct(stat.S_IMODE(directory.stat().st_mode)) == oct(mode), directory
    for file in path.rglob("*"):
        if file.is_file():
            assert oct(stat.S_IMODE(file.stat().st_mode)) == oct(mode & 0o444), file


def test_a_root_that_is_made_here_has_what_the_umask_leaves(tmp_path, umask):
    umask(0o077)
    path = build(tmp_path / "new" / "root", [unit("a", "sad")])
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_cache_removed_under_a_writer_is_said_in_one_sentence(tmp_path, messages):
    made = draft(tmp_path)
    with made.open():
        made.publish(*unit("a", "sad"))
        made.path.rename(tmp_path / "elsewhere")
        with messages.raises(CacheError):
            made.publish(*unit("b", "sad"))


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS, errno.EXDEV])
@pytest.mark.parametrize("when", ["a new root", "a root that is there"])
def test_a_file_system_without_hard_links_is_named(tmp_path, monkeypatch, code, when, messages):
    if when == "a root that is there":
        build(tmp_path, [unit("a", "sad")])

    def link(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", link)
    with messages.raises(WserError) as caught:
        build(tmp_path, [unit("b", "sad")])
    assert "run the same command again" not in str(caught.value)
    assert staging(tmp_path) == []


def test_units_are_copied_where_no_hard_link_can_be_made(tmp_path, monkeypatch):
    path = build(tmp_path / "lab", [unit("a", "sad")])
    made, cache, link = draft(tmp_path / "new"), Cache(path), os.link

    def across(source, target, **options):
        if source == "c.0.0.0.0":
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        link(source, target, **options)

    monkeypatch.setattr(os, "link", across)
    shard = path / "a/sad" / "c.0.0.0.0"
    with made.open():
        made.publish_shard(cache.records, [], shard.read_bytes(), shard)
    assert (made.path / "a/sad" / "c.0.0.0.0").read_bytes() == shard.read_bytes()


def test_a_job_whose_staging_directory_is_gone_does_not_make_it_again(tmp_path, messages):
    # As a worker, whose main process was ended and has cleaned up.
    made = draft(tmp_path)
    with made.open():
        shutil.rmtree(made.staging)
        with messages.raises(CacheError):
            made.publish(*unit("a", "sad"))
        assert staging(tmp_path) == []


def test_nothing_is_written_that_no_reader_would_take(tmp_path, monkeypatch, messages):
    made = draft(tmp_path)
    with made.open():
        one = made.publish(*unit("a", "sad"))
        for name in ("LARGEST_INDEX", "LARGEST_LINE", "LARGEST_METADATA", "LARGEST_MANIFEST"):
            with monkeypatch.context() as patched:
                patched.setattr(layout, name, 9)
                with messages.raises(CacheError):
                    made.seal([one], [Skipped("b.wav", "empty")], {})
            assert not made.sealed
        monkeypatch.setattr(layout, "LARGEST_METADATA", 9)
        with messages.raises(CacheError):
            made.publish(*unit("b", "sad"))


@pytest.mark.parametrize("name", [layout.GROUP, layout.RECIPE, layout.SKIPPED, f"a/{layout.GROUP}"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]"])
def test_what_a_broken_copy_left_torn_is_written_anew(tmp_path, name, content):
    path = build(tmp_path / "sound", [unit("a", "sad")], [Skipped("b.wav", "empty")])
    torn = tmp_path / "torn" / path.relative_to(tmp_path / "sound")
    shutil.copytree(path, torn)
    (torn / layout.MANIFEST).unlink()
    replace(torn / name, content)
    if (name, content) == (layout.SKIPPED, b""):
        # No lines are whole lines: whether some are missing, nobody can know.
        return
    assert build(tmp_path / "torn", [unit("a", "sad")], [Skipped("b.wav", "empty")]) == torn
    assert (torn / name).read_bytes() == (path / name).read_bytes()
    assert problems(torn) == []
