"""Experiment files, label maps, splits and variables that others wrote: one sentence at most, and nothing of the reader's."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from precompute.common import terminal
from precompute.common.errors import WserError
from wser import results, run
from wser.config.compose import load
from wser.data import labels
from wser.protocols import file as split_file

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmade")]

ROUNDS = int(os.environ.get("WSER_FUZZ", "300"))
SECRET = "hunter2-very-secret"


@pytest.fixture(autouse=True)
def _secret(monkeypatch):
    monkeypatch.setenv("MY_SECRET_TOKEN", SECRET)


def refused(capsys, *settings: str) -> str:
    capsys.readouterr()
    assert run.main([*settings, "--dry-run"]) in (terminal.FAILED, terminal.WRONG_USAGE)
    printed = capsys.readouterr()
    assert printed.err.startswith("wser.run: ")
    assert printed.err.count("\n") == 1, printed.err
    assert "unexpected" not in printed.err
    assert SECRET not in printed.out + printed.err
    return printed.err


BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

EXPERIMENTS = {
    "a variable of the environment": (
        "cache_root: 'cache:${oc.env:MY_SECRET_TOKEN}'\n",
        "contains 'cache:${oc.env:MY_SECRET_TOKEN}'",
    ),
    "a variable in a list": ("corpus: ['${oc.env:MY_SECRET_TOKEN}']\n", "${...} is not replaced here"),
    "a variable in a sweep": ("sweep: {seed: ['${oc.env:MY_SECRET_TOKEN}', 1]}\n", "${...} is not replaced here"),
    "a variable for a key": ("'${oc.env:MY_SECRET_TOKEN}': 1\n", "${...} is not replaced here"),
    "another key": ("train: {epochs: '${seed}'}\n", "${...} is not replaced here"),
    "itself": ("preset: '${preset}'\n", "${...} is not replaced here"),
    "aliases": (BOMB, "the alias *a is not supported: write its value"),
    "a name that is a list": ("corpus: [small, [x]]\n", "must be a list of names"),
    "a tag": ("seed: !!python/object/apply:os.getpid []\n", "cannot be read"),
    "depth": ("[" * 20_000, "cannot be read"),
    "size": ("# " + "x" * (2 << 20), "more than the limit of 1048576"),
    "bytes": (b"\xff\xfe\x00", "cannot be read"),
    "a list": ("- 1\n", "is not a mapping"),
}


@pytest.mark.parametrize("what", EXPERIMENTS)
def test_experiment_of_a_stranger_is_refused_in_one_sentence(tmp_path, capsys, what):
    content, says = EXPERIMENTS[what]
    file = tmp_path / "env.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert says in refused(capsys, f"experiment={file}")


@pytest.mark.parametrize("setting", ["preset=${preset}", "results=${oc.env:MY_SECRET_TOKEN}", "corpus=[${preset}]"])
def test_command_line_replaces_nothing_either(capsys, setting):
    assert "${...} is not replaced here: write the value itself" in refused(capsys, setting)


def test_configuration_of_a_run_replaces_nothing(trained, tmp_path, capsys):
    import shutil

    path = Path(shutil.copytree(trained[0], tmp_path / "run"))
    text = (path / results.CONFIG).read_text()
    (path / results.CONFIG).write_text(text.replace("results: ", "results: ${oc.env:MY_SECRET_TOKEN}"))
    assert "${...} is not replaced here" in refused(capsys, "--repeat", str(path))


ONE_AFTER_ANOTHER = """\
import json
import runpy
import sys

codes = []
for sys.argv[1:] in json.loads(sys.argv[1]):
    try:
        runpy.run_module("wser.run", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        codes.append(ended.code or 0)
print(json.dumps(codes))
"""


@pytest.mark.parametrize(
    "variable", ["WSER_CACHE=/data/${USER}/cache", "WSER_CACHE=s3://", "LOKY_MAX_CPU_COUNT=abc", "PYTHONIOENCODING=ascii"]
)
def test_variables_end_nothing_in_a_traceback(at_once, tmp_path, variable):
    name, _, value = variable.partition("=")
    environment = {key: text for key, text in os.environ.items() if not key.startswith("AWS_")} | {name: value}
    # Where caches are is asked before anything is trained.
    how = ["--dry-run"] if name == "WSER_CACHE" else []
    commands = [[*at_once, f"results={tmp_path}", "fold=0", *how], ["--help"]]
    command = [sys.executable, "-c", ONE_AFTER_ANOTHER, json.dumps(commands)]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert "Traceback" not in found.stderr
    assert "unexpected" not in found.stderr
    code, of_help = json.loads(found.stdout.splitlines()[-1])
    assert code in (0, 1, 2), found.stderr
    assert code == 0 or name in found.stderr or "://" in found.stderr
    assert of_help == 0, found.stderr


SPLITS = {
    "depth": b"[" * 200_000,
    "a number that is none": b'{"folds": [{"train": ["a"], "test": NaN}]}',
    "bytes": b"\xff\xfe",
    "nothing": b"",
    "a list of lists": b"[[[]]]",
    "keys that are no text": b'{"folds": [{"train": [1], "test": [{}]}]}',
}


@pytest.mark.parametrize("what", SPLITS)
def test_split_of_a_stranger_is_refused_in_one_sentence(tiny, tmp_path, capsys, what):
    file = tmp_path / "split.json"
    file.write_bytes(SPLITS[what])
    assert str(file) in refused(capsys, *tiny, "protocol=file", f"protocol.file={file}")


def test_pipes_and_devices_are_no_settings(tiny, tmp_path, capsys):
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    device = tmp_path / "zero.yaml"
    device.symlink_to("/dev/zero")
    for file in (pipe, device):
        # What is not a regular file is the name of no experiment and of no label map either.
        assert f"there is no experiment file {file}" in refused(capsys, f"experiment={file}")
        assert f"there is no label map '{file}'" in refused(capsys, *tiny, f"labels={file}")
        assert f"{file} cannot be read" in refused(capsys, *tiny, "protocol=file", f"protocol.file={file}")


# Fuzzing, with a seed and from a few good files.

GOOD = {
    "experiment": b"preset: tuned\ncorpus: [ravdess]\nlabels: common4\nmodel: {pipes: 2}\nsweep: {train.lr: [0.1, 1e-3]}\n",
    "labels": b"classes: {low: [sad, neutral], high: [happy, angry]}\ndrop: [calm]\ndefault_for: [ravdess]\n",
    "split": json.dumps({"speakers": "shared", "folds": [{"train": ["a", "b"], "validation": [], "test": ["c"]}]}).encode(),
}
PIECES = [
    b"[", b"]", b"{", b"}", b":", b"&a ", b"*a", b"!!x ", b"${seed}", b"\x00", b"\xff", b"1e999", b"null", b"\n", b"'", b'"',
    b"- ", b"? ", b"| ", b"NaN", b"9" * 400, b"true", b"<<: ", b"[" * 3000, b"2001-01-01", b"0x1F", b"\xef\xbb\xbf",
]  # fmt: skip


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Some bytes flipped, pieces put in, parts taken out or doubled."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at, kind = rng.randrange(len(data) + 1), rng.randrange(4)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at:at] = rng.choice(PIECES)
        elif kind == 2:
            del data[at : at + rng.randint(1, 8)]
        else:
            data[at:at] = data[at : at + rng.randint(1, 30)]
    return bytes(data)


def read_experiment(file: Path) -> None:
    load([f"experiment={file}"])


def read_labels(file: Path) -> None:
    labels.load(str(file))


@pytest.mark.parametrize(
    ("kind", "read", "ending"),
    [("experiment", read_experiment, "yaml"), ("labels", read_labels, "yaml"), ("split", split_file.read, "json")],
)
def test_mutated_settings_are_read_or_refused_in_one_sentence(tmp_path, kind, read, ending):
    rng = random.Random(14)
    file = tmp_path / f"x.{ending}"
    refusals: list[str] = []
    for number in range(ROUNDS):
        content = mutated(GOOD[kind], rng)
        file.write_bytes(content)
        try:
            read(file)
        except WserError as error:
            refusals.append(str(error))
        except Exception as error:
            raise AssertionError(f"round {number}: {content!r} gives {error!r}") from error
    assert len(refusals) > ROUNDS / 4
    assert max(map(len, refusals)) < 2000
