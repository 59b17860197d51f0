"""Where work is done: the settings, and how a command line says them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

from precompute.common.errors import UsageError, unknown
from precompute.common.settings import check_limits, check_words, facts, refusal, setting, types

OF_SLURM = {"executor.name": ["slurm"]}


@dataclass
class ExecutorConfig:
    """Where work is done.

    Attributes:
        name: `loky` is processes of this machine, `dask` the workers of a running Dask cluster, `slurm` workers that are
            started as jobs of Slurm.  `executor=NAME` is short for it.
        address: Address of the scheduler of the Dask cluster, such as tcp://host:8786.
        workers: Jobs of Slurm at once; each does one piece of work at a time.
        partition: Partition of Slurm; null is the cluster's default.
        cores: Cores of each job, and threads of each fold, unless `train.threads` gives another number.
        memory: Memory of each job.
        time: Time limit of each job, as sbatch takes it.  Another job continues what one could not finish in time.
        gpus: GPUs of each job.
    """

    name: Literal["loky", "dask", "slurm"] = setting("loky", hashed=False, swept=False)
    address: str | None = setting(None, hashed=False, swept=False, text=True, read_with={"executor.name": ["dask"]})
    workers: int = setting(10, low=1, high=10_000, hashed=False, swept=False, read_with=OF_SLURM)
    partition: str | None = setting(None, hashed=False, swept=False, text=True, read_with=OF_SLURM)
    cores: int = setting(1, low=1, high=1024, hashed=False, swept=False, read_with=OF_SLURM)
    memory: str = setting("4GB", hashed=False, swept=False, text=True, read_with=OF_SLURM)
    time: str = setting("04:00:00", hashed=False, swept=False, text=True, read_with=OF_SLURM)
    gpus: int = setting(0, low=0, high=1024, hashed=False, swept=False, read_with=OF_SLURM)

    @property
    def is_cluster(self) -> bool:
        """Whether the work is done by other machines, as far as this one knows."""
        return self.name != "loky"


THIS_MACHINE = ExecutorConfig()


def parse(words: Sequence[str]) -> ExecutorConfig:
    """Where work is done, as a command line says it.

    Args:
        words: The name, and then `key=value` for further settings.

    Raises:
        UsageError: A word is no setting, its value is outside its limits, or it has no effect.
    """
    config, kinds = ExecutorConfig(), types(ExecutorConfig)
    texts = dict((word if "=" in word else f"name={word}").split("=", 1) for word in words)
    for key, text in texts.items():
        if key not in kinds:
            raise UsageError(unknown("setting of --executor", key, kinds))
        if kinds[key] is int and not text.isdecimal():
            raise UsageError(f"--executor {key}={text} is not a whole number: write it as in {key}=2")
        setattr(config, key, int(text) if kinds[key] is int else text)
    check_words(config, UsageError, "--executor ")
    check_limits(config, UsageError, "--executor ")
    settings = {f"executor.{key}": value for key, value in vars(config).items()}
    for field in fields(config):
        if field.name in texts and (why := refusal(f"executor.{field.name}", facts(field).readers, settings)):
            raise UsageError(why)
    return config
