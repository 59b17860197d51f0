"""What commands on corpora and caches print at 60, 80 and 120 columns and into a file: ids are whole, no word is cut."""

import shutil

import pytest

from precompute.__main__ import main
from precompute.cache import roots
from precompute.common import tables

WIDTHS = (60, 80, 120, None)


@pytest.fixture(scope="module")
def root(small_cache, small_ravdess, small_settings, tmp_path_factory):
    """Three recipes and two corpora: four caches."""
    place = tmp_path_factory.mktemp("width")
    root = place / "cache"
    shutil.copytree(small_cache, root)
    for recipe in ("grey", "centre"):
        main(["build", "ravdess", "--recipe", recipe, "--corpora", str(small_ravdess), "--cache", str(root), "--jobs", "1",
              "--set", *small_settings])  # fmt: skip
    table = place / "mine.csv"
    files = sorted((small_ravdess / "ravdess").rglob("*.wav"))[:2]
    table.write_text("path,speaker,emotion\n" + "".join(f"{file},{at},sad\n" for at, file in enumerate(files)))
    main(["build", "table", "--table", str(table), "--name", "a_corpus_of_my_own", "--cache", str(root), "--jobs", "1",
          "--set", *small_settings])  # fmt: skip
    return root


@pytest.fixture
def printed(monkeypatch, capsys):
    def printed(width, *arguments):
        monkeypatch.setattr(tables, "width", lambda: width)
        assert main([*map(str, arguments)]) == 0
        return capsys.readouterr().out.splitlines()

    return printed


@pytest.mark.parametrize("width", WIDTHS)
def test_cache_list_has_corpus_recipe_id_and_size_of_each(root, printed, width):
    whole, shown = (printed(one, "cache", "list", "--cache", root) for one in (None, width))
    paths = roots.sealed(root)
    assert len(paths) == 4
    text = "\n".join(shown)
    for path in paths:
        assert path.name in text
        assert path.parent.name in text
    assert text.count("MB") >= 2
    assert shown[-1] == whole[-1]
    assert shown[-1].startswith("4 caches, 74 utterances, ")
    # The title is a path, which is one word; what else there is fits.
    assert width is None or max(map(len, shown[1:])) <= width
    words = {word for line in whole for word in line.split()}
    rows = [line for line in shown[1:] if any(path.name in line for path in paths)]
    assert {word for line in rows for word in line.split()} <= words | {"cache"}
    if width is None:
        assert all(any(path.name in row and path.parent.name in row and "2 " in row for row in rows) for path in paths)


@pytest.mark.parametrize("width", WIDTHS)
def test_cache_info_cuts_no_word(root, printed, width):
    arguments = ("cache", "info", "a_corpus_of_my_own/", "--cache", root)
    whole, shown = printed(None, *arguments), printed(width, *arguments)
    assert " ".join(" ".join(shown).split()) == " ".join(" ".join(whole).split())
    longest = max(len(word) for line in whole for word in line.split())
    assert width is None or max(map(len, shown)) <= max(width, 15 + longest)


@pytest.mark.parametrize("width", WIDTHS)
def test_list_of_corpora_cuts_no_word(small_ravdess, printed, width):
    arguments = ("list", "--corpora", small_ravdess)
    whole, shown = printed(None, *arguments), printed(width, *arguments)
    assert " ".join(" ".join(shown).split()) == " ".join(" ".join(whole).split())
    assert any("24 utterances of 4 speakers" in line for line in whole)
    longest = max(len(word) for line in whole for word in line.split())
    assert width is None or max(map(len, shown[1:])) <= max(width, 13 + longest)
