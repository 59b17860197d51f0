"""The page of corpora is what the command prints, and the command's words are those of each corpus's file."""

from pathlib import Path

import pytest

from precompute import corpora
from precompute.__main__ import main

PAGE = Path(__file__).parents[3] / "docs" / "corpora.md"


@pytest.fixture
def printed(capsys):
    assert main(["--markdown"]) == 0
    return capsys.readouterr().out


def test_the_page_is_what_the_command_prints(printed):
    assert PAGE.read_text() == printed, "make it anew: python -m precompute --markdown > docs/corpora.md"


@pytest.mark.parametrize("name", corpora.names())
def test_the_page_says_all_of_every_corpus(printed, name):
    module = corpora.load(name)
    corpus = module.CORPUS
    section = next(part for part in printed.split("\n## ") if part.startswith(f"{name}\n"))
    facts = [corpus.title, str(corpus.files), str(corpus.speakers), corpus.licence, corpus.source, corpus.usual_place]
    facts += [f"<https://doi.org/{corpus.doi}>", *(f"{emotion} {count}" for emotion, count in corpus.emotions.items())]
    assert [fact for fact in facts if fact not in section] == []
    words = " ".join(section.split())
    assert all(" ".join(paragraph.split()) in words for paragraph in module.__doc__.strip().split("\n\n")[1:])
    assert ("synthetic" in section.lower()) == corpus.synthetic
