from dataclasses import replace

import pytest
import torch

from precompute.common.arrays import picture
from precompute.recipe import named
from wser import models, run
from wser.config.compose import load
from wser.config.schema import choice
from wser.execution import describe

SETTINGS = [
    ["preset=tuned"],
    ["preset=paper"],
    ["model.directions=2", "model.summary=mean", "model.pooling=max", "model.pipes=5"],
    ["model.directions=2", "model.summary=last", "model.batch_norm=false", "model.pipes=1"],
    ["model.batch_norm=false", "model.overlap=0", "model.activation=gelu"],
]
SIZE = (3, 20, 40)
"""No multiple of the pooling strides, in either direction."""


def layers(settings, size=SIZE, classes=4) -> tuple[torch.nn.Module, list[describe.Layer]]:
    (config,) = load(settings)
    return models.build(config.model, size[:2], classes).eval(), describe.layers(config, picture(*size[1:]), classes)


@pytest.mark.slow
@pytest.mark.parametrize("settings", SETTINGS, ids=" ".join)
def test_parameters_add_up_to_those_of_the_network(settings):
    model, rows = layers(settings)
    assert sum(row.parameters for row in rows) == sum(p.numel() for p in model.parameters())
    assert all(row.stage and row.name for row in rows), "every count belongs to a layer"


@pytest.mark.parametrize("name", [name for name in models.names() if choice("model", name).is_network])
def test_every_network_can_be_described_with_nothing_left_over(name):
    (config,) = load([f"model={name}"])
    item = named(config.recipe).array
    item = replace(item, shape=tuple(length // 8 if axis == item.time else length for axis, length in enumerate(item.shape)))
    rows = describe.layers(config, item, 7)
    # One that decides frame by frame has logits of each.
    assert rows[-1].shape[-1] == 7
    assert all(row.stage and row.name for row in rows), "every count belongs to a layer"


@pytest.mark.slow
@pytest.mark.parametrize("settings", SETTINGS, ids=" ".join)
def test_shapes_are_those_of_a_picture_on_its_way(settings):
    model, rows = layers(settings)
    seen = []
    for module in model.modules():
        if not list(module.children()) and not isinstance(module, torch.nn.Identity):
            module.register_forward_hook(
                lambda _m, _i, out: seen.append(tuple((out if isinstance(out, torch.Tensor) else out[0]).shape[1:]))
            )
    logits = model(torch.randn(2, *SIZE), torch.tensor([40, 17]))
    assert [row.shape for row in rows] == seen
    assert rows[-1].shape == logits.shape[1:] == (4,)


def test_multiply_adds_are_those_of_convolutions_and_matrix_products():
    _, rows = layers(["preset=paper", "model.summary=attention", "model.directions=2"], (3, 128, 256), 7)
    by_stage: dict[str, list[describe.Layer]] = {}
    for row in rows:
        by_stage.setdefault(row.stage, []).append(row)
    assert list(by_stage) == ["pipes", *(f"LFLB {i}" for i in range(1, 7)), "LSTM", "LSTM backwards", "over time", "classifier"]
    positions = 128 * 256
    assert [row.multiply_adds for row in by_stage["pipes"][:3]] == [3 * 64 * k * positions for k in (9, 25, 25)]
    assert [row.multiply_adds for row in by_stage["LFLB 1"]] == [192 * 64 * 9 * 64 * 128, 0, 0, 0]
    recurrent = 32 * 4 * 100 * (256 + 100)
    assert by_stage["LSTM"][-1].multiply_adds == by_stage["LSTM backwards"][0].multiply_adds == recurrent
    assert [row.multiply_adds for row in by_stage["over time"]] == [32 * 200, 0]
    assert [row.multiply_adds for row in by_stage["classifier"] if row.multiply_adds] == [200 * 1024, 1024 * 7]


def test_what_no_layer_accounts_for_has_its_own_row(monkeypatch):
    class Odd(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.last = torch.nn.Parameter(torch.ones(3, 5)), torch.nn.Linear(5, 2)

        def forward(self, images, _lengths):
            return self.last(images.mean((2, 3)) @ self.table)

    monkeypatch.setattr(models, "build", lambda *_: Odd())
    (config,) = load([])
    rows = describe.layers(config, picture(8, 8), 2)
    assert rows == [
        describe.Layer("last", "fully connected, 2", (2,), 12, 10),
        describe.Layer("", "outside of layers", (), 15, 15),
    ]


def test_table_needs_no_cache_and_fits_a_hundred_columns(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run.main(["--describe", "preset=paper", "recipe=logmel", "corpus=emodb", "model.pooling=max"]) == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines()[:-1])) <= 100
    assert "3 x 128 x 256" in printed
    assert "max pooling 4x4, stride 2x2" in printed
    assert "…" not in printed
    (config,) = load(["preset=paper"])
    total = sum(p.numel() for p in models.build(config.model, (3, 128), 7).parameters())
    (line,) = [line for line in printed.splitlines() if "total" in line]
    assert f"{total:,}" in line
    assert list(tmp_path.iterdir()) == []


def test_recipe_without_a_name_and_classes_without_a_map_are_those_of_the_cache(small_cache, small_recipe_id, capsys):
    (config,) = load([f"cache_root={small_cache}", f"recipe={small_recipe_id}"])
    assert describe.sizes(config) == (picture(16, 64), 7)
    assert run.main(["--describe", f"cache_root={small_cache}", f"recipe={small_recipe_id}", "labels=common4"]) == 0
    assert "3 x 16 x 64" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "code", "says"),
    [
        (["corpus=[ravdess,emodb]"], 1, "labels=common4"),
        (["corpus=unheard_of"], 1, "unheard_of"),
        (["model=three_pip"], 2, "did you mean 'three_pipe'"),
        (["recipe=nothing"], 1, "nothing"),
    ],
)
def test_wrong_input_is_answered_in_one_sentence(wrong, code, says, tmp_path, capsys):
    assert run.main(["--describe", f"cache_root={tmp_path}", *wrong]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert says in said.err
    assert said.err.count("\n") == 1


def test_a_sweep_describes_each_network_once(capsys):
    assert run.main(["--describe", "seed=0,1", "model.pipes=1,3"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("total") == 2
    assert "model.pipes=1" in printed
    assert "model.pipes=3" in printed
    assert "seed=" not in printed


def test_title_names_a_layer_that_it_does_not_know():
    assert describe.title(torch.nn.Tanh()) == "Tanh"
