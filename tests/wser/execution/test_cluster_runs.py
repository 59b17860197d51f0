"""Folds, and pictures, on a Dask cluster of separate processes."""

import subprocess
import sys
import time

import pytest

from precompute.__main__ import main as precompute
from precompute.common import executor
from tests.cluster import running
from wser import run
from wser.execution import fold

pytestmark = pytest.mark.slow

SECONDS = 120


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    with running(tmp_path_factory.mktemp("dask"), workers=1) as started:
        yield started


@pytest.fixture
def on_cluster(processes):
    return ["executor=dask", f"executor.address={processes.address}"]


def predictions(results):
    (directory,) = (path for path in results.iterdir() if (path / "run.json").is_file())
    return {path.parent.name: path.read_bytes() for path in directory.glob("fold_*/predictions.csv")}


def test_a_cluster_gives_the_predictions_of_this_machine(at_once, on_cluster, tmp_path, capfd, unmade):
    for place, where in ("here", []), ("there", on_cluster):
        assert run.main([*at_once, f"results={tmp_path / place}", "fold=all", *where]) == 0
    assert predictions(tmp_path / "here") == predictions(tmp_path / "there")
    assert len(predictions(tmp_path / "there")) == 2
    assert "Traceback" not in capfd.readouterr().err
    # Where it ran is no part of what is repeated.
    (there,) = (tmp_path / "there").glob("*-at_once-*")
    assert run.main(["--repeat", str(there), "executor=dask"]) == 1, "the stored address is not taken"
    assert "address" in capfd.readouterr().err
    assert run.main(["--repeat", str(there)]) == 0


def test_a_cluster_makes_the_cache_of_this_machine(small_ravdess, small_settings, small_cache, processes, tmp_path, capsys):
    root = tmp_path / "cache"
    where = ["--executor", "dask", f"address={processes.address}"]
    assert (
        precompute(
            ["build", "ravdess", "--corpora", str(small_ravdess), "--cache", str(root), "--set", *small_settings, *where]
        )
        == 0
    )
    (made,), (before,) = (place.glob("ravdess/*-*") for place in (root, small_cache))
    assert made.name == before.name
    shards = [file.relative_to(before) for file in before.rglob("c.*")]
    assert shards
    assert all((made / shard).read_bytes() == (before / shard).read_bytes() for shard in shards)
    assert precompute(["cache", "verify", "--cache", str(root)]) == 0


def test_a_fold_whose_worker_is_killed_gives_the_same_predictions(tiny, on_cluster, processes, tmp_path, unmade):
    settings = [*tiny, "train.epochs=4", "fold=0"]
    assert run.main([*settings, f"results={tmp_path / 'here'}"]) == 0
    command = [sys.executable, "-m", "wser.run", *settings, f"results={tmp_path / 'there'}", *on_cluster]
    # Of one that trains fast enough to be finished before it is killed, nothing would be seen: it is stopped first.
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as job:
        until = time.monotonic() + SECONDS
        while not list((tmp_path / "there").glob("*/.fold_0.checkpoint")):
            assert job.poll() is None, job.stderr.read().decode()
            assert time.monotonic() < until
            time.sleep(0.02)
        (nanny,) = processes.workers
        subprocess.run(["pkill", "-KILL", "-P", str(nanny.pid), "-f", "spawn_main"], check=True)
        said = job.communicate(timeout=SECONDS)[1].decode()
    assert job.returncode == 0, said
    assert predictions(tmp_path / "here") == predictions(tmp_path / "there")
    left = [path.name for path in next((tmp_path / "there").glob("*-*")).iterdir() if path.name.startswith(".fold")]
    assert left == []


def test_training_that_nobody_waits_for_ends_and_is_continued(tiny, tmp_path, monkeypatch, capsys, unmade, messages):
    settings = [*tiny, "fold=0", f"results={tmp_path}"]
    answers = iter([True, False])
    monkeypatch.setattr(executor, "is_wanted", lambda: next(answers, True))
    assert run.main(settings) == 1
    messages.check(capsys.readouterr().err)
    assert predictions(tmp_path) == {}
    assert run.main(settings) == 0
    assert len(predictions(tmp_path)) == 1


def test_a_fold_that_was_finished_before_its_worker_was_lost_is_not_trained_again(at_once, tmp_path, monkeypatch, unmade):
    from wser.execution import plan

    settings = [*at_once, "fold=0", f"results={tmp_path}"]
    executed, carried_out = [], plan._execute

    def twice(number, run):
        carried_out(number, run)
        monkeypatch.setattr(fold, "execute", executed.append)
        return carried_out(number, run)

    monkeypatch.setattr(plan, "_execute", twice)
    assert run.main(settings) == 0
    assert executed == []


def test_a_check_is_made_on_this_machine(small_ravdess, capsys, messages):
    with pytest.raises(SystemExit) as refused:
        precompute(["--check", "ravdess", "--corpora", str(small_ravdess), "--executor", "dask", "address=tcp://a:1"])
    assert refused.value.code == 2
    messages.check(capsys.readouterr().err)


@pytest.mark.parametrize(
    "settings",
    [["executor=dask", "executor.address=tcp://a:1", "jobs=2"], ["executor.address=tcp://a:1"], ["executor=dusk"]],
)
def test_settings_that_do_not_fit_together_are_refused(at_once, tmp_path, capsys, settings):
    without_jobs = [setting for setting in at_once if not setting.startswith("experiment=")]
    assert run.main([*without_jobs, f"results={tmp_path}", *settings]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_number_of_processes_is_refused_beside_a_cluster(small_ravdess, tmp_path, capsys, messages):
    where = [
        "--corpora",
        str(small_ravdess),
        "--cache",
        str(tmp_path),
        "--jobs",
        "2",
        "--executor",
        "dask",
        "address=tcp://a:1",
    ]
    assert precompute(["build", "ravdess", *where]) == 2
    messages.check(capsys.readouterr().err)


def test_the_script_of_slurm_is_shown_without_a_slurm(small_ravdess, small_cache, tmp_path, tiny, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    where = ["--corpora", str(small_ravdess), "--cache", str(tmp_path), "--dry-run"]
    assert precompute(["build", "ravdess", *where, "--executor", "slurm", "partition=cpu"]) == 0
    assert "#SBATCH -p cpu" in capsys.readouterr().out
    without_jobs = [setting.replace("jobs: 1\n", "") for setting in tiny]
    assert (
        run.main([*without_jobs, "fold=all", f"results={tmp_path}", "executor=slurm", "executor.time=00:10:00", "--dry-run"])
        == 0
    )
    assert "#SBATCH -t 00:10:00" in capsys.readouterr().out
