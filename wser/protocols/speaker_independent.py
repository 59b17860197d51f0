"""One woman and one man held out, drawn at random, disjoint between folds (paper 3.5.2).

The paper calls the pair about a fifth of the data, which is true of EmoDB's ten speakers only; RAVDESS has 24.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from precompute.common.errors import few
from precompute.common.settings import setting
from wser.config.schema import ProtocolConfig
from wser.data.dataset import Example
from wser.protocols import BaseProtocol, HeldOut, ProtocolError


@dataclass
class Config(ProtocolConfig):
    """What the protocol reads.

    Attributes:
        folds: Number of folds: pairs of a woman and a man that are held out.
    """

    folds: int = setting(3, low=2, high=1000)


class Protocol(BaseProtocol[Config]):
    """Pairs of one woman and one man."""

    title = "One woman and one man held out, drawn at random, disjoint between folds"
    speaker_independent = True
    own_keys = frozenset({"folds", "seed"})

    def held_out(self, examples: Sequence[Example], rng: np.random.Generator) -> Iterator[HeldOut]:
        """The utterances of one pair for each fold."""
        if unknown := sorted({e.speaker for e in examples if e.sex is None}):
            raise ProtocolError(
                f"the sex of {len(unknown)} speakers is unknown ({few(unknown)}): give protocol=loso, which needs none"
            )
        women, men = (sorted({e.speaker for e in examples if e.sex == sex}) for sex in ("female", "male"))
        pairs = list(zip(rng.permutation(women).tolist(), rng.permutation(men).tolist(), strict=False))
        if len(pairs) < self.config.folds:
            raise ProtocolError(
                f"protocol.folds={self.config.folds} needs as many pairs, and {len(women)} women and {len(men)} men make "
                f"{len(pairs)}: give protocol.folds={max(len(pairs), 1)} or fewer, or protocol=loso"
            )
        for pair in pairs[: self.config.folds]:
            yield HeldOut({i for i, e in enumerate(examples) if e.speaker in pair})
