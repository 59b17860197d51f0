"""Caveats: what they say of whom, as sentences and in brief."""

import pytest

from wser.evaluation import caveats
from wser.evaluation.caveats import CHOSEN_ON_TEST, SYNTHETIC

RECORDS = [{"fold": 0, "precision": "32-true", "threads": 1}, {"fold": 1, "precision": "32-true", "threads": 1}]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, []),
        ({"precision": "bf16-mixed"}, ["precision: fold 0 with precision 32-true; fold 1 with precision bf16-mixed"]),
        ({"threads": 2}, ["threads: fold 0 with threads 1; fold 1 with threads 2"]),
        ({"source": "x"}, ["training code: fold 0 from fold 1"]),
        ({"fingerprints": ["x"]}, ["pictures of the caches: fold 0 from fold 1"]),
        ({"versions": {"torch": "3"}}, ["versions of packages: fold 0 from fold 1"]),
        ({"kernels": {"cpu": "AVX2"}}, ["kernels of the processor: fold 0 from fold 1"]),
    ],
)
def test_what_folds_differ_in_is_named_with_the_folds(changes, says):
    found = caveats.mixtures([RECORDS[0], RECORDS[1] | changes])
    assert [*map(str, found)] == [f"Folds differ in {one}." for one in says]


def test_what_is_of_some_of_several_runs_says_of_which():
    found = caveats.together([("A", [SYNTHETIC, CHOSEN_ON_TEST]), ("B", [SYNTHETIC]), ("C", [CHOSEN_ON_TEST, SYNTHETIC])])
    assert [one.runs for one in found] == [(), ("A", "C")]
    assert str(found[0]) == "Synthetic speech: no human spoke, so these results do not show how well emotions are recognised."
    assert str(found[1]).startswith("The epoch was chosen on the test set (A and C): as in the paper, ")
    assert caveats.in_brief(found) == "synthetic speech; epoch chosen on the test set (A and C)"


def test_folds_whose_loss_diverged_are_named():
    folds = [{"fold": 0, "diverged": False}, {"fold": 1, "diverged": True}, {"fold": 2, "diverged": True}]
    found = caveats.of({"corpora": [{"synthetic": False}], "selection": "validation"}, folds)
    assert [*map(str, found)] == ["The loss became infinite in folds 1 and 2, and training stopped there."]
    assert caveats.in_brief(found) == "loss became infinite (folds 1 and 2)"
    assert caveats.in_brief(caveats.together([("A", found), ("B", [])])) == "loss became infinite (A, folds 1 and 2)"
    assert caveats.in_brief([]) == ""
