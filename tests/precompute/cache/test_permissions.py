"""Roots that others own, disks that are full, mounts that are read-only: one sentence, nothing partial, and the next run works.

Tests with several users or with file systems of their own need the superuser, and are skipped elsewhere; those of the errors of
a full disk run everywhere.
"""

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path

import pytest

import precompute
from precompute.__main__ import main
from precompute.cache import layout, roots
from precompute.cache.draft import Draft
from precompute.cache.reader import Cache

pytestmark = pytest.mark.slow

LAB, ELSEWHERE = 54001, 54002
ANNA, BERT, CARL = (54011, LAB), (54012, LAB), (54013, ELSEWHERE)
"""Users, by user and group id; none of them need be known to the machine."""

privileged = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only the superuser can be another user"
)


@dataclass
class Done:
    """How a command ended; a negative code is a signal."""

    code: int
    out: str
    errors: str

    @property
    def sentences(self):
        """All lines but warnings and, on a slow machine, progress."""
        return [line for line in self.errors.splitlines() if not line.startswith(("warning:", "precompute ravdess:"))]


def as_user(user, action, umask=0o022):
    """Run a function, which gives an exit code, in a child that is another user; the modules are there already.

    A child, rather than a command, because another user may not be able to enter the directories of Python; `package` lets it
    enter those of the package.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
        child = os.fork()
        if child == 0:
            code = 99
            try:
                sys.stdout, sys.stderr = out, errors
                os.setgroups([user[1]])
                os.setgid(user[1])
                os.setuid(user[0])
                os.umask(umask)
                code = action()
            except BaseException:
                traceback.print_exc()
            finally:
                out.flush()
                errors.flush()
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0)
        errors.seek(0)
        return Done(code, out.read(), errors.read())


def let_all_read(folder):
    """Whatever the umask under which it was made."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def here(action, capsys):
    """The same in this process."""
    capsys.readouterr()
    code = action()
    return Done(code, *capsys.readouterr())


@pytest.fixture
def corpora(small_ravdess, small_cache):
    """A directory of corpora that everybody may read; `small_cache` has imported all that the command needs."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(small_ravdess / "ravdess" / "Actor_01", Path(folder) / "corpora" / "ravdess" / "Actor_01")
        let_all_read(Path(folder))
        yield Path(folder) / "corpora"


@pytest.fixture
def shared(corpora):
    """A function that makes a directory beside the corpora, of an owner and a mode."""

    def make(name, mode, owner=(0, LAB)):
        path = corpora.parent / name
        path.mkdir()
        try:
            os.chown(path, *owner)
        except OSError as error:
            pytest.skip(f"not even the superuser may give files away here: {error}")
        path.chmod(mode)
        return path

    return make


@pytest.fixture
def command(corpora, small_settings):
    """A function that gives a call of the command with some roots and further settings."""

    def make(*places, settings=()):
        cache = os.pathsep.join(map(str, places))
        arguments = ["--corpus", "ravdess", "--corpora", str(corpora), "--cache", cache, "--jobs", "1"]
        return lambda: main([*arguments, "--set", *small_settings, *settings])

    return make


def sealed(root):
    return [file.parent for file in root.glob(f"ravdess/[!.]*/{layout.MANIFEST}")]


def units(root):
    return [file.parent for file in root.glob(f"ravdess/[!.]*/*/*/{layout.GROUP}")]


def read_all(root):
    """Reads every cache of a root; an exit code."""
    found = roots.sealed(root)
    return 0 if found and all(len(Cache(path).read_all()) == 6 for path in found) else 1


def content(root):
    return {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in root.rglob("*") if file.is_file()}


def assert_nothing_partial(root):
    """No unit lacks a file or holds another, nothing is sealed, and no record is torn."""
    assert sealed(root) == []
    for unit in root.glob("ravdess/[!.]*/*/*/"):
        assert {file.name for file in unit.iterdir()} == {layout.GROUP, "c.0.0.0.0"}
    for file in root.rglob("*.json"):
        assert file.is_relative_to(root / "ravdess" / layout.STAGING) or file.read_bytes()[-1:] in b"}\n"


@pytest.fixture(scope="module")
def public():
    """A copy of the package that everybody may read, since this one may lie in a home that nobody else may enter."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / precompute.__name__
        shutil.copytree(Path(precompute.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
        let_all_read(copy.parent)
        if as_user(CARL, lambda: 0 if os.access(copy, os.R_OK) else 1).code:
            pytest.skip(f"no other user may enter {copy}: set TMPDIR to a directory that everybody may enter")
        yield copy


@pytest.fixture
def package(public, small_cache, monkeypatch):
    """Has what is still to be imported and listed of the package come from the copy."""
    private = Path(precompute.__file__).parent
    for name, module in list(sys.modules.items()):
        if f"{name}.".startswith(f"{precompute.__name__}.") and hasattr(module, "__path__"):
            monkeypatch.setattr(module, "__path__", [str(public / Path(path).relative_to(private)) for path in module.__path__])


@privileged
@pytest.mark.usefixtures("package")
class TestUsers:
    """Two members of a lab's group, and one who is no member."""

    @pytest.mark.parametrize("masks", [(0o022, 0o022), (0o077, 0o022), (0o022, 0o077), (0o077, 0o077)], ids=str)
    def test_what_one_member_began_another_completes_and_both_read(self, shared, command, monkeypatch, masks):
        root = shared("lab", 0o2775)
        published = []

        def killed_after_one(draft, *arguments):
            published.append(publish(draft, *arguments))
            os.kill(os.getpid(), signal.SIGKILL)

        publish = Draft.publish_shard
        with monkeypatch.context() as patched:
            patched.setattr(Draft, "publish_shard", killed_after_one)
            assert as_user(ANNA, command(root), masks[0]).code == -signal.SIGKILL
        assert len(units(root)) == 1
        done = as_user(BERT, command(root), masks[1])
        assert (done.code, done.sentences) == (0, [])
        assert "4 computed, 2 there before" in done.out
        for user, mask in zip((ANNA, BERT), masks, strict=True):
            assert as_user(user, lambda: read_all(root), mask).code == 0
            again = as_user(user, command(root), mask)
            assert (again.code, again.sentences) == (0, [])
            assert "nothing to do" in again.out
        assert {path.stat().st_uid for path in units(root)} == {ANNA[0], BERT[0]}
        for path in root.rglob("*"):
            assert path.stat().st_gid == LAB
            assert oct(stat.S_IMODE(path.stat().st_mode)) == oct(0o2775 if path.is_dir() else 0o444), path

    def test_who_may_not_enter_is_told_so_in_one_sentence(self, shared, command):
        root = shared("lab", 0o2770)
        assert as_user(ANNA, command(root), 0o077).code == 0
        assert as_user(BERT, lambda: read_all(root)).code == 0
        done = as_user(CARL, command(root))
        assert (done.code, done.out) == (1, "")
        assert len(done.sentences) == 1
        assert f"{root}" in done.errors
        assert "may not be read by you (Permission denied): ask its owner" in done.errors

    def test_who_may_not_read_a_cache_is_told_so_when_opening_it(self, shared, command):
        root = shared("lab", 0o2775)
        assert as_user(ANNA, command(root)).code == 0
        (cache,) = sealed(root)
        (cache / layout.MANIFEST).chmod(0o440)
        done = as_user(CARL, command(root))
        assert done.code == 1
        assert len(done.sentences) == 1
        assert (
            f"{layout.MANIFEST} may not be read by you (Permission denied): ask its owner to let your group read" in done.errors
        )

    @pytest.mark.parametrize("private_first", [True, False], ids=["private root first", "private root second"])
    def test_who_may_only_read_the_lab_s_root_hits_there_and_writes_elsewhere(self, shared, command, private_first):
        lab, private = shared("lab", 0o2755), shared("private", 0o700, CARL)
        assert as_user((0, LAB), command(lab)).code == 0
        before = content(lab)
        order = (private, lab) if private_first else (lab, private)

        hit = as_user(CARL, command(*order))
        assert (hit.code, hit.sentences) == (0, [])
        assert "nothing to do" in hit.out
        assert f"cache       {lab}" in hit.out
        assert list(private.iterdir()) == []

        new = as_user(CARL, command(*order, settings=["top_db=-10"]))
        assert (new.code, new.sentences) == (0, [])
        assert f"cache       {private}" in new.out
        assert len(sealed(private)) == 1
        assert content(lab) == before

    def test_who_may_not_write_anywhere_is_told_so_in_one_sentence(self, shared, command):
        lab = shared("lab", 0o2755)
        done = as_user(CARL, command(lab))
        assert (done.code, done.out, len(done.sentences)) == (1, "", 1)
        assert f"{lab} cannot be written" in done.errors
        assert "put a directory of your own first in WSER_CACHE" in done.errors
        assert list(lab.iterdir()) == []

    def test_a_corpus_that_another_made_for_himself_is_told_in_one_sentence(self, shared, command):
        lab = shared("lab", 0o2775)
        (lab / "ravdess").mkdir()
        (lab / "ravdess").chmod(0o755)
        done = as_user(ANNA, command(lab))
        assert (done.code, done.out, len(done.sentences)) == (1, "", 1)
        assert "cannot be written (Permission denied): ask its owner for a group-writable root (chmod g+ws)" in done.errors

    def test_what_another_left_in_staging_and_cannot_be_removed_does_no_harm(self, shared, command):
        lab = shared("lab", 0o2775)
        staging = lab / "ravdess" / layout.STAGING
        staging.mkdir(parents=True)
        (staging / "job").mkdir()
        (staging / "job" / "part").write_bytes(b"1")
        (staging / "file").write_bytes(b"1")
        for path in (lab / "ravdess", staging, staging / "job"):
            os.chown(path, CARL[0], LAB)
            path.chmod(0o2775)
        (staging / "job").chmod(0o700)
        # In a directory with the sticky bit only the owner removes.
        staging.chmod(0o3775)
        for path in staging.iterdir():
            os.utime(path, (0, 0))
        done = as_user(ANNA, command(lab))
        assert (done.code, done.sentences) == (0, [])
        assert {path.name for path in staging.iterdir()} == {"job", "file"}

    def test_units_of_another_s_cache_are_reused(self, shared, command, corpora):
        # Where the system forbids links to files of others, by a copy.
        lab = shared("lab", 0o2775)
        assert as_user(ANNA, command(lab)).code == 0
        next((corpora / "ravdess").rglob("03-01-05*.wav")).unlink()
        done = as_user(BERT, command(lab), 0o077)
        assert (done.code, done.sentences) == (0, [])
        assert "1 computed, 4 taken from an earlier cache" in done.out
        assert len(sealed(lab)) == 2
        assert as_user(ANNA, lambda: len([Cache(path).read_all() for path in sealed(lab)]) - 2).code == 0


@pytest.fixture
def disk(corpora):
    """A function that mounts a small disk of its own, with options, or changes those of the one that is mounted."""
    path = corpora.parent / "disk"
    path.mkdir()
    mounted = False

    def mount(options):
        nonlocal mounted
        what = ["-o", f"remount,{options}"] if mounted else ["-t", "tmpfs", "-o", options, "tmpfs"]
        done = subprocess.run(["mount", *what, path], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
        mounted = True
        return path

    yield mount
    if mounted:
        subprocess.run(["umount", path], check=True)


@privileged
class TestDisks:
    """Small disks of their own."""

    # A directory, and every 4 KiB of a file, takes a page; each of them takes an inode.
    @pytest.mark.parametrize(
        ("small", "large", "words"),
        [
            ("size=36k", "size=64m", "no space is left on the disk"),
            ("size=4k", "size=64m", "no space is left on the disk"),
            ("size=64m,nr_inodes=22", "size=64m,nr_inodes=4096", "no inodes are left on the disk"),
            ("size=64m,nr_inodes=3", "size=64m,nr_inodes=4096", "no inodes are left on the disk"),
        ],
    )
    def test_a_full_disk_is_one_sentence_and_a_larger_one_completes(self, command, disk, capsys, small, large, words):
        root = disk(small)
        done = here(command(root), capsys)
        assert (done.code, done.out, len(done.sentences)) == (1, "", 1), done.errors
        assert words in done.errors
        assert f"{root}" in done.errors
        assert "run the same command again; published units are kept" in done.errors
        assert_nothing_partial(root)
        before = units(root)
        disk(large)
        again = here(command(root), capsys)
        assert (again.code, again.sentences) == (0, [])
        assert len(units(root)) == 3
        assert set(before) <= set(units(root))
        assert read_all(root) == 0
        assert list((root / "ravdess" / layout.STAGING).iterdir()) == []

    def test_several_workers_on_a_full_disk_are_one_sentence_too(self, corpora, command, disk, small_settings, capsys):
        root = disk("size=36k")
        arguments = ["--corpus", "ravdess", "--corpora", corpora, "--cache", root, "--jobs", "2", "--set", *small_settings]
        done = subprocess.run(
            [sys.executable, "-m", "precompute", *arguments], capture_output=True, text=True, timeout=300, check=False
        )
        done = Done(done.returncode, done.stdout, done.stderr)
        assert (done.code, done.out, len(done.sentences)) == (1, "", 1), done.errors
        assert "no space is left on the disk" in done.errors
        assert_nothing_partial(root)
        disk("size=64m")
        assert here(command(root), capsys).code == 0
        assert read_all(root) == 0

    def test_a_read_only_mount_is_hit_and_not_written_to(self, command, disk, tmp_path, capsys):
        root = disk("size=64m")
        assert command(root)() == 0
        disk("ro")
        hit = here(command(root), capsys)
        assert (hit.code, hit.sentences) == (0, [])
        assert "nothing to do" in hit.out
        assert read_all(root) == 0
        new = here(command(root, settings=["top_db=-10"]), capsys)
        assert (new.code, new.out, len(new.sentences)) == (1, "", 1)
        assert f"{root} cannot be written" in new.errors
        both = here(command(root, tmp_path, settings=["top_db=-10"]), capsys)
        assert (both.code, both.sentences) == (0, [])
        assert len(sealed(tmp_path)) == 1


class TestFull:
    """The errors of a full disk, wherever it may be full."""

    @pytest.mark.parametrize(
        ("code", "words", "moment"),
        [
            *((errno.ENOSPC, "no space is left on the disk of", moment) for moment in (0, 0.2, 0.4, 0.6, 0.8, 0.99)),
            (errno.EDQUOT, "your quota on the disk of", 0.6),
            (errno.EIO, os.strerror(errno.EIO), 0.6),
            (errno.EROFS, "cannot be written (Read-only file system): ask its owner", 0.6),
            (errno.EACCES, "cannot be written (Permission denied): ask its owner", 0.6),
        ],
    )
    def test_at_any_moment_it_is_one_sentence_and_the_next_run_completes(
        self, command, tmp_path, monkeypatch, capsys, code, words, moment
    ):
        calls = 0

        def fsync(handle):
            nonlocal calls
            calls += 1
            if calls > limit:
                raise OSError(code, os.strerror(code))

        def run(root):
            with monkeypatch.context() as patched:
                patched.setattr(os, "fsync", fsync)
                return here(command(root), capsys)

        limit = float("inf")
        assert run(tmp_path / "undisturbed").code == 0
        # The last call of all comes when the manifest is in place.
        limit, calls = int(moment * (calls - 1)), 0
        root = tmp_path / "root"
        done = run(root)
        assert (done.code, done.out, len(done.sentences)) == (1, "", 1)
        assert words in done.errors
        assert_nothing_partial(root)
        assert list(root.glob(f"ravdess/{layout.STAGING}/*")) == []
        limit = float("inf")
        again = run(root)
        assert (again.code, again.sentences) == (0, [])
        assert read_all(root) == 0
