"""The linear SVM on vectors: its strength is chosen on training speakers, and nothing else is."""

import numpy as np
import pytest

from wser import models
from wser.config.compose import load
from wser.config.schema import ConfigError, choice
from wser.models import _machine, svm

CLASSES = 3


def config(**settings):
    return choice("model", "svm")(name="svm", **settings)


def corpus(seed=0, speakers=6, each=4, values=40, noise=1.5):
    """Vectors of some speakers, each of whom shows every class `each` times, classes, and names."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((CLASSES, values))
    labels = np.tile(np.repeat(np.arange(CLASSES), each), speakers)
    names = [f"s{i // (CLASSES * each)}" for i in range(len(labels))]
    vectors = centres[labels] + noise * rng.standard_normal((len(labels), values))
    return list(vectors.astype(np.float32)), labels, names


def fitted(vectors, labels, names, **settings):
    return models.build_fitted(config(**settings), CLASSES, 0).fit(vectors, labels, names)


def test_it_learns():
    model = fitted(*corpus())
    vectors, labels, _ = corpus(1)
    assert np.mean(model.predict_proba(vectors).argmax(1) == labels) > 0.9
    assert model.chosen["c"] in svm.STRENGTHS


def test_the_choice_is_that_of_a_search_over_training_speakers():
    from sklearn.metrics import recall_score
    from sklearn.model_selection import GroupKFold

    vectors, labels, names = corpus(noise=4)
    scores = []
    for c in svm.STRENGTHS:
        predicted = np.empty_like(labels)
        for rest, out in GroupKFold(4).split(vectors, labels, names):
            model = fitted([vectors[i] for i in rest], labels[rest], [names[i] for i in rest], c=c)
            predicted[out] = model.predict_proba([vectors[i] for i in out]).argmax(1)
        scores.append(recall_score(labels, predicted, average="macro"))
    chosen = fitted(vectors, labels, names)
    assert chosen.chosen == {"c": svm.STRENGTHS[int(np.argmax(scores))]}
    same = fitted(vectors, labels, names, c=chosen.chosen["c"])
    assert same.chosen == {}
    np.testing.assert_array_equal(same.predict_proba(vectors), chosen.predict_proba(vectors))


def test_names_and_order_of_speakers_change_nothing_but_who_is_held_out_together():
    vectors, labels, names = corpus(noise=4)
    renamed = [f"other {name}" for name in names]
    np.testing.assert_array_equal(
        fitted(vectors, labels, names).predict_proba(vectors), fitted(vectors, labels, renamed).predict_proba(vectors)
    )


def test_what_lies_far_away_is_cut_off():
    vectors, labels, names = corpus()
    model = fitted(vectors, labels, names)
    far = [np.where(np.arange(len(v)) == 0, 1e12, v).astype(np.float32) for v in vectors]
    edge = [np.where(np.arange(len(v)) == 0, _machine.MOST_DEVIATIONS, v).astype(np.float32) for v in vectors]
    np.testing.assert_array_equal(model.predict_proba(far), model.predict_proba(edge))


def test_rare_classes_count_as_much_as_others_unless_told_otherwise():
    vectors, labels, names = corpus(noise=6, each=8)
    kept = [i for i, label in enumerate(labels) if label < 2 or i % 8 == 0]
    few = ([vectors[i] for i in kept], labels[kept], [names[i] for i in kept])
    test, truth, _ = corpus(1, noise=6, each=8)
    hits = [
        np.sum(fitted(*few, c=0.1, balanced=balanced).predict_proba(test).argmax(1)[truth == 2] == 2)
        for balanced in (True, False)
    ]
    assert hits[0] > hits[1]


@pytest.mark.parametrize("case", ["one speaker", "one class", "two classes", "a class of one speaker"])
def test_small_training_sets(case):
    vectors, labels, names = corpus()
    kept = {
        "one speaker": [i for i, name in enumerate(names) if name == "s0"],
        "one class": [i for i, label in enumerate(labels) if label == 1],
        "two classes": [i for i, label in enumerate(labels) if label != 1],
        "a class of one speaker": [i for i, label in enumerate(labels) if label == 0 or names[i] == "s0"],
    }[case]
    model = fitted([vectors[i] for i in kept], labels[kept], [names[i] for i in kept])
    probabilities = model.predict_proba(vectors)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert not probabilities[:, sorted({0, 1, 2} - {*labels[kept]})].any()


def test_it_names_its_recipe_and_its_standardisation():
    (plain,), (other,), (given,) = (
        load(["corpus=emodb", *words]) for words in (["model=svm"], [], ["model=svm", "recipe=egemaps"])
    )
    assert (plain.recipe, plain.data.standardise) == ("compare", "training")
    assert (other.recipe, other.data.standardise) == ("default", "utterance")
    assert given.recipe == "egemaps"
    both = load(["model=svm,row_svm"])
    assert [(one.recipe, one.data.standardise) for one in both] == [("compare", "training"), ("default", "none")]


@pytest.mark.parametrize("setting", ["model.c=-1", "train.lr=0.1", "data.mixup=0.2", "data.enrol=3"])
def test_what_it_does_not_read_is_refused(setting):
    with pytest.raises(ConfigError):
        load(["model=svm", setting])
