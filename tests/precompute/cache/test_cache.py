"""Sealed caches: what was published comes back, and what is torn or foreign is refused by name."""

import hashlib
import json
import os
import re
import shutil

import numpy as np
import pytest
from toy import INPUT, RECIPE, build, edit, replace, sealed_toy, unit

from precompute.cache import layout, roots
from precompute.cache.layout import Skipped
from precompute.cache.reader import Cache
from precompute.cache.verify import problems
from precompute.common.errors import CacheError, CacheMissingError


@pytest.fixture
def path(tmp_path):
    return sealed_toy(tmp_path / "cache")


def shards(path):
    return sorted(path.rglob("c.0.0.0.0"))


class TestRoundTrip:
    def test_pictures_and_records_come_back(self, path):
        cache = Cache(path)
        for speaker, emotion, n, seed in (("anna", "sad", 3, 1), ("anna", "angry", 2, 2), ("..", "sad", 1, 3)):
            records, _, images = unit(speaker, emotion, n, seed)
            array = layout.array_path(speaker, emotion)
            np.testing.assert_array_equal(cache.read(array), images)
            assert tuple(r for r in cache.records if r.array == array) == records

    def test_all_pictures_are_in_the_order_of_the_records(self, path):
        cache = Cache(path)
        images = cache.read_all()
        assert len(images) == len(cache.records) == 6
        assert [hashlib.sha256(image.tobytes()).hexdigest() for image in images] == [r.image_sha256 for r in cache.records]

    def test_what_was_skipped_comes_back(self, path):
        assert Cache(path).skipped == (Skipped("b.wav", "the file is empty"), Skipped("x.wav", "too short"))

    def test_the_cache_says_what_it_is(self, path):
        cache = Cache(path)
        assert (cache.corpus, cache.synthetic, cache.id) == ("toy", False, f"{RECIPE.id}-{INPUT}")
        assert cache.recipe == json.loads(json.dumps(RECIPE.record()))
        assert cache.fingerprint == cache.manifest["content"] == layout.content(cache.records)
        assert cache.manifest["fingerprint"] == layout.fingerprint(cache.records)
        assert cache.size == sum((path / name).stat().st_size for name in cache.manifest["files"])
        assert cache.manifest["utterances"] == 6
        assert cache.manifest["skipped"] == 2

    def test_the_manifest_vouches_for_every_file_but_itself_and_the_provenance(self, path):
        vouched = Cache(path).manifest["files"]
        there = {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()}
        assert {name for name in there if not name.startswith("provenance/")} == {*vouched, layout.MANIFEST}
        for name, entry in vouched.items():
            assert entry["sha256"] == hashlib.sha256((path / name).read_bytes()).hexdigest()

    def test_synthetic_speech_is_marked(self, tmp_path):
        assert Cache(build(tmp_path, [unit("a", "sad")], synthetic=True)).synthetic

    def test_plain_zarr_reads_the_whole_tree(self, path):
        # The cache is a Zarr v3 group, whatever reads it.
        import zarr

        group = zarr.open_group(path, mode="r")
        array = group["anna/sad"]
        np.testing.assert_array_equal(array[:], unit("anna", "sad", 3, 1)[2])
        assert array.chunks == (1, 8, 16, 3)
        assert array.shards == (3, 8, 16, 3)
        assert group.attrs["corpus"] == "toy"

    def test_pictures_of_one_shade_are_stored_too(self, tmp_path):
        # Zarr leaves out chunks that equal the fill value unless told; a missing shard is an error here.
        records, skipped, images = unit("a", "sad")
        cache = Cache(build(tmp_path, [(records, skipped, np.zeros_like(images))]))
        assert not cache.read("a/sad").any()

    def test_nothing_is_left_in_staging_and_the_root_is_tagged(self, path):
        root = path.parent.parent
        assert list((path.parent / layout.STAGING).iterdir()) == []
        assert (root / layout.ROOT_TAG).read_bytes() == layout.ROOT_TAG_CONTENT
        assert json.loads((root / layout.ROOT_RECORD).read_text()) == {"layout": "1.5"}


def truncate(file):
    replace(file, file.read_bytes()[:-1])


def halve(file):
    replace(file, file.read_bytes()[: file.stat().st_size // 2])


def lengthen(file):
    replace(file, file.read_bytes() + b"\0")


def empty(file):
    replace(file, b"")


def symlink(file):
    aside = file.with_name("elsewhere")
    file.rename(aside)
    file.symlink_to(aside)


def directory(file):
    file.unlink()
    file.mkdir()


TORN = [truncate, halve, lengthen, empty, os.unlink, symlink, directory]


class TestRefusal:
    @pytest.mark.parametrize("damage", TORN, ids=lambda f: f.__name__)
    def test_a_torn_shard_is_refused_by_name(self, path, damage, messages):
        shard = shards(path)[1]
        damage(shard)
        with messages.raises(CacheError, shard):
            Cache(path)

    @pytest.mark.parametrize("name", [layout.INDEX, layout.SKIPPED, layout.RECIPE, layout.GROUP, "anna/zarr.json"])
    @pytest.mark.parametrize("damage", [truncate, os.unlink], ids=lambda f: f.__name__)
    def test_any_torn_file_is_refused_by_name(self, path, name, damage, messages):
        damage(path / name)
        with messages.raises(CacheError):
            Cache(path)

    def test_a_cache_without_manifest_is_refused(self, path, messages):
        (path / layout.MANIFEST).unlink()
        with messages.raises(CacheMissingError):
            Cache(path)

    def test_no_directory_is_no_cache(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            Cache(tmp_path / "nowhere")

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"{} {}"])
    def test_a_torn_manifest_is_refused(self, path, content, messages):
        replace(path / layout.MANIFEST, content)
        with messages.raises(CacheError):
            Cache(path)

    def test_the_manifest_of_another_cache_is_refused(self, path, tmp_path, messages):
        other = build(tmp_path / "cache", [unit("anna", "sad")], input_id="ba9876543210")
        replace(path / layout.MANIFEST, (other / layout.MANIFEST).read_bytes())
        with messages.raises(CacheError):
            Cache(path)

    def test_a_cache_under_another_name_is_refused(self, path, messages):
        moved = path.rename(path.with_name(f"{RECIPE.id}-ba9876543210"))
        with messages.raises(CacheError):
            Cache(moved)

    @pytest.mark.parametrize("version", [f"{layout.VERSION[0] + 1}.0", "0.1", None])
    def test_another_major_version_is_refused(self, path, version, messages):
        edit(path, lambda manifest: manifest.update(layout=version))
        with messages.raises(CacheError):
            Cache(path)

    def test_a_root_of_another_major_version_is_refused(self, path, messages):
        root = path.parent.parent
        replace(root / layout.ROOT_RECORD, b'{"layout": "9.0"}')
        with messages.raises(CacheError):
            roots.find([root], "toy", RECIPE.id)

    @pytest.mark.parametrize(("corpus", "others"), [("ravdess_song", "ravdess"), ("ravdess", ""), ("toy", "")])
    def test_what_an_older_manifest_does_not_say_of_speakers_is_known(self, path, corpus, others):
        moved = shutil.copytree(path, path.parent.parent / "elsewhere" / corpus / path.name)
        edit(moved, lambda manifest: (manifest.update(layout="1.3", corpus=corpus), manifest.pop("same_speakers_as")))
        assert Cache(moved).same_speakers_as == others

    @pytest.mark.parametrize("others", ["", "emodb"])
    def test_a_manifest_says_who_shares_speakers(self, path, others):
        edit(path, lambda manifest: manifest.update(same_speakers_as=others))
        assert Cache(path).same_speakers_as == others

    @pytest.mark.parametrize("others", [None, 1, ["emodb"], "a/b", "..", "x" * 20 + "\n"])
    def test_a_manifest_that_names_no_corpus_is_refused(self, path, others, messages):
        edit(path, lambda manifest: manifest.update(same_speakers_as=others))
        with messages.raises(CacheError):
            Cache(path)

    def test_a_newer_minor_version_is_read_and_its_new_keys_are_ignored(self, path):
        index = [json.loads(line) for line in (path / layout.INDEX).read_text().split("\n") if line]
        content = "".join(json.dumps({**line, "dialect": "north", "others": [1, {}]}) + "\n" for line in index)
        replace(path / layout.INDEX, content.encode())

        def newer(manifest):
            manifest.update(layout=f"{layout.VERSION[0]}.{layout.VERSION[1] + 7}", colour_space="sRGB", signed={"by": "x"})
            digest = hashlib.sha256(content.encode()).hexdigest()
            manifest["files"][layout.INDEX] = {"size": len(content.encode()), "sha256": digest}

        edit(path, newer)
        cache = Cache(path)
        assert [r.key for r in cache.records] == [line["key"] for line in index]
        assert len(cache.read_all()) == 6

    @pytest.mark.parametrize("where", [0.0, 0.2, 0.5, 0.8, 0.99])
    def test_a_flipped_bit_is_found_when_it_is_read(self, path, where, messages):
        shard = path / "anna" / "sad" / "c.0.0.0.0"
        content = bytearray(shard.read_bytes())
        content[int(where * len(content))] ^= 0x10
        replace(shard, bytes(content))
        cache = Cache(path)
        with messages.raises(CacheError):
            cache.read("anna/sad")
        with messages.raises(CacheError):
            cache.read_all()
        assert len(cache.read("anna/angry")) == 2

    def test_a_record_changed_at_the_same_size_is_refused(self, path, messages):
        index = path / layout.INDEX
        replace(index, index.read_bytes().replace(b'"anna"', b'"hann"'))
        with messages.raises(CacheError):
            Cache(path)

    @pytest.mark.parametrize("content", [{"layout": "1.0"}, {"files": {"zarr.json": {}}}])
    def test_a_manifest_that_lacks_keys_is_refused(self, path, content, messages):
        replace(path / layout.MANIFEST, json.dumps(content | {"layout": "1.0"}).encode())
        with messages.raises(CacheError):
            Cache(path)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("array", ["anna"]),
            ("row", "0"),
            ("row", True),
            ("key", None),
            ("duration", "long"),
            ("sex", 1),
            ("channels", 2**53),
        ],
    )
    def test_a_record_of_another_type_is_refused_by_name(self, path, key, value, messages):
        lines = [json.loads(line) for line in (path / layout.INDEX).read_bytes().splitlines()]
        lines[2][key] = value
        content = "".join(json.dumps(line) + "\n" for line in lines).encode()
        replace(path / layout.INDEX, content)
        entry = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        edit(path, lambda manifest: manifest["files"].update({layout.INDEX: entry}))
        with messages.raises(CacheError):
            Cache(path).read_all()

    def test_json_that_nests_without_end_is_refused(self, path, messages):
        replace(path / layout.MANIFEST, b"[" * 100_000)
        with messages.raises(CacheError):
            Cache(path)

    def test_the_shard_of_another_array_is_found_by_its_shape(self, path, messages):
        # Another array of the same cache is sound in itself; here even its sizes are vouched for.
        for name in (layout.GROUP, "c.0.0.0.0"):
            replace(path / "anna/sad" / name, (path / "anna/angry" / name).read_bytes())
        edit(
            path,
            lambda m: m["files"].update({f"anna/sad/{n}": m["files"][f"anna/angry/{n}"] for n in (layout.GROUP, "c.0.0.0.0")}),
        )
        with messages.raises(CacheError):
            Cache(path).read("anna/sad")

    @pytest.mark.parametrize("array", ["nobody/sad", "", "..", "anna", "../../secret"])
    def test_arrays_that_the_manifest_does_not_name_are_not_read(self, path, array, messages):
        with messages.raises(CacheError):
            Cache(path).read(array)


STRANGE = {
    "deep": b"[" * 200_000, "deep, and closed": b"[" * 2000 + b"]" * 2000, "no number": b"NaN", "infinite": b"-Infinity",
    "huge": b"9" * 5000, "large": b"1" + b"0" * 400, "a list": b"[1, 2]", "text": b'"x"', "null": b"null", "true": b"true",
    "half a pair": b'"\\ud800"', "fraction": b"1e999",
}  # fmt: skip


class TestForgeries:
    """Files that fit the manifest, and a manifest that fits nothing: each is refused in words, wherever it comes from."""

    def forge(self, path, name, content):
        replace(path / name, content)
        entry = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        edit(path, lambda manifest: manifest["files"].update({name: entry}))

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "key", ["layout", "corpus", "synthetic", "recipe_id", "input_id", "fingerprint", "utterances", "files"]
    )
    @pytest.mark.parametrize("value", [None, [1], "many"])
    def test_keys_of_the_manifest_that_are_missing_or_of_another_type(self, path, key, value, messages):
        edit(path, lambda m: m.pop(key) if value is None else m.update({key: value}))
        with messages.raises(CacheError):
            Cache(path).read_all()
        assert problems(path)

    def test_a_cache_of_another_corpus(self, path, messages):
        other = path.parent.parent / "mine" / path.name
        shutil.copytree(path, other)
        with messages.raises(CacheError):
            Cache(other)

    @pytest.mark.parametrize("place", ["manifest", "cache", "corpus"])
    def test_symbolic_links(self, path, place, tmp_path, messages):
        linked = {"manifest": path / layout.MANIFEST, "cache": path, "corpus": path.parent}[place]
        linked.rename(tmp_path / "elsewhere")
        linked.symlink_to(tmp_path / "elsewhere")
        with messages.raises(CacheError, linked):
            Cache(path)
        assert "is a symbolic link" in problems(path)[0]

    @pytest.mark.parametrize("change", [{"stop": 10**12}, {"start": -5}, {"start": 4}, {"emotion": "happy"}], ids=str)
    def test_records_that_are_impossible_or_not_the_manifest_s(self, path, change, messages):
        lines = [json.loads(line) for line in (path / layout.INDEX).read_bytes().splitlines()]
        lines[0].update(change)
        self.forge(path, layout.INDEX, "".join(json.dumps(line) + "\n" for line in lines).encode())
        with messages.raises(CacheError):
            Cache(path).read_all()
        messages.check(problems(path)[0])

    def test_an_index_that_lost_its_lines(self, path, messages):
        self.forge(path, layout.INDEX, b"")
        with messages.raises(CacheError):
            Cache(path).read_all()

    @pytest.mark.parametrize("content", [b"[]", b"{}", b'{"height": null, "width": 1}'])
    def test_recipes_that_are_none(self, path, content, messages):
        self.forge(path, layout.RECIPE, content)
        with messages.raises(CacheError):
            Cache(path)
        assert problems(path)

    @pytest.mark.parametrize("name", [f"anna/sad/{layout.GROUP}", f"anna/{layout.GROUP}", layout.GROUP])
    @pytest.mark.parametrize("content", [b"[]", b"{}", b'{"attributes": {}, "node_type": "group"}'])
    def test_metadata_that_are_none(self, path, name, content):
        self.forge(path, name, content)
        assert problems(path)

    @pytest.mark.slow
    @pytest.mark.parametrize("strange", STRANGE)
    @pytest.mark.parametrize("name", [layout.MANIFEST, layout.RECIPE, layout.INDEX, layout.SKIPPED, f"anna/sad/{layout.GROUP}"])
    @pytest.mark.parametrize("where", ["all of it", "a value", "a key more"])
    def test_values_that_are_none_of_ours(self, path, name, strange, where, capsys):
        from precompute.__main__ import main

        content, value = (path / name).read_bytes(), STRANGE[strange]
        if where == "all of it":
            content = value + b"\n"
        elif where == "a value":
            key = {
                layout.MANIFEST: b'"skipped"', layout.RECIPE: b'"f_min"', layout.INDEX: b'"start"', layout.SKIPPED: b'"path"',
            }.get(name, b'"fill_value"')  # fmt: skip
            before, _, after = content.partition(key + b": ")
            content = before + key + b": " + value + after[re.search(rb"[,}]", after).start() :]
        else:
            content = content.replace(b"{", b'{"new": ' + value + b", ", 1)
        if name == layout.MANIFEST:
            replace(path / name, content)
        else:
            self.forge(path, name, content)
        # What is new may be anything, if it is JSON that others can write.
        told = problems(path)
        assert len(told) <= 1
        assert told or where == "a key more" or (name == layout.SKIPPED and strange in ("text", "half a pair"))
        for command in ("list", "verify", "info", "export"):
            arguments = {"info": ["toy/"], "export": ["toy/", str(path.parent / "x.h5")]}.get(command, [])
            assert main(["cache", command, "--cache", str(path.parent.parent), *arguments]) in (0, 1)
        assert "unexpected" not in capsys.readouterr().err

    @pytest.mark.slow
    @pytest.mark.parametrize("strange", STRANGE)
    @pytest.mark.parametrize("where", ["all of it", "its version"])
    def test_a_root_s_record_that_is_none_of_ours(self, path, strange, where, messages):
        value = STRANGE[strange][:60_000]
        replace(path.parent.parent / layout.ROOT_RECORD, value if where == "all of it" else b'{"layout": ' + value + b"}")
        with messages.raises(CacheError) as caught:
            roots.find([path.parent.parent], "toy", RECIPE.id)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        "change",
        [
            {"f_min": "60"}, {"scales": None}, {"f_max": 10**400}, {"f_min": True}, {"height": 8.0}, {"transform": ["wavelet"]},
            {"colour_table": 5}, {"wavelet": {}}, {"algorithm": "3"}, {"window": [0.1]},
        ],
    )  # fmt: skip
    def test_values_of_a_recipe_of_another_type(self, path, change, capsys, messages):
        from precompute.__main__ import main

        self.forge(path, layout.RECIPE, json.dumps(RECIPE.record() | change).encode())
        with messages.raises(CacheError):
            Cache(path)
        assert main(["cache", "list", "--cache", str(path.parent.parent)]) == 0
        assert "unreadable" in capsys.readouterr().out

    @pytest.mark.parametrize(
        "change",
        [{"f_min": 0}, {"f_max": 0}, {"f_min": 9000}, {"scales": 1}, {"scales": 0}, {"transform": "cqt"}, {"f_max": -1}],
    )
    def test_recipes_without_frequencies_are_not_exported_as_hdf5(self, path, change, tmp_path, messages):
        from precompute.cache.transfer.hdf5 import export_hdf5

        self.forge(path, layout.RECIPE, json.dumps(RECIPE.record() | change).encode())
        with messages.raises(CacheError):
            export_hdf5(path, tmp_path / "toy.h5")

    @pytest.mark.parametrize("more", [[], {"a": [1]}, {"a": None}, {"a": True}, {"a": {}}, {"a": 10**400}, "x"])
    def test_more_that_is_neither_text_nor_number(self, path, more, messages):
        lines = [json.loads(line) for line in (path / layout.INDEX).read_bytes().splitlines()]
        lines[1]["more"] = more
        self.forge(path, layout.INDEX, "".join(json.dumps(line) + "\n" for line in lines).encode())
        with messages.raises(CacheError):
            Cache(path).read_all()

    def test_more_utterances_than_the_shards_have_room_for(self, path):
        size = sum(file.stat().st_size for file in path.rglob("c.0.0.0.0"))
        for count, told in ((size // 29, "are recorded"), (size // 29 + 1, "and the shards can have")):
            edit(path, lambda m, count=count: m.update(utterances=count))
            assert told in problems(path)[0]

    def test_pictures_that_share_their_bytes(self, messages):
        from precompute.cache import shard
        from precompute.common import arrays

        one = shard.encode(np.zeros((1, 8, 16, 3), np.uint8))
        chunk = one[:-20]
        index = np.array([[0, len(chunk)]] * 3, "<u8")
        from numcodecs.checksum32 import CRC32C

        with messages.raises(ValueError):
            shard.decode(chunk + bytes(CRC32C(location="end").encode(index)), 3, arrays.picture(8, 16))

    def test_other_files_of_a_newer_minor_version_are_checked_and_passed_over(self, path, messages):
        (path / "extra.bin").write_bytes(b"new")
        self.forge(path, "extra.bin", b"new")
        edit(path, lambda m: m.update(layout=f"1.{layout.NEWEST[1] + 1}"))
        assert len(Cache(path).read_all()) == 6
        assert problems(path) == []
        replace(path / "extra.bin", b"newer")
        with messages.raises(CacheError):
            Cache(path)
