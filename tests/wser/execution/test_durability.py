"""Finished folds survive crashes and other jobs; what is not whole is pending, and nothing is left behind."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from precompute.common import files, process
from wser import results, run
from wser.execution import fold as training

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmade")]

MODULE = [sys.executable, "-m", "wser.run"]
NEEDED = [results.METRICS, results.PREDICTIONS, results.WEIGHTS, results.CURVES]


def resumed(capsys, directory: Path, tiny: list[str]) -> tuple[str, str]:
    capsys.readouterr()
    assert run.main([*tiny, f"results={directory.parent}"]) == 0
    printed = capsys.readouterr()
    return printed.out, printed.err


# A fold that is not whole is pending.


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("harm", ["empty", "gone", "half"])
def test_fold_that_lost_its_content_is_trained_again(copied, trained, tiny, capsys, name, harm):
    """As a power cut leaves files whose names were on the disk before their content."""
    file = copied / "fold_1" / name
    content = file.read_bytes()
    file.unlink() if harm == "gone" else file.write_bytes(b"" if harm == "empty" else content[: len(content) // 2])
    out, err = resumed(capsys, copied, tiny)
    assert "2 folds: 1 finished, 1 to do" in out
    assert f"{copied / 'fold_1'} cannot be read, and was moved to {copied / files.TRASH}" in err
    assert (copied / "fold_1" / results.PREDICTIONS).read_bytes() == (trained[0] / "fold_1" / results.PREDICTIONS).read_bytes()
    (kept,) = (copied / files.TRASH).iterdir()
    assert files.trashed(kept.name), "nothing is deleted, and its name says when"


def test_everything_of_a_run_emptied_is_pending(copied, tiny, capsys):
    for file in copied.rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    assert "2 folds: 0 finished, 2 to do" in resumed(capsys, copied, tiny)[0]
    assert results.open_finished(copied).folds == [0, 1]


def test_emptied_record_of_a_run_is_written_again(copied, tiny, capsys):
    before = json.loads((copied / results.RUN).read_text())
    (copied / results.RUN).write_bytes(b"")
    (copied / results.SPLIT).write_bytes(b"")
    shutil.rmtree(copied / "fold_0")
    assert "2 folds: 1 finished, 1 to do" in resumed(capsys, copied, tiny)[0]
    assert json.loads((copied / results.RUN).read_text())["identity"] == before["identity"]
    assert results.open_finished(copied).folds == [0, 1]


def test_directory_of_somebody_in_the_place_of_a_fold_goes_to_the_trash_whole(copied, tiny, capsys):
    shutil.rmtree(copied / "fold_0")
    (copied / "fold_0").mkdir()
    (copied / "fold_0" / "thesis.txt").write_text("precious")
    resumed(capsys, copied, tiny)
    (kept,) = (copied / files.TRASH).iterdir()
    assert (kept / "thesis.txt").read_text() == "precious"


def test_every_file_is_on_the_disk_before_its_name_is(tiny, tmp_path, monkeypatch):
    """Each file of a fold is synced before the fold is renamed, and the directory above it afterwards."""
    done: list[tuple[str, str]] = []
    sync, rename = os.fsync, os.rename

    def synced(handle: int) -> None:
        done.append(("sync", str(Path(f"/proc/self/fd/{handle}").readlink())))
        sync(handle)

    def renamed(source, target, **options) -> None:
        done.append(("rename", str(target)))
        rename(source, target, **options)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    assert run.main([*tiny, f"results={tmp_path}", "fold=0"]) == 0
    at = done.index(("rename", "fold_0"))
    before = {Path(place).name for what, place in done[:at] if what == "sync"}
    assert {*NEEDED, results.RUN} <= {name.lstrip(".").partition("-")[0] for name in before}
    assert done[at + 1][0] == "sync"


def test_weights_of_another_fold_are_not_scored(copied, tiny, small_recipe_id, capsys, messages):
    shutil.copy(copied / "fold_1" / results.WEIGHTS, copied / "fold_0" / results.WEIGHTS)
    settings = [*tiny, f"results={copied.parent}", "fold=0", f"data.test_recipe={small_recipe_id}"]
    assert run.main(settings) == 1
    messages.check(capsys.readouterr().err)
    assert not list(copied.parent.glob("*/.fold_*")), "nothing is left of what failed"


# Several jobs on one run.


def test_summary_of_a_slow_job_does_not_hide_the_folds_of_a_faster_one(tiny, trained, tmp_path, monkeypatch, capsys):
    """The other job finishes its fold and its page while this one writes its own."""
    from wser.reports.html import run as pages

    write = pages.write_page

    def slowly(measured, out, *rest):
        page = write(measured, out, *rest)
        if measured.stored.folds == [0]:
            shutil.copytree(trained[0] / "fold_1", out / "fold_1")
        return page

    monkeypatch.setattr(pages, "write_page", slowly)
    assert run.main([*tiny, f"results={tmp_path}", "fold=0"]) == 0
    (directory,) = tmp_path.iterdir()
    summary = json.loads((directory / results.SUMMARY).read_text())
    assert [fold["fold"] for fold in summary["folds"]] == [0, 1]
    assert summary["missing"] == []
    assert "UNFINISHED" not in capsys.readouterr().out


def test_second_to_finish_a_fold_leaves_the_first_and_no_trace(trained, tiny, tmp_path, monkeypatch, capsys):
    publish = training._publish

    def second(told) -> None:
        shutil.copytree(trained[0] / told.final.name, told.final)
        publish(told)

    monkeypatch.setattr(training, "_publish", second)
    assert run.main([*tiny, f"results={tmp_path}"]) == 0
    (directory,) = tmp_path.iterdir()
    assert not list(directory.glob(".*"))
    for fold in ("fold_0", "fold_1"):
        assert (directory / fold / results.METRICS).read_bytes() == (trained[0] / fold / results.METRICS).read_bytes()


# Full disks.


@pytest.mark.parametrize("name", NEEDED)
def test_full_disk_is_one_sentence_and_leaves_nothing(tiny, tmp_path, monkeypatch, capsys, name):
    create, write_new = files.create, files.write_new

    def full(path: Path, *_, **__) -> None:
        raise OSError(28, "No space left on device", str(path))

    for function, kept in (("create", create), ("write_new", write_new)):
        monkeypatch.setattr(
            files, function, lambda path, *a, kept=kept, **k: (full if path.name == name else kept)(path, *a, **k)
        )
    assert run.main([*tiny, f"results={tmp_path}", "fold=0"]) == 1
    # A slow machine says before how far it is.
    (err,) = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("fold 0 of ")]
    assert err.startswith("wser.run: ")
    assert f"{name}: No space left on device; finished folds are kept" in err
    (directory,) = tmp_path.iterdir()
    left = {path.name for path in directory.glob("*fold_0*")}
    # So that no epoch is trained again.
    assert left <= {".fold_0.checkpoint"}, "nothing else of what failed keeps the disk full"


def test_room_for_the_fold_but_not_for_the_page_fails_and_says_what_is_missing(tiny, tmp_path, monkeypatch, capsys):
    replace = files.replace

    def full(path: Path, *rest) -> None:
        if path.name == results.SUMMARY:
            raise OSError(28, "No space left on device", str(path))
        replace(path, *rest)

    monkeypatch.setattr(files, "replace", full)
    assert run.main([*tiny, f"results={tmp_path}", "fold=0"]) == 1
    printed = capsys.readouterr()
    assert "summary.json: No space left on device, so the page and summary.json are missing or not complete" in printed.err
    assert "UAR" in printed.out, "the figures are printed all the same"


# Processes.


def wait_for(condition, seconds: float = 300) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def descendants(pid: int) -> set[int]:
    """Processes that a process started, and those that they did."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found, new = set(), {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


@contextlib.contextmanager
def ending_all(job: subprocess.Popen) -> Iterator[None]:
    """Where a test fails, the processes of the job's session do not outlive it."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)
        raise


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("moment", "ending"),
    [("start", signal.SIGKILL), ("multiplying", signal.SIGKILL), ("start", signal.SIGTERM), ("fitting", signal.SIGHUP)],
)
def test_workers_end_with_their_owner(at_once, tmp_path, monkeypatch, ending, moment):
    told, tmp_path = tmp_path / "told", tmp_path / "results"
    told.mkdir()
    monkeypatch.setenv("TOLD", str(told))
    # Matrices of PyTorch once, as a network: what is killed are workers, whatever they work at.
    busy = ["model.busy=true"] if moment == "multiplying" else []
    command = [*MODULE, *at_once, "model.seconds=900", *busy, f"results={tmp_path}", "jobs=2"]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, start_new_session=True, **pipes) as running, ending_all(running):
        if moment == "start":
            assert wait_for(lambda: any(tmp_path.glob("*/.fold_0-*")))
        else:
            assert wait_for(lambda: len([*told.iterdir()]) == 2)
        ours = descendants(running.pid)
        running.send_signal(ending)
        assert wait_for(lambda: not any(map(alive, ours))), "workers went on without their owner"
        said = running.stderr.read()
    assert "Traceback" not in said
    (directory,) = tmp_path.iterdir()
    assert not list(directory.glob("fold_*"))
    if ending == signal.SIGKILL:
        left = [path.name for path in directory.glob(".fold_*")]
        assert left
        assert all(results.is_leftover(name, directory) for name in left), "known to be gone at once"
    else:
        assert "interrupted; finished folds are kept" in said


def test_signature_tells_a_process_from_every_other():
    mine = process.signature()
    assert process.is_running(mine) is True
    place, pid, started = mine.split(".")
    assert process.is_running(f"{place}.{pid}.{int(started) + 1}") is False, "another process had this number"
    assert process.is_running(f"{place}.4194305.1") is False
    for unknown in ("elsewhere", "", "01234567.1.1", f"{place}.x.1", place):
        assert process.is_running(unknown) is None
