"""What is damaged is found and named, all of it at once; what is sound is called so; pictures are held against recordings."""

import dataclasses
import json
import os
import shutil

import numpy as np
import pytest
from toy import build, draft, edit, replace, sealed_toy, unit

from precompute.audio import recording
from precompute.cache import layout, roots, shard
from precompute.cache.draft import Draft
from precompute.cache.reader import Cache
from precompute.cache.verify import largest_difference, problems, unchecked
from precompute.commands import cache as command
from precompute.common.errors import CacheError
from precompute.common.files import sha256
from precompute.pipeline.recompute import recompute
from precompute.recipe import Recipe, named

pytestmark = pytest.mark.slow


@pytest.fixture
def path(tmp_path):
    return sealed_toy(tmp_path / "cache")


def flip(file, at=None):
    content = bytearray(file.read_bytes())
    content[len(content) // 2 if at is None else at] ^= 1
    replace(file, bytes(content))


def test_sound_caches_have_no_problems(path, tmp_path):
    assert problems(path) == []
    assert problems(build(tmp_path / "other", [unit("a", "sad")])) == []


def as_layout(path, minor):
    """Turn a cache of whole recordings, one for each unit, into what layout 1.`minor` had."""
    gone = {name for since, names in LATER.items() if since > minor for name in names}

    def older(found):
        if isinstance(found, list):
            return [older(one) for one in found]
        return {name: older(one) for name, one in found.items() if name not in gone} if isinstance(found, dict) else found

    files = json.loads((path / layout.MANIFEST).read_text())["files"]
    for name in files:
        if name.endswith((".json", ".jsonl")):
            text = (path / name).read_text("utf-8")
            lines = text.split("\n")[:-1] if name.endswith(".jsonl") else [text]
            content = "".join(json.dumps(older(json.loads(line))) + "\n" for line in lines).encode()
            replace(path / name, content)
            files[name] = {"size": len(content), "sha256": sha256(content)}
    edit(path, lambda manifest: [manifest.pop(name, None) for name in gone])
    edit(path, lambda manifest: manifest.update(layout=f"1.{minor}", files=files))
    return path


LATER = {2: ["shard_sha256"], 3: ["begin", "end", "more"], 4: ["content", "same_speakers_as"]}
"""What each minor version of the layout added."""


@pytest.fixture
def plain(tmp_path):
    """A cache that any minor version could hold."""
    return build(tmp_path / "plain", [unit("a", "sad", 1), unit("a", "angry", 1, 2), unit("b", "sad", 1, 3)])


@pytest.mark.parametrize(
    ("minor", "told"), [(0, ["shard", "input"]), (1, ["shard", "input"]), (2, ["input"]), (3, []), (4, [])]
)
def test_a_cache_of_any_minor_version_is_sound_and_what_it_does_not_record_is_told(minor, told, plain, capsys):
    as_layout(plain, minor)
    assert problems(plain) == []
    said = unchecked(Cache(plain))
    assert [word for word, line in zip(told, said, strict=True) if word in line] == told
    assert command.main(["verify", "--cache", str(plain.parents[1])]) == 0
    out = capsys.readouterr().out
    assert "1 of 1 caches are sound" in out
    assert out.count("not checked: ") == len(told)


@pytest.mark.parametrize("minor", range(5))
@pytest.mark.parametrize("name", ["a/sad/" + "c.0.0.0.0", "a/sad/" + layout.GROUP, layout.INDEX, layout.RECIPE])
def test_damage_is_found_in_every_minor_version(minor, name, plain):
    flip(as_layout(plain, minor) / name)
    assert f"{name} has SHA-256" in " ".join(problems(plain))


@pytest.mark.parametrize("minor", [2, 3, 4])
@pytest.mark.parametrize("digest", [None, "00" * 32])
def test_an_array_that_names_another_shard_is_found(minor, digest, plain):
    file = as_layout(plain, minor) / "a/sad" / layout.GROUP
    content = json.loads(file.read_text())
    content["attributes"]["shard_sha256"] = digest
    if digest is None:
        del content["attributes"]["shard_sha256"]
    replace(file, json.dumps(content).encode())
    entry = {"size": file.stat().st_size, "sha256": sha256(file.read_bytes())}
    edit(plain, lambda manifest: manifest["files"].update({f"a/sad/{layout.GROUP}": entry}))
    assert "has another SHA-256 of the shard than manifest.json" in " ".join(problems(plain))


def test_an_input_with_skipped_recordings_cannot_be_checked(path):
    assert "it includes skipped recordings" in " ".join(unchecked(Cache(path)))


def test_every_damaged_file_is_named_at_once(path):
    flip(path / "anna/sad" / "c.0.0.0.0")
    replace(path / "anna/angry" / "c.0.0.0.0", b"")
    (path / layout.INDEX).unlink()
    (path / "anna/extra").write_text("mine")
    found = problems(path)
    for name in ("anna/sad/c.0.0.0.0 has SHA-256", "anna/angry/c.0.0.0.0 is 0 bytes", "index.jsonl is missing", "anna/extra"):
        assert sum(name in problem for problem in found) == 1, name
    assert len(found) == 4
    assert all(f"cache rm {path.name}" in problem for problem in found)


@pytest.mark.parametrize("at", range(0, 400, 7))
def test_any_flipped_bit_of_a_shard_is_found(path, at):
    file = path / "anna/sad" / "c.0.0.0.0"
    flip(file, at * file.stat().st_size // 400)
    assert "anna/sad/c.0.0.0.0 has SHA-256" in " ".join(problems(path))


@pytest.mark.parametrize("size", [0, 0.5])
def test_every_truncated_file_is_found(tmp_path, size):
    sound = sealed_toy(tmp_path / "sound")
    for name in [*Cache(sound).manifest["files"], layout.MANIFEST]:
        root = tmp_path / "damaged"
        shutil.copytree(tmp_path / "sound", root)
        file = root / sound.relative_to(tmp_path / "sound") / name
        content = file.read_bytes()
        replace(file, content[: int(len(content) * size)])
        if content:
            assert str(file) in " ".join(problems(file.parents[name.count("/")])), name
        shutil.rmtree(root)


def test_a_cache_without_manifest_is_said_to_be_unfinished(tmp_path):
    made = draft(tmp_path)
    with made.open():
        made.publish(*unit("a", "sad"))
    (found,) = problems(made.path)
    assert f"{made.path / layout.MANIFEST} is missing" in found
    assert "run precompute again" in found


@pytest.mark.parametrize("change", ["picture", "label", "recipe", "counts", "order"])
def test_a_manifest_that_was_made_to_fit_is_found_out(tmp_path, change):
    path = build(tmp_path, [unit("anna", "sad", 3, 1)])
    files = {"picture": "anna/sad/" + "c.0.0.0.0", "label": layout.INDEX, "recipe": layout.RECIPE, "counts": None}
    name = files.get(change, "anna/sad/" + layout.GROUP)
    if change == "picture":
        replace(path / name, shard.encode(unit("anna", "sad", 3, 9)[2]))
    elif change == "label":
        replace(path / name, (path / name).read_bytes().replace(b'"label": "S"', b'"label": "T"'))
    elif change == "recipe":
        replace(path / name, (path / name).read_bytes().replace(b'"top_db": 10.0', b'"top_db": 11.0'))
    elif change == "order":
        content = json.loads((path / name).read_bytes())
        content["attributes"]["utterances"].reverse()
        replace(path / name, json.dumps(content).encode())
    if name:
        content = (path / name).read_bytes()
        edit(path, lambda manifest: manifest["files"].update({name: {"size": len(content), "sha256": sha256(content)}}))
    else:
        edit(path, lambda manifest: manifest.update(utterances=2))
    expected = {
        "picture": "has another picture of anna-sad-0", "label": "fingerprint is not that",
        "recipe": "recipe.json has the id", "counts": "counts 2 utterances, and 3 are recorded",
        "order": "zarr.json lists other utterances than the index",
    }  # fmt: skip
    assert expected[change] in " ".join(problems(path))


def test_an_index_of_another_input_is_found_out(tmp_path):
    path = build(tmp_path, [unit("anna", "sad")], input_id="0123456789ab")
    assert "has the input id" in " ".join(problems(path))


def forged(cache, root, field, change):
    """A copy of a cache that says something else of one utterance."""
    made = Draft(root, "ravdess", cache.recipe, cache.manifest["recipe_id"], cache.manifest["input_id"], False)
    with made.open():
        units = []
        for array, records in cache.arrays.items():
            if array == "01/sad":
                records = (dataclasses.replace(records[0], **{field: getattr(records[0], field) + change}), *records[1:])
            units.append(made.publish(records, [], cache.read(array)))
        made.seal(units, [], {})
    return Cache(made.path)


class TestRecompute:
    @pytest.fixture
    def cache(self, small_cache, small_recipe_id, tmp_path):
        shutil.copytree(small_cache, tmp_path / "cache")
        return Cache(roots.find([tmp_path / "cache"], "ravdess", small_recipe_id).path)

    def test_pictures_come_out_alike(self, cache, small_ravdess):
        assert recompute(cache, small_ravdess / "ravdess", 1000) == []

    @pytest.mark.parametrize("distance", [1, 4])
    def test_more_than_one_level_is_too_much(self, cache, small_ravdess, tmp_path, distance):
        array, records = next(iter(cache.arrays.items()))
        table = named("default").feature.table
        level = {colour.tobytes(): at for at, colour in enumerate(table)}
        images = cache.read(array)
        place = np.argwhere((images[0] != table[0]).any(axis=-1) & (images[0] != table[255]).any(axis=-1))[0]
        pixel = (0, *place)
        near = level[images[pixel].tobytes()]
        images[pixel] = table[near + distance if near + distance < 256 else near - distance]
        changed = [
            dataclasses.replace(r, image_sha256=sha256(image.tobytes())) for r, image in zip(records, images, strict=True)
        ]
        made = Draft(tmp_path / "other", "ravdess", cache.recipe, cache.manifest["recipe_id"], "0123456789ab", False)
        with made.open():
            made.seal([made.publish(changed, [], images)], [], {})
        found = recompute(Cache(made.path), small_ravdess / "ravdess", 1000)
        assert [f"the picture of {records[0].key} in" in problem for problem in found] == [True] * (distance > 1)

    @pytest.mark.parametrize(
        ("field", "change"),
        [("stop", -8), ("stop", 1), ("start", 1), ("duration", 0.25), ("duration", -0.000001), ("channels", 1)],
    )
    def test_what_the_index_says_wrongly_is_named(self, cache, small_ravdess, tmp_path, field, change):
        # The cache is whole in itself, by its manifest, its fingerprint and its pictures.
        other = forged(cache, tmp_path / "other", field, change)
        assert problems(other.path) == []
        assert other.fingerprint != cache.fingerprint or field == "channels"
        (found,) = recompute(other, small_ravdess / "ravdess", 1000)
        wrong, right = (one.arrays["01/sad"][0] for one in (other, cache))
        old, new = getattr(wrong, field), getattr(right, field)
        assert f"the {field} of {wrong.key} in {other.path} is {old}, and {new} when computed again" in found

    def test_the_command_says_so_too(self, cache, small_ravdess, tmp_path, capsys):
        from precompute.__main__ import main

        forged(cache, tmp_path / "other", "stop", -1)
        place = ["--cache", str(tmp_path / "other"), "--corpora", str(small_ravdess)]
        assert main(["cache", "verify", *place]) == 0
        assert main(["cache", "verify", *place, "--recompute", "1000"]) == 1
        out, errors = capsys.readouterr()
        assert "NOT REPRODUCED" in out
        assert "the stop of " in errors
        assert errors.count("\n") == 1

    def test_recordings_that_changed_or_are_gone_are_named(self, cache, small_ravdess, tmp_path):
        shutil.copytree(small_ravdess / "ravdess", tmp_path / "ravdess")
        gone, changed = sorted((tmp_path / "ravdess").rglob("*.wav"))[:2]
        gone.unlink()
        changed.write_bytes(changed.read_bytes()[:-2])
        found = recompute(cache, tmp_path / "ravdess", 1000)
        assert sum(f"{gone} cannot be read" in problem for problem in found) == 1
        assert sum(f"{changed} differs from the recording" in problem for problem in found) == 1
        assert len(found) == 2

    @pytest.mark.parametrize(
        "path",
        ["/etc/hostname", "../ravdess/secret.wav", "Actor_01/../../secret.wav", "/dev/zero", "..", "{ravdess}/secret.wav"],
    )
    def test_a_path_that_leads_out_of_the_corpus_is_not_followed(self, cache, tmp_path, small_ravdess, path, monkeypatch):
        shutil.copytree(small_ravdess / "ravdess", tmp_path / "ravdess")
        path = path.format(ravdess=tmp_path / "ravdess")
        opened = []
        monkeypatch.setattr(recording.os, "open", lambda *arguments: opened.append(arguments))
        cache.records = tuple(dataclasses.replace(record, path=path) for record in cache.records[:1])
        (problem,) = recompute(cache, tmp_path / "ravdess", 1)
        assert f"is {path}, which is outside {tmp_path / 'ravdess'}" in problem
        assert opened == []

    def test_a_corpus_that_is_laid_by_links_is_read(self, cache, small_ravdess, tmp_path):
        (tmp_path / "ravdess").mkdir()
        for actor in (small_ravdess / "ravdess").iterdir():
            (tmp_path / "ravdess" / actor.name).symlink_to(actor)
        assert recompute(cache, tmp_path / "ravdess", 1000) == []

    @pytest.mark.parametrize("lay", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.mkdir()])
    def test_what_is_no_recording_is_named_at_once(self, cache, small_ravdess, tmp_path, lay):
        shutil.copytree(small_ravdess / "ravdess", tmp_path / "ravdess")
        file = sorted((tmp_path / "ravdess").rglob("*.wav"))[0]
        file.unlink()
        lay(file)
        (problem,) = recompute(cache, tmp_path / "ravdess", 1000)
        assert f"{file} cannot be read" in problem

    def test_lack_of_memory_is_a_sentence(self, cache, small_ravdess, monkeypatch):
        def lack(*_):
            raise MemoryError

        monkeypatch.setattr("precompute.pipeline.recompute.extract", lack)
        problems = recompute(cache, small_ravdess / "ravdess", 3)
        assert ["not enough memory" in problem for problem in problems] == [True] * 3

    @pytest.mark.parametrize(("key", "value"), [("algorithm", 0), ("colour_table", "00" * 768), ("window", None)])
    def test_a_recipe_that_this_version_would_draw_otherwise_is_refused(self, cache, small_ravdess, key, value, messages):
        cache.recipe[key] = value
        if value is None:
            del cache.recipe[key]
        with messages.raises(CacheError):
            recompute(cache, small_ravdess / "ravdess", 1)


@pytest.mark.parametrize(
    "recipe", [Recipe(), named("grey"), named("default", ["colour=jet"]), named("default", ["colour=Set1"])]
)
def test_levels_are_told_apart_by_their_colours(recipe):
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    record, item = recipe.record(), recipe.array
    for far in (0, 1, 2, 100):
        other = np.minimum(levels.astype(int) + far, 255)
        found = largest_difference(recipe.feature.table[levels], recipe.feature.table[other], record, item)
        # Set1 has 9 colours: levels that share one cannot be told apart.
        assert found == far if recipe.feature.colour in ("viridis", "grey") else found <= far
        assert largest_difference(recipe.feature.table[other], recipe.feature.table[levels], record, item) == found
    assert largest_difference(recipe.feature.table[levels], np.full((16, 16, 3), (1, 254, 7), np.uint8), record, item) == 256


def test_levels_of_three_wavelets_are_compared_channel_by_channel():
    a = np.zeros((4, 4, 3), np.uint8)
    b = a.copy()
    b[2, 1, 1] = 3
    recipe = named("wavelets")
    distances = {largest_difference(*pair, recipe.record(), recipe.array) for pair in ((a, b), (b, a))}
    assert distances == {3}


def test_a_directory_named_again_keeps_its_remedy(tmp_path):
    path = build(tmp_path / "again", [unit("anna", "sad")])
    replace(path / "anna/sad" / "c.0.0.0.0", b"x" * (path / "anna/sad" / "c.0.0.0.0").stat().st_size)
    (problem,) = problems(path)
    assert "again" in str(path)
    assert problem.endswith(f"move it to trash with python -m precompute cache rm {path.name}, and run precompute again")
