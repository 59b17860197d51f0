"""What every feature must pass."""

import json
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from precompute.audio.chain import Frame
from precompute.cache import layout, shard
from precompute.common.errors import RecipeError
from precompute.library import extract
from precompute.pipeline.extract import Extracted
from precompute.recipe import Recipe, array_of, check_record, id_of

RATE = 16_000


class FeatureContract:
    """A class of tests for pytest; a derived class names the feature.

    Attributes:
        name: As `feature=` takes it: of a file in precompute/features, an installed one, or the path of a file.
        settings: Parameters of the feature or the audio chain; by default none.
    """

    name: str
    settings: ClassVar[dict[str, Any]] = {}

    def recipe(self, **changes: Any) -> Recipe:
        """The recipe that is tried."""
        small = {"duration": 2.0} | ({"columns": 64} if "columns" in Recipe(self.name, **self.settings).parameters else {})
        return Recipe(self.name, **small | self.settings | changes)

    def test_its_record_is_json_and_names_its_caches(self) -> None:
        """The same recipe has the same id, from its record too; and another one another."""
        recipe = self.recipe()
        stored = json.loads(json.dumps(recipe.record()))
        assert check_record(stored) == recipe.record()
        assert id_of(stored) == recipe.id == self.recipe().id
        assert self.recipe(normalise="none").id != recipe.id

    def test_its_record_says_what_a_cache_holds(self) -> None:
        """A reader that does not know the feature learns type and shape from it."""
        recipe = self.recipe()
        assert array_of(recipe.record()) == recipe.array
        assert layout.array_metadata(1, recipe.array, {})["shape"] == [1, *recipe.array.shape]

    def test_what_it_gives_is_as_it_says(self) -> None:
        """Of short and of long utterances, at any rate, and loud or soft: type, shape, and numbers that are finite."""
        recipe = self.recipe()
        for seconds, rate, gain in ((0.3, RATE, 1.0), (1.0, 44_100, 0.01), (3.0, 8_000, 0.5)):
            computed = self._made(recipe, seconds, rate, gain)
            assert (computed.values.dtype, computed.values.shape) == (np.dtype(recipe.array.dtype), recipe.array.shape)
            assert np.isfinite(computed.values.astype(np.float64)).all()
            assert 0 <= computed.start < computed.stop <= recipe.array.steps

    def test_the_same_recording_gives_the_same_bytes(self) -> None:
        """What it gives follows from recording and recipe alone."""
        recipe = self.recipe()
        assert self._made(recipe).values.tobytes() == self._made(recipe).values.tobytes()

    def test_it_leaves_what_it_is_given_alone(self) -> None:
        """Its frame is not changed: the same one serves the acoustic fingerprint."""
        recipe = self.recipe()
        samples = noise(1.0, RATE)
        recipe.feature.compute(Frame(samples, 0, recipe.audio))
        np.testing.assert_array_equal(samples, noise(1.0, RATE))

    def test_it_survives_being_stored(self) -> None:
        """Numbers come back from a cache bit for bit."""
        recipe, computed = self.recipe(), self._made(self.recipe())
        back = shard.decode(shard.encode([computed.values]), 1, recipe.array)[0]
        assert shard.digest(back) == shard.digest(computed.values)

    def test_every_parameter_that_changes_what_it_gives_is_recorded(self) -> None:
        """A cache is never used for another value of a parameter."""
        recipe = self.recipe()
        before = self._made(recipe)
        for name, value in recipe.parameters.items():
            changed = self._changed(name, value)
            if changed is not None and changed.id == recipe.id:
                np.testing.assert_array_equal(self._made(changed).values, before.values, err_msg=name)

    def _changed(self, name: str, value: Any) -> Recipe | None:
        """The recipe with another value of a number or a switch; None for others, or where there is no other."""
        if type(value) not in (bool, int, float):
            return None
        other = (not value) if type(value) is bool else value / 2 if type(value) is float else value // 2
        try:
            return self.recipe(**{name: other})
        except RecipeError:
            return None

    def _made(self, recipe: Recipe, seconds: float = 1.0, rate: int = RATE, gain: float = 1.0) -> Extracted:
        return extract(gain * noise(seconds, rate), recipe, rate, key="a")


def noise(seconds: float, rate: int) -> NDArray[np.float32]:
    """Noise that swells and fades, float32 (seconds * rate,), up to about full scale."""
    samples = np.random.default_rng(0).standard_normal(int(seconds * rate))
    return (0.25 * samples * np.hanning(len(samples))).astype(np.float32)
