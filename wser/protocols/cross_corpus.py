"""Train on some corpora, and test on another with other speakers: one fold.

All corpora are named by `corpus=[ravdess,emodb]`, the one to test on by `protocol.test=emodb`; a label map says which classes
they share, as `labels=common4`.
"""

import difflib
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
        test: Corpus to test on; the others of `corpus` are trained on.
    """

    test: str | None = setting(None, text=True, hashed=False)


class Protocol(BaseProtocol[Config]):
    """One corpus is the test set, all others are trained on."""

    title = "Train on some corpora, and test on another whose speakers are none of theirs: one fold"
    speaker_independent = True
    own_keys = frozenset({"test"})

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        if config.test is None:
            raise ProtocolError(
                "protocol=cross_corpus needs the corpus to test on: give protocol.test=NAME, as in "
                "corpus=[ravdess,emodb] labels=common4 protocol.test=emodb"
            )

    def held_out(self, examples: Sequence[Example], rng: np.random.Generator) -> Iterator[HeldOut]:  # noqa: ARG002
        """All utterances of the corpus to test on."""
        test = str(self.config.test)
        corpora = sorted({example.corpus for example in examples})
        if test not in corpora:
            near = difflib.get_close_matches(test, corpora, n=1)
            remedy = f"did you mean '{near[0]}'?" if near else f"name it too, as in corpus=[{','.join([*corpora, test])}]"
            raise ProtocolError(f"protocol.test={test} is not among the corpora of this run ({', '.join(corpora)}): {remedy}")
        if len(corpora) == 1:
            raise ProtocolError(
                f"protocol.test={test} leaves no corpus to train on: name others, as in corpus=[ravdess,{test}] labels=common4"
            )
        speakers = {example.speaker for example in examples if example.corpus == test}
        known = {example.speaker: example.corpus for example in examples if example.corpus != test}
        if shared := sorted(speakers & known.keys()):
            where = " and ".join(sorted({known[speaker] for speaker in shared}))
            raise ProtocolError(
                f"{len(shared)} of {len(speakers)} speakers of protocol.test={test} are also speakers of {where}, on which it "
                f"would train ({few(shared)}): leave {where} out of corpus, or test on another"
            )
        yield HeldOut({i for i, example in enumerate(examples) if example.corpus == test})
