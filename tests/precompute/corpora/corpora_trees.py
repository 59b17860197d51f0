"""Directories in the shape of every published corpus, at its real size, with made-up recordings.

`TREES[name].lay(directory)` lays one; its recordings are empty where only their names count.  `added` is the name of a
recording that the corpus does not have, `moved` the names between which renaming changes a label, where names hold it.
"""

import itertools
import random
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from precompute import corpora
from precompute.corpora import iemocap, msp_improv

RATE = 16000
NOISE = random.Random(0).randbytes(100_000)
DIALOGS = [*(f"impro0{n}" for n in range(1, 9)), *(f"script0{n}" for n in ("1_1", "1_2", "1_3", "2_1", "2_2", "3_1", "3_2"))]


@dataclass(frozen=True)
class Tree:
    """How to lay a corpus, a name that it does not have, and two names between which only the label differs."""

    lay: Callable[[Path], None]
    added: str
    moved: tuple[str, str] | None = None


def wav(data: bytes, channels: int = 1) -> bytes:
    """A WAV file of 16-bit samples at 16 kHz."""
    head = struct.pack("<HHIIHH", 1, channels, RATE, RATE * 2 * channels, 2 * channels, 16)
    return b"RIFF%sWAVEfmt %s%sdata%s%s" % (
        struct.pack("<I", 36 + len(data)), struct.pack("<I", 16), head, struct.pack("<I", len(data)), data,
    )  # fmt: skip


def noise(n: int, samples: int = 300) -> bytes:
    """Samples of quiet noise, others for each `n`."""
    start = 2 * (n * 37 % (len(NOISE) // 2 - samples))
    return NOISE[start : start + 2 * samples]


def labels_of(module, codes: dict[str, str]) -> list[str]:
    """The label of each utterance, as often as published, in an order that is the same on every run."""
    labels = [code for code, emotion in codes.items() for _ in range(module.CORPUS.emotions[emotion])]
    random.Random(0).shuffle(labels)
    return labels


def lay_empty(files: Iterable[Path]) -> None:
    """Make empty files, and their folders."""
    folders = set()
    for file in files:
        if file.parent not in folders:
            file.parent.mkdir(parents=True, exist_ok=True)
            folders.add(file.parent)
        file.open("xb").close()


def lay_names(name: str, path: Callable[[str], str]) -> Callable[[Path], None]:
    """Lays an empty recording for each published key, at the path that it has in the release."""

    def lay(directory: Path) -> None:
        lay_empty(directory / path(key) for key in corpora.load(name).CORPUS.keys)

    return lay


def iemocap_turns() -> list[tuple[str, str, str]]:
    """Dialog, name and label of 10,039 turns of 151 dialogs, the speakers in turn."""
    dialogs = [f"Ses0{s}{letter}_{dialog}" for s in range(1, 6) for letter in "FM" for dialog in DIALOGS]
    dialogs.append("Ses05M_script01_1b")
    turns = []
    for i, label in enumerate(labels_of(iemocap, iemocap.LABELS)):
        number, place = divmod(i, len(dialogs))
        turns.append((dialogs[place], f"{dialogs[place]}_{'FM'[number % 2]}{number // 2:03}", label))
    return turns


def lay_iemocap(directory: Path) -> None:
    """IEMOCAP with a file of its own for every turn."""
    turns = sorted(iemocap_turns())
    for dialog, group in itertools.groupby(turns, key=lambda turn: turn[0]):
        session = directory / f"Session{dialog[4]}"
        folder = session / "sentences" / "wav" / dialog
        folder.mkdir(parents=True)
        rows = []
        for i, (_, name, label) in enumerate(group):
            (folder / f"{name}.wav").write_bytes(wav(noise(len(rows) + len(name) + i)))
            rows.append((0.5 * i, 0.5 * i + 0.4, name, label))
        lay_evaluation(session, dialog, rows)


def lay_evaluation(session: Path, dialog: str, rows: list[tuple[float, float, str, str]]) -> None:
    """A file of labels with all that the release's have: a header, raters, Windows line ends, a byte that is no UTF-8."""
    lines = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
    for begin, end, name, label in rows:
        lines += [
            f"[{begin:.4f} - {end:.4f}]\t{name}\t{label}\t[2.5000, 3.0000, 3.5000]",
            "C-E2:\tNeutral;\t()", "C-F1:\tAnger;\t(\xe9nerv\xe9)", "A-E3:\tval 3; act 2; dom  2;\t()", "",
        ]  # fmt: skip
    folder = session / "dialog" / "EmoEvaluation"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{dialog}.txt").write_bytes("\r\n".join(lines).encode("latin-1"))
    (folder / f"._{dialog}.txt").write_bytes(b"\0\5\x16\7")
    (folder / "Categorical").mkdir(exist_ok=True)


def msp_improv_names() -> list[str]:
    """As many names as MSP-IMPROV has turns."""
    pairs = itertools.product(range(1, 4), range(1, 21), "AHSN", "PRST", range(1, 7), "FM")
    names = (f"MSP-IMPROV-S{s:02}{t}-{sex}{n:02}-{scenario}-FM{turn:02}" for turn, s, t, scenario, n, sex in pairs)
    return list(itertools.islice(names, msp_improv.CORPUS.files))


def lay_msp_improv(directory: Path, names: list[str] | None = None, table: str = "Evalution.txt", audio: str = "Audio") -> None:
    """MSP-IMPROV with empty recordings; raters' lines stand between the lines that sum up."""
    lines, files = [], []
    names = names or msp_improv_names()
    for name, label in zip(names, labels_of(msp_improv, msp_improv.LABELS), strict=False):
        _, _, scene, speaker, scenario, _ = name.split("-")
        files.append(directory / audio / f"session{speaker[2]}" / scene / scenario / f"{name}.wav")
        lines += [
            f"UTD-{name[4:]}.avi; {label}; A:2.600000; V:3.000000; D:NaN ; N:4.100000;",
            "RATER-1; Neutral; Neutral,Concerned; A:3.000000; V:3.000000; D:3.000000; N:4.000000;", "",
        ]  # fmt: skip
    lay_empty(files)
    (directory / table).write_bytes("\r\n".join(lines).encode())


TESS_FOLDERS = {"disgust": "disgust", "fear": "Fear", "ps": "Pleasant_surprise", "sad": "Sad"}

TREES = {
    "crema_d": Tree(
        lay_names("crema_d", "AudioWAV/{}.wav".format), "1008_WSI_ANG_XX", ("1001_DFA_ANG_XX", "1001_DFA_SAD_XX")
    ),
    "demo": Tree(lay_names("demo", lambda key: f"{key[:2]}/{key}.wav"), "F1-9-sad", ("F1-1-sad", "F1-1-angry")),
    "emodb": Tree(lay_names("emodb", "wav/{}.wav".format), "03a01Fz", ("03a01Fa", "03a01Ta")),
    "iemocap": Tree(lay_iemocap, "Ses01F_impro01_F999"),
    "msp_improv": Tree(lay_msp_improv, "MSP-IMPROV-S20A-F01-P-FM99"),
    "ravdess": Tree(
        lay_names("ravdess", lambda key: f"Actor_{key[-2:]}/{key}.wav"),
        "03-01-01-02-01-01-01", ("03-01-05-01-01-01-01", "03-01-06-01-01-01-01"),
    ),
    "ravdess_song": Tree(
        lay_names("ravdess_song", lambda key: f"Actor_{key[-2:]}/{key}.wav"),
        "03-02-01-01-01-01-18", ("03-02-05-01-01-01-01", "03-02-06-01-01-01-01"),
    ),
    "savee": Tree(lay_names("savee", lambda key: f"AudioData/{key[:2]}/{key[3:]}.wav"), "DC_a16", ("DC_a01", "DC_sa01")),
    "tess": Tree(
        lay_names(
            "tess",
            lambda key: f"{key[:4]}{TESS_FOLDERS.get(key.split('_')[2], key.split('_')[2])}/{key}.wav"
        ),
        "OAF_zebra_sad", ("OAF_back_sad", "OAF_back_angry"),
    ),
}  # fmt: skip
