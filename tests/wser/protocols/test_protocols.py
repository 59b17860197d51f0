import dataclasses
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from wser import protocols, results
from wser.config.schema import ConfigError
from wser.data.dataset import Example
from wser.data.recordings import Origin
from wser.protocols import BaseProtocol, Fold, HeldOut, ProtocolError, as_file, check, split_hash

CONTRACT = settings(max_examples=25)


def example(number: int, speaker: str = "s", sex: str | None = "female", label: int = 0) -> Example:
    """An utterance; speakers w0 and m0 make the first session, w1 and m1 the next, all women one corpus, all men another."""
    recording = f"{number:064x}"
    origin = Origin(recording, None, None, f"picture {number}")
    session = f"session {speaker[1:]}"
    return Example(f"u{number:04}", speaker[0], speaker, sex, label, 0, 8, recording, origin, number, session, "sentence")


def corpus(women: int, men: int, each: int = 4, classes: int = 3, sex: bool = True) -> list[Example]:
    """Every speaker says the same number of utterances, their classes in turn."""
    speakers = [(f"w{i}", "female") for i in range(women)] + [(f"m{i}", "male") for i in range(men)]
    spoken = [speaker for speaker in speakers for _ in range(each)]
    return [example(i, name, kind if sex else None, i % classes) for i, (name, kind) in enumerate(spoken)]


@st.composite
def corpora(draw) -> list[Example]:
    """Two to five women, two to five men, unevenly many utterances, classes at random, in any order."""
    women, men = draw(st.integers(2, 5)), draw(st.integers(2, 5))
    classes = draw(st.integers(2, 4))
    speakers = [(f"w{i}", "female") for i in range(women)] + [(f"m{i}", "male") for i in range(men)]
    counts = draw(st.lists(st.integers(1, 8), min_size=len(speakers), max_size=len(speakers)))
    spoken = [speaker for speaker, count in zip(speakers, counts, strict=True) for _ in range(count)]
    spoken = draw(st.permutations(spoken))
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=len(spoken), max_size=len(spoken)))
    return [example(i, name, kind, label) for i, ((name, kind), label) in enumerate(zip(spoken, labels, strict=True))]


def needed(name: str, examples: list[Example], folder: Path) -> dict[str, str]:
    """Keys that a protocol needs besides its name; the file of `file` holds out each speaker in turn."""
    if name == "cross_corpus":
        return {"test": "m"}
    if name == "file":
        folds = protocols.load(protocols.config("loso")).folds(examples, "test")
        path = folder / "split.json"
        path.write_text(json.dumps(as_file("loso", True, folds, examples)))
        return {"file": str(path)}
    return {}


def loaded(name: str, examples: list[Example], **changes) -> BaseProtocol:
    with tempfile.TemporaryDirectory() as folder:
        keys = {"folds": 2, **needed(name, examples, Path(folder)), **changes}
        config = protocols.config(name)
        return protocols.load(protocols.config(name, **{key: value for key, value in keys.items() if hasattr(config, key)}))


def make(name: str, examples: list[Example], selection: str = "validation", **changes) -> list[Fold]:
    return loaded(name, examples, **changes).folds(examples, selection)


def accepted(name: str, examples: list[Example], **changes) -> list[Fold]:
    """The folds; corpora too small for the protocol are not what the contract is about."""
    try:
        return make(name, examples, **changes)
    except ProtocolError:
        assume(False)
        raise


ANY = [name for name in protocols.names() if name != "emobox"]
"""Protocols for any corpus; those of RAVDESS alone have tests of their own."""


@pytest.fixture(params=ANY, scope="module")
def name(request) -> str:
    return request.param


def is_speaker_independent(name: str) -> bool:
    return loaded(name, corpus(women=2, men=2)).speaker_independent


# The contract of every protocol.


def test_the_folder_holds_protocols():
    known = {"cross_corpus", "file", "loso", "session_folds", "speaker_dependent", "speaker_folds", "speaker_independent"}
    assert known <= set(protocols.names())


@CONTRACT
@given(examples=corpora())
def test_parts_are_disjoint_and_cover_the_corpus(name, examples):
    for number, fold in enumerate(accepted(name, examples)):
        assert fold.number == number
        assert sorted([*fold.train, *fold.validation, *fold.test]) == list(range(len(examples)))


@pytest.mark.slow
@CONTRACT
@given(examples=corpora())
def test_parts_are_sorted_and_not_empty(name, examples):
    for fold in accepted(name, examples):
        for part in (fold.train, fold.validation, fold.test):
            assert part
            assert list(part) == sorted(part)


@pytest.mark.slow
@CONTRACT
@pytest.mark.parametrize("selection", ["last", "test"])
@given(examples=corpora())
def test_without_validation_it_all_goes_to_training(name, selection, examples):
    with_it, without = accepted(name, examples), accepted(name, examples, selection=selection)
    assert [fold.test for fold in with_it] == [fold.test for fold in without]
    for one, other in zip(with_it, without, strict=True):
        assert other.validation == ()
        assert sorted([*one.train, *one.validation]) == list(other.train), "validation is cut from training"


@pytest.mark.slow
@CONTRACT
@given(examples=corpora(), seed=st.integers(0, 2**32 - 1))
def test_the_same_seed_gives_the_same_split(name, examples, seed):
    assert accepted(name, examples, seed=seed) == accepted(name, list(examples), seed=seed)


def test_another_seed_gives_another_split(name):
    examples = corpus(women=5, men=5)
    assert len({str(make(name, examples, seed=seed)) for seed in range(5)}) > 1


@pytest.mark.parametrize("name", [*filter(is_speaker_independent, ANY)])
@CONTRACT
@given(examples=corpora(), fraction=st.floats(0.05, 0.6))
def test_speakers_are_on_one_side_only_where_the_protocol_says_so(name, examples, fraction):
    for fold in accepted(name, examples, validation_fraction=fraction):
        train, validation, test = ({examples[i].speaker for i in p} for p in (fold.train, fold.validation, fold.test))
        assert not train & validation
        assert not train & test
        assert not validation & test


def test_every_fold_passes_the_check_of_run_time(name):
    examples = corpus(women=3, men=3)
    for fold in make(name, examples):
        check([fold], examples, is_speaker_independent(name))


def test_a_recording_that_occurs_twice_cannot_stand_on_both_sides(name, messages):
    """Every recording twice, of two speakers, sessions and corpora: whatever is held out, its double is in training."""
    examples = corpus(women=3, men=3, each=2)
    other = {"w": "m", "m": "w"}
    twins = [
        dataclasses.replace(
            e, key=f"{e.key}-twin", speaker=f"{e.speaker}-twin", session=f"{e.session}-twin", corpus=other[e.corpus]
        )
        for e in examples
    ]
    if name == "speaker_dependent":
        # It draws recordings, and keeps their doubles together.
        for fold in make(name, [*examples, *twins]):
            assert all((i in fold.test) == (i + len(examples) in fold.test) for i in range(len(examples)))
        return
    with messages.raises(ProtocolError, "SHA-256 " + "0" * 50):
        make(name, [*examples, *twins])


def test_the_examples_are_left_alone(name):
    examples = corpus(women=3, men=3)
    copy = list(examples)
    make(name, examples)
    assert examples == copy


# What each of them promises besides.


@CONTRACT
@given(examples=corpora(), seed=st.integers(0, 1000))
def test_speaker_independent_holds_out_one_woman_and_one_man_never_twice(examples, seed):
    folds = accepted("speaker_independent", examples, seed=seed)
    assert len(folds) == 2
    held = []
    for fold in folds:
        speakers = {(examples[i].speaker, examples[i].sex) for i in fold.test}
        assert sorted(sex for _, sex in speakers) == ["female", "male"]
        held += [speaker for speaker, _ in speakers]
        assert {examples[i].speaker for i in fold.test}.isdisjoint(examples[i].speaker for i in fold.train)
    assert len(held) == len(set(held)) == 4


def test_speaker_independent_draws_pairs_at_random():
    examples = corpus(women=5, men=5)
    pairs = {frozenset(examples[i].speaker for i in make("speaker_independent", examples, seed=s)[0].test) for s in range(30)}
    assert len(pairs) > 10, "of 25 pairs, 30 draws see more than ten"


def test_validation_speakers_are_women_and_men_in_turn():
    examples = corpus(women=10, men=10)
    for fold in make("speaker_independent", examples, validation_fraction=0.25):
        sexes = {examples[i].speaker: examples[i].sex for i in fold.validation}
        assert sorted(sexes.values()).count("female") == len(sexes) / 2 == 2


def test_speaker_independent_refuses_unknown_sex_and_says_what_to_do(messages):
    with messages.raises(ProtocolError):
        make("speaker_independent", corpus(women=2, men=2, sex=False))


@pytest.mark.parametrize(("women", "men", "folds"), [(2, 5, 3), (3, 2, 4), (10, 10, 11)])
def test_speaker_independent_refuses_more_folds_than_pairs_and_says_what_to_do(women, men, folds, messages):
    pairs = min(women, men)
    examples = corpus(women, men)
    with messages.raises(ProtocolError):
        make("speaker_independent", examples, folds=folds)
    assert len(make("speaker_independent", examples, folds=pairs)) == pairs


@CONTRACT
@given(examples=corpora())
def test_loso_has_a_fold_for_each_speaker(examples):
    folds = make("loso", examples, folds=2)
    speakers = sorted({e.speaker for e in examples})
    assert [{examples[i].speaker for i in fold.test} for fold in folds] == [{speaker} for speaker in speakers]


def test_loso_needs_no_sex():
    assert len(make("loso", corpus(women=2, men=2, sex=False))) == 4


def test_loso_refuses_two_speakers_where_validation_takes_one(messages):
    two = corpus(women=1, men=1)
    with messages.raises(ProtocolError):
        make("loso", two)
    assert len(make("loso", two, "last")) == 2


@CONTRACT
@given(each=st.integers(5, 12), fraction=st.floats(0.1, 0.5), seed=st.integers(0, 1000))
def test_speaker_dependent_holds_out_its_share_of_every_class(each, fraction, seed):
    examples = corpus(women=2, men=2, each=3 * each)
    for fold in make("speaker_dependent", examples, folds=3, test_fraction=fraction, seed=seed):
        for label in range(3):
            members = sum(e.label == label for e in examples)
            held = sum(examples[i].label == label for i in fold.test)
            assert abs(held - fraction * members) <= 0.5 + 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_speaker_dependent_keeps_the_doubles_of_a_recording_together(seed):
    # RAVDESS has two: the same file, byte for byte, under two names.
    examples = corpus(3, 3, each=20)
    for double in (7, 40, 90):
        first = examples[double - 3]
        examples[double] = dataclasses.replace(examples[double], recording=first.recording, origin=first.origin)
    for fold in make("speaker_dependent", examples, folds=3, seed=seed):
        for part in (fold.train, fold.validation, fold.test):
            assert all((double in part) == (double - 3 in part) for double in (7, 40, 90))


def test_speaker_dependent_draws_every_fold_anew():
    folds = make("speaker_dependent", corpus(women=3, men=3, each=9), folds=5)
    assert len({fold.test for fold in folds}) == 5


def test_unknown_protocol_names_the_nearest(messages):
    with messages.raises(ConfigError):
        protocols.load(protocols.config("lso"))


@CONTRACT
@given(examples=corpora(), count=st.integers(2, 6), seed=st.integers(0, 1000))
def test_speaker_folds_hold_out_every_speaker_once_in_balanced_groups(examples, count, seed):
    folds = accepted("speaker_folds", examples, folds=count, seed=seed)
    assert len(folds) == count
    groups = [{(examples[i].speaker, examples[i].sex) for i in fold.test} for fold in folds]
    assert sorted(speaker for group in groups for speaker in group) == sorted({(e.speaker, e.sex) for e in examples})
    for kind in ({"female"}, {"male"}, {"female", "male"}):
        sizes = [sum(sex in kind for _, sex in group) for group in groups]
        assert max(sizes) - min(sizes) <= 1


def test_speaker_folds_need_no_sex():
    assert len(make("speaker_folds", corpus(women=3, men=3, sex=False), folds=3)) == 3


def test_speaker_folds_refuse_more_folds_than_speakers_and_say_what_to_do(messages):
    with messages.raises(ProtocolError):
        make("speaker_folds", corpus(women=3, men=3), folds=7)


PUBLISHED = [{2, 5, 14, 15, 16}, {3, 6, 7, 13, 18}, {10, 11, 12, 19, 20}, {8, 17, 21, 23, 24}, {1, 4, 9, 22}]


def ravdess(actors: int = 24) -> list[Example]:
    made = [example(i, f"{i % actors + 1:02}", "male" if i % 2 else "female", i // actors % 3) for i in range(3 * actors)]
    return [dataclasses.replace(e, corpus="ravdess") for e in made]


def test_speaker_folds_of_ravdess_are_the_published_ones_whatever_the_seed():
    examples = ravdess()
    for seed in (0, 1):
        folds = make("speaker_folds", examples, folds=2, seed=seed)
        assert [{int(examples[i].speaker) for i in fold.test} for fold in folds] == PUBLISHED


def test_speaker_folds_refuse_a_part_of_ravdess_and_say_what_to_do(messages):
    with messages.raises(ProtocolError):
        make("speaker_folds", ravdess(actors=20))


def test_emobox_holds_out_four_actors_of_ravdess_in_turn(messages):
    examples = ravdess()
    folds = make("emobox", examples)
    held = [{examples[i].speaker for i in fold.test} for fold in folds]
    assert [len(actors) for actors in held] == [4] * 6
    assert {"11", "01", "20", "21"} in held
    assert set.union(*held) == {example.speaker for example in examples}
    with messages.raises(ProtocolError):
        make("emobox", corpus(women=12, men=12))


def test_speaker_folds_of_ravdess_joined_to_another_corpus_are_drawn():
    others = (dataclasses.replace(e, key=f"x{e.key}", recording=f"x{e.recording}") for e in corpus(women=2, men=2))
    joined = [*ravdess(), *others]
    assert len(make("speaker_folds", joined, folds=3)) == 3


@CONTRACT
@given(examples=corpora())
def test_session_folds_have_a_fold_for_each_session(examples):
    folds = accepted("session_folds", examples)
    assert [{examples[i].session for i in fold.test} for fold in folds] == [{s} for s in sorted({e.session for e in examples})]


def test_session_folds_refuse_a_corpus_without_sessions_and_say_what_to_do(messages):
    examples = [dataclasses.replace(e, session=None, corpus="emodb") for e in corpus(women=2, men=2)]
    with messages.raises(ProtocolError):
        make("session_folds", examples)


def test_session_folds_refuse_a_single_session_and_say_what_to_do(messages):
    with messages.raises(ProtocolError):
        make("session_folds", corpus(women=1, men=1))


def test_session_folds_refuse_a_speaker_of_two_sessions(messages):
    examples = corpus(women=3, men=3)
    moved = dataclasses.replace(examples[0], session="session 1")
    with messages.raises(ProtocolError):
        make("session_folds", [moved, *examples[1:]], "last")


def test_cross_corpus_tests_on_one_corpus_and_trains_on_the_others():
    examples = corpus(women=3, men=3)
    (fold,) = make("cross_corpus", examples)
    assert {examples[i].corpus for i in fold.test} == {"m"}
    assert {examples[i].corpus for i in (*fold.train, *fold.validation)} == {"w"}


@pytest.mark.parametrize(
    "changes",
    [
        {"test": None},
        {"test": "emodb"},
    ],
)
def test_cross_corpus_refuses_what_it_cannot_test_on_and_says_what_to_do(changes, messages):
    with messages.raises(ProtocolError):
        make("cross_corpus", corpus(women=2, men=2), **changes)


def test_cross_corpus_refuses_a_single_corpus_and_names_the_nearest(messages):
    alone = [dataclasses.replace(e, corpus="emodb") for e in corpus(women=2, men=2)]
    with messages.raises(ProtocolError):
        make("cross_corpus", alone, test="emodb")
    with messages.raises(ProtocolError):
        make("cross_corpus", alone, test="emodbb")


# What the base class makes of a split that names more than its test set.


class Named(BaseProtocol):
    speaker_independent = False

    def held_out(self, examples, rng):  # noqa: ARG002
        yield HeldOut({0}, {1}, {2})
        yield HeldOut({0, 3}, left_out={1})


def test_named_validation_is_kept_and_what_is_left_out_is_in_no_part():
    named, cut = Named(protocols.config("loso")).folds([example(i) for i in range(9)])
    assert named == Fold(0, (3, 4, 5, 6, 7, 8), (1,), (0,))
    assert set(cut.train) | set(cut.validation) == {2, 4, 5, 6, 7, 8}
    assert cut.validation


def test_named_validation_stays_where_nothing_is_cut_and_goes_to_training_where_the_test_part_chooses():
    examples = [example(i) for i in range(9)]
    named, cut = Named(protocols.config("loso")).folds(examples, "last")
    assert named == Fold(0, (3, 4, 5, 6, 7, 8), (1,), (0,))
    assert cut.validation == ()
    named, _ = Named(protocols.config("loso")).folds(examples, "test")
    assert named == Fold(0, (1, 3, 4, 5, 6, 7, 8), (), (0,))


def test_overlap_of_a_named_validation_and_test_part_is_refused(messages):
    class Wrong(Named):
        def held_out(self, examples, rng):  # noqa: ARG002
            yield HeldOut({0, 1}, {1})

    with messages.raises(ProtocolError):
        Wrong(protocols.config("loso")).folds([example(i) for i in range(9)])


# The check at run time, and the hash.


@pytest.mark.parametrize(
    ("kind", "word"), [("speaker", "speaker"), ("recording", "recording with SHA-256"), ("key", "utterance")]
)
@pytest.mark.parametrize("sides", [("train", "validation"), ("train", "test"), ("validation", "test")])
def test_check_names_what_two_parts_share(kind, word, sides):
    examples = [example(i, speaker=f"s{i}") for i in range(6)]
    parts = {"train": (0, 1), "validation": (2, 3), "test": (4, 5)}
    one, other = (parts[side][0] for side in sides)
    fields = [kind, "origin"] if kind == "recording" else [kind]
    examples[other] = dataclasses.replace(examples[other], **{field: getattr(examples[one], field) for field in fields})
    named = [side.replace("train", "training") for side in sides]
    with pytest.raises(ProtocolError) as refused:
        check([Fold(7, *parts.values())], examples, speaker_independent=True)
    shared = getattr(examples[one], kind)
    assert f"{word} {shared} is in the {named[0]} and the {named[1]} set of fold 7" in str(refused.value)


def test_check_allows_shared_speakers_where_nothing_else_was_promised(messages):
    examples = [example(i, speaker="one") for i in range(3)]
    check([Fold(0, (0,), (1,), (2,))], examples, speaker_independent=False)
    with messages.raises(ProtocolError):
        check([Fold(0, (0,), (1,), (2,))], examples, speaker_independent=True)


@pytest.mark.parametrize("parts", [((), (1,), (0, 2)), ((0, 1), (2,), ())])
def test_check_refuses_an_empty_part(parts, messages):
    with messages.raises(ProtocolError):
        check([Fold(0, *parts)], [example(i, speaker=f"s{i}") for i in range(3)], speaker_independent=True)


def test_check_allows_no_validation_part():
    check([Fold(0, (0,), (), (1,))], [example(i, speaker=f"s{i}") for i in range(2)], speaker_independent=True)


@CONTRACT
@given(examples=corpora(), data=st.data())
def test_split_hash_does_not_depend_on_the_order_of_the_examples(examples, data):
    folds = accepted("loso", examples)
    order = data.draw(st.permutations(range(len(examples))))
    place = {old: new for new, old in enumerate(order)}
    moved = [
        Fold(f.number, *(tuple(sorted(place[i] for i in part)) for part in (f.train, f.validation, f.test))) for f in folds
    ]
    assert split_hash(moved, [examples[i] for i in order]) == split_hash(folds, examples)


@CONTRACT
@given(examples=corpora(), data=st.data())
def test_split_hash_notices_every_move(examples, data):
    folds = accepted("loso", examples)
    at = data.draw(st.integers(0, len(folds) - 1))
    parts = {"train": set(folds[at].train), "validation": set(folds[at].validation), "test": set(folds[at].test)}
    source, target = data.draw(st.permutations(list(parts)))[:2]
    moving = data.draw(st.sampled_from(sorted(parts[source])))
    parts[source].remove(moving)
    parts[target].add(moving)
    changed = list(folds)
    changed[at] = Fold(at, *(tuple(sorted(part)) for part in parts.values()))
    assert split_hash(changed, examples) != split_hash(folds, examples)


def test_split_hash_tells_folds_and_keys_apart():
    examples = corpus(women=3, men=3)
    folds = make("loso", examples)
    assert split_hash(folds[:-1], examples) != split_hash(folds, examples)
    assert split_hash(folds[::-1], examples) != split_hash(folds, examples)
    renamed = [dataclasses.replace(examples[0], key="other"), *examples[1:]]
    assert split_hash(folds, renamed) != split_hash(folds, examples)


def test_split_does_not_depend_on_the_global_generator(name):
    examples = corpus(women=3, men=3)
    np.random.seed(0)
    one = make(name, examples)
    np.random.seed(1)
    assert make(name, examples) == one


def test_a_split_whose_file_would_not_be_read_again_is_refused(monkeypatch, messages):
    examples = corpus(3, 3)
    folds = protocols.load(protocols.config("loso")).folds(examples)
    size = len(results.as_json(as_file("loso", True, folds, examples)))
    monkeypatch.setattr(protocols, "LARGEST_JSON", size)
    assert protocols.load(protocols.config("loso")).folds(examples) == folds
    monkeypatch.setattr(protocols, "LARGEST_JSON", size * 0.6)
    with messages.raises(ProtocolError):
        protocols.load(protocols.config("loso")).folds(examples)
