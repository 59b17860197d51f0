"""What a configured network consists of: its layers, their output shapes, parameters and multiply-adds."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from precompute.cache import places
from precompute.common.arrays import Array
from precompute.common.tables import Column, Table
from precompute.recipe import is_name, named
from wser import models
from wser.config.schema import Config, ConfigError
from wser.data import labels
from wser.data.dataset import input_shape, open_dataset

COUNTED = (
    "Multiply-adds: those of convolutions and matrix products, the LSTM's included, for one picture of the whole frame; "
    "norms, activations, pooling and gates are left out."
)


@dataclass(frozen=True)
class Layer:
    """One layer.

    Attributes:
        stage: Part of the network that it belongs to.
        name: What it is.
        shape: Of its output, without the batch.
        parameters: Trained numbers in it.
        multiply_adds: For one picture.
    """

    stage: str
    name: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int


def sizes(config: Config) -> tuple[Array, int]:
    """What the cache holds of an utterance, and the number of classes.

    No cache is opened where the recipe has a name, and the classes are those of a label map.

    Raises:
        WserError: A name is unknown, or a cache is needed and missing.
    """
    label_map = labels.load(config.labels) if config.labels else labels.default(config.corpus, [])
    if is_name(config.recipe) and label_map.classes:
        return named(config.recipe).array, len(label_map.classes)
    roots = places.parse(config.cache_root)
    dataset = open_dataset(roots, tuple(config.corpus), config.recipe, config.cache, config.labels)
    return dataset.item, len(dataset.classes)


def layers(config: Config, item: Array, classes: int) -> list[Layer]:
    """Layers of the configured network in the order in which an utterance passes them.

    Args:
        config: Names the network.
        item: What the network is given, such as a picture; the whole frame counts as speech.
        classes: Number of logits.

    Returns:
        The layers; their parameters and multiply-adds add up to those of the network.
    """
    if not config.model.is_network:
        raise ConfigError(f"model={config.model.name} is not a network and has no layers to describe: give another model")
    models.check_takes(config.model, item)
    # Tensors without content: shapes and counts need no arithmetic, and are the same on every machine.
    with torch.device("meta"):
        model = models.build(config.model, input_shape(item), classes).eval()
        batch, lengths = torch.zeros(1, *shown(item)), torch.full((1,), item.steps)
    leaves = {name: module for name, module in model.named_modules() if not list(module.children())}
    shapes: dict[str, tuple[int, ...]] = {}
    for name, module in leaves.items():
        module.register_forward_hook(lambda _module, _given, output, name=name: shapes.update({name: _shape(output)}))
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        model(batch, lengths)
    counts = counter.get_flop_counts()
    stages, root = _stages(model), type(model).__name__
    described = [
        Layer(
            stages.get(leaves[name], ""),
            title(leaves[name]),
            shape,
            _parameters(leaves[name]),
            sum(counts.get(f"{root}.{name}", {}).values()) // 2,
        )
        for name, shape in shapes.items()
        if not isinstance(leaves[name], nn.Identity)
    ]
    rest = (
        _parameters(model) - sum(layer.parameters for layer in described),
        counter.get_total_flops() // 2 - sum(layer.multiply_adds for layer in described),
    )
    return [*described, Layer("", "outside of layers", (), *rest)] if any(rest) else described


def shown(item: Array) -> tuple[int, ...]:
    """Shape of one utterance as the network is given it: of a picture (3, height, width)."""
    return (*input_shape(item), *(() if item.time is None else (item.steps,)))


def table(heading: str, rows: Sequence[Layer], item: Array) -> Table:
    """The layers of a network as a table.

    Args:
        heading: Title.
        rows: Layers.
        item: What the network was given.
    """
    numbers = (Column(name, right=True) for name in ("output", "parameters", "multiply-adds"))
    stages = Table(heading, [Column("stage", spare=1), Column("layer", wraps=True), *numbers], [COUNTED])
    stages.add(item.kind, "", _times(shown(item)))
    before = ""
    for row in rows:
        counts = (f"{number:,}" if number else "" for number in (row.parameters, row.multiply_adds))
        stages.add(row.stage if row.stage != before else "", row.name, _times(row.shape), *counts)
        before = row.stage
    stages.section()
    parameters, multiply_adds = sum(row.parameters for row in rows), sum(row.multiply_adds for row in rows)
    stages.add("total", "", "", f"{parameters:,}", f"{multiply_adds:,}", strong=True)
    return stages


def title(layer: nn.Module) -> str:
    """What a layer is, in a few words; sizes are (frequency, time), or of time alone."""
    match layer:
        case nn.Conv1d() | nn.Conv2d():
            stride, dilation = _size(layer.stride), _size(layer.dilation)
            strides = f", stride {stride}" if stride not in ("1", "1x1") else ""
            return f"conv {_size(layer.kernel_size)}{strides}" + (
                f", dilated {dilation}" if dilation not in ("1", "1x1") else ""
            )
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            return "batch norm"
        case nn.AvgPool1d() | nn.AvgPool2d():
            return f"average pooling {_size(layer.kernel_size)}, stride {_size(layer.stride)}"
        case nn.MaxPool1d() | nn.MaxPool2d():
            return f"max pooling {_size(layer.kernel_size)}, stride {_size(layer.stride)}"
        case nn.ZeroPad2d():
            return "zero padding"
        case nn.LSTM() | nn.GRU():
            return f"{type(layer).__name__}, {layer.hidden_size} cells"
        case nn.Linear():
            return f"fully connected, {layer.out_features}"
        case nn.Dropout():
            return f"dropout {layer.p:g}"
    return str(getattr(layer, "title", type(layer).__name__))


def _stages(model: nn.Module) -> dict[nn.Module, str]:
    """The stage of every module: by the model's own names, or those of its parts."""
    parts = getattr(model, "stages", list(model.named_children()))
    return {module: name for name, part in parts for module in part.modules()}


def _shape(output: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[int, ...]:
    """Shape without the batch; an LSTM gives its states beside its outputs."""
    return tuple((output if isinstance(output, torch.Tensor) else output[0]).shape[1:])


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _size(size: object) -> str:
    """Of a kernel, as rows and steps, or as steps alone."""
    return "x".join(map(str, size if isinstance(size, tuple) else (size,)))


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
