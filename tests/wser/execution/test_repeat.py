import json
import shutil
import signal
from pathlib import Path

import pytest
from forging import change_json, reseal, rewrite_predictions
from halting import kill_after

from precompute.common import terminal
from wser import compare, results, run
from wser.config import compose
from wser.protocols import hash_of_keys

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmade")]


@pytest.fixture
def stored(trained, tmp_path) -> Path:
    """A copy of a finished run of two folds, which a test may harm."""
    path = tmp_path / "tiny-0"
    shutil.copytree(trained[0], path)
    return path


@pytest.fixture(scope="session")
def repeated(trained, tmp_path_factory) -> tuple[Path, int]:
    """A copy of a finished run that was repeated, and the exit code."""
    path = tmp_path_factory.mktemp("repeated") / "tiny-0"
    shutil.copytree(trained[0], path)
    return path, run.main(["--repeat", str(path)])


@pytest.fixture
def done(repeated, tmp_path) -> Path:
    """A copy of a repeated run, which a test may harm."""
    path = tmp_path / "done-0"
    shutil.copytree(repeated[0], path)
    return path


def verdict(path: Path) -> dict:
    return json.loads((path / results.REPEAT / results.VERDICT).read_text())


def refused(capsys: pytest.CaptureFixture, path: Path, *settings: str) -> str:
    """The sentence with which a repeat is refused, before anything is written."""
    before = sorted(path.rglob("*"))
    assert run.main(["--repeat", str(path), *settings]) in (terminal.FAILED, terminal.WRONG_USAGE)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("wser.run: ")
    assert printed.err.count("\n") == 1, printed.err
    assert sorted(path.rglob("*")) == before
    return printed.err


def change_config(path: Path, old: str, new: str) -> None:
    text = (path / results.CONFIG).read_text()
    assert old in text
    (path / results.CONFIG).write_text(text.replace(old, new))


def change_predictions(path: Path, fold: int) -> None:
    """Give the first utterance of a fold another class, and a probability that is higher by 0.25, the others lower."""

    def change(rows: list[list[str]]) -> None:
        header, first = rows[:2]
        at = next(i for i in range(4, len(header)) if header[i] != f"p_{first[3]}")
        share = 1 - 0.25 / (1 - float(first[at]))
        first[4:] = [f"{float(p) + 0.25 if i == at else float(p) * share:.6f}" for i, p in enumerate(first[4:], 4)]
        first[3] = header[max(range(4, len(header)), key=lambda i: float(first[i]))].removeprefix("p_")

    rewrite_predictions(path / f"fold_{fold}", change)


def test_same_software_and_machine_give_the_same_predictions(repeated, trained, capsys):
    path, code = repeated
    assert code == 0
    found = verdict(path)
    assert found["matches"] is True
    assert [one["same"] for one in found["folds"]] == [True, True]
    for fold in (0, 1):
        ours, theirs = (where / f"fold_{fold}" / results.PREDICTIONS for where in (path / results.REPEAT, trained[0]))
        assert ours.read_bytes() == theirs.read_bytes()


def test_run_itself_is_left_alone_and_still_read(repeated, trained, capsys):
    path, _ = repeated
    own = [file.relative_to(trained[0]) for file in sorted(trained[0].rglob("*")) if file.is_file()]
    assert all((path / file).read_bytes() == (trained[0] / file).read_bytes() for file in own)
    assert results.finished(path) == [0, 1]
    assert compare.main([str(path), str(trained[0])]) == 0
    assert "agree to a tenth of a point" in capsys.readouterr().out


def test_other_predictions_are_counted_and_the_environment_is_named(done, capsys):
    change_predictions(done, 1)
    metrics = json.loads((done / "fold_1" / results.METRICS).read_text())
    change_json(done / "fold_1" / results.METRICS, versions=metrics["versions"] | {"torch": "1.0"}, epoch=99)
    (done / results.REPEAT / results.VERDICT).unlink()
    assert run.main(["--repeat", str(done)]) == 1
    printed = capsys.readouterr()
    rows = metrics["utterances"]
    assert f"differs: fold 1: 1 of {rows} predicted classes differ, probabilities by up to 0.25\n" in printed.out
    assert "  torch: 1.0 then, " in printed.out
    assert f"{100 * json.loads((done / 'fold_1' / results.METRICS).read_text())['uar']:.1f}" in printed.out
    found = verdict(done)
    assert found["matches"] is False
    assert [one["same"] for one in found["folds"]] == [True, False]
    assert found["folds"][1]["labels_differ"] == 1
    assert found["folds"][1]["largest_difference"] == 0.25
    assert found["folds"][1]["epoch"] == [99, metrics["epoch"]]
    assert [*found["folds"][1]["environment"]] == ["torch"]
    assert found["folds"][0]["environment"] == {}


def test_difference_that_nothing_recorded_explains_says_so(done, capsys):
    change_predictions(done, 0)
    (done / results.REPEAT / results.VERDICT).unlink()
    assert run.main(["--repeat", str(done)]) == 1
    assert "what is recorded of software and machine is the same" in capsys.readouterr().out


def test_without_a_verdict_a_repeat_goes_on_and_with_one_it_begins_anew(done, capsys):
    def times() -> list[int]:
        return [(done / results.REPEAT / f"fold_{fold}" / results.METRICS).stat().st_mtime_ns for fold in (0, 1)]

    (done / results.REPEAT / results.VERDICT).unlink()
    shutil.rmtree(done / results.REPEAT / "fold_1")
    before = (done / results.REPEAT / "fold_0" / results.METRICS).stat().st_mtime_ns
    assert run.main(["--repeat", str(done)]) == 0
    assert "2 of 2 folds to repeat: 1 repeated, 1 to do" in capsys.readouterr().out
    first = times()
    assert first[0] == before
    assert run.main(["--repeat", str(done)]) == 0
    assert "2 of 2 folds to repeat: 0 repeated, 2 to do" in capsys.readouterr().out
    assert all(new > old for new, old in zip(times(), first, strict=True))
    assert verdict(done)["matches"] is True


def test_repeat_that_was_cut_off_under_other_threads_begins_anew(done, capsys):
    again = done / results.REPEAT
    (again / results.VERDICT).unlink()
    assert run.main(["--repeat", str(done), "--dry-run"]) == 0
    assert "2 repeated, 0 to do" in capsys.readouterr().out
    assert run.main(["--repeat", str(done), "--dry-run", "jobs=2"]) == 0
    assert "2 repeated, 0 to do" in capsys.readouterr().out, "how many at once changes nothing"
    assert run.main(["--repeat", str(done), "--dry-run", "train.threads=2"]) == 0
    assert "0 repeated, 2 to do" in capsys.readouterr().out
    record = json.loads((again / results.RUN).read_text())
    (again / results.RUN).write_text(json.dumps(record | {"revision": "of yesterday"}))
    assert run.main(["--repeat", str(done), "--dry-run"]) == 0
    assert "0 repeated, 2 to do" in capsys.readouterr().out


def test_killed_repeat_goes_on(tiny, tmp_path, capsys):
    assert run.main([*tiny, f"results={tmp_path}", "train.epochs=4", "train.patience=0"]) == 0
    (path,) = tmp_path.iterdir()
    assert kill_after("wser.run", ["--repeat", path], "fold_0", steps=3) == -signal.SIGKILL
    assert results.finished(path / results.REPEAT) == [0]
    assert list(path.glob(f"{results.REPEAT}/.fold_1-*/*/{results.CURVES}")), "killed while fold 1 was being trained"
    capsys.readouterr()
    assert run.main(["--repeat", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "1 repeated, 1 to do" in printed
    assert "matches: the predictions of 2 of 2 folds are byte-identical\n" in printed


def test_finished_folds_alone_are_repeated(done, capsys):
    shutil.rmtree(done / "fold_0")
    (done / results.REPEAT / results.VERDICT).unlink()
    shutil.rmtree(done / results.REPEAT / "fold_0")
    assert run.main(["--repeat", str(done)]) == 0
    printed = capsys.readouterr().out
    assert (
        "matches: the predictions of 1 of 1 folds are byte-identical (not finished in the run, and so not repeated: 0)"
        in printed
    )
    assert results.finished(done / results.REPEAT) == [1]


def test_dry_run_writes_nothing(stored, capsys):
    before = sorted(stored.rglob("*"))
    assert run.main(["--repeat", str(stored), "--dry-run"]) == 0
    assert "2 of 2 folds to repeat: 0 repeated, 2 to do" in capsys.readouterr().out
    assert sorted(stored.rglob("*")) == before


@pytest.mark.parametrize(
    "setting", ["seed=1", "train.lr=0.1", "fold=0", "results=x", "experiment=demo", "recipe=x", "nonsense=1"]
)
def test_keys_that_would_make_another_run_are_refused(stored, setting, capsys, messages):
    messages.check(refused(capsys, stored, setting), setting.partition("=")[0])


def test_values_are_checked_as_everywhere(stored, capsys):
    assert "'foo' is not key=value" in refused(capsys, stored, "foo")
    assert "train.threads" in refused(capsys, stored, "train.threads=1,2")
    assert "jobs=-1 is outside 0 to 1024" in refused(capsys, stored, "jobs=-1")
    assert "give one of them" in refused(capsys, stored, "--describe")


def test_device_that_is_not_here_is_refused_before_an_earlier_repeat_is_removed(done, monkeypatch, capsys, messages):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    before = verdict(done)
    assert run.main(["--repeat", str(done), "train.device=cuda"]) == 2
    messages.check(capsys.readouterr().err)
    assert verdict(done) == before


def test_cache_is_found_elsewhere(stored, small_cache, tmp_path, monkeypatch, capsys):
    change_config(stored, f"cache_root: {small_cache}", "cache_root: gone")
    assert "which is not in gone: give cache_root= or WSER_CACHE" in refused(capsys, stored)
    assert run.main(["--repeat", str(stored), f"cache_root={small_cache}", "--dry-run"]) == 0
    monkeypatch.setenv("WSER_CACHE", str(small_cache))
    assert run.main(["--repeat", str(stored), "--dry-run"]) == 0
    assert "not in elsewhere" in (capsys.readouterr(), refused(capsys, stored, "cache_root=elsewhere"))[1]


def test_loggers_of_then_are_not_needed(stored, monkeypatch, capsys):
    change_config(stored, "logger: []", "logger: [wandb, mlflow]")
    monkeypatch.setattr("wser.training.loggers.find_spec", lambda _: None)
    assert run.main(["--repeat", str(stored), "--dry-run"]) == 0


def test_split_file_that_vanished_is_replaced_by_the_runs_own(trained, tiny, tmp_path, capsys):
    split = tmp_path / "split.json"
    shutil.copy(trained[0] / results.SPLIT, split)
    settings = ["protocol=file", f"protocol.file={split}", "fold=0", f"results={tmp_path / 'runs'}"]
    assert run.main([*tiny, *settings]) == 0
    (path,) = (tmp_path / "runs").iterdir()
    assert run.main(["--repeat", str(path), "--dry-run"]) == 0
    changed = json.loads(split.read_text())
    changed["folds"].reverse()
    split.write_text(json.dumps(changed))
    capsys.readouterr()
    assert f"restore {split}, or move it away" in refused(capsys, path)
    split.unlink()
    assert run.main(["--repeat", str(path)]) == 0
    assert "matches: the predictions of 1 of 1 folds" in capsys.readouterr().out


def change_record(**changes):
    return lambda path: change_json(path / results.RUN, **changes)


def other_split(path: Path) -> None:
    split = json.loads((path / results.SPLIT).read_text())
    split["folds"][0]["train"].pop()
    change_json(path / results.SPLIT, **split)
    change_json(path / results.RUN, split_hash=hash_of_keys(split["folds"]))


def damage(name: str, content: str | None):
    def change(path: Path) -> None:
        (path / name).unlink() if content is None else (path / name).write_text(content)

    return change


def no_fold(path: Path) -> None:
    for fold in path.glob("fold_*"):
        shutil.rmtree(fold)


def other_utterances(path: Path) -> None:
    """As if the index had said something else of where an utterance begins and ends in its picture."""
    caches = json.loads((path / results.IDENTITY).read_text())["caches"]
    change_json(path / results.IDENTITY, caches=[caches[0] | {"utterances": "f" * 64}])


def other_labels(path: Path) -> None:
    """Exchange two classes among the true ones, as if the label map had said otherwise."""

    def change(rows: list[list[str]]) -> None:
        rows[1][2] = next(row[2] for row in rows[1:] if row[2] != rows[1][2])

    rewrite_predictions(path / "fold_0", change)


def swap_folds(path: Path) -> None:
    for source, target in (("fold_0", "x"), ("fold_1", "fold_0"), ("x", "fold_1")):
        (path / source).rename(path / target)


FAULTS = {
    "missing": (shutil.rmtree, "is not a directory: give one that wser.run made"),
    "empty": (lambda path: (shutil.rmtree(path), path.mkdir()), "is empty, so it holds no results"),
    "foreign": (damage(results.RUN, None), "has no run.json"),
    "half a record": (damage(results.RUN, '{"classes"'), "run.json is damaged or foreign"),
    "no configuration": (damage(results.CONFIG, None), "config.yaml cannot be read"),
    "half a configuration": (damage(results.CONFIG, "model: {name: "), "config.yaml cannot be read"),
    "a key of the future": (lambda path: change_config(path, "\nseed: 0\n", "\nseed: 0\nsead: 1\n"), "there is no key 'sead'"),
    "a value of no type": (
        lambda path: change_config(path, "batch: 4", "batch: four"),
        "config.yaml was made by another version",
    ),
    "no finished fold": (no_fold, "has no finished fold: run python -m wser.run "),
    "no predictions": (damage("fold_1/predictions.csv", None), "predictions.csv is damaged"),
    "no epoch": (
        lambda path: change_json(path / "fold_1" / results.METRICS, epoch=None),
        "another version ('epoch' is null",
    ),
    "other utterances": (other_utterances, "other parts of them, than"),
    "another recipe": (change_record(recipe_id="0123456789ab"), "which is not in"),
    "no classes": (change_record(classes=[]), "is damaged"),
    "another split": (other_split, "and protocol=speaker_independent makes"),
    "another hash of the split": (change_record(split_hash="f" * 64), "split.json is not the split of the run, by its hash"),
    "other labels": (other_labels, "by another class than its label map ravdess7 does today"),
    "folds of one another": (swap_folds, "has other utterances than the run's split"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_repeated_is_refused_in_one_sentence(stored, fault, capsys):
    change, says = FAULTS[fault]
    change(stored)
    assert says in refused(capsys, stored)


def test_another_copy_of_the_cache_is_the_same_cache_and_is_said(stored, capsys):
    record = json.loads((stored / results.RUN).read_text())
    change_json(stored / results.RUN, corpora=[record["corpora"][0] | {"fingerprint": "f" * 64}])
    assert run.main(["--repeat", str(stored), "--dry-run"]) == 0
    assert "warning: " in (said := capsys.readouterr().err)
    assert "was trained on another copy of ravdess/" in said


def test_classes_of_another_order_are_refused(stored, capsys):
    record = json.loads((stored / results.RUN).read_text())
    change_json(stored / results.RUN, classes=record["classes"][::-1])
    for fold in (0, 1):
        reseal(stored / f"fold_{fold}")
    assert ", and its label map ravdess7 today neutral" in refused(capsys, stored)


def test_damaged_probability_is_refused(stored, capsys):
    file = stored / "fold_0" / results.PREDICTIONS
    lines = file.read_text().splitlines()
    lines[1] = lines[1].rpartition(",")[0] + ",much"
    file.write_text("\n".join(lines) + "\n")
    reseal(stored / "fold_0")
    assert "is damaged (could not convert" in refused(capsys, stored)


def test_threads_are_those_of_then_where_the_machine_has_them(stored, monkeypatch, capsys):
    change_config(stored, "threads: 1", "threads: 0")
    from wser.execution import repeat

    loaded = compose.load_stored(stored / results.CONFIG, [], repeat.CHANGEABLE)
    monkeypatch.setattr(repeat.executor, "cores", lambda: 4)
    assert repeat._threads(loaded, [3, 3]) == 3
    assert repeat._threads(loaded, [8, 8]) == 0, "more than there are"
    assert repeat._threads(loaded, [1, 2]) == 0, "folds of several machines"
