"""IEMOCAP, the Interactive Emotional Dyadic Motion Capture database.

Origin: Busso C, Bulut M, Lee CC, Kazemzadeh A, Mower E, Kim S, Chang JN, Lee S, Narayanan SS (2008), Language Resources and
Evaluation 42, 335-359, doi 10.1007/s10579-008-9076-6.  Free for research, under a licence agreement with the University of
Southern California.

Layout: `Session1` to `Session5`, as the release folder `IEMOCAP_full_release` has them, in the corpus's directory or in a
folder in it.  Labels: `Session1/dialog/EmoEvaluation/<dialog>.txt`.  Recordings: `Session1/sentences/wav/<dialog>/<turn>.wav`,
or `Session1/dialog/wav/<dialog>.wav`, from which a turn that has no file of its own is cut at the times of its label.

A name such as `Ses01F_impro01_M003` is session 1, a dialog in which the woman wears the motion capture markers,
improvisation 01, and the fourth turn of the man: the last part names who speaks, here `Ses01M`, and not the first.  Ten
speakers, a woman and a man in each session, 151 dialogs.  Labels: neu neutral, hap happy, sad sad, ang angry, exc excited,
fru frustrated, sur surprised, fea fearful, dis disgusted, oth other, and xxx where the listeners did not agree (unknown).

Quirks: listeners did not agree on a label for a quarter of the turns (xxx); excited is usually joined to happy, which with
neutral, sad and angry makes 5531 turns (labels `iemocap4`); files of labels may have Windows line ends and bytes that
are not UTF-8; recordings without a label, like labels without a recording, are named and left out; turns that lack a file of
their own although others have one are cut from the dialog, and a warning names them; a dialog of session 5 is called
`Ses05M_script01_1b`; that the forced alignments of `Ses03F_impro07_M030` and `Ses03M_impro03_M001` are missing does not matter
here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from precompute.cache.layout import Skipped, Utterance, printable
from precompute.common import finding
from precompute.corpora import Corpus, Scan, names_in

CORPUS = Corpus(
    name="iemocap",
    title="Interactive Emotional Dyadic Motion Capture (IEMOCAP)",
    licence="free for research, under a licence agreement",
    source="https://sail.usc.edu/iemocap/ (on request)",
    doi="10.1007/s10579-008-9076-6",
    speakers=10,
    emotions={
        "neutral": 1708,
        "happy": 595,
        "sad": 1084,
        "angry": 1103,
        "excited": 1041,
        "frustrated": 1849,
        "surprised": 107,
        "fearful": 40,
        "disgusted": 2,
        "other": 3,
        "unknown": 2507,
    },
    usual_place="iemocap/Session1/sentences/wav/<dialog>/*.wav",
    women=5,
)

LABELS = {
    "neu": "neutral", "hap": "happy", "sad": "sad", "ang": "angry", "exc": "excited", "fru": "frustrated",
    "sur": "surprised", "fea": "fearful", "dis": "disgusted", "oth": "other", "xxx": "unknown",
}  # fmt: skip
SCENARIOS = {"impro": "improvised", "script": "scripted"}
NAMES = ("iemocap", "iemocap_full_release")
EVALUATIONS = "dialog/EmoEvaluation"
PLACES = (EVALUATIONS, "sentences/wav", "dialog/wav")
NUMBER = r"(-?\d+(?:\.\d+)?)"
TURN = re.compile(rf"\[{NUMBER} - {NUMBER}\]\s+(\S+)\s+(\S+)\s+\[{NUMBER}, {NUMBER}, {NUMBER}\]")
"""`[6.2901 - 8.2357]<TAB>Ses01F_impro01_F000<TAB>neu<TAB>[2.5000, 2.5000, 2.5000]`: valence, activation, dominance."""


@dataclass(frozen=True)
class Turn:
    """What a line of a file of labels says of one turn; the times are in seconds from the dialog's begin."""

    name: str
    label: str
    begin: float
    end: float
    dimensions: dict[str, float]

    @property
    def dialog(self) -> str:
        """The dialog it is part of."""
        return self.name.rpartition("_")[0]


def copies(directory: Path, own: bool = False) -> list[Path]:
    """The folders that hold `Session1` and so on, and, where they might be another corpus's, labels or recordings in them."""

    def holds(folder: Path) -> bool:
        return any(own or any((folder / session / place).is_dir() for place in PLACES) for session in _sessions(folder))

    return finding.by_structure(directory, holds)


def find(corpora: Path) -> Path | None:
    """The directory that holds `Session1` and so on, under the directory of corpora."""
    return finding.first(corpora, NAMES, copies)


def parse(stem: str) -> dict[str, Any]:
    """The fields of an utterance from the name of a turn, all but label and emotion.

    Raises:
        ValueError: The name is not that of a turn of IEMOCAP.
    """
    match = re.fullmatch(r"((Ses0([1-5]))[FM]_(impro|script)\w*)_([FM])\d\w*", stem)
    if match is None:
        raise ValueError(f"'{stem}' is not of the form Ses01F_impro01_M003")
    dialog, prefix, session, scenario, letter = match.groups()
    return {
        "speaker": prefix + letter,
        "sex": "female" if letter == "F" else "male",
        "session": session,
        "more": {"dialog": dialog, "scenario": SCENARIOS[scenario]},
    }


def scan(directory: Path) -> Scan:
    """The labelled turns under `directory`; turns without recording, and recordings without label, are skipped."""
    utterances: dict[str, Utterance] = {}
    skipped: list[Skipped] = []
    for session in _sessions(directory):
        for line in _session(directory / session, session):
            if isinstance(line, Skipped):
                skipped.append(line)
            elif line.key in utterances:
                skipped.append(
                    Skipped(line.path, f"{line.key} has a second label, {line.label}; {utterances[line.key].label} counts")
                )
            else:
                utterances[line.key] = line
    return Scan(tuple(utterances[key] for key in sorted(utterances)), tuple(skipped))


def _sessions(directory: Path) -> list[str]:
    return [name for name in names_in(directory) if re.fullmatch("session[1-5]", name.lower())]


def _session(folder: Path, session: str) -> Iterator[Utterance | Skipped]:
    sentences = {
        name: f"{session}/sentences/wav/{dialog}/{file}"
        for dialog in names_in(folder / "sentences/wav")
        for name, file in _wavs(folder / "sentences/wav" / dialog).items()
    }
    dialogs = {name: f"{session}/dialog/wav/{file}" for name, file in _wavs(folder / "dialog/wav").items()}
    labelled: set[str] = set()
    for file in names_in(folder / EVALUATIONS):
        if not file.lower().endswith(".txt"):
            continue
        for turn in _turns(folder / EVALUATIONS / file, f"{session}/{EVALUATIONS}/{file}"):
            if isinstance(turn, Turn):
                labelled.update((turn.name, turn.dialog))
                yield _utterance(turn, sentences.get(turn.name), dialogs.get(turn.dialog), session)
            else:
                yield turn
    for name, path in (sentences | dialogs).items():
        if name not in labelled:
            yield Skipped(printable(path), f"no label of {name} is in {session}/{EVALUATIONS}")


def _utterance(turn: Turn, own: str | None, dialog: str | None, session: str) -> Utterance | Skipped:
    expected = f"{session}/sentences/wav/{turn.dialog}/{turn.name}.wav"
    try:
        fields = parse(turn.name)
        emotion = LABELS[turn.label]
    except ValueError as error:
        return Skipped(own or expected, f"the name does not parse: {error}")
    except KeyError:
        return Skipped(own or expected, f"the label {turn.label} of {turn.name} is not one of {', '.join(LABELS)}")
    if own is None and dialog is None:
        return Skipped(expected, f"{turn.name} is labelled {turn.label}, and neither it nor its dialog is recorded")
    fields["more"] |= turn.dimensions
    if own is None:
        fields |= {"begin": turn.begin, "end": turn.end}
    return Utterance(key=turn.name, path=own or dialog or "", emotion=emotion, label=turn.label, **fields)


def _turns(file: Path, path: str) -> Iterator[Turn | Skipped]:
    # Latin-1 takes every byte; what is not ASCII stands in lines of the raters only.
    for line in file.read_text("latin-1").split("\n"):
        if not line.startswith("["):
            continue
        if match := TURN.fullmatch(line.strip()):
            begin, end, name, label, *dimensions = match.groups()
            named = zip(("valence", "activation", "dominance"), map(float, dimensions), strict=True)
            yield Turn(name, label, float(begin), float(end), dict(named))
        else:
            yield Skipped(path, f"the line '{line.strip()[:80]}' is not a label of a turn")


def _wavs(folder: Path) -> dict[str, str]:
    """Names of the recordings in a folder, by their stems."""
    return {name[:-4]: name for name in names_in(folder) if name.lower().endswith(".wav")}
