"""What every model must pass."""

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from precompute.common.arrays import Array
from wser import models
from wser.config.schema import Config, check, choice
from wser.data.dataset import channels_first, input_shape
from wser.results import identity

ROWS, CLASSES = 16, 3
UTTERANCES = 12
"""Of each part, with every class in it, and of several lengths."""

ITEMS = {
    "picture": Array("uint8", (ROWS, 64, 3), ("frequency", "time", "colour"), 1.0),
    "levels": Array("float16", (ROWS, 64), ("frequency", "time"), 0.25),
    "waveform": Array("float32", (6400,), ("time",), 1e-3),
    "vector": Array("float32", (ROWS,), ("value",), 1e-3),
}
"""What a model may be given, by kind; the frame of each."""


class ModelContract:
    """A class of tests for pytest; whoever derives from it names the model.

    Attributes:
        name: As `model=` takes it: of a file in wser/models, an installed one, or the path of a file.
        settings: Of the model, so that it is small; by default its own.
    """

    name: str
    settings: ClassVar[dict[str, Any]] = {}

    def config(self) -> Any:
        """The settings of the model."""
        return choice("model", self.name)(name=self.name, **self.settings)

    def test_its_settings_are_within_their_limits(self) -> None:
        """Its defaults pass its own check."""
        config = Config()
        config.model = choice("model", self.name)(name=self.name)
        check(config)

    def test_its_source_names_its_results(self) -> None:
        """It has a digest, the same each time."""
        assert identity.network(self.name) == identity.network(self.name)

    def test_the_same_seed_gives_the_same_probabilities(self) -> None:
        """What it gives follows from seed and data."""
        np.testing.assert_array_equal(self._probabilities(), self._probabilities())

    def test_it_gives_probabilities_of_each_class(self) -> None:
        """They are (n, classes), from 0 to 1, and add up to 1."""
        found = self._probabilities()
        assert found.shape == (UTTERANCES, CLASSES)
        assert np.all((found >= 0) & (found <= 1))
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)

    def test_a_training_part_may_lack_a_class(self) -> None:
        """As with a small corpus, or one whose speakers do not all show every emotion."""
        if self.config().is_network:
            return
        model = models.build_fitted(self.config(), CLASSES, 0)
        there = np.flatnonzero(labels() > 0)
        model.fit([utterances(0, self._kind)[at] for at in there], labels()[there], *self._speakers(there))
        found = np.asarray(model.predict_proba(utterances(1, self._kind)))
        assert found.shape == (UTTERANCES, CLASSES)
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)

    def test_it_takes_every_kind_that_it_names(self) -> None:
        """Of each, its probabilities have their shape."""
        for kind in self.config().takes:
            assert self._probabilities(kind=kind).shape == (UTTERANCES, CLASSES)

    def test_an_utterance_is_scored_alone_as_among_others(self) -> None:
        """No utterance of the test set sees another."""
        together = self._probabilities()
        np.testing.assert_allclose(self._probabilities(alone=True), together, atol=1e-4)

    def test_every_parameter_is_trained(self) -> None:
        """Of a network, gradients reach all parameters."""
        if not self.config().is_network:
            return
        import torch

        torch.manual_seed(0)
        network = models.build(self.config(), input_shape(ITEMS[self._kind]), CLASSES)
        logits = network(*_batch(utterances(0, self._kind), ITEMS[self._kind]))
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels())).backward()  # type: ignore[no-untyped-call]
        without = [name for name, parameter in network.named_parameters() if parameter.grad is None]
        assert not without, f"no gradient reaches {', '.join(without)}"

    def _speakers(self, places: Iterable[int]) -> list[list[str]]:
        """Of the utterances at some places, where the model is given them: four, each of whom shows every class."""
        return [[str(place // CLASSES) for place in places]] if self.config().by_speaker else []

    @property
    def _kind(self) -> str:
        return str(self.config().takes[0])

    def _probabilities(self, alone: bool = False, kind: str = "") -> np.ndarray:
        config, kind = self.config(), kind or self._kind
        test = utterances(1, kind)
        parts = [[one] for one in test] if alone else [test]
        if not config.is_network:
            model = models.build_fitted(config, CLASSES, 0)
            model.fit(utterances(0, kind), labels(), *self._speakers(range(UTTERANCES)))
            return np.concatenate([np.asarray(model.predict_proba(part)) for part in parts])
        import torch

        torch.manual_seed(0)
        network = models.build(config, input_shape(ITEMS[kind]), CLASSES).eval()
        with torch.inference_mode():
            return np.concatenate([network(*_batch(part, ITEMS[kind])).softmax(dim=1).numpy() for part in parts])


def _batch(parts: list[np.ndarray], item: Array) -> tuple[Any, Any]:
    import torch

    lengths = [1 if item.time is None else part.shape[item.time] for part in parts]
    shape = [max(lengths) if axis == item.time else length for axis, length in enumerate(item.shape)]
    batch = np.zeros((len(parts), *shape), np.float32)
    for row, part, length in zip(batch, parts, lengths, strict=True):
        row[item.part(0, length)] = part / (255 if item.dtype == "uint8" else 1)
    return torch.from_numpy(channels_first(batch, item)), torch.tensor(lengths)


def utterances(seed: int, kind: str = "picture") -> list[np.ndarray]:
    """Random numbers as a cache of a kind holds them, larger for some classes; 24 to 57 columns or 100 times as many samples.

    Args:
        seed: Of the numbers.
        kind: One of `ITEMS`.
    """
    rng, item = np.random.default_rng(seed), ITEMS[kind]
    found = []
    for at, label in enumerate(labels().tolist()):
        steps = (24 + 3 * at) * (100 if kind == "waveform" else 1)
        shape = [steps if axis == item.time else length for axis, length in enumerate(item.shape)]
        if item.dtype == "uint8":
            found.append(rng.integers(0, 150 + 50 * label, shape, dtype=np.uint8))
        else:
            found.append((rng.standard_normal(shape) * (1 + label) + label).astype(item.dtype))
    return found


def labels() -> np.ndarray:
    """Their classes, int64 (n,)."""
    return np.arange(UTTERANCES) % CLASSES
