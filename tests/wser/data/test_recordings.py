"""One recording under two names is on one side of a split, whatever its file; parts that do not overlap may be on both."""

import itertools
import json
import math
import shutil
import struct
from pathlib import Path

import pytest
import soundfile
from counting import calls
from hypothesis import example, given
from hypothesis import strategies as st

from precompute.__main__ import main as precompute
from wser import protocols, run
from wser.data.dataset import open_dataset
from wser.data.recordings import OVERLAP, Origin, double, recordings, relation

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmade")]

# Which origins are of one recording.

TIMES = st.none() | st.integers(0, 12).map(lambda tenths: tenths / 10)
PARTS = st.tuples(TIMES, TIMES).filter(lambda part: (part[0] or 0) < (math.inf if part[1] is None else part[1]))
ORIGINS = st.lists(
    st.builds(
        lambda sha, part, picture, samples, heard: Origin(sha, *part, picture, samples, heard),
        st.sampled_from("abc"),
        PARTS,
        st.sampled_from("123456789"),
        st.sampled_from("123456789") | st.none(),
        st.sampled_from("abc") | st.none(),
    ),
    max_size=12,
)


def are_doubles(one: Origin, other: Origin, touching: bool = False) -> bool:
    """As the module's docstring has it; with `touching`, also parts of one recording that touch."""
    begins, ends = ([part[at] for part in (one.part, other.part)] for at in (0, 1))
    one_recording = one.sha256 == other.sha256 or (one.recording is not None and one.recording == other.recording)
    equal = one.picture == other.picture or (one.samples is not None and one.samples == other.samples)
    shared = min(ends) - max(begins)
    return equal or (one_recording and (shared >= -OVERLAP if touching else shared > OVERLAP))


def together(origins: list[Origin]) -> set[frozenset[int]]:
    """What belongs together, found by looking at each pair."""
    groups = {frozenset([place]) for place in range(len(origins))}
    for one, other in itertools.combinations(range(len(origins)), 2):
        if are_doubles(origins[one], origins[other], touching=True):
            joined = {group for group in groups if {one, other} & group}
            groups = (groups - joined) | {frozenset().union(*joined)}
    return groups


@given(ORIGINS)
def test_recordings_are_what_pairs_of_doubles_make(origins):
    found = recordings(origins)
    assert {frozenset(i for i, name in enumerate(found) if name == other) for other in found} == together(origins)


@given(ORIGINS.flatmap(lambda origins: st.tuples(st.just(origins), st.permutations(range(len(origins))))))
def test_recordings_do_not_depend_on_the_order(both):
    origins, order = both
    named = recordings(origins)
    assert recordings([origins[i] for i in order]) == [named[i] for i in order]


@given(ORIGINS)
def test_recording_alone_has_its_own_name(origins):
    for group in together(origins):
        if len(group) == 1:
            (place,) = group
            assert recordings(origins)[place] == origins[place].name


@given(ORIGINS, ORIGINS, st.booleans())
@example([Origin("a", None, None, "1")], [Origin("a", 0.0, None, "2")], False)
def test_double_finds_a_pair_of_doubles_where_there_is_one(some, others, touching):
    places = double(some, others, touching)
    assert (places is not None) == any(are_doubles(one, other, touching) for one in some for other in others)
    if places:
        assert are_doubles(some[places[0]], others[places[1]], touching)


@pytest.mark.parametrize("length", [0.1, 1 / 3, 2.0, 3.7])
def test_consecutive_windows_are_one_recording_however_their_ends_are_computed(length):
    added = list(itertools.accumulate([length] * 20, initial=0.0))
    windows = [Origin("a", added[n], (n + 1) * length, f"{n}") for n in range(20)]
    assert len(set(recordings(windows))) == 1
    assert length not in (0.1, 3.7) or any(window.end != following.begin for window, following in itertools.pairwise(windows))


def test_windows_with_a_gap_between_them_are_two_recordings():
    before, after = Origin("a", 0.0, 2.0, "1"), Origin("a", 2.0 + 2 * OVERLAP, 4.0, "2")
    assert recordings([before, after]) == [before.name, after.name]
    assert double([before], [after], touching=True) is None


def test_windows_of_two_files_are_two_recordings():
    first, second = Origin("a", 0.0, 2.0, "1"), Origin("b", 2.0, 4.0, "2")
    assert recordings([first, second]) == [first.name, second.name]


def test_part_shorter_than_what_may_overlap_is_its_own_double():
    part = Origin("a", 1.0, 1.004, "1")
    again = Origin("a", 1.0, 1.004, "2")
    assert recordings([part, again]) == [part.name] * 2
    assert double([part], [again]) == (0, 0)


@pytest.mark.parametrize(
    ("one", "other", "what", "how"),
    [
        (("a", None, None, "1"), ("a", None, None, "1"), "recording with SHA-256 a", "the same file"),
        (("a", 0.0, None, "1"), ("a", None, None, "2"), "recording with SHA-256 a", "the same file"),
        (("a", 1, 2.0, "1"), ("a", 1.0, 2, "1"), "recording with SHA-256 a", "the same part of one file, 1 to 2 s"),
        (
            ("a", None, 2.5, "1"),
            ("a", 1.0, None, "2"),
            "recording with SHA-256 a",
            "overlapping parts of one file, 0 to 2.5 s and 1 s to the end",
        ),
        (("a", None, None, "1"), ("b", None, None, "1"), "picture with SHA-256 1", "the same picture from different files"),
        (
            ("a", 0.0, 1.0, "1"),
            ("a", 1.0, 2.0, "1"),
            "picture with SHA-256 1",
            "the same picture from different parts of one file",
        ),
        (
            ("a", 0.0, 1.0, "1"),
            ("a", 1.0, 2.0, "2"),
            "recording with SHA-256 a",
            "consecutive parts of one file, 0 to 1 s and 1 to 2 s",
        ),
        (
            ("a", None, None, "1", "s", "r"),
            ("b", None, None, "2", "s", "r"),
            "recording with SHA-256 r of its samples",
            "the same samples from different files",
        ),
        (
            ("a", 0.0, 2.0, "1", "s", "r"),
            ("b", 1.0, None, "2", "t", "r"),
            "recording with SHA-256 r of its samples",
            "overlapping parts of one recording, in different files, 0 to 2 s and 1 s to the end",
        ),
        (
            ("a", 3.0, 4.0, "1", "s", "r"),
            ("b", None, None, "2", "s", "s"),
            "utterance with SHA-256 s of its samples",
            "the same samples from different files",
        ),
    ],
)
def test_relation_says_what_is_shared_and_how(one, other, what, how):
    assert relation(Origin(*one), Origin(*other)) == (what, how)


@pytest.mark.parametrize("files", [1, 200, 5000])
def test_many_examples_take_a_moment(files):
    """The work for an example does not grow with their number: of 100,000 that is half a second."""
    origins = [Origin(f"{i % files}", i * 0.5, i * 0.5 + 0.6 * files, f"{i}") for i in range(5000)]
    assert calls(lambda: recordings(origins)).total() < 100 * 5000


# By the command lines.


@pytest.fixture
def folder(small_ravdess, tmp_path) -> Path:
    """Recordings of two utterances of each of four speakers, each again in four other files, and backwards in one."""
    for file in sorted((small_ravdess / "ravdess").rglob("*-01-01-01-*.wav")):
        shutil.copy(file, tmp_path)
        content = file.read_bytes()
        tag = b"LIST" + struct.pack("<I", 12) + b"INFOISFT" + bytes(4)
        sizes = struct.pack("<I", len(content) - 8 + len(tag))
        (tmp_path / f"tagged_{file.name}").write_bytes(content[:4] + sizes + content[8:36] + tag + content[36:])
        samples, rate = soundfile.read(file, dtype="int16")
        soundfile.write(tmp_path / f"{file.stem}.flac", samples, rate)
        soundfile.write(tmp_path / f"{file.stem}.aiff", samples, rate)
        soundfile.write(tmp_path / f"{file.stem}_backwards.flac", samples[::-1], rate)
        soundfile.write(tmp_path / f"wide_{file.name}", samples.astype("int32") << 16, rate, subtype="PCM_24")
    return tmp_path


EMOTIONS = {"03": "happy", "04": "sad", "05": "angry"}
FIRST = "03-01-03-01-01-01-01"
"""An utterance of speaker 01."""


@pytest.fixture
def dry_run(folder, tiny, small_settings, capsys):
    """A function from tables, each a list of lines of `path,speaker,emotion,start,end`, to what a dry run says, and its code.

    A table `mine` of all recordings comes first; its lines may be added to.
    """

    def dry_run(more: list[str], *settings: str, **others: list[str]) -> tuple[int, str]:
        plain = [
            f"{file.name},{file.stem[-2:]},{EMOTIONS[file.stem.split('-')[2]]},," for file in sorted(folder.glob("03-*.wav"))
        ]
        for name, lines in {"mine": [*plain, *more], **others}.items():
            (folder / f"{name}.csv").write_text("\n".join(["path,speaker,emotion,start,end", *lines]) + "\n")
            table = ["--corpus", "table", "--table", str(folder / f"{name}.csv"), "--name", name]
            assert precompute([*table, "--cache", str(folder / "cache"), "--jobs", "1", "--set", *small_settings]) == 0
        capsys.readouterr()
        corpus = f"corpus=[{','.join(['mine', *others])}]"
        where = [f"cache_root={folder / 'cache'}", f"results={folder / 'runs'}", "labels=common4"]
        code = run.main([*tiny, corpus, *where, *settings, "--dry-run"])
        printed = capsys.readouterr()
        assert printed.err.count("\n") == (code != 0), "one sentence"
        return code, printed.err + printed.out

    return dry_run


@pytest.mark.parametrize(
    ("lines", "what", "how"),
    [
        ([f"tagged_{FIRST}.wav,99,happy,,"], "recording", "the same samples from different files"),
        ([f"{FIRST}.flac,99,happy,,"], "recording", "the same samples from different files"),
        ([f"{FIRST}.aiff,99,happy,,"], "recording", "the same samples from different files"),
        ([f"wide_{FIRST}.wav,99,happy,,"], "recording", "the same samples from different files"),
        ([f"{FIRST}.wav,99,happy,0,"], "recording", "the same file"),
        ([f"{FIRST}.flac,99,happy,0,0.6"], "recording", "overlapping parts of one recording, in different files"),
        ([f"wide_{FIRST}.wav,99,happy,0.3,"], "recording", "overlapping parts of one recording, in different files"),
        ([f"{FIRST}.wav,99,happy,0.2,"], "recording", "overlapping parts of one file, 0 s to the end and 0.2 s to the end"),
        ([f"{FIRST}.wav,99,happy,,0.4"], "recording", "overlapping parts of one file, 0 to 0.4 s and 0 s to the end"),
    ],
)
def test_one_recording_of_two_speakers_is_refused_whatever_its_file(lines, what, how, dry_run):
    code, said = dry_run(lines, "protocol=loso")
    assert code == 1
    assert f"{what} with SHA-256 " in said
    assert f"{FIRST}.wav" in said
    assert lines[0].split(",")[0] in said
    assert how.split(",")[0] in said
    assert "remove its doubles from the corpus" in said


def test_parts_that_overlap_are_refused_where_speakers_differ(dry_run):
    parts = [f"{FIRST}_backwards.flac,98,happy,0,0.4", f"{FIRST}_backwards.flac,99,sad,0.3,0.6"]
    code, said = dry_run(parts, "protocol=loso")
    assert code == 1
    assert (
        f"as {FIRST}_backwards.flac#t=0.3,0.6 and {FIRST}_backwards.flac#t=0,0.4 (overlapping parts of one file, "
        "0.3 to 0.6 s and 0 to 0.4 s)" in said
    )


@pytest.mark.parametrize("begin", ["0.3", "0.295"])
def test_parts_that_touch_may_be_turns_of_two_speakers(begin, dry_run):
    parts = [f"{FIRST}_backwards.flac,98,happy,0,0.3", f"{FIRST}_backwards.flac,99,sad,{begin},0.6"]
    code, said = dry_run(parts, "protocol=loso")
    assert code == 0
    assert "recordings                0 to 1 a fold, such as " in said


def test_corpus_again_in_other_files_is_refused_as_a_test_corpus(folder, dry_run):
    flacs = [
        f"{file.name},{file.stem[-2:]},{EMOTIONS[file.stem.split('-')[2]]},," for file in sorted(folder.glob("*[0-9].flac"))
    ]
    assert dry_run([], "protocol=cross_corpus", "protocol.test=flacs", flacs=flacs)[0] == 1
    code, said = dry_run([], "protocol=cross_corpus", "protocol.test=flacs", "selection=last", flacs=flacs)
    assert code == 1
    assert f"as mine/{FIRST}.wav and flacs/{FIRST}.flac (the same samples from different files), and so are 11 more" in said


@pytest.mark.parametrize("protocol", ["loso", "speaker_folds", "speaker_dependent"])
def test_doubles_of_one_speaker_are_no_harm(protocol, folder, dry_run):
    lines = [f"{FIRST}.flac,01,happy,,", f"{FIRST}.wav,01,happy,0,", f"tagged_{FIRST}.wav,01,happy,,0.5"]
    assert dry_run(lines, f"protocol={protocol}")[0] == 0


def test_random_splits_keep_all_doubles_together(folder, dry_run, small_recipe_id):
    names = sorted(file.name for file in folder.glob("03-*.wav"))
    lines = [f"{name[:-4]}.flac,f{name[-6:-4]},{EMOTIONS[name.split('-')[2]]},," for name in names]
    lines += [f"{name},w{name[-6:-4]},{EMOTIONS[name.split('-')[2]]},0,0.4" for name in names]
    code, said = dry_run(lines, "protocol=speaker_dependent", "protocol.folds=6")
    assert code == 0, said
    assert "recordings                none" in said
    examples = open_dataset([folder / "cache"], ["mine"], small_recipe_id, label_map="common4").examples
    for fold in protocols.load(protocols.config("speaker_dependent", folds=6)).folds(examples):
        sides = [{examples[i].key[: len(FIRST)] for i in part} for part in (fold.train, fold.validation, fold.test)]
        assert not any(one & other for one, other in itertools.combinations(sides, 2))
        assert 3 <= len(sides[2]) <= 6, "about a fifth of the twelve recordings, one of each class at least"


def test_split_from_a_file_with_a_double_on_both_sides_is_refused(folder, dry_run):
    split = folder / "split.json"
    split.write_text(json.dumps({"speakers": "shared", "folds": [{"train": [f"{FIRST}.wav", "03-01-04-01-01-01-01.wav"],
        "validation": ["03-01-05-01-01-01-01.wav"], "test": [f"{FIRST}.flac"]}]}))  # fmt: skip
    code, said = dry_run([f"{FIRST}.flac,01,happy,,"], "protocol=file", f"protocol.file={split}")
    assert code == 1
    assert f"the training and the test set of fold 0, as {FIRST}.wav and {FIRST}.flac (the same samples" in said


ENDS = (0, 0.2, 0.4, 0.6)
WINDOWS = [f"{FIRST}_backwards.flac#t={begin},{end}" for begin, end in itertools.pairwise(ENDS)]
"""Keys of three consecutive windows of a recording."""


def lines_of(windows: list[str], emotion: str = "happy") -> list[str]:
    """Lines of a table that name them, of one speaker."""
    return [f"{window.replace('#t=', f',01,{emotion},')}" for window in windows]


def test_consecutive_windows_on_both_sides_of_a_published_split_are_refused(folder, dry_run):
    split = folder / "split.json"
    others = {"validation": ["03-01-05-01-01-01-01.wav"], "test": WINDOWS[2:]}
    for train, code in ((WINDOWS[0], 0), (WINDOWS[1], 1)):
        split.write_text(json.dumps({"speakers": "shared", "folds": [{"train": [train], **others}]}))
        assert dry_run(lines_of(WINDOWS), "protocol=file", f"protocol.file={split}")[0] == code


def test_random_splits_keep_consecutive_windows_together(folder, dry_run, small_recipe_id):
    code, said = dry_run(lines_of(WINDOWS), "protocol=speaker_dependent", "protocol.folds=6")
    assert code == 0, said
    examples = open_dataset([folder / "cache"], ["mine"], small_recipe_id, label_map="common4").examples
    windows = {place for place, example in enumerate(examples) if "backwards" in example.key}
    assert len(windows) == 3
    folds = protocols.load(protocols.config("speaker_dependent", folds=6)).folds(examples)
    sides = [[windows & {*part} for part in (fold.train, fold.validation, fold.test)] for fold in folds]
    assert all(side in (set(), windows) for fold in sides for side in fold)
    assert any(fold[2] for fold in sides)


def test_parts_that_only_a_part_in_neither_joins_may_be_on_both_sides(folder, dry_run):
    parts = [f"{FIRST}.flac,9{n},{emotion},{begin},{end}"
        for n, emotion, begin, end in [(7, "happy", 0, 0.2), (8, "sad", 0.1, 0.4), (9, "happy", 0.3, 0.5)]]  # fmt: skip
    one, middle, other = (f"{FIRST}.flac#t={part}" for part in ("0,0.2", "0.1,0.4", "0.3,0.5"))
    validation = ["03-01-05-01-01-01-01.wav"]
    split = folder / "split.json"
    for test, code in (([other], 0), ([other, middle], 1)):
        split.write_text(json.dumps([{"train": [one], "validation": validation, "test": test}]))
        assert dry_run(parts, "protocol=file", f"protocol.file={split}")[0] == code
