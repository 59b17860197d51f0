"""Heads as writers leave them: what every program decodes is decoded, what is cut short is refused with its seconds."""

import io
import pathlib
import struct

import numpy as np
import pytest
import soundfile

from precompute.audio import decode as audio
from precompute.audio import heads, kinds
from precompute.common.errors import UnusableAudioError

COUNT = 16000
SAMPLES = (3000 * np.random.default_rng(0).standard_normal(COUNT)).astype("<i2")
DATA = SAMPLES.tobytes()
FORMAT = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
ODD = b"LIST" + struct.pack("<I", 17) + b"INFOISFT\x05\0\0\0abcd\0"
EXTENSIBLE = (
    b"fmt "
    + struct.pack("<IHHIIHHHHI", 40, 0xFFFE, 1, 16000, 32000, 2, 16, 22, 16, 4)
    + bytes.fromhex("0100000000001000800000aa00389b71")
)


def riff(body, size=None, name=b"RIFF"):
    return name + struct.pack("<I", len(body) + 4 if size is None else size) + b"WAVE" + body


def data(size=None):
    return b"data" + struct.pack("<I", len(DATA) if size is None else size) + DATA


def sizes(audio, frames=COUNT):
    return b"ds64" + struct.pack("<IQQQI", 28, len(DATA) + 60, audio, frames, 0)


LARGE = data(2**32 - 1)
OPEN = (0, 1, 7, 2**32 - 1, 2**31 - 1, 2**31, 0x7FFFF000, 0x7FFFFFDC, 0xFFFFFFDB)
BEXT = b"JUNK" + struct.pack("<I", 28) + bytes(28) + b"bext" + struct.pack("<I", 602) + bytes(602)
WHOLE = {
    **{f"audio of {size:#x}": riff(FORMAT + data(size)) for size in OPEN},
    **{f"audio of {more} more": riff(FORMAT + data(len(DATA) + more)) for more in (1, 2, 8, 36, 44, 64)},
    **{f"file of {size:#x}": riff(FORMAT + data(), size) for size in (0, 4, 36, 100, 2**32 - 1)},
    "nothing known of a stream": riff(FORMAT + data(0), 0),
    "a stream of ffmpeg": riff(FORMAT + LARGE, 2**32 - 1),
    "an odd chunk that is not filled up": riff(FORMAT + ODD + data()),
    "the same, and no size": riff(FORMAT + ODD + data(0)),
    "an odd chunk that is filled up": riff(FORMAT + ODD + b"\0" + data()),
    "an odd chunk before the format": riff(ODD + FORMAT + data()),
    "chunks before": riff(BEXT + FORMAT + data()),
    "a chunk after": riff(FORMAT + data() + ODD + b"\0"),
    "junk after": riff(FORMAT + data()) + b"junkjunkjunk",
    "a long format": riff(EXTENSIBLE + data()),
    "the audio first": riff(data() + FORMAT),
    "RF64": riff(sizes(len(DATA)) + FORMAT + LARGE, 2**32 - 1, b"RF64"),
    "RF64 without sizes": riff(sizes(0, 0) + FORMAT + LARGE, 2**32 - 1, b"RF64"),
    "RF64 of all ones": riff(sizes(2**64 - 1) + FORMAT + LARGE, 2**32 - 1, b"RF64"),
    "RF64 of a terabyte": riff(sizes(2**40) + FORMAT + LARGE, 2**32 - 1, b"RF64"),
    "RF64 of a size in the usual place": riff(sizes(0, 0) + FORMAT + data(), 2**32 - 1, b"RF64"),
    "RF64 of a size in the usual place and another": riff(sizes(77) + FORMAT + data(), 2**32 - 1, b"RF64"),
    "RF64 as RIFF": riff(FORMAT + data(), 2**32 - 1, b"RF64"),
    "BW64": riff(sizes(len(DATA)) + FORMAT + LARGE, 2**32 - 1, b"BW64"),
    "BW64 without sizes": riff(sizes(0) + FORMAT + LARGE, 2**32 - 1, b"BW64"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WHOLE)
def test_what_every_program_decodes_is_decoded(kind, tmp_path):
    np.testing.assert_array_equal(audio.decode(WHOLE[kind]).samples * 2**15, SAMPLES)
    (tmp_path / "a.wav").write_bytes(WHOLE[kind])
    with pathlib.Path(tmp_path / "a.wav").open("rb", buffering=0) as file:
        assert audio.lengths(file) == (1.0, 3600.0)
    np.testing.assert_array_equal(audio.decode(WHOLE[kind], 0.5, 1.0).samples * 2**15, SAMPLES[8000:])
    assert audio.recording_digest(WHOLE[kind]) == audio.recording_digest(WHOLE["a chunk after"])


def encoded(format, subtype="PCM_16"):
    file = io.BytesIO()
    soundfile.write(file, SAMPLES, 16000, format=format, subtype=subtype)
    return file.getvalue()


RIFX = (
    b"RIFX" + struct.pack(">I", 36 + len(DATA)) + b"WAVEfmt " + struct.pack(">IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
    + b"data" + struct.pack(">I", len(DATA)) + SAMPLES.astype(">i2").tobytes()
)  # fmt: skip


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64", "AIFF", "AU", "RIFX", "an odd chunk", "twice as long"])
def test_what_is_cut_short_is_refused_with_its_seconds(kind, share, tmp_path, messages):
    made = {
        "RIFX": RIFX,
        "an odd chunk": WHOLE["an odd chunk that is not filled up"],
        "twice as long": riff(FORMAT + data(2 * len(DATA))),
    }
    whole = made.get(kind) or encoded(kind)
    content = whole if kind == "twice as long" else whole[: len(whole) - round((1 - share) * len(DATA))]
    (tmp_path / "a.wav").write_bytes(content)
    with messages.raises(UnusableAudioError):
        audio.decode(content)
    with pathlib.Path(tmp_path / "a.wav").open("rb", buffering=0) as file, messages.raises(UnusableAudioError):
        audio.lengths(file)


@pytest.mark.parametrize("lacking", [heads.SLACK, heads.SLACK + 2])
def test_the_border_between_a_wrong_size_and_what_is_cut_short(lacking, messages):
    content = riff(FORMAT + data(len(DATA) + lacking))
    if lacking > heads.SLACK:
        with messages.raises(UnusableAudioError):
            audio.decode(content)
    else:
        assert len(audio.decode(content).samples) == COUNT


def test_audio_of_no_bytes_before_a_chunk_is_none(messages):
    with messages.raises(UnusableAudioError):
        audio.decode(riff(FORMAT + b"data" + bytes(4) + ODD + b"\0"))


def test_au_of_no_size_is_read_to_its_end():
    content = bytearray(encoded("AU"))
    for size in (0, 2**32 - 1):
        content[8:12] = struct.pack(">I", size)
        assert len(audio.decode(bytes(content)).samples) == COUNT


@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("WAV", "GSM610"),
        ("WAV", "G721_32"),
        ("AU", "G721_32"),
        ("WAV", "NMS_ADPCM_16"),
        ("WAV", "NMS_ADPCM_32"),
        ("WAV", "IMA_ADPCM"),
    ],
)
def test_formats_in_which_nobody_can_seek_are_decoded_from_the_start(container, subtype):
    file = io.BytesIO()
    soundfile.write(file, SAMPLES, 8000, format=container, subtype=subtype)
    whole = audio.decode(file.getvalue()).samples
    assert len(whole) >= COUNT
    np.testing.assert_array_equal(audio.decode(file.getvalue(), 0.5, 1.5).samples, whole[4000:12000])


def test_usual_recordings_are_not_copied():
    for content in (riff(FORMAT + data()), encoded("FLAC"), encoded("AIFF")):
        head = heads.find(lambda at, count, content=content: content[at : at + count], len(content))
        assert heads.repaired(content, head) is content


KINDS = {
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n": "a Git LFS pointer",
    b"\xef\xbb\xbf\n <!DOCTYPE HTML PUBLIC>": "an HTML page",
    b"<HTML><body>": "an HTML page",
    b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>": "an XML document",
    b'{"error": "not found"}': "a JSON text",
    b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(range(256)): "MPEG-4",
    b"\0\0\0\x18ftypmp42" + bytes(range(256)): "MPEG-4",
    b"PK\x03\x04" + bytes(range(256)): "a zip archive: unpack it",
    b"\xff\xf1\x50\x80" + bytes(range(256)): "AAC",
    b"%PDF-1.7\n": "a PDF document",
    bytes(1000): "only zero bytes",
    b"see the other folder\n": "a text",
    "Größe: keine\n".encode(): "a text",
    b"RIFF\x10\0\0\0AVI LIST" + bytes(range(256)): "an AVI film",
    b"\x1aE\xdf\xa3" + bytes(range(256)): "Matroska or WebM",
    b"\x00\x05\x16\x07" + bytes(range(256)): "AppleDouble",
}  # fmt: skip


@pytest.mark.parametrize("content", KINDS, ids=KINDS.values())
def test_what_is_no_audio_is_named(content, messages):
    with messages.raises(UnusableAudioError):
        audio.decode(content)


@pytest.mark.parametrize("content", [DATA[:500], b"\xff\xfb\x90\x00" + DATA, encoded("FLAC"), b""])
def test_what_nobody_knows_is_not_named(content):
    assert kinds.name(content[: kinds.LONGEST]) is None
