import typing

import pytest
import torch

from wser import models
from wser.config.compose import load
from wser.models import ModelError, _steps, _three_pipe, three_pipe

SMALL = {"pipe_filters": 2, "filters": [3, 4], "strides": [[2, 2], [2, 2], [2, 2]], "lstm": 5, "fc": 6}
SUMMARIES = ["last", "mean", "attention"]


def small(name: str = "three_pipe", height: int = 16, classes: int = 3, **changes) -> torch.nn.Module:
    torch.manual_seed(0)
    return models.build(three_pipe.Config(**{"name": name, **SMALL, **changes}), (3, height), classes)


def pictures(batch: int, height: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, 3, height, columns, generator=torch.Generator().manual_seed(seed))


def learnt(model: torch.nn.Module) -> torch.nn.Module:
    """The model as after some training: its batch norms have seen data, and no bias is zero."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
        model.train()
        model(pictures(4, 16, 64, seed=2), torch.full((4,), 64))
    return model.eval()


@pytest.mark.parametrize("height", [1, 7, 16, 33])
@pytest.mark.parametrize("columns", [8, 24, 72])
@pytest.mark.parametrize("classes", [2, 7])
def test_logits_have_their_shape_whatever_the_picture(height, columns, classes):
    logits = small(height=height, classes=classes)(pictures(3, height, columns), torch.tensor([columns, 1, columns // 2 + 1]))
    assert logits.shape == (3, classes)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


def test_gradients_reach_every_parameter():
    model = small(activation="gelu", summary="attention")
    logits = model(pictures(6, 16, 40), torch.tensor([40, 33, 17, 8, 3, 25]))
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0, 1, 2])).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.any(), parameter_name


def test_the_same_seed_gives_the_same_network():
    one, other = small().eval(), small().eval()
    images, lengths = pictures(2, 16, 40), torch.tensor([40, 20])
    assert torch.equal(one(images, lengths), other(images, lengths))


def test_utterances_do_not_see_each_other_when_scored():
    model, lengths = learnt(small()), torch.tensor([40, 22, 9])
    images = pictures(3, 16, 40)
    together = model(images, lengths)
    for i in range(3):
        torch.testing.assert_close(model(images[i : i + 1], lengths[i : i + 1]), together[i : i + 1], rtol=1e-4, atol=1e-5)


def test_unknown_model_names_the_nearest(messages):
    with messages.raises(ModelError):
        models.build(three_pipe.Config(name="three_pip"), (3, 16), 3)


# The paper's CNN-LSTM.


def test_shapes_are_those_of_the_drawing():
    model = models.build(three_pipe.Config(), (3, 128), 7).eval()
    seen: list[tuple[int, ...]] = []
    for block in model.blocks:
        block.register_forward_hook(lambda _m, _i, output: seen.append(tuple(output.shape[1:])))
    steps: list[tuple[int, ...]] = []
    model.lstm.register_forward_pre_hook(lambda _m, given: steps.append(tuple(given[0].shape)))
    with torch.inference_mode():
        model(pictures(1, 128, 256), torch.tensor([256]))
    sizes = [(64, 128), (32, 64), (16, 32), (8, 32), (4, 32), (4, 32), (4, 32)]
    assert seen == [(192, *sizes[0]), *((64, *size) for size in sizes[1:])]
    assert steps == [(1, 32, 256)]


@pytest.mark.parametrize("preset", ["paper", "tuned"])
def test_parameters_are_as_many_as_the_architecture_says(preset):
    (loaded,) = load([f"preset={preset}"])
    config, classes, rows = loaded.model, 7, 128
    assert config.pipes == 3
    expected = 3 * config.pipe_filters * (3 * 3 + 5 * 5 + 5 * 5)
    channels = 3 * config.pipe_filters
    expected += 2 * channels
    for filters in config.filters:
        expected += 9 * channels * filters + 2 * filters
        channels = filters
    for stride, _ in config.strides:
        rows = -(-rows // stride)
    expected += 4 * config.lstm * (channels * rows + config.lstm + 2)
    expected += config.lstm + 1 if config.summary == "attention" else 0
    expected += (config.lstm + 1) * config.fc + (config.fc + 1) * classes
    assert sum(p.numel() for p in models.build(config, (3, 128), classes).parameters()) == expected


def choices(field: str) -> tuple[str, ...]:
    return typing.get_args(typing.get_type_hints(three_pipe.Config)[field])


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [{field: value} for field in ("pooling", "activation", "summary") for value in choices(field)]
    + [{"pipes": pipes} for pipes in (1, 2, 3, 4, 5)]
    + [{"directions": directions, "summary": summary} for directions in (1, 2) for summary in choices("summary")]
    + [{"pipes": 1, "pipe_kernels": [[1, 31]], "pipe_dilations": [16]}, {"fc": 1024}, {"lstm": 128}, {"pipe_filters": 128}]
    + [{"overlap": overlap, "pooling": pooling} for overlap in (0, 0.5) for pooling in choices("pooling")]
    + [
        {"batch_norm": False},
        {"dropout": 0.5},
        {"filters": [3], "strides": [[1, 1], [1, 1]]},
        {"filters": [], "strides": [[2, 2]]},
    ],
    ids=str,
)
def test_every_legal_value_builds_and_trains(changes):
    model = small(**changes)
    logits = model(pictures(2, 16, 24), torch.tensor([24, 11]))
    logits.sum().backward()
    assert logits.shape == (2, 3)
    assert logits.isfinite().all()


@pytest.mark.parametrize("overlap", [0, 0.5])
@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("pooling", choices("pooling"))
def test_pooling_leaves_a_step_for_each_stride(stride, overlap, pooling):
    pool = _three_pipe.pooling((stride, 1), three_pipe.Config(overlap=overlap, pooling=pooling))
    for steps in range(1, 9):
        assert pool(torch.ones(1, 1, steps * stride, 8)).shape == (1, 1, steps, 8)


@pytest.mark.parametrize(("pooling", "outside"), [("average", torch.Tensor.mean), ("max", torch.Tensor.amax)])
def test_pooling_windows_overlap_by_half_and_see_zeros_past_the_border(pooling, outside):
    build = _three_pipe.pooling
    row = torch.arange(1.0, 17.0).reshape(1, 1, 1, 16) ** 2
    wide = torch.nn.functional.pad(row, (1, 1))
    half = build((1, 2), three_pipe.Config(pooling=pooling, overlap=0.5))(row)
    none = build((1, 2), three_pipe.Config(pooling=pooling, overlap=0))(row)
    assert torch.allclose(half.flatten(), torch.stack([outside(wide[..., 2 * i : 2 * i + 4]) for i in range(8)]))
    assert torch.allclose(none.flatten(), torch.stack([outside(row[..., 2 * i : 2 * i + 2]) for i in range(8)]))


def test_pipes_have_the_kernels_and_dilations_that_are_asked_for():
    model = small(pipes=2, pipe_kernels=[[3, 7], [5, 1], [9, 9]], pipe_dilations=[3, 1, 1])
    pipes = [(pipe.kernel_size, pipe.dilation) for pipe in model.blocks[0].pipes]
    assert pipes == [((3, 7), (1, 3)), ((5, 1), (1, 1))]
    paper = [(pipe.kernel_size, pipe.dilation) for pipe in small().blocks[0].pipes]
    assert paper == [((3, 3), (1, 1)), ((5, 5), (1, 1)), ((5, 5), (1, 2))]


def reach(model: torch.nn.Module, columns: int) -> int:
    """How far to the right of an utterance its own steps still see, in columns: convolutions and pooling, back to front."""
    steps = columns
    for _, stride in model.strides:
        steps = -(-steps // stride)
    last = steps - 1
    for block, (_, stride) in zip(reversed(model.blocks), reversed(model.strides), strict=True):
        window = 1 if stride == 1 else 2 * stride
        last = last * stride + window - 1 - (window - stride) // 2
        last += max((pipe.kernel_size[1] - 1) // 2 * pipe.dilation[1] for pipe in block.pipes)
    return last + 1 - columns


@pytest.mark.parametrize("summary", SUMMARIES)
@pytest.mark.parametrize("length", [9, 16, 31])
def test_nothing_past_the_reach_of_the_convolutions_changes_the_logits(summary, length):
    """Not more padding, and not noise in it: neither LSTM nor summary looks past an utterance's own steps."""
    model = learnt(small(summary=summary))
    free = length + reach(model, length)
    images, lengths = torch.zeros(1, 3, 16, free + 40), torch.tensor([length])
    images[..., :length] = pictures(1, 16, length)
    noisy = images.clone()
    noisy[..., free:] = 5 * pictures(1, 16, 40)
    logits = model(images, lengths)
    torch.testing.assert_close(model(noisy, lengths), logits, rtol=1e-4, atol=1e-5)
    longer = torch.nn.functional.pad(images, (0, 64))
    torch.testing.assert_close(model(longer, lengths), logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("summary", SUMMARIES)
def test_what_a_batch_holds_past_an_utterance_changes_nothing(summary, directions, batch_norm):
    model = learnt(small(summary=summary, directions=directions, batch_norm=batch_norm))
    lengths = torch.tensor([40, 22, 9])
    images = pictures(3, 16, 40)
    other = images.clone()
    for image, length in zip(other, lengths.tolist(), strict=True):
        image[..., length:] = 7 * pictures(1, 16, 40, seed=5)[0, ..., length:]
    assert torch.equal(model(other, lengths), model(images, lengths))
    for i, length in enumerate(lengths.tolist()):
        alone = model(images[i : i + 1, ..., :length], lengths[i : i + 1])
        torch.testing.assert_close(alone, model(images, lengths)[i : i + 1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("summary", SUMMARIES)
def test_backward_direction_is_an_lstm_that_reads_the_utterance_from_its_end(summary):
    model, lengths = learnt(small(summary=summary, directions=2)), torch.tensor([40, 9])
    packed = torch.nn.LSTM(8, 5, batch_first=True, bidirectional=True)
    for name, parameter in packed.named_parameters():
        source = model.backward_lstm if name.endswith("_reverse") else model.lstm
        parameter.data = getattr(source, name.removesuffix("_reverse"))
    sequence, steps = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(3)), -(-lengths // 8)
    given = torch.nn.utils.rnn.pack_padded_sequence(sequence, steps, batch_first=True)
    expected, (last, _) = packed(given)
    expected, _ = torch.nn.utils.rnn.pad_packed_sequence(expected, batch_first=True)
    found = model._read(sequence, steps)
    for i, count in enumerate(steps):
        torch.testing.assert_close(found[i, :count], expected[i, :count])
    if summary == "last":
        torch.testing.assert_close(model.summary(found, steps, found[..., 0]), torch.cat([last[0], last[1]], dim=1))


@pytest.mark.parametrize("lengths", [[7, 4], [7, 7], [1, 7]])
def test_masked_batch_norm_is_that_of_the_utterances_own_columns(lengths):
    """Values, running statistics and every gradient."""
    x, inside = pictures(2, 5, 7) + 3, _steps.length_mask(7, torch.tensor(lengths))
    masked, plain = _three_pipe.MaskedBatchNorm(3), torch.nn.BatchNorm2d(3)
    for norm in (masked, plain):
        norm.weight.data, norm.bias.data = torch.tensor([0.5, 2.0, -1.0]), torch.tensor([1.0, 0.0, 3.0])
    one, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    own = torch.cat([image[..., :length] for image, length in zip(other, lengths, strict=True)], dim=2)[None]
    found, expected = masked(one, inside), plain(own)
    assert not found.movedim(3, 1)[~inside].any()
    found = torch.cat([image[..., :length] for image, length in zip(found, lengths, strict=True)], dim=2)[None]
    torch.testing.assert_close(found, expected)
    weights = pictures(1, 5, expected.shape[3], seed=9)
    for loss in (found, expected):
        (weights * loss.square()).sum().backward()
    torch.testing.assert_close(one.grad, other.grad)
    for this, that in zip(masked.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(this.grad, that.grad)
    for (name, this), that in zip(masked.state_dict().items(), plain.state_dict().values(), strict=True):
        torch.testing.assert_close(this, that, msg=name)


def test_masked_batch_norm_of_values_far_from_zero_keeps_their_variance():
    x = 1000 + pictures(2, 5, 7).double()
    x[1, ..., 4:] = 0
    masked = _three_pipe.MaskedBatchNorm(3, momentum=1.0)
    masked(x.float(), _steps.length_mask(7, torch.tensor([7, 4])))
    own = torch.cat([x[0], x[1, ..., :4]], dim=2)
    torch.testing.assert_close(masked.running_var.double(), own.var((1, 2)), rtol=0.05, atol=0)


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("pooling", choices("pooling"))
def test_how_far_a_batch_is_padded_changes_nothing(pooling, training, batch_norm):
    images, lengths = pictures(3, 16, 40), torch.tensor([40, 22, 9])
    longer = torch.nn.functional.pad(images, (0, 64))
    model = learnt(small(batch_norm=batch_norm, pooling=pooling)).train(training)
    torch.testing.assert_close(model(longer, lengths), model(images, lengths), rtol=1e-4, atol=1e-5)


def test_defaults_keep_the_names_of_their_weights():
    named = set(models.build(three_pipe.Config(summary="attention"), (3, 16), 3).state_dict())
    blocks = {f"blocks.{i}.pipes.{pipe}.weight" for i in range(7) for pipe in range(1 if i else 3)}
    kinds = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    norms = {f"blocks.{i}.norm.{kind}" for i in range(7) for kind in kinds}
    lstm = {f"lstm.{kind}_{way}_l0" for kind in ("weight", "bias") for way in ("ih", "hh")}
    heads = {f"{part}.{kind}" for part in ("weight", "classifier.0", "classifier.3") for kind in ("weight", "bias")}
    assert named == blocks | norms | lstm | heads


@pytest.mark.parametrize("summary", SUMMARIES)
def test_an_utterance_scores_the_same_in_a_longer_batch(summary):
    model, lengths = learnt(small(summary=summary)), torch.tensor([24])
    images = pictures(1, 16, 24)
    longer = torch.nn.functional.pad(images, (0, 64))
    torch.testing.assert_close(model(longer, lengths), model(images, lengths), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("summary", SUMMARIES)
def test_every_column_of_an_utterance_counts(summary):
    model, lengths = learnt(small(summary=summary, activation="gelu")), torch.tensor([24])
    images = pictures(1, 16, 64).requires_grad_()
    model(images, lengths).square().sum().backward()
    assert images.grad.abs().sum(dim=(0, 1, 2))[:24].gt(0).all()
    assert not images.grad[..., 24 + reach(model, 24) :].any()


def summarised(summary: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs of the LSTM for utterances of 6, 1 and 3 steps, and what the fully connected layer sees of them."""
    model, seen = learnt(small(summary=summary)), {}
    model.lstm.register_forward_hook(lambda _m, _i, output: seen.update(outputs=output[0]))
    model.classifier.register_forward_pre_hook(lambda _m, given: seen.update(summary=given[0]))
    with torch.inference_mode():
        model(pictures(3, 16, 48), torch.tensor([48, 3, 24]))
    assert seen["outputs"].shape == (3, 6, 5)
    return seen["outputs"], seen["summary"]


def test_summaries_are_of_the_steps_of_each_utterance_alone():
    outputs, last = summarised("last")
    torch.testing.assert_close(last, torch.stack([outputs[0, 5], outputs[1, 0], outputs[2, 2]]))
    outputs, mean = summarised("mean")
    torch.testing.assert_close(mean, torch.stack([outputs[0].mean(0), outputs[1, 0], outputs[2, :3].mean(0)]))
    outputs, attention = summarised("attention")
    torch.testing.assert_close(attention[1], outputs[1, 0])
    low, high = outputs[2, :3].amin(0) - 1e-6, outputs[2, :3].amax(0) + 1e-6
    assert ((attention[2] >= low) & (attention[2] <= high)).all(), "a weighting of its own three steps"
    assert not torch.allclose(attention[2], outputs[2, :3].mean(0), atol=1e-5), "and not their mean"


def test_dropout_acts_in_training_only():
    model, images, lengths = small(dropout=0.5), pictures(2, 16, 40), torch.tensor([40, 30])
    model.train()
    assert not torch.equal(model(images, lengths), model(images, lengths))
    model.eval()
    assert torch.equal(model(images, lengths), model(images, lengths))
