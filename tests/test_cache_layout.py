"""The specification and the code say the same: the printed reader reads, and every name is in both."""

import dataclasses
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import rfc8785

from precompute.cache import layout, roots
from precompute.cache.reader import Cache
from precompute.recipe import named

TEXT = (Path(__file__).parent.parent / "cache_layout.md").read_text()


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def keys(title: str) -> set[str]:
    rows = re.findall(r"^\| (`.*?`(?:, `.*?`)*) \|", section(title), flags=re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


@pytest.fixture(scope="module")
def sealed(small_cache: Path) -> Cache:
    return Cache(roots.sealed(small_cache, "ravdess", "*")[0])


def test_the_versions_are_the_code_s():
    versions = [layout.version(named(name).record()) for name in ("default", "waveform")]
    assert f"Versions {' and '.join(versions)} of the layout" in TEXT


def test_the_index_s_keys_are_the_record_s_fields():
    assert keys("index.jsonl") == {field.name for field in dataclasses.fields(layout.Record)}


def test_the_manifest_s_keys_are_those_written(sealed: Cache):
    assert keys("manifest.json") == set(json.loads((sealed.path / layout.MANIFEST).read_text()))


def test_the_recipe_s_keys_are_those_that_are_hashed():
    assert keys("recipe.json") == set(named("default").record())


@pytest.mark.parametrize(
    ("name", "settings"), [("waveform", []), ("stft", ["values=decibels"]), ("default", ["values=decibels"])]
)
def test_the_keys_of_other_recipes_are_those_of_the_text(name, settings):
    known = keys("recipe.json of other arrays than pictures") | keys("recipe.json")
    assert set(named(name, settings).record()) <= known
    text = section("recipe.json of other arrays than pictures")
    assert all(f"`{key}`" in text for key in named("waveform").record())


def test_skipped_keys_are_the_code_s():
    assert set(re.findall(r"`(\w+)`", section("skipped.jsonl"))) == {f.name for f in dataclasses.fields(layout.Skipped)}


def test_every_reserved_name_is_in_the_text():
    names = section("Directories")
    assert all(f"`{name}`" in names for name in layout.RESERVED)


def test_the_tree_is_what_lies_on_disk(sealed: Cache):
    tree = section("Directories").split("```")[1]
    for file in sealed.path.rglob("*"):
        if file.is_file() and file.parent.name != layout.PROVENANCE:
            assert file.name in tree
    assert {file.name for file in sealed.path.parent.parent.iterdir() if file.is_file()} == {
        layout.ROOT_TAG,
        layout.ROOT_RECORD,
    }


def test_arrays_are_coded_as_the_text_says(sealed: Cache):
    metadata = json.loads((sealed.path / sealed.records[0].array / layout.GROUP).read_text())
    (sharding,) = metadata["codecs"]
    assert sharding["name"] == "sharding_indexed"
    assert [codec["name"] for codec in sharding["configuration"]["codecs"]] == ["bytes", "zstd", "crc32c"]
    assert [codec["name"] for codec in sharding["configuration"]["index_codecs"]] == ["bytes", "crc32c"]
    assert sharding["configuration"]["chunk_shape"] == [1, *metadata["shape"][1:]]
    assert metadata["chunk_grid"]["configuration"]["chunk_shape"] == metadata["shape"]
    assert metadata["chunk_key_encoding"] == {"name": "default", "configuration": {"separator": "."}}


def test_the_printed_reader_reads_every_picture(sealed: Cache):
    scope: dict = {"__name__": "reader"}
    exec(TEXT.split("```python\n")[1].split("```")[0], scope)
    found = list(scope["read"](sealed.path))
    assert [record for record, _ in found] == [dataclasses.asdict(record) for record in sealed.records]
    np.testing.assert_array_equal([picture for _, picture in found], sealed.read_all())


def test_the_printed_reader_refuses_a_truncated_shard(sealed: Cache, tmp_path: Path, messages):
    import shutil

    copy = shutil.copytree(sealed.path, tmp_path / sealed.path.name)
    shard = copy / sealed.records[0].array / "c.0.0.0.0"
    # What is published is read-only.
    shard.unlink()
    shard.touch()
    scope: dict = {"__name__": "reader"}
    exec(TEXT.split("```python\n")[1].split("```")[0], scope)
    with messages.raises(ValueError):
        list(scope["read"](copy))


def test_the_hdf5_export_has_the_names_of_the_text(sealed: Cache, tmp_path: Path):
    import h5py

    from precompute.cache.transfer.hdf5 import export_hdf5

    export_hdf5(sealed.path, tmp_path / "cache.h5")
    with h5py.File(tmp_path / "cache.h5") as file:
        assert set(re.findall(r"`/(\w+)`", section("HDF5 export"))) - {"values"} == set(file)
        rows = re.findall(r"^\| attributes? (.*?) of `/`", section("HDF5 export"), flags=re.MULTILINE)
        named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
        assert named <= set(file.attrs) <= named | set(sealed.recipe)


def test_the_limits_of_the_zip_import_are_the_code_s():
    from precompute.cache.transfer import archive
    from precompute.common import zips

    text = " ".join(section("Zip").split())
    assert f"at most {archive.MOST_PROVENANCE} files of provenance" in text
    assert f"at most {archive.LARGEST_UNIT >> 30} GiB" in text
    assert f"at most {zips.FREE_BYTES >> 20} MiB more than {zips.LARGEST_FACTOR} times its size" in text


def test_the_limits_of_files_are_the_code_s():
    text = " ".join(section("What a reader must do").split())
    assert f"A manifest has at most {layout.LARGEST_MANIFEST >> 20} MiB" in text
    assert f"the root's record {layout.LARGEST_NOTE >> 10} KiB" in text
    assert f"an index {layout.LARGEST_INDEX >> 20} MiB, and a line of it {layout.LARGEST_LINE >> 20} MiB" in text
    assert f"other files of JSON {layout.LARGEST_METADATA >> 20} MiB" in text
    assert f"at least {layout.SMALLEST_ITEM} bytes" in text


@pytest.mark.parametrize("key", ["fingerprint", "content"])
def test_digests_of_the_manifest_are_made_as_the_text_says(sealed: Cache, key: str):
    names = re.search(rf"`{key}` .*?`\[(.*?)\]`", section("manifest.json"))[1].split(", ")
    rows = sorted([getattr(record, name) for name in names] for record in sealed.records)
    assert hashlib.sha256(rfc8785.dumps(rows)).hexdigest() == sealed.manifest[key]
