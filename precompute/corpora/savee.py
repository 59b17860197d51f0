"""SAVEE, the Surrey Audio-Visual Expressed Emotion database.

Origin: Haq S, Jackson PJB (2010), Multimodal emotion recognition, in Wang W (ed.), Machine Audition, IGI Global, pages 398
to 423, doi 10.4018/978-1-61520-919-4.ch017.  Free for research, after registration.

Layout: `AudioData/DC/a01.wav` with a folder for each speaker, 44.1 kHz, 480 files, in the corpus's directory or up to three
folders deeper; or flat, as Kaggle's copies have it (`ALL`, or without a folder), with the speaker in the name: `DC_a01.wav`.

A name such as `DC_sa03` is speaker DC and the third sentence of sadness: a anger, d disgust, f fear, h happiness, n neutral,
sa sadness, su surprise.  The four speakers DC, JE, JK and KL are men.

Quirks: neutral has 30 sentences for each speaker, the other emotions 15; there are no women, so that
`protocol=speaker_independent`, which holds out a woman and a man, is refused.
"""

import re
from collections import Counter
from pathlib import Path

from precompute.common import finding
from precompute.corpora import Corpus, Scan, recordings_below, scan_names

LABELS = {
    "a": "angry", "d": "disgusted", "f": "fearful", "h": "happy", "n": "neutral", "sa": "sad", "su": "surprised",
}  # fmt: skip
SPEAKERS = ("DC", "JE", "JK", "KL")
NAMES = ("savee",)
KEYS = frozenset(
    f"{speaker}_{label}{sentence:02}"
    for speaker in SPEAKERS
    for label in LABELS
    for sentence in range(1, 31 if label == "n" else 16)
)

CORPUS = Corpus(
    name="savee",
    title="Surrey Audio-Visual Expressed Emotion (SAVEE)",
    licence="free for research, after registration",
    source="http://kahlan.eps.surrey.ac.uk/savee/",
    doi="10.4018/978-1-61520-919-4.ch017",
    speakers=4,
    emotions={"angry": 60, "disgusted": 60, "fearful": 60, "happy": 60, "neutral": 120, "sad": 60, "surprised": 60},
    usual_place="savee/AudioData/<speaker>/*.wav",
    women=0,
    keys=KEYS,
    by_speaker=Counter(key[:2] for key in KEYS),
)


def copies(directory: Path, own: bool = False) -> list[Path]:
    """The folders that hold a copy of SAVEE, see `finding.by_names`."""
    places = finding.by_names(directory, parse, key)
    return [directory] if own and len(places) < 2 and recordings_below(directory) else places


def find(corpora: Path) -> Path | None:
    """The directory of SAVEE under the directory of corpora, where it holds recordings up to three folders deep."""
    return finding.first(corpora, NAMES, copies)


def key(file: Path) -> str:
    """The key of a recording: its stem, with its folder's name before it where it names no speaker; `a1` is `a01`."""
    name = file.stem if "_" in file.stem else f"{file.parent.name}_{file.stem}"
    return re.sub(r"(?<=[a-z])(?=\d$)", "0", name)


def parse(stem: str) -> dict[str, str | None]:
    """The fields of an utterance from its key.

    Raises:
        ValueError: The key is not of SAVEE's form, or its speaker or letters are unknown.
    """
    match = re.fullmatch(r"([A-Z]{2})_([a-z]{1,2})(\d\d)", stem)
    if match is None:
        raise ValueError(f"'{stem}' is not of the form DC_a01")
    speaker, label, sentence = match.groups()
    if speaker not in SPEAKERS or label not in LABELS:
        raise ValueError(f"speaker {speaker} or emotion {label} is not SAVEE's")
    # Each emotion numbers its sentences from 1, so that the number alone does not name one.
    return {"speaker": speaker, "emotion": LABELS[label], "label": label, "sex": "male", "sentence": f"{label}{sentence}"}


def scan(directory: Path) -> Scan:
    """The utterances under `directory`, each recording once, even if it is there several times."""
    return scan_names(directory, recordings_below(directory), parse, key)
