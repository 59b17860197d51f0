"""Linear algebra by one thread: pictures are the same however many processes and threads there are."""

import os
import subprocess
import sys

import numpy as np
import pytest
import threadpoolctl
from counting import calls

from precompute.__main__ import main
from precompute.cache import roots
from precompute.cache.reader import Cache
from precompute.common.threads import one_thread
from precompute.pipeline import extract
from precompute.recipe import named

TWO = min(2, os.cpu_count() or 1)


def threads():
    """Threads of each BLAS library that is loaded."""
    return {one["filepath"]: one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"}


def test_inside_there_is_one_thread_and_afterwards_as_many_as_before():
    with one_thread():
        pass
    with threadpoolctl.threadpool_limits(TWO, user_api="blas"):
        before = threads()
        with one_thread():
            assert set(threads().values()) == {1}
            with one_thread():
                assert set(threads().values()) == {1}
            assert set(threads().values()) == {1}
        assert threads() == before
        with pytest.raises(ZeroDivisionError), one_thread():
            _ = 1 / 0
        assert threads() == before
    assert any("numpy" in name for name in before)


@pytest.mark.parametrize("recipe", ["default", "stft", "logmel", "wavelets"])
@pytest.mark.parametrize("use", ["picture", "warm_up"])
def test_pictures_are_computed_by_one_thread(encode, monkeypatch, recipe, use):
    recipe, seen = named(recipe), []
    compute = type(recipe.feature).compute

    def spy(*arguments):
        seen.append(set(threads().values()))
        return compute(*arguments)

    monkeypatch.setattr(type(recipe.feature), "compute", spy)
    with threadpoolctl.threadpool_limits(TWO, user_api="blas"):
        if use == "picture":
            extract.extract(encode(0.1 * np.random.default_rng(0).standard_normal(16000)), "a", recipe)
        else:
            extract.warm_up(recipe)
    assert seen == [{1}]


def test_it_costs_next_to_nothing():
    with one_thread():
        pass

    def hundred():
        for _ in range(100):
            with one_thread():
                pass

    found = calls(hundred)
    # To set a number takes microseconds, to look for the libraries of the process milliseconds, as long as a picture.
    assert found["threadpoolctl.ThreadpoolController.limit"] == 100
    assert found["threadpoolctl.ThreadpoolController.__init__"] == 0


DELICATE = ("08b02Wd", "09b03Nb", "11b02Wb", "11b03Wa", "13b10Nc", "15a05Lb", "16a05Ea", "16b03Ea")
"""Recordings of EmoDB of which a pixel lies so near to the edge of a level that two threads put it on the other side."""


@pytest.mark.slow
def test_a_fingerprint_does_not_depend_on_processes_and_threads(corpora_dir, tmp_path):
    (tmp_path / "corpora/emodb/wav").mkdir(parents=True)
    for name in DELICATE:
        (tmp_path / f"corpora/emodb/wav/{name}.wav").symlink_to(next(corpora_dir.glob(f"emodb/**/{name}.wav")))
    fingerprints = set()
    ways = ("1", {"OMP_NUM_THREADS": "4"}), ("2", {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"})
    kept = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS") and not key.startswith("WSER_")}
    # In this process, which has one thread, and in others.
    for number, (jobs, variables) in enumerate([("1", None), *ways]):
        root = tmp_path / str(number)
        arguments = ["--corpus", "emodb", "--corpora", str(tmp_path / "corpora"), "--cache", str(root), "--jobs", jobs]
        if variables is None:
            assert main(arguments) == 0
        else:
            command = [sys.executable, "-m", "precompute", *arguments]
            subprocess.run(command, env=kept | variables, check=True, capture_output=True)
        (path,) = roots.sealed(root, "emodb")
        fingerprints.add(Cache(path).fingerprint)
    assert len(fingerprints) == 1
