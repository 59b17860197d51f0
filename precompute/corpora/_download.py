"""Fetch a corpus: download its archives from the publisher, check them, and unpack them to where `--corpus` finds them.

All that is not whole yet is in `.fetch` under the directory of corpora.  The corpus leaves it by one rename, so that half
an unpacking is never taken for the corpus; an archive that was downloaded whole stays until it is unpacked.  What killed
runs left half done is removed by the next one.
"""

import contextlib
import fcntl
import functools
import lzma
import os
import shutil
import stat
import struct
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import ModuleType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from precompute import corpora as known
from precompute.audio import recording
from precompute.common.errors import CorpusError, UnusableAudioError, counted
from precompute.common.progress import progress
from precompute.corpora import Corpus, Download, Scan, child, compare_with_known, compare_with_published

if TYPE_CHECKING:
    from requests import RequestException

ASIDE = ".fetch"
WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds to wait after each failure; they start again whenever a connection brought more than all before it."""

LONGEST_WAIT = 60.0
"""Seconds that a server may ask for between two tries (`Retry-After`)."""

TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as broken."""

CHUNK = 2**16
"""Bytes read at once; as many may be lost where a connection breaks off."""

TRANSIENT = {408, 416, 429, 500, 502, 503, 504}
"""Status codes of a server that are worth another try."""

EXPANSION = 10
"""How many times its own size an archive may unpack to; recordings compress to a third at best."""

ROOM = 2
"""How many times its known size an archive may have where a changed one is accepted."""

STALE_SECONDS = 24 * 3600.0
"""Age after which half unpacked files count as a killed run's, where there are no locks."""

BROKEN = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, UnicodeDecodeError,
    RuntimeError,  # Encrypted, or compressed by a method that Python does not know.
)  # fmt: skip
"""What `zipfile` raises where an archive is damaged."""


def fetch(
    module: ModuleType, corpora: Path, accept_licence: bool, mirror: str | None = None, accept_changed: bool = False
) -> bool:
    """Download a corpus and place it under the directory of corpora; where that cannot be done from here, print how to get it.

    Args:
        module: The corpus.
        corpora: Directory that holds the corpora.
        accept_licence: The user accepts the licence; without, it is shown and nothing is downloaded.
        mirror: URL of a folder that holds the archives, by their names, instead of the publisher's.
        accept_changed: Whether a corpus whose checksum or content is not the known one is accepted.

    Returns:
        Whether the corpus is there now.

    Raises:
        CorpusError: The download failed or is refused, or something else is in its place.
    """
    corpus: Corpus = module.CORPUS
    if (directory := module.find(corpora)) is not None:
        scan = module.scan(directory)
        differences = _differences(corpus, scan, directory)
        named = directory != corpora and directory.relative_to(corpora).parts[0].lower() in module.NAMES
        if differences and not named:
            print(f"note: {directory} holds {_in_words(scan)} of {corpus.name}, which are not all: left alone", file=sys.stderr)
            directory = None
        elif differences and not accept_changed:
            raise CorpusError(
                f"{directory} is there but not as published ({differences[0]}): move it away, fetch or place {corpus.name} "
                "again"
            )
    if directory is not None:
        _warn(corpus, differences)
        known_content = ", with the known content" if corpus.content and not differences else ""
        print(f"{corpus.name}: nothing to do, {_in_words(scan)} are in {directory}{known_content}")
        return True
    _show(corpus)
    if not corpus.downloads:
        print(f"  to do      nothing to download here: get it from its source and place it as {corpora / corpus.usual_place}")
        return False
    if not accept_licence:
        print(f"  to do      accept the licence and download it: python -m precompute fetch {corpus.name} --accept-licence")
        return False
    if mirror and not _is_address(mirror):
        raise CorpusError(
            f"--mirror {mirror} is not the address of a web server: give one that begins with https:// or http://"
        )
    target = child(corpora, corpus.name) or corpora / corpus.name
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise CorpusError(f"{target} exists but is not {corpus.name}: move it away, or give another --corpora DIR")
    try:
        with _workplace(corpora / ASIDE):
            _lay(module, corpora / ASIDE, target, mirror, accept_changed)
    except OSError as error:
        why = error.strerror or error
        raise CorpusError(
            f"{corpus.name} cannot be written to {corpora} ({why}): free space there, or give another --corpora DIR"
        ) from error
    return True


@contextlib.contextmanager
def _workplace(aside: Path) -> Iterator[None]:
    """The directory for what is not whole yet; gone afterwards, unless an archive waits in it or another run is at work.

    Every run holds a shared lock on it, so that who can have it alone knows what is left over.
    """
    handle = _entered(aside)
    try:
        yield
    finally:
        alone = _is_alone(handle)
        _sweep(aside, 0 if alone else STALE_SECONDS)
        if alone is not False:
            with contextlib.suppress(OSError):
                aside.rmdir()
        os.close(handle)


def _entered(aside: Path) -> int:
    """Make and lock the directory, and remove what killed runs left there."""
    while True:
        try:
            aside.mkdir(parents=True, exist_ok=True)
            handle = os.open(aside, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue  # Another run was done with it and removed it.
        except OSError as error:
            if aside.is_symlink():
                raise CorpusError(f"{aside} is a symbolic link, and nothing is written through it: remove it") from error
            raise
        _sweep(aside, 0 if _is_alone(handle) else STALE_SECONDS)
        with contextlib.suppress(OSError):  # Not every file system has such locks.
            fcntl.flock(handle, fcntl.LOCK_SH)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), aside.lstat()):
                return handle
        os.close(handle)


def _is_alone(handle: int) -> bool | None:
    """Whether no other run holds a lock on the directory; None where the file system has no such locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _sweep(aside: Path, age: float) -> None:
    """Remove what is half downloaded or half unpacked, if it is at least `age` seconds old; whole archives stay."""
    for entry in aside.glob(f"{tempfile.gettempprefix()}*"):
        with contextlib.suppress(OSError):
            status = entry.lstat()
            if time.time() - status.st_mtime < age:
                continue
            if stat.S_ISDIR(status.st_mode):
                shutil.rmtree(entry)
            else:
                entry.unlink()


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _show(corpus: Corpus) -> None:
    print(f"{corpus.name}  {corpus.title}")
    print(f"  licence    {corpus.licence}\n  source     {corpus.source}\n  paper      https://doi.org/{corpus.doi}")
    for download in corpus.downloads:
        size = f"{download.size / 1e6:.0f} MB" if download.size else "size unknown"
        print(f"  download   {download.url} ({size})")


def _in_words(scan: Scan) -> str:
    speakers = {utterance.speaker for utterance in scan.utterances}
    return f"{counted(len(scan.utterances), 'utterance')} of {counted(len(speakers), 'speaker')}"


def _lay(module: ModuleType, aside: Path, target: Path, mirror: str | None, accept_changed: bool) -> None:
    """Download, unpack aside, and move what was unpacked to `target`."""
    corpus: Corpus = module.CORPUS
    archives = [_download(corpus, download, aside, mirror, accept_changed) for download in corpus.downloads]
    with tempfile.TemporaryDirectory(dir=aside) as staging:
        folder = Path(staging, target.name)
        try:
            for archive in archives:
                _unpack(archive, folder, corpus.name)
            if module.find(Path(staging)) != folder or not (scan := module.scan(folder)).utterances:
                raise CorpusError(
                    f"{archives[0].name} has no {corpus.usual_place} and was removed: get {corpus.name} from {corpus.source}"
                )
            differences = _differences(corpus, scan, folder)
            if differences and corpus.content and not accept_changed:
                raise CorpusError(
                    f"{archives[0].name} does not hold {corpus.name} as it is known ({differences[0]}) and was removed: get it "
                    f"from {corpus.source}, or take it as it is by --accept-changed"
                )
        except CorpusError:
            for archive in archives:
                archive.unlink(missing_ok=True)
            raise
        _warn(corpus, differences)
        folder.rename(target)
    for archive in archives:
        archive.unlink(missing_ok=True)
    print(f"{corpus.name}: {_in_words(scan)} are in {target}")


def _differences(corpus: Corpus, scan: Scan, directory: Path) -> list[str]:
    differences = compare_with_published(corpus, scan.utterances)
    return differences or compare_with_known(corpus, _digests(scan, directory))


def content(scan: Scan, directory: Path) -> str:
    """What identifies the content of a corpus, see `Corpus.content`."""
    return known.content(_digests(scan, directory))


def _digests(scan: Scan, directory: Path) -> Iterator[tuple[str, str]]:
    """Key of each utterance and SHA-256 of its recording."""
    for utterance in scan.utterances:
        file = directory / utterance.path
        try:
            yield utterance.key, recording.digest(file)
        except UnusableAudioError as error:
            raise CorpusError(f"{file} cannot be compared with what is known of it ({error}): move it away") from None


def _warn(corpus: Corpus, differences: Sequence[str]) -> None:
    for difference in differences:
        print(f"warning: {corpus.name} is not as published: {difference}", file=sys.stderr)


def _download(corpus: Corpus, download: Download, folder: Path, mirror: str | None, accept_changed: bool) -> Path:
    """The archive, from an earlier download where its checksum says that this is whole."""
    import pooch

    pooch.get_logger().setLevel("WARNING")
    url = f"{mirror.rstrip('/')}/{download.file}" if mirror else download.url
    name = f"{corpus.name}-{download.file}"
    checksum = None if accept_changed else download.checksum
    if checksum is None:
        (folder / name).unlink(missing_ok=True)
    transfer = functools.partial(_transfer, corpus=corpus, download=download, accept_changed=accept_changed)
    return Path(pooch.retrieve(url, checksum, fname=name, path=folder, downloader=transfer))


def _transfer(url: str, output_file: str, _: object, corpus: Corpus, download: Download, accept_changed: bool) -> None:
    """Pooch's downloader that continues where a connection broke off; pooch removes the file if this raises."""
    import pooch
    import requests

    print(f"{corpus.name}: downloading {url}", flush=True)
    file = Path(output_file)
    furthest, left = 0, list(WAITS)
    while True:
        try:
            _receive(url, file, corpus, download, download.limit * ROOM if accept_changed else download.limit)
            break
        except requests.RequestException as error:
            reason, reached = _reason(error), file.stat().st_size
            if reached > furthest:
                furthest, left = reached, list(WAITS)
            if not left or not _is_transient(error):
                raise CorpusError(
                    f"{corpus.name} cannot be downloaded from {url} ({reason}): try again later, give a --mirror URL, "
                    f"or get it from {corpus.source} yourself and place it as {corpus.usual_place}"
                ) from error
            wait = max(left.pop(0), _asked_for(error))
            print(f"{corpus.name}: {reason} after {reached / 1e6:.0f} MB, next try in {wait:.0f} s", file=sys.stderr)
            time.sleep(wait)
    if download.checksum:
        algorithm = download.checksum.partition(":")[0]
        checksum = f"{algorithm}:{pooch.file_hash(output_file, alg=algorithm)}"
        if checksum != download.checksum:
            difference = f"the checksum {checksum} where {download.checksum} is published"
            if not accept_changed:
                raise CorpusError(
                    f"{url} has {difference} and was removed: try again later, get {corpus.name} from {corpus.source}, or take "
                    "it as it is by --accept-changed"
                )
            _warn(corpus, [f"its archive has {difference}"])


def _receive(url: str, file: Path, corpus: Corpus, download: Download, limit: int) -> None:
    """Append to `file` what it still lacks, up to `limit` bytes, or start over if the server cannot continue."""
    import requests

    have = file.stat().st_size
    # Compressed on the way, a part of the archive could not be continued.
    headers = {"User-Agent": "wser (python -m precompute fetch)", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response, file.open("r+b") as output:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            output.truncate(0)
        response.raise_for_status()
        if response.status_code != requests.codes.partial_content:
            have = 0
        output.truncate(have)
        output.seek(have)
        stated = response.headers.get("Content-Length", "")
        length = int(stated) if stated.isdecimal() and len(stated) < 20 else 0
        _check_size(url, corpus, have + length, limit)
        with _kilobytes(corpus.name, length or (download.size or 0) - have) as show:
            for chunk in response.iter_content(CHUNK):
                _check_size(url, corpus, output.tell() + len(chunk), limit)
                output.write(chunk)
                show(output.tell() - have)
        if output.tell() - have < length:  # The older urllib3 takes this for the end.
            raise requests.exceptions.ChunkedEncodingError("fewer bytes than announced")


def _check_size(url: str, corpus: Corpus, size: int, limit: int) -> None:
    if size > limit:
        raise CorpusError(
            f"{url} offers more than the {limit / 1e6:.0f} MB that {corpus.name} may have, and its download was stopped and "
            f"removed: get {corpus.name} from {corpus.source}"
        )


@contextlib.contextmanager
def _kilobytes(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Progress in kilobytes, given the position in bytes; nothing is shown where the end is unknown."""
    if total <= 0:
        yield lambda _: None
        return
    shown = 0
    with progress(what, total // 1000, "kB") as advance:

        def show(position: int) -> None:
            nonlocal shown
            if position // 1000 > shown:
                advance(position // 1000 - shown)
                shown = position // 1000

        yield show


def _is_transient(error: "RequestException") -> bool:
    import requests

    if error.response is not None:
        return error.response.status_code in TRANSIENT
    lasting = requests.exceptions.SSLError, requests.exceptions.ProxyError
    passing = requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError
    return isinstance(error, passing) and not isinstance(error, lasting)


def _reason(error: "RequestException") -> str:
    import requests

    if error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    reasons = {
        requests.exceptions.ProxyError: "the proxy cannot be reached or refuses",
        requests.exceptions.SSLError: "the certificate of the server cannot be verified",
        requests.Timeout: f"no answer within {TIMEOUT:.0f} s",
        requests.exceptions.ChunkedEncodingError: "the connection broke off",
        requests.ConnectionError: "the server cannot be reached",
    }
    return next((reason for kind, reason in reasons.items() if isinstance(error, kind)), str(error))


def _asked_for(error: "RequestException") -> float:
    """Seconds that the server asks to wait, within reason."""
    seconds = error.response.headers.get("Retry-After", "") if error.response is not None else ""
    return min(float(seconds), LONGEST_WAIT) if seconds.isdecimal() else 0.0


def _unpack(archive: Path, folder: Path, name: str) -> None:
    """Unpack an archive into `folder`, all of it or, where one member is unsafe, nothing."""
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            _refuse_unsafe(archive, members)
            done = 0
            with _kilobytes(f"{name}: unpacking", sum(member.file_size for member in members)) as show:
                for member in members:
                    opened.extract(member, folder)
                    done += member.file_size
                    show(done)
    except BROKEN as error:
        raise CorpusError(f"{archive.name} is not a whole zip archive ({error}) and was removed: fetch it again") from error


def _refuse_unsafe(archive: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    for member in members:
        if reason := _unsafe(member):
            raise CorpusError(
                f"{archive.name} was removed, nothing of it unpacked: its member {member.orig_filename!r} {reason}; "
                "get the corpus from its publisher"
            )
    # No member unpacks to more than it says: zipfile stops there.
    total, most = sum(member.file_size for member in members), EXPANSION * archive.stat().st_size
    if total > most:
        raise CorpusError(
            f"{archive.name} was removed, nothing of it unpacked: it would unpack to {total} bytes, more than the {most} that "
            f"{EXPANSION} times its size allow; get the corpus from its publisher"
        )
    if total > (free := shutil.disk_usage(archive.parent).free):
        raise OSError(None, f"{total / 1e6:.0f} MB to unpack, {free / 1e6:.0f} MB are free")


def _unsafe(member: zipfile.ZipInfo) -> str | None:
    """Why a member may not be unpacked; None where it may."""
    name, kind = member.orig_filename, stat.S_IFMT(member.external_attr >> 16)
    if name.startswith("/") or PureWindowsPath(name).anchor:
        return "has an absolute path"
    if ".." in PurePosixPath(name).parts:
        return "would lie outside its folder"
    if "\\" in name or "\0" in name:
        return "has a backslash or a null in its name"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    return None
