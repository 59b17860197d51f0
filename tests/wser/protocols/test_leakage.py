import dataclasses

import pytest

from wser.data.dataset import Example
from wser.data.recordings import Origin
from wser.protocols import Fold, _leakage
from wser.protocols._leakage import Leakage, Shared

EXAMPLES = [
    Example(f"u{i}", "c", speaker, None, 0, 0, 8, f"sha{i}", Origin(f"sha{i}", None, None, f"{i}"), i, session, sentence)
    for i, (speaker, session, sentence) in enumerate(
        [
            ("anna", "one", "kids"),
            ("anna", "one", "dogs"),
            ("bert", "two", "kids"),
            ("bert", "two", "dogs"),
            ("cleo", "two", "kids"),
            ("cleo", "three", "dogs"),
        ]
    )
]


def test_report_counts_and_names_what_training_and_test_share():
    report = _leakage.of_folds([Fold(3, (0,), (2,), (1, 3, 4))], EXAMPLES, [])[0]
    assert report == Leakage(
        3,
        speakers=Shared(2, ("anna", "bert")),
        sessions=Shared(2, ("one", "two")),
        sentences=Shared(0, ()),
        recordings=Shared(0, ()),
        left_out=Shared(1, ("u5",)),
        near_doubles=Shared(0, ()),
    )


def test_pairs_of_near_doubles_are_named_where_one_is_in_each_part():
    pairs = [(0, 1), (1, 2), (0, 2), (3, 4), (3, 5)]
    report = _leakage.of_folds([Fold(3, (0,), (2,), (1, 3, 4))], EXAMPLES, pairs)[0]
    assert report.near_doubles == Shared(2, ("u0 ~ u1", "u1 ~ u2"))
    assert any("nearly equal recordings" in line and "2, such as u0 ~ u1" in line for line in _leakage.lines([report], True))


def test_sentence_counts_only_for_the_same_speaker():
    again = dataclasses.replace(EXAMPLES[0], key="u6", origin=Origin("sha6", None, None, "6"), row=6)
    report = _leakage.of_folds([Fold(0, (0, 2), (), (4, 6))], [*EXAMPLES, again], [])[0]
    assert report.sentences == Shared(1, ("anna: kids",))


@pytest.mark.parametrize(("one", "other"), [((None, None), (None, None)), ((0.0, 2.0), (2.0, 3.0)), ((None, 1.0), (1.0, None))])
def test_same_recording_is_counted_whichever_part_of_it_is_used(one, other):
    known, unseen = (dataclasses.replace(EXAMPLES[0], origin=Origin("sha", *part, f"{part}")) for part in (one, other))
    assert _leakage.of_folds([Fold(0, (0,), (), (1,))], [known, unseen], [])[0].recordings == Shared(1, ("sha",))


def test_report_says_when_the_corpus_does_not():
    silent = [dataclasses.replace(e, session=None, sentence=None) for e in EXAMPLES]
    report = _leakage.of_folds([Fold(0, (0, 1), (2, 3), (4, 5))], silent, None)[0]
    assert report.sessions == report.sentences == Shared(None, ())
    assert report.near_doubles == Shared(None, ())
    assert report.speakers == Shared(0, ())


def test_report_names_a_few_only():
    many = [dataclasses.replace(EXAMPLES[0], key=f"u{i}", speaker=f"s{i % 9}", row=i) for i in range(18)]
    report = _leakage.of_folds([Fold(0, tuple(range(9)), (), tuple(range(9, 18)))], many, [])[0]
    assert report.speakers == Shared(9, ("s0", "s1", "s2", "s3", "s4"))


def reports(*folds: Fold) -> list[Leakage]:
    return _leakage.of_folds(folds, EXAMPLES, [])


@pytest.mark.parametrize(
    ("folds", "independent", "shown"),
    [
        (
            [Fold(0, (0, 1), (2, 3), (4, 5))],
            True,
            ["none (as the protocol promises)", "1, such as two", "none", "none", "none"],
        ),
        (
            [Fold(0, (0, 1), (2, 3), (4, 5)), Fold(1, (2, 3), (4, 5), (0, 1))],
            True,
            ["none (as the protocol promises)", "0 to 1 a fold, such as two", "none", "none", "none"],
        ),
        (
            [Fold(0, (0, 2, 4), (), (1, 3, 5))],
            False,
            ["3, such as anna, bert, cleo (results are for known speakers)", "2, such as one, two", "none", "none", "none"],
        ),
    ],
)
def test_lines_say_it_in_a_few_words(folds, independent, shown):
    head, *lines = _leakage.lines(reports(*folds), independent)
    assert head == "shared by training (with validation) and test:"
    assert [line[28:] for line in lines] == shown
    assert [line[:28].strip() for line in lines] == [
        "speakers",
        "sessions",
        "sentences of one speaker",
        "recordings",
        "nearly equal recordings",
    ]


def test_lines_say_what_the_split_leaves_out():
    assert _leakage.lines(reports(Fold(0, (0,), (), (4,))), True)[-1] == "left out by the split: 4, such as u1, u2, u3"
