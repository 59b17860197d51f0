"""What every protocol must pass."""

from typing import Any, ClassVar

from wser import protocols
from wser.config.schema import Selection
from wser.data.dataset import Example
from wser.data.recordings import Origin
from wser.protocols import Fold

CORPUS, SPEAKERS, CLASSES, EACH = "x", 8, 3, 4
"""Name of the corpus that is split, its speakers and classes, and utterances of each speaker and class."""


class ProtocolContract:
    """A class of tests for pytest; a derived class names the protocol.

    Attributes:
        name: As `protocol=` takes it: of a file in wser/protocols, an installed one, or the path of a file.
        settings: That the protocol needs, by default its own.
    """

    name: str
    settings: ClassVar[dict[str, Any]] = {}

    def folds(self, selection: Selection = "validation") -> list[Fold]:
        """The folds of a corpus of eight speakers, four women and four men, in four sessions."""
        return self._protocol().folds(examples(), selection)

    def _protocol(self) -> protocols.BaseProtocol[Any]:
        return protocols.load(protocols.config(self.name, **self.settings))

    def test_its_title_is_a_line(self) -> None:
        """Reports show it behind the name, and other words behind it."""
        title = self._protocol().title
        assert title == " ".join(title.split()).rstrip(".")

    def test_parts_share_no_utterance(self) -> None:
        """Training, validation and test set are disjoint, and training and test hold something."""
        for fold in self.folds():
            every = [*fold.train, *fold.validation, *fold.test]
            assert len(every) == len({*every})
            assert fold.train
            assert fold.test

    def test_speakers_are_disjoint_where_this_is_promised(self) -> None:
        """No speaker of the test set is one of the others."""
        if not self._protocol().speaker_independent:
            return
        known = examples()
        for fold in self.folds():
            trained = {known[i].speaker for i in (*fold.train, *fold.validation)}
            assert not trained & {known[i].speaker for i in fold.test}

    def test_folds_are_the_same_each_time(self) -> None:
        """They follow from settings and corpus."""
        assert self.folds() == self.folds()

    def test_nothing_is_cut_where_nothing_is_chosen(self) -> None:
        """With `selection=last`, the training set is all of the rest unless the split names a validation set."""
        for last, chosen in zip(self.folds("last"), self.folds(), strict=True):
            assert last.test == chosen.test
            assert {*last.train, *last.validation} == {*chosen.train, *chosen.validation}


def examples() -> list[Example]:
    """Utterances of eight speakers."""
    every = [(speaker, label, at) for speaker in range(SPEAKERS) for label in range(CLASSES) for at in range(EACH)]
    return [
        Example(
            key=f"{speaker}-{label}-{at}",
            corpus=CORPUS,
            speaker=f"s{speaker}",
            sex=("female", "male")[speaker % 2],
            label=label,
            start=0,
            stop=8,
            recording=f"r{row}",
            origin=Origin(f"{row}", None, None, f"{row}"),
            row=row,
            session=f"session {speaker // 2}",
        )
        for row, (speaker, label, at) in enumerate(every)
    ]
