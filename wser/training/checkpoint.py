"""The state of a fold's training after its last epoch, from which a run that was killed continues."""

import io
import sys
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.checkpoint_io import CheckpointIO

from precompute.common import files
from precompute.common.provenance import version_of
from wser.results import PACKAGES, identity
from wser.training import hardware
from wser.training.lightning import pl
from wser.training.run import Run

LARGEST = 2**34
"""Bytes of a state that is read."""


class AfterEachEpoch(pl.Callback):
    """Has the state stored; the last callback of an epoch, since it stores those of the others.

    Args:
        path: Where.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: pl.Trainer, _: pl.LightningModule) -> None:
        """Store it."""
        trainer.save_checkpoint(self.path)


class Checkpoints(CheckpointIO):
    """Where the state is stored: one file, which is replaced by one rename.

    Continued, a run gives the same predictions to the byte as one that was never stopped, as long as software, threads and
    kernels are the same; a state of others is left aside.

    Args:
        run: Of which fold.
        computing: Threads, kernels and whatever else of this process changes the last digits of sums.
    """

    def __init__(self, run: Run, computing: dict[str, Any]) -> None:
        self.run = run
        self.path = run.checkpoint
        self.made_by = {
            "identity": identity.digest(run.identity),
            "code": identity.code(),
            "versions": {package: version_of(package) for package in PACKAGES},
            "accelerated": hardware.accelerated(run.config.train),
            **computing,
        }

    def stored(self) -> dict[str, Any] | None:
        """The state to continue from; None where there is none that fits."""
        if not files.exists(self.path, self.run.root):
            return None
        try:
            state: dict[str, Any] = self.load_checkpoint(self.path)
            made_by = state.get("made_by")
        except Exception:  # of a damaged file, PyTorch's reader raises whatever it meets
            made_by = None
        if made_by == self.made_by:
            return state
        print(
            f"warning: {self.path} is damaged, or was made by other software or hardware: its fold starts again",
            file=sys.stderr,
        )
        return None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        """Write a state, as Lightning asks for it."""
        file = io.BytesIO()
        torch.save(checkpoint | {"made_by": self.made_by}, file)
        files.replace(Path(path), file.getvalue(), self.run.root)

    def load_checkpoint(self, path: Any, *_: Any, **__: Any) -> dict[str, Any]:
        """Read a state, as Lightning asks for it."""
        content = io.BytesIO(files.read(Path(path), self.run.root, LARGEST))
        state: dict[str, Any] = torch.load(content, map_location="cpu", weights_only=True)
        return state

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a state, as Lightning asks for it."""
        files.unlink(Path(path), self.run.root)
