"""What every corpus must pass."""

from pathlib import Path
from types import ModuleType

import pytest

from precompute import corpora
from precompute.corpora import EMOTIONS, Corpus

NONSENSE = ("", "garbage", "readme", "no_such_name_001", "1\n")
"""Names of recordings that no corpus has."""


class CorpusContract:
    """A class of tests for pytest; a derived class names the corpus.

    Attributes:
        name: As `--corpus` takes it: of a file in precompute/corpora, an installed one, or the path of a file.
    """

    name: str

    @property
    def module(self) -> ModuleType:
        """The module of the corpus."""
        return corpora.load(self.name)

    def test_it_has_the_name_of_its_file(self) -> None:
        """It is asked for, cached and reported by one name."""
        assert isinstance(self.module.CORPUS, Corpus)
        assert self.module.CORPUS.name == Path(str(self.module.__file__)).stem

    def test_it_says_what_is_published(self) -> None:
        """Numbers of speakers and utterances, source and licence; emotions of the common vocabulary."""
        corpus: Corpus = self.module.CORPUS
        assert set(corpus.emotions) <= set(EMOTIONS)
        assert all(count > 0 for count in corpus.emotions.values())
        assert corpus.speakers > 0
        assert all((corpus.title, corpus.licence, corpus.source, corpus.doi))
        assert corpus.usual_place.startswith(corpus.name)
        assert 0 <= (corpus.women or 0) <= corpus.speakers
        assert len(corpus.keys) in (0, corpus.files)
        assert sum(corpus.by_speaker.values()) in (0, corpus.files)

    def test_its_docstring_says_where_it_is_from(self) -> None:
        """`docs/corpora.md` and `python -m precompute list` are made from it."""
        assert "Origin:" in (self.module.__doc__ or "")

    def test_it_is_not_found_where_it_is_not(self, tmp_path: Path) -> None:
        """In a directory that is empty, missing or a file."""
        for place in (tmp_path, tmp_path / "missing", Path(__file__)):
            assert list(self.module.copies(place)) == []

    def test_a_scan_of_nothing_is_empty(self, tmp_path: Path) -> None:
        """No utterance, and no file that it did not understand."""
        scan = self.module.scan(tmp_path)
        assert scan.utterances == scan.skipped == ()

    @pytest.mark.parametrize("name", NONSENSE)
    def test_a_name_that_means_nothing_does_not_parse(self, name: str) -> None:
        """It is an error that says so, and no utterance."""
        with pytest.raises(ValueError, match=r"\S"):
            self.module.parse(name)

    def test_it_needs_a_maker_to_be_synthetic(self) -> None:
        """Speech that no human spoke is made on the spot, and results say so."""
        assert self.module.CORPUS.synthetic == hasattr(self.module, "make")
