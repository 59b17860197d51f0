"""Copies between roots, here and in an object store: the same bytes, resumed when cut off, complete only at the end."""

import json

import numpy as np
import pytest
import s3fs
from toy import build, draft, replace, sealed_toy, unit

from precompute.cache import layout, places, roots
from precompute.cache.reader import Cache
from precompute.cache.transfer import copy as module
from precompute.cache.transfer.copy import copy
from precompute.cache.verify import problems
from precompute.common.errors import CacheError, CacheMissingError

pytestmark = pytest.mark.slow


@pytest.fixture
def path(tmp_path):
    return sealed_toy(tmp_path / "cache")


@pytest.fixture(params=["local", "s3"])
def target(request, tmp_path):
    """Another root, of either kind."""
    if request.param == "local":
        return tmp_path / "other"
    (place,) = places.parse(f"{request.getfixturevalue('bucket')}/lab")
    return place


def content(path):
    return places.read(path, places.sizes(path))


def test_every_file_is_copied_byte_by_byte(path, target):
    assert copy(Cache(path), target)
    there = target / "toy" / path.name
    assert content(there) == content(path)
    assert problems(there) == []
    assert json.loads((target / layout.ROOT_RECORD).read_bytes()) == {"layout": "1.5"}
    assert roots.sealed(target) == [there]
    np.testing.assert_array_equal(Cache(there).read_all(), Cache(path).read_all())


def test_a_second_copy_has_nothing_to_do(path, target):
    copy(Cache(path), target)
    before = content(target)
    assert not copy(Cache(path), target)
    assert content(target) == before


@pytest.mark.parametrize("after", [0, 1, 3, 8, 11])
def test_a_copy_that_breaks_off_is_no_cache_and_is_finished_by_the_next(path, target, monkeypatch, after):
    monkeypatch.setattr(module, "AT_ONCE", 1)
    written = []
    with monkeypatch.context() as patched:
        fetch = Cache.fetch

        def fail(self, names):
            if len(written) == after and self.path == path:
                raise KeyboardInterrupt
            written.append(names)
            return fetch(self, names)

        cache = Cache(path)
        patched.setattr(Cache, "fetch", fail)
        with pytest.raises(KeyboardInterrupt):
            copy(cache, target)
    assert roots.sealed(target) == []
    with pytest.raises(CacheMissingError):
        Cache(target / "toy" / path.name)
    assert copy(Cache(path), target)
    assert content(target / "toy" / path.name) == content(path)


def test_what_is_not_what_it_was_is_copied_no_further(path, target, messages):
    cache = Cache(path)
    file = path / "anna/sad" / "c.0.0.0.0"
    replace(file, file.read_bytes()[:-1] + b"?")
    with messages.raises(CacheError):
        copy(cache, target)
    assert roots.sealed(target) == []


def test_a_cache_of_other_pictures_is_not_overwritten(path, target, tmp_path, messages):
    copy(Cache(path), target)
    before = content(target)
    other = build(tmp_path / "third", [unit("anna", "sad", 3, 9)], input_id=path.name.partition("-")[2])
    with messages.raises(CacheError):
        copy(Cache(other), target)
    assert content(target) == before


class TestObjectStore:
    @pytest.fixture
    def there(self, path, bucket):
        (root,) = places.parse(f"{bucket}/lab")
        copy(Cache(path), root)
        return root / "toy" / path.name

    def test_parts_that_are_there_are_not_sent_again_and_torn_ones_are(self, path, there, monkeypatch):
        (there / layout.MANIFEST).unlink()
        shard = path / "anna/sad" / "c.0.0.0.0"
        (there / "anna/sad" / "c.0.0.0.0").write_bytes(shard.read_bytes()[:-1] + b"?")
        (there / "anna/angry" / "c.0.0.0.0").unlink()
        sent = []
        write = places.write
        monkeypatch.setattr(places, "write", lambda place, contents: (sent.extend(contents), write(place, contents)))
        assert copy(Cache(path), there.parent.parent)
        provenance = {name for name in places.sizes(path) if name.startswith(layout.PROVENANCE)}
        damaged = {"anna/sad/c.0.0.0.0", "anna/angry/c.0.0.0.0"}
        assert set(sent) == {*damaged, *provenance, layout.MANIFEST}
        assert sent[-1] == layout.MANIFEST
        assert problems(there) == []

    def test_a_damaged_copy_is_mended_by_copying_again(self, path, there):
        (there / "anna/sad" / "c.0.0.0.0").unlink()
        assert "copy it again" in problems(there)[0]
        assert copy(Cache(path), there.parent.parent)
        assert problems(there) == []

    @pytest.mark.parametrize("content", [b"", b"{"])
    def test_a_torn_manifest_is_mended_by_copying_again(self, path, there, content):
        (there / layout.MANIFEST).write_bytes(content)
        assert "copy it again" in problems(there)[0]
        assert copy(Cache(path), there.parent.parent)
        assert problems(there) == []

    def test_a_copy_comes_back_as_it_went(self, path, there, tmp_path):
        assert copy(Cache(there), tmp_path / "back")
        assert content(tmp_path / "back" / "toy" / path.name) == content(path)

    def test_damage_is_found_on_opening_or_reading(self, there, messages):
        shard = there / "anna/sad" / "c.0.0.0.0"
        before = shard.read_bytes()
        shard.write_bytes(before[:-1] + b"?")
        with messages.raises(CacheError):
            Cache(there).read_all()
        shard.write_bytes(before[:-1])
        with messages.raises(CacheError):
            Cache(there)

    def test_roots_of_both_kinds_are_searched_in_order(self, path, there, tmp_path):
        url = str(there.parent.parent)
        searched = places.parse(f"{tmp_path / 'private'}:{url}")
        assert str(searched[1]) == url
        assert roots.find(searched, "toy", path.name.partition("-")[0]).path == there
        assert roots.writable([searched[1], searched[0]]) == tmp_path / "private"

    def test_units_are_taken_over_from_an_object_store(self, path, there, tmp_path):
        cache = Cache(there)
        made = draft(tmp_path / "new")
        array, records = next(iter(cache.arrays.items()))
        file = f"{array}/c.0.0.0.0"
        with made.open():
            made.publish_shard(records, [], cache.fetch([file])[file])
        assert (made.path / file).read_bytes() == (path / file).read_bytes()

    @pytest.fixture
    def _opened_anew(self):
        s3fs.S3FileSystem.clear_instance_cache()
        yield
        s3fs.S3FileSystem.clear_instance_cache()

    @pytest.mark.usefixtures("bucket", "_opened_anew")
    def test_a_store_that_cannot_be_reached_is_said_in_one_sentence(self, monkeypatch, messages):
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
        with messages.raises(CacheError) as error:
            places.parse("s3://unreachable/lab")
        assert "\n" not in str(error.value)

    @pytest.mark.usefixtures("bucket")
    def test_a_bucket_that_does_not_exist_is_said_in_one_sentence(self, path, messages):
        (root,) = places.parse("s3://nobody-has-this/lab")
        with messages.raises(CacheError):
            copy(Cache(path), root)

    def test_a_file_system_that_is_not_known_is_said_in_one_sentence(self, messages):
        with messages.raises(CacheError):
            places.parse("nosuch://bucket")
