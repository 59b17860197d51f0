"""Zip files of caches: what goes out comes back byte by byte, the same bytes each time, and nothing else comes in."""

import errno
import json
import os
import shutil
import stat
import struct
import warnings
import zipfile

import numpy as np
import pytest
from toy import INPUT, RECIPE, build, draft, replace, sealed_toy, unit

from precompute.cache import layout, places
from precompute.cache.layout import Skipped
from precompute.cache.reader import Cache
from precompute.cache.transfer import archive
from precompute.cache.transfer.archive import export_zip, import_zip
from precompute.common import files
from precompute.common.errors import CacheError, WserError

pytestmark = pytest.mark.slow

NAME = f"{RECIPE.id}-{INPUT}"
CACHE = f"toy/{NAME}"
OTHER_INPUT = "ba9876543210"
SHARD = f"{CACHE}/anna/sad/c.0.0.0.0"


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    """Directory of a sealed cache; read it only."""
    return sealed_toy(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def exported(sealed):
    """Its zip file; read it only."""
    target = sealed.parent.parent / "toy.zip"
    export_zip([sealed], target)
    return target


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


def names(directory):
    return sorted(file.name for file in directory.iterdir())


def content(path):
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def unpacked(path):
    """Members of a zip file with their content."""
    with zipfile.ZipFile(path) as opened:
        return {info: opened.read(info) for info in opened.infolist()}


def write(path, members, end=lambda _: None):
    """A zip file of members, a mapping or pairs of names or `ZipInfo`s and content; `end` sees it before it is closed."""
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as opened:
        warnings.simplefilter("ignore", UserWarning)
        for info, data in members.items() if isinstance(members, dict) else members:
            opened.writestr(info, data)
        end(opened)
    return path


def named(members):
    return {info.filename: data for info, data in members.items()}


def vouch(members, name, data):
    """Give a file of the cache other content, and let the manifest vouch for it; None takes it away."""
    manifest = json.loads(members[f"{CACHE}/{layout.MANIFEST}"])
    if data is None:
        del manifest["files"][name], members[f"{CACHE}/{name}"]
    else:
        manifest["files"][name] = {"size": len(data), "sha256": files.sha256(data)}
        members[f"{CACHE}/{name}"] = data
    members[f"{CACHE}/{layout.MANIFEST}"] = json.dumps(manifest).encode()


def edit(members, change, name=layout.MANIFEST):
    """Rewrite a file of JSON."""
    value = json.loads(members[f"{CACHE}/{name}"])
    change(value)
    data = json.dumps(value).encode()
    if name == layout.MANIFEST:
        members[f"{CACHE}/{name}"] = data
    else:
        vouch(members, name, data)


def nothing_in(root):
    """Whether a root has no cache, and nothing in staging."""
    return not [*root.glob(f"*/*/{layout.MANIFEST}"), *root.glob(f"*/{layout.STAGING}/*"), *root.glob(f"*/{NAME}")]


class TestRoundTrip:
    def test_every_file_and_picture_comes_back(self, sealed, exported, root):
        assert import_zip(exported, root) == [root / "toy" / NAME]
        assert content(root / "toy" / NAME) == content(sealed)
        there, here = Cache(root / "toy" / NAME), Cache(sealed)
        assert (there.records, there.skipped, there.recipe) == (here.records, here.skipped, here.recipe)
        np.testing.assert_array_equal(there.read_all(), here.read_all())

    def test_the_root_is_as_one_that_precompute_made(self, sealed, exported, root):
        import_zip(exported, root)
        assert {name: data for name, data in content(root).items() if "/" not in name} == {
            name: data for name, data in content(sealed.parent.parent).items() if "/" not in name and name != "toy.zip"
        }
        assert list((root / "toy" / layout.STAGING).iterdir()) == []

    def test_permissions_are_the_root_s(self, exported, root):
        root.mkdir()
        root.chmod(0o2775)
        path = import_zip(exported, root)[0]
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.rglob("*") if file.is_file()} == {0o444}
        assert {stat.S_IMODE(file.stat().st_mode) for file in [path, *path.rglob("*")] if file.is_dir()} == {0o2775}

    def test_strange_names_come_back(self, tmp_path, root):
        speakers = ["..", "a b", "a/b", "\\", "é", "C:", "nul", "zarr.json", "x" * 200]
        path = build(tmp_path / "lab", [unit(name, "sad", 1, at) for at, name in enumerate(speakers)], [Skipped("ü", "ä")])
        export_zip([path], tmp_path / "toy.zip")
        found = Cache(import_zip(tmp_path / "toy.zip", root)[0])
        assert {record.speaker for record in found.records} == set(speakers)
        assert content(found.path) == content(path)

    def test_several_caches_travel_together(self, sealed, tmp_path, root):
        other = build(tmp_path / "lab", [unit("bob", "sad")], [Skipped("x.wav", "silent")], OTHER_INPUT)
        export_zip([other, sealed], tmp_path / "both.zip")
        assert import_zip(tmp_path / "both.zip", root) == [root / "toy" / NAME, root / "toy" / other.name]
        assert content(root / "toy" / other.name) == content(other)

    def test_files_that_the_layout_does_not_know_stay_behind(self, sealed, tmp_path):
        path = shutil.copytree(sealed, tmp_path / "toy" / NAME)
        (path / "notes.txt").write_text("mine")
        (path / layout.PROVENANCE / "mine.json").write_text("{}")
        (path / layout.PROVENANCE / f"{'0' * 32}.json").symlink_to("/etc/hostname")
        export_zip([path], tmp_path / "toy.zip")
        assert set(named(unpacked(tmp_path / "toy.zip"))) == {f"{CACHE}/{name}" for name in content(sealed)} | {
            layout.ROOT_RECORD
        }


class TestExport:
    def test_the_same_caches_give_the_same_bytes(self, sealed, exported, tmp_path):
        copy = shutil.copytree(sealed, tmp_path / "elsewhere" / "toy" / NAME, copy_function=shutil.copyfile)
        os.utime(copy / layout.INDEX, (1, 1))
        export_zip([copy], tmp_path / "toy.zip")
        assert (tmp_path / "toy.zip").read_bytes() == exported.read_bytes()

    def test_members_are_stored_sorted_and_plain(self, exported):
        first, *others = unpacked(exported)
        assert first.filename == layout.ROOT_RECORD
        assert [info.filename for info in others] == sorted(info.filename for info in others)
        for info in (first, *others):
            assert (info.date_time, info.compress_type) == ((1980, 1, 1, 0, 0, 0), zipfile.ZIP_STORED)
            assert info.external_attr >> 16 == stat.S_IFREG | 0o644

    def test_a_damaged_cache_is_refused_by_name(self, tmp_path, messages):
        path = sealed_toy(tmp_path / "lab")
        shard = path / "anna" / "sad" / "c.0.0.0.0"
        data = bytearray(shard.read_bytes())
        data[10] ^= 1
        replace(shard, bytes(data))
        with messages.raises(CacheError):
            export_zip([path], tmp_path / "toy.zip")
        assert names(tmp_path) == ["lab"]

    def test_an_existing_file_is_kept(self, sealed, tmp_path, messages):
        (tmp_path / "toy.zip").write_text("mine")
        with messages.raises(WserError):
            export_zip([sealed], tmp_path / "toy.zip")
        assert content(tmp_path) == {"toy.zip": b"mine"}

    def test_a_file_that_came_meanwhile_is_kept(self, sealed, tmp_path, monkeypatch, messages):
        read = archive._read
        monkeypatch.setattr(archive, "_read", lambda *of: (tmp_path / "toy.zip").write_text("mine") and read(*of))
        with messages.raises(WserError):
            export_zip([sealed], tmp_path / "toy.zip")
        assert content(tmp_path) == {"toy.zip": b"mine"}

    @pytest.mark.parametrize(
        ("error", "expected"),
        [(KeyboardInterrupt(), KeyboardInterrupt), (OSError(errno.ENOSPC, "No space left on device"), WserError)],
    )
    def test_an_interrupted_export_leaves_nothing(self, sealed, tmp_path, monkeypatch, error, expected, messages):
        read, calls = archive._read, []

        def fail(*of):
            calls.append(of)
            if len(calls) == 4:
                raise error
            return read(*of)

        monkeypatch.setattr(archive, "_read", fail)
        with messages.raises(expected):
            export_zip([sealed], tmp_path / "toy.zip")
        assert names(tmp_path) == []

    def test_a_missing_directory_is_said(self, sealed, tmp_path, messages):
        with messages.raises(WserError):
            export_zip([sealed], tmp_path / "no" / "toy.zip")
        (tmp_path / "file").write_text("")
        with messages.raises(WserError):
            export_zip([sealed], tmp_path / "file" / "toy.zip")

    def test_no_hard_links_are_needed(self, sealed, exported, tmp_path, monkeypatch):
        def link(*names, **folders):
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(files.os, "link", link)
        export_zip([sealed], tmp_path / "toy.zip")
        assert content(tmp_path) == {"toy.zip": exported.read_bytes()}

    def test_two_of_one_name_none_and_unsealed_ones_are_refused(self, sealed, tmp_path, messages):
        with messages.raises(CacheError, CACHE):
            export_zip([sealed, shutil.copytree(sealed, tmp_path / "toy" / NAME)], tmp_path / "toy.zip")
        with messages.raises(CacheError):
            export_zip([], tmp_path / "toy.zip")
        with messages.raises(CacheError):
            export_zip([tmp_path], tmp_path / "toy.zip")

    def test_too_many_records_of_provenance_are_refused(self, sealed, tmp_path, monkeypatch, messages):
        monkeypatch.setattr(archive, "MOST_PROVENANCE", 0)
        with messages.raises(CacheError):
            export_zip([sealed], tmp_path / "toy.zip")


def link_to(name, mode):
    def change(members):
        info = zipfile.ZipInfo(name)
        info.external_attr = (mode | 0o777) << 16
        return [*((key, data) for key, data in members.items() if key != name), (info, b"/etc/passwd")]

    return change


def add(name, data=b""):
    return lambda members: [*members.items(), (name, data)]


def with_info(name, **attributes):
    def change(members):
        info = zipfile.ZipInfo(name)
        for key, value in attributes.items():
            setattr(info, key, value)
        return [*((key, data) for key, data in members.items() if key != name), (info, members.get(name, b""))]

    return change


def at_end(name, **attributes):
    """What only the archive's directory says of a member."""

    def end(opened):
        for key, value in attributes.items():
            setattr(opened.getinfo(name), key, value)

    return end


def drop(name):
    return lambda members: {key: data for key, data in members.items() if key != name}


def changed(change):
    """The same members after a change in place."""

    def apply(members):
        change(members)
        return members

    return apply


def manifest(**values):
    return changed(lambda members: edit(members, lambda found: found.update(values)))


def recipe(**values):
    return changed(lambda members: edit(members, lambda found: found.update(values), layout.RECIPE))


MANIFEST = f"{CACHE}/{layout.MANIFEST}"
NOTE = f"{layout.PROVENANCE}/{'0' * 32}.json"
REFUSED = {
    "absolute": (add("/etc/cron.d/x"), "/etc/cron.d/x"),
    "absolute in layout": (add(f"/{SHARD}"), f"/{SHARD}"),
    "parent": (add("../x"), "../x"),
    "parent of the root": (add(f"../{NAME}/zarr.json"), "../"),
    "parent inside": (add(f"{CACHE}/../../x"), f"{CACHE}/../../x"),
    "parent as speaker": (add(f"{CACHE}/../sad/zarr.json"), f"{CACHE}/../sad"),
    "parent as directory": (add("../"), "../"),
    "dot": (add(f"toy/./{NAME}/zarr.json"), "toy/./"),
    "empty component": (add(f"toy//{NAME}/zarr.json"), "toy//"),
    "backslash": (add(f"{CACHE}/anna\\..\\..\\x"), "anna"),
    "drive": (add("C:/x/zarr.json"), "C:/x"),
    "nul": (with_info("x", filename=f"{CACHE}/zarr.json\0.txt"), f"{CACHE}/zarr.json"),
    "control characters": (add("\x1b[2Jx"), r"\x1b[2Jx"),
    "unicode": (add("toy\u202e/x"), r"toy\u202e/x"),
    "no name": (with_info("x", filename=""), "''"),
    "no file of a cache": (add(f"{CACHE}/setup.py"), f"{CACHE}/setup.py"),
    "beside the cache": (add("toy/readme.txt"), "toy/readme.txt"),
    "staging": (add(f"toy/{layout.STAGING}/zarr.json"), layout.STAGING),
    "hidden corpus": (add(f".ssh/{NAME}/zarr.json"), ".ssh"),
    "corpus of a root's file": (add(f"{layout.ROOT_TAG}/{NAME}/zarr.json"), layout.ROOT_TAG),
    "no cache's id": (add("toy/latest/zarr.json"), "toy/latest"),
    "many parts": (add(f"{CACHE}/{'x/' * 20_000}zarr.json"), f"{CACHE}/x/x"),
    "long": (add(f"{CACHE}/{'x' * 201}/zarr.json"), "xxx"),
    "other provenance": (add(f"{CACHE}/provenance/x.json"), "provenance/x.json"),
    "other directory": (add("toy/x/"), "toy/x/"),
    "symbolic link": (link_to(SHARD, stat.S_IFLNK), SHARD),
    "symbolic link as directory": (link_to(f"{CACHE}/anna", stat.S_IFLNK), f"{CACHE}/anna"),
    "device": (link_to(SHARD, stat.S_IFCHR), SHARD),
    "fifo": (link_to(SHARD, stat.S_IFIFO), SHARD),
    "twice": (add(SHARD, b"x"), SHARD),
    "twice but for case": (add(f"{CACHE}/ANNA/sad/c.0.0.0.0", b"x"), "ANNA"),
    "file and directory": (add(f"{CACHE}/{layout.RECIPE}/zarr.json"), layout.RECIPE),
    "encrypted": (lambda members: members, SHARD, at_end(SHARD, flag_bits=1)),
    "bzip2": (with_info(SHARD, compress_type=zipfile.ZIP_BZIP2), SHARD),
    "lzma": (with_info(SHARD, compress_type=zipfile.ZIP_LZMA), SHARD),
    "unvouched": (add(f"{CACHE}/bob/sad/zarr.json", b"{}"), "bob/sad/zarr.json"),
    "missing": (drop(SHARD), SHARD),
    "no index": (changed(lambda members: vouch(members, layout.INDEX, None)), layout.INDEX),
    "no manifest": (drop(MANIFEST), MANIFEST),
    "size": (lambda members: {**members, SHARD: members[SHARD] + b"x"}, SHARD),
    "size of the archive's directory": (lambda members: members, SHARD, at_end(SHARD, file_size=7)),
    "other corpus": (manifest(corpus="../toy"), MANIFEST),
    "other id": (manifest(recipe_id="0" * 12), MANIFEST),
    "other version": (manifest(layout="3.0"), CACHE),
    "no version": (manifest(layout=None), CACHE),
    "no fingerprint": (manifest(fingerprint="x"), MANIFEST),
    "files of another type": (manifest(files=[]), MANIFEST),
    "entries of another type": (manifest(files={"zarr.json": 1}), MANIFEST),
    "infinite size": (
        manifest(files={"zarr.json": {"size": float("inf"), "sha256": "0" * 64}}), MANIFEST),
    "manifest torn": (lambda members: {**members, MANIFEST: members[MANIFEST][:99]}, MANIFEST),
    "manifest deep": (lambda members: {**members, MANIFEST: b"[" * 100_000}, MANIFEST),
    "manifest a list": (lambda members: {**members, MANIFEST: b"[]"}, MANIFEST),
    "manifest no text": (lambda members: {**members, MANIFEST: b"\xff\xfe\xfd"}, MANIFEST),
    "manifest large": (lambda members: {**members, MANIFEST: b" " * (layout.LARGEST_MANIFEST + 1)}, MANIFEST),
    "provenance large": (add(f"{CACHE}/{NOTE}", b" " * (layout.LARGEST_NOTE + 1)), NOTE),
    "root's version": (lambda members: {**members, layout.ROOT_RECORD: b'{"layout": "9.1"}'}, "x.zip"),
    "root's record": (lambda members: {**members, layout.ROOT_RECORD: b"1"}, layout.ROOT_RECORD),
    "large pictures": (recipe(height=1024, width=8193), layout.RECIPE),
    "negative pictures": (recipe(height=-8, width=-16), layout.RECIPE),
    "pictures of another type": (recipe(height="8"), layout.RECIPE),
}  # fmt: skip


class TestRefusedBeforeAnythingIsWritten:
    @pytest.mark.parametrize("case", REFUSED)
    def test_members(self, case, exported, tmp_path, root, messages):
        change, name, *end = REFUSED[case]
        crafted = write(tmp_path / "x.zip", change(named(unpacked(exported))), *end)
        with messages.raises(CacheError, name, crafted) as caught:
            import_zip(crafted, root)
        assert "\n" not in str(caught.value)
        assert names(tmp_path) == ["x.zip"]

    def test_a_bomb(self, exported, tmp_path, root, messages):
        members = named(unpacked(exported))
        vouch(members, "anna/sad/c.0.0.0.0", bytes(20 << 20))
        with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as opened:
            for name, data in members.items():
                opened.writestr(name, data)
        with messages.raises(CacheError, SHARD):
            import_zip(tmp_path / "x.zip", root)
        assert not root.exists()

    def test_a_bomb_that_understates_its_size(self, exported, tmp_path, root, messages):
        def end(opened):
            opened.getinfo(MANIFEST).file_size = 1000

        members = {**named(unpacked(exported)), MANIFEST: bytes(50 << 20)}
        with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as opened:
            for name, data in members.items():
                opened.writestr(name, data)
            end(opened)
        with messages.raises(CacheError, MANIFEST):
            import_zip(tmp_path / "x.zip", root)
        assert not root.exists()

    def test_members_that_share_their_bytes(self, exported, tmp_path, root, messages):
        def end(opened):
            one = opened.getinfo(SHARD)
            one.compress_size = one.file_size = 1 << 20

        crafted = write(tmp_path / "x.zip", named(unpacked(exported)), end)
        with messages.raises(CacheError):
            import_zip(crafted, root)

    @pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
    def test_a_truncated_file(self, share, exported, tmp_path, root, messages):
        data = exported.read_bytes()
        (tmp_path / "x.zip").write_bytes(data[: int(len(data) * share)])
        with messages.raises(CacheError):
            import_zip(tmp_path / "x.zip", root)
        assert not root.exists()

    def test_what_is_no_zip_file_or_not_there(self, tmp_path, root, messages):
        (tmp_path / "x.zip").write_text("hello")
        for path in (tmp_path / "x.zip", tmp_path, tmp_path / "missing.zip"):
            with messages.raises(CacheError):
                import_zip(path, root)

    def test_a_zip_file_without_a_cache(self, tmp_path, root, messages):
        for members in ({}, {layout.ROOT_RECORD: b'{"layout": "1.0"}'}):
            with messages.raises(CacheError):
                import_zip(write(tmp_path / "x.zip", members), root)

    def test_any_flipped_byte_is_refused_or_harmless(self, sealed, exported, tmp_path, root, monkeypatch):
        monkeypatch.setattr(files.os, "fsync", lambda _: None)
        data = exported.read_bytes()
        for at in np.random.default_rng(0).choice(len(data), 100, replace=False):
            (tmp_path / "x.zip").write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
            try:
                path = import_zip(tmp_path / "x.zip", root)[0]
            except CacheError:
                assert nothing_in(root)
            else:
                # A date, or the version of a program, say; or a record of provenance is left out.
                assert content(sealed).items() >= content(path).items()
                shutil.rmtree(root)

    def test_too_little_space(self, exported, root, monkeypatch, messages):
        monkeypatch.setattr(archive.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 9))
        with messages.raises(CacheError):
            import_zip(exported, root)
        assert not root.exists()

    def test_too_many_records_of_provenance(self, exported, root, monkeypatch, messages):
        monkeypatch.setattr(archive, "MOST_PROVENANCE", 0)
        with messages.raises(CacheError):
            import_zip(exported, root)

    def test_an_object_store(self, exported, monkeypatch, root, messages):
        monkeypatch.setattr(places, "is_remote", lambda _: True)
        with messages.raises(CacheError):
            import_zip(exported, root)


def other_pictures(members):
    from precompute.cache import shard

    vouch(members, "anna/sad/c.0.0.0.0", shard.encode(np.zeros((3, 8, 16, 3), np.uint8)))


def lines(change):
    def apply(members):
        records = [json.loads(line) for line in members[f"{CACHE}/{layout.INDEX}"].decode().split("\n")[:-1]]
        change(records)
        vouch(members, layout.INDEX, "".join(json.dumps(record) + "\n" for record in records).encode())

    return apply


WRONG = {
    "sha256": lambda members: members.update({SHARD: members[SHARD][:-1] + b"x"}),
    "no shard": lambda members: vouch(members, "anna/sad/c.0.0.0.0", b"x" * 999),
    "other pictures": other_pictures,
    "other shape": lambda members: edit(members, lambda found: found.update(shape=[1 << 40, 8, 16, 3]), "anna/sad/zarr.json"),
    "other recipe": lambda members: edit(members, lambda found: found.update(f_min=61.0), layout.RECIPE),
    "recipe without meaning": lambda members: edit(members, lambda found: found.update(x=1 << 70), layout.RECIPE),
    "other emotion": lines(lambda records: records[0].update(label="X")),
    "other array": lines(lambda records: records[0].update(array="../../x")),
    "records without keys": lines(lambda records: records[0].pop("key")),
    "records of another type": lines(lambda records: records[0].update(array=["x"])),
    "labels of another type": lines(lambda records: records[0].update(label={})),
    "no record": lines(lambda records: records.clear()),
    "index deep": lambda members: vouch(members, layout.INDEX, b"[" * 100_000 + b"\n"),
    "index no text": lambda members: vouch(members, layout.INDEX, b"\xff\n"),
}


class TestRefusedBeforeAnythingIsPublished:
    @pytest.mark.parametrize("case", WRONG)
    def test_what_the_manifest_vouches_for_wrongly(self, case, exported, tmp_path, root, messages):
        members = named(unpacked(exported))
        WRONG[case](members)
        with messages.raises(CacheError, CACHE) as caught:
            import_zip(write(tmp_path / "x.zip", members), root)
        assert nothing_in(root)
        assert layout.STAGING not in str(caught.value)

    def test_pictures_that_take_too_much_memory(self, exported, root, monkeypatch, messages):
        monkeypatch.setattr(archive, "LARGEST_UNIT", 3 * 8 * 16 * 3 - 1)
        with messages.raises(CacheError):
            import_zip(exported, root)
        assert nothing_in(root)

    def test_one_bad_cache_keeps_the_others_out(self, sealed, tmp_path, root, messages):
        other = build(tmp_path / "lab", [unit("bob", "sad")], [Skipped("x.wav", "silent")], OTHER_INPUT)
        export_zip([sealed, other], tmp_path / "both.zip")
        members = named(unpacked(tmp_path / "both.zip"))
        members[f"toy/{other.name}/{layout.INDEX}"] = members[f"toy/{other.name}/{layout.INDEX}"].replace(b"bob", b"eve")
        with messages.raises(CacheError, f"toy/{other.name}/{layout.INDEX}"):
            import_zip(write(tmp_path / "x.zip", members), root)
        assert nothing_in(root)

    @pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
    def test_an_interrupted_import_leaves_nothing(self, error, exported, root, monkeypatch):
        write_new, calls = files.write_new, []

        def fail(*of):
            calls.append(of)
            if len(calls) == 8:
                raise error
            write_new(*of)

        monkeypatch.setattr(files, "write_new", fail)
        with pytest.raises((KeyboardInterrupt, CacheError), match=r"^$|no space is left on the disk of"):
            import_zip(exported, root)
        assert nothing_in(root)


class TestOtherTools:
    def test_deflated_unordered_with_directories_and_without_the_root_s_record(self, sealed, exported, tmp_path, root):
        members = named(unpacked(exported))
        del members[layout.ROOT_RECORD]
        with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as opened:
            for directory in ("toy", CACHE, f"{CACHE}/anna"):
                opened.mkdir(directory)
            for name, data in reversed(members.items()):
                opened.writestr(name, data)
        assert content(import_zip(tmp_path / "x.zip", root)[0]) == content(sealed)

    def test_a_root_zipped_as_it_is(self, sealed, tmp_path, root):
        lab = sealed.parent.parent
        files_there = [layout.ROOT_RECORD, layout.ROOT_TAG, *(f"{CACHE}/{name}" for name in content(sealed))]
        with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as opened:
            for name in files_there:
                opened.write(lab / name, name)
        assert content(import_zip(tmp_path / "x.zip", root)[0]) == content(sealed)

    def test_zip64(self, sealed, tmp_path, root, monkeypatch):
        monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
        export_zip([sealed], tmp_path / "x.zip")
        assert struct.pack("<H", zipfile.ZIP64_VERSION) in (tmp_path / "x.zip").read_bytes()
        assert content(import_zip(tmp_path / "x.zip", root)[0]) == content(sealed)


class TestWhatIsThereAlready:
    def test_the_same_cache_is_kept(self, exported, root):
        path = import_zip(exported, root)[0]
        inodes = {file: file.stat().st_ino for file in path.rglob("*")}
        assert import_zip(exported, root) == [path]
        assert {file: file.stat().st_ino for file in path.rglob("*")} == inodes

    def test_another_cache_of_the_name_is_kept_and_the_archive_refused(self, exported, root, messages):
        path = build(root, [unit("bob", "sad")], input_id=INPUT)
        before = content(root)
        with messages.raises(CacheError, path):
            import_zip(exported, root)
        assert content(root) == before

    def test_an_unfinished_one_is_kept_and_the_archive_refused(self, exported, root, messages):
        made = draft(root)
        with made.open():
            made.publish(*unit("anna", "sad"))
        before = content(root)
        with messages.raises(CacheError, NAME):
            import_zip(exported, root)
        assert content(root) == before

    @pytest.mark.parametrize("same", [True, False])
    def test_another_job_is_first(self, same, sealed, exported, root, monkeypatch, messages):
        def verify(*of):
            if same:
                shutil.copytree(sealed, root / "toy" / NAME)
            else:
                build(root, [unit("bob", "sad")], input_id=INPUT)

        monkeypatch.setattr(archive, "_verify", verify)
        if same:
            assert content(import_zip(exported, root)[0]) == content(sealed)
        else:
            with messages.raises(CacheError):
                import_zip(exported, root)
        assert list((root / "toy" / layout.STAGING).iterdir()) == []

    def test_a_root_of_another_version_or_that_is_a_file_is_refused(self, exported, tmp_path, root, messages):
        root.mkdir()
        (root / layout.ROOT_RECORD).write_text('{"layout": "3.0"}')
        with messages.raises(CacheError):
            import_zip(exported, root)
        assert names(root) == [layout.ROOT_RECORD]
        (tmp_path / "file").write_text("")
        with messages.raises(CacheError):
            import_zip(exported, tmp_path / "file")
