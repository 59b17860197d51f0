"""What every model must pass."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from precompute.common.arrays import Array
from precompute.recipe import named
from wser import models
from wser.config.schema import Config, ModelConfig, check, choice
from wser.data.dataset import channels_first, input_shape
from wser.results import identity

ROWS, CLASSES = 16, 3
UTTERANCES = 12
"""Of each part, with every class in it, and of several lengths."""

SOME = 4
"""Of them, for what is asked of networks alone."""

ITEMS = {
    "picture": Array("uint8", (ROWS, 64, 3), ("frequency", "time", "colour"), 1.0),
    "levels": Array("float16", (ROWS, 64), ("frequency", "time"), 0.25),
    "waveform": Array("float32", (6400,), ("time",), 1e-3),
    "vector": Array("float32", (ROWS,), ("value",), 1e-3),
}
"""What a model may be given, by kind; the frame of each.  A model that has a recipe of its own is given its rows or values."""


class ModelContract:
    """A class of tests for pytest; a derived class names the model.

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
        probabilities = self._probabilities()
        assert probabilities.shape == (UTTERANCES, CLASSES)
        assert np.all((probabilities >= 0) & (probabilities <= 1))
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)

    def test_a_training_part_may_lack_a_class(self) -> None:
        """As with a small corpus, or one whose speakers do not all show every emotion."""
        if self.config().is_network:
            return
        model = models.build_fitted(self.config(), CLASSES, 0)
        present = np.flatnonzero(labels() > 0)
        model.fit([utterances(0, self._item())[at] for at in present], labels()[present], *self._speakers(present))
        probabilities = np.asarray(model.predict_proba(utterances(1, self._item())))
        assert probabilities.shape == (UTTERANCES, CLASSES)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)

    def test_it_takes_every_kind_that_it_names(self) -> None:
        """Of each, its probabilities have their shape; all other tests give it the first."""
        for kind in self.config().takes[1:]:
            assert self._probabilities(kind).shape == (UTTERANCES, CLASSES)

    def test_an_utterance_is_scored_alone_as_among_others(self) -> None:
        """No utterance of the test set sees another."""
        # Every second one: of several lengths and of each class.
        score, test = self._scorer(self._item()), utterances(1, self._item())[::2]
        alone = np.concatenate([score([utterance]) for utterance in test])
        np.testing.assert_allclose(alone, score(test), atol=1e-4)

    def test_every_parameter_is_trained(self) -> None:
        """Of a network, gradients reach all parameters."""
        if not self.config().is_network:
            return
        import torch

        torch.manual_seed(0)
        network = models.build(self.config(), input_shape(self._item()), CLASSES)
        logits = network(*batch(utterances(0, self._item())[:SOME], self._item()))
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels()[:SOME])).backward()  # type: ignore[no-untyped-call]
        without = [name for name, parameter in network.named_parameters() if parameter.grad is None]
        assert not without, f"no gradient reaches {', '.join(without)}"

    def test_what_follows_an_utterance_in_a_batch_changes_nothing(self) -> None:
        """A network gives the same logits beside an utterance that fills the frame, which is padding for the others."""
        network, item = self._network(), self._item()
        if network is None or item.time is None:
            return
        test = utterances(1, item)[:SOME]
        longest = np.zeros(item.shape, item.dtype)
        np.testing.assert_allclose(_logits(network, [*test, longest], item)[:-1], _logits(network, test, item), atol=1e-4)

    def test_the_shortest_utterance_and_the_longest_can_be_trained_on_and_scored(self) -> None:
        """One step, and the whole frame: what a network gives, and its gradients, are finite numbers."""
        network, item = self._network(), self._item()
        if network is None or item.time is None:
            return
        import torch

        both = [_drawn(item, steps, np.random.default_rng(2)) for steps in (1, item.steps)]
        assert np.isfinite(_logits(network, both, item)).all()
        logits = network.train()(*batch(both, item))
        torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()  # type: ignore[no-untyped-call]
        assert all(p.grad is None or bool(torch.isfinite(p.grad).all()) for p in network.parameters())

    def test_a_network_with_the_weights_of_another_is_the_same(self) -> None:
        """All that it has learned is in what is saved of it, statistics of batches too."""
        network, item = self._network(), self._item()
        if network is None:
            return
        network.train()(*batch(utterances(0, item)[:SOME], item))
        other = models.build(self.config(), input_shape(item), CLASSES).eval()
        other.load_state_dict(network.eval().state_dict())
        test = utterances(1, item)[:SOME]
        np.testing.assert_array_equal(_logits(other, test, item), _logits(network, test, item))

    def test_what_is_kept_of_a_model_is_all_that_it_predicts_by(self) -> None:
        """Of a model that is fitted at once and has `weights`; they are stored with its run."""
        config, item = self.config(), self._item()
        if config.is_network or not hasattr(model := models.build_fitted(config, CLASSES, 0), "weights"):
            return
        model.fit(utterances(0, item), labels(), *self._speakers(range(UTTERANCES)))
        other: Any = models.build_fitted(config, CLASSES, 1)
        other.restore({name: np.array(values) for name, values in model.weights().items()})
        test = utterances(1, item)
        np.testing.assert_array_equal(other.predict_proba(test), model.predict_proba(test))

    def _speakers(self, places: Iterable[int]) -> list[list[str]]:
        """The speakers of some utterances, for a model that takes them: four speakers, each with every class."""
        return [[str(place // CLASSES) for place in places]] if self.config().by_speaker else []

    def _item(self, kind: str = "") -> Array:
        """What the model is given: of the first kind that it takes, or another."""
        config = self.config()
        item = ITEMS[kind or config.takes[0]]
        own = named(config.default_recipe).array if config.default_recipe != ModelConfig.default_recipe else item
        if own.kind != item.kind:
            return item
        return replace(own, shape=tuple(item.shape[axis] if axis == own.time else n for axis, n in enumerate(own.shape)))

    def _network(self) -> Any:
        """The network, with the weights of a seed; None of a model that is no network."""
        config = self.config()
        if not config.is_network:
            return None
        import torch

        torch.manual_seed(0)
        return models.build(config, input_shape(self._item()), CLASSES).eval()

    def _probabilities(self, kind: str = "") -> np.ndarray:
        item = self._item(kind)
        return self._scorer(item)(utterances(1, item))

    def _scorer(self, item: Array) -> Callable[[list[np.ndarray]], np.ndarray]:
        """A function from utterances to the probabilities that the model gives them: fitted, or with the weights of a seed."""
        config = self.config()
        if not config.is_network:
            model = models.build_fitted(config, CLASSES, 0)
            model.fit(utterances(0, item), labels(), *self._speakers(range(UTTERANCES)))
            return lambda test: np.asarray(model.predict_proba(test))
        import torch

        torch.manual_seed(0)
        network = models.build(config, input_shape(item), CLASSES).eval()
        return lambda test: torch.from_numpy(_logits(network, test, item)).softmax(dim=1).numpy()


def _logits(network: Any, parts: list[np.ndarray], item: Array) -> np.ndarray:
    import torch

    with torch.inference_mode():
        logits: np.ndarray = network(*batch(parts, item)).numpy()
    return logits


def batch(parts: list[np.ndarray], item: Array) -> tuple[Any, Any]:
    """Utterances as a network is given them.

    Args:
        parts: What a cache of `item` holds of each, of as many steps as it has.
        item: Says what that is.

    Returns:
        Inputs, float32 (batch, *shape, steps), colours of pictures from 0 to 1, zero past the end of each; and lengths, int64.
    """
    import torch

    lengths = [1 if item.time is None else part.shape[item.time] for part in parts]
    shape = [max(lengths) if axis == item.time else length for axis, length in enumerate(item.shape)]
    values = np.zeros((len(parts), *shape), np.float32)
    for row, part, length in zip(values, parts, lengths, strict=True):
        row[item.part(0, length)] = part / (255 if item.dtype == "uint8" else 1)
    return torch.from_numpy(channels_first(values, item)), torch.tensor(lengths)


def utterances(seed: int, item: Array | None = None) -> list[np.ndarray]:
    """Random numbers as a cache holds them, larger for some classes; 24 to 57 columns or 100 times as many samples.

    Args:
        seed: Of the numbers.
        item: What a cache holds of each; by default the picture of `ITEMS`.
    """
    rng, item = np.random.default_rng(seed), item or ITEMS["picture"]
    longer = 100 if item.kind == "waveform" else 1
    return [_drawn(item, (24 + 3 * at) * longer, rng, label) for at, label in enumerate(labels().tolist())]


def _drawn(item: Array, steps: int, rng: np.random.Generator, label: int = 0) -> np.ndarray:
    shape = [steps if axis == item.time else length for axis, length in enumerate(item.shape)]
    if item.dtype == "uint8":
        return rng.integers(0, 150 + 50 * label, shape, dtype=np.uint8)
    return (rng.standard_normal(shape) * (1 + label) + label).astype(item.dtype)


def labels() -> np.ndarray:
    """Their classes, int64 (n,)."""
    return np.arange(UTTERANCES) % CLASSES
