"""`python -m precompute cache ...` as a user runs it: what it prints, its exit codes, and that a dry run changes nothing."""

import json
import shlex
import shutil
import subprocess
import sys

import pytest
from toy import build, draft, replace, sealed_toy, unit

from precompute.__main__ import main
from precompute.cache import layout, roots
from precompute.cache.verify import problems

pytestmark = pytest.mark.slow


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def path(root):
    return sealed_toy(root)


@pytest.fixture
def cache(root, capsys):
    """Run a command on `root`; gives its exit code, what it printed, and its errors."""

    def run(*arguments, root=root):
        code = main(["cache", arguments[0], "--cache", str(root), *map(str, arguments[1:])])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def everything(root):
    return {file: file.read_bytes() for file in root.rglob("*") if file.is_file()}


def sentence(error):
    assert error.startswith("precompute cache: ")
    assert error.count("\n") == 1, error
    return error


def test_list_says_what_is_there(cache, path, root):
    with draft(root, "ba9876543210").open():
        pass
    code, out, _ = cache("list")
    assert code == 0
    sealed, unfinished = (next(line for line in out.splitlines() if name in line) for name in (path.name, "ba9876543210"))
    for word in ("toy", "scales=8", "6", "2", "2025-01-01 00:00", "a test"):
        assert word in sealed
    assert "unfinished" in unfinished


def test_list_ends_with_totals(cache, path, root, tmp_path):
    build(root, [unit("a", "sad", 4)])
    size = sum(file.stat().st_size for file in (root / "toy").rglob("*") if file.is_file())
    assert cache("list")[1].splitlines()[-1] == f"2 caches, 10 utterances, {size / 1e6:.1f} MB ({size} bytes)"
    shutil.copytree(root, tmp_path / "other")
    last = cache("list", root=f"{root}:{tmp_path / 'other'}")[1].splitlines()[-1]
    assert last.startswith("4 caches, 20 utterances, ")
    assert cache("list", path.name)[1].splitlines()[-1].startswith("1 cache, 6 utterances, ")
    assert cache("list", "fff")[0] == 1


def test_a_corpus_with_a_slash_means_all_of_its_caches(cache, path, root, tmp_path):
    other = build(root, [unit("a", "sad")])
    assert cache("info", "toy/")[1].count("fingerprint") == 2
    assert "2 of 2 caches are sound" in cache("verify", "toy/")[1]
    assert "2 caches, " in cache("list", "toy/")[1]
    assert "utterances   6  ->  3" in cache("diff", "toy/")[1] or "utterances   3  ->  6" in cache("diff", "toy/")[1]
    assert cache("copy", "toy/", tmp_path / "copied")[1].count("copied  ") == 2
    assert cache("export", "toy/", tmp_path / "toy.zip")[0] == 0
    assert cache("import", tmp_path / "toy.zip", root=tmp_path / "imported")[1].count("imported  ") == 2
    assert cache("rm", "toy/")[1].count("would move to the trash") == 2
    assert {other.name, path.name} == {found.name for found in roots.sealed(tmp_path / "copied")}


def test_diff_of_one_has_nothing_to_compare(cache, path):
    code, _, error = cache("diff", "toy/")
    assert code == 2
    assert "name another cache or recipe" in sentence(error)


def test_list_of_nothing_says_how_to_begin(cache, root):
    assert "no caches in" in cache("list")[1]


def test_what_a_cache_brought_along_does_not_steer_the_terminal(cache, path):
    for file in (path / layout.PROVENANCE).iterdir():
        replace(file, json.dumps({"by": "\x1b[31m[/red]me", "created": "2025", "versions": ["x"]}).encode())
    for command in (["list"], ["info", path.name]):
        code, out, _ = cache(*command)
        assert code == 0
        assert "\x1b" not in out
        assert "[/red]me" in out


def test_list_goes_on_over_what_is_damaged(cache, path):
    replace(path / layout.MANIFEST, b"{")
    replace(path / layout.RECIPE, b"[]")
    code, out, _ = cache("list")
    assert code == 0
    assert path.name in out


def test_info_says_all_about_one(cache, path):
    code, out, _ = cache("info", path.name[:5])
    assert code == 0
    for words in ("anna: 5", "sad: 4", "scales       8   (default: 128)", "b.wav: the file is empty", "by a test"):
        assert words in out
    assert "snr_db       20.0   (no effect)" in out, "there is no noise"


def test_a_corpus_in_place_of_an_id_is_told_how_to_name_its_caches(cache, path):
    code, _, error = cache("info", "toy")
    assert code == 1
    assert f"give toy/ for all of its caches, or one of {path.name}" in sentence(error)


@pytest.mark.parametrize("command", ["info", "verify", "rm"])
def test_an_id_that_is_not_there_lists_those_that_are(cache, path, command):
    code, _, error = cache(command, "fff")
    assert code == 1
    assert path.name in sentence(error)


def test_an_id_that_means_several_asks_for_more_of_it(cache, path, root):
    build(root, [unit("a", "sad")], input_id="ba9876543210")
    code, _, error = cache("info", path.name[:5])
    assert code == 1
    assert "2 caches match" in sentence(error)


def test_verify_tells_sound_from_damaged(cache, path, root):
    other = build(root, [unit("a", "sad")])
    assert cache("verify")[0] == 0
    (path / "anna/sad" / "c.0.0.0.0").unlink()
    code, out, error = cache("verify")
    assert code == 1
    assert f"DAMAGED  {path}" in out
    assert f"sound    {other}" in out
    assert "1 of 2 caches are sound" in out
    assert str(path / "anna/sad" / "c.0.0.0.0") in sentence(error)
    assert cache("verify", other.name)[0] == 0


def test_verify_makes_pictures_anew(cache, small_cache, small_ravdess, tmp_path):
    code, out, _ = cache("verify", "--recompute", 5, "--corpora", small_ravdess, root=small_cache)
    assert code == 0
    assert "5 pictures reproduced" in out
    code, _, error = cache("verify", "--recompute", 5, "--corpora", tmp_path, root=small_cache)
    assert code == 1
    assert "say where it is by --corpora" in sentence(error)


def test_diff_of_recipes_and_of_caches(cache, path, root):
    assert "transform    wavelet  ->  mel" in cache("diff", "default", "logmel")[1]
    other = build(root, [unit("anna", "sad", 4, 1), unit("anna", "angry", 2, 2)])
    code, out, _ = cache("diff", path.name, other.name)
    assert code == 0
    assert out.splitlines()[:2] == ["the recipes are the same", "utterances   6  ->  6, 2 differ"]
    assert "anna-sad-3: only in the second" in out
    assert "did you mean 'logmel'" in sentence(cache("diff", "default", "logmal")[2])


class TestRemoving:
    def test_a_dry_run_changes_nothing(self, cache, path, root):
        before = everything(root)
        code, out, _ = cache("rm", path.name)
        assert code == 0
        assert f"would move to the trash  {path}" in out
        assert "give --yes" in out
        assert everything(root) == before

    def test_rm_and_the_command_that_undoes_it(self, cache, path, root):
        _, out, _ = cache("rm", path.name, "--yes")
        assert roots.everything(root) == []
        command = shlex.split(out.partition("to restore it: ")[2])
        assert command[:5] == ["python", "-m", "precompute", "cache", "restore"]
        assert main(command[3:]) == 0
        assert problems(path) == []

    def test_restore_takes_ids_their_beginnings_and_corpora(self, cache, path):
        for name in (path.name, path.name[:5], "toy/"):
            cache("rm", path.name, "--yes")
            code, out, _ = cache("restore", name)
            assert (code, out) == (0, f"restored  {path}\n")
            assert problems(path) == []

    def test_restore_refuses_where_one_of_that_name_is(self, cache, path, root):
        cache("rm", path.name, "--yes")
        sealed_toy(root)
        before = everything(root)
        code, out, error = cache("restore", path.name)
        assert (code, out) == (1, "")
        assert f"{path} is there" in sentence(error)
        assert everything(root) == before

    def test_restore_takes_what_was_moved_last_and_counts_the_others(self, cache, path, root):
        cache("rm", path.name, "--yes")
        (earlier,) = (root / "toy" / layout.TRASH).iterdir()
        earlier.rename(earlier.with_name("20200101" + earlier.name[8:]))
        sealed_toy(root)
        (path / "mark").write_text("the last")
        cache("rm", path.name, "--yes")
        assert cache("restore", path.name)[1] == f"restored  {path}; 1 older one of this name stays in the trash\n"
        assert (path / "mark").read_text() == "the last"

    def test_restore_of_what_is_not_in_the_trash_lists_what_is(self, cache, path, root):
        assert "there is no cache 'fff'" in sentence(cache("restore", "fff")[2])
        cache("rm", path.name, "--yes")
        code, _, error = cache("restore", "fff")
        assert code == 1
        assert f"toy/{path.name}" in sentence(error)
        build(root, [unit("a", "sad")])
        cache("rm", "toy/", "--yes")
        assert "2 caches match" in sentence(cache("restore", path.name[:5])[2])
        assert cache("restore", "toy/")[0] == 0
        assert len(roots.everything(root)) == 2

    def test_damaged_and_unfinished_caches_can_be_removed(self, cache, path, root):
        (path / layout.MANIFEST).unlink()
        assert cache("rm", path.name, "--yes")[0] == 0
        assert roots.everything(root) == []

    def test_one_that_two_roots_have_must_be_chosen(self, cache, path, root, tmp_path):
        shutil.copytree(root, tmp_path / "other")
        code, _, error = cache("rm", path.name, "--yes", root=f"{root}:{tmp_path / 'other'}")
        assert code == 1
        assert "is in several roots" in sentence(error)
        assert path.exists()

    def test_gc_deletes_what_is_old(self, cache, path, root):
        cache("rm", path.name, "--yes")
        assert "nothing to remove" in cache("gc")[1]
        assert "would delete" in cache("gc", "--grace", 0)[1]
        assert len(list((root / "toy" / layout.TRASH).iterdir())) == 1
        assert "deleted" in cache("gc", "--grace", 0, "--yes")[1]
        assert list((root / "toy" / layout.TRASH).iterdir()) == []


def test_zip_round_trip(cache, path, root, tmp_path):
    assert cache("export", path.name, tmp_path / "toy.zip")[0] == 0
    code, out, _ = cache("import", tmp_path / "toy.zip", root=tmp_path / "new")
    assert code == 0
    there = tmp_path / "new" / path.relative_to(root)
    assert f"imported  {there}" in out
    assert {file.relative_to(there): content for file, content in everything(there).items()} == {
        file.relative_to(path): content for file, content in everything(path).items()
    }


def test_an_unknown_kind_of_export_is_refused(cache, path, tmp_path):
    code, _, error = cache("export", path.name, tmp_path / "toy.tar")
    assert code == 2
    assert "neither .zip nor .h5" in sentence(error)


def test_hdf5_holds_one_cache(cache, path, root, tmp_path):
    other = build(root, [unit("a", "sad")])
    assert cache("export", path.name, tmp_path / "toy.h5")[0] == 0
    code, _, error = cache("export", path.name, other.name, tmp_path / "two.h5")
    assert code == 2
    assert "write a file for each" in sentence(error)


def test_copy_to_another_root(cache, path, tmp_path):
    assert "copied" in cache("copy", path.name, tmp_path / "other")[1]
    assert "there already" in cache("copy", path.name, tmp_path / "other")[1]


def test_the_command_line(path, root, monkeypatch, capsys):
    monkeypatch.setenv("WSER_CACHE", str(root))
    command = [sys.executable, "-m", "precompute", "cache", "verify", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    sentence(done.stderr)
    for arguments, code, word in (["list"], 0, path.name), (["verify"], 0, path.name), ([], 2, ""), (["--help"], 0, "verify"):
        try:
            found = main(["cache", *arguments])
        except SystemExit as ended:
            found = ended.code
        assert found == code
        assert word in capsys.readouterr().out


def test_a_reader_that_has_enough_is_no_error(path, root):
    command = f"{shlex.join([sys.executable, '-m', 'precompute', 'cache', 'info', path.name, '--cache', str(root)])} | true"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


class TestRefusals:
    def test_a_root_that_is_not_there_is_not_sound(self, cache, root, tmp_path):
        code, _, error = cache("verify", root=tmp_path / "unmounted")
        assert code == 1
        assert "not mounted" in sentence(error)
        root.mkdir()
        assert cache("verify")[0] == 1

    @pytest.mark.usefixtures("path")
    @pytest.mark.parametrize("command", ["info", "verify", "rm"])
    def test_an_empty_id_does_not_mean_everything(self, cache, command):
        code, _, error = cache(command, "")
        assert code == 2
        assert "an ID is empty" in sentence(error)

    def test_rm_of_what_means_several_asks_for_more(self, cache, path, root):
        build(root, [unit("a", "sad")])
        code, _, error = cache("rm", path.name[:4], "--yes")
        assert code == 1
        assert "2 caches match" in sentence(error)
        assert cache("rm", "toy/", "--yes")[0] == 0

    def test_a_copy_beside_a_cache_does_not_stand_in_its_way(self, cache, path):
        shutil.copytree(path, path.with_name(f"{path.name}.bak"))
        assert cache("info", path.name)[0] == 0

    def test_an_unfinished_cache_is_said_to_be_one(self, cache, path):
        (path / layout.MANIFEST).unlink()
        code, _, error = cache("info", path.name)
        assert code == 1
        assert "manifest.json is missing" in sentence(error)

    def test_copy_has_one_target(self, cache, path, tmp_path):
        code, _, error = cache("copy", path.name, f"{tmp_path / 'a'}:{tmp_path / 'b'}")
        assert code == 2
        assert "names 2 roots" in sentence(error)

    @pytest.mark.parametrize("arguments", [("gc", "--grace", "-1"), ("gc", "--grace", "nan"), ("verify", "--recompute", "-1")])
    def test_numbers_that_make_no_sense_are_wrong_usage(self, cache, arguments):
        with pytest.raises(SystemExit) as stopped:
            cache(*arguments)
        assert stopped.value.code == 2

    @pytest.mark.usefixtures("path")
    def test_gc_leaves_a_root_of_another_layout_alone(self, cache, root):
        replace(root / layout.ROOT_RECORD, b'{"layout": "3.0"}')
        code, _, error = cache("gc", "--yes", "--grace", 0)
        assert code == 1
        assert "3.0" in sentence(error)

    def test_list_shows_what_is_damaged_and_goes_on(self, cache, path, root):
        other = build(root, [unit("a", "sad")])
        for content in (b"", b"[" * 100_000, b'{"utterances": "many", "files": [1]}'):
            replace(path / layout.MANIFEST, content)
            code, out, _ = cache("list")
            assert code == 0
            assert "damaged" in next(line for line in out.splitlines() if path.name in line)
            assert other.name in out

    def test_recordings_that_are_not_there_do_not_hide_other_damage(self, cache, path, small_cache, root, tmp_path):
        shutil.copytree(small_cache / "ravdess", root / "ravdess")
        (path / "anna/sad" / "c.0.0.0.0").unlink()
        code, out, error = cache("verify", "--recompute", 2, "--corpora", tmp_path / "nowhere")
        assert code == 1
        assert "say where it is by --corpora" in error
        assert "anna/sad/c.0.0.0.0 is missing" in error
        assert "0 of 2 caches are sound" in out
