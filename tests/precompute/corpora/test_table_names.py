"""Names and facts in tables: what stands for nothing, one name in two spellings, and lines that contradict each other."""

import unicodedata

import numpy as np
import pytest
import soundfile

from precompute.corpora import _table
from precompute.corpora._table.cells import NOTHING, same_name


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("names")
    rng = np.random.default_rng(0)
    for name in ("a.wav", "b.wav", "c.wav"):
        soundfile.write(place / name, 0.1 * rng.standard_normal(16000), 16000)
    return place


def read(folder, text):
    (folder / "my.csv").write_text(text, "utf-8")
    return _table.read(folder / "my.csv", "mine")


@pytest.mark.parametrize("word", sorted(NOTHING - {""}))
def test_word_for_nothing_is_empty_in_every_column(folder, word):
    for spelled in (word, word.upper(), word.capitalize()):
        found = read(
            folder,
            f"path,speaker,emotion,start,sex,session,key,note\na.wav,anna,sad,{spelled},{spelled},{spelled},{spelled},{spelled}\n",
        )
        (one,) = found.scan.utterances
        assert (one.key, one.begin, one.sex, one.session, one.more) == ("a.wav", None, None, None, {})
        needed = read(folder, f"path,speaker,emotion\na.wav,{spelled},sad\nb.wav,anna,{spelled}\n{spelled},anna,sad\n")
        assert needed.faults == tuple(
            f"line {line}: {column} is '{spelled}', which means an empty cell: write another word"
            for line, column in ((2, "speaker"), (3, "emotion"), (4, "path"))
        )


PAIRS = [
    ("03", "3"), ("3", "3.0"), ("3", "3,00"), ("1e3", "1000"), ("1E+03", "1000"), ("007", "7"), ("Anna", "anna"),
    ("anna b", "anna  b"),
    ("anna b", "anna\u00a0b"), ("an\u200bna", "anna"), ("ａnna", "anna"), ("Straße", "STRASSE"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), PAIRS)
@pytest.mark.parametrize("column", ["speaker", "session", "sentence", "key", "intensity"])
def test_two_spellings_of_one_name_are_refused_with_both_lines(folder, column, one, other):
    assert same_name(one) == same_name(other)
    for first, second in ((one, other), (other, one)):
        cells = {"speaker": "x", column: None}
        header = ["path", "emotion", *cells]
        rows = [
            [path, "sad", *(value if cell is None else cell for cell in cells.values())]
            for path, value in (("a.wav", first), ("b.wav", second))
        ]
        found = read(folder, "\n".join(";".join(row) for row in (header, *rows)) + "\n")
        assert found.faults == (
            f"line 3: {column} {second} differs from {first} in line 2 by capitals, accents, spaces or zeros only",
        )


@pytest.mark.parametrize(("one", "other"), [("s1", "s01"), ("3", "30"), ("1.5", "15"), ("a", "b"), ("1", "l"), ("ä", "a")])
def test_two_names_are_two(folder, one, other):
    assert read(folder, f"path;speaker;emotion\na.wav;{one};sad\nb.wav;{other};sad\n").faults == ()


def test_forms_of_an_accent_are_one_name(folder):
    forms = [unicodedata.normalize(form, "Jürgen") for form in ("NFC", "NFD")]
    assert forms[0] != forms[1]
    found = read(folder, f"path,speaker,emotion\na.wav,{forms[0]},sad\nb.wav,{forms[1]},sad\n")
    assert found.faults == ()
    assert {one.speaker for one in found.scan.utterances} == {forms[0]}


@pytest.mark.parametrize(("typed", "there"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFC", "NFC")])
def test_recording_is_found_whatever_the_form_of_its_accents(tmp_path, typed, there):
    name = "größe/übung.wav"
    file = tmp_path / unicodedata.normalize(there, name)
    file.parent.mkdir()
    soundfile.write(file, 0.1 * np.random.default_rng(0).standard_normal(16000), 16000)
    (tmp_path / "t.csv").write_text(f"path,speaker,emotion\n{unicodedata.normalize(typed, name)},a,sad\n", "utf-8")
    found = _table.read(tmp_path / "t.csv", "mine")
    assert found.faults == ()
    (one,) = found.scan.utterances
    assert (one.key, tmp_path / one.path) == (name, file)


@pytest.mark.parametrize(
    ("column", "first", "second"),
    [("sex", "f", "male"), ("sex", "m", "W"), ("same_speakers_as", "emodb", "ravdess"), ("same_speakers_as", "lab1", "lab2")],
)
def test_facts_of_a_speaker_that_contradict_each_other_are_reported_with_both_lines(folder, column, first, second):
    found = read(
        folder, f"path,speaker,emotion,{column}\na.wav,anna,sad,{first}\nb.wav,bert,sad,{second}\nc.wav,anna,happy,{second}\n"
    )
    (fault,) = found.faults
    assert fault.startswith("line 4: ")
    assert f"{column} of speaker anna is " in fault
    assert fault.endswith(" in line 2")


@pytest.mark.parametrize(("first", "second"), [("f", "female"), ("W", "woman"), ("male", "M"), ("f", "")])
def test_facts_that_are_one_fact_are_no_fault(folder, first, second):
    assert read(folder, f"path,speaker,emotion,sex\na.wav,anna,sad,{first}\nb.wav,anna,happy,{second}\n").faults == ()


def test_gap_is_filled_from_the_speakers_other_lines(folder):
    found = read(folder, "path,speaker,emotion,sex\na.wav,anna,sad,\nb.wav,anna,happy,F\nc.wav,bert,sad,\n")
    assert [one.sex for one in found.scan.utterances] == ["female", "female", None]


def test_person_of_another_corpus_is_one_where_it_is_said(folder):
    found = read(folder, "path,speaker,emotion,same_speakers_as\na.wav,01,sad,\nb.wav,01,happy,lab1\n")
    assert [one.more for one in found.scan.utterances] == [{}, {"same_speakers_as": "lab1"}]
