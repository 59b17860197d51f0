"""Every corpus at its published size: nothing is warned of as it is published, and every difference from it is named."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import corpora_trees
import pytest
from corpora_trees import TREES
from counting import calls

from precompute import corpora
from precompute.cache.layout import Utterance
from precompute.corpora import Scan, compare_with_published
from wser.data import labels

pytestmark = pytest.mark.slow


@dataclass
class Laid:
    """A corpus that was laid, and what was found in it then; every test leaves it as it was."""

    module: ModuleType
    directory: Path
    scan: Scan

    @property
    def name(self):
        return self.module.CORPUS.name

    def messages(self):
        """What is said of it as it is now."""
        scan = self.module.scan(self.directory)
        skipped = [f"{one.path}: {one.reason}" for one in scan.skipped]
        return [*compare_with_published(self.module.CORPUS, scan.utterances), *skipped]

    def file(self, key):
        """The path of a recording; where there is none of that key, in the folder of another."""
        paths = {one.key: one.path for one in self.scan.utterances}
        other = self.directory / self.scan.utterances[0].path
        return self.directory / paths[key] if key in paths else other.with_name(f"{key}.wav")


@pytest.fixture(scope="module", params=corpora.names())
def laid(request, tmp_path_factory):
    name = request.param
    if name not in TREES:
        pytest.skip(f"add {name} to corpora_trees.TREES, to hold its warnings against its real size")
    root = tmp_path_factory.mktemp(name)
    (root / name).mkdir()
    TREES[name].lay(root / name)
    module = corpora.load(name)
    assert module.find(root) == root / name
    return Laid(module, root / name, module.scan(root / name))


def named(name, lines):
    return [line for line in lines if name in line]


def test_as_published_nothing_is_said(laid):
    corpus, utterances = laid.module.CORPUS, laid.scan.utterances
    assert laid.scan.skipped == ()
    assert compare_with_published(corpus, utterances) == []
    assert len({one.key for one in utterances}) == len(utterances) == corpus.files
    assert len({(one.speaker, one.sex) for one in utterances}) == corpus.speakers
    women = {one.speaker for one in utterances if one.sex == "female"}
    # CREMA-D names the sexes in a table only, which is not laid here.
    assert len(women) == (0 if corpus.name == "crema_d" else corpus.women)


def test_what_is_published_agrees_with_itself(laid):
    corpus = laid.module.CORPUS
    fields = [laid.module.parse(key) for key in corpus.keys]
    if corpus.keys:
        assert Counter(one["emotion"] for one in fields) == corpus.emotions
        assert Counter(one["speaker"] for one in fields) == corpus.by_speaker


def test_a_recording_removed_is_named(laid):
    utterance = laid.scan.utterances[7]
    file, aside = laid.directory / utterance.path, laid.directory / "aside"
    file.rename(aside)
    lines = laid.messages()
    aside.rename(file)
    assert named(utterance.key, lines)
    assert named("1 missing", lines)
    assert named(f"'{utterance.emotion}': ", lines)


def test_a_recording_added_is_named(laid):
    name = TREES[laid.name].added
    file = laid.file(name)
    added = [file, file.with_name("my own take.wav")]
    for one in added:
        one.open("xb").close()
    lines = laid.messages()
    for one in added:
        one.unlink()
    assert named(name, lines)
    assert named("my own take", lines)


def test_a_recording_renamed_is_named_with_both_names(laid):
    utterance, added = laid.scan.utterances[7], TREES[laid.name].added
    file = laid.directory / utterance.path
    other = file.with_name(f"{added}.wav")
    file.rename(other)
    lines = laid.messages()
    other.rename(file)
    assert named(utterance.key, lines)
    assert named(added, lines)


@pytest.mark.parametrize("laid", [name for name, tree in TREES.items() if tree.moved], indirect=True)
def test_a_label_changed_in_a_name_is_named(laid):
    old, new = TREES[laid.name].moved
    file, other, aside = laid.file(old), laid.file(new), laid.directory / "aside"
    there = other.exists()
    if there:
        other.rename(aside)
    file.rename(other)
    lines = laid.messages()
    other.rename(file)
    if there:
        aside.rename(other)
    before, after = (laid.module.parse(key)["emotion"] for key in (old, new))
    assert named(old, lines)
    assert named(f"'{before}': ", lines)
    # Where the new name was there too, it is as if that one had been overwritten.
    assert there or (named(new, lines) and named(f"'{after}': ", lines))


CHANGES = {
    "iemocap": ("Session1/dialog/EmoEvaluation/Ses01F_impro01.txt", b"\tneu\t", b"\tang\t"),
    "msp_improv": ("Evalution.txt", b".avi; N;", b".avi; A;"),
}


@pytest.mark.parametrize("laid", list(CHANGES), indirect=True)
def test_a_label_changed_in_a_file_shows_in_the_counts_of_both(laid):
    name, old, new = CHANGES[laid.name]
    file = laid.directory / name
    content = file.read_bytes()
    file.write_bytes(content.replace(old, new, 1))
    lines = laid.messages()
    file.write_bytes(content)
    angry, neutral = lines
    assert (angry.split(":")[0], neutral.split(":")[0]) == ("'angry'", "'neutral'")
    assert (angry.endswith("(1 extra)"), neutral.endswith("(1 missing)")) == (True, True)


def test_a_label_is_held_in_a_name_or_in_a_file():
    assert {name for name, tree in TREES.items() if tree.moved is None} == set(CHANGES)


def test_many_differences_are_a_few_lines(laid):
    lines = compare_with_published(laid.module.CORPUS, [])
    assert len(lines) <= 5 + len(laid.module.CORPUS.emotions)
    assert all(len(line) < 300 and "\n" not in line for line in lines)
    if laid.module.CORPUS.keys:
        assert named(f"and {laid.module.CORPUS.files - 5} more", lines)


def test_single_turns_cut_from_a_longer_recording_are_named():
    corpus = corpora.load("iemocap").CORPUS
    own = Utterance(key="a", path="a.wav", speaker="s", emotion="sad", label="sad")
    cut = Utterance(key="b", path="d.wav", speaker="s", emotion="sad", label="sad", begin=0.0, end=1.0)
    assert named("cut from a longer recording, since their own is missing: b", compare_with_published(corpus, [own, cut]))
    assert not named("cut", compare_with_published(corpus, [cut]))


@pytest.mark.parametrize("laid", ["iemocap"], indirect=True)
def test_ten_thousand_turns_of_iemocap_are_scanned_at_once(laid):
    """No file is opened but those of labels, each once; and the work for a turn does not grow with their number."""
    done = calls(lambda: laid.module.scan(laid.directory))
    assert done["open"] == 151
    assert done.total() < 100 * 10039


@pytest.mark.parametrize("laid", ["iemocap"], indirect=True)
def test_ten_thousand_turns_of_iemocap_are_who_and_where_they_are(laid):
    utterances = laid.scan.utterances
    assert len(utterances) == len(corpora_trees.iemocap_turns()) == 10039
    assert len({one.more["dialog"] for one in utterances}) == 151
    assert {one.speaker for one in utterances} == {f"Ses0{n}{letter}" for n in range(1, 6) for letter in "FM"}
    for one in utterances:
        letter = one.key.rpartition("_")[2][0]
        assert (one.speaker, one.session) == (one.key[:5] + letter, one.key[4])
        assert one.sex == {"F": "female", "M": "male"}[letter]
        assert (one.begin, one.end) == (None, None)


@pytest.mark.parametrize("laid", ["iemocap"], indirect=True)
def test_four_classes_of_iemocap_are_5531_turns(laid):
    chosen = labels.default(["iemocap"], [])
    classes = Counter(chosen.index([one.emotion for one in laid.scan.utterances]))
    counts = {name: classes[i] for i, name in enumerate(chosen.classes)}
    assert chosen.name == "iemocap4"
    assert counts == {"neutral": 1708, "happy": 1636, "sad": 1084, "angry": 1103}
    assert sum(counts.values()) == 5531
