"""RAVDESS, the Ryerson Audio-Visual Database of Emotional Speech and Song: the speech part.

Origin: Livingstone SR, Russo FA (2018), PLoS ONE 13(5): e0196391, doi 10.1371/journal.pone.0196391; recordings at
doi 10.5281/zenodo.1188976.  CC BY-NC-SA 4.0.

Layout: `Actor_01` to `Actor_24`, 60 files each, 48 kHz PCM16, 1440 in all, directly in the corpus's directory or one or
two folders deeper, as Zenodo's archive and Kaggle's copy unpack (Kaggle's holds every actor twice; each recording
counts once), or all files in one flat folder.  The song part may lie beside it: it is the corpus `ravdess_song`.

A name such as `03-01-05-02-01-02-11` is modality 03 (audio only), channel 01 (speech), emotion 05, intensity 02 (strong),
statement 01 ("Kids are talking by the door"), repetition 02, actor 11.  Odd actors are men, even actors women.  Emotions:
01 neutral, 02 calm, 03 happy, 04 sad, 05 angry, 06 fearful, 07 disgusted, 08 surprised.

Quirks: neutral has no strong intensity, hence 96 utterances where the other emotions have 192; five files are stereo
(03-01-02-01-01-02-01, 03-01-08-01-02-02-01, 03-01-02-01-02-02-05, 03-01-03-01-02-01-20 and 03-01-06-01-01-02-20); actor
07's two repetitions of statement 02, happy, normal (03-01-03-01-02-01-07 and -02-07) are one recording, byte for byte.
"""

import re
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path

from precompute.common import finding
from precompute.corpora import Corpus, Download, Scan, recordings_below, scan_names, stem

NAMES = ("ravdess",)
SPEECH, SONG = "01", "02"
LABELS = {
    "01": "neutral", "02": "calm", "03": "happy", "04": "sad", "05": "angry", "06": "fearful", "07": "disgusted",
    "08": "surprised",
}  # fmt: skip
INTENSITIES = {"01": "normal", "02": "strong"}
ACTORS = [f"{actor:02}" for actor in range(1, 25)]


def keys_of(channel: str, labels: dict[str, str], actors: list[str]) -> frozenset[str]:
    """Every key of one part: two intensities (neutral has one), two statements and two repetitions of each emotion."""
    return frozenset(
        f"03-{channel}-{label}-{intensity}-{statement}-{repetition}-{actor}"
        for label, intensity, statement, repetition, actor in product(labels, INTENSITIES, ("01", "02"), ("01", "02"), actors)
        if (label, intensity) != ("01", "02")
    )


KEYS = keys_of(SPEECH, LABELS, ACTORS)

CORPUS = Corpus(
    name="ravdess",
    title="Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS), speech",
    licence="CC BY-NC-SA 4.0",
    source="https://zenodo.org/records/1188976 (Audio_Speech_Actors_01-24.zip)",
    doi="10.1371/journal.pone.0196391",
    speakers=24,
    emotions={
        "neutral": 96,
        "calm": 192,
        "happy": 192,
        "sad": 192,
        "angry": 192,
        "fearful": 192,
        "disgusted": 192,
        "surprised": 192,
    },
    usual_place="ravdess/Actor_NN/*.wav",
    women=12,
    keys=KEYS,
    by_speaker=Counter(key[-2:] for key in KEYS),
    downloads=(
        Download(
            url="https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip?download=1",
            size=208468073,
            checksum="md5:bc696df654c87fed845eb13823edef8a",
            source="Zenodo's record 1188976, as public code that checks its downloads quotes it",
        ),
    ),
    content="8c0154f7d2a68640e2f7be39d5a8fc1a2d145e78661f2457a5909ade8626bdd6",
)


def part(directory: Path, channel: str) -> list[Path]:
    """Recordings up to three folders deep, without those of the other part."""
    passed_over = other(channel)
    return [file for file in recordings_below(directory) if not passed_over(file.name)]


def other(channel: str) -> Callable[[str], bool]:
    """Whether a recording of a name is of the other part."""
    start = f"03-{SONG if channel == SPEECH else SPEECH}-"
    return lambda name: name.startswith(start)


def fields(stem: str, channel: str, labels: dict[str, str]) -> dict[str, str | None]:
    """The fields of an utterance of one part from a file's stem.

    Raises:
        ValueError: The stem is not seven two-digit numbers, or one of them is outside the part's codes.
    """
    match = re.fullmatch(rf"03-{channel}-(\d\d)-(\d\d)-(0[12])-(0[12])-(\d\d)", stem)
    if match is None:
        kind = "speech" if channel == SPEECH else "song"
        raise ValueError(f"'{stem}' is not of the form 03-{channel}-05-02-01-02-11 (audio-only {kind})")
    label, intensity, sentence, _, actor = match.groups()
    if label not in labels or intensity not in INTENSITIES or actor not in ACTORS:
        raise ValueError(f"emotion {label}, intensity {intensity} or actor {actor} is not RAVDESS's")
    return {
        "speaker": actor,
        "emotion": labels[label],
        "label": label,
        "sex": "male" if int(actor) % 2 else "female",
        "sentence": sentence,
        "intensity": INTENSITIES[intensity],
    }


def copies(directory: Path, own: bool = False) -> list[Path]:
    """The folders that hold a copy of the speech part, see `finding.by_names`."""
    places = finding.by_names(directory, parse, stem, other(SPEECH))
    return [directory] if own and len(places) < 2 and part(directory, SPEECH) else places


def find(corpora: Path) -> Path | None:
    """The directory of RAVDESS under the directory of corpora, where it holds recordings up to three folders deep."""
    return finding.first(corpora, NAMES, copies)


def parse(stem: str) -> dict[str, str | None]:
    """The fields of an utterance from a file's stem.

    Raises:
        ValueError: The stem is not that of a recording of speech.
    """
    return fields(stem, SPEECH, LABELS)


def scan(directory: Path) -> Scan:
    """The utterances under `directory`, each recording once, even if it is there several times."""
    return scan_names(directory, part(directory, SPEECH), parse)
