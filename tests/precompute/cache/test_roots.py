"""Which cache answers: several roots in their order, recipes by name and id, and messages that say what to do."""

import hashlib
import json
import shutil
import uuid

import pytest
from toy import INPUT, RECIPE, build, draft, sealed_toy, unit

from precompute.cache import layout, roots
from precompute.cache.reader import Cache
from precompute.common.errors import CacheError, CacheMissingError


@pytest.fixture
def path(tmp_path):
    return sealed_toy(tmp_path / "cache")


def test_by_recipe_name_and_id(small_cache, small_recipe_id):
    cache = roots.find([small_cache], "ravdess", small_recipe_id)
    assert cache.id.startswith(small_recipe_id)
    assert len(cache.records) == 24
    assert len({record.speaker for record in cache.records}) == 4
    assert {record.emotion for record in cache.records} == {"happy", "sad", "angry"}


def test_a_corpus_that_is_not_there_names_the_command(tmp_path, messages):
    with messages.raises(CacheMissingError):
        roots.find([tmp_path], "ravdess", "default")


def test_the_command_names_the_recipe(tmp_path, messages):
    with messages.raises(CacheMissingError):
        roots.find([tmp_path], "emodb", "grey")


def test_another_recipe_that_is_there_is_named(small_cache, small_recipe_id, messages):
    with messages.raises(CacheMissingError, small_recipe_id):
        roots.find([small_cache], "ravdess", "default")


def test_all_missing_caches_are_named_with_one_command(tmp_path, messages):
    wanted = [("emodb", "grey"), ("emodb", "stft"), ("ravdess", "grey"), ("ravdess", "stft"), ("emodb", "grey")]
    with messages.raises(CacheMissingError) as caught:
        roots.require([tmp_path], wanted)
    assert str(caught.value).endswith(f"run python -m precompute build emodb,ravdess --recipe grey,stft --cache {tmp_path}")


def test_what_is_there_is_not_built_again(small_cache, small_recipe_id):
    roots.require([small_cache], [("ravdess", small_recipe_id)])
    with pytest.raises(CacheMissingError) as caught:
        roots.require(
            [small_cache], [("ravdess", small_recipe_id), ("emodb", "grey"), ("ravdess", "grey"), ("ravdess", "mexh")]
        )
    command = str(caught.value).rpartition("run ")[2]
    one, other = command.split(" && ")
    assert one == f"python -m precompute build emodb --recipe grey --cache {small_cache}"
    assert other == f"python -m precompute build ravdess --recipe grey,mexh --cache {small_cache}"


def test_another_corpus_of_a_similar_name_is_no_slip(small_cache, small_recipe_id, messages):
    with messages.raises(CacheMissingError):
        roots.find([small_cache], "ravdess_song", "default")


@pytest.mark.parametrize(("corpus", "recipe"), [("ravdes", "grey"), ("ravdess", "gray")])
def test_a_slip_among_several_is_named_before_anything_is_built(small_cache, corpus, recipe, messages):
    with messages.raises(CacheMissingError):
        roots.require([small_cache], [("emodb", "mexh"), (corpus, recipe)])


def test_a_single_missing_cache_is_left_to_whoever_opens_it(tmp_path):
    roots.require([tmp_path], [("emodb", "grey")])


def test_a_mistyped_recipe_names_the_nearest(small_cache, small_recipe_id, messages):
    with messages.raises(CacheMissingError, small_recipe_id):
        roots.find([small_cache], "ravdess", small_recipe_id[:-1] + "x")


def test_a_cache_that_was_never_finished_is_missing(tmp_path):
    with draft(tmp_path).open():
        pass
    with pytest.raises(CacheMissingError):
        roots.find([tmp_path], "toy", RECIPE.id)


@pytest.fixture
def two(tmp_path):
    """A root with two inputs of one recipe."""
    for input_id, n in ((INPUT, 3), ("ba9876543210", 4)):
        build(tmp_path, [unit("a", "sad", n)], input_id=input_id)
    return tmp_path


def date(path, key, time):
    """Leave a record beside a cache, as whoever made or confirmed it does."""
    (path / layout.PROVENANCE / f"{uuid.uuid4().hex}.json").write_text(json.dumps({key: time}), "utf-8")


def inputs(root):
    return {path.name.partition("-")[2]: path for path in roots.sealed(root, "toy")}


@pytest.mark.parametrize(
    ("first", "second", "taken"),
    [
        # The other was sealed later; in another zone; this one was confirmed since; a record that says nothing counts for none.
        ((), (("created", "2025-01-02T00:00:00+00:00"),), "ba9876543210"),
        ((("created", "2025-01-02T00:30:00+00:00"),), (("created", "2025-01-02T01:00:00+01:00"),), INPUT),
        ((("confirmed", "2025-01-03T00:00:00+00:00"),), (("created", "2025-01-02T00:00:00+00:00"),), INPUT),
        ((("created", "soon"), ("confirmed", 7)), (("created", "2025-01-01T00:00:01+00:00"),), "ba9876543210"),
        ((("created", "2025-01-02"),), (("confirmed", "2025-01-01T23:00:00+00:00"),), INPUT),
    ],
)
def test_of_several_inputs_the_last_that_was_made_or_confirmed_counts(two, first, second, taken, capsys):
    for input_id, records in ((INPUT, first), ("ba9876543210", second)):
        for record in records:
            date(inputs(two)[input_id], *record)
    assert roots.find([two], "toy", RECIPE.id).path == inputs(two)[taken]
    (line,) = capsys.readouterr().err.splitlines()
    (other,) = {INPUT, "ba9876543210"} - {taken}
    assert line.startswith(f"note: of 2 sealed caches of 'toy' with recipe '{RECIPE.id}', {RECIPE.id}-{taken} is used")
    assert line.endswith(f"for another, give its id ({RECIPE.id}-{other})")


def test_a_choice_by_id_says_nothing(two, capsys):
    date(inputs(two)["ba9876543210"], "created", "2025-01-02T00:00:00+00:00")
    assert roots.find([two], "toy", RECIPE.id, INPUT).path == inputs(two)[INPUT]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("content", [b"", b"[]", b'{"created": null}', b"\xff"])
def test_a_record_that_cannot_be_read_decides_nothing(two, content, messages):
    (inputs(two)[INPUT] / layout.PROVENANCE / f"{uuid.uuid4().hex}.json").write_bytes(content)
    with messages.raises(CacheError):
        roots.find([two], "toy", RECIPE.id)


def test_of_inputs_made_in_the_same_second_one_must_be_chosen(two, messages):
    with messages.raises(CacheError) as error:
        roots.find([two], "toy", RECIPE.id)
    for input_id, n in ((INPUT, 3), ("ba9876543210", 4)):
        assert f"{RECIPE.id}-{input_id} ({n} utterances)" in str(error.value)


@pytest.mark.parametrize("choice", [INPUT, f"{RECIPE.id}-{INPUT}", f"{RECIPE.id}-{INPUT[:4]}"])
def test_a_cache_is_chosen_by_its_id(two, choice):
    assert roots.find([two], "toy", RECIPE.id, choice).id == f"{RECIPE.id}-{INPUT}"


def test_a_choice_that_is_not_there_lists_those_that_are(two, messages):
    with messages.raises(CacheError, f"{RECIPE.id}-{INPUT}"):
        roots.find([two], "toy", RECIPE.id, "nothing")


def test_even_a_single_cache_must_be_the_one_chosen(path, messages):
    with messages.raises(CacheError):
        roots.find([path.parent.parent], "toy", RECIPE.id, "nothing")


class TestSeveralRoots:
    def test_the_first_that_has_it_answers(self, tmp_path):
        first, second = sealed_toy(tmp_path / "first"), sealed_toy(tmp_path / "second")
        found = roots.find([tmp_path / "empty", tmp_path / "first", tmp_path / "second"], "toy", RECIPE.id)
        assert found.path == first
        assert roots.find([tmp_path / "second", tmp_path / "first"], "toy", RECIPE.id).path == second

    def test_an_older_input_in_a_nearer_root_is_not_taken_unasked(self, tmp_path, messages):
        build(tmp_path / "mine", [unit("a", "sad", 3)], input_id=INPUT)
        build(tmp_path / "lab", [unit("a", "sad", 4)], input_id="ba9876543210")
        both = [tmp_path / "mine", tmp_path / "lab"]
        with messages.raises(CacheError):
            roots.find(both, "toy", RECIPE.id)
        assert len(roots.find(both, "toy", RECIPE.id, "ba98").records) == 4

    def test_what_is_new_goes_to_the_first_that_can_be_written(self, tmp_path, messages):
        file = tmp_path / "file"
        file.write_text("")
        assert roots.writable([tmp_path / "new" / "root", tmp_path]) == tmp_path / "new" / "root"
        with messages.raises(CacheError):
            roots.writable([file])

    def test_a_damaged_root_record_is_said(self, path, messages):
        (path.parent.parent / "wser-cache.json").unlink()
        (path.parent.parent / "wser-cache.json").write_text("{")
        with messages.raises(CacheError):
            roots.find([path.parent.parent], "toy", RECIPE.id)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        (RECIPE.id, True), (RECIPE.id[:3], True), (INPUT, True), (INPUT[:3], True), (f"{RECIPE.id}-{INPUT[:2]}", True),
        ("toy/", True), (f"toy/{INPUT[:3]}", True), (f"other/{INPUT}", False), (INPUT[1:], False), ("toy", False),
    ],
)  # fmt: skip
def test_a_cache_is_meant_by_the_beginning_of_either_part_of_its_name(path, name, meant):
    assert roots.answers(path, name) == meant


def test_a_changed_recording_makes_another_cache(tmp_path, small_ravdess, small_settings, small_recipe_id):
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
    (first,) = roots.sealed(root, "ravdess", small_recipe_id)
    file = next((corpora / "ravdess").rglob("*.wav"))
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    assert main(command) == 0
    assert len(roots.sealed(root, "ravdess", small_recipe_id)) == 2
    (newest,) = {*roots.sealed(root, "ravdess", small_recipe_id)} - {first}
    assert roots.find([root], "ravdess", small_recipe_id).path == newest
    sums = {record.path: record.sha256 for record in Cache(newest).records}
    assert sums[file.relative_to(corpora / "ravdess").as_posix()] == hashlib.sha256(file.read_bytes()).hexdigest()
