"""Columns are understood by the names that are usual in the field, or refused; what is kept as it is, is named."""

import numpy as np
import pytest
import soundfile

from precompute.__main__ import main
from precompute.corpora import _table
from precompute.corpora._table.columns import understand


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One recording of 10 s and one of 2 s."""
    place = tmp_path_factory.mktemp("columns")
    rng = np.random.default_rng(0)
    for name, seconds in (("long.wav", 10), ("short.wav", 2)):
        soundfile.write(place / name, 0.1 * rng.standard_normal(seconds * 16000), 16000)
    return place


def read(folder, text, name="my.csv"):
    (folder / name).write_text(text, "utf-8")
    return _table.read(folder / name, "mine")


def part(folder, columns, cells):
    """Begin and end of the one utterance of a table."""
    found = read(folder, f"path,speaker,emotion,{columns}\nlong.wav,a,sad,{cells}\n")
    assert found.faults == ()
    assert found.extras == ()
    (one,) = found.scan.utterances
    return one.begin, one.end


@pytest.mark.parametrize(
    ("columns", "cells"),
    [
        ("start,end", "1.5,3"),
        ("begin,end", "1.5,3"),
        ("Begin,Stop", "1.5,3"),
        ("onset,offset", "1.5,3"),
        ("start_time,end_time", "1.5,3"),
        ("startTime,endTime", "1.5,3"),
        ("Start Time,End Time", "1.5,3"),
        ("tmin,tmax", "1.5,3"),
        ("start,duration", "1.5,1.5"),
        ("offset,duration", "1.5,1.5"),
        ("onset,dur", "1.5,1.5"),
        ("duration,end", "1.5,3"),
        ("start,end,duration", "1.5,3,1.5"),
        ("start,length", "1.5,1.5"),
        ("start_ms,end_ms", "1500,3000"),
        ("begin [s],end [s]", "1.5,3"),
        ("start (sec),end (sec)", "1.5,3"),
        ("start (ms),duration", "1500,1.5"),
        ("start,end", "0 days 00:00:01.500000,0 days 00:00:03"),
        ("start,end", "00:00:01.5,0:00:03"),
        ("start,end", '"1,5","3,0"'),
        ("end,start", "3,1.5"),
    ],
)
def test_times_of_every_usual_name_are_understood(folder, columns, cells):
    assert part(folder, columns, cells) == (1.5, 3.0)


@pytest.mark.parametrize(
    ("columns", "cells", "expected"),
    [
        ("start,end", "1.5,NaT", (1.5, None)),
        ("start,end", ",", (None, None)),
        ("start,end", "nan,<NA>", (None, None)),
        ("start,end", "NULL,#N/A", (None, None)),
        ("begin,duration", ",", (None, None)),
        ("end", "3", (None, 3.0)),
        ("offset", "3", (3.0, None)),
        ("duration", "10", (None, None)),
        ("duration", "10.01", (None, None)),
    ],
)
def test_time_that_is_not_there_is_that_of_the_recording(folder, columns, cells, expected):
    assert part(folder, columns, cells) == expected


@pytest.mark.parametrize(
    ("columns", "cells", "fault"),
    [
        ("start,end", "inf,3", "line 2: start is 'inf', not a number of seconds"),
        ("start,end", "1,1e999", "line 2: end is '1e999', not a number of seconds"),
        ("onset,offset", "1,-Infinity", "line 2: end is '-Infinity', not"),
        ("start,duration", "1,0", "line 2: duration 0 s is not more than 0"),
        ("start,duration", "1,-2", "line 2: duration -2 s is not more than 0"),
        ("start,duration", "9,2", "line 2: end 11 s is past the end of long.wav, which has 10.00 s"),
        ("start,end,duration", "1,3,1.5", "line 2: start 1 s and duration 1.5 s do not give end 3 s"),
        ("duration", "3", "line 2: duration 3 s is not that of the recording, 10.00 s, and it is unknown where it begins"),
        ("start,end", "00:00:99,3", "line 2: start is '00:00:99', not a number of seconds"),
        ("start,begin", "1,2", "line 1: columns start and begin both mean start: rename or remove all but one"),
        ("end,stop", "1,2", "line 1: columns end and stop both mean end"),
        ("start,offset", "1,2", "line 1: columns start and offset both mean start"),
        ("start_sample,end_sample", "1,2", "line 1: column start_sample counts samples or frames"),
        ("begin frames", "1", "line 1: column begin frames counts samples or frames"),
        ("strat,edn", "1,2", "line 1: column strat is similar to start: rename it to start"),
        ("ofset,duration", "1,2", "line 1: column ofset is similar to offset"),
        ("durration", "2", "line 1: column durration is similar to duration"),
        ("speech_start,speech_end", "1,2", "line 1: column speech_start looks like times"),
        ("vad offset", "0:01:02", "line 1: column vad offset looks like times"),
        ("begin sentence", "1", "line 1: column begin sentence looks like times"),
    ],
)
def test_time_that_is_not_understood_is_refused_by_line_and_column(folder, columns, cells, fault):
    found = read(folder, f"path,speaker,emotion,{columns}\nlong.wav,a,sad,{cells}\n")
    assert found.scan.utterances == ()
    assert any(one.startswith(fault) for one in found.faults), found.faults


@pytest.mark.parametrize(
    "header",
    [
        "file,spk,label", "filename,speaker_id,emo", "audio_filepath,Subject,Class", "Wav,Actor ID,emotion-label",
        "FilePath,participant,category", "audio,talker,target", "File Name,speakerID,Emotion Label",
    ],
)  # fmt: skip
def test_every_usual_name_of_what_is_needed_is_understood(folder, header):
    found = read(folder, f"{header},gender\nlong.wav,anna,anger,f\n")
    (one,) = found.scan.utterances
    assert (found.faults, found.extras) == ((), ())
    assert (one.path, one.speaker, one.emotion, one.label, one.sex) == ("long.wav", "anna", "angry", "anger", "female")


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        ("path,spaeker,emotion", "column spaeker is similar to speaker"),
        ("path,speaker,emotoin", "column emotoin is similar to emotion"),
        ("pathh,speaker,emotion", "column pathh is similar to path"),
        ("path,speaker,emotion,gneder", "column gneder is similar to gender"),
        ("path,speaker,emotion,sesion", "column sesion is similar to session"),
        ("path,speaker,label,class", "columns label and class both mean emotion"),
        ("file,wav,speaker,emotion", "columns file and wav both mean path"),
        ("path,path,speaker,emotion", "column path occurs more than once"),
        ("path,speaker,emotion,age,Age", "column Age occurs more than once"),
        ("path,who,emotion", "column speaker is missing"),
    ],
)
def test_names_that_are_nearly_known_or_mean_one_thing_twice_are_refused(header, fault):
    assert any(one.startswith(f"line 1: {fault}") for one in understand(header.split(",")).faults)


@pytest.mark.parametrize("extra", ["age", "text", "section", "country", "valence", "rater 1", "note", "length", "split"])
def test_column_of_another_thing_is_kept(extra):
    found = understand(["path", "speaker", "emotion", extra])
    assert (found.faults, [*found.extras]) == ((), [extra])


def test_exact_name_comes_first_and_the_other_is_an_extra(folder):
    found = read(folder, "path,filename,speaker,emotion,label\nlong.wav,x.wav,a,sad,3\n")
    assert found.faults == ()
    assert found.extras == ("filename", "label")
    assert found.scan.utterances[0].more == {"filename": "x.wav", "label": "3"}


def test_columns_that_are_kept_are_named_in_one_sentence(folder, capsys, messages):
    read(folder, "path,speaker,emotion,age,Note\nlong.wav,a,sad,31,x\n")
    base = ["--corpus", "table", "--table", str(folder / "my.csv"), "--name", "mine", "--cache", str(folder / "cache")]
    assert main([*base, "--dry-run"]) == 0
    messages.check(capsys.readouterr().err)


def test_names_of_utterances_are_those_of_the_plain_form(folder):
    plain = read(folder, "path,speaker,emotion,start,end\nlong.wav,a,sad,1.5,3\n")
    others = read(folder, "file,spk,label,onset,offset\nlong.wav,a,sad,1.5,3\n")
    assert plain.scan == others.scan
    assert plain.scan.utterances[0].key == "long.wav#t=1.5,3"
    (one,) = read(folder, "path,speaker,emotion,start,duration\nlong.wav,a,sad,0.1,0.2\n").scan.utterances
    assert (one.key, one.end) == ("long.wav#t=0.1,0.3", 0.3)
