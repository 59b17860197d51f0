"""What every corpus must keep to, and what RAVDESS and EmoDB say of their files."""

import re
import shutil

import pytest

from precompute import corpora
from precompute.corpora import EMOTIONS, Corpus, Utterance, compare_with_published, emodb, ravdess
from precompute.errors import CorpusError
from precompute.plan import plan
from precompute.recipe import Recipe

NAMES = corpora.names()


@pytest.fixture(params=NAMES)
def module(request):
    """Each corpus in turn, found by listing the folder."""
    return corpora.load(request.param)


class TestContract:
    def test_there_are_corpora(self):
        assert {"demo", "emodb", "ravdess"} <= set(NAMES)

    def test_it_has_the_name_of_its_file(self, module):
        assert isinstance(module.CORPUS, Corpus)
        assert module.CORPUS.name == module.__name__.rpartition(".")[2]

    def test_it_says_what_is_published(self, module):
        corpus = module.CORPUS
        assert set(corpus.emotions) <= set(EMOTIONS)
        assert all(count > 0 for count in corpus.emotions.values())
        assert corpus.speakers > 0
        assert corpus.files == sum(corpus.emotions.values()) > 0
        assert all((corpus.title, corpus.licence, corpus.source))
        assert re.fullmatch(r"10\.\d{4,}/\S+", corpus.doi)
        assert corpus.usual_place.startswith(corpus.name)

    def test_its_docstring_gives_origin_and_layout(self, module):
        text = " ".join(module.__doc__.split())
        assert "Origin:" in text
        assert "Layout:" in text
        if not module.CORPUS.synthetic:
            assert f"doi {module.CORPUS.doi}" in text
            assert module.CORPUS.licence.lower() in text.lower()

    def test_it_is_not_found_where_it_is_not(self, module, tmp_path):
        assert module.find(tmp_path) is None
        assert module.find(tmp_path / "missing") is None
        (tmp_path / module.CORPUS.name).mkdir()
        assert module.find(tmp_path) is None
        (tmp_path / "file").write_text("")
        assert module.find(tmp_path / "file") is None

    def test_a_scan_of_nothing_is_empty(self, module, tmp_path):
        scan = module.scan(tmp_path)
        assert scan.utterances == scan.skipped == ()

    @pytest.mark.parametrize(
        "name", ["", "garbage", "readme", "03-01-09-01-01-01-01", "03-01-05-02-01-02-25", "99a01Fa", "F9-1-sad"]
    )
    def test_a_name_that_means_nothing_does_not_parse(self, module, name):
        with pytest.raises(ValueError, match=r"\S"):
            module.parse(name)

    def test_it_needs_a_maker_to_be_synthetic(self, module):
        assert module.CORPUS.synthetic == hasattr(module, "make")


def test_an_unknown_corpus_names_the_nearest():
    with pytest.raises(CorpusError, match=r"no corpus 'ravdes': choose from .*emodb.*; did you mean 'ravdess'"):
        corpora.load("ravdes")


EXAMPLES = [
    (ravdess, "03-01-05-02-01-02-11", ("11", "angry", "05", "male", "01", "strong")),
    (ravdess, "03-01-01-01-02-01-24", ("24", "neutral", "01", "female", "02", "normal")),
    (ravdess, "03-01-07-01-02-01-02", ("02", "disgusted", "07", "female", "02", "normal")),
    (emodb, "03a01Fa", ("03", "happy", "F", "male", "a01", None)),
    (emodb, "16b10Wb", ("16", "angry", "W", "female", "b10", None)),
    (emodb, "08a02La", ("08", "bored", "L", "female", "a02", None)),
]


@pytest.mark.parametrize(("module", "stem", "expected"), EXAMPLES, ids=[stem for _, stem, _ in EXAMPLES])
def test_what_a_name_says(module, stem, expected):
    found = Utterance(key=stem, path="", **module.parse(stem))
    assert (found.speaker, found.emotion, found.label, found.sex, found.sentence, found.intensity) == expected


@pytest.mark.parametrize(
    "stem",
    ["02-01-05-01-01-01-01", "03-02-05-01-01-01-01", "03-01-05-01-03-01-01", "03-01-05-03-01-01-01", "03-01-05-01-01-01-00"],
)
def test_what_is_not_the_speech_part_of_ravdess_does_not_parse(stem):
    # Video, song, and codes beyond the published ones.
    with pytest.raises(ValueError, match=r"RAVDESS|not of the form"):
        ravdess.parse(stem)


def flat(source, target):
    target.mkdir(parents=True)
    for file in source.rglob("*.wav"):
        shutil.copy(file, target)


def actors(source, target):
    shutil.copytree(source, target)


def one_deeper(source, target):
    shutil.copytree(source, target / "Audio_Speech_Actors_01-24")


def two_deeper(source, target):
    shutil.copytree(source, target / "archive" / "Audio_Speech_Actors_01-24")


def kaggle(source, target):
    shutil.copytree(source, target)
    shutil.copytree(source, target / "audio_speech_actors_01-24")


class TestLayoutsOfRavdess:
    @pytest.fixture(params=[flat, actors, one_deeper, two_deeper, kaggle], ids=lambda f: f.__name__)
    def laid(self, request, small_ravdess, tmp_path):
        request.param(small_ravdess / "ravdess", tmp_path / "RAVDESS")
        return tmp_path

    def test_every_layout_is_the_same_corpus(self, laid, small_ravdess, tmp_path):
        directory = ravdess.find(laid)
        assert directory == tmp_path / "RAVDESS"
        scan, usual = ravdess.scan(directory), ravdess.scan(small_ravdess / "ravdess")
        assert [u.key for u in scan.utterances] == [u.key for u in usual.utterances]
        assert len(scan.utterances) == 24
        assert scan.skipped == ()
        ids = {
            plan(ravdess.CORPUS, place, found, Recipe(), [tmp_path / "cache"]).draft.input_id
            for place, found in ((directory, scan), (small_ravdess / "ravdess", usual))
        }
        assert len(ids) == 1
        assert not (tmp_path / "cache").exists()

    def test_of_copies_the_one_with_the_shortest_path_counts(self, small_ravdess, tmp_path):
        kaggle(small_ravdess / "ravdess", tmp_path / "ravdess")
        scan = ravdess.scan(tmp_path / "ravdess")
        assert {utterance.path.partition("_")[0] for utterance in scan.utterances} == {"Actor"}

    def test_companions_that_macos_leaves_are_ignored(self, laid):
        directory = ravdess.find(laid)
        for file in list(directory.rglob("*.wav")):
            (file.parent / f"._{file.name}").write_bytes(b"\0\5\x16\7")
        scan = ravdess.scan(directory)
        assert len(scan.utterances) == 24
        assert scan.skipped == ()

    def test_the_key_does_not_depend_on_the_place_and_the_path_leads_there(self, laid):
        directory = ravdess.find(laid)
        for utterance in ravdess.scan(directory).utterances:
            assert (directory / utterance.path).is_file()
            assert "/" not in utterance.key


def test_names_that_do_not_parse_are_reported_with_the_reason(tmp_path):
    (tmp_path / "wav").mkdir()
    for name in ("03a01Fa.wav", "hello.wav", "03a01Xa.wav", "notes.txt"):
        (tmp_path / "wav" / name).write_bytes(b"x")
    scan = emodb.scan(tmp_path)
    assert [u.key for u in scan.utterances] == ["03a01Fa"]
    assert {s.path for s in scan.skipped} == {"wav/hello.wav", "wav/03a01Xa.wav"}
    assert all(s.reason.startswith("the name does not parse: ") for s in scan.skipped)


@pytest.mark.parametrize("name", ["emodb", "EmoDB", "EMO-DB"])
def test_the_case_of_a_folder_does_not_matter(name, tmp_path):
    (tmp_path / name / "wav").mkdir(parents=True)
    assert emodb.find(tmp_path) == tmp_path / name


class TestComparison:
    CORPUS = Corpus("toy", "Toy", "free", "here", "10.1000/1", 2, {"sad": 2, "angry": 1}, "toy/*.wav")

    def utterances(self, *pairs):
        return [Utterance(key=str(i), path="", speaker=s, emotion=e, label=e) for i, (s, e) in enumerate(pairs)]

    def test_the_published_corpus_differs_in_nothing(self):
        assert compare_with_published(self.CORPUS, self.utterances(("a", "sad"), ("b", "sad"), ("a", "angry"))) == []

    def test_what_is_missing_is_named(self):
        assert compare_with_published(self.CORPUS, self.utterances(("a", "sad"), ("a", "sad"))) == [
            "utterances: 2 found, 3 published (1 missing)",
            "speakers: 1 found, 2 published (1 missing)",
            "'angry': 0 found, 1 published (1 missing)",
        ]

    def test_what_is_extra_is_named(self):
        pairs = [("a", "sad"), ("b", "sad"), ("c", "angry"), ("c", "happy")]
        assert compare_with_published(self.CORPUS, self.utterances(*pairs)) == [
            "utterances: 4 found, 3 published (1 extra)",
            "speakers: 3 found, 2 published (1 extra)",
            "'happy': 1 found, 0 published (1 extra)",
        ]

    def test_equal_totals_do_not_hide_a_difference(self):
        found = compare_with_published(self.CORPUS, self.utterances(("a", "sad"), ("b", "angry"), ("a", "angry")))
        assert found == ["'angry': 2 found, 1 published (1 extra)", "'sad': 1 found, 2 published (1 missing)"]


def test_of_two_copies_the_one_that_broke_off_loses(small_ravdess, tmp_path):
    whole = next(small_ravdess.glob("ravdess/Actor_01/*.wav"))
    for folder, content in (("Actor_01", whole.read_bytes()[:100]), ("audio/Actor_01", whole.read_bytes())):
        (tmp_path / "ravdess" / folder).mkdir(parents=True)
        (tmp_path / "ravdess" / folder / whole.name).write_bytes(content)
    (utterance,) = corpora.load("ravdess").scan(tmp_path / "ravdess").utterances
    assert utterance.path == f"audio/Actor_01/{whole.name}"


def test_a_link_to_nowhere_is_a_recording_that_cannot_be_read(tmp_path):
    (tmp_path / "wav").mkdir()
    (tmp_path / "wav" / "03a01Fa.wav").symlink_to(tmp_path / "nowhere.wav")
    assert [one.key for one in corpora.load("emodb").scan(tmp_path).utterances] == ["03a01Fa"]
