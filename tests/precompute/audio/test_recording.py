"""What lies in the place of a recording: read where it is a file of a usual size, and otherwise refused at once."""

import hashlib
import os
import socket
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from precompute.audio import recording
from precompute.common.errors import UnusableAudioError

CONTENT = os.urandom(3 * recording.PIECE + 17)
SMALL = ["--set", "scales=16", "height=16", "columns=64", "width=64", "duration=2.0", "--jobs", "1"]


@pytest.mark.parametrize("content", [b"", b"x", CONTENT[:1000], CONTENT])
def test_a_file_is_read_and_hashed_whole(tmp_path, content):
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(content)
    link.symlink_to(file)
    for path in (file, link):
        assert recording.read(path) == content
        assert recording.digest(path) == hashlib.sha256(content).hexdigest()


def lay_pipe(path):
    os.mkfifo(path)


def lay_link_to_pipe(path):
    os.mkfifo(path.with_suffix(".pipe"))
    path.symlink_to(path.with_suffix(".pipe"))


def lay_huge(path):
    with path.open("wb") as file:
        file.truncate(recording.LARGEST + 1)


IN_THE_WAY = {
    "pipe": lay_pipe,
    "link to a pipe": lay_link_to_pipe,
    "endless device": lambda path: path.symlink_to("/dev/zero"),
    "device that waits": lambda path: path.symlink_to("/dev/ptmx"),
    "directory": lambda path: path.mkdir(),
    "link to a directory": lambda path: path.symlink_to(path.parent),
    "huge file": lay_huge,
}


@pytest.mark.parametrize("kind", IN_THE_WAY)
@pytest.mark.parametrize("use", [recording.read, recording.digest])
def test_what_is_no_recording_is_refused_at_once(tmp_path, kind, use, messages):
    IN_THE_WAY[kind](tmp_path / "a.wav")
    with messages.raises(UnusableAudioError):
        use(tmp_path / "a.wav")


@pytest.mark.parametrize("name", ["a\0b.wav", "\udcff\ud800.wav"])
def test_a_name_that_no_file_can_have_is_an_error_of_the_file(tmp_path, name):
    with pytest.raises(OSError, match="not a valid file name"):
        recording.read(tmp_path / name)


def test_a_socket_cannot_be_opened(tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "a.wav"))
        with pytest.raises(OSError, match="No such device"):
            recording.read(tmp_path / "a.wav")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's /proc")
def test_a_file_that_turns_out_longer_than_its_size_is_read_up_to_the_limit(monkeypatch, messages):
    monkeypatch.setattr(recording, "LARGEST", 1000)
    # The size of what /proc shows is 0, however long it is.
    with messages.raises(UnusableAudioError):
        recording.read(Path("/proc/self/maps"))


def test_lack_of_memory_is_the_recordings_fault(messages):
    with messages.raises(UnusableAudioError), recording.one_alone():
        raise MemoryError


def command(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "precompute", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def corpora(tmp_path, small_ravdess):
    """Two good recordings, and one of each kind that is none."""
    folder = tmp_path / "corpora" / "ravdess" / "Actor_01"
    folder.mkdir(parents=True)
    for file in sorted((small_ravdess / "ravdess" / "Actor_01").iterdir())[:2]:
        (folder / file.name).symlink_to(file)
    for lay, parts in zip(IN_THE_WAY.values(), product("12", "12", "12"), strict=False):
        lay(folder / "03-01-08-0{}-0{}-0{}-01.wav".format(*parts))
    return tmp_path / "corpora"


@pytest.fixture
def reasons(corpora):
    """Why each of those that are none is refused."""
    reasons = []
    for path in sorted((corpora / "ravdess" / "Actor_01").glob("03-01-08-*.wav")):
        with pytest.raises(UnusableAudioError) as caught:
            recording.read(path)
        reasons.append(str(caught.value))
    return reasons


@pytest.mark.slow
def test_precompute_skips_what_is_no_recording(corpora, reasons, tmp_path):
    done = command("--corpus", "ravdess", "--corpora", corpora, "--cache", tmp_path / "cache", *SMALL)
    assert done.returncode == 3
    skipped = [line for line in done.stderr.splitlines() if line.startswith("skipped: ")]
    for line, reason in zip(skipped, reasons, strict=True):
        assert line.endswith(reason)
    assert "utterances  2 of 1 speaker," in done.stdout


@pytest.mark.slow
def test_check_names_what_is_no_recording(corpora, reasons, tmp_path):
    done = command("--check", "ravdess", "--corpora", corpora, "--out", tmp_path / "page.html", *SMALL)
    assert done.returncode == 3
    assert all(reason in done.stdout for reason in reasons)


def test_a_table_names_the_lines_of_what_is_no_recording(corpora, reasons, tmp_path):
    files = sorted((corpora / "ravdess" / "Actor_01").glob("03-01-08-*.wav"))
    rows = [f"{file},anna,sad\n" for file in files]
    (tmp_path / "my.csv").write_text("path,speaker,emotion\n" + "".join(rows))
    done = command("--corpus", "table", "--table", tmp_path / "my.csv", "--name", "mine", "--cache", tmp_path / "cache", *SMALL)
    assert done.returncode == 1
    *faults, last = done.stderr.splitlines()
    assert "7 faults" in last
    for number, (line, reason) in enumerate(zip(faults, reasons, strict=True), 2):
        assert f"line {number}: " in line
        assert reason in line
