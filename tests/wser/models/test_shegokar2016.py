"""The quadratic SVM: it tells what no plane can, and chooses among training speakers."""

import numpy as np

from wser import models
from wser.config.compose import load
from wser.models import _machine


def fitted(vectors, labels, **settings):
    (config,) = load(["model=shegokar2016", *(f"model.{key}={value}" for key, value in settings.items())])
    names = [str(i % 5) for i in range(len(labels))]
    return models.build_fitted(config.model, 2, 0).fit(vectors, labels, names)


def test_it_tells_near_from_far_which_no_plane_does():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((200, 4)).astype(np.float32)
    labels = (np.linalg.norm(vectors, axis=1) > 1.8).astype(np.int64)
    model = fitted(list(vectors[:150]), labels[:150])
    assert np.mean(model.predict_proba(list(vectors[150:])).argmax(axis=1) == labels[150:]) > 0.85
    assert model.chosen["c"] in _machine.STRENGTHS
    assert fitted(list(vectors), labels, c=2).chosen == {}


def test_it_names_its_recipe_and_its_standardisation():
    (config,) = load(["corpus=emodb", "model=shegokar2016"])
    assert (config.recipe, config.data.standardise) == ("cwt_statistics", "training")
