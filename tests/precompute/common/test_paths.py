"""Paths that no shell has expanded, in every command that takes one."""

import json
import os
import pwd
from pathlib import Path

import pytest

from precompute.__main__ import main
from precompute.cache import places
from precompute.commands import show
from precompute.common import paths, process
from precompute.common.errors import WserError
from precompute.corpora import _table
from wser import compare, report, run, runs
from wser.config import compose

ROOT = pwd.getpwuid(0)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home, and a working directory beside it, in which no file named `~` may appear."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(work)
    yield home
    assert not [path for path in work.rglob("*") if path.name.startswith(("~", "$"))]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("~", "HOME"), ("~/a/b", "HOME/a/b"), ("~/a/", "HOME/a/"), ("./~/a", "./~/a"), ("a/~", "a/~"), ("/x/~/a", "/x/~/a"),
        ("", ""), (".", "."), ("a$b/c$", "a$b/c$"), ("$/a", "$/a"), ("s3://~bucket/$lab", "s3://~bucket/$lab"),
    ],
)  # fmt: skip
def test_a_home_stands_for_the_tilde_at_the_beginning_alone(home, text, meant):
    assert paths.in_full(text) == meant.replace("HOME", str(home))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("file:///data/emodb", "/data/emodb"),
        ("file://localhost/data", "/data"),
        ("file:///mit%20Leerzeichen/%C3%BC", "/mit Leerzeichen/ü"),
        ("s3://bucket/~/lab", "s3://bucket/~/lab"),
    ],
)
def test_address_of_a_file_is_its_path_and_others_stay(text, meant):
    assert paths.in_full(text) == meant


def test_the_home_of_a_user_who_is_named(home):
    assert paths.in_full(f"~{ROOT.pw_name}/a") == f"{ROOT.pw_dir.rstrip('/')}/a"


@pytest.mark.parametrize("text", ["~nobody-of-this-name/a", "~nobody-of-this-name"])
def test_the_home_of_an_unknown_user_is_refused(home, text, messages):
    with messages.raises(WserError):
        paths.in_full(text)


@pytest.mark.parametrize("place", ["elsewhere", "~", "./home"])
def test_a_home_that_is_no_whole_path_is_refused(home, monkeypatch, place, messages):
    monkeypatch.setenv("HOME", place)
    with messages.raises(WserError):
        paths.in_full("~/a")


@pytest.mark.parametrize(
    "text",
    ["$HOME/a", "a/$USER/b", "/x/${LAB}", "$SCRATCH"],
)
def test_variables_are_refused_and_not_replaced(home, text, messages):
    with messages.raises(WserError):
        paths.in_full(text)


def test_a_file_whose_name_begins_as_a_variable_does_is_itself(tmp_path):
    (tmp_path / "$HOME").mkdir()
    assert paths.in_full(f"{tmp_path}/$HOME/a") == f"{tmp_path}/$HOME/a"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("~/a:~/b", ["HOME/a", "HOME/b"]), ("a:~/b:s3://lab/x", ["a", "HOME/b", "s3://lab/x"]), ("::~/a:", ["HOME/a"]),
    ],
)  # fmt: skip
def test_every_part_of_a_list(home, text, meant):
    full = [part.replace("HOME", str(home)) for part in meant]
    assert paths.split(paths.each_in_full(text)) == full
    if "s3" not in text:
        assert list(map(str, places.parse(text))) == full


CORPUS = ["--corpus", "ravdess", "--jobs", "1"]


@pytest.fixture
def furnished(home, small_ravdess, small_cache):
    """The home with corpora and caches in it."""
    (home / "corpora").symlink_to(small_ravdess)
    (home / "cache").symlink_to(small_cache)
    return home


@pytest.mark.slow
def test_options_and_variables_of_precompute(furnished, monkeypatch, small_settings, capsys):
    assert main([*CORPUS, "--corpora=~/corpora", "--cache=~/cache", "--set", *small_settings]) == 0
    monkeypatch.setenv("WSER_CORPORA", "~/corpora")
    Path("none").mkdir()
    monkeypatch.setenv("WSER_CACHE", "none:~/cache")
    assert main([*CORPUS, "--set", *small_settings]) == 0
    assert capsys.readouterr().out.count("nothing to do") == 2
    assert main(["cache", "verify", "ravdess/"]) == 0
    assert main(["cache", "export", "ravdess/", "~/x.zip"]) == 0
    assert main(["cache", "import", "--cache=~/other", "~/x.zip"]) == 0
    assert main(["cache", "copy", "ravdess/", "~/third"]) == 0
    assert main(["--check", "ravdess", "--jobs", "1", "--set", *small_settings, "--out=~/page.html"]) in (0, 3)
    assert {"x.zip", "other", "third", "page.html"} <= {path.name for path in furnished.iterdir()}


def test_pictures_are_drawn_at_home(furnished, small_recipe_id):
    assert show.main(["--corpus", "ravdess", "--recipe", small_recipe_id, "--cache=~/cache", "--out=~/x.png"]) == 0
    assert (furnished / "x.png").is_file()


def test_a_table_may_name_recordings_at_home(furnished):
    recording = next(furnished.glob("corpora/ravdess/Actor_01/*.wav"))
    file = furnished / "lists" / "mine.csv"
    file.parent.mkdir()
    file.write_text(f"path,speaker,emotion\n~/{recording.relative_to(furnished)},a,sad\n", encoding="utf-8")
    read = _table.read(paths.path("~/lists/mine.csv"), "mine")
    assert not read.faults
    assert (file.parent / read.scan.utterances[0].path).samefile(recording)


def test_settings_from_a_file_and_from_the_command_line(home):
    (home / "mine.yaml").write_text(
        "cache_root: ~/a:~/b\nresults: ~/runs\nprotocol: {name: file, file: ~/split.json}\nlabels: ~/map.yaml\n",
        encoding="utf-8",
    )
    (config,) = compose.load(["experiment=~/mine.yaml"])
    assert (config.experiment, config.labels) == (f"{home}/mine.yaml", f"{home}/map.yaml")
    assert (config.cache_root, config.results) == (f"{home}/a:{home}/b", f"{home}/runs")
    assert config.protocol.file == f"{home}/split.json"
    (config,) = compose.load(["results=~/y", "cache_root=~/z", "labels=common4"], environment={"WSER_CACHE": "~/w"})
    assert (config.results, config.cache_root, config.labels) == (f"{home}/y", f"{home}/z", "common4")
    (config,) = compose.load([], environment={"WSER_CACHE": "x:~/w"})
    assert (config.results, config.cache_root) == ("runs", f"x:{home}/w")


@pytest.mark.parametrize(
    ("main", "arguments"),
    [
        (main, ["--list", "--corpora=~nobody-of-this-name/x"]),
        (main, ["cache", "list", "--cache=a:~nobody-of-this-name/x"]),
        (run.main, ["results=~nobody-of-this-name/x"]),
        (run.main, ["--repeat=~nobody-of-this-name/x"]),
        (report.main, ["--index=~nobody-of-this-name/x"]),
        (report.main, ["~nobody-of-this-name/x"]),
        (compare.main, ["a", "~nobody-of-this-name/x"]),
        (runs.main, ["list", "--results=~nobody-of-this-name/x"]),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else given.__module__,
)
def test_every_command_refuses_an_unknown_home_in_one_sentence(home, capsys, main, arguments):
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "~nobody-of-this-name/x begins with an unknown home directory" in printed.err


def test_results_at_home_are_listed_reported_and_repeated(home, capsys, messages):
    (home / "runs" / "one").mkdir(parents=True)
    (home / "runs" / "one" / "run.json").write_text(json.dumps({}), encoding="utf-8")
    assert runs.main(["list", "--results=~/runs"]) == 0
    for command, arguments in ((report.main, ["~/runs/one"]), (run.main, ["--repeat=~/runs/one"])):
        capsys.readouterr()
        assert command(arguments) == 1
        messages.check(capsys.readouterr().err)


def test_variables_of_libraries_are_in_full_when_a_program_begins(home, monkeypatch):
    values = {"MPLCONFIGDIR": "~/m", "MLFLOW_TRACKING_URI": "~/mlruns", "X_PATH": "~/a:/b", "Y": "a ~/b", "Z": "./~/c"}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(process, "_in_utf8", lambda: None)
    process.begin()
    assert [os.environ[name] for name in values] == [f"{home}/m", f"{home}/mlruns", f"{home}/a:/b", "a ~/b", "./~/c"]
    assert Path(os.environ["HOME"]) == home
