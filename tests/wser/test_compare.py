import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from forging import figures
from sklearn.metrics import accuracy_score, f1_score, recall_score

from wser import compare, results, run
from wser.evaluation import uncertainty
from wser.reports import stale
from wser.reports.comparison import changes

pytestmark = pytest.mark.usefixtures("unmade")

CLASSES = ["happy", "sad", "angry"]
SPEAKERS = ["1", "2", "3", "4", "5", "6"]
TRUTH = {f"c/{speaker}-{number}": (speaker, number % 3) for speaker in SPEAKERS for number in range(6)}
"""Speaker and class of each utterance: two of each class by each speaker."""


def write(path: Path, wrong: set[str] = frozenset(), classes=CLASSES, truth=TRUTH, settings: str = "", **changes) -> Path:
    """Results of two folds, three speakers each, that take each utterance in `wrong` for the next class."""
    record = {
        "command": "python -m wser.run fold=all",
        "corpora": [{"corpus": "c", "synthetic": False}],
        "recipe_id": "0123456789ab",
        "label_map": "three",
        "classes": classes,
        "protocol": "loso",
        "folds": 2,
        "split_hash": "00",
        "selection": "validation",
        "seed": 0,
    } | changes
    path.mkdir(parents=True)
    (path / results.RUN).write_text(json.dumps(record))
    (path / results.CONFIG).write_text(
        f"model: {{name: three_pipe, lstm: 100}}\nseed: {record['seed']}\nresults: x\n{settings}"
    )
    for fold in (0, 1):
        rows = [(key, speaker, label) for key, (speaker, label) in truth.items() if SPEAKERS.index(speaker) % 2 == fold]
        folder = path / results.fold_name(fold)
        folder.mkdir()
        lines = [["key", "speaker", "true", "predicted", *(f"p_{name}" for name in classes)]]
        for key, speaker, label in rows:
            given = CLASSES[(label + (key in wrong)) % 3]
            lines.append([key, speaker, CLASSES[label], given, *(str(int(name == given)) for name in classes)])
        (folder / results.PREDICTIONS).write_text("".join(f"{','.join(line)}\n" for line in lines))
        if rows:
            found = figures(results.read_rows((folder / results.PREDICTIONS).read_bytes()), classes)
            (folder / results.METRICS).write_text(json.dumps(found))
    tested = [[key for key, (speaker, _) in truth.items() if SPEAKERS.index(speaker) % 2 == fold] for fold in (0, 1)]
    (path / results.SPLIT).write_text(json.dumps({"folds": [{"test": keys} for keys in tested]}))
    return path


WRONG = {key for key in TRUTH if key.endswith(("-0", "-1"))}
"""A happy and a sad utterance of every speaker."""


@pytest.fixture
def pair(tmp_path) -> tuple[Path, Path]:
    """Two of six utterances of each speaker wrong, and none."""
    return write(tmp_path / "one", WRONG), write(tmp_path / "two")


def said(capsys, *arguments: object) -> tuple[str, str]:
    assert compare.main([str(argument) for argument in arguments]) == 0
    printed = capsys.readouterr()
    return printed.out, printed.err


def cells(out: str, name: str) -> list[list[str]]:
    """Cells of the rows of that name: those of UAR, accuracy and macro F1."""
    rows = [re.split(" {2,}", line) for line in out.splitlines()]
    return [[*row[2:], ""][:3] for row in rows if row[1:2] == [name]]


def refused(capsys, *arguments: object, code: int = 1) -> str:
    """That exit code, one sentence, and nothing else."""
    assert compare.main([str(argument) for argument in arguments]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("wser.compare: ")
    assert printed.err.count("\n") == 1, printed.err
    return printed.err


# What it says.


def test_better_by_hand(pair, capsys, messages):
    """Recalls 1/2, 1/2 and 1 against 1, for every speaker alike: 33.3 points, certain, and 2 of 2^6 swaps are as large."""
    out, err = said(capsys, *pair)
    assert "36 test utterances of 6 speakers" in out
    assert "UAR: B is better than A by 33.3 points (95 % interval 33.3 to 33.3, p = 0.031)" in out
    assert cells(out, "B - A")[:2] == [["+33.3", "33.3 to 33.3", "0.031"]] * 2
    assert cells(out, "A")[:2] == [["66.7", "66.7 to 66.7", ""]] * 2
    assert cells(out, "B") == [["100.0", "100.0 to 100.0", ""]] * 3
    messages.check(err)
    assert err.count("warning: ") == 1
    assert "UAR: A is better than B by 33.3 points (95 % interval 33.3 to 33.3, p = 0.031)" in said(capsys, *pair[::-1])[0]


def test_each_run_is_resampled_once(pair, capsys, monkeypatch):
    summary = {"missing": [], "interval": {"uar": [0.0, 1.0]}}
    (pair[0] / results.SUMMARY).write_text(json.dumps(summary))
    resampled = []
    intervals = uncertainty.intervals
    for module in (uncertainty, stale):
        monkeypatch.setattr(module, "intervals", lambda counts: resampled.append(counts) or intervals(counts))
    assert "says interval.uar.0 = 0, and the predictions give" in said(capsys, *pair)[1]
    assert len(resampled) == 2


def test_what_may_be_chance_is_called_so(tmp_path, capsys):
    """One more right answer: its speaker moves the difference, the others do not, and every swap is as large."""
    one, two = write(tmp_path / "one", {"c/1-0"}), write(tmp_path / "two")
    assert "UAR: B is 2.8 points above A, which may be chance (95 % interval 0.0 to 8.3, p = 1.00)" in said(capsys, one, two)[0]


def test_equal_runs_agree(tmp_path, capsys):
    one, two = write(tmp_path / "one", WRONG), write(tmp_path / "two", WRONG)
    assert "A and B agree to a tenth of a point" in said(capsys, one, two)[0]


def test_figures_are_those_of_sklearn(tmp_path, capsys):
    wrong = {key for at, key in enumerate(TRUTH) if at % 5 in (0, 3)}
    one, two = write(tmp_path / "one", wrong), write(tmp_path / "two")
    out, _ = said(capsys, one, two)
    rows = [row for fold in (0, 1) for row in results.read_predictions(one, fold)]
    true, guess = ([row[side] for row in rows] for side in ("true", "predicted"))
    averaged = {"labels": CLASSES, "average": "macro"}
    figures = recall_score(true, guess, **averaged), accuracy_score(true, guess), f1_score(true, guess, **averaged)
    assert [f"{100 * figure:.1f}" for figure in figures] == [row[0] for row in cells(out, "A")]


def test_more_runs_are_held_against_the_first(pair, tmp_path, capsys, messages):
    out, err = said(capsys, *pair, write(tmp_path / "three", {"c/1-0"}))
    assert "C - A" in out
    assert "UAR: C is better than A by" in out
    messages.check(err)


def test_order_of_rows_folds_and_classes_does_not_matter(pair, tmp_path, capsys):
    before, _ = said(capsys, *pair)
    backwards = dict(reversed(TRUTH.items()))
    other = write(tmp_path / "three", truth=backwards, classes=CLASSES[::-1])
    after, _ = said(capsys, pair[0], other)
    assert before.splitlines()[2:] == after.splitlines()[2:]


def test_settings_that_differ_are_named(pair, tmp_path, capsys):
    other = write(tmp_path / "three", settings="train: {lr: 0.01}\n", recipe_id="ffffffffffff")
    out, _ = said(capsys, pair[0], other)
    assert "differs from A in recipe: ffffffffffff instead of 0123456789ab; train.lr: 0.01 instead of None" in " ".join(
        out.split()
    )
    assert f"B  {pair[1]}: differs from A in no setting\n" in said(capsys, *pair)[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"protocol": "other"},
        {"split_hash": "01"},
        {"seed": 3},
        {"selection": "test"},
    ],
)
def test_runs_that_are_not_alike_are_warned_of(pair, tmp_path, changes, capsys, messages):
    out, err = said(capsys, pair[0], write(tmp_path / "three", **changes))
    messages.check(err)
    assert len(cells(out, "B (epoch chosen on the test set)")) == (3 if "selection" in changes else 0)
    assert ("UAR: B (epoch chosen on the test set) is better" in out) == ("selection" in changes)


def test_synthetic_speech_is_marked(pair, tmp_path, capsys):
    demo = {"corpora": [{"corpus": "demo", "synthetic": True}]}
    synthetic = write(tmp_path / "three", **demo)
    assert "demo (synthetic speech)" in said(capsys, synthetic, pair[0])[0]
    assert "Synthetic speech (B)" in said(capsys, pair[0], synthetic)[1]


def test_a_single_speaker_proves_nothing(tmp_path, capsys, messages):
    few = {key: ("1", label) for key, (speaker, label) in TRUTH.items() if speaker == "1"}
    record = {"folds": 1}
    one, two = write(tmp_path / "one", {"c/1-0"}, truth=few, **record), write(tmp_path / "two", truth=few, **record)
    out, err = said(capsys, one, two)
    assert "which may be chance (p = 1.00)" in out
    messages.check(err)


def test_utterances_that_several_folds_test_are_counted_in_each(pair, tmp_path, capsys):
    """Random splits overlap."""
    for path in pair:
        shutil.copytree(path / "fold_0", path / "fold_2")
        record = json.loads((path / results.RUN).read_text()) | {"folds": 3}
        (path / results.RUN).write_text(json.dumps(record))
        split = json.loads((path / results.SPLIT).read_text())["folds"]
        (path / results.SPLIT).write_text(json.dumps({"folds": [*split, split[0]]}))
    assert "54 test utterances of 6 speakers" in said(capsys, *pair)[0]
    assert "18 test utterances are in" in refused(capsys, pair[0], write(tmp_path / "three"))


# What it refuses.


def damage(name: str, content: str | bytes | None):
    def change(path: Path) -> None:
        file = path / name
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content if isinstance(content, bytes) else content.encode())

    return change


def cut(path: Path) -> None:
    file = path / "fold_1" / results.PREDICTIONS
    file.write_bytes(file.read_bytes()[:-60])


def change_record(**changes):
    def change(path: Path) -> None:
        record = json.loads((path / results.RUN).read_text()) | changes
        (path / results.RUN).write_text(json.dumps(record))

    return change


def empty(path: Path) -> None:
    shutil.rmtree(path)
    path.mkdir()


FAULTS = {
    "missing": (shutil.rmtree, "two is not a directory: give one that wser.run made"),
    "empty": (empty, "two is empty, so it holds no results: run the command that was to fill it, or give another"),
    "foreign": (damage(results.RUN, None), "two has no run.json"),
    "half a record": (damage(results.RUN, '{"classes": ["a"'), "run.json is damaged or foreign"),
    "no record": (damage(results.RUN, "[]"), "run.json is damaged or foreign"),
    "an empty record": (damage(results.RUN, ""), "run.json is damaged or foreign"),
    "bytes for a record": (damage(results.RUN, b"\xff\xfe\x00"), "run.json is damaged or foreign"),
    "a record of something else": (damage(results.RUN, '{"name": "x"}'), "run.json is damaged or foreign (it lacks 'classes')"),
    "no folds at all": (
        change_record(folds=0),
        "run.json is damaged or foreign ('folds' must be a whole number of at least 1)",
    ),
    "a fold missing": (lambda path: shutil.rmtree(path / "fold_1"), "two is not finished, fold 1 of 2 is missing"),
    "a fold half-written": (
        damage("fold_1/metrics.json", None),
        "fold 1 of 2 is missing: run python -m wser.run ",
    ),
    "countless folds missing": (
        change_record(folds=10**12),
        "run.json is damaged or foreign ('folds' must be a whole number of at most",
    ),
    "half the predictions": (cut, "fold_1/predictions.csv is damaged"),
    "no predictions": (damage("fold_1/predictions.csv", None), "predictions.csv is damaged (No such file"),
    "empty predictions": (damage("fold_1/predictions.csv", ""), "is damaged (0 utterances, where metrics.json has 18): move"),
    "other columns": (damage("fold_1/predictions.csv", "a,b\n" + 18 * "1,2\n"), "is damaged (no 'key')"),
    "bytes for predictions": (damage("fold_1/predictions.csv", b"\xff\xfe\x00"), "predictions.csv is damaged"),
    "no metrics": (damage("fold_1/metrics.json", "{}"), "metrics.json is damaged or of another version (it lacks 'uar')"),
    "metrics of something else": (
        damage("fold_1/metrics.json", "[]"),
        "metrics.json is damaged (it is a list, and must be keys with values)",
    ),
    "no configuration": (damage(results.CONFIG, None), "config.yaml cannot be read"),
    "half a configuration": (damage(results.CONFIG, "model: {name: "), "config.yaml cannot be read"),
    "a list for a configuration": (damage(results.CONFIG, "[1]"), "config.yaml cannot be read"),
    "classes of something else": (change_record(classes=["a", "b"]), "is damaged (a class that is not one of the run's)"),
    "classes that are no names": (change_record(classes=[[1], {}]), "is damaged"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_finished_run_is_refused_in_one_sentence(pair, fault, capsys):
    change, says = FAULTS[fault]
    change(pair[1])
    assert says in refused(capsys, *pair)


def test_directory_of_all_results_is_refused_with_one_of_them(pair, capsys):
    assert f"holds the results of 2 runs: give one of them, as {pair[0]}" in refused(capsys, pair[0].parent, pair[0])


def test_a_file_is_no_run(pair, capsys):
    assert "is not a directory" in refused(capsys, pair[0], pair[1] / results.RUN)


def test_one_run_or_the_same_twice_cannot_be_compared(pair, capsys):
    assert "1 given, where 2 to 26 runs can be compared" in refused(capsys, pair[0], code=2)
    assert "name a run twice" in refused(capsys, pair[0], f"{pair[0]}/", code=2)


def test_other_utterances_are_refused_by_number_and_name(pair, tmp_path, capsys, messages):
    fewer = {key: value for key, value in TRUTH.items() if value[0] != "6"}
    err = refused(capsys, pair[0], write(tmp_path / "three", truth=fewer))
    messages.check(err)


def test_other_classes_are_refused(pair, tmp_path, capsys, messages):
    err = refused(capsys, pair[0], write(tmp_path / "three", classes=[*CLASSES, "bored"]))
    messages.check(err)
    moved = TRUTH | {"c/1-0": ("1", 2)}
    err = refused(capsys, pair[0], write(tmp_path / "four", truth=moved))
    assert "(c/1-0)" in err


# Against real runs, and from the real command line.


@pytest.mark.slow
def test_runs_of_two_seeds(trained, tiny, tmp_path, capsys, messages):
    assert run.main([*tiny, f"results={tmp_path}", "seed=1"]) == 0
    (other,) = tmp_path.iterdir()
    capsys.readouterr()
    out, err = said(capsys, trained[0], other)
    assert f"A  {trained[0]}: ravdess, 7 classes, speaker_independent, three_pipe, seed 0\n" in out
    assert f"B  {other}: differs from A in seed: 1 instead of 0\n" in out
    messages.check(err)
    assert "24 test utterances of 4 speakers" in out
    for letter, directory in (("A", trained[0]), ("B", other)):
        summary = json.loads((directory / results.SUMMARY).read_text())
        low, high = summary["interval"]["uar"]
        expected = [f"{100 * summary['pooled']['uar']:.1f}", f"{100 * low:.1f} to {100 * high:.1f}", ""]
        assert cells(out, letter)[0] == expected


HEAVY = """
import contextlib, io, sys
from wser.__main__ import main
sys.argv = ["wser", "compare", *sys.argv[1:]]
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    code = main()
print(code, *sorted({"torch", "pytorch_lightning", "matplotlib", "sklearn"} & set(sys.modules)))
"""


@pytest.mark.slow
def test_nothing_heavy_is_loaded_neither_to_refuse_nor_to_compare(pair, tmp_path):
    (tmp_path / "nothing").mkdir()
    for arguments, code in (((pair[0], tmp_path / "nothing"), "1"), (pair, "0")):
        command = [sys.executable, "-c", HEAVY, *map(str, arguments)]
        found = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
        assert found.stdout.split() == [code]


def test_real_command_line_explains_itself(pair):
    command = [sys.executable, "-m", "wser.compare"]
    found = subprocess.run([*command, "--help"], capture_output=True, text=True, timeout=300, check=True)
    assert "swaps the two runs' predictions for whole speakers" in " ".join(found.stdout.split())
    found = subprocess.run([*command, *map(str, pair)], capture_output=True, text=True, timeout=300, check=True)
    assert "B is better than A" in found.stdout


def test_settings_that_only_one_of_two_models_has_are_not_listed(tmp_path):
    one = write(tmp_path / "one")
    other = write(tmp_path / "two")
    config = (other / results.CONFIG).read_text().replace("{name: three_pipe, lstm: 100}", "{name: row_svm, c: 0.01}")
    (other / results.CONFIG).write_text(config)
    first, second = map(results.open_finished, (one, other))
    assert changes(first, second) == ["model.name: row_svm instead of three_pipe"]


def test_settings_that_one_of_two_models_does_not_read_are_not_listed(tmp_path):
    one = write(tmp_path / "one")
    other = write(tmp_path / "two")
    for path, name, epochs in ((one, "row_svm", 20), (other, "three_pipe", 50)):
        config = yaml.safe_load((path / results.CONFIG).read_text())
        config |= {"model": {"name": name}, "train": {"epochs": epochs}}
        (path / results.CONFIG).write_text(yaml.safe_dump(config))
    first, second = map(results.open_finished, (one, other))
    assert changes(first, second) == ["model.name: three_pipe instead of row_svm"]
