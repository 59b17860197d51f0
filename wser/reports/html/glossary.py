"""The words of docs/glossary.md that pages use, each with its sentence there: a page is one file, and must explain itself."""

import re
from collections.abc import Sequence

WORDS = {
    "UAR": "unweighted average recall: the mean over the classes of the share of a class that was predicted correctly.",
    "Chance": "the UAR of a guess, 1 divided by the number of classes.",
    "Accuracy": "the share of utterances whose class was predicted correctly; large classes count more.",
    "Macro F1": "the mean over the classes of F1, the harmonic mean of a class's precision and recall.",
    "Fold": "one training with its own held-out test set; a run has all folds of its protocol.",
    "Protocol": "the rule that says which utterances are held out, such as each speaker once (`loso`, leave one speaker out).",
    "Recipe": "the audio steps and a feature's parameters: all that changes a number in a cache; its hash is the recipe id.",
    "Preset": "a named set of values for network, data and training: `tuned` (ours), `paper` (the paper's own).",
    "Pooled": "measured over the predictions of all folds together, not averaged over folds.",
    "Interval": (
        "the 95 % interval, from drawing the test speakers again at random (bootstrap), since utterances of one "
        "speaker are alike."
    ),
    "Label map": "says which emotions of a corpus form one class, and which are left out.",
    "Selection": "how the epoch is chosen: on validation, always the last one, or (as in the paper) on the test set.",
}


def meaning(text: str) -> str:
    """The sentence of the word that a heading or a label has, empty where it has none of them."""
    return next(
        (f"{word}: {_plain(sentence)}" for word, sentence in WORDS.items() if re.search(rf"\b{word}\b", text, re.I)), ""
    )


def entries(words: Sequence[str]) -> list[tuple[str, str]]:
    """Words with their sentences, for the list at the foot of a page."""
    return [(word, _plain(WORDS[word])) for word in words]


def _plain(sentence: str) -> str:
    return sentence.replace("`", "")
