"""The first word names the command, and what was a command line before there were words still is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import precompute.commands
from precompute.__main__ import COMMANDS, main
from precompute.cache import layout

pytestmark = pytest.mark.slow

SMALL = ["--set", "scales=16", "height=16", "columns=64", "width=64", "duration=2.0", "--jobs", "1"]
HEAVY = {"zarr", "scipy", "matplotlib", "soundfile", "joblib", "pywt", "torch", "PIL", "pooch", "requests"}


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """A directory of its own, and none of the user's."""
    monkeypatch.chdir(tmp_path)
    for name in ("WSER_CORPORA", "WSER_CACHE"):
        monkeypatch.delenv(name, raising=False)


def said(capsys, *arguments):
    """Exit code, output and errors of a command line."""
    capsys.readouterr()
    try:
        code = main([*map(str, arguments)])
    except SystemExit as ended:
        code = ended.code
    return code, *capsys.readouterr()


def test_every_module_of_the_folder_is_a_command():
    (folder,) = precompute.commands.__path__
    assert {*COMMANDS} == {file.stem for file in Path(folder).glob("[!_]*.py")}


def test_each_has_a_help_of_its_own_without_the_heavy_libraries():
    program = (
        "import sys\nfrom precompute.__main__ import main\nfor word in sys.argv[1:]:\n"
        "    try: main([word, '--help'])\n    except SystemExit: print(end='\\0')\nprint('modules', *sys.modules)"
    )
    command = [sys.executable, "-c", program, *COMMANDS]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, timeout=300)
    *helps, modules = done.stdout.split("\0")
    for word, said_of_it in zip(COMMANDS, helps, strict=True):
        assert said_of_it.startswith(f"usage: python -m precompute {word} ")
        assert f"Example: python -m precompute {word} " in said_of_it
    assert {*modules.split()} & HEAVY == set()


def test_the_help_of_all_names_the_commands_and_the_flags(capsys):
    code, out, _ = said(capsys, "--help")
    assert code == 0
    for name, text in COMMANDS.items():
        assert f"  {name:<6} {text}\n" in out
    for flag in ("--corpus", "--check", "--fetch", "--list", "--markdown", "--table", "--accept-licence"):
        assert flag in out


@pytest.mark.parametrize(
    ("word", "own", "other"),
    [
        ("build", "--dry-run", "--out"), ("check", "--out", "--dry-run"), ("fetch", "--mirror", "--recipe"),
        ("list", "--markdown", "--cache"), ("show", "--speaker", "--corpora"),
    ],
)  # fmt: skip
def test_a_command_has_its_own_options_only(word, own, other, capsys):
    options = said(capsys, word, "--help")[1].split()
    assert own in options
    assert other not in options
    code, _, errors = said(capsys, word, "ravdess", other, "1")
    assert code == 2
    assert f"usage: python -m precompute {word} " in errors


PAIRS = {
    "list": (["--list", "--corpora", "C"], ["list", "--corpora", "C"]),
    "markdown": (["--markdown"], ["list", "--markdown"]),
    "build, dry": (
        ["--corpus", "ravdess", "--corpora", "C", "--dry-run", *SMALL],
        ["build", "ravdess", "--corpora", "C", "--dry-run", *SMALL],
    ),
    "build by option": (
        ["--corpus", "ravdess", "--corpora", "C", "--dry-run", *SMALL],
        ["build", "--corpus", "ravdess", "--corpora", "C", "--dry-run", *SMALL],
    ),
    "build, no such corpus": (["--corpus", "ravdes", "--corpora", "C"], ["build", "ravdes", "--corpora", "C"]),
    "build, no table": (["--corpus", "table"], ["build", "table"]),
    "check, nobody to work": (["--check", "ravdess", "--jobs", "0"], ["check", "ravdess", "--jobs", "0"]),
    "check, two recipes": (["--check", "ravdess", "--recipe", "grey,centre"], ["check", "ravdess", "--recipe", "grey,centre"]),
    "fetch, own directory": (
        ["--fetch", "ravdess,emodb", "--corpora", "ravdess=C,emodb=C"],
        ["fetch", "ravdess,emodb", "--corpora", "ravdess=C,emodb=C"],
    ),
    "fetch, applied for": (["--fetch", "iemocap", "--corpora", "C"], ["fetch", "iemocap", "--corpora", "C"]),
}  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS)
def test_a_flag_and_a_word_are_the_same_command(pair, small_ravdess, capsys):
    flag, word = (
        [one.replace("C", str(small_ravdess)) if one in ("C", "ravdess=C,emodb=C") else one for one in line]
        for line in PAIRS[pair]
    )
    # How long it would take is measured each time.
    before, after = ([re.sub(r"\d+ s with", "s with", str(part)) for part in said(capsys, *line)] for line in (flag, word))
    assert before == after
    assert before[1] or before[2]


def test_both_make_the_same_cache(small_ravdess, small_cache, tmp_path, capsys):
    code, out, _ = said(capsys, "build", "ravdess", "--corpora", small_ravdess, "--cache", tmp_path / "cache", *SMALL)
    assert code == 0
    assert "24 of 4 speakers" in out
    (ours,), (theirs,) = (list(root.glob(f"*/*/{layout.MANIFEST}")) for root in (tmp_path / "cache", small_cache))
    assert ours.parent.name == theirs.parent.name


@pytest.mark.usefixtures("undrawn")
def test_both_check_and_the_page_says_by_which_command(small_ravdess, tmp_path, capsys):
    pages = []
    for line in (["--check", "ravdess"], ["check", "ravdess"]):
        assert said(capsys, *line, "--corpora", small_ravdess, *SMALL)[0] == 3
        pages.append((tmp_path / "check-ravdess.html").read_text("utf-8"))
    assert "by python -m precompute --check ravdess --corpora" in pages[0]
    assert "by python -m precompute check ravdess --corpora" in pages[1]


def refused_dry_check():
    return ["--check", "ravdess", "--dry-run"], "--check writes no cache, dry or not"


def refused_page_of_two():
    return ["--check", "ravdess,emodb", "--out", "x.html"], "--out x.html is one page"


def refused_page_of_two_by_word():
    return ["check", "ravdess,emodb", "--out", "x.html"], "--out x.html is one page"


def refused_page_of_none():
    return ["--corpus", "ravdess", "--out", "x.html"], "--out is the page of --check NAME"


def refused_licence_of_none():
    return ["--corpus", "ravdess", "--accept-licence"], "belong to --fetch NAME"


def refused_nothing():
    return [], "give --corpus NAME, --check NAME, --fetch NAME, or --list"


def refused_word():
    return [
        "chekc",
        "ravdess",
    ], "there is no command 'chekc': choose from build, cache, check, fetch, list, show; did you mean 'check'?"


def refused_word_without_corpus():
    return ["build"], "one of the arguments NAME --corpus is required"


def refused_corpus_twice():
    return ["fetch", "emodb", "--corpus", "emodb"], "not allowed with argument"


@pytest.mark.parametrize(
    "case",
    [
        refused_dry_check, refused_page_of_two, refused_page_of_two_by_word, refused_page_of_none, refused_licence_of_none,
        refused_nothing, refused_word, refused_word_without_corpus, refused_corpus_twice,
    ],
    ids=lambda case: case.__name__.removeprefix("refused_"),
)  # fmt: skip
def test_wrong_usage_says_what_is_wrong(case, capsys):
    arguments, words = case()
    code, out, errors = said(capsys, *arguments)
    assert (code, out) == (2, "")
    assert words in errors
    assert errors.startswith("usage: python -m precompute")


def test_the_first_name_of_show_is_kept(small_cache, small_recipe_id, tmp_path):
    first, now = tmp_path / "first.png", tmp_path / "now.png"
    line = ["--corpus", "ravdess", "--cache", str(small_cache), "--recipe", small_recipe_id, "--out"]
    command = [sys.executable, "-m", "precompute.show", *line, first]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], check=True, capture_output=True, encoding="utf-8")
    assert done.stdout.strip() == str(first)
    assert main(["show", *line, str(now)]) == 0
    assert first.read_bytes() == now.read_bytes()
