"""Taking away moves to the trash and can be undone; the clean-up finds what is old and unneeded, and only that."""

import os
import time

import numpy as np
import pytest
from toy import build, draft, sealed_toy, unit

from precompute.cache import layout, removal, roots
from precompute.cache.reader import Cache
from precompute.cache.verify import problems
from precompute.common import files
from precompute.common.errors import CacheError

DAY = 86400


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def path(root):
    return sealed_toy(root)


def age(path, days):
    """Make everything at a path look untouched for some days."""
    for place in (path, *path.rglob("*")):
        os.utime(place, (time.time() - days * DAY,) * 2, follow_symlinks=False)


def found(root, **options):
    return {(one.path, one.for_good) for one in removal.garbage(root, **options)}


def test_what_is_taken_away_is_found_no_more_and_can_be_brought_back(root, path):
    place = removal.move_to_trash(path, root)
    assert roots.everything(root) == []
    assert not path.exists()
    place.rename(path)
    assert problems(path) == []


def test_a_cache_can_be_taken_away_again_and_again(root):
    for _ in range(3):
        removal.move_to_trash(sealed_toy(root), root)
    assert len(list((root / "toy" / layout.TRASH).iterdir())) == 3


def test_nothing_in_use_is_garbage(root, path):
    with draft(root, "ba9876543210").open():
        assert found(root) == set()


def test_sealed_caches_are_never_garbage(root, path):
    age(root, 1000)
    assert found(root) == set()


def test_trash_is_deleted_after_the_grace_time_and_not_before(root, path, monkeypatch):
    place = removal.move_to_trash(path, root)
    # The times of the files are those of the cache, which may be older than the grace time.
    age(place, 1000)
    assert found(root) == set()
    assert found(root, grace_days=0) == {(place, True)}
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + (removal.GRACE_DAYS + 0.1) * DAY)
    assert found(root) == {(place, True)}
    (one,) = removal.garbage(root)
    assert removal.clear(one, root) is None
    assert not place.exists()


def test_what_nobody_moved_into_the_trash_stays_there(root, path):
    removal.move_to_trash(path, root)
    (root / "toy" / layout.TRASH / "my notes").write_text("keep")
    assert "my notes" not in str(found(root, grace_days=0))


def test_unfinished_caches_are_taken_away_when_nobody_touched_them_for_long(root):
    made = draft(root)
    with made.open():
        made.publish(*unit("a", "sad"))
    assert found(root) == set()
    age(made.path, removal.GRACE_DAYS - 1)
    assert found(root) == set()
    age(made.path, removal.GRACE_DAYS + 1)
    os.utime(made.path / "a" / "sad" / layout.GROUP)
    assert found(root) == set()
    age(made.path, removal.GRACE_DAYS + 1)
    (one,) = removal.garbage(root)
    assert (one.path, one.for_good) == (made.path, False)
    assert "not changed for 8 days" in one.why
    place = removal.clear(one, root)
    assert place.parent.name == layout.TRASH
    assert not made.path.exists()


def test_leftovers_of_killed_jobs_are_deleted_after_a_day(root, path):
    old, recent, busy = (root / "toy" / layout.STAGING / name for name in ("0" * 32, "1" * 32, "2" * 32))
    for job in (old, recent, busy):
        (job / "unit").mkdir(parents=True)
    for job in (old, busy):
        age(job, 2)
    os.utime(busy / "unit")
    assert found(root) == {(old, True)}


def test_a_clock_that_is_ahead_deletes_no_job_in_work(root, path, monkeypatch, messages):
    with draft(root, "ba9876543210").open():
        (job,) = (root / "toy" / layout.STAGING).iterdir()
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 2 * DAY)
        (one,) = removal.garbage(root)
        assert one.path == job
        with messages.raises(CacheError):
            removal.clear(one, root)
        assert list((root / "toy" / layout.STAGING).iterdir()) == [job]


def test_what_cannot_be_deleted_is_said(root, path, monkeypatch, messages):
    removal.move_to_trash(path, root)
    (one,) = removal.garbage(root, grace_days=0)
    monkeypatch.setattr(files.shutil, "rmtree", lambda *_, **__: None)
    with messages.raises(CacheError):
        removal.clear(one, root)


class TestReaders:
    def test_a_reader_whose_cache_is_taken_away_stops_with_one_sentence(self, root, path, messages):
        cache = Cache(path)
        removal.move_to_trash(path, root)
        with messages.raises(CacheError) as error:
            cache.read_all()
        assert "\n" not in str(error.value)

    def test_a_reader_never_mixes_two_caches_of_one_name(self, root, messages):
        path = build(root, [unit("a", "sad", 3, 1), unit("b", "sad", 3, 2)], input_id="0123456789ab")
        cache = Cache(path)
        removal.move_to_trash(path, root)
        build(root, [unit("a", "sad", 3, 1), unit("b", "sad", 3, 5)], input_id="0123456789ab")
        np.testing.assert_array_equal(cache.read("a/sad"), unit("a", "sad", 3, 1)[2])
        with messages.raises(CacheError):
            cache.read_all()

    def test_a_writer_whose_cache_is_taken_away_stops_with_one_sentence(self, root, messages):
        made = draft(root)
        with made.open():
            made.publish(*unit("a", "sad"))
            removal.move_to_trash(made.path, root)
            with messages.raises(CacheError):
                made.publish(*unit("b", "sad"))
