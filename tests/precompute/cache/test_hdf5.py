"""HDF5 files of caches: every pixel and label is there, and the same cache gives the same bytes."""

import dataclasses
import json
import shutil
import subprocess
import sys
import unicodedata

import h5py
import numpy as np
import pytest
from toy import INPUT, RECIPE, build, replace, sealed_toy, unit

from precompute.cache import layout
from precompute.cache.layout import Record, Skipped
from precompute.cache.reader import Cache
from precompute.cache.transfer.hdf5 import export_hdf5
from precompute.common import files
from precompute.common.errors import CacheError, WserError
from precompute.recipe import Recipe, named, row_frequencies

NUMBERS = {
    "begin": np.float64,
    "end": np.float64,
    "duration": np.float64,
    "channels": np.int64,
    "start": np.int64,
    "stop": np.int64,
    "row": np.int64,
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return Cache(sealed_toy(tmp_path_factory.mktemp("lab")))


@pytest.fixture(scope="module")
def exported(cache):
    target = cache.path.parent.parent / "toy.h5"
    export_hdf5(cache.path, target)
    return target


@pytest.fixture
def opened(exported):
    with h5py.File(exported) as file:
        yield file


def names(directory):
    return sorted(file.name for file in directory.iterdir())


class TestContent:
    def test_pictures(self, cache, opened):
        images = opened["images"]
        np.testing.assert_array_equal(images[:], cache.read_all())
        assert images.dtype == np.uint8
        assert (images.chunks, images.compression, images.shuffle, images.fletcher32) == ((1, 8, 16, 3), "gzip", False, True)
        assert [dimension.label for dimension in images.dims] == ["utterance", "row", "column", "colour"]

    @pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Record)])
    def test_every_field_of_the_records(self, field, cache, opened):
        expected = [getattr(record, field) for record in cache.records]
        if field in NUMBERS:
            assert opened[field].dtype == NUMBERS[field]
            np.testing.assert_array_equal(opened[field][:], np.array(expected, NUMBERS[field]))
        else:
            kind = h5py.check_string_dtype(opened[field].dtype)
            assert (kind.encoding, kind.length) == ("utf-8", None)
            shown = [
                json.dumps(value, ensure_ascii=False) if isinstance(value, dict) and value else value for value in expected
            ]
            assert opened[field].asstr()[:].tolist() == [value or "" for value in shown]

    def test_nothing_else_is_there(self, opened):
        extra = {"images", "frequencies", "colour_table"}
        assert set(opened) == {field.name for field in dataclasses.fields(Record)} | extra

    def test_attributes(self, cache, opened):
        found = dict(opened.attrs)
        assert {key: found.pop(key) for key in ("layout", "corpus", "recipe_id", "input_id", "fingerprint")} == {
            "layout": "1.5",
            "corpus": "toy",
            "recipe_id": RECIPE.id,
            "input_id": INPUT,
            "fingerprint": cache.manifest["fingerprint"],
        }
        assert (found["synthetic"].dtype, found.pop("synthetic")) == (np.int8, 0)
        assert json.loads(found.pop("recipe")) == cache.recipe
        assert found.pop("same_speakers_as") == ""
        assert found == {key: value for key, value in cache.recipe.items() if key != "colour_table"}

    def test_synthetic_speech_says_so(self, tmp_path):
        export_hdf5(build(tmp_path, [unit("a", "sad")], synthetic=True), tmp_path / "toy.h5")
        with h5py.File(tmp_path / "toy.h5") as file:
            assert file.attrs["synthetic"] == 1

    def test_levels_and_frequencies(self, opened):
        np.testing.assert_array_equal(opened["colour_table"][:], RECIPE.feature.table)
        np.testing.assert_allclose(opened["frequencies"][:], RECIPE.feature.frequencies(RECIPE.audio), rtol=1e-12)

    def test_strange_names(self, tmp_path):
        speakers = ["..", "a b", "a/b", "\\", unicodedata.normalize("NFC", "é"), "张", "🎤"]
        path = build(tmp_path, [unit(name, "sad", 1, at) for at, name in enumerate(speakers)], [Skipped("x", "y")])
        export_hdf5(path, tmp_path / "toy.h5")
        with h5py.File(tmp_path / "toy.h5") as file:
            assert file["speaker"].asstr()[:].tolist() == [record.speaker for record in Cache(path).records]
            assert set(file["speaker"].asstr()[:]) == set(speakers)

    def test_h5dump_reads_it(self, exported):
        if not shutil.which("h5dump"):
            pytest.skip("h5dump is not installed (hdf5-tools)")
        header = subprocess.run(["h5dump", "-H", "-p", exported], capture_output=True, text=True, check=True).stdout
        assert "COMPRESSION DEFLATE { LEVEL 4 }" in header
        assert "CHECKSUM FLETCHER32" in header
        assert "DATASPACE  SIMPLE { ( 6, 8, 16, 3 ) / ( 6, 8, 16, 3 ) }" in header
        speakers = subprocess.run(["h5dump", "-d", "/speaker", exported], capture_output=True, text=True, check=True).stdout
        assert speakers.count('"anna"') == 5


class TestFrequencies:
    @pytest.mark.parametrize("transform", ["wavelet", "stft", "mel"])
    def test_those_of_the_transform_s_rows(self, transform):
        recipe = named("default", [f"transform={transform}", "scales=32"])
        np.testing.assert_allclose(row_frequencies(recipe.record(), 32), recipe.feature.frequencies(recipe.audio), rtol=1e-12)

    @pytest.mark.parametrize("transform", ["wavelet", "stft", "mel"])
    @pytest.mark.parametrize("factor", [3, 5])
    def test_a_picture_resized_by_an_odd_factor_has_them_in_the_middle(self, transform, factor):
        recipe = named("default", [f"transform={transform}", "scales=32"])
        expected = recipe.feature.frequencies(recipe.audio)
        larger = row_frequencies(recipe.record(), 32 * factor)
        assert np.all(np.diff(larger) < 0)
        np.testing.assert_allclose(larger[factor // 2 :: factor], expected, rtol=1e-12)

    def test_recipes_of_layout_1_0_are_wavelets(self):
        recipe = named("default").record()
        del recipe["transform"]
        np.testing.assert_allclose(row_frequencies(recipe, 128), Recipe().feature.frequencies(Recipe().audio), rtol=1e-12)


class TestFile:
    def test_the_same_cache_gives_the_same_bytes(self, cache, exported, tmp_path):
        copy = shutil.copytree(cache.path, tmp_path / "toy" / cache.id)
        export_hdf5(copy, tmp_path / "toy.h5")
        assert (tmp_path / "toy.h5").read_bytes() == exported.read_bytes()

    def test_an_existing_file_is_kept(self, cache, tmp_path, messages):
        (tmp_path / "toy.h5").write_text("mine")
        with messages.raises(WserError):
            export_hdf5(cache.path, tmp_path / "toy.h5")
        assert names(tmp_path) == ["toy.h5"]
        assert (tmp_path / "toy.h5").read_text() == "mine"

    @pytest.mark.parametrize("error", [KeyboardInterrupt(), CacheError("damaged")])
    def test_an_interrupted_export_leaves_nothing(self, cache, tmp_path, monkeypatch, error):
        read = Cache.read

        def fail(self, array):
            if array == "anna/sad":
                raise error
            return read(self, array)

        monkeypatch.setattr(Cache, "read", fail)
        with pytest.raises(type(error)):
            export_hdf5(cache.path, tmp_path / "toy.h5")
        assert names(tmp_path) == []

    @pytest.mark.slow
    @pytest.mark.parametrize("size", [50, 2_000, 10_000])
    def test_a_full_disk_is_said_in_one_sentence_and_crashes_nothing(self, cache, tmp_path, size):
        program = (
            "import resource, sys; from pathlib import Path; from precompute.cache.transfer.hdf5 import export_hdf5\n"
            f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))\n"
            "try: export_hdf5(Path(sys.argv[1]), Path(sys.argv[2]))\n"
            "except Exception as error: print(type(error).__name__, error)"
        )
        command = [sys.executable, "-c", program, str(cache.path), str(tmp_path / "toy.h5")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.startswith(f"WserError {tmp_path / 'toy.h5'} cannot be written (File too large; ")
        assert done.stdout.count("\n") == 1
        assert done.stderr == ""
        assert names(tmp_path) == []

    def test_a_damaged_cache_is_refused_by_name(self, tmp_path, messages):
        path = sealed_toy(tmp_path / "lab")
        shard = path / "anna" / "sad" / "c.0.0.0.0"
        replace(shard, bytes(len(shard.read_bytes())))
        with messages.raises(CacheError):
            export_hdf5(path, tmp_path / "toy.h5")
        assert names(tmp_path) == ["lab"]

    def test_an_empty_cache_is_refused(self, tmp_path, messages):
        with messages.raises(CacheError):
            export_hdf5(build(tmp_path, []), tmp_path / "toy.h5")

    @pytest.mark.parametrize("text", ["a\0b", "\ud800"], ids=["NUL", "half a pair"])
    def test_what_hdf5_cannot_hold_is_said(self, text, tmp_path, messages):
        path = sealed_toy(tmp_path / "lab")
        first, *others = (path / layout.INDEX).read_text().split("\n")
        index = "\n".join([json.dumps({**json.loads(first), "sentence": text}), *others]).encode()
        manifest = json.loads((path / layout.MANIFEST).read_text())
        manifest["files"][layout.INDEX] = {"size": len(index), "sha256": files.sha256(index)}
        replace(path / layout.INDEX, index)
        replace(path / layout.MANIFEST, json.dumps(manifest).encode())
        with messages.raises(CacheError):
            export_hdf5(path, tmp_path / "toy.h5")
        assert names(tmp_path) == ["lab"]

    @pytest.mark.parametrize("value", ["x" * 62_000, [1], 1 << 70], ids=["long text", "list", "large number"])
    def test_recipes_of_a_newer_version(self, value, tmp_path, messages):
        path = sealed_toy(tmp_path / "lab")
        recipe = json.dumps({**RECIPE.record(), "x": value}).encode()
        manifest = json.loads((path / layout.MANIFEST).read_text())
        manifest["files"][layout.RECIPE] = {"size": len(recipe), "sha256": files.sha256(recipe)}
        replace(path / layout.RECIPE, recipe)
        replace(path / layout.MANIFEST, json.dumps(manifest).encode())
        if isinstance(value, int):
            with messages.raises(CacheError):
                export_hdf5(path, tmp_path / "toy.h5")
        else:
            export_hdf5(path, tmp_path / "toy.h5")
            with h5py.File(tmp_path / "toy.h5") as file:
                assert file.attrs.get("x") == (value if isinstance(value, str) else None)
                assert json.loads(file.attrs["recipe"])["x"] == value
