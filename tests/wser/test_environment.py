"""The same results in every environment: launchers' variables, locales, encodings of the terminal, paths with `~`."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from precompute.__main__ import main as precompute
from wser import report, results, run
from wser.training import lightning

ROOT = Path(__file__).parents[2]

SLURM = {
    "SLURM_NTASKS": "4", "SLURM_PROCID": "1", "SLURM_LOCALID": "1", "SLURM_NODEID": "0", "SLURM_JOB_NAME": "x",
    "SLURM_JOB_ID": "7", "SLURM_NODELIST": "n1", "SLURM_NTASKS_PER_NODE": "4", "SLURM_CPUS_PER_TASK": "1",
}  # fmt: skip
TORCHRUN = {
    "RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "GROUP_RANK": "0", "LOCAL_WORLD_SIZE": "4",
    "MASTER_ADDR": "10.255.255.1", "MASTER_PORT": "29500", "TORCHELASTIC_RUN_ID": "r", "TORCHELASTIC_RESTART_COUNT": "0",
    "OMP_NUM_THREADS": "1",
}  # fmt: skip
LAUNCHERS = {
    "srun": SLURM,
    "srun with other counts": SLURM | {"SLURM_NTASKS": "many"},
    "torchrun": TORCHRUN,
    "torchrun in SLURM": SLURM | TORCHRUN,
    "one of a node": {"NODE_RANK": "3", "LOCAL_RANK": "2"},
    "jsrun": {
        "LSB_JOBID": "3", "LSB_DJOB_RANKFILE": "/no/such/file", "JSM_NAMESPACE_RANK": "1", "JSM_NAMESPACE_LOCAL_RANK": "1",
        "JSM_NAMESPACE_SIZE": "4",
    },
    "mpirun": {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_LOCAL_RANK": "1", "PMI_RANK": "1"},
    "Kubeflow": {"KUBERNETES_PORT": "tcp://1", "MASTER_ADDR": "m", "MASTER_PORT": "1", "WORLD_SIZE": "2", "RANK": "1"},
    "a TPU's": {"TPU_WORKER_ID": "1", "XRT_TPU_CONFIG": "x", "PJRT_DEVICE": "TPU"},
    "no numbers": {"RANK": "", "LOCAL_RANK": "none", "SLURM_PROCID": "x"},
    "Lightning's own defaults": {
        "PL_TRAINER_LIMIT_TRAIN_BATCHES": "1", "PL_TRAINER_STRATEGY": "ddp", "PL_TRAINER_NUM_NODES": "2",
        "PL_TRAINER_FAST_DEV_RUN": "1", "PL_TRAINER_GRADIENT_CLIP_VAL": "0.1",
    },
}  # fmt: skip


@pytest.mark.parametrize("variables", LAUNCHERS.values(), ids=LAUNCHERS)
def test_a_trainer_is_alone_whatever_launched_it(monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    trainer = lightning.trainer(accelerator="cpu", max_epochs=3, logger=False, enable_checkpointing=False)
    assert (trainer.world_size, trainer.num_nodes, trainer.num_devices) == (1, 1, 1)
    assert (trainer.global_rank, trainer.local_rank, trainer.is_global_zero) == (0, 0, True)
    assert type(trainer._accelerator_connector.cluster_environment) is LightningEnvironment
    assert (trainer.limit_train_batches, trainer.fast_dev_run, trainer.gradient_clip_val) == (1.0, False, None)
    assert rank_zero_only.rank == 0
    assert dict(os.environ) == before


SPEAKERS = ("Jürgen Größe", "שרה 王小明", "😀 Ñandú")
EMOTIONS = ("happy", "sad", "wütend")
SMALL = ["scales=16", "height=16", "columns=64", "width=64", "duration=2.0"]
SETTINGS = """\
corpus: tafel
protocol: loso
train: {epochs: 1, batch: 4, device: cpu, precision: fp32, threads: 1}
model: {pipe_filters: 2, filters: [3, 4], strides: [[2, 2], [2, 2], [2, 2]], lstm: 4, fc: 5}
jobs: 1
logger: [csv, tensorboard]
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with recordings of speakers in several scripts, their table and their cache."""
    home = tmp_path_factory.mktemp("Tönung")
    lines = ["path,speaker,emotion"]
    for speaker in SPEAKERS:
        (home / speaker).mkdir()
        for emotion in EMOTIONS:
            rng = np.random.default_rng(zlib.crc32(f"{speaker}{emotion}".encode()))
            soundfile.write(home / speaker / f"{emotion}.wav", 0.1 * rng.standard_normal(9000), 16000)
            lines.append(f"{speaker}/{emotion}.wav,{speaker},{emotion}")
    (home / "tafel.csv").write_text("\n".join(lines), encoding="utf-8")
    table = ["--corpus", "table", "--table", str(home / "tafel.csv"), "--name", "tafel", "--jobs", "1"]
    assert precompute([*table, "--cache", str(home / "cache"), "--set", *SMALL]) == 0
    return home


@pytest.fixture(scope="module")
def recipe(home):
    """Settings that name the recipe of the cache."""
    (cache,) = (home / "cache" / "tafel").glob("[!.]*")
    return f"recipe={cache.name.partition('-')[0]}"


MODELS = {"four tasks in C": [], "Latin-1": ["model=row_svm"]}
"""What is trained in each environment, by the settings that it adds: the process of a network takes as long as all else."""


@pytest.fixture(scope="module")
def plain(home, recipe):
    """Results of a plain run of each of them."""
    (home / "tiny.yaml").write_text(f"{SETTINGS}cache_root: {home}/none:{home}/cache\nresults: {home}/runs\n", encoding="utf-8")
    for model in MODELS.values():
        assert run.main([f"experiment={home}/tiny.yaml", recipe, *model]) == 0
    # The next run has the same results as the settings say, and so goes to the same place.
    (home / "runs").rename(home / "plain")
    return {path.name.split("-")[2]: path for path in (home / "plain").iterdir()}


@pytest.fixture(scope="module")
def latin(tmp_path_factory):
    """Variables of a Latin-1 locale, made on the spot where the machine has none."""
    known = subprocess.run(
        ["locale", "-a"], capture_output=True, encoding="utf-8", errors="replace", check=False
    ).stdout.split()
    if there := [name for name in known if name.lower().replace("-", "").endswith("iso88591")]:
        return {"LC_ALL": there[0]}
    folder = tmp_path_factory.mktemp("locales")
    if shutil.which("localedef"):
        command = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", str(folder / "en_US.ISO-8859-1")]
        subprocess.run(command, capture_output=True, check=False)
    if not any(folder.iterdir()):
        pytest.skip("this machine has no Latin-1 locale, and none can be made: install locales")
    return {"LC_ALL": "en_US.ISO-8859-1", "LOCPATH": str(folder)}


ONE_AFTER_ANOTHER = """\
import json
import runpy
import sys

for module, *arguments in json.loads(sys.argv[1]):
    sys.argv[1:] = arguments
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        assert not ended.code
"""


@pytest.fixture
def programs(home):
    """A function that runs programs of ours in one process, in the home, with nothing of this environment but what it is given.

    In a locale of another encoding, the first of them starts the process again.
    """

    def programs(*commands, **variables):
        foreign = ("LC_", "LANG", "PYTHON", "WSER_", "PL_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        given = {"PYTHONPATH": path, "HOME": str(home), **variables}
        if subprocess.run([sys.executable, "-c", ""], env=kept | given, capture_output=True).returncode:
            # Up to Python 3.12 it reads .pth files, which hold the path of an editable installation, in the locale's encoding.
            pytest.skip(f"Python itself does not start in this locale, since {sys.prefix} holds letters that it lacks")
        command = [sys.executable, "-c", ONE_AFTER_ANOTHER, json.dumps(commands)]
        done = subprocess.run(command, cwd=home, env=kept | given, capture_output=True, timeout=300)
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
        assert b"Traceback" not in done.stderr
        return done

    return programs


C = {"LC_ALL": "C", "PYTHONUTF8": "0"}


def contents(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def without_clock(folder):
    """Content of every file of a run, without what tells the time or the command."""
    found = {}
    for name, content in contents(folder).items():
        name = re.sub(r"(tfevents)\..*", r"\1", name)
        if name.endswith("curves.csv"):
            content = [row[:-1] for row in csv.reader(io.StringIO(content.decode("utf-8")))]
        elif name.endswith((results.RUN, results.METRICS)):
            record = json.loads(content)
            gone = ("created", "command", "seconds", "seconds_to_epoch")
            content = {key: value for key, value in record.items() if key not in gone}
            content.get("files", {}).pop(results.CURVES, None)
        elif "tfevents" in name:
            content = len(content) > 500
        elif name.endswith((results.PAGE, results.SUMMARY, "folds.csv", "folds.tex")):
            content = sorted(re.findall("|".join(SPEAKERS), content.decode("utf-8")))
        found[name] = content
    return found


@pytest.fixture(scope="module")
def page(plain, tmp_path_factory):
    """Directory of the page of the plain run of a network."""
    directory = tmp_path_factory.mktemp("page")
    assert report.main([str(plain["three_pipe"]), "--out", str(directory)]) == 0
    return directory


@pytest.mark.slow
@pytest.mark.parametrize("environment", MODELS)
def test_caches_results_and_pages_are_those_of_a_plain_run(plain, page, home, recipe, programs, request, tmp_path, environment):
    if environment == "four tasks in C":
        launched = SLURM | TORCHRUN | LAUNCHERS["Lightning's own defaults"]
        variables = launched | C | {"PYTHONIOENCODING": "ascii", "MPLCONFIGDIR": "~/matplotlib"}
    else:
        variables = {**request.getfixturevalue("latin"), "PYTHONUTF8": "0", "LOCAL_RANK": "3", "RANK": ""}
    (home / "tiny.yaml").write_text(f"{SETTINGS}cache_root: ~/none:~/cache\nresults: ~/runs\n", encoding="utf-8")
    table = ["--corpus", "table", "--table=~/tafel.csv", "--name", "tafel", "--cache", str(tmp_path / "cache")]
    (tmp_path / "page").mkdir()
    train = ["wser.run", "experiment=~/tiny.yaml", recipe, *MODELS[environment]]
    write_page = ["wser.report", f"~/plain/{plain['three_pipe'].name}", "--out", str(tmp_path / "page")]
    build = ["precompute", *table, "--jobs", "2" if environment == "four tasks in C" else "1", "--set", *SMALL]
    # Each is the first of a process once.
    orders = [[train], [build, write_page]] if environment == "four tasks in C" else [[write_page, train, build]]
    try:
        printed = b"".join(programs(*order, **variables).stdout for order in orders)
        (path,) = (home / "runs").iterdir()
        (before,) = (one for one in plain.values() if one.name == path.name)
        expected, found = without_clock(before), without_clock(path)
        assert found.keys() == expected.keys()
        assert [name for name in expected if found[name] != expected[name]] == []
        assert sum("tfevents" in name for name in found) == (0 if MODELS[environment] else len(SPEAKERS))
        assert not (home / "~").exists()
    finally:
        shutil.rmtree(home / "runs", ignore_errors=True)
    shown = {"four tasks in C": rb"J\xfcrgen Gr\xf6\xdfe", "Latin-1": SPEAKERS[0].encode("latin-1")}
    assert shown[environment] in printed
    caches = [contents(root / "cache") for root in (home, tmp_path)]
    pictures = [{name: content for name, content in one.items() if "provenance" not in name} for one in caches]
    assert pictures[0] == pictures[1]
    assert contents(page) == contents(tmp_path / "page")


@pytest.mark.slow
@pytest.mark.usefixtures("unmade")
def test_directories_whose_names_are_no_utf8(home, recipe, tmp_path, capsys, messages):
    name = b"Gr\xf6\xdfe \xff a\xe4"
    directory = tmp_path / os.fsdecode(name)
    settings = [f"experiment={home}/other.yaml", recipe, f"cache_root={home}/cache", f"results={directory}", "fold=0"]
    (home / "other.yaml").write_text(SETTINGS, encoding="utf-8")
    assert run.main(settings) == 2
    messages.check(capsys.readouterr().err)
    assert not directory.exists()
    assert run.main([*settings, "logger=csv"]) == 0
    (path,) = directory.iterdir()
    shown = name.decode("utf-8", "backslashreplace")
    assert results.read_config(path)["results"] == str(tmp_path / shown)
    # YAML breaks long lines at a space.
    assert shown in (path / "fold_0" / "csv" / "hparams.yaml").read_text("utf-8").replace("\n  ", " ")
    capsys.readouterr()
    assert report.main([str(path)]) == 0
    assert run.main(["--repeat", str(path), "--dry-run"]) == 0
