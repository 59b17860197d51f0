"""What every model must pass."""

from typing import Any, ClassVar

import numpy as np

from wser import models
from wser.config.schema import Config, check, choice
from wser.results import identity

ROWS, CLASSES = 16, 3
UTTERANCES = 12
"""Of each part, with every class in it, and of several lengths."""


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
        model.fit([utterances(0)[at] for at in there], labels()[there])
        found = np.asarray(model.predict_proba(utterances(1)))
        assert found.shape == (UTTERANCES, CLASSES)
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)

    def test_an_utterance_is_scored_alone_as_among_others(self) -> None:
        """No utterance of the test part sees another."""
        together = self._probabilities()
        np.testing.assert_allclose(self._probabilities(alone=True), together, atol=1e-4)

    def test_every_parameter_is_trained(self) -> None:
        """Of a network, gradients reach all parameters."""
        if not self.config().is_network:
            return
        import torch

        torch.manual_seed(0)
        network = models.build(self.config(), ROWS, CLASSES)
        logits = network(*self._batch(utterances(0)))
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels())).backward()  # type: ignore[no-untyped-call]
        without = [name for name, parameter in network.named_parameters() if parameter.grad is None]
        assert not without, f"no gradient reaches {', '.join(without)}"

    def _probabilities(self, alone: bool = False) -> np.ndarray:
        config = self.config()
        test = utterances(1)
        parts = [[one] for one in test] if alone else [test]
        if not config.is_network:
            model = models.build_fitted(config, CLASSES, 0)
            model.fit(utterances(0), labels())
            return np.concatenate([np.asarray(model.predict_proba(part)) for part in parts])
        import torch

        torch.manual_seed(0)
        network = models.build(config, ROWS, CLASSES).eval()
        with torch.inference_mode():
            return np.concatenate([network(*self._batch(part)).softmax(dim=1).numpy() for part in parts])

    def _batch(self, pictures: list[np.ndarray]) -> tuple[Any, Any]:
        import torch

        lengths = [picture.shape[1] for picture in pictures]
        batch = np.zeros((len(pictures), 3, ROWS, max(lengths)), np.float32)
        for row, picture in zip(batch, pictures, strict=True):
            row[:, :, : picture.shape[1]] = picture.transpose(2, 0, 1) / 255
        return torch.from_numpy(batch), torch.tensor(lengths)


def utterances(seed: int) -> list[np.ndarray]:
    """Pictures of random levels, uint8 (16, 24 to 57 columns, 3), brighter for some classes."""
    rng = np.random.default_rng(seed)
    return [
        rng.integers(0, 150 + 50 * label, (ROWS, 24 + 3 * at, 3), dtype=np.uint8) for at, label in enumerate(labels().tolist())
    ]


def labels() -> np.ndarray:
    """Their classes, int64 (n,)."""
    return np.arange(UTTERANCES) % CLASSES
