"""The number of the training code: whoever changes what it computes has to raise it, so that no older fold answers."""

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from precompute.common import arrays
from wser import results
from wser.config.schema import Config, DataConfig, TrainConfig
from wser.data.dataset import Example
from wser.data.recordings import Origin
from wser.execution.fold import execute
from wser.models import three_pipe
from wser.protocols import Fold
from wser.results import identity
from wser.training.run import Run

pytestmark = pytest.mark.slow

STORED = Path(__file__).with_name("algorithm.json")
CLASSES = ["a", "b", "c"]
TOLERANCE = 2e-2
"""Other kernels of one processor make 0.0002, sums in another order 0.006; any change of the algorithm made 0.1 and more."""


def picture(key: str, label: int) -> np.ndarray:
    """A picture of 16 x 48 pixels that depends on its key, and a little on its class."""
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big"))
    levels = rng.integers(0, 200, (16, 48, 3))
    levels[4 * label : 4 * label + 4, ::2] += 55
    return levels.astype(np.uint8)


@pytest.fixture
def predictions(tmp_path) -> list[dict[str, str]]:
    """What a small network says of eight test utterances after it was trained on sixteen."""
    keys = [f"{speaker}-{number}" for speaker in "vwxyz" for number in range(6)]
    examples = [
        Example(
            key=key,
            corpus="c",
            speaker=key[0],
            sex=None,
            label=i % 3,
            start=i % 2,
            stop=30 + i % 19,
            recording=key,
            origin=Origin(key, None, None, key),
            row=i,
        )
        for i, key in enumerate(keys)
    ]
    pictures = [picture(one.key, one.label) for one in examples]
    dataset = SimpleNamespace(
        examples=examples,
        values=pictures,
        utterance=pictures.__getitem__,
        table=None,
        classes=CLASSES,
        item=arrays.picture(16, 48),
        recipe={},
        caches=(),
    )
    model = three_pipe.Config(
        pipes=2, pipe_filters=3, filters=[4, 5], strides=[[2, 2]] * 3, lstm=6, fc=7, summary="attention", directions=2
    )
    data = DataConfig(standardise="utterance", mask_rows=2, mask_columns=4, shift_rows=1, mixup=0.3)
    train = TrainConfig(
        epochs=25, patience=0, batch=6, optimiser="adamw", lr=0.02, schedule="one_cycle", weight_decay=0.01, device="cpu",
        label_smoothing=0.1, balanced=True, precision="fp32",
    )  # fmt: skip
    config = Config(model=model, data=data, train=train, logger=[], seed=3)
    parts = [tuple(i for i, key in enumerate(keys) if key[0] in speakers) for speakers in ("vwx", "y", "z")]
    named = {
        "network": identity.network("three_pipe"),
        "settings": {"train.precision": "32-true"},
        "classes": [[name, [name]] for name in CLASSES],
    }
    before = torch.get_num_threads()
    try:
        told = Run(config, dataset, Fold(0, *parts), tmp_path / "run", tmp_path / "run" / ".aside", 1, named)
        execute(told)
    finally:
        torch.set_num_threads(before)
    return results.read_predictions(told.directory, 0)


def test_predictions_are_those_of_this_algorithm(predictions):
    stored = json.loads(STORED.read_text())
    assert stored["algorithm"] == identity.ALGORITHM, f"write the new predictions of a tiny run into {STORED.name}"
    found = {row["key"]: [float(row[f"p_{name}"]) for name in CLASSES] for row in predictions}
    assert found.keys() == stored["probabilities"].keys()
    apart = max(float(np.abs(np.subtract(found[key], stored["probabilities"][key])).max()) for key in found)
    assert apart < TOLERANCE, (
        f"predictions are up to {apart:.4f} from those of algorithm {identity.ALGORITHM}: if that is meant, raise "
        f"wser.results.identity.ALGORITHM and store the new ones in {STORED.name}: {json.dumps(found)}"
    )


def test_todays_network_keeps_the_name_of_the_one_whose_predictions_these_are():
    # Whoever changes what the network does changes this, and names its results anew by that alone.
    assert identity.network("three_pipe") in identity.SAME.values()
