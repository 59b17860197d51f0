"""What a file is that is no recording, by its first bytes: downloads and copies leave such files instead of recordings."""

LONGEST = 512
"""Bytes that are looked at."""

CONVERT = "which cannot be decoded here: convert it to WAV or FLAC"

STARTS = {
    b"version https://git-lfs": "a Git LFS pointer instead of the recording: run git lfs pull",
    b"PK\x03\x04": "a zip archive: unpack it",
    b"\x1f\x8b": "a gzip archive: unpack it",
    b"BZh": "a bzip2 archive: unpack it",
    b"\xfd7zXZ": "an xz archive: unpack it",
    b"7z\xbc\xaf": "a 7-Zip archive: unpack it",
    b"Rar!": "a RAR archive: unpack it",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"\x1aE\xdf\xa3": f"Matroska or WebM, {CONVERT}",
    b"0&\xb2u\x8ef\xcf\x11": f"Windows Media, {CONVERT}",
    b"#!AMR": f"AMR, {CONVERT}",
    b"\xff\xf1": f"AAC, {CONVERT}",
    b"\xff\xf9": f"AAC, {CONVERT}",
    b"\x00\x05\x16\x07": "a companion file of macOS (AppleDouble), not the recording: remove it",
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF": "an HDF5 file",
    b"SQLite format 3": "an SQLite database",
    b"\x7fELF": "a program",
}
"""What a file is that begins like this."""

TEXTS = {
    b"<!doctype html": "an HTML page, perhaps of a download that needs a login: download it again",
    b"<html": "an HTML page, perhaps of a download that needs a login: download it again",
    b"<?xml": "an XML document, perhaps an error of the server: download it again",
    b"<error": "an XML document, perhaps an error of the server: download it again",
    b"{": "a JSON text, perhaps an error of the server: download it again",
}
"""What a text is that begins like this, in upper or lower case."""


def name(first: bytes) -> str | None:
    """What a file is, with what to do about it; None where it is not known.

    Args:
        first: Its first bytes, `LONGEST` of them.
    """
    for start, what in STARTS.items():
        if first.startswith(start):
            return what
    if first[4:8] == b"ftyp":
        return f"MPEG-4, as M4A and MP4 files are, {CONVERT}"
    if first[:4] == b"RIFF" and first[8:12] == b"AVI ":
        return f"an AVI film, {CONVERT}"
    if first and not any(first):
        return "only zero bytes, perhaps of an interrupted copy: copy it again"
    text = first.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for start, what in TEXTS.items():
        if text.startswith(start):
            return what
    try:
        # A character may be cut in two at the end.
        readable = first.decode("utf-8", "ignore") if first[-4:].isascii() is False else first.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return "a text" if text and all(c.isprintable() or c in "\t\r\n" for c in readable) else None
