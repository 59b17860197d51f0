from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from precompute.common import arrays
from wser.config.schema import DataConfig
from wser.protocols import Fold
from wser.training.batches import Batch, Batches, ByLength
from wser.training.forward import COLUMN_MULTIPLE
from wser.training.standardise import Standardise
from wser.training.statistics import Statistics, measure, unstandardised

HEIGHT, WIDTH = 6, 40


def corpus(lengths: list[int], starts: list[int] | None = None, width: int = WIDTH, seed: int = 0) -> SimpleNamespace:
    """What `Batches` needs of a dataset: noise, of another level and spread in each row and colour, and where it is speech."""
    rng = np.random.default_rng(seed)
    shape = (len(lengths), HEIGHT, width, 3)
    middle, spread = rng.uniform(80, 170, (HEIGHT, 1, 3)), rng.uniform(5, 30, (HEIGHT, 1, 3))
    images = np.clip(middle + spread * rng.standard_normal(shape), 0, 255).astype(np.uint8)
    starts = starts or [0] * len(lengths)
    places = zip(starts, lengths, strict=True)
    examples = [SimpleNamespace(start=a, stop=a + n, label=i % 3) for i, (a, n) in enumerate(places)]
    return SimpleNamespace(
        values=images, examples=examples, item=arrays.picture(HEIGHT, width), table=None, utterance=images.__getitem__
    )


def batches_of(dataset, fold=None, batch=4, seed=0, **changes) -> Batches:
    whole = tuple(range(len(dataset.examples)))
    return Batches(dataset, fold or Fold(0, whole, (), whole), DataConfig(**changes), batch, seed)


def seen(dataset, batch: Batch, statistics: Statistics | None = None, own: bool = False) -> torch.Tensor:
    """What the network sees of a batch."""
    standardise = Standardise(dataset.item, statistics or unstandardised(dataset.item), dataset.table, own)
    return standardise(batch.values, batch.lengths, batch.spoken)


def drawn(sampler) -> list[int]:
    return [index for batch in sampler for index in batch]


@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=200), batch=st.integers(2, 20), seed=st.integers(0, 2**32 - 1)
)
def test_every_utterance_is_drawn_once_in_each_epoch(lengths, batch, seed):
    sampler = ByLength(lengths, batch, seed)
    for _ in range(2):
        assert sorted(drawn(sampler)) == list(range(len(lengths)))


@given(count=st.integers(1, 300), batch=st.integers(2, 20))
def test_batches_are_as_many_as_announced_none_tiny_none_double(count, batch):
    sampler = ByLength([1] * count, batch, 0)
    sizes = [len(part) for part in sampler]
    assert len(sizes) == len(sampler)
    assert max(sizes) < 2 * batch
    assert min(sizes) >= min(batch, count), "a batch of one has no batch statistics"


def test_order_follows_from_the_seed_and_is_new_in_each_epoch():
    lengths = list(range(1, 101))
    one, same, other = (ByLength(lengths, 8, seed) for seed in (3, 3, 4))
    first, second = list(one), list(one)
    assert [list(same), list(same)] == [first, second]
    assert first != second
    assert list(other) != first


def test_batches_hold_utterances_of_similar_length():
    lengths = np.random.default_rng(0).integers(20, 200, 512).tolist()

    def padding(parts) -> float:
        return sum(max(lengths[i] for i in part) * len(part) for part in parts) / sum(lengths)

    at_random = np.array_split(np.random.default_rng(1).permutation(512), 64)
    assert padding(ByLength(lengths, 8, 0)) - 1 < (padding(at_random) - 1) / 3


@given(
    st.lists(st.tuples(st.integers(0, 10), st.integers(1, 30)), min_size=1, max_size=6),
    st.sampled_from([40, 43]),
)
def test_trimmed_batch_holds_each_utterance_from_its_own_start_and_zero_after_it(places, width):
    dataset = corpus([n for _, n in places], [start for start, _ in places], width=width)
    (batch,) = batches_of(dataset, batch=8).predict_dataloader()
    inputs = seen(dataset, batch)
    longest = max(n for _, n in places)
    assert batch.values.dtype == torch.uint8, "bytes travel to the device"
    assert inputs.dtype == torch.float32
    assert inputs.shape[:3] == (len(places), 3, HEIGHT)
    assert inputs.shape[3] % COLUMN_MULTIPLE == 0
    assert longest <= inputs.shape[3] < longest + COLUMN_MULTIPLE
    assert batch.lengths.tolist() == [n for _, n in places]
    for i, (start, n) in enumerate(places):
        expected = dataset.values[i, :, start : start + n] / 255
        np.testing.assert_allclose(inputs[i, :, :, :n].permute(1, 2, 0), expected, atol=1e-6)
        assert not inputs[i, :, :, n:].any()


@pytest.mark.parametrize("width", [40, 43])
def test_paper_padding_gives_the_whole_frame(width):
    dataset = corpus([5, 30], [3, 0], width=width)
    (batch,) = batches_of(dataset, pad="paper").predict_dataloader()
    inputs = seen(dataset, batch)
    assert batch.lengths.tolist() == [width, width]
    np.testing.assert_allclose(inputs[..., :width].permute(0, 2, 3, 1), dataset.values / 255, atol=1e-6)
    assert not inputs[..., width:].any()


def test_labels_and_order_are_the_folds():
    dataset = corpus([8] * 11)
    fold = Fold(0, (0, 2, 4), (6, 8), (1, 3, 5, 7, 9, 10))
    batches = batches_of(dataset, fold, batch=2)
    for loader, part in ((batches.predict_dataloader(), fold.test), (batches.val_dataloader(), fold.validation)):
        assert [label for batch in loader for label in batch.labels.tolist()] == [i % 3 for i in part]
        images = torch.cat([batch.values for batch in loader])
        np.testing.assert_array_equal(images, dataset.values[list(part), :, :8])


def test_training_batches_hold_the_training_part_and_nothing_else():
    dataset = corpus([8 + i for i in range(12)])
    fold = Fold(0, (0, 2, 4, 6, 7), (8, 9), (1, 3, 5, 10, 11))
    lengths = [n for batch in batches_of(dataset, fold, batch=2).train_dataloader() for n in batch.lengths.tolist()]
    assert sorted(lengths) == [8 + i for i in fold.train]


def test_without_validation_part_the_epoch_is_chosen_on_the_test_part():
    dataset = corpus([8] * 6)
    (batch,) = batches_of(dataset, Fold(0, (0, 1, 2), (), (3, 4, 5))).val_dataloader()
    assert batch.labels.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(batch.values, dataset.values[3:, :, :8])


def test_standardised_training_part_has_mean_zero_and_deviation_one():
    dataset = corpus([11, 29, 7, 40, 16, 5], [3, 0, 20, 0, 24, 0])
    fold = Fold(0, (0, 1, 2, 3), (4,), (5,))
    statistics = measure(dataset, fold.train)
    columns = [
        image[:, :, :n]
        for batch in batches_of(dataset, fold).train_dataloader()
        for image, n in zip(seen(dataset, batch, statistics), batch.lengths, strict=True)
    ]
    columns = torch.cat(columns, dim=2).double()
    assert columns.shape[2] == 11 + 29 + 7 + 40
    np.testing.assert_allclose(columns.mean(dim=2), 0, atol=1e-5)
    np.testing.assert_allclose(columns.std(dim=2, unbiased=False), 1, atol=1e-5)


@pytest.mark.parametrize("pad", ["trim", "paper"])
def test_utterance_standardised_by_itself_has_mean_zero_and_little_less_than_its_own_deviation(pad):
    dataset = corpus([11, 29, 20], [3, 0, 20])
    statistics = measure(dataset, [0, 1, 2])
    (batch,) = batches_of(dataset, pad=pad).predict_dataloader()
    images = seen(dataset, batch, statistics, own=True)
    for image, levels, example in zip(images, dataset.values, dataset.examples, strict=True):
        spoken = levels[:, example.start : example.stop]
        deviation = spoken.std(axis=1)
        expected = deviation / (deviation + 0.1 * statistics.deviation[:, 0])
        own = image[:, :, example.start : example.stop] if pad == "paper" else image[:, :, : spoken.shape[1]]
        np.testing.assert_allclose(own.mean(dim=2), 0, atol=1e-5)
        np.testing.assert_allclose(own.std(dim=2, unbiased=False), expected.T, rtol=1e-3)


def test_utterance_standardised_by_itself_does_not_hear_a_filter():
    """Another level of each row, as of another microphone, leaves it as it was."""
    dataset, filtered = corpus([20, 20, 20]), corpus([20, 20, 20])
    dataset.values[:] //= 2
    filtered.values[:] = dataset.values + np.arange(HEIGHT, dtype=np.uint8)[:, None, None]
    statistics = measure(dataset, [0, 1])
    one, other = (
        torch.cat([seen(d, batch, statistics, own=True) for batch in batches_of(d).predict_dataloader()])
        for d in (dataset, filtered)
    )
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_row_that_never_varies_is_not_blown_up():
    dataset = corpus([40, 40])
    dataset.values[:, 2] = 7
    dataset.values[0, 2, 0] = 8
    statistics = measure(dataset, [0, 1])
    assert (statistics.deviation[2] == 1).all()
    (batch,) = batches_of(dataset).predict_dataloader()
    assert seen(dataset, batch, statistics)[:, :, 2].abs().max() <= 1


def test_statistics_come_from_the_training_part_alone():
    before, after = corpus([20] * 9), corpus([20] * 9)
    train, rest = [0, 3, 4], [1, 2, 5, 6, 7, 8]
    after.values[rest] = 255 - after.values[rest]
    after.values[train, :, 20:] = 0
    one, other = measure(before, train), measure(after, train)
    assert np.array_equal(one.mean, other.mean)
    assert np.array_equal(one.deviation, other.deviation)
    after.values[4, :, 10] = 0
    assert not np.array_equal(one.mean, measure(after, train).mean)


def test_statistics_are_those_of_numpy():
    dataset = corpus([11, 29, 7], [3, 0, 20])
    columns = np.concatenate([dataset.values[i, :, e.start : e.stop] for i, e in enumerate(dataset.examples)], axis=1)
    statistics = measure(dataset, [0, 1, 2])
    np.testing.assert_allclose(statistics.mean[:, 0], columns.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(statistics.deviation[:, 0], columns.astype(float).std(axis=1), rtol=1e-5)


@pytest.mark.parametrize("own", [False, True])
def test_levels_in_the_colours_of_a_table_are_seen_as_the_picture(own):
    """Exactly: to the last bit of float32."""
    rng = np.random.default_rng(0)
    table = rng.integers(0, 256, (256, 3), dtype=np.uint8)
    dataset = corpus([11, 29, 20], [3, 0, 20])
    levels = rng.integers(0, 256, dataset.values.shape[:3], dtype=np.uint8)
    pictures = table[levels]
    statistics = measure(SimpleNamespace(**vars(dataset) | {"utterance": pictures.__getitem__}), [0, 1, 2])
    coloured, plain = (
        SimpleNamespace(**vars(dataset) | {"values": values, "table": colours})
        for values, colours in ((levels, table), (pictures, None))
    )
    one, other = (
        seen(data, batch, statistics, own) for data in (coloured, plain) for batch in batches_of(data).predict_dataloader()
    )
    assert torch.equal(one, other)


def test_generators_continue_from_a_stored_state():
    dataset = corpus([8 + i for i in range(24)])
    settings = {"mask_columns": 4, "mixup": 0.3, "shift_rows": 2, "mask_rows": 2}

    def drawn_by(batches) -> list[list[int]]:
        return [
            [*batch.labels.tolist(), *batch.draws.shifts.tolist(), *batch.draws.partners.tolist()]
            for batch in batches.train_dataloader()
        ]

    one, other = (batches_of(dataset, seed=seed, **settings) for seed in (0, 1))
    drawn_by(one)
    other.load_state_dict(one.state_dict())
    assert drawn_by(one) == drawn_by(other)
