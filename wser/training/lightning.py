"""Lightning in one process, whatever the variables of a launcher say.

srun, torchrun, mpirun, jsrun and others tell each process that they start its rank by variables of the environment.
Lightning reads some of them when it is imported, and then logs nothing unless the rank is 0, and others when a trainer is
made, which then waits for the other processes, or refuses to be one of four.  A fold is one process, so none of this holds
here: every module takes Lightning from this one, and every trainer from `trainer`.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")
"""What Lightning reads when it is imported; a value that is no number would end it."""

DEFAULTS = "PL_TRAINER_"
"""Variables that begin like this change what a trainer does unless told, as PL_TRAINER_LIMIT_TRAIN_BATCHES does."""


@contextlib.contextmanager
def _unlaunched() -> Iterator[None]:
    """Hide what launchers and users of other programs tell Lightning; processes that are started meanwhile miss it too."""
    hidden = {name: value for name, value in os.environ.items() if name in RANKS or name.startswith(DEFAULTS)}
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)


with _unlaunched():
    import pytorch_lightning as pl
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment
    from lightning_utilities.core.rank_zero import rank_zero_only

__all__ = ["pl", "trainer"]

# Where it was imported earlier, as in a notebook that srun started.
rank_zero_only.rank = 0  # type: ignore[attr-defined]


def trainer(plugins: Sequence[Any] = (), **options: Any) -> pl.Trainer:
    """A trainer on one device of this process.

    Args:
        plugins: Of `pytorch_lightning.Trainer`.
        options: The others; those not given have its own defaults.
    """
    with _unlaunched():
        # Named, so that it does not look for another.
        return pl.Trainer(devices=1, num_nodes=1, plugins=[LightningEnvironment(), *plugins], **options)
