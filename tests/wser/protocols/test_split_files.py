"""Splits from files: those of a run, those that somebody else published."""

import dataclasses
import json
import unicodedata
from pathlib import Path

import pytest

from precompute import corpora
from wser import protocols
from wser.data.dataset import Example
from wser.data.recordings import Origin
from wser.protocols import Fold, ProtocolError, as_file, as_keys, split_hash
from wser.protocols.file import read

SPEAKERS = ("03", "08", "09", "10")


@pytest.fixture
def examples() -> list[Example]:
    """Four speakers say six utterances each, of three classes."""
    said = [(speaker, i, f"{speaker}{i:062x}") for speaker in SPEAKERS for i in range(6)]
    return [
        Example(f"{speaker}a0{i}", "emodb", speaker, "female", i % 3, 0, 8, sha, Origin(sha, None, None, sha[::-1]), row)
        for row, (speaker, i, sha) in enumerate(said)
    ]


@pytest.fixture
def write(tmp_path):
    def write(content: object) -> Path:
        path = tmp_path / "split.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def load(
    path: Path, examples: list[Example], selection: str = "validation", dropped: frozenset[str] = frozenset(), **keys
) -> list[Fold]:
    return protocols.load(protocols.config("file", file=str(path), **keys)).folds(examples, selection, dropped)


def keys_of(examples: list[Example], *speakers: str) -> list[str]:
    return [example.key for example in examples if example.speaker in speakers]


@pytest.fixture
def content(examples) -> dict:
    """A split of one fold: two speakers to train on, one to validate, one to test."""
    parts = {"train": ("03", "08"), "validation": ("09",), "test": ("10",)}
    return {"speakers": "disjoint", "folds": [{part: keys_of(examples, *who) for part, who in parts.items()}]}


# Out and in again.


@pytest.mark.parametrize("name", ["loso", "speaker_dependent", "speaker_folds"])
@pytest.mark.parametrize("selection", ["validation", "last", "test"])
def test_split_of_a_run_is_read_again(name, selection, examples, write):
    protocol = protocols.load(protocols.config(name))
    folds = protocol.folds(examples, selection)
    path = write(as_file(name, protocol.speaker_independent, folds, examples))
    again = load(path, examples, selection, seed=5)
    assert again == folds
    assert split_hash(again, examples) == split_hash(folds, examples)


def test_directory_of_the_run_will_do(content, examples, write):
    path = write(content)
    assert load(path.parent, examples) == load(path, examples)


def test_list_of_folds_may_stand_alone(content, examples, write):
    assert load(write(content["folds"]), examples) == load(write(content), examples)


def test_named_validation_is_kept(content, examples, write):
    (fold,) = load(write(content), examples)
    assert as_keys([fold], examples) == content["folds"]


@pytest.mark.parametrize("missing", [True, False])
def test_validation_is_cut_from_training_where_none_is_named(missing, content, examples, write):
    (parts,) = content["folds"]
    parts["train"] += parts.pop("validation")
    parts |= {} if missing else {"validation": []}
    (fold,) = load(write(content), examples)
    speakers = [{examples[i].speaker for i in part} for part in (fold.train, fold.validation)]
    assert [len(part) for part in speakers] == [2, 1]
    assert set.union(*speakers) == {"03", "08", "09"}


def test_utterances_that_the_file_does_not_name_are_in_no_part(content, examples, write):
    content["folds"][0]["train"] = keys_of(examples, "03")[:2]
    (fold,) = load(write(content), examples)
    assert len(fold.train) == 2
    assert len([*fold.train, *fold.validation, *fold.test]) == 14


def test_utterances_that_the_label_map_leaves_out_are_passed_over(content, examples, write):
    kept = [e for e in examples if e.label]
    (fold,) = load(write(content), kept, dropped=frozenset(e.key for e in examples if not e.label))
    assert [len(part) for part in (fold.train, fold.validation, fold.test)] == [8, 4, 4]


# The promise of disjoint speakers.


def share_a_speaker(content: dict, examples: list[Example]) -> dict:
    content["folds"][0]["test"].append(content["folds"][0]["train"].pop())
    assert any(e.speaker == "08" and e.key in content["folds"][0]["test"] for e in examples)
    return content


@pytest.mark.parametrize("promise", ["disjoint", None])
def test_speaker_in_two_parts_is_refused_and_named(promise, content, examples, write, messages):
    content = share_a_speaker(content, examples) | {"speakers": promise}
    path = write(content if promise else content["folds"])
    with messages.raises(ProtocolError):
        load(path, examples)


def test_speakers_may_be_shared_where_the_file_or_the_key_says_so(content, examples, write):
    content = share_a_speaker(content, examples)
    assert load(write(content | {"speakers": "shared"}), examples) == load(write(content), examples, speakers="shared")


def test_key_may_be_stricter_than_the_file(content, examples, write, messages):
    path = write(share_a_speaker(content, examples) | {"speakers": "shared"})
    with messages.raises(ProtocolError):
        load(path, examples, speakers="disjoint")


def test_recording_under_two_names_in_training_and_test_is_refused(content, examples, write, messages):
    content["speakers"] = "shared"
    copied = dataclasses.replace(examples[-1], recording=examples[0].recording, origin=examples[0].origin)
    with messages.raises(ProtocolError, copied.recording):
        load(write(content), [*examples[:-1], copied])


# Refusals, each one sentence that says what to do.


@pytest.mark.parametrize(
    "wrong",
    [
        "{",
        '"text"',
        '{"fold": []}',
        "[]",
        "[[]]",
        '{"speakers": "some", "folds": []}',
        '[{"train": "a", "test": ["b"]}]',
        '[{"train": [1], "test": ["b"]}]',
        '[{"train": ["a"], "dev": ["c"], "test": ["b"]}]',
        '[{"train": ["a"]}]',
        '[{"train": [], "test": ["b"]}, {"train": ["a"], "test": ["b"]}, {"test": ["b"]}]',
        '[{"train": ["a", "b"], "test": ["b"]}]',
        '[{"train": ["a"], "validation": ["b"], "test": ["b"]}]',
    ],
)
def test_malformed_file_is_refused_before_there_are_examples(wrong, write, messages):
    with messages.raises(ProtocolError) as refused:
        protocols.load(protocols.config("file", file=str(write(wrong))))
    assert "\n" not in str(refused.value)


def test_unknown_keys_are_counted_and_the_first_few_named(content, examples, write, messages):
    content["folds"][0]["test"] += [f"other{i}" for i in range(5)]
    with messages.raises(ProtocolError):
        load(write(content), examples)


def test_missing_file_is_refused(messages):
    with messages.raises(ProtocolError):
        protocols.load(protocols.config("file"))
    with messages.raises(ProtocolError):
        protocols.load(protocols.config("file", file="nothing.json"))


# EmoBox.


@pytest.fixture
def emobox(tmp_path, examples) -> Path:
    """A folder as EmoBox publishes it: ten folds, so that fold_10 must not come before fold_2."""
    for number in range(1, 11):
        folder = tmp_path / "emodb" / f"fold_{number}"
        folder.mkdir(parents=True)
        test = examples[2 * number]
        for part, members in (("train", [e for e in examples if e != test]), ("test", [test])):
            lines = [
                json.dumps(
                    {"key": f"emodb-{e.key}", "dataset": "emodb", "wav": f"downloads/emodb/wav/{e.key}.wav", "type": "raw",
                     "sample_rate": 16000, "num_frame": 8000.0, "task": "category", "length": 0.5, "emo": "anger", "channel": 1}
                ) + "\n"
                for e in members
            ]  # fmt: skip
            (folder / f"emodb_{part}_fold_{number}.jsonl").write_text("".join(lines))
            (folder / f"emodb_{part}_fold_{number}.json").write_text("{}")
    (tmp_path / "emodb" / "label_map.json").write_text("{}")
    return tmp_path / "emodb"


def test_emobox_folds_are_read_in_their_order(emobox, examples):
    folds = load(emobox, examples, speakers="shared")
    assert [[examples[i].key for i in fold.test] for fold in folds] == [[examples[2 * n].key] for n in range(1, 11)]
    assert all(len(fold.train) + len(fold.validation) == len(examples) - 1 for fold in folds)


def test_emobox_does_not_promise_to_share_speakers(emobox, examples, messages):
    with messages.raises(ProtocolError):
        load(emobox, examples)


def test_emobox_validation_part_is_kept(emobox, examples):
    train, valid = (emobox / "fold_1" / f"emodb_{part}_fold_1.jsonl" for part in ("train", "valid"))
    lines = train.read_text().splitlines(keepends=True)
    train.write_text("".join(lines[5:]))
    valid.write_text("".join(lines[:5]))
    assert len(load(emobox, examples, speakers="shared")[0].validation) == 5


def test_older_emobox_files_say_audio_for_wav(emobox, examples):
    for file in emobox.glob("fold_*/*.jsonl"):
        file.write_text(file.read_text().replace('"wav"', '"audio"'))
        file.rename(file.with_name(file.name.replace("_fold_", "_fold")))
    assert len(load(emobox, examples, speakers="shared")) == 10


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("emodb_test_fold_1.jsonl", "{"),
        ("emodb_test_fold_1.jsonl", '{"key": "a"}'),
        ("emodb_test_fold_1.jsonl", "[1]"),
        ("emodb_test_fold_1.jsonl", ""),
        ("emodb_test_fold1.jsonl", '{"wav": "a.wav"}'),
    ],
)
def test_malformed_emobox_files_are_refused(name, text, emobox, examples, messages):
    (emobox / "fold_1" / name).write_text(text)
    with messages.raises(ProtocolError):
        load(emobox, examples, speakers="shared")


def test_folder_without_folds_is_refused(tmp_path, examples, messages):
    with messages.raises(ProtocolError):
        load(tmp_path, examples)


PUBLISHED = {
    "cremad": (("AudioWAV/1052_WSI_ANG_XX", 16000, "ANG"), ("AudioWAV/1077_IEO_ANG_MD", 16000, "ANG")),
    "emodb": (("wav/03a02Wb", 16000, "anger"), ("wav/03b01Lb", 16000, "boredem")),
    "iemocap": (
        ("Session1/sentences/wav/Ses01F_impro04/Ses01F_impro04_F000", 16000, "neu"),
        ("Session1/sentences/wav/Ses01M_script01_1/Ses01M_script01_1_F004", 16000, "sad"),
    ),
    "ravdess": (
        ("audio/Audio_Speech_Actors_01-24/Actor_11/03-01-07-02-02-02-11", 48000, "Disgust"),
        ("audio/Audio_Speech_Actors_01-24/Actor_21/03-01-04-01-01-01-21", 48000, "Sad"),
    ),
    "savee": (("JE_n23", 44100, "n"), ("JE_sa08", 44100, "sa")),
    "tess": (("OAF_should_fear", 24414, "fear"), ("OAF_food_fear", 96000, "fear")),
}
"""Of each corpus that we share with EmoBox, two recordings as its `data/NAME/fold_1/NAME_test_fold_1.jsonl` lists them."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_recordings_that_emobox_lists_are_those_of_our_corpora(name, tmp_path):
    lines = [
        json.dumps({"key": f"{name}-{audio.rpartition('/')[2].replace('_', '-')}", "dataset": name,
                    "wav": f"downloads/{name}/{audio}.wav", "type": "raw", "sample_rate": rate, "num_frame": 65037.00000000001,
                    "task": "category", "length": 4.0648125, "emo": emotion, "channel": 1})
        for audio, rate, emotion in PUBLISHED[name]
    ]  # fmt: skip
    for part, line in zip(("test", "train"), lines, strict=True):
        lay(tmp_path / name / "fold_1" / f"{name}_{part}_fold_1.jsonl", f"{line}\n")
        lay(tmp_path / name / "fold_1" / f"{name}_{part}_fold_1.json", "{}")
    (fold,) = read(tmp_path / name).folds
    keys = {key for part in fold.values() for key in part}
    module = corpora.load({"cremad": "crema_d"}.get(name, name))
    assert len(keys) == 2
    assert all(module.parse(key) for key in keys)
    assert keys <= (module.CORPUS.keys or keys)


def lay(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def older(line):
    """A line as the older of the two files that `emodb/fold_1` holds for each part has it."""
    record = json.loads(line)
    record |= {"audio": record.pop("wav"), "label": record.pop("emo")}
    return json.dumps({name: value for name, value in record.items() if name not in ("length", "channel")})


@pytest.mark.parametrize("part", [("test",), ("train",), ("test", "train")])
def test_a_part_that_emobox_has_in_an_older_form_too_counts_once(part, emobox, examples):
    before = load(emobox, examples, speakers="shared")
    for folder in emobox.glob("fold_*"):
        for one in part:
            newer = (folder / f"emodb_{one}_{folder.name}.jsonl").read_text().splitlines()
            lay(folder / f"emodb_{one}_{folder.name.replace('_', '')}.jsonl", "\n".join(map(older, newer)))
    assert load(emobox, examples, speakers="shared") == before


def test_the_recording_that_tess_misnames_is_the_one_that_the_corpus_has(tmp_path):
    for part, name in (("test", "OA_bite_neutral"), ("train", "OAF_back_neutral")):
        line = json.dumps({"key": f"tess-{name.replace('_', '-')}", "wav": f"downloads/tess/{name}.wav", "emo": "neutral"})
        lay(tmp_path / "fold_1" / f"tess_{part}_fold_1.jsonl", line)
    (fold,) = read(tmp_path).folds
    assert set().union(*fold.values()) <= corpora.load("tess").CORPUS.keys


@pytest.mark.parametrize(("ours", "theirs"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_keys_are_found_whatever_the_form_of_their_accents(ours, theirs, examples, write):
    def named(form):
        return [unicodedata.normalize(form, f"übung {i}") for i in range(len(examples))]

    accented = [dataclasses.replace(e, key=key) for e, key in zip(examples, named(ours), strict=True)]
    keys = named(theirs)
    content = {"speakers": "shared", "folds": [{"train": keys[2:], "validation": [], "test": keys[:2]}]}
    (fold,) = load(write(content), accented, selection="last")
    assert fold.test == (0, 1)
