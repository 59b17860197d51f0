"""Caches and finished runs that the tests of `wser` share; every network here is tiny, every run takes a second or two."""

import contextlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from precompute.__main__ import main as precompute
from precompute.cache import roots
from wser import run

EMODB = [
    f"{speaker}{sentence}{letter}a" for speaker in ("03", "08", "09", "10") for sentence in ("a01", "b02") for letter in "WFNL"
]
"""Two men, two women; angry, happy, neutral and bored."""


@pytest.fixture(scope="session")
def joined_cache(
    small_cache: Path, small_settings: list[str], small_recipe_id: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A root with the small cache and one of an EmoDB-shaped corpus (`EMODB`), both of the same recipe."""
    home = tmp_path_factory.mktemp("joined")
    root, wav = home / "cache", home / "corpora" / "emodb" / "wav"
    shutil.copytree(small_cache, root)
    wav.mkdir(parents=True)
    rng = np.random.default_rng(1)
    for number, stem in enumerate(EMODB):
        samples = 0.1 * rng.standard_normal(8000 + 500 * number)
        soundfile.write(wav / f"{stem}.wav", samples, 16000, subtype="PCM_16")
    where = ["--corpus", "emodb", "--corpora", str(home / "corpora"), "--cache", str(root)]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert precompute([*where, "--jobs", "1", "--set", *small_settings]) == 0
    assert roots.sealed(root, "emodb", small_recipe_id)
    return root


@pytest.fixture(scope="session")
def network() -> list[str]:
    """Settings of a tiny network."""
    strides = "model.strides=[[2,2],[2,2],[2,2]]"
    return ["model.pipe_filters=2", "model.filters=[3,4]", strides, "model.lstm=4", "model.fc=5"]


TRAINING = """\
selection: validation
protocol: {folds: 2}
train: {epochs: 2, batch: 4, device: cpu, precision: fp32, threads: 1}
jobs: 1
logger: []
"""
"""Of a run that takes a second and gives the same numbers on every machine of one kind."""


@pytest.fixture(scope="session")
def tiny(small_cache: Path, small_recipe_id: str, network: list[str], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Settings of a run of two folds and two epochs on the small cache; the experiment is named `tiny`."""
    file = tmp_path_factory.mktemp("experiment") / "tiny.yaml"
    file.write_text(TRAINING)
    return [f"experiment={file}", f"cache_root={small_cache}", f"recipe={small_recipe_id}", *network]


AT_ONCE = """\
import os
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from precompute.common.settings import setting
from wser.config.schema import FittedModelConfig


@dataclass
class Config(FittedModelConfig):
    seconds: float = setting(0.0, low=0, high=1000)
    busy: bool = False


class Model:
    def __init__(self, config, classes):
        self.config, self.classes = config, classes

    def fit(self, pictures, labels):
        if self.config.busy:
            import torch
            end, product = time.monotonic() + self.config.seconds, torch.ones(500, 500)
        if told := os.environ.get("TOLD"):
            (Path(told) / uuid.uuid4().hex).touch()
        if self.config.busy:
            while time.monotonic() < end:
                product = product @ product
        else:
            threading.Event().wait(self.config.seconds)
        self.means = np.array([np.mean([p.mean() for p, label in zip(pictures, labels) if label == one] or [0])
                               for one in range(self.classes)])
        return self

    def predict_proba(self, pictures):
        weights = np.exp(-abs(np.array([[picture.mean()] for picture in pictures]) - self.means))
        return weights / weights.sum(axis=1, keepdims=True)


def build(config, classes, seed):
    return Model(config, classes)
"""
"""A model whose process needs no PyTorch, and so takes one second to start in the place of four.

It waits for `seconds` while it is fitted, or multiplies matrices by PyTorch if it is `busy`, and says that it has begun by a
file in the directory `TOLD` of the environment.
"""


@pytest.fixture(scope="session")
def at_once(small_cache: Path, small_recipe_id: str, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Settings of a run of two folds as of `tiny`, by the model `AT_ONCE`: for tests of what is around the training."""
    folder = tmp_path_factory.mktemp("at_once")
    (folder / "at_once.py").write_text(AT_ONCE)
    (folder / "quick.yaml").write_text("protocol: {folds: 2}\njobs: 1\nlogger: []\n")
    where = [f"cache_root={small_cache}", f"recipe={small_recipe_id}"]
    return [f"experiment={folder / 'quick.yaml'}", f"model={folder / 'at_once.py'}", *where]


@pytest.fixture(scope="session")
def trained(
    tiny: list[str],
    tmp_path_factory: pytest.TempPathFactory,
    no_figures: Callable[[], contextlib.AbstractContextManager[None]],
) -> tuple[Path, str]:
    """The results of a finished run, both folds, with nothing drawn on its page, and what it printed on stdout."""
    results = tmp_path_factory.mktemp("trained")
    printed = io.StringIO()
    with no_figures(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        assert run.main([*tiny, f"results={results}"]) == 0
    (directory,) = results.iterdir()
    return directory, printed.getvalue()


@pytest.fixture(autouse=True)
def _no_cache_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WSER_CACHE", raising=False)


@pytest.fixture
def copied(trained: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of a finished run of two folds among results of its own, which a test may harm."""
    directory = tmp_path / "runs" / trained[0].name
    shutil.copytree(trained[0], directory)
    return directory
