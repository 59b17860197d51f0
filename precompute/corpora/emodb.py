"""EmoDB, the Berlin Database of Emotional Speech.

Origin: Burkhardt F, Paeschke A, Rolfes M, Sendlmeier W, Weiss B (2005), A database of German emotional speech,
Interspeech, doi 10.21437/Interspeech.2005-446.  Freely available for research.

Layout: `wav/*.wav`, 16 kHz mono PCM16, 535 files; ten sentences spoken by five women and five men.

A name such as `03a01Fa` is speaker 03, sentence a01, emotion F (Freude), version a.  The letters are German: W Wut
(angry), L Langeweile (bored), E Ekel (disgusted), A Angst (fearful), F Freude (happy), T Trauer (sad), N neutral.

Quirks: the versions kept are those that listeners recognised, so speakers have 35 to 71 utterances each, and speakers
miss sentences; speaker 08 has no disgust.  No set of speakers is complete in every emotion.
"""

import re
from pathlib import Path

from precompute.corpora import Corpus, Download, Scan, child, recordings, scan_names

CORPUS = Corpus(
    name="emodb",
    title="Berlin Database of Emotional Speech (EmoDB)",
    licence="freely available for research",
    source="http://emodb.bilderbar.info/",
    doi="10.21437/Interspeech.2005-446",
    speakers=10,
    emotions={"angry": 127, "bored": 81, "disgusted": 46, "fearful": 69, "happy": 71, "neutral": 79, "sad": 62},
    usual_place="emodb/wav/*.wav",
    downloads=(
        Download(
            url="http://emodb.bilderbar.info/download/download.zip",
            size=None,
            checksum=None,
            source="neither size nor checksum was found published: what is unpacked is compared by its content",
        ),
    ),
    content="9c208ae1c2857d1a0a0cbfe82eccfce77806dabf44df970b25bceea3cf657649",
)

LABELS = {
    "W": "angry", "L": "bored", "E": "disgusted", "A": "fearful", "F": "happy", "T": "sad", "N": "neutral",
}  # fmt: skip
FEMALE = {"08", "09", "13", "14", "16"}
MALE = {"03", "10", "11", "12", "15"}


def find(corpora: Path) -> Path | None:
    """The directory that holds `wav/`, under the directory of corpora."""
    directory = child(corpora, "emodb", "emo-db")
    return directory if directory and (directory / "wav").is_dir() else None


def parse(stem: str) -> dict[str, str | None]:
    """The fields of an utterance from a file's stem.

    Raises:
        ValueError: The stem is not of EmoDB's form, or its speaker or letter is unknown.
    """
    match = re.fullmatch(r"(\d\d)([ab]\d\d)([A-Z])([a-z])", stem)
    if match is None:
        raise ValueError(f"'{stem}' is not of the form 03a01Fa")
    speaker, sentence, label, _ = match.groups()
    if speaker not in FEMALE | MALE or label not in LABELS:
        raise ValueError(f"speaker {speaker} or emotion {label} is not EmoDB's")
    sex = "female" if speaker in FEMALE else "male"
    return {"speaker": speaker, "emotion": LABELS[label], "label": label, "sex": sex, "sentence": sentence}


def scan(directory: Path) -> Scan:
    """The utterances under `directory`/wav."""
    return scan_names(directory, recordings(directory, "wav/*.wav"), parse)
