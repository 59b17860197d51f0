"""Layers and sizes of Zhao et al. 2018, and the log-mel spectrograms that it computes."""

import numpy as np
import pytest
import torch

from precompute.recipe import named
from wser.config.compose import load
from wser.execution import describe
from wser.models import _zhao2018


def test_sizes_are_those_of_the_drawing():
    (config,) = load(["model=zhao2018"])
    rows = describe.layers(config, named(config.recipe).array, 7)
    pooled = [row.shape for row in rows if "pooling" in row.name]
    of_waves = [(64, 1, 32000), (64, 1, 8000), (128, 1, 2000), (128, 1, 500)]
    of_bands = [(64, 64, 125), (64, 16, 31), (128, 4, 7), (128, 1, 1)]
    assert pooled == of_waves + of_bands
    assert [row.shape for row in rows if row.name == "log-mel"] == [(1, 128, 250)]
    weights = 64 + 64 * 64 + 64 * 128 + 128 * 128
    norms = 2 * (64 + 64 + 128 + 128)
    assert sum(row.parameters for row in rows) == (3 + 9) * weights + 2 * norms + 2 + 2 * 129 * 128 + 257 * 7


@pytest.mark.parametrize("hertz", [300, 1000, 4000])
def test_a_tone_is_loudest_in_the_band_of_its_frequency(hertz):
    tone = torch.sin(2 * torch.pi * hertz * torch.arange(16000) / 16000)[None, None]
    maps, steps = _zhao2018.LogMel()(tone, torch.tensor([16000]))
    assert maps.shape == (1, 1, 128, 32)
    assert steps.tolist() == [32]
    band = int(maps[0, 0, :, 16].argmax())
    # Centres of bands are equally spaced in mel.
    mel = np.log1p(hertz / 700) / np.log1p(8000 / 700) * 129 - 1
    assert abs(band - mel) <= 1


def test_white_noise_has_its_power_in_each_bin():
    noise = torch.randn(1, 1, 160000, generator=torch.Generator().manual_seed(0))
    module = _zhao2018.LogMel()
    maps, _ = module(noise, torch.tensor([160000]))
    per_bin = maps.exp()[0, 0, 64:, 5:-5].mean(dim=1) / module.bank[64:].sum(dim=1)
    torch.testing.assert_close(per_bin, torch.ones(64), rtol=0.15, atol=0)
