"""CREMA-D, the Crowd-sourced Emotional Multimodal Actors Dataset.

Origin: Cao H, Cooper DG, Keutmann MK, Gur RC, Nenkova A, Verma R (2014), IEEE Transactions on Affective Computing 5(4),
377-390, doi 10.1109/TAFFC.2014.2336244.  Open Database License 1.0, its contents under the Database Contents License 1.0.

Layout: `AudioWAV/*.wav`, 16 kHz mono PCM16, 7442 files, in the corpus's directory or up to three folders deeper, or the files
alone, as Kaggle's `Crema` has them; the repository's `VideoDemographics.csv` beside `AudioWAV` gives the sexes and ages of the
actors.

A name such as `1001_DFA_ANG_XX` is actor 1001, sentence DFA of twelve, emotion (ANG angry, DIS disgusted, FEA fearful, HAP
happy, NEU neutral, SAD sad) and level (LO low, MD medium, HI high, XX unspecified).  The label is the emotion that the actor
was asked for, not what listeners heard.  There are 43 women and 48 men.

Quirks: only sentence IEO has levels, and neutral has none; of the 91 x 82 recordings that this makes, 20 are missing (the
sentences 1008 WSI, 1009 MTI and 1019 ITH, and two neutral ones); without `VideoDemographics.csv` the sexes are unknown;
cloned without Git LFS, the files are short texts and not recordings.  By the repository's README, `1076_MTI_SAD_XX` has no
sound and is skipped; of `AudioMP3`, which is not read here, `1076_MTI_NEU_XX` has no sound either, `1064_TIE_SAD_XX` no
duration, and `1064_IEO_DIS_MD` is a minute long with every emotion: do not convert files from there.
"""

import csv
import re
from collections import Counter
from pathlib import Path
from typing import Any

from precompute.cache.layout import Skipped
from precompute.common import finding
from precompute.corpora import Corpus, Scan, recordings, recordings_below, scan_names, stem

LABELS = {"ANG": "angry", "DIS": "disgusted", "FEA": "fearful", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": None}
SENTENCES = ("DFA", "IEO", "IOM", "ITH", "ITS", "IWL", "IWW", "MTI", "TAI", "TIE", "TSI", "WSI")
NEVER_RELEASED = ("1002_TIE_NEU_XX", "1008_WSI", "1009_MTI", "1019_ITH", "1076_ITS_NEU_XX")
"""Beginnings of keys that `SentenceFilenames.csv`, the repository's list, lacks."""
NAMES = ("crema_d", "crema-d", "cremad", "crema-d-master", "crema")
PLACES = ("AudioWAV/", "*/AudioWAV/", "")
DEMOGRAPHICS = "VideoDemographics.csv"


def _keys() -> frozenset[str]:
    keys = (
        f"{actor}_{sentence}_{label}_{level}"
        for actor in range(1001, 1092)
        for sentence in SENTENCES
        for label in LABELS
        for level in (("LO", "MD", "HI") if sentence == "IEO" and label != "NEU" else ("XX",))
    )
    return frozenset(key for key in keys if not key.startswith(NEVER_RELEASED))


KEYS = _keys()

CORPUS = Corpus(
    name="crema_d",
    title="Crowd-sourced Emotional Multimodal Actors Dataset (CREMA-D)",
    licence="Open Database License 1.0",
    source="https://github.com/CheyneyComputerScience/CREMA-D (AudioWAV and VideoDemographics.csv)",
    doi="10.1109/TAFFC.2014.2336244",
    speakers=91,
    emotions={"angry": 1271, "disgusted": 1271, "fearful": 1271, "happy": 1271, "neutral": 1087, "sad": 1271},
    usual_place="crema_d/AudioWAV/*.wav",
    women=43,
    keys=KEYS,
    faults={"1076_MTI_SAD_XX": "no audio and very short, by its README"},
    by_speaker=Counter(key[:4] for key in KEYS),
)


def copies(directory: Path, own: bool = False) -> list[Path]:
    """The folders that hold a copy of CREMA-D, see `finding.by_names`."""
    places = finding.by_names(directory, parse, stem)
    return [directory] if own and len(places) < 2 and _files(directory) else places


def find(corpora: Path) -> Path | None:
    """The directory of CREMA-D under the directory of corpora, where it holds recordings."""
    return finding.first(corpora, NAMES, copies)


def parse(stem: str) -> dict[str, Any]:
    """The fields of an utterance from a file's stem, all but the sex of the actor.

    Raises:
        ValueError: The stem is not of CREMA-D's form, or one of its codes is unknown.
    """
    match = re.fullmatch(r"(10\d\d)_([A-Z]{3})_([A-Z]{3})_([A-Z]{2})", stem)
    if match is None:
        raise ValueError(f"'{stem}' is not of the form 1001_DFA_ANG_XX")
    actor, sentence, label, level = match.groups()
    if not 1001 <= int(actor) <= 1091 or sentence not in SENTENCES or label not in LABELS or level not in LEVELS:
        raise ValueError(f"actor {actor}, sentence {sentence}, emotion {label} or level {level} is not CREMA-D's")
    fields = {"speaker": actor, "emotion": LABELS[label], "label": label, "sentence": sentence}
    return {**fields, "intensity": LEVELS[level]}


def scan(directory: Path) -> Scan:
    """The utterances under `directory`, with the sexes and ages of the actors where the table of them is there."""
    files = _files(directory)
    # Beside AudioWAV, or among the recordings.
    places = [directory, *(folder for file in files[:1] for folder in (file.parent.parent, file.parent))]
    table = next((place / DEMOGRAPHICS for place in places if (place / DEMOGRAPHICS).is_file()), None)
    actors, skipped = _actors(table) if table else ({}, ())

    def fields(stem: str) -> dict[str, Any]:
        facts = parse(stem)
        return facts | actors.get(facts["speaker"], {})

    scan = scan_names(directory, files, fields)
    return Scan(scan.utterances, (*skipped, *scan.skipped))


def _files(directory: Path) -> list[Path]:
    usual = next((files for place in PLACES if (files := recordings(directory, f"{place}*.wav"))), [])
    return usual or recordings_below(directory)


def _actors(table: Path) -> tuple[dict[str, dict[str, Any]], tuple[Skipped, ...]]:
    """Sex and age of each actor, or why the table cannot be used."""
    with table.open(encoding="latin-1", newline="") as file:
        try:
            rows = [(row["ActorID"], row["Sex"].lower(), int(row["Age"])) for row in csv.DictReader(file)]
        except (KeyError, ValueError, AttributeError):
            rows = []
    if not rows or {sex for _, sex, _ in rows} - {"female", "male"}:
        return {}, (Skipped(table.name, "not CREMA-D's table of actors (ActorID, Age, Sex), so their sexes stay unknown"),)
    return {actor: {"sex": sex, "more": {"age": age}} for actor, sex, age in rows}, ()
