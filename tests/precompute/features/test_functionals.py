"""Functionals of openSMILE: as openSMILE alone gives them, the same in every process, and a clear refusal without it."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
import soundfile

import precompute
from precompute.__main__ import main
from precompute.audio.chain import Frame
from precompute.cache.transfer.archive import export_zip, import_zip
from precompute.cache.transfer.hdf5 import export_hdf5
from precompute.cache.verify import problems
from precompute.common.errors import UnusableAudioError
from precompute.features import functionals
from precompute.recipe import Recipe, described, from_record, in_words, named
from precompute.testing.features import noise

RATE = 16000


def opensmile():
    return pytest.importorskip("opensmile", reason="opensmile is not installed: python -m pip install '.[opensmile]'")


def voiced(seconds=1.0, level=0.2):
    """A voice-like tone with harmonics and a little noise."""
    time = np.arange(int(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 20))
    return (level * (tone / 3 + noise(seconds, RATE) / 20)).astype(np.float32)


@pytest.mark.parametrize("name", ["egemaps", "compare"])
def test_it_is_what_opensmile_gives_of_the_file(name, tmp_path):
    theirs = opensmile()
    file, half = tmp_path / "a.wav", np.rint(voiced() * 32768).astype(np.int16)
    # Without a mean, which would be subtracted.
    soundfile.write(file, np.concatenate([half, -half[::-1]]), RATE)
    smile = theirs.Smile(theirs.FeatureSet[functionals.SETS[name][0]], theirs.FeatureLevel.Functionals)
    np.testing.assert_array_equal(precompute.extract(file, name).values, smile.process_file(str(file)).to_numpy()[0])


@pytest.mark.parametrize(("name", "size"), [("egemaps", 88), ("compare", 6373)])
def test_recipes_have_names_and_say_what_they_hold(name, size):
    recipe = named(name)
    assert (recipe.array.shape, recipe.array.dtype, recipe.array.kind) == ((size,), "float32", "vector")
    assert (recipe.audio.normalise, in_words(recipe.record())) == ("none", name)
    assert described(recipe.record()) == "functionals of openSMILE"
    assert from_record(recipe.record()) == recipe


@pytest.mark.slow
def test_another_process_gives_the_same_bytes(tmp_path):
    opensmile()
    soundfile.write(tmp_path / "a.wav", voiced(), RATE)
    program = "import sys, precompute; sys.stdout.write(precompute.extract(sys.argv[1], 'egemaps').values.tobytes().hex())"
    command = [sys.executable, "-c", program, tmp_path / "a.wav"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told == precompute.extract(tmp_path / "a.wav", "egemaps").values.tobytes().hex()


def test_level_counts_unless_it_is_normalised():
    opensmile()
    loud, soft = (precompute.extract(voiced(level=level), "egemaps", RATE).values for level in (0.2, 0.05))
    assert loud[10] > 1.2 * soft[10]  # loudness_sma3_amean
    alike = [
        precompute.extract(voiced(level=level), Recipe("functionals", set="egemaps"), RATE).values for level in (0.2, 0.05)
    ]
    np.testing.assert_allclose(alike[0][10], alike[1][10], rtol=0.01)


def test_full_scale_does_not_change_sign():
    opensmile()
    recipe = named("egemaps")
    square = np.where(np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE) > 0, 1.0, -1.0).astype(np.float32)
    values = [recipe.feature.compute(Frame(samples, 0, recipe.audio)).values for samples in (square, square * 0.999)]
    np.testing.assert_allclose(values[0][10], values[1][10], rtol=0.01)


def test_what_is_too_short_is_unusable(messages):
    opensmile()
    with messages.raises(UnusableAudioError):
        precompute.extract(voiced(0.04), "egemaps", RATE)


@pytest.fixture
def absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "opensmile", None)
    functionals._extractor.cache_clear()
    yield
    functionals._extractor.cache_clear()


@pytest.mark.usefixtures("absent")
def test_without_opensmile_nothing_is_begun(small_ravdess, tmp_path, capsys):
    assert (
        main(["build", "ravdess", "--recipe", "compare", "--corpora", str(small_ravdess), "--cache", str(tmp_path / "c")]) == 1
    )
    told = capsys.readouterr().err
    assert "feature=functionals needs the package opensmile, which is not installed" in told
    assert "python -m pip install 'opensmile==2.6.*'" in told
    assert "private use, research and education alone" in told
    assert not (tmp_path / "c" / "ravdess").exists()
    with pytest.raises(functionals.OpensmileError):
        precompute.extract(voiced(), "egemaps", RATE)


@pytest.mark.usefixtures("absent")
def test_another_version_is_refused(monkeypatch, messages):
    other = type(sys)("opensmile")
    other.__version__ = "2.60.1"
    monkeypatch.setitem(sys.modules, "opensmile", other)
    with messages.raises(functionals.OpensmileError):
        precompute.extract(voiced(), "egemaps", RATE)


@pytest.mark.slow
def test_a_cache_of_them_is_verified_and_carried_as_any_other(small_ravdess, tmp_path, capsys):
    opensmile()
    place = ["--corpora", str(small_ravdess), "--cache", str(tmp_path / "c"), "--jobs", "1"]
    assert main(["build", "ravdess", "--recipe", "egemaps", *place]) == 0
    assert functionals.LICENCE in capsys.readouterr().err
    cache = precompute.open_cache("ravdess", cache=tmp_path / "c", recipe="egemaps")
    values = cache.read_all()
    assert values.shape == (24, 88)
    assert problems(cache.path) == []
    assert main(["cache", "verify", cache.id, "--recompute", "3", *place[:4]]) == 0
    export_zip([cache.path], tmp_path / "x.zip")
    import_zip(tmp_path / "x.zip", tmp_path / "there")
    np.testing.assert_array_equal(precompute.open_cache("ravdess", "egemaps", cache=tmp_path / "there").read_all(), values)
    export_hdf5(cache.path, tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5") as file:
        np.testing.assert_array_equal(file["values"][:], values)
