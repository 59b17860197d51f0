"""`--check` as a user runs it: exit codes, the report on the terminal, and the page."""

import dataclasses
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from precompute.__main__ import main
from precompute.corpora import _download, ravdess

SMALL = ["--set", "scales=16", "height=16", "columns=64", "width=64", "duration=2.0", "--jobs", "1"]


@pytest.fixture
def corpora(small_ravdess, tmp_path):
    shutil.copytree(small_ravdess, tmp_path / "corpora")
    return tmp_path / "corpora"


def check(*arguments):
    return main([*map(str, arguments), *SMALL])


@pytest.mark.slow
def test_the_command_reports_and_writes_a_page_where_it_stands(corpora, tmp_path):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WSER_")}
    command = [sys.executable, "-m", "precompute", "--check", "ravdess", "--corpora", corpora, *SMALL]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 3, done.stderr
    assert "24 utterances of 4 speakers, not as published" in done.stdout
    assert "warning: not as published" in done.stdout
    assert "utterances: 24 found, 1440 published (1416 missing)" in done.stdout
    assert re.search(r"^01 male +0 +0 +2 +2 +2 +0 +0 +0 +6$", done.stdout, re.MULTILINE)
    assert done.stdout.endswith("page: check-ravdess.html\n")
    page = (tmp_path / "check-ravdess.html").read_text(encoding="utf-8")
    assert page.count("<img ") == 12
    assert "by python -m precompute --check ravdess" in page
    # The corpus is only read.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["check-ravdess.html", "corpora"]


def as_found(monkeypatch, **more):
    """Let what is published of RAVDESS be what the small one holds."""
    found = {
        "speakers": 4,
        "emotions": {"happy": 8, "sad": 8, "angry": 8},
        "keys": frozenset(),
        "by_speaker": {},
        "content": "",
    }
    monkeypatch.setattr(ravdess, "CORPUS", dataclasses.replace(ravdess.CORPUS, **found | more))


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_corpus_of_another_content_is_not_as_published(corpora, tmp_path, monkeypatch, capsys):
    folder, out = corpora / "ravdess", tmp_path / "page.html"
    content = _download.content(ravdess.scan(folder), folder)
    as_found(monkeypatch, content=content)
    assert check("--check", "ravdess", "--corpora", corpora, "--out", out) == 0
    first, second, *_ = sorted(folder.rglob("*.wav"))
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)
    assert check("--check", "ravdess", "--corpora", corpora, "--out", out) == 3
    changed = f"the content of the recordings: {_download.content(ravdess.scan(folder), folder)} found, {content} known"
    assert changed in capsys.readouterr().out
    assert changed in out.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_corpus_as_published_exits_0(corpora, tmp_path, monkeypatch, capsys):
    as_found(monkeypatch)
    out = tmp_path / "page.html"
    assert check("--check", "ravdess", "--corpora", corpora, "--out", out) == 0
    assert "24 utterances of 4 speakers, as published; nothing unusable." in capsys.readouterr().out
    assert "24 utterances of 4 speakers, as published; nothing unusable." in out.read_text(encoding="utf-8")
    # A stereo file changes nothing about that, and is named.
    import soundfile

    path = corpora / "ravdess" / "Actor_01" / "03-01-03-01-01-01-01.wav"
    samples, rate = soundfile.read(path)
    soundfile.write(path, np.stack([samples, samples], axis=1), rate)
    assert check("--check", "ravdess", "--corpora", corpora, "--out", out) == 0
    assert "- Actor_01/03-01-03-01-01-01-01.wav: 2 equal channels" in capsys.readouterr().out


@pytest.mark.usefixtures("undrawn")
def test_the_terminal_names_ten_files_and_the_page_all(corpora, tmp_path, capsys):
    for index in range(13):
        (corpora / "ravdess" / f"[red]note {index:02}.wav").write_bytes(b"x")
    out = tmp_path / "page.html"
    assert check("--check", "ravdess", "--corpora", corpora, "--out", out) == 3
    printed, page = capsys.readouterr().out, out.read_text(encoding="utf-8")
    assert printed.count("- [red]note") == 10
    assert "and 3 more, on the page" in printed
    assert page.count("<li>[red]note") == 13


@pytest.mark.slow
def test_several_processes_make_the_same_page_as_one(corpora, tmp_path):
    pages = []
    for jobs in ("1", "2"):
        main(["--check", "ravdess", "--corpora", str(corpora), "--out", str(tmp_path / jobs), *SMALL[:-1], jobs])
        pages.append((tmp_path / jobs).read_text(encoding="utf-8").splitlines())
    different = [pair for pair in zip(*pages, strict=True) if pair[0] != pair[1]]
    assert len(different) <= 1
    assert all(line.startswith("<footer>") for pair in different for line in pair)


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_corpus_of_a_table_is_checked_too(corpora, tmp_path, capsys):
    lines = [f"{path.relative_to(tmp_path)},s{path.parent.name},happy" for path in sorted(corpora.rglob("*-03-*-01.wav"))]
    (tmp_path / "mine.csv").write_text("\n".join(["path,speaker,emotion", *lines]))
    out = tmp_path / "page.html"
    assert check("--check", "table", "--table", tmp_path / "mine.csv", "--name", "mine", "--out", out) == 0
    printed, page = capsys.readouterr().out, out.read_text(encoding="utf-8")
    assert f"{len(lines)} utterances of 1 speaker; nothing unusable." in printed
    assert not [text for text in (printed, page) if "published" in text or "doi.org" in text]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--check", "ravdes"], 2, "did you mean 'ravdess'"),
        (["--check", "emodb"], 1, "emodb is not in"),
        (["--check", "ravdess", "--jobs", "0"], 2, "--jobs 0"),
        (["--check", "ravdess", "--out", "{tmp}/no/where.html"], 1, "no is not a directory: make it, or give another --out"),
        (["--check", "ravdess", "--out", "{tmp}"], 1, "cannot be written (Is a directory): give another --out FILE"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(arguments, code, message, corpora, tmp_path, capsys):
    given = [argument.format(tmp=tmp_path) for argument in arguments]
    assert main(["--corpora", str(corpora), *SMALL, *given]) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("check ")]
    assert len(lines) == 1
    assert lines[0].startswith("precompute: ")
    assert message in lines[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--out", "a.html", "--corpus", "demo"], ["--check", "demo", "--dry-run"], ["--check", "demo", "--corpus", "demo"],
        ["--check", "demo,emodb", "--out", "a.html"], ["--check", "all", "--out", "a.html"],
    ],
)  # fmt: skip
def test_wrong_usage_exits_2(arguments, capsys):
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert refused.value.code == 2
    assert "usage: python -m precompute" in capsys.readouterr().err


STEREO = (
    "Actor_01/03-01-02-01-01-02-01.wav", "Actor_01/03-01-08-01-02-02-01.wav", "Actor_05/03-01-02-01-02-02-05.wav",
    "Actor_20/03-01-03-01-02-01-20.wav", "Actor_20/03-01-06-01-01-02-20.wav",
)  # fmt: skip


@pytest.mark.slow
def test_ravdess_has_five_stereo_files_and_one_recording_twice(corpora_dir, tmp_path, capsys):
    # Of the actors and the emotions of which the report has something to say.
    for actor in ("01", "05", "07", "20", "23"):
        (tmp_path / "ravdess" / f"Actor_{actor}").mkdir(parents=True)
        for file in next((corpora_dir / "ravdess").rglob(f"Actor_{actor}")).glob("03-01-*.wav"):
            if file.name[6:8] in ("02", "03", "04", "06", "08"):
                (tmp_path / "ravdess" / f"Actor_{actor}" / file.name).symlink_to(file.resolve())
    out = tmp_path / "ravdess.html"
    assert main(["--check", "ravdess", "--corpora", str(tmp_path), "--out", str(out), "--jobs", "1"]) == 3
    printed, page = capsys.readouterr().out, out.read_text(encoding="utf-8")
    verdict = (
        "200 utterances of 5 speakers, not as published; 1 group of duplicates; 1 pair of nearly equal recordings; "
        r"5 stereo files; 1 file with rumble; nothing unusable\."
    )
    for report in (printed, page):
        assert re.search(verdict, report)
        assert [file for file in STEREO if f"{file}: 2 equal channels" not in report] == []
        assert "Actor_07/03-01-03-01-02-01-07.wav = Actor_07/03-01-03-01-02-02-07.wav" in re.sub(r"\S*/(?=Actor)", "", report)
    assert page.count("<img ") == 5 * 5
    assert out.stat().st_size < 3e6


@pytest.mark.slow
def test_emodb_is_scaled_to_full_scale_and_lacks_one_label(corpora_dir, tmp_path, capsys):
    out = tmp_path / "emodb.html"
    arguments = ["--check", "emodb", "--corpora", str(corpora_dir), "--out", str(out)]
    assert main([*arguments, *SMALL, "--set", "duration=8.0"]) == 0
    printed = capsys.readouterr().out
    assert "535 utterances of 10 speakers, as published" in printed
    assert "- 535 of 535 files have a peak of 0.0 dB re full scale" in printed
    assert "- speaker 08: no disgusted" in printed
    assert "- wav/08b03Tc.wav: 8.98 s" in printed
    assert re.search(r"^clipped +none", printed, re.MULTILINE)
    assert out.stat().st_size < 3e6
