"""A cache for readers that are not ours: zarr itself, and pandas."""

import dataclasses
import json
import sys

import numpy as np
import pytest
from toy import sealed_toy

from precompute.cache import layout
from precompute.cache.reader import Cache
from precompute.cache.verify import problems
from precompute.common.frames import PandasMissingError


@pytest.fixture
def path(tmp_path):
    return sealed_toy(tmp_path / "cache")


@pytest.mark.filterwarnings("ignore:Object at .* is not recognized as a component of a Zarr hierarchy")
def test_zarr_reads_the_same_pictures_and_may_not_write(path, messages):
    cache = Cache(path)
    group = cache.zarr
    assert sorted(group.group_keys()) == sorted({array.partition("/")[0] for array in cache.arrays})
    for array, records in cache.arrays.items():
        pictures = group[array]
        assert pictures.attrs["utterances"][0]["key"] == records[0].key
        np.testing.assert_array_equal(pictures[:], cache.read(array))
    with messages.raises(ValueError):
        group[array][:] = 0
    with messages.raises(ValueError):
        group.create_group("more")
    assert problems(path) == []


def test_zarr_reads_a_sealed_cache_of_recordings(small_cache, small_recipe_id):
    (path,) = (small_cache / "ravdess").glob(f"{small_recipe_id}-*")
    cache = Cache(path)
    for array in cache.arrays:
        np.testing.assert_array_equal(cache.zarr[array][:], cache.read(array))


def test_zarr_reads_a_cache_in_an_object_store(path, bucket):
    from upath import UPath

    cache = Cache(path)
    remote = UPath(bucket) / "toy" / path.name
    for file in (file for file in path.rglob("*") if file.is_file()):
        (remote / file.relative_to(path).as_posix()).write_bytes(file.read_bytes())
    there = Cache(remote)
    for array in cache.arrays:
        np.testing.assert_array_equal(there.zarr[array][:], cache.read(array))


def test_what_zarr_reads_otherwise_is_a_problem(path, monkeypatch):
    class Other:
        def __getitem__(self, rows):
            return images[rows]

    cache = Cache(path)
    array, records = max(cache.arrays.items(), key=lambda item: len(item[1]))
    images = cache.read(array)
    images[1, 0, 0, 0] ^= 1
    group = {name: cache.zarr[name] for name in cache.arrays} | {array: Other()}
    monkeypatch.setattr(Cache, "zarr", group)
    (problem,) = problems(path)
    assert f"read by zarr, another picture of {records[1].key} than" in problem


def test_what_zarr_cannot_read_is_a_problem(path, monkeypatch):
    monkeypatch.setattr(Cache, "zarr", {})
    assert len(problems(path)) == len(Cache(path).arrays)
    assert all("cannot be read by zarr (KeyError" in problem for problem in problems(path))


@pytest.mark.parametrize("at_once", [1, 2 * 8 * 16 * 3])
def test_zarr_reads_by_rows_where_an_array_is_large(path, monkeypatch, at_once):
    monkeypatch.setattr("precompute.cache.verify.MOST_AT_ONCE", at_once)
    assert problems(path) == []


def test_the_index_as_a_data_frame(path):
    pandas = pytest.importorskip("pandas")
    cache = Cache(path)
    table = cache.to_pandas()
    assert isinstance(table, pandas.DataFrame)
    lines = [json.loads(line) for line in (path / layout.INDEX).read_bytes().splitlines()]
    assert list(table.columns) == list(lines[0])
    assert table["key"].tolist() == [line["key"] for line in lines]
    assert table["row"].tolist() == [line["row"] for line in lines]
    assert table["more"].tolist() == [line["more"] for line in lines]
    assert len(table.columns) == len(dataclasses.fields(layout.Record))


def test_without_pandas_one_sentence_says_how_to_get_it(path, monkeypatch, messages):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with messages.raises(PandasMissingError) as caught:
        Cache(path).to_pandas()
    assert isinstance(caught.value, ImportError)
