"""IEMOCAP and MSP-IMPROV, whose labels stand in files of their own: small trees with what the releases are known for."""

import json

import corpora_trees
import numpy as np
import pytest
from corpora_trees import RATE, lay_evaluation, lay_msp_improv, noise, wav

from precompute.__main__ import main
from precompute.cache import layout
from precompute.cache.reader import Cache
from precompute.corpora import iemocap, msp_improv

DIALOG = "Ses01F_impro01"
TURNS = [(0.5, 1.3, "F000", "neu"), (1.2, 2.0, "M000", "exc"), (2.0, 3.1, "M001", "xxx")]


def rows(turns=TURNS, dialog=DIALOG):
    return [(begin, end, f"{dialog}_{name}", label) for begin, end, name, label in turns]


@pytest.fixture
def small_iemocap(tmp_path):
    """Session 1 of the release, one dialog of three turns, each with a recording of its own."""
    session = tmp_path / "corpora" / "IEMOCAP_full_release" / "Session1"
    lay_evaluation(session, DIALOG, rows())
    folder = session / "sentences" / "wav" / DIALOG
    folder.mkdir(parents=True)
    for begin, end, name, _ in rows():
        (folder / f"{name}.wav").write_bytes(wav(speech()[round(begin * RATE) : round(end * RATE)].tobytes()))
        (folder / f"._{name}.wav").write_bytes(b"\0\5\x16\7")
    return session


def speech():
    """Four seconds of tones in noise, as samples of 16 bits."""
    time = np.arange(4 * RATE) / RATE
    tone = np.sin(2 * np.pi * (200 + 150 * time) * time) * np.sin(2 * np.pi * 1.5 * time) ** 2
    return (8000 * tone + 200 * np.random.default_rng(0).standard_normal(len(time))).astype("<i2")


def lay_dialog(session):
    (session / "dialog" / "wav").mkdir(parents=True)
    (session / "dialog" / "wav" / f"{DIALOG}.wav").write_bytes(wav(speech().tobytes()))


def reasons(scan):
    return {one.path: one.reason for one in scan.skipped}


class TestIemocap:
    def test_what_a_turn_says(self, small_iemocap):
        scan = iemocap.scan(small_iemocap.parent)
        assert scan.skipped == ()
        first, second, third = scan.utterances
        assert (first.key, first.speaker, first.sex, first.session) == (f"{DIALOG}_F000", "Ses01F", "female", "1")
        assert (second.speaker, second.sex, second.emotion, second.label) == ("Ses01M", "male", "excited", "exc")
        assert (third.emotion, third.label) == ("unknown", "xxx")
        assert first.path == f"Session1/sentences/wav/{DIALOG}/{DIALOG}_F000.wav"
        assert first.more == {
            "dialog": DIALOG, "scenario": "improvised", "valence": 2.5, "activation": 3.0, "dominance": 3.5,
        }  # fmt: skip

    @pytest.mark.parametrize("name", ["IEMOCAP_full_release", "iemocap", "IEMOCAP/IEMOCAP_full_release"])
    def test_the_release_is_found_in_either_folder(self, name, tmp_path):
        (tmp_path / name / "Session1").mkdir(parents=True)
        assert iemocap.find(tmp_path) == tmp_path / name

    def test_a_turn_without_any_recording_is_named(self, small_iemocap):
        path = f"Session1/sentences/wav/{DIALOG}/{DIALOG}_M000.wav"
        (small_iemocap.parent / path).unlink()
        scan = iemocap.scan(small_iemocap.parent)
        assert len(scan.utterances) == 2
        assert reasons(scan) == {path: f"{DIALOG}_M000 is labelled exc, and neither it nor its dialog is recorded"}

    def test_a_turn_without_a_recording_of_its_own_is_cut_from_the_dialog(self, small_iemocap):
        lay_dialog(small_iemocap)
        path = f"Session1/sentences/wav/{DIALOG}/{DIALOG}_M000.wav"
        (small_iemocap.parent / path).unlink()
        scan = iemocap.scan(small_iemocap.parent)
        assert scan.skipped == ()
        assert [(one.begin, one.end) for one in scan.utterances] == [(None, None), (1.2, 2.0), (None, None)]
        assert scan.utterances[1].path == f"Session1/dialog/wav/{DIALOG}.wav"

    def test_recordings_without_label_are_named(self, small_iemocap):
        lay_dialog(small_iemocap)
        (small_iemocap / "dialog" / "EmoEvaluation" / f"{DIALOG}.txt").unlink()
        scan = iemocap.scan(small_iemocap.parent)
        assert scan.utterances == ()
        assert len(scan.skipped) == 4
        assert all(one.reason.endswith("is in Session1/dialog/EmoEvaluation") for one in scan.skipped)

    def test_labels_that_mean_nothing_are_named(self, small_iemocap):
        file = small_iemocap / "dialog" / "EmoEvaluation" / f"{DIALOG}.txt"
        text = file.read_text("latin-1").replace("\tneu\t", "\tjoy\t").replace("[1.2000 - 2.0000]", "[1.2000 - ]")
        file.write_text(text + "\n[1.0000 - 2.0000]\tSes09F_x\tneu\t[1.0, 1.0, 1.0]", "latin-1")
        scan = iemocap.scan(small_iemocap.parent)
        assert [one.label for one in scan.utterances] == ["xxx"]
        said = [one.reason for one in scan.skipped]
        assert any(f"the label joy of {DIALOG}_F000 is not one of neu, hap, " in one for one in said)
        assert any(one.startswith("the line '[1.2000 - ]\tSes01F_impro01_M000") for one in said)
        assert any("'Ses09F_x' is not of the form" in one for one in said)

    def test_of_two_labels_of_a_turn_the_first_counts(self, small_iemocap):
        lay_evaluation(small_iemocap, f"{DIALOG}b", [(0.5, 1.3, f"{DIALOG}_F000", "ang")])
        scan = iemocap.scan(small_iemocap.parent)
        assert [one.label for one in scan.utterances] == ["neu", "exc", "xxx"]
        assert [one.reason for one in scan.skipped] == [f"{DIALOG}_F000 has a second label, ang; neu counts"]

    def test_cut_from_the_dialog_a_turn_is_the_same_picture(self, small_iemocap, tmp_path, small_settings, capsys, messages):
        pictures = {}
        for kind in ("own", "cut"):
            if kind == "cut":
                lay_dialog(small_iemocap)
                for file in small_iemocap.glob("sentences/wav/*/*.wav"):
                    file.unlink()
            arguments = ["--corpora", str(tmp_path / "corpora"), "--cache", str(tmp_path / kind), "--jobs", "1"]
            assert main(["--corpus", "iemocap", *arguments, "--set", *small_settings]) == 0
            out = capsys.readouterr()
            messages.check(out.err)
            assert "skipped: " not in out.err
            (manifest,) = (tmp_path / kind).glob(f"iemocap/*/{layout.MANIFEST}")
            records = Cache(manifest.parent).records
            pictures[kind] = {one.key: (one.image_sha256, one.duration) for one in records}
            assert all((one.begin is None) == (kind == "own") for one in records)
            assert json.loads((manifest.parent / layout.INDEX).read_text().splitlines()[0])["more"]["dialog"] == DIALOG
        assert len(pictures["own"]) == 3
        assert pictures["own"] == pictures["cut"]


NAMES = [f"MSP-IMPROV-S01A-{speaker}-{scenario}-FM01" for speaker in ("F01", "M01", "F06") for scenario in "PRST"]


class TestMspImprov:
    @pytest.mark.parametrize("table", ["Evalution.txt", "Evaluation.txt", "Audio/Evalution.txt"])
    @pytest.mark.parametrize("audio", ["Audio", "."])
    def test_either_spelling_in_either_place(self, table, audio, tmp_path):
        (tmp_path / "MSP-IMPROV" / "Audio").mkdir(parents=True)
        lay_msp_improv(tmp_path / "MSP-IMPROV", NAMES, table, audio)
        scan = msp_improv.scan(msp_improv.find(tmp_path))
        assert [one.key for one in scan.utterances] == sorted(NAMES)
        assert scan.skipped == ()

    def test_what_a_turn_says(self, tmp_path):
        lay_msp_improv(tmp_path, NAMES)
        one = next(one for one in msp_improv.scan(tmp_path).utterances if one.key == "MSP-IMPROV-S01A-F06-T-FM01")
        assert (one.speaker, one.sex, one.session, one.sentence) == ("F06", "female", "6", "01")
        assert one.path == "Audio/session6/S01A/T/MSP-IMPROV-S01A-F06-T-FM01.wav"
        # Dominance was not rated.
        assert one.more == {
            "target": "angry", "scenario": "target improvised", "pair": "FM", "turn": "01",
            "activation": 2.6, "valence": 3.0, "naturalness": 4.1,
        }  # fmt: skip
        assert msp_improv.LABELS[one.label] == one.emotion

    def test_labels_and_recordings_that_do_not_meet_are_named(self, tmp_path):
        lay_msp_improv(tmp_path, NAMES)
        lost, unknown = "MSP-IMPROV-S01A-F01-P-FM01", "MSP-IMPROV-S01A-F01-P-FM99"
        folder = tmp_path / "Audio" / "session1" / "S01A" / "P"
        (folder / f"{lost}.wav").rename(folder / f"{unknown}.wav")
        (folder / "notes.wav").touch()
        (folder / f"._{NAMES[1]}.wav").touch()
        scan = msp_improv.scan(tmp_path)
        assert len(scan.utterances) == len(NAMES) - 1
        said = reasons(scan)
        assert said[f"Audio/session1/S01A/P/{unknown}.wav"] == f"no label of {unknown} is in Evalution.txt"
        assert said[f"{lost}.wav"].startswith(f"{lost} is labelled ")
        assert "does not parse" in said["Audio/session1/S01A/P/notes.wav"]
        assert len(said) == 3

    def test_lines_that_are_no_labels_are_named(self, tmp_path):
        lay_msp_improv(tmp_path, NAMES[:2])
        file = tmp_path / "Evalution.txt"
        first, second = (f"UTD-{name[4:]}.avi" for name in NAMES[:2])
        file.write_text(
            f"{first}; N; A:2.6; V:3; D:3 ; N:4;\n{first}; H; A:1;\n{second}; Q; A:2;\nUTD-IMPROV\n\xe9\n", "latin-1"
        )
        scan = msp_improv.scan(tmp_path)
        assert [(one.label, one.more["valence"]) for one in scan.utterances] == [("N", 3.0)]
        said = [one.reason for one in scan.skipped]
        assert f"{NAMES[0]} has a second label, H; N counts" in said
        assert f"the line '{second}; Q; A:2;' is not a label of a turn" in said
        assert "the line 'UTD-IMPROV' is not a label of a turn" in said

    def test_without_the_file_of_labels_it_is_said(self, tmp_path, capsys, messages):
        lay_msp_improv(tmp_path / "msp_improv", NAMES)
        (tmp_path / "msp_improv" / "Evalution.txt").unlink()
        assert main(["--corpus", "msp_improv", "--corpora", str(tmp_path), "--cache", str(tmp_path / "cache")]) == 1
        messages.check(capsys.readouterr().err)


def test_made_up_recordings_are_recordings(encode):
    samples = np.frombuffer(noise(3), "<i2")
    assert wav(samples.tobytes()) == encode(samples)
    assert len({noise(n) for n in range(100)}) == 100
    assert len(corpora_trees.msp_improv_names()) == len(set(corpora_trees.msp_improv_names())) == 8438
