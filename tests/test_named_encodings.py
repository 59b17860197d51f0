"""Every text file is read and written in a named encoding: that of a locale is another on the next machine.

Ruff's PLW1514 says the same of what it can tell to be a path; this looks at the name of the method alone, and at programs.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(file for part in ("precompute", "wser", "benchmarks") for file in (ROOT / part).rglob("*.py"))

ENCODING_AT = {"read_text": 0, "write_text": 1}
"""Where the encoding stands among the arguments of these methods."""

NOT_FILES = {
    ("precompute/pipeline/build.py", "draft.open()"): "a draft",
    ("benchmarks/precompute_speed.py", "draft.open()"): "a draft",
    ("benchmarks/scale.py", "draft.open()"): "a draft",
    ("precompute/common/zips.py", "archive.open(info)"): "a member of a zip file, which is bytes",
}


def nameless(tree: ast.Module) -> Iterator[ast.Call]:
    """Calls that read or write text in whatever encoding there is."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        name = function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
        owner = function.value.id if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) else ""
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        if "encoding" in keywords:
            continue
        as_text = owner == "subprocess" and any(key in keywords for key in ("text", "universal_newlines"))
        if as_text or (name in ENCODING_AT and len(node.args) <= ENCODING_AT[name]):
            yield node
        elif name in ("open", "fdopen") and (owner, name) != ("os", "open"):
            at = 1 if isinstance(function, ast.Name) or owner == "os" else 0
            given = [keywords["mode"]] if "mode" in keywords else node.args[at : at + 1]
            if not any(isinstance(mode, ast.Constant) and "b" in str(mode.value) for mode in given):
                yield node


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_text_file_names_its_encoding(file):
    name = file.relative_to(ROOT).as_posix()
    calls = [(node.lineno, ast.unparse(node)) for node in nameless(ast.parse(file.read_text("utf-8")))]
    found = [(line, call) for line, call in calls if (name, call) not in NOT_FILES]
    assert not found, f"{name} names no encoding in line {found[0][0]}: {found[0][1]}"


@pytest.mark.parametrize(
    "code",
    [
        "path.read_text()", "path.write_text(x)", "open(x)", "open(x, 'w')", "path.open()", "path.open('r+', newline='')",
        "open(x, mode='a')", "os.fdopen(handle, 'w')", "subprocess.run(x, text=True)", "path.read_text(errors='replace')",
    ],
)  # fmt: skip
def test_such_calls_are_found(code):
    assert list(nameless(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "path.read_text('utf-8')", "path.write_text(x, encoding='utf-8')", "open(x, 'rb')", "path.open('xb')", "os.open(x, y)",
        "path.open(encoding='ascii')", "subprocess.run(x)", "subprocess.run(x, encoding='utf-8')", "path.read_bytes()",
    ],
)  # fmt: skip
def test_others_are_not(code):
    assert not list(nameless(ast.parse(code)))
