"""Every feature of the folder passes the suite that plug-ins must pass."""

import pytest

from precompute import features
from precompute.common.errors import RecipeError
from precompute.recipe import Recipe, array_of, from_record, named
from precompute.testing.features import FeatureContract

MORE = [("scalogram", {"values": "decibels"}), ("scalogram", {"noise": "white"}), ("waveform", {"dtype": "int16"}),
        ("stft", {"values": "decibels", "pad": "random"}), ("functionals", {"set": "egemaps"})]  # fmt: skip


OWN = {"issa193": {"sample_rate": 44_100}}
"""Settings of features that refuse the usual ones."""


@pytest.mark.parametrize(("name", "settings"), [*((name, OWN.get(name, {})) for name in features.names()), *MORE])
class TestFeatures(FeatureContract):
    @pytest.fixture(autouse=True)
    def _chosen(self, name, settings, request):
        if name == "functionals":
            pytest.importorskip("opensmile", reason="opensmile is not installed: python -m pip install '.[opensmile]'")
        if name == "issa193":
            request.getfixturevalue("librosa")
        self.name, self.settings = name, settings


def test_there_are_features():
    names = [
        "cwt_statistics",
        "functionals",
        "issa193",
        "logmel",
        "mfcc",
        "random_convolutions",
        "scalogram",
        "stft",
        "waveform",
        "wavelet_packets",
    ]
    assert features.names() == sorted(names)


def test_a_feature_made_of_one_of_ours_has_ids_of_its_own(tmp_path):
    (tmp_path / "scalogram.py").write_text(
        "from precompute.features.scalogram import Feature as Base\n\nclass Feature(Base):\n    pass\n"
    )
    mine = Recipe(str(tmp_path / "scalogram.py"))
    assert mine.array == Recipe().array
    assert mine.id != Recipe().id
    assert not {mine.id, *mine.earlier_ids} & {Recipe().id, *Recipe().earlier_ids}
    assert array_of(mine.record()) == mine.array
    with pytest.raises(RecipeError):
        from_record(mine.record())


def test_annotations_of_a_feature_may_be_text(tmp_path, messages):
    (tmp_path / "late.py").write_text(LATE, "utf-8")
    name = str(tmp_path / "late.py")
    assert named(name, ["bands=7", "kind=b"]).parameters.items() >= {"bands": 7, "kind": "b"}.items()
    for setting in ("bands=x", "bands=1", "kind=c"):
        with messages.raises(RecipeError):
            named(name, [setting])


LATE = """
from __future__ import annotations
from dataclasses import dataclass
from typing import Literal
import numpy as np
from precompute.common.arrays import Array
from precompute.common.settings import setting
from precompute.features import _base

@dataclass(frozen=True)
class Feature(_base.Feature):
    bands: int = setting(5, low=2, high=9)
    kind: Literal["a", "b"] = "a"

    def array(self, audio):
        return Array("float32", (self.bands,), ("value",), 0.0)

    def compute(self, frame):
        return _base.Computed(np.zeros(self.bands, np.float32))
"""


@pytest.mark.parametrize("fault", ["values", "shape", "change"])
def test_the_suite_finds_a_feature_that_breaks_its_promise(fault, tmp_path):
    source = """
from dataclasses import dataclass
from precompute.common.arrays import Array
from precompute.features import _base

@dataclass(frozen=True)
class Feature(_base.Feature):
    def array(self, audio):
        return Array("float32", (audio.samples,), ("time",), 0.001)

    def compute(self, frame):
        values = frame.padded
        values *= float("nan") if "values" == FAULT else 1
        frame.samples[:] = 0 if "change" == FAULT else frame.samples
        return _base.Computed(values[1:] if "shape" == FAULT else values)
"""
    (tmp_path / "mine.py").write_text(source.replace("FAULT", repr(fault)), "utf-8")
    suite = FeatureContract()
    suite.name = str(tmp_path / "mine.py")
    failing = {"change": suite.test_it_leaves_what_it_is_given_alone}.get(fault, suite.test_what_it_gives_is_as_it_says)
    with pytest.raises(AssertionError):
        failing()
    suite.test_its_record_says_what_a_cache_holds()
