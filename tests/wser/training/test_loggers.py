import csv
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml
from pytorch_lightning.loggers import Logger

from wser import results, run
from wser.config import compose
from wser.config.schema import ConfigError
from wser.training import loggers
from wser.training.network import Curves

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmade")]

FIGURES = [*Curves.FIGURES, "lr"]


def given(*arguments: str) -> list[str]:
    (loaded,) = compose.load(arguments)
    return loaded.logger


@pytest.fixture(scope="module")
def logged(tiny, no_figures, tmp_path_factory) -> Path:
    """Results of the run `trained`, with loggers."""
    directory = tmp_path_factory.mktemp("logged")
    with no_figures():
        assert run.main([*tiny, f"results={directory}", "logger=csv,tensorboard"]) == 0
    (path,) = directory.iterdir()
    return path


def test_loggers_are_named_one_or_several(tmp_path):
    assert given() == ["tensorboard"]
    assert given("logger=csv") == given("logger=[csv]") == ["csv"]
    assert given("logger=csv,tensorboard") == given("logger=[csv, tensorboard]") == ["csv", "tensorboard"]
    assert given("logger=[]") == []
    (tmp_path / "own.yaml").write_text("logger: csv\n")
    assert given(f"experiment={tmp_path / 'own.yaml'}") == ["csv"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [("tensorbord", "list of csv, tensorboard, wandb, mlflow"), ("csv,csv", "twice"), ("null", "null")],
)
def test_other_names_are_refused(wrong, says, capsys):
    assert run.main([f"logger={wrong}"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("wser.run: logger")
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("fold", [0, 1])
def test_logging_changes_no_prediction_and_not_the_name_of_the_results(logged, trained, fold):
    assert logged.name == trained[0].name
    file = f"fold_{fold}/{results.PREDICTIONS}"
    assert (logged / file).read_bytes() == (trained[0] / file).read_bytes()


@pytest.mark.parametrize("fold", [0, 1])
def test_csv_holds_the_curves_and_the_configuration(logged, fold):
    curves = results.read_curves(logged, fold)
    folder = logged / f"fold_{fold}" / "csv"
    rows = list(csv.DictReader((folder / "metrics.csv").open(newline="")))
    assert [int(row["step"]) for row in rows] == [1, 2]
    for name in Curves.FIGURES:
        assert [float(row[name]) for row in rows] == pytest.approx(curves[name], abs=1e-6)
    rates = [float(row["lr"]) for row in rows]
    assert rates[0] > rates[1] > 0, "one cycle ends low"
    settings = yaml.safe_load((folder / "hparams.yaml").read_text())
    assert settings["train.batch"] == 4
    assert settings["model.filters"] == [3, 4]


@pytest.mark.parametrize("fold", [0, 1])
def test_tensorboard_holds_the_same(logged, fold):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = logged / f"fold_{fold}" / "tensorboard"
    assert len(list(folder.glob("events.*"))) == 1
    events = EventAccumulator(str(folder))
    events.Reload()
    curves = results.read_curves(logged, fold)
    for name in Curves.FIGURES:
        points = {event.step: event.value for event in events.Scalars(name)}
        assert [*points] == [1, 2]
        assert [*points.values()] == pytest.approx(curves[name], abs=1e-5)
    assert {event.step for event in events.Scalars("lr")} == {1, 2}
    assert "_hparams_/session_start_info" in events.summary_metadata
    assert yaml.safe_load((folder / "hparams.yaml").read_text())["model.lstm"] == 4


def test_writers_are_closed_and_nothing_is_said(tiny, tmp_path, capfd):
    assert run.main([*tiny, f"results={tmp_path}", "logger=csv,tensorboard", "fold=0"]) == 0
    err = capfd.readouterr().err.splitlines()
    assert [line for line in err if "fold 0" not in line] == []
    if Path("/proc/self/fd").is_dir():
        links = Path("/proc/self/fd").iterdir()
        opened = [link.readlink() for link in links if link.exists()]
        assert [file for file in opened if file.is_relative_to(tmp_path)] == []


def test_no_loggers_leave_nothing(trained):
    names = {file.name for file in (trained[0] / "fold_0").iterdir()}
    assert names == {results.METRICS, results.PREDICTIONS, results.CURVES, results.WEIGHTS}


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_missing_package_is_refused_before_anything_is_written(tiny, tmp_path, name, monkeypatch, capsys, messages):
    monkeypatch.setattr(loggers, "find_spec", lambda _: None)
    assert run.main([*tiny, f"results={tmp_path}", f"logger={name}"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    messages.check(printed.err)
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


class Fake(Logger):
    """In the place of W&B's and MLflow's loggers: notes what reaches it, and where the run was at its end."""

    made: list["Fake"]

    def __init__(self, *arguments, **named):
        self.arguments, self.named = arguments, named
        self.settings, self.points, self.finished = {}, [], []
        self.experiment = SimpleNamespace(finish=lambda: self.finished.append("finish"))
        self.made.append(self)

    name = version = "fake"

    def log_hyperparams(self, params):
        self.settings = params

    def log_metrics(self, metrics, step=None):
        self.points.append((step, metrics))

    def finalize(self, status):
        self.finished.append(status)


@pytest.fixture
def services(monkeypatch) -> SimpleNamespace:
    """Both services, installed and made up."""
    for key in ("MLFLOW_TRACKING_URI", *loggers.QUIET):
        monkeypatch.setenv(key, "")
        monkeypatch.delenv(key)
    wandb, mlflow = (type(name, (Fake,), {"made": []}) for name in ("WandbLogger", "MLFlowLogger"))
    monkeypatch.setattr("pytorch_lightning.loggers.WandbLogger", wandb)
    monkeypatch.setattr("pytorch_lightning.loggers.MLFlowLogger", mlflow)
    monkeypatch.setattr(loggers, "find_spec", lambda package: package)
    created: list[tuple[str, str, str | None]] = []

    class Client:
        def __init__(self, where):
            self.where = where

        def get_experiment_by_name(self, name):
            return next((one for one in created if one[:2] == (self.where, name)), None)

        def create_experiment(self, name, artifact_location=None):
            created.append((self.where, name, artifact_location))

    module = ModuleType("mlflow")
    module.MlflowClient = Client
    monkeypatch.setitem(sys.modules, "mlflow", module)
    return SimpleNamespace(wandb=wandb, mlflow=mlflow, created=created)


def test_services_get_project_names_curves_and_configuration(services, tiny, tmp_path, trained, capsys):
    assert run.main([*tiny, f"results={tmp_path}", "logger=wandb,mlflow"]) == 0
    directory = tmp_path / trained[0].name
    assert [one.named["name"] for one in services.wandb.made] == [f"{directory.name}/fold_0", f"{directory.name}/fold_1"]
    for one in services.wandb.made:
        assert one.named["project"] == "wser"
        assert one.named["save_dir"].parents[1] == directory
        assert one.finished[-1] == "finish", "or the next fold would go on with its run"
    store = f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}"
    assert [one.arguments for one in services.mlflow.made] == [
        ("wser", f"{directory.name}/fold_{fold}", store) for fold in (0, 1)
    ]
    assert services.created == [(store, "wser", (tmp_path / "mlflow" / "artifacts").as_uri())]
    for one in (*services.wandb.made, *services.mlflow.made):
        assert [step for step, _ in one.points] == [1, 2]
        assert [*one.points[0][1]] == FIGURES
        assert one.settings["train.batch"] == 4
        assert "success" in one.finished
    for fold in (0, 1):
        file = f"fold_{fold}/{results.PREDICTIONS}"
        assert (directory / file).read_bytes() == (trained[0] / file).read_bytes()


def test_mlflow_goes_where_its_own_variable_says(services, tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://lab:5000")
    assert run.main([*tiny, f"results={tmp_path}", "logger=mlflow", "fold=0", "train.epochs=1"]) == 0
    assert services.created == [("http://lab:5000", "wser", None)]
    assert services.mlflow.made[0].arguments[2] == "http://lab:5000"
    assert not (tmp_path / "mlflow").exists()


def test_users_own_settings_of_a_service_are_kept(services, monkeypatch):
    monkeypatch.setenv("WANDB_SILENT", "false")
    with loggers._starting("wandb"):
        assert os.environ["WANDB_SILENT"] == "false"
        assert os.environ["MLFLOW_LOGGING_LEVEL"] == "ERROR"


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_service_that_does_not_start_is_answered_in_one_sentence(services, tiny, tmp_path, name, monkeypatch, capsys):
    def fails(*arguments, **named):
        raise RuntimeError("nobody is\nlogged in.")

    monkeypatch.setattr("pytorch_lightning.loggers.WandbLogger", fails)
    monkeypatch.setattr(sys.modules["mlflow"], "MlflowClient", fails)
    assert run.main([*tiny, f"results={tmp_path}", f"logger={name}"]) == 2
    err = capsys.readouterr().err
    assert err == (
        f"wser.run: logger={name} cannot start (nobody is logged in): see that it is set up, or leave {name} out of logger=\n"
    )
    assert list(tmp_path.glob("*/fold_*")) == []


def test_check_names_the_first_that_is_missing(monkeypatch, messages):
    monkeypatch.setattr(loggers, "find_spec", lambda package: None if package == "mlflow" else package)
    loggers.check(["csv", "tensorboard", "wandb"], "runs")
    with messages.raises(ConfigError):
        loggers.check(["csv", "mlflow"], "runs")
