"""Leave one speaker out: as many folds as speakers."""

from collections import defaultdict
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
        by_speaker = defaultdict(set)
        for index, example in enumerate(examples):
            by_speaker[example.speaker].add(index)
        for speaker in sorted(by_speaker):
            yield HeldOut(by_speaker[speaker])
