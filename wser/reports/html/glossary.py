"""The words of docs/glossary.md that pages use, each with its sentence there: a page is one file, and must explain itself."""

import re
from collections.abc import Sequence

WORDS = {
    "UAR": (
        "unweighted average recall, the mean over the classes of the share of each that was found; chance is 1 over the number "
        "of classes."
    ),
    "Accuracy": "share of the utterances whose class was predicted; large classes count more.",
    "Macro F1": "mean over the classes of the harmonic mean of precision and recall.",
    "Fold": "one training with its own held-out test part; a run has all folds of its protocol.",
    "Protocol": "the rule by which utterances are held out, such as leave-one-speaker-out (`loso`).",
    "Recipe": (
        "the audio chain and a feature's parameters: all that changes a number in a cache. Its hash is the recipe id."
    ),
    "Preset": "a named set of values of network, data and training: `tuned` (ours), `paper` (the paper's own).",
    "Pooled": "measured over the predictions of all folds together, rather than averaged over folds.",
    "Interval": "95 %, by drawing the test speakers anew (bootstrap), since utterances of one speaker are alike.",
    "Label map": "which emotions of a corpus are one class, and which are left out.",
    "Selection": "how the epoch is chosen: on validation speakers, the last one, or (as the paper did) on the test part.",
}  # fmt: skip


def meaning(text: str) -> str:
    """The sentence of the word that a heading or a label has, empty where it has none of them."""
    return next((f"{word}: {_plain(said)}" for word, said in WORDS.items() if re.search(rf"\b{word}\b", text, re.I)), "")


def entries(words: Sequence[str]) -> list[tuple[str, str]]:
    """Words with their sentences, for the list at the foot of a page."""
    return [(word, _plain(WORDS[word])) for word in words]


def _plain(said: str) -> str:
    return said.replace("`", "")
