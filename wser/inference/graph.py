"""Modules of PyTorch as graphs that other software runs (ONNX), by PyTorch's own exporter."""

import builtins
import contextlib
import importlib.util
import io
import logging
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from precompute.common.errors import WserError, reason

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
"""What exporting needs besides PyTorch: the format, what runs it for the check, and what PyTorch's exporter writes with."""


class OnnxMissingError(WserError, ImportError):
    """A graph is asked for, and a package that makes it is not installed."""


class ExportError(WserError):
    """A network cannot be written as a graph, or the graph differs from the network."""


def require() -> None:
    """Refuse to continue without the packages of graphs.

    Raises:
        OnnxMissingError: One of them is not installed.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise OnnxMissingError(
            f"an ONNX file needs {', '.join(missing)}, which this Python lacks: run python -m pip install {' '.join(missing)}"
        )


def graph(
    module: "nn.Module", examples: "Mapping[str, Tensor]", dynamic: Mapping[str, Mapping[int, str]], outputs: Sequence[str]
) -> bytes:
    """The ONNX file of a module.

    Args:
        module: For evaluation, on the CPU.
        examples: Each of its inputs, by name, in order.
        dynamic: Of inputs that may have other lengths than their examples, the axes and what these are called.
        outputs: Names of what it gives.

    Raises:
        ExportError: PyTorch cannot export it.
    """
    import torch

    from wser.inference import recurrent

    with _quiet(), _symbolic_len(module):
        try:
            program = torch.onnx.export(
                recurrent.replaced(module),
                tuple(examples.values()),
                dynamo=True,
                verbose=False,
                input_names=list(examples),
                output_names=list(outputs),
                dynamic_shapes=tuple(dict(dynamic.get(name, {})) for name in examples),
            )
        except Exception as error:  # the exporter wraps whatever a module of others raises
            why = next((line for line in str(error.__cause__ or error).splitlines() if line.strip()), type(error).__name__)
            raise ExportError(
                f"PyTorch cannot write {type(module).__name__} as ONNX ({why.strip()[:200]}): use operations that "
                "torch.onnx.export knows"
            ) from None
    if program is None:
        raise ExportError(f"PyTorch gave no ONNX program of {type(module).__name__}: install the version of torch that we name")
    proto = program.model_proto
    # The exporter notes in which lines, of which files of this machine, each step was computed.
    for part in (proto.graph, *proto.graph.node, *proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        del part.metadata_props[:]
    content: bytes = proto.SerializeToString()
    return content


class Session:
    """A graph as onnxruntime runs it, on one core.

    Args:
        content: Of the ONNX file.
    """

    def __init__(self, content: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4  # what fails is an exception
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def __call__(self, **inputs: "NDArray[Any]") -> "list[NDArray[Any]]":
        """What it gives, in order.

        Raises:
            ExportError: It cannot be run.
        """
        try:
            outputs: list[NDArray[np.generic]] = self._session.run(None, inputs)
        except Exception as error:  # onnxruntime has an exception of its own for each status
            raise ExportError(
                f"onnxruntime cannot run the graph ({reason(error)}): use layers that torch.onnx.export knows for any length"
            ) from None
        return outputs


@contextlib.contextmanager
def _symbolic_len(module: "nn.Module") -> Iterator[None]:
    """Have `len`, in the code of a module's layers, give the first length of a tensor as the symbol that it is in tracing.

    Python's own gives a number, and the graph would be for the batch of the example alone.
    """
    own = {type(part).__module__ for part in module.modules()}
    # Layers call functions of the files beside their own.
    rooms = {name.rpartition(".")[0] for name in own} - {""}
    files = [file for name, file in list(sys.modules.items()) if name in own or name.rpartition(".")[0] in rooms]
    ours = [vars(file) for file in files if file.__name__.partition(".")[0] != "torch" and "len" not in vars(file)]
    for names in ours:
        names["len"] = lambda value: value.shape[0] if hasattr(value, "shape") else builtins.len(value)
    try:
        yield
    finally:
        for names in ours:
            del names["len"]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of its own steps; what goes wrong is an exception."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
