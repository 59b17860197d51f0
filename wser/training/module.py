"""The Lightning module: a model, its loss, optimiser and schedule."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from wser.config.schema import TrainConfig
from wser.training import forward
from wser.training.augmentation import augment, mix
from wser.training.batches import Batch
from wser.training.lightning import pl

OPTIMISERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adamax": torch.optim.Adamax,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
}

FUSED = ("adam", "adamw", "sgd")
"""Optimisers of which PyTorch has a fused kernel."""


class Training(pl.LightningModule):
    """Trains one model on one fold.

    Args:
        model: From pictures and lengths to logits.
        standardise: From the values of a batch to pictures.
        train: How to train.
        weights: Of each class in the training loss, float32 (classes,); None weighs them alike.
    """

    class_weights: Tensor | None

    def __init__(self, model: nn.Module, standardise: nn.Module, train: TrainConfig, weights: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("class_weights", weights, persistent=False)
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.standardise, self.train_config = standardise, train

    def training_step(self, batch: Batch, _: int) -> dict[str, Tensor]:
        """Loss of one batch; loss, hits and number of utterances for the curves."""
        images, lengths, share = self._images(batch), batch.lengths, 1.0
        if batch.draws:
            share, partners = batch.draws.share, batch.draws.partners
            images = mix(augment(images, batch.draws), batch.draws)
            lengths = torch.maximum(lengths, lengths[partners])
        logits = forward.logits(self.model, images, lengths)
        loss = share * self._loss(logits, batch.labels)
        if share < 1:
            loss = loss + (1 - share) * self._loss(logits, batch.labels[partners])
        return {"loss": loss, "hits": (logits.argmax(1) == batch.labels).sum(), "count": torch.tensor(len(batch.labels))}

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        smoothing = self.train_config.label_smoothing
        return functional.cross_entropy(logits, labels, self.class_weights, label_smoothing=smoothing)

    def _images(self, batch: Batch) -> Tensor:
        images: Tensor = self.standardise(batch.values, batch.lengths, batch.spoken, batch.speakers)
        return images

    def _logits(self, batch: Batch) -> Tensor:
        return forward.logits(self.model, self._images(batch), batch.lengths)

    def validation_step(self, batch: Batch, _: int) -> dict[str, Tensor]:
        """Summed loss and logits of one batch."""
        logits = self._logits(batch)
        return {
            "loss": functional.cross_entropy(logits, batch.labels, reduction="sum"),
            "logits": logits,
            "labels": batch.labels,
        }

    def predict_step(self, batch: Batch, _: int) -> Tensor:
        """Class probabilities, computed in float32, (batch, classes)."""
        with torch.autocast(self.device.type, enabled=False):
            probabilities: Tensor = self._logits(batch).softmax(dim=1)
        return probabilities

    def configure_optimizers(self) -> Any:
        """Optimiser and, with `one_cycle`, its schedule by step."""
        config = self.train_config
        # One kernel for all parameters instead of ten small ones for each.
        fused = {"fused": True} if config.optimiser in FUSED else {}
        optimiser = OPTIMISERS[config.optimiser](self.parameters(), lr=config.lr, weight_decay=config.weight_decay, **fused)
        if config.schedule == "constant":
            return optimiser
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.lr, total_steps=steps)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, _: int) -> Batch:
        """The batch on the device."""
        return batch.to(device)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the state of the generators of dropout."""
        checkpoint["generators"] = [torch.get_rng_state(), *torch.cuda.get_rng_state_all()]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Set the generators of dropout."""
        own, *of_devices = checkpoint["generators"]
        torch.set_rng_state(own)
        torch.cuda.set_rng_state_all(of_devices)

    def weights(self) -> Mapping[str, Tensor]:
        """A copy of the model's state on the CPU."""
        return {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}


def class_weights(labels: Sequence[int], classes: int) -> Tensor:
    """Weights inverse to how often each class occurs, whose mean over the utterances is 1.

    Args:
        labels: Classes of the training set.
        classes: How many there are; one that does not occur has weight 0, or label smoothing would pull towards it.

    Returns:
        float32 (classes,).
    """
    counts = np.bincount(labels, minlength=classes)
    weights = len(labels) / (len(set(labels)) * np.maximum(counts, 1))
    return torch.from_numpy(np.where(counts > 0, weights, 0).astype(np.float32))
