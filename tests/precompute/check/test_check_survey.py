"""Surveys of small corpora, and what is found in them."""

import numpy as np
import pytest

from precompute.cache.layout import Skipped, Utterance
from precompute.check import gallery
from precompute.check.facts import facts
from precompute.check.findings import findings, verdict
from precompute.check.survey import survey
from precompute.corpora import Corpus, Scan
from precompute.recipe import named

CORPUS = Corpus(
    name="tiny", title="Tiny", licence="free", source="nowhere", doi="10.1/1", speakers=2, emotions={"angry": 2, "sad": 2},
    usual_place="tiny/*.wav",
)  # fmt: skip
RECIPE = named("default", ["scales=16", "columns=64", "duration=2.0"])


def noise(seed, seconds=1.0, amplitude=0.1):
    return amplitude * np.random.default_rng(seed).uniform(-1, 1, round(16000 * seconds))


class Folder:
    """A corpus laid file by file."""

    def __init__(self, directory, encode):
        self.directory, self.encode = directory, encode
        self.utterances, self.foreign = [], []

    def lay(self, key, speaker, emotion, samples, rate=16000, subtype="PCM_16", format="WAV", **more):
        path = f"{key}.{format.lower()}"
        data = samples if isinstance(samples, bytes) else self.encode(samples, rate, subtype, format)
        (self.directory / path).write_bytes(data)
        self.utterances.append(Utterance(key=key, path=path, speaker=speaker, emotion=emotion, label=emotion[0], **more))

    def survey(self):
        scan = Scan(tuple(sorted(self.utterances, key=lambda one: one.key)), tuple(self.foreign))
        return survey(CORPUS, self.directory, scan, RECIPE, 1)


@pytest.fixture
def folder(tmp_path, encode):
    """Two speakers and two emotions, as published, and nothing wrong with any."""
    folder = Folder(tmp_path, encode)
    for seed, (key, speaker, emotion) in enumerate(
        [("a1", "ann", "angry"), ("a2", "ann", "sad"), ("b1", "bob", "angry"), ("b2", "bob", "sad")]
    ):
        folder.lay(key, speaker, emotion, noise(seed), sex="female" if speaker == "ann" else "male", sentence="s1")
    return folder


def found(folder):
    """Findings by what they are called without their number."""
    return {finding.short.lstrip("0123456789 "): finding for finding in findings(folder.survey())}


def fact(folder, what):
    return next(one.found for one in facts(folder.survey()) if one.what.startswith(what))


def test_a_sound_corpus_as_published_has_no_findings(folder):
    made = folder.survey()
    assert findings(made) == []
    assert verdict(made, []) == "4 utterances of 2 speakers, as published; nothing unusable."
    assert fact(folder, "speakers") == "2 (1 female, 1 male)"
    assert fact(folder, "channels") == "1"
    assert fact(folder, "duration") == "1.00 s (1.00 to 1.00)"
    assert fact(folder, "clipped") == fact(folder, "unusable") == fact(folder, "duplicates") == "none"


def test_what_is_missing_or_foreign_is_a_warning(folder):
    folder.utterances.pop()
    folder.foreign.append(Skipped("note.wav", "the name does not parse: 'note'"))
    named = found(folder)
    assert named[""].warning
    assert named[""].items == ("utterances: 3 found, 4 published (1 missing)", "'sad': 1 found, 2 published (1 missing)")
    assert named["file not understood"].items == ("note.wav: the name does not parse: 'note'",)
    assert verdict(folder.survey(), list(named.values())).startswith("3 utterances of 2 speakers, not as published; ")


def test_unusable_recordings_are_named_with_their_reason_and_left_out_of_the_figures(folder):
    folder.lay("a3", "ann", "sad", b"")
    folder.lay("a4", "ann", "sad", noise(9, seconds=0.01))
    folder.lay("a5", "ann", "sad", noise(9))
    (folder.directory / "a5.wav").unlink()
    finding = found(folder)["unusable"]
    assert finding.warning
    assert [item.split(":")[0] for item in finding.items] == ["a3.wav", "a4.wav", "a5.wav"]
    assert "the file is empty" in finding.items[0]
    assert "less than one column" in finding.items[1]
    assert "the file cannot be read: No such file" in finding.items[2]
    assert len(folder.survey().usable) == 4
    assert fact(folder, "unusable") == "3"


def test_duplicates_across_containers_are_named(folder):
    samples = np.random.default_rng(5).integers(-9000, 9000, 16000).astype(np.int16)
    folder.lay("c1", "ann", "sad", samples)
    folder.lay("c2", "ann", "sad", samples, format="FLAC")
    finding = found(folder)["group of duplicates"]
    assert finding.items == ("c1.wav = c2.flac",)
    assert not finding.warning


def test_duplicates_of_two_labels_or_speakers_are_a_warning(folder):
    folder.lay("c1", "ann", "sad", noise(5))
    folder.lay("c2", "bob", "sad", noise(5))
    finding = found(folder)["group of duplicates across speakers or labels"]
    assert finding.items == ("c1.wav (ann, sad) = c2.wav (bob, sad)",)
    assert finding.warning


def test_stereo_clipping_offset_rate_silence_and_length_are_noted(folder):
    clipped, stereo = noise(11), np.stack([noise(12), noise(13)], axis=1)
    clipped[50:60] = 1.0
    folder.lay("c1", "ann", "sad", clipped)
    folder.lay("c2", "ann", "sad", stereo)
    folder.lay("c3", "ann", "sad", 0.2 + noise(14))
    folder.lay("c4", "ann", "sad", noise(15), rate=8000)
    folder.lay("c5", "ann", "sad", np.concatenate([np.zeros(24000), noise(16, 0.2)]))
    folder.lay("c6", "ann", "sad", noise(17, seconds=2.5))
    named = found(folder)
    assert named["clipped file"].items == ("c1.wav: 10 samples",)
    assert named["stereo file"].items == ("c2.wav: 2 different channels",)
    assert named["file with a DC offset"].items == ("c3.wav: +20.0 % of full scale",)
    assert named["file of another sample rate"].items == ("c4.wav: 8000 Hz",)
    assert named["file mostly silent"].items == ("c5.wav: 0.20 s of 1.70 s",)
    assert named["utterance longer than 2 s"].items == ("c6.wav: 2.50 s",)
    assert fact(folder, "sample rate") == "16000 Hz (9 files), 8000 Hz (1 file)"
    assert not [finding for finding in named.values() if finding.warning and finding.short]


def test_recordings_scaled_to_one_peak_are_noted(folder):
    for index in range(40):
        samples = noise(100 + index)
        folder.lay(f"d{index:02}", "ann", "sad", 0.9 * samples / np.abs(samples).max())
    assert found(folder)["recordings scaled to the same peak"].items == ("40 of 44 files have a peak of -0.9 dB re full scale",)


def test_a_speaker_without_a_label_is_noted(folder):
    folder.utterances.pop()
    assert found(folder)["speaker without some label"].items == ("speaker bob: no sad",)


def test_parts_of_one_recording_are_measured_each(folder):
    samples = np.concatenate([noise(1, 1.0), noise(2, 1.5, amplitude=0.5)])
    folder.lay("c1", "ann", "sad", samples, begin=0.0, end=1.0)
    folder.lay("c2", "ann", "sad", samples, begin=1.0, end=2.5)
    (folder.directory / "c2.wav").unlink()
    folder.utterances[-1] = Utterance(**vars(folder.utterances[-1]) | {"path": "c1.wav"})
    folder.lay("c3", "ann", "sad", noise(3), begin=0.5, end=9.0)
    made = folder.survey()
    assert (made.usable["c1"].duration, made.usable["c2"].duration) == (1.0, 1.5)
    assert made.usable["c2"].level > made.usable["c1"].level + 10
    assert [one.path for one in made.unusable] == ["c3.wav (0.5 s to 9 s)"]


def test_a_corpus_without_a_usable_recording_is_still_described(tmp_path, encode):
    folder = Folder(tmp_path, encode)
    folder.lay("a1", "ann", "sad", b"")
    made = folder.survey()
    assert "1 unusable" in verdict(made, findings(made))
    assert fact(folder, "unusable") == "1"
    assert gallery.choose(made) == []


def test_the_gallery_shows_what_most_speakers_say_in_most_emotions(folder):
    for key, speaker, emotion in (("a0", "ann", "angry"), ("b0", "bob", "sad")):
        folder.lay(key, speaker, emotion, noise(7), sentence="s0")
    folder.lay("c1", "cy", "sad", noise(8), sentence="s0")
    assert [one.key for one in gallery.choose(folder.survey())] == ["a1", "a2", "b1", "b2", "c1"]


def test_the_gallery_leaves_out_what_cannot_be_used(folder):
    (folder.directory / "a1.wav").write_bytes(b"")
    assert [one.key for one in gallery.choose(folder.survey())] == ["a2", "b1", "b2"]


def test_a_picture_of_the_gallery_ends_where_the_utterance_does(folder):
    made = folder.survey()
    pictures = [one.picture for one in gallery.thumbnails(gallery.choose(made), folder.directory, RECIPE, 1)]
    assert {(one.width, one.height) for one in pictures} == {(32, 16)}
    assert all(one.webp[8:12] == b"WEBP" for one in pictures)


def test_emotions_outside_the_vocabulary_are_named_and_one_that_may_be_misspelt_is_a_warning(folder):
    folder.lay("a3", "ann", "schadenfreude", noise(9))
    noted = found(folder)["emotion outside the common vocabulary"]
    assert (noted.items, noted.warning) == (("schadenfreude: 1 utterance",), False)
    folder.lay("b3", "bob", "angri", noise(8))
    noted = found(folder)["emotions outside the common vocabulary"]
    assert noted.items == ("angri: 1 utterance; did you mean 'angry'?", "schadenfreude: 1 utterance")
    assert noted.warning
