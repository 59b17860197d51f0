"""How the modules of both packages import each other; which may import which is held in `pyproject.toml`, by import-linter."""

import grimp
import pytest


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """Module -> the modules of ours that it imports, at its top or inside functions; not for types alone."""
    graph = grimp.build_graph("precompute", "wser", cache_dir=None, exclude_type_checking_imports=True)
    return {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}


def circle(imports: dict[str, set[str]]) -> list[str]:
    """A circle of imports, its first module again at its end; empty where there is none."""
    done: set[str] = set()
    for start in sorted(imports):
        path, ways = [start], [iter(sorted(imports[start] - done))]
        while path:
            module = next(ways[-1], None)
            if module is None:
                done.add(path.pop())
                ways.pop()
            elif module in path:
                return [*path[path.index(module) :], module]
            elif module not in done:
                path.append(module)
                ways.append(iter(sorted(imports[module] - done)))
    return []


def test_no_modules_import_each_other_in_a_circle(imports):
    assert {"precompute.common.errors", "wser.run"} <= set(imports)
    assert "wser.reports.html.run" in imports, "modules of rooms are seen"
    found = circle(imports)
    assert not found, " imports ".join(found)


@pytest.mark.parametrize(
    ("imports", "expected"),
    [
        ({"a": {"b", "c"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"a"}}, ["a", "a"]),
        ({"a": {"b"}, "b": {"a"}}, ["a", "b", "a"]),
        ({"a": {"b", "d"}, "b": set(), "c": {"d"}, "d": {"b", "e"}, "e": {"c"}}, ["d", "e", "c", "d"]),
    ],
)
def test_circles_are_found(imports, expected):
    assert circle(imports) == expected
