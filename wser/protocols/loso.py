"""Leave one speaker out: as many folds as speakers."""

from collections.abc import Iterator, Sequence

import numpy as np

from wser.config.schema import ProtocolConfig
from wser.data.dataset import Example
from wser.protocols import BaseProtocol, HeldOut


class Protocol(BaseProtocol[ProtocolConfig]):
    """One speaker in each test set, in the order of their names."""

    title = "Leave one speaker out: as many folds as speakers"
    speaker_independent = True

    def held_out(self, examples: Sequence[Example], rng: np.random.Generator) -> Iterator[HeldOut]:  # noqa: ARG002
        """The utterances of one speaker for each fold."""
        for speaker in sorted({example.speaker for example in examples}):
            yield HeldOut({i for i, e in enumerate(examples) if e.speaker == speaker})
