"""What every corpus must keep to, and what RAVDESS and EmoDB say of their files."""

import re
import shutil

import pytest

from precompute import corpora
from precompute.cache import layout
from precompute.common.errors import CorpusError
from precompute.corpora import (
    Corpus,
    Utterance,
    compare_with_published,
    crema_d,
    emodb,
    iemocap,
    msp_improv,
    ravdess,
    ravdess_song,
    savee,
    tess,
)
from precompute.pipeline.plan import plan
from precompute.recipe import Recipe
from precompute.testing.corpora import CorpusContract

NAMES = corpora.names()


class TestContract(CorpusContract):
    """What other people's corpora must pass too, and what those of this package keep to besides."""

    @pytest.fixture(autouse=True, params=NAMES)
    def _named(self, request):
        """Each corpus in turn, found by listing the folder."""
        self.name = request.param

    def test_there_are_corpora(self):
        assert {"crema_d", "demo", "emodb", "iemocap", "msp_improv", "ravdess", "ravdess_song", "savee", "tess"} <= set(NAMES)

    def test_what_is_published_is_said_in_full(self):
        corpus = self.module.CORPUS
        assert corpus.files == sum(corpus.emotions.values()) > 0
        assert re.fullmatch(r"10\.\d{4,}/\S+", corpus.doi)
        assert corpus.women is not None

    def test_it_shares_speakers_with_a_corpus_that_is_there_as_older_manifests_are_read(self):
        others = self.module.CORPUS.same_speakers_as
        assert others in {"", *NAMES} - {self.module.CORPUS.name}
        assert layout.SAME_SPEAKERS.get(self.module.CORPUS.name, "") == others

    def test_its_docstring_gives_origin_and_layout(self):
        text = " ".join(self.module.__doc__.split())
        assert "Origin:" in text
        assert "Layout:" in text
        if not self.module.CORPUS.synthetic:
            assert f"doi {self.module.CORPUS.doi}" in text
            assert self.module.CORPUS.licence.lower() in text.lower()

    def test_a_folder_of_its_name_is_not_it(self, tmp_path):
        assert self.module.find(tmp_path) is None
        assert self.module.find(tmp_path / "missing") is None
        (tmp_path / self.module.CORPUS.name).mkdir()
        assert self.module.find(tmp_path) is None
        (tmp_path / "file").write_text("")
        assert self.module.find(tmp_path / "file") is None

    @pytest.mark.parametrize(
        "name",
        [
            "", "garbage", "readme", "03-01-09-01-01-01-01", "03-01-05-02-01-02-25", "99a01Fa", "F9-1-sad", "03a01Fa\n",
            "Ses06F_impro01_F000", "Ses01F_impro01", "Ses01F_impro01_X000", "MSP-IMPROV-S01A-F07-P-FM01",
            "UTD-IMPROV-S01A-F01-P-FM01", "03-02-07-01-01-01-01", "1092_DFA_ANG_XX", "1001_DFA_ANG_YY", "DC_x01", "XX_a01",
            "a01", "OAF_back_bored", "UAF_back_sad",
        ],
    )  # fmt: skip
    def test_a_name_of_another_corpus_does_not_parse(self, name):
        with pytest.raises(ValueError, match=r"\S"):
            self.module.parse(name)


def test_an_unknown_corpus_names_the_nearest(messages):
    with messages.raises(CorpusError):
        corpora.load("ravdes")


EXAMPLES = [
    (ravdess, "03-01-05-02-01-02-11", ("11", "angry", "05", "male", "01", "strong")),
    (ravdess, "03-01-01-01-02-01-24", ("24", "neutral", "01", "female", "02", "normal")),
    (ravdess, "03-01-07-01-02-01-02", ("02", "disgusted", "07", "female", "02", "normal")),
    (emodb, "03a01Fa", ("03", "happy", "F", "male", "a01", None)),
    (emodb, "16b10Wb", ("16", "angry", "W", "female", "b10", None)),
    (emodb, "08a02La", ("08", "bored", "L", "female", "a02", None)),
    (ravdess_song, "03-02-06-02-01-02-11", ("11", "fearful", "06", "male", "01", "strong")),
    (crema_d, "1001_DFA_ANG_XX", ("1001", "angry", "ANG", None, "DFA", None)),
    (crema_d, "1091_IEO_DIS_MD", ("1091", "disgusted", "DIS", None, "IEO", "medium")),
    (savee, "DC_sa03", ("DC", "sad", "sa", "male", "sa03", None)),
    (savee, "KL_n30", ("KL", "neutral", "n", "male", "n30", None)),
    (tess, "OAF_back_ps", ("OAF", "surprised", "ps", "female", "back", None)),
]


@pytest.mark.parametrize(("module", "stem", "expected"), EXAMPLES, ids=[stem for _, stem, _ in EXAMPLES])
def test_what_a_name_says(module, stem, expected):
    found = Utterance(key=stem, path="", **module.parse(stem))
    assert (found.speaker, found.emotion, found.label, found.sex, found.sentence, found.intensity) == expected


@pytest.mark.parametrize(
    "stem",
    ["02-01-05-01-01-01-01", "03-02-05-01-01-01-01", "03-01-05-01-03-01-01", "03-01-05-03-01-01-01", "03-01-05-01-01-01-00"],
)
def test_what_is_not_the_speech_part_of_ravdess_does_not_parse(stem, messages):
    # Video, song, and codes beyond the published ones.
    with messages.raises(ValueError):
        ravdess.parse(stem)


def test_what_else_a_name_says():
    assert emodb.parse("03a01Fa")["more"] == {"version": "a", "age": 31}
    assert tess.parse("YAF_back_sad")["more"] == {"age": 26}
    turn = iemocap.parse("Ses01F_script01_1_M003")
    assert (turn["speaker"], turn["sex"], turn["session"]) == ("Ses01M", "male", "1")
    assert turn["more"] == {"dialog": "Ses01F_script01_1", "scenario": "scripted"}
    turn = msp_improv.parse("MSP-IMPROV-S08A-F05-S-FM02")
    assert (turn["speaker"], turn["sex"], turn["session"], turn["sentence"]) == ("F05", "female", "5", "08")
    assert turn["more"] == {"target": "angry", "scenario": "other improvised", "pair": "FM", "turn": "02"}


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


def lay(directory, *files):
    for file in files:
        (directory / file).parent.mkdir(parents=True, exist_ok=True)
        (directory / file).touch()


class TestSong:
    FILES = ("Actor_01/03-01-05-01-01-01-01.wav", "Songs/Actor_01/03-02-05-01-01-01-01.wav")

    def test_speech_and_song_in_one_folder_are_two_corpora(self, tmp_path):
        lay(tmp_path / "ravdess", *self.FILES)
        for module, key in ((ravdess, "03-01-05-01-01-01-01"), (ravdess_song, "03-02-05-01-01-01-01")):
            assert module.find(tmp_path) == tmp_path / "ravdess"
            scan = module.scan(tmp_path / "ravdess")
            assert ([one.key for one in scan.utterances], scan.skipped) == ([key], ())

    def test_neither_is_found_where_only_the_other_is(self, tmp_path):
        lay(tmp_path / "speech" / "ravdess", self.FILES[0])
        lay(tmp_path / "song" / "ravdess", self.FILES[1])
        assert ravdess_song.find(tmp_path / "speech") is None
        assert ravdess.find(tmp_path / "song") is None

    def test_a_folder_of_its_own_comes_first(self, tmp_path):
        lay(tmp_path, f"ravdess/{self.FILES[1]}", f"RAVDESS_song/{self.FILES[1]}")
        assert ravdess_song.find(tmp_path) == tmp_path / "RAVDESS_song"


class TestSavee:
    @pytest.mark.parametrize("file", ["AudioData/DC/a01.wav", "DC/a01.wav", "DC_a01.wav", "ALL/DC_a01.WAV"])
    def test_every_layout_gives_the_same_key(self, file, tmp_path):
        lay(tmp_path / "savee", file, "AudioData/Info.txt")
        (one,) = savee.scan(savee.find(tmp_path)).utterances
        assert (one.key, one.speaker, one.path) == ("DC_a01", "DC", file)

    def test_a_file_in_no_speakers_folder_is_reported(self, tmp_path):
        lay(tmp_path / "savee", "somewhere/a01.wav")
        (one,) = savee.scan(tmp_path / "savee").skipped
        assert one.reason == "the name does not parse: 'somewhere_a01' is not of the form DC_a01"


class TestTess:
    def test_the_file_that_the_release_misspells_counts(self, tmp_path):
        lay(tmp_path / "tess", "OAF_neutral/OA_bite_neutral.wav")
        (one,) = tess.scan(tess.find(tmp_path)).utterances
        assert (one.key, one.speaker, one.sentence) == ("OAF_bite_neutral", "OAF", "bite")
        assert one.path == "OAF_neutral/OA_bite_neutral.wav"

    def test_the_copy_of_a_copy_counts_once(self, tmp_path):
        name = "TESS Toronto emotional speech set data"
        lay(tmp_path, f"{name}/OAF_Fear/OAF_back_fear.wav", f"{name}/{name}/OAF_Fear/OAF_back_fear.wav")
        (one,) = tess.scan(tess.find(tmp_path)).utterances
        assert (one.key, one.path) == ("OAF_back_fear", "OAF_Fear/OAF_back_fear.wav")


class TestCremaD:
    TABLE = '"ActorID","Age","Sex","Race","Ethnicity"\n1001,51,"Male","-","-"\n1002,21,"Female","-","-"\n'

    @pytest.mark.parametrize(("place", "beside"), [("AudioWAV", "."), ("CREMA-D/AudioWAV", "CREMA-D"), (".", ".")])
    def test_sexes_and_ages_are_those_of_the_table_beside_the_recordings(self, place, beside, tmp_path):
        lay(tmp_path / "CREMA-D", *(f"{place}/{actor}_DFA_ANG_XX.wav" for actor in (1001, 1002, 1003)))
        directory = crema_d.find(tmp_path)
        assert {one.sex for one in crema_d.scan(directory).utterances} == {None}
        (directory / beside / "VideoDemographics.csv").write_text(self.TABLE)
        found = [(one.speaker, one.sex, one.more) for one in crema_d.scan(directory).utterances]
        assert found == [("1001", "male", {"age": 51}), ("1002", "female", {"age": 21}), ("1003", None, {})]

    @pytest.mark.parametrize("table", ["", "a,b\n1,2\n", "ActorID,Age,Sex\n1001,old,Male\n", "ActorID,Age,Sex\n1001,5,x\n"])
    def test_another_table_is_named_and_the_sexes_stay_unknown(self, table, tmp_path):
        lay(tmp_path, "AudioWAV/1001_DFA_ANG_XX.wav")
        (tmp_path / "VideoDemographics.csv").write_text(table)
        scan = crema_d.scan(tmp_path)
        assert [one.sex for one in scan.utterances] == [None]
        assert [one.path for one in scan.skipped] == ["VideoDemographics.csv"]

    def test_the_list_of_what_was_never_released_is_twenty(self):
        assert 91 * 82 - len(crema_d.KEYS) == 20
        assert not {"1002_TIE_NEU_XX", "1008_WSI_SAD_XX", "1019_ITH_HAP_XX"} & crema_d.KEYS
