"""Links that others put into results are neither written through, nor deleted through, nor read through."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from precompute.common import files
from wser import compare, report, results, run, runs

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmade")]


@pytest.fixture
def victim(trained, tmp_path) -> Path:
    """A directory that is none of the results' business, and holds what might be taken for it."""
    place = tmp_path / "victim"
    shutil.copytree(trained[0], place)
    (place / "thesis.txt").write_text("precious")
    old = time.time() - 30 * 86400
    for file in (*place.rglob("*"), place):
        os.utime(file, (old, old))
    return place


def state(place: Path) -> dict[str, bytes]:
    return {str(file.relative_to(place)): file.read_bytes() for file in place.rglob("*") if file.is_file()}


def link(place: Path, target: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    place.symlink_to(target)


def refused(capsys) -> str:
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1, printed.err
    assert "is a symbolic link, and links inside caches and results are not followed" in printed.err
    return printed.err


WRITTEN = [results.SUMMARY, results.PAGE, f"{results.BESIDE_PAGE}/folds.csv", f"{results.BESIDE_PAGE}/curves.png"]


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("name", WRITTEN)
def test_what_a_file_is_linked_to_stays_as_it_is(copied, tiny, tmp_path, name, hard, capsys):
    shell = tmp_path / "bashrc"
    shell.write_text("alias ls=ls\n")
    (copied / name).unlink()
    (os.link if hard else os.symlink)(shell, copied / name)
    (copied / results.PAGE).unlink(missing_ok=True) if name != results.PAGE else (copied / results.SUMMARY).unlink()
    assert run.main([*tiny, f"results={copied.parent}"]) == 0
    assert report.main([str(copied)]) == 0
    assert shell.read_text() == "alias ls=ls\n"
    assert not (copied / name).is_symlink()
    assert (copied / name).stat().st_ino != shell.stat().st_ino


@pytest.mark.parametrize("name", [results.CONFIG, results.SPLIT, results.LEAKAGE, results.IDENTITY, results.RUN])
def test_records_of_a_run_are_not_written_through_links(copied, tiny, tmp_path, name, capsys):
    keys = tmp_path / "authorized_keys"
    keys.write_text("ssh-ed25519 mine\n")
    link(copied / name, keys)
    if name != results.RUN:
        (copied / results.RUN).unlink()
    assert run.main([*tiny, f"results={copied.parent}"]) == 0
    assert keys.read_text() == "ssh-ed25519 mine\n"
    assert not (copied / name).is_symlink()


def test_directory_of_a_run_that_is_a_link_is_refused(copied, victim, tiny, capsys):
    before = state(victim)
    link(copied, victim)
    for fold in ("all", "0"):
        assert run.main([*tiny, f"results={copied.parent}", f"fold={fold}"]) == 1
        refused_once = capsys.readouterr().err
        assert f"{copied} is a symbolic link" in refused_once
    assert state(victim) == before


def test_figures_directory_that_is_a_link_is_refused(copied, victim, tiny, capsys, messages):
    before = state(victim)
    link(copied / results.BESIDE_PAGE, victim)
    (copied / results.PAGE).unlink()
    assert run.main([*tiny, f"results={copied.parent}"]) == 1
    messages.check(capsys.readouterr().err, copied / results.BESIDE_PAGE)
    assert report.main([str(copied)]) == 1
    refused(capsys)
    assert state(victim) == before


@pytest.mark.parametrize("fold", ["fold_0", "fold_1"])
def test_fold_that_is_a_link_is_not_believed_and_its_target_stays(copied, victim, tiny, capsys, fold):
    before = state(victim)
    link(copied / fold, victim / fold)
    code = run.main([*tiny, f"results={copied.parent}"])
    err = capsys.readouterr().err
    assert (code, (copied / fold).is_symlink()) in ((0, False), (1, True)), err
    assert compare.main([str(copied), str(victim)]) in (0, 1)
    assert state(victim) == before


def test_repeat_into_a_link_removes_and_writes_nothing(copied, victim, capsys):
    before = state(victim)
    (victim / results.VERDICT).write_text("{}")
    before = state(victim)
    link(copied / results.REPEAT, victim)
    assert run.main(["--repeat", str(copied)]) == 1
    refused(capsys)
    assert state(victim) == before


def test_trash_that_is_a_link_takes_nothing(copied, victim, tiny, capsys, messages):
    before = state(victim)
    link(copied / files.TRASH, victim)
    (copied / "fold_0" / results.METRICS).write_text("")
    assert run.main([*tiny, f"results={copied.parent}"]) == 1
    messages.check(capsys.readouterr().err, copied / files.TRASH)
    assert state(victim) == before
    assert (copied / "fold_0" / results.PREDICTIONS).is_file()


LEFTOVERS = [".fold_0-01234567", ".summary.json-01234567.1.1-01234567.part", ".fold_0-01234567.1.1-01234567"]


@pytest.mark.parametrize("name", LEFTOVERS)
def test_leftover_that_is_a_link_is_removed_and_its_target_stays(copied, victim, tiny, name, capsys):
    before = state(victim)
    (copied / name).symlink_to(victim)
    old = time.time() - 30 * 86400
    os.utime(copied / name, (old, old), follow_symlinks=False)
    assert run.main([*tiny, f"results={copied.parent}"]) == 0
    assert not (copied / name).is_symlink()
    assert state(victim) == before


@pytest.mark.parametrize(
    "place", [".trash", "{run}/.trash", "{run}/repeat", "{run}/report", "other", "{run}/.fold_0-01234567", "fold_0"]
)
def test_gc_follows_no_link(copied, victim, place, capsys):
    root = copied.parent
    before = state(victim)
    link(root / place.format(run=copied.name), victim)
    code = runs.main(["gc", "--results", str(root), "--grace", "0", "--yes"])
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    assert code in (0, 1)
    assert state(victim) == before
    assert runs.main(["list", "--results", str(root)]) == 0
    assert state(victim) == before


@pytest.mark.parametrize("name", [results.RUN, results.CONFIG, f"fold_0/{results.METRICS}", f"fold_0/{results.PREDICTIONS}"])
@pytest.mark.parametrize("kind", ["link", "pipe", "device"])
def test_what_is_no_plain_file_is_not_read(copied, trained, name, kind, capsys):
    """A link to a secret, a pipe that never ends, a device that gives zeros for ever."""
    file = copied / name
    file.unlink()
    if kind == "pipe":
        os.mkfifo(file)
    else:
        file.symlink_to(trained[0] / name if kind == "link" else "/dev/zero")
    for command, arguments in ((report, [copied]), (compare, [copied, trained[0]]), (run, ["--repeat", copied])):
        assert command.main([str(one) for one in arguments]) == 1
        printed = capsys.readouterr()
        assert printed.err.count("\n") == 1, printed.err
        assert str(file) in printed.err
    assert report.main(["--index", str(copied.parent)]) == 0
    assert str(file) in capsys.readouterr().err


# What `gc` takes and what it leaves.


def test_gc_says_what_it_would_do_and_does_it_with_yes(copied, capsys):
    root = copied.parent
    (copied / ".fold_1-01234567.1.1-01234567").mkdir()
    trash = files.to_trash(copied / "fold_0", copied / files.TRASH, root)
    empty = root / "tiny-0123456789ab"
    empty.mkdir()
    shutil.copy(copied / results.RUN, empty)
    old = time.time() - 30 * 86400
    for place in (copied / ".fold_1-01234567.1.1-01234567", empty / results.RUN, empty):
        os.utime(place, (old, old))
    gone = trash.with_name(f"20200101T000000Z{trash.name[16:]}")
    trash.rename(gone)
    before = sorted(root.rglob("*"))
    command = ["gc", "--results", str(root)]
    assert runs.main(command) == 0
    said = capsys.readouterr().out
    assert "nothing was removed: give --yes to do it" in said
    assert sorted(root.rglob("*")) == before
    for line in (f"would delete  {gone}", f"would delete  {copied / '.fold_1-01234567.1.1-01234567'}"):
        assert line in said
    assert f"would move to the trash  {empty}" in said
    assert runs.main([*command, "--yes"]) == 0
    assert f"mv {root / files.TRASH}" in capsys.readouterr().out, "and how to restore it"
    assert sorted(path.name for path in copied.glob(".*")) == [files.TRASH]
    assert not empty.exists()
    assert len(list((root / files.TRASH).iterdir())) == 1
    assert (copied / "fold_1" / results.METRICS).is_file()
    assert runs.main(command) == 0
    assert "there is nothing to remove" in capsys.readouterr().out


def test_list_names_every_run_its_state_and_its_size(copied, capsys):
    root = copied.parent
    other = root / "tiny-0123456789ab"
    shutil.copytree(copied, other)
    shutil.rmtree(other / "fold_0")
    damaged = root / "tiny-ba9876543210"
    shutil.copytree(copied, damaged)
    (damaged / results.RUN).write_text("[" * 100_000)
    assert runs.main(["list", "--results", str(root)]) == 0
    printed = capsys.readouterr().out
    for name, folds, how in (
        (copied.name, "2 of 2", "finished"),
        (other.name, "1 of 2", "unfinished"),
        (damaged.name, "", "damaged"),
    ):
        (line,) = (line for line in printed.splitlines() if name in line)
        assert folds in line
        assert how in line
    assert "3 runs, 2 of them not finished" in printed


def test_gc_never_takes_a_finished_fold(copied, capsys):
    shutil.rmtree(copied / "fold_1")
    (copied / results.RUN).unlink()
    old = time.time() - 300 * 86400
    for file in (*copied.rglob("*"), copied):
        os.utime(file, (old, old))
    assert runs.main(["gc", "--results", str(copied.parent), "--grace", "0", "--yes"]) == 0
    assert json.loads((copied / "fold_0" / results.METRICS).read_text())["fold"] == 0
