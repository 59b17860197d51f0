"""The transform of a recipe as a network: from a waveform to the picture that caches hold of it."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from precompute.common.errors import RecipeError
from precompute.recipe import Recipe

LEAST_POWER = 1e-30
"""As in caches: what replaces zero before the logarithm."""

FAINTEST_DB = -200.0
"""As in caches: least peak that is put at the top of the range with `reference=peak`."""


class Transform(nn.Module):
    """What `precompute.extract` computes of one recording, to within one of 256 levels.

    Args:
        recipe: Of pictures of one wavelet transform, of its own size, that puts utterances at the beginning and adds no noise.
        whole: Whether the picture is that of the whole frame; otherwise it ends with the utterance.

    Raises:
        RecipeError: The recipe is another; the message says which part of it.
    """

    band: Tensor
    table: Tensor
    order: Tensor

    def __init__(self, recipe: Recipe, whole: bool) -> None:
        super().__init__()
        settings = recipe.parameters
        _check(recipe, settings)
        audio, convolutions = recipe.audio, recipe.feature.convolutions(recipe.audio)
        self.rate, self.low, self.high, self.frame = audio.sample_rate, audio.f_min, audio.f_max, audio.samples
        self.rms, self.whole, self.columns = audio.normalise == "rms", whole, recipe.array.steps
        self.samples = audio.samples // self.columns
        self.peak, self.top, self.range = settings["reference"] == "peak", settings["top_db"], settings["range_db"]
        self.strides = [(group.stride, group.reach + group.margin * group.stride) for group in convolutions]
        self.taps = nn.ParameterList(torch.from_numpy(group.taps.copy()) for group in convolutions)
        self.weights = nn.ParameterList(torch.from_numpy(group.weights.copy()) for group in convolutions)
        self.requires_grad_(False)
        rows = torch.cat([torch.from_numpy(group.rows) for group in convolutions])
        self.register_buffer("order", rows.argsort())
        colours = bytes.fromhex(recipe.record()["colour_table"])
        self.register_buffer("table", torch.frombuffer(bytearray(colours), dtype=torch.uint8).reshape(-1, 3))

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Picture and level.

        Args:
            waveform: At the rate of the recipe, full scale 1, float32 (samples,).

        Returns:
            The picture, uint8 (1, rows, columns, 3), a column for each begun one of the utterance; and the root mean square of
            the band from f_min to f_max, float32 (), by which the waveform is divided where the recipe says so.
        """
        centred = waveform - waveform.mean()
        level = self._level(centred)
        power = self._power((centred / level if self.rms else centred)[: self.frame])
        decibels = power.clamp(min=LEAST_POWER).log10() * 10
        top = decibels.max().clamp(min=FAINTEST_DB) if self.peak else self.top
        levels = ((decibels - top + self.range) * (255 / self.range)).clamp(0, 255).round()
        return self.table[levels.long()][None], level

    def _level(self, centred: Tensor) -> Tensor:
        """By Parseval's theorem, as `precompute.audio.condition.level`."""
        # As a tensor, since graphs multiply tensors by no length.
        n = torch.ones_like(centred).sum()
        squares = torch.view_as_real(torch.fft.rfft(centred)).square().sum(dim=1)
        hertz = torch.arange(squares.shape[0]) / n * self.rate
        within = (hertz >= self.low) & (hertz <= self.high) & (hertz > 0)
        # Nyquist's bin has no twin among the negative frequencies.
        twins = torch.where(hertz < self.rate / 2, 2.0, 1.0)
        return (squares * twins * within).sum().sqrt() / n

    def _power(self, utterance: Tensor) -> Tensor:
        """Mean power of each scale in each column, (rows, columns)."""
        columns = self.columns if self.whole else (utterance.shape[0] + self.samples - 1) // self.samples
        powers = []
        for (stride, margin), taps, weights in zip(self.strides, self.taps, self.weights, strict=True):
            around = functional.pad(utterance[None], (margin, margin + columns * self.samples - utterance.shape[0]))
            coefficients = functional.conv1d(around, taps.flatten(0, 1)[:, None], stride=stride)
            squares = coefficients.square().reshape(*taps.shape[:2], -1).sum(dim=0)
            powers.append(
                functional.conv1d(squares[:, None], weights[None, None], stride=self.samples // stride)[:, 0, :columns]
            )
        return torch.cat(powers)[self.order]


def _check(recipe: Recipe, settings: dict[str, object]) -> None:
    """Refuse what the graph would compute differently from a cache."""
    audio = recipe.audio
    if recipe.array.kind != "picture":
        raise RecipeError(f"the recipe gives {recipe.array.kind}, and the graph gives pictures: give a recipe of scalograms")
    if audio.noise != "none":
        raise RecipeError(f"noise={audio.noise} is drawn by the name of each recording: give noise=none")
    if audio.pad != "end":
        raise RecipeError(f"pad={audio.pad} places the utterance in the frame by its length or name: give pad=end")
    if recipe.array.shape[:2] != (settings["scales"], settings["columns"]):
        raise RecipeError(f"height={settings['height']} and width={settings['width']} resize the picture: leave them out")
