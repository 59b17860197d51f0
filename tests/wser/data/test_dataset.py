import hashlib
import shutil
from collections import Counter

import numpy as np
import pytest

from precompute.cache import roots
from precompute.common.errors import CacheError, CacheMissingError
from wser.data.dataset import open_dataset
from wser.data.labels import LabelError
from wser.data.recordings import Origin


@pytest.fixture
def write_map(tmp_path):
    def write(text: str) -> str:
        file = tmp_path / "own.yaml"
        file.write_text(text)
        return str(file)

    return write


def test_every_record_is_an_example(small_cache, small_recipe_id):
    dataset = open_dataset([small_cache], ["ravdess"], small_recipe_id)
    (cache,) = dataset.caches
    assert len(dataset.examples) == len(cache.records) == 24
    assert dataset.dropped == {}
    assert (dataset.recipe_id, dataset.recipe["height"]) == (small_recipe_id, 16)
    assert len(dataset.classes) == 7, "the corpus's own map, whether or not all of its classes occur"
    for example, record in zip(dataset.examples, cache.records, strict=True):
        assert dataset.classes[example.label] == record.emotion
        copied = ("key", "speaker", "sex", "start", "stop", "session", "sentence")
        assert [getattr(example, name) for name in copied] == [getattr(record, name) for name in copied]
        heard = (record.samples_sha256, record.recording_sha256)
        assert example.origin == Origin(record.sha256, None, None, record.image_sha256, *heard)
        assert None not in heard
        assert example.recording == record.sha256


def test_images_are_the_records_own(small_cache, small_recipe_id):
    dataset = open_dataset([small_cache], ["ravdess"], small_recipe_id)
    (cache,) = dataset.caches
    assert len(dataset.values) == len(cache.records) == 24
    for at, record in enumerate(cache.records):
        image = dataset.utterance(at)
        assert image.dtype == np.uint8
        assert np.array_equal(image, cache.read(record.array)[record.row])


def assert_images_belong(dataset):
    """Each example's picture is the one whose SHA-256 the index gives for its key."""
    expected = {(c.corpus, r.key): r.image_sha256 for c in dataset.caches for r in c.records}
    assert len(dataset.values) == len(dataset.examples)
    for at, example in enumerate(dataset.examples):
        key = example.key.removeprefix(f"{example.corpus}/")
        assert hashlib.sha256(dataset.utterance(at).tobytes()).hexdigest() == expected[example.corpus, key]


def test_dropped_emotions_leave_no_gap_between_examples_and_images(small_cache, small_recipe_id, write_map):
    own = write_map("classes: {low: [sad], high: [happy]}\ndrop: [angry]\n")
    dataset = open_dataset([small_cache], ["ravdess"], small_recipe_id, label_map=own)
    assert dataset.dropped == {"angry": 8}
    assert dataset.dropped_keys == {record.key for record in dataset.caches[0].records if record.emotion == "angry"}
    assert Counter(dataset.classes[e.label] for e in dataset.examples) == {"low": 8, "high": 8}
    assert_images_belong(dataset)


def test_map_that_misses_an_emotion_is_refused(small_cache, small_recipe_id, write_map, messages):
    own = write_map("classes: {low: [sad], high: [happy]}\n")
    with messages.raises(LabelError):
        open_dataset([small_cache], ["ravdess"], small_recipe_id, label_map=own)


def test_joined_corpora_keep_speakers_and_keys_apart(joined_cache, small_recipe_id):
    dataset = open_dataset([joined_cache], ["ravdess", "emodb"], small_recipe_id, label_map="common4")
    assert dataset.dropped == {"bored": 8}
    assert all(key.startswith("emodb/") for key in dataset.dropped_keys)
    assert Counter(e.corpus for e in dataset.examples) == {"ravdess": 24, "emodb": 24}
    assert len({e.key for e in dataset.examples}) == 48
    assert all(e.key.startswith(f"{e.corpus}/") and e.speaker.startswith(f"{e.corpus}/") for e in dataset.examples)
    speakers = {e.speaker for e in dataset.examples}
    assert {"ravdess/03", "emodb/03"} <= speakers, "speaker 03 of one corpus is not speaker 03 of the other"
    assert len(speakers) == 8
    assert_images_belong(dataset)


def test_one_corpus_keeps_its_own_names(joined_cache, small_recipe_id):
    dataset = open_dataset([joined_cache], ["emodb"], small_recipe_id)
    assert {e.speaker for e in dataset.examples} == {"03", "08", "09", "10"}
    assert "03a01Fa" in {e.key for e in dataset.examples}
    assert {e.speaker: e.sex for e in dataset.examples} == {"03": "male", "10": "male", "08": "female", "09": "female"}


def test_joined_corpora_without_a_map_are_refused(joined_cache, small_recipe_id, messages):
    with messages.raises(LabelError):
        open_dataset([joined_cache], ["ravdess", "emodb"], small_recipe_id)


def test_missing_cache_names_the_command_that_makes_it(tmp_path, small_cache, messages):
    with messages.raises(CacheMissingError):
        open_dataset([tmp_path], ["ravdess"], "default")
    with messages.raises(CacheMissingError):
        open_dataset([small_cache], ["ravdess"], "paper")


def test_unknown_recipe_lists_what_is_there(small_cache, small_recipe_id, messages):
    with messages.raises(CacheMissingError):
        open_dataset([small_cache], ["ravdess"], "deadbeef0000")


def test_cache_id_must_answer(small_cache, small_recipe_id, messages):
    (sealed,) = roots.sealed(small_cache, "ravdess", small_recipe_id)
    recipe_id, _, input_id = sealed.name.partition("-")
    for cache in (sealed.name, input_id):
        assert open_dataset([small_cache], ["ravdess"], recipe_id, cache).caches[0].id == sealed.name
    with messages.raises(CacheError):
        open_dataset([small_cache], ["ravdess"], recipe_id, "000000000000")


def test_no_picture_is_read_before_it_is_asked_for(small_cache, small_recipe_id, tmp_path):
    root = tmp_path / "cache"
    shutil.copytree(small_cache, root)
    shards = list(root.glob("ravdess/*/*/*/c.0.0.0.0"))
    assert len(shards) == 12
    for file in shards:
        size = file.stat().st_size
        file.unlink()
        file.write_bytes(bytes(size))
    dataset = open_dataset([root], ["ravdess"], small_recipe_id)
    assert len(dataset.examples) == 24
    with pytest.raises(CacheError):
        _ = dataset.values
