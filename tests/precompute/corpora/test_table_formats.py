"""Tables as other programs write them."""

import json

import numpy as np
import pytest
import soundfile
from counting import calls

from precompute.cache import layout
from precompute.common.errors import CorpusError
from precompute.corpora import _table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("formats")
    rng = np.random.default_rng(0)
    for name in ("a.wav", "b.wav"):
        soundfile.write(place / name, 0.1 * rng.standard_normal(2 * 16000), 16000)
    return place


def said(found):
    assert found.faults == ()
    return [(one.key, one.path, one.speaker, one.emotion, one.begin, one.end) for one in found.scan.utterances]


def test_segmented_table_of_audformat(folder):
    text = (
        "file,start,end,speaker,emotion,gender\n"
        "a.wav,0 days 00:00:00,0 days 00:00:01,anna,anger,female\n"
        "b.wav,0 days 00:00:01,NaT,bert,happiness,male\n"
    )
    (folder / "t.csv").write_text(text)
    assert [one[1:] for one in said(_table.read(folder / "t.csv", "mine"))] == [
        ("a.wav", "anna", "angry", 0.0, 1.0), ("b.wav", "bert", "happy", 1.0, None),
    ]  # fmt: skip


def test_filewise_table_of_audformat_and_of_nkululeko(folder):
    (folder / "t.csv").write_text("file,speaker,gender,emotion\na.wav,anna,female,anger\nb.wav,bert,male,happiness\n")
    assert [one[2:] for one in said(_table.read(folder / "t.csv", "mine"))] == [
        ("anna", "angry", None, None), ("bert", "happy", None, None),
    ]  # fmt: skip


def test_manifest_of_nemo(folder):
    lines = [
        {"audio_filepath": "a.wav", "offset": 0.0, "duration": 1.0, "label": "anger", "speaker": "anna", "text": None},
        {"audio_filepath": str(folder / "b.wav"), "offset": 1, "duration": 1, "label": "happiness", "speaker": "bert"},
    ]
    (folder / "m.json").write_text("\n".join(map(json.dumps, lines)) + "\n")
    found = _table.read(folder / "m.json", "mine")
    assert [one[1:] for one in said(found)] == [
        ("a.wav", "anna", "angry", 0.0, 1.0), ("b.wav", "bert", "happy", 1.0, 2.0),
    ]  # fmt: skip
    assert found.extras == ("text",)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"audio_filepath": "a.wav", "label": "sad", "speaker": ["x"]}', "line 2: speaker holds more than one value"),
        ("[1, 2]", "line 2: it is not a JSON object"),
        ('{"audio_filepath": ', "line 2: it is not valid JSON"),
        ('{"audio_filepath": "a.wav", "label": null, "speaker": "x"}', "line 2: emotion is empty"),
    ],
)
def test_line_of_a_manifest_that_cannot_be_used_is_named(folder, line, fault):
    good = '{"audio_filepath": "b.wav", "label": "sad", "speaker": "x"}'
    (folder / "m.jsonl").write_text(f"{good}\n{line}\n")
    found = _table.read(folder / "m.jsonl", "mine")
    assert found.faults == (fault,)
    assert len(found.scan.utterances) == 1


def kaldi(folder, **files):
    place = folder / "kaldi"
    place.mkdir(exist_ok=True)
    for file in place.iterdir():
        file.unlink()
    usual = {
        "wav.scp": f"r1 {folder / 'a.wav'}\nr2 {folder / 'b.wav'}\n",
        "segments": "u1 r1 0.0 1.0\nu2 r2 1.0 -1\n",
        "utt2spk": "u1 anna\nu2 bert\n",
        "utt2emo": "u1 anger\nu2 happiness\n",
        "spk2gender": "anna f\nbert m\n",
    }
    for name, text in (usual | files).items():
        if text is not None:
            (place / name).write_text(text)
    return place


def test_directory_of_kaldi(folder):
    found = _table.read(kaldi(folder), "mine")
    assert [(key, *rest) for key, _, *rest in said(found)] == [
        ("u1", "anna", "angry", 0.0, 1.0), ("u2", "bert", "happy", 1.0, None),
    ]  # fmt: skip
    assert [one.sex for one in found.scan.utterances] == ["female", "male"]
    whole = kaldi(folder, **{"wav.scp": f"u1 {folder / 'a.wav'}\nu2 {folder / 'b.wav'}\n", "segments": None})
    assert [one[4:] for one in said(_table.read(whole, "mine"))] == [(None, None)] * 2


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({"wav.scp": "r1 sph2pipe -f wav x.sph |\nr2 b.wav\n"}, "segments line 1: recording r1 is a command, which is not run"),
        ({"segments": "u1 r9 0 1\nu2 r2 1 -1\n"}, "segments line 1: recording r9 is not in wav.scp"),
        ({"segments": "u1 r1 0\nu2 r2 1 -1\n"}, "segments line 1: it is not an utterance, a recording, its start and its end"),
        ({"utt2spk": "u2 bert\n"}, "segments line 1: speaker is empty"),
    ],
)
def test_line_of_kaldi_that_cannot_be_used_is_named(folder, files, fault):
    found = _table.read(kaldi(folder, **files), "mine")
    assert any(one.startswith(fault) for one in found.faults), found.faults
    assert len(found.scan.utterances) <= 1


@pytest.mark.parametrize("file", ["utt2emo", "wav.scp", "utt2spk"])
def test_directory_of_kaldi_that_lacks_a_file_is_one_sentence(folder, file, messages):
    with messages.raises(CorpusError):
        _table.read(kaldi(folder, **{file: None}), "mine")


GERMAN = "path;speaker;emotion;start;end;age\na.wav;Jürgen;anger;0,5;1,25;31\n"


@pytest.mark.parametrize(
    ("content", "begin"),
    [
        (GERMAN.encode(), 0.5),
        (b"sep=;\n" + GERMAN.encode(), 0.5),
        (b"\xef\xbb\xbfsep=;\r\n" + GERMAN.replace("\n", "\r\n").encode(), 0.5),
        (GERMAN.encode("utf-16"), 0.5),
        (GERMAN.replace(";", "\t").encode("utf-16"), 0.5),
        (b'"sep=;"\n' + GERMAN.encode(), 0.5),
    ],
)
def test_csv_as_excel_saves_it(folder, content, begin):
    (folder / "t.csv").write_bytes(content)
    (one,) = _table.read(folder / "t.csv", "mine").scan.utterances
    assert (one.speaker, one.begin, one.end, one.more) == ("Jürgen", begin, 1.25, {"age": "31"})


def test_lines_after_a_hint_have_their_own_numbers(folder):
    (folder / "t.csv").write_text("sep=;\npath;speaker;emotion\na.wav;;sad\n")
    assert _table.read(folder / "t.csv", "mine").faults == ("line 3: speaker is empty",)


@pytest.mark.parametrize("code", ["cp1252", "latin-1", "mac-roman"])
def test_csv_in_an_old_code_is_refused_with_what_to_do(folder, code, messages):
    (folder / "t.csv").write_bytes(GERMAN.encode(code))
    with messages.raises(CorpusError):
        _table.read(folder / "t.csv", "mine")


@pytest.mark.parametrize("how", ["file://{}", "file://localhost{}", "{}"])
def test_address_of_a_file_is_a_path(tmp_path, how):
    place = tmp_path / "mit Leerzeichen & ü"
    place.mkdir()
    soundfile.write(place / "a.wav", 0.1 * np.random.default_rng(0).standard_normal(16000), 16000)
    address = how.format((place / "a.wav").as_posix())
    if how != "{}":
        address = address.replace(" ", "%20").replace("ü", "%C3%BC")
    (tmp_path / "t.csv").write_text(f"path,speaker,emotion\n{address},a,sad\n", "utf-8")
    found = _table.read(tmp_path / "t.csv", "mine")
    assert found.faults == ()
    assert found.scan.utterances[0].path == "mit Leerzeichen & ü/a.wav"


@pytest.mark.slow
def test_long_tables_are_read_in_seconds(folder):
    """The work for a row does not grow with their number: of 50,000 rows that is two seconds."""
    rows = (f"a.wav,s{i % 50},sad,{i / 1e6:.6f},{1 + i / 1e6:.6f},{i}" for i in range(5000))
    (folder / "t.csv").write_text("file,spk,label,onset,offset,note\n" + "\n".join(rows) + "\n")
    utterances: list[layout.Utterance] = []
    done = calls(lambda: utterances.extend(_table.read(folder / "t.csv", "mine").scan.utterances))
    assert len(utterances) == 5000
    assert done.total() < 500 * 5000
