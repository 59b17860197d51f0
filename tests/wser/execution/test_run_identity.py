"""Whatever can change a prediction names a run, and no fold answers for another run."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from forging import change_json

from precompute.cache import roots
from precompute.common import source
from wser import models, results, run
from wser.config.compose import load
from wser.config.schema import TrainConfig
from wser.execution import plan
from wser.results import identity
from wser.training import hardware

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmade")]


def only(path: Path) -> Path:
    (directory,) = path.glob(f"*/{results.RUN}")
    return directory.parent


def place(*settings: str) -> Path:
    (config,) = load(settings)
    return plan.prepare(config).directory


def said(capsys, *settings: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = run.main([*settings])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_record_holds_the_whole_digest_of_what_the_identity_file_names(trained):
    directory, _ = trained
    named = json.loads((directory / results.IDENTITY).read_text())
    digest = identity.digest(named)
    assert json.loads((directory / results.RUN).read_text())["identity"] == digest
    assert directory.name == f"tiny-ravdess-three_pipe-speaker_independent-{digest[:12]}"
    assert len(digest) == 64
    for fold in (0, 1):
        record = results.read_metrics(directory, fold)
        assert record["identity"] == digest
        assert set(record["files"]) == {results.PREDICTIONS, results.WEIGHTS, results.CURVES}
    assert {"algorithm", "settings", "classes", "recipe", "caches", "split", "network"} <= set(named)
    assert named["settings"]["train.precision"] == "32-true"


# The order of classes.


def label_map(tmp_path: Path, order: str) -> str:
    file = tmp_path / "m.yaml"
    file.write_text("classes:\n" + "".join(f"  {name}: [{name}]\n" for name in order.split()))
    return f"labels={file}"


def test_classes_in_another_order_are_another_run(tiny, tmp_path, capsys):
    """The network's outputs are by order: weights read with another give figures that are wrong without a word."""
    settings = [*tiny, f"results={tmp_path / 'runs'}", "fold=0"]
    assert said(capsys, *settings, label_map(tmp_path, "angry happy sad"))[0] == 0
    first = only(tmp_path / "runs")
    code, out, _ = said(capsys, *settings, label_map(tmp_path, "sad happy angry"))
    assert code == 0
    assert "1 fold: 0 finished, 1 to do" in out
    (other,) = {path for path in (tmp_path / "runs").iterdir() if path.name.startswith("tiny-")} - {first}
    assert [json.loads((path / results.RUN).read_text())["classes"] for path in (first, other)] == [
        ["angry", "happy", "sad"],
        ["sad", "happy", "angry"],
    ]


def test_emotions_of_a_class_and_what_is_dropped_have_no_order(tiny, tmp_path):
    names = set()
    for text in (
        "classes: {low: [sad, neutral], high: [happy]}\ndrop: [angry, calm]\n",
        "classes: {low: [neutral, sad], high: [happy]}\ndrop: [calm, angry]\n",
    ):
        (tmp_path / "m.yaml").write_text(text)
        names.add(place(*tiny, f"labels={tmp_path / 'm.yaml'}"))
    assert len(names) == 1


def test_stored_weights_name_their_classes(trained):
    stored = torch.load(trained[0] / "fold_0" / results.WEIGHTS, weights_only=True)
    assert stored["classes"] == json.loads((trained[0] / results.RUN).read_text())["classes"]


# Code.


MINE = """\
from wser.models._three_pipe import Model as Base
from wser.models.three_pipe import Config


class Model(Base):
    pass


def build(config, shape, classes):
    return Model(config, shape, classes)
"""


@pytest.fixture
def mine(tmp_path) -> Path:
    """A network of one's own, as a file that may be edited."""
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    return file


EDITED = "    def forward(self, images, lengths):\n        return super().forward(images * 0, lengths)\n"


def test_edited_network_is_another_run(mine, tiny, tmp_path, capsys):
    settings = [*tiny, f"results={tmp_path / 'runs'}", f"model={mine}"]
    assert said(capsys, *settings, "fold=0")[0] == 0
    assert "2 folds: 1 finished, 1 to do" in said(capsys, *settings, "--dry-run")[1]
    text = mine.read_text()
    mine.write_text(f'"""What it is."""\n\n# Why.\n{text}')
    assert "2 folds: 1 finished, 1 to do" in said(capsys, *settings, "--dry-run")[1], "words about code change no prediction"
    mine.write_text(text.replace("    pass\n", EDITED))
    assert "2 folds: 0 finished, 2 to do" in said(capsys, *settings, "--dry-run")[1]


def test_edited_file_beside_the_network_is_another_run(mine, tiny):
    mine.with_name("blocks.py").write_text("WIDTH = 3\n")
    mine.write_text(f"import blocks\n{mine.read_text()}")
    before = place(*tiny, f"model={mine}")
    mine.with_name("blocks.py").write_text("WIDTH = 4\n")
    assert place(*tiny, f"model={mine}") != before


def test_edited_network_of_the_package_is_another_run(tiny, tmp_path, monkeypatch):
    before = place(*tiny)
    file = tmp_path / "three_pipe.py"
    file.write_text(models.file("three_pipe").read_text().replace("average", "mean"))
    monkeypatch.setattr(models, "file", lambda _: file)
    assert place(*tiny) != before


def test_number_of_the_training_code_names_the_run(tiny, monkeypatch):
    before = place(*tiny)
    monkeypatch.setattr(identity, "ALGORITHM", identity.ALGORITHM + 1)
    assert place(*tiny) != before


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("x = 1\n", "x = 1  # why\n", True),
        ("def f():\n    return 1\n", 'def f():\n    """What."""\n\n    return 1\n', True),
        ("x = 1\n", "x = 2\n", False),
        ('x = """a\n\nb"""\n', 'x = """a\nb"""\n', False),
        ('x = "#1"\n', 'x = "#2"\n', False),
        ("if a:\n    b()\nc()\n", "if a:\n    b()\n    c()\n", False),
        ('def f(): "What"\n', 'def f(): "Other"\n', False),
        ("x = f'{a}#1'\n", "x = f'{a}#2'\n", False),
    ],
)
def test_source_is_what_code_does(tmp_path, one, other, same):
    digests = []
    for number, text in enumerate((one, other)):
        (tmp_path / str(number)).mkdir()
        file = tmp_path / str(number) / "code.py"
        file.write_text(text)
        digests.append(source.digest([file]))
    assert (digests[0] == digests[1]) == same


# Precision, device and threads.


def test_precision_as_resolved_names_the_run(tiny, monkeypatch):
    names = {}
    for has in (True, False):
        monkeypatch.setattr(hardware, "cpu_has_bf16", lambda has=has: has)
        names[has] = place(*tiny, "train.precision=auto")
    assert names[True] == place(*tiny, "train.precision=bf16") != names[False] == place(*tiny, "train.precision=fp32")


def test_precision_of_this_processor_is_what_pytorch_says(monkeypatch):
    assert hardware.precision(TrainConfig(device="cpu")) == (
        "bf16-mixed" if torch.cpu._is_avx512_bf16_supported() else "32-true"
    )


def test_threads_and_device_are_recorded_and_name_nothing(tiny):
    assert place(*tiny, "train.threads=2", "jobs=2") == place(*tiny, "train.device=cpu", "train.threads=1")


# What a directory holds is compared, and not its name alone.


def test_directory_of_another_run_is_refused_with_what_differs(copied, tiny, tmp_path, capsys, messages):
    """As after a collision of names, a renamed directory, or an edited record."""
    results_at = f"results={copied.parent}"
    other = place(*tiny, results_at, "seed=7")
    copied.rename(other)
    code, out, err = said(capsys, *tiny, results_at, "seed=7")
    assert code == 1
    assert "finished" not in out
    messages.check(err, other)


@pytest.mark.parametrize("change", [{"identity": "0" * 64}, {"identity": None}])
def test_edited_record_is_refused(copied, tiny, capsys, change, messages):
    change_json(copied / results.RUN, **change)
    code, _, err = said(capsys, *tiny, f"results={copied.parent}")
    assert code == 1
    messages.check(err)


def test_fold_of_another_run_is_refused(copied, tiny, tmp_path, capsys, messages):
    assert run.main([*tiny, f"results={tmp_path / 'other'}", "seed=5", "fold=1"]) == 0
    shutil.rmtree(copied / "fold_1")
    shutil.copytree(only(tmp_path / "other") / "fold_1", copied / "fold_1")
    code, _, err = said(capsys, *tiny, f"results={copied.parent}")
    assert code == 1
    messages.check(err, copied / "fold_1")


def test_two_points_of_a_sweep_under_one_name_are_not_one(tiny, tmp_path, capsys, monkeypatch, messages):
    """Were two digests to begin alike, no point would vanish without a word."""
    monkeypatch.setattr(results, "directory", lambda config, _: Path(config.results) / "same")
    settings = [*tiny, f"results={tmp_path}", "fold=0", "seed=1,2"]
    code, out, err = said(capsys, *settings)
    assert "2 folds: 0 finished, 2 to do" in out
    assert code == 1
    messages.check(err)


# Caches.


def test_other_columns_of_an_utterance_are_another_run(tiny):
    """Where an utterance begins and ends in its picture is what the network sees of it."""
    (config,) = load(tiny)
    experiment = plan.prepare(config)
    dataset = experiment.dataset
    before = identity.digest(experiment.identity)
    record = dataset.caches[0].records[0]
    stop = record.stop
    try:
        object.__setattr__(record, "stop", stop - 1)
        named = identity.of(config, dataset, experiment.folds, "32-true")
    finally:
        object.__setattr__(record, "stop", stop)
    assert identity.digest(named) != before
    assert identity.differences(named, experiment.identity) == ["caches"]


def test_copy_of_a_cache_with_other_pixels_is_the_same_run(tiny, small_cache, small_recipe_id):
    """Pixels differ by a level from processor to processor; the folds record which pictures they saw."""
    (config,) = load(tiny)
    experiment = plan.prepare(config)
    manifest = experiment.dataset.caches[0].manifest
    fingerprint = manifest["fingerprint"]
    try:
        manifest["fingerprint"] = "0" * 64
        assert identity.of(config, experiment.dataset, experiment.folds, "32-true") == experiment.identity
    finally:
        manifest["fingerprint"] = fingerprint
    assert roots.sealed(small_cache, "ravdess", small_recipe_id)


# Results of an older version.


def test_results_of_an_older_version_are_named_and_not_continued(trained, tiny, tmp_path, capsys, messages):
    (config,) = load([*tiny, f"results={tmp_path}"])
    experiment = plan.prepare(config)
    older = tmp_path / identity.older_name(config, experiment.dataset, experiment.folds)
    shutil.copytree(trained[0], older)
    (older / results.IDENTITY).unlink()
    for file in (older / results.RUN, *older.glob(f"fold_*/{results.METRICS}")):
        record = {key: value for key, value in json.loads(file.read_text()).items() if key not in ("identity", "files")}
        file.write_text(json.dumps(record))
    before = {file: file.read_bytes() for file in older.rglob("*") if file.is_file()}
    code, out, err = said(capsys, *tiny, f"results={tmp_path}", "--dry-run")
    assert code == 0
    assert "2 folds: 0 finished, 2 to do" in out
    messages.check(err, older)
    assert len(results.open_finished(older).rows) == 24, "and are still read"
    assert said(capsys, "--repeat", str(older))[0] == 0, "and repeated"
    assert before.items() <= {file: file.read_bytes() for file in older.rglob("*") if file.is_file()}.items()
