"""Every command that the documentation shows is understood by its program, and runs in small.

The pages themselves are the list: commands are taken from blocks of shell, from code in the text, and from the first lines of
experiment files.
"""

import argparse
import contextlib
import functools
import importlib
import io
import itertools
import os
import re
import runpy
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

import precompute
from precompute import corpora, recipe
from precompute.__main__ import main
from precompute.common import terminal
from precompute.common.errors import WserError
from precompute.corpora import demo
from wser import run
from wser.config import compose, reference
from wser.config.schema import Config, flatten
from wser.data import labels

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::precompute.library.CorpusWarning")]

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")])
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yaml"))

PROGRAM = r"(?:python3?|bash|precompute|wser|make|pip|source|tensorboard|chromium|sbatch) "
"""How code in the text begins that is a command."""

NOT_RUN = {
    r"^(make|source|pip|python3? -m (venv|pip)) ": "installs, or runs these tests",
    r"^(\.|export|mkdir|chgrp|chmod|tensorboard|chromium|sbatch|python -m webbrowser|dask|ssh|for) ": "another program",
    r"benchmarks/|python -m pytest": "takes minutes",
    r"fetch ": "downloads",
    r"python windows.py": "tests/test_docs.py runs it",
    r"s3://": "an object store: the tests of the cache have one",
    r"corpus=iemocap": "a corpus under a licence agreement",
    r"executor": "a cluster: the tests of clusters start one",
    r"--repeat": "the tests of repetition repeat runs",
    r"experiment=table6": "every model: tests/wser/config reads all of its points",
    r"--markdown RUN OTHER": "two models on one task: tests/wser/reports sets them side by side",
    r"--markdown runs/paper_table4": "the paper's network, whose results take an hour",
    r"--verify review.zip": "the tests of bundles verify one",
    r"cache restore": "nothing is in the trash here: the tests of the cache restore what is",
    r"wandb": "a package that is not installed here",
    r"wser\.export ": "the runs here have no network: the tests of exporting export one",
}
"""What is not run, by a part of it, and why; it is still read by its program, if that is one of ours."""

STAND_FOR = {
    "recipe=ID": f"recipe={recipe.named('default').id}",
    "windows.csv": "my.csv",
    "5f0c": "ID",
    "d07343eea313-c87e8e73a3f8": "ID",
    "runs/paper_table4-*": "runs/emodb-row_svm-loso-1a2b3c4d5e6f runs/emodb-row_svm-loso-5e6f7a8b9c0d",
    "runs/emodb-three_pipe-loso-18b9a6619f45": "runs/emodb-row_svm-loso-1a2b3c4d5e6f",
    "runs/emodb-svm-loso-db0d36ea2bc0": "runs/emodb-row_svm-loso-5e6f7a8b9c0d",
    "runs/emodb-fused-loso-858ae2fa33c7": "runs/emodb-row_svm-loso-1a2b3c4d5e6f",
    "runs/emodb-fused-loso-1a2b3c4d5e6f": "runs/emodb-three_pipe-loso-1a2b3c4d5e6f",
    "runs/ravdess-three_pipe-speaker_folds-5afcbc8f0f2c": "runs/emodb-row_svm-loso-1a2b3c4d5e6f",
    "runs/ravdess-svm-speaker_folds-5c8413016a41": "runs/emodb-row_svm-loso-5e6f7a8b9c0d",
    "runs/ravdess-fused-speaker_folds-525308a30943": "runs/emodb-row_svm-loso-1a2b3c4d5e6f",
    "RUN": "runs/emodb-row_svm-loso-1a2b3c4d5e6f",
    "NAME": "emodb",
    "DIR": "corpora",
    "/data/R": "corpora/ravdess",
    "docs/": "",
    "$SLURM_ARRAY_TASK_ID": "0",
    "$SLURM_CPUS_PER_TASK": "1",
}
"""What is there, for what a page supposes or leaves open."""

SMALL = {
    "three_pipe": [
        "model.pipe_filters=2", "model.filters=[3,4]", "model.strides=[[2,2],[2,2],[2,2]]", "model.lstm=4", "model.fc=5",
    ],
    "ruvolo2010": ["model.candidates=50", "model.rounds=5"],
    "network": ["train.epochs=1", "train.device=cpu", "train.threads=1"],
}  # fmt: skip


def commands() -> dict[str, str]:
    """Every command, with the first page that shows it."""
    found: dict[str, str] = {}
    for page in PAGES:
        text = page.read_text("utf-8")
        for block in re.findall(r"^```sh\n(.*?)^```", text, flags=re.M | re.S):
            for line in block.replace("\\\n", " ").splitlines():
                for part in line.split(" && "):
                    if words := shlex.split(part, comments=True):
                        found.setdefault(shlex.join(words), page.name)
        prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
        for code in re.findall(r"`([^`]+)`", prose):
            if re.match(PROGRAM, code):
                for part in " ".join(code.split()).split(" && "):
                    found.setdefault(part, page.name)
    for file in EXPERIMENTS:
        found.setdefault(file.read_text("utf-8").splitlines()[0].removeprefix("# "), file.name)
    return found


FOUND = commands()


def test_commands_are_found_in_every_kind_of_place():
    assert {"README.md", "guide.md", "lab.md", "recipes.md", "results.md", "study_lr.yaml"} <= {*FOUND.values()}
    assert "python -m precompute check ravdess" in FOUND  # a block of shell
    assert "python -m wser.run --keys" in FOUND  # code in the text
    assert all(f"python -m wser.run experiment={file.stem} fold=all" in FOUND for file in EXPERIMENTS[1:])
    assert all(any(re.search(part, command) for command in FOUND) for part in NOT_RUN)


class Understood(BaseException):
    """A program has read its command line."""


@pytest.fixture
def only_read(monkeypatch):
    """Programs read their command lines, and stop."""

    def stopped(parse: Callable) -> Callable:
        def parse_and_stop(*arguments: object, **options: object) -> None:
            raise Understood(parse(*arguments, **options))

        return parse_and_stop

    for parser, name in itertools.product((terminal.Parser, argparse.ArgumentParser), ("parse_args", "parse_intermixed_args")):
        monkeypatch.setattr(parser, name, stopped(getattr(parser, name)))


def benchmark(file: str, words: list[str]) -> int:
    """Run a file of `benchmarks/` as a script."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [file, *words])
        runpy.run_path(str(ROOT / file), run_name="__main__")
    return 0


def program(command: str) -> tuple[Callable[..., int], list[str]] | None:
    """What a command runs, and its arguments; None where it is a program of others."""
    words = shlex.split(command.replace("<", " ").partition(">")[0])
    if words[0] in ("python", "python3") and words[1].startswith("benchmarks/"):
        return functools.partial(benchmark, words[1]), words[2:]
    if words[0] in ("python", "python3") and words[1] == "-m":
        words = words[2:]
    if words[0].partition(".")[0] not in ("precompute", "wser"):
        return None
    module = importlib.import_module(words[0] if "." in words[0] else f"{words[0]}.__main__")
    return module.main, words[1:]


def present(command: str) -> str:
    """The command with what is there."""
    for word, there in STAND_FOR.items():
        command = command.replace(word, there)
    runs = sorted(map(str, Path("runs").glob("emodb-*")))
    (network,) = map(str, Path("runs").glob("emodb-three_pipe-*"))
    (cache,) = Path("cache/emodb").glob(f"{recipe.named('default').id}-*")
    for word, there in {
        "runs/emodb-row_svm-loso-1a2b3c4d5e6f": runs[0],
        "runs/emodb-row_svm-loso-5e6f7a8b9c0d": runs[1],
        "runs/emodb-three_pipe-loso-1a2b3c4d5e6f": network,
        "ID": cache.name,
    }.items():
        command = command.replace(word, there)
    return command


RAVDESS = [
    f"ravdess/Actor_{actor:02}/03-01-{emotion}-01-01-01-{actor:02}" for actor in range(1, 25) for emotion in ("03", "05")
]
EMODB = [f"emodb/wav/{speaker}a01{letter}a" for speaker in ("03", "08", "10", "16") for letter in "WFTLN"]
DEMO = [f"demo/{speaker}/{speaker}-1-{emotion}" for speaker in demo.SPEAKERS for emotion in ("angry", "happy", "sad")]
TWO_VOICES = ["two_voices/anna_happy", "two_voices/ben_sad"]
FEW = [*RAVDESS[:2], *EMODB[:2], *DEMO, *TWO_VOICES]
"""Of which caches are made by commands that do nothing else; what is missing of `demo` would be spoken first."""


@pytest.fixture(scope="module")
def small_demo() -> Iterator[None]:
    """The synthetic corpus has one sentence of six, and three emotions of seven."""
    keys = frozenset(name.rpartition("/")[2] for name in DEMO)
    emotions = dict.fromkeys(("angry", "happy", "sad"), len(demo.SPEAKERS))
    corpus = replace(demo.CORPUS, emotions=emotions, keys=keys, by_speaker=Counter(key.partition("-")[0] for key in keys))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "CORPUS", corpus)
        yield


@pytest.fixture(scope="module")
def prepared(small_demo, encode, no_figures, tmp_path_factory):
    """A directory as the pages suppose it: with corpora, caches, three runs, a table, and the files of docs/extending.md."""
    home = tmp_path_factory.mktemp("home")
    rng = np.random.default_rng(0)
    for number, name in enumerate([*RAVDESS, *EMODB, *DEMO, *TWO_VOICES]):
        file = home / "corpora" / f"{name}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode(0.1 * rng.standard_normal(4000 + 10 * number)))
        if name in FEW:
            few = home / "few" / f"{name}.wav"
            few.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, few)
    extending = (ROOT / "docs" / "extending.md").read_text("utf-8")
    for name, content in re.findall(r"^```(?:python|yaml)\n# (\S+)\n(.*?)^```", extending, flags=re.M | re.S):
        (home / name).write_text(content, "utf-8")
    rows = [f"corpora/{name}.wav,{name[10:12]},{'angry' if name[15] == 'W' else 'happy'}" for name in EMODB if name[15] in "WF"]
    (home / "my.csv").write_text("\n".join(["path,speaker,emotion", *rows]), "utf-8")
    with contextlib.chdir(home), contextlib.redirect_stdout(io.StringIO()), no_figures():
        for name in ("ravdess", "emodb", "demo"):
            precompute.build(name, jobs=1)
        for seed in ("0", "1"):
            assert run.main(["corpus=emodb", "protocol=loso", "model=row_svm", "fold=all", f"seed={seed}", "jobs=1"]) == 0
        small = [*SMALL["three_pipe"], *SMALL["network"], "logger=[]"]
        assert run.main(["corpus=emodb", "protocol=loso", "model=three_pipe", "fold=all", "jobs=1", *small]) == 0
        shutil.copy(next(Path("runs").glob("emodb-*/split.json")), "split.json")
    shutil.copy(home / "corpora" / f"{EMODB[0]}.wav", home / "speech.wav")
    return home


@pytest.fixture
def home(prepared, tmp_path, monkeypatch) -> Iterator[Path]:
    """A copy of it, in which a command may change what it likes but corpora and caches."""
    for name in ("WSER_CACHE", "WSER_CORPORA"):
        monkeypatch.delenv(name, raising=False)
    # Workers cost more here than they save.
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    monkeypatch.setenv("HOME", str(tmp_path))
    for entry in prepared.iterdir():
        if entry.name in ("corpora", "cache"):
            (tmp_path / entry.name).symlink_to(entry)
        elif entry.is_dir():
            shutil.copytree(entry, tmp_path / entry.name, copy_function=os.link)
        else:
            shutil.copy(entry, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check_words(options: argparse.Namespace) -> None:
    """Refuse names and settings that the program would refuse once it works."""
    given = vars(options)
    if "experiment=table6" in given.get("setting", ()):
        # tests/wser/config reads all of its points.
        return
    if "setting" in given and not given["repeat"]:
        for config in compose.load(given["setting"]):
            for name in filter(None, (config.recipe, config.data.test_recipe)):
                assert name.endswith(".py") or re.match("[0-9a-f]{12}", name) or recipe.named(name)
            assert config.labels is None or labels.load(config.labels)
        return
    for names in (given.get("corpus"), given.get("check"), given.get("fetch")):
        for name in (names or "").split(","):
            assert name in ("", "all", "table") or corpora.load(name)
    for name in given.get("recipe", "default").split(","):
        recipe.named(name, given.get("set", ()))


def in_small(words: list[str], caches: Path) -> list[str]:
    """Settings of a run that takes no time: the first point of a sweep, the first fold, one epoch; its caches are made here."""
    first = compose.load(words)[0]
    for corpus, name in itertools.product(first.corpus, {first.recipe, first.data.test_recipe or first.recipe}):
        if corpus == "mine":
            assert main(["build", "table", "--table", "my.csv", "--name", corpus, "--cache", str(caches)]) == 0
        elif not re.fullmatch("[0-9a-f]{12}", name):
            precompute.build(corpus, name, cache=caches, jobs=1)
    values = flatten(asdict(first))
    small = {key: reference.as_text(values[key]).replace('"', "") for key in compose.swept(words)}
    sizes = SMALL.get(first.model.name, []) + SMALL["network"] * first.model.is_network
    sizes += ["protocol.folds=2"] * (first.protocol.name in ("speaker_independent", "speaker_dependent"))
    sizes += ["data.enrol=1"] * bool(first.data.enrol)
    small |= dict(word.partition("=")[::2] for word in [*sizes, "fold=0", "jobs=1", "logger=[]", f"cache_root={caches}"])
    short = {key.removesuffix(".name"): value for key, value in small.items()}
    given = dict(word.partition("=")[::2] for word in words)
    return [f"{key}={value}" for key, value in (given | short).items()]


def understood(command: str) -> bool:
    """Whether a program reads a command without complaint; those of others are named in NOT_RUN."""
    if (found := program(present(command))) is None:
        return any(re.search(part, command) for part in NOT_RUN)
    work, words = found
    try:
        return work(words) == 0
    except Understood as understood:
        check_words(understood.args[0])
        return True
    except SystemExit as stopped:
        return stopped.code == 0


@pytest.mark.parametrize("command", FOUND, ids=lambda command: f"{FOUND[command]}: {command}")
def test_every_command_is_understood(command, prepared, only_read, monkeypatch):
    monkeypatch.chdir(prepared)
    assert understood(command)


@pytest.mark.parametrize(
    "command",
    [
        "python -m precompute build emodb --colour", "python -m precompute bild emodb", "python -m precompute cache verfy",
        "python -m precompute build emodb --set colors=magma", "python -m precompute build emodb --recipe gray",
        "python -m precompute check emo", "python -m wser.run train.epoch=1", "python -m wser.run preset=tune",
        "python -m wser.run protocol=lso", "python -m wser.run labels=common5", "python -m wser.run experiment=study_rates",
        "python -m wser.run train.lr=fast", "python -m wser.runs ls", "wser reports runs",
        "python benchmarks/cwt.py --round 1 2", "python -m wser.run recipe=gray", "somebody else",
    ],
)  # fmt: skip
def test_a_wrong_command_is_not_understood(command, prepared, only_read, monkeypatch):
    monkeypatch.chdir(prepared)
    try:
        assert not understood(command)
    except WserError:
        return


@pytest.fixture(scope="module")
def ran() -> list[Config]:
    """What was trained: commands that are one in small are run once."""
    return []


RUN = [
    command
    for command, page in FOUND.items()
    # The first line of an experiment file: tests/wser/config/test_experiments.py runs every point of it.
    if not page.endswith(".yaml") and not any(re.search(part, command) for part in NOT_RUN)
]


@pytest.mark.parametrize("command", RUN, ids=lambda command: f"{FOUND[command]}: {command}")
def test_every_command_runs_in_small(command, prepared, home, ran, unmade, capsys, request):
    if re.search("egemaps|model=svm", command):
        pytest.importorskip("opensmile", reason="opensmile is not installed: python -m pip install '.[opensmile]'")
    if "model=issa2020" in command:
        request.getfixturevalue("librosa")
    if re.match("(python -m )?precompute", command):
        Path("cache").unlink()
        shutil.copytree(prepared / "cache", "cache", copy_function=os.link)
    if re.search("precompute build (?!table)", command):
        Path("corpora").unlink()
        Path("corpora").symlink_to(prepared / "few")
    work, words = program(present(command))
    if work is run.main and not any(word.startswith("--") for word in words):
        words = in_small(words, prepared / "cache")
        small = replace(compose.load(words)[0], experiment="any")
        if small in ran:
            return
        ran.append(small)
    try:
        code = work(words)
    except SystemExit as stopped:
        code = stopped.code
    said = capsys.readouterr()
    # 3 is done, with something to read about it: these corpora are not as published.
    assert code in (0, 3), said.err
    assert said.out


def test_the_front_page_in_python_runs(home):
    (code,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), flags=re.M | re.S)
    names: dict[str, object] = {}
    exec(present(code), names)
    assert names["pictures"].shape[1:] == (128, 256, 3)
    assert names["wave"].dtype == np.float32
    assert len(names["dataset"]) == len(RAVDESS)
    assert names["run"].metrics.utterances == len(EMODB)
