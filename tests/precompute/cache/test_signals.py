"""Jobs that are ended in the middle, by their main process alone: none of their processes stays, and nothing in staging."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from precompute.cache import layout, roots
from precompute.cache.verify import problems

SPEAKERS, UTTERANCES = 100, 3
SECONDS = 200.0
"""In which all processes of a job must be gone: idle workers without an owner would wait for five minutes."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says in /proc which processes there are")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table of three hundred parts of one recording, which take a second or two."""
    folder = tmp_path_factory.mktemp("table")
    soundfile.write(folder / "x.wav", 0.1 * np.random.default_rng(0).standard_normal(16000 * 20), 16000)
    rows = (
        f"x.wav,s{speaker:03},happy,{(at := speaker * UTTERANCES + part) / 100},{at / 100 + 1}"
        for speaker in range(SPEAKERS)
        for part in range(UTTERANCES)
    )
    (folder / "x.csv").write_text("\n".join(["path,speaker,emotion,start,end", *rows]) + "\n")
    return folder / "x.csv"


def start(table, root, settings, jobs=2):
    return subprocess.Popen(
        [sys.executable, "-m", "precompute", "--corpus", "table", "--table", str(table), "--name", "x", "--cache", str(root),
         "--jobs", str(jobs), "--set", *settings],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def processes(session):
    """Of a session, without those that have ended and wait for their parent to ask."""
    found = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of = place.read_text().rpartition(")")[2].split()[:4]
            if int(of) == session and state != "Z":
                found[int(place.parent.name)] = (place.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode()[-200:]
        except OSError:
            continue
    return found


def wait_for(condition, job, seconds=300):
    until = time.monotonic() + seconds
    while not condition():
        assert job.poll() is None, job.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)


def workers_start(job, _):
    return len(processes(job.pid)) >= 3


def in_the_middle(_, root):
    return len(list(root.glob("x/*/*/happy/c.0.0.0.0"))) >= 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGKILL, workers_start), (signal.SIGKILL, in_the_middle), (signal.SIGTERM, workers_start),
        (signal.SIGTERM, in_the_middle), (signal.SIGHUP, workers_start), (signal.SIGINT, workers_start),
        (signal.SIGINT, in_the_middle),
    ],
    ids=lambda one: one.__name__ if callable(one) else one.name,
)  # fmt: skip
def test_no_process_outlives_its_job_and_the_next_one_finishes(number, moment, table, small_settings, tmp_path):
    root = tmp_path / "root"
    job = start(table, root, small_settings)
    try:
        wait_for(lambda: moment(job, root), job)
        os.kill(job.pid, number)
        ended = time.monotonic()
        out, errors = job.communicate(timeout=300)
        while processes(job.pid) and time.monotonic() < ended + SECONDS:
            time.sleep(0.02)
        assert processes(job.pid) == {}
    finally:
        if job.poll() is None:
            os.killpg(job.pid, signal.SIGKILL)
    assert roots.sealed(root) == []
    if number != signal.SIGKILL:
        assert job.returncode == 130
        # A worker that has only just begun may complain that its owner is gone.
        assert out == "" or moment is workers_start
        assert "interrupted; what was published stays, run the same command" in errors
        assert "Traceback" not in errors
        assert list(root.glob(f"x/{layout.STAGING}/*")) == []
    if moment is in_the_middle and number in (signal.SIGKILL, signal.SIGTERM):
        expect_the_next_to_finish(number, table, root, small_settings)


def expect_the_next_to_finish(number, table, root, settings):
    job = start(table, root, settings, jobs=1)
    out, errors = job.communicate(timeout=300)
    assert job.returncode == 0, errors
    assert "there before" in out
    (path,) = roots.sealed(root)
    assert problems(path) == []
    left = list(root.glob(f"x/{layout.STAGING}/*"))
    assert len(left) == (number == signal.SIGKILL)
    # They go once they are a day old.
    assert all(layout.legal_job(place.name) for place in left)
