"""Random utterances held out, their speakers known from training (paper 3.5.2).

Each fold draws `test_fraction` of the utterances of every class again, so that the test sets of folds overlap, as in the
paper.  Such results are too good: on the same data they are several points above those for unseen speakers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from precompute.common.settings import setting
from wser.config.schema import ProtocolConfig
from wser.data.dataset import Example
from wser.protocols import BaseProtocol, HeldOut, stratified_part


@dataclass
class Config(ProtocolConfig):
    """What the protocol reads.

    Attributes:
        folds: Number of folds: how many times a test set is drawn.
        test_fraction: Size of the test set: share of the utterances of each class that is held out in a fold.
    """

    folds: int = setting(3, low=2, high=1000)
    test_fraction: float = setting(0.2, low=0.01, high=0.9)


class Protocol(BaseProtocol[Config]):
    """Stratified random splits."""

    title = "Random utterances held out, their speakers known from training"
    speaker_independent = False
    own_keys = frozenset({"folds", "test_fraction", "seed"})

    def held_out(self, examples: Sequence[Example], rng: np.random.Generator) -> Iterator[HeldOut]:
        """A random part of each class, drawn again for each fold."""
        for _ in range(self.config.folds):
            yield HeldOut(stratified_part(range(len(examples)), examples, self.config.test_fraction, rng))
