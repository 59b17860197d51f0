"""Caches and zip files that are damaged at random: every command ends in success or one sentence, and never goes astray.

`WSER_FUZZ=N` runs N times as many cases; each has a seed, which its name says.
"""

import contextlib
import copy
import json
import os
import random
import shutil
import stat
import struct
import warnings
import zipfile

import pytest
from toy import INPUT, RECIPE, build, draft, sealed_toy, unit

from precompute.__main__ import main
from precompute.cache import layout, roots
from precompute.cache.reader import Cache
from precompute.cache.transfer.archive import import_zip
from precompute.cache.verify import problems
from precompute.common.errors import WserError
from precompute.common.files import sha256

TIMES = int(os.environ.get("WSER_FUZZ", "1"))
GROUPS, CASES = 8, 10
"""Tests, and cases of each."""

JOB = "0123456789abcdef" * 2
DEEP: list = []
for _ in range(400):
    DEEP = [DEEP]
VALUES = [
    None, True, False, 0, 1, -1, 2, 3, 7, 10**6, 2**31, 2**53, 2**63, 2**64, 10**400, -(10**400), 0.0, -0.0, 0.5, 1e-320,
    1e308, float("nan"), float("inf"), -float("inf"), "", "a", "..", ".", "/", "/etc/passwd", "../../x", "a/b", "\0", "\ud800",
    "\x1b[31m", "a\nb", "\u202e", "x" * 300, "y" * 70_000, "1.4", "1.3", "1.0", "1.99", "2.0", "3.0",
    "0" * 64, "f" * 64, "wavelet",
    "mel", "stft", "none", "wavelets", [], [[]], {}, {"a": {"b": []}}, [1, 2, 3], [None], DEEP, {"layout": "1.4"}, "00" * 768,
    "zz" * 768,
]  # fmt: skip
BYTES = [
    b"",
    b"{",
    b"[]",
    b"{}",
    b"null",
    b"0",
    b"\xff\xfe",
    b"[" * 200_000,
    b"{}\n" * 1000,
    b"NaN",
    b"1" * 5000,
    b'"' * 9,
    b"\0" * 99,
]


def shuffled(rng, value):
    """A value of JSON in which one, anywhere, is another, is gone, or is there twice."""
    value = copy.deepcopy(value)
    place, key = {"": value}, ""
    while isinstance(place[key], dict | list) and place[key] and rng.random() < 0.85:
        place = place[key]
        key = rng.choice(sorted(place)) if isinstance(place, dict) else rng.randrange(len(place))
    match rng.randrange(6):
        case 0 if place is not value and isinstance(place, dict):
            del place[key]
        case 1 if isinstance(place[key], dict):
            place[key][rng.choice(["x", "", "duration", "a/b", "\0"])] = rng.choice(VALUES)
        case 2 if isinstance(place[key], list):
            place[key] = place[key] * 2
        case 3 if isinstance(place[key], int | float):
            place[key] += rng.choice([1, -1, 0.5, 1000])
        case _:
            place[key] = rng.choice(VALUES)
    return place[""] if "" in place and key == "" else value


def damaged(rng, content):
    """Bytes of which some are others."""
    if not content or rng.random() < 0.2:
        return rng.choice(BYTES)
    at = rng.randrange(len(content))
    match rng.randrange(4):
        case 0:
            return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]
        case 1:
            return content[:at]
        case 2:
            return content[:at] + rng.randbytes(rng.randrange(1, 9)) + content[at:]
        case _:
            return content + content[at:]


def encoded(value):
    return json.dumps(value).encode()


def change(rng, files):
    """Change one file of a cache."""
    name = rng.choice(sorted(files))
    match rng.randrange(10):
        case 0:
            files[name] = damaged(rng, files[name])
        case 1:
            other = rng.choice(sorted(files))
            files[name], files[other] = files[other], files[name]
        case 2:
            del files[name]
        case 3:
            files[rng.choice(["x", "anna/x", "anna/sad/x", f"provenance/{'1' * 32}.json", "bob/sad/zarr.json"])] = files[name]
        case _:
            name = rng.choice([file for file in sorted(files) if file.endswith(("json", "jsonl"))] or [name])
            with contextlib.suppress(ValueError, RecursionError):
                if name.endswith(".jsonl"):
                    lines = [json.loads(line) for line in files[name].split(b"\n")[:-1]]
                    lines = shuffled(rng, lines)
                    files[name] = b"".join(encoded(line) + b"\n" for line in lines) if isinstance(lines, list) else b""
                else:
                    files[name] = encoded(shuffled(rng, json.loads(files[name])))


def made_to_fit(rng, files):
    """Have the manifest vouch for what is there, so that what is wrong is only found by who looks closer."""
    with contextlib.suppress(Exception):
        lines = [json.loads(line) for line in files[layout.INDEX].split(b"\n")[:-1]]
        if rng.random() < 0.6:
            for array in {line["array"] for line in lines}:
                metadata = json.loads(files[f"{array}/{layout.GROUP}"])
                metadata["attributes"]["utterances"] = [line for line in lines if line["array"] == array]
                files[f"{array}/{layout.GROUP}"] = encoded(metadata)
    with contextlib.suppress(Exception):
        manifest = json.loads(files[layout.MANIFEST])
        for name in (name for name in list(manifest["files"]) if name not in files and rng.random() < 0.7):
            del manifest["files"][name]
        for name, content in files.items():
            if layout.legal_file(name):
                manifest["files"][name] = {"size": len(content), "sha256": sha256(content)}
        with contextlib.suppress(Exception):
            lines = [json.loads(line) for line in files[layout.INDEX].split(b"\n")[:-1]]
            manifest["utterances"] = len(lines)
            manifest["fingerprint"] = layout.fingerprint([layout.Record(**line) for line in lines], manifest["layout"])
        files[layout.MANIFEST] = encoded(manifest)


def mutated(rng, files):
    files = dict(files)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if files:
            change(rng, files)
    if rng.random() < 0.75:
        made_to_fit(rng, files)
    return files


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Files of some caches, by their paths relative to them, with the place of each in a root."""
    lab = tmp_path_factory.mktemp("lab")
    paths = [sealed_toy(lab), build(lab, [unit("anna", "sad", 2, 5), unit("é", "angry", 1, 6)], synthetic=True)]
    return [
        (
            path.relative_to(lab).as_posix(),
            {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()},
        )
        for path in paths
    ]


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """A directory that nobody may touch, and a function that says whether it is as it was."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    secret = tmp_path / "secret"
    (secret / JOB).mkdir(parents=True)
    (secret / JOB / "file").write_text("precious")
    (secret / layout.MANIFEST).write_text("{}")
    (secret / "fifo.txt").write_text("{}")
    for place in [*secret.rglob("*"), secret]:
        os.utime(place, (0, 0))

    def look():
        return {
            place: (place.lstat().st_mode, place.lstat().st_mtime, place.lstat().st_nlink)
            for place in [secret, *secret.rglob("*")]
        }

    before = look()
    return secret, lambda: look() == before


def command(capsys, *arguments):
    """Run a command; it is done, or says in one sentence why not."""
    capsys.readouterr()
    code = main(["cache", *map(str, arguments)])
    out, errors = capsys.readouterr()
    said = f"{arguments}: {errors}"
    assert code in (0, 1), said
    assert "unexpected" not in errors, said
    assert "Traceback" not in errors, said
    assert errors.count("\n") == (1 if code and arguments[0] != "verify" else errors.count("\n")), said
    assert all(line.startswith("precompute cache: ") for line in errors.splitlines()), said
    assert code == 0 or errors or arguments[0] == "verify", said
    return code, out


def said(error):
    assert "\n" not in str(error)


def seeds(group):
    return range(group * CASES * TIMES, (group + 1) * CASES * TIMES)


@pytest.mark.slow
@pytest.mark.parametrize("group", range(GROUPS))
def test_zip_files(group, sources, tmp_path, outside, capsys):
    _, untouched = outside
    for seed in seeds(group):
        rng = random.Random(seed)
        place, files = rng.choice(sources)
        archive, root = tmp_path / "x.zip", tmp_path / "root"
        members = {f"{place}/{name}": content for name, content in mutated(rng, files).items()}
        members[layout.ROOT_RECORD] = layout.root_record()
        write_zip(rng, archive, members)
        if rng.random() < 0.3:
            there_already(rng, root, *rng.choice(sources))
        before = {path: problems(path) for path in roots.everything(root)}
        try:
            import_zip(archive, root)
        except WserError as error:
            said(error)
        for path in roots.everything(root):
            assert problems(path) == before.get(path, []), seed
        assert untouched(), seed
        assert {one.name for one in tmp_path.iterdir()} <= {"secret", "x.zip", "root"}, seed
        assert not list(root.glob(f"*/{layout.STAGING}/*")), seed
        command(capsys, "import", "--cache", tmp_path / "other", archive)
        archive.unlink()
        for directory in (root, tmp_path / "other"):
            shutil.rmtree(directory, ignore_errors=True)


def write_zip(rng, archive, members):
    kind = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    if rng.random() < 0.2:
        members[layout.ROOT_RECORD] = rng.choice([rng.choice(BYTES), encoded(shuffled(rng, {"layout": "1.4"}))])
    with warnings.catch_warnings(), zipfile.ZipFile(archive, "w", kind) as opened:
        warnings.simplefilter("ignore", UserWarning)
        for name in rng.sample(sorted(members), len(members)):
            info = zipfile.ZipInfo(
                name if rng.random() < 0.99 else rng.choice(["../x", "/x", "", "toy", name.upper(), f"{name}/", name + "\0x"])
            )
            info.compress_type = kind
            info.external_attr = (
                rng.choice([stat.S_IFLNK, stat.S_IFIFO, stat.S_IFDIR]) if rng.random() < 0.01 else stat.S_IFREG
            ) << 16
            with contextlib.suppress(struct.error, ValueError):
                opened.writestr(info, members[name])
    if rng.random() < 0.25:
        content = bytearray(archive.read_bytes())
        for _ in range(rng.randrange(1, 6)):
            # The directory at the end is what is read first.
            at = rng.randrange(len(content)) if rng.random() < 0.5 else len(content) - 1 - rng.randrange(min(len(content), 900))
            content[at] = rng.randrange(256)
        archive.write_bytes(bytes(content) if rng.random() < 0.8 else bytes(content[: rng.randrange(len(content))]))


def there_already(rng, root, place, files):
    """A cache that the root has, as it should be or not."""
    lay(root / place, files if rng.random() < 0.5 else mutated(rng, files))


def lay(path, files):
    for name, content in files.items():
        file = path / name
        with contextlib.suppress(FileExistsError, NotADirectoryError, IsADirectoryError):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)


def disturb(rng, path, root, secret):
    """Put a link, a pipe, a directory or nothing in the place of something in a root."""
    places = list(root.rglob("*"))
    place = (
        rng.choice(places)
        if rng.random() < 0.7
        else rng.choice([path, path.parent, path.parent / layout.STAGING, path.parent / layout.TRASH])
    )
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    match rng.randrange(5):
        case 0:
            place.symlink_to(rng.choice([secret, secret / JOB / "file", secret / "nowhere", place, "/dev/zero", "/dev/null"]))
        case 1:
            os.mkfifo(place)
        case 2:
            place.mkdir()
        case 3:
            place.touch()
            os.truncate(place, rng.choice([0, 1, 1 << 20, 1 << 42]))
        case _:
            pass


@pytest.mark.slow
@pytest.mark.parametrize("group", range(GROUPS))
def test_directories(group, sources, tmp_path, outside, capsys):
    secret, untouched = outside
    for seed in seeds(group):
        rng = random.Random(-1 - seed)
        root, other = tmp_path / "root", tmp_path / "other"
        place, files = rng.choice(sources)
        path = root / place
        lay(path, mutated(rng, files) if rng.random() < 0.7 else files)
        lay(
            root,
            {layout.ROOT_RECORD: layout.root_record() if rng.random() < 0.9 else encoded(shuffled(rng, {"layout": "1.4"}))},
        )
        if rng.random() < 0.5 and path.exists():
            disturb(rng, path, root, secret)
        verified, _ = command(capsys, "verify", "--cache", root)
        command(capsys, "list", "--cache", root)
        command(capsys, "info", "--cache", root, place)
        for target in ("x.zip", "x.h5"):
            command(capsys, "export", "--cache", root, place, tmp_path / target)
        copied, _ = command(capsys, "copy", "--cache", root, place, other)
        read(path)
        if verified == 0:
            assert problems(path) == [], seed
            assert copied == 0, seed
            assert problems(other / place) == [], seed
        if (tmp_path / "x.zip").exists():
            imported, _ = command(capsys, "import", "--cache", tmp_path / "third", tmp_path / "x.zip")
            assert imported == 0 or problems(path), seed
        assert all(problems(found) == [] for found in roots.everything(tmp_path / "third")), seed
        write(root)
        command(capsys, "gc", "--cache", root, "--grace", 0, "--yes")
        command(capsys, "rm", "--cache", root, place, "--yes")
        assert untouched(), seed
        assert {one.name for one in tmp_path.iterdir()} <= {"secret", "root", "other", "third", "x.zip", "x.h5"}, seed
        for directory in (root, other, tmp_path / "third"):
            shutil.rmtree(directory, ignore_errors=True)
        for file in ("x.zip", "x.h5"):
            (tmp_path / file).unlink(missing_ok=True)


def read(path):
    """All that a reader may ask of a cache."""
    with contextlib.suppress(WserError):
        roots.find([path.parents[1]], "toy", RECIPE.id)
    try:
        cache = Cache(path)
        assert len(cache.read_all()) == len(cache.records)
        assert sum(len(cache.read(array)) for array in cache.arrays) == len(cache.records)
        assert len(cache.skipped) == cache.manifest["skipped"]
        assert cache.size > 0
    except WserError as error:
        said(error)


def write(root):
    """A job that finds a cache so, and must finish it or say why not."""
    made = draft(root, INPUT)
    try:
        with made.open():
            units = [made.published(*pair) or made.publish(*unit(*pair, 2, 1)) for pair in (("anna", "sad"), ("..", "sad"))]
            if not made.sealed:
                made.seal(units, [], {})
                assert len(Cache(made.path).records) == sum(len(one.records) for one in units)
    except WserError as error:
        said(error)
