"""The command line as a user runs it: exit codes, messages, and what lies in the cache afterwards."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

import numpy as np
import pytest
from halting import kill_after

from precompute.__main__ import main
from precompute.cache import layout, roots
from precompute.cache.reader import Cache
from precompute.common.errors import CacheMissingError, counted
from precompute.corpora import names

SMALL = ["--set", "scales=16", "height=16", "columns=64", "width=64", "duration=2.0", "--jobs", "1"]


def environment(**extra):
    return {key: value for key, value in os.environ.items() if not key.startswith("WSER_")} | extra


def precompute(*arguments, real=False, **extra):
    """Run the command, in a process of its own if it is to be the real one; its output must never hold a traceback."""
    command = [sys.executable, "-m", "precompute", *map(str, arguments)]
    if real:
        done = subprocess.run(command, capture_output=True, text=True, env=environment(**extra), timeout=300, check=False)
    else:
        out, errors = io.StringIO(), io.StringIO()
        with mock.patch.dict(os.environ, environment(**extra), clear=True), redirect_stdout(out), redirect_stderr(errors):
            try:
                code = main(command[3:])
            except SystemExit as stopped:
                code = stopped.code
        done = subprocess.CompletedProcess(command, code, out.getvalue(), errors.getvalue())
    assert "Traceback" not in done.stderr, done.stderr
    return done


def caches(root):
    return [Cache(file.parent) for file in sorted(root.glob(f"*/*/{layout.MANIFEST}"))]


def published(root):
    """Directories of the units that are published, sealed or not; what lies in staging is none."""
    return [file.parent for file in root.glob(f"ravdess/[!.]*/*/*/{layout.GROUP}")]


@pytest.fixture
def corpora(small_ravdess, tmp_path):
    """A directory of corpora of one's own: two actors, 12 recordings."""
    for actor in ("Actor_01", "Actor_02"):
        shutil.copytree(small_ravdess / "ravdess" / actor, tmp_path / "corpora" / "ravdess" / actor)
    return tmp_path / "corpora"


def lay_bad_files(folder, encode, samples):
    """Files that cannot be used, among good ones: name -> a word of the reason expected."""
    whole = encode(samples)
    broken = samples.copy()
    broken[100] = np.nan
    kinds = {
        "03-01-05-01-01-02-01": (b"", "the file is empty"),
        "03-01-05-01-02-02-01": (b"dear diary, today I recorded nothing\n" * 40, "it is a text"),
        "03-01-05-02-01-01-01": (whole[: len(whole) // 2], "it is cut short"),
        "03-01-05-02-01-02-01": (encode(broken, subtype="FLOAT"), "1 samples are NaN or infinite"),
        # Two that make up a unit of their own: nothing of it is ever published.
        "03-01-08-01-01-01-01": (encode(np.zeros(16000)), "the recording is silent"),
        "03-01-08-01-01-02-01": (encode(samples[:100]), "less than one column"),
        "holiday": (whole, "the name does not parse"),
    }
    for name, (data, _) in kinds.items():
        (folder / f"{name}.wav").write_bytes(data)
    return {name: reason for name, (_, reason) in kinds.items()}


@pytest.mark.slow
def test_bad_files_are_named_and_good_ones_computed(corpora, tmp_path, encode):
    samples = 0.1 * np.random.default_rng(0).standard_normal(16000)
    bad = lay_bad_files(corpora / "ravdess" / "Actor_01", encode, samples)
    arguments = ["--corpus", "ravdess", "--corpora", corpora, "--cache", tmp_path / "cache", *SMALL]

    done = precompute(*arguments, real=True)
    assert done.returncode == 3
    (cache,) = caches(tmp_path / "cache")
    good = {file.stem for file in corpora.rglob("*.wav")} - set(bad)
    assert {record.key for record in cache.records} == good
    assert len(good) == 12
    assert len(cache.read_all()) == 12
    recorded = {skipped.path: skipped.reason for skipped in cache.skipped}
    assert len(recorded) == len(bad)
    for name, reason in bad.items():
        path = f"Actor_01/{name}.wav"
        assert reason in recorded[path]
        assert f"skipped: ravdess: {path}: {recorded[path]}" in done.stderr.splitlines()
    lines = (cache.path / layout.SKIPPED).read_text().splitlines()
    assert {json.loads(line)["path"] for line in lines} == set(recorded)
    assert "skipped     7" in done.stdout

    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*") if file.is_file()}
    again = precompute(*arguments)
    assert again.returncode == 3
    assert "nothing to do" in again.stdout
    assert [line for line in again.stderr.splitlines() if line.startswith("skipped")] == [
        line for line in done.stderr.splitlines() if line.startswith("skipped")
    ]
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*") if file.is_file()} == before


def test_a_corpus_without_a_usable_file_exits_1_with_the_reasons(tmp_path, encode):
    folder = tmp_path / "ravdess" / "Actor_01"
    folder.mkdir(parents=True)
    bad = lay_bad_files(folder, encode, 0.1 * np.random.default_rng(0).standard_normal(16000))
    done = precompute("--corpus", "ravdess", "--corpora", tmp_path, "--cache", tmp_path / "cache", *SMALL)
    assert done.returncode == 1
    assert sum(line.startswith("skipped: ravdess: ") for line in done.stderr.splitlines()) == len(bad)
    assert re.match(r"precompute: no.* recordings? of ravdess in .*replace the files$", done.stderr.splitlines()[-1])
    assert caches(tmp_path / "cache") == []


def test_every_skipped_file_is_named(corpora, tmp_path):
    for i in range(25):
        (corpora / "ravdess" / f"note {i}.wav").write_bytes(b"x")
    done = precompute("--corpus", "ravdess", "--corpora", corpora, "--cache", tmp_path / "cache", *SMALL)
    assert done.returncode == 3
    assert sum("the name does not parse" in line for line in done.stderr.splitlines()) == 25
    assert "warning: ravdess is not as published: utterances: 12 found, 1440 published (1428 missing)" in done.stderr
    assert "12 of 2 speakers, 3 emotions" in done.stdout
    assert len(caches(tmp_path / "cache")[0].skipped) == 25


def test_a_stray_file_that_is_gone_is_forgotten_and_a_bad_recording_is_not(corpora, tmp_path):
    stray, bad = corpora / "ravdess" / "note.wav", corpora / "ravdess" / "Actor_01" / "03-01-08-01-01-01-01.wav"
    stray.write_bytes(b"x")
    bad.write_bytes(b"x")
    arguments = ["--corpus", "ravdess", "--corpora", corpora, "--cache", tmp_path / "cache", *SMALL]
    first = precompute(*arguments)
    stray.unlink()
    second = precompute(*arguments)
    assert (first.returncode, second.returncode) == (3, 3)
    assert "note.wav" in first.stderr
    assert "note.wav" not in second.stderr
    assert bad.name in second.stderr


def test_one_bad_corpus_of_two_does_not_stop_the_other(corpora, tmp_path):
    (corpora / "emodb" / "wav").mkdir(parents=True)
    (corpora / "emodb" / "wav" / "03a01Fa.wav").write_bytes(b"")
    done = precompute("--corpus", "all", "--corpora", corpora, "--cache", tmp_path / "cache", *SMALL)
    assert done.returncode == 3
    assert "none of the 1 recordings of emodb" in done.stderr
    assert "12 of 2 speakers" in done.stdout


def a_corpus_nobody_knows(tmp_path):
    return ["--corpus", "ravdes"], ["no corpus 'ravdes'", "did you mean 'ravdess'"]


def a_corpus_that_is_not_there(tmp_path):
    return ["--corpus", "emodb"], ["emodb is not in", "emodb.bilderbar.info", "--corpora emodb=DIR"]


def no_corpus_at_all(tmp_path):
    return ["--corpus", "all"], ["there is no corpus in", "--list"]


def a_folder_of_other_recordings(tmp_path):
    folder = tmp_path / "corpora" / "ravdess"
    folder.mkdir(parents=True)
    (folder / "song.wav").write_bytes(b"x")
    return ["--corpus", "ravdess"], [
        "no recording of ravdess",
        "1 file skipped",
        "the name does not parse",
        "ravdess/Actor_NN/*.wav",
    ]


def a_value_beyond_its_limit(tmp_path):
    return ["--corpus", "ravdess", "--set", "scales=1"], ["scales=1 is outside 2 to 1024"]


def a_parameter_nobody_knows(tmp_path):
    return ["--corpus", "ravdess", "--set", "scale=64"], ["did you mean 'scales'"]


def a_recipe_nobody_knows(tmp_path):
    return ["--corpus", "ravdess", "--recipe", "gray"], ["did you mean 'grey'"]


def nobody_to_work(tmp_path):
    return ["--corpus", "ravdess", "--jobs", "0"], ["--jobs 0", "give 1 or more"]


def a_cache_of_a_newer_layout(tmp_path):
    shutil.copytree(tmp_path / "source" / "ravdess", tmp_path / "corpora" / "ravdess")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / layout.ROOT_RECORD).write_text('{"layout": "3.0"}')
    return ["--corpus", "ravdess", *SMALL], ["cache layout 3.0", "upgrade or recompute"]


def a_file_in_place_of_the_cache(tmp_path):
    shutil.copytree(tmp_path / "source" / "ravdess", tmp_path / "corpora" / "ravdess")
    (tmp_path / "cache").write_text("not a directory")
    return ["--corpus", "ravdess", *SMALL], [str(tmp_path / "cache"), "is a file", "give another --cache DIR"]


WRONG_USAGE = (
    a_corpus_nobody_knows, a_value_beyond_its_limit, a_parameter_nobody_knows, a_recipe_nobody_knows, nobody_to_work,
)  # fmt: skip


@pytest.mark.parametrize(
    "case",
    [
        a_corpus_nobody_knows, a_corpus_that_is_not_there, no_corpus_at_all, a_folder_of_other_recordings,
        a_value_beyond_its_limit, a_parameter_nobody_knows, a_recipe_nobody_knows, nobody_to_work, a_cache_of_a_newer_layout,
        a_file_in_place_of_the_cache,
    ],
    ids=lambda case: case.__name__,
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_sentence(case, tmp_path, small_ravdess):
    (tmp_path / "source").symlink_to(small_ravdess)
    arguments, words = case(tmp_path)
    where = ["--corpora", tmp_path / "corpora", "--cache", tmp_path / "cache"]
    done = precompute(*arguments, *where, real=case is a_corpus_nobody_knows)
    assert done.returncode == (2 if case in WRONG_USAGE else 1)
    assert done.stdout == ""
    message = [line for line in done.stderr.splitlines() if not line.startswith(("warning:", "precompute ravdess:"))]
    assert len(message) == 1
    assert message[0].startswith("precompute: ")
    assert [word for word in words if word not in message[0]] == []


@pytest.mark.parametrize("arguments", [[], ["--corpus"], ["--jobs", "many"], ["--corups", "ravdess"]])
def test_wrong_usage_exits_2(arguments):
    done = precompute(*arguments, real=not arguments)
    assert done.returncode == 2
    assert "usage: python -m precompute" in done.stderr


def test_several_recipes_make_a_cache_each(corpora, tmp_path):
    where = ["--corpora", corpora, "--cache", tmp_path / "cache"]
    done = precompute("--corpus", "ravdess", "--recipe", "grey,centre", *where, *SMALL)
    assert done.returncode == 0, done.stderr
    made = caches(tmp_path / "cache")
    assert sorted((cache.recipe["colour"], cache.recipe["pad"]) for cache in made) == [("grey", "end"), ("viridis", "centre")]
    assert {cache.recipe["height"] for cache in made} == {16}


def test_what_the_picture_has_no_room_for_is_said(corpora, tmp_path):
    where = ["--corpus", "ravdess", "--corpora", corpora, "--cache", tmp_path / "cache"]
    assert "longer" not in precompute(*where, *SMALL).stdout
    (whole,) = caches(tmp_path / "cache")
    durations = sorted(record.duration for record in whole.records)
    frame = round(0.5 * (durations[0] + durations[-1]) / 0.004) * 0.004
    longer = [duration for duration in durations if duration > frame]
    lost = 1 - frame * len(longer) / sum(longer)
    done = precompute(*where, *SMALL, "--set", f"duration={frame}")
    assert f"{len(longer)} longer than {frame:g} s, {100 * lost:.0f} % of their audio left out" in done.stdout


def test_one_wrong_recipe_of_two_is_refused_before_any_work(corpora, tmp_path):
    where = ["--corpora", corpora, "--cache", tmp_path / "cache"]
    done = precompute("--corpus", "ravdess", "--recipe", "grey,gray", *where, *SMALL)
    assert done.returncode == 2
    assert "did you mean 'grey'" in done.stderr
    assert not (tmp_path / "cache").exists()


def test_list_shows_every_corpus_and_changes_nothing(corpora, tmp_path):
    done = precompute("--list", "--corpora", corpora)
    assert done.returncode == 0
    assert f"{corpora / 'ravdess'}: 12 utterances of 2 speakers" in done.stdout
    assert done.stdout.count("not found") == len(names()) - 1
    for word in (
        "CC BY-NC-SA 4.0",
        "https://doi.org/10.1371/journal.pone.0196391",
        "1440 utterances, 24 speakers",
        "angry 127",
    ):
        assert word in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpora"]


def test_a_dry_run_writes_nothing(corpora, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    arguments = ["--corpus", "ravdess", "--corpora", corpora, "--cache", tmp_path / "cache", "--dry-run", *SMALL]
    done = precompute(*arguments)
    assert done.returncode == 0
    assert "would compute 12 utterances in 6 units" in done.stdout
    assert "MB" in done.stdout
    assert sorted(tmp_path.rglob("*")) == before


def test_a_dry_run_of_a_complete_cache_says_so(small_ravdess, small_cache):
    done = precompute("--corpus", "ravdess", "--corpora", small_ravdess, "--cache", small_cache, "--dry-run", *SMALL)
    assert done.returncode == 0
    assert "nothing to do" in done.stdout


def test_directories_come_from_the_environment(corpora, tmp_path):
    places = {"WSER_CORPORA": str(corpora), "WSER_CACHE": str(tmp_path / "elsewhere")}
    done = precompute("--corpus", "ravdess", "--dry-run", *SMALL, **places)
    assert done.returncode == 0
    assert str(tmp_path / "elsewhere") in done.stdout


@pytest.mark.slow
def test_several_processes_give_the_same_cache_as_one(small_ravdess, small_cache, tmp_path):
    done = precompute("--corpus", "ravdess", "--corpora", small_ravdess, "--cache", tmp_path, *SMALL[:-1], "2", real=True)
    assert done.returncode == 0
    assert [cache.fingerprint for cache in caches(tmp_path)] == [cache.fingerprint for cache in caches(small_cache)]


@pytest.mark.slow
def test_two_jobs_at_once_make_one_cache(small_ravdess, small_cache, tmp_path):
    # As two tasks of a cluster on one file system: no lock, and yet neither fails nor spoils the other's work.
    command = [
        sys.executable,
        "-m",
        "precompute",
        "--corpus",
        "ravdess",
        "--corpora",
        small_ravdess,
        "--cache",
        tmp_path,
        *SMALL,
    ]
    jobs = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment()) for _ in range(2)]
    for job in jobs:
        _, errors = job.communicate(timeout=300)
        assert job.returncode == 0, errors.decode()
    (cache,), (alone,) = caches(tmp_path), caches(small_cache)
    assert cache.fingerprint == alone.fingerprint
    np.testing.assert_array_equal(cache.read_all(), alone.read_all())
    assert list((tmp_path / "ravdess" / layout.STAGING).iterdir()) == []


def test_help_answers_without_the_heavy_libraries():
    program = (
        "import sys\nfrom precompute.__main__ import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\nprint('modules', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "--dry-run" in done.stdout
    modules = set(done.stdout.splitlines()[-1].split())
    heavy = {"zarr", "scipy", "matplotlib", "soundfile", "joblib", "pywt", "torch", "PIL", "pooch", "requests"}
    assert modules & heavy == set()


def test_a_complete_cache_is_found_without_the_heavy_libraries(small_ravdess, small_cache):
    program = "import sys\nfrom precompute.__main__ import main\nmain(sys.argv[1:])\nprint('modules', *sys.modules)"
    command = [sys.executable, "-c", program, "--corpus", "ravdess", "--corpora", small_ravdess, "--cache", small_cache, *SMALL]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "nothing to do, the cache is complete" in done.stdout
    modules = set(done.stdout.splitlines()[-1].split())
    heavy = {"zarr", "scipy", "matplotlib", "soundfile", "joblib", "pywt", "torch", "PIL", "numcodecs"}
    assert modules & heavy == set()


class TestKilled:
    """A job killed at any moment leaves whole units or none, and the next one completes the cache."""

    UNITS = 16

    @pytest.fixture
    def interrupted(self, tmp_path, small_ravdess):
        """A cache whose job was killed after three units; the corpus has 16 units of 2."""
        root = tmp_path / "cache"
        corpora = tmp_path / "corpora"
        for actor in range(1, 17):
            folder = corpora / "ravdess" / f"Actor_{actor:02}"
            folder.mkdir(parents=True)
            for statement in ("01", "02"):
                source = small_ravdess / "ravdess" / "Actor_01" / f"03-01-05-01-{statement}-01-01.wav"
                shutil.copy(source, folder / f"03-01-05-01-{statement}-01-{actor:02}.wav")
        # Random padding tells the pictures apart.
        arguments = ["--corpus", "ravdess", "--corpora", str(corpora), *SMALL[:-2], "pad=random", *SMALL[-2:]]
        command = [*arguments, "--cache", str(root)]
        assert kill_after("precompute", command, "angry", times=3, env=environment()) == -signal.SIGKILL
        return root, arguments

    @pytest.mark.slow
    def test_the_next_run_completes_what_a_killed_one_left(self, interrupted, tmp_path):
        root, arguments = interrupted
        done = published(root)
        path = done[0].parent.parent
        assert not (path / layout.MANIFEST).exists()
        with pytest.raises(CacheMissingError):
            roots.find([root], "ravdess", path.name.partition("-")[0])
        assert len(done) == 3
        assert all((unit / "c.0.0.0.0").stat().st_size > 0 for unit in done)
        before = {unit: (unit / "c.0.0.0.0").stat().st_ino for unit in done}

        dry = precompute(*arguments, "--cache", root, "--dry-run")
        assert f"in {counted(self.UNITS - len(done), 'unit')} (there before: {counted(len(done), 'unit')})" in dry.stdout
        assert precompute(*arguments, "--cache", root).returncode == 0
        assert {unit: (unit / "c.0.0.0.0").stat().st_ino for unit in done} == before

        assert main([*arguments, "--cache", str(tmp_path / "undisturbed")]) == 0
        (cache,), (undisturbed,) = caches(root), caches(tmp_path / "undisturbed")
        assert len(cache.records) == 2 * self.UNITS
        assert max(Counter(record.image_sha256 for record in cache.records).values()) == 1
        assert cache.records == undisturbed.records
        assert cache.fingerprint == undisturbed.fingerprint
        np.testing.assert_array_equal(cache.read_all(), undisturbed.read_all())


@pytest.mark.slow
def test_a_name_that_is_no_utf8_is_reported_and_recorded(corpora, tmp_path, small_settings):
    try:
        with open(os.fsencode(corpora / "ravdess") + b"/\xff\xfe.wav", "wb"):  # noqa: PTH123
            pass
    except OSError:
        pytest.skip("this file system refuses names that are no UTF-8")
    arguments = ["--corpus", "ravdess", "--corpora", corpora, "--cache", tmp_path / "cache", "--jobs", "1"]
    job = precompute(*arguments, "--set", *small_settings, real=True)
    assert job.returncode == 3, job.stderr
    assert "\\xff\\xfe.wav: the name does not parse" in job.stderr
    (cache,) = caches(tmp_path / "cache")
    assert [skipped.path for skipped in cache.skipped] == ["\\xff\\xfe.wav"]
