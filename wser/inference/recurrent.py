"""Recurrent layers as ONNX's own operators.

PyTorch's exporter takes an `nn.LSTM` or `nn.GRU` apart.  Where there were two, in one network or in one process, what it writes
may be for the length of the example alone (torch 2.13).
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn

OPSET = 14
"""Version of ONNX's operators that has these."""

GATES = {"LSTM": [0, 3, 1, 2], "GRU": [1, 0, 2]}
"""PyTorch's gates in the order of ONNX: input, output, forget, cell; and update, reset, new."""


class OnnxRecurrent(nn.Module):
    """A layer of one direction as a graph has it; it is traced, and not computed here.

    Args:
        layer: Whose weights it has.
    """

    of_input: Tensor
    of_state: Tensor
    bias: Tensor

    def __init__(self, layer: nn.LSTM | nn.GRU) -> None:
        super().__init__()
        self.kind, self.cells, self.batch_first = layer.mode, layer.hidden_size, layer.batch_first
        of_input, of_state, *biases = (self._gates(parameter.detach()) for parameter in layer.parameters())
        bias = torch.cat(biases) if biases else torch.zeros(2 * len(of_input))
        for name, values in (("of_input", of_input), ("of_state", of_state), ("bias", bias)):
            self.register_buffer(name, values[None])

    def forward(self, sequence: Tensor) -> tuple[Tensor, Tensor | tuple[Tensor, ...]]:
        """Outputs, and the last state, as of PyTorch's layer."""
        steps_first = sequence.transpose(0, 1) if self.batch_first else sequence
        steps, batch = steps_first.shape[:2]
        states = [(1, batch, self.cells)] * (2 if self.kind == "LSTM" else 1)
        # As PyTorch's GRU: the reset gate acts on the product with the state.
        settings: dict[str, Any] = {"hidden_size": self.cells} | ({"linear_before_reset": 1} if self.kind == "GRU" else {})
        outputs, *state = torch.onnx.ops.symbolic_multi_out(
            self.kind,
            [steps_first, self.of_input, self.of_state, self.bias],
            settings,
            dtypes=[sequence.dtype] * (1 + len(states)),
            shapes=[(steps, 1, batch, self.cells), *states],
            version=OPSET,
        )
        outputs = outputs[:, 0]
        return (outputs.transpose(0, 1) if self.batch_first else outputs), (tuple(state) if len(state) > 1 else state[0])

    def _gates(self, weights: Tensor) -> Tensor:
        order = GATES[self.kind]
        return weights.reshape(len(order), -1, *weights.shape[1:])[order].reshape(weights.shape)


def replaced(module: nn.Module) -> nn.Module:
    """A copy of a module whose recurrent layers are ONNX's, those of several layers or directions excepted."""
    copied = copy.deepcopy(module)
    for parent in [*copied.modules()]:
        for name, child in [*parent.named_children()]:
            if isinstance(child, nn.LSTM | nn.GRU) and child.num_layers == 1 and not (child.bidirectional or child.proj_size):
                setattr(parent, name, OnnxRecurrent(child))
    return copied
