"""Recurrent layers give in a graph what they give in PyTorch, for any length."""

import numpy as np
import pytest
import torch
from torch import nn

from wser.inference import graph

pytestmark = pytest.mark.slow


class Both(nn.Module):
    """An LSTM, then a GRU on its outputs; outputs and last states of both."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.lstm, self.gru = nn.LSTM(5, 3, batch_first=True), nn.GRU(3, 4, batch_first=True, bias=False)

    def forward(self, sequence):
        outputs, (hidden, cell) = self.lstm(sequence)
        last, state = self.gru(outputs)
        return torch.cat([last[:, -1], state[0], hidden[0], cell[0]], dim=1)


def test_outputs_and_states_are_those_of_pytorch():
    module = Both().eval()
    made = graph.graph(module, {"x": torch.randn(3, 7, 5)}, {"x": {0: "batch", 1: "steps"}}, ["y"])
    session = graph.Session(made)
    assert isinstance(module.lstm, nn.LSTM), "the module itself stays as it was"
    for shape in ((3, 7, 5), (1, 1, 5), (4, 20, 5)):
        x = torch.randn(shape)
        np.testing.assert_allclose(session(x=x.numpy())[0], module(x).detach().numpy(), atol=1e-6)
