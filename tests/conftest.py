"""Fixtures shared by the tests of both packages.

- `encode(samples, rate, subtype, format)` gives the bytes of an audio file;
- `small_ravdess` is a directory of corpora that holds a tiny synthetic corpus in RAVDESS's shape;
- `small_settings` are the `key=value` settings of a recipe that is quick to compute, `small_recipe_id` is its id;
- `small_cache` is the root of a cache of that corpus and recipe: read it, or copy it before changing it;
- `messages` compares the wording of errors with one file;
- `undrawn` makes figures empty, for tests that do not look at them; `unmade` spares those of a run's page altogether;
- `bucket` is the URL of an empty bucket of an object store on this machine;
- `corpora_dir` is the directory of the real corpora; tests that use it are skipped where `WSER_CORPORA` names none.
"""

import contextlib
import fcntl
import functools
import gc
import io
import os
import signal
import uuid
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile
import threadpoolctl
import wording
from hypothesis import settings

from precompute.common import progress

# Examples are drawn alike on every run, and none is held to a time: a busy machine must not fail a test.
settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("repeatable")

# For PyTorch, which is not loaded yet, and for child processes: as many threads as cores in each of pytest's processes wait
# for each other, and take up to ten times the processor's time.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SMALL_ACTORS = ("01", "02", "03", "04")
SMALL_EMOTIONS = {"03": (1.3, 3.0), "04": (0.9, 0.5), "05": (1.6, 6.0)}
"""RAVDESS's code of an emotion -> factors on pitch and on brightness, so that a model can tell the emotions apart."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is loaded here stays, and to look for garbage among it again and again takes seconds of each process."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _one_thread_of_blas() -> Iterator[None]:
    """Threads that wait for each other take several times the processor's time, and most where others are at work too."""
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture(scope="session", autouse=True)
def _unsynced() -> Iterator[None]:
    """No test cuts the power, and to wait for the disk takes milliseconds for each file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _without_progress() -> Iterator[None]:
    """Lines of progress come after a time, on a slow machine among what a test compares."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress, "SECONDS_BETWEEN_LINES", float("inf"))
        yield


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """A shell starts what runs in its background with SIGINT ignored, `nohup` with SIGHUP, and processes inherit that."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def _met() -> Iterator[wording.Wording]:
    """The messages that this process's tests meet."""
    met: wording.Wording = {}
    yield met
    if met and wording.updates():
        wording.write(met)


@pytest.fixture
def messages(
    request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, _met: wording.Wording
) -> Iterator[wording.Messages]:
    """Compares the wording of errors with that in `messages.yaml`: `with messages.raises(Error): ...`."""
    name = f"{request.path.relative_to(wording.TESTS).as_posix()}::{request.node.nodeid.partition('::')[2]}"
    messages = wording.Messages(name, tmp_path, tmp_path_factory.getbasetemp())
    yield messages
    if messages.met:
        _met[name] = messages.met


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """A function from samples to the bytes of an audio file."""

    def encode(samples: np.ndarray, rate: int = 16000, subtype: str = "PCM_16", format: str = "WAV") -> bytes:
        file = io.BytesIO()
        soundfile.write(file, samples, rate, subtype=subtype, format=format)
        return file.getvalue()

    return encode


@pytest.fixture(scope="session")
def small_ravdess(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of corpora with `ravdess/Actor_NN/*.wav`: 4 actors, 3 emotions (happy, sad, angry), 2 statements.

    The 24 recordings are harmonic tones in noise, 0.6 to 1.0 s at 16 kHz, and the same on every run.
    """
    corpora = tmp_path_factory.mktemp("corpora")
    for actor in SMALL_ACTORS:
        folder = corpora / "ravdess" / f"Actor_{actor}"
        folder.mkdir(parents=True)
        for emotion, (pitch, brightness) in SMALL_EMOTIONS.items():
            for statement in ("01", "02"):
                name = f"03-01-{emotion}-01-{statement}-01-{actor}"
                rng = np.random.default_rng(zlib.crc32(name.encode()))
                time = np.arange(int(16000 * rng.uniform(0.6, 1.0))) / 16000
                f0 = pitch * (120 if int(actor) % 2 else 210) * rng.uniform(0.95, 1.05)
                tone = sum(np.exp(-k / brightness) * np.sin(2 * np.pi * k * f0 * time) for k in range(1, 9))
                noisy = 0.1 * np.hanning(len(time)) * tone + 0.003 * rng.standard_normal(len(time))
                soundfile.write(folder / f"{name}.wav", noisy, 16000, subtype="PCM_16")
    return corpora


@pytest.fixture(scope="session")
def small_settings() -> list[str]:
    """Settings, for `--set`, of a recipe of 16 x 64 pixels."""
    return ["scales=16", "height=16", "columns=64", "width=64", "duration=2.0"]


@pytest.fixture(scope="session")
def small_recipe_id(small_settings: list[str]) -> str:
    """Id of the recipe of `small_cache`."""
    from precompute.recipe import named

    return named("default", small_settings).id


@pytest.fixture(scope="session")
def small_cache(tmp_path_factory: pytest.TempPathFactory, small_ravdess: Path, small_settings: list[str]) -> Path:
    """Root of caches that holds `small_ravdess` by `small_settings`; shared, so copy it before changing it."""
    from precompute.__main__ import main

    root = tmp_path_factory.mktemp("cache")
    code = main(
        ["--corpus", "ravdess", "--corpora", str(small_ravdess), "--cache", str(root), "--jobs", "1", "--set", *small_settings]
    )
    assert code == 0
    return root


@pytest.fixture(scope="session")
def save_blank() -> Callable[..., None]:
    """A `Figure.savefig` that writes an empty figure, whatever is on it."""
    from matplotlib.figure import Figure

    blank = {}
    for kind in ("png", "svg"):
        file = io.BytesIO()
        Figure((1, 1)).savefig(file, format=kind)
        blank[kind] = file.getvalue()

    def savefig(figure: Any, file: io.StringIO | io.BytesIO, format: str, **options: Any) -> None:
        file.write(blank[format].decode() if isinstance(file, io.StringIO) else blank[format])

    return savefig


@pytest.fixture
def undrawn(save_blank: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made and not drawn, which takes most of a page's time: for tests that do not look at them."""
    from matplotlib.figure import Figure

    monkeypatch.setattr(Figure, "savefig", save_blank)


@pytest.fixture(scope="session")
def no_figures(save_blank: Callable[..., None]) -> Callable[[], contextlib.AbstractContextManager[None]]:
    """A context in which nothing is drawn, and the figures of a run's page are not even made, for fixtures of whole files."""

    @contextlib.contextmanager
    def no_figures() -> Iterator[None]:
        from matplotlib.figure import Figure

        from wser.reports import figures

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Figure, "savefig", save_blank)
            for name in ("confusion", "curves", "curve", "bars"):
                patch.setattr(figures, name, lambda *_, **__: Figure((1, 1)))
            yield

    return no_figures


@pytest.fixture
def unmade(no_figures: Callable[[], contextlib.AbstractContextManager[None]]) -> Iterator[None]:
    """The same for a test that has nothing to do with pages."""
    with no_figures():
        yield


@pytest.fixture(scope="session")
def librosa(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The package librosa, whose loops one process at a time compiles."""
    from precompute.features import issa193

    package = pytest.importorskip("librosa", reason="librosa is not installed: python -m pip install '.[librosa]'")
    # Above the directory of each of pytest's processes.
    with (tmp_path_factory.getbasetemp().parent / "librosa.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with _compiled_when_called():
            issa193.Feature().require()
    return package


@contextlib.contextmanager
def _compiled_when_called() -> Iterator[None]:
    """Loops that librosa would compile as it is imported are compiled as they are called: most never are, and take 8 s."""
    import numba

    compiled = numba.guvectorize

    def later(*arguments: Any, **options: Any) -> Callable[..., Any]:
        def decorated(loop: Callable[..., Any]) -> Callable[..., Any]:
            made = functools.cache(lambda: compiled(*arguments, **options)(loop))
            return lambda *given, **more: made()(*given, **more)

        return decorated

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba, "guvectorize", later)
        yield


@pytest.fixture(scope="session")
def corpora_dir() -> Path:
    """The directory of the real corpora."""
    root = Path(os.environ.get("WSER_CORPORA") or "-")
    if not all((root / name).is_dir() for name in ("ravdess", "emodb")):
        pytest.skip("set WSER_CORPORA to a directory with ravdess/ and emodb/ to run tests on real recordings")
    return root


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """Address of an object store on this machine that speaks S3."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(object_store: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of a new bucket; the environment has what is needed to reach it, for this process and its children."""
    import s3fs

    for name, value in {
        "AWS_ENDPOINT_URL": object_store, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    url = f"s3://lab-{uuid.uuid4().hex[:8]}"
    s3fs.S3FileSystem().mkdir(url)
    return url
