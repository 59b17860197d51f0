"""Caches and finished runs that the tests of `wser` share; every network here is tiny, every run takes a second or two."""

import contextlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from matplotlib.figure import Figure

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


@pytest.fixture(scope="session")
def trained(tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The results of a finished run, both folds, and what it printed on stdout."""
    results = tmp_path_factory.mktemp("trained")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        assert run.main([*tiny, f"results={results}"]) == 0
    (directory,) = results.iterdir()
    return directory, printed.getvalue()


@pytest.fixture(scope="session")
def save_blank() -> Callable[..., None]:
    """A `Figure.savefig` that writes an empty figure, whatever is on it."""
    blank = {}
    for kind in ("png", "svg"):
        file = io.BytesIO()
        Figure((1, 1)).savefig(file, format=kind)
        blank[kind] = file.getvalue()

    def savefig(figure: Figure, file: io.StringIO | io.BytesIO, format: str, **options: Any) -> None:
        file.write(blank[format].decode() if isinstance(file, io.StringIO) else blank[format])

    return savefig


@pytest.fixture
def undrawn(save_blank: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made and not drawn, which takes most of a page's time: for tests that do not look at them."""
    monkeypatch.setattr(Figure, "savefig", save_blank)


@pytest.fixture(autouse=True)
def _no_cache_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WSER_CACHE", raising=False)


@pytest.fixture
def copied(trained: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of a finished run of two folds among results of its own, which a test may harm."""
    directory = tmp_path / "runs" / trained[0].name
    shutil.copytree(trained[0], directory)
    return directory
