"""The Lightning module: a model, its loss, augmentation, optimiser and schedule."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from wser.config.schema import DataConfig, TrainConfig
from wser.training.batches import Batch
from wser.training.lightning import pl

OPTIMISERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adamax": torch.optim.Adamax,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
}


class Training(pl.LightningModule):
    """Trains one model on one fold.

    Args:
        model: From pictures and lengths to logits.
        train: How to train.
        data: How to augment.
        seed: Of augmentation.
        weights: Of each class in the training loss, float32 (classes,); None weighs them alike.
    """

    class_weights: Tensor | None

    def __init__(
        self, model: nn.Module, train: TrainConfig, data: DataConfig, seed: int, weights: Tensor | None = None
    ) -> None:
        super().__init__()
        self.register_buffer("class_weights", weights, persistent=False)
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.train_config, self.data_config = train, data
        self.rng = np.random.default_rng(seed)

    def training_step(self, batch: Batch, _: int) -> dict[str, Tensor]:
        """Loss of one batch; loss, hits and number of utterances for the curves."""
        images = augment(batch.inputs, batch.lengths, self.data_config, self.rng)
        images, other, share = mix(images, self.data_config.mixup, self.rng)
        logits = self.model(images, torch.maximum(batch.lengths, batch.lengths[other])).float()
        loss = share * self._loss(logits, batch.labels)
        if share < 1:
            loss = loss + (1 - share) * self._loss(logits, batch.labels[other])
        return {"loss": loss, "hits": (logits.argmax(1) == batch.labels).sum(), "count": torch.tensor(len(batch.labels))}

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        smoothing = self.train_config.label_smoothing
        return functional.cross_entropy(logits, labels, self.class_weights, label_smoothing=smoothing)

    def validation_step(self, batch: Batch, _: int) -> dict[str, Tensor]:
        """Summed loss and logits of one batch."""
        logits = self.model(batch.inputs, batch.lengths).float()
        return {
            "loss": functional.cross_entropy(logits, batch.labels, reduction="sum"),
            "logits": logits,
            "labels": batch.labels,
        }

    def predict_step(self, batch: Batch, _: int) -> Tensor:
        """Class probabilities, float32 (batch, classes)."""
        probabilities: Tensor = self.model(batch.inputs, batch.lengths).float().softmax(dim=1)
        return probabilities

    def configure_optimizers(self) -> Any:
        """Optimiser and, with `one_cycle`, its schedule by step."""
        config = self.train_config
        optimiser = OPTIMISERS[config.optimiser](self.parameters(), lr=config.lr, weight_decay=config.weight_decay)
        if config.schedule == "constant":
            return optimiser
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.lr, total_steps=steps)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, _: int) -> Batch:
        """The batch on the device, pictures channels-last."""
        stored = torch.channels_last if batch.inputs.ndim == 4 else torch.preserve_format
        inputs = batch.inputs.to(device, memory_format=stored)
        return Batch(inputs, batch.lengths.to(device), batch.labels.to(device))

    def weights(self) -> Mapping[str, Tensor]:
        """A copy of the model's state on the CPU."""
        return {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}


def class_weights(labels: Sequence[int], classes: int) -> Tensor:
    """Weights inverse to how often each class occurs, whose mean over the utterances is 1.

    Args:
        labels: Classes of the training part.
        classes: How many there are; one that does not occur has weight 0, or label smoothing would pull towards it.

    Returns:
        float32 (classes,).
    """
    counts = np.bincount(labels, minlength=classes)
    weights = len(labels) / (len(set(labels)) * np.maximum(counts, 1))
    return torch.from_numpy(np.where(counts > 0, weights, 0).astype(np.float32))


def augment(images: Tensor, lengths: Tensor, config: DataConfig, rng: np.random.Generator) -> Tensor:
    """Shift training pictures along the frequency axis and mask a band of rows and one of columns; of waveforms, of samples.

    Masking with zero, the mean of standardised pictures, is SpecAugment's (Park et al. 2019, doi
    10.21437/Interspeech.2019-2680), one mask of each kind.

    Args:
        images: float (batch, channels, height, columns), or (batch, channels, samples); left unchanged.
        lengths: Columns (or samples) of each utterance.
        config: Sizes of shifts and masks.
        rng: Source of randomness.
    """
    if not (config.shift_rows or config.mask_rows or config.mask_columns):
        return images
    images = images.clone()
    rows = images.shape[2] if images.ndim == 4 else 0
    for image, length in zip(images, lengths.tolist(), strict=True):
        if config.shift_rows and rows:
            shift = int(rng.integers(-config.shift_rows, config.shift_rows + 1))
            shifted = image.roll(shift, dims=1)
            edge = slice(0, shift) if shift > 0 else slice(image.shape[1] + shift, image.shape[1])
            shifted[:, edge] = 0
            image.copy_(shifted)
        bands = ((1, rows, config.mask_rows),) if rows else ()
        for axis, extent, most in (*bands, (image.ndim - 1, length, config.mask_columns)):
            width = int(rng.integers(0, min(most, extent // 2) + 1))
            start = int(rng.integers(0, extent - width + 1))
            image.narrow(axis, start, width).zero_()
    return images


def mix(images: Tensor, alpha: float, rng: np.random.Generator) -> tuple[Tensor, Tensor, float]:
    """Mixup (Zhang et al. 2018, arXiv 1710.09412): each picture with another of the batch.

    Returns:
        The mixtures, the index of each picture's partner, and the share of the picture itself.
    """
    if not alpha:
        return images, torch.arange(len(images), device=images.device), 1.0
    share = float(rng.beta(alpha, alpha))
    share = max(share, 1 - share)
    other = torch.from_numpy(rng.permutation(len(images))).to(images.device)
    return share * images + (1 - share) * images[other], other, share
