"""Real recordings, where `WSER_CORPORA` names a directory that holds them; skipped elsewhere."""

import functools
import hashlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from precompute import corpora
from precompute.__main__ import main
from precompute.audio import decode, recording
from precompute.cache import roots
from precompute.pipeline.extract import extract
from precompute.pipeline.plan import plan
from precompute.recipe import Recipe


@pytest.fixture(scope="module", params=["emodb", "ravdess"])
def scanned(request, corpora_dir):
    """Each corpus, its directory and what it holds."""
    module = corpora.load(request.param)
    directory = module.find(corpora_dir)
    return module.CORPUS, directory, module.scan(directory)


def test_a_corpus_is_as_published(scanned):
    corpus, _, scan = scanned
    assert corpora.compare_with_published(corpus, scan.utterances) == []
    assert scan.skipped == ()
    assert len({u.key for u in scan.utterances}) == corpus.files
    # One speaker has one sex, one of the corpus's labels is one emotion.
    assert len({(u.speaker, u.sex) for u in scan.utterances}) == corpus.speakers
    assert len({(u.label, u.emotion) for u in scan.utterances}) == len(corpus.emotions)


def test_published_counts(scanned):
    corpus, _, scan = scanned
    counts = Counter(u.emotion for u in scan.utterances)
    speakers = len({u.speaker for u in scan.utterances})
    if corpus.name == "ravdess":
        assert (len(scan.utterances), speakers, len(counts)) == (1440, 24, 8)
        assert set(Counter(u.speaker for u in scan.utterances).values()) == {60}
    else:
        assert (len(scan.utterances), speakers, len(counts)) == (535, 10, 7)
        assert not [u for u in scan.utterances if u.speaker == "08" and u.emotion == "disgusted"]


def actors(directory):
    return {path.name: path.resolve() for path in directory.rglob("Actor_*") if path.is_dir()}


def lay_as_zenodo(source, target):
    (target / "Audio_Speech_Actors_01-24").mkdir(parents=True)
    for name, path in actors(source).items():
        (target / "Audio_Speech_Actors_01-24" / name).symlink_to(path)


def lay_as_kaggle(source, target):
    for folder in (target, target / "audio_speech_actors_01-24"):
        folder.mkdir(parents=True)
        for name, path in actors(source).items():
            (folder / name).symlink_to(path)


def lay_flat(source, target):
    target.mkdir(parents=True)
    for path in actors(source).values():
        for file in path.glob("*.wav"):
            (target / file.name).symlink_to(file)


@pytest.mark.slow
def test_ravdess_is_the_same_input_in_every_layout(corpora_dir, tmp_path, monkeypatch):
    module = corpora.load("ravdess")
    usual = module.find(corpora_dir)
    found = {"usual": (usual, module.scan(usual))}
    for lay in (lay_as_zenodo, lay_as_kaggle, lay_flat):
        lay(usual, tmp_path / lay.__name__ / "RAVDESS")
        directory = module.find(tmp_path / lay.__name__)
        found[lay.__name__] = directory, module.scan(directory)
    for _, scan in found.values():
        assert len(scan.utterances) == 1440
        assert scan.skipped == ()
        assert corpora.compare_with_published(module.CORPUS, scan.utterances) == []
        assert [replace(one, path="") for one in scan.utterances] == [
            replace(one, path="") for one in found["usual"][1].utterances
        ]
    # Each recording is read once, wherever it lies.
    digest = functools.cache(recording.digest)
    monkeypatch.setattr(recording, "digest", lambda file: digest(file.resolve()))
    made = [plan(module.CORPUS, *place, Recipe(), [tmp_path / "cache"]).draft.input_id for place in found.values()]
    assert len(set(made)) == 1


def test_one_real_recording_removed_renamed_or_relabelled_is_named(corpora_dir, tmp_path):
    module = corpora.load("emodb")
    folder = tmp_path / "emodb" / "wav"
    folder.mkdir(parents=True)
    for file in (module.find(corpora_dir) / "wav").glob("*.wav"):
        (folder / file.name).symlink_to(file)
    (folder / "03a01Fa.wav").unlink()
    (folder / "08a01Na.wav").rename(folder / "08a01Wb.wav")
    lines = corpora.compare_with_published(module.CORPUS, module.scan(tmp_path / "emodb").utterances)
    assert lines == [
        "utterances: 534 found, 535 published (1 missing)",
        "'angry': 128 found, 127 published (1 extra)",
        "'happy': 70 found, 71 published (1 missing)",
        "'neutral': 78 found, 79 published (1 missing)",
        "utterances of single speakers: 03 has 48 instead of 49",
        "published but not found: 03a01Fa, 08a01Na",
        "found but not published: 08a01Wb",
    ]


def test_some_recordings_of_each_emotion_become_pictures(scanned):
    _, directory, scan = scanned
    recipe = Recipe(colour="grey")
    for emotion in sorted({u.emotion for u in scan.utterances}):
        utterance = next(u for u in scan.utterances if u.emotion == emotion)
        made = extract((directory / utterance.path).read_bytes(), utterance.key, recipe)
        shown = made.values[:, made.start : made.stop, 0]
        assert 1 < made.duration < 9
        assert shown.max() > 200
        # Neither dark nor flooded: the fixed range suits the speech, of which a third or more is visible.
        assert (shown > 25).mean() > 0.33
        assert (shown == 255).mean() < 0.01
        assert not made.values[:, made.stop + 6 :].any()


@pytest.mark.slow
def test_the_stereo_recordings_of_ravdess_decode(corpora_dir):
    module = corpora.load("ravdess")
    directory = module.find(corpora_dir)
    stereo = {}
    for utterance in module.scan(directory).utterances:
        data = (directory / utterance.path).read_bytes()
        # The channels, 16 bits at 22 bytes into a plain WAV file, spare decoding 1440 files.
        if data[12:16] == b"fmt " and int.from_bytes(data[22:24], "little") > 1:
            stereo[utterance.key] = data
    assert len(stereo) == 5
    for data in stereo.values():
        wave = decode.decode(data)
        assert wave.channels == 2
        assert wave.samples.ndim == 1
        assert wave.sample_rate == 48000
        assert 2 < len(wave.samples) / 48000 < 7


@pytest.mark.slow
def test_one_actor_from_end_to_end(corpora_dir, tmp_path, capsys, messages):
    actor = next(path for path in (corpora_dir / "ravdess").rglob("Actor_01") if path.is_dir())
    (tmp_path / "corpora" / "ravdess").mkdir(parents=True)
    (tmp_path / "corpora" / "ravdess" / "Actor_01").symlink_to(actor.resolve())
    arguments = ["--corpus", "ravdess", "--corpora", str(tmp_path / "corpora"), "--cache", str(tmp_path / "cache")]
    assert main([*arguments, "--jobs", "1"]) == 0
    out = capsys.readouterr()
    assert "60 of 1 speaker, 8 emotions" in out.out
    messages.check(out.err)

    cache = roots.find([tmp_path / "cache"], "ravdess", "default")
    assert not cache.synthetic
    counts = Counter(record.emotion for record in cache.records)
    assert counts == {e: 4 if e == "neutral" else 8 for e in corpora.load("ravdess").CORPUS.emotions}
    images = cache.read_all()
    assert images.shape == (60, 128, 256, 3)
    assert [hashlib.sha256(image.tobytes()).hexdigest() for image in images] == [r.image_sha256 for r in cache.records]
    for record in cache.records:
        assert (record.speaker, record.sex, record.start) == ("01", "male", 0)
        assert record.stop == min(256, int(np.ceil(round(record.duration * 16000) / 500)))
    assert main([*arguments, "--jobs", "1"]) == 0
    assert "nothing to do" in capsys.readouterr().out
