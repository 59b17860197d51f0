"""EmoDB, the Berlin Database of Emotional Speech.

Origin: Burkhardt F, Paeschke A, Rolfes M, Sendlmeier W, Weiss B (2005), A database of German emotional speech,
Interspeech, doi 10.21437/Interspeech.2005-446.  Freely available for research.

Layout: `wav/*.wav`, 16 kHz mono PCM16, 535 files, in the corpus's directory or up to three folders deep, as audb has
them (`emodb/1.4.1/<id>/wav`), or all files in one flat folder; ten sentences spoken by five women and five men, 21
to 35 years old.

A name such as `03a01Fa` is speaker 03, sentence a01, emotion F (Freude), version a.  The letters are German: W Wut
(angry), L Langeweile (bored), E Ekel (disgusted), A Angst (fearful), F Freude (happy), T Trauer (sad), N neutral.

Quirks: the versions kept are those that listeners recognised, so speakers have 35 to 71 utterances each, and speakers
miss sentences; speaker 08 has no disgust.  No set of speakers is complete in every emotion.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from precompute.common import finding
from precompute.corpora import Corpus, Download, Scan, recordings, recordings_below, scan_names, stem

PUBLISHED = """
03 a01FaNcWa a02FcNcTaWbWc a04AdFdLcNcTaWc a05AaFcNdTcWaWb a07FaFbLaNcWc b01FaLbNbTdWaWc b02AaLaNaTbWb b03NbTcWc
   b09LaNcTcWa b10AbEcNaNcWbWc
08 a01AbFdLcNaWaWc a02AbAcFeLaNaTbWc a04FfLaNcTbWc a05FeLcNbTaWa a07FdLaNaTaTbWc b01AaFdFeLbNaWa b02FfLaNbTcWd
   b03FeLcNbTcWd b09AbFdLcNbTbWaWc b10AaFdLaNcTcWa
09 a01EaFaNbWb a02EaEbLaWb a04FdLaNbWa a05EdLcNbTbWbWc a07EbNaTaWbWd b01EaNaWb b02NaTbWcWd b03EdFaFdLbNbTaWb b09EaNdWa
   b10AaNdWa
10 a01AcNbWa a02AbFaLbNaWa a04FdNbWaWb a05AaLdTbWb a07AaAdLaTaWb b01AaEaFaLb b02AaLaNaWb b03LaTbWb b09AdLbWb b10FcLcWa
11 a01AaAbLdNdWc a02EcFbLdNcTcWc a04AcFdNdWc a05AdFbFcLcNaTdWd a07AcLdTaWc b01AbEbFcLbNcWd b02AbFdNaTdWb
   b03FcLcNbTdWaWb b09AdFdLdNaTdWa b10AdAeLdNcTdWa
12 a01FbLbNbWc a02AcEcNbWaWc a04Wc a05AbLbNdTaWb a07AcLaWa b01TaWa b02AdEaFbNaWaWbWd b03LaTa b09AcTdWc b10AcLdWa
13 a01AcEaEcFdLbNbWb a02AdEcFaLcNcTaWa a04AcFcLbTaWc a05AaEaLcNbTcWaWc a07FdLbNaTcWb b01AbEcFcLdNcWa b02FbLcNbWa
   b03AcEdFdLbNaTdWc b09AbEcFbFcLaNaWa b10EcFaLaNcWaWc
14 a01AaAcEaNaWaWc a02AbEaFdLaNcTbWaWc a04AaEdLbTbTcWbWc a05AaAcFaFbLbNaTaTcWaWb a07AaEbFdLcLdNaTcWc b01AcEbFaFcNaWc
   b02AaFbNaTcWbWd b03AdEdLbTaWb b09AcEaFcLbTdWaWc b10AdEbLbNbTcWc
15 a01EaFbLaNbWa a02AcEaLaNaTaWbWd a04AbAcFdNcWaWb a05EbFbLbNaWa a07AcEbFaFbLdNc b01EcLbNaWc b02AaLbNdTcWaWc
   b03AaLcNbTcWaWb b09AcFaLaNbTaWb b10AcLcNbNcWa
16 a01EcFcLbNcTbWb a02EaEcLbNbTcWb a04AbEaFaLaLcNcTcWbWc a05AbEaFcLaTbWbWc a07EaFaFbLaLbNbTdWa b01AaEbFaLaLcTbWaWb
   b02AaEbFdLbWb b03AdEaFaFdLaNbTaWb b09AbEbFbLaLbWb b10AaEbFbLbTbTdWaWb
"""
"""Every utterance: a speaker, then each sentence with the letters of its emotions and versions (`a01FaNcWa` is three)."""


def _keys() -> Iterator[str]:
    speaker = ""
    for word in PUBLISHED.split():
        if len(word) == 2:
            speaker = word
        else:
            yield from (f"{speaker}{word[:3]}{word[i : i + 2]}" for i in range(3, len(word), 2))


KEYS = frozenset(_keys())

CORPUS = Corpus(
    name="emodb",
    title="Berlin Database of Emotional Speech (EmoDB)",
    licence="freely available for research",
    source="http://emodb.bilderbar.info/",
    doi="10.21437/Interspeech.2005-446",
    speakers=10,
    emotions={"angry": 127, "bored": 81, "disgusted": 46, "fearful": 69, "happy": 71, "neutral": 79, "sad": 62},
    usual_place="emodb/wav/*.wav",
    women=5,
    keys=KEYS,
    by_speaker=Counter(key[:2] for key in KEYS),
    downloads=(
        Download(
            url="http://emodb.bilderbar.info/download/download.zip",
            size=None,
            checksum=None,
            source="neither size nor checksum was found published: what is unpacked is compared by its content",
            # The recordings have 48 MB before they are packed; four times that leaves room for the labels beside them.
            most=200_000_000,
        ),
    ),
    content="9c208ae1c2857d1a0a0cbfe82eccfce77806dabf44df970b25bceea3cf657649",
)

LABELS = {
    "W": "angry", "L": "bored", "E": "disgusted", "A": "fearful", "F": "happy", "T": "sad", "N": "neutral",
}  # fmt: skip
NAMES = ("emodb", "emo-db")
FEMALE = {"08", "09", "13", "14", "16"}
AGES = {"03": 31, "08": 34, "09": 21, "10": 32, "11": 26, "12": 30, "13": 32, "14": 35, "15": 25, "16": 31}


def copies(directory: Path, own: bool = False) -> list[Path]:
    """The folders that hold a copy of EmoDB, see `finding.by_names`."""
    if own and (directory / "wav").is_dir():
        return [directory]
    places = finding.by_names(directory, parse, stem)
    return [directory] if own and len(places) < 2 and _files(directory) else places


def find(corpora: Path) -> Path | None:
    """The directory of EmoDB under the directory of corpora, where it holds recordings."""
    return finding.first(corpora, NAMES, copies)


def parse(stem: str) -> dict[str, Any]:
    """The fields of an utterance from a file's stem.

    Raises:
        ValueError: The stem is not of EmoDB's form, or its speaker or letter is unknown.
    """
    match = re.fullmatch(r"(\d\d)([ab]\d\d)([A-Z])([a-z])", stem)
    if match is None:
        raise ValueError(f"'{stem}' is not of the form 03a01Fa")
    speaker, sentence, label, version = match.groups()
    if speaker not in AGES or label not in LABELS:
        raise ValueError(f"speaker {speaker} or emotion {label} is not EmoDB's")
    sex = "female" if speaker in FEMALE else "male"
    more = {"version": version, "age": AGES[speaker]}
    return {"speaker": speaker, "emotion": LABELS[label], "label": label, "sex": sex, "sentence": sentence, "more": more}


def scan(directory: Path) -> Scan:
    """The utterances under `directory`, each recording once, even if it is there several times."""
    return scan_names(directory, _files(directory), parse)


def _files(directory: Path) -> list[Path]:
    return recordings(directory, "wav/*.wav") or recordings_below(directory)
