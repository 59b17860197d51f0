"""A corpus of one's own: from a table to results, with every fault of the table said at once."""

import contextlib
import io
import re
import tracemalloc

import numpy as np
import pytest
import soundfile

from precompute.__main__ import main
from precompute.audio import condition
from precompute.cache import roots
from precompute.cache.reader import Cache
from precompute.common.errors import CorpusError
from precompute.corpora import _table as table

SMALL = ["--set", "scales=16", "height=16", "columns=64", "width=64", "duration=2.0", "--jobs", "1"]


@pytest.fixture
def folder(tmp_path):
    """Recordings of four speakers: a.wav to d.wav, 2 s each, in several formats."""
    rng = np.random.default_rng(0)
    for name, kind in (("a.wav", "WAV"), ("b.flac", "FLAC"), ("c.ogg", "OGG"), ("d.mp3", "MP3")):
        (tmp_path / "wav").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "wav" / name, 0.1 * rng.standard_normal(32000), 16000, format=kind)
    soundfile.write(tmp_path / "wav" / "slow.wav", 0.1 * rng.standard_normal(32000), 8)
    # FLAC whose head leaves its length open, as of a stream, and whose head lies.
    flac = bytearray((tmp_path / "wav" / "b.flac").read_bytes())
    fields = int.from_bytes(flac[18:26], "big") >> 36 << 36
    for name, frames in (("open.flac", 0), ("lying.flac", 2**36 - 1)):
        flac[18:26] = (fields | frames).to_bytes(8, "big")
        (tmp_path / "wav" / name).write_bytes(flac)
    return tmp_path


def write(folder, text, name="my.csv"):
    (folder / name).write_text(text, "utf-8")
    return folder / name


GOOD = """Path,Speaker,Emotion,Start,End,Sex,Session,Sentence,age
wav/a.wav,anna,joy,,,F,1,hello,31
wav/b.flac,bert,happy,0.5,1.5,male,1,hello,
wav/b.flac,bert,sad,1.5,,m,1,,
wav\\c.ogg,cleo,Sadness,,1.0,w,2,"well, then",40
"""


def test_a_good_table(folder):
    found = table.read(write(folder, GOOD), "mine")
    assert found.faults == ()
    assert found.words == {}
    assert found.corpus.name == "mine"
    one, two, three, four = found.scan.utterances
    assert (one.key, one.speaker, one.emotion, one.label, one.sex, one.more) == (
        "wav/a.wav", "anna", "happy", "joy", "female", {"age": "31"},
    )  # fmt: skip
    assert (two.key, two.begin, two.end, two.more) == ("wav/b.flac#t=0.5,1.5", 0.5, 1.5, {})
    assert (three.emotion, three.begin, three.end, three.sentence) == ("sad", 1.5, None, None)
    assert (four.path, four.session, four.sentence, four.sex) == ("wav/c.ogg", "2", "well, then", "female")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_tables_of_any_program(folder, separator, ends, mark):
    lines = [separator.join(("path", "speaker", "emotion")), separator.join(("wav/a.wav", "änna", "sad")), "", ""]
    (folder / "t.csv").write_bytes((mark + ends.join(lines)).encode())
    found = table.read(folder / "t.csv", "mine")
    assert [(one.path, one.speaker) for one in found.scan.utterances] == [("wav/a.wav", "änna")]


FAULTS = {
    "wav/a.wav,,sad,,,": "line 3: speaker is empty",
    "wav/a.wav,anna,,,,": "line 4: emotion is empty",
    "wav/none.wav,anna,sad,,,": "line 5: there is no file",
    "wav/a.wav,anna,sad,0,9.5,": "line 6: end 9.5 s is past the end of wav/a.wav, which has 2.00 s",
    "wav/a.wav,anna,sad,one,,": "line 7: start is 'one', not a number of seconds",
    "wav/a.wav,anna,sad,1.5,1.0,": "line 8: start 1.5 s is not between 0 and the end, 1 s",
    "wav/a.wav,anna,sad,,,unknown": "line 9: sex is 'unknown', not female or male",
    "wav/a.wav,anna,happy,,,": "line 10: wav/a.wav is already in line 2",
    "my.csv,anna,sad,,,": "line 11: .*my.csv is not a readable recording",
    "wav/c.ogg,Anna,sad,,,": "line 12: speaker Anna differs from anna in line 2 by capitals, accents, spaces or zeros only",
    "wav/c.ogg,anna,sad": "line 13: 3 cells, the header has 6",
    "wav/c.ogg,anna,sad,-inf,,": "line 14: start is '-inf', not a number of seconds",
    "wav/open.flac,anna,sad,,inf,": "line 15: end is 'inf', not a number of seconds",
    "wav/slow.wav,anna,sad,0,1,": "line 16: .*its sample rate of 8 Hz is not between 1000 and 768000 Hz",
    "wav/slow.wav,bert,sad,,,": "line 17: .*its sample rate of 8 Hz is not between 1000 and 768000 Hz",
    "wav/lying.flac,anna,sad,,,": "line 18: 4.29497e+06 s are longer than the limit of 3600 s for an utterance: cut it",
    "wav/lying.flac,anna,sad,5,3606,": "line 19: 3601 s are longer than the limit of 3600 s",
}
BAD = "path,speaker,emotion,start,end,sex\nwav/a.wav,anna,sad,,,\n" + "\n".join(FAULTS) + "\nwav/b.flac,bert,happy,,,m\n"


def run(folder, *arguments):
    """Exit code and errors of the command line, in the folder."""
    errors = io.StringIO()
    command = ["--corpus", "table", "--cache", folder / "cache", *SMALL, *arguments]
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        code = main([*map(str, command)])
    assert "Traceback" not in errors.getvalue()
    return code, errors.getvalue()


def test_every_fault_is_listed_at_once_and_nothing_is_made(folder):
    code, errors = run(folder, "--table", write(folder, BAD), "--name", "mine")
    assert code == 1
    *listed, last = errors.splitlines()
    assert len(listed) == len(FAULTS)
    for line, expected in zip(listed, FAULTS.values(), strict=True):
        assert expected.split(".*")[0] in line
        assert expected.split(".*")[-1] in line
    assert "has 17 faults, listed above" in last
    assert "--skip-bad" in last
    assert not (folder / "cache").exists()


def test_good_lines_go_through(folder):
    code, errors = run(folder, "--table", write(folder, BAD), "--name", "mine", "--skip-bad")
    assert code == 3
    (path,) = roots.sealed(folder / "cache", "mine")
    cache = Cache(path)
    assert {record.key for record in cache.records} == {"wav/a.wav", "wav/b.flac"}
    assert {one.path for one in cache.skipped} == {f"my.csv:{line}" for line in range(3, 20)}
    listed = [line for line in errors.splitlines() if line.startswith("skipped: ")]
    assert [int(re.search(r"my\.csv:(\d+)", line)[1]) for line in listed] == [*range(3, 20)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("path,speaker,emotion,Emotion\nwav/a.wav,a,sad,happy\n", "line 1: column Emotion occurs more than once"),
        ('path,speaker,emotion\nwav/a.wav,"a\nb",sad\n', "line 3: speaker has a line break"),
        (f"path,speaker,emotion\n{'x' * 300}.wav,a,sad\n", "line 2: .*cannot be read|line 2: .*File name too long|line 2"),
        (f"path,speaker,emotion\nwav/a.wav,{'ü' * 100},sad\n", "line 2: the name '"),
        ("path,speaker,emotion\nwav/a.wav,a,so so\nwav/b.flac,a,so\u00a0 so\n", "line 3: emotion .* differs from"),
    ],
)
def test_further_faults(folder, text, fault):
    (found,) = table.read(write(folder, text), "mine").faults
    assert re.match(fault, found), found


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("a b", "line 3: same_speakers_as is 'a b', and not the name of a corpus"),
        ("../emodb", "line 3: same_speakers_as is '../emodb', and not"),
        ("RAVDESS", "line 3: same_speakers_as is 'RAVDESS', and that corpus is named ravdess"),
        ("Ravdess_Song", "line 3: same_speakers_as is 'Ravdess_Song', and that corpus is named ravdess_song"),
    ],
)
def test_corpus_that_cannot_be_the_one_of_shared_speakers_is_a_fault(name, fault, folder):
    text = f"path,speaker,emotion,same_speakers_as\nwav/b.flac,a,sad,Lab2\nwav/a.wav,a,sad,{name}\n"
    (found,) = table.read(write(folder, text), "mine").faults
    assert found.startswith(fault)


def test_corpus_of_shared_speakers_is_kept_and_makes_another_cache(folder, capsys):
    texts = ("path,speaker,emotion,Same_Speakers_As\nwav/a.wav,01,sad,ravdess\n", "path,speaker,emotion\nwav/a.wav,01,sad\n")
    for text in texts:
        assert run(folder, "--table", write(folder, text), "--name", "mine")[0] == 0
    caches = [Cache(path) for path in roots.sealed(folder / "cache", "mine")]
    assert sorted(str(cache.records[0].more) for cache in caches) == ["{'same_speakers_as': 'ravdess'}", "{}"]
    assert {cache.manifest["same_speakers_as"] for cache in caches} == {""}
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "same_speakers_as" in capsys.readouterr().out


def test_a_line_separator_in_a_cell_is_no_end_of_line(folder):
    found = table.read(write(folder, "path,speaker,emotion,note\nwav/a.wav,a,sad,foo\u2028bar\n"), "mine")
    assert found.faults == ()
    assert found.scan.utterances[0].more == {"note": "foo\u2028bar"}


@pytest.mark.parametrize("text", ['wav/a.wav,s1,"angry\nwav/b.flac,s2,sad\n', "wav/a.wav,s1," + "x" * 200_000])
def test_a_table_that_cannot_be_parsed_is_one_sentence(folder, text, messages):
    with messages.raises(CorpusError):
        table.read(write(folder, "path,speaker,emotion\n" + text), "mine")


def test_columns_that_are_missing_are_named(folder):
    (fault,) = table.read(write(folder, "path,who\nwav/a.wav,anna\n"), "mine").faults
    assert fault.startswith("line 1: columns speaker, emotion are missing among path, who: ")
    _, fault = table.read(write(folder, "path,spaeker,gefuehl\nwav/a.wav,anna,froh\n"), "mine").faults
    assert fault.startswith("line 1: column emotion is missing among path, spaeker, gefuehl: ")


def test_a_table_without_lines_is_said(folder):
    code, errors = run(folder, "--table", write(folder, "path,speaker,emotion\n"), "--name", "mine", "--dry-run")
    assert code == 1
    assert "lists no utterance" in errors


def test_an_empty_table(folder):
    (fault,) = table.read(write(folder, ""), "mine").faults
    assert fault.startswith("line 1: columns path, speaker, emotion are missing: ")


@pytest.mark.parametrize("name", ["ravdess", "all", "table", "../x", "", ".hidden", "a b", "a%2Fb", "ä"])
def test_names_that_cannot_be_used(folder, name, messages):
    with messages.raises(CorpusError):
        table.read(write(folder, GOOD), name)


def test_a_table_that_cannot_be_read_is_one_sentence(folder, messages):
    (folder / "latin.csv").write_bytes("path,speaker,emotion\na.wav,Jürgen,sad\n".encode("latin-1"))
    for name in ("latin.csv", "none.csv"):
        with messages.raises(CorpusError):
            table.read(folder / name, "mine")


def test_the_options_that_a_table_needs(capsys, messages):
    assert main(["--corpus", "table"]) == 2
    messages.check(capsys.readouterr().err)


def test_words_of_one_s_own_are_kept_and_said(folder, messages):
    lines = "path,speaker,emotion,start,end\nwav/a.wav,anna,Stressed,0,0.2\nwav/a.wav,anna,angri,0.2,0.4\n"
    code, errors = run(folder, "--table", write(folder, lines + "wav/a.wav,anna,stressed,0.4,0.6\n"), "--name", "mine")
    assert code == 0
    messages.check(errors, "stressed (first in line 2)", "angri (first in line 3; did you mean 'angry'?)")
    (path,) = roots.sealed(folder / "cache", "mine")
    assert [(record.emotion, record.label) for record in Cache(path).records] == [
        ("angri", "angri"), ("stressed", "Stressed"), ("stressed", "stressed")
    ]  # fmt: skip


def test_how_words_for_emotions_are_taken_is_said(folder):
    _, errors = run(folder, "--table", write(folder, GOOD), "--name", "mine", "--dry-run")
    assert "my.csv: emotions: Sadness taken as sad, joy taken as happy\n" in errors
    common = GOOD.replace("joy", "Happy").replace("Sadness", "sad")
    _, errors = run(folder, "--table", write(folder, common), "--name", "mine", "--dry-run")
    assert "taken as" not in errors


def test_a_part_gives_the_picture_of_a_file_of_its_own(folder):
    samples, rate = soundfile.read(folder / "wav" / "a.wav", dtype="int16")
    soundfile.write(folder / "wav" / "part.wav", samples[8000:24000], rate)
    text = "path,speaker,emotion,start,end\nwav/part.wav,anna,sad,,\nwav/a.wav,bert,sad,0.5,1.5\n"
    assert run(folder, "--table", write(folder, text), "--name", "mine")[0] == 0
    whole, part = Cache(roots.sealed(folder / "cache", "mine")[0]).records
    assert whole.image_sha256 == part.image_sha256
    assert whole.duration == part.duration == 1.0


def test_times_that_change_make_another_cache(folder):
    for end in (1.0, 1.5):
        text = f"path,speaker,emotion,start,end,key\nwav/a.wav,a,sad,0,{end},x\n"
        assert run(folder, "--table", write(folder, text), "--name", "mine")[0] == 0
    assert len(roots.sealed(folder / "cache", "mine")) == 2


UNKNOWN = """path,speaker,emotion,start,end
wav/open.flac,anna,sad,,
wav/open.flac,anna,happy,0.5,
wav/open.flac,anna,angry,0.5,1.5
wav/open.flac,anna,neutral,0.5,9.5
wav/lying.flac,anna,sad,0.5,1.5
"""


def test_recordings_of_unknown_length_are_read_to_their_end(folder):
    code, errors = run(folder, "--table", write(folder, UNKNOWN), "--name", "mine")
    assert code == 3
    (skipped,) = [line for line in errors.splitlines() if line.startswith("skipped: ")]
    assert "wav/open.flac: the segment from 0.5 s to 9.5 s exceeds the recording's 2 s" in skipped
    (path,) = roots.sealed(folder / "cache", "mine")
    assert {record.emotion: record.duration for record in Cache(path).records if record.path == "wav/open.flac"} == {
        "sad": 2.0, "happy": 1.5, "angry": 1.0,
    }  # fmt: skip


def test_one_recording_for_which_memory_is_lacking_is_skipped(folder, monkeypatch, capsys):
    whole = condition.resample

    def lack(samples, *rates):
        if len(samples) == 16000:
            raise MemoryError
        return whole(samples, *rates)

    monkeypatch.setattr(condition, "resample", lack)
    arguments = ["--table", str(write(folder, GOOD)), "--name", "mine", "--cache", str(folder / "cache"), *SMALL]
    assert main(["--corpus", "table", *arguments]) == 3
    skipped = [line for line in capsys.readouterr().err.splitlines() if line.startswith("skipped: ")]
    assert len(skipped) == 2
    assert all("there is not enough memory" in line for line in skipped)
    (path,) = roots.sealed(folder / "cache", "mine")
    assert len(Cache(path).records) == 2


@pytest.mark.slow
def test_many_utterances_of_one_speaker_and_emotion_take_no_more_memory(folder):
    rows = [f"wav/a.wav,anna,sad,{start / 100:g},{start / 100 + 0.2:g}\n" for start in range(100)]
    arguments = ["--name", "mine", *SMALL, "--set", "height=256", "width=512"]

    def peak(name, rows):
        table = write(folder, "path,speaker,emotion,start,end\n" + "".join(rows), f"{name}.csv")
        tracemalloc.start()
        assert main(["--corpus", "table", "--table", str(table), "--cache", str(folder / name), *arguments]) == 0
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak("first", rows[:1])
    # Pictures of 400 kB each.
    assert peak("many", rows) - peak("few", rows[:10]) < 90 * 256 * 512 * 3 / 4
