"""Links in a shared tree: nothing behind one is written, deleted, listed or read; the root alone may be one."""

import os
import shutil
import subprocess
import sys
import time

import pytest
from toy import build, draft, replace, sealed_toy, unit

from precompute.__main__ import main
from precompute.cache import layout, places, removal, roots
from precompute.cache.history import provenance
from precompute.cache.reader import Cache
from precompute.cache.summary import summaries
from precompute.cache.transfer.archive import export_zip
from precompute.cache.verify import problems
from precompute.common import files
from precompute.common.errors import CacheError, WserError

JOB = "0123456789abcdef" * 2
STAMP = "20200101T000000Z-aaaaaaaaaaaa-bbbbbbbbbbbb-01234567"


@pytest.fixture
def victim(tmp_path):
    """Somebody else's directory, all of it old, whose names are those of what we make."""
    path = tmp_path / "victim"
    for name in (JOB, STAMP, "thesis", f"{'a' * 12}-{'b' * 12}", layout.STAGING, layout.TRASH, layout.PROVENANCE):
        (path / name / JOB).mkdir(parents=True)
        (path / name / "chapter.txt").write_text("precious")
        (path / name / layout.RECIPE).write_text("{}")
    for place in [path, *path.rglob("*")]:
        os.utime(place, (0, 0))
    return path


def content(path):
    return {place.relative_to(path): place.read_bytes() if place.is_file() else None for place in path.rglob("*")}


@pytest.fixture
def run(capsys):
    """A function that runs a command; it must be refused in one sentence."""

    def run(*arguments, refused=True):
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        out, errors = capsys.readouterr()
        sentences = [line for line in errors.splitlines() if not line.startswith("warning:")]
        if refused:
            assert (code, len(sentences)) == (1, 1), (code, out, errors)
            assert "is a symbolic link" in sentences[0]
            assert "Traceback" not in errors
        return out

    return run


PLACES = {
    "the corpus": lambda path: path.parent,
    "staging": lambda path: path.parent / layout.STAGING,
    "trash": lambda path: path.parent / layout.TRASH,
    "the cache": lambda path: path,
}


def put_link(place, victim):
    if place.exists():
        shutil.rmtree(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(victim)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["the corpus", "staging", "the cache", "a speaker", "an array"])
def test_precompute_follows_none(place, run, victim, tmp_path, small_ravdess, small_settings, small_recipe_id):
    root = tmp_path / "root"
    command = ["--corpus", "ravdess", "--corpora", small_ravdess, "--cache", root, "--jobs", 1, "--set", *small_settings]
    run(*command, refused=False)
    (path,) = roots.sealed(root, "ravdess", small_recipe_id)
    (path / layout.MANIFEST).unlink()
    put_link((PLACES | {"a speaker": lambda path: path / "01", "an array": lambda path: path / "01/sad"})[place](path), victim)
    before = content(victim)
    run(*command)
    assert content(victim) == before
    assert not [*root.glob(f"*/*/{layout.MANIFEST}"), *root.glob(f"*/{layout.STAGING}/*/*/*")]


@pytest.mark.parametrize("place", ["the corpus", "staging", "the cache"])
@pytest.mark.parametrize("command", ["import", "copy"])
def test_import_and_copy_follow_none(command, place, run, victim, tmp_path):
    path, root = sealed_toy(tmp_path / "lab"), tmp_path / "root"
    export_zip([path], tmp_path / "toy.zip")
    put_link(PLACES[place](root / path.relative_to(tmp_path / "lab")), victim)
    before = content(victim)
    if command == "import":
        run("cache", "import", "--cache", root, tmp_path / "toy.zip")
    else:
        run("cache", "copy", "--cache", tmp_path / "lab", path.name, root)
    assert content(victim) == before
    assert roots.sealed(root) == []


@pytest.mark.parametrize("place", ["the corpus", "trash", "the cache"])
def test_rm_follows_none(place, run, victim, tmp_path):
    path = sealed_toy(tmp_path / "root")
    put_link(PLACES[place](path), victim)
    before = content(victim)
    run("cache", "rm", "--cache", tmp_path / "root", path.name, "--yes")
    assert content(victim) == before
    assert path.is_symlink() == (place == "the cache")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("target", ["victim", "another root's"])
def test_gc_follows_none(place, target, run, victim, tmp_path):
    path = sealed_toy(tmp_path / "root")
    if target != "victim":
        # What is there may well be caches, but not of this root.
        victim = shutil.copytree(victim / "thesis", tmp_path / "other" / "toy" / f"{'a' * 12}-{'b' * 12}").parent
        for place_there in [victim, *victim.rglob("*")]:
            os.utime(place_there, (0, 0))
    put_link(PLACES[place](path), victim)
    before = content(victim)
    run("cache", "gc", "--cache", tmp_path / "root", "--grace", 0, "--yes")
    assert content(victim) == before


@pytest.mark.parametrize("command", ["export", "info"])
@pytest.mark.parametrize("place", ["the corpus", "the cache"])
def test_reading_follows_none(command, place, run, tmp_path):
    path = sealed_toy(tmp_path / "root")
    linked = PLACES[place](path)
    linked.rename(tmp_path / "elsewhere")
    linked.symlink_to(tmp_path / "elsewhere")
    run("cache", command, "--cache", tmp_path / "root", path.name, *([tmp_path / "x.zip"] if command == "export" else []))
    assert not (tmp_path / "x.zip").exists()


@pytest.mark.parametrize("name", ["anna", "anna/sad", "anna/sad/c.0.0.0.0", layout.INDEX, layout.RECIPE, layout.MANIFEST])
def test_a_cache_in_which_something_is_a_link_is_damaged(name, tmp_path, messages):
    path = sealed_toy(tmp_path / "root")
    (path / name).rename(tmp_path / "elsewhere")
    (path / name).symlink_to(tmp_path / "elsewhere")
    with messages.raises(CacheError):
        Cache(path)
    assert "symbolic link" in " ".join(problems(path))


def test_nothing_behind_a_link_is_listed(tmp_path):
    root, secret = tmp_path / "root", tmp_path / "secret"
    path = sealed_toy(root)
    other = sealed_toy(secret)
    (root / "linked").symlink_to(other.parent)
    (root / "toy" / f"{'a' * 12}-{'b' * 12}").symlink_to(other)
    (path / "bob").symlink_to(secret)
    (path / layout.PROVENANCE / f"{JOB}.json").symlink_to(next((other / layout.PROVENANCE).iterdir()))
    assert roots.everything(root) == roots.sealed(root) == [path]
    assert [one.path for one in summaries(root)] == [path]
    assert len(provenance(path)) == 1
    found = places.sizes(path)
    assert {name: size for name, size in found.items() if size == files.LINK} == {
        "bob": files.LINK, f"{layout.PROVENANCE}/{JOB}.json": files.LINK,
    }  # fmt: skip
    assert not any(name.startswith("bob/") for name in found)


def test_the_root_may_be_a_link_and_may_lie_behind_one(run, tmp_path):
    (tmp_path / "disk" / "caches").mkdir(parents=True)
    (tmp_path / "home").symlink_to(tmp_path / "disk")
    root = tmp_path / "root"
    root.symlink_to(tmp_path / "home" / "caches")
    path = sealed_toy(root)
    assert path.is_relative_to(root)
    assert problems(path) == []
    assert roots.sealed(root) == roots.everything(root) == [path]
    export_zip([path], tmp_path / "toy.zip")
    run("cache", "rm", "--cache", root, path.name, "--yes", refused=False)
    assert "deleted" in run("cache", "gc", "--cache", root, "--grace", 0, "--yes", refused=False)
    assert "imported" in run("cache", "import", "--cache", root, tmp_path / "toy.zip", refused=False)
    assert problems(path) == []


def test_other_links_beside_the_corpora_do_no_harm(run, tmp_path, victim):
    # As in a root that is somebody's home.
    root = tmp_path / "root"
    path = sealed_toy(root)
    (victim / "thesis" / "music").mkdir()
    (root / "music").symlink_to(victim / "thesis" / "music")
    (root / "broken").symlink_to(tmp_path / "nowhere")
    assert "nothing to remove" in run("cache", "gc", "--cache", root, refused=False)
    assert path.name in run("cache", "list", "--cache", root, refused=False)


class TestNames:
    """What is not named as what we make is never deleted, however old."""

    NAMES = ("old", "thesis", JOB[:-1], JOB + "0", JOB.upper(), f"{JOB}.bak", f" {JOB}", "é" * 32, "...", "-rf", "a\nb")

    @pytest.mark.parametrize("way", ["a job", "gc"])
    def test_in_staging(self, way, tmp_path):
        staging = tmp_path / "toy" / layout.STAGING
        for name in (*self.NAMES, JOB):
            (staging / name).mkdir(parents=True)
            (staging / name / "file").write_text("mine")
            for place in (staging / name / "file", staging / name):
                os.utime(place, (0, 0))
        if way == "a job":
            with draft(tmp_path).open():
                pass
        else:
            for one in list(removal.garbage(tmp_path)):
                removal.clear(one, tmp_path)
        assert {place.name for place in staging.iterdir()} == set(self.NAMES)

    def test_in_the_trash(self, tmp_path):
        trash = tmp_path / "toy" / layout.TRASH
        names = ("2020", "20200101T000000Z", "20200101T000000Z-x", "20200101T000000Z--01234567", "20209901T000000Z-x-01234567",
                 "20200101T000000-x-01234567", "20200101T000000Z-x-0123456g", "x-20200101T000000Z-x-01234567")  # fmt: skip
        for name in (*names, STAMP):
            (trash / name).mkdir(parents=True)
        for one in list(removal.garbage(tmp_path, grace_days=0)):
            removal.clear(one, tmp_path)
        assert {place.name for place in trash.iterdir()} == set(names)

    @pytest.mark.parametrize("kind", ["link to a directory", "link to a file", "pipe", "file"])
    def test_what_is_named_so_and_is_none_is_deleted_itself(self, kind, tmp_path, victim):
        staging = tmp_path / "root" / "toy" / layout.STAGING
        staging.mkdir(parents=True)
        if kind == "pipe":
            os.mkfifo(staging / JOB)
        elif kind == "file":
            (staging / JOB).write_text("x")
        else:
            (staging / JOB).symlink_to(victim if "directory" in kind else victim / "thesis" / "chapter.txt")
        os.utime(staging / JOB, (0, 0), follow_symlinks=False)
        before = content(victim)
        (one,) = removal.garbage(tmp_path / "root")
        removal.clear(one, tmp_path / "root")
        assert list(staging.iterdir()) == []
        assert content(victim) == before

    def test_what_is_younger_than_a_day_stays(self, tmp_path):
        staging = tmp_path / "toy" / layout.STAGING
        (staging / JOB).mkdir(parents=True)
        os.utime(staging / JOB, (time.time() - files.STALE_SECONDS + 60,) * 2)
        with draft(tmp_path).open():
            assert (staging / JOB).exists()
        assert list(removal.garbage(tmp_path)) == []


class TestNoPlainFile:
    """Pipes, devices and files of any size where a small file should be: said at once, and not waited for or read."""

    @pytest.mark.parametrize("name", [layout.MANIFEST, layout.RECIPE, layout.INDEX, "anna/sad/c.0.0.0.0"])
    def test_a_pipe_in_a_cache(self, name, tmp_path, messages):
        path = sealed_toy(tmp_path / "root")
        (path / name).unlink()
        os.mkfifo(path / name)
        with messages.raises(CacheError):
            Cache(path)
        assert len(problems(path)) == 1

    @pytest.mark.parametrize("name", [layout.RECIPE, layout.GROUP, f"a/{layout.GROUP}", f"a/sad/{layout.GROUP}"])
    def test_a_pipe_in_a_cache_that_is_being_written(self, name, tmp_path, messages):
        path = build(tmp_path, [unit("a", "sad")])
        for file in (layout.MANIFEST, name):
            (path / file).unlink()
        os.mkfifo(path / name)
        with messages.raises(WserError):
            build(tmp_path, [unit("a", "sad")])

    @pytest.mark.parametrize("name", [layout.MANIFEST, layout.ROOT_RECORD])
    def test_a_huge_file(self, name, tmp_path, messages):
        path = sealed_toy(tmp_path / "root")
        file = path / name if name == layout.MANIFEST else tmp_path / "root" / name
        replace(file, b"")
        os.truncate(file, 1 << 40)
        with messages.raises(WserError, file):
            roots.find([tmp_path / "root"], "toy", path.name.partition("-")[0])

    def test_notes_that_are_none_are_left_out(self, tmp_path):
        path = sealed_toy(tmp_path / "root")
        os.mkfifo(path / layout.PROVENANCE / f"{JOB}.json")
        with (path / layout.PROVENANCE / f"{'1' * 32}.json").open("wb") as file:
            file.truncate(1 << 40)
        assert len(provenance(path)) == 1
        export_zip([path], tmp_path / "toy.zip")

    @pytest.mark.slow
    def test_the_real_command_does_not_wait_for_a_pipe(self, tmp_path):
        path = sealed_toy(tmp_path / "root")
        (path / layout.MANIFEST).unlink()
        os.mkfifo(path / layout.MANIFEST)
        for command in (["list"], ["verify"], ["info", path.name]):
            done = subprocess.run(
                [sys.executable, "-m", "precompute", "cache", *command, "--cache", str(tmp_path / "root")],
                capture_output=True, text=True, timeout=300, check=False,
            )  # fmt: skip
            assert "Traceback" not in done.stderr
            assert done.returncode == (0 if command == ["list"] else 1)


def test_a_unit_is_never_taken_over_by_a_link_through_a_link(tmp_path):
    other = sealed_toy(tmp_path / "lab")
    cache = Cache(other)
    array, records = next(iter(cache.arrays.items()))
    file = other / array / "c.0.0.0.0"
    shard = file.read_bytes()
    made = draft(tmp_path / "new")
    # Between the reading of the earlier cache and the link somebody puts a link there.
    (tmp_path / "secret").write_bytes(shard)
    file.unlink()
    file.symlink_to(tmp_path / "secret")
    with made.open():
        made.publish_shard(records, [], shard, file)
    there = made.path / array / "c.0.0.0.0"
    assert not there.is_symlink()
    assert (there.stat().st_nlink, there.read_bytes()) == (1, shard)
    assert (tmp_path / "secret").stat().st_nlink == 1


@pytest.mark.parametrize("what", ["other content", "a pipe", "nothing"])
def test_a_unit_whose_earlier_file_came_to_be_something_else_is_copied(what, tmp_path):
    other = sealed_toy(tmp_path / "lab")
    cache = Cache(other)
    array, records = next(iter(cache.arrays.items()))
    file = other / array / "c.0.0.0.0"
    shard = file.read_bytes()
    file.unlink()
    if what == "other content":
        file.write_bytes(shard[::-1])
    elif what == "a pipe":
        os.mkfifo(file)
    made = draft(tmp_path / "new")
    with made.open():
        made.publish_shard(records, [], shard, file)
    assert (made.path / array / "c.0.0.0.0").read_bytes() == shard


def test_a_unit_of_another_root_is_still_a_hard_link(tmp_path):
    other = sealed_toy(tmp_path / "lab")
    cache = Cache(other)
    array, records = next(iter(cache.arrays.items()))
    file = other / array / "c.0.0.0.0"
    made = draft(tmp_path / "new")
    with made.open():
        made.publish_shard(records, [], file.read_bytes(), file)
    assert (made.path / array / "c.0.0.0.0").stat().st_ino == file.stat().st_ino
