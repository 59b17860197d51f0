"""Among many good recordings, each broken one is named or decoded, and none of the others is lost."""

import json
import subprocess
import sys

import pytest
from broken_recordings import broken, decodable, good, no_files

from precompute.__main__ import main
from precompute.audio import condition, recording
from precompute.cache import roots
from precompute.cache.reader import Cache
from precompute.check import survey
from precompute.common.errors import UnusableAudioError
from precompute.pipeline import build

SMALL = ["--set", "scales=16", "height=16", "columns=64", "width=64", "duration=2.0"]
GOOD = 200


MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
"""Runs a command and prints the memory of its largest process in KiB; a large parent's own would count for its children."""


def run(folder, *arguments, jobs=1):
    command = [sys.executable, "-m", "precompute", "--cache", str(folder / "cache"), *arguments, *SMALL, "--jobs", str(jobs)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command], capture_output=True, text=True, encoding="utf-8", check=False, cwd=folder
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert int(done.stdout.rpartition("peak ")[2]) < 400 * 1024 or sys.platform != "linux"
    return done


@pytest.mark.slow
def test_broken_recordings_of_a_table_are_named_and_the_others_are_in(tmp_path):
    names = {}
    for kind, contents in (("good", dict(enumerate(good(GOOD)))), ("broken", broken()), ("decodable", decodable())):
        for at, content in enumerate(contents.values()):
            name = f"{kind}{at:03}.wav"
            (tmp_path / name).write_bytes(content)
            names[name] = kind
    names |= dict.fromkeys(no_files(tmp_path), "broken")
    rows = [f"{name},s{at % 7},{('sad', 'happy')[at % 2]}" for at, name in enumerate(names)]
    (tmp_path / "t.csv").write_text("path,speaker,emotion\n" + "\n".join(rows) + "\n")
    done = run(tmp_path, "--corpus", "table", "--table", "t.csv", "--name", "mine", "--skip-bad")
    assert done.returncode == 3, done.stderr
    (path,) = roots.sealed(tmp_path / "cache", "mine")
    inside = {record.path for record in Cache(path).records}
    assert sum(kind == "broken" for kind in names.values()) >= 40
    assert inside == {name for name, kind in names.items() if kind != "broken"}
    for name, kind in names.items():
        # Of a table the line is named, and the file too.
        assert (name in done.stderr) == (kind == "broken"), name


@pytest.mark.slow
def test_broken_recordings_of_a_folder_are_named_and_the_others_are_in(tmp_path):
    folder = tmp_path / "corpora" / "ravdess" / "Actor_01"
    folder.mkdir(parents=True)
    contents = {**dict(enumerate(good(40))), **{f"broken {name}": content for name, content in broken().items()}}
    emotions = {}
    for at, (name, content) in enumerate(contents.items()):
        stem = f"03-01-0{at % 8 + 1}-01-0{at // 8 % 2 + 1}-0{at // 16 % 2 + 1}-{at // 32 + 1:02}"
        place = folder.with_name(f"Actor_{at // 32 + 1:02}")
        place.mkdir(exist_ok=True)
        (place / f"{stem}.wav").write_bytes(content)
        emotions[f"{place.name}/{stem}.wav"] = str(name).startswith("broken")
    done = run(tmp_path, "--corpus", "ravdess", "--corpora", "corpora", jobs=2)
    assert done.returncode == 3, done.stderr
    (path,) = roots.sealed(tmp_path / "cache", "ravdess")
    cache = Cache(path)
    assert {record.path for record in cache.records} == {name for name, bad in emotions.items() if not bad}
    assert {one.path for one in cache.skipped} == {name for name, bad in emotions.items() if bad}
    checked = run(tmp_path, "--check", "ravdess", "--corpora", "corpora")
    assert checked.returncode == 3, checked.stderr
    assert f"{sum(emotions.values())} unusable" in checked.stdout


ERRORS = [ZeroDivisionError("division"), RecursionError("deep"), OverflowError("large"), UnicodeError("bytes"), KeyError("x"),
    AssertionError(), IndexError("far"), MemoryError()]  # fmt: skip


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_whatever_one_recording_raises_is_its_own_fault(error, tmp_path, monkeypatch, capsys):
    for at, content in enumerate(good(3)):
        (tmp_path / f"{at}.wav").write_bytes(content)
    (tmp_path / "t.csv").write_text("path,speaker,emotion\n" + "".join(f"{at}.wav,s{at},sad\n" for at in range(3)))
    whole, count = condition.resample, iter(range(100))

    def fail(*arguments):
        if next(count) == 1:
            raise error
        return whole(*arguments)

    monkeypatch.setattr(condition, "resample", fail)
    table = ["--corpus", "table", "--table", str(tmp_path / "t.csv"), "--name", "mine", "--cache", str(tmp_path / "cache")]
    assert main([*table, *SMALL, "--jobs", "1"]) == 3
    said = capsys.readouterr().err
    assert said.count("skipped: mine: ") == 1
    assert type(error).__name__ in said or "not enough memory" in said
    assert "Traceback" not in said
    (path,) = roots.sealed(tmp_path / "cache", "mine")
    assert len(Cache(path).records) == 2


def test_what_may_be_a_mistake_of_ours_is_shown_where_it_is_asked_for(monkeypatch, capsys, messages):
    for asked in (False, True):
        if asked:
            monkeypatch.setenv("WSER_TRACEBACK", "1")
        with messages.raises(UnusableAudioError), recording.one_alone():
            raise ValueError("a\nb")
        assert ("Traceback" in capsys.readouterr().err) == asked


def test_boundaries_are_the_same_everywhere():
    # In the plan, the check and the dry run one recording that fails is one that is skipped.
    assert build.recording.one_alone is survey.recording.one_alone


def test_breaks_are_always_the_same():
    assert json.dumps([value.hex() for value in broken().values()]) == json.dumps([value.hex() for value in broken().values()])
    assert len({*broken().values()}) >= 40
