"""The bundle of a run: the same bytes every time, nothing private, and every change in it is named when it is verified."""

import json
import shutil
import stat
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from precompute.common import files
from wser import report, results
from wser.protocols import hash_of_keys
from wser.reports import bundle

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmade")]

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def zipped(trained, tmp_path_factory, save_blank) -> Path:
    """The bundle of a finished run, which lies elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matplotlib.figure.Figure.savefig", save_blank)
        target = tmp_path_factory.mktemp("bundle") / "review.zip"
        assert report.main([str(trained[0]), "--bundle", str(target)]) == 0
    return target


def members(path: Path) -> Members:
    """Content of each file, by its name below the run's."""
    with zipfile.ZipFile(path) as opened:
        return {name.partition("/")[2]: opened.read(name) for name in opened.namelist()}


def rezip(path: Path, contents: Members, run: str, sealed: bool = True) -> Path:
    """A bundle of other contents; `sealed` has the manifest name them."""
    if sealed:
        named = {
            name: {"size": len(content), "sha256": files.sha256(content)}
            for name, content in contents.items()
            if name != bundle.MANIFEST
        }
        contents = contents | {bundle.MANIFEST: json.dumps({"run": run, "files": named}).encode()}
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in contents.items():
            opened.writestr(f"{run}/{name}", content)
    return path


def verified(capsys, path: Path) -> tuple[int, str, list[str]]:
    code = report.main(["--verify", str(path)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err.splitlines()


def test_a_bundle_holds_what_a_reviewer_needs_and_nothing_else(zipped, trained):
    contents = members(zipped)
    assert {*contents} >= {
        "run.json", "config.yaml", "identity.json", "split.json", "leakage.json", "summary.json", "report.html",
        "manifest.json", "fold_0/predictions.csv", "fold_0/metrics.json", "fold_0/curves.csv", "fold_1/predictions.csv",
        "report/folds.csv",
    }  # fmt: skip
    assert not [name for name in contents if name.endswith((".pt", ".wav", ".npy"))]
    for name in ("run.json", "identity.json", "split.json", "fold_1/predictions.csv", "summary.json"):
        assert contents[name] == (trained[0] / name).read_bytes()


def test_the_same_run_gives_the_same_bytes_wherever_it_lies(zipped, trained, tmp_path):
    copy = shutil.copytree(trained[0], tmp_path / "elsewhere" / trained[0].name)
    assert report.main([str(copy), "--bundle", str(tmp_path / "review.zip")]) == 0
    assert (tmp_path / "review.zip").read_bytes() == zipped.read_bytes()
    assert not (tmp_path / "elsewhere" / "report").exists(), "the run's own directory is left alone"


def test_the_home_directory_is_named_nowhere_but_in_the_command(copied, tmp_path, monkeypatch):
    home = (copied / results.CONFIG).read_text().partition("cache_root: ")[2].partition("\n")[0].rpartition("/")[0]
    monkeypatch.setenv("HOME", home)
    assert report.main([str(copied), "--bundle", str(tmp_path / "review.zip")]) == 0
    named = {name for name, content in members(tmp_path / "review.zip").items() if home.encode() in content}
    assert named == {"run.json"}, "the command as it was given"
    assert b"cache_root: ~/" in members(tmp_path / "review.zip")["config.yaml"]


def test_a_bundle_is_verified_without_run_and_cache(zipped, tmp_path, monkeypatch, capsys):
    alone = Path(shutil.copy(zipped, tmp_path / "from somebody.zip"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WSER_CACHE", str(tmp_path))
    code, out, err = verified(capsys, alone)
    assert (code, err) == (0, [])
    summary = json.loads(members(alone)["summary.json"])
    pooled = next(line.split() for line in out.splitlines() if line.split()[:1] == ["pooled"])
    uar = f"{100 * summary['pooled']['uar']:.1f}"
    assert pooled[1:4] == [str(summary["pooled"]["utterances"]), uar, uar]
    assert "2 folds test 24 utterances, each once." in out
    assert "No speaker is both in training and in test." in out
    assert "verified: every metric follows from the predictions" in out
    assert [*tmp_path.iterdir()] == [alone], "nothing is left of it"


def change(name: str, edit: Callable[[dict], object]) -> Callable[[Members], None]:
    def changed(contents: Members) -> None:
        record = json.loads(contents[name])
        edit(record)
        contents[name] = json.dumps(record).encode()

    return changed


def flip_class(contents: Members) -> None:
    lines = contents["fold_0/predictions.csv"].decode().split("\r\n")
    cells = lines[1].split(",")
    names = [name.removeprefix("p_") for name in lines[0].split(",")[4:]]
    cells[3] = next(name for name in names if name != cells[3])
    lines[1] = ",".join(cells)
    contents["fold_0/predictions.csv"] = "\r\n".join(lines).encode()


def test_the_page_and_the_tables_are_vouched_for(zipped, tmp_path, capsys):
    contents = members(zipped) | {"report.html": b"UAR 98.7 %"}
    run = json.loads(contents[bundle.MANIFEST])["run"]
    del contents["report/folds.csv"]
    code, _, err = verified(capsys, rezip(tmp_path / "x.zip", contents, run, sealed=False))
    assert code == 1
    assert err == [
        "differs: report.html is damaged (its SHA-256 is not the one in manifest.json)",
        "differs: report/folds.csv is named in manifest.json, and is not there",
    ]


def repeat_fold(contents: Members) -> None:
    """Test what fold 0 tests in fold 1 again, with all hashes made anew that a forger can make."""
    for name in ("predictions.csv", "metrics.json", "curves.csv"):
        contents[f"fold_1/{name}"] = contents[f"fold_0/{name}"]
    change("fold_1/metrics.json", lambda record: record.update(fold=1))(contents)
    change("split.json", lambda record: record["folds"].__setitem__(1, record["folds"][0]))(contents)
    split = hash_of_keys(json.loads(contents["split.json"])["folds"])
    change("run.json", lambda record: record.update(split_hash=split))(contents)


TAMPERINGS: dict[str, tuple[Callable[[Members], None], str]] = {
    "class": (flip_class, "fold_0/predictions.csv is damaged (its SHA-256 is not the one in metrics.json)"),
    "uar": (
        change("fold_0/metrics.json", lambda one: one.update(uar=0.951)),
        "fold_0/metrics.json is damaged (its uar is 0.951",
    ),
    "curves": (
        lambda contents: contents.update({"fold_1/curves.csv": contents["fold_1/curves.csv"].replace(b"0.", b"1.", 1)}),
        "fold_1/curves.csv is damaged (its SHA-256 is not the one in metrics.json)",
    ),
    "recall of a class": (
        change("fold_1/metrics.json", lambda one: one["per_class"]["happy"].update(recall=0.951)),
        "fold_1/metrics.json says per_class.happy.recall = 0.951, and the predictions give",
    ),
    "headline": (
        change("summary.json", lambda one: one["pooled"].update(uar=0.951)),
        "summary.json says pooled.uar = 0.951, and the predictions give",
    ),
    "no headline": (lambda contents: contents.pop("summary.json"), "summary.json states no pooled metrics"),
    "learning rate": (
        lambda contents: contents.update({"config.yaml": contents["config.yaml"].replace(b"  lr: ", b"  lr: 1")}),
        "config.yaml has train.lr = 1",
    ),
    "identity": (
        change("identity.json", lambda one: one["settings"].update(seed=7)),
        "identity.json is not the identity in run.json",
    ),
    "split": (
        change("split.json", lambda one: one["folds"][0]["train"].pop()),
        "split.json is not the split of the run, by its hash in run.json",
    ),
    "speakers may be shared": (
        change("split.json", lambda one: one.update(speakers="shared")),
        "split.json lets folds share speakers, and protocol=speaker_independent does not",
    ),
    "speaker on both sides": (
        change("fold_0/metrics.json", lambda one: one["speakers"]["train"].extend(one["speakers"]["test"])),
        "both in train and in test",
    ),
    "leakage": (
        change("leakage.json", lambda one: one[0]["speakers"].update(count=1)),
        "leakage.json counts 1 shared speakers in fold 0",
    ),
    "tested twice": (repeat_fold, "12 utterances are tested in several folds"),
    "a fold gone": (
        lambda contents: [contents.pop(name) for name in [*contents] if name.startswith("fold_1/")],
        "fold_1/metrics.json is damaged (No such file or directory)",
    ),
    "classes": (change("run.json", lambda one: one["classes"].reverse()), "run.json has another 'classes' than identity.json"),
    "record": (lambda contents: contents.update({"run.json": b"{}"}), "run.json is damaged or foreign (it lacks"),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_what_differs_is_named(zipped, tmp_path, capsys, tampering):
    contents = members(zipped)
    run = json.loads(contents[bundle.MANIFEST])["run"]
    edit, says = TAMPERINGS[tampering]
    edit(contents)
    code, out, err = verified(capsys, rezip(tmp_path / "x.zip", contents, run))
    assert code == 1
    assert "verified" not in out
    assert all(line.startswith("differs: ") for line in err)
    assert any(says in line for line in err), err
    assert len({*err}) == len(err)
    assert not any("/tmp" in line for line in err), "the reader knows the bundle, and not where it was unpacked"


def test_a_forged_headline_stands_beside_the_right_one(zipped, tmp_path, capsys):
    contents = members(zipped)
    change("summary.json", lambda one: one["pooled"].update(uar=0.951))(contents)
    _, out, _ = verified(capsys, rezip(tmp_path / "x.zip", contents, json.loads(contents[bundle.MANIFEST])["run"]))
    pooled = next(line.split() for line in out.splitlines() if line.split()[:1] == ["pooled"])
    assert pooled[3] == "95.1"
    assert pooled[2] != "95.1"


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("run-0/run.json")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


HOSTILE: dict[str, tuple[list[tuple[str | zipfile.ZipInfo, bytes]], str]] = {
    "parent": ([("../run.json", b"{}")], "is not a file of a bundle of a run"),
    "parent below": ([("run-0/../../run.json", b"{}")], "is not a file of a bundle of a run"),
    "absolute": ([("/etc/run.json", b"{}")], "is not a file of a bundle of a run"),
    "hidden": ([(".ssh/run.json", b"{}")], "is not a file of a bundle of a run"),
    "weights": ([("run-0/fold_0/weights.pt", b"")], "is not a file of a bundle of a run"),
    "link": ([(link(), b"/etc/passwd")], "is not a regular file"),
    "twice": ([("run-0/run.json", b"{}"), ("run-0/run.json", b"[]")], "occurs twice"),
    "bomb": ([("run-0/fold_0/predictions.csv", bytes(20 << 20))], "would grow from"),
    "two runs": ([("run-0/run.json", b"{}"), ("run-1/run.json", b"{}")], "holds 2 runs, and a bundle has one"),
    "nothing": ([], "holds 0 runs, and a bundle has one"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_archives_are_refused_in_one_sentence(tmp_path, capsys, what):
    contents, says = HOSTILE[what]
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as opened:
        warnings.simplefilter("ignore")
        for name, content in contents:
            opened.writestr(name, content, zipfile.ZIP_DEFLATED)
    code, out, (line,) = verified(capsys, tmp_path / "x.zip")
    assert (code, out) == (1, "")
    assert says in line
    assert line.startswith(f"wser.report: {tmp_path / 'x.zip'}")


def test_what_is_no_zip_file_or_not_there_is_refused(tmp_path, capsys, messages):
    (tmp_path / "x.zip").write_bytes(b"PK")
    for name in ("x.zip", "y.zip"):
        messages.check("\n".join(verified(capsys, tmp_path / name)[2]))


def test_refusals(copied, zipped, tmp_path, capsys, messages):
    assert report.main([str(copied), "--bundle", str(zipped)]) == 1
    messages.check(capsys.readouterr().err)
    for arguments, says in (
        ([copied, "--bundle", tmp_path / "x.zip", "--markdown"], "--bundle writes one file: leave out --markdown"),
        ([copied, copied.parent, "--bundle", tmp_path / "x.zip"], "--bundle is of one run"),
        ([copied, "--verify", zipped], "is a command of its own: leave out"),
    ):
        assert report.main([*map(str, arguments)]) == 2
        assert says in capsys.readouterr().err
    shutil.rmtree(copied / "fold_1")
    assert report.main([str(copied), "--bundle", str(tmp_path / "x.zip")]) == 1
    messages.check(capsys.readouterr().err)
    assert not [*tmp_path.glob("x.zip*")]
