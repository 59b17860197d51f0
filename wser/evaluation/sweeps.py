"""A sweep as one result: its points in a row each, and the best setting, chosen without a look at the test set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any

from wser.config.schema import as_text, known
from wser.evaluation.caveats import Caveat

LONG_LABEL = 16
"""Characters of an axis value from which on what it shares with the other values is cut."""

SAME = 1e-9
"""Validation metrics this close tie: they differ only by the order of their sums."""


@dataclass(frozen=True)
class Point:
    """One combination of the values of a sweep.

    Attributes:
        values: Of each axis, by dotted key.
        directory: Of its results.
        summary: Of its finished folds, as `wser.reports.summary.summarise` gives it.
        task: Such as corpora, classes and split: points with another task have no common ranking.
        caveats: Of its results.
    """

    values: dict[str, Any]
    directory: str
    summary: dict[str, Any]
    task: tuple[str, ...] = ()
    caveats: Sequence[Caveat] = ()

    @property
    def folds(self) -> tuple[int, ...]:
        """Numbers of its finished folds."""
        return tuple(record["fold"] for record in self.summary["folds"])


@dataclass(frozen=True)
class Setting:
    """Points that differ only in their seed; metrics are means over them.

    Attributes:
        points: At least one.
    """

    points: list[Point]

    @property
    def values(self) -> dict[str, Any]:
        """Of each axis but the seed."""
        return {key: value for key, value in self.points[0].values.items() if key != "seed"}

    @property
    def validation(self) -> float:
        """UAR of the validation sets, where all points have one."""
        return fmean(point.summary["validation"]["uar"] for point in self.points)

    @property
    def test(self) -> float:
        """UAR of the test sets."""
        return fmean(point.summary["pooled"]["uar"] for point in self.points)

    @property
    def seconds(self) -> float:
        """Of training up to the chosen epochs, where all points have them."""
        return fmean(point.summary["seconds_to_epoch"] for point in self.points)


@dataclass(frozen=True)
class Sweep:
    """All points of a sweep.

    Attributes:
        axes: Dotted keys that differ between the points, in the order given.
        points: In the order given.
    """

    axes: list[str]
    points: list[Point]

    @cached_property
    def settings(self) -> list[Setting]:
        """The points, those that differ in their seed alone together."""
        return [Setting(group) for group in _groups(self.points, lambda point: (point.task, _others(point)))]

    @cached_property
    def best(self) -> list[Setting]:
        """The setting of the highest validation UAR, of several that of the fewest seconds; one for each task, or none."""
        return [] if self.obstacle or not self._is_choice else [_highest(group) for group in self.choices]

    @cached_property
    def obstacle(self) -> str | None:
        """Why there is no best setting, and the remedy; None where there is one, or nothing to choose."""
        lacking = [point for point in self.points if not point.summary["validation"]]
        if not self._is_choice:
            return None
        if not self.choices:
            return "no two settings have the same corpora, track, classes and split: sweep those of one protocol and label map"
        if lacking:
            honest = [point for point in lacking if point.summary.get("selection") == "validation"]
            older = f": move {honest[0].directory} away, an earlier version made it, and run again" if honest else ""
            return f"{len(lacking)} of {len(self.points)} points have no validation UAR, and the test set must not choose" + (
                older or ": give selection=validation"
            )
        if any(len({point.folds for setting in group for point in setting.points}) > 1 for group in self.choices):
            return "the points have different finished folds, and cannot be ranked: give fold=all"
        return None

    @property
    def _is_choice(self) -> bool:
        """Whether its points are settings to choose among, and not seeds or conditions of the test."""
        return len(self.settings) > 1 and not {*self.axes} <= {"seed", "data.test_recipe"}

    @property
    def choices(self) -> list[list[Setting]]:
        """Settings with a common ranking, where there are several."""
        return [group for group in _groups(self.settings, lambda setting: setting.points[0].task) if len(group) > 1]

    def is_best(self, point: Point) -> bool:
        """Whether a point belongs to a best setting."""
        return any(point is member for setting in self.best for member in setting.points)

    def titles(self) -> list[str]:
        """Of each axis, the last part of its key where no other key ends so."""
        tails = [key.rpartition(".")[2] for key in known()]
        return [_title(axis, tails) for axis in self.axes]

    def labels(self, axis: str) -> list[str]:
        """Short text of an axis's value for each point, the same for the same value and another for another."""
        texts = [_compact(point.values[axis]) for point in self.points]
        if max(map(len, texts)) <= LONG_LABEL or len({*texts}) == 1:
            return texts
        mark = "," if any("," in text for text in texts) else "/"
        parts = [text.split(mark) for text in texts]
        fewest = min(map(len, parts))
        shared = min(_shared(parts), fewest - 1)
        ending = min(_shared([part[::-1] for part in parts]), fewest - 1 - shared)
        return [mark.join(["…"] * (shared > 0) + part[shared : len(part) - ending] + ["…"] * (ending > 0)) for part in parts]

    def sentences(self) -> list[str]:
        """The best setting in words, or why there is none."""
        if self.obstacle:
            return [f"no best: {self.obstacle}"]
        return [f"best by validation UAR: {self._in_words(setting)}" for setting in self.best]

    def rows(self) -> list[dict[str, Any]]:
        """A row for each point: values, what is finished, metrics in [0, 1], cost, whether it is the best, and its caveats."""
        any_ = any(point.caveats for point in self.points)
        return [
            {
                **{key: as_text(value) for key, value in point.values.items()},
                **self._figures(point),
                **({"caveats": " ".join(map(str, point.caveats))} if any_ else {}),
            }
            for point in self.points
        ]

    def record(self) -> dict[str, Any]:
        """For JSON: axes with their values, points, best settings, and why there is none."""
        return {
            "axes": {axis: _distinct([point.values[axis] for point in self.points]) for axis in self.axes},
            "points": [{"values": point.values, **self._figures(point)} for point in self.points],
            "best": [
                {
                    "values": setting.values,
                    "validation_uar": setting.validation,
                    "test_uar": setting.test,
                    "directories": [point.directory for point in setting.points],
                }
                for setting in self.best
            ],
            "no_best": self.obstacle,
        }

    def _figures(self, point: Point) -> dict[str, Any]:
        summary = point.summary
        low, high = summary["interval"]["uar"] if summary["interval"] else (None, None)
        return {
            "directory": point.directory,
            "folds_finished": len(summary["folds"]),
            "folds": len(summary["folds"]) + len(summary["missing"]),
            "validation_uar": summary["validation"]["uar"] if summary["validation"] else None,
            "test_uar": summary["pooled"]["uar"],
            "test_uar_low": low,
            "test_uar_high": high,
            "accuracy": summary["pooled"]["accuracy"],
            "macro_f1": summary["pooled"]["macro_f1"],
            "mean_epoch": summary["epoch"],
            "epochs_to_chosen": sum(record["epoch"] for record in summary["folds"]),
            "seconds_to_chosen": summary["seconds_to_epoch"],
            "seconds": summary["seconds"],
            "best": self.is_best(point),
        }

    def _in_words(self, setting: Setting) -> str:
        at = next(i for i, point in enumerate(self.points) if point is setting.points[0])
        named = ", ".join(f"{axis}={self.labels(axis)[at]}" for axis in self.axes if axis != "seed")
        means = f"validation {100 * setting.validation:.1f}, test {100 * setting.test:.1f}"
        seeds = f", means of {len(setting.points)} seeds" if len(setting.points) > 1 else ""
        return f"{named} ({means}{seeds})"


def _highest(settings: Sequence[Setting]) -> Setting:
    highest = max(setting.validation for setting in settings)
    return min((setting for setting in settings if setting.validation > highest - SAME), key=lambda setting: setting.seconds)


def _groups(items: Sequence[Any], by: Callable[[Any], Any]) -> list[list[Any]]:
    groups: dict[Any, list[Any]] = {}
    for item in items:
        groups.setdefault(by(item), []).append(item)
    return list(groups.values())


def _others(point: Point) -> tuple[str, ...]:
    return tuple(as_text(value) for key, value in point.values.items() if key != "seed")


def _distinct(values: Sequence[Any]) -> list[Any]:
    return list({as_text(value): value for value in values}.values())


def _shared(lists: Sequence[Sequence[str]]) -> int:
    """Items at the beginning that all lists share."""
    together = list(zip(*lists, strict=False))
    return next((at for at, items in enumerate(together) if len({*items}) > 1), len(together))


def _title(axis: str, tails: Sequence[str]) -> str:
    section, _, tail = axis.rpartition(".")
    if tail == "name":
        return section
    return axis if tails.count(tail) > 1 else tail


def _compact(value: Any) -> str:
    """Lists without brackets, pairs within them as 2x2."""
    if isinstance(value, list):
        return ",".join("x".join(map(str, item)) if isinstance(item, list) else as_text(item) for item in value)
    return as_text(value)
