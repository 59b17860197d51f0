"""What differs between two recipes, and between the inputs of two caches, is listed, and nothing else."""

import dataclasses

import pytest
from toy import unit

from precompute.cache import diff
from precompute.recipe import named

RECORDS = unit("anna", "sad")[0]


def test_equal_recipes_do_not_differ():
    assert diff.parameters(named("default").record(), named("default").record()) == []


def test_parameters_that_differ_are_listed_with_both_values():
    found = diff.parameters(named("default").record(), named("default", ["colour=grey", "top_db=5"]).record())
    assert [key for key, _, _ in found] == ["top_db", "colour", "colour_table"]
    assert found[:2] == [("top_db", 10.0, 5.0), ("colour", "viridis", "grey")]


def test_a_parameter_that_one_lacks_differs():
    assert diff.parameters({"scales": 8}, {"rgb": "colormap", "scales": 8}) == [("rgb", None, "colormap")]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"label": "T"}, "label S and T"),
        ({"speaker": "bert", "emotion": "angry"}, "speaker anna and bert, emotion sad and angry"),
        ({"sha256": "11" * 32, "image_sha256": "22" * 32}, "another recording"),
        ({"image_sha256": "22" * 32}, "another picture"),
    ],
)
def test_what_differs_of_an_utterance_is_said(change, says):
    other = [RECORDS[0], dataclasses.replace(RECORDS[1], **change), RECORDS[2]]
    assert diff.inputs(RECORDS, other, pictures=True) == [(RECORDS[1].key, says)]


def test_by_another_recipe_every_picture_is_another_and_none_is_listed():
    other = [dataclasses.replace(record, image_sha256="22" * 32) for record in RECORDS]
    assert diff.inputs(RECORDS, other, pictures=False) == []


def test_utterances_that_one_lacks_are_listed_by_key():
    assert diff.inputs(RECORDS[:2], RECORDS[1:], pictures=True) == [
        (RECORDS[0].key, "only in the first"), (RECORDS[2].key, "only in the second"),
    ]  # fmt: skip
