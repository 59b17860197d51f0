"""Recordings that are each broken in another way, always the same, and good ones of every usual format."""

import io
import os
import random
import struct
from pathlib import Path

import numpy as np
import soundfile

RATE = 8000
FIELDS = (3, 4, 8, 12, 16, 20, 22, 24, 28, 32, 34, 36, 40, 43)
"""Bytes after which a WAVE head of 44 is cut off, at each of its fields."""

Breaks = dict[str, bytes]


def sound(rng: np.random.Generator, seconds: float = 0.4) -> np.ndarray:
    """Noise, 16-bit, (n,)."""
    return (3000 * rng.standard_normal(int(seconds * RATE))).astype("<i2")


def encoded(samples: np.ndarray, **how: str) -> bytes:
    """A recording in a container."""
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, **{"format": "WAV"} | how)
    return file.getvalue()


def good(count: int, seed: int = 0) -> list[bytes]:
    """So many good recordings."""
    rng = np.random.default_rng([seed, 1])
    return [encoded(sound(rng)) for _ in range(count)]


def broken(seed: int = 0) -> Breaks:
    """Contents of files named `.wav` by what is wrong with them."""
    rng = np.random.default_rng([seed, 2])
    draw = random.Random(seed)
    samples = sound(rng)
    whole = encoded(samples)
    found: Breaks = {f"cut after {at} bytes": whole[:at] for at in FIELDS}
    found |= {f"cut to {share:.0%}": whole[: int(share * len(whole))] for share in (0.1, 0.5, 0.9)}
    for name, place, form, value in (
        ("rate 1", 24, "<I", 1), ("rate 0", 24, "<I", 0), ("rate huge", 24, "<I", 2**32 - 1), ("no channels", 22, "<H", 0),
        ("many channels", 22, "<H", 2**16 - 1), ("no bits", 34, "<H", 0), ("many bits", 34, "<H", 77),
        ("no such coding", 20, "<H", 0x5555),
        ("head too long", 16, "<I", 2**31), ("audio twice as long", 40, "<I", 2 * len(samples) * 2),
    ):  # fmt: skip
        changed = bytearray(whole)
        struct.pack_into(form, changed, place, value)
        found[name] = bytes(changed)
    flac = bytearray(encoded(samples, format="FLAC"))
    flac[len(flac) // 2 :] = draw.randbytes(len(flac) - len(flac) // 2)
    found |= {
        "empty": b"",
        "zeros": bytes(5000),
        "random": draw.randbytes(5000),
        "silence": encoded(np.zeros(4000, "<i2")),
        "a constant": encoded(np.full(4000, 9000, "<i2")),
        "not a number": encoded(np.full(4000, np.nan, "float32"), subtype="FLOAT"),
        "channels that cancel": encoded(np.stack([samples, -samples], axis=1)),
        "FLAC that turns into noise": bytes(flac),
        "HTML": b"<!DOCTYPE html><html><body>Sign in</body></html>",
        "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "M4A": b"\0\0\0\x20ftypM4A " + draw.randbytes(500),
        "zip": b"PK\x03\x04" + draw.randbytes(500),
        "text": b"see the other folder\n",
    }
    return found


def decodable(seed: int = 0) -> Breaks:
    """Contents of files that every reader of the field decodes, whatever their heads say."""
    rng = np.random.default_rng([seed, 3])
    found = {}
    for name, size in (("size 0", 0), ("size of a pipe", 2**32 - 1), ("size of sox", 2**31 - 1), ("two more", None)):
        samples = sound(rng)
        content = bytearray(encoded(samples))
        struct.pack_into("<I", content, 40, 2 * len(samples) + 2 if size is None else size)
        found[name] = bytes(content)
    for name, how in (
        ("FLAC", {"format": "FLAC"}), ("Vorbis", {"format": "OGG"}), ("MP3", {"format": "MP3"}), ("AIFF", {"format": "AIFF"}),
        ("GSM", {"subtype": "GSM610"}), ("24 bits", {"subtype": "PCM_24"}), ("float", {"subtype": "FLOAT"}),
        ("mu law", {"subtype": "ULAW"}),
    ):  # fmt: skip
        found[name] = encoded(sound(rng), **how)
    return found


def no_files(folder: Path) -> list[str]:
    """Names of what is no readable file, made in a folder: a directory, a pipe, a link to nowhere, a link to itself."""
    (folder / "directory.wav").mkdir()
    os.mkfifo(folder / "pipe.wav")
    (folder / "nowhere.wav").symlink_to(folder / "gone.wav")
    (folder / "loop.wav").symlink_to("loop.wav")
    return ["directory.wav", "pipe.wav", "nowhere.wav", "loop.wav"]
