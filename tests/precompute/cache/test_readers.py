"""A cache that is taken away or replaced while somebody reads it: the right data, or one sentence; never anything mixed."""

import contextlib
import shutil
from functools import partial

import numpy as np
import pytest
from toy import build, unit

from precompute.cache import layout, removal
from precompute.cache.reader import Cache
from precompute.common import files
from precompute.common.errors import CacheError

PAIRS = (("a", "sad"), ("b", "angry"), ("c", "sad"))


def units(seed):
    return [unit(*pair, 2, seed + number) for number, pair in enumerate(PAIRS)]


def move_to_trash(path):
    removal.move_to_trash(path, path.parents[1])


def move_to_trash_and_delete(path):
    move_to_trash(path)
    for garbage in list(removal.garbage(path.parents[1], grace_days=-1)):
        removal.clear(garbage, path.parents[1])


def delete_in_part(path):
    # As `rm -r` does, which is not how caches are taken away.
    shutil.rmtree(path / "b")


def replace_by_other_pictures(path):
    # No two runs give other pictures by the same ids; a reader is safe even so.
    move_to_trash(path)
    assert build(path.parents[1], units(10)) == path


@pytest.fixture
def path(tmp_path):
    return build(tmp_path / "root", units(0))


@contextlib.contextmanager
def when_read(monkeypatch, number, action):
    """Do something just before a file of a cache is read, counted from now on; whether it was done."""
    undisturbed, count, done = files.read, 0, []

    def read(*arguments):
        nonlocal count
        if count == number:
            done.append(True)
            with monkeypatch.context() as patched:
                patched.setattr(files, "read", undisturbed)
                action()
        count += 1
        return undisturbed(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(files, "read", read)
        yield done


def images_of(seed):
    return np.concatenate([images for _, _, images in units(seed)])


def read(path, whole):
    """The pictures of a cache, or the error that says why there are none."""
    try:
        cache = Cache(path)
        return cache.read_all() if whole else np.concatenate([cache.read(array) for array in cache.arrays])
    except CacheError as error:
        return error


@pytest.mark.slow
@pytest.mark.parametrize("whole", [True, False], ids=["all at once", "array by array"])
@pytest.mark.parametrize(
    ("disturb", "seeds"),
    [(move_to_trash, {0}), (move_to_trash_and_delete, {0}), (delete_in_part, {0}), (replace_by_other_pictures, {0, 10})],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_reader_gets_the_right_pictures_or_one_sentence(tmp_path, monkeypatch, disturb, seeds, whole):
    results, disturbed = [], True
    while disturbed:
        path = build(tmp_path / str(len(results)), units(0))
        with when_read(monkeypatch, len(results), partial(disturb, path)) as disturbed:
            results.append(read(path, whole))
        if isinstance(results[-1], CacheError):
            assert "\n" not in str(results[-1])
            assert str(path) in str(results[-1])
        else:
            assert any(np.array_equal(results[-1], images_of(seed)) for seed in seeds)
    # The manifest, three records, and two files of each array; undisturbed, it reads them all.
    assert len(results) == 4 + 2 * len(PAIRS) + 1
    assert np.array_equal(results[-1], images_of(0))
    assert any(isinstance(result, CacheError) for result in results)


def test_the_sentence_says_what_happened(path, messages):
    cache = Cache(path)
    move_to_trash(path)
    with messages.raises(CacheError, path):
        cache.read_all()


def test_pictures_in_memory_and_records_outlive_the_cache(path):
    cache = Cache(path)
    images, before = cache.read_all(), images_of(0)
    move_to_trash_and_delete(path)
    np.testing.assert_array_equal(images, before)
    assert len(cache.records) == 6
    assert not (path.parent / layout.TRASH).exists() or list((path.parent / layout.TRASH).iterdir()) == []
