"""The synthesizer: the same sound every time, within full scale, and as different as its speakers and emotions."""

import numpy as np
import pytest
import soundfile

from precompute.audio import synthesis
from precompute.corpora import demo


@pytest.mark.parametrize("speaker", [synthesis.SPEAKERS[0], synthesis.SPEAKERS[6]], ids=lambda speaker: speaker.name)
@pytest.mark.parametrize("emotion", synthesis.EMOTIONS)
def test_an_utterance_is_sound_within_full_scale(speaker, emotion):
    samples = synthesis.synthesize(speaker, 1, emotion)
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert 1.2 <= len(samples) / 16000 <= 3.5
    assert np.isfinite(samples).all()
    assert 0.7 < np.abs(samples).max() < 1


def test_the_same_arguments_give_the_same_samples():
    one, other = (synthesis.synthesize(synthesis.SPEAKERS[2], 3, "sad") for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_speakers_sentences_and_emotions_differ():
    first = synthesis.synthesize(synthesis.SPEAKERS[0], 0, "happy")
    for other in ((synthesis.SPEAKERS[1], 0, "happy"), (synthesis.SPEAKERS[0], 1, "happy"), (synthesis.SPEAKERS[0], 0, "sad")):
        samples = synthesis.synthesize(*other)
        n = min(len(first), len(samples))
        assert abs(np.corrcoef(first[:n], samples[:n])[0, 1]) < 0.5


def test_women_speak_higher_than_men():
    def pitch(speaker):
        x = synthesis.synthesize(speaker, 0, "neutral").astype(np.float64)
        correlation = np.fft.irfft(np.abs(np.fft.rfft(x, 2 * len(x))) ** 2)[: 16000 // 70]
        return 16000 / (correlation[16000 // 320 :].argmax() + 16000 // 320)

    female, male = ([pitch(s) for s in synthesis.SPEAKERS if s.sex == sex] for sex in ("female", "male"))
    assert np.median(female) > 1.3 * np.median(male)


@pytest.mark.parametrize("rate", [16000, 22050, 48000])
def test_other_sample_rates_give_the_same_duration(rate):
    seconds = [len(synthesis.synthesize(synthesis.SPEAKERS[5], 2, "angry", r)) / r for r in (16000, rate)]
    assert seconds[0] == pytest.approx(seconds[1], rel=0.01)


@pytest.mark.parametrize(
    "arguments",
    [
        (99, "sad", 16000),
        (-1, "sad", 16000),
        (0, "joyous", 16000),
        (0, "sad", 8000),
        (0, "sad", 96000),
    ],
)
def test_what_does_not_exist_is_refused(arguments, messages):
    with messages.raises(ValueError):
        synthesis.synthesize(synthesis.SPEAKERS[0], *arguments)


def test_speakers_have_names_and_both_sexes():
    assert len({speaker.name for speaker in synthesis.SPEAKERS}) == len(synthesis.SPEAKERS) == 10
    assert {speaker.sex for speaker in synthesis.SPEAKERS} == {"female", "male"}


def test_making_again_completes_and_overwrites_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "SPEAKERS", {"F1": synthesis.SPEAKERS[0]})
    monkeypatch.setattr(demo, "_each", lambda: [(0, "sad"), (1, "happy")])
    demo._make_speaker(tmp_path, "F1")
    files = sorted((tmp_path / "F1").iterdir())
    assert [file.name for file in files] == ["F1-1-sad.wav", "F1-2-happy.wav"]
    whole = files[0].read_bytes()
    files[0].unlink()
    soundfile.write(files[1], np.zeros(100), 16000)
    kept = files[1].read_bytes()
    demo._make_speaker(tmp_path, "F1")
    assert files[0].read_bytes() == whole
    assert files[1].read_bytes() == kept
