import io
import json
import os
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest

from wser import results
from wser.execution import watch
from wser.execution.progress import Job, State, look, outlook, running, seconds_left
from wser.execution.watch import Watch

NOON = datetime(2026, 3, 2, 12, 0)


def job(name: str = "fold 0 of emodb", epochs: int = 10, kind: str = "runs/x", home: Path = Path()) -> Job:
    return Job(name, home / kind / f".{name}", home / kind / name, epochs)


def state(done: int, pace: float | None = None, **of_job) -> State:
    """Of a run that is running; one of 0 epochs and no pace has only begun."""
    return State(job(**of_job), started=True, done=done, pace=pace)


def finished(pace: float) -> State:
    return State(job(), True, True, 10, pace)


WAITING = State(job())


@pytest.mark.parametrize(
    ("states", "at_once", "seconds"),
    [
        ([state(0), WAITING], 1, None),
        ([state(4, 2.0)], 1, 12),
        ([state(4, 2.0), WAITING], 1, 32),
        ([state(4, 2.0), state(9, 2.0), WAITING], 2, 22),
        ([state(4, 2.0), state(9, 2.0), WAITING, WAITING], 2, 32),
        ([finished(2.0), finished(4.0), WAITING], 1, 30),
        ([finished(2.0), WAITING, WAITING, WAITING], 2, 40),
        ([finished(2.0)], 2, 0),
        ([state(4, 2.0), state(0), WAITING], 2, 32),
    ],
    ids=["nothing known", "one", "one after it", "beside", "both free in turn", "mean pace", "two of three", "done", "begun"],
)
def test_time_left_fills_the_places_in_turn(states, at_once, seconds):
    assert seconds_left(states, at_once) == seconds


def test_runs_of_the_same_configuration_are_the_better_guess():
    fast, slow = state(9, 1.0, kind="runs/fast"), state(9, 7.0, kind="runs/slow")
    waiting = [State(job(kind=f"runs/{kind}")) for kind in ("fast", "slow", "new")]
    assert seconds_left([fast, slow, *waiting[:1]], 1000) == 10
    assert seconds_left([fast, slow, *waiting[1:2]], 1000) == 70
    assert seconds_left([fast, slow, *waiting[2:]], 1000) == 40, "the mean of both"


def test_an_epoch_under_way_counts_but_not_for_more_than_one():
    assert seconds_left([State(job(), True, False, 4, 2.0, idle=1.5)], 1) == 10.5
    assert seconds_left([State(job(), True, False, 4, 2.0, idle=99.0)], 1) == 10


def test_words():
    states = [finished(60.0), state(4, 60.0, name="fold 2 of emodb, train.lr=0.01"), state(10, 60.0), WAITING]
    assert running(states, 3) == "fold 2 of emodb, train.lr=0.01: epoch 5 of 10; fold 0 of emodb: epoch 10 of 10"
    assert running(states, 1) == "fold 2 of emodb, train.lr=0.01: epoch 5 of 10; 1 more"
    assert outlook(states, seconds_left(states, 2), NOON) == "3 of 4 folds left; done by 12:10 at the latest (in 10 min)"
    assert (
        outlook([state(4, 7200.0)], seconds_left([state(4, 7200.0)], 1), NOON)
        == "1 fold left; done by Tue 03 Mar, 00:00 at the latest (in 12.0 h)"
    )
    assert outlook([state(1)], seconds_left([state(1)], 1), NOON) == "1 fold left"
    assert outlook([finished(2.0)], seconds_left([finished(2.0)], 1), NOON) == "all folds done"


# The same from files.


def write_curves(folder: Path, *clock: float, rest: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{epoch},0.5,{seconds}\n" for epoch, seconds in enumerate(clock, 1))
    (folder / results.CURVES).write_text(f"epoch,loss,seconds\n{lines}{rest}")


def test_state_is_read_from_the_curves(tmp_path):
    one = job(home=tmp_path)
    assert look(one) == State(one)
    one.aside.mkdir(parents=True)
    assert look(one) == State(one, started=True)
    lost, attempt = one.aside / "a", one.aside / "b"
    write_curves(lost, 30.0, 31.0, 32.0, 33.0)
    os.utime(lost, (0, 0))
    write_curves(attempt)
    assert (look(one).started, look(one).done, look(one).pace) == (True, 0, None)
    write_curves(attempt, 30.0)
    assert (look(one).done, look(one).pace) == (1, None), "the first epoch alone says little"
    write_curves(attempt, 30.0, 32.0, 36.0, rest="4,0.5,3")
    assert (look(one).done, look(one).pace) == (3, 3.0), "a line that is being written does not count"
    ended = time.time() - 50
    os.utime(attempt / results.CURVES, (ended, ended))
    assert 50 <= look(one).idle <= time.time() - ended
    attempt.rename(one.final)
    (one.final / results.METRICS).write_text(json.dumps({}))
    assert (look(one).finished, look(one).done, look(one).pace) == (True, 10, 3.0), "stopped early, it is done"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_watch_says_what_runs_what_is_left_and_until_when(stream, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream())
    monkeypatch.setattr(watch, "SECONDS_BETWEEN_LOOKS", 0.01)
    monkeypatch.setenv("COLUMNS", "160")
    one = job("fold 2 of emodb", home=tmp_path)
    looks = threading.Semaphore(0)
    monkeypatch.setattr(watch, "look", lambda job: (look(job), looks.release())[0])

    def wait_for_looks(number: int) -> None:
        """At both jobs, and one more, with which the ones before have been shown."""
        for _ in range(2 * number + 1):
            assert looks.acquire(timeout=300)

    with Watch([one, job("fold 3 of emodb", home=tmp_path)], 1) as shown:
        wait_for_looks(3)
        write_curves(one.aside / "a", 30.0, 32.0, 36.0)
        while looks.acquire(blocking=False):
            pass
        wait_for_looks(10)
        shown.say("fold 1 is finished")
    said = sys.stderr.getvalue()
    assert "fold 2 of emodb: epoch 4 of 10" in said
    assert "2 of 2 folds left; done by " in said
    assert "fold 1 is finished" in said
    if stream is io.StringIO:
        assert said.count("\n") == 2, "a line at most every half minute"


def test_a_name_that_says_when_it_is_done_is_not_taken_for_the_time(tmp_path, capsys):
    job = Job("fold 0 of done by", tmp_path / ".aside", tmp_path / "fold_0", 10)
    job.aside.mkdir()
    assert "done by" in running([look(job)], 1)
    assert Watch([job], 1)._look() is None, "no time can be given yet"


def test_workers_of_a_cluster_are_said(tmp_path, monkeypatch, capsys):
    one, count = job("fold 2 of emodb", home=tmp_path), iter([0, 3])
    watched = Watch([one], 1, lambda: next(count))
    assert watched._look().startswith("waiting for a worker; ")
    write_curves(one.aside / "a", 30.0, 32.0, 36.0)
    assert "; 3 workers; " in watched._look()
