"""RAVDESS, the Ryerson Audio-Visual Database of Emotional Speech and Song: the song part.

Origin: Livingstone SR, Russo FA (2018), PLoS ONE 13(5): e0196391, doi 10.1371/journal.pone.0196391; recordings at
doi 10.5281/zenodo.1188976.  CC BY-NC-SA 4.0.

Layout: `Actor_01` to `Actor_24` without `Actor_18`, 44 files each, 1012 in all, in a folder of their own or among the
speech part's, directly in the corpus's directory or up to three folders deeper, or all files in one flat folder.

A name such as `03-02-05-02-01-02-11` is the speech part's with channel 02 (song).  Odd actors are men, even actors women;
they are those of the speech part, by the same numbers.
Emotions: 01 neutral, 02 calm, 03 happy, 04 sad, 05 angry, 06 fearful.

Quirks: actor 18, a woman, has no song; neutral has no strong intensity, hence 92 utterances where the other emotions have
184.
"""

from collections import Counter
from pathlib import Path

from precompute.common import finding
from precompute.corpora import Corpus, Scan, recordings_below, scan_names, stem
from precompute.corpora.ravdess import ACTORS, SONG, fields, keys_of, other, part
from precompute.corpora.ravdess import LABELS as SPOKEN

NAMES = ("ravdess_song", "ravdess-song", "ravdess")
LABELS = {label: emotion for label, emotion in SPOKEN.items() if label <= "06"}
KEYS = keys_of(SONG, LABELS, [actor for actor in ACTORS if actor != "18"])

CORPUS = Corpus(
    name="ravdess_song",
    title="Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS), song",
    licence="CC BY-NC-SA 4.0",
    source="https://zenodo.org/records/1188976 (Audio_Song_Actors_01-24.zip)",
    doi="10.1371/journal.pone.0196391",
    speakers=23,
    emotions={"neutral": 92, "calm": 184, "happy": 184, "sad": 184, "angry": 184, "fearful": 184},
    usual_place="ravdess_song/Actor_NN/*.wav",
    women=11,
    keys=KEYS,
    by_speaker=Counter(key[-2:] for key in KEYS),
    same_speakers_as="ravdess",
)


def copies(directory: Path, own: bool = False) -> list[Path]:
    """The folders that hold a copy of the song part, see `finding.by_names`."""
    places = finding.by_names(directory, parse, stem, other(SONG))
    songs = own and any(file.name.startswith(f"03-{SONG}-") for file in recordings_below(directory))
    return [directory] if songs and len(places) < 2 else places


def find(corpora: Path) -> Path | None:
    """The corpus's own directory under the directory of corpora, else RAVDESS's where it holds songs."""
    return finding.first(corpora, NAMES, copies)


def parse(stem: str) -> dict[str, str | None]:
    """The fields of an utterance from a file's stem.

    Raises:
        ValueError: The stem is not that of a recording of song.
    """
    return fields(stem, SONG, LABELS)


def scan(directory: Path) -> Scan:
    """The utterances under `directory`, each recording once, even if it is there several times."""
    return scan_names(directory, part(directory, SONG), parse)
