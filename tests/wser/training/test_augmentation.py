import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wser.config.schema import DataConfig, TrainConfig
from wser.training.augmentation import augment, draw, mix
from wser.training.batches import Batch
from wser.training.module import Training

LENGTHS = [24, 20, 5]


def speech(batch: int = 3, height: int = 12, columns: int = 24) -> torch.Tensor:
    return 1 + torch.rand(batch, 3, height, columns, generator=torch.Generator().manual_seed(0))


def drawn(seed: int, lengths=LENGTHS, height: int = 12, **config):
    return draw(lengths, height, DataConfig(**config), np.random.default_rng(seed))


@given(seed=st.integers(0, 1000))
def test_no_augmentation_leaves_pictures_untouched(seed):
    draws = drawn(seed)
    assert torch.equal(augment(speech(), draws), speech())
    assert torch.equal(mix(speech(), draws), speech())
    assert draws.partners.tolist() == [0, 1, 2]
    assert draws.share == 1


@given(rows=st.integers(0, 20), columns=st.integers(0, 40), seed=st.integers(0, 10_000))
def test_masks_are_bands_of_zeros_of_limited_width_and_change_nothing_else(rows, columns, seed):
    images = speech()
    for i, length in enumerate(LENGTHS):
        images[i, ..., length:] = 0
    before = images.clone()
    masked = augment(images, drawn(seed, mask_rows=rows, mask_columns=columns))
    assert torch.equal(images, before), "the pictures given are left unchanged"
    for was, now, length in zip(before, masked, LENGTHS, strict=True):
        same = now == was
        assert (same | (now == 0)).all()
        hidden = ~same[0, :, :length]
        masked_rows, masked_columns = hidden.all(1), hidden.all(0)
        for band, most, extent in ((masked_rows, rows, 12), (masked_columns, columns, length)):
            assert band.sum() <= min(most, extent // 2), "at most half of a picture is hidden"
            places = band.nonzero().flatten()
            assert len(places) == 0 or places[-1] - places[0] + 1 == len(places), "one band"
        assert torch.equal(hidden, masked_rows[:, None] | masked_columns[None])
        assert torch.equal(same[0], same[1])


@pytest.mark.parametrize("most", [1, 3, 12, 20, 30])
def test_shift_moves_rows_by_at_most_so_many_and_fills_with_zeros(most):
    picture = torch.arange(1.0, 13).repeat(24, 1).T.expand(1, 3, 12, 24).contiguous()
    seen = set()
    for seed in range(60):
        rows = augment(picture, drawn(seed, [24], shift_rows=most))[0, 0, :, 0].tolist()
        candidates = range(-most, most + 1)
        by = [s for s in candidates if rows == [i - s + 1 if 0 <= i - s < 12 else 0 for i in range(12)]]
        assert by, rows
        seen.update(by[:1])
    assert len(seen) > 1


def test_what_lies_within_a_mask_is_drawn_after_the_shift():
    """A picture that is shifted and masked is the shifted one, masked."""
    settings = {"shift_rows": 5, "mask_rows": 4, "mask_columns": 6}
    for seed in range(20):
        draws = drawn(seed, **settings)
        expected = torch.zeros_like(speech())
        for i, image in enumerate(speech()):
            by = int(draws.shifts[i])
            for row in range(12):
                if 0 <= row - by < 12 and not draws.rows[i, 0] <= row < draws.rows[i, 1]:
                    expected[i, :, row] = image[:, row - by]
            expected[i, ..., int(draws.columns[i, 0]) : int(draws.columns[i, 1])] = 0
        assert torch.equal(augment(speech(), draws), expected)


def test_samples_of_a_waveform_are_masked_and_nothing_is_shifted():
    wave = 1 + torch.rand(3, 1, 24)
    draws = drawn(3, height=0, shift_rows=4, mask_rows=4, mask_columns=10)
    masked = augment(wave, draws)
    for i, (start, stop) in enumerate(draws.columns.tolist()):
        assert torch.equal((masked[i, 0] == 0).nonzero().flatten(), torch.arange(start, stop))
        assert torch.equal(masked[i, 0, stop:], wave[i, 0, stop:])


@given(alpha=st.floats(0.01, 10), batch=st.integers(1, 8), seed=st.integers(0, 10_000))
def test_mixtures_are_of_a_picture_and_at_most_as_much_of_its_partner(alpha, batch, seed):
    images, draws = speech(batch), drawn(seed, [24] * batch, mixup=alpha)
    mixed, share = mix(images, draws), draws.share
    assert 0.5 <= share <= 1
    assert sorted(draws.partners.tolist()) == list(range(batch))
    torch.testing.assert_close(mixed, share * images + (1 - share) * images[draws.partners])
    assert torch.equal(images, speech(batch))


@given(seed=st.integers(0, 1000))
def test_augmentation_follows_from_its_generator(seed):
    config = {"mask_rows": 4, "mask_columns": 8, "shift_rows": 3}
    torch.manual_seed(seed)
    one = augment(speech(), drawn(seed, **config))
    torch.manual_seed(seed + 1)
    assert torch.equal(augment(speech(), drawn(seed, **config)), one)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("alpha", [0.0, 0.4])
def test_loss_weighs_both_labels_of_a_mixture_by_their_shares(alpha, smoothing):
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    images, labels, lengths = speech(4), torch.tensor([0, 1, 2, 0]), torch.tensor([24, 20, 5, 9])
    draws = drawn(5, lengths.tolist(), mixup=alpha)
    seen = {}

    class Fixed(torch.nn.Module):
        def forward(self, given, columns):
            seen.update(images=given, columns=columns)
            return logits

    training = Training(Fixed(), lambda values, *_: values, TrainConfig(label_smoothing=smoothing))
    result = training.training_step(Batch(images, lengths, torch.zeros(4, 2), labels, torch.zeros(4), draws), 0)
    other, share = draws.partners, draws.share
    assert torch.equal(seen["images"], mix(images, draws))
    assert seen["columns"].tolist() == [max(a, b) for a, b in zip(lengths, lengths[other], strict=True)]
    own, partner = (torch.nn.functional.cross_entropy(logits, of, label_smoothing=smoothing) for of in (labels, labels[other]))
    assert (share < 1) == (alpha > 0)
    torch.testing.assert_close(result["loss"], share * own + (1 - share) * partner)
    assert int(result["count"]) == 4
