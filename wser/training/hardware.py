"""What this machine computes on, and in which precision; PyTorch is loaded only where a file of the system does not say."""

import platform
import sys
from pathlib import Path
from typing import Literal

from wser.config.schema import ConfigError, TrainConfig

Precision = Literal["32-true", "bf16-mixed"]
"""As Lightning names it."""

ACCELERATORS = ("nvidia*", "nvhost*", "nvmap", "kfd", "dxg")
"""Devices under /dev, one of which exists if PyTorch can find a GPU: CUDA's, Tegra's, ROCm's, and WSL's."""


def accelerated(config: TrainConfig) -> bool:
    """Whether runs of this configuration go to a GPU here.

    Raises:
        ConfigError: The configuration asks for a device that is not here.
    """
    if not _may_be_accelerated(config):
        return False
    import torch

    exists = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    devices = [name for name in exists if exists[name]]
    if config.device not in ("auto", "cpu", *devices):
        raise ConfigError(f"train.device={config.device} is not here: choose from {', '.join(['auto', 'cpu', *devices])}")
    return bool(devices)


def precision(config: TrainConfig) -> Precision:
    """Precision of training on this machine: bfloat16 where `auto` finds instructions for it.

    Raises:
        ConfigError: The configuration asks for a device that is not here.
    """
    if config.precision != "auto":
        return "32-true" if config.precision == "fp32" else "bf16-mixed"
    if accelerated(config):
        import torch

        native = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = cpu_has_bf16()
    return "bf16-mixed" if native else "32-true"


def _may_be_accelerated(config: TrainConfig) -> bool:
    if config.device != "auto":
        return config.device != "cpu"
    return sys.platform != "linux" or any(device for name in ACCELERATORS for device in Path("/dev").glob(name))


def cpu_has_bf16() -> bool:
    """Whether the CPU has bfloat16 instructions that PyTorch's kernels use."""
    x86 = platform.machine() in ("x86_64", "AMD64")
    if x86 and sys.platform == "linux":
        flags = next((line for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines() if line.startswith("flags")), "")
        return "avx512_bf16" in flags.split()
    import torch

    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    # On x86, oneDNN also answers yes where it would emulate.
    return bool(torch.cpu._is_avx512_bf16_supported() if x86 else torch.ops.mkldnn._is_mkldnn_bf16_supported())
