"""Caches on disk: what was published comes back, what is torn or foreign is refused, and nothing is written twice."""

import hashlib
import json
import os
import shutil
import time

import numpy as np
import pytest

from precompute import layout, store
from precompute.errors import CacheError, CacheMissingError
from precompute.layout import Record, Skipped
from precompute.recipe import Recipe
from precompute.store import Cache, Draft, Unit

RECIPE = Recipe(scales=8, height=8, columns=16, width=16, duration=1.0)
INPUT = "0123456789ab"


def draft(root, input_id=INPUT, synthetic=False):
    made = Draft(root, "toy", RECIPE.record(), RECIPE.id, input_id, synthetic)
    made.prepare()
    return made


def unit(speaker, emotion, n=3, seed=0, skipped=()):
    """Pictures of noise, and the unit that describes them."""
    images = np.random.default_rng(seed).integers(0, 256, (n, 8, 16, 3), dtype=np.uint8)
    records = tuple(
        Record(
            key=f"{speaker}-{emotion}-{row}", speaker=speaker, emotion=emotion, label=emotion[0].upper(), sex=None,
            sentence="ä 1", intensity=None, session="S\u2028", duration=0.25, channels=1, start=0, stop=4,
            path=f"{speaker}/{row}.wav", sha256="00" * 32, array=layout.array_path(speaker, emotion), row=row,
            image_sha256=hashlib.sha256(image.tobytes()).hexdigest(),
        )
        for row, image in enumerate(images)
    )  # fmt: skip
    return images, Unit(records, tuple(skipped))


def build(root, units, skipped=(), input_id=INPUT):
    made = draft(root, input_id)
    for images, one in units:
        made.publish(images, one)
    made.seal([one for _, one in units], skipped, {"by": "a test"})
    made.discard_staging()
    return made.path


@pytest.fixture
def path(tmp_path):
    """Directory of a sealed cache of three units; its pictures are those of `unit` with these seeds."""
    return build(
        tmp_path / "cache",
        [unit("anna", "sad", 3, 1), unit("anna", "angry", 2, 2), unit("..", "sad", 1, 3, [Skipped("x.wav", "too short")])],
        [Skipped("b.wav", "the file is empty")],
    )


def edit(path, change):
    """Rewrite a cache's manifest."""
    manifest = json.loads((path / layout.MANIFEST).read_text())
    change(manifest)
    (path / layout.MANIFEST).write_text(json.dumps(manifest))


def shards(path):
    return sorted(path.rglob(layout.SHARD))


class TestRoundTrip:
    def test_pictures_and_records_come_back(self, path):
        cache = Cache(path)
        for speaker, emotion, n, seed in (("anna", "sad", 3, 1), ("anna", "angry", 2, 2), ("..", "sad", 1, 3)):
            images, expected = unit(speaker, emotion, n, seed)
            array = layout.array_path(speaker, emotion)
            np.testing.assert_array_equal(cache.read(array), images)
            assert tuple(r for r in cache.records if r.array == array) == expected.records

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
        assert cache.fingerprint == layout.fingerprint(cache.records)
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
        made = draft(tmp_path, synthetic=True)
        images, one = unit("a", "sad")
        made.publish(images, one)
        made.seal([one], [], {})
        assert Cache(made.path).synthetic

    def test_plain_zarr_reads_the_whole_tree(self, path):
        # The cache is a Zarr v3 group, whatever reads it.
        import zarr

        group = zarr.open_group(path, mode="r")
        array = group["anna/sad"]
        np.testing.assert_array_equal(array[:], unit("anna", "sad", 3, 1)[0])
        assert array.chunks == (1, 8, 16, 3)
        assert array.shards == (3, 8, 16, 3)
        assert group.attrs["corpus"] == "toy"

    def test_pictures_of_one_shade_are_stored_too(self, tmp_path):
        # Zarr leaves out chunks that equal the fill value unless told; a missing shard is an error here.
        _, one = unit("a", "sad")
        cache = Cache(build(tmp_path, [(np.zeros((3, 8, 16, 3), np.uint8), one)]))
        assert not cache.read("a/sad").any()

    def test_nothing_is_left_in_staging_and_the_root_is_tagged(self, path):
        root = path.parent.parent
        assert list((path.parent / layout.STAGING).iterdir()) == []
        assert (root / layout.ROOT_TAG).read_bytes() == layout.ROOT_TAG_CONTENT
        assert json.loads((root / layout.ROOT_RECORD).read_text()) == {"layout": layout.version()}


class TestWriting:
    def test_the_second_publisher_of_a_unit_discards_its_own(self, tmp_path):
        first, second = draft(tmp_path), draft(tmp_path)
        images, one = unit("a", "sad", 3, 1)
        others, other = unit("a", "sad", 3, 2)
        first.publish(images, one)
        second.publish(others, other)
        assert second.published("a", "sad") == one
        first.seal([one], [], {})
        np.testing.assert_array_equal(Cache(first.path).read("a/sad"), images)
        second.discard_staging()
        first.discard_staging()
        assert list((tmp_path / "toy" / layout.STAGING).iterdir()) == []

    def test_a_published_unit_is_known_to_later_jobs(self, tmp_path):
        images, one = unit("..", "sad", skipped=[Skipped("x.wav", "silent")])
        draft(tmp_path).publish(images, one)
        later = draft(tmp_path)
        assert later.published("..", "sad") == one
        assert later.published("..", "angry") is None

    def test_only_the_first_seal_counts(self, tmp_path):
        first, second = draft(tmp_path), draft(tmp_path)
        images, one = unit("a", "sad")
        first.publish(images, one)
        first.seal([one], [Skipped("b.wav", "empty")], {"job": 1})
        before = {file: file.read_bytes() for file in first.path.rglob("*") if file.is_file()}
        second.seal([one], [], {"job": 2})
        assert second.sealed
        for file, content in before.items():
            assert file.read_bytes() == content
        assert Cache(first.path).skipped == (Skipped("b.wav", "empty"),)

    def test_a_job_that_seals_in_the_same_moment_changes_nothing(self, tmp_path, monkeypatch):
        # Both jobs have found no file of that name before either creates its own; the first one created stays.
        first, second = draft(tmp_path), draft(tmp_path)
        images, one = unit("a", "sad")
        first.publish(images, one)
        first.seal([one], [Skipped("b.wav", "empty")], {"job": 1})
        before = {file: file.read_bytes() for file in first.path.rglob("*") if file.is_file()}
        with monkeypatch.context() as patched:
            patched.setattr(store.Path, "exists", lambda _: False)
            second.seal([one], [], {"job": 2})
        assert {file: file.read_bytes() for file in before} == before

    def test_what_is_not_sealed_is_no_cache(self, tmp_path):
        made = draft(tmp_path)
        images, one = unit("a", "sad")
        made.publish(images, one)
        assert not made.sealed
        with pytest.raises(CacheMissingError, match="no sealed cache: run precompute again"):
            Cache(made.path)
        assert store.sealed(tmp_path, "toy", RECIPE.id) == []

    def test_old_leftovers_in_staging_are_removed_and_those_of_others_stay(self, tmp_path):
        staging = tmp_path / "toy" / layout.STAGING
        old, recent = staging / "old", staging / "recent"
        for job in (old, recent):
            job.mkdir(parents=True)
            (job / "part").write_bytes(b"1")
        ago = time.time() - store.STALE_SECONDS - 60
        os.utime(old, (ago, ago))
        draft(tmp_path)
        assert not old.exists()
        assert (recent / "part").exists()

    def test_a_root_of_another_layout_is_not_written_to(self, tmp_path):
        (tmp_path / layout.ROOT_RECORD).write_text(json.dumps({"layout": f"{layout.VERSION[0] + 1}.0"}))
        with pytest.raises(CacheError, match="upgrade or recompute"):
            draft(tmp_path)


def truncate(file):
    file.write_bytes(file.read_bytes()[:-1])


def lengthen(file):
    file.write_bytes(file.read_bytes() + b"\0")


def empty(file):
    file.write_bytes(b"")


def symlink(file):
    aside = file.with_name("elsewhere")
    file.rename(aside)
    file.symlink_to(aside)


def directory(file):
    file.unlink()
    file.mkdir()


class TestRefusal:
    @pytest.mark.parametrize("damage", [truncate, lengthen, empty, os.unlink, symlink, directory], ids=lambda f: f.__name__)
    def test_a_torn_shard_is_refused_by_name(self, path, damage):
        shard = shards(path)[1]
        damage(shard)
        with pytest.raises(CacheError, match=rf"{shard} is (missing|\d+ bytes), the manifest says \d+ bytes: remove"):
            Cache(path)

    @pytest.mark.parametrize("name", [layout.INDEX, layout.SKIPPED, layout.RECIPE, layout.GROUP, "anna/zarr.json"])
    @pytest.mark.parametrize("damage", [truncate, os.unlink], ids=lambda f: f.__name__)
    def test_any_torn_file_is_refused_by_name(self, path, name, damage):
        damage(path / name)
        with pytest.raises(CacheError, match=name):
            Cache(path)

    def test_a_cache_without_manifest_is_refused(self, path):
        (path / layout.MANIFEST).unlink()
        with pytest.raises(CacheMissingError, match="no sealed cache"):
            Cache(path)

    def test_no_directory_is_no_cache(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            Cache(tmp_path / "nowhere")

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"{} {}"])
    def test_a_torn_manifest_is_refused(self, path, content):
        (path / layout.MANIFEST).write_bytes(content)
        with pytest.raises(CacheError, match=layout.MANIFEST):
            Cache(path)

    def test_the_manifest_of_another_cache_is_refused(self, path, tmp_path):
        other = build(tmp_path / "cache", [unit("anna", "sad")], input_id="ba9876543210")
        shutil.copy(other / layout.MANIFEST, path / layout.MANIFEST)
        with pytest.raises(CacheError, match="belongs to another cache"):
            Cache(path)

    def test_a_cache_under_another_name_is_refused(self, path):
        moved = path.rename(path.with_name(f"{RECIPE.id}-ba9876543210"))
        with pytest.raises(CacheError, match="belongs to another cache"):
            Cache(moved)

    @pytest.mark.parametrize("version", [f"{layout.VERSION[0] + 1}.0", "0.1", None])
    def test_another_major_version_is_refused(self, path, version):
        edit(path, lambda manifest: manifest.update(layout=version))
        with pytest.raises(CacheError, match="upgrade or recompute"):
            Cache(path)

    def test_a_root_of_another_major_version_is_refused(self, path):
        root = path.parent.parent
        (root / layout.ROOT_RECORD).write_text(json.dumps({"layout": "9.0"}))
        with pytest.raises(CacheError, match=r"cache layout 9\.0"):
            store.find(root, "toy", RECIPE.id)

    def test_a_newer_minor_version_is_read_and_its_new_keys_are_ignored(self, path):
        index = [json.loads(line) for line in (path / layout.INDEX).read_text().split("\n") if line]
        content = "".join(json.dumps({**line, "dialect": "north", "more": [1, {}]}) + "\n" for line in index)
        (path / layout.INDEX).write_text(content)

        def newer(manifest):
            manifest.update(layout=f"{layout.VERSION[0]}.{layout.VERSION[1] + 7}", colour_space="sRGB", signed={"by": "x"})
            digest = hashlib.sha256(content.encode()).hexdigest()
            manifest["files"][layout.INDEX] = {"size": len(content.encode()), "sha256": digest}

        edit(path, newer)
        cache = Cache(path)
        assert [r.key for r in cache.records] == [line["key"] for line in index]
        assert len(cache.read_all()) == 6

    @pytest.mark.parametrize("where", [0.0, 0.2, 0.5, 0.8, 0.99])
    def test_a_flipped_bit_is_found_when_it_is_read(self, path, where):
        shard = path / "anna" / "sad" / layout.SHARD
        content = bytearray(shard.read_bytes())
        content[int(where * len(content))] ^= 0x10
        shard.write_bytes(content)
        cache = Cache(path)
        with pytest.raises(CacheError, match=r"anna/sad is damaged .*remove .* and run precompute again"):
            cache.read("anna/sad")
        with pytest.raises(CacheError, match="anna/sad"):
            cache.read_all()
        assert len(cache.read("anna/angry")) == 2

    def test_a_record_changed_at_the_same_size_is_refused(self, path):
        index = path / layout.INDEX
        index.write_bytes(index.read_bytes().replace(b'"anna"', b'"hann"'))
        with pytest.raises(CacheError, match="is not what the manifest vouches for"):
            Cache(path)

    @pytest.mark.parametrize("content", [{"layout": "1.0"}, {"files": {"zarr.json": {}}}])
    def test_a_manifest_that_lacks_keys_is_refused(self, path, content):
        (path / layout.MANIFEST).write_text(json.dumps(content | {"layout": "1.0"}))
        with pytest.raises(CacheError, match=f"{layout.MANIFEST} is damaged"):
            Cache(path)

    def test_a_torn_unit_of_an_unfinished_cache_is_named(self, tmp_path):
        one = draft(tmp_path)
        one.publish(*unit("a", "sad"))
        metadata = one.path / "a" / "sad" / layout.GROUP
        metadata.write_bytes(metadata.read_bytes()[:40])
        with pytest.raises(CacheError, match=r"a/sad/zarr\.json is damaged"):
            one.published("a", "sad")

    def test_the_shard_of_another_array_is_found_by_its_shape(self, path):
        # Another array of the same cache is sound in itself; here even its sizes are vouched for.
        for name in (layout.GROUP, layout.SHARD):
            shutil.copy(path / "anna/angry" / name, path / "anna/sad" / name)
        edit(
            path,
            lambda m: m["files"].update({f"anna/sad/{n}": m["files"][f"anna/angry/{n}"] for n in (layout.GROUP, layout.SHARD)}),
        )
        with pytest.raises(CacheError, match=r"anna/sad is damaged \(it is uint8 \(2, .*the index says uint8 \(3,"):
            Cache(path).read("anna/sad")

    @pytest.mark.parametrize("array", ["nobody/sad", "", "..", "anna", "../../secret"])
    def test_arrays_that_the_manifest_does_not_name_are_not_read(self, path, array):
        with pytest.raises(CacheError, match="vouches for no array"):
            Cache(path).read(array)


class TestFind:
    def test_by_recipe_name_and_id(self, small_cache, small_recipe_id):
        cache = store.find(small_cache, "ravdess", small_recipe_id)
        assert cache.id.startswith(small_recipe_id)
        assert len(cache.records) == 24
        assert len({record.speaker for record in cache.records}) == 4
        assert {record.emotion for record in cache.records} == {"happy", "sad", "angry"}

    def test_a_corpus_that_is_not_there_names_the_command(self, tmp_path):
        with pytest.raises(
            CacheMissingError, match=rf"no cache of 'ravdess' .*run python -m precompute --corpus ravdess --cache {tmp_path}"
        ):
            store.find(tmp_path, "ravdess", "default")

    def test_the_command_names_the_recipe(self, tmp_path):
        with pytest.raises(CacheMissingError, match=r"--corpus emodb --recipe grey"):
            store.find(tmp_path, "emodb", "grey")

    def test_another_recipe_that_is_there_is_named(self, small_cache, small_recipe_id):
        with pytest.raises(CacheMissingError, match=rf"there are recipes {small_recipe_id}: take one with recipe=ID"):
            store.find(small_cache, "ravdess", "default")

    def test_a_mistyped_recipe_names_the_nearest(self, small_cache, small_recipe_id):
        with pytest.raises(CacheMissingError, match=rf"did you mean '{small_recipe_id}'"):
            store.find(small_cache, "ravdess", small_recipe_id[:-1] + "x")

    def test_a_cache_that_was_never_finished_is_missing(self, tmp_path):
        draft(tmp_path)
        with pytest.raises(CacheMissingError):
            store.find(tmp_path, "toy", RECIPE.id)

    @pytest.fixture
    def two(self, tmp_path):
        """A root with two inputs of one recipe."""
        for input_id, n in ((INPUT, 3), ("ba9876543210", 4)):
            build(tmp_path, [unit("a", "sad", n)], input_id=input_id)
        return tmp_path

    def test_of_several_inputs_one_must_be_chosen(self, two):
        with pytest.raises(
            CacheError, match=r"of 2 sealed caches of 'toy' .* 2 answer: choose one with cache=ID from"
        ) as error:
            store.find(two, "toy", RECIPE.id)
        for input_id, n in ((INPUT, 3), ("ba9876543210", 4)):
            assert f"{RECIPE.id}-{input_id} ({n} utterances)" in str(error.value)

    @pytest.mark.parametrize("choice", [INPUT, f"{RECIPE.id}-{INPUT}", f"{RECIPE.id}-{INPUT[:4]}"])
    def test_a_cache_is_chosen_by_its_id(self, two, choice):
        assert store.find(two, "toy", RECIPE.id, choice).id == f"{RECIPE.id}-{INPUT}"

    def test_a_choice_that_is_not_there_lists_those_that_are(self, two):
        with pytest.raises(CacheError, match=rf"none answers cache=nothing: choose one .*{RECIPE.id}-{INPUT}"):
            store.find(two, "toy", RECIPE.id, "nothing")

    def test_even_a_single_cache_must_be_the_one_chosen(self, path):
        with pytest.raises(CacheError, match="none answers cache=nothing"):
            store.find(path.parent.parent, "toy", RECIPE.id, "nothing")

    def test_a_changed_recording_makes_another_cache(self, tmp_path, small_ravdess, small_settings, small_recipe_id):
        from precompute.__main__ import main

        corpora, root = tmp_path / "corpora", tmp_path / "cache"
        shutil.copytree(small_ravdess / "ravdess" / "Actor_01", corpora / "ravdess" / "Actor_01")
        command = [
            "--corpus",
            "ravdess",
            "--corpora",
            str(corpora),
            "--cache",
            str(root),
            "--jobs",
            "1",
            "--set",
            *small_settings,
        ]
        assert main(command) == 0
        file = next((corpora / "ravdess").rglob("*.wav"))
        file.write_bytes(file.read_bytes()[:-1] + b"\x01")
        assert main(command) == 0
        assert len(store.sealed(root, "ravdess", small_recipe_id)) == 2
        with pytest.raises(CacheError, match="2 answer"):
            store.find(root, "ravdess", small_recipe_id)
        newest = store.sealed(root, "ravdess", small_recipe_id)[0]
        sums = {record.path: record.sha256 for record in Cache(newest).records}
        assert sums[file.relative_to(corpora / "ravdess").as_posix()] == hashlib.sha256(file.read_bytes()).hexdigest()
