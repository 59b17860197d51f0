"""Plots of sweeps: numbers stand on their axis by their size, in whatever order they were given."""

import pytest
from matplotlib import pyplot as plt

from wser.evaluation.sweeps import Point, Sweep
from wser.reports import figures


def ticks(values: list, key: str = "train.batch") -> tuple[list[str], list[float], str]:
    """Labels and places on the axis, from the left, and what the axis is called."""
    summary = {"pooled": {"uar": 0.5}, "validation": None, "chance": 0.1, "interval": None, "folds": []}
    points = [Point({key: value}, str(value), summary) for value in values]
    figure = figures.sweep(Sweep([key], points), key)
    axes = figure.axes[0]
    found = [tick.get_text() for tick in axes.get_xticklabels()], list(axes.get_xticks()), axes.get_xlabel()
    plt.close(figure)
    return found


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([10, 2], ["2", "10"]),
        ([10.0, 2.0, 9.0], ["2", "9", "10"]),
        ([0.01, 0.0001, 0.1, 0.001], ["0.0001", "0.001", "0.01", "0.1"]),
        ([0, 16, 8], ["0", "8", "16"]),
        (["b", "a"], ["b", "a"]),
        ([True, False], ["true", "false"]),
    ],
)
def test_numbers_stand_in_their_order_and_names_as_given(values, labels):
    found, places, _ = ticks(values)
    assert found == labels
    assert places == sorted(places)


def test_powers_of_ten_are_equally_far_apart():
    _, places, name = ticks([0.1, 0.0001, 0.01, 0.001], "train.lr")
    assert places == pytest.approx([0, 1, 2, 3])
    assert name == "lr (log scale)"


def test_marks_of_the_test_stand_on_their_values_where_there_is_no_validation():
    for validation, there in ((None, [0, 1]), ({"uar": 0.4}, [0.07, 1.07])):
        summary = {
            "pooled": {"uar": 0.5}, "validation": validation, "chance": 0.1, "interval": None, "folds": [],
            "seconds_to_epoch": 1.0,
        }  # fmt: skip
        points = [Point({"train.batch": value}, str(value), summary) for value in (2, 3)]
        figure = figures.sweep(Sweep(["train.batch"], points), "train.batch")
        (line,) = [line for line in figure.axes[0].get_lines() if str(line.get_label()).startswith("test")]
        assert list(line.get_xdata()) == pytest.approx(there)
        plt.close(figure)
