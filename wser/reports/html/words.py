"""A run in words."""

import shlex
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from precompute.common.errors import WserError, few
from precompute.recipe import described, in_words
from wser import protocols
from wser.config.compose import load
from wser.config.schema import flatten, is_hashed
from wser.evaluation.caveats import CHOSEN_ON_TEST
from wser.evaluation.published import Published
from wser.evaluation.sweeps import as_text
from wser.execution.progress import duration
from wser.results import Stored, corpus_names

SELECTIONS = {
    "validation": "chosen on a validation part cut from training",
    "last": "the last one, nothing was chosen",
    "test": "chosen on the test part itself, as the paper's",
}
SPEAKERS = {
    "unknown": "test speakers held out of training",
    "known": "test speakers known from training",
    "unclear": "not said whether test speakers were known",
}
MOST_FOLDS = 10
"""Missing folds that are named."""

MOST_CHANGES = 4
"""Values that differ from a preset's and are named."""

METRICS = {"uar": "UAR", "accuracy": "accuracy"}


def percent(share: float) -> str:
    """A share as it is read."""
    return f"{100 * share:.1f}"


def protocol(record: dict[str, Any]) -> str:
    """How utterances were held out, as the protocol itself says it; nothing where it does not.

    Args:
        record: What made a run.  Older ones lack the title; for it, no file is run that a protocol's name is the path of, since
            the results may be a stranger's.
    """
    name = str(record["protocol"])
    if "protocol_title" in record or name not in protocols.names():
        return str(record.get("protocol_title", ""))
    return protocols.protocol(name).title


def corpora(stored: Stored) -> str:
    """The corpora, synthetic ones named as such."""
    return corpus_names([(one["corpus"], one["synthetic"]) for one in stored.record["corpora"]], selection="")


def facts(stored: Stored, summary: dict[str, Any]) -> list[tuple[str, str]]:
    """What was run, on what, and how long it took: names and values."""
    record, settings, folds = stored.record, stored.settings, summary["folds"]
    tested = f"; tested on {in_words(record['test_recipe'])}" if record.get("test_recipe") else ""
    held = protocol(record)
    target = f", tested on {settings['protocol.test']}" if settings.get("protocol.test") else ""
    devices = ", ".join(dict.fromkeys(fold["device"] for fold in folds))
    precision = ", ".join(dict.fromkeys(fold["precision"] for fold in folds))
    first, last = min(fold["created"] for fold in folds), max(fold["created"] for fold in folds)
    when = f"{moment(first)} to {moment(last)} UTC" if first != last else f"{moment(first)} UTC"
    parameters = ", ".join(dict.fromkeys(f"{fold['parameters']:,}" for fold in folds))
    layers = (
        f", {parameters} parameters; python -m wser.run --describe draws it" if any(fold["epochs"] for fold in folds) else ""
    )
    return [
        ("corpus", f"{corpora(stored)}, {record['utterances']} utterances"),
        ("classes", f"{len(stored.classes)}: {', '.join(stored.classes)} (label map {record['label_map']})"),
        ("protocol", f"{record['protocol']}{target}{f': {held}' if held else ''}"),
        ("epoch", SELECTIONS[record["selection"]]),
        ("model", f"{settings.get('model.name')}{layers}"),
        ("preset", preset(stored)),
        ("input", f"{described(record['recipe'])}{tested}; recipe {in_words(record['recipe'])} ({record['recipe_id']})"),
        ("seed", str(record["seed"])),
        ("folds finished", when),
        ("on", f"{devices}, {precision}"),
        ("took", f"{duration(summary['seconds'])} of training and testing, added up over folds"),
    ]


def preset(stored: Stored) -> str:
    """The preset of a run, with the values of network, pictures and training that it was given otherwise."""
    name, changed = str(stored.config.get("preset")), changes(stored)
    if len(changed) > MOST_CHANGES:
        return f"{name} with {len(changed)} other values"
    return f"{name} with {', '.join(changed)}" if changed else name


def changes(stored: Stored) -> list[str]:
    """What of network, pictures and training a run was given otherwise than its preset says, as a command line sets it."""
    return [
        f"{key}={as_text(stored.config[key])}"
        for key, value in _plain(str(stored.config.get("preset"))).items()
        if key in stored.config and stored.config[key] != value
    ]


@lru_cache
def _plain(name: str) -> dict[str, Any]:
    """Values of network, pictures and training that a preset gives; none where it is not one of today's."""
    try:
        (config,) = load([f"preset={name}"])
    except WserError:
        return {}
    return {
        key: value
        for key, value in flatten(asdict(config)).items()
        if key.startswith(("model.", "data.", "train.")) and is_hashed(key)
    }


def frequencies(recipe: dict[str, Any]) -> str:
    """The range of frequencies that a recipe's pictures show."""
    return f"{recipe.get('f_min', 0):g} to {recipe.get('f_max', 0):g} Hz"


def moment(stamp: str) -> str:
    """A time stamp to the minute."""
    return stamp[:16].replace("T", " ")


def unfinished(stored: Stored, summary: dict[str, Any]) -> str:
    """What is missing, and how to get it; nothing for a whole run."""
    missing = summary["missing"]
    if not missing:
        return ""
    return (
        f"Unfinished: {len(missing)} of {stored.record['folds']} folds {'is' if len(missing) == 1 else 'are'} missing "
        f"({few(missing, MOST_FOLDS)}), so nothing is averaged or pooled here. This finishes it: {finishing(stored)}"
    )


def finishing(stored: Stored) -> str:
    """The command that finishes a run: the one that began it, with all folds."""
    try:
        begun = [word for word in shlex.split(stored.record["command"]) if not word.startswith("fold=")]
    except ValueError:  # no command of a shell
        return str(stored.record["command"])
    return shlex.join([*begun, "fold=all"])


def verdict(summary: dict[str, Any], best: Published | None) -> str:
    """The headline figure and what it is to be held against, in a sentence or two."""
    pooled, interval = summary["pooled"], summary["interval"]
    range_ = f" (95 % interval {percent(interval['uar'][0])} to {percent(interval['uar'][1])})" if interval else ""
    majority = summary["majority"]
    text = (
        f"Unweighted average recall {percent(pooled['uar'])} %{range_}, where guessing gives {percent(summary['chance'])} %. "
        f"Accuracy {percent(pooled['accuracy'])} %, where always answering {majority['class']} gives "
        f"{percent(majority['accuracy'])} %"
    )
    listeners = [
        f"listeners of {one['corpus']} {100 * one['accuracy']:.0f} % ({one['classes']} emotions)" for one in summary["human"]
    ]
    if listeners:
        text += f" and {', '.join(listeners)}"
    if best:
        chosen = f", its {CHOSEN_ON_TEST.short}" if best.chosen else ""
        chosen += ", pretrained on other speech" if best.pretrained else ""
        text += (
            f". The best published figure of the same kind of protocol is {percent(best.value)} % "
            f"{METRICS[best.metric]} ({best.work}{chosen})"
        )
    return text + "."
