from types import SimpleNamespace

import pytest
import torch

from wser.config.compose import load
from wser.config.schema import ConfigError
from wser.training.network import WORTH_COMPILING, fuse


class Network:
    """Notes for what it was fused, or cannot be."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.dtypes = error, []

    def fuse(self, dtype: torch.dtype) -> None:
        if self.error:
            raise self.error
        self.dtypes.append(dtype)


def config(compiling: str):
    (loaded,) = load([f"train.compile={compiling}", "train.device=cpu"])
    return loaded


@pytest.mark.parametrize(
    ("compiling", "seen", "done"),
    [
        ("auto", WORTH_COMPILING, True),
        ("auto", WORTH_COMPILING - 1, False),
        ("always", 1, True),
        ("never", 10**9, False),
    ],
)
def test_loops_are_compiled_where_it_is_asked_for_or_pays(compiling, seen, done):
    network = Network()
    assert fuse(network, config(compiling), seen, "bf16-mixed") == done
    assert network.dtypes == ([torch.bfloat16] if done else [])


def test_a_network_that_cannot_is_left_as_it_is_unless_it_must():
    without, broken = SimpleNamespace(), Network(RuntimeError("no compiler"))
    for network, says in ((without, "model=three_pipe"), (broken, "no compiler")):
        assert not fuse(network, config("auto"), 10**9, "32-true")
        with pytest.raises(ConfigError) as refused:
            fuse(network, config("always"), 10**9, "32-true")
        assert says in str(refused.value)
        assert "train.compile=never" in str(refused.value)
