"""Leave one session out: as many folds as sessions, as is usual for IEMOCAP, whose five sessions have two speakers each."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from wser.config.schema import ProtocolConfig
from wser.data.dataset import Example
from wser.protocols import BaseProtocol, HeldOut, ProtocolError


class Protocol(BaseProtocol[ProtocolConfig]):
    """One session in each test set, in the order of their names."""

    title = "Leave one session out: as many folds as sessions"
    speaker_independent = True

    def held_out(self, examples: Sequence[Example], rng: np.random.Generator) -> Iterator[HeldOut]:  # noqa: ARG002
        """The utterances of one session for each fold."""
        if without := Counter(example.corpus for example in examples if example.session is None):
            raise ProtocolError(
                f"{' and '.join(sorted(without))} has no session for {without.total()} of {len(examples)} utterances, and "
                "protocol=session_folds holds out sessions: give protocol=speaker_folds or protocol=loso"
            )
        sessions = sorted({str(example.session) for example in examples})
        if len(sessions) < 2:
            raise ProtocolError(
                f"protocol=session_folds needs at least two sessions, and there is one ({', '.join(sessions)}): "
                "give protocol=speaker_folds or protocol=loso"
            )
        for session in sessions:
            yield HeldOut({i for i, example in enumerate(examples) if example.session == session})
