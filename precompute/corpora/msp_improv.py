"""MSP-IMPROV, an acted corpus of dyadic interactions.

Origin: Busso C, Parthasarathy S, Burmania A, AbdelWahab M, Sadoughi N, Provost EM (2017), IEEE Transactions on Affective
Computing 8(1), 67-80, doi 10.1109/TAFFC.2016.2515617.  Free for research, under a licence agreement with the University of
Texas at Dallas.

Layout: `session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.wav` and so on to `session6`, in the corpus's directory or in its folder
`Audio`; the labels in `Evalution.txt` (spelled like this in the release; `Evaluation.txt` is read too) in either place.

A name such as `MSP-IMPROV-S01A-F01-P-FM01` is sentence 01, target emotion A (the one that the scenario aims at, not the
label), the woman of session 1, scenario P, and FM01, kept as the corpus codes it: two letters and the number of the turn.
Twelve speakers, F01 to F06 and M01 to M06.  Scenarios: P natural interaction between the recordings, R target sentence
read, S other improvised turns, T target sentence improvised.  Labels: N neutral, H happy, S sad, A angry, O other, and X
where the listeners did not agree (unknown).

Quirks: labels name videos, `UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:2.6; V:3.0; D:2.8 ; N:4.1;`, with activation, valence,
dominance and naturalness, some of which are `NaN`; the lines below each are from its individual raters.  Activation is kept as
it stands in the file.  Four classes, without other and unknown, make 7798 turns (labels `msp_improv4`).
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from precompute.cache.layout import Skipped, Utterance, printable
from precompute.common import finding
from precompute.corpora import Corpus, Scan, names_in

CORPUS = Corpus(
    name="msp_improv",
    title="MSP-IMPROV",
    licence="free for research, under a licence agreement",
    source="https://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Improv.html (on request)",
    doi="10.1109/TAFFC.2016.2515617",
    speakers=12,
    emotions={"neutral": 3477, "happy": 2644, "sad": 885, "angry": 792, "other": 85, "unknown": 555},
    usual_place="msp_improv/Audio/session1/S01A/P/*.wav",
    women=6,
)

LABELS = {"N": "neutral", "H": "happy", "S": "sad", "A": "angry", "O": "other", "X": "unknown"}
TARGETS = {"N": "neutral", "H": "happy", "S": "sad", "A": "angry"}
SCENARIOS = {"P": "natural", "R": "read", "S": "other improvised", "T": "target improvised"}
DIMENSIONS = {"A": "activation", "V": "valence", "D": "dominance", "N": "naturalness"}
TABLES = ("evalution.txt", "evaluation.txt")
NAMES = ("msp_improv", "msp-improv")
SCENE = re.compile(r"S\d\d[AHNS]")
NAME = re.compile(r"MSP-IMPROV-S(\d\d)([AHNS])-([FM]0([1-6]))-([PRST])-([FM]{2})(\d\d\w*)")
SUMMARY = re.compile(r"UTD-(IMPROV-[\w-]+)\.avi\s*;\s*(\w+)\s*;(.*)")


def copies(directory: Path, own: bool = False) -> list[Path]:
    """The folders that hold `session1` and so on, or `Audio` with them; where they might be another corpus's, with scenes."""

    def holds(folder: Path) -> bool:
        return any(own or any(SCENE.fullmatch(name) for name in names_in(folder / session)) for session in _sessions(folder))

    return finding.by_structure(directory, holds)


def find(corpora: Path) -> Path | None:
    """The directory that holds `session1` and so on, or `Audio` with them, under the directory of corpora."""
    return finding.first(corpora, NAMES, copies)


def parse(stem: str) -> dict[str, Any]:
    """The fields of an utterance from a file's stem, all but label and emotion.

    Raises:
        ValueError: The stem is not of MSP-IMPROV's form.
    """
    match = NAME.fullmatch(stem)
    if match is None:
        raise ValueError(f"'{stem}' is not of the form MSP-IMPROV-S01A-F01-P-FM01")
    sentence, target, speaker, session, scenario, pair, turn = match.groups()
    return {
        "speaker": speaker,
        "sex": "female" if speaker[0] == "F" else "male",
        "sentence": sentence,
        "session": session,
        "more": {"target": TARGETS[target], "scenario": SCENARIOS[scenario], "pair": pair, "turn": turn},
    }


def scan(directory: Path) -> Scan:
    """The labelled turns under `directory`; turns without recording, and recordings without label, are skipped."""
    if any(_sessions(directory)) and not _tables(directory):
        return Scan((), (Skipped("Evalution.txt", "the file of labels is missing: copy it from the release beside session1"),))
    labels, skipped = _labels(directory)
    utterances: dict[str, Utterance] = {}
    for path in _recordings(directory):
        name = Path(path).stem
        if name in utterances:
            continue
        try:
            fields = parse(name)
        except ValueError as error:
            skipped.append(Skipped(printable(path), f"the name does not parse: {printable(str(error))}"))
            continue
        if name not in labels:
            skipped.append(Skipped(printable(path), f"no label of {name} is in Evalution.txt"))
            continue
        label, dimensions = labels[name]
        fields["more"] |= dimensions
        utterances[name] = Utterance(key=name, path=path, emotion=LABELS[label], label=label, **fields)
    skipped += [
        Skipped(f"{name}.wav", f"{name} is labelled {label}, and it is not recorded")
        for name, (label, _) in labels.items()
        if name not in utterances
    ]
    return Scan(tuple(utterances[key] for key in sorted(utterances)), tuple(skipped))


def _labels(directory: Path) -> tuple[dict[str, tuple[str, dict[str, float]]], list[Skipped]]:
    """Label and dimensions of each turn, from the lines that sum up; the raters' lines between them are passed over."""
    labels: dict[str, tuple[str, dict[str, float]]] = {}
    skipped = []
    for table in _tables(directory):
        for line in (directory / table).read_text("latin-1").split("\n"):
            if not line.startswith("UTD-"):
                continue
            match = SUMMARY.fullmatch(line.strip())
            if match is None or match[2] not in LABELS:
                skipped.append(Skipped(table, f"the line '{line.strip()[:80]}' is not a label of a turn"))
                continue
            if (name := f"MSP-{match[1]}") in labels:
                skipped.append(Skipped(table, f"{name} has a second label, {match[2]}; {labels[name][0]} counts"))
                continue
            labels[name] = match[2], _dimensions(match[3])
    return labels, skipped


def _dimensions(text: str) -> dict[str, float]:
    # NaN, where a dimension was not rated, has no place in a cache's metadata.
    return {DIMENSIONS[letter]: float(value) for letter, value in re.findall(r"([AVDN])\s*:\s*(\d+(?:\.\d+)?)", text)}


def _tables(directory: Path) -> list[str]:
    """The first file of labels, in the corpus's directory or in `Audio`."""
    places = [
        f"{place}{name}" for place in ("", *_audio(directory)) for name in names_in(directory / place) if name.lower() in TABLES
    ]
    return places[:1]


def _audio(directory: Path) -> list[str]:
    return [f"{name}/" for name in names_in(directory) if name.lower() == "audio"]


def _sessions(directory: Path) -> Iterator[str]:
    for place in ("", *_audio(directory)):
        yield from (f"{place}{name}" for name in names_in(directory / place) if re.fullmatch("session[1-6]", name.lower()))


def _recordings(directory: Path) -> Iterator[str]:
    """Paths of the recordings, relative to `directory`: sorted, those outside `Audio` first."""
    for session in _sessions(directory):
        for folder, folders, files in os.walk(directory / session):
            folders.sort()
            inside = Path(folder).relative_to(directory).as_posix()
            yield from (f"{inside}/{name}" for name in sorted(files) if name.lower().endswith(".wav") and name[0] != ".")
