"""Small zip files that would fill a machine's memory: each is refused or taken in, in one sentence and in a gigabyte."""

import json
import random
import subprocess
import sys
import zipfile

import pytest
from toy import INPUT, RECIPE, sealed_toy

from precompute.cache import layout
from precompute.cache.transfer.archive import export_zip
from precompute.common import arrays
from precompute.common.files import sha256

CACHE = f"toy/{RECIPE.id}-{INPUT}"
MOST = 1 << 30
RNG = random.Random(0)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to RLIMIT_AS")


COMMANDS = """
import contextlib, gc, io, json, sys
from precompute.__main__ import main
from precompute.common import progress
gc.disable()
progress.SECONDS_BETWEEN_LINES = float("inf")  # a slow machine is not to say more than a sentence
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
        code = main(arguments)
    print(json.dumps([code, said.getvalue().splitlines()]))
"""


def run(*commands):
    """Exit code and lines of stderr of each command of `precompute cache`, all in one process with a gigabyte of memory.

    It never collects garbage, which would take most of the time; its memory is then all the more.
    """
    import resource

    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, json.dumps([["cache", *map(str, command)] for command in commands])],
        capture_output=True, text=True, timeout=300, check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MOST, MOST)),
    )  # fmt: skip
    assert done.stderr == ""
    return map(json.loads, done.stdout.splitlines())


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """Those of a small cache."""
    path = sealed_toy(tmp_path_factory.mktemp("lab"))
    target = path.parents[2] / "toy.zip"
    export_zip([path], target)
    with zipfile.ZipFile(target) as opened:
        return {info.filename: opened.read(info) for info in opened.infolist()}


LISTS = "many lists"
"""Where they stand in a manifest: to write them as text takes a hundredth of the time."""


def white(n):
    """Space that counts for nothing in JSON, and that deflate shrinks to an eighth only."""
    return RNG.randbytes(n).translate(b" \t" * 128)


def padded(word, n):
    """A word n times, each after spaces of its own."""
    return b"".join(white(4096 + at % 64).join([b"", word * 1024]) for at in range(n // 1024))


def dense(n):
    """Bytes that deflate shrinks to a tenth, as far as the importer lets it."""
    return b"".join(RNG.randbytes(900) + bytes(8100) for _ in range(n // 9000 + 1))


def line(at):
    digest = RNG.randbytes(32).hex()
    return (
        f'{{"key":"{at:06x}","speaker":"a","emotion":"b","label":"c","duration":1,"channels":1,"start":0,"stop":1,"path":"",'
        f'"sha256":"","array":"a/b","row":{at},"image_sha256":"{digest}"}}\n'
    )


def valid_lines(files):
    n = 200_000
    files[layout.INDEX] = "".join(map(line, range(n))).encode()
    files["a/b/c.0.0.0.0"] = dense(layout.SMALLEST_ITEM * n)
    files[f"a/b/{layout.GROUP}"] = b"{}"
    files[f"a/{layout.GROUP}"] = b"{}"
    return {"utterances": n}


def empty_lines(files):
    files[layout.INDEX] = padded(b"{}\n", 1 << 24)
    files["anna/sad/c.0.0.0.0"] = dense(layout.SMALLEST_ITEM << 20)
    return {"utterances": 1 << 20}


def as_many_empty_lines_as_counted(files):
    n = 1 << 20
    files[layout.INDEX] = padded(b"{}\n", n)
    files["anna/sad/c.0.0.0.0"] = dense(layout.SMALLEST_ITEM << 20)
    return {"utterances": n}


def one_long_line(files):
    files[layout.INDEX] = b'{"key":[' + padded(b"{},", 1 << 23) + b"0]}\n"
    files["anna/sad/c.0.0.0.0"] = dense(1 << 20)
    return {"utterances": 1}


def skipped_lines(files):
    n = 300_000
    noise = RNG.randbytes(20 * n).hex().encode()
    lines = (b'{"path":"%06x","reason":"%s"}\n' % (at, noise[40 * at : 40 * at + 40]) for at in range(n))
    files[layout.SKIPPED] = b"".join(lines)
    return {"skipped": n}


def metadata_of_empty_objects(files):
    files[f"anna/sad/{layout.GROUP}"] = b'{"attributes":[' + padded(b"{},", 1 << 22) + b"0]}"
    return {}


def manifest_of_empty_lists(files):
    return {"more": LISTS}


def pictures_of_one_colour(files):
    import numpy as np
    from numcodecs import Zstd
    from numcodecs.checksum32 import CRC32C

    # Each takes some bytes, and 25 megabytes where it is decoded.
    chunk = bytes(CRC32C(location="end").encode(Zstd(level=3).encode(bytes(8192 * 1024 * 3))))
    n = 300
    index = np.array([[at * len(chunk), len(chunk)] for at in range(n)], "<u8")
    files["anna/sad/c.0.0.0.0"] = chunk * n + bytes(CRC32C(location="end").encode(index))
    recipe = json.loads(files[layout.RECIPE]) | {"height": 1024, "width": 8192}
    files[layout.RECIPE] = json.dumps(recipe).encode()
    first = json.loads(files[layout.INDEX].splitlines()[-1]) | {"array": "anna/sad", "speaker": "anna", "emotion": "sad"}
    files[layout.INDEX] = b"".join(json.dumps(first | {"row": at, "key": str(at)}).encode() + b"\n" for at in range(n))
    metadata = layout.array_metadata(n, arrays.picture(1024, 8192), {"utterances": [], "skipped": [], "shard_sha256": ""})
    files[f"anna/sad/{layout.GROUP}"] = json.dumps(metadata).encode()
    return {"utterances": n}


BOMBS = [
    valid_lines, empty_lines, as_many_empty_lines_as_counted, one_long_line, skipped_lines, metadata_of_empty_objects,
    manifest_of_empty_lists, pictures_of_one_colour,
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.__name__)
def test_a_small_zip_takes_no_more_than_a_gigabyte(bomb, members, tmp_path):
    files = {name.removeprefix(f"{CACHE}/"): data for name, data in members.items() if name.startswith(CACHE)}
    manifest = json.loads(files.pop(layout.MANIFEST)) | bomb(files)
    manifest["files"] = {
        name: {"size": len(data), "sha256": sha256(data)} for name, data in files.items() if layout.legal_file(name)
    }
    files[layout.MANIFEST] = json.dumps(manifest).replace(f'"{LISTS}"', "[" + "[], " * 3_000_000 + "0]").encode()
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as opened:
        for name, data in files.items():
            opened.writestr(f"{CACHE}/{name}", data)
    assert (tmp_path / "x.zip").stat().st_size < 25e6
    # The same as a cache that somebody put into a root.
    for name, data in files.items():
        file = tmp_path / "put" / CACHE / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    imported, verified, listed = run(
        ("import", "--cache", tmp_path / "root", tmp_path / "x.zip"),
        ("verify", "--cache", tmp_path / "put"),
        ("list", "--cache", tmp_path / "put"),
    )
    assert listed == [0, []]
    if bomb is skipped_lines:
        # Many, and each as it should be.
        assert imported == verified == [0, []]
        return
    code, sentences = imported
    assert (code, len(sentences)) == (1, 1), sentences
    assert "nothing was imported" in sentences[0]
    assert not list((tmp_path / "root").glob(f"*/*/{layout.MANIFEST}"))
    assert verified[0] == len(verified[1]) <= 1
