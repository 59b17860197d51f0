"""Every model and protocol of the package passes the suites that other people's do."""

from pathlib import Path

import pytest

from wser import models, protocols
from wser.models import huang_z2014
from wser.testing import ModelContract, ProtocolContract

SMALL = {
    "badshah2017": {"stride": 8, "fc": [16, 16]},
    "chen2018": {"filters": [4, 6]},
    "huang_c2014": {"layers": 2, "units": 8},
    "ruvolo2010": {"candidates": 200, "rounds": 20},
    "three_pipe": {"pipe_filters": 2, "filters": [3, 4], "strides": [[2, 2], [2, 2], [2, 2]], "lstm": 5, "fc": 6},
    "trigeorgis2016": {"lstm": 8},
    "zhao2019_2d": {"lstm": 8},
}
NEEDING = ("cross_corpus", "emobox", "file")
"""Protocols that need another corpus, RAVDESS's actors, or a file; tests/wser/protocols has these."""


class TestModels(ModelContract):
    @pytest.fixture(autouse=True, params=models.names())
    def _named(self, request, monkeypatch):
        monkeypatch.setattr(huang_z2014, "FILTERS", 20)
        self.name = request.param
        self.settings = SMALL.get(request.param, {})


class TestProtocols(ProtocolContract):
    @pytest.fixture(autouse=True, params=[name for name in protocols.names() if name not in NEEDING])
    def _named(self, request):
        self.name = request.param


def test_a_model_that_gives_no_probabilities_does_not_pass(tmp_path):
    file = tmp_path / "wrong.py"
    file.write_text(WRONG)
    suite = ModelContract()
    suite.name = str(file)
    with pytest.raises(AssertionError):
        suite.test_it_gives_probabilities_of_each_class()


def test_a_protocol_that_shares_speakers_does_not_pass(tmp_path, messages):
    file = Path(protocols.__file__).with_name("speaker_dependent.py").read_text()
    wrong = tmp_path / "wrong.py"
    wrong.write_text(file.replace("speaker_independent = False", "speaker_independent = True"))
    suite = ProtocolContract()
    suite.name = str(wrong)
    with messages.raises(protocols.ProtocolError):
        suite.test_speakers_are_disjoint_where_this_is_promised()


WRONG = """\
import numpy as np

from wser.config.schema import FittedModelConfig as Config


class Model:
    def fit(self, pictures, labels):
        return self

    def predict_proba(self, pictures):
        return np.ones((len(pictures), 3))


def build(config, classes, seed):
    return Model()
"""
