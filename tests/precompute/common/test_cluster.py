"""Work on a cluster of separate processes: `executor.workers` with `dask`, and with a Slurm whose sbatch runs its jobs here."""

import os
import signal
import stat
import sys
import time

import joblib
import pytest

from precompute.common import cluster, executor
from precompute.common.errors import UsageError
from precompute.common.executor_settings import THIS_MACHINE, ExecutorConfig, parse
from tests.cluster import running

call = joblib.delayed


def dask(processes):
    return ExecutorConfig(name="dask", address=processes.address)


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    with running(tmp_path_factory.mktemp("dask"), workers=2) as started:
        yield started


@pytest.fixture(scope="module")
def workers(processes):
    with executor.workers(dask(processes), -1) as ready:
        # That they all are there.
        until = time.monotonic() + 120
        while ready.count() < 2:
            assert time.monotonic() < until
            time.sleep(0.1)
        yield ready


@pytest.mark.slow
def test_every_result_comes_once_also_of_more_work_than_is_submitted_at_once(workers, monkeypatch):
    monkeypatch.setattr(cluster, "MOST_SUBMITTED", 7)
    assert sorted(workers(call(abs)(-number) for number in range(50))) == list(range(50))


@pytest.mark.slow
def test_work_is_done_in_the_directory_of_the_command_by_processes_that_are_not_this_one(workers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert {*workers(call(os.getcwd)() for _ in range(3))} == {str(tmp_path)}
    assert os.getpid() not in {*workers(call(os.getpid)() for _ in range(3))}


@pytest.mark.slow
def test_what_a_task_raises_is_raised_here_and_is_not_a_lost_connection(workers, tmp_path, messages):
    with pytest.raises(FileNotFoundError):
        list(workers([call(os.listdir)(tmp_path / "missing")]))
    with messages.raises(ValueError):
        list(workers([call(int)("x")]))
    assert list(workers([call(int)("7")])) == [7], "and others are not disturbed"


@pytest.mark.slow
def test_other_software_is_refused_by_name(workers, monkeypatch):
    here = cluster._software("builtins")
    monkeypatch.setattr(cluster, "_software", lambda _: here | {"numpy": "1.0"})
    with pytest.raises(cluster.ClusterError) as refused:
        list(workers([call(abs)(1)]))
    assert f"numpy {here['numpy']} (here 1.0)" in str(refused.value)


@pytest.mark.slow
def test_a_package_that_is_not_there_is_named(workers, monkeypatch, tmp_path):
    (tmp_path / "only_here.py").write_text("def answer():\n    return 42\n")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here

    with pytest.raises(cluster.ClusterError) as refused:
        list(workers([call(only_here.answer)()]))
    assert "only_here" in str(refused.value)


WAITS = """
import pathlib, time
from precompute.common import executor
pathlib.Path(started).touch()
while executor.is_wanted():
    time.sleep(0.05)
pathlib.Path(ended).touch()
"""


@pytest.mark.slow
def test_work_that_is_given_up_can_know_it(workers, tmp_path):
    started, ended = tmp_path / "started", tmp_path / "ended"
    names = {"started": str(started), "ended": str(ended)}
    results = workers([call(abs)(1), call(exec)(WAITS, names)])
    assert next(results) == 1
    until = time.monotonic() + 60
    while not started.exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    results.close()
    while not ended.exists():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_outside_of_a_cluster_everything_is_wanted():
    assert executor.is_wanted()
    assert cluster.is_wanted()


@pytest.mark.slow
def test_the_work_of_a_worker_that_died_is_repeated(workers, tmp_path):
    def killed_once(mark):
        return f"import os, signal, pathlib\nmark = pathlib.Path({str(mark)!r})\n" + (
            "if not mark.exists():\n    mark.touch()\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        )

    tasks = [call(exec)(killed_once(tmp_path / "killed"), {}), *(call(abs)(-number) for number in range(5))]
    assert {*workers(tasks)} == {None, 0, 1, 2, 3, 4}
    assert (tmp_path / "killed").exists()


@pytest.mark.slow
def test_work_that_kills_every_worker_ends_in_a_sentence(workers, messages):
    with messages.raises(cluster.ClusterError):
        list(workers([call(exec)("import os\nos._exit(1)", {})]))


@pytest.mark.slow
def test_a_worker_of_several_threads_is_refused(messages):
    from distributed import LocalCluster

    here = {"processes": False, "protocol": "tcp://", "dashboard_address": ":0"}
    with (
        LocalCluster(n_workers=1, threads_per_worker=2, **here) as local,
        executor.workers(ExecutorConfig(name="dask", address=local.scheduler_address), -1) as ready,
        messages.raises(cluster.ClusterError),
    ):
        list(ready([call(abs)(1)]))


@pytest.mark.slow
def test_a_scheduler_that_is_lost_ends_work_in_a_sentence(tmp_path, capfd):
    with running(tmp_path, 1) as started, executor.workers(dask(started), -1) as ready:
        results = ready([call(abs)(1), call(time.sleep)(1000)])
        assert next(results) == 1
        started.scheduler.kill()
        with pytest.raises(cluster.ClusterError) as lost:
            next(results)
        ready.count()
    assert started.address in str(lost.value)
    assert capfd.readouterr().err == "", "and nothing else is said"


@pytest.mark.slow
def test_a_scheduler_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(cluster, "SECONDS_TO_CONNECT", 0.2)
    with (
        pytest.raises(cluster.ClusterError) as refused,
        executor.workers(ExecutorConfig(name="dask", address="tcp://127.0.0.1:9"), -1),
    ):
        pass
    assert "tcp://127.0.0.1:9" in str(refused.value)


def test_a_cluster_without_an_address_is_refused():
    with pytest.raises(cluster.ClusterError) as refused, executor.workers(ExecutorConfig(name="dask"), -1):
        pass
    assert "address" in str(refused.value)


def test_settings_are_read_from_words():
    config = parse(["slurm", "partition=cpu", "workers=3", "memory=2GB"])
    assert config == ExecutorConfig(name="slurm", partition="cpu", workers=3, memory="2GB")
    assert parse([]) == THIS_MACHINE


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["dusk"], "dusk"),
        (["slurm", "partitions=cpu"], "partitions"),
        (["slurm", "workers=many"], "workers=many"),
        (["slurm", "workers=0"], "workers=0"),
        (["dask", "address=tcp://a:1", "memory=2GB"], "executor.memory=2GB"),
        (["address=tcp://a:1"], "executor.address=tcp://a:1"),
    ],
)
def test_settings_that_are_wrong_or_have_no_effect_are_refused(words, named):
    with pytest.raises(UsageError) as refused:
        parse(words)
    assert named in str(refused.value)


def test_the_script_of_a_job_says_what_was_asked_for(monkeypatch):
    # Its import would have another handler of interruptions.
    for name in [name for name in sys.modules if name.partition(".")[0] == "dask_jobqueue"]:
        monkeypatch.delitem(sys.modules, name)
    before = signal.getsignal(signal.SIGINT)
    said = cluster.described(
        ExecutorConfig(name="slurm", partition="gpu", cores=4, memory="8GB", time="12:00:00", gpus=1, workers=3)
    )
    assert signal.getsignal(signal.SIGINT) is before
    assert said.startswith("up to 3 jobs of Slurm at once")
    lines = said.splitlines()
    for line in ("-J wser", "-p gpu", "-n 1", "--cpus-per-task=4", "--mem=8G", "-t 12:00:00", "--gpus=1"):
        assert f"#SBATCH {line}" in lines
    (started,) = (line for line in lines if "dask_worker" in line)
    assert started.startswith(sys.executable)
    assert "--nthreads 1 " in started


def test_a_malformed_size_is_refused_in_a_sentence():
    with pytest.raises(cluster.ClusterError) as refused:
        cluster.described(ExecutorConfig(name="slurm", memory="much"))
    assert "much" in str(refused.value)


def test_without_sbatch_there_is_no_slurm(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(cluster.ClusterError) as refused, executor.workers(ExecutorConfig(name="slurm"), -1):
        pass
    assert "sbatch" in str(refused.value)


SBATCH = """\
#!/bin/sh
[ "$1" = --test-only ] && exit
cp "$1" {log}.$$.sh
nohup sh {log}.$$.sh > {log}.$$ 2>&1 &
echo $! >> {log}
echo "Submitted batch job $!"
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A Slurm whose jobs run at once on this machine; the file with their process ids."""
    jobs = tmp_path / "jobs"
    for name, script in ("sbatch", SBATCH.format(log=jobs)), ("scancel", "#!/bin/sh\nkill $(pgrep -P $1) $1\n"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(script)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return jobs


def is_running(job):
    try:
        os.kill(int(job), 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_jobs_of_slurm_work_are_replaced_and_end(slurm, monkeypatch):
    monkeypatch.setattr(cluster, "SECONDS_BETWEEN_REPAIRS", 0.5)
    import dask

    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}):
        with executor.workers(ExecutorConfig(name="slurm", workers=2), 1) as ready:
            assert list(ready([call(abs)(-3)])) == [3]
            (job,) = slurm.read_text().split()
            os.system(f"pkill -KILL -P {job}; kill -KILL {job}")
            assert sorted(ready(call(abs)(-number) for number in range(3))) == [0, 1, 2]
            jobs = slurm.read_text().split()
            assert len(jobs) >= 2
        until = time.monotonic() + 60
        while any(map(is_running, jobs)):
            assert time.monotonic() < until
            time.sleep(0.1)


@pytest.mark.slow
def test_what_sbatch_refuses_is_said(slurm, messages):
    (slurm.parent / "bin" / "sbatch").write_text("#!/bin/sh\necho 'invalid partition specified: fast' >&2\nexit 1\n")
    config = ExecutorConfig(name="slurm", partition="fast")
    with messages.raises(cluster.ClusterError), executor.workers(config, 1) as ready:
        list(ready([call(abs)(1)]))
