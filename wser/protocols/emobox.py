"""The six folds of RAVDESS of the benchmark EmoBox (Ma et al. 2024, arXiv 2406.07162): four actors held out in turn.

Its published lists of test recordings were read; each holds the actors below.  Its folds of EmoDB and CREMA-D share speakers
between training and test, and are not here.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from wser.config.schema import ProtocolConfig
from wser.data.dataset import Example
from wser.protocols import BaseProtocol, HeldOut
from wser.protocols.speaker_folds import of_actors

ACTORS = (
    ("01", "11", "20", "21"),
    ("04", "10", "12", "14"),
    ("08", "09", "19", "23"),
    ("03", "05", "07", "24"),
    ("02", "15", "16", "18"),
    ("06", "13", "17", "22"),
)


class Protocol(BaseProtocol[ProtocolConfig]):
    """EmoBox's groups of actors of RAVDESS."""

    title = "EmoBox's six groups of four actors held out in turn"
    speaker_independent = True

    def held_out(self, examples: Sequence[Example], rng: np.random.Generator) -> Iterator[HeldOut]:  # noqa: ARG002
        """The utterances of four actors for each fold."""
        return of_actors(ACTORS, examples)
