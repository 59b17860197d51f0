"""A synthetic corpus, made on the spot: ten voices, seven emotions, six sentences, no human speech.

Origin: `precompute.audio.synthesis`, a source-filter synthesizer that expresses emotion by prosody and voice quality.  It
shows in minutes, and offline, that every step works; its recognition rates do not tell how well emotions of people are
recognised.

Layout: `<speaker>/<speaker>-<sentence>-<emotion>.wav`, 16 kHz mono PCM16, 420 files: F1 to F5 are women's voices, M1 to M5
men's.  A name such as `F1-3-angry` is speaker F1, sentence 3.
"""

import io
import re
from collections import Counter
from collections.abc import Iterable
from itertools import product
from pathlib import Path

from precompute.audio import synthesis
from precompute.common import files, finding
from precompute.corpora import Corpus, Scan, recordings, scan_names

NAMES = ("demo",)
SAMPLE_RATE = 16000
SPEAKERS = {speaker.name: speaker for speaker in synthesis.SPEAKERS}
KEYS = frozenset(
    f"{speaker}-{sentence}-{emotion}"
    for speaker, sentence, emotion in product(SPEAKERS, range(1, len(synthesis.SENTENCES) + 1), synthesis.EMOTIONS)
)

CORPUS = Corpus(
    name="demo",
    title="Synthetic emotional speech",
    licence="CC0 1.0; made by this software",
    source="this software: --corpus demo makes it",
    doi="10.18280/ts.420205",
    speakers=len(synthesis.SPEAKERS),
    emotions={emotion: len(synthesis.SPEAKERS) * len(synthesis.SENTENCES) for emotion in synthesis.EMOTIONS},
    usual_place="demo/<speaker>/*.wav",
    women=sum(speaker.sex == "female" for speaker in synthesis.SPEAKERS),
    synthetic=True,
    keys=KEYS,
    by_speaker=Counter(key.partition("-")[0] for key in KEYS),
)


def copies(directory: Path, own: bool = False) -> list[Path]:
    """The directory itself where it is the corpus's and all of its files are there; no other is looked for."""
    return [directory] if own and len(recordings(directory, "*/*.wav")) >= CORPUS.files else []


def find(corpora: Path) -> Path | None:
    """The directory of the corpus under the directory of corpora, where all of its files are there."""
    return finding.first(corpora, NAMES, copies)


def make(directory: Path) -> None:
    """Synthesize every utterance that is not there yet and write it as a WAV file."""
    import joblib

    from precompute.common.executor import parallel

    parallel(-1)(joblib.delayed(_make_speaker)(directory, name) for name in SPEAKERS)


def parse(stem: str) -> dict[str, str | None]:
    """The fields of an utterance from a file's stem.

    Raises:
        ValueError: The stem is not of the form F1-3-angry, or its speaker or emotion is unknown.
    """
    match = re.fullmatch(r"([FM]\d)-(\d)-([a-z]+)", stem)
    if match is None or match[1] not in SPEAKERS or match[3] not in synthesis.EMOTIONS:
        raise ValueError(f"'{stem}' is not of the form F1-3-angry")
    speaker, sentence, emotion = match.groups()
    sex = SPEAKERS[speaker].sex
    return {"speaker": speaker, "emotion": emotion, "label": emotion, "sex": sex, "sentence": sentence}


def scan(directory: Path) -> Scan:
    """The utterances under `directory`."""
    return scan_names(directory, recordings(directory, "*/*.wav"), parse)


def _make_speaker(directory: Path, name: str) -> None:
    import soundfile

    folder = directory / name
    files.make_directory(folder, directory)
    for sentence, emotion in _each():
        file = folder / f"{name}-{sentence + 1}-{emotion}.wav"
        if not file.exists():
            samples = synthesis.synthesize(SPEAKERS[name], sentence, emotion, SAMPLE_RATE)
            content = io.BytesIO()
            soundfile.write(content, samples, SAMPLE_RATE, subtype="PCM_16", format="WAV")
            files.replace(file, content.getvalue(), directory)


def _each() -> Iterable[tuple[int, str]]:
    return ((sentence, emotion) for sentence in range(len(synthesis.SENTENCES)) for emotion in synthesis.EMOTIONS)
