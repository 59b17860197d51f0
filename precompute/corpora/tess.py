"""TESS, the Toronto Emotional Speech Set.

Origin: Pichora-Fuller MK, Dupuis K (2020), Toronto emotional speech set (TESS), Scholars Portal Dataverse,
doi 10.5683/SP2/E8H2MF; recorded in 2010.  Creative Commons, for non-commercial use.

Layout: a folder for each speaker and emotion (`OAF_angry/OAF_back_angry.wav`), 2800 files, in the corpus's directory or up
to three folders deeper, or all files in one flat folder.  Kaggle's copy holds every recording twice, and each counts once.

A name such as `OAF_back_angry` is speaker OAF (the older woman, 64 years; YAF is the younger, 26), the word "back" in the
sentence "Say the word back", and the emotion: angry, disgust, fear, happy, neutral, ps (pleasant surprise), sad.  The 200
words are those of the Northwestern University Auditory Test No. 6.

Quirks: both speakers are women, so that `protocol=speaker_independent`, which holds out a woman and a man, is
refused; one file of the release is misnamed, `OA_bite_neutral`, and is read as `OAF_bite_neutral`; folders are
spelled in several ways (`OAF_Fear`, `YAF_pleasant_surprised`), so only names of files count; `OAF_food_fear` has 96
kHz where others have 24,414 Hz (EmoBox's list of them says so); users report `YAF_germ_angry` and `YAF_neat_fear`
damaged in their copies.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Any

from precompute.common import finding
from precompute.corpora import Corpus, Scan, recordings_below, scan_names

LABELS = {
    "angry": "angry", "disgust": "disgusted", "fear": "fearful", "happy": "happy", "neutral": "neutral", "ps": "surprised",
    "sad": "sad",
}  # fmt: skip
AGES = {"OAF": 64, "YAF": 26}
WORDS = """
boat bean burn chalk choice death dime door fall fat gap goose hash home hurl jail jar keen king kite knock laud limb lot
love met mode moon nag page pool puff rag raid raise reach sell shout size sub sure take third tip tough vine week which whip
yes bite book bought calm chair chief dab dead deep fail far gaze gin goal hate haze hush juice keep keg learn live loaf lore
match merge mill nice numb pad pick pike rain read room rot said shack shawl soap south thought ton tool turn voice wag white
witch young bar base beg cab cause chat cheek cool date ditch dodge five germ good gun half hire hit jug late lid life luck
mess mop mouse name note pain pearl phone pole rat ring road rush search seize shall sheep soup talk team tell thin void walk
when wire youth back bath bone came chain check dip dog doll fit food gas get hall have hole join judge kick kill lean lease
long lose make mob mood near neat pass peg perch red ripe rose rough sail shirt should sour such tape thumb time tire vote
wash wheat wife yearn
"""
NAMES = ("tess", "tess toronto emotional speech set data")
KEYS = frozenset(f"{speaker}_{word}_{label}" for speaker in AGES for word in WORDS.split() for label in LABELS)

CORPUS = Corpus(
    name="tess",
    title="Toronto Emotional Speech Set (TESS)",
    licence="Creative Commons, for non-commercial use",
    source="https://doi.org/10.5683/SP2/E8H2MF",
    doi="10.5683/SP2/E8H2MF",
    speakers=2,
    emotions=dict.fromkeys(LABELS.values(), 400),
    usual_place="tess/<speaker>_<emotion>/*.wav",
    women=2,
    keys=KEYS,
    faults=dict.fromkeys(("YAF_germ_angry", "YAF_neat_fear"), "damaged in several copies, by their users"),
    by_speaker=Counter(key[:3] for key in KEYS),
)


def copies(directory: Path, own: bool = False) -> list[Path]:
    """The folders that hold a copy of TESS, see `finding.by_names`."""
    places = finding.by_names(directory, parse, key)
    return [directory] if own and len(places) < 2 and recordings_below(directory) else places


def find(corpora: Path) -> Path | None:
    """The directory of TESS under the directory of corpora, where it holds recordings up to three folders deep."""
    return finding.first(corpora, NAMES, copies)


def key(file: Path) -> str:
    """The key of a recording: its stem, with the one speaker's name put right that the release misspells."""
    return re.sub("^OA_", "OAF_", file.stem)


def parse(stem: str) -> dict[str, Any]:
    """The fields of an utterance from its key.

    Raises:
        ValueError: The key is not of TESS's form, or its speaker or emotion is unknown.
    """
    match = re.fullmatch(r"([A-Z]{3})_([a-z]+)_([a-z]+)", stem)
    if match is None:
        raise ValueError(f"'{stem}' is not of the form OAF_back_angry")
    speaker, word, label = match.groups()
    if speaker not in AGES or label not in LABELS:
        raise ValueError(f"speaker {speaker} or emotion {label} is not TESS's")
    more = {"age": AGES[speaker]}
    return {"speaker": speaker, "emotion": LABELS[label], "label": label, "sex": "female", "sentence": word, "more": more}


def scan(directory: Path) -> Scan:
    """The utterances under `directory`, each recording once, even if it is there several times."""
    return scan_names(directory, recordings_below(directory), parse, key)
