"""Corpora lie as they unpack: found by the names of their recordings, in a directory of their own or below another."""

import shutil
from pathlib import Path

import pytest

from precompute import corpora
from precompute.__main__ import main
from precompute.common import finding
from precompute.common.errors import CorpusError, UsageError

TESS = "TESS Toronto emotional speech set data"
RAVDESS = ("Actor_01/03-01-05-01-01-01-01.wav", "Actor_02/03-01-05-01-01-01-02.wav")
EMODB = ("03a01Fa.wav", "08a01Wa.wav")
FOUR = {
    "crema_d": ("Crema/1001_DFA_ANG_XX.wav", "Crema/1002_IEO_SAD_HI.wav"),
    "ravdess": tuple(f"Ravdess/audio_speech_actors_01-24/{file}" for file in RAVDESS),
    "savee": ("Savee/DC_a01.wav", "Savee/JE_sa15.wav"),
    "tess": ("Tess/OAF_angry/OAF_back_angry.wav", "Tess/YAF_pleasant_surprised/YAF_back_ps.wav"),
}


def lay(directory, *files):
    for file in files:
        (directory / file).parent.mkdir(parents=True, exist_ok=True)
        (directory / file).touch()


def below(folder, *files):
    return tuple(f"{folder}/{file}" for file in files)


def found(root, name):
    """Number of utterances of a corpus below a directory, and of files that were not understood; None where it is not there."""
    module = corpora.load(name)
    directory = module.find(root)
    scan = module.scan(directory) if directory else None
    return scan and (len(scan.utterances), len(scan.skipped))


LAYOUTS = {
    # Kaggle's single sets, as a notebook has them below /kaggle/input and as an archive unpacks.
    "ravdess, doubled": ("ravdess", [*RAVDESS, *below("audio_speech_actors_01-24", *RAVDESS)], 2),
    "ravdess, of a notebook": ("ravdess", below("ravdess-emotional-speech-audio", *RAVDESS), 2),
    "ravdess, nested in folders of any name": ("ravdess", below("a/b/c", *RAVDESS), 2),
    "ravdess, flat in a folder of any name": ("ravdess", [f"x/{Path(file).name}" for file in RAVDESS], 2),
    "tess, doubled": ("tess", [f"archive/{TESS}/{deep}OAF_Fear/OAF_back_fear.wav" for deep in ("", f"{TESS}/")], 1),
    "tess, of a notebook": ("tess", [f"toronto-emotional-speech-set-tess/{TESS}/OAF_Pleasant_surprise/OAF_back_ps.wav"], 1),
    "cremad, of a notebook": ("crema_d", ["kaggle/cremad/AudioWAV/1001_DFA_ANG_XX.wav"], 1),
    "crema_d, deep in a folder of its own": ("crema_d", ["CREMA-D/a/b/AudioWAV/1001_DFA_ANG_XX.wav"], 1),
    "savee, all in one": ("savee", ["surrey-audiovisual-expressed-emotion-savee/ALL/DC_a01.wav"], 1),
    "savee, numbers of one digit": ("savee", ["savee-database/ALL/DC_a1.wav"], 1),
    "savee, in folders of speakers": ("savee", ["data/AudioData/DC/a01.wav", "data/AudioData/JE/a01.wav"], 2),
    # EmoDB, however it unpacked.
    "emodb, flat": ("emodb", below("emodb", *EMODB), 2),
    "emodb, flat in the directory of corpora": ("emodb", EMODB, 2),
    "emodb, one deeper": ("emodb", below("emodb/download/wav", *EMODB), 2),
    "emodb, in a folder of the archive's name": ("emodb", below("download/wav", *EMODB), 2),
    "emodb, of audb": ("emodb", [*below("emodb/1.4.1/d3b62a9b/wav", *EMODB), "emodb/1.4.1/d3b62a9b/db.yaml"], 2),
    "emodb, of a notebook": ("emodb", below("berlin-database-of-emotional-speech-emodb/wav", *EMODB), 2),
    "iemocap, of the release": ("iemocap", ["x/IEMOCAP_full_release/Session1/sentences/wav/Ses01F_impro01/a.wav"], 0),
    "msp_improv, one deeper": ("msp_improv", ["x/MSP-IMPROV/Audio/session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.wav"], 0),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_corpus_is_found_as_it_unpacks(layout, tmp_path):
    name, files, count = LAYOUTS[layout]
    lay(tmp_path, *files)
    assert found(tmp_path, name)[0] == count
    if name not in ("iemocap", "msp_improv"):
        assert found(tmp_path, name)[1] == 0
    others = {*corpora.names()} - {name, "demo"}
    assert {other for other in others if corpora.load(other).find(tmp_path)} == set()


@pytest.mark.parametrize("root", ["Speech Emotion Recognition (en)", ".", "archive/speech-emotion-recognition-en"])
def test_four_corpora_of_one_archive_are_four(root, tmp_path):
    for files in FOUR.values():
        lay(tmp_path / root, *files)
    for place in (tmp_path, tmp_path / root):
        assert {name: found(place, name) for name in FOUR} == dict.fromkeys(FOUR, (2, 0))


def test_a_folder_of_the_corpuss_name_counts_alone(tmp_path):
    lay(tmp_path, *below("archive/Ravdess", *RAVDESS), f"RAVDESS/{RAVDESS[0]}")
    assert corpora.load("ravdess").find(tmp_path) == tmp_path / "RAVDESS"


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("ravdess", ("old/ravdess", "new/ravdess")),
        ("emodb", ("emodb/1.3.0/wav", "emodb/1.4.1/wav")),
        ("emodb", ("emodb", "EMO-DB")),
    ],
)
def test_two_copies_are_named_and_the_first_counts(name, places, tmp_path, capsys):
    for place in places:
        lay(tmp_path, *below(place, *(RAVDESS if name == "ravdess" else EMODB)))
    main(["--list", "--corpora", str(tmp_path)])
    said = capsys.readouterr()
    (warning,) = said.err.splitlines()
    taken, other = sorted(map(str, corpora_of(name, tmp_path)), key=lambda place: place not in said.out)
    assert f"warning: {name} is in 2 places, and the one in {taken} is taken: for another ({other}) give" in warning
    assert f"--corpora {name}=DIR" in warning
    assert f"found      {taken}" in said.out


def corpora_of(name, root):
    return finding.Corpora((root,)).places(corpora.load(name))


def test_parts_of_one_corpus_by_emotion_are_no_copies(tmp_path):
    for emotion in ("05", "06"):
        lay(tmp_path, *(f"sorted/{emotion}/03-01-{emotion}-01-01-01-{actor}.wav" for actor in ("01", "02")))
    assert corpora_of("ravdess", tmp_path) == [tmp_path / "sorted"]


def test_a_folder_of_mostly_other_recordings_is_no_corpus(tmp_path):
    lay(tmp_path, "mine/03a01Fa.wav", "mine/one.wav", "mine/two.wav")
    assert corpora_of("emodb", tmp_path) == []


def test_what_cannot_be_looked_into_holds_nothing(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    lay(tmp_path, ".hidden/wav/03a01Fa.wav")
    assert corpora_of("emodb", tmp_path) == []


class TestOwnDirectory:
    @pytest.mark.parametrize("inner", [".", "Audio_Speech_Actors_01-24", "a/b/c/d"])
    def test_it_is_looked_into_whatever_its_name(self, inner, tmp_path):
        lay(tmp_path / "mine" / inner, *RAVDESS)
        where = finding.parse([f"ravdess={tmp_path / 'mine'},{tmp_path}"], "")
        module = corpora.load("ravdess")
        assert len(module.scan(where.find(module)).utterances) == 2

    def test_it_is_read_where_nothing_can_be_written(self, small_ravdess, tmp_path, capsys):
        mine = tmp_path / "mine"
        shutil.copytree(small_ravdess / "ravdess", mine)
        for folder in (*mine.iterdir(), mine):
            folder.chmod(0o555)
        assert main(["--corpus", "ravdess", "--dry-run", "--corpora", f"ravdess={mine}", "--cache", str(tmp_path / "c")]) == 0
        assert "would compute 24 utterances" in capsys.readouterr().out

    def test_others_are_still_found_in_the_directory_of_corpora(self, tmp_path, monkeypatch):
        lay(tmp_path, *below("a", *RAVDESS), *below("rest/emodb/wav", *EMODB))
        for texts, default in (
            ([f"ravdess={tmp_path}/a", str(tmp_path / "rest")], ""),
            ([f"ravdess={tmp_path}/a,{tmp_path}/rest"], "elsewhere"),
            ([f"ravdess={tmp_path}/a"], f"{tmp_path}/rest"),
            (None, f"ravdess={tmp_path}/a,{tmp_path}/rest"),
            (None, f"{tmp_path}/rest,ravdess={tmp_path}/a"),
        ):
            where = finding.parse(texts, default)
            assert where.find(corpora.load("ravdess")) == tmp_path / "a"
            assert where.find(corpora.load("emodb")) == tmp_path / "rest/emodb"
        monkeypatch.chdir(tmp_path)
        assert finding.parse(None, "").root == Path("corpora")

    def test_what_is_given_takes_the_place_of_what_the_environment_says(self, tmp_path):
        lay(tmp_path, *below("a", *RAVDESS), *below("b", *RAVDESS))
        where = finding.parse([f"ravdess={tmp_path}/b"], f"ravdess={tmp_path}/a")
        assert where.find(corpora.load("ravdess")) == tmp_path / "b"

    @pytest.mark.parametrize("name", ["x,y", "ravdess=x", "a=b,c"])
    def test_a_directory_may_have_a_comma_or_an_equals_sign_in_its_name(self, name, tmp_path):
        lay(tmp_path / name, *below("ravdess", *RAVDESS))
        assert finding.parse([str(tmp_path / name)], "").root == tmp_path / name

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("ravdes={}", "there is no corpus 'ravdes'.*did you mean 'ravdess'"),
            ("ravdess={}/nowhere", r"ravdess=.*/nowhere is not a directory: give the one that contains ravdess"),
            ("ravdess={0},ravdess={0}", "names ravdess twice: give ravdess=DIR once"),
            ("ravdess=,emodb={}", "names no directory"),
        ],
    )
    def test_what_is_wrong_is_said_in_a_sentence(self, text, says, tmp_path):
        with pytest.raises((CorpusError, UsageError), match=says):
            finding.parse([text.format(tmp_path)], "", corpora.names())

    def test_a_directory_without_the_corpus_is_refused(self, tmp_path, capsys):
        assert main(["--corpus", "ravdess", "--corpora", f"ravdess={tmp_path}"]) == 1
        error = capsys.readouterr().err
        assert f"{tmp_path} does not contain ravdess: give the directory in which its recordings are Actor_NN/*.wav" in error

    def test_nothing_is_fetched_into_it(self, tmp_path, capsys, messages):
        assert main(["--fetch", "ravdess", "--accept-licence", "--corpora", f"ravdess={tmp_path}"]) == 1
        messages.check(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("name", "file"), [("crema_d", "1076_MTI_SAD_XX"), ("tess", "YAF_germ_angry"), ("tess", "YAF_neat_fear")]
)
def test_a_recording_that_is_bad_in_every_copy_is_known(name, file, tmp_path, capsys):
    lay(tmp_path, f"{name}/{file}.wav")
    corpus = corpora.load(name).CORPUS
    assert corpus.faults.keys() <= corpus.keys
    assert main(["--corpus", name, "--corpora", str(tmp_path), "--cache", str(tmp_path / "cache"), "--jobs", "1"]) == 1
    (skipped,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("skipped: ")]
    assert skipped.endswith(f"(known of the release: {corpus.faults[file]})")


@pytest.mark.parametrize("place", ["ravdess", "Ravdess", "."])
def test_a_recording_is_found_by_its_path_without_a_scan(place, tmp_path):
    lay(tmp_path / place, *RAVDESS)
    assert finding.Corpora((tmp_path,)).recording("ravdess", RAVDESS[0]) == tmp_path / place / RAVDESS[0]
    assert finding.Corpora((Path("gone"),), {"ravdess": tmp_path / place}).recording("ravdess", RAVDESS[1]).is_file()
    assert finding.Corpora((tmp_path,), {"ravdess": tmp_path / "gone"}).recording("ravdess", RAVDESS[0]) is None


def test_a_few_recordings_in_a_folder_of_another_name_do_not_stand_for_the_corpus(tmp_path, capsys, messages):
    lay(tmp_path, *below("samples", *RAVDESS))
    assert main(["--fetch", "ravdess", "--corpora", str(tmp_path)]) == 1
    said = capsys.readouterr()
    messages.check(said.err)
    assert "python -m precompute fetch ravdess --accept-licence" in said.out
