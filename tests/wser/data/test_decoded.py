import numpy as np
import pytest

from precompute.cache.reader import Cache
from precompute.common.errors import CacheError
from wser.data import decoded
from wser.data.dataset import open_dataset


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """A directory of results in which also a small cache is kept."""
    monkeypatch.setattr(decoded, "WORTH_KEEPING", 0)
    return tmp_path / "runs"


@pytest.fixture
def dataset(small_cache, small_recipe_id, kept):
    kept.mkdir()
    return open_dataset([small_cache], ["ravdess"], small_recipe_id, results=kept)


def file_of(kept):
    (file,) = (kept / decoded.DIRECTORY).iterdir()
    return file


def test_levels_in_their_colours_are_the_pictures_exactly(dataset):
    pictures = dataset.caches[0].read_all()
    for decode in (lambda: None, dataset.decode):
        decode()
        dataset.__dict__.pop("values", None)
        assert dataset.values[0].shape == pictures.shape[1:3]
        for at, example in enumerate(dataset.examples):
            np.testing.assert_array_equal(dataset.utterance(at), pictures[example.row])


def test_what_is_decoded_once_is_mapped_by_every_process(dataset, monkeypatch):
    dataset.decode()
    monkeypatch.setattr(Cache, "units", lambda *_: pytest.fail("decoded again"))
    assert len(dataset.values) == len(dataset.examples)
    assert not dataset.values[0].flags.owndata
    assert not dataset.values[0].flags.writeable
    dataset.decode()


def test_a_damaged_file_is_made_again(dataset, kept):
    dataset.decode()
    file = file_of(kept)
    content = file.read_bytes()
    for damaged in (content[:-1], content[:200] + bytes([content[200] ^ 1]) + content[201:], b""):
        file.write_bytes(damaged)
        dataset.decode()
        assert file.read_bytes() == content
    assert file_of(kept) == file, "nothing else is left"


def test_a_damaged_file_is_not_read(dataset, kept):
    dataset.decode()
    pictures, file = dataset.caches[0].read_all(), file_of(kept)
    content = file.read_bytes()
    file.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
    np.testing.assert_array_equal(dataset.utterance(0), pictures[dataset.examples[0].row])


def test_nothing_is_kept_of_a_small_cache(small_cache, small_recipe_id, tmp_path):
    dataset = open_dataset([small_cache], ["ravdess"], small_recipe_id, results=tmp_path)
    dataset.decode()
    assert list(tmp_path.iterdir()) == []
    assert len(dataset.values) == len(dataset.examples)


def test_a_colour_that_the_colour_map_lacks_is_refused(dataset, kept, monkeypatch):
    monkeypatch.setattr(Cache, "units", lambda *_: iter([np.full((2, *dataset.item.shape), 7, np.uint8)]))
    with pytest.raises(CacheError) as refused:
        dataset.decode()
    assert str(dataset.caches[0].path) in str(refused.value)
    assert list((kept / decoded.DIRECTORY).iterdir()) == [], "nothing half-made is left"


def test_pictures_without_a_table_are_kept_in_their_colours(dataset, kept, monkeypatch):
    monkeypatch.setattr(decoded, "table", lambda _: None)
    dataset.decode()
    pictures = dataset.caches[0].read_all()
    assert np.load(file_of(kept), mmap_mode="r").shape == pictures.shape
    np.testing.assert_array_equal(dataset.utterance(0), pictures[dataset.examples[0].row])
