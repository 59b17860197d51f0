"""An LSTM as ONNX's own operator.

PyTorch's exporter takes an `nn.LSTM` apart.  Where there were two, in one network or in one process, what it writes may be for
the length of the example alone (torch 2.13).
"""

import copy

import torch
from torch import Tensor, nn

OPSET = 14
"""Version of ONNX's operators that has this LSTM."""

GATES = [0, 3, 1, 2]
"""PyTorch's gates (input, forget, cell, output) in the order of ONNX: input, output, forget, cell."""


class OnnxLSTM(nn.Module):
    """What stands in a graph for an `nn.LSTM` of one layer and one direction; it is traced, and not computed here.

    Args:
        lstm: Whose weights it has.
    """

    of_input: Tensor
    of_state: Tensor
    bias: Tensor

    def __init__(self, lstm: nn.LSTM) -> None:
        super().__init__()
        self.hidden, self.batch_first = lstm.hidden_size, lstm.batch_first
        of_input, of_state, *biases = (parameter.detach() for parameter in lstm.parameters())
        self.register_buffer("of_input", _gates(of_input)[None])
        self.register_buffer("of_state", _gates(of_state)[None])
        bias = torch.cat([_gates(bias) for bias in biases]) if biases else torch.zeros(8 * self.hidden)
        self.register_buffer("bias", bias[None])

    def forward(self, sequence: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Outputs, and the last state, as of `nn.LSTM`."""
        steps_first = sequence.transpose(0, 1) if self.batch_first else sequence
        steps, batch = steps_first.shape[:2]
        outputs, hidden, cell = torch.onnx.ops.symbolic_multi_out(
            "LSTM",
            [steps_first, self.of_input, self.of_state, self.bias],
            {"hidden_size": self.hidden},
            dtypes=[sequence.dtype] * 3,
            shapes=[(steps, 1, batch, self.hidden), (1, batch, self.hidden), (1, batch, self.hidden)],
            version=OPSET,
        )
        outputs = outputs[:, 0]
        return (outputs.transpose(0, 1) if self.batch_first else outputs), (hidden, cell)


def replaced(module: nn.Module) -> nn.Module:
    """A copy of a module whose LSTMs are ONNX's, those of several layers or directions excepted."""
    copied = copy.deepcopy(module)
    for parent in [*copied.modules()]:
        for name, child in [*parent.named_children()]:
            if type(child) is nn.LSTM and child.num_layers == 1 and not (child.bidirectional or child.proj_size):
                setattr(parent, name, OnnxLSTM(child))
    return copied


def _gates(weights: Tensor) -> Tensor:
    return weights.reshape(4, -1, *weights.shape[1:])[GATES].reshape(weights.shape)
