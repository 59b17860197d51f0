"""Prediction from Python: the run as a classifier of recordings."""

import numpy as np
import pytest
import soundfile

import wser
from precompute.common.errors import UnusableAudioError, UsageError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(trained):
    return wser.load_run(trained[0])


def test_the_runs_own_recordings_are_predicted_as_in_its_test_sets(run, small_ravdess):
    files = {file.stem: file for file in small_ravdess.rglob("*.wav")}
    expected = list(run.predictions)
    paths = [files[prediction.key] for prediction in expected]
    probabilities = run.predict_proba(paths)
    np.testing.assert_allclose(
        probabilities, [[one.probabilities[name] for name in run.classes] for one in expected], atol=1e-6
    )
    assert run.predict(paths).tolist() == [one.predicted for one in expected]


def test_arrays_and_paths_and_one_alone_give_the_same(run, small_ravdess):
    paths = sorted(small_ravdess.rglob("*.wav"))[:3]
    samples = [soundfile.read(path, dtype="float32")[0] for path in paths]
    expected = run.predict_proba(paths)
    np.testing.assert_allclose(run.predict_proba(samples, sample_rate=16000), expected, atol=1e-6)
    np.testing.assert_allclose(run.predict_proba(str(paths[0])), expected[:1], atol=1e-6)
    np.testing.assert_allclose(run.predict_proba(samples[1], 16000), expected[1:2], atol=1e-6)
    assert run.predict_proba([]).shape == (0, len(run.classes))


def test_one_fold_predicts_alone(run):
    noise = 0.1 * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    each = [run.predict_proba(noise, 16000, fold=fold) for fold in (0, 1)]
    np.testing.assert_allclose(run.predict_proba(noise, 16000), np.mean(each, axis=0), atol=1e-9)
    assert np.abs(each[0] - each[1]).max() > 1e-6


def test_what_cannot_be_used_is_an_error(run, small_ravdess, tmp_path, messages):
    with messages.raises(UnusableAudioError):
        run.predict([tmp_path / "gone.wav"])
    with messages.raises(UnusableAudioError):
        run.predict(np.ones(16000, np.float32))
    with messages.raises(UnusableAudioError):
        run.predict(next(small_ravdess.rglob("*.wav")), 8000)
    with pytest.raises(UsageError):
        run.predict_proba([], one_speaker=True)
