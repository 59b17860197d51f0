"""The public library of `precompute`: lazy, silent, and with the pixels of the command line."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import precompute
import wser
from precompute.cache.reader import Cache
from precompute.common.errors import CacheMissingError, CorpusError, RecipeError, UnusableAudioError
from precompute.library import CorpusWarning
from precompute.recipe import Recipe, named

pytestmark = pytest.mark.filterwarnings("ignore::precompute.library.CorpusWarning")


@pytest.fixture
def recipe(small_settings):
    return named("default", small_settings)


@pytest.mark.parametrize("package", [precompute, wser], ids=["precompute", "wser"])
def test_importing_a_package_imports_nothing_heavy(package):
    heavy = ["numpy", "torch", "zarr", "pandas", "omegaconf"]
    loaded = f"[name for name in {heavy} if name in sys.modules]"
    program = f"import sys, {package.__name__} as package; print({loaded}, sorted(package.__all__))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert found == f"[] {sorted(package.__all__)}\n"


def test_every_public_name_is_there_and_listed():
    assert set(precompute.__all__) <= set(dir(precompute))
    assert all(callable(getattr(precompute, name)) for name in precompute.__all__)
    assert precompute.Cache is Cache
    assert precompute.Recipe is Recipe
    with pytest.raises(AttributeError, match="no attribute 'open_cahce'"):
        precompute.open_cahce  # noqa: B018


def test_both_packages_are_typed():
    for package in (precompute, wser):
        assert Path(package.__file__).with_name("py.typed").is_file()


def test_a_cache_is_opened_by_name_id_or_recipe(small_cache, small_recipe_id, recipe, messages):
    by_recipe = precompute.open_cache("ravdess", recipe, cache=small_cache)
    by_id = precompute.open_cache("ravdess", small_recipe_id, cache=str(small_cache))
    assert by_recipe.path == by_id.path == precompute.open_cache("ravdess", recipe, small_cache, id=by_id.id).path
    assert len(by_recipe.records) == 24
    with messages.raises(CacheMissingError):
        precompute.open_cache("ravdess", cache=small_cache)


def test_a_picture_of_a_file_is_that_of_the_cache(small_cache, small_ravdess, recipe):
    cache = precompute.open_cache("ravdess", recipe, cache=small_cache)
    for array, records in list(cache.arrays.items())[:3]:
        for record, pixels in zip(records, cache.read(array), strict=True):
            made = precompute.extract(small_ravdess / "ravdess" / record.path, recipe)
            np.testing.assert_array_equal(made.values, pixels)
            assert (made.start, made.stop, made.samples_sha256) == (record.start, record.stop, record.samples_sha256)


def test_the_key_of_a_file_seeds_what_is_random(small_ravdess, tmp_path, small_settings):
    noisy = named("white0", [*small_settings, "pad=random"])
    cache = precompute.build("ravdess", noisy, corpora=small_ravdess, cache=tmp_path / "cache", jobs=1)
    record = cache.records[0]
    path = small_ravdess / "ravdess" / record.path
    stored = cache.read(record.array)[record.row]
    np.testing.assert_array_equal(precompute.extract(path, noisy).values, stored)
    samples, rate = soundfile.read(path, dtype="int16")
    np.testing.assert_array_equal(precompute.extract(samples, noisy, rate, key=record.key).values, stored)
    assert (precompute.extract(path, noisy, key="another").values != stored).any()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "int32"])
def test_a_picture_of_samples_is_that_of_their_file(small_ravdess, recipe, dtype):
    path = next(small_ravdess.rglob("*.wav"))
    samples, rate = soundfile.read(path, dtype=dtype)
    expected = precompute.extract(path, recipe)
    for given in (samples, np.stack([samples, samples], axis=1)):
        made = precompute.extract(given, recipe, sample_rate=rate)
        np.testing.assert_array_equal(made.values, expected.values)
        assert made.channels == given.ndim
    assert expected.values.shape == (16, 64, 3)
    assert expected.values.dtype == np.uint8


@pytest.mark.parametrize(
    ("given", "options", "why"),
    [
        (np.ones(800, np.float32), {}, "give sample_rate"),
        (np.ones((2, 2, 2), np.float32), {"sample_rate": 16000}, r"shape \(2, 2, 2\) are no waveform"),
        (np.ones(800, np.complex64), {"sample_rate": 16000}, "type complex64"),
        (np.full(16000, np.nan, np.float32), {"sample_rate": 16000}, "16000 samples are NaN"),
        (np.zeros(16000, np.float32), {"sample_rate": 16000}, "silent"),
        (np.ones(800, np.float32), {"sample_rate": 10}, "sample rate of 10 Hz is not between 1000 and"),
        ("missing.wav", {}, r"missing.wav: it cannot be read \(No such file"),
        (".", {}, "it is a directory"),
        ("a.wav", {"sample_rate": 16000}, "leave sample_rate out"),
    ],
)
def test_what_is_no_recording_is_refused_in_a_sentence(given, options, why):
    with pytest.raises(UnusableAudioError, match=why):
        precompute.extract(given, **options)


def test_build_makes_the_cache_of_the_command_line_and_prints_nothing(small_cache, small_ravdess, recipe, tmp_path, capfd):
    with pytest.warns(CorpusWarning, match="ravdess is not as published"):
        made = precompute.build("ravdess", recipe, corpora=small_ravdess, cache=tmp_path / "cache", jobs=1)
    assert capfd.readouterr() == ("", "")
    expected = precompute.open_cache("ravdess", recipe, cache=small_cache)
    assert (made.id, made.fingerprint) == (expected.id, expected.fingerprint)
    before = made.manifest_bytes
    again = precompute.build("ravdess", recipe, corpora=f"ravdess={small_ravdess}/ravdess", cache=tmp_path / "cache")
    assert again.manifest_bytes == before


def test_build_confirms_which_cache_is_that_of_the_recordings(small_ravdess, recipe, tmp_path):
    corpora, cache = tmp_path / "corpora", tmp_path / "cache"
    shutil.copytree(small_ravdess, corpora)
    first = precompute.build("ravdess", recipe, corpora, cache, jobs=1)
    gone = sorted(corpora.rglob("*.wav"))[0]
    content = gone.read_bytes()
    gone.unlink()
    second = precompute.build("ravdess", recipe, corpora, cache, jobs=1)
    assert precompute.open_cache("ravdess", recipe, cache).id == second.id != first.id
    gone.write_bytes(content)
    precompute.build("ravdess", recipe, corpora, cache, jobs=1)
    assert precompute.open_cache("ravdess", recipe, cache).id == first.id


def test_build_refuses_what_it_cannot_do(small_ravdess, tmp_path, messages):
    cache = tmp_path / "cache"
    with messages.raises(CorpusError):
        precompute.build("emodb", corpora=small_ravdess, cache=cache)
    with messages.raises(CorpusError):
        precompute.build("ravdes", corpora=small_ravdess, cache=cache)
    with messages.raises(RecipeError):
        precompute.build("ravdess", "defualt", corpora=small_ravdess, cache=cache)
    with messages.raises(CorpusError):
        precompute.build("ravdess", corpora=small_ravdess, cache=cache, jobs=0)
    assert not cache.exists()
