"""Identifies code that computes a result by its source, without comments, docstrings and blank lines."""

import ast
import hashlib
import io
import tokenize
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path


def digest(files: Sequence[Path]) -> str:
    """SHA-256 of the code of some Python files.

    It is the same on every version of Python: the parser only gives positions, and the text is hashed.

    Args:
        files: In a fixed order.
    """
    lines = hashlib.sha256()
    for file in files:
        lines.update(f"{file.name}\n{_bare(file.read_text('utf-8'))}\n".encode())
    return lines.hexdigest()


def with_imports(file: Path) -> list[Path]:
    """A file and the files beside it that it imports, directly or indirectly, sorted."""
    reached, new = {file}, [file]
    while new:
        for package, name in _imported(new.pop().read_text("utf-8")):
            beside = file.parent / f"{name}.py"
            # `sklearn.svm` is no svm.py beside the file.
            elsewhere = package and file.parent.parts[-len(package) :] != package
            if not elsewhere and beside not in reached and beside.is_file() and beside.name != "__init__.py":
                reached.add(beside)
                new.append(beside)
    return sorted(reached)


# Each fold asks for the digest of the source, which seldom changes.
@lru_cache(maxsize=64)
def _imported(text: str) -> frozenset[tuple[tuple[str, ...], str]]:
    """Package and last part of all imported names, which may be modules; no package where it may be the file's own."""
    names: set[tuple[str, bool]] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names.update((alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module, relative = node.module or "", node.level > 0
            names.update([(module, relative), *((f"{module}.{alias.name}", relative) for alias in node.names)])
    parts = ((tuple(name.split(".")), relative) for name, relative in names)
    return frozenset((() if relative else tuple(filter(None, of[:-1])), of[-1]) for of, relative in parts)


@lru_cache(maxsize=64)
def _bare(text: str) -> str:
    tree, kept = ast.parse(text), text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            kept[row - 1] = kept[row - 1][:column]
    in_text: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr):
            # White space at the end of its last line comes after it.
            in_text.update(range(node.lineno - 1, (node.end_lineno or node.lineno) - 1))
    for docstring in _docstrings(tree):
        first, last = docstring.lineno - 1, docstring.end_lineno or docstring.lineno
        alone = not kept[first][: docstring.col_offset].strip() and not kept[last - 1][docstring.end_col_offset :].strip()
        if alone:
            kept[first:last] = [""] * (last - first)
            in_text.difference_update(range(first, last))
    return "\n".join(line if at in in_text else line.rstrip() for at, line in enumerate(kept) if line.strip() or at in in_text)


def _docstrings(tree: ast.Module) -> list[ast.stmt]:
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return [node.body[0] for node in ast.walk(tree) if isinstance(node, documented) and ast.get_docstring(node) is not None]
