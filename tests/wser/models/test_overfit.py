"""Every model learns a few utterances of EmoDB by heart: what it is given says enough, and training reaches all of it.

They are given the first eighth of a second of each, which tells them apart as well, in a fraction of the time.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

import precompute
from precompute.common.errors import WserError
from precompute.corpora import emodb
from precompute.recipe import named
from wser import models
from wser.config.compose import load
from wser.data.dataset import input_shape
from wser.testing.models import batch

OF_NETWORKS, OF_OTHERS = 8, 21
"""Utterances, one of each class and one more; a model that chooses a setting by cross-validation needs several of each."""

ENOUGH = 0.95
MOST_EPOCHS = 100
SECONDS = 0.125

LONGER = {"badshah2017": 2.0, "three_pipe": 0.25, "zeng2019": 0.25}
"""Seconds for networks that learn more of them in so few epochs that they take less time."""

RATE = 1e-3

FASTER = {"three_pipe": 3e-3, "zeng2019": 3e-3, "zhao2019_1d": 3e-3}
"""Learning rates of networks that take half the epochs so."""

SMALLER = {
    "badshah2017": ["model.fc=[256,64]", "model.stride=8", "model.dropout=0"],
    "chen2018": ["model.filters=[32,32]"],
    "huang_c2014": ["model.layers=2"],
    "ruvolo2010": ["model.candidates=200", "model.rounds=100"],
}
"""Settings of models that would take long."""

pytestmark = pytest.mark.slow


@lru_cache(maxsize=1)
def chosen(directory):
    """The shortest utterances, each class in turn, and their classes."""
    by_class = {}
    utterances = [(directory / utterance.path, utterance) for utterance in emodb.scan(directory).utterances]
    for path, utterance in sorted(utterances, key=lambda pair: (pair[0].stat().st_size, pair[0])):
        by_class.setdefault(utterance.emotion, []).append(path)
    turns = [(paths[turn], label) for turn in range(10) for label, (_, paths) in enumerate(sorted(by_class.items()))]
    return turns[:OF_OTHERS]


@lru_cache(maxsize=2)
def features(directory, recipe, count, seconds):
    try:
        extracted = [precompute.extract(path, recipe) for path, _ in chosen(directory)[:count]]
    except WserError as error:
        pytest.skip(str(error))
    item = extracted[0].array
    longest = round(seconds * item.steps / named(recipe).audio.duration)
    ends = [min(one.stop, one.start + longest) for one in extracted]
    parts = [one.values[item.part(one.start, end)].astype(np.float32) for one, end in zip(extracted, ends, strict=True)]
    joined = np.stack(parts) if item.time is None else np.concatenate(parts, axis=item.time)
    axis = 0 if item.time is None else item.time
    mean, deviation = (np.asarray(of(joined, axis=axis, keepdims=item.time is not None)) for of in (np.mean, np.std))
    return item, [(part - mean) / np.maximum(deviation, 1e-3) for part in parts]


@pytest.mark.parametrize("name", models.names())
def test_it_learns_a_few_utterances_by_heart(name, corpora_dir, request):
    (loaded,) = load([f"model={name}", *SMALLER.get(name, [])])
    if loaded.recipe == "issa193":
        request.getfixturevalue("librosa")
    count = OF_NETWORKS if loaded.model.is_network else OF_OTHERS
    item, parts = features(corpora_dir / "emodb", loaded.recipe, count, LONGER.get(name, SECONDS))
    labels = np.array([label for _, label in chosen(corpora_dir / "emodb")[:count]])
    assert right(loaded.model, item, parts, labels, FASTER.get(name, RATE)) >= ENOUGH


def right(config, item, parts, labels, rate):
    """Share of the utterances that the model is right about after training on them."""
    classes = int(labels.max()) + 1
    if not config.is_network:
        model = models.build_fitted(config, classes, 0)
        speakers = [[str(place % 4) for place in range(len(parts))]] if config.by_speaker else []
        return np.mean(model.fit(parts, labels, *speakers).predict_proba(parts).argmax(1) == labels)
    import torch

    torch.manual_seed(0)
    network = models.build(config, input_shape(item), classes)
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    # They are standardised already: as colours of pictures, they would be divided by 255 and no longer be.
    (values, lengths), truth = batch(parts, replace(item, dtype="float32")), torch.from_numpy(labels)
    for epoch in range(1, MOST_EPOCHS + 1):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(values, lengths), truth).backward()
        optimiser.step()
        if epoch % 5:
            continue
        with torch.inference_mode():
            hits = float((network.eval()(values, lengths).argmax(1) == truth).float().mean())
        network.train()
        if hits >= ENOUGH:
            break
    return hits
