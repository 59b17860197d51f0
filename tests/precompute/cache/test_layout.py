"""The contract: names that are safe on every file system, and ids that say what they claim to and nothing else."""

import hashlib
import unicodedata
from dataclasses import fields, replace
from urllib.parse import unquote

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from precompute.cache import layout
from precompute.cache.layout import Record, Utterance
from precompute.common.errors import CacheError

NAMES = st.text(min_size=1, max_size=15)
HOSTILE = [
    ".", "..", "...", ".hidden", "/", "a/b", "../../etc", "\\", "a\\b", "C:\\x", " ", " a ", "a\nb", "a\0b", "%", "%2E", "~",
    "-rf", "ü", "u\u0308", "日本語", "😀", "zarr.json", "ZARR.JSON", "Zarr.Json", "manifest.json", "index.jsonl", "provenance",
    "Provenance", "recipe.json", "skipped.jsonl", ".staging", "a" * 200,
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_come_back(name):
    assert unquote(layout.encode_name(name)) == unicodedata.normalize("NFC", name)


@given(NAMES)
@example("..")
@example("u\u0308")
def test_any_name_comes_back_in_composed_form(name):
    assert unquote(layout.encode_name(name)) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_safe(name):
    assert_safe(layout.encode_name(name))


@given(NAMES)
def test_any_name_is_safe(name):
    assert_safe(layout.encode_name(name))


def assert_safe(encoded):
    assert encoded.isascii()
    assert encoded.isprintable()
    assert not set(encoded) & set("/\\: *?\"<>|'")
    assert not encoded.startswith(".")
    assert encoded.lower() not in layout.RESERVED
    assert 0 < len(encoded) <= layout.LONGEST_NAME


@given(NAMES, NAMES)
def test_different_names_have_different_directories(one, other):
    same = unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)
    assert (layout.encode_name(one) == layout.encode_name(other)) == same


@pytest.mark.parametrize("name", ["", "a" * 201, "日" * 23])
def test_names_that_fit_no_directory_are_refused(name, messages):
    with messages.raises(CacheError):
        layout.encode_name(name)


def test_an_array_lies_under_its_speaker():
    assert layout.array_path("Actor 1", "angry") == "Actor%201/angry"
    assert layout.array_path("..", "a/b").count("/") == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("anna", "sad"), ("Anna", "sad")),
        (("03", "Angry"), ("03", "angry")),
        (("\u00fc", "sad"), ("u\u0308", "sad")),
    ],
)
def test_names_that_a_file_system_may_take_for_one_are_refused(one, other, messages):
    with messages.raises(CacheError):
        layout.check_names([one, ("other", "sad"), other])


def test_names_that_differ_are_accepted():
    layout.check_names([("a", "sad"), ("b", "sad"), ("a", "angry"), ("a", "sad"), ("ü", "sad"), ("u", "sad")])


UTTERANCES = st.builds(
    Utterance,
    key=NAMES, path=NAMES, speaker=NAMES, emotion=NAMES, label=NAMES, sex=st.sampled_from(["female", "male", None]),
    sentence=st.none() | NAMES, intensity=st.none() | NAMES, session=st.none() | NAMES, begin=st.none() | st.floats(0, 1e4),
    end=st.none() | st.floats(0, 1e4), more=st.dictionaries(NAMES, NAMES | st.floats(-1e6, 1e6), max_size=2),
)  # fmt: skip
INPUTS = st.lists(st.tuples(UTTERANCES, st.sampled_from(["00", "11"])), min_size=1, max_size=5, unique_by=lambda i: i[0].key)


@given(INPUTS.flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_the_input_id_does_not_depend_on_the_order(both):
    rows, shuffled = both
    assert layout.input_id(rows) == layout.input_id(shuffled)
    assert len(layout.input_id(rows)) == layout.ID_LENGTH


OTHER = "longer than any that is drawn"
CHANGES = {
    "key": OTHER, "speaker": OTHER, "emotion": OTHER, "label": OTHER, "sex": OTHER, "sentence": OTHER, "intensity": OTHER,
    "session": OTHER, "begin": -1.0, "end": -1.0, "more": {"other": 1.5},
}  # fmt: skip


@given(INPUTS)
def test_the_input_id_depends_on_everything_that_the_corpus_says(rows):
    (utterance, sha256), *others = rows
    known = layout.input_id(rows)
    for name, value in CHANGES.items():
        assert layout.input_id([(replace(utterance, **{name: value}), sha256), *others]) != known, name
    assert layout.input_id([(utterance, "22"), *others]) != known
    assert layout.input_id(others) != known


@given(INPUTS)
def test_the_input_id_does_not_depend_on_where_the_files_lie(rows):
    assert layout.input_id([(replace(one, path="elsewhere"), sha256) for one, sha256 in rows]) == layout.input_id(rows)


def test_every_field_of_an_utterance_is_part_of_the_input_but_its_path():
    assert {field.name for field in fields(Utterance)} == {*CHANGES, "path"}


RECORD = Record(
    key="k", speaker="s", emotion="sad", label="T", sex="male", sentence="1", intensity=None, session=None, duration=1.5,
    channels=1, start=0, stop=4, path="a/k.wav", sha256="00", array="s/sad", row=0, image_sha256="11",
)  # fmt: skip
SECOND = replace(RECORD, key="l", row=1, image_sha256="22")


@pytest.mark.parametrize("field", ["key", "speaker", "emotion", "label", "image_sha256", "duration", "start", "stop"])
def test_the_content_depends_on_what_a_model_sees(field):
    other = 3 if field in ("duration", "start", "stop") else "x"
    changed = [replace(RECORD, **{field: other}), SECOND]
    assert layout.content(changed) != layout.content([RECORD, SECOND])
    if field not in ("duration", "start", "stop"):
        assert layout.fingerprint(changed) != layout.fingerprint([RECORD, SECOND])


def test_fingerprint_and_content_are_those_of_the_text():
    """The fingerprint is that of every layout, so that an older reader reads newer caches."""
    rows = [[r.key, r.speaker, r.emotion, r.label, r.duration, r.start, r.stop, r.image_sha256] for r in (RECORD, SECOND)]
    assert layout.content([SECOND, RECORD]) == hashlib.sha256(rfc8785.dumps(rows)).hexdigest()
    rows = [[*row[:4], row[-1]] for row in rows]
    assert layout.fingerprint([SECOND, RECORD]) == hashlib.sha256(rfc8785.dumps(rows)).hexdigest()


@pytest.mark.parametrize("change", [{"path": "b/k.wav"}, {"row": 7}, {"array": "q/sad"}, {"channels": 2}])
def test_neither_depends_on_where_things_lie(change):
    for digest in (layout.fingerprint, layout.content):
        assert digest([replace(RECORD, **change), SECOND]) == digest([RECORD, SECOND])


@pytest.mark.parametrize("minor", [0, 1, 99])
def test_newer_minor_versions_are_read(minor):
    layout.check_version(f"{layout.VERSION[0]}.{minor}", "x")


@pytest.mark.parametrize(
    "stored",
    [f"{layout.VERSION[0] + 1}.0", "0.9", "None", "", "10.0", "1.x", "1.3.1", "1.9999999", None, 1.3, [1]],
)
def test_other_major_versions_are_refused(stored, messages):
    with messages.raises(CacheError):
        layout.check_version(stored, "somewhere")


def test_the_cache_directory_has_the_tag_that_backups_know():
    assert layout.ROOT_TAG == "CACHEDIR.TAG"
    assert layout.ROOT_TAG_CONTENT.startswith(b"Signature: 8a477f597d28d172789f06886806bc55")


def test_speakers_that_differ_by_case_are_refused_whatever_their_emotions(messages):
    with messages.raises(CacheError):
        layout.check_names([("A", "happy"), ("a", "sad")])
