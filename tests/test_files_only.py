"""Only one module opens for writing, renames and deletes: whatever else did so might follow a link, or leave half a file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(file for package in ("precompute", "wser") for file in (ROOT / package).rglob("*.py"))
ALONE = {
    ROOT / "precompute" / "common" / "files.py",
    # Downloads, and unpacks, into a directory of corpora; it holds no cache and no result, and checks that directory itself.
    ROOT / "precompute" / "corpora" / "_download.py",
}

METHODS = {
    "write_text", "write_bytes", "unlink", "rmdir", "touch", "mkdir", "rename", "symlink_to", "hardlink_to", "link_to",
    "savefig", "extract", "extractall", "tofile", "imsave", "to_csv", "truncate",
}  # fmt: skip
"""Of paths, archives and figures, each of which writes or removes what its path leads to."""

FUNCTIONS = {
    "shutil": {"rmtree", "move", "copy", "copy2", "copyfile", "copytree", "copyfileobj", "unpack_archive", "make_archive"},
    "os": {
        "remove", "unlink", "rmdir", "removedirs", "rename", "renames", "replace", "link", "symlink", "mkdir", "makedirs",
        "truncate", "open", "mkfifo", "chmod", "chown",
    },
    "tempfile": {"TemporaryDirectory", "NamedTemporaryFile", "mkdtemp", "mkstemp", "TemporaryFile", "SpooledTemporaryFile"},
    "torch": {"save"},
    "np": {"save", "savez", "savez_compressed", "savetxt", "memmap"},
    "zarr": {"save", "create_array", "open_group"},
}  # fmt: skip

ALLOWED = {
    ("precompute/audio/recording.py", "os.open"): "reads, and never waits for a pipe",
    ("precompute/common/terminal.py", "os.open"): "/dev/null",
    ("precompute/check/drawing.py", "savefig"): "into memory",
    ("precompute/common/html/plot.py", "savefig"): "into memory",
    ("precompute/cache/reader.py", "zarr.open_group"): "read-only",
    ("precompute/cache/transfer/hdf5.py", "truncate"): "a file that `files.new_file` made, for the HDF5 library",
    ("precompute/common/zips.py", "open"): "a member of a zip file, to be read",
    ("wser/execution/estimate.py", "tempfile.TemporaryDirectory"): "of a run that is timed, of which nothing is kept",
    ("wser/reports/bundle.py", "tempfile.TemporaryDirectory"): "an empty directory of its own, of which nothing stays",
    ("wser/data/decoded.py", "np.memmap"): "read-only",
    ("wser/training/checkpoint.py", "torch.save"): "into memory",
    ("wser/training/fitted.py", "np.savez"): "into memory",
    ("wser/training/network.py", "torch.save"): "into memory",
    ("wser/training/loggers.py", "mkdir"): "the directory of MLflow's data base, which is not among the results",
}
"""Calls that are none of these after all, and why."""


def writing(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of every call that opens for writing, renames or deletes."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        if isinstance(function, ast.Name) and function.id == "open" and _writes(node, at=1):
            yield node.lineno, "open"
        if isinstance(function, ast.Attribute):
            owner = function.value.id if isinstance(function.value, ast.Name) else ""
            if function.attr in FUNCTIONS.get(owner, ()):
                yield node.lineno, f"{owner}.{function.attr}"
            elif owner not in ("files", *FUNCTIONS, "dataclasses") and function.attr in METHODS:
                yield node.lineno, function.attr
            elif owner != "files" and function.attr == "replace" and len(node.args) == 1 and not node.keywords:
                yield node.lineno, "replace"
            elif function.attr == "open" and owner not in FUNCTIONS and _writes(node, at=0):
                yield node.lineno, "open"


def _writes(node: ast.Call, at: int) -> bool:
    """Whether a call of `open` has a mode other than reading, or one that nobody can tell."""
    given = [keyword.value for keyword in node.keywords if keyword.arg == "mode"] or node.args[at : at + 1]
    return any(not isinstance(mode, ast.Constant) or bool(set(str(mode.value)) & set("wax+")) for mode in given)


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_other_module_writes_renames_or_deletes(file):
    if file in ALONE:
        return
    name = file.relative_to(ROOT).as_posix()
    found = [(line, call) for line, call in writing(ast.parse(file.read_text())) if (name, call) not in ALLOWED]
    assert not found, f"{name} does so itself in line {found[0][0]} ({found[0][1]}): use precompute.common.files"


@pytest.mark.parametrize(
    "code",
    [
        "open('x', 'w')", "open('x', mode='ab')", "path.open('xb')", "path.open(mode)", "path.write_text('x')", "path.unlink()",
        "shutil.rmtree(path)", "os.replace(a, b)", "path.replace(other)", "path.rename(other)", "figure.savefig(path)",
        "path.mkdir()", "tempfile.mkdtemp()",
    ],
)  # fmt: skip
def test_such_calls_are_found(code):
    assert list(writing(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    ["open('x')", "path.open('rb')", "'a'.replace('b', 'c')", "replace(one, x=1)", "files.unlink(path, root)", "x.read()"],
)
def test_others_are_not(code):
    assert not list(writing(ast.parse(code)))
