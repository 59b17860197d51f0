"""`--fetch` against a server on this machine that breaks off, refuses, and offers archives nobody should unpack."""

import contextlib
import dataclasses
import errno
import gzip
import hashlib
import io
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import zipfile
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from precompute import corpora
from precompute.__main__ import main
from precompute.corpora import Download, _download, emodb, ravdess

pytestmark = pytest.mark.slow

SMALL = ["--set", "scales=16", "height=16", "columns=64", "width=64", "duration=2.0", "--jobs", "1"]
ARCHIVE = "Audio_Speech_Actors_01-24.zip"


ENDLESS = {
    "endless": {},
    "too long": {"Content-Length": "300000000"},
    "longer than said": {"Content-Length": "1000"},
    "no length": {"Content-Length": "much"},
    "a long number": {"Content-Length": "9" * 5000},
    "packed": {"Content-Encoding": "gzip"},
}
"""Troubles of a server that does not end by itself: what its answer's head says."""


class Publisher(ThreadingHTTPServer):
    """A web server: `files` is what it offers, `troubles` what goes wrong with the next requests, one each."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.files, self.troubles, self.asked, self.knows_ranges, self.sent = {}, [], [], True, 0
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.closing = threading.Event()

    def handle_error(self, request, client_address):
        """A client that went away is no news."""


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        offered = self.server
        name, wanted = self.path.partition("?")[0].strip("/"), self.headers.get("Range")
        offered.asked.append((name, wanted))
        trouble = offered.troubles.pop(0) if offered.troubles else None
        if isinstance(trouble, int):
            self.send_response(trouble)
            self.send_header("Retry-After", "7")
            self.end_headers()
            return
        if name not in offered.files:
            self.send_error(404)
            return
        if trouble in ENDLESS:
            self.send_response(200)
            for header, value in ENDLESS[trouble].items():
                self.send_header(header, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                while not offered.closing.is_set():
                    offered.sent += self.wfile.write(gzip.compress(bytes(10**6)) if trouble == "packed" else bytes(10**5))
            return
        data, start = offered.files[name], 0
        if wanted and offered.knows_ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        # Trouble cuts off after two thirds of what is left, and either hangs up or keeps the client waiting.
        self.wfile.write(data[start : start + (len(data) - start) * 2 // 3] if trouble else data[start:])
        if trouble == "stall":
            offered.closing.wait(10)

    def log_message(self, *arguments):
        """Tests are quiet."""


@pytest.fixture
def publisher(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Publisher()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def slept(monkeypatch):
    """How long the download would have waited; it does not wait."""
    slept = []
    monkeypatch.setattr(_download, "time", namedtuple("Time", "sleep")(slept.append))
    return slept


def archive(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        for name, data in members.items():
            opened.writestr(name, data)
    return file.getvalue()


@pytest.fixture(scope="module")
def whole(small_ravdess):
    """A small RAVDESS as its publisher packs it."""
    folder = small_ravdess / "ravdess"
    files = sorted(folder.rglob("*.wav"))
    return archive(**{file.relative_to(folder).as_posix(): file.read_bytes() for file in files})


@pytest.fixture
def offer(publisher, small_ravdess, monkeypatch):
    """Let the publisher offer an archive as RAVDESS; what is published of it are the small one's counts."""

    def offer(data, checksum=None):
        publisher.files[ARCHIVE] = data
        download = Download(
            url=f"{publisher.url}/{ARCHIVE}?download=1",
            size=len(data),
            checksum=checksum or f"md5:{hashlib.md5(data).hexdigest()}",
            source="here",
        )
        folder = small_ravdess / "ravdess"
        corpus = dataclasses.replace(
            ravdess.CORPUS,
            speakers=4,
            emotions={"happy": 8, "sad": 8, "angry": 8},
            keys=frozenset(),
            by_speaker={},
            downloads=(download,),
            content=_download.content(ravdess.scan(folder), folder),
        )
        monkeypatch.setattr(ravdess, "CORPUS", corpus)

    return offer


@pytest.fixture
def run(tmp_path, capsys):
    """Fetch in this process: the exit code, and what was printed to stdout and stderr."""

    def run(*extra):
        code = main(["--fetch", "ravdess", "--accept-licence", "--corpora", str(tmp_path / "corpora"), *map(str, extra)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def is_laid(tmp_path, whole):
    """The corpus lies there, complete, and nothing beside it."""
    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        expected = {name: opened.read(name) for name in opened.namelist()}
    folder = tmp_path / "corpora" / "ravdess"
    found = {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert [entry.name for entry in (tmp_path / "corpora").iterdir()] == ["ravdess"]
    return found == expected


def md5(data):
    return hashlib.md5(data).hexdigest()


def whole_with(whole, **more):
    """An archive with more members."""
    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        return archive(**{name: opened.read(name) for name in opened.namelist()}, **more)


def is_refused(done, *words):
    code, _, err = done
    assert code == (130 if "interrupted" in words else 1)
    (line,) = [line for line in err.splitlines() if "next try in" not in line]
    assert line.startswith("precompute: ")
    assert [word for word in words if word not in line] == []
    return True


def interrupt(*_):
    raise KeyboardInterrupt


def leftovers(tmp_path):
    return sorted(path.name for path in (tmp_path / "corpora").rglob("*"))


def command(*arguments):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WSER_")}
    return subprocess.Popen(
        [sys.executable, "-m", "precompute", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


def finish(job):
    out, err = job.communicate(timeout=300)
    assert "Traceback" not in err, err
    return job.returncode, out, err


class TestAsAUserRunsIt:
    def test_a_fetched_corpus_can_be_computed_at_once(self, publisher, small_ravdess, tmp_path, capsys, messages):
        stems = ("03a01Fa", "03a01Wa", "08a02Na")
        sounds = sorted(small_ravdess.rglob("*.wav"))
        members = {f"wav/{stem}.wav": sound.read_bytes() for stem, sound in zip(stems, sounds, strict=False)}
        publisher.files["download.zip"] = archive(**members, **{"lablaut/03a01Fa.lablaut": b"labels"})
        arguments = ["--fetch", "emodb", "--corpora", tmp_path, "--mirror", publisher.url]

        code, out, _ = finish(command(*arguments))
        assert code == 1
        assert "freely available for research" in out
        assert "python -m precompute fetch emodb --accept-licence" in out
        assert publisher.asked == []

        refused = finish(command(*arguments, "--accept-licence"))
        assert is_refused(refused, "utterances: 3 found, 535 published (532 missing)", "removed", "--accept-changed")
        assert list(tmp_path.iterdir()) == []

        code, out, err = finish(command(*arguments, "--accept-licence", "--accept-changed"))
        assert code == 0
        assert f"emodb: 3 utterances of 2 speakers are in {tmp_path / 'emodb'}" in out
        messages.check(err)
        assert (tmp_path / "emodb" / "lablaut" / "03a01Fa.lablaut").read_bytes() == b"labels"
        assert [entry.name for entry in tmp_path.iterdir()] == ["emodb"]
        assert publisher.asked == [("download.zip", None)] * 2

        assert main(["--corpus", "emodb", "--corpora", str(tmp_path), "--cache", str(tmp_path / "cache"), *SMALL]) == 0
        assert "3 of 2 speakers" in capsys.readouterr().out

    def test_another_archive_than_the_published_one_is_refused(self, publisher, whole, tmp_path):
        publisher.files[ARCHIVE] = whole
        (published,) = ravdess.CORPUS.downloads
        arguments = ["--fetch", "ravdess", "--accept-licence", "--corpora", tmp_path / "corpora", "--mirror", publisher.url]
        found = f"md5:{hashlib.md5(whole).hexdigest()}"
        assert is_refused(finish(command(*arguments)), found, published.checksum, "removed")
        assert leftovers(tmp_path) == []

    def test_what_a_killed_job_left_is_not_taken_for_whole(self, publisher, offer, run, whole, tmp_path):
        publisher.files["download.zip"], publisher.troubles = whole, ["stall"]
        job = command("--fetch", "emodb", "--accept-licence", "--corpora", tmp_path / "corpora", "--mirror", publisher.url)
        limit = time.monotonic() + 300
        while not any(file.stat().st_size for file in (tmp_path / "corpora").glob(f"{_download.ASIDE}/*")):
            assert time.monotonic() < limit
            time.sleep(0.01)
        job.kill()
        job.communicate()
        assert job.returncode == -signal.SIGKILL
        assert emodb.find(tmp_path / "corpora") is None
        offer(whole)
        assert run()[0] == 0
        assert ravdess.find(tmp_path / "corpora")


@pytest.mark.usefixtures("slept")
class TestADownload:
    def test_it_is_laid_and_nothing_is_left_beside_it(self, offer, run, whole, tmp_path):
        offer(whole)
        code, out, err = run()
        assert (code, err) == (0, "")
        assert is_laid(tmp_path, whole)
        assert "CC BY-NC-SA 4.0" in out
        assert f"ravdess: 24 utterances of 4 speakers are in {tmp_path / 'corpora' / 'ravdess'}" in out

    def test_it_can_be_computed(self, offer, run, whole, tmp_path, capsys):
        offer(whole)
        assert run()[0] == 0
        arguments = ["--corpus", "ravdess", "--corpora", str(tmp_path / "corpora"), "--cache", str(tmp_path / "cache")]
        assert main([*arguments, *SMALL]) == 0
        assert "24 of 4 speakers" in capsys.readouterr().out

    def test_a_second_call_asks_the_publisher_for_nothing(self, publisher, offer, run, whole):
        offer(whole)
        assert run()[0] == 0
        before = list(publisher.asked)
        code, out, err = run()
        assert (code, err) == (0, "")
        assert "ravdess: nothing to do, 24 utterances of 4 speakers" in out
        assert publisher.asked == before == [(ARCHIVE, None)]

    def test_without_the_flag_the_licence_is_shown_and_nothing_is_asked_for(self, publisher, offer, whole, tmp_path, capsys):
        offer(whole)
        assert main(["--fetch", "ravdess", "--corpora", str(tmp_path / "corpora")]) == 1
        out = capsys.readouterr().out
        for word in ("CC BY-NC-SA 4.0", "https://doi.org/10.1371/journal.pone.0196391", " MB)", "--accept-licence"):
            assert word in out
        assert publisher.asked == []
        assert not (tmp_path / "corpora").exists()

    def test_it_goes_on_where_the_connection_broke_off(self, publisher, offer, run, whole, slept, tmp_path):
        offer(whole)
        publisher.troubles = ["cut", "cut", "cut"]
        code, _, err = run()
        assert code == 0
        assert err.count("the connection broke off") == 3
        starts = [int(wanted[6:-1]) if wanted else 0 for _, wanted in publisher.asked]
        assert starts == sorted(set(starts))
        # Every connection brought something, so none of the waits grew.
        assert slept == [1, 1, 1]
        assert is_laid(tmp_path, whole)

    def test_it_begins_anew_where_the_server_cannot_go_on(self, publisher, offer, run, whole, slept, tmp_path):
        offer(whole)
        publisher.troubles, publisher.knows_ranges = ["cut", "cut"], False
        assert run()[0] == 0
        assert [bool(wanted) for _, wanted in publisher.asked] == [False, True, True]
        # The second connection got no further than the first.
        assert slept == [1, 2]
        assert is_laid(tmp_path, whole)

    def test_it_begins_anew_where_the_server_has_no_such_part(self, publisher, offer, run, whole, tmp_path):
        offer(whole)
        publisher.troubles = ["cut", 416]
        assert run()[0] == 0
        assert [bool(wanted) for _, wanted in publisher.asked] == [False, True, False]
        assert is_laid(tmp_path, whole)

    def test_it_outlasts_a_server_that_is_busy(self, publisher, offer, run, whole, slept, tmp_path):
        offer(whole)
        publisher.troubles = [503, 503]
        code, _, err = run()
        assert code == 0
        assert err.count("the server answers 503") == 2
        # The server asked for 7 s, which is longer than the first waits.
        assert slept == [7, 7]
        assert is_laid(tmp_path, whole)

    def test_it_outlasts_a_server_that_falls_silent(self, publisher, offer, run, whole, tmp_path, monkeypatch):
        offer(whole)
        monkeypatch.setattr(_download, "TIMEOUT", 0.2)
        publisher.troubles = ["stall"]
        assert run()[0] == 0
        assert is_laid(tmp_path, whole)

    def test_it_gives_up_in_the_end(self, publisher, offer, run, whole, slept, tmp_path):
        offer(whole)
        publisher.troubles = [500] * 100
        done = run()
        assert is_refused(done, "500", "try again later", "--mirror", "zenodo.org", "ravdess/Actor_NN")
        assert len(publisher.asked) == len(_download.WAITS) + 1
        assert slept == [7, 7, 7, 8, 16]
        assert leftovers(tmp_path) == []

    def test_what_is_not_there_is_not_asked_for_twice(self, publisher, offer, run, whole, slept):
        offer(whole)
        publisher.files.clear()
        assert is_refused(run(), "404", "--mirror")
        assert len(publisher.asked) == 1
        assert slept == []

    def test_a_server_that_cannot_be_reached_is_one_sentence(self, offer, run, whole):
        offer(whole)
        assert is_refused(run("--mirror", "http://127.0.0.1:1"), "cannot be reached", "try again later")

    @pytest.mark.parametrize("mirror", ["nowhere", "ftp://127.0.0.1/pub", "http://", "http://[::1"])
    def test_a_mirror_that_is_no_address_is_one_sentence(self, offer, run, whole, mirror):
        offer(whole)
        assert is_refused(run("--mirror", mirror), f"--mirror {mirror} is no", "https://")

    def test_a_proxy_that_cannot_be_reached_is_one_sentence(self, offer, run, whole, monkeypatch):
        offer(whole)
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        assert is_refused(run("--mirror", "http://publisher.invalid"), "the proxy")

    def test_a_wrong_checksum_is_refused_with_both(self, publisher, offer, run, whole, tmp_path):
        wrong = f"md5:{'0' * 32}"
        offer(whole, checksum=wrong)
        assert is_refused(run(), wrong, hashlib.md5(whole).hexdigest(), "removed")
        assert leftovers(tmp_path) == []
        assert len(publisher.asked) == 1

    def test_a_damaged_download_of_earlier_is_not_trusted(self, publisher, offer, run, whole, tmp_path):
        offer(whole)
        aside = tmp_path / "corpora" / _download.ASIDE
        aside.mkdir(parents=True)
        (aside / f"ravdess-{ARCHIVE}").write_bytes(whole[:-1] + b"?")
        assert run()[0] == 0
        assert len(publisher.asked) == 1
        assert is_laid(tmp_path, whole)

    def test_an_interrupted_one_leaves_nothing(self, offer, run, whole, tmp_path, monkeypatch):
        offer(whole)
        monkeypatch.setattr(_download, "progress", lambda *_: contextlib.nullcontext(interrupt))
        assert is_refused(run(), "interrupted")
        assert leftovers(tmp_path) == []

    def test_recordings_with_another_content_are_refused(self, offer, run, whole, tmp_path, monkeypatch, messages):
        offer(whole)
        monkeypatch.setattr(ravdess, "CORPUS", dataclasses.replace(ravdess.CORPUS, content="f" * 64))
        assert is_refused(run(), "the content of the recordings: ", f"{'f' * 64} known", "removed", "--accept-changed")
        assert leftovers(tmp_path) == []
        code, _, err = run("--accept-changed")
        assert code == 0
        messages.check(err)
        assert is_laid(tmp_path, whole)

    def test_another_archive_can_be_accepted(self, publisher, offer, run, whole, tmp_path, messages):
        offer(whole)
        # As large as twice the known one: silence is added, which is none of the recordings.
        changed = whole_with(whole, **{"notes.txt": os.urandom(len(whole) // 2)})
        publisher.files[ARCHIVE] = changed
        assert is_refused(run(), "offers more than the", "removed")
        code, _, err = run("--accept-changed")
        assert code == 0
        messages.check(err, md5(changed))
        assert is_laid(tmp_path, changed)

    def test_exchanged_labels_are_refused(self, offer, run, whole, tmp_path):
        offer(whole)
        with zipfile.ZipFile(io.BytesIO(whole)) as opened:
            first, second, *_ = opened.namelist()
            members = {name: opened.read(name) for name in opened.namelist()}
        members[first], members[second] = members[second], members[first]
        exchanged = archive(**members)
        offer(exchanged)
        assert is_refused(run(), "the content of the recordings: ", "--accept-changed")
        assert leftovers(tmp_path) == []

    @pytest.mark.parametrize("trouble", ENDLESS)
    def test_a_server_that_does_not_end_is_left(self, publisher, offer, run, whole, tmp_path, trouble):
        offer(whole)
        publisher.troubles = [trouble] * 100
        code, _, err = run()
        assert code == 1
        assert "Traceback" not in err
        assert leftovers(tmp_path) == []
        assert publisher.sent < len(whole) + 20_000_000

    @pytest.mark.parametrize("trouble", ["endless", "too long", "packed"])
    @pytest.mark.parametrize("flags", [[], ["--accept-changed"]])
    def test_so_is_one_of_a_corpus_of_unknown_size(self, publisher, tmp_path, monkeypatch, capsys, trouble, flags, messages):
        (download,) = emodb.CORPUS.downloads
        assert download.size is None
        small = dataclasses.replace(download, most=10**6)
        monkeypatch.setattr(emodb, "CORPUS", dataclasses.replace(emodb.CORPUS, downloads=(small,)))
        publisher.files["download.zip"], publisher.troubles = b"", [trouble]
        place = ["--corpora", str(tmp_path / "corpora"), "--mirror", publisher.url]
        assert main(["--fetch", "emodb", "--accept-licence", *place, *flags]) == 1
        messages.check(capsys.readouterr().err)
        assert leftovers(tmp_path) == []
        assert publisher.sent < 20_000_000


def linked(name, kind):
    """A member that is no file, as Unix marks it."""
    member = zipfile.ZipInfo(name)
    member.create_system, member.external_attr = 3, (kind | 0o777) << 16
    return member


def packed(*members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("Actor_01/03-01-05-01-01-01-01.wav", os.urandom(2000))
        for member, data in members:
            opened.writestr(member, data)
    return file.getvalue()


def encrypted():
    """One member with the mark of encryption, in both of its headers."""
    data = bytearray(packed())
    for header, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(header) + offset] |= 1
    return bytes(data)


def with_a_flipped_bit():
    data = bytearray(packed())
    data[1000] ^= 1
    return bytes(data)


UNSAFE = {
    "a path upwards": (packed(("../outside.wav", b"x")), "'../outside.wav' would lie outside"),
    "a path up from a folder": (packed(("Actor_01/../../outside.wav", b"x")), "would lie outside"),
    "an absolute path": (packed(("/tmp/outside.wav", b"x")), "'/tmp/outside.wav' has an absolute path"),
    "a drive": (packed(("C:/outside.wav", b"x")), "'C:/outside.wav' has an absolute path"),
    "a network path": (packed(("//host/share/outside.wav", b"x")), "has an absolute path"),
    "backslashes": (packed(("..\\outside.wav", b"x")), "has a backslash"),
    "a link": (packed((linked("link", stat.S_IFLNK), b"/etc/passwd")), "'link' is a link or a device"),
    "a device": (packed((linked("pipe", stat.S_IFIFO), b"")), "'pipe' is a link or a device"),
    "a bomb": (packed(("zeros.wav", bytes(10**6))), "more than the"),
    "no archive": (b"<html>Please log in</html>" * 100, "is not a whole zip archive"),
    "half an archive": (packed()[:-600], "is not a whole zip archive"),
    "nothing": (b"", "is not a whole zip archive"),
    "a damaged recording": (with_a_flipped_bit(), "is not a whole zip archive"),
    "an encrypted recording": (encrypted(), "is not a whole zip archive"),
    "another corpus": (
        archive(**{"notes.txt": b"x", "data/readme.md": b"y"}),
        "has no ravdess/Actor_NN",
    ),
}


class TestUnpacking:
    @pytest.mark.parametrize("kind", UNSAFE)
    def test_what_is_unsafe_or_damaged_is_refused_as_a_whole(self, offer, run, tmp_path, kind):
        data, words = UNSAFE[kind]
        offer(data)
        assert is_refused(run(), words, "removed")
        assert leftovers(tmp_path) == []
        assert [entry.name for entry in tmp_path.iterdir()] == ["corpora"]
        assert ravdess.find(tmp_path / "corpora") is None

    def test_an_interrupted_one_is_not_taken_for_the_corpus(self, publisher, offer, run, whole, tmp_path, monkeypatch):
        offer(whole)
        extract, done = zipfile.ZipFile.extract, []

        def stop_at_the_third(self, member, path):
            if len(done) == 2:
                raise KeyboardInterrupt
            done.append(extract(self, member, path))

        with monkeypatch.context() as patch:
            patch.setattr(zipfile.ZipFile, "extract", stop_at_the_third)
            assert is_refused(run(), "interrupted")
        assert len(done) == 2
        assert ravdess.find(tmp_path / "corpora") is None
        # The archive was whole, so it is not downloaded again.
        assert leftovers(tmp_path) == [_download.ASIDE, f"ravdess-{ARCHIVE}"]
        assert run()[0] == 0
        assert len(publisher.asked) == 1
        assert is_laid(tmp_path, whole)

    def test_a_disk_that_is_full_is_one_sentence(self, publisher, offer, run, whole, monkeypatch):
        offer(whole)
        usage = namedtuple("Usage", "free")
        with monkeypatch.context() as patch:
            patch.setattr(_download.shutil, "disk_usage", lambda _: usage(1000))
            assert is_refused(run(), "0 MB are free", "free space there", "--corpora DIR")
        assert run()[0] == 0
        assert len(publisher.asked) == 1

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
    @pytest.mark.parametrize("step", ["_receive", "_unpack"])
    def test_a_file_that_cannot_be_written_is_one_sentence(self, offer, run, whole, tmp_path, monkeypatch, step, number):
        offer(whole)

        def fail(*_):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(_download, step, fail)
        assert is_refused(run(), os.strerror(number), str(tmp_path / "corpora"), "free space there")
        assert ravdess.find(tmp_path / "corpora") is None

    def test_a_folder_that_cannot_be_made_is_one_sentence(self, publisher, offer, run, whole, tmp_path):
        offer(whole)
        (tmp_path / "corpora").write_text("a file")
        assert is_refused(run(), str(tmp_path / "corpora"), "give another --corpora DIR")
        assert publisher.asked == []


class TestLeftovers:
    """What killed runs left under `.fetch`."""

    @pytest.fixture
    def aside(self, tmp_path):
        aside = tmp_path / "corpora" / _download.ASIDE
        (aside / "tmpab12" / "ravdess" / "Actor_01").mkdir(parents=True)
        (aside / "tmpab12" / "ravdess" / "Actor_01" / "03-01-05-01-01-01-01.wav").write_bytes(b"half")
        (aside / "tmpcd34").write_bytes(b"half an archive")
        (aside / "tmplink").symlink_to(tmp_path / "victim")
        (tmp_path / "victim").mkdir()
        (tmp_path / "victim" / "thesis").write_text("precious")
        yield aside
        assert (tmp_path / "victim" / "thesis").read_text() == "precious"

    @pytest.mark.usefixtures("aside")
    def test_they_are_gone_after_a_success(self, offer, run, whole, tmp_path):
        offer(whole)
        assert run()[0] == 0
        assert is_laid(tmp_path, whole)

    @pytest.mark.usefixtures("aside")
    def test_they_are_gone_after_a_failure(self, publisher, offer, run, whole, tmp_path):
        offer(whole)
        publisher.files.clear()
        assert is_refused(run(), "404")
        assert leftovers(tmp_path) == []

    def test_an_archive_that_is_whole_stays(self, publisher, offer, run, whole, aside):
        offer(whole)
        (aside / f"ravdess-{ARCHIVE}").write_bytes(whole)
        (aside / "emodb-download.zip").write_bytes(b"of another corpus")
        assert run()[0] == 0
        assert publisher.asked == []
        assert [path.name for path in aside.iterdir()] == ["emodb-download.zip"]

    def test_those_of_a_run_at_work_stay(self, publisher, offer, run, whole, tmp_path):
        publisher.files["download.zip"], publisher.troubles = whole, ["stall"]
        job = command("--fetch", "emodb", "--accept-licence", "--corpora", tmp_path / "corpora", "--mirror", publisher.url)
        aside = tmp_path / "corpora" / _download.ASIDE
        limit = time.monotonic() + 300
        while not any(file.stat().st_size for file in aside.glob("*")):
            assert time.monotonic() < limit
            time.sleep(0.01)
        (at_work,) = aside.iterdir()
        offer(whole)
        assert run()[0] == 0
        assert list(aside.iterdir()) == [at_work]
        job.kill()
        job.communicate()
        shutil.rmtree(tmp_path / "corpora" / "ravdess")
        assert run()[0] == 0
        assert is_laid(tmp_path, whole)

    def test_where_there_are_no_locks_only_old_ones_go(self, offer, run, whole, aside, monkeypatch):
        def unknown(*_):
            raise OSError(errno.ENOLCK, "No locks available")

        offer(whole)
        monkeypatch.setattr(_download.fcntl, "flock", unknown)
        old = time.time() - 2 * _download.STALE_SECONDS
        os.utime(aside / "tmpab12", (old, old))
        assert run()[0] == 0
        assert sorted(path.name for path in aside.iterdir()) == ["tmpcd34", "tmplink"]

    @pytest.mark.parametrize("target", ["victim", "nowhere", "file"])
    def test_a_link_in_its_place_is_refused(self, publisher, offer, run, whole, tmp_path, target):
        offer(whole)
        (tmp_path / "victim").mkdir()
        (tmp_path / "victim" / "tmpfile").write_text("precious")
        (tmp_path / "file").write_text("precious")
        (tmp_path / "corpora").mkdir()
        (tmp_path / "corpora" / _download.ASIDE).symlink_to(tmp_path / target)
        assert is_refused(run(), str(tmp_path / "corpora" / _download.ASIDE), "is a symbolic link", "remove it")
        assert publisher.asked == []
        assert [path.name for path in (tmp_path / "victim").iterdir()] == ["tmpfile"]
        assert (tmp_path / "file").read_text() == "precious"


class TestWhatLiesThere:
    @pytest.fixture
    def laid(self, offer, run, whole, tmp_path):
        """The corpus is there, and two recordings of it are exchanged."""
        offer(whole)
        code, out, _ = run()
        assert code == 0
        code, out, _ = run()
        assert "with the known content" in out
        first, second, *_ = sorted((tmp_path / "corpora" / "ravdess").rglob("*.wav"))
        kept = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(kept)
        return tmp_path / "corpora"

    @pytest.mark.usefixtures("laid")
    def test_another_content_is_said(self, publisher, run, messages):
        asked = len(publisher.asked)
        assert is_refused(run(), "the content of the recordings: ", "known", "move it away")
        code, out, err = run("--accept-changed")
        assert code == 0
        assert "nothing to do, 24 utterances" in out
        assert "known content" not in out
        messages.check(err)
        assert len(publisher.asked) == asked

    def test_another_content_is_warned_of_once_whenever_it_is_computed(self, laid, tmp_path, capsys, monkeypatch):
        arguments = ["--corpus", "ravdess", "--corpora", str(laid), "--cache", str(tmp_path / "cache"), *SMALL]
        for more in (["--dry-run"], [], []):
            assert main([*arguments, *more]) == 0
            (line,) = capsys.readouterr().err.splitlines()
            assert line.startswith("warning: ravdess: the recordings are not as published (the content of the recordings: ")
        monkeypatch.setattr(ravdess, "CORPUS", dataclasses.replace(ravdess.CORPUS, content=""))
        assert main(arguments) == 0
        assert capsys.readouterr().err == ""

    def test_the_known_content_is_computed_without_a_word(self, offer, run, whole, tmp_path, capsys):
        offer(whole)
        assert run()[0] == 0
        arguments = ["--corpus", "ravdess", "--corpora", str(tmp_path / "corpora"), "--cache", str(tmp_path / "cache")]
        assert main([*arguments, *SMALL]) == 0
        assert capsys.readouterr().err == ""

    def test_what_is_no_recording_is_said(self, laid, run):
        file = sorted((laid / "ravdess").rglob("*.wav"))[3]
        file.unlink()
        os.mkfifo(file)
        assert is_refused(run(), str(file), "named pipe")

    def test_an_empty_folder_is_filled_whatever_its_case(self, offer, run, whole, tmp_path):
        offer(whole)
        (tmp_path / "corpora" / "RAVDESS").mkdir(parents=True)
        assert run()[0] == 0
        assert ravdess.find(tmp_path / "corpora") == tmp_path / "corpora" / "RAVDESS"

    @pytest.mark.parametrize("name", ["ravdess/notes.txt", "ravdess"])
    def test_something_else_is_left_alone(self, publisher, offer, run, whole, tmp_path, name):
        offer(whole)
        file = tmp_path / "corpora" / name
        file.parent.mkdir(parents=True)
        file.write_text("mine")
        assert is_refused(run(), str(tmp_path / "corpora" / "ravdess"), "is not ravdess", "move it away")
        assert file.read_text() == "mine"
        assert publisher.asked == []

    def test_half_a_corpus_is_left_alone_and_said(self, publisher, offer, run, whole, tmp_path, small_ravdess):
        offer(whole)
        shutil.copytree(small_ravdess / "ravdess" / "Actor_01", tmp_path / "corpora" / "ravdess" / "Actor_01")
        assert is_refused(run(), "utterances: 6 found, 24 published", "move it away")
        assert publisher.asked == []


def test_a_corpus_that_cannot_be_downloaded_says_how_to_get_it(tmp_path, capsys):
    assert main(["--fetch", "demo", "--accept-licence", "--corpora", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    for word in (corpora.load("demo").CORPUS.licence, "--corpus demo makes it", str(tmp_path / "demo")):
        assert word in out
    assert list(tmp_path.iterdir()) == []


def test_of_several_each_is_tried(offer, whole, tmp_path, capsys, messages):
    offer(whole)
    assert main(["--fetch", "demo,nobody,ravdess", "--accept-licence", "--corpora", str(tmp_path)]) == 3
    said = capsys.readouterr()
    messages.check(said.err)
    assert "ravdess: 24 utterances" in said.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--accept-licence"],
        ["--corpus", "demo", "--mirror", "http://here"],
        ["--fetch", "demo", "--corpus", "demo"],
        ["--corpus", "demo", "--accept-changed"],
    ],
)
def test_wrong_usage_exits_2(arguments, capsys, messages):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    messages.check(capsys.readouterr().err)


@pytest.mark.parametrize("name", corpora.names())
def test_what_a_corpus_says_of_its_downloads(name):
    corpus = corpora.load(name).CORPUS
    files = [download.file for download in corpus.downloads]
    assert len(files) == len(set(files))
    assert bool(corpus.downloads) <= bool(corpus.content)
    for download in corpus.downloads:
        assert download.url.startswith(("http://", "https://"))
        assert download.file.endswith(".zip")
        assert download.source
        if download.checksum:
            algorithm, _, value = download.checksum.partition(":")
            assert len(value) == 2 * hashlib.new(algorithm).digest_size


@pytest.mark.parametrize("name", ["emodb", "ravdess"])
def test_the_known_content_is_that_of_the_real_recordings(name, corpora_dir):
    module = corpora.load(name)
    directory = module.find(corpora_dir)
    assert _download.content(module.scan(directory), directory) == module.CORPUS.content
