"""A run in words."""

import shlex
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from precompute.common.errors import WserError, few
from precompute.recipe import described, in_words
from wser import models, protocols
from wser.config.compose import load
from wser.config.schema import FittedModelConfig, as_text, flatten, is_hashed
from wser.config.unread import with_effect
from wser.evaluation.published import LiteratureResult
from wser.execution.progress import duration
from wser.results import StoredRun, corpus_names, finishing, seed_in_words

SELECTIONS = {
    "validation": "chosen on validation speakers, taken out of training",
    "last": "the last one; nothing was chosen",
    "test": "chosen on the test set itself, which flatters the result",
}
SPEAKERS = {
    "unknown": "test speakers held out of training",
    "known": "test speakers known from training",
    "unclear": "source does not say whether test speakers were known",
}
SPEAKERS_SHORT = {"unknown": "held out", "known": "in training", "unclear": "unclear"}
"""Where the test speakers of a published result were, by `LiteratureResult.speakers`."""

MOST_FOLDS = 10
"""Missing folds that are named."""

MOST_CHANGES = 4
"""Values that differ from a preset's and are named."""

PRECISIONS = {"32-true": "float32", "64-true": "float64", "bf16-mixed": "bfloat16 and float32"}
"""Number formats, by the names that PyTorch Lightning has for them."""

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


def corpora(stored: StoredRun) -> str:
    """The corpora, synthetic ones named as such."""
    return corpus_names([(corpus["corpus"], corpus["synthetic"]) for corpus in stored.record["corpora"]], selection="")


def facts(stored: StoredRun, summary: dict[str, Any]) -> list[tuple[str, str]]:
    """What was run, on what, and how long it took: names and values."""
    record, settings, folds = stored.record, stored.settings, summary["folds"]
    tested = f"; tested on {in_words(record['test_recipe'])}" if record.get("test_recipe") else ""
    held_out = protocol(record)
    target = f", tested on {settings['protocol.test']}" if settings.get("protocol.test") else ""
    devices = ", ".join(dict.fromkeys(fold["device"] for fold in folds))
    precision = ", ".join(dict.fromkeys(PRECISIONS.get(fold["precision"], fold["precision"]) for fold in folds))
    first, last = min(fold["created"] for fold in folds), max(fold["created"] for fold in folds)
    when = " to ".join(dict.fromkeys((moment(first), moment(last))))
    network, fused, name = is_network(summary), record.get("fused", []), str(settings.get("model.name"))
    known = [
        ("corpus", f"{corpora(stored)}, {record['utterances']} utterances"),
        ("classes", f"{len(stored.classes)}: {', '.join(stored.classes)} (label map {record['label_map']})"),
        ("protocol", f"{record['protocol']}{target}{f': {held_out}' if held_out else ''}"),
        ("selection of the epoch", SELECTIONS[record["selection"]] if network else ""),
        ("model", f"the mean of {len(fused)} runs" if fused else ", ".join([name, *_parameters(stored, summary)])),
        ("preset", preset(stored) if network else ""),
        ("input", "" if fused else f"{described(record['recipe'])}{tested}"),
        ("recipe", stored.recipe if "algorithm" not in record["recipe"] else f"{stored.recipe} ({record['recipe_id']})"),
        ("seed", seed_in_words(record)),
        ("folds finished", f"{when} UTC"),
        ("device", f"{devices}, {precision}"),
        ("time", f"{duration(summary['seconds'])} of training and testing, added up over folds"),
    ]
    return [(name, value) for name, value in known if value]


def is_network(summary: dict[str, Any]) -> bool:
    """Whether a run trained a network by epochs; what is fitted at once has none."""
    return any(fold["epochs"] for fold in summary["folds"])


def _parameters(stored: StoredRun, summary: dict[str, Any]) -> list[str]:
    """Of a network the number of its parameters; of what is fitted at once its settings, which no preset names."""
    if is_network(summary):
        counts = dict.fromkeys(f"{fold['parameters']:,}" for fold in summary["folds"])
        return [f"{' or '.join(counts)} parameters"]
    own = ((key.removeprefix("model."), value) for key, value in stored.config.items() if key.startswith("model."))
    return [f"{key}={as_text(value)}" for key, value in own if key != "name"]


def commands(stored: StoredRun, summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Commands that concern a run: what each does, and what to type."""
    directory = f"{stored.config.get('results')}/{stored.path.resolve().name}"
    begun = str(stored.record["command"])
    listed = [
        ("Started by", begun),
        ("To run it again and compare every prediction", shlex.join(["python", "-m", "wser.run", "--repeat", directory])),
    ]
    return [*listed, ("To print the layers of its network", f"{begun} --describe")] if is_network(summary) else listed


def preset(stored: StoredRun) -> str:
    """The preset of a run, with the values of network, pictures and training that it was given otherwise."""
    name = str(stored.config.get("preset"))
    changed = [change for change in changes(stored) if not change.startswith("model.name=")]
    if len(changed) > MOST_CHANGES:
        return f"{name} with {len(changed)} other values"
    return f"{name} with {', '.join(changed)}" if changed else name


def changes(stored: StoredRun) -> list[str]:
    """What of network, pictures and training a run was given otherwise than its preset says, as a command line sets it."""
    return [f"{key}={as_text(stored.config[key])}" for key in changed_keys(stored.config, stored.by_epochs)]


def changed_keys(config: dict[str, Any], by_epochs: bool) -> list[str]:
    """Keys of a configuration that have an effect and whose values are not those of its preset and its model.

    The default values of a model that is a file or not installed are not known, so all its keys count.

    Args:
        config: By dotted key.
        by_epochs: As `with_effect` takes it.
    """
    model = str(config.get("model.name"))
    known = model in models.names()
    plain = _plain(str(config.get("preset")), model if known else None, by_epochs)
    own = with_effect(config, by_epochs)
    theirs = [key for key in own if plain and not known and key.startswith("model.") and key not in plain]
    return [key for key in own if key in theirs or (key in plain and own[key] != plain[key])]


@lru_cache
def _plain(preset: str, model: str | None, by_epochs: bool) -> dict[str, Any]:
    """Values of network, pictures and training that a preset gives to a model; none where it is not one of today's.

    Args:
        preset: Its name.
        model: Name of the model, None where its settings are not known.
        by_epochs: Whether it is trained epoch by epoch; needed where the settings are not known.
    """
    try:
        (config,) = load([f"preset={preset}"])
        name = config.model.name
        if model and model != name:
            (config,) = load([f"preset={preset}", f"model={model}"])
    except WserError:
        return {}
    plain = flatten(asdict(config)) | {"model.name": name}
    if not model:
        plain = {key: value for key, value in plain.items() if key == "model.name" or not key.startswith("model.")}
        if not by_epochs:
            plain["data.standardise"] = FittedModelConfig.default_standardise
    return {key: value for key, value in plain.items() if key.startswith(("model.", "data.", "train.")) and is_hashed(key)}


def frequencies(recipe: dict[str, Any]) -> str:
    """The range of frequencies that a recipe's pictures show."""
    return f"{recipe.get('f_min', 0):g} to {recipe.get('f_max', 0):g} Hz"


def moment(stamp: str) -> str:
    """A time stamp to the minute."""
    return stamp[:16].replace("T", " ")


def unfinished(stored: StoredRun, summary: dict[str, Any]) -> str:
    """What is missing, and how to get it; nothing for a whole run."""
    missing = summary["missing"]
    if not missing:
        return ""
    return (
        f"Unfinished: {len(missing)} of {stored.record['folds']} folds {'is' if len(missing) == 1 else 'are'} missing "
        f"({few(missing, MOST_FOLDS)}), so there are no averaged or pooled metrics. To finish it, run: "
        f"{finishing(stored.record)}"
    )


def verdict(summary: dict[str, Any]) -> str:
    """The headline metrics and what guessing would give, in two sentences."""
    pooled, interval = summary["pooled"], summary["interval"]
    range_ = f" (95 % interval {percent(interval['uar'][0])} to {percent(interval['uar'][1])})" if interval else ""
    majority = summary["majority"]
    return (
        f"Unweighted average recall {percent(pooled['uar'])} %{range_}; guessing gives {percent(summary['chance'])} %. "
        f"Accuracy {percent(pooled['accuracy'])} %; always predicting {majority['class']} gives "
        f"{percent(majority['accuracy'])} %."
    )


def literature(summary: dict[str, Any], best: LiteratureResult | None) -> list[str]:
    """What others reached on the same corpus: listeners, and the best comparable machine."""
    sentences = [
        f"Human listeners of {entry['corpus']} reached {100 * entry['accuracy']:.0f} % accuracy ({entry['classes']} emotions)."
        for entry in summary["human"]
    ]
    if best:
        pretrained = ", pretrained on other speech" if best.pretrained else ""
        sentences.append(
            "The best published result of the same kind of protocol, its epoch not chosen on the test set, is "
            f"{percent(best.value)} % {METRICS[best.metric]} ({best.work}{pretrained})."
        )
    return sentences
